"""The elements of a data set in the order of their tags, where they came in another one.

Owns finding the order and reading the bytes of the source in it. Most data sets need none of
this: the rewriter notices an element that stands behind one with a higher tag, and only then
the data set is looked at once more. The lengths of items and sequences do not change when
what is in them changes places, so the order is a list of runs of the source; nothing is
copied to a file. Must not change an element; those with the same tag all stay, in the order
in which they came.

PS3.5 7.1 (order of elements), 7.5 (items are data sets too).
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left

from isocenter.dataset.headers import Unreadable
from isocenter.dataset.rewrite import Rewriter
from isocenter.dataset.scan import ITEM, ROOT, Scanner
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from isocenter.dataset.profile import RewriteProfile
    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer

    _Span: TypeAlias = "tuple[int, int]"

__all__ = ["MAXIMUM_ELEMENTS", "Order", "find_order"]

MAXIMUM_ELEMENTS = 200_000
"""Elements, inclusive, in the levels that are open at once, and runs that change places: they
take up to 40 MiB. Beyond it the order is kept as it came. Standard objects have some hundred
elements in a level."""

_PIECE = 64 * 1024  # bytes that are given at once where runs are short
_CHUNK = 256 * 1024  # bytes read of a file at once
_LAST = 1 << 33  # behind every tag


class Order:
    """Runs of the source, one behind the other: its bytes, each once.

    Args:
        runs: begin and end of each, in turn.
    """

    __slots__ = ("_runs",)

    def __init__(self, runs: array[int]) -> None:
        """Keep the runs."""
        self._runs = runs

    def __len__(self) -> int:
        """Return how many runs there are."""
        return len(self._runs) // 2

    def pieces(self, source: bytes | memoryview | FileRegion) -> Iterator[Buffer]:
        """Yield the bytes of the source in this order, short runs together.

        Raises:
            DataSetError: the file is shorter than its region.
            OSError: it cannot be read.
        """
        small = bytearray()
        for piece in self._spans(source):
            is_short = len(piece) < _PIECE
            if is_short:
                small += piece
            if small and not (is_short and len(small) < _PIECE):
                yield small
                small = bytearray()
            if not is_short:
                yield piece
        if small:
            yield small

    def _spans(self, source: bytes | memoryview | FileRegion) -> Iterator[Buffer]:
        runs = self._runs
        if not isinstance(source, FileRegion):
            view = memoryview(source)
            for place in range(0, len(runs), 2):
                yield view[runs[place] : runs[place + 1]]
            return
        for place in range(0, len(runs), 2):
            start, end = runs[place], runs[place + 1]
            while start < end:
                piece = os.pread(source.fd, min(_CHUNK, end - start), source.offset + start)
                if not piece:
                    raise DataSetError("file became shorter while it was read", offset=start)
                start += len(piece)
                yield piece


class _Elements:
    """The elements of a level that is open: their tags, and where they begin."""

    __slots__ = ("is_ordered", "starts", "tags")

    def __init__(self) -> None:
        self.tags = array("Q")
        self.starts = array("Q")
        self.is_ordered = True

    def add(self, tag: int, start: int) -> None:
        """Note the next element."""
        if self.tags and tag < self.tags[-1]:
            self.is_ordered = False
        self.tags.append(tag)
        self.starts.append(start)

    def spans(self, end: int) -> list[_Span]:
        """Return begin and end of each element, in the order of the tags."""
        ends = [*self.starts[1:], end]
        places = sorted(range(len(ends)), key=self.tags.__getitem__)
        return [(self.starts[place], ends[place]) for place in places]


class _Finder:
    """Notes where the elements of each data set and item are.

    A rewriter beside it says which VRs they have, so that the same is taken for a sequence.
    """

    def __init__(self, profile: RewriteProfile) -> None:
        self.moved: dict[int, tuple[list[_Span], int]] = {}  # by the start of what is moved
        self._rewriter = Rewriter(profile)
        self._open = [_Elements()]
        self._count = 0
        self.vr = self._rewriter.vr
        self.wants_value = self._rewriter.wants_value
        self.fragment = self._rewriter.fragment

    def _add(self, tag: int, start: int) -> None:
        self._count += 1
        if self._count > MAXIMUM_ELEMENTS:
            raise Unreadable(start, "more elements out of order than are kept in memory")
        self._open[-1].add(tag, start)

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Pass over nothing."""
        return index

    def element(
        self,
        level: Level,
        tag: int,
        vr: bytes,
        start: int,
        value: int,
        length: int,
        raw: bytes | None,
    ) -> None:
        """Note where it is."""
        self._add(tag, start)
        self._rewriter.element(level, tag, vr, start, value, length, raw)

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Note where a sequence is, or begin an item."""
        if level.kind == ITEM:
            self._open.append(_Elements())
        else:
            self._add(tag, start)
        self._rewriter.opened(outer, level, tag, vr, start, value)

    def stray(self, level: Level, start: int) -> None:
        """A delimiter that delimits nothing stays behind what it came behind."""
        self._rewriter.stray(level, start)

    def trailing(self, start: int, length: int) -> None:
        """Keep zeros behind the last element there."""
        self._add(_LAST, start)
        self._rewriter.trailing(start, length)

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Sort the elements of a data set or an item."""
        if level.kind in {ROOT, ITEM}:
            elements = self._open.pop()
            self._count -= len(elements.tags)
            if not elements.is_ordered:
                self._count += len(elements.tags)
                self.moved[elements.starts[0]] = (elements.spans(at), at)
        self._rewriter.closed(level, at, delimiter)

    def order(self, length: int) -> Order:
        """Return the order of a data set of so many bytes."""
        runs = array("Q")
        moved, begins = self.moved, sorted(self.moved)
        # What is still to be given, the next last: a part of the source, and whether a level
        # that begins with it is sorted already.
        left = [(0, length, False)]
        while left:
            start, end, is_sorted = left.pop()
            place = bisect_left(begins, start + is_sorted)
            inner = begins[place] if place < len(begins) else end
            stop = min(inner, end)
            if runs and runs[-1] == start:
                runs[-1] = stop
            elif stop > start:
                runs.extend((start, stop))
            if inner < end:
                spans, after = moved[inner]
                left.append((after, end, False))
                left.extend((*span, True) for span in reversed(spans))
        return Order(runs)


def find_order(pieces: Iterable[Buffer], profile: RewriteProfile) -> Order:
    """Return the order in which the elements of a data set stand by their tags.

    Args:
        pieces: of the data set, inflated.
        profile: how it is read.

    Raises:
        CutShort, Unreadable: the data set cannot be read to its end, or has more elements than
            `MAXIMUM_ELEMENTS`.
        As `pieces`.
    """
    finder = _Finder(profile)
    scanner = Scanner(profile.source, finder, profile.limits)
    for piece in pieces:
        scanner.feed(piece)
    scanner.finish()
    return finder.order(scanner.position)
