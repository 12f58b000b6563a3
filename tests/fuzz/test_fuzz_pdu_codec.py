"""The fuzz target of the PDU codec accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.ul import codec
from tests.fuzz import fuzz_pdu_codec
from tests.ul import strategies


@pytest.mark.parametrize("seed", fuzz_pdu_codec.seeds())
def test_target_accepts_its_seeds(seed: bytes) -> None:
    fuzz_pdu_codec.test_one_input(seed)


@given(st.binary(max_size=100))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_pdu_codec.test_one_input(data)


@given(strategies.PDUS.map(codec.encode), st.data())
def test_target_accepts_mutated_pdus(whole: bytes, data: st.DataObject) -> None:
    raw = bytearray(fuzz_pdu_codec.as_input(whole))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(strategies.U8)
    fuzz_pdu_codec.test_one_input(bytes(raw))
