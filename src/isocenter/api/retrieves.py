"""`Peer.get` and `Peer.move`: keys to an identifier, responses to how far it is.

Owns what a Python developer gives and gets. Must not know connections; the association is an
argument.

PS3.4 C.4.2, C.4.3; PS3.7 9.1.3, 9.1.4.
"""

from __future__ import annotations

import os

from isocenter import uids
from isocenter.api.arguments import UNCOMPRESSED
from isocenter.dimse.status import StatusClass, classify
from isocenter.errors import DataSetError, DimseFailure
from isocenter.record import Record, replace
from isocenter.services import retrieve
from isocenter.ul.negotiation import Role
from isocenter.ul.request import ProposedContext

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from isocenter.net.association import Association
    from isocenter.services.plans import MoveDestination, RetrievePlan
    from isocenter.services.providers import StorageProvider
    from isocenter.services.retrieve import RetrieveResponse
    from isocenter.ul.negotiation import AcceptedContext, AcceptorPolicy

    Step = Callable[[Iterator[RetrieveResponse]], RetrieveResponse]

__all__ = [
    "RetrieveProgress",
    "contexts_for_get",
    "plan_of_files",
    "progress_of_get",
    "progress_of_move",
    "with_retrieves",
]

_MODELS = (
    uids.PATIENT_ROOT_GET,
    uids.PATIENT_ROOT_MOVE,
    uids.STUDY_ROOT_GET,
    uids.STUDY_ROOT_MOVE,
    uids.PATIENT_STUDY_ONLY_GET,
    uids.PATIENT_STUDY_ONLY_MOVE,
)

_MOST_AFTER_CANCEL = 100_000
"""Responses read after a C-CANCEL of a caller that wants no more; then the peer is aborted."""

_FAILED_LIST = 0x00080058


class RetrieveProgress(Record):
    """How far a retrieve is: one response of the peer (PS3.4 C.4.2.1.4, C.4.3.1.3).

    Fields:
        status: DIMSE status; FF00 while it goes on.
        remaining, completed, failed, warning: sub-operations by their state, None where the peer
            does not say.
        failed_instances: SOP Instance UIDs that the last response names as failed.
        comment: Error Comment, "" where there is none.
    """

    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None
    failed_instances: tuple[str, ...]
    comment: str

    @property
    def is_final(self) -> bool:
        """True for the last one."""
        return classify(self.status) is not StatusClass.PENDING


def contexts_for_get(
    *,
    model: str = uids.STUDY_ROOT_GET,
    sop_classes: Iterable[str] | None = None,
    transfer_syntaxes: Sequence[str] = UNCOMPRESSED,
) -> list[ProposedContext]:
    """Return the contexts that `Peer.get` needs: the model, and storage classes to receive.

    Args:
        model: SOP class of the information model.
        sop_classes: storage classes that may come, at most 126; None for the 120 that DCMTK's
            getscu proposes.
        transfer_syntaxes: for each of them; the peer chooses one.

    PS3.4 C.4.3.2, PS3.7 D.3.3.4.
    """
    classes = uids.LONG_PROPOSAL if sop_classes is None else sop_classes
    return [
        ProposedContext(abstract_syntax=model, transfer_syntaxes=UNCOMPRESSED),
        *(
            ProposedContext(
                abstract_syntax=uid, transfer_syntaxes=tuple(transfer_syntaxes), role=Role.SCP
            )
            for uid in classes
        ),
    ]


