"""What conversion costs: beside a copy of the file, in time and memory, and for others.

The converted bytes are compared with what they must be, so nothing is timed that is wrong.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from bench.data import make_objects
from bench.enhanced import ITEMS_PER_FRAME, encoded, enhanced_elements, make_enhanced_object
from bench.lines import Line
from bench.pairs import (
    DCMTK,
    OURS,
    PDU_SIZES,
    ROOT,
    Pair,
    interpreter,
    receiver_program,
    sender_program,
    transfer,
)
from bench.processes import (
    BenchError,
    Program,
    clean_environment,
    free_port,
    receiver,
    run,
    run_all,
)
from bench.rows import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.data import DataSet
    from bench.lines import Measure
    from bench.pairs import Tools

__all__ = ["CONVERSION_ROWS", "inside"]

MIB = 1 << 20
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_PDU = PDU_SIZES[-1]  # the best for large objects on both sides
_ITEM_FRAMES = 100_000 // ITEMS_PER_FRAME
_SEEDS = {"big": 3, "items": 5}


def inside(tools: Tools, script: str, *arguments: str) -> Program:
    """Return a program of `bench/inside`, in the interpreter that our tools run in.

    Raises:
        BenchError: our tools are missing.
    """
    if tools.ours is None:
        raise BenchError("isocenter is not installed")
    path = str(ROOT / "bench" / "inside" / script)
    return Program(command=[*interpreter(tools.ours), path, *arguments], environment={})


def output_of(program: Program, *, timeout: float) -> str:
    """Return what a program prints.

    Raises:
        BenchError: it failed or did not end in time.
    """
    try:
        done = subprocess.run(
            list(program.command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
            env=clean_environment(program.environment),
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no output"])[-1]
        raise BenchError(f"{program.command[-1]} ended with {error.returncode}: {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(str(error)) from error
    return done.stdout


def _big(folder: Path, *, quick: bool) -> DataSet:
    frames = 128 if quick else 1024
    return make_objects(folder, count=1, side=512, frames=frames, seed=_SEEDS["big"])


def _pair(name: str, *options: str) -> Pair:
    return Pair(sender=name, receiver=name, pdu=_PDU, options=options, normal=True)


def _copy_and_convert(tools: Tools, source: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds of cp and of the conversion alone, to the same file system.

    Raises:
        BenchError: one failed, or the result is not as long as it must be.
    """
    folder.mkdir()
    try:
        command = ["cp", "--reflink=never", str(source), str(folder / "copy")]
        copied = run(Program(command=command, environment={}), timeout=120).seconds
        (folder / "copy").unlink()
        program = inside(
            tools, "convert_file.py", str(source), str(folder), _IMPLICIT_LITTLE_ENDIAN
        )
        converted = float(output_of(program, timeout=120))
        size = (folder / "converted").stat().st_size
        # File Meta Information is missing, and three headers have no VR of four bytes.
        if not 0 < source.stat().st_size - size < 1024:
            raise BenchError(f"{size} bytes became of {source.stat().st_size}")
    finally:
        shutil.rmtree(folder)
    return copied, converted


