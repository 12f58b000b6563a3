"""Files that were looked at and wait to be sent: all of them, or so many ahead of the sending.

Owns the order in which they are taken and how many wait. Must not know what is looked at in a
file (`listing`) nor what is proposed for it (`grouping`).

Waiting files take about their names' length in memory: 100 000 of them some 10 MB.
"""

from __future__ import annotations

import time
from collections import deque

from isocenter.sender.listing import InvalidInput, Listed

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isocenter.sender.inputs import Kind

__all__ = ["AHEAD", "HEAD_START", "Backlog"]

AHEAD = 16 * 1024
"""Files that wait at most where files are looked at beside sending, and so what an association
may propose for ahead."""

HEAD_START = 1.0
"""Seconds that files are looked at before the first association, where that goes on beside
sending. Within it 10 000 files of a quick disc are looked at, and what is proposed is what would be
proposed without it."""

_CHUNK = 512


class Backlog:
    """Listed files in order.

    Args:
        entries: where they come from. An `InvalidInput` of it is kept until all before it is
            taken, where files are looked at beside sending; else it is raised at once.
        beside: look at files beside sending, `AHEAD` at most before their turn.

    Raises:
        InvalidInput: see there.

    Attributes:
        count: files looked at so far.
        is_complete: all files were looked at.
        problem: what ends the run once all files are taken, None for nothing.
    """

    __slots__ = (
        "_chunks",
        "_entries",
        "_kinds",
        "_limit",
        "_numbers",
        "_open",
        "_ready",
        "count",
        "is_complete",
        "problem",
    )

    def __init__(self, entries: Iterable[Listed], *, beside: bool = False) -> None:
        """Look at all files, or at those of the head start."""
        self._entries = iter(entries)
        self._kinds: list[Kind] = []
        self._numbers: dict[Kind, int] = {}
        # Chunks of (path, NUL, UID, NUL, ...) with the numbers of their kinds; then the newest
        # files, not put together yet; and the oldest, taken apart.
        self._chunks: deque[tuple[str, list[int]]] = deque()
        self._open: list[tuple[str, int]] = []
        self._ready: deque[Listed] = deque()
        self._limit = AHEAD if beside else 0
        self.count = 0
        self.is_complete = False
        self.problem: InvalidInput | None = None
        if not beside:
            while self._look():
                pass
            if self.problem is not None:
                raise self.problem
            return
        deadline = time.monotonic() + HEAD_START
        while time.monotonic() < deadline and self._look():
            pass

    def __len__(self) -> int:
        """Return how many wait."""
        packed = sum(len(numbers) for _, numbers in self._chunks)
        return len(self._ready) + packed + len(self._open)

    def _look(self) -> bool:
        """Look at one more file; False where there is none, or no room for it."""
        if self.is_complete or (self._limit and len(self) >= self._limit):
            return False
        try:
            listed = next(self._entries)
        except StopIteration:
            self.is_complete = True
            return False
        except InvalidInput as problem:
            self.is_complete = True
            self.problem = problem
            return False
        self.count += 1
        number = self._numbers.get(listed.kind)
        if number is None:
            number = self._numbers[listed.kind] = len(self._kinds)
            self._kinds.append(listed.kind)
        uid = listed.sop_instance_uid.replace("\0", "")
        self._open.append((f"{listed.path}\0{uid}", number))
        if len(self._open) == _CHUNK:
            joined = "\0".join([text for text, _ in self._open])
            self._chunks.append((joined, [number for _, number in self._open]))
            self._open.clear()
        return True

    def look_ahead(self, files: int = 2) -> None:
        """Look at a few more files, as there is room for them."""
        if not self.is_complete:
            for _ in range(files):
                if not self._look():
                    return

    def kinds(self) -> Iterator[Kind]:
        """Yield the kind of each file that waits, in order."""
        known = self._kinds
        for listed in self._ready:
            yield listed.kind
        for _, numbers in self._chunks:
            for number in numbers:
                yield known[number]
        for _, number in self._open:
            yield known[number]

    @property
    def known_kinds(self) -> tuple[Kind, ...]:
        """The kinds of all files so far, in order of their first appearance."""
        return tuple(self._kinds)

    def first(self) -> Listed | None:
        """Return the file whose turn it is, None where none waits; it stays.

        Where none waits, more are looked at.
        """
        ready = self._ready
        if not ready and not self._chunks and not self._open:
            self.look_ahead()
        if not ready and self._chunks:
            joined, numbers = self._chunks.popleft()
            texts = joined.split("\0")
            for place, number in enumerate(numbers):
                ready.append(Listed(texts[2 * place], texts[2 * place + 1], self._kinds[number]))
        elif not ready:
            for text, number in self._open:
                path, _, uid = text.partition("\0")
                ready.append(Listed(path, uid, self._kinds[number]))
            self._open.clear()
        return ready[0] if ready else None

    def take(self) -> Listed:
        """Take the file that `first` returned."""
        return self._ready.popleft()

    def put_back(self, listed: Listed) -> None:
        """Let a file that was taken be the next one again."""
        self._ready.appendleft(listed)
