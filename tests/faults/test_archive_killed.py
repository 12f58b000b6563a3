"""An archive's server killed under its senders: what was confirmed is stored, all is clean."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.archive.checking import check
from isocenter.archive.recovery import OpenArea
from isocenter.testing.datasets import EXPLICIT_LITTLE, DicomObject
from tests.archive.areas import CT, area_in, data_set, indexed, objects_on_disk
from tests.archive.test_recovery import put_in_order
from tests.archive.test_server_killed import wait_for_writer
from tests.support.ports import free_port
from tests.support.processes import Process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SERVER = "import sys; from isocenter.cli.archive import main; sys.exit(main(sys.argv[1:], {}))"
SENDERS, OBJECTS, WAIT = 4, 60, 60.0


def send_all(
    folder: Path, port: int, run: int, confirmed: dict[str, bytes]
) -> list[threading.Thread]:
    """Start senders, each of which ends when it is through or the server is gone."""

    def send(sender: int) -> None:
        paths = []
        for number in range(OBJECTS):
            uid = f"1.{run}.{sender}.{number}"
            content = data_set(uid, study=f"2.{sender}.{number // 10}", text=uid)
            made = DicomObject(
                sop_class_uid=CT,
                sop_instance_uid=uid,
                transfer_syntax=EXPLICIT_LITTLE,
                data_set=content,
            )
            paths.append((uid, content, made.write(folder / uid)))
        try:
            with isocenter.connect(
                "127.0.0.1", port, contexts=isocenter.contexts_for(str(paths[0][2]))
            ) as peer:
                for uid, content, path in paths:
                    if peer.store(path).status == 0:
                        confirmed.update({uid: content})
        except (isocenter.IsocenterError, OSError):
            return  # killed, as it is meant to be

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("options", [(), ("--fork",)], ids=["threads", "fork"])
def test_server_killed_with_its_writer_loses_nothing_confirmed(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    area = area_in(tmp_path / "area", durable=True)
    (tmp_path / "files").mkdir()
    confirmed: dict[str, bytes] = {}
    for run in range(2):
        port = free_port()
        command = [sys.executable, "-c", SERVER, *options, area.directory, str(port)]
        with Process(command) as server:
            wait_until(lambda: answers(port), timeout=WAIT, what="the server")  # noqa: B023 - ended before the next
            before = len(confirmed)
            threads = send_all(tmp_path / "files", port, run, confirmed)
            wait_until(lambda: len(confirmed) > before + 20, timeout=WAIT, what="some objects")  # noqa: B023 - as above
            os.killpg(server.pid, signal.SIGKILL)
            for thread in threads:
                thread.join(WAIT)
        wait_for_writer(area)
        put_in_order(area).close()
        with OpenArea(area) as opened:
            rows = {file.key[2]: path for path, file in indexed(opened).items()}
        disk = objects_on_disk(area)
        assert confirmed.keys() <= rows.keys()
        assert all(disk[rows[uid]].endswith(content) for uid, content in confirmed.items())
        assert check(area).problems == []


def answers(port: int) -> bool:
    """Tell whether somebody associates."""
    try:
        with isocenter.connect("127.0.0.1", port) as peer:
            peer.echo()
            return True
    except (isocenter.IsocenterError, OSError):
        time.sleep(0.05)
        return False
