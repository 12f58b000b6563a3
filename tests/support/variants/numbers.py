"""Binary values: units, odd lengths, and the tags whose VR depends on other elements."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.support.variants.encoder import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.variants.encoder import Encoder

__all__ = ["TAGS", "ambiguous_cases", "cases"]

TAGS = {
    "AT": 0x00280009,
    "FD": 0x00189073,
    "FL": 0x0018605A,
    "OB": 0x00282000,
    "OD": 0x7FE00009,
    "OF": 0x7FE00008,
    "OL": 0x00660040,
    "OV": 0x00720075,
    "OW": 0x00281201,
    "SL": 0x00186020,
    "SS": 0x00189219,
    "SV": 0x00720082,
    "UL": 0x00181611,
    "US": 0x00280010,
    "UV": 0x00720083,
}
"""A tag whose VR in the dictionary is the key."""


def _us(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def cases(e: Encoder) -> Iterator[Case]:
    """Yield every binary VR at once with whole, broken and odd numbers of values."""
    tags = sorted((tag, vr) for vr, tag in TAGS.items())
    for size in (0, 1, 2, 3, 4, 6, 7, 8, 12, 16):
        value = bytes(range(1, size + 1))
        elements = b"".join(e.element(tag, vr, value) for tag, vr in tags)
        yield Case(f"numbers of {size} bytes", elements)
        inner = e.element(0x00180000, "UL", b"\1\2\3\0") + elements
        yield Case(f"numbers of {size} bytes in an item", e.sequence(0x00081140, e.item(inner)))
    for vr in ("OB", "OW"):
        for bits in (8, 16):
            described = e.element(0x00280100, "US", _us(bits))
            pixels = e.element(0x7FE00010, vr, bytes(range(16)))
            yield Case(f"pixel data {vr}, {bits} bits", described + pixels)
        yield Case(f"odd pixel data {vr}", e.element(0x7FE00010, vr, b"123"))
        yield Case(f"overlay {vr}", e.element(0x60003000, vr, b"1234"))
        yield Case(f"odd overlay {vr}", e.element(0x60023000, vr, b"123"))
        yield Case(f"curve {vr}", e.element(0x50003000, vr, b"1234"))
        icon = e.item(e.element(0x7FE00010, vr, b"123"))
        yield Case(f"odd icon {vr}", e.sequence(0x00880200, icon))


def ambiguous_cases(e: Encoder) -> Iterator[Case]:
    """Yield the tags whose VR the dictionary leaves open (PS3.6 6, PS3.5 A.1)."""
    one = _us(1)
    for value in (0, 1, 2):
        signed = e.element(0x00280103, "US", _us(value))
        vr = "SS" if value == 1 else "US"
        for tag in (0x00280106, 0x00280107, 0x00280120, 0x00280121, 0x00281101, 0x00283002):
            name = f"({tag >> 16:04x},{tag & 0xFFFF:04x}) where pixels are {value}"
            body = signed + e.element(tag, vr, one * (3 if tag & 0xF000 else 1))
            yield Case(name, body)
        mapped = (e.element(tag, vr, one) for tag in (0x00409211, 0x00409216))
        yield Case(f"real world values where pixels are {value}", signed + b"".join(mapped))
        histogram = e.element(0x00603004, vr, one) + e.element(0x00603006, vr, one)
        yield Case(f"histogram where pixels are {value}", signed + histogram)
        table = e.item(e.element(0x00283002, vr, one * 3), e.element(0x00283006, "OW", one))
        yield Case(f"table in an item, {value} outside", signed + e.sequence(0x00283010, table))
        table = e.item(signed, e.element(0x00283002, vr, one * 3))
        yield Case(f"table in an item, {value} inside", e.sequence(0x00283010, table))
    signed = e.element(0x00280103, "US", one)
    yield Case("mapped pixel value", e.element(0x00221452, "US", one) + signed)
    before = e.sequence(0x00081140, e.item(e.element(0x00280106, "US", one)))
    yield Case("representation behind the item", before + signed)
    yield Case(
        "representation of four bytes",
        e.element(0x00280103, "US", one * 2) + e.element(0x00280106, "SS", one),
    )
    yield Case(
        "empty representation", e.element(0x00280103, "US") + e.element(0x00280106, "US", one)
    )
    for bits in (None, 8, 16):
        said = b"" if bits is None else e.element(0x54001004, "US", _us(bits))
        vr = "OW" if bits == 16 else "OB"
        wave = said + e.element(0x5400100A, vr, one) + e.element(0x54001010, vr, one * 2)
        yield Case(f"waveform of {bits} bits", wave)
        yield Case(f"waveform of {bits} bits in an item", e.sequence(0x54000100, e.item(wave)))
        yield Case(f"channel minimum before {bits} bits", e.element(0x54000110, "OB", one) + said)
    for tag in (0x00283006, 0x50003000, 0x5000200C, 0x60003000, 0x60203000, 0x7F000010):
        name = f"({tag >> 16:04x},{tag & 0xFFFF:04x}) alone"
        yield Case(name, e.element(tag, "OB" if tag >> 24 == 0x50 else "OW", one * 2))
