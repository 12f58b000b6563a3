"""What an archive node agrees to beyond its policy: contexts by entity, by model, by turn.

Owns the rules that depend on the title that is called, or on another association. Must not know
how an association is driven: it revises answers (`services.acceptor`).

In this order, each with result 1 (user rejection, PS3.8 9.3.3.2):

    storage contexts with a title whose area is not writable; where the requestor may be the SCP of
        their SOP class, for C-GET, they are accepted, and it is that alone
    query and retrieve contexts with a title whose area is not readable; DCMTK accepts them
    MOVE and GET contexts without a FIND context of the same model, where that is required
    storage contexts while another association has some with the same title, where only one may

Before all of them: where a peer may do so, who proposes DCMTK's private SOP class for that is
rejected (1/1/1) and ends the server.

DCMTK's dcmqrscp, --require-find, --no-parallel-store.
"""

from __future__ import annotations

import os
import threading

from isocenter import uids
from isocenter.aetitle import normalise
from isocenter.logs import get_logger
from isocenter.record import NamedTuple, replace
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import AAssociateRJ, ContextResult, RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.node.config import NodeConfig
    from isocenter.ul.pdu import AAssociateAC, AAssociateRQ, PresentationContextResult

__all__ = ["MODELS", "SHUTDOWN", "Model", "NodeNegotiation", "StorageTurns"]

_LOGGER = get_logger(__name__)


class Model(NamedTuple):
    """The SOP classes of a query/retrieve information model (PS3.4 C.3)."""

    find: str
    move: str
    get: str


MODELS = (
    Model(uids.PATIENT_ROOT_FIND, uids.PATIENT_ROOT_MOVE, uids.PATIENT_ROOT_GET),
    Model(uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_MOVE, uids.STUDY_ROOT_GET),
    Model(uids.PATIENT_STUDY_ONLY_FIND, uids.PATIENT_STUDY_ONLY_MOVE, uids.PATIENT_STUDY_ONLY_GET),
)
"""Patient Root, Study Root, Patient/Study Only."""

SHUTDOWN = "1.2.276.0.7230010.3.4.1915765545.18030.917282194.0"
"""DCMTK's private SOP class by which a peer ends a server; accepted by a policy or not."""

_MODEL_OF = {uid: model for model in MODELS for uid in model}


class StorageTurns:
    """Lets one association at a time have storage contexts with a title; for any thread.

    A turn is a lock on a file, which ends with the process that has it, so that it holds among all
    processes of a server.

    Args:
        place: title to the path of its file; the folder exists, the file is made.

    Where the system has no such locks, associations of one process know each other.
    """

    __slots__ = ("_lock", "_place", "_turns")

    def __init__(self, place: Callable[[str], str]) -> None:
        """Start with nobody."""
        self._place = place
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[int, int]] = {}  # title to association and descriptor

    def take(self, title: str, association: int) -> bool:
        """Take the turn of a title for an association; False where another has it.

        Raises:
            OSError: the file cannot be made.
        """
        with self._lock:
            if title in self._turns:
                return self._turns[title][0] == association
            fd = os.open(self._place(title), os.O_RDWR | os.O_CREAT, 0o600)
            if not _locked(fd):
                os.close(fd)
                return False
            self._turns[title] = (association, fd)
            return True

    def leave(self, association: int) -> None:
        """Give back what an association has, because it is over."""
        with self._lock:
            for title in [title for title, turn in self._turns.items() if turn[0] == association]:
                os.close(self._turns.pop(title)[1])


def _locked(fd: int) -> bool:
    """Lock a file, and tell whether nobody else had."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class NodeNegotiation:
    """Revises the answers to requests; for any thread.

    Args:
        config: the node's entities.
        is_storage: tells whether a SOP class is one of storage.
        require_find: refuse MOVE and GET contexts of a model without its FIND.
        turns: who may store with a title, None for everybody at a time.
        shut_down: ends the server; None where no peer may.
    """

    __slots__ = ("_config", "_is_storage", "_require_find", "_shut_down", "_turns")

    def __init__(
        self,
        config: NodeConfig,
        is_storage: Callable[[str], bool],
        *,
        require_find: bool = False,
        turns: StorageTurns | None = None,
        shut_down: Callable[[], None] | None = None,
    ) -> None:
        """Keep the arguments."""
        self._shut_down = shut_down
        self._config = config
        self._is_storage = is_storage
        self._require_find = require_find
        self._turns = turns

    def revise(
        self, request: AAssociateRQ, answer: AAssociateAC | AAssociateRJ, association: int
    ) -> AAssociateAC | AAssociateRJ:
        """Return the answer that the node gives.

        Args:
            request: what the peer asks for.
            answer: what the policy says.
            association: its number.
        """
        if isinstance(answer, AAssociateRJ):
            return answer
        title = normalise(request.called_ae_title)
        proposed = {
            context.context_id: context.abstract_syntax for context in request.presentation_contexts
        }
        accepted = {
            proposed[context.context_id]
            for context in answer.presentation_contexts
            if context.result == ContextResult.ACCEPTANCE
        }
        if SHUTDOWN in accepted and self._shut_down is not None:
            _LOGGER.info('Shutting down server ... (negotiated private "shut down" SOP class)')
            self._shut_down()
            return rejection(RejectReason.USER_NO_REASON)
        stored = {uid for uid in accepted if self._is_storage(uid)}
        refused = self._refused_queries(title, accepted)
        narrowed: set[str] = set()
        entity = self._config.entity(title)
        if entity is not None and not entity.writable:
            narrowed = stored & _classes_as_scp(answer)
            refused |= stored - narrowed
            stored = set()
        if self._turns is not None and stored and not self._turns.take(title, association):
            _LOGGER.info("another association stores with %a: storage contexts refused", title)
            refused |= stored
        if not refused and not narrowed:
            return answer
        return replace(
            answer,
            presentation_contexts=tuple(
                _rejected(context)
                if context.result == ContextResult.ACCEPTANCE
                and proposed[context.context_id] in refused
                else context
                for context in answer.presentation_contexts
            ),
            user_information=replace(
                answer.user_information,
                role_selections=tuple(
                    replace(selection, scu_role=False)
                    if selection.sop_class_uid in narrowed
                    else selection
                    for selection in answer.user_information.role_selections
                    if selection.sop_class_uid not in refused
                ),
            ),
        )

    def _refused_queries(self, title: str, accepted: set[str]) -> set[str]:
        """Return which accepted SOP classes of query and retrieve are refused all the same."""
        entity = self._config.entity(title)
        refused: set[str] = set()
        for uid in accepted:
            model = _MODEL_OF.get(uid)
            if model is None:
                continue
            lonely = uid != model.find and model.find not in accepted
            if lonely and uid == model.move and not self._require_find:
                _LOGGER.error("Move Presentation Context but no Find (accepting for now)")
            if (lonely and self._require_find) or not (entity is None or entity.readable):
                refused.add(uid)
        return refused


def _classes_as_scp(answer: AAssociateAC) -> set[str]:
    """Return the SOP classes in which the requestor may be the SCP (PS3.7 D.3.3.4)."""
    return {
        selection.sop_class_uid
        for selection in answer.user_information.role_selections
        if selection.scp_role
    }


def _rejected(context: PresentationContextResult) -> PresentationContextResult:
    return replace(context, result=ContextResult.USER_REJECTION)
