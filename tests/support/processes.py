"""Programs run with a deadline, their output in files, ended by those who started them.

Output goes to files and not to pipes: a program that prints much can never block on a
reader that waits for something else. Every program gets a session of its own, so its
children (`--fork`, `--workers`) end with it and nobody else's process is ever touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = ["Completed", "Process", "child_pids", "run", "wait_until"]

POLL = 0.005
"""Seconds between two looks at a condition nobody signals."""


class Completed(NamedTuple):
    """What a program that ended left behind; a negative code is the signal's number."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.stderr.splitlines()


def wait_until(condition: Callable[[], bool], *, timeout: float, what: str) -> None:
    """Look at a condition until it holds.

    Raises:
        TimeoutError: it did not within `timeout` seconds; `what` names it.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s for: {what}")
        time.sleep(POLL)


def child_pids(pid: int) -> list[int]:
    """Return the process ids of the direct children of a process (Linux)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [int(word) for word in text.split()]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for programs under test.

    Nagle's algorithm is off unless a test says otherwise: DCMTK's tools wait 44 ms twice
    per object with it (dcmtk-facts 0.1), and no test of ours is about that.
    """
    return {**os.environ, "TCP_NODELAY": "1", **(extra or {})}


class Process:
    """A running program.

    Args:
        argv: program and arguments.
        cwd: directory to run it in.
        env: additions to the environment.

    Use as a context manager: leaving it kills what still runs.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="isocenter-test-")
        self._out = Path(self._folder.name, "stdout")
        self._err = Path(self._folder.name, "stderr")
        self.argv = [str(word) for word in argv]
        self.started = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=environment(env),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the program itself, not to its children."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def wait(self, *, timeout: float) -> Completed:
        """Wait for the end.

        Raises:
            TimeoutError: it still ran after `timeout` seconds; it is killed.
        """
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(
                f"still running after {timeout} s: {self.argv}\n{self.stderr}"
            ) from None
        return Completed(code, self.stdout, self.stderr, time.monotonic() - self.started)

    def wait_for_line(self, text: str, *, timeout: float = 10.0, count: int = 1) -> None:
        """Wait until standard error holds a text so many times.

        Raises:
            TimeoutError: it did not in time.
        """
        try:
            wait_until(lambda: self.stderr.count(text) >= count, timeout=timeout, what=text)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; standard error was:\n{self.stderr}") from None

    def terminate(self, *, timeout: float = 10.0) -> Completed:
        """Send SIGTERM and wait for the end."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout=timeout)

    def kill(self) -> None:
        """Kill it and every process of its session; harmless where it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(10)


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = 30.0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end.

    Raises:
        TimeoutError: it still ran after `timeout` seconds; it is killed.
    """
    with Process(argv, cwd=cwd, env=env) as process:
        return process.wait(timeout=timeout)
