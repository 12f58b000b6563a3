"""What decides how help is shown: terminal or not, its width, NO_COLOR, TERM."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.render import PLAIN
from isocenter.cli.terminal import MINIMUM_WIDTH, style_of
from tests.support.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

COLOUR = {"TERM": "xterm"}


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """Return a stream into a terminal of 100 columns."""
    master, slave = pty.openpty()
    resize(slave, 100)
    with open(slave, "w", encoding="utf-8") as stream:
        yield stream
    os.close(master)


def resize(descriptor: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_terminal_gives_its_width_and_emphasis(terminal: TextIO) -> None:
    style = style_of(terminal, COLOUR)
    assert (style.width, style.emphasis) == (100, True)


@pytest.mark.parametrize(
    ("environment", "emphasis"),
    [
        ({}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": "0"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_environment_switches_emphasis_off_but_not_wrapping(
    terminal: TextIO, environment: Mapping[str, str], emphasis: bool
) -> None:
    style = style_of(terminal, environment)
    assert (style.width, style.emphasis) == (100, emphasis)


@pytest.mark.parametrize(
    ("columns", "width"),
    [("72", 72), ("10", MINIMUM_WIDTH), ("0", 100), ("", 100), ("-5", 100), ("wide", 100)],
)
def test_columns_overrides_the_width(terminal: TextIO, columns: str, width: int) -> None:
    assert style_of(terminal, COLOUR | {"COLUMNS": columns}).width == width


@pytest.mark.parametrize(("columns", "width"), [(20, MINIMUM_WIDTH), (0, 80), (60, 60), (61, 61)])
def test_width_has_a_minimum_and_a_default(terminal: TextIO, columns: int, width: int) -> None:
    resize(terminal.fileno(), columns)
    assert style_of(terminal, COLOUR).width == width


def test_what_is_no_terminal_gets_plain_text() -> None:
    closed = io.StringIO()
    closed.close()
    with open(os.devnull, "w", encoding="utf-8") as null:
        for stream in (None, io.StringIO(), closed, null):
            assert style_of(stream, COLOUR | {"COLUMNS": "100"}) is PLAIN


def shown_on_terminal(arguments: list[str], columns: int, environment: Mapping[str, str]) -> str:
    """Run the package with a terminal for its output; return what came."""
    master, slave = pty.openpty()
    resize(slave, columns)
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "isocenter", *arguments],
        stdout=slave,
        env={**kept, **environment},
    )
    os.close(slave)
    pieces = []
    try:
        while piece := os.read(master, 65536):
            pieces.append(piece)
    except OSError:
        pass  # how Linux says that the other side is closed
    os.close(master)
    assert process.wait(20) == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["storescu", "--help"], ["storescp"], ["--help"]])
def test_help_on_a_real_terminal_is_emphasised_and_in_a_pipe_it_is_not(
    arguments: list[str],
) -> None:
    piped = run([sys.executable, "-m", "isocenter", *arguments], env=COLOUR).stdout
    assert "\x1b" not in piped
    shown = shown_on_terminal(arguments, 90, COLOUR)
    assert "\x1b[1;4musage:\x1b[0m" in shown
    plain = shown_on_terminal(arguments, 90, COLOUR | {"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert plain.split() == piped.split()
    assert max(map(len, plain.splitlines())) <= 90
