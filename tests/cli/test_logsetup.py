"""Log lines on stderr and progress dots on stdout."""

from __future__ import annotations

import io
import logging
import os
import sys

import pytest

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, OFF, TRACE, WARN
from isocenter.cli.loghandler import LineHandler
from isocenter.cli.logsetup import ProgressDots, configure, prefix_of, write_lines

LOGGER = logging.getLogger("isocenter.some.module")


def log_one_of_each() -> None:
    for level in (FATAL, ERROR, WARN, INFO, DEBUG, TRACE):
        LOGGER.log(level, "%s", level)


@pytest.mark.parametrize(
    ("level", "prefixes"),
    [
        (OFF, ""),
        (FATAL, "F"),
        (ERROR, "FE"),
        (WARN, "FEW"),
        (INFO, "FEWI"),
        (DEBUG, "FEWID"),
        (TRACE, "FEWIDT"),
    ],
)
def test_lines_of_the_level_and_above_go_to_stderr(
    level: int, prefixes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(level)
    log_one_of_each()
    out, err = capsys.readouterr()
    assert not out
    assert [line[:3] for line in err.splitlines()] == [f"{letter}: " for letter in prefixes]


def test_configuring_again_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure(DEBUG)
    configure(WARN)
    LOGGER.info("unseen")
    LOGGER.warning("seen once")
    assert capsys.readouterr().err == "W: seen once\n"


def test_warning_of_another_library_is_shown_the_same_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(DEBUG)
    logging.getLogger("pydicom").warning("odd value")
    assert capsys.readouterr().err == "W: odd value\n"


def test_every_line_of_a_message_has_the_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(INFO, "one\n\ntwo\n")
    assert capsys.readouterr().err == "I: one\nI: \nI: two\nI: \n"


def test_message_below_the_level_is_never_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    class Expensive:
        def __str__(self) -> str:
            raise AssertionError

    configure(WARN)
    LOGGER.debug("%s", Expensive())
    LOGGER.info("%s", Expensive())
    assert capsys.readouterr().err == ""


def test_control_characters_from_a_peer_are_made_harmless(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_lines(WARN, "AE\x1b[2J\rTITLE\x00 \x9b ä\tb")
    assert capsys.readouterr().err == "W: AE\\x1b[2J\\x0dTITLE\\x00 \\x9b ä\tb\n"


@pytest.mark.parametrize(("level", "shown"), [(WARN, False), (DEBUG, True)])
def test_traceback_is_shown_at_debug_level_only(
    level: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(level)
    LOGGER.error("failed", exc_info=ZeroDivisionError())
    err = capsys.readouterr().err
    assert err.startswith("E: failed\n")
    assert ("ZeroDivisionError" in err) is shown
    assert all(line.startswith("E: ") for line in err.splitlines())


class BrokenStream(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, BrokenStream()])
def test_lost_stderr_does_not_end_the_work(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(INFO)
    monkeypatch.setattr(sys, "stderr", stream)
    LOGGER.error("nobody reads this")


def test_closed_stderr_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    write_lines(ERROR, "nobody reads this")


def test_message_leaves_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", buffering=1) as stream, os.fdopen(read, "rb", buffering=0) as end:
        monkeypatch.setattr(sys, "stderr", stream)
        write_lines(INFO, "one\ntwo")
        assert end.read(100) == b"I: one\nI: two\n"


@pytest.mark.filterwarnings("ignore")
def test_bad_record_is_reported_and_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    LineHandler(INFO).emit(logging.LogRecord("x", INFO, "x", 1, "%d", ("no number",), None))
    assert "Logging error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "prefix"), [(60, "F: "), (35, "W: "), (25, "I: "), (15, "D: "), (1, "T: ")]
)
def test_levels_in_between_have_the_prefix_of_the_one_below(level: int, prefix: str) -> None:
    assert prefix_of(level) == prefix


@pytest.mark.parametrize(
    ("level", "shown"), [(WARN, ""), (INFO, "XMIT: ....\n"), (DEBUG, ""), (FATAL, "")]
)
def test_dots_appear_at_exactly_info_level(
    level: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dots = ProgressDots("XMIT", level)
    dots.begin()
    dots.add()
    dots.add(3)
    dots.end()
    assert dots.enabled is bool(shown)
    assert capsys.readouterr().out == shown


def test_dots_stop_when_nobody_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    dots = ProgressDots("RECV", INFO)
    monkeypatch.setattr(sys, "stdout", BrokenStream())
    dots.begin()
    assert not dots.enabled
    dots.add()
