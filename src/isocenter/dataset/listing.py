"""A data set as lines of text, one for each element.

Owns how a value is shown. Elements are seen one by one while the data set is walked over, and
values that are long, pixel data above all, are only counted: memory does not grow with the
object. What comes from the data set can do nothing to a terminal: characters that are not
printable are shown by their number.

PS3.5 6.2, 7.1, 7.5.
"""

from __future__ import annotations

import struct

from isocenter.dataset.charset import decode_text
from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.headers import UNDEFINED_LENGTH, CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS, ITEM, PIXELS, ROOT, SEQUENCE, Scanner
from isocenter.dataset.vr import MARKERS, TEXT_VRS, US_OR_SS
from isocenter.errors import DataSetError
from isocenter.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer, FileRegion

__all__ = ["list_elements"]

_CHARACTER_SETS = 0x00080005
_SIGNED = 0x00280103
_LONGEST = 80  # characters of a value that are shown
_LONGEST_WHOLE = 128 * 1024
_SHOWN_BYTES = 16

_NUMBERS = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
    b"OF": "f",
    b"OD": "d",
    b"OW": "H",
    b"OL": "I",
    b"OV": "Q",
}
_BYTES = frozenset({b"OB", b"UN"})


def list_elements(
    source: bytes | memoryview | FileRegion,
    transfer_syntax_uid: str,
    write: Callable[[str], None],
    *,
    is_full: bool = False,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
) -> None:
    """Write a line for each element of a data set, in its order.

    Args:
        source: the data set in memory, or its region of an open file.
        transfer_syntax_uid: its own.
        write: takes the lines, without newline.
        is_full: values are shown whole, up to 128 KiB.
        dictionary: what is known of tags.

    Lines of what comes before are written when something cannot be read.

    Raises:
        DataSetError: the data set cannot be read to its end, or its syntax is not known.
        OSError: the file cannot be read.
    """
    from isocenter.dataset.convert import Inflater, pieces_of

    syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
    if syntax is None:
        raise DataSetError(f"transfer syntax {transfer_syntax_uid} is not known")
    lister = _Lister(write, dictionary, is_full=is_full)
    scanner = Scanner(ENCODINGS[syntax.is_explicit, syntax.is_little], lister)
    try:
        if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            inflater = Inflater()
            for piece in pieces_of(source):
                for inflated in inflater.feed(piece):
                    scanner.feed(inflated)
            inflater.finish()
        else:
            for piece in pieces_of(source):
                if scanner.ahead >= len(piece):
                    scanner.skip(len(piece))
                else:
                    scanner.feed(piece)
        scanner.finish()
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None


