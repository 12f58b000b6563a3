"""Programs that a test needs and not every machine has.

A test without one is skipped, with the reason; where they must be there
(``ISOCENTER_REQUIRE_PEERS=1``, as in CI) it fails.
"""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["demand", "find_program"]


def demand(reason: str | None) -> None:
    """Skip or fail the test for this reason, None for none."""
    if reason is None:
        return
    if os.environ.get("ISOCENTER_REQUIRE_PEERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> str:
    """Return the path of one of `tests.peers.PROGRAMS`."""
    path = shutil.which(name)
    if path is None:
        demand(f"{name} is not installed (scripts/peers installs it)")
        raise AssertionError
    return path
