"""Inputs that resemble given ones: a mutator in Python, the same for the same seed.

For the gate, where runs have to be repeatable, and for machines without Atheris.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LONGEST", "mutated", "mutations"]

LONGEST = 4096
"""Bytes of an input that mutations may grow to, inclusive."""

_NUMBERS = (0, 1, 2, 4, 8, 12, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFE, 0xFFFF)
_LONG_NUMBERS = (*_NUMBERS, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_LAYOUTS = ("<H", ">H", "<I", ">I")


def mutations(corpus: Sequence[bytes], count: int, *, seed: int | str) -> Iterator[bytes]:
    """Yield so many inputs made from those of the corpus."""
    generator = random.Random(seed)
    for _ in range(count):
        yield mutated(generator, generator.choice(corpus) if corpus else b"", corpus)


def mutated(generator: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """Return an input after one to four changes; `corpus` is what pieces are taken from."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 2, 3, 4))):
        generator.choice(_CHANGES)(generator, changed, corpus)
    return bytes(changed[:LONGEST])


def _place(generator: random.Random, data: bytearray) -> int:
    return generator.randrange(len(data)) if data else 0


def _flip(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    if data:
        data[_place(generator, data)] ^= 1 << generator.randrange(8)


def _replace(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    if data:
        data[_place(generator, data)] = generator.randrange(256)


def _number(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    layout = generator.choice(_LAYOUTS)
    size = struct.calcsize(layout)
    place = _place(generator, data)
    value = generator.choice(_NUMBERS if size == 2 else _LONG_NUMBERS)
    if generator.random() < 0.3 and place + size <= len(data):
        old = struct.unpack_from(layout, data, place)[0]
        value = (old + generator.randrange(-9, 10)) % (1 << 8 * size)
    data[place : place + size] = struct.pack(layout, value)


def _insert(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    place = _place(generator, data)
    data[place:place] = generator.randbytes(generator.randrange(1, 9))


def _remove(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    place = _place(generator, data)
    del data[place : place + generator.choice((1, 1, 2, 4, 8, 40))]


def _repeat(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    place = _place(generator, data)
    part = data[place : place + generator.choice((1, 2, 8, 40, 200))]
    data[place:place] = part * generator.choice((1, 1, 2, 10))


def _cut(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    del data[_place(generator, data) :]


def _splice(generator: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    if not corpus:
        return
    other = generator.choice(corpus)
    start = generator.randrange(len(other) + 1)
    part = other[start : start + generator.choice((4, 20, 100, 400))]
    place = _place(generator, data)
    end = place + (len(part) if generator.random() < 0.5 else 0)
    data[place:end] = part


_CHANGES: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip,
    _flip,
    _replace,
    _number,
    _number,
    _insert,
    _remove,
    _repeat,
    _cut,
    _splice,
)
