"""The fuzz target of the command set codec accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dimse.codec import encode_command
from tests.dimse import strategies
from tests.fuzz import fuzz_dimse_codec


@pytest.mark.parametrize("seed", fuzz_dimse_codec.seeds())
def test_target_accepts_its_seeds(seed: bytes) -> None:
    fuzz_dimse_codec.test_one_input(seed)


@given(st.binary(max_size=100))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_dimse_codec.test_one_input(data)


@given(strategies.messages.map(encode_command), st.data())
def test_target_accepts_mutated_command_sets(wire: bytes, data: st.DataObject) -> None:
    raw = bytearray(wire)
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    fuzz_dimse_codec.test_one_input(bytes(raw))
