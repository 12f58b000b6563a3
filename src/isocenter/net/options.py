"""How the driver of an association behaves, and what a listener bears.

Owns these options and their defaults. Must not know what becomes of them (`net.association`,
`net.listener`, `net.reception`), nor the engine's own budgets (`isocenter.ul.options`).
"""

from __future__ import annotations

from isocenter.limits import DEFAULTS
from isocenter.record import Record

__all__ = ["PATIENCE", "AssociationOptions", "ListenOptions"]

PATIENCE = 0.0003
"""Seconds for which a tool looks out for a prompt peer's next bytes before it sleeps.

On a virtual machine going to sleep and being woken costs more than a small object's work: 2000
objects of 12 KiB took 0.37 s without and 0.18 s with it. Twice as long gained nothing, and cost a
tenth where other programs were computing beside it. It is spent only after an answer that
came promptly, never by an association that shares its process with another one, and never
on a single processor, so a slow peer or a loaded machine sees none of it."""


class AssociationOptions(Record):
    """How a driver behaves.

    Fields:
        dimse_timeout: seconds to wait for a response, None for no bound of its own (the idle
            timeout of the engine still holds).
        max_send_pdu: own bound in bytes on P-DATA-TF sent, None for the peer's alone.
        maximum_unread: commands kept, inclusive, that arrive while a message is sent; with so many
            nothing more is read before it is sent, so a peer that takes nothing meets the idle
            timeout. Twice what both windows together allow (`dimse.session.MAXIMUM_OPERATIONS`).
        linger: seconds to wait for the peer to close after an abort, a rejection or a release.
        idle_window: seconds without a byte after which the receive window is given back.
        patience: seconds to look out for a prompt peer's next bytes before sleeping; see
            `PATIENCE`. 0 always sleeps at once.
    """

    dimse_timeout: float | None = None
    max_send_pdu: int | None = None
    maximum_unread: int = 256
    linger: float = 2.0
    idle_window: float = 1.0
    patience: float = 0.0


class ListenOptions(Record):
    """Where to listen and what unassociated connections may cost.

    Fields:
        port: TCP port, 0 for one that the system picks.
        host: address to bind, "" for all of the family.
        family: ``ipv4``, ``ipv6`` or ``auto`` (dual stack).
        backlog: connections the kernel holds before they are accepted.
        maximum_pending, maximum_pending_bytes, maximum_handshakes: see `isocenter.limits`.
    """

    port: int
    host: str = ""
    family: str = "ipv4"
    backlog: int = 512
    maximum_pending: int = DEFAULTS.maximum_pending
    maximum_pending_bytes: int = DEFAULTS.maximum_pending_bytes
    maximum_handshakes: int = DEFAULTS.maximum_handshakes
