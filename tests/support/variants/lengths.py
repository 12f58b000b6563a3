"""Sequences, group lengths, trailing padding, and values too long for 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.variants.encoder import UNDEFINED, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.variants.encoder import Encoder

__all__ = ["group_length_cases", "long_cases", "padding_cases", "sequence_cases"]

_WRONG = b"\1\2\3\0"
"""A group length that is right nowhere."""


def sequence_cases(e: Encoder) -> Iterator[Case]:
    """Yield explicit, undefined and mixed lengths, empty and nested (PS3.5 7.5)."""
    code = e.element(0x00080104, "LO", b"ABC   ")
    for outer in (False, True):
        for inner in (False, True):
            name = f"{'undefined' if outer else 'explicit'}, items {inner}"
            item = e.item(code, undefined=inner)
            yield Case(f"sequence {name}", e.sequence(0x00081140, item, item, undefined=outer))
            empty = e.item(undefined=inner)
            yield Case(f"empty item {name}", e.sequence(0x00081140, empty, undefined=outer))
            nested = e.sequence(0x00081199, item, undefined=inner)
            nested = e.item(nested, undefined=outer)
            yield Case(f"nested {name}", e.sequence(0x00081140, nested, undefined=not outer))
        yield Case(f"no items, undefined {outer}", e.sequence(0x00081140, undefined=outer))
        inside = e.item(e.sequence(0x00081199, undefined=outer), undefined=outer)
        yield Case(f"no items inside, undefined {outer}", e.sequence(0x00081140, inside))
    mixed = e.item(code), e.item(code, undefined=True), e.item()
    yield Case("mixed items", e.sequence(0x00081140, *mixed, undefined=True))
    ended = e.item(code) + e.tag(0xFFFEE0DD)
    yield Case("delimiter within an explicit length", e.element(0x00081140, "SQ", ended, raw=True))
    item = e.item(code, e.tag(0xFFFEE00D))
    patient = e.element(0x00100010, "PN", b"AB")
    yield Case("item delimiter within an explicit length", e.sequence(0x00081140, item) + patient)
    beyond = e.item(code, patient)
    yield Case(
        "item longer than its sequence",
        e.element(0x00081140, "SQ", beyond, length=len(beyond) - len(patient), raw=True),
    )
    two = e.item(code) * 2
    yield Case(
        "sequence that ends within an item",
        e.element(0x00081140, "SQ", two, length=len(two) - 8, raw=True),
    )
    deep = code
    for _ in range(20):
        deep = e.sequence(0x00081140, e.item(deep, undefined=True))
    yield Case("nested 20 deep", deep)
    many = e.sequence(0x00081140, *(e.item(code) for _ in range(300)), undefined=True)
    yield Case("300 items", many)


def group_length_cases(e: Encoder) -> Iterator[Case]:
    """Yield group lengths right and wrong, at the top and in items (PS3.5 7.2)."""
    name = e.element(0x00100010, "PN", b"AB    ")
    patient = e.element(0x00100020, "LO", b"1234")
    length = e.element(0x00100000, "UL", _WRONG)
    yield Case("wrong group length", length + name + patient)
    yield Case("group length alone", length)
    yield Case("group length behind", name + length)
    yield Case("group length in front", name, head=e.element(0x00080000, "UL", _WRONG))
    yield Case(
        "length to end",
        name,
        head=e.element(0x00080000, "UL", _WRONG) + e.element(0x00080001, "UL", _WRONG),
    )
    yield Case("length to end alone", name, head=e.element(0x00080001, "UL", _WRONG))
    yield Case("empty group length", e.element(0x00100000, "UL") + name)
    yield Case("group length of two values", e.element(0x00100000, "UL", _WRONG * 2) + name)
    if e.explicit:
        yield Case("group length US", e.element(0x00100000, "US", b"\1\0") + name)
        yield Case("group length LO", e.element(0x00100000, "LO", b"ABCD") + name)
    yield Case(
        "two groups",
        length
        + name
        + e.element(0x00200000, "UL", _WRONG)
        + e.element(0x0020000D, "UI", b"1.2 \\  3"),
    )
    pixels = e.element(0x7FE00000, "UL", _WRONG) + e.element(0x7FE00010, "OW", b"1234")
    yield Case("group length of pixel data", pixels)
    private = e.element(0x00410000, "UL", _WRONG) + e.element(0x00410010, "LO", b"ACME  ")
    yield Case("private group length", private)
    code = e.element(0x00080104, "LO", b"ABC   ")
    inner = e.item(e.element(0x00080000, "UL", _WRONG), code, undefined=True)
    yield Case("group length in an item", e.sequence(0x00081140, inner))
    within = e.sequence(0x00101002, inner, undefined=True)
    yield Case("group length over a sequence", length + name + within)
    yield Case(
        "many groups in an item",
        e.sequence(0x00081140, e.item(code, name, patient, private, pixels)) + name,
    )
    odd = e.element(0x00280000, "UL", _WRONG) + e.element(0x00280010, "US", b"123")
    yield Case("group length over an odd value", odd)
    odd = e.element(0x7FE00000, "UL", _WRONG) + e.element(0x7FE00010, "OW", b"123")
    yield Case("group length over odd words", odd)


def padding_cases(e: Encoder) -> Iterator[Case]:
    """Yield Data Set Trailing Padding in every place (PS3.10 7.2), and sizes to be padded."""
    name = e.element(0x00100010, "PN", b"AB")
    code = e.element(0x00080104, "LO", b"ABC ")
    padding = e.element(0xFFFCFFFC, "OB", bytes(10))
    yield Case("padding at the end", name + padding)
    yield Case("padding that is not zero", name + e.element(0xFFFCFFFC, "OB", b"1234"))
    yield Case("padding in front", padding + name)
    yield Case("padding twice", name + padding + padding)
    yield Case("padding with group length", name + e.element(0xFFFC0000, "UL", _WRONG) + padding)
    yield Case("padding alone", padding)
    for undefined in (False, True):
        item = e.item(code, padding, undefined=undefined)
        yield Case(f"padding in an item, undefined {undefined}", e.sequence(0x00081140, item))
        item = e.item(padding, undefined=undefined)
        yield Case(f"padding alone in an item, undefined {undefined}", e.sequence(0x00081140, item))
    for size in (0, 2, 30, 36, 38, 40, 44, 46, 48, 50, 52, 54, 56, 58, 60, 126, 250):
        text = e.element(0x00080104, "LO", b"A" * size)
        inner = e.item(text, e.sequence(0x00081199, e.item(text, undefined=True)))
        yield Case(
            f"{size} bytes at every level",
            e.sequence(0x00081140, inner) + e.element(0x00100020, "LO", b"B" * size),
        )


def long_cases(e: Encoder) -> Iterator[Case]:
    """Yield values around and beyond 65535 bytes (PS3.5 6.2.2)."""
    if e.explicit:
        for size in (65532, 65534):
            yield Case(f"LT of {size} bytes", e.element(0x00104000, "LT", b"A" * size))
        yield Case("LT of 65535 bytes", e.element(0x00104000, "LT", b"A" * 65535))
        return
    values = {
        "LT": (0x00104000, b"A" * 70000),
        "DS": (0x30020011, b"1\\" * 35000),
        "US": (0x00280010, b"AB" * 35000),
        "AT": (0x00280009, b"AB" * 35000),
        "FD": (0x00189073, b"12345678" * 8750),
        "table descriptor": (0x00281101, b"AB" * 35000),
        "UI": (0x0020000D, b"1.2 \\" * 14000),
        "LT of 65534 bytes": (0x00104000, b"A" * 65534),
        "LT of 65535 bytes": (0x00104000, b"A" * 65535),
        "LT of 65536 bytes": (0x00104000, b"A" * 65536),
        "LT trimmed to 65534 bytes": (0x00104000, b"A" * 65533 + b"   "),
        "creator": (0x00410010, b"A" * 70000),
    }
    for name, (tag, value) in values.items():
        yield Case(f"too long: {name}", e.element(tag, "", value))
    inner = e.item(e.element(0x00104000, "", b"A" * 70000), undefined=True)
    yield Case(
        "too long: LT in an item",
        e.element(0x00081140, "", inner + e.tag(0xFFFEE0DD), length=UNDEFINED),
        head=e.element(0x00080000, "", _WRONG),
    )
