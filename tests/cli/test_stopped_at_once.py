"""A server that is told to stop in the moment in which it can be seen ends as one told later."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no signals to processes"),
]

PROGRAM = """
import os, signal, sys
from isocenter.cli.main import main
from isocenter.net.listener import Listener

number = getattr(signal, sys.argv.pop(1))
opened = Listener.open

def open(self):
    port = opened(self)
    os.kill(os.getpid(), number)
    return port

Listener.open = open
sys.exit(main())
"""


@pytest.mark.parametrize("options", [(), ("--fork",), ("--workers", "2")], ids=" ".join)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_receiver_stopped_while_it_begins_to_listen_ends_in_order(
    tmp_path: Path, free_port: int, name: str, options: tuple[str, ...]
) -> None:
    words = ["storescp", "-v", *options, "-od", str(tmp_path), str(free_port)]
    ended = run([sys.executable, "-c", PROGRAM, name, *words])
    assert ended.code == 0
    assert "stopping" in ended.stderr
    assert "Traceback" not in ended.stderr
