"""Log configurations that would take too long, or too much memory, are refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.logconfig import read_log_config
from isocenter.cli.logpattern import Event, PatternLayout
from isocenter.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

EVENT = Event(30000, "root", "message", 0.0, 0)


@pytest.mark.parametrize("pattern", ["%2147483647m", "%-70000p", "%9999m" * 10])
def test_pattern_with_endless_lines_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="wider than 65536 characters"):
        PatternLayout(pattern)


@pytest.mark.parametrize("pattern", ["%65536m", "%30000m%30000p", "%.2147483647m"])
def test_pattern_with_long_lines_is_not(pattern: str) -> None:
    assert len(PatternLayout(pattern).format(EVENT)) <= 65536


def test_variables_that_contain_each_other_many_times_are_refused_soon(tmp_path: Path) -> None:
    # Each value alone stays within its bounds.
    lines = ["log4cplus.rootLogger = INFO", "x = " + "x" * 50_000]
    lines += [f"k{number} = " + "${y}" * 900 + "${x}" for number in range(250)]
    path = tmp_path / "log.cfg"
    path.write_text("\n".join([*lines, "y = y"]))
    began = time.process_time()
    with pytest.raises(ConfigurationError, match="have no end"):
        read_log_config(str(path), "storescp")
    assert time.process_time() - began < 5


def test_many_variables_of_usual_length_are_replaced(tmp_path: Path) -> None:
    lines = [f"log4cplus.logger.a{number} = ${{level}}" for number in range(2000)]
    path = tmp_path / "log.cfg"
    path.write_text("\n".join(["level = DEBUG", "log4cplus.rootLogger = ${level}", *lines]))
    assert len(read_log_config(str(path), "storescp").loggers) == 2001
