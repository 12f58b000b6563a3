"""The tools by implementation: ours, and DCMTK's as the oracle.

The same test runs with either. `ISOCENTER_UNDER_TEST=dcmtk` puts the oracle in our
place, which shows that a test and what it expects are right, except where the two
differ on purpose (tests/interop/differences.py).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pytest

from tests import peers
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from tests.support.processes import Completed

__all__ = ["DCMTK", "OURS", "UNDER_TEST", "Receiver", "Suite"]


@dataclass(frozen=True, slots=True)
class Suite:
    """One implementation of the tools; `name` is ``ours`` or ``dcmtk``."""

    name: str

    @property
    def is_ours(self) -> bool:
        """Whether these are the tools of this project."""
        return self.name == "ours"

    def argv(self, tool: str, *arguments: str | Path) -> list[str]:
        """Return the command line of a tool; skips where DCMTK is not installed."""
        words = [str(argument) for argument in arguments]
        if self.is_ours:
            return [sys.executable, "-m", "isocenter", tool, *words]
        path = peers.find("dcmtk", tool)
        if path is None:
            pytest.skip(f"DCMTK's {tool} is not installed")
        return [path, *words]

    def run(
        self,
        tool: str,
        *arguments: str | Path,
        timeout: float = 30.0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a tool to its end."""
        argv = self.argv(tool, *arguments)
        return run(argv, timeout=timeout, cwd=cwd, env=env)


OURS = Suite("ours")
DCMTK = Suite("dcmtk")
UNDER_TEST = Suite(os.environ.get("ISOCENTER_UNDER_TEST") or "ours")
"""The implementation that a test is about."""


class Receiver:
    """A running receiver on a port of its own.

    Args:
        suite: whose.
        directory: output directory, made where it does not exist.
        options: put before `-od` and the port.
        env: additions to the environment.
        tool: whichever receives; `TOOL` by default.

    Attributes:
        port: where it listens.
        process: the program.
        directory: its output directory.
    """

    TOOL = "storescp"
    """Which tool receives where a test does not say; tests that two tools share set it."""

    ALWAYS: tuple[str, ...] = ()
    """Options that it gets besides."""

    def __init__(
        self,
        suite: Suite,
        directory: Path,
        *options: str | Path,
        env: Mapping[str, str] | None = None,
        tool: str | None = None,
    ) -> None:
        tool = tool or self.TOOL
        self.suite = suite
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        log = ""
        for _ in range(3):
            # Between our look and its bind somebody may have taken the port: try another.
            self.port = free_port()
            argv = suite.argv(tool, *self.ALWAYS, *options, "-od", directory, str(self.port))
            self.process = Process(argv, env=env)
            if wait_until_listening(self.port, self.process):
                return
            log = self.process.stderr
            self.close()
            if "in use" not in log:
                break
        raise RuntimeError(f"{tool} of {suite.name} does not start: {log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it at once, with its children."""
        self.process.__exit__(None, None, None)

    @property
    def log(self) -> str:
        """What it has written to standard error so far."""
        return self.process.stderr

    @property
    def names(self) -> list[str]:
        """The names of the files it has published, sorted; temporary ones begin with a dot."""
        return sorted(
            str(path.relative_to(self.directory))
            for path in self.directory.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )

    @property
    def leftovers(self) -> list[str]:
        """The names of the temporary files in its directory, sorted."""
        return sorted(path.name for path in self.directory.rglob(".*") if path.is_file())
