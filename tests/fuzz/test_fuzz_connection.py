"""The fuzz target of the engine accepts its seeds and small changes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import fuzz_connection
from tests.fuzz.fuzz_connection import SEED
from tests.ul.engines import IN_STATE


@pytest.mark.parametrize("state", range(len(IN_STATE)))
def test_target_accepts_its_seeds(state: int) -> None:
    fuzz_connection.test_one_input(bytes((state, 0)) + SEED)


@given(st.binary(max_size=200))
def test_target_accepts_anything(data: bytes) -> None:
    fuzz_connection.test_one_input(data)
