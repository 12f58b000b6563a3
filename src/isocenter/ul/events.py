"""What the Upper Layer engine reports to its driver.

Each event has one meaning. Events are handed over once and belong to the receiver;
the views inside a `PDataIndication` belong to the engine (see there).
PS3.8 7 names the indications and confirmations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from isocenter.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ

__all__ = [
    "AbortIndication",
    "AssociateConfirmation",
    "AssociateIndication",
    "AssociateRejection",
    "ConnectionClosed",
    "Event",
    "PDataIndication",
    "ReleaseConfirmation",
    "ReleaseIndication",
]


@dataclass(frozen=True, slots=True)
class AssociateIndication:
    """A request arrived; answer with `accept` or `reject` (PS3.8 7.1)."""

    request: AAssociateRQ


@dataclass(frozen=True, slots=True)
class AssociateConfirmation:
    """The peer accepted; the association is established (PS3.8 7.1)."""

    accept: AAssociateAC


@dataclass(frozen=True, slots=True)
class AssociateRejection:
    """The peer rejected; the connection closes (PS3.8 7.1)."""

    reject: AAssociateRJ


@dataclass(slots=True)
class PDataIndication:
    """A run of PDVs, or parts of PDVs, of one context and one kind (PS3.8 7.6, annex E).

    Fields:
        context_id: presentation context ID as received, odd 1..255.
        is_command: True for command information, False for data set information.
        is_last: True where the run ends with the end of the last fragment of the message part.
        fragments: views of the receive window in order, ready for `writev`; owned by the engine
            and valid until its next `receive_window()`. Copy what must live longer.
        length: bytes in `fragments`, 0 or more.
    """

    context_id: int
    is_command: bool
    is_last: bool
    fragments: list[memoryview]
    length: int


@dataclass(frozen=True, slots=True)
class ReleaseIndication:
    """The peer asks for release; answer with `confirm_release` (PS3.8 7.2).

    `collision` is True where this side had asked as well.
    """

    collision: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseConfirmation:
    """The peer confirmed this side's release (PS3.8 7.2)."""


@dataclass(frozen=True, slots=True)
class AbortIndication:
    """The association is gone by A-ABORT (PS3.8 7.3, 7.4).

    Fields:
        source: 0 service-user, 2 service-provider.
        reason: provider's reason, 0 otherwise.
        by_peer: True where the peer sent it, False where this engine did.
        cause: what the peer did wrong where this engine aborted, else None.
    """

    source: int
    reason: int
    by_peer: bool
    cause: Exception | None = None


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The transport connection is closed and the engine is at STA1.

    `expected` is True after a release, an abort or a rejection, False where the peer just went.
    """

    expected: bool


Event: TypeAlias = (
    AssociateIndication
    | AssociateConfirmation
    | AssociateRejection
    | PDataIndication
    | ReleaseIndication
    | ReleaseConfirmation
    | AbortIndication
    | ConnectionClosed
)
"""Everything `Connection.next_event` returns, apart from None for "need data"."""
