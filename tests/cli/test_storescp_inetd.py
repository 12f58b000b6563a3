"""storescp --inetd where the system cannot do it. What it does is in tests/faults."""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.storescp import main
from isocenter.net import inherited

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inherited, "available", lambda: False)
    assert main(["--inetd", "-od", os.fspath(tmp_path)], {}) == ExitCode.FAILURE
    assert capfd.readouterr().err == "F: --inetd is not possible on this system\n"


def test_system_without_the_calls_is_known_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inherited.available()
    importing = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name == "fcntl":
            raise ImportError(name)
        return importing(name, *arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(builtins, "__import__", without)
    assert not inherited.available()
