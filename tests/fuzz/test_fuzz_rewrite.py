"""The fuzz target of rewriting accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import fuzz_rewrite
from tests.support.variants import broken_variants, variants

SEEDS = [
    each
    for each in (*variants(), *broken_variants())
    if len(each.data_set) < 2_000 and each.transfer_syntax in fuzz_rewrite.SYNTAXES
]


def seed_bytes(index: int, choice: int, piece: int) -> bytes:
    """Return a data set in front of which its own syntax is chosen, and any target and options."""
    seed = SEEDS[index]
    source = fuzz_rewrite.SYNTAXES.index(seed.transfer_syntax)
    options, target = divmod(choice, 4)
    return bytes([options * 16 + source * 4 + target, piece]) + seed.data_set


@pytest.mark.parametrize("choice", range(32))
def test_target_accepts_its_seeds(choice: int) -> None:
    for index in range(choice, len(SEEDS), 32):
        fuzz_rewrite.test_one_input(seed_bytes(index, choice, 1 + index % 50))


@given(st.binary(max_size=100))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_rewrite.test_one_input(data)


@given(st.integers(0, len(SEEDS) - 1), st.integers(0, 31), st.integers(1, 255), st.data())
def test_target_accepts_mutated_data_sets(
    index: int, choice: int, piece: int, data: st.DataObject
) -> None:
    raw = bytearray(seed_bytes(index, choice, piece))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(2, len(raw) - 1))] = data.draw(st.integers(0, 255))
    fuzz_rewrite.test_one_input(bytes(raw[: data.draw(st.integers(2, len(raw)))]))
