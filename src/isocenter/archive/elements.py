"""The elements of a data set in memory as a tree: tag, VR and value, or items.

Owns what is read of a data set for the index and of an identifier. Must not know what becomes of
it. Values that are long, and sequences that are, are passed over; nothing is recursive.

PS3.5 7.1, 7.5, 6.2.2 (UN).
"""

from __future__ import annotations

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.headers import UNDEFINED_LENGTH
from isocenter.dataset.scan import ITEM, ROOT, SEQUENCE, ScanLimits, Scanner
from isocenter.dataset.vr import MARKERS, SHORT_VRS, US_OR_SS
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.scan import Encoding, Level
    from isocenter.wire import Buffer

    Items: TypeAlias = "list[list[Element]]"

__all__ = ["Element", "read_elements"]

_SIGNED = 0x00280103
_OPAQUE = b"OB"  # a sequence too long to look into is passed over as a value


class Element(NamedTuple):
    """An element of a data set or an item.

    Fields:
        tag, vr: its tag and VR, from the dictionary where the data set does not say.
        value: the bytes of its value; the items of a sequence; None where it was passed over.
    """

    tag: int
    vr: bytes
    value: bytes | Items | None


class _Reached(Exception):
    """An element behind the last one that is wanted."""


class _Reader:
    """Keeps what a scan finds, as a tree."""

    def __init__(
        self, before: int, longest: int, dictionary: Dictionary, *, skips_private: bool
    ) -> None:
        self.root: list[Element] = []
        self._lists: list[list[Element]] = [self.root]
        self._sequences: list[Items] = []
        self._before = before
        self._longest = longest
        self._dictionary = dictionary
        self._left = longest  # bytes of items that may still be kept of a sequence
        self._signed = False
        self._skipped = 0x10000 if skips_private else 0

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Keep the elements with short values in explicit VR without a call for each."""
        if level.kind > ITEM or not level.encoding.explicit:
            return index
        whole = level.encoding.whole
        before = self._before if level.kind == ROOT else 1 << 32
        append = self._lists[-1].append
        make = tuple.__new__
        skipped = self._skipped
        safe = end - 8
        while index <= safe:
            group, element, vr, length = whole(data, index)
            after = index + 8 + length
            tag = group << 16 | element
            if (
                vr not in SHORT_VRS
                or after > end
                or tag >= before
                or tag == _SIGNED
                or group == 0xFFFE
            ):
                break
            if not tag & skipped:
                append(make(Element, (tag, vr, bytes(data[index + 8 : after]))))
            index = after
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR, by the dictionary where there is none; stop where enough was seen."""
        if level.kind == ROOT and tag >= self._before:
            raise _Reached
        if tag & self._skipped and length != UNDEFINED_LENGTH:
            return _OPAQUE
        if not vr or vr == b"UN":
            known = self._dictionary.vr_of(tag)
            if known in MARKERS:
                known = (b"SS" if self._signed else b"US") if known == US_OR_SS else b"OW"
            if known != b"UN":
                vr = known
            elif length == UNDEFINED_LENGTH:
                vr = b"SQ"
            else:
                vr = b"UN"
        if vr == b"SQ" and length != UNDEFINED_LENGTH and length > self._longest:
            return _OPAQUE
        return vr

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want all that are not too long."""
        return not tag & self._skipped

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
        if tag == _SIGNED and raw is not None:
            self._signed = any(raw)
        if not tag & self._skipped:
            self._lists[-1].append(Element(tag, vr, raw))

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Begin a list of items, or of elements."""
        if level.kind == ITEM:
            item: list[Element] = []
            self._left -= 16
            if self._left > 0:
                self._sequences[-1].append(item)
            self._lists.append(item)
        elif level.kind == SEQUENCE:
            if outer.kind == ROOT:
                self._left = self._longest
            items: Items = []
            self._lists[-1].append(Element(tag, b"SQ", items))
            self._sequences.append(items)
        else:
            self._lists[-1].append(Element(tag, vr, None))

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Pass over it."""

    def stray(self, level: Level, start: int) -> None:
        """Pass over it."""

    def trailing(self, start: int, length: int) -> None:
        """Pass over them."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Go back."""
        if level.kind == ITEM:
            self._left -= sum(
                len(e.value) if isinstance(e.value, bytes) else 8 for e in self._lists.pop()
            )
        elif level.kind == SEQUENCE:
            self._sequences.pop()


def read_elements(
    pieces: Iterable[Buffer],
    encoding: Encoding,
    *,
    before: int = 1 << 32,
    longest: int = 128 * 1024,
    maximum_depth: int = 64,
    skips_private: bool = False,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
) -> list[Element]:
    """Return the elements of a data set that comes in pieces.

    Args:
        pieces: its bytes in order; no more are taken than needed.
        encoding: of its headers.
        before: tag at which to stop.
        longest: bytes, inclusive, of a value or a sequence that is kept; of a sequence without
            length the items beyond it are passed over.
        maximum_depth: nested sequences, inclusive.
        skips_private: private elements are passed over.
        dictionary: what is known of tags.

    Raises:
        CutShort: an element is not complete.
        Unreadable: the bytes cannot be read as elements, or nest too deep.
    """
    reader = _Reader(before, longest, dictionary, skips_private=skips_private)
    limits = ScanLimits(maximum_depth=maximum_depth, maximum_value_length=longest)
    scanner = Scanner(encoding, reader, limits)
    try:
        for piece in pieces:
            if scanner.ahead >= len(piece):
                scanner.skip(len(piece))
            else:
                scanner.feed(piece)
        scanner.finish()
    except _Reached:
        pass
    return reader.root
