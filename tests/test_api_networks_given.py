"""In which forms `serve` takes nets: never in one that would let in everybody."""

from __future__ import annotations

import pytest

import isocenter


def test_nets_that_come_one_by_one_and_are_none_let_in_nobody() -> None:
    nets: object = iter(())
    with pytest.raises(ValueError, match="networks: addresses and nets"):
        isocenter.serve(networks=nets)  # type: ignore[arg-type]  # what callers may do
