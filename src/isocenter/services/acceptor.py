"""The acceptor's side of an association, from its request to its end.

Joins negotiation, registry and the services' performers: one of them for each command, in a
table at the end. What a tool prints or counts about it goes through an `Observer`, so that this
module has no words of its own.
"""

from __future__ import annotations

from functools import partial

from isocenter.dimse.commands import CEchoRQ, CEchoRSP, CStoreRQ
from isocenter.dimse.messages import CommandReceived, DataReceived
from isocenter.dimse.status import PROCESSING_FAILURE, SOP_CLASS_NOT_SUPPORTED
from isocenter.errors import (
    AssociationRejected,
    DimseDecodeError,
    DimseFailure,
    IsocenterError,
)
from isocenter.logs import get_logger
from isocenter.net.association import StopRequested
from isocenter.services.providers import AbortAssociation, EchoRequest, StopServing
from isocenter.services.storage import perform_store
from isocenter.ul.negotiation import negotiate
from isocenter.ul.pdu import AAssociateRJ

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final, Protocol, TypeAlias

    from isocenter.dimse.commands import (
        CCancelRQ,
        CFindRQ,
        CFindRSP,
        CGetRQ,
        CGetRSP,
        CMoveRQ,
        CMoveRSP,
        Message,
    )
    from isocenter.net.association import Association
    from isocenter.services.admission import Admission
    from isocenter.services.providers import StoreRequest, VerificationProvider
    from isocenter.services.registry import Registry
    from isocenter.ul.admission import Verdict
    from isocenter.ul.negotiation import AcceptorPolicy
    from isocenter.ul.pdu import AAssociateAC, AAssociateRQ
    from isocenter.wire import Segment

    Answer: TypeAlias = "AAssociateAC | AAssociateRJ"
    Operation: TypeAlias = "CFindRQ | CGetRQ | CMoveRQ"
    OperationResponse: TypeAlias = "CFindRSP | CGetRSP | CMoveRSP"
    Revision: TypeAlias = "Callable[[AAssociateRQ, Answer, int], Answer]"
else:
    Protocol = object

__all__ = ["Acceptor", "Observer", "SilentObserver"]

_LOGGER = get_logger(__name__)

_C_GET_RQ: Final = 0x0010
_C_FIND_RQ: Final = 0x0020
_C_MOVE_RQ: Final = 0x0021
_C_CANCEL_RQ: Final = 0x0FFF