def with_retrieves(policy: AcceptorPolicy, *, stores: bool) -> AcceptorPolicy:
    """Return a server's policy with what retrieves need.

    Args:
        policy: without them.
        stores: True where it takes objects, too; False where it sends them alone.

    PS3.4 C.4.3.2, PS3.7 D.3.3.4.
    """
    everything = tuple(dict.fromkeys((*UNCOMPRESSED, *uids.ACCEPT_ALL_TRANSFER_SYNTAXES)))
    models = (*UNCOMPRESSED, uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    storage = frozenset(uids.DEFAULT_STORAGE_CLASSES)
    roles = Role.SCU | Role.SCP if stores else Role.SCP

    def accept_roles(uid: str) -> Role | None:
        return roles if uid in storage else Role.SCU

    return replace(
        policy,
        abstract_syntaxes={
            **dict.fromkeys(uids.DEFAULT_STORAGE_CLASSES, everything),
            **policy.abstract_syntaxes,
            **dict.fromkeys(_MODELS, models),
        },
        accept_roles=accept_roles,
    )


def plan_of_files(
    *paths: str | os.PathLike[str], destination: MoveDestination | None = None
) -> RetrievePlan:
    """Return a plan that sends these files, in this order, for a `RetrieveProvider`.

    Reads the beginning of each; they are opened when their turn comes, and sent as they are where
    the receiver takes that, else converted, and decompressed where that can be done here.

    Args:
        paths: of DICOM files.
        destination: of a C-MOVE; None for C-GET.

    Raises:
        DataSetError: one of them is no usable object.
        OSError: it cannot be read.
    """
    from isocenter.node.retrieval import FileSender
    from isocenter.sender.prepare import identify
    from isocenter.services.plans import RetrievePlan

    sender = FileSender()
    instances = []
    for path in paths:
        found = identify(os.fspath(path))
        instances.append(
            sender.instance(
                os.fspath(path),
                found.sop_class_uid,
                found.sop_instance_uid,
                found.transfer_syntax_uid,
            )
        )
    return RetrievePlan(instances=instances, destination=destination, at_end=sender.close)


def progress_of_get(
    association: Association,
    context: AcceptedContext,
    identifier: bytes,
    provider: StorageProvider,
    *,
    priority: int,
    step: Step,
    close: Callable[[], None] | None = None,
) -> Generator[RetrieveProgress]:
    """Yield how far a C-GET is, while `provider` stores what comes; see `Peer.get`."""
    number = association.session.next_message_id()
    responses = retrieve.get(
        association,
        context.context_id,
        identifier,
        provider,
        priority=priority,
        message_id=number,
    )
    try:
        yield from _progress(association, context, responses, number, step)
    finally:
        if close is not None:
            close()


def progress_of_move(
    association: Association,
    context: AcceptedContext,
    identifier: bytes,
    destination: str,
    *,
    priority: int,
    step: Step,
) -> Generator[RetrieveProgress]:
    """Yield how far a C-MOVE is; see `Peer.move`."""
    number = association.session.next_message_id()
    responses = retrieve.move(
        association,
        context.context_id,
        identifier,
        destination,
        priority=priority,
        message_id=number,
    )
    return _progress(association, context, responses, number, step)


def _progress(
    association: Association,
    context: AcceptedContext,
    responses: Iterator[RetrieveResponse],
    number: int,
    step: Step,
) -> Generator[RetrieveProgress]:
    """Yield each response as progress; closed before the last one, the retrieve is cancelled.

    Raises:
        DimseFailure: behind the last one, where its status is a failure.
        AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
            PeerProtocolError: the association ended.
    """
    is_over = False
    try:
        while True:
            try:
                response = step(responses)
            except BaseException:
                is_over = True
                raise
            is_over = response.is_final
            yield _progress_of(response, context)
            if is_over:
                break
        if classify(response.status) not in {StatusClass.SUCCESS, StatusClass.WARNING}:
            comment = response.comment or "the retrieve failed"
            raise DimseFailure(response.status, comment, response.message.offending_element)
    finally:
        if not is_over and not association.closed:
            _cancel(association, context, responses, number, step)


def _cancel(
    association: Association,
    context: AcceptedContext,
    responses: Iterator[RetrieveResponse],
    number: int,
    step: Step,
) -> None:
    """Ask the peer to stop, and take what still comes."""
    retrieve.cancel(association, context.context_id, number)
    for _ in range(_MOST_AFTER_CANCEL):
        if step(responses).is_final:
            return
    association.abort()


def _progress_of(response: RetrieveResponse, context: AcceptedContext) -> RetrieveProgress:
    failed: tuple[str, ...] = ()
    if response.identifier:
        failed = _failed_instances(response.identifier, context.transfer_syntax)
    return RetrieveProgress(
        status=response.status,
        remaining=response.remaining,
        completed=response.completed,
        failed=response.failed,
        warning=response.warning,
        failed_instances=failed,
        comment=response.comment,
    )


def _failed_instances(identifier: bytes, transfer_syntax_uid: str) -> tuple[str, ...]:
    """Return what an identifier lists, as far as it can be read."""
    from isocenter.dataset.tree import decode

    try:
        text = decode(identifier, transfer_syntax_uid).text(_FAILED_LIST)
    except DataSetError:
        return ()
    return tuple(uid.strip(" \0") for uid in text.split("\\") if uid.strip(" \0"))
