"""Part 10 files taken apart and compared, independent of the package's own reader.

PS3.10 7.1: group 0002 is explicit VR little endian, whatever follows it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["IMPLEMENTATION", "MetaElement", "Part10", "compare", "read"]

_LONG_VRS = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR")
_GROUP_LENGTH = 0x00020000

IMPLEMENTATION = frozenset({0x00020012, 0x00020013})
"""What two implementations write differently: their UID and version name."""


class MetaElement(NamedTuple):
    """One element of the File Meta Information."""

    tag: int
    vr: str
    value: bytes


class Part10(NamedTuple):
    """A file in its parts.

    Fields: the 128 bytes of `preamble`; `meta` in the order of the file, group length
    included; `data_set` as it is.
    """

    preamble: bytes
    meta: tuple[MetaElement, ...]
    data_set: bytes

    def text(self, tag: int) -> str:
        """Return a File Meta element as text without padding, "" where it is absent."""
        for element in self.meta:
            if element.tag == tag:
                return element.value.decode("latin-1").rstrip("\0 ")
        return ""

    @property
    def transfer_syntax(self) -> str:
        """(0002,0010)."""
        return self.text(0x00020010)


def read(path: Path) -> Part10:
    """Take a file apart.

    Raises:
        ValueError: it has no preamble and prefix, or group 0002 is broken.
    """
    return split(path.read_bytes())


def split(data: bytes) -> Part10:
    """Take the bytes of a file apart; `ValueError` as for `read`."""
    if data[128:132] != b"DICM":
        raise ValueError("no DICM prefix at offset 128")
    offset = 132
    meta = []
    while data[offset : offset + 2] == b"\x02\x00":
        group, element = struct.unpack_from("<HH", data, offset)
        vr = data[offset + 4 : offset + 6]
        if vr in _LONG_VRS:
            (length,) = struct.unpack_from("<I", data, offset + 8)
            start = offset + 12
        else:
            (length,) = struct.unpack_from("<H", data, offset + 6)
            start = offset + 8
        if start + length > len(data):
            raise ValueError(f"({group:04x},{element:04x}) overruns the file")
        value = data[start : start + length]
        meta.append(MetaElement(group << 16 | element, vr.decode("latin-1"), value))
        offset = start + length
    return Part10(data[:128], tuple(meta), data[offset:])


def _encoded_length(element: MetaElement) -> int:
    """Return how many bytes an element takes in the file."""
    return (12 if element.vr.encode() in _LONG_VRS else 8) + len(element.value)


def compare(left: Path, right: Path, *, ignore: Collection[int] = IMPLEMENTATION) -> list[str]:
    """Return what differs between two files, in words; nothing where they agree.

    Compared are the preamble, the File Meta elements with their order, VRs and values,
    and every byte of the data set. The values of the elements in `ignore` may differ,
    and then the group length does too: each file's has to be true for that file.
    """
    one, other = read(left), read(right)
    found = []
    if one.preamble != other.preamble:
        found.append("the preambles differ")
    tags = [[(e.tag, e.vr) for e in part.meta] for part in (one, other)]
    if tags[0] != tags[1]:
        found.append(f"File Meta: {_shown(one)} and {_shown(other)}")
    else:
        found.extend(
            f"({a.tag >> 16:04x},{a.tag & 0xFFFF:04x}): {a.value!r} and {b.value!r}"
            for a, b in zip(one.meta, other.meta, strict=True)
            if a.value != b.value and a.tag not in ignore and a.tag != _GROUP_LENGTH
        )
    found.extend(problem for path in (left, right) for problem in meta_problems(path))
    if one.data_set != other.data_set:
        found.append(_first_difference(one.data_set, other.data_set))
    return found


def meta_problems(path: Path) -> list[str]:
    """Return what is wrong with a file's group 0002 in itself: order and group length."""
    meta = read(path).meta
    problems = []
    if not meta or meta[0].tag != _GROUP_LENGTH:
        return [f"{path.name}: group 0002 does not begin with its length"]
    if [element.tag for element in meta] != sorted({element.tag for element in meta}):
        problems.append(f"{path.name}: File Meta elements are not in ascending order")
    said = int.from_bytes(meta[0].value, "little")
    true = sum(_encoded_length(element) for element in meta[1:])
    if said != true:
        problems.append(f"{path.name}: group length is {said}, the group has {true} bytes")
    problems.extend(
        f"{path.name}: ({element.tag:08x}) has odd length"
        for element in meta
        if len(element.value) % 2
    )
    return problems


def _shown(part: Part10) -> str:
    return " ".join(f"{element.tag:08x}:{element.vr}" for element in part.meta)


def _first_difference(one: bytes, other: bytes) -> str:
    for offset, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return (
                f"data sets of {len(one)} and {len(other)} bytes differ at {offset}: "
                f"{one[offset : offset + 16].hex()} and {other[offset : offset + 16].hex()}"
            )
    return f"data sets have {len(one)} and {len(other)} bytes, equal up to the shorter one's end"
