"""Query/Retrieve as requestor: C-MOVE and C-GET (PS3.4 C.4.2, C.4.3; PS3.7 9.1.3, 9.1.4).

Owns the order of these exchanges: the request, pending responses, objects that arrive meanwhile on
the same association (C-GET), the final response. Objects are received by `services.storage`, as an
acceptor's are. Must not know identifiers, nor where objects go. The other side is `retrieve_scp`.
"""

from __future__ import annotations

from isocenter.dimse.commands import CStoreRQ
from isocenter.dimse.commands_query import CCancelRQ, CGetRQ, CGetRSP, CMoveRQ, CMoveRSP
from isocenter.dimse.messages import CommandReceived
from isocenter.dimse.status import is_pending
from isocenter.errors import (
    AssociationReleased,
    DimseDecodeError,
    PeerProtocolError,
    TimeoutExpired,
)
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.services.exchange import invoke
from isocenter.services.identifiers import read_identifier
from isocenter.services.storage import perform_store

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from isocenter.net.association import Association
    from isocenter.services.providers import StorageProvider, StoreRequest
else:
    Protocol = object

__all__ = ["GetObserver", "RetrieveResponse", "UnexpectedCommand", "cancel", "get", "move"]


class UnexpectedCommand(DimseDecodeError):
    """Another command came where a response, or in C-GET an object, was due.

    Attributes:
        received_command: the Command Field of what came.
    """

    def __init__(self, expected: str, message_name: str, received_command: int) -> None:
        """Keep the command field."""
        super().__init__(
            message_name,
            "Command Field",
            offset=None,
            expected=expected,
            found=f"{received_command:04X}H",
        )
        self.received_command = received_command


class RetrieveResponse(Record):
    """A response to C-GET or C-MOVE.

    Fields:
        context_id: of the presentation context it came on.
        message: the response as it came.
        identifier: the encoded data set that came with it, None where there was none, or one that
            was too long to be held.
    """

    context_id: int
    message: CGetRSP | CMoveRSP
    identifier: bytes | None = None

    @property
    def status(self) -> int:
        """DIMSE status (PS3.4 C.4.2.1.5, C.4.3.1.4)."""
        return self.message.status

    @property
    def is_final(self) -> bool:
        """True for the last response."""
        return not is_pending(self.message.status)

    @property
    def comment(self) -> str:
        """Error Comment, "" where there was none."""
        return self.message.error_comment or ""

    @property
    def remaining(self) -> int | None:
        """Sub-operations that are still to come, None where the peer did not say."""
        return self.message.number_of_remaining_sub_operations

    @property
    def completed(self) -> int | None:
        """Sub-operations that succeeded, None where the peer did not say."""
        return self.message.number_of_completed_sub_operations

    @property
    def failed(self) -> int | None:
        """Sub-operations that failed, None where the peer did not say."""
        return self.message.number_of_failed_sub_operations

    @property
    def warning(self) -> int | None:
        """Sub-operations that ended with a warning, None where the peer did not say."""
        return self.message.number_of_warning_sub_operations


class GetObserver(Protocol):
    """Told of the objects that arrive within a C-GET."""

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """A C-STORE arrived; its data set follows."""

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """It was answered with `status`."""


def cancel(association: Association, context_id: int, message_id: int) -> None:
    """Ask the peer to end an operation; the final response still comes (PS3.7 9.3.2.3).

    Raises:
        As `Association.send`.
    """
    association.send(context_id, CCancelRQ(message_id_being_responded_to=message_id))


def move(
    association: Association,
    context_id: int,
    identifier: bytes,
    destination: str,
    *,
    priority: int = 0,
    message_id: int | None = None,
    ignores_pending_data: bool = False,
    is_busy: Callable[[float], bool] | None = None,
    maximum_length: int = DEFAULTS.maximum_identifier_length,
) -> Iterator[RetrieveResponse]:
    """Send a C-MOVE and yield its responses; the last one is final.

    Args:
        association: established, as requestor.
        context_id: an accepted context of an information model's MOVE class.
        identifier: encoded in the context's transfer syntax.
        destination: AE title to send to.
        priority: 0 medium, 1 high, 2 low.
        message_id: the session's next where it is None.
        ignores_pending_data: a pending response that announces a data set, which is against the
            standard, has none behind it; False reads it and drops it.
        is_busy: asked when no response came for so many seconds, the DIMSE timeout; where it says
            True the wait begins anew. None for nobody.
        maximum_length: bytes, inclusive, of an identifier in a response that are held.

    The request is sent with the first step; between two steps `cancel` may be called.

    Raises:
        TimeoutExpired: no response came in time; aborted.
        AssociationReleased, UnexpectedCommand, DimseDecodeError: something else came; aborted.
        AssociationAborted, ConnectionLost, PeerProtocolError: the association ended.
        LocalProtocolError, ValueError, TypeError: as `invoke`; nothing was sent.
    """
    request = CMoveRQ(
        message_id=association.session.next_message_id() if message_id is None else message_id,
        affected_sop_class_uid=association.contexts[context_id].abstract_syntax,
        move_destination=destination,
        priority=priority,
    )
    invoke(association, context_id, request, (identifier,))
    while True:
        incoming = _next_command(association, is_busy)
        message = incoming.message
        if not isinstance(message, CMoveRSP):
            raise _unexpected(association, incoming, "a C-MOVE response")
        response = _response(association, incoming, message, maximum_length, ignores_pending_data)
        yield response
        if response.is_final:
            return


