"""Data sets as people read them: the lines of DCMTK's dumps, and its XML.

Owns the two layouts (companion-facts 1.3 and 3.4), for trees of `isocenter.dataset.tree`. Must
not know where the text goes.
"""

from __future__ import annotations

import functools
import struct

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.tree import UNKNOWN_VR
from isocenter.dataset.vr import TEXT_VRS
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    is_known_uid,
    name_of,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.tree import Element, Node

__all__ = ["dump", "keyword", "numbers", "syntax_name", "xml"]

_VALUE_LENGTH: Final = 40
"""Characters of a value, at least, before the number sign."""

_UNDEFINED: Final = 0xFFFFFFFF
_ONE_VALUE = frozenset({b"LT", b"ST", b"UT", b"UR"})
_HEXADECIMAL: Mapping[bytes, str] = {b"OB": "B", b"UN": "B", UNKNOWN_VR: "B", b"OW": "H"}
_NUMBERS: Mapping[bytes, str] = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"OL": "I",
    b"UV": "Q",
    b"SV": "q",
    b"OV": "Q",
    b"FL": "f",
    b"OF": "f",
    b"FD": "d",
    b"OD": "d",
}


_SYNTAXES: Mapping[str, str] = {
    IMPLICIT_VR_LITTLE_ENDIAN: "Little Endian Implicit",
    EXPLICIT_VR_LITTLE_ENDIAN: "Little Endian Explicit",
    EXPLICIT_VR_BIG_ENDIAN: "Big Endian Explicit",
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: "Deflated Explicit VR Little Endian",
}
"""Those in which identifiers travel."""


def syntax_name(uid: str) -> str:
    """Return the name of a transfer syntax, as DCMTK writes it out."""
    return _SYNTAXES.get(uid) or name_of(uid)


def keyword(tag: int, dictionary: Dictionary = DEFAULT_DICTIONARY) -> str:
    """Return what a line calls an attribute."""
    if not tag & 0xFFFF:
        return "GenericGroupLength"
    if tag & 0x10000:
        if 0x10 <= tag & 0xFFFF < 0x100:
            return "PrivateCreator"
        return "Unknown Tag & Data"
    name = dictionary.keyword_of(tag)
    if not name:
        return "Unknown Tag & Data"
    return f"RETIRED_{name}" if tag in _retired() else name


@functools.cache
def _retired() -> frozenset[int]:
    """Return the tags whose names DCMTK marks."""
    from isocenter.dataset.retired_data import RETIRED

    tags = bytes.fromhex(RETIRED)
    return frozenset(struct.unpack(f">{len(tags) // 4}I", tags))


def numbers(element: Element) -> list[int] | list[float] | None:
    """Return the values of a VR of numbers, None of another one."""
    code = _NUMBERS.get(element.vr)
    if code is None:
        return None
    size = struct.calcsize("<" + code)
    count = len(element.value) // size
    return list(struct.unpack_from(f"<{count}{code}", element.value))


def _formatted(element: Element) -> list[str] | None:
    """Return the values of a VR that is no text as text, None of text."""
    values = numbers(element)
    if values is not None:
        if _NUMBERS[element.vr] == "f":
            return [format(value, ".9g") for value in values]
        return [repr(value).removesuffix(".0") for value in values]
    code = _HEXADECIMAL.get(element.vr)
    if code is not None:
        size = struct.calcsize(code)
        count = len(element.value) // size
        raw = struct.unpack_from(f"<{count}{code}", element.value)
        return [format(value, f"0{2 * size}x") for value in raw]
    if element.vr == b"AT":
        count = len(element.value) // 4
        pairs = struct.unpack_from(f"<{2 * count}H", element.value)
        return [f"({pairs[at]:04x},{pairs[at + 1]:04x})" for at in range(0, 2 * count, 2)]
    return None


def _multiplicity(element: Element) -> int:
    """Return how many values an element has."""
    if element.items is not None or element.vr in _HEXADECIMAL:
        return 1 if element.items is not None or element.value else 0
    values = _formatted(element)
    if values is not None:
        return len(values)
    if not element.value:
        return 0
    return 1 if element.vr in _ONE_VALUE else element.value.count(b"\\") + 1


