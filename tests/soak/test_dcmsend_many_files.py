"""dcmsend and a folder of 100 000 files: when the first leaves, and what memory they cost."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.peer import accept, serve_storage
from tests.support.processes import Process
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

FILES = 100_000
SECONDS = 2.0
MEMORY = 100 * 1024
"""KiB, of the tool alone, at its most."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make files in 100 folders: of 100 images, each under 1000 names."""
    top = tmp_path_factory.mktemp("many")
    for number in range(100):
        image = ct_image(rows=4, columns=4, sop_instance_uid=f"2.25.{number}")
        first = image.write(top / f"{number}.dcm")
        inside = top / f"folder{number}"
        inside.mkdir()
        for copy in range(FILES // 100 - 1):
            os.link(first, inside / f"{copy}.dcm")
    return top


class Counting:
    """Takes everything; knows when the first object came, and the sender's memory at the last."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.received = 0
        self.first = 0.0
        self.highest = 0
        self.process: Process | None = None

    def __call__(self, connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection, status=self._status):
            pass

    def _status(self, request: RawMessage) -> int:
        del request
        self.first = self.first or time.monotonic()
        self.received += 1
        if self.received == self.count and self.process is not None:
            with open(f"/proc/{self.process.pid}/status") as status:
                self.highest = next(
                    int(row.split()[1]) for row in status if row.startswith("VmHWM")
                )
        return 0


@pytest.mark.parametrize("option", ["-nh", "--stream"])
@pytest.mark.parametrize("report", [(), ("+crf", "report")], ids=["", "report"])
def test_a_large_folder_leaves_at_once_and_costs_little(
    folder: Path, tmp_path: Path, option: str, report: tuple[str, ...]
) -> None:
    peer = Counting(FILES)
    with ScriptedAcceptor(peer) as acceptor:
        words = (option, *report, "+sd", "+r", "127.0.0.1", str(acceptor.port), str(folder))
        with Process(OURS.argv("dcmsend", *words), cwd=tmp_path) as sender:
            peer.process = sender
            done = sender.wait(timeout=800)
            waited = peer.first - sender.started
    assert (done.code, done.lines) == (0, [])
    assert peer.received == FILES
    assert waited < SECONDS
    assert peer.highest < MEMORY
