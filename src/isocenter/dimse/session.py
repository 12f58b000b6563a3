"""Operations in progress on an association, on both sides of it.

Owns message ids, the match of responses to requests, the asynchronous operations window
and what a C-CANCEL refers to. Knows nothing of bytes and of what an operation does.
PS3.7 9.1, 10.1 (Message ID), D.3.3.3 (window), 9.3.2.3 (C-CANCEL).

A response with a pending status is one of several and leaves its operation in progress;
every other status ends it (PS3.7 annex C). Only C-FIND, C-GET and C-MOVE have such responses: to
any other request a pending status is a final one, and a failure.
"""

from __future__ import annotations

from isocenter.dimse.status import is_pending
from isocenter.errors import DimseDecodeError, LocalProtocolError, PeerProtocolError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeGuard

    from isocenter.dimse.commands import CCancelRQ, Message, Request, Response

__all__ = ["MAXIMUM_OPERATIONS", "Session", "is_request", "is_response"]

MAXIMUM_OPERATIONS: Final = 64
"""Operations in progress at most, per direction, whatever was granted.

A window of 0 is unlimited (PS3.7 D.3.3.3), and a peer must not make us remember without
bound. With 64 small objects in flight a link of 100 ms is no longer what limits a run."""

_PENDING_POSSIBLE: Final = frozenset({0x0010, 0x0020, 0x0021})
"""Command Fields of the requests with several responses: C-GET, C-FIND, C-MOVE (PS3.7 9.1)."""

_RESPONSE: Final = 0x8000
_CANCEL: Final = 0x0FFF
_LAST_MESSAGE_ID: Final = 0xFFFF


def is_request(message: Message) -> TypeGuard[Request]:
    """Tell whether `message` asks for an operation or notifies; a C-CANCEL-RQ does not."""
    return message.command_field & _RESPONSE == 0 and message.command_field != _CANCEL


def is_response(message: Message) -> TypeGuard[Response]:
    """Tell whether `message` answers a request."""
    return message.command_field & _RESPONSE != 0


def _window(granted: int) -> int:
    return min(granted or MAXIMUM_OPERATIONS, MAXIMUM_OPERATIONS)


class Session:
    """The operations in progress on one association.

    Args:
        maximum_operations_invoked: how many this side may have outstanding, as negotiated;
            0 for unlimited, 1 where nothing was negotiated.
        maximum_operations_performed: how many the peer may have outstanding here, likewise.

    Both are bounded by `MAXIMUM_OPERATIONS`.
    """

    __slots__ = (
        "_invoked_window",
        "_last_message_id",
        "_outstanding",
        "_performed_window",
        "_performing",
    )

    def __init__(
        self, *, maximum_operations_invoked: int = 1, maximum_operations_performed: int = 1
    ) -> None:
        """Start with nothing in progress."""
        self._invoked_window = _window(maximum_operations_invoked)
        self._performed_window = _window(maximum_operations_performed)
        self._outstanding: dict[int, Request] = {}
        self._performing: dict[int, Request] = {}
        self._last_message_id = 0

    # --- what this side asked for ---

    @property
    def outstanding(self) -> Mapping[int, Request]:
        """Requests sent and not finally answered, by message id, oldest first."""
        return self._outstanding

    @property
    def can_invoke(self) -> bool:
        """True where another request fits the window."""
        return len(self._outstanding) < self._invoked_window

    def next_message_id(self) -> int:
        """Return the next message id, 1..65535, then 1 again, without those outstanding.

        Ids are taken by this call: two calls never return the same one in a row.

        PS3.7 9.1.1.1.1 asks that an id be unique among the outstanding ones.
        """
        number = self._last_message_id
        while True:
            number = 1 if number >= _LAST_MESSAGE_ID else number + 1
            if number not in self._outstanding:
                self._last_message_id = number
                return number

    def invoked(self, request: Message) -> None:
        """Record that `request` is about to be sent.

        Raises:
            LocalProtocolError: it is no request, the window is full, or its message id is
                outstanding; nothing was recorded.
        """
        if not is_request(request):
            raise LocalProtocolError(f"{request.message_name} is not a request")
        if not self.can_invoke:
            raise LocalProtocolError(
                f"{request.message_name}: {len(self._outstanding)} operations are outstanding, "
                "and the window allows no more"
            )
        if request.message_id in self._outstanding:
            raise LocalProtocolError(
                f"{request.message_name}: message id {request.message_id} is outstanding"
            )
        self._outstanding[request.message_id] = request

    def withdrawn(self, request: Message) -> None:
        """Forget a request that was recorded, but could not be sent."""
        if is_request(request):
            self._outstanding.pop(request.message_id, None)

    def responded(self, response: Message) -> Request:
        """Return the request that `response` answers; a final status ends the operation.

        Raises:
            DimseDecodeError: it is no response, no request with that id is outstanding, or the
                request is of another kind.
        """
        if not is_response(response):
            raise _unexpected(response, "CommandField", "a response", "a request")
        number = response.message_id_being_responded_to
        request = self._outstanding.get(number)
        if request is None:
            raise _unexpected(
                response, "MessageIDBeingRespondedTo", "that of an outstanding request", str(number)
            )
        if response.command_field != request.command_field | _RESPONSE:
            raise _unexpected(
                response,
                "CommandField",
                f"a response to {request.message_name}, message id {number}",
                f"{response.command_field:04X}H",
            )
        if request.command_field not in _PENDING_POSSIBLE or not is_pending(response.status):
            del self._outstanding[number]
        return request

    # --- what the peer asked for ---

    @property
    def in_progress(self) -> Mapping[int, Request]:
        """The peer's requests not finally answered, by message id, oldest first."""
        return self._performing

    def performing(self, request: Message) -> None:
        """Record that the peer's `request` arrived.

        Raises:
            PeerProtocolError: more operations than the window allows, or a message id that is
                in progress. It is not answered with 0210H (duplicate invocation): that response
                would carry the id of the first operation and end it in the peer's books.
            LocalProtocolError: it is no request.
        """
        if not is_request(request):
            raise LocalProtocolError(f"{request.message_name} is not a request")
        if request.message_id in self._performing:
            raise PeerProtocolError(
                f"{request.message_name}: message id {request.message_id} is in progress"
            )
        if len(self._performing) >= self._performed_window:
            raise PeerProtocolError(
                f"{request.message_name}: the window allows {self._performed_window} operations "
                "at a time"
            )
        self._performing[request.message_id] = request

    def performed(self, response: Message) -> Request:
        """Return the request that `response` is about to answer; a final status ends it.

        Raises:
            LocalProtocolError: it answers no request in progress.
        """
        if is_response(response):
            number = response.message_id_being_responded_to
            request = self._performing.get(number)
            if request is not None and response.command_field == request.command_field | _RESPONSE:
                several = request.command_field in _PENDING_POSSIBLE
                if not several or not is_pending(response.status):
                    del self._performing[number]
                return request
        raise LocalProtocolError(f"{response.message_name} answers no request in progress")

    def cancelled(self, cancel: CCancelRQ) -> Request | None:
        """Return the peer's request that `cancel` refers to, None where it is finished.

        A C-CANCEL may cross the final response and is then ignored (PS3.7 9.3.2.3).
        """
        return self._performing.get(cancel.message_id_being_responded_to)


def _unexpected(response: Message, field: str, expected: str, found: str) -> DimseDecodeError:
    return DimseDecodeError(
        response.message_name, field, offset=None, expected=expected, found=found
    )
