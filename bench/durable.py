"""What `--durable` costs on a disk, beside the fsync that nothing can be faster than."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data import make_objects
from bench.lines import Line
from bench.pairs import OURS, Pair, transfer
from bench.processes import BenchError
from bench.rows import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.data import DataSet
    from bench.lines import Measure
    from bench.pairs import Tools

__all__ = ["DURABLE_ROWS", "file_system"]

_SENDERS = 8
_SYNCS = 50


def file_system(folder: Path) -> str:
    """Return the type and the device of the file system that a folder is on."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        if mount.split()[2] == wanted:
            kind, name = rest.split()[:2]
            return f"{kind} on {name}"
    return "an unknown file system"


def _settle() -> None:
    """Finish earlier writes, as `bench.rows` does before each transfer to a disk."""
    os.sync()
    time.sleep(1)


def _sync_times(folder: Path, size: int, count: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of fsync for new files of a size, and for their folder."""
    folder.mkdir()
    data = os.urandom(size)
    files: list[float] = []
    folders: list[float] = []
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number in range(count):
            # As a receiver makes them: without a name until they are on the disk.
            fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
            os.write(fd, data)
            begin = time.perf_counter()
            os.fsync(fd)
            files.append((time.perf_counter() - begin) * 1000)
            os.link(f"/proc/self/fd/{fd}", str(number), dst_dir_fd=folder_fd, follow_symlinks=True)
            os.close(fd)
            begin = time.perf_counter()
            os.fsync(folder_fd)
            folders.append((time.perf_counter() - begin) * 1000)
    finally:
        os.close(folder_fd)
    return files, folders


def _rate(tools: Tools, data: Sequence[DataSet], target: Path, *options: str) -> float:
    """Return the objects per second of one sender for each data set.

    Raises:
        BenchError: the transfer failed.
    """
    pair = Pair(sender=OURS, receiver=OURS, senders=len(data), options=options, normal=True)
    _settle()
    done = transfer(tools, pair, data, target, timeout=300, keep=True)
    return sum(one.count for one in data) / done.seconds


def _durable(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Compare the rates of eight senders, and show that of one beside an fsync."""
    folder.mkdir(parents=True)
    place = file_system(folder)
    for name, side, count in (("512 KiB", 512, 100), ("12 KiB", 72, 250)):
        few = count // 10 if quick else count
        data = [
            make_objects(folder / f"{side}-{n}", count=few, side=side, seed=30 + n)
            for n in range(_SENDERS)
        ]
        yield from _durable_lines(tools, data, folder / f"{side}-in", rounds, f"{name}, {place}")


def _durable_lines(
    tools: Tools, data: Sequence[DataSet], target: Path, rounds: int, what: str
) -> Iterator[Line]:
    plain: list[float] = []
    durable: list[float] = []
    alone: list[float] = []
    syncs: list[float] = []
    folder_syncs: list[float] = []
    size = data[0].size // data[0].count
    unit = "objects/s"
    try:
        for number in range(rounds):
            say(f"durable: {what}, round {number + 1} of {rounds}")
            place = target / str(number)
            plain.append(_rate(tools, data, place / "plain"))
            durable.append(_rate(tools, data, place / "durable", "--durable"))
            alone.append(_rate(tools, data[:1], place / "alone", "--durable"))
            _settle()
            files, folders = _sync_times(place / "sync", size, _SYNCS)
            syncs.append(statistics.median(files))
            folder_syncs.append(statistics.median(folders))
    except (BenchError, OSError) as error:
        yield Line(what=f"`--durable`, {what}", error=str(error), least=0.5, unit="times")
        return
    many = f"{_SENDERS} associations, objects of {what}"
    yield Line(
        what=f"{many}: rate with `--durable` against the one without",
        values=[own / base for own, base in zip(durable, plain, strict=True)],
        unit="times",
        least=0.5,
    )
    yield Line(what=f"{many}: without", values=plain, unit=unit)
    yield Line(what=f"{many}: with", values=durable, unit=unit)
    yield Line(what=f"one association, {what}: with", values=alone, unit=unit)
    per_object = [1000 / rate for rate in alone]
    yield Line(what=f"one association, {what}: time of each object", values=per_object, unit="ms")
    yield Line(what=f"fsync of a new file of {what}", values=syncs, unit="ms")
    yield Line(what=f"fsync of its folder, {what}", values=folder_syncs, unit="ms")


DURABLE_ROWS: dict[str, tuple[Measure, bool]] = {"durable": (_durable, True)}
"""Key to the function that measures, and whether it needs our tools."""
