"""The query part of the Query/Retrieve service class, both sides (PS3.4 C.4.1, PS3.7 9.1.2).

Identifiers are bytes here; what they ask for is the provider's. Must not know the archive.
"""

from __future__ import annotations

from isocenter.dimse.commands import CCancelRQ, CFindRQ, CFindRSP
from isocenter.dimse.status import (
    CANCEL,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNABLE_TO_PROCESS,
    is_pending,
)
from isocenter.errors import DataSetError, DimseDecodeError, DimseFailure
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger
from isocenter.record import NamedTuple
from isocenter.services.exchange import invoke, next_response
from isocenter.services.identifiers import read_identifier
from isocenter.services.interruption import Lookout
from isocenter.services.providers import AbortAssociation, FindRequest, StopServing
from isocenter.wire import segment_length

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol, Self

    from isocenter.dimse.commands import Message
    from isocenter.net.association import Association
    from isocenter.services.providers import FindMatch, FindProvider
    from isocenter.wire import Segment, WireSegment
else:
    Protocol = object

__all__ = ["FindObserver", "FindResponse", "Finding", "find", "perform_find"]

_LOGGER = get_logger(__name__)

_MOST_AFTER_CANCEL = 10_000
"""Responses read after a C-CANCEL of a caller that wants no more; then the peer is aborted."""

_SENT_AT_ONCE = 65536
"""Bytes of responses that wait for those behind them, about."""


# --- requestor ---


class FindResponse(NamedTuple):
    """One response to a C-FIND; the last one is final.

    Fields:
        status: FF00 or FF01 with a match, anything else is final (PS3.4 C.4.1.1.4).
        identifier: the encoded match, None where the response has none.
        comment: Error Comment, "" where there is none.
        offending: tags of Offending Element.
        message: the response as it came.
    """

    status: int
    identifier: bytes | None
    comment: str
    offending: tuple[int, ...]
    message: CFindRSP

    @property
    def is_pending(self) -> bool:
        """True where more responses follow."""
        return is_pending(self.status)


class Finding:
    """A C-FIND and its responses; an iterator, made by `find`.

    The request is sent by the first step. Closed before its final response, for instance where a
    ``for`` loop is left in a generator that is closed, the query is cancelled.

    Attributes:
        message_id: of the request.
        request: the C-FIND-RQ.
    """

    def __init__(
        self,
        association: Association,
        context_id: int,
        identifier: Sequence[Segment],
        *,
        priority: int,
        cancel_after: int | None,
        maximum_length: int,
    ) -> None:
        """Take a message id; nothing is sent yet."""
        self._association = association
        self._context_id = context_id
        self._identifier = identifier
        self._cancel_after = cancel_after
        self._maximum_length = maximum_length
        self._sent = self._over = self._cancelled = False
        self._count = 0
        self.message_id = association.session.next_message_id()
        self.request = CFindRQ(
            message_id=self.message_id,
            affected_sop_class_uid=association.contexts[context_id].abstract_syntax,
            priority=priority,
            has_data_set=True,
        )

    def __iter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __next__(self) -> FindResponse:
        """Send the request if that was not done, and return the next response.

        Raises:
            DataSetError: a match is longer than it may be; the association stands, and the next
                step goes on behind it.
            TimeoutExpired: no response came within the DIMSE timeout; aborted.
            AssociationAborted, AssociationReleased, ConnectionLost, PeerProtocolError: the
                association ended.
        """
        if self._over:
            raise StopIteration
        association = self._association
        if not self._sent:
            self._sent = True
            self._over = True  # unless it was sent
            invoke(association, self._context_id, self.request, self._identifier)
            self._over = False
        try:
            response = self._receive()
        except DataSetError:
            raise
        except BaseException:
            self._over = True
            raise
        return response

    def _receive(self) -> FindResponse:
        association = self._association
        message = next_response(association, CFindRSP)
        self._over = not is_pending(message.status)
        identifier = None
        if message.has_data_set:
            identifier = read_identifier(association, message, self._maximum_length)
            if identifier is None:
                raise DataSetError(f"a match longer than {self._maximum_length} bytes")
        if not self._over:
            self._count += 1
            if self._cancel_after is not None and self._count >= self._cancel_after:
                self.cancel()
        return FindResponse(
            message.status,
            identifier,
            message.error_comment or "",
            message.offending_element,
            message,
        )

    def cancel(self) -> None:
        """Ask the peer to stop (C-CANCEL); responses go on until the final one, usually FE00.

        Harmless where it was done, or the final response is here.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired: the association ended.
        """
        if self._sent and not self._over and not self._cancelled:
            self._cancelled = True
            cancel = CCancelRQ(message_id_being_responded_to=self.message_id)
            self._association.send(self._context_id, cancel)

    def close(self) -> None:
        """Cancel, where there was no final response, and drop what still comes.

        Raises:
            As `cancel` and the steps of the iteration.
        """
        if not self._sent:
            self._over = True
        if self._over or self._association.closed:
            return
        self.cancel()
        for _ in range(_MOST_AFTER_CANCEL):
            try:
                if not self._receive().is_pending:
                    return
            except DataSetError:
                continue
        self._over = True
        self._association.abort()


