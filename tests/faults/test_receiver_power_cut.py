"""The power fails while a receiver works: what it confirmed is there, where it was asked to be."""

from __future__ import annotations

import os
import re
import shutil
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.storage.spool import Spool
from isocenter.testing import ForgetfulFileSystem, ScriptedRequestor, ct_image
from isocenter.testing.forgetful import LOSSES
from tests.faults.conftest import CONTEXTS, STORE_CONTEXT
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process, wait_until
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ASSOCIATIONS = 4
OBJECTS = 3


def _store(port: int, disk: ForgetfulFileSystem, number: int) -> None:
    """Store objects of several sizes and note each that was confirmed."""
    with ScriptedRequestor(port) as connection:
        connection.associate(CONTEXTS)
        for index in range(OBJECTS):
            image = ct_image(rows=(8, 64, 256)[(number + index) % 3], columns=64, seed=number)
            uids = image.sop_class_uid, image.sop_instance_uid
            assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0
            disk.note(image.sop_instance_uid)
        connection.release()


def _faults(disk: ForgetfulFileSystem) -> set[str]:
    """Return what is wrong after a power cut at any moment: ``missing``, ``partial``."""
    final = {path.name: path.read_bytes() for path in disk.folder.iterdir()}
    assert len(final) == ASSOCIATIONS * OBJECTS
    found = set()
    for cut in disk.cuts():
        confirmed = disk.notes(cut)
        for loss in (*LOSSES, 1):
            left = {
                name: content
                for name, content in disk.survivors(cut, loss).items()
                if not name.startswith(".")
            }
            if any(content != final[name] for name, content in left.items()):
                found.add("partial")
            if not {f"CT.{uid}" for uid in confirmed} <= left.keys():
                found.add("missing")
    return found


@pytest.mark.parametrize("anonymous", [True, False])
@pytest.mark.parametrize("durable", [True, False])
def test_receiver_has_what_it_confirmed_after_a_power_cut_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool, anonymous: bool
) -> None:
    monkeypatch.setattr("isocenter.storage.spool.Spool", partial(Spool, anonymous=anonymous))
    with (
        ForgetfulFileSystem(tmp_path) as disk,
        isocenter.serve(directory=tmp_path, durable=durable) as server,
    ):
        threads = [
            threading.Thread(target=_store, args=(server.port, disk, number))
            for number in range(ASSOCIATIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(disk.notes(len(disk.operations))) == ASSOCIATIONS * OBJECTS
    assert _faults(disk) == (set() if durable else {"missing", "partial"})


@pytest.mark.parametrize("options", [(), ("+B",), ("--fork",), ("--workers", "2")], ids=str)
def test_receiver_syncs_file_and_folder_before_it_answers(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    if "--durable" not in OURS.run("storescp", "--help").stdout:
        pytest.skip("this storescp has no --durable")
    out, traces = tmp_path / "out", tmp_path / "traces"
    out.mkdir()
    traces.mkdir()
    port = free_port()
    image = ct_image()
    command = OURS.argv("storescp", "--durable", *options, "-od", out, str(port))
    calls = "trace=fsync,linkat,renameat,renameat2,sendmsg,sendto,write"
    # A file per thread, so that no call is cut in two by another thread's.
    strace = ["strace", "-ff", "-y", "-e", calls, "-o", str(traces / "t")]
    with Process([*strace, *command]) as receiver:
        if not wait_until_listening(port, receiver):
            if "ptrace" in receiver.stderr.lower():
                pytest.skip("strace may not trace here")
            pytest.fail(receiver.stderr)
        with ScriptedRequestor(port) as connection:
            connection.associate(CONTEXTS)
            for _ in range(2):  # the second one overwrites or is the same
                uids = image.sop_class_uid, image.sop_instance_uid
                assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0
            connection.release()
        name = f"CT.{image.sop_instance_uid}"
        wait_until(lambda: _trace_of(traces, name) != "", timeout=5, what="the trace")
        lines = _trace_of(traces, name).splitlines()
    assert os.listdir(out) == [name]
    place = re.escape(str(out))
    published = _index(lines, rf'\b(linkat|renameat2?)\(.*"{re.escape(name)}"(, \w+)?\) += 0')
    file = _index(lines, rf"fsync\(\d+<{place}/.*\) += 0")
    folder = _index(lines, rf"fsync\(\d+<{place}>\) += 0", after=published)
    answer = _index(lines, r"(sendmsg|sendto|write)\(\d+<(socket|TCP)", after=published)
    assert file < published < folder < answer


def _trace_of(traces: Path, name: str) -> str:
    """Return the calls of the thread that published a name, up to the answer; "" before that."""
    for path in traces.iterdir():
        text = path.read_text(encoding="utf-8", errors="replace")
        after = text.partition(f'"{name}"')[2]
        if re.search(r"(sendmsg|sendto|write)\(\d+<(socket|TCP)", after):
            return text
    return ""


def _index(lines: list[str], pattern: str, *, after: int = -1) -> int:
    """Return the number of the first line that a pattern is found in."""
    for index in range(after + 1, len(lines)):
        if re.search(pattern, lines[index]):
            return index
    pytest.fail(f"no {pattern} after line {after} of {lines}")
