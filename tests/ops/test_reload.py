"""Parts of the configuration that are read anew, and those that keep what they had."""

from __future__ import annotations

import logging
import os

import pytest

from isocenter.errors import ConfigurationError
from isocenter.ops.reload import Reloader


class _Part:
    """A part with a state; what is read next is set by the test."""

    def __init__(self, *readings: str | Exception) -> None:
        self._readings = list(readings)
        self.state = "old"

    def reload(self) -> str:
        reading = self._readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        self.state = reading
        return f"now {reading}"


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_each_part_is_read_anew_and_told(caplog: pytest.LogCaptureFixture) -> None:
    first, second = _Part("a"), _Part("b")
    reloader = Reloader()
    reloader.add("first", first.reload)
    reloader.add("second", second.reload)
    with caplog.at_level(logging.INFO):
        reloader.run()
    assert (first.state, second.state) == ("a", "b")
    assert _lines(caplog) == [
        ("INFO", "first read anew: now a"),
        ("INFO", "second read anew: now b"),
    ]


@pytest.mark.parametrize(
    "problem", [ConfigurationError("line 3: no"), OSError("no"), RuntimeError("a bug")]
)
def test_part_that_cannot_be_used_keeps_what_it_had_and_others_go_on(
    caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    first, second = _Part(problem, "a"), _Part("b", "c")
    reloader = Reloader()
    reloader.add("first", first.reload)
    reloader.add("second", second.reload)
    with caplog.at_level(logging.INFO):
        reloader.run()
    assert (first.state, second.state) == ("old", "b")
    level, line = _lines(caplog)[0]
    assert level == "ERROR"
    assert line.startswith("first not read anew, kept as it was")
    reloader.run()
    assert (first.state, second.state) == ("a", "c")


def test_worker_tells_its_failures_only(caplog: pytest.LogCaptureFixture) -> None:
    part = _Part("a", ConfigurationError("no"))
    reloader = Reloader()
    reloader.add("list", part.reload)
    with caplog.at_level(logging.INFO):
        reloader.run_in_worker()
        assert not caplog.records
        reloader.run_in_worker()
    assert _lines(caplog) == [
        ("ERROR", f"process {os.getpid()}: list not read anew, kept as it was: no")
    ]
    assert part.state == "a"


def test_reloader_without_parts_is_false() -> None:
    reloader = Reloader()
    assert not reloader
    reloader.add("x", lambda: "")
    assert reloader