def find(
    association: Association,
    context_id: int,
    identifier: Segment | Sequence[Segment],
    *,
    priority: int = 0,
    cancel_after: int | None = None,
    maximum_length: int = DEFAULTS.maximum_match_length,
) -> Finding:
    """Query the peer and return an iterator over its responses, the last of which is final.

    Args:
        association: established, as requestor.
        context_id: an accepted context of a query information model.
        identifier: the encoded keys, in the context's transfer syntax; valid until the first step.
        priority: 0 medium, 1 high, 2 low.
        cancel_after: matches after which a C-CANCEL is sent, None for never.
        maximum_length: bytes of a match, inclusive.

    PS3.7 9.1.2.
    """
    data = identifier if isinstance(identifier, (tuple, list)) else (identifier,)
    return Finding(
        association,
        context_id,
        data,
        priority=priority,
        cancel_after=cancel_after,
        maximum_length=maximum_length,
    )


# --- acceptor ---


class FindObserver(Protocol):
    """Who is told what happens: part of `services.acceptor.Observer`."""

    def identified(
        self, association: Association, context_id: int, command: CFindRQ, identifier: bytes
    ) -> None:
        """The identifier is here."""

    def answered(
        self,
        association: Association,
        context_id: int,
        response: CFindRSP,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """A response was sent."""

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """A C-CANCEL arrived."""


def perform_find(
    association: Association,
    context_id: int,
    command: CFindRQ,
    provider: FindProvider | None,
    observer: FindObserver,
    *,
    maximum_length: int = DEFAULTS.maximum_identifier_length,
) -> None:
    """Read the identifier, send the provider's matches as they come, then the final response.

    Raises:
        AbortAssociation: the provider asked for it.
        StopServing: the server stops.
        AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
            PeerProtocolError: the association ended.
    """
    if not command.has_data_set:
        raise DimseDecodeError(
            command.message_name,
            "CommandDataSetType",
            offset=None,
            expected="a data set",
            found="none",
        )
    association.session.performing(command)
    identifier = read_identifier(association, command, maximum_length)
    context = association.contexts[context_id]
    request = FindRequest(association, context, command, identifier or b"")
    observer.identified(association, context_id, command, request.identifier)
    status, comment = SUCCESS, ""
    offending: tuple[int, ...] = ()
    if identifier is None:
        status, comment = OUT_OF_RESOURCES, f"identifier longer than {maximum_length} bytes"
    elif not context.as_scp:
        status, comment = SOP_CLASS_NOT_SUPPORTED, "the role of SCU was not agreed on"
    elif provider is None:
        status = SOP_CLASS_NOT_SUPPORTED
    else:
        try:
            status = _send_matches(association, request, provider, observer)
        except DimseFailure as failure:
            status, comment = failure.status, failure.comment
            offending = failure.offending_elements
            if is_pending(status):
                _LOGGER.exception("find() failed with a pending status (%s)", association.label)
                status = UNABLE_TO_PROCESS
        except (AbortAssociation, StopServing):
            raise
        except Exception:
            if association.closed:
                raise
            _LOGGER.exception("query provider failed (%s)", association.label)
            status = UNABLE_TO_PROCESS
    response = CFindRSP(
        message_id_being_responded_to=command.message_id,
        affected_sop_class_uid=command.affected_sop_class_uid,
        status=status,
        error_comment=comment or None,
        offending_element=offending,
        has_data_set=False,
    )
    association.session.performed(response)
    association.send(context_id, response)
    observer.answered(association, context_id, response, None)


def _send_matches(
    association: Association,
    request: FindRequest,
    provider: FindProvider,
    observer: FindObserver,
) -> int:
    """Send what is found, looking out for a C-CANCEL before each step; return the final status."""

    def told(cancel: CCancelRQ, about: Message | None) -> None:
        observer.cancel(association, cancel, about)

    responses = _PendingResponses(association, request, observer)
    matches = provider.find(request)
    try:
        with Lookout(association, request.command.message_id, told) as lookout:
            for found in matches:
                if lookout.look():
                    return CANCEL
                if found is not None:
                    responses.send(found if isinstance(found, list) else [found])
    finally:
        close = getattr(matches, "close", None)
        if close is not None:
            close()
    return SUCCESS


class _PendingResponses:
    """Sends matches of one query, those that come together with few system calls."""

    __slots__ = ("_association", "_context_id", "_full", "_observer", "_partial")

    def __init__(
        self, association: Association, request: FindRequest, observer: FindObserver
    ) -> None:
        self._association = association
        self._context_id = request.context.context_id
        self._observer = observer
        # Nothing but the identifier differs between two responses.
        self._full, self._partial = (
            CFindRSP(
                message_id_being_responded_to=request.command.message_id,
                affected_sop_class_uid=request.command.affected_sop_class_uid,
                status=status,
                has_data_set=True,
            )
            for status in (PENDING, PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS)
        )

    def send(self, matches: Sequence[FindMatch]) -> None:
        """Send matches in their order.

        Raises:
            As `Association.send`.
        """
        association, context_id = self._association, self._context_id
        waiting: list[WireSegment] = []
        size = 0
        sent = []
        for identifier, is_partial in matches:
            response = self._partial if is_partial else self._full
            data = identifier if isinstance(identifier, tuple) else (identifier,)
            packed = association.pack(context_id, response, data)
            if waiting and (packed is None or size > _SENT_AT_ONCE):
                association.send_packed(waiting)
                waiting, size = [], 0
            if packed is None:  # too long to be laid out ahead
                association.send(context_id, response, data)
            else:
                waiting += packed
                size += sum(map(segment_length, packed))
            sent.append((response, data))
        if waiting:
            association.send_packed(waiting)
        for response, data in sent:
            self._observer.answered(association, context_id, response, data)
