"""What counts as a failure."""

from __future__ import annotations

from isocenter.sender.outcome import Outcome


def test_new_outcome_is_fine() -> None:
    assert Outcome().ok


def test_first_failure_decides_the_status() -> None:
    outcome = Outcome()
    outcome.failure(0xA700)
    outcome.failure()
    outcome.failure(0xC000)
    assert (outcome.ok, outcome.failed, outcome.first_failure_status) == (False, 3, 0xA700)


def test_failure_without_response_has_no_status_whatever_follows() -> None:
    outcome = Outcome()
    outcome.failure()
    outcome.failure(0xA700)
    assert outcome.first_failure_status is None


def test_ignored_path_is_the_first_failure() -> None:
    outcome = Outcome(ignored=2)
    outcome.failure(0xA700)
    assert (outcome.ok, outcome.failed, outcome.first_failure_status) == (False, 3, None)


def test_broken_association_is_no_success() -> None:
    outcome = Outcome()
    outcome.broken = True
    assert not outcome.ok
