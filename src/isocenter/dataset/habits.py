"""What the objects of one sender have in common, so that it is looked at once.

Owns runs of elements that came byte for byte the same in two objects of an association, in
which nothing needed a change: where the next object has the same run, comparing bytes tells
all that looking at each element would. A series of slices differs in a dozen of its hundred
elements (bench/micro/rewrite.py: 43 microseconds to plan a CT header, 11 with this).

Only elements whose treatment depends on nothing but their own bytes may be in a run, so none
that the caller wants the value of, no group length, and nothing at all where VRs come from
other elements (implicit VR). Must not decide what needs a change.
"""

from __future__ import annotations

from isocenter.dataset.headers import UNDEFINED_LENGTH
from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from isocenter.dataset.scan import Encoding

__all__ = ["Habits"]

_MOST_LEARNT = 64 * 1024  # bytes of the beginning of a data set that are kept and compared
_SHORTEST_RUN = 24  # bytes; less is as soon looked at
_LONGEST_ELEMENT = 4 * 1024  # bytes of one that has a part in runs; longer ones differ anyway
_LONGEST_PAUSE = 256  # objects, where learning does not help


class Habits:
    """Runs of elements seen before in one association; belongs to its thread.

    Attributes:
        runs: bytes of a run by its first 8 bytes.
        tags: of the first and of the last element of a run, by the same.
        skipped: bytes of the present object that were found to be known runs.
    """

    __slots__ = ("_enough", "_pause", "_previous", "_waited", "runs", "skipped", "tags")

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.runs: dict[bytes, bytes] = {}
        self.tags: dict[bytes, tuple[int, int]] = {}
        self.skipped = 0
        self._previous = b""
        self._enough = 1  # bytes skipped that make learning anew needless
        self._pause = 0
        self._waited = 0

    def observe(self, head: bytes, encoding: Encoding, wanted: AbstractSet[int]) -> None:
        """Take note of an object that needed no change; to be called once for each.

        Args:
            head: the beginning of its data set.
            encoding: in explicit VR.
            wanted: tags of elements that must be looked at.
        """
        skipped, self.skipped = self.skipped, 0
        if skipped >= self._enough:
            self._pause = 0
            return
        self._waited += 1
        if self._waited <= self._pause:
            return
        self._waited = 0
        previous, self._previous = self._previous, head[:_MOST_LEARNT]
        if previous:
            self.runs, self.tags = _common_runs(previous, self._previous, encoding, wanted)
            short = sum(
                end - start
                for _tag, start, end in _elements(self._previous, encoding)
                if end - start <= _LONGEST_ELEMENT
            )
            self._enough = short // 2 + 1
            self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)


def _common_runs(
    one: bytes, other: bytes, encoding: Encoding, wanted: AbstractSet[int]
) -> tuple[dict[bytes, bytes], dict[bytes, tuple[int, int]]]:
    """Return the runs of `other` whose elements `one` has as well, byte for byte."""
    before = {tag: one[start:end] for tag, start, end in _elements(one, encoding)}
    runs: dict[bytes, bytes] = {}
    tags: dict[bytes, tuple[int, int]] = {}

    def keep() -> None:
        run = other[begin:end_of_run]
        if len(run) >= _SHORTEST_RUN:
            runs[run[:8]] = run
            tags[run[:8]] = (first, last)

    begin = end_of_run = first = last = 0
    for tag, start, end in _elements(other, encoding):
        is_common = (
            end - start <= _LONGEST_ELEMENT
            and tag not in wanted
            and tag & 0xFFFF != 0
            and tag >> 16 != 0xFFFC
            and before.get(tag) == other[start:end]
        )
        if is_common and start == end_of_run and end_of_run > begin:
            end_of_run, last = end, tag
            continue
        keep()
        begin, end_of_run = (start, end) if is_common else (end, end)
        first = last = tag
    keep()
    return runs, tags


def _elements(data: bytes, encoding: Encoding) -> list[tuple[int, int, int]]:
    """Return tag, start and end of the leading elements at the top level that are whole."""
    found = []
    index, size = 0, len(data)
    while index + 12 <= size:
        group, element, vr, length = encoding.whole(data, index)
        if vr in SHORT_VRS:
            after = index + 8 + length
        elif vr in LONG_VRS:
            length = encoding.long(data, index + 8)[0]
            if length == UNDEFINED_LENGTH:
                break
            after = index + 12 + length
        else:
            break
        if after > size:
            break
        found.append((group << 16 | element, index, after))
        index = after
    return found
