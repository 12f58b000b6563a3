"""What was asked for and cannot be written is no success."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from isocenter.cli.main import TOOLS

FULL = "/dev/full"

pytestmark = pytest.mark.skipif(not os.path.exists(FULL), reason="this system has no full device")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], [], ["completion", "bash"]]
    + [[tool, option] for tool in TOOLS for option in ("--help", "--version")],
    ids=" ".join,
)
def test_text_that_a_full_disk_does_not_take_is_a_failure(
    words: list[str], unbuffered: str
) -> None:
    with open(FULL, "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "isocenter", *words],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["storescu", "--help"]], ids=" ".join)
def test_reader_that_has_read_enough_is_none(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "isocenter", *words],
            stdin=subprocess.DEVNULL,
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
