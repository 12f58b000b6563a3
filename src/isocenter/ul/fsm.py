"""The Upper Layer state machine as data, and nothing else.

Two rules. Every rule about which event is legal in which state, and where it
leads, is in this file. This file does not know what an action does: it names
actions, the engine carries them out; no buffer, clock, socket or PDU appears here.

Theory of operation: an event in a state is one cell. `TABLE_9_10` is Table 9-10
of the standard, cell by cell; a cell that the standard leaves empty is absent. The
action of a cell determines the possible next states (Tables 9-6 to 9-9), so they are
written once, beside the action. Two actions have two outcomes: AE-6 (acceptable to the
service-provider or not) and AR-8 (association requestor or acceptor); the engine picks.

`OWN_CELLS` fills cells that the standard leaves empty, each with its reason. What is
in neither table is illegal: an event of the local user then is a caller's mistake.

To whoever edits: never change `TABLE_9_10`; a test compares all 13 x 19 cells with an
independent transcription. Additions go to `OWN_CELLS` and may not override a cell.

PS3.8 9.2.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from types import MappingProxyType

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self, TypeAlias

__all__ = ["OWN_CELLS", "TABLE_9_10", "Action", "Cell", "Evt", "OwnCell", "State", "transition"]


class State(IntEnum):
    """States of the protocol machine; `description` is the wording of PS3.8 Tables 9-1 to 9-5."""

    description: str

    def __new__(cls, number: int, description: str) -> Self:
        """Make a member from its number and the standard's wording."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.description = description
        return member

    STA1 = 1, "Idle"
    STA2 = 2, "Transport connection open (Awaiting A-ASSOCIATE-RQ PDU)"
    STA3 = 3, "Awaiting local A-ASSOCIATE response primitive (from local user)"
    STA4 = 4, "Awaiting transport connection opening to complete (from local transport service)"
    STA5 = 5, "Awaiting A-ASSOCIATE-AC or A-ASSOCIATE-RJ PDU"
    STA6 = 6, "Association established and ready for data transfer"
    STA7 = 7, "Awaiting A-RELEASE-RP PDU"
    STA8 = 8, "Awaiting local A-RELEASE response primitive (from local user)"
    STA9 = 9, "Release collision requestor side; awaiting A-RELEASE response (from local user)"
    STA10 = 10, "Release collision acceptor side; awaiting A-RELEASE-RP PDU"
    STA11 = 11, "Release collision requestor side; awaiting A-RELEASE-RP PDU"
    STA12 = (
        12,
        "Release collision acceptor side; awaiting A-RELEASE response primitive (from local user)",
    )
    STA13 = 13, "Awaiting Transport Connection Close Indication (Association no longer exists)"


