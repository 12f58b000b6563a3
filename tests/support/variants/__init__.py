"""Data sets of every kind that a receiver may get: named, deterministic, one call.

Owns the list; what is in them is in the modules beside this one, by subject. They are made
to be sent byte for byte: to DCMTK's storescp and ours for comparison, and to the rewriter's
unit tests. Must not use the package's own data set code, which they are a test of.

PS3.5 6.2, 7, A; PS3.10 7.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING

from tests.support.variants import (
    broken,
    encapsulated,
    lengths,
    numbers,
    order,
    random_sets,
    texts,
    unknown,
)
from tests.support.variants.encoder import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE,
    SOP_CLASS_UID,
    Encoder,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.variants.encoder import Case

__all__ = ["SYNTAXES", "Variant", "broken_variants", "by_name", "variants"]

SYNTAXES = {
    "e": EXPLICIT_LITTLE,
    "i": IMPLICIT_LITTLE,
    "b": EXPLICIT_BIG,
    "d": DEFLATED,
    "r": RLE,
}
"""What a variant's name begins with, and its transfer syntax."""


_UNCOMPRESSED = (
    texts.cases,
    numbers.cases,
    unknown.cases,
    lengths.sequence_cases,
    lengths.group_length_cases,
    lengths.padding_cases,
    lengths.long_cases,
    order.cases,
    random_sets.cases,
)
_LITTLE = (unknown.private_cases, order.identity_cases)
_EXPLICIT = (unknown.un_cases, unknown.vr_cases)
_DEFLATED = (lengths.sequence_cases, lengths.group_length_cases, random_sets.cases)


def _variant(letter: str, uid: str, case: Case, encoder: Encoder) -> Variant:
    data = case.data_set(encoder, uid)
    syntax = SYNTAXES[letter]
    if syntax == DEFLATED:
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
        data += b"\0" * (len(data) % 2)
    return Variant(f"{letter} {case.name}", syntax, SOP_CLASS_UID, uid, data)


def _all(letter: str, groups: tuple[Callable[[Encoder], Iterator[Case]], ...]) -> list[Variant]:
    syntax = SYNTAXES[letter]
    encoder = Encoder(syntax if syntax in (IMPLICIT_LITTLE, EXPLICIT_BIG) else EXPLICIT_LITTLE)
    found = []
    for group in groups:
        for case in group(encoder):
            # The instance comes from the name, so that a new case changes no other one.
            uid = f"2.25.{zlib.crc32(f'{letter} {case.name}'.encode())}"
            found.append(_variant(letter, uid, case, encoder))
    return found


@cache
def variants() -> tuple[Variant, ...]:
    """Return every data set that can be read to its end, odd as it may be."""
    return tuple(
        _all("e", _UNCOMPRESSED + _LITTLE + _EXPLICIT)
        + _all("i", (*_UNCOMPRESSED, *_LITTLE, numbers.ambiguous_cases))
        + _all("b", _UNCOMPRESSED + _EXPLICIT)
        + _all("d", _DEFLATED)
        + _all("r", (encapsulated.cases,))
    )


@cache
def broken_variants() -> tuple[Variant, ...]:
    """Return the data sets that no reader can follow to their end."""
    return (
        *_all("e", (broken.cases, broken.explicit_cases)),
        *_all("i", (broken.cases,)),
        *_all("b", (broken.cases,)),
        *_all("r", (encapsulated.broken_cases,)),
        *broken.deflated(),
    )


def by_name(name: str) -> Variant:
    """Return the variant of that name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in (*variants(), *broken_variants())}[name]
