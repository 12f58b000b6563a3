"""Connections that never became an association, as facts for whoever wants to explain them.

Owns the record only; the listener makes one where it is asked to (`Listener`'s `on_failure`).
PS3.8 9.1.5.
"""

from __future__ import annotations

from isocenter.record import NamedTuple

__all__ = ["SHOWN", "FailedConnection"]

SHOWN = 32
"""First bytes that are kept, at most: they tell one protocol from another."""


class FailedConnection(NamedTuple):
    """A connection that ended before its association.

    Fields:
        kind: ``closed`` by the peer; ``expired``, no whole request in time; ``invalid``, what came
            is no association request; ``full``, too many associations; ``crowded``, closed to
            make room for others.
        peer_address: as ``host:port``.
        received: the first bytes, `SHOWN` at most.
        cause: the violation where `kind` is ``invalid``, else None.
    """

    kind: str
    peer_address: str
    received: bytes = b""
    cause: Exception | None = None
