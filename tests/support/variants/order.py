"""Order, repetition, tags in odd places, what is left at the end, and missing identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.variants.encoder import SOP_CLASS_UID, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.variants.encoder import Encoder

__all__ = ["cases", "identity_cases"]


def cases(e: Encoder) -> Iterator[Case]:
    """Yield data sets whose elements are not what and where they should be."""
    name = e.element(0x00100010, "PN", b"AB  ")
    patient = e.element(0x00100020, "LO", b"1234")
    code = e.element(0x00080104, "LO", b"ABC ")
    scheme = e.element(0x00080102, "SH", b"DCM ")
    yield Case("nothing but its identity")
    yield Case("descending", patient + name)
    yield Case("descending in an item", e.sequence(0x00081140, e.item(code, scheme)))
    yield Case(
        "shuffled",
        e.element(0x7FE00010, "OW", b"1234")
        + patient
        + e.sequence(0x00081140, e.item(code, scheme))
        + name,
    )
    yield Case("twice", name + e.element(0x00100010, "PN", b"CD"))
    yield Case("twice, apart", name + patient + e.element(0x00100010, "PN", b"CD"))
    yield Case(
        "twice in an item", e.sequence(0x00081140, e.item(code, e.element(0x00080104, "LO", b"XY")))
    )
    yield Case(
        "sequence twice",
        e.sequence(0x00081140, e.item(code))
        + e.sequence(0x00081140, e.item(scheme), e.item(scheme)),
    )
    for tag, vr in (
        (0x00010010, "UN"),
        (0x00030010, "UN"),
        (0x00041130, "CS"),
        (0x00060010, "UN"),
        (0x00020010, "UI"),
    ):
        element = e.element(tag, vr, b"1.2 ")
        yield Case(f"group {tag >> 16:04x} in front", name, head=element)
        yield Case(f"group {tag >> 16:04x} behind", name + element)
    yield Case("a command group", name, head=e.element(0x00000002, "UI", b"1.2\0"))
    yield Case("item delimiter at the end", name + e.tag(0xFFFEE00D))
    yield Case("item delimiter amid", name + e.tag(0xFFFEE00D) + patient)
    for size in (2, 4):
        yield Case(f"{size} zeros at the end", name + bytes(size))
    for size in (6, 8, 16, 100):
        yield Case(f"{size} zeros at the end", name + bytes(size))
    for size in range(2, 12 if e.explicit else 8, 2):
        pixels = e.element(0x7FE00010, "OW", b"1234")
        yield Case(f"{size} bytes of a long header", name + pixels[:size])
        if size < 8:
            yield Case(f"{size} bytes of a short header", name + patient[:size])
    yield Case("pixel data without a byte", name + e.element(0x7FE00010, "OW", length=100))


def identity_cases(e: Encoder) -> Iterator[Case]:
    """Yield data sets whose SOP UIDs are missing, empty, others, or padded in other ways."""
    cls = SOP_CLASS_UID.encode()
    name = e.element(0x00100010, "PN", b"AB  ")
    full = e.element(0x00080016, "UI", cls + b"\0")
    other = e.element(0x00080018, "UI", b"2.25.1\0\0")
    yield Case("class missing", whole=other + name)
    yield Case("class empty", whole=e.element(0x00080016, "UI") + other + name)
    yield Case("class other", whole=e.element(0x00080016, "UI", b"1.2.3 ") + other)
    yield Case("instance missing", whole=full + name)
    yield Case("instance empty", whole=full + e.element(0x00080018, "UI") + name)
    yield Case("instance other", whole=full + other + name)
    yield Case("instance of blanks", whole=full + e.element(0x00080018, "UI", b"    ") + name)
    if e.explicit:
        yield Case("instance UN", whole=full + e.element(0x00080018, "UN", b"2.25.1") + name)
        yield Case("instance LO", whole=full + e.element(0x00080018, "LO", b"2.25.1") + name)
        yield Case("class US", whole=e.element(0x00080016, "US", b"12") + other + name)
