"""What the Upper Layer engine reports to its driver.

Each event has one meaning. Events are handed over once and belong to the receiver;
the views inside a `PDataIndication` belong to the engine (see there).
PS3.8 7 names the indications and confirmations.
"""

from __future__ import annotations

from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

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


class AssociateIndication(Record, kw_only=False):
    """A request arrived; answer with `accept` or `reject` (PS3.8 7.1)."""

    request: AAssociateRQ


class AssociateConfirmation(Record, kw_only=False):
    """The peer accepted; the association is established (PS3.8 7.1)."""

    accept: AAssociateAC


class AssociateRejection(Record, kw_only=False):
    """The peer rejected; the connection closes (PS3.8 7.1)."""

    reject: AAssociateRJ


class PDataIndication(Record, frozen=False, kw_only=False):
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

    def __init__(  # made for every run of PDVs, so by hand
        self,
        context_id: int,
        is_command: bool,  # noqa: FBT001 - the field
        is_last: bool,  # noqa: FBT001 - the field
        fragments: list[memoryview],
        length: int,
    ) -> None:
        """Set the fields."""
        self.context_id = context_id
        self.is_command = is_command
        self.is_last = is_last
        self.fragments = fragments
        self.length = length


class ReleaseIndication(Record, kw_only=False):
    """The peer asks for release; answer with `confirm_release` (PS3.8 7.2).

    `collision` is True where this side had asked as well.
    """

    collision: bool = False


class ReleaseConfirmation(Record, kw_only=False):
    """The peer confirmed this side's release (PS3.8 7.2)."""


class AbortIndication(Record, kw_only=False):
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


class ConnectionClosed(Record, kw_only=False):
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
