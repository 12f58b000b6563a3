"""The fuzz target of file heads accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import fuzz_part10

SEEDS = fuzz_part10.seeds()


@pytest.mark.parametrize("seed", SEEDS)
def test_target_accepts_its_seeds(seed: bytes) -> None:
    fuzz_part10.test_one_input(seed)


@given(st.binary(max_size=100))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_part10.test_one_input(data)


@given(st.sampled_from(SEEDS), st.data())
def test_target_accepts_mutated_files(seed: bytes, data: st.DataObject) -> None:
    raw = bytearray(seed)
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(132, len(raw) - 1))] = data.draw(st.integers(0, 255))
    fuzz_part10.test_one_input(bytes(raw[: data.draw(st.integers(132, len(raw)))]))
