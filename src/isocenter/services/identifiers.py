"""Identifiers: the short data sets behind commands of query and retrieve.

Owns how they are read into memory, within a bound. Must not know what they say.

PS3.7 6.3, PS3.4 C.4.
"""

from __future__ import annotations

from isocenter.dimse.messages import DataReceived
from isocenter.errors import AssociationReleased, TimeoutExpired

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dimse.commands import Message
    from isocenter.net.association import Association

__all__ = ["read_identifier"]


def read_identifier(
    association: Association, command: Message, maximum_length: int
) -> bytes | None:
    """Return the data set behind a command, read to its end; b"" where it announces none.

    Args:
        association: that has just returned the command.
        command: the command.
        maximum_length: bytes of it that are held, inclusive.

    Returns:
        None where it is longer; all of it was read, so the association can go on.

    Raises:
        AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
            PeerProtocolError: the rest will not come.
    """
    parts: list[bytes] = []
    length = 0
    is_last = not command.has_data_set
    while not is_last:
        try:
            incoming = association.receive(association.dimse_timeout)
        except TimeoutExpired:
            association.abort()
            raise
        if not isinstance(incoming, DataReceived):
            association.abort()
            msg = "the peer asked for release in the middle of an identifier"
            raise AssociationReleased(msg)
        is_last = incoming.is_last
        length += incoming.length
        if length <= maximum_length:
            parts += [bytes(view) for view in incoming.fragments]
        else:
            parts.clear()
    return b"".join(parts) if length <= maximum_length else None
