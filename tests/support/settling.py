"""When a program that gives no sign has done what it had to do.

A log that has not grown for a moment is none on a loaded machine: the program may wait for a
processor, with a line to write. So its threads and children are looked at, too: what is about to
write is runnable, and what waits for the next peer sleeps.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_busy", "settle"]

_PAUSE = 0.01
"""Seconds between two looks."""


def is_busy(pid: int) -> bool:
    """Tell whether a thread of a process, or of its children, runs or waits for a processor.

    False as well where the system has no /proc to look into (proc_pid_stat(5)).
    """
    tasks = Path(f"/proc/{pid}/task")
    try:
        for task in os.listdir(tasks):
            state = (tasks / task / "stat").read_bytes().rpartition(b")")[2].split()[0]
            if state in {b"R", b"D"}:
                return True
            children = (tasks / task / "children").read_text(encoding="ascii").split()
            if any(is_busy(int(child)) for child in children):
                return True
    except (FileNotFoundError, ProcessLookupError):  # a thread ended, or a child: look again
        return tasks.exists()
    return False


def settle(
    pid: int, look: Callable[[], object], *, quiet: float = 0.05, timeout: float = 20.0
) -> None:
    """Wait until a program sleeps and what it shows has been the same, for `quiet` seconds.

    Args:
        pid: its process.
        look: returns what it shows: its log, say.
        quiet: how long, in seconds.
        timeout: seconds after which the wait ends in any case; what it shows is checked then.
    """
    deadline = time.monotonic() + timeout
    last, since = look(), time.monotonic()
    while time.monotonic() < deadline:
        now = look()
        if now != last or is_busy(pid):
            last, since = now, time.monotonic()
        if time.monotonic() - since > quiet:
            return
        time.sleep(_PAUSE)