# --- lines ---


def dump(
    node: Node,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
    *,
    trimmed: bool = False,
) -> str:
    """Return the lines of a data set, with an empty one in front and one behind.

    Args:
        node: the data set.
        transfer_syntax_uid: what is said of it.
        dictionary: names of attributes.
        trimmed: True to show text without the blanks at its end.

    Bytes that are no UTF-8 are as `os.fsdecode` gives them, so that a log has them as they came.
    """
    return "\n".join(
        [
            "",
            "# Dicom-Data-Set",
            f"# Used TransferSyntax: {syntax_name(transfer_syntax_uid)}",
            *_Lines(dictionary, trimmed=trimmed).of(node, ""),
            "",
        ]
    )


def _line(indent: str, tag: int, vr: str, value: str, length: int, count: int, name: str) -> str:
    shown = "u/l" if length == _UNDEFINED else f"{length:3d}"
    left = f"{indent}({tag >> 16:04x},{tag & 0xFFFF:04x}) {vr} "
    # Columns are counted in bytes.
    padding = " " * (_VALUE_LENGTH - len(value.encode("utf-8", "surrogateescape")))
    return f"{left}{value}{padding} # {shown},{count:2d} {name}"


class _Lines:
    """Writes elements as lines."""

    def __init__(self, dictionary: Dictionary, *, trimmed: bool) -> None:
        self._dictionary = dictionary
        self._trimmed = trimmed

    def of(self, node: Node, indent: str) -> Iterator[str]:
        """Yield the lines of a data set or item."""
        for element in node:
            name = keyword(element.tag, self._dictionary)
            if element.items is not None:
                yield from self._sequence(element, indent, name)
                continue
            vr = _letters(element.vr)
            shown = _shown(element, trimmed=self._trimmed)
            length = len(element.value) + len(element.value) % 2  # as it is or will be encoded
            count = _multiplicity(element)
            yield _line(indent, element.tag, vr, shown, length, count, name)

    def _sequence(self, element: Element, indent: str, name: str) -> Iterator[str]:
        items = element.items or []
        is_open = element.length == _UNDEFINED
        kind = "undefined" if is_open else "explicit"
        text = f"(Sequence with {kind} length #={len(items)})"
        yield _line(indent, element.tag, "SQ", text, element.length, 1, name)
        inner = indent + "  "
        for item in items:
            open_item = item.length == _UNDEFINED
            kind = "undefined" if open_item else "explicit"
            text = f"(Item with {kind} length #={len(item)})"
            yield _line(inner, 0xFFFEE000, "na", text, item.length, 1, "Item")
            yield from self.of(item, inner + "  ")
            text = (
                "(ItemDelimitationItem)" if open_item else "(ItemDelimitationItem for re-encoding)"
            )
            yield _line(inner, 0xFFFEE00D, "na", text, 0, 0, "ItemDelimitationItem")
        text = (
            "(SequenceDelimitationItem)" if is_open else "(SequenceDelimitationItem for re-encod.)"
        )
        yield _line(indent, 0xFFFEE0DD, "na", text, 0, 0, "SequenceDelimitationItem")


def _letters(vr: bytes) -> str:
    """Return a VR as text: what came in its place may be anything."""
    return vr.decode("ascii") if vr.isalpha() and vr.isupper() else "??"


def _shown(element: Element, *, trimmed: bool) -> str:
    if not element.value:
        return "(no value available)"
    values = _formatted(element)
    if values is not None:
        return "\\".join(values) if values else "(invalid value)"
    text = element.value.decode("utf-8", "surrogateescape")
    if element.vr == b"UI":
        text = text.rstrip("\0 ")
        if is_known_uid(text):
            return f"={name_of(text)}"
    text = text.partition("\0")[0]  # what follows is no text
    if trimmed:
        text = text.rstrip(" ")
        if not text:
            return "(no value available)"
    # A peer may not begin a line of the log.
    return f"[{text}]".replace("\n", "\\x0a")


# --- XML ---