def get(
    association: Association,
    context_id: int,
    identifier: bytes,
    provider: StorageProvider,
    *,
    priority: int = 0,
    message_id: int | None = None,
    observer: GetObserver | None = None,
    maximum_length: int = DEFAULTS.maximum_identifier_length,
) -> Iterator[RetrieveResponse]:
    """Send a C-GET, let `provider` store what arrives, and yield the responses.

    Args:
        association: established, as requestor, with the role of SCP for storage classes.
        context_id: an accepted context of an information model's GET class.
        identifier: encoded in the context's transfer syntax.
        provider: stores each object; what it raises answers that object alone.
        priority: 0 medium, 1 high, 2 low.
        message_id: the session's next where it is None.
        observer: told of the objects, None for nobody.
        maximum_length: bytes, inclusive, of an identifier in a response that are held.

    The request is sent with the first step; between two steps `cancel` may be called.

    Raises:
        As `move`; also what `observer` raises.
        AbortAssociation: the provider asked for it.
    """
    request = CGetRQ(
        message_id=association.session.next_message_id() if message_id is None else message_id,
        affected_sop_class_uid=association.contexts[context_id].abstract_syntax,
        priority=priority,
    )
    invoke(association, context_id, request, (identifier,))
    while True:
        incoming = _next_command(association, None)
        message = incoming.message
        if isinstance(message, CStoreRQ):
            if message.deviations:
                association.tolerate(message.deviations)
            if observer is not None:
                observer.store(association, incoming.context_id, message)
            outcome = perform_store(association, incoming.context_id, message, provider)
            if observer is not None:
                observer.stored(association, *outcome)
            continue
        if not isinstance(message, CGetRSP):
            raise _unexpected(association, incoming, "a C-GET response or a C-STORE request")
        response = _response(association, incoming, message, maximum_length, ignores_data=False)
        yield response
        if response.is_final:
            return


def _next_command(
    association: Association, is_busy: Callable[[float], bool] | None
) -> CommandReceived:
    """Return the next command; anything else ends the association."""
    timeout = association.dimse_timeout
    while True:
        try:
            incoming = association.receive(timeout)
        except TimeoutExpired as problem:
            if problem.which == "dimse" and is_busy is not None and is_busy(timeout or 0.0):
                continue
            association.abort()
            raise
        break
    if isinstance(incoming, CommandReceived):
        return incoming
    association.abort()
    msg = "the peer asked for release while a response was due"
    raise AssociationReleased(msg)


def _unexpected(
    association: Association, incoming: CommandReceived, expected: str
) -> UnexpectedCommand:
    association.abort()
    message = incoming.message
    return UnexpectedCommand(expected, message.message_name, message.command_field)


def _response(
    association: Association,
    incoming: CommandReceived,
    message: CGetRSP | CMoveRSP,
    maximum_length: int,
    ignores_data: bool,  # noqa: FBT001 - of pending responses
) -> RetrieveResponse:
    """Match a response with its request and read the identifier that it announces."""
    if message.deviations:
        association.tolerate(message.deviations)
    try:
        association.session.responded(message)
    except PeerProtocolError:
        association.abort()
        raise
    identifier: bytes | None = None
    if message.has_data_set:
        pending = is_pending(message.status)
        if pending and ignores_data:
            association.waive_data_set()
        else:
            identifier = read_identifier(association, message, maximum_length)
            if identifier is None:
                words = f"an identifier longer than {maximum_length} bytes, ignored"
                association.tolerate((f"{message.message_name} with {words}",))
            if pending:
                identifier = None
    return RetrieveResponse(context_id=incoming.context_id, message=message, identifier=identifier)
