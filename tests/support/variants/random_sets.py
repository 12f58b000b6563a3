"""Data sets put together by chance, the same ones every time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.support.variants import numbers, texts
from tests.support.variants.encoder import IMPLICIT_LITTLE, UNDEFINED, Case, Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cases"]

COUNT = 24
"""Data sets a syntax: as many as find nothing new in a minute's run of more."""
_TAGS = {
    **{tag: vr for vr, tag in texts.TAGS.items()},
    **{tag: vr for vr, tag in numbers.TAGS.items()},
}
_SEQUENCES = (0x00081140, 0x00081199, 0x00101002, 0x00283010, 0x00400275, 0x52009229)
_FIRST_UID = 0x00080016
_ALPHABET = b"AB12.  \\^=\0"


def cases(e: Encoder) -> Iterator[Case]:
    """Yield `COUNT` data sets in ascending order, and some of them out of order too."""
    for number in range(COUNT):
        chance = random.Random(number)
        found = sorted(_elements(e, chance, depth=0))
        head = b"".join(element for tag, element in found if tag < _FIRST_UID)
        body = b"".join(element for tag, element in found if tag > _FIRST_UID)
        yield Case(f"random {number}", body, head)
    for number in range(0, COUNT, 4):
        chance = random.Random(number)
        found = _elements(e, chance, depth=0, shuffled=True)
        chance.shuffle(found)
        yield Case(f"shuffled {number}", b"".join(element for _, element in found))


def _elements(
    e: Encoder, chance: random.Random, *, depth: int, shuffled: bool = False
) -> list[tuple[int, bytes]]:
    """Return the elements of a data set or item with their tags, in no order."""
    found: list[tuple[int, bytes]] = []
    tags = chance.sample(sorted(_TAGS), chance.randrange(12))
    found.extend((tag, _element(e, chance, tag)) for tag in tags)
    if depth < 4:
        tags = chance.sample(_SEQUENCES, chance.randrange(4 - depth))
        found.extend((tag, _sequence(e, chance, tag, depth, shuffled=shuffled)) for tag in tags)
    if chance.random() < 0.3:
        group = chance.choice((0x0009, 0x0019, 0x0041))
        found.append((group << 16 | 0x10, e.element(group << 16 | 0x10, "LO", b"ACME  ")))
        found.append((group << 16 | 0x1001, e.element(group << 16 | 0x1001, "UN", b"1234  ")))
    if chance.random() < 0.3:
        group = chance.choice((0x0008, 0x0010, 0x0028))
        found.append((group << 16, e.element(group << 16, "UL", b"\1\2\3\0")))
    if chance.random() < 0.2:
        found.append((0xFFFCFFFC, e.element(0xFFFCFFFC, "OB", bytes(chance.randrange(0, 20, 2)))))
    return found


def _element(e: Encoder, chance: random.Random, tag: int) -> bytes:
    """Return an element, its length odd or no multiple of its unit now and then."""
    vr = _TAGS[tag]
    size = chance.choice((0, 1, 2, 3, 5, 8, 16, 30, 100))
    if chance.random() < 0.8:
        size += -size % 8
    text = vr in texts.TAGS
    value = bytes(chance.choices(_ALPHABET, k=size)) if text else chance.randbytes(size)
    if e.explicit and chance.random() < 0.1:
        return e.element(tag, "UN", value)
    return e.element(tag, vr, value)


def _sequence(e: Encoder, chance: random.Random, tag: int, depth: int, *, shuffled: bool) -> bytes:
    """Return a sequence; of explicit VR now and then as UN with implicit VR inside."""
    inner, vr = e, "SQ"
    if e.explicit and chance.random() < 0.1:
        inner, vr = Encoder(IMPLICIT_LITTLE), "UN"
    items = []
    for _ in range(chance.randrange(4)):
        found = _elements(inner, chance, depth=depth + 1, shuffled=shuffled)
        if shuffled:
            chance.shuffle(found)
        else:
            found.sort()
        elements = (element for _, element in found)
        items.append(inner.item(*elements, undefined=chance.random() < 0.5))
    if vr == "UN":
        body = b"".join(items) + inner.tag(0xFFFEE0DD)
        return e.element(tag, "UN", body, length=UNDEFINED)
    return e.sequence(tag, *items, undefined=chance.random() < 0.5)
