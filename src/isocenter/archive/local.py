"""The writer within this process: for tools that have an area to themselves, and for tests.

Owns nothing but the lock between threads; the decisions are `committer`'s.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

from isocenter.archive.client import AddRefused, count_of, outcome_of, refusal
from isocenter.archive.orders import Add, Failure, Mark, Remove

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.archive.facts import NewInstance
    from isocenter.archive.orders import AddOutcome, Answer, InstanceKey, Order
    from isocenter.archive.recovery import OpenArea

__all__ = ["LocalArea"]


class LocalArea:
    """Writes an area that this process has open; implements `client.AreaWriter`.

    Args:
        opened: closed by whoever opened it, after `close`.
    """

    __slots__ = ("_doubtful", "_lock", "_marked", "_opened")

    def __init__(self, opened: OpenArea) -> None:
        """Begin without marks."""
        self._opened = opened
        self._lock = threading.Lock()
        self._marked: set[str] = set()
        self._doubtful: set[str] = set()  # for the next start to look at

    def _ask(self, order: Order) -> Answer:
        with self._lock:
            committer = self._opened.committer
            (answer,) = committer.commit([order])
            if committer.has_work:
                committer.work()
        return answer

    @contextmanager
    def marked(self, folder: str, study: str) -> Iterator[None]:
        """As `AreaWriter`."""
        if folder not in self._marked:
            answer = self._ask(Mark(folder, study))
            if isinstance(answer, Failure):
                raise refusal(self._opened.area.directory, answer)
            self._marked.add(folder)
        try:
            yield
        except AddRefused:
            raise
        except BaseException:
            self._doubtful.add(folder)
            raise

    def add(self, new: NewInstance, *, again: bool = False) -> AddOutcome:
        """As `AreaWriter`."""
        return outcome_of(self._opened.area.directory, self._ask(Add(new, again)))

    def remove(self, studies: Sequence[str] = (), instances: Sequence[InstanceKey] = ()) -> int:
        """As `AreaWriter`."""
        answer = self._ask(Remove(tuple(studies), tuple(instances)))
        return count_of(self._opened.area.directory, answer)

    def close(self) -> None:
        """Take the marks back, where all is known, and do all that could wait."""
        with self._lock:
            committer = self._opened.committer
            committer.release(self._marked - self._doubtful)
            self._marked.clear()
            while committer.has_work:
                committer.work()