def _convert(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Compare explicit to implicit VR with a copy, and reception with and without it."""
    data = _big(folder / "data", quick=quick)
    (source,) = data.folder.iterdir()
    kinds = {"plain": _pair(OURS), "+ti": _pair(OURS, "+ti")}
    if tools.has(DCMTK):
        kinds |= {"DCMTK": _pair(DCMTK), "DCMTK +ti": _pair(DCMTK, "+ti")}
    taken: dict[str, list[float]] = {name: [] for name in ("cp", "alone", *kinds)}
    what = f"explicit to implicit VR, one object of {data.size // MIB} MiB"
    try:
        for number in range(1, rounds + 1):
            say(f"convert: round {number} of {rounds}")
            copied, converted = _copy_and_convert(tools, source, folder / "out")
            taken["cp"].append(copied)
            taken["alone"].append(converted)
            for name, pair in kinds.items():
                done = transfer(tools, pair, [data], folder / "in", timeout=120)
                taken[name].append(done.seconds)
    except BenchError as error:
        yield Line(what=what, error=str(error), least=0.5, unit="times")
        return
    yield Line(
        what=f"{what}: speed against cp, to the same file system",
        values=_ratios(taken["cp"], taken["alone"]),
        unit="times",
        least=0.5,
    )
    yield Line(what=f"{what}: cp", values=taken["cp"], unit="s")
    yield Line(what=f"{what}: the conversion alone, in a process", values=taken["alone"], unit="s")
    for name, label in (("plain", "without"), ("+ti", "with `+ti`")):
        yield Line(what=f"{what}: whole reception {label}", values=taken[name], unit="s")
    yield Line(
        what=f"{what}: speed of reception with `+ti` against the one without",
        values=_ratios(taken["plain"], taken["+ti"]),
        unit="times",
    )
    extra = [both - one for one, both in zip(taken["plain"], taken["+ti"], strict=True)]
    yield Line(what=f"{what}: what `+ti` adds to reception", values=extra, unit="s")
    if "DCMTK" in taken:
        yield Line(
            what=f"{what}: speed of reception with `+ti` against DCMTK's with it",
            values=_ratios(taken["DCMTK +ti"], taken["+ti"]),
            unit="times",
        )


def _ratios(base: Sequence[float], own: Sequence[float]) -> list[float]:
    """Return how many times as fast as `base` it was, round by round."""
    return [theirs / mine for theirs, mine in zip(base, own, strict=True)]


def _check_data_set(expected: bytes, target: Path) -> None:
    """See that one file arrived with this data set.

    Raises:
        BenchError: it is another one.
    """
    found = list(target.iterdir())
    if len(found) != 1:
        raise BenchError(f"{len(found)} of 1 files arrived")
    data = found[0].read_bytes()
    if not data.endswith(expected) or len(data) - len(expected) > 1024:
        raise BenchError(f"{len(data)} bytes, of which {len(expected)} are wrong")


def _items(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure the reception of an object that is made of sequence items."""
    frames = _ITEM_FRAMES // 10 if quick else _ITEM_FRAMES
    data = make_enhanced_object(folder / "data", frames=frames, seed=_SEEDS["items"])
    _uid, elements = enhanced_elements(frames=frames, seed=_SEEDS["items"])
    kinds: list[tuple[str, tuple[str, ...], bytes]] = [
        ("normal mode", (), encoded(elements, explicit_vr=True, undefined=False)),
        ("`+ti`", ("+ti",), encoded(elements, explicit_vr=False, undefined=False)),
    ]
    what = f"{frames * ITEMS_PER_FRAME} items, {data.size / 1e6:.1f} MB, undefined lengths"
    for label, options, expected in kinds:
        check = partial(_check_data_set, expected)
        for name in (OURS, DCMTK):
            if tools.has(name):
                pair = _pair(name, *options)
                yield from _items_lines(
                    tools, pair, data, folder, check, rounds, f"{what}, {label}"
                )


def _items_lines(
    tools: Tools,
    pair: Pair,
    data: DataSet,
    folder: Path,
    check: Callable[[Path], None],
    rounds: int,
    what: str,
) -> Iterator[Line]:
    seconds: list[float] = []
    peaks: list[float] = []
    what = f"{what}: {pair.receiver}"
    is_ours = pair.receiver == OURS
    for number in range(1, rounds + 1):
        say(f"items: {what}, round {number} of {rounds}")
        try:
            done = transfer(tools, pair, [data], folder / "in", timeout=120, check=check)
        except BenchError as error:
            yield Line(what=what, error=str(error), limit=2.0 if is_ours else None, unit="s")
            return
        seconds.append(done.seconds)
        peaks.append(done.receiver_peak / MIB)
    yield Line(what=what, values=seconds, unit="s", limit=2.0 if is_ours else None)
    yield Line(
        what=f"{what}, receiver's memory", values=peaks, unit="MiB", limit=64.0 if is_ours else None
    )


@contextlib.contextmanager
def _prober(tools: Tools, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run a process that echoes on one association; it does so when the block begins."""
    program = inside(tools, "prober.py", str(port))
    with subprocess.Popen(
        program.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(program.environment),
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise BenchError("the prober got no association")
            yield process
        finally:
            process.kill()


def _beside(
    tools: Tools, pair: Pair, data: DataSet, folder: Path
) -> tuple[list[float], list[float]]:
    """Return the milliseconds of the C-ECHOs before and during one transfer.

    Raises:
        BenchError: a program failed.
    """
    folder.mkdir()
    try:
        port = free_port()
        with (
            receiver(receiver_program(tools, pair, folder, port), port),
            _prober(tools, port) as prober,
        ):
            time.sleep(0.5)
            begin = time.monotonic()
            run_all([sender_program(tools, pair, data.folder, port)], timeout=120)
            end = time.monotonic()
            text, _ = prober.communicate("\n", timeout=30)
            if prober.returncode:
                raise BenchError(f"the prober ended with {prober.returncode}")
        if len(list(folder.iterdir())) != 1:
            raise BenchError("the object did not arrive")
    except subprocess.TimeoutExpired as error:
        raise BenchError("the prober did not end") from error
    finally:
        shutil.rmtree(folder)
    found = [tuple(map(float, line.split())) for line in text.splitlines()]
    before = [latency for due, latency in found if due < begin]
    return before, [latency for due, latency in found if begin <= due <= end]


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def _echo_beside(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure C-ECHO on one association while the object of another is converted."""
    frames = _ITEM_FRAMES // 10 if quick else _ITEM_FRAMES
    big = _big(folder / "big", quick=quick)
    items = make_enhanced_object(folder / "items", frames=frames, seed=_SEEDS["items"])
    idle: list[float] = []
    for label, data in (
        (f"{big.size // MIB} MiB", big),
        (f"{frames * ITEMS_PER_FRAME} items", items),
    ):
        for option in ("+ti", "+tb"):
            what = f"C-ECHO beside the reception of {label} with `{option}`"
            say(what)
            taken: list[float] = []
            try:
                for _ in range(max(rounds, 2)):
                    before, during = _beside(tools, _pair(OURS, option), data, folder / "in")
                    idle += before
                    taken += during
            except BenchError as error:
                yield Line(what=what, error=str(error), limit=100.0, unit="ms")
                continue
            if not taken:
                yield Line(what=what, error="no C-ECHO fell into it", limit=100.0, unit="ms")
                continue
            count = len(taken)
            yield Line(
                what=f"{what}, p99 of {count}",
                values=(_percentile(taken, 99),),
                unit="ms",
                limit=100.0,
            )
            yield Line(what=f"{what}, median", values=(statistics.median(taken),), unit="ms")
            yield Line(what=f"{what}, longest", values=(max(taken),), unit="ms")
    if idle:
        yield Line(
            what=f"C-ECHO before them, p99 of {len(idle)}",
            values=(_percentile(idle, 99),),
            unit="ms",
        )


def _scan(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure the scan of a header."""
    del folder, quick
    what = "scan of a CT header of 73 elements"
    say(what)
    scans: list[float] = []
    plans: list[float] = []
    try:
        for _ in range(rounds):
            scan, plan = output_of(inside(tools, "scan_header.py"), timeout=60).split()
            scans.append(float(scan))
            plans.append(float(plan))
    except (BenchError, ValueError) as error:
        yield Line(what=what, error=str(error), limit=25.0, unit="us")
        return
    yield Line(what=what, values=scans, unit="us", limit=25.0)
    yield Line(what="plan of normal mode for it, first object", values=plans, unit="us")


CONVERSION_ROWS: dict[str, tuple[Measure, bool]] = {
    "convert": (_convert, True),
    "items": (_items, True),
    "echo-beside": (_echo_beside, True),
    "scan": (_scan, True),
}
"""Key to the function that measures, and whether it needs our tools."""
