"""The fuzz target of the PDU codec accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.ul import codec
from tests.fuzz import fuzz_pdu_codec
from tests.ul import samples, strategies

SEEDS = [
    samples.DCMTK_ECHO_REQUEST,
    samples.DCMTK_ACCEPT,
    samples.EVERY_SUB_ITEM_REQUEST,
    samples.REJECT_CALLED_TITLE,
    samples.RELEASE_RQ,
    samples.RELEASE_RP,
    samples.ABORT_PROVIDER_UNEXPECTED,
]


def _input(whole: bytes) -> bytes:
    return whole[:1] + whole[codec.PDU_HEADER_LENGTH :]


@pytest.mark.parametrize("seed", SEEDS)
def test_target_accepts_its_seeds(seed: bytes) -> None:
    fuzz_pdu_codec.test_one_input(_input(seed))


@given(st.binary(max_size=100))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_pdu_codec.test_one_input(data)


@given(strategies.PDUS.map(codec.encode), st.data())
def test_target_accepts_mutated_pdus(whole: bytes, data: st.DataObject) -> None:
    raw = bytearray(_input(whole))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(strategies.U8)
    fuzz_pdu_codec.test_one_input(bytes(raw))
