"""What every tool does first with its command line."""

from __future__ import annotations

import logging
import sys

import pytest

from isocenter.cli import options_echoscu
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.levels import DEBUG, FATAL
from isocenter.cli.render import error_text, identifier, usage, version_text
from isocenter.cli.start import start

TOOL = options_echoscu.TOOL


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help", "--version"]])
def test_help_goes_to_stdout(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert start(TOOL, argv) is ExitCode.SUCCESS
    assert capsys.readouterr() == (usage(TOOL), "")


def test_version_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(TOOL, ["--version"]) is ExitCode.SUCCESS
    assert capsys.readouterr() == (version_text(TOOL), "")


def test_help_without_stdout_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert start(TOOL, ["-h"]) is ExitCode.SUCCESS


def test_mistake_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(TOOL, ["--bogus"]) is ExitCode.FAILURE
    assert capsys.readouterr() == ("", error_text(TOOL, "Unknown option --bogus"))


def test_mistake_without_stderr_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert start(TOOL, ["--bogus"]) is ExitCode.FAILURE


def test_quiet_mistake_leaves_only_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(TOOL, ["-q", "host", "1", "-pdu", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr() == ("", "")


def test_arguments_are_shown_even_when_quiet_and_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["-q", "--arguments", "host", "1", "-pdu", "1"]
    assert start(TOOL, argv) is ExitCode.FAILURE
    assert capsys.readouterr().err == (
        "I: calling 'echoscu' with 6 arguments: "
        "'--quiet' '--arguments' 'host' '1' '--max-pdu' '1' \nI: \n"
    )


def test_good_command_line_sets_up_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    line = start(TOOL, ["-q", "host", "1"])
    assert not isinstance(line, ExitCode)
    assert line.level == FATAL == logging.getLogger("isocenter").level
    logging.getLogger("isocenter.net").error("unseen")
    assert capsys.readouterr() == ("", "")


def test_debug_output_begins_with_the_identification(capsys: pytest.CaptureFixture[str]) -> None:
    line = start(TOOL, ["-d", "host", "1"])
    assert not isinstance(line, ExitCode)
    assert line.level == DEBUG
    assert capsys.readouterr().err == f"D: {identifier('echoscu')}\nD: \n"
