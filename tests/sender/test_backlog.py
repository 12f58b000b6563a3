"""Files that wait: their order, how many, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.sender import backlog as module
from isocenter.sender.backlog import Backlog
from isocenter.sender.inputs import Kind
from isocenter.sender.listing import InvalidInput, Listed

if TYPE_CHECKING:
    from collections.abc import Iterator

CT, MR = Kind("1.2.3", "1.2"), Kind("1.2.4", "1.2")


def listed(count: int, *, fails: bool = False) -> Iterator[Listed]:
    for number in range(count):
        yield Listed(f"dir/{number}", f"2.25.{number}", MR if number % 3 else CT)
    if fails:
        raise InvalidInput("bad", "path")


def taken(backlog: Backlog) -> list[str]:
    paths = []
    while (first := backlog.first()) is not None:
        assert backlog.take() is first
        paths.append(first.path)
    return paths


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 2000])
@pytest.mark.parametrize("beside", [False, True])
def test_files_come_out_as_they_went_in(count: int, beside: bool) -> None:
    backlog = Backlog(listed(count), beside=beside)
    assert len(list(backlog.kinds())) == len(backlog) == count
    assert taken(backlog) == [f"dir/{number}" for number in range(count)]
    assert backlog.is_complete
    assert backlog.count == count


def test_kinds_follow_the_files_while_they_are_taken() -> None:
    backlog = Backlog(listed(1100))
    for number in range(700):
        backlog.first()
        backlog.take()
        if number % 100 == 0:
            left = [MR if place % 3 else CT for place in range(number + 1, 1100)]
            assert list(backlog.kinds()) == left
    assert backlog.known_kinds == (CT, MR)


def test_a_file_that_was_put_back_is_the_next_one() -> None:
    backlog = Backlog(listed(3))
    backlog.first()
    first = backlog.take()
    backlog.put_back(first)
    assert taken(backlog) == ["dir/0", "dir/1", "dir/2"]


def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD", 10)
    seen = []

    def endless() -> Iterator[Listed]:
        for one in listed(10**9):
            seen.append(one)
            yield one

    backlog = Backlog(endless(), beside=True)
    assert (len(seen), len(backlog), backlog.is_complete) == (10, 10, False)
    for _ in range(1000):
        backlog.first()
        backlog.take()
        backlog.look_ahead()
        assert len(backlog) <= 10


def test_the_head_start_is_over_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_START", 0.0)
    backlog = Backlog(listed(5), beside=True)
    assert len(backlog) == 0
    assert taken(backlog) == [f"dir/{number}" for number in range(5)]


def test_an_invalid_file_ends_it_at_once_where_all_are_looked_at_before() -> None:
    with pytest.raises(InvalidInput, match="bad"):
        Backlog(listed(3, fails=True))


def test_an_invalid_file_is_kept_until_those_before_it_are_taken() -> None:
    backlog = Backlog(listed(3, fails=True), beside=True)
    assert len(taken(backlog)) == 3
    assert str(backlog.problem) == "bad"


def test_100_000_files_take_less_than_20_mb() -> None:
    import tracemalloc

    def many() -> Iterator[Listed]:
        for number in range(100_000):
            name = f"archive/2026/11/study-{number // 500:05}/image-{number:07}.dcm"
            yield Listed(name, f"1.2.826.0.1.3680043.9.3811.{number:030}", CT)

    tracemalloc.start()
    backlog = Backlog(many())
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(backlog) == 100_000
    assert size < 20_000_000
