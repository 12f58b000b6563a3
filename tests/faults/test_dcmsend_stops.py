"""dcmsend is asked to end in the middle: the peer is told, and no half report stays."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.peer import PeerClosed, accept
from tests.support.processes import Process
from tests.support.settling import settle
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with one image, and nothing else."""
    ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    return tmp_path


class Holding:
    """A peer that takes an object and never answers; `ended` is what came behind the object."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.over = threading.Event()
        self.ended: list[int] = []

    def __call__(self, connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        self.came.set()
        try:
            self.ended = [pdu.pdu_type for pdu in connection.receive_until_closed(timeout=30)]
        except (PeerClosed, ConnectionError):
            pass
        finally:
            self.over.set()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("old", ["", "an older report"], ids=["none", "old"])
def test_a_signal_leaves_no_half_report_and_aborts_the_association(
    folder: Path, name: str, old: str
) -> None:
    if old:
        (folder / "report").write_text(old)
    peer = Holding()
    number = getattr(signal, name)
    with ScriptedAcceptor(peer) as acceptor:
        argv = OURS.argv("dcmsend", "+crf", "report", "127.0.0.1", str(acceptor.port), "a.dcm")
        with Process(argv, cwd=folder) as sender:
            assert peer.came.wait(30)
            assert any(entry.startswith(".report") for entry in os.listdir(folder))
            # Between sending and counting what was sent nothing may follow: so not before it waits.
            settle(sender.pid, lambda: None)
            sender.signal(number)
            done = sender.wait(timeout=30)
        assert peer.over.wait(20)
    assert done.code == -number
    assert done.lines == []
    assert peer.ended == [raw.ABORT]
    assert sorted(os.listdir(folder)) == (["a.dcm", "report"] if old else ["a.dcm"])
    if old:
        assert (folder / "report").read_text() == old


def test_a_run_that_shall_outlive_its_terminal_does(folder: Path) -> None:
    """`nohup` has SIGHUP ignored, which stays so."""
    answered = threading.Event()
    came = threading.Event()

    def waits(connection: RawConnection) -> None:
        accept(connection)
        message = connection.receive_message()
        assert not isinstance(message, tuple)
        came.set()
        answered.wait(30)
        answer = raw.c_store_rsp(
            message.number(0x0110), 0, message.text(0x0002), message.text(0x1000)
        )
        connection.send(raw.message(message.context_id, answer))
        connection.receive()
        connection.send(raw.release_rp())

    with ScriptedAcceptor(waits) as acceptor:
        argv = OURS.argv("dcmsend", "+crf", "report", "127.0.0.1", str(acceptor.port), "a.dcm")
        sender = subprocess.Popen(["nohup", *argv], cwd=folder, stderr=subprocess.PIPE)
        try:
            assert came.wait(30)
            sender.send_signal(signal.SIGHUP)
            answered.set()
            sender.communicate(timeout=30)
        finally:
            sender.kill()
            sender.wait()
    assert sender.returncode == 0
    assert (folder / "report").read_text().startswith("Detailed Report")
