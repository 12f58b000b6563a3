"""`--version` on systems that have less than this one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from isocenter.cli import options_echoscu
from isocenter.cli.render import version_text

if TYPE_CHECKING:
    import pytest

TOOL = options_echoscu.TOOL


def test_version_names_the_platform_where_the_system_has_no_uname(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "uname")
    assert f"\nHost type: {sys.platform}, {sys.implementation.name} " in version_text(TOOL)


def test_version_tells_that_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zlib", None)
    monkeypatch.setitem(sys.modules, "_ssl", None)
    assert version_text(TOOL).endswith("\nExternal libraries used: none\n")
