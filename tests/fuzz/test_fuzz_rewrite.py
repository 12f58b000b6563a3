"""The fuzz target of rewriting accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import fuzz_rewrite
from tests.fuzz.fuzz_rewrite import SEEDS, seed_bytes


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
    # One of the data sets is empty.
    for _ in range(data.draw(st.integers(0, 4)) if len(raw) > 2 else 0):
        raw[data.draw(st.integers(2, len(raw) - 1))] = data.draw(st.integers(0, 255))
    fuzz_rewrite.test_one_input(bytes(raw[: data.draw(st.integers(2, len(raw)))]))
