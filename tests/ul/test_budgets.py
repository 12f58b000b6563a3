"""Time budgets by themselves: when each runs out, and that a timer counts once."""

from __future__ import annotations

import pytest

from isocenter.ul.budgets import ARTIM, TIMED, Budgets
from isocenter.ul.codec import Limits
from isocenter.ul.fsm import State
from isocenter.ul.options import EngineOptions

OPTIONS = EngineOptions(
    limits=Limits(),
    artim_timeout=3.0,
    acse_timeout=5.0,
    idle_timeout=10.0,
    slow_pdu_seconds=4.0,
    slow_pdu_rate=100,
)


@pytest.fixture
def budgets() -> Budgets:
    return Budgets(OPTIONS)


def test_nothing_is_due_before_anything_began(budgets: Budgets) -> None:
    assert budgets.deadline(State.STA1) is None
    assert budgets.exceeded(1e9, State.STA1) is None


@pytest.mark.parametrize(
    ("state", "which", "seconds"),
    [
        (State.STA2, ARTIM, 3.0),
        (State.STA13, ARTIM, 3.0),
        (State.STA5, "acse", 5.0),
        (State.STA7, "acse", 5.0),
        (State.STA11, "acse", 5.0),
    ],
)
def test_timer_runs_out_once(budgets: Budgets, state: State, which: str, seconds: float) -> None:
    budgets.timer = 7.0
    assert budgets.deadline(state) == 7.0
    assert budgets.exceeded(6.99, state) is None
    problem = budgets.exceeded(7.0, state)
    assert problem is not None
    assert (problem.which, problem.seconds) == (which, seconds)
    assert budgets.exceeded(7.0, state) is None
    assert state in TIMED


def test_silence_counts_from_the_last_byte_of_either_direction(budgets: Budgets) -> None:
    budgets.moved(2.0)
    assert budgets.deadline(State.STA6) == 12.0
    assert budgets.deadline(State.STA3) is None
    assert budgets.exceeded(11.99, State.STA6) is None
    problem = budgets.exceeded(12.0, State.STA6)
    assert problem is not None
    assert problem.which == "socket"


@pytest.mark.parametrize(("count", "is_slow"), [(399, True), (400, False)])
def test_pdu_has_to_come_at_its_rate(budgets: Budgets, count: int, is_slow: bool) -> None:
    budgets.last_moved = budgets.pdu_mark = 1.0
    budgets.pdu_bytes = count
    assert budgets.deadline(State.STA6) == 5.0
    problem = budgets.exceeded(5.0, State.STA6)
    assert (problem is not None) == is_slow
    if not is_slow:
        assert (budgets.pdu_mark, budgets.pdu_bytes) == (5.0, 0)


def test_driver_that_looked_away_is_no_silence_of_the_peer(budgets: Budgets) -> None:
    budgets.last_moved = budgets.pdu_mark = 1.0
    budgets.resumed(100.0)
    assert budgets.exceeded(103.0, State.STA6) is None
    assert budgets.deadline(State.STA6) == 104.0