class Evt(IntEnum):
    """Events, in the order of the rows of PS3.8 Table 9-10; `description` is its wording."""

    description: str

    def __new__(cls, number: int, description: str) -> Self:
        """Make a member from its number and the standard's wording."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.description = description
        return member

    EVT1 = 1, "A-ASSOCIATE Request (local user)"
    EVT2 = 2, "Transport Connection Confirmation (local transport service)"
    EVT3 = 3, "A-ASSOCIATE-AC PDU (received on transport connection)"
    EVT4 = 4, "A-ASSOCIATE-RJ PDU (received on transport connection)"
    EVT5 = 5, "Transport Connection Indication (local transport service)"
    EVT6 = 6, "A-ASSOCIATE-RQ PDU (received on transport connection)"
    EVT7 = 7, "A-ASSOCIATE response primitive (accept)"
    EVT8 = 8, "A-ASSOCIATE response primitive (reject)"
    EVT9 = 9, "P-DATA request primitive"
    EVT10 = 10, "P-DATA-TF PDU"
    EVT11 = 11, "A-RELEASE Request primitive"
    EVT12 = 12, "A-RELEASE-RQ PDU (received on open transport connection)"
    EVT13 = 13, "A-RELEASE-RP PDU (received on transport connection)"
    EVT14 = 14, "A-RELEASE Response primitive"
    EVT15 = 15, "A-ABORT Request primitive"
    EVT16 = 16, "A-ABORT PDU (received on open transport connection)"
    EVT17 = 17, "Transport connection closed indication (local transport service)"
    EVT18 = 18, "ARTIM timer expired (Association reject/release timer)"
    EVT19 = 19, "Unrecognized or invalid PDU received"


class Action(Enum):
    """Actions; the value is the standard's name.

    Attributes:
        description: the wording of PS3.8 Tables 9-6 to 9-9.
        next_states: where it leads, one state or the two between which it decides.
    """

    description: str
    next_states: tuple[State, ...]

    def __new__(cls, name: str, next_states: tuple[State, ...], description: str) -> Self:
        """Make a member from the standard's name, its next states and its wording."""
        member = object.__new__(cls)
        member._value_ = name
        member.next_states = next_states
        member.description = description
        return member

    # Table 9-6: association establishment related actions.
    AE_1 = (
        "AE-1",
        (State.STA4,),
        "Issue TRANSPORT CONNECT request primitive to local transport service",
    )
    AE_2 = "AE-2", (State.STA5,), "Send A-ASSOCIATE-RQ-PDU"
    AE_3 = "AE-3", (State.STA6,), "Issue A-ASSOCIATE confirmation (accept) primitive"
    AE_4 = (
        "AE-4",
        (State.STA1,),
        "Issue A-ASSOCIATE confirmation (reject) primitive and close transport connection",
    )
    AE_5 = (
        "AE-5",
        (State.STA2,),
        "Issue Transport connection response primitive; start ARTIM timer",
    )
    AE_6 = (
        "AE-6",
        (State.STA3, State.STA13),
        (
            "Stop ARTIM timer and if A-ASSOCIATE-RQ acceptable by service-provider: issue "
            "A-ASSOCIATE indication primitive (Sta3), otherwise issue A-ASSOCIATE-RJ-PDU and start "
            "ARTIM timer (Sta13)"
        ),
    )
    AE_7 = "AE-7", (State.STA6,), "Send A-ASSOCIATE-AC PDU"
    AE_8 = "AE-8", (State.STA13,), "Send A-ASSOCIATE-RJ PDU and start ARTIM timer"

    # Table 9-7: data transfer related actions.
    DT_1 = "DT-1", (State.STA6,), "Send P-DATA-TF PDU"
    DT_2 = "DT-2", (State.STA6,), "Send P-DATA indication primitive"

    # Table 9-8: association release related actions.
    AR_1 = "AR-1", (State.STA7,), "Send A-RELEASE-RQ PDU"
    AR_2 = "AR-2", (State.STA8,), "Issue A-RELEASE indication primitive"
    AR_3 = (
        "AR-3",
        (State.STA1,),
        "Issue A-RELEASE confirmation primitive, and close transport connection",
    )
    AR_4 = "AR-4", (State.STA13,), "Issue A-RELEASE-RP PDU and start ARTIM timer"
    AR_5 = "AR-5", (State.STA1,), "Stop ARTIM timer"
    AR_6 = "AR-6", (State.STA7,), "Issue P-DATA indication"
    AR_7 = "AR-7", (State.STA8,), "Issue P-DATA-TF PDU"
    AR_8 = (
        "AR-8",
        (State.STA9, State.STA10),
        (
            "Issue A-RELEASE indication (release collision): if association-requestor, next state "
            "is Sta9, if not next state is Sta10"
        ),
    )
    AR_9 = "AR-9", (State.STA11,), "Send A-RELEASE-RP PDU"
    AR_10 = "AR-10", (State.STA12,), "Issue A-RELEASE confirmation primitive"

    # Table 9-9: association abort related actions.
    AA_1 = (
        "AA-1",
        (State.STA13,),
        (
            "Send A-ABORT PDU (service-user source) and start (or restart if already started) "
            "ARTIM timer"
        ),
    )
    AA_2 = "AA-2", (State.STA1,), "Stop ARTIM timer if running. Close transport connection"
    AA_3 = (
        "AA-3",
        (State.STA1,),
        (
            "If (service-user initiated abort) issue A-ABORT indication and close transport "
            "connection, otherwise (service-provider initiated abort) issue A-P-ABORT indication "
            "and close transport connection"
        ),
    )
    AA_4 = "AA-4", (State.STA1,), "Issue A-P-ABORT indication primitive"
    AA_5 = "AA-5", (State.STA1,), "Stop ARTIM timer"
    AA_6 = "AA-6", (State.STA13,), "Ignore PDU"
    AA_7 = "AA-7", (State.STA13,), "Send A-ABORT PDU"
    AA_8 = (
        "AA-8",
        (State.STA13,),
        (
            "Send A-ABORT PDU (service-provider source), issue an A-P-ABORT indication, and start "
            "ARTIM timer"
        ),
    )


