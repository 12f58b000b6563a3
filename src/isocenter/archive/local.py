"""The writer within this process: for tools that have an area to themselves, and for tests.

Owns nothing but the lock between threads; the decisions are `committer`'s.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager

from isocenter.archive.client import AddRefused, count_of, outcome_of, refusal
from isocenter.archive.orders import Add, Failure, Mark, Remove
from isocenter.archive.recovery import put_in_order

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.archive.facts import NewInstance
    from isocenter.archive.orders import AddOutcome, Answer, InstanceKey, Order
    from isocenter.archive.recovery import OpenArea

__all__ = ["LocalArea"]


_MOST_MARKS = 16  # folders marked that nobody publishes into at the moment


class LocalArea:
    """Writes an area that this process has open; implements `client.AreaWriter`.

    What a crash left is put in order first. Files that are to go do so with the orders that follow.

    Args:
        opened: closed by whoever opened it, after `close`.

    Used by any number of threads of one process.

    Raises:
        ArchiveError: the index cannot be read.
        StorageError: a folder cannot be read.
    """

    __slots__ = ("_doubtful", "_lock", "_marked", "_opened")

    def __init__(self, opened: OpenArea) -> None:
        """Begin without marks."""
        put_in_order(opened)
        self._opened = opened
        self._lock = threading.Lock()
        self._marked: OrderedDict[str, int] = OrderedDict()  # with how many use it now
        self._doubtful: set[str] = set()  # for the next start to look at

    def _ask(self, order: Order) -> Answer:
        with self._lock:
            (answer,) = self._opened.committer.commit([order])
            if self._opened.committer.has_work:
                self._opened.committer.work()
        return answer

    @contextmanager
    def marked(self, folder: str, study: str) -> Iterator[None]:
        """As `AreaWriter`."""
        self._take(folder, study)
        try:
            yield
        except AddRefused:
            raise
        except BaseException:
            self._doubtful.add(folder)
            raise
        finally:
            with self._lock:
                self._marked[folder] -= 1

    def _take(self, folder: str, study: str) -> None:
        with self._lock:
            committer = self._opened.committer
            if folder not in self._marked:
                (answer,) = committer.commit([Mark(folder, study)])
                if isinstance(answer, Failure):
                    raise refusal(self._opened.area.directory, answer)
            self._marked[folder] = self._marked.get(folder, 0) + 1
            self._marked.move_to_end(folder)
            unused = [known for known, users in self._marked.items() if not users]
            for known in unused[: max(0, len(unused) - _MOST_MARKS)]:
                del self._marked[known]
                if known not in self._doubtful:
                    committer.release([known])

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
            committer.release(self._marked.keys() - self._doubtful)
            self._marked.clear()
            while committer.has_work:
                committer.work()
