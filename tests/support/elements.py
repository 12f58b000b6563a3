"""Data sets taken apart and compared element for element, independent of the package's reader.

For saying where two files differ, not for judging them: what cannot be followed is given as
one element `rest`.

PS3.5 7.1, 7.5.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Flat", "differences", "flatten"]

_IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR",
                   b"UT", b"UV"))  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Flat(NamedTuple):
    """One header with its value, in the order of the bytes.

    Fields: `depth` of sequences around it; `tag`; `vr`, "" for group FFFE and implicit VR;
    `length` as it is said; `value`, empty where elements follow.
    """

    depth: int
    tag: int
    vr: str
    length: int
    value: bytes

    def __str__(self) -> str:
        """Return it in a line."""
        value = self.value if len(self.value) <= 40 else self.value[:40] + b"..."
        tag = f"({self.tag >> 16:04x},{self.tag & 0xFFFF:04x})"
        length = "undefined" if self.length == _UNDEFINED else str(self.length)
        return f"{'>' * self.depth}{tag} {self.vr} {length} {value!r}"


def flatten(data: bytes, transfer_syntax: str) -> Iterator[Flat]:
    """Yield every header of a data set; sequences of explicit VR are entered."""
    order = ">" if transfer_syntax == _EXPLICIT_BIG else "<"
    implicit = transfer_syntax == _IMPLICIT_LITTLE
    offset, depth = 0, 0
    while offset + 8 <= len(data):
        group, number, length = struct.unpack_from(order + "HHI", data, offset)
        tag, vr, start = group << 16 | number, b"", offset + 8
        if group != 0xFFFE and not implicit:
            vr = data[offset + 4 : offset + 6]
            if vr in _LONG:
                if offset + 12 > len(data):
                    break
                (length,) = struct.unpack_from(order + "I", data, offset + 8)
                start = offset + 12
            else:
                (length,) = struct.unpack_from(order + "H", data, offset + 6)
        if tag in (_ITEM_END, _SEQUENCE_END):
            depth -= tag == _SEQUENCE_END
        entered = vr == b"SQ" or length == _UNDEFINED
        # Within fragments an item has a value; items of data elements are entered.
        entered = entered or (tag == _ITEM and _begins_an_element(data, start, length, order))
        value = b"" if entered else data[start : start + length]
        yield Flat(max(depth, 0), tag, vr.decode("latin-1"), length, value)
        depth += tag != _ITEM and length == _UNDEFINED
        offset = start + len(value)
        if not entered and len(value) < length:
            return
    if offset < len(data):
        yield Flat(max(depth, 0), 0, "rest", len(data) - offset, data[offset:])


def _begins_an_element(data: bytes, start: int, length: int, order: str) -> bool:
    """Whether an item's content looks like an element of a group that exists."""
    if length < 8 or start + 8 > len(data):
        return False
    group, number = struct.unpack_from(order + "HH", data, start)
    return 0x0008 <= group <= 0x7FE0 and not (group == 0x3231 and number == 0x3433)


def differences(one: bytes, other: bytes, transfer_syntax: str, *, most: int = 6) -> list[str]:
    """Return the first few elements that differ, a line each."""
    left = [str(each) for each in flatten(one, transfer_syntax)]
    right = [str(each) for each in flatten(other, transfer_syntax)]
    found = []
    for number in range(max(len(left), len(right))):
        a = left[number] if number < len(left) else "nothing"
        b = right[number] if number < len(right) else "nothing"
        if a != b:
            found.append(f"{a}  |  {b}")
            if len(found) == most:
                break
    return found
