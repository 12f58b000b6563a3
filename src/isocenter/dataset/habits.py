"""What the objects of one sender have in common, so that it is looked at once.

Owns the steps in which the beginning of an association's next data set is passed over: runs of
elements that came byte for byte the same in two objects before, and single elements that had
the same header but another value. Comparing bytes tells of a run what looking at each element
would; of a single element only the end of its value is looked at. A series of slices differs in
a dozen of its hundred elements (bench/micro/rewrite.py).

Only elements whose treatment depends on nothing but their own bytes may be in a run, so none
that the caller wants the value of, no group length, and nothing at all where VRs come from
other elements (implicit VR). Must not decide what needs a change: that is `plain`'s.
"""

from __future__ import annotations

from isocenter.dataset.headers import UNDEFINED_LENGTH
from isocenter.dataset.likeness import Likeness
from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS
from isocenter.dataset.plain import BINARY, TEXT, UID, pass_explicit

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    from isocenter.dataset.scan import Encoding

    Step: TypeAlias = tuple[bytes, int, int, int, int]

__all__ = ["Habits", "pass_familiar"]

_MOST_LEARNT = 64 * 1024  # bytes of the beginning of a data set that are kept and compared
_LONGEST_ELEMENT = 4 * 1024  # bytes of one that has a part in runs; longer ones differ anyway
_LONGEST_PAUSE = 256  # objects, where learning does not help

_RUN = 0  # kind of a step that is a run; the others are kinds of VRs
_BLANK = 0x20


class Habits:
    """How the data sets of one association begin; belongs to its thread.

    Attributes:
        steps: in the order of the data set: the bytes of a run, or of a header; bytes to pass
            over; kind of VR, 0 for a run; tags of the first and of the last element.
        missed: elements of the present object that were no step.
        likeness: what the short ones have in common as a whole.
    """

    __slots__ = ("_pause", "_previous", "_waited", "likeness", "missed", "steps")

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.steps: tuple[Step, ...] = ()
        self.missed = 0
        self.likeness = Likeness()
        self._previous = b""
        self._pause = 0
        self._waited = 0

    def observe(
        self,
        head: bytes,
        encoding: Encoding,
        kinds: Mapping[bytes, int],
        wanted: AbstractSet[int],
    ) -> None:
        """Take note of an object that needed no change; to be called once for each.

        Args:
            head: the beginning of its data set.
            encoding: in explicit VR.
            kinds: kind by VR.
            wanted: tags of elements that must be looked at.
        """
        missed, self.missed = self.missed, 0
        if self.steps and 4 * missed <= len(self.steps):
            self._pause = 0
            return
        self._waited += 1
        if self._waited <= self._pause:
            return
        self._waited = 0
        previous, self._previous = self._previous, head[:_MOST_LEARNT]
        if previous:
            self.steps = _steps(previous, self._previous, encoding, kinds, wanted)
            self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)


def pass_familiar(
    data: bytes,
    index: int,
    end: int,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    wanted: AbstractSet[int],
    found: dict[int, bytes],
    habits: Habits,
    order: list[int],
    depth: int,
) -> int:
    """Pass over elements as `plain.pass_explicit` does, the familiar ones with less ado.

    To be called for the beginning of a data set.
    """
    starts_with = data.startswith
    previous = order[0]
    for known, size, kind, first, last in habits.steps:
        while True:
            if first > previous and starts_with(known, index):
                after = index + size
                if kind == _RUN:
                    index, previous = after, last
                    break
                if after <= end and _ends_well(data, index, after, kind):
                    if first in wanted and kind != BINARY:
                        found.setdefault(first, data[index + 8 : after])
                    index, previous = after, last
                    break
            order[0] = previous
            after = pass_explicit(
                data, index, end, encoding, kinds, wanted, found, index, order, depth
            )
            if after == index:
                return index
            habits.missed += 1
            index, previous = after, order[0]
            if previous >= first:
                break
    order[0] = previous
    return pass_explicit(data, index, end, encoding, kinds, wanted, found, end, order, depth)


def _ends_well(data: bytes, index: int, after: int, kind: int) -> bool:
    """Tell whether a value of a known length needs no change."""
    if kind == BINARY or after - index == 8:
        return True
    if kind == TEXT:
        return data[after - 1] != _BLANK or data[after - 2] != _BLANK
    value = data[index + 8 : after]
    return value.split() == [value] and value[-2] != 0


def _steps(
    one: bytes,
    other: bytes,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    wanted: AbstractSet[int],
) -> tuple[Step, ...]:
    """Return the steps in which `other` is passed over, and what comes like it and `one`."""
    before = {tag: one[start:end] for tag, _vr, start, end in _elements(one, encoding)}
    steps: list[Step] = []
    begin = end_of_run = first = last = 0

    def end_run() -> None:
        if end_of_run > begin:
            steps.append((other[begin:end_of_run], end_of_run - begin, _RUN, first, last))

    for tag, vr, start, end in _elements(other, encoding):
        if end - start > _LONGEST_ELEMENT:
            break
        is_common = (
            tag not in wanted
            and tag & 0xFFFF != 0
            and tag >> 16 != 0xFFFC
            and before.get(tag) == other[start:end]
        )
        if is_common and end_of_run > begin and start == end_of_run:
            end_of_run, last = end, tag
            continue
        end_run()
        begin, end_of_run = (start, end) if is_common else (end, end)
        first = last = tag
        kind = kinds.get(vr)
        if not is_common and tag & 0xFFFF and kind in {TEXT, UID, BINARY}:
            steps.append((other[start : start + 8], end - start, kind, tag, tag))
    end_run()
    return tuple(steps)


def _elements(data: bytes, encoding: Encoding) -> list[tuple[int, bytes, int, int]]:
    """Return tag, VR, start and end of the leading elements at the top level that are whole."""
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
        found.append((group << 16 | element, vr, index, after))
        index = after
    return found
