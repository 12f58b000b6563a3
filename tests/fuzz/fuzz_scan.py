"""Fuzz target: the walk over a data set.

The first byte of the input chooses encoding and limits, the second how the rest is cut. A scan may
raise `CutShort` and `Unreadable` and nothing else, names no place outside of the data set, and
finds the same where it comes in pieces, and where what nobody wants to see is skipped.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS, ScanLimits, Scanner, scan
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from typing import TypeAlias

    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer

    Told: TypeAlias = tuple[list[tuple[object, ...]], tuple[object, ...] | None]

_ENCODINGS = [ENCODINGS[each] for each in ((True, True), (False, True), (True, False))]
_LIMITS = (ScanLimits(), ScanLimits(maximum_depth=3, maximum_value_length=8, maximum_creators=1))
_SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")


def seeds() -> list[bytes]:
    """Return the data sets that receivers are tested with."""
    return [
        bytes((_SYNTAXES.index(each.transfer_syntax) * 2 + place % 2, place % 256)) + each.data_set
        for place, each in enumerate((*variants(), *broken_variants()))
        if len(each.data_set) < 1000 and each.transfer_syntax in _SYNTAXES
    ]


class _Recorder:
    """A visitor that wants to hear everything, and the value of every other element."""

    def __init__(self, length: int) -> None:
        self.told: list[tuple[object, ...]] = []
        self._length = length

    def _within(self, *places: int) -> None:
        if not all(0 <= place <= self._length for place in places):
            raise AssertionError(f"{places} of {self._length} bytes")

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        if vr:
            return vr
        return b"SQ" if length == 0xFFFFFFFF else b"UI" if tag & 1 else b"UN"

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        return not tag & 2

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
        self._within(start, value)
        if raw is not None and len(raw) != length:
            raise AssertionError(f"a value of {length} bytes was shown as {len(raw)}")
        self.told.append((level.kind, tag, bytes(vr), start, value, length, raw))

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        self._within(start, value)
        self.told.append(("opened", outer.kind, level.kind, tag, bytes(vr), start, value))

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        self.told.append(("closed", level.kind, at, delimiter))

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        self.told.append(("fragment", start, value, length))

    def stray(self, level: Level, start: int) -> None:
        self.told.append(("stray", start))

    def trailing(self, start: int, length: int) -> None:
        self._within(start, start + length)
        self.told.append(("trailing", start, length))


def test_one_input(data: bytes) -> None:
    """Scan one input and check what follows from it."""
    if len(data) < 2:
        return
    encoding = _ENCODINGS[data[0] // 2 % 3]
    limits = _LIMITS[data[0] % 2]
    body = data[2:]

    def told(generator: random.Random | None, *, skips: bool = False) -> Told:
        recorder = _Recorder(len(body))
        scanner = Scanner(encoding, recorder, limits)
        try:
            _feed(scanner, body, generator, skips=skips)
        except CutShort as cut:
            return recorder.told, ("cut short", cut.offset, cut.missing)
        except Unreadable as bad:
            return recorder.told, ("unreadable", bad.offset, bad.reason)
        return recorder.told, None

    whole = told(None)
    if whole != told(random.Random(data[1])):
        raise AssertionError("in pieces something else is found")
    if whole != told(random.Random(data[1]), skips=True):
        raise AssertionError("with values skipped something else is found")
    try:
        found = scan(body, encoding, limits)
    except (CutShort, Unreadable):
        return
    if any(not 0 <= place <= len(body) for _, _, *places, _, _ in found for place in places):
        raise AssertionError("an element begins outside of the data set")


def _feed(scanner: Scanner, data: bytes, generator: random.Random | None, *, skips: bool) -> None:
    place = 0
    while place < len(data):
        size = generator.choice((1, 3, 8, 40, 500)) if generator else len(data)
        piece = memoryview(data)[place : place + size]
        if skips and scanner.ahead >= len(piece):
            scanner.skip(len(piece))
        else:
            scanner.feed(piece)
        place += len(piece)
    scanner.finish()
