"""What tests of tools share: each leaves logging as it found it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("isocenter")
    before = list(root.handlers), package.level
    yield
    root.handlers[:], level = before
    package.setLevel(level)
