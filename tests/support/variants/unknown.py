"""Unknown VRs and tags, UN, VRs other than the dictionary's, private elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.variants.encoder import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    UNDEFINED,
    Case,
    Encoder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cases", "private_cases", "un_cases", "vr_cases"]

IMPLICIT = Encoder(IMPLICIT_LITTLE)
_KNOWN_CREATOR = b"GEMS_IDEN_01"
"""(0009,xx01) of it is LO."""


def cases(e: Encoder) -> Iterator[Case]:
    """Yield tags that no dictionary has, and repeating groups."""
    for tag in (0x00083999, 0x10100005, 0x7FE20010, 0x00203155, 0xFFFC0010, 0xFFFF0010):
        yield Case(f"unknown ({tag >> 16:04x},{tag & 0xFFFF:04x})", e.element(tag, "UN", b"AB  "))
    for tag, vr in ((0x002031FE, "CS"), (0x00280400, "LO"), (0x10000010, "US")):
        name = f"repeating ({tag >> 16:04x},{tag & 0xFFFF:04x})"
        yield Case(name, e.element(tag, vr, b"AB  "))
    inner = IMPLICIT.item(IMPLICIT.element(0x00100010, "PN", b"A^B   "))
    body = inner + IMPLICIT.tag(0xFFFEE0DD)
    for name, tag in (("private", 0x00411010), ("unknown", 0x00083999)):
        element = e.element(tag, "UN", body, length=UNDEFINED)
        yield Case(f"{name} of undefined length", element)
    yield Case("private that looks like a sequence", e.element(0x00411010, "UN", inner))


def private_cases(e: Encoder) -> Iterator[Case]:
    """Yield private elements with creators of every kind (PS3.5 7.8)."""
    creators = {
        "known": _KNOWN_CREATOR,
        "known, padded": _KNOWN_CREATOR + b"  ",
        "known, NUL padded": _KNOWN_CREATOR + b"\0\0",
        "known, blanks before": b"  " + _KNOWN_CREATOR,
        "in lower case": _KNOWN_CREATOR.lower(),
        "unknown": b"ACME",
        "empty": b"",
    }
    for name, creator in creators.items():
        block = e.element(0x00090010, "LO", creator)
        for vr in ("LO", "UN"):
            element = e.element(0x00091001, vr, b"ABCD  ")
            yield Case(f"creator {name}, {vr}", block + element)
    block = e.element(0x00090011, "LO", _KNOWN_CREATOR)
    yield Case("creator of block 11", block + e.element(0x00091101, "UN", b"ABCD  "))
    yield Case("no creator", e.element(0x00091001, "UN", b"ABCD  "))
    yield Case("creator behind", e.element(0x00091001, "UN", b"ABCD  ") + block)
    inside = e.sequence(0x00101002, e.item(e.element(0x00091101, "UN", b"ABCD  ")))
    yield Case("creator outside the item", block + inside)
    siemens = e.element(0x00290010, "LO", b"SIEMENS CSA HEADER")
    yield Case("private OB", siemens + e.element(0x00291010, "OB", b"ABCD"))
    private = e.sequence(0x00411010, e.item(e.element(0x00100010, "PN", b"A^B   ")), undefined=True)
    if e.explicit:
        yield Case("private sequence", private)
        yield Case(
            "creator of type LT",
            e.element(0x00090010, "LT", _KNOWN_CREATOR + b"  ")
            + e.element(0x00091001, "UN", b"ABCD  "),
        )


def vr_cases(e: Encoder) -> Iterator[Case]:
    """Yield VRs that do not exist and VRs that the dictionary disagrees with."""
    for vr in ("ZZ", "AA", "OX"):
        yield Case(f"VR {vr}, long", e.element(0x00100020, vr, b"ABCD  ", long=True))
    for vr in ("  ", "??", "lo", "Ab", "it", "\0\0", "a1"):
        yield Case(f"VR {vr!r}, short", e.element(0x00100020, vr, b"ABCD  ", long=False))
    yield Case("VR OX for pixel data", e.element(0x7FE00010, "OX", b"1234", long=True))
    inner = IMPLICIT.item(IMPLICIT.element(0x00100010, "PN", b"A "))
    body = inner + IMPLICIT.tag(0xFFFEE0DD)
    yield Case(
        "VR ZZ of undefined length", e.element(0x00411010, "ZZ", body, length=UNDEFINED, long=True)
    )
    code = e.element(0x00080104, "LO", b"ABC ")
    other = {
        "LO as DA": e.element(0x00100020, "DA", b"ABC   "),
        "US as LO": e.element(0x00280010, "LO", b"5   "),
        "LO as US": e.element(0x00100020, "US", b"A   "),
        "SQ as OB": e.element(0x00081140, "OB", b"12"),
        "SQ as LO": e.element(0x00081140, "LO", b"AB  "),
        "LO as SQ": e.sequence(0x00100020, e.item(code)),
        "pixel data as US": e.element(0x7FE00010, "US", b"1234"),
        "table as US": e.element(0x00283006, "US", b"12"),
        "SS without representation": e.element(0x00280106, "SS", b"12"),
        "UI as LO": e.element(0x0020000D, "LO", b"1.2.3   "),
        "LO as UI": e.element(0x00100020, "UI", b"A B   "),
    }
    for name, element in other.items():
        yield Case(name, element)
    reserved = bytearray(e.element(0x7FE00010, "OB", b"12"))
    reserved[6:8] = b"\xaa\xbb"
    yield Case("reserved bytes that are not zero", bytes(reserved))


def un_cases(e: Encoder) -> Iterator[Case]:
    """Yield UN of known and unknown tags (PS3.5 6.2.2)."""
    signed = e.element(0x00280103, "US", b"\1\0")
    values = {
        "private": (0x00411010, b"abcd"),
        "LO": (0x00100020, b"AB    "),
        "odd LO": (0x00100020, b"ABC"),
        "UI": (0x0020000D, b"1.2.3 "),
        "UT": (0x0040A160, b"AB    "),
        "US": (0x00280010, b"\1\0"),
        "FD": (0x00189073, b"12345678"),
        "US or SS": (0x00280106, b"\1\0"),
        "table": (0x00283006, b"12"),
        "overlay": (0x60003000, b"12"),
        "curve": (0x50003000, b"12"),
        "pixel data": (0x7FE00010, b"1234"),
        "variable pixel data": (0x7F000010, b"1234"),
        "waveform": (0x54001010, b"1234"),
        "creator": (0x00410010, b"ACME  "),
        "group length": (0x00200000, b"1234"),
        "trailing padding": (0xFFFCFFFC, b"\0\0"),
        "offset": (0x00420013, b"1234"),
        "empty sequence": (0x00081140, b""),
        "empty LO": (0x00100020, b""),
        "long LO": (0x00104000, b"A" * 70000),
    }
    for name, (tag, value) in values.items():
        yield Case(f"UN of {name}", e.element(tag, "UN", value))
    yield Case(
        "UN of US or SS where pixels are signed", signed + e.element(0x00280106, "UN", b"\1\0")
    )
    items = {
        "one item": IMPLICIT.item(IMPLICIT.element(0x00080104, "LO", b"ABC   ")),
        "an item of undefined length": IMPLICIT.item(
            IMPLICIT.element(0x00280010, "US", b"\1\0"), undefined=True
        ),
        "a table": IMPLICIT.item(
            IMPLICIT.element(0x00280103, "US", b"\1\0"),
            IMPLICIT.element(0x00283002, "US", b"\1\0\1\0\1\0"),
        ),
    }
    for name, body in items.items():
        for of, tag in (("a sequence", 0x00081140), ("a private one", 0x00411010)):
            yield Case(f"UN of {of} with {name}", e.element(tag, "UN", body))
            ended = body + IMPLICIT.tag(0xFFFEE0DD)
            yield Case(
                f"UN of {of} with {name}, undefined length",
                e.element(tag, "UN", ended, length=UNDEFINED),
            )
    ended = items["one item"] + IMPLICIT.tag(0xFFFEE0DD)
    yield Case("UN of LO, undefined length", e.element(0x00100020, "UN", ended, length=UNDEFINED))
    yield Case(
        "UN without items, undefined length",
        e.element(0x00411010, "UN", IMPLICIT.tag(0xFFFEE0DD), length=UNDEFINED),
    )
    item = e.item(e.element(0x00081150, "UN", b"1.2.3 "))
    yield Case("UN in an item", e.sequence(0x00081140, item))
    if e.transfer_syntax == EXPLICIT_LITTLE:
        deep = IMPLICIT.sequence(0x00081199, items["one item"], undefined=True)
        body = IMPLICIT.item(deep) + IMPLICIT.tag(0xFFFEE0DD)
        yield Case("UN with a sequence inside", e.element(0x00411010, "UN", body, length=UNDEFINED))
