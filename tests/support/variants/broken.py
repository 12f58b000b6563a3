"""Data sets that no reader can follow to their end: DCMTK aborts or cannot write them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tests.support.variants.encoder import (
    DEFLATED,
    EXPLICIT_LITTLE,
    SOP_CLASS_UID,
    UNDEFINED,
    Case,
    Encoder,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["cases", "deflated", "explicit_cases"]


def cases(e: Encoder) -> Iterator[Case]:
    """Yield broken structure: delimiters, lengths, ends."""
    name = e.element(0x00100010, "PN", b"AB")
    code = e.element(0x00080104, "LO", b"ABC ")
    yield Case("nothing at all", whole=b"")
    yield Case("item at the top", e.item() + name)
    yield Case("sequence delimiter at the top", e.tag(0xFFFEE0DD) + name)
    yield Case("sequence delimiter at the end", name + e.tag(0xFFFEE0DD))
    item = e.item(code)
    open_item = e.tag(0xFFFEE000, UNDEFINED) + code
    broken = {
        "sequence without end": item,
        "item without end": open_item,
        "item ended as a sequence": open_item + e.tag(0xFFFEE0DD),
        "sequence without end, more behind": item + name,
    }
    for title, body in broken.items():
        yield Case(title, e.element(0x00081140, "SQ", body, length=UNDEFINED, raw=True))
    for title, body, length in (
        ("sequence beyond the end", item, 100),
        ("item beyond the end", e.tag(0xFFFEE000, 100) + code, 100),
        ("sequence of zeros", bytes(8), 8),
        ("zeros behind the item", item + bytes(8), len(item) + 8),
    ):
        element = e.element(0x00081140, "SQ", body, length=length, raw=True)
        yield Case(title, element)
    long = e.element(0x00080104, "LO", b"ABCD", length=8)
    yield Case("element beyond its item", e.sequence(0x00081140, e.item(long)) + name)
    yield Case("text cut", name + e.element(0x00100020, "LO", b"ABCD", length=8))
    yield Case("text of two bytes", name + e.element(0x00100020, "LO", b"AB", length=4))
    yield Case("pixel data cut", name + e.element(0x7FE00010, "OW", b"ABCD", length=100))
    huge = e.element(0x00411010, "UN", b"AB", length=0xFFFFFFFE)
    yield Case("four gigabytes said", name + huge)
    yield Case("random bytes behind", name + bytes.fromhex("8f12a3990172831099716312"))
    yield Case("blanks behind", name + b" " * 12)
    yield Case(
        "text of undefined length",
        e.element(0x0040A160, "UT", item + e.tag(0xFFFEE0DD), length=UNDEFINED),
    )
    pixels = e.item() + e.item(b"1234") + e.tag(0xFFFEE0DD)
    pixels = e.element(0x7FE00010, "OB", pixels, length=UNDEFINED)
    yield Case("encapsulated in an uncompressed syntax", pixels)
    yield Case(
        "encapsulated icon in an uncompressed syntax", e.sequence(0x00880200, e.item(pixels))
    )


def explicit_cases(e: Encoder) -> Iterator[Case]:
    """Yield VRs that lie."""
    item = e.item(e.element(0x00080104, "LO", b"ABC "))
    ended = item + e.tag(0xFFFEE0DD)
    yield Case("OB of undefined length", e.element(0x00420011, "OB", ended, length=UNDEFINED))
    yield Case("explicit items in UN", e.element(0x00411010, "UN", ended, length=UNDEFINED))
    yield Case("text as SQ", e.element(0x00100020, "SQ", b"ABCDEFGH"))
    yield Case("SQ as OW", e.element(0x00283010, "OW", item))
    yield Case("VR ZZ in short form", e.element(0x00100020, "ZZ", b"ABCD  ", long=False))
    yield Case("UN in short form", e.element(0x00100020, "UN", b"ABCD  ", long=False))


def deflated() -> tuple[Variant, ...]:
    """Return data sets that say they are deflated and are not."""
    e = Encoder(EXPLICIT_LITTLE)
    found = []
    for title in ("zlib header", "not deflated", "random inside"):
        uid = f"2.25.{zlib.crc32(title.encode())}"
        data = e.uids(uid) + e.element(0x00100010, "PN", b"AB")
        if title == "zlib header":
            data = zlib.compress(data)
        elif title == "random inside":
            deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            data += bytes.fromhex("8f12a3990172831099716312")
            data = deflater.compress(data) + deflater.flush()
        data += b"\0" * (len(data) % 2)
        found.append(Variant(f"d {title}", DEFLATED, SOP_CLASS_UID, uid, data))
    return tuple(found)
