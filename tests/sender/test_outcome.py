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


class TestSeveralAssociations:
    def test_counts_are_added(self) -> None:
        total, second = Outcome(ignored=1), Outcome()
        second.submitted, second.confirmed, second.warnings = 3, 2, 1
        second.failure(0xA700)
        total.add(second)
        total.add(second)
        assert (total.submitted, total.confirmed, total.warnings) == (6, 4, 2)
        assert total.failed == 3

    def test_first_failure_stays_the_first(self) -> None:
        total, refused, later = Outcome(), Outcome(), Outcome()
        refused.failure(0xA700)
        later.failure(0xC000)
        total.add(Outcome())
        total.add(refused)
        total.add(later)
        assert total.first_failure_status == 0xA700

    def test_failure_without_status_stays_the_first(self) -> None:
        total, broken, later = Outcome(), Outcome(), Outcome()
        broken.broken = True
        later.failure(0xC000)
        total.add(broken)
        total.add(later)
        assert not total.ok
        assert total.first_failure_status is None

    def test_first_file_without_context_is_kept(self) -> None:
        total, first, second = Outcome(), Outcome(), Outcome()
        first.without_context = ("1.2", "1.3")
        second.without_context = ("1.4", "1.5")
        total.add(first)
        total.add(second)
        assert total.without_context == ("1.2", "1.3")
