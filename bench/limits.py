"""What must not grow: memory per object, per association, per silent socket; and the start."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import statistics
import time
from typing import TYPE_CHECKING

from bench.data import make_sparse_object
from bench.lines import Line
from bench.pairs import DCMTK, OURS, Pair, receiver_program, transfer
from bench.processes import (
    BenchError,
    Program,
    free_port,
    peak_memory,
    receiver,
    resident_memory,
    run,
)
from bench.rows import say
from bench.wire import associate, echo, release

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.lines import Measure
    from bench.pairs import Tools

__all__ = ["LIMIT_ROWS", "demand_open", "raise_descriptor_limit"]

MIB = 1 << 20
_HELD = Pair(sender=OURS, receiver=OURS)


def _big_object_memory(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure the peak memory of both sides for one very large object."""
    del rounds  # one says it
    frames = 512 if quick else 8191
    data = make_sparse_object(folder / "sparse", frames=frames, seed=4)
    for name in (OURS, DCMTK):
        if not tools.has(name):
            continue
        pair = Pair(sender=name, receiver=name)
        what = f"{pair.name}, one object of {data.size / (1 << 30):.2f} GiB"
        say(f"memory: {what}")
        limit = 64.0 if name == OURS else None
        try:
            done = transfer(tools, pair, [data], folder / "in", timeout=900, watch=True)
        except BenchError as error:
            yield Line(what=what, error=str(error))
            continue
        for side, peak in (("sender", done.sender_peak), ("receiver", done.receiver_peak)):
            yield Line(what=f"{what}: {side}", values=(peak / MIB,), unit="MiB", limit=limit)


def raise_descriptor_limit(wanted: int) -> None:
    """Raise our own limit, which the receiver inherits.

    Raises:
        BenchError: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, PermissionError):
            raise BenchError(f"the limit of descriptors is {hard}, {wanted} are needed") from None
    elif soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _echo_latencies(port: int, count: int) -> list[float]:
    """Return the milliseconds of C-ECHOs, each with its connection, association and release."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        connection = associate(port, timeout=10)
        echo(connection)
        release(connection)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def demand_open(held: Sequence[socket.socket], *, answered: bool = False) -> None:
    """Check that the receiver still holds what we hold; `answered`: it may have said something.

    Raises:
        BenchError: it closed some of them, so their memory was not measured.
    """
    poller = select.poll()
    for connection in held:
        poller.register(connection, select.POLLRDHUP | (0 if answered else select.POLLIN))
    closed = len(poller.poll(0))
    if closed:
        raise BenchError(f"the receiver closed {closed} of {len(held)} connections")


@contextlib.contextmanager
def _our_receiver(tools: Tools, folder: Path) -> Iterator[tuple[int, int]]:
    """Run our receiver; the block gets its port and process id."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with receiver(receiver_program(tools, _HELD, folder, port), port) as process:
        yield port, process.pid


def _idle_associations(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure the memory of associations that do nothing."""
    del rounds  # one says it
    count = 100 if quick else 1000
    say(f"idle: {count} associations")
    what = f"{count} idle associations"
    held: list[socket.socket] = []
    try:
        raise_descriptor_limit(count + 512)
        with _our_receiver(tools, folder / "in") as (port, pid):
            before = resident_memory(pid)
            held.extend(associate(port, timeout=10) for _ in range(count))
            during = peak_memory(pid)
            latencies = _echo_latencies(port, 20)
            demand_open(held)
            for connection in held:
                connection.close()
    except (BenchError, OSError) as error:
        yield Line(what=what, error=str(error) or repr(error))
        return
    finally:
        for connection in held:
            connection.close()
    yield Line(what=what, values=(during / MIB,), unit="MiB", limit=150.0)
    yield Line(what=f"{what}: receiver before them", values=(before / MIB,), unit="MiB")
    yield Line(what=f"{what}: C-ECHO beside them, longest", values=(max(latencies),), unit="ms")


def _silent_sockets(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure memory and C-ECHO beside sockets that never say anything."""
    del rounds  # one says it
    count = 1000 if quick else 10_000
    say(f"silent: {count} sockets")
    what = f"{count} silent sockets"
    held: list[socket.socket] = []
    try:
        raise_descriptor_limit(count + 512)
        with _our_receiver(tools, folder / "in") as (port, pid):
            address = ("127.0.0.1", port)
            held.extend(socket.create_connection(address, timeout=10) for _ in range(count))
            latencies = _echo_latencies(port, 20)
            during = peak_memory(pid)
            demand_open(held)
    except (BenchError, OSError) as error:
        yield Line(what=what, error=str(error) or repr(error))
        return
    finally:
        for connection in held:
            connection.close()
    yield Line(what=what, values=(during / MIB,), unit="MiB", limit=100.0)
    yield Line(
        what=f"{what}: C-ECHO beside them, longest of 20",
        values=(max(latencies),),
        unit="ms",
        limit=100.0,
    )
    median = statistics.median(latencies)
    yield Line(what=f"{what}: C-ECHO beside them, median of 20", values=(median,), unit="ms")


def _start(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure the CPU that a tool's start costs."""
    del folder, rounds
    say("start: storescu --help")
    commands: list[tuple[str, Sequence[str], float | None]] = []
    if tools.ours is not None:
        commands.append(("isocenter storescu --help", [*tools.ours, "storescu", "--help"], 120.0))
    if tools.dcmtk is not None:
        commands.append(("DCMTK storescu --help", [str(tools.dcmtk / "storescu"), "--help"], None))
    if tools.pynetdicom is not None:
        command = [str(tools.pynetdicom), "-m", "pynetdicom", "storescu", "--help"]
        commands.append(("pynetdicom storescu --help", command, None))
    for what, words, limit in commands:
        program = Program(command=words, environment={})
        try:
            taken = [run(program, timeout=30).cpu_seconds for _ in range(3 if quick else 15)]
        except BenchError as error:
            yield Line(what=what, error=str(error))
            continue
        value = statistics.median(taken) * 1000
        yield Line(what=f"{what}, CPU", values=(value,), unit="ms", limit=limit)


LIMIT_ROWS: dict[str, tuple[Measure, bool]] = {
    "memory": (_big_object_memory, False),
    "idle": (_idle_associations, True),
    "silent": (_silent_sockets, True),
    "start": (_start, False),
}
"""Key to the function that measures, and whether it needs our tools."""