_TRAILING_ONLY = frozenset(b"DA DT PN TM UC".split())
_AS_A_WHOLE = _ONE_VALUE | frozenset({b"DS"})
"""VRs of whose values nothing but the end is trimmed: of each, and of all together."""

_MARKUP = {
    **{code: "\ufffd" for code in range(0x20) if code != ord("\t")},
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
    ord('"'): "&quot;",
    ord("'"): "&apos;",
    ord("\n"): "&#10;",
    ord("\r"): "&#13;",
}
"""What may not stand in a document as it is, control characters not at all."""


def xml(
    node: Node,
    transfer_syntax_uid: str,
    *,
    read: str = "utf-8",
    write: str = "utf-8",
    trimmed: bool = False,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
) -> bytes:
    """Return a data set as the element ``data-set`` of DCMTK's XML.

    Args:
        node: the data set.
        transfer_syntax_uid: what it says of itself.
        read: Python's name of the encoding that its text is in.
        write: of the one that the document is in; what it lacks is written as a reference.
        trimmed: True to leave out the blanks at the end also of ages, which otherwise stay.
        dictionary: names of attributes.
    """
    writer = _XmlWriter(read, write, dictionary, trimmed=trimmed)
    name = writer.marked(syntax_name(transfer_syntax_uid).encode())
    head = b'<data-set xfer="%b" name="%b">\n' % (transfer_syntax_uid.encode(), name)
    return head + b"".join(writer.node(node)) + b"</data-set>\n"


class _XmlWriter:
    """Writes elements in DCMTK's own format."""

    def __init__(self, read: str, write: str, dictionary: Dictionary, *, trimmed: bool) -> None:
        self._trimmed = trimmed
        self._read = read
        self._write = write
        self._dictionary = dictionary

    def marked(self, value: bytes) -> bytes:
        """Return bytes of text as they stand in the document."""
        text = value.decode(self._read, "replace").translate(_MARKUP)
        return text.encode(self._write, "xmlcharrefreplace")

    def node(self, node: Node) -> Iterator[bytes]:
        """Yield the elements of a data set or item."""
        for element in node:
            name = keyword(element.tag, self._dictionary).encode()
            tag = f"{element.tag >> 16:04x},{element.tag & 0xFFFF:04x}".encode()
            name = self.marked(name)
            if element.items is not None:
                yield from self._sequence(element, tag, name)
            else:
                yield self._element(element, tag, name)

    def _sequence(self, element: Element, tag: bytes, name: bytes) -> Iterator[bytes]:
        items = element.items or []
        length = _length_attribute(element.length)
        yield b'<sequence tag="%b" vr="SQ" card="%d"%b name="%b">\n' % (
            tag,
            len(items),
            length,
            name,
        )
        for item in items:
            yield b'<item card="%d"%b>\n' % (len(item), _length_attribute(item.length))
            yield from self.node(item)
            yield b"</item>\n"
        yield b"</sequence>\n"

    def _element(self, element: Element, tag: bytes, name: bytes) -> bytes:
        vr = _letters(element.vr).replace("??", "UN").encode()
        binary = b' binary="hidden"' if element.vr in _HEXADECIMAL else b""
        return b'<element tag="%b" vr="%b" vm="%d" len="%d" name="%b"%b>%b</element>\n' % (
            tag,
            vr,
            _multiplicity(element),
            len(element.value),
            name,
            binary,
            b"" if binary else self._value(element),
        )

    def _value(self, element: Element) -> bytes:
        values = _formatted(element)
        if values is not None:
            return "\\".join(values).encode()
        value = element.value.partition(b"\0")[0]
        if element.vr in _AS_A_WHOLE:
            value = value.rstrip(b" ")
        elif element.vr == b"AS":
            value = value.rstrip(b" ") if self._trimmed else value
        elif element.vr in TEXT_VRS:
            parts = value.split(b"\\")
            trailing = element.vr in _TRAILING_ONLY
            value = b"\\".join(
                [part.rstrip(b" ") if trailing else part.strip(b" ") for part in parts]
            )
        return self.marked(value)


def _length_attribute(length: int) -> bytes:
    return b"" if length == _UNDEFINED else b' len="%d"' % length