Cell: TypeAlias = tuple[Action, tuple[State, ...]]
"""An action and its possible next states, in the order in which the standard names them."""

# Rows and columns as the standard prints them; "." is a cell it leaves empty.
_GRID = """
        STA1 STA2 STA3 STA4 STA5 STA6 STA7 STA8 STA9 STA10 STA11 STA12 STA13
EVT1    AE_1 .    .    .    .    .    .    .    .    .     .     .     .
EVT2    .    .    .    AE_2 .    .    .    .    .    .     .     .     .
EVT3    .    AA_1 AA_8 .    AE_3 AA_8 AA_8 AA_8 AA_8 AA_8  AA_8  AA_8  AA_6
EVT4    .    AA_1 AA_8 .    AE_4 AA_8 AA_8 AA_8 AA_8 AA_8  AA_8  AA_8  AA_6
EVT5    AE_5 .    .    .    .    .    .    .    .    .     .     .     .
EVT6    .    AE_6 AA_8 .    AA_8 AA_8 AA_8 AA_8 AA_8 AA_8  AA_8  AA_8  AA_7
EVT7    .    .    AE_7 .    .    .    .    .    .    .     .     .     .
EVT8    .    .    AE_8 .    .    .    .    .    .    .     .     .     .
EVT9    .    .    .    .    .    DT_1 .    AR_7 .    .     .     .     .
EVT10   .    AA_1 AA_8 .    AA_8 DT_2 AR_6 AA_8 AA_8 AA_8  AA_8  AA_8  AA_6
EVT11   .    .    .    .    .    AR_1 .    .    .    .     .     .     .
EVT12   .    AA_1 AA_8 .    AA_8 AR_2 AR_8 AA_8 AA_8 AA_8  AA_8  AA_8  AA_6
EVT13   .    AA_1 AA_8 .    AA_8 AA_8 AR_3 AA_8 AA_8 AR_10 AR_3  AA_8  AA_6
EVT14   .    .    .    .    .    .    .    AR_4 AR_9 .     .     AR_4  .
EVT15   .    .    AA_1 AA_2 AA_1 AA_1 AA_1 AA_1 AA_1 AA_1  AA_1  AA_1  .
EVT16   .    AA_2 AA_3 .    AA_3 AA_3 AA_3 AA_3 AA_3 AA_3  AA_3  AA_3  AA_2
EVT17   .    AA_5 AA_4 AA_4 AA_4 AA_4 AA_4 AA_4 AA_4 AA_4  AA_4  AA_4  AR_5
EVT18   .    AA_2 .    .    .    .    .    .    .    .     .     .     AA_2
EVT19   .    AA_1 AA_8 .    AA_8 AA_8 AA_8 AA_8 AA_8 AA_8  AA_8  AA_8  AA_7
"""


def _read_grid() -> dict[tuple[State, Evt], Cell]:
    """Turn the grid into a mapping without its empty cells."""
    header, *rows = _GRID.strip().splitlines()
    states = [State[name] for name in header.split()]
    table: dict[tuple[State, Evt], Cell] = {}
    for row in rows:
        event_name, *cells = row.split()
        for state, name in zip(states, cells, strict=True):
            if name != ".":
                action = Action[name]
                table[state, Evt[event_name]] = (action, action.next_states)
    return table


