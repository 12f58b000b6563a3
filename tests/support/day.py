"""A day of `scanner_day` against a running storescp, watched; and what has to be true after it.

Owns the clients' processes, the samples of the receiver's memory, descriptors and threads, and
the check of what it wrote. Must not know how long the day is.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tests.peers import ROOT
from tests.support import part10
from tests.support.processes import Process, wait_until
from tests.support.scanner_day import answers_echo, data_set_of, study_of

if TYPE_CHECKING:
    from tests.support.tools import Receiver

__all__ = ["Day", "Sample", "check_files", "check_hooks", "live_through", "options_of", "sample"]

WAIT = 60.0
CLIENTS = 2

PREFIX = "P"


def options_of(folder: Path) -> tuple[str, ...]:
    """Return options of the receiver: sorted by study, commands for objects and studies."""
    return (
        *("-ta", "2", "-ts", "5"),
        *("-su", PREFIX, "-tos", "2"),
        *("-xcr", f"echo #f #r >> {folder}/objects"),
        *("-xcs", f"echo #p >> {folder}/studies"),
    )


class Sample(NamedTuple):
    """What the receiver took at a moment; `done` associations were over by then."""

    done: int
    resident: int
    descriptors: int
    threads: int


class Day(NamedTuple):
    """What there was: `samples` in order, `kinds` of associations, `confirmed` lines, `seconds`."""

    samples: list[Sample]
    kinds: Counter[str]
    confirmed: list[str]
    seconds: float

    def between(self, first: float, last: float) -> Sample:
        """Return the medians of the samples between two parts of the day, 0 to 1."""
        whole = sum(self.kinds.values())
        found = [one for one in self.samples if first * whole <= one.done <= last * whole]
        assert found, f"no sample between {first} and {last}"
        return Sample(*(int(median(column)) for column in zip(*found, strict=True)))


def sample(pid: int, done: int) -> Sample:
    """Look at a process once."""
    facts = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return Sample(
        done,
        int(facts["VmRSS"].split()[0]) * 1024,
        len(os.listdir(f"/proc/{pid}/fd")),
        int(facts["Threads"]),
    )


def live_through(receiver: Receiver, count: int, folder: Path, *, timeout: float) -> Day:
    """Have the clients make `count` associations, and look at the receiver four times a second.

    Raises:
        AssertionError: the receiver did something wrong, or is gone.
        TimeoutError: it took longer than `timeout` seconds.
    """
    samples: list[Sample] = []
    start = time.monotonic()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                Process(
                    [
                        *(sys.executable, "-m", "tests.support.scanner_day"),
                        *(str(receiver.port), str(number), str(count // CLIENTS), str(folder)),
                    ],
                    cwd=ROOT,
                )
            )
            for number in range(CLIENTS)
        ]
        while any(client.running for client in clients):
            if time.monotonic() - start > timeout:
                raise TimeoutError(f"only {samples[-1].done} of {count} in {timeout} s")
            assert receiver.process.running, receiver.log[-2000:]
            done = sum(path.stat().st_size for path in folder.glob("*.progress"))
            samples.append(sample(receiver.process.pid, done))
            time.sleep(min(0.25, count / 4000))
        for client in clients:
            assert (client.wait(timeout=1).code, client.stderr.strip()) == (0, "")
    seconds = time.monotonic() - start
    kinds = Counter("".join(path.read_text() for path in folder.glob("*.progress")))
    lines = "".join(path.read_text() for path in folder.glob("*.confirmed")).splitlines()
    assert answers_echo(receiver.port)
    return Day(samples, kinds, lines, seconds)


def check_files(receiver: Receiver, day: Day) -> int:
    """Check that every file is whole and every confirmed object is there; return how many files."""
    kept = set()
    for path in receiver.directory.rglob("*"):
        if path.is_dir():
            continue
        assert not path.name.startswith("."), f"left behind: {path}"
        uid = path.name.removeprefix("CT.")
        parts = part10.read(path)
        assert parts.text(0x00020003) == uid
        assert parts.data_set == data_set_of(uid), f"{path} is not what was sent"
        assert path.parent.name == f"{PREFIX}_{study_of(uid)}"
        kept.add(uid)
    confirmed = {line.split()[1] for line in day.confirmed}
    assert confirmed <= kept, f"confirmed but missing: {sorted(confirmed - kept)[:5]}"
    # What was cut off never was whole, so nothing is there that nobody was told of.
    assert kept == confirmed
    return len(kept)


def check_hooks(folder: Path, day: Day) -> int:
    """Check that each object and each study had its command; return how many studies ended."""
    objects = folder / "objects"
    wait_until(
        lambda: objects.read_text().count("\n") >= len(day.confirmed),
        timeout=WAIT,
        what="the commands of all objects",
    )
    told = Counter(line.split()[0] for line in objects.read_text().splitlines())
    assert told == Counter("CT." + line.split()[1] for line in day.confirmed)
    hosts = {line.split()[1] for line in objects.read_text().splitlines()}
    assert len(hosts) == 1
    wanted = {f"{PREFIX}_{line.split()[0]}" for line in day.confirmed}
    studies = folder / "studies"
    wait_until(
        lambda: {Path(line).name for line in studies.read_text().splitlines()} == wanted,
        timeout=WAIT,
        what="the ends of all studies",
    )
    return len(studies.read_text().splitlines())
