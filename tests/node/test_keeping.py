"""The writer of an archive beside a server's dispatcher, in one loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from isocenter.errors import ArchiveError
from isocenter.node.keeping import KeptDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.archive.keeper import WriterKeeper
    from isocenter.net.dispatch import Arrival, Dispatcher


class Inner:
    """A dispatcher that notes what is asked of it."""

    forks = True
    shakes_hands = False
    has_room = True
    wants_pause = False

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.due: float | None = None

    def start(self, loop: object) -> None:
        del loop
        self.calls.append("start")

    def dispatch(self, arrival: object) -> None:
        self.calls.append(f"dispatch {arrival}")

    def deadline(self) -> float | None:
        return self.due

    def on_deadline(self, now: float) -> None:
        self.calls.append(f"due {now:g}")

    def reload(self) -> None:
        self.calls.append("reload")

    def stop(self) -> None:
        self.calls.append("stop")

    def abort(self) -> None:
        self.calls.append("abort")

    def join(self, seconds: float) -> bool:
        self.calls.append(f"join {seconds:g}")
        return True

    def abandon(self) -> None:
        self.calls.append("abandon")


class Keeper:
    """A keeper whose writer is a number."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.fd = -1
        self.due: float | None = None
        self.calls: list[str] = []

    def start(self) -> None:
        if self.fails:
            raise ArchiveError("/area", "it is locked")
        self.fd = 7

    def fileno(self) -> int:
        return self.fd

    def ready(self) -> None:
        """The writer ended, and another one began."""
        self.calls.append("ready")
        self.fd += 1

    def deadline(self) -> float | None:
        return self.due

    def on_deadline(self, now: float) -> None:
        self.calls.append(f"due {now:g}")
        self.fd += 10


class Loop:
    """A loop that knows who watches what."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        assert fd not in self.watched
        self.watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def wake(self) -> None:
        """Do nothing."""

    def refuse(self, arrival: object) -> None:
        """Do nothing."""

    def close_all(self) -> None:
        """Do nothing."""


def kept(
    inner: Inner, keeper: Keeper | None, at_start: Callable[[], None] = lambda: None
) -> KeptDispatcher:
    """Put a dispatcher and a keeper together."""
    return KeptDispatcher(cast("Dispatcher", inner), cast("WriterKeeper | None", keeper), at_start)


def test_writer_begins_before_anybody_is_served() -> None:
    order: list[str] = []
    inner, keeper, loop = Inner(), Keeper(), Loop()
    dispatcher = kept(inner, keeper, lambda: order.append(f"rights {keeper.fd} {inner.calls}"))
    dispatcher.start(loop)
    assert order == ["rights -1 []"]
    assert inner.calls == ["start"]
    assert list(loop.watched) == [7]


def test_writer_that_cannot_begin_ends_it_and_serves_nobody() -> None:
    inner = Inner()
    with pytest.raises(ArchiveError):
        kept(inner, Keeper(fails=True)).start(Loop())
    assert inner.calls == []


def test_writer_that_ended_is_replaced_and_the_next_one_watched() -> None:
    keeper, loop = Keeper(), Loop()
    dispatcher = kept(Inner(), keeper)
    dispatcher.start(loop)
    loop.watched[7]()
    assert keeper.calls == ["ready"]
    assert list(loop.watched) == [8]


def test_what_is_due_of_either_is_seen_to() -> None:
    inner, keeper, loop = Inner(), Keeper(), Loop()
    dispatcher = kept(inner, keeper)
    dispatcher.start(loop)
    assert dispatcher.deadline() is None
    inner.due, keeper.due = 5.0, 3.0
    assert dispatcher.deadline() == 3.0
    dispatcher.on_deadline(4.0)
    assert (inner.calls, keeper.calls) == (["start"], ["due 4"])
    assert list(loop.watched) == [17]
    dispatcher.on_deadline(6.0)
    assert inner.calls == ["start", "due 6"]


def test_without_a_writer_there_is_nothing_beside() -> None:
    inner, loop = Inner(), Loop()
    dispatcher = kept(inner, None)
    dispatcher.start(loop)
    inner.due = 2.0
    assert dispatcher.deadline() == 2.0
    dispatcher.on_deadline(2.0)
    assert loop.watched == {}
    assert inner.calls == ["start", "due 2"]


def test_associations_are_the_inner_ones_matter() -> None:
    inner = Inner()
    dispatcher = kept(inner, None)
    assert (dispatcher.forks, dispatcher.shakes_hands) == (True, False)
    assert (dispatcher.has_room, dispatcher.wants_pause) == (True, False)
    dispatcher.dispatch(cast("Arrival", "one"))
    dispatcher.reload()
    dispatcher.stop()
    dispatcher.abort()
    assert dispatcher.join(1.0)
    dispatcher.abandon()
    assert inner.calls == ["dispatch one", "reload", "stop", "abort", "join 1", "abandon"]
