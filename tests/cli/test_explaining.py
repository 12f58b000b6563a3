"""What --explain costs a tool that does without it, and one that does not need all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.slow

RUN = """
import sys
from isocenter.cli.main import main
main(sys.argv[1:])
print(*sorted(sys.modules))
"""


def loaded_by(*arguments: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-I", "-c", RUN, *arguments, "127.0.0.1", str(free_port())],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(result.stdout.split())


def test_tool_that_fails_loads_no_words_for_it_unasked() -> None:
    names = loaded_by("echoscu")
    assert "isocenter.net.client" in names
    assert not [name for name in names if name.startswith("isocenter.cli.expl")]
    assert not names & {"isocenter.cli.first_bytes", "isocenter.net.probe", "ssl"}


def test_tool_that_need_not_ask_again_loads_no_tls() -> None:
    names = loaded_by("echoscu", "--explain")
    assert "isocenter.cli.explain_connection" in names
    assert not names & {"isocenter.net.probe", "ssl"}
