"""What counts as a failure."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    ("confirmed", "failed", "ignored", "total", "words"),
    [
        (1, 0, 0, 1, ""),
        (0, 1, 0, 1, ""),
        (0, 0, 2, 1, ""),
        (2, 0, 0, 2, "2 of 2 objects were confirmed"),
        (74, 2, 3, 76, "74 of 76 objects were confirmed, 2 failed, 3 paths were left out"),
        (1, 1, 0, 9, "1 of 9 objects were confirmed, 1 failed, 7 not sent"),
        (1, 0, 1, 1, "1 of 1 object was confirmed, 1 path was left out"),
    ],
)
def test_counts_are_told_of_several_objects(
    confirmed: int, failed: int, ignored: int, total: int, words: str
) -> None:
    outcome = Outcome(ignored=ignored)
    outcome.submitted = outcome.confirmed = confirmed
    for _ in range(failed):
        outcome.failure()
    assert outcome.counts(total, ignored) == words
