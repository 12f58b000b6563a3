"""Starting, timing, watching and ending the programs of the benchmark.

Every wait has a deadline, and only processes started here are ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "BenchError",
    "Finished",
    "Program",
    "clean_environment",
    "free_port",
    "listening",
    "peak_memory",
    "proportional_memory",
    "receiver",
    "resident_memory",
    "run",
    "run_all",
]

READY_SECONDS = 15.0
STOP_SECONDS = 15.0
_LISTEN = "0A"
# With the second one, Python compiles what was not compiled before anew at each start.
_LEFT_OUT = frozenset({"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"})


class BenchError(Exception):
    """A run went wrong; its time means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command and what it needs.

    Fields: `command`; `environment` added to a clean one.
    """

    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended.

    Fields: `seconds` from start to exit; `code` as `subprocess` gives it; `cpu_seconds` user and
    system time, with its children's; `peak_bytes` its highest resident size, 0 where it was not
    watched.
    """

    seconds: float
    code: int
    cpu_seconds: float
    peak_bytes: int


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without what changes network behaviour or start of the programs."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TCP_") and name not in _LEFT_OUT
    }
    return keep | dict(extra)


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    """Tell whether something listens on a TCP port, without connecting to it."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(wanted) and fields[3] == _LISTEN:
                    return True
    return False


def _status_bytes(pid: int, field: str) -> int:
    """Return a size from /proc/PID/status in bytes, 0 where the process has no memory left."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def peak_memory(pid: int) -> int:
    """Return the highest resident size so far in bytes, children's added."""
    return sum(_status_bytes(member, "VmHWM") for member in _family(pid))


def resident_memory(pid: int) -> int:
    """Return the present resident size in bytes, children's added."""
    return sum(_status_bytes(member, "VmRSS") for member in _family(pid))


def proportional_memory(pid: int) -> int:
    """Return the present proportional size in bytes, children's added: shared pages count once."""
    total = 0
    for member in _family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no output"


@contextlib.contextmanager
def receiver(program: Program, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a receiver for the length of the block; it listens when the block begins.

    Raises:
        BenchError: it ended early or did not listen in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=clean_environment(program.environment),
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not listening(port):
                if process.poll() is not None:
                    raise BenchError(
                        f"{program.command[0]} ended with {process.returncode}: {_tail(log)}"
                    )
                if time.monotonic() > deadline:
                    raise BenchError(f"{program.command[0]} does not listen: {_tail(log)}")
                time.sleep(0.01)
            yield process
            if process.poll() is not None:
                raise BenchError(
                    f"{program.command[0]} ended with {process.returncode}: {_tail(log)}"
                )
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a receiver of ours and whatever it left behind in its session."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    # The session is ours alone: it was made for this process.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def run(program: Program, *, timeout: float, watch: bool = False) -> Finished:
    """Run one program to its end; see `run_all`."""
    return run_all([program], timeout=timeout, watch=watch)[0]


def run_all(
    programs: Sequence[Program], *, timeout: float, watch: bool = False, check: bool = True
) -> list[Finished]:
    """Start programs at once and wait for all of them.

    Args:
        programs: what to start.
        timeout: seconds for all of them.
        watch: look at their memory every 5 ms; costs time, so not while timing.
        check: a program that fails is an error; without, its exit code says so.

    Each one's seconds count from the common start.

    Raises:
        BenchError: one failed or did not end in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        poller = select.poll()
        waiting: dict[int, int] = {}
        peaks = [0] * len(programs)
        done: dict[int, Finished] = {}
        children: list[subprocess.Popen[bytes]] = []
        environments = [clean_environment(program.environment) for program in programs]
        begin = time.perf_counter()
        try:
            for index, program in enumerate(programs):
                with (Path(folder) / str(index)).open("wb") as output:
                    child = subprocess.Popen(
                        program.command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        env=environments[index],
                    )
                children.append(child)
                descriptor = os.pidfd_open(child.pid)
                poller.register(descriptor, select.POLLIN)
                waiting[descriptor] = index
            while waiting:
                left = timeout - (time.perf_counter() - begin)
                if left <= 0:
                    raise BenchError(f"{programs[0].command[0]} did not end within {timeout:.0f} s")
                for descriptor, _ in poller.poll(5 if watch else left * 1000):
                    end = time.perf_counter()
                    poller.unregister(descriptor)
                    os.close(descriptor)
                    index = waiting.pop(descriptor)
                    done[index] = _reap(children[index], end - begin, peaks[index])
                if watch:
                    for index in waiting.values():
                        peaks[index] = max(peaks[index], peak_memory(children[index].pid))
            for index, finished in done.items():
                if check and finished.code != 0:
                    name = " ".join(programs[index].command[:3])
                    raise BenchError(
                        f"{name} ended with {finished.code}: {_tail(Path(folder) / str(index))}"
                    )
        finally:
            for descriptor, index in waiting.items():
                os.close(descriptor)
                children[index].kill()
                children[index].wait(STOP_SECONDS)
        return [done[index] for index in range(len(programs))]


def _reap(child: subprocess.Popen[bytes], seconds: float, peak: int) -> Finished:
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Finished(
        seconds=seconds,
        code=child.returncode,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak,
    )
