"""Where each element of a data set is: tag, VR, value span and depth, piece by piece.

Owns the walk over a stream of elements: nesting, lengths, delimiters, what is put up with
and what is not. Builds no values, decides nothing about them, and knows no tag but the
delimiters and private creators. Nothing is recursive; what is kept between two pieces is
one header, or one short value that the visitor wants to see whole.

A `Visitor` hears of every element; runs of elements that it declared plain (`PlainRule`)
are passed over in one loop without calls, which is most of a usual data set
(bench/micro/scan.py).

PS3.5 7.1 (elements), 7.5 (sequences), 6.2.2 (UN), A.4 (encapsulated pixel data).
"""

from __future__ import annotations

import struct

from isocenter.dataset.headers import UNDEFINED_LENGTH, CutShort, Unreadable
from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS
from isocenter.limits import DEFAULTS
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    from isocenter.limits import Limits
    from isocenter.wire import Buffer
else:
    Protocol = object

__all__ = [
    "DEFAULT_SCAN_LIMITS",
    "ENCODINGS",
    "ITEM",
    "PIXELS",
    "ROOT",
    "SEQUENCE",
    "Encoding",
    "FoundElement",
    "Level",
    "ScanLimits",
    "Scanner",
    "Visitor",
    "scan",
]

ROOT, ITEM, SEQUENCE, PIXELS = range(4)
"""Kinds of level: the data set, an item, a sequence of items, fragments of pixel data."""

_OPEN = 1 << 63  # end of a level that a delimiter ends

_VRS = SHORT_VRS | LONG_VRS
_FOREIGN_LONG_VRS = frozenset({b"ox", b"px", b"lt"})  # markers of DCMTK's that got into files

_ITEM_TAG, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITERS = frozenset({_ITEM_TAG, _ITEM_END, _SEQUENCE_END})


class ScanLimits(Record):
    """What a scan puts up with before it gives up."""

    maximum_depth: int = DEFAULTS.maximum_depth
    """Nested sequences, inclusive; see `isocenter.limits`."""

    maximum_value_length: int = 128 * 1024
    """Bytes, inclusive, of a value that the visitor may see whole. Values with a 16-bit length
    always can be; of the longer text VRs (UC, UR, UT) those that fit."""

    maximum_creators: int = 4096
    """Private creators kept of a data set, inclusive, to look up what they own. Real ones have
    a few dozen."""

    @classmethod
    def of(cls, limits: Limits) -> ScanLimits:
        """Return those of a scan."""
        return cls(maximum_depth=limits.maximum_depth)


DEFAULT_SCAN_LIMITS = ScanLimits()


class Encoding:
    """How headers are written: explicit or implicit VR, byte order (PS3.5 7.1.2, 7.1.3).

    Attributes:
        explicit, little: what is meant.
        tag: reads group and element. short: reads VR and 16-bit length. long: reads a 32-bit
            one. whole: reads the first two together.
        pack_short, pack_long, pack_plain: write headers with a 16-bit length, with a 32-bit
            one, and without VR. pack_length: writes a 32-bit length.
    """

    __slots__ = (
        "explicit",
        "little",
        "long",
        "pack_length",
        "pack_long",
        "pack_plain",
        "pack_short",
        "short",
        "tag",
        "whole",
    )

    def __init__(self, *, explicit: bool, little: bool) -> None:
        """Compile the layouts."""
        order = "<" if little else ">"
        self.explicit = explicit
        self.little = little
        self.tag = struct.Struct(order + "HH").unpack_from
        self.short = struct.Struct(order + "2sH").unpack_from
        self.long = struct.Struct(order + "I").unpack_from
        self.whole = struct.Struct(order + "HH2sH").unpack_from
        self.pack_short = struct.Struct(order + "HH2sH").pack
        self.pack_long = struct.Struct(order + "HH2sxxI").pack
        self.pack_plain = struct.Struct(order + "HHI").pack
        self.pack_length = struct.Struct(order + "I").pack


ENCODINGS = {
    (explicit, little): Encoding(explicit=explicit, little=little)
    for explicit in (False, True)
    for little in (False, True)
}
"""By explicit VR and little endian; they have no state, so one of each is enough."""

_IMPLICIT_LITTLE = ENCODINGS[False, True]


