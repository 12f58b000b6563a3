"""Values of elements given as text, as on a command line.

Owns what text means for a VR: numbers in decimal, bytes and words in hexadecimal, tags in
parentheses, UIDs also by name, all else as it is. Must not know elements.

The forms are those of DCMTK's tools: `DcmElement::putString`. PS3.5 6.2.
"""

from __future__ import annotations

import re
import struct

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["value_of_text"]

_DECIMAL = re.compile(rb"\s*([+-]?\d+)")
_HEXADECIMAL = re.compile(rb"\s*([+-]?(?:0[xX])?[0-9a-fA-F]+)")
_FLOAT = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_TAG = re.compile(rb"\(\s*(?:0[xX])?([0-9a-fA-F]+),\s*(?:0[xX])?([0-9a-fA-F]+)\)")


def _whole(text: bytes, size: int) -> bytes:
    """Return a number of so many bytes; what does not fit loses its upper digits, as in C."""
    found = _DECIMAL.match(text)
    if found is None:
        raise ValueError("no number")
    number = int(found[1]) if len(found[1]) < 64 else 0
    return (number % (1 << 8 * size)).to_bytes(size, "little")


def _fraction(text: bytes, layout: str) -> bytes:
    found = _FLOAT.match(text)
    if found is None:
        raise ValueError("no number")
    try:
        return struct.pack(layout, float(found[1]))
    except OverflowError:
        return struct.pack(layout, float("inf"))


def _hexadecimal(text: bytes, size: int) -> bytes:
    found = _HEXADECIMAL.match(text)
    if found is None:
        raise ValueError("no hexadecimal number")
    return (int(found[1], 16) % (1 << 8 * size)).to_bytes(size, "little")


def _tag(text: bytes) -> bytes:
    found = _TAG.match(text)
    if found is None:
        raise ValueError("no tag")
    return struct.pack("<HH", int(found[1], 16) & 0xFFFF, int(found[2], 16) & 0xFFFF)


def _uid(text: bytes) -> bytes:
    if not text.startswith(b"="):
        return text
    from isocenter.uids import OTHER_NAMES, SOP_CLASSES, TRANSFER_SYNTAXES

    name = text[1:].decode("latin-1")
    named = (
        *((uid, known.keyword) for uid, known in SOP_CLASSES.items()),
        *((uid, known.name) for uid, known in TRANSFER_SYNTAXES.items()),
        *OTHER_NAMES.items(),
    )
    for uid, its_name in named:
        if its_name == name:
            return uid.encode()
    raise ValueError("no name of a UID")


_INTEGERS: Mapping[bytes, int] = {
    **dict.fromkeys((b"US", b"SS"), 2),
    **dict.fromkeys((b"UL", b"SL", b"OL"), 4),
    **dict.fromkeys((b"UV", b"SV", b"OV"), 8),
}
_FLOATS: Mapping[bytes, str] = {b"FL": "<f", b"OF": "<f", b"FD": "<d", b"OD": "<d"}
_HEXADECIMALS: Mapping[bytes, int] = {b"OB": 1, b"UN": 1, b"OW": 2}
"""VRs whose text is a list, separated by backslashes, and how each of it is kept."""


def value_of_text(vr: bytes, text: bytes) -> bytes:
    """Return the value that text stands for, without padding, little endian.

    Raises:
        ValueError: it stands for none.
    """
    if not text:
        return b""
    if vr == b"UI":
        return _uid(text)
    parts = text.split(b"\\")
    if vr in _INTEGERS:
        return b"".join([_whole(part, _INTEGERS[vr]) for part in parts])
    if vr in _FLOATS:
        return b"".join([_fraction(part, _FLOATS[vr]) for part in parts])
    if vr in _HEXADECIMALS:
        return b"".join([_hexadecimal(part, _HEXADECIMALS[vr]) for part in parts])
    if vr == b"AT":
        return b"".join([_tag(part) for part in parts])
    return text
