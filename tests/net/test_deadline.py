"""One time budget over several steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from isocenter.net.deadline import Deadline

if TYPE_CHECKING:
    import pytest


def test_budget_shrinks_and_never_falls_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    deadline = Deadline(5, "connect")
    assert (deadline.at, deadline.remaining()) == (105.0, 5.0)
    monkeypatch.setattr(time, "monotonic", lambda: 104.0)
    assert deadline.remaining() == 1.0
    monkeypatch.setattr(time, "monotonic", lambda: 999.0)
    assert deadline.remaining() == 0.0


def test_no_budget_never_ends() -> None:
    deadline = Deadline(None, "dimse")
    assert deadline.at is None
    assert deadline.remaining() is None


def test_error_names_the_budget() -> None:
    error = Deadline(2.5, "dimse").error()
    assert (error.which, error.seconds) == ("dimse", 2.5)