class Level:
    """A data set, an item, a sequence or pixel data that the scan is in.

    Attributes:
        kind: `ROOT`, `ITEM`, `SEQUENCE` or `PIXELS`.
        end: offset behind its value, 2**63 where a delimiter ends it.
        encoding: of the headers in it.
        creators: values of private creators by tag (gggg,00bb), where the visitor keeps them.
        is_plain: False while the visitor must hear of each element.
        order: the tag of the last element, alone in a list; -1 before the first one.
    """

    __slots__ = ("creators", "encoding", "end", "is_plain", "kind", "order")

    def __init__(self, kind: int, end: int, encoding: Encoding) -> None:
        """Begin a level."""
        self.kind = kind
        self.end = end
        self.encoding = encoding
        self.is_plain = True
        self.creators: dict[int, bytes] | None = None
        self.order = [-1]

    @property
    def is_delimited(self) -> bool:
        """True where a delimiter ends it (undefined length)."""
        return self.end == _OPEN


class Visitor(Protocol):
    """Hears what a scan finds, in the order of the stream; offsets are those of the stream."""

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Pass over elements from `index` that need no attention; return where the next one is.

        `end` is the end of the level within `data`, or of `data`. The last element passed may
        have a value that goes beyond `data`, but not beyond a level that ends within it. Where
        `level` is a sequence, what may be passed over are items.
        """

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR to take for an element; `vr` is b"" in implicit VR."""

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Tell whether `element` must see the value whole, if it is not too long."""

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
        """An element that is no sequence: header at `start`, value at `value`.

        `raw` is the value where it was wanted and not too long, else None.
        """

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """A sequence, an item or pixel data begins: `level`, inside of `outer`."""

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """A fragment of encapsulated pixel data."""

    def stray(self, level: Level, start: int) -> None:
        """A delimiter of 8 bytes delimits nothing."""

    def trailing(self, start: int, length: int) -> None:
        """What stands here is no element: zeros, or less than a header at the very end."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """A level ends at `at`, with a delimiter of so many bytes (0: none)."""


class Scanner:
    """Walks over a data set that comes in pieces.

    Args:
        encoding: of the data set.
        visitor: hears of what is found.
        limits: of depth and of values kept.

    `feed` the pieces in order, then `finish`.
    """

    __slots__ = (
        "_carry",
        "_depth",
        "_fed",
        "_is_header_cut",
        "_levels",
        "_limits",
        "_needed",
        "_position",
        "_visitor",
        "level",
    )

    def __init__(
        self, encoding: Encoding, visitor: Visitor, limits: ScanLimits = DEFAULT_SCAN_LIMITS
    ) -> None:
        """Begin before the first element."""
        self.level = Level(ROOT, _OPEN, encoding)
        self._levels: list[Level] = []
        self._visitor = visitor
        self._limits = limits
        self._depth = 0
        self._position = 0  # of the next header
        self._fed = 0
        self._carry = bytearray()  # from `_position` on
        self._needed = 0  # bytes of it that must be there to go on
        self._is_header_cut = False  # these are for a header

    @property
    def position(self) -> int:
        """Offset of the next header; beyond what was fed while inside a value."""
        return self._position

    def feed(self, data: Buffer) -> None:
        """Look at the next piece; it is not kept beyond the call.

        Raises:
            Unreadable: the bytes at an offset cannot be read as elements.
        """
        base = self._fed
        self._fed = base + len(data)
        if self._position >= self._fed:
            return
        if self._carry:
            base -= len(self._carry)
            self._carry += data
            if len(self._carry) < self._needed:
                return
            data = self._carry
        self._run(data, base)
        if self._carry or self._position < self._fed:
            self._carry = bytearray(data[max(self._position - base, 0) :])

    @property
    def ahead(self) -> int:
        """How many of the next bytes stand before `position`, 0 or more."""
        return max(self._position - self._fed, 0)

    def skip(self, count: int) -> None:
        """Take the next `count` bytes as fed; they stand before `position`.

        Raises:
            ValueError: they do not.
        """
        if self._carry or self._fed + count > self._position:
            raise ValueError("only the inside of a value can be skipped")
        self._fed += count

    def finish(self) -> None:
        """End the data set: close what is still open.

        Raises:
            CutShort: an element is not complete; its offset is where the data ends.
            Unreadable: as `feed`.
        """
        if self._position > self._fed:
            raise CutShort(self._fed, self._position - self._fed)
        rest = len(self._carry)
        if rest:
            if self._levels or not self._is_header_cut:
                raise CutShort(self._fed, self._needed - rest)
            self._visitor.trailing(self._position, rest)
            self._position += rest
        while self._levels:
            if not self.level.is_delimited and self._position < self.level.end:
                raise CutShort(self._position, self.level.end - self._position)
            self._close(self._position, 0)
        self._visitor.closed(self.level, self._position, 0)

    def _close(self, at: int, delimiter: int) -> None:
        self._visitor.closed(self.level, at, delimiter)
        if self.level.kind != ITEM:
            self._depth -= 1
        self.level = self._levels.pop()

    def _open(
        self, kind: int, end: int, encoding: Encoding, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        outer = self.level
        if end != _OPEN and end > outer.end:
            raise Unreadable(start, f"{_show(tag)} ends behind what it is part of")
        if kind != ITEM:
            self._depth += 1
            if self._depth > self._limits.maximum_depth:
                raise Unreadable(start, f"more than {self._limits.maximum_depth} nested sequences")
        level = Level(kind, end, encoding)
        self._levels.append(outer)
        self.level = level
        self._position = value
        self._visitor.opened(outer, level, tag, vr, start, value)

    def _run(self, data: Buffer, base: int) -> None:
        """Handle every element that is complete in `data`, which begins at offset `base`."""
        size = len(data)
        visitor = self._visitor
        while True:
            level = self.level
            while self._position >= level.end:
                if self._position > level.end:
                    raise Unreadable(level.end, "an element ends behind the item it is part of")
                self._close(level.end, 0)
                level = self.level
            index = self._position - base
            end = min(size, level.end - base)
            if level.is_plain and level.kind != PIXELS:
                index = visitor.pass_plain(level, data, index, end)
                self._position = base + index
                if self._position >= level.end:
                    continue
                if index >= size:
                    return
            if end - index < 8:
                if level.end - self._position < 8:
                    raise Unreadable(self._position, "less than a header is left of an item")
                self._needed = 8
                self._is_header_cut = True
                return
            if not self._one(level, data, base, index, size):
                return

    def _one(self, level: Level, data: Buffer, base: int, index: int, size: int) -> bool:
        """Handle the element at `index`; False where more of the stream is needed first."""
        encoding = level.encoding
        group, element = encoding.tag(data, index)
        tag = group << 16 | element
        start = base + index
        if tag in _DELIMITERS:
            return self._delimiter(level, tag, encoding.long(data, index + 4)[0], start)
        if level.kind > ITEM:
            raise Unreadable(start, f"{_show(tag)} between items")
        if not tag and level.kind == ROOT and not any(data[index : index + 8]):
            # Padding behind the last element: no element has this tag (PS3.7 E.1 apart).
            self._visitor.trailing(start, 8)
            self._position = start + 8
            return True
        vr, length, value = b"", 0, index + 8
        if encoding.explicit:
            vr, length = encoding.short(data, index + 4)
            if vr not in SHORT_VRS and not _is_short_form(vr, length, start):
                if start + 12 > level.end:
                    raise Unreadable(start, "less than a header is left of an item")
                if size - index < 12:
                    self._needed = 12
                    self._is_header_cut = True
                    return False
                length = encoding.long(data, index + 8)[0]
                value = index + 12
        else:
            length = encoding.long(data, index + 4)[0]
        visitor = self._visitor
        given, vr = vr, visitor.vr(level, tag, vr, length)
        if length == UNDEFINED_LENGTH:
            self._undefined(level, tag, given, vr, start, base + value)
            return True
        end = base + value + length
        if end > level.end:
            raise Unreadable(level.end, "an element ends behind the item it is part of")
        if vr == b"SQ":
            # A UN taken for the sequence that it is, is in implicit VR (PS3.5 6.2.2).
            inner = _IMPLICIT_LITTLE if given == b"UN" else encoding
            self._open(SEQUENCE, end, inner, tag, vr, start, base + value)
            return True
        raw = None
        if visitor.wants_value(level, tag, vr) and length <= self._limits.maximum_value_length:
            if value + length > size:
                self._needed = value + length - index
                self._is_header_cut = False
                return False
            raw = bytes(data[value : value + length])
        visitor.element(level, tag, vr, start, base + value, length, raw)
        self._position = end
        return True

    def _undefined(
        self, level: Level, tag: int, given: bytes, vr: bytes, start: int, value: int
    ) -> None:
        """Open what ends with a delimiter."""
        if given == b"UN" or (given not in _VRS and given.isalpha() and given.isupper()):
            self._open(SEQUENCE, _OPEN, _IMPLICIT_LITTLE, tag, vr, start, value)
        elif given in {b"OB", b"OW"}:
            self._open(PIXELS, _OPEN, level.encoding, tag, vr, start, value)
        elif given in {b"SQ", b""}:
            self._open(SEQUENCE, _OPEN, level.encoding, tag, vr, start, value)
        else:
            raise Unreadable(start, f"{_show(tag)} has VR {_letters(given)} and no length")

    def _delimiter(self, level: Level, tag: int, length: int, start: int) -> bool:
        """Handle an item, a fragment or the end of one."""
        value = start + 8
        if tag == _ITEM_TAG and level.kind == PIXELS:
            if length == UNDEFINED_LENGTH or value + length > level.end:
                raise Unreadable(start, "a fragment of pixel data without end")
            self._visitor.fragment(level, start, value, length)
            self._position = value + length
        elif tag == _ITEM_TAG and level.kind == SEQUENCE:
            end = _OPEN if length == UNDEFINED_LENGTH else value + length
            if level.end < end <= self._levels[-1].end and end != _OPEN:
                level.end = end  # its length is wrong, the item's is right: as DCMTK has it
            self._open(ITEM, end, level.encoding, tag, b"", start, value)
        elif (tag == _ITEM_END and level.kind == ITEM and level.is_delimited) or (
            tag == _SEQUENCE_END and level.kind >= SEQUENCE and level.is_delimited
        ):
            self._position = value
            self._close(start, 8)
        elif (
            tag == _SEQUENCE_END
            and level.kind == ITEM
            and level.is_delimited
            and self._levels[-1].is_delimited
        ):
            # The item's own delimiter is missing.
            self._close(start, 0)
        elif tag != _ITEM_TAG and level.kind != PIXELS:
            self._visitor.stray(level, start)
            self._position = value
        else:
            raise Unreadable(start, f"{_show(tag)} out of place")
        return True


def _show(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _letters(vr: bytes) -> str:
    return repr(vr)[2:-1]


def _is_short_form(vr: bytes, length: int, start: int) -> bool:
    """Tell whether a VR without a 16-bit length by the table has one all the same.

    Raises:
        Unreadable: it is no VR.
    """
    if vr in LONG_VRS:
        return False
    if vr.isalpha() and vr.isupper():
        return length != 0  # not the reserved bytes of a long form
    if vr in _FOREIGN_LONG_VRS:
        return False
    if vr != b"\0\0" and not (vr.isascii() and vr.decode().isprintable()):
        raise Unreadable(start, "no value representation")
    return True


FoundElement: TypeAlias = "tuple[int, bytes, int, int, int, int]"
"""Tag; VR, b"" in implicit VR; offset of the header; offset of the value; its length in
bytes, `UNDEFINED_LENGTH` where a delimiter ends it; depth, 0 in the data set itself."""


class _Collector:
    """Keeps every element that a scan finds."""

    def __init__(self) -> None:
        self.found: list[FoundElement] = []
        self.depth = 0

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Keep the elements of defined length without a call for each."""
        if level.kind == SEQUENCE:
            return index
        append, depth = self.found.append, self.depth
        safe = end - 12
        encoding = level.encoding
        long = encoding.long
        if not encoding.explicit:
            read = encoding.tag
            while index <= safe:
                group, element = read(data, index)
                length = long(data, index + 4)[0]
                after = index + 8 + length
                if group == 0xFFFE or length == UNDEFINED_LENGTH:
                    break
                append((group << 16 | element, b"", index, index + 8, length, depth))
                index = after
            return index
        whole = encoding.whole
        while index <= safe:
            group, element, vr, length = whole(data, index)
            if vr in SHORT_VRS:
                append((group << 16 | element, vr, index, index + 8, length, depth))
                index += length + 8
            elif vr in LONG_VRS and vr != b"SQ":
                length = long(data, index + 8)[0]
                if length == UNDEFINED_LENGTH:
                    break
                append((group << 16 | element, vr, index, index + 12, length, depth))
                index += length + 12
            else:
                break
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Take every VR as it is."""
        return vr

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want none."""
        return False

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
        """Keep it."""
        self.found.append((tag, vr, start, value, length, self.depth))

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Keep the header; what is inside is one deeper."""
        length = UNDEFINED_LENGTH if level.is_delimited else level.end - value
        self.found.append((tag, vr, start, value, length, self.depth))
        self.depth += 1

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Keep it as an item."""
        self.found.append((_ITEM_TAG, b"", start, value, length, self.depth))

    def stray(self, level: Level, start: int) -> None:
        """Pass over it."""

    def trailing(self, start: int, length: int) -> None:
        """Pass over them."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Go back."""
        self.depth -= 1


def scan(
    data: Buffer, encoding: Encoding, limits: ScanLimits = DEFAULT_SCAN_LIMITS
) -> list[FoundElement]:
    """Return every element of a data set in memory, in order, sequences with what is in them.

    An item or a sequence comes before what it holds. In implicit VR a sequence of defined
    length cannot be told from a value and is one element.

    Raises:
        CutShort: an element is not complete.
        Unreadable: the bytes cannot be read as elements.

    PS3.5 7.1, 7.5.
    """
    collector = _Collector()
    scanner = Scanner(encoding, collector, limits)
    scanner.feed(data)
    scanner.finish()
    return collector.found
