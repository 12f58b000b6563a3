"""Connections without an association, as records: what is known of each while it is held.

Owns the fields only. What becomes of them is `reception`'s.
"""

from __future__ import annotations

from isocenter.neighbours import place_of
from isocenter.net.dispatch import Arrival

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import socket

    from isocenter.errors import TlsError
    from isocenter.net.tls import TlsSession

__all__ = ["Pending", "Refused", "arrival_of"]


class Pending:
    """A connection whose request is not complete."""

    __slots__ = (
        "accepted_at",
        "address",
        "failure",
        "first",
        "is_watched",
        "received",
        "session",
        "sock",
        "unsent",
    )

    def __init__(self, sock: socket.socket, address: str, accepted_at: float) -> None:
        """Begin with nothing read."""
        self.sock = sock
        self.address = address
        self.accepted_at = accepted_at
        self.received = bytearray()
        self.is_watched = False  # not while the gate decides or a handshake is worked on
        self.session: TlsSession | None = None
        self.first: bytearray | None = None  # what came of a ClientHello, until it is read
        self.failure: TlsError | None = None
        self.unsent = b""

    @property
    def host(self) -> str:
        """The peer's address without its port."""
        return self.address.rpartition(":")[0]

    @property
    def place(self) -> str:
        """What of it counts as one peer."""
        return place_of(self.host)


class Refused:
    """A connection that got its A-ABORT, A-ASSOCIATE-RJ or alert and has yet to close."""

    __slots__ = ("sock", "until")

    def __init__(self, sock: socket.socket, until: float) -> None:
        """Keep both; `until` in monotonic seconds."""
        self.sock = sock
        self.until = until


def arrival_of(pending: Pending) -> Arrival:
    """Return what is handed to who serves it."""
    return Arrival(
        pending.sock,
        bytes(pending.received),
        pending.address,
        pending.accepted_at,
        pending.session,
    )
