"""A day of a scanner's traffic in miniature: one storescp, 20 000 associations, no growth."""

from __future__ import annotations

import os
import sys
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.support.day import check_files, check_hooks, live_through, options_of, sample
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

MIB = 1024 * 1024
WATCHER = """
import gc, sys, threading, time

def watch(path):
    while True:
        time.sleep(1)
        gc.collect()
        with open(path, "a") as file:
            print(sys.getallocatedblocks(), file=file)

with open("/proc/self/cmdline") as file:
    if "storescp" in file.read():
        threading.Thread(target=watch, args=({path!r},), daemon=True).start()
"""
"""Put into the receiver as `sitecustomize`: notes once a second how many pieces of memory Python
has in use. Unlike what the process takes of the system, it does not depend on how pieces of many
threads lie in it, so that half a forgotten object for each association would show."""
COUNT = int(os.environ.get("ISOCENTER_SOAK_ASSOCIATIONS") or 20_000)


def test_receiver_is_after_a_day_as_it_was_in_the_morning(tmp_path: Path) -> None:
    out, notes = tmp_path / "out", tmp_path / "notes"
    notes.mkdir()
    (notes / "sitecustomize.py").write_text(WATCHER.format(path=str(notes / "blocks")))
    env = {"PYTHONPATH": os.pathsep.join([str(notes), os.environ.get("PYTHONPATH", "")])}
    with Receiver(OURS, out, *options_of(notes), env=env) as receiver:
        pid = receiver.process.pid
        at_rest = sample(pid, 0)
        day = live_through(receiver, COUNT, notes, timeout=1500)
        # Silent peers are closed after -ta and -ts, so the crowd goes by itself.
        wait_until(
            lambda: sample(pid, 0).threads <= at_rest.threads + 1, timeout=30, what="idle threads"
        )
        evening = sample(pid, COUNT)
        blocks = [int(line) for line in (notes / "blocks").read_text().split()]
        morning, night = day.between(0.15, 0.35), day.between(0.8, 1.0)
        assert receiver.process.terminate(timeout=30).code == 0
        files = check_files(receiver, day)
        ends = check_hooks(notes, day)
        log = receiver.log
    report = [
        f"{sum(day.kinds.values())} associations in {day.seconds:.0f} s: {dict(day.kinds)}",
        f"{len(day.confirmed)} objects confirmed, {files} files, {ends} ends of studies",
    ]
    for name, one in (
        ("at rest", at_rest),
        ("15 to 35 %", morning),
        ("80 to 100 %", night),
        ("after it", evening),
    ):
        report.append(
            f"{name}: {one.resident / MIB:.1f} MiB, {one.descriptors} descriptors, "
            f"{one.threads} threads"
        )
    deciles = [day.between(part / 10, part / 10 + 0.1).resident / MIB for part in range(10)]
    report.append("MiB by tenths of the day: " + " ".join(f"{one:.1f}" for one in deciles))
    early, late = (
        int(median(blocks[int(part * day.seconds) :][: int(0.2 * day.seconds) + 1]))
        for part in (0.15, 0.8)
    )
    report.append(f"pieces of memory that Python uses: {early}, {late}, after it {blocks[-1]}")
    sys.stdout.write("\n" + "\n".join(report) + "\n")
    assert "Traceback" not in log
    assert late - early < COUNT / 4
    # The allocator of the C library takes some for each of many threads, and levels off.
    assert night.resident - morning.resident < 8 * MIB
    assert evening.resident - morning.resident < 8 * MIB
    assert night.descriptors <= morning.descriptors + 15
    assert night.threads <= morning.threads + 10
    assert evening.descriptors <= at_rest.descriptors + 40  # folders of studies are kept open
