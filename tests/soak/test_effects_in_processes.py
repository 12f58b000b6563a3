"""What options of storescp change, they change in each process that serves associations."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.peers import ROOT

pytestmark = pytest.mark.soak

FILES = [f"tests/cli/effects/test_storescp{part}.py" for part in ("", "_files", "_events")]


@pytest.mark.parametrize(
    ("processes", "other_than"),
    [
        # The file system that forgets is one of the test's own process.
        ("--workers 2", "durable"),
        # Ends of studies are refused with --fork, as by DCMTK's tool.
        ("--fork", "durable or eostudy"),
    ],
)
def test_effects_are_those_of_one_process(processes: str, other_than: str) -> None:
    selection = ["-m", "not dropped", "-k", f"not ({other_than})"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *selection, *FILES],
        cwd=ROOT,
        env={**os.environ, "ISOCENTER_STORESCP": processes},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
