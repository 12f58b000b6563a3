"""The state machine as data: every cell, and what each addition is for (PS3.8 9.2)."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import pytest

from isocenter.ul.fsm import OWN_CELLS, TABLE_9_10, Action, Evt, State, transition

_CSV = Path(__file__).parent.parent / "data" / "table-9-10.csv"


def _transcription() -> dict[tuple[State, Evt], tuple[Action, tuple[State, ...]]]:
    with _CSV.open(newline="") as file:
        return {
            (State[row["state"]], Evt[row["event"]]): (
                Action[row["action"]],
                tuple(State[name] for name in row["next_states"].split()),
            )
            for row in csv.DictReader(file)
        }


EXPECTED = _transcription()
ALL_CELLS = list(product(State, Evt))


def test_there_are_13_states_19_events_and_28_actions() -> None:
    assert [int(state) for state in State] == list(range(1, 14))
    assert [int(evt) for evt in Evt] == list(range(1, 20))
    assert len(Action) == 8 + 2 + 10 + 8


@pytest.mark.parametrize(("state", "evt"), ALL_CELLS)
def test_each_cell_equals_an_independent_transcription(state: State, evt: Evt) -> None:
    assert TABLE_9_10.get((state, evt)) == EXPECTED.get((state, evt))


@pytest.mark.parametrize(("state", "evt"), ALL_CELLS)
def test_transition_takes_the_standard_cell_then_ours_then_none(state: State, evt: Evt) -> None:
    own = OWN_CELLS.get((state, evt))
    expected = EXPECTED.get((state, evt), None if own is None else (own.action, own.next_states))
    assert transition(state, evt) == expected


def test_own_cells_fill_only_cells_the_standard_leaves_empty_and_say_why() -> None:
    assert not OWN_CELLS.keys() & EXPECTED.keys()
    for cell in OWN_CELLS.values():
        assert len(cell.reason) > 30
        assert cell.next_states == cell.action.next_states


def test_own_cells_are_exactly_these() -> None:
    assert set(OWN_CELLS) == {
        *((state, Evt.EVT18) for state in State if state not in (1, 2, 13)),
        (State.STA2, Evt.EVT15),
        (State.STA13, Evt.EVT15),
        (State.STA1, Evt.EVT17),
    }


def test_an_expired_timer_leads_somewhere_in_every_state_but_idle() -> None:
    for state in State:
        assert (transition(state, Evt.EVT18) is None) == (state is State.STA1)


def test_an_expired_timer_ends_the_association_in_every_state() -> None:
    for state in State:
        cell = transition(state, Evt.EVT18)
        if cell is not None:
            assert cell[1] in ((State.STA1,), (State.STA13,))


def test_a_closed_connection_leads_to_idle_from_every_state() -> None:
    for state in State:
        cell = transition(state, Evt.EVT17)
        assert cell is not None
        assert cell[1] == (State.STA1,)


def test_any_received_pdu_is_covered_wherever_a_connection_is_open() -> None:
    pdus = (Evt.EVT3, Evt.EVT4, Evt.EVT6, Evt.EVT10, Evt.EVT12, Evt.EVT13, Evt.EVT16, Evt.EVT19)
    for state, evt in product(State, pdus):
        if state not in (State.STA1, State.STA4):
            assert transition(state, evt) is not None


def test_only_two_actions_have_two_outcomes() -> None:
    assert {action for action in Action if len(action.next_states) != 1} == {
        Action.AE_6,
        Action.AR_8,
    }


def test_every_action_is_used_by_the_standard_table() -> None:
    assert {action for action, _ in TABLE_9_10.values()} == set(Action)


def test_members_carry_the_standard_wording() -> None:
    assert State.STA6.description == "Association established and ready for data transfer"
    assert Evt.EVT18.description.startswith("ARTIM timer expired")
    assert Action.AE_2.value == "AE-2"
    assert Action.AA_6.description == "Ignore PDU"


def test_requestor_life_cycle() -> None:
    state = State.STA1
    for evt in (Evt.EVT1, Evt.EVT2, Evt.EVT3, Evt.EVT9, Evt.EVT10, Evt.EVT11, Evt.EVT13):
        cell = transition(state, evt)
        assert cell is not None
        (state,) = cell[1]
    assert state is State.STA1
