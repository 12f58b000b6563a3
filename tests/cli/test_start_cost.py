"""What a run at the default level loads: counted, because times differ from machine to machine."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.peer import accept, serve_storage

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

# Each takes milliseconds, most of them by what they import in turn.
HEAVY = {
    "argparse",
    "ast",
    "asyncio",
    "contextlib",
    "dataclasses",
    "encodings.idna",
    "inspect",
    "logging",
    "pydicom",
    "re",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "typing",
    "weakref",
}

# What the interpreter, its site or coverage measurement loaded before does not count.
RUN = """
import sys
before = set(sys.modules)
from isocenter.cli.main import main
code = main(sys.argv[1:])
print(code, *sorted(set(sys.modules) - before))
"""

MOST_MODULES = 94
"""Of one sent file; 93 when this was written, each costs 0.1 ms and more."""


def loaded_by(*arguments: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-I", "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    code, *names = result.stdout.split()
    assert (code, result.stderr) == ("0", "")
    return set(names)


def test_sending_a_file_loads_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    ct_image().write(path)

    def receive(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(receive) as peer:
        names = loaded_by("storescu", "127.0.0.1", str(peer.port), str(path))
    assert names & HEAVY == set()
    assert len(names) <= MOST_MODULES


def test_dcmsend_loads_nothing_heavy_either(tmp_path: Path) -> None:
    """Some modules more than storescu, and none of those that decode."""
    path = tmp_path / "a.dcm"
    ct_image().write(path)

    def receive(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(receive) as peer:
        names = loaded_by("dcmsend", "127.0.0.1", str(peer.port), str(path))
    assert names & HEAVY == set()
    assert not any("pixels" in name or "transcode" in name for name in names)
    assert len(names) <= MOST_MODULES + 10


SERVER = """
import sys
before = set(sys.modules)
from isocenter.cli import network, receiving, storescp
from isocenter.net import dispatch, listener
from isocenter.node import files
from isocenter.services import acceptor, registry, verification
from isocenter.storage import receive, spool
print(*sorted(set(sys.modules) - before))
"""

# A server has threads, and sets its log up before it could run out of descriptors.
OF_A_SERVER = {"contextlib", "threading", "weakref"}


def test_what_a_receiver_consists_of_loads_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-c", SERVER], capture_output=True, text=True, timeout=30, check=True
    )
    assert set(result.stdout.split()) & HEAVY <= OF_A_SERVER