class Observer(Protocol):
    """Told what happens on an association; called in the thread that owns it."""

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """A request arrived."""

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """It is about to be rejected."""

    def acknowledged(self, association: Association) -> None:
        """It was accepted; the association's facts are set."""

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """A C-ECHO arrived."""

    def echoed(self, association: Association, context_id: int, response: CEchoRSP) -> None:
        """It was answered."""

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """A C-STORE arrived; its data set follows."""

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """It was answered with `status`."""

    def operation(self, association: Association, context_id: int, command: Operation) -> None:
        """A C-FIND, C-GET or C-MOVE arrived; its identifier follows."""

    def identified(
        self, association: Association, context_id: int, command: Operation, identifier: bytes
    ) -> None:
        """The identifier of it is here, encoded as agreed on the context."""

    def answered(
        self,
        association: Association,
        context_id: int,
        response: OperationResponse,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """A response to it was sent, with an identifier or without."""

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """A C-CANCEL arrived for `request`; None where that is finished, or never was."""

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """A command arrived that nobody serves; the association is aborted."""

    def released(self, association: Association) -> None:
        """The peer asked for release."""

    def aborting(self, association: Association) -> None:
        """A provider asked for an abort."""

    def stopped(self, association: Association) -> None:
        """The server stops; the association is aborted between two messages."""

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """The association ended otherwise: aborted, lost, timed out, or the peer broke a rule."""

    def ended(self, association: Association) -> None:
        """It is over, however it ended; always the last call."""


class SilentObserver:
    """An observer that says nothing; base for those that say little."""

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Say nothing."""

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Say nothing."""

    def acknowledged(self, association: Association) -> None:
        """Say nothing."""

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Say nothing."""

    def echoed(self, association: Association, context_id: int, response: CEchoRSP) -> None:
        """Say nothing."""

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Say nothing."""

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Say nothing."""

    def operation(self, association: Association, context_id: int, command: Operation) -> None:
        """Say nothing."""

    def identified(
        self, association: Association, context_id: int, command: Operation, identifier: bytes
    ) -> None:
        """Say nothing."""

    def answered(
        self,
        association: Association,
        context_id: int,
        response: OperationResponse,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """Say nothing."""

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """Say nothing."""

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Say nothing."""

    def released(self, association: Association) -> None:
        """Say nothing."""

    def aborting(self, association: Association) -> None:
        """Say nothing."""

    def stopped(self, association: Association) -> None:
        """Say nothing."""

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Say nothing."""

    def ended(self, association: Association) -> None:
        """Say nothing."""


class _Chronicler(SilentObserver):
    """Logs how associations begin and fail: the observer of those who have none."""

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Log the reason."""
        reason = AssociationRejected(reject.result, reject.source, reject.reason)
        _LOGGER.info("%s (from %s)", reason, association.peer_address)

    def acknowledged(self, association: Association) -> None:
        """Log the acceptance."""
        _LOGGER.info("accepted %s", association.label)

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Log the reason."""
        _LOGGER.info("%s ended: %s", association.label, problem)


class Acceptor:
    """Serves associations with one policy and one registry; shared by all threads.

    Args:
        policy: who and what is accepted.
        registry: who serves what.
        observer: who is told; None logs how associations begin and fail.
        admission: asked whether a requestor may associate that the policy has nothing against;
            None for nobody.
        revise: has the last word on each answer, by request, answer and number of the association;
            None leaves it as it is.
    """

    def __init__(
        self,
        policy: AcceptorPolicy,
        registry: Registry,
        observer: Observer | None = None,
        admission: Admission | None = None,
        *,
        revise: Revision | None = None,
    ) -> None:
        """Keep the arguments."""
        self._admission = admission
        self._revise = revise
        self._policy = policy
        self._registry = registry
        self._observer: Observer = observer or _Chronicler()

    def serve(self, association: Association) -> None:
        """Drive one association from its request to its end; returns once it is closed."""
        observer = self._observer
        try:
            request = association.await_request()
            observer.received(association, request)
            answer = negotiate(request, self._policy, self._admit(association))
            if self._revise is not None:
                answer = self._revise(request, answer, association.number)
            if isinstance(answer, AAssociateRJ):
                observer.rejected(association, request, answer)
                association.reject_request(answer)
                return
            association.accept_request(request, answer)
            observer.acknowledged(association)
            self._serve_messages(association)
        except AbortAssociation:
            observer.aborting(association)
            association.abort()
        except StopServing:
            observer.stopped(association)
            association.abort()
        except IsocenterError as problem:
            observer.failed(association, problem)
            association.abort()
        finally:
            observer.ended(association)

    def _admit(self, association: Association) -> Callable[[AAssociateRQ], Verdict] | None:
        """Return what judges the request of an association."""
        if self._admission is None:
            return None
        from isocenter.services.admission import judged

        return partial(judged, self._admission, association)

    def _serve_messages(self, association: Association) -> None:
        observer = self._observer
        while True:
            incoming = association.receive()
            if type(incoming) is CommandReceived:
                command = incoming.message
                if command.deviations:
                    association.tolerate(command.deviations)
                perform = _PERFORMERS.get(command.command_field)
                if perform is None or not perform(self, association, incoming.context_id, command):
                    observer.unexpected(association, incoming.context_id, command)
                    association.abort()
                    return
            elif isinstance(incoming, StopRequested):
                observer.stopped(association)
                association.abort()
                return
            elif isinstance(incoming, DataReceived):
                raise DimseDecodeError(
                    "C-ECHO-RQ", "data set", offset=None, expected="none", found="one"
                )
            else:
                observer.released(association)
                association.confirm_release()
                return

    def _perform_store(self, association: Association, context_id: int, command: CStoreRQ) -> bool:
        self._observer.store(association, context_id, command)
        provider = self._registry.storage(command.affected_sop_class_uid)
        outcome = perform_store(association, context_id, command, provider)
        self._observer.stored(association, *outcome)
        return True

    def _perform_find(self, association: Association, context_id: int, command: CFindRQ) -> bool:
        if not self._registry.answers_queries:
            return False
        from isocenter.services.query import perform_find

        self._observer.operation(association, context_id, command)
        provider = self._registry.query(association.contexts[context_id].abstract_syntax)
        perform_find(
            association,
            context_id,
            command,
            provider,
            self._observer,
            maximum_length=self._registry.limits.maximum_identifier_length,
        )
        return True

    def _perform_retrieve(
        self, association: Association, context_id: int, command: CGetRQ | CMoveRQ
    ) -> bool:
        if not self._registry.performs_retrieves:
            return False
        from isocenter.services.retrieve_scp import perform_retrieve

        self._observer.operation(association, context_id, command)
        provider = self._registry.retrieve(association.contexts[context_id].abstract_syntax)
        perform_retrieve(
            association,
            context_id,
            command,
            provider,
            self._observer,
            maximum_length=self._registry.limits.maximum_identifier_length,
        )
        return True

    def _ignore_cancel(self, association: Association, context_id: int, command: CCancelRQ) -> bool:
        """Take note of a C-CANCEL that crossed the final response (PS3.7 9.3.2.3)."""
        del context_id
        if not (self._registry.answers_queries or self._registry.performs_retrieves):
            return False
        self._observer.cancel(association, command, None)
        return True

    def _perform_echo(self, association: Association, context_id: int, command: CEchoRQ) -> bool:
        provider = self._registry.verification
        if provider is None:
            return False
        self._observer.echo(association, context_id, command)
        context = association.contexts[context_id]
        association.session.performing(command)
        comment: str | None = None
        try:
            status = _verify(provider, EchoRequest(association, context, command))
        except DimseFailure as failure:
            status, comment = failure.status, failure.comment or None
        except AbortAssociation:
            raise
        except Exception:
            _LOGGER.exception("verification provider failed (%s)", association.label)
            status = PROCESSING_FAILURE
        response = CEchoRSP(
            message_id_being_responded_to=command.message_id,
            affected_sop_class_uid=command.affected_sop_class_uid,
            status=status,
            error_comment=comment,
            has_data_set=False,
        )
        association.session.performed(response)
        association.send(context_id, response)
        self._observer.echoed(association, context_id, response)
        return True


def _verify(provider: VerificationProvider, request: EchoRequest) -> int:
    """Call the provider, where the requestor may be SCU (PS3.7 D.3.3.4)."""
    if not request.context.as_scp:
        raise DimseFailure(SOP_CLASS_NOT_SUPPORTED, "the role of SCU was not agreed on")
    return provider.echo(request)


_PERFORMERS: Mapping[int, Callable[[Acceptor, Association, int, Message], bool]] = {
    CEchoRQ.command_field: Acceptor._perform_echo,  # type: ignore[dict-item]  # noqa: SLF001
    CStoreRQ.command_field: Acceptor._perform_store,  # type: ignore[dict-item]  # noqa: SLF001
    _C_GET_RQ: Acceptor._perform_retrieve,  # type: ignore[dict-item]  # noqa: SLF001
    _C_MOVE_RQ: Acceptor._perform_retrieve,  # type: ignore[dict-item]  # noqa: SLF001
    _C_FIND_RQ: Acceptor._perform_find,  # type: ignore[dict-item]  # noqa: SLF001
    _C_CANCEL_RQ: Acceptor._ignore_cancel,  # type: ignore[dict-item]  # noqa: SLF001
}
"""Who performs a command; where one returns False nobody serves it here.

By Command Field (PS3.7 E.1), since most acceptors never need the classes of the other messages;
each takes the message that belongs to its field.
"""