class _Lister:
    """Hears what a scan finds, and writes a line of it."""

    def __init__(
        self, write: Callable[[str], None], dictionary: Dictionary, *, is_full: bool
    ) -> None:
        self._write = write
        self._dictionary = dictionary
        self._is_full = is_full
        self._sets = [b""]  # character sets of the levels
        self._signed = False
        self._items = [0]  # items so far, of each level
        self._pixels: list[int] = []  # fragments so far, and their bytes

    @property
    def _indent(self) -> str:
        return "  " * (len(self._sets) - 1)

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Look at every element."""
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR, by the dictionary where there is none."""
        if vr and vr != b"UN":
            return vr
        if length == UNDEFINED_LENGTH:
            return b"SQ"
        if vr:
            return vr
        known = self._dictionary.vr_of(tag, _creator(level, tag))
        if known in MARKERS:
            if known == US_OR_SS:
                return b"SS" if self._signed else b"US"
            return b"OW"
        return known

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want all that are not too long."""
        return True

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
        """Write its line."""
        if raw is not None:
            if tag == _CHARACTER_SETS:
                self._sets[-1] = raw
            elif tag == _SIGNED and len(raw) == 2:
                self._signed = raw in {b"\1\0", b"\0\1"}
            elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
                if level.creators is None:
                    level.creators = {}
                if len(level.creators) < 4096:
                    level.creators[tag] = raw
        shown = f"({length} bytes)"
        if raw is not None:
            shown = self._shown(level, tag, vr, raw)
        self._line(level, tag, vr, shown)

    def _line(self, level: Level, tag: int, vr: bytes, shown: str) -> None:
        name = self._name(level, tag)
        place = (
            f"{self._indent}({tag >> 16:04x},{tag & 0xFFFF:04x}) {_printable(vr.decode('latin-1'))}"
        )
        self._write(f"{place:<14} {name:<32} {shown}".rstrip())

    def _name(self, level: Level, tag: int) -> str:
        if not tag & 0xFFFF:
            return "GroupLength"
        if tag >> 16 & 1:
            if 0x10 <= tag & 0xFFFF <= 0xFF:
                return "PrivateCreator"
            creator = _creator(level, tag)
            words = "?" if creator is None else creator.decode("latin-1").strip(" \0")
            return f"[{_printable(words)[:_LONGEST]}]"
        return self._dictionary.keyword_of(tag) or "?"

    def _shown(self, level: Level, tag: int, vr: bytes, raw: bytes) -> str:
        """Return a value as text."""
        longest = _LONGEST_WHOLE if self._is_full else _LONGEST
        if vr in TEXT_VRS or vr == b"UI":
            text = decode_text(raw.rstrip(b" \0"), vr, self._sets[-1])
            if vr == b"UI" and text:
                text = " ".join(_named(uid) for uid in text.split("\\"))
            return _cut(_printable(text), longest, len(raw))
        if vr == b"AT" and not len(raw) % 4:
            read = level.encoding.tag
            pairs = (read(raw, at) for at in range(0, len(raw), 4))
            return _cut("\\".join(f"({g:04x},{e:04x})" for g, e in pairs), longest, len(raw))
        code = _NUMBERS.get(vr)
        if code is not None and not len(raw) % struct.calcsize(code):
            order = "<" if level.encoding.little else ">"
            most = len(raw) if self._is_full else min(len(raw), 8 * longest)
            count = most // struct.calcsize(code)
            numbers = struct.unpack_from(f"{order}{count}{code}", raw)
            return _cut("\\".join(f"{number:.9g}" for number in numbers), longest, len(raw))
        if vr == b"UN" and raw.isascii() and raw.rstrip(b" \0").decode().isprintable():
            return _cut(raw.rstrip(b" \0").decode(), longest, len(raw))
        count = len(raw) if self._is_full else _SHOWN_BYTES
        words = raw[:count].hex(" ")
        return words if count >= len(raw) else f"{words} ... ({len(raw)} bytes)"

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Write the line of a sequence or an item."""
        if level.kind == ITEM:
            self._items[-1] += 1
            self._write(f"{self._indent}item {self._items[-1]}")
        elif level.kind == SEQUENCE:
            self._line(outer, tag, b"SQ", "")
        else:
            self._pixels = [0, 0]
            self._line(outer, tag, vr, "encapsulated:")
        self._sets.append(self._sets[-1])
        self._items.append(0)

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Count it."""
        self._pixels[0] += 1
        self._pixels[1] += length

    def stray(self, level: Level, start: int) -> None:
        """Pass over it."""

    def trailing(self, start: int, length: int) -> None:
        """Pass over them."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Go back; say how many fragments there were."""
        if level.kind == ROOT:
            return
        if level.kind == PIXELS:
            count, size = self._pixels
            fragments = f"{count - 1} fragment{'s' * (count != 2)}" if count else "no fragments"
            self._write(f"{self._indent}{fragments}, {size} bytes")
        self._sets.pop()
        self._items.pop()


def _creator(level: Level, tag: int) -> bytes | None:
    if level.creators is None or not tag >> 16 & 1:
        return None
    return level.creators.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)


def _named(uid: str) -> str:
    name = name_of(uid)
    return uid if name == uid or not name else f"{uid} = {name}"


def _cut(text: str, longest: int, length: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: longest - 4]} ... ({length} bytes)"


def _printable(text: str) -> str:
    """Return text in which what is not printable is shown by its number."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
        for c in text
    )
