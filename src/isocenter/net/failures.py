"""Connections that never became an association, as facts for whoever wants to explain them.

Owns the records only; the listener makes one where it is asked to (`Listener`'s `on_failure`),
and so does `net.probe`. PS3.8 9.1.5.
"""

from __future__ import annotations

from isocenter.errors import PeerProtocolError
from isocenter.record import NamedTuple

__all__ = ["SHOWN", "FailedConnection", "ProbeResult"]

SHOWN = PeerProtocolError.MOST_RECEIVED
"""First bytes that are kept, at most: they tell one protocol from another."""


class FailedConnection(NamedTuple):
    """A connection that ended before its association.

    Fields:
        kind: ``closed`` by the peer; ``expired``, no whole request in time; ``invalid``, what came
            is no association request; ``tls``, TLS could not be agreed on; ``full``, too many
            associations; ``crowded``, closed to make room for others.
        peer_address: as ``host:port``.
        received: the first bytes, `SHOWN` at most; as they came, where `kind` is ``tls`` or the
            handshake of TLS was not at its end.
        cause: the violation where `kind` is ``invalid``, the `TlsError` where it is ``tls``, or
            ``closed`` within the handshake, else None.
    """

    kind: str
    peer_address: str
    received: bytes = b""
    cause: Exception | None = None


class ProbeResult(NamedTuple):
    """What a second connection met that offered TLS, then HTTP.

    Fields:
        connected: False where there was no connection.
        received: the first bytes that came, `SHOWN` at most.
        closed: True where the peer ended it.
        seconds: for how long it was listened to.
        offered_tls: False where this machine has no TLS to offer.
    """

    connected: bool
    received: bytes = b""
    closed: bool = False
    seconds: float = 0.0
    offered_tls: bool = True