TABLE_9_10: Mapping[tuple[State, Evt], Cell] = MappingProxyType(_read_grid())
"""PS3.8 Table 9-10 by (state, event); an empty cell is absent."""


class OwnCell(NamedTuple):
    """A cell that the standard leaves empty, filled by this package.

    Fields: `action` and `next_states` as in a `Cell`; `reason` why the cell is needed.
    """

    action: Action
    next_states: tuple[State, ...]
    reason: str


_AA_2_CLOSE = (Action.AA_2, Action.AA_2.next_states)
_AA_8_ABORT = (Action.AA_8, Action.AA_8.next_states)

OWN_CELLS: Mapping[tuple[State, Evt], OwnCell] = MappingProxyType(
    {
        # EVT18 stands for any time budget of the engine, of which ARTIM is one. Part 8 runs a
        # timer in STA2 and STA13 only and leaves every other wait unbounded.
        (State.STA3, Evt.EVT18): OwnCell(
            *_AA_8_ABORT,
            "the local user did not answer the request in time (a stuck identity check or look-up);"
            " without an end the peer waits and the connection is held for ever",
        ),
        (State.STA4, Evt.EVT18): OwnCell(
            *_AA_2_CLOSE,
            "connection timeout: there is no connection to send A-ABORT on, the attempt is given "
            "up",
        ),
        (State.STA5, Evt.EVT18): OwnCell(
            *_AA_8_ABORT,
            "ACSE timeout: the peer took the connection and never answered A-ASSOCIATE-RQ, or its "
            "answer arrives too slowly",
        ),
        (State.STA6, Evt.EVT18): OwnCell(
            *_AA_8_ABORT,
            "idle timeout, DIMSE timeout, or a PDU once begun moves too slowly: a dead or hostile "
            "peer may not hold an established association",
        ),
        (State.STA7, Evt.EVT18): OwnCell(
            *_AA_8_ABORT, "ACSE timeout: the peer never confirmed the release"
        ),
        (State.STA8, Evt.EVT18): OwnCell(
            *_AA_8_ABORT,
            "the peer asked for release and what is still to be sent to it, or the local user's "
            "response, does not come to an end",
        ),
        (State.STA9, Evt.EVT18): OwnCell(
            *_AA_8_ABORT, "release collision: the local user did not answer in time"
        ),
        (State.STA10, Evt.EVT18): OwnCell(
            *_AA_8_ABORT, "release collision: the requestor never sent its A-RELEASE-RP"
        ),
        (State.STA11, Evt.EVT18): OwnCell(
            *_AA_8_ABORT, "release collision: the acceptor never sent its A-RELEASE-RP"
        ),
        (State.STA12, Evt.EVT18): OwnCell(
            *_AA_8_ABORT, "release collision: the local user did not answer in time"
        ),
        (State.STA2, Evt.EVT15): OwnCell(
            *_AA_2_CLOSE,
            "a stopping or overloaded listener gives up a connection on which no request has "
            "arrived; there is no association to abort",
        ),
        (State.STA13, Evt.EVT15): OwnCell(
            *_AA_2_CLOSE,
            "the association is gone already and the local user does not want to wait for the peer "
            "to close the connection; makes abort idempotent",
        ),
        (State.STA1, Evt.EVT17): OwnCell(
            Action.AA_5,
            Action.AA_5.next_states,
            "the transport reports the close that AE-4, AR-3, AA-2 or AA-3 asked for, after the "
            "fact; there is nothing left to do",
        ),
    }
)
"""Cells of our own by (state, event), none of which is in `TABLE_9_10`."""

_ALL: dict[tuple[State, Evt], Cell] = {
    **TABLE_9_10,
    **{key: (cell.action, cell.next_states) for key, cell in OWN_CELLS.items()},
}


def transition(state: State, evt: Evt) -> Cell | None:
    """Return the action and possible next states for an event, None where it is illegal.

    Looks into `TABLE_9_10` and then `OWN_CELLS`. Where two next states are returned, the
    first is taken if, for AE-6, the request is acceptable to the service-provider, for AR-8,
    this side is the association requestor.

    PS3.8 9.2.
    """
    return _ALL.get((state, evt))
