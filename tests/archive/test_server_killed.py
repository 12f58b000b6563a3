"""A server and its writer killed while eight threads store: nothing confirmed is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.checking import check
from isocenter.archive.recovery import OpenArea
from tests.archive.areas import area_in, data_set, indexed, objects_on_disk
from tests.archive.test_recovery import put_in_order

if TYPE_CHECKING:
    from isocenter.archive.area import Area

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parent.parent.parent
WAIT = 60.0


def run_until_killed(area: Area, run: int, *, how: str, seconds: float) -> list[list[str]]:
    """Start a server, kill all of it after some time of storing, return what was confirmed."""
    out = Path(area.directory + f"-out-{run}")
    command = [sys.executable, "-m", "tests.archive.storing_server", area.directory, str(run), how]
    with out.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=stream, stdin=subprocess.DEVNULL, start_new_session=True
        )
    deadline = time.monotonic() + WAIT
    try:
        while b"stored" not in out.read_bytes():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        # Both at once, as an end of power would; the writer is in the session of its parent.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    lines = out.read_text(encoding="ascii").split("\n")[:-1]  # the last may be cut
    return [line.split()[1:] for line in lines if line.startswith("stored")]


def kill_again_and_again(folder: Path, *, kills: int, how: str) -> None:
    """Kill a server some times; after each its area is put in order and looked at."""
    area = area_in(folder / "area", durable=how == "durable")
    generator = random.Random(kills)
    confirmed: dict[tuple[str, str], str] = {}
    begun: dict[tuple[str, str], set[str]] = {}
    for run in range(kills):
        for study, instance, uid in run_until_killed(
            area, run, how=how, seconds=generator.random()
        ):
            confirmed[study, instance] = uid
            # What came after it may have arrived and not been confirmed.
            stem, _, number = uid.rpartition(".")
            begun[study, instance] = {uid, f"{stem}.{int(number) + 1}"}
        wait_for_writer(area)
        put_in_order(area).close()
        with OpenArea(area) as opened:
            rows = {(file.key[0], file.key[2]): path for path, file in indexed(opened).items()}
        disk = objects_on_disk(area)
        assert rows.keys() >= confirmed.keys()
        for (study, instance), allowed in begun.items():
            contents = tuple(data_set(instance, study=study, text=uid) for uid in allowed)
            assert disk[rows[study, instance]].endswith(contents)
        assert check(area).problems == []
    assert len(confirmed) > kills


def wait_for_writer(area: Area) -> None:
    """Wait until the killed writer holds its lock no more."""
    from isocenter.errors import ArchiveError

    deadline = time.monotonic() + WAIT
    while True:
        try:
            OpenArea(area).close()
        except ArchiveError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("how", ["durable", "plain"])
def test_kills_of_server_and_writer_at_once_lose_nothing_confirmed(
    tmp_path: Path, how: str
) -> None:
    kill_again_and_again(tmp_path, kills=2, how=how)
