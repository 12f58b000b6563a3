"""Requests and their responses, as requestor: one rule for all services.

A response is matched by its message id (PS3.7 9.1, 10.1); anything else that arrives where
a response is due ends the association, with the reason in the exception.
"""

from __future__ import annotations

from isocenter.dimse.messages import CommandReceived, DataReceived
from isocenter.errors import (
    AssociationReleased,
    DimseDecodeError,
    LocalProtocolError,
    PeerProtocolError,
    TimeoutExpired,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    from isocenter.dimse.commands import Message
    from isocenter.net.association import Association
    from isocenter.wire import Segment, WireSegment

    _Response = TypeVar("_Response")

__all__ = ["exchange", "invoke", "next_response"]


def invoke(
    association: Association,
    context_id: int,
    request: Message,
    data: Iterable[Segment] | None = None,
    *,
    packed: list[WireSegment] | None = None,
) -> None:
    """Send a request and remember it as outstanding.

    `packed` is what `Association.pack` made of it before; context and data are in it.

    Raises:
        LocalProtocolError: the asynchronous window is full, or the context was not accepted.
        ValueError, TypeError: a field of the request cannot be sent; see `encode_command`. After
            these three nothing was sent and nothing is outstanding.
        As `Association.send`.
    """
    session = association.session
    session.invoked(request)
    try:
        if packed is None:
            association.send(context_id, request, data)
        else:
            association.send_packed(packed)
    except (LocalProtocolError, ValueError, TypeError):
        session.withdrawn(request)
        raise


def next_response(association: Association, expected: type[_Response]) -> _Response:
    """Return the next response, whichever outstanding request it answers.

    Raises:
        TimeoutExpired: none came within the DIMSE timeout; the association is aborted.
        AssociationReleased: the peer asked for release instead; the association is aborted.
        DimseDecodeError: another message, or one that answers nothing; aborted as well.
        AssociationAborted, ConnectionLost, PeerProtocolError: the association ended.
    """
    try:
        incoming = association.receive(association.dimse_timeout)
    except TimeoutExpired:
        association.abort()
        raise
    if isinstance(incoming, DataReceived):
        association.abort()
        raise DimseDecodeError(
            expected.__name__, "data set", offset=None, expected="none", found="one"
        )
    if not isinstance(incoming, CommandReceived):
        association.abort()
        msg = "the peer asked for release while a response was due"
        raise AssociationReleased(msg)
    message = incoming.message
    if not isinstance(message, expected):
        association.abort()
        raise DimseDecodeError(
            type(message).__name__,
            "Command Field",
            offset=None,
            expected=expected.__name__,
            found=f"{message.command_field:04X}H",
        )
    if message.deviations:
        association.tolerate(message.deviations)
    try:
        association.session.responded(message)
    except PeerProtocolError:
        association.abort()
        raise
    return message


def exchange(
    association: Association,
    context_id: int,
    request: Message,
    expected: type[_Response],
    data: Iterable[Segment] | None = None,
) -> _Response:
    """Send a request and return its response.

    Raises:
        As `invoke` and `next_response`.
    """
    invoke(association, context_id, request, data)
    return next_response(association, expected)
