"""Values of text VRs: what is trimmed, what is kept, what an odd length does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.variants.encoder import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.variants.encoder import Encoder

__all__ = ["TAGS", "cases"]

TAGS = {
    "AE": 0x00080055,
    "AS": 0x00101010,
    "CS": 0x00080060,
    "DA": 0x00080020,
    "DS": 0x00101030,
    "DT": 0x0008002A,
    "IS": 0x00200013,
    "LO": 0x00100020,
    "LT": 0x00104000,
    "PN": 0x00100010,
    "SH": 0x00080050,
    "ST": 0x00080081,
    "TM": 0x00080030,
    "UC": 0x00080119,
    "UI": 0x0020000D,
    "UR": 0x00081190,
    "UT": 0x0040A160,
}
"""A tag whose VR in the dictionary is the key."""

_VALUES = {
    "four blanks behind": b"1234    ",
    "three blanks behind": b"123   ",
    "one blank behind": b"123 ",
    "blanks before": b"  1234",
    "two blanks": b"  ",
    "four blanks": b"    ",
    "nothing": b"",
    "blanks behind each of two": b"1234  \\ 5678  ",
    "one blank behind each of two": b"123 \\ 567 ",
    "trailing backslash": b"1234\\ ",
    "trailing backslash of even length": b"123\\",
    "blank before the trailing backslash": b"123 \\   ",
    "backslashes alone": b"\\\\",
    "one NUL behind": b"123\0",
    "four NULs behind": b"1234\0\0\0\0",
    "NUL and blank behind": b"1234\0 ",
    "blank and NUL behind": b"1234 \0",
    "NUL inside": b"12\x0034 ",
    "NULs alone": b"\0\0\0\0",
    "odd": b"12345",
    "odd with blanks": b"1  ",
    "odd with NUL": b"1234\0",
    "odd with two NULs": b"1\0\0",
    "odd with backslash": b"1\\ ",
    "one blank": b" ",
    "bytes above 127": b"\xe4\xf6\xfc\xff  ",
    "control characters": b"\x1b$B12\r\n\t\f  ",
}


def cases(e: Encoder) -> Iterator[Case]:
    """Yield each value in every text VR at once, at the top and in an item with its length."""
    for name, value in _VALUES.items():
        tags = sorted((tag, vr) for vr, tag in TAGS.items())
        elements = b"".join(e.element(tag, vr, value) for tag, vr in tags)
        yield Case(f"text: {name}", elements)
        inner = e.element(0x00080000, "UL", b"\1\2\3\0") + elements
        yield Case(f"text in an item: {name}", e.sequence(0x00081140, e.item(inner)))
    yield Case("PN with groups", e.element(0x00100010, "PN", b"A^B^^^^ =C^D =  "))
    yield Case("UT of 70000 bytes", e.element(0x0040A160, "UT", b"A" * 69996 + b"    "))
