"""Room that is to stay free on the output directory's file system.

Owns when the file system is asked, and the refusal before it is full. Must not know what is
written.

The file system is asked (fstatvfs(2)) when an object begins and the last answer is older than
a quarter of a second, and whenever as much was written as the last answer allowed, 16 MiB at
most. So what this process writes stays above the limit, whatever it has: each answer allows no
more than what is free beyond it. Others who write to the same file system are noticed within a
quarter of a second of beginnings, or 16 MiB of one long object; with several worker processes
each has its own count.
"""

from __future__ import annotations

import os
import threading
import time

from isocenter.errors import StorageFull

__all__ = ["MAXIMUM_AGE", "STEP", "Reserve"]

STEP = 16 * 1024 * 1024
"""Bytes written, inclusive, before the file system is asked again."""

MAXIMUM_AGE = 0.25
"""Seconds an answer is believed when an object begins."""

_BLOCK = 4096  # bytes that an object takes beyond its length: its last block is rarely full


class Reserve:
    """Keeps `minimum_free` bytes free; used by several threads.

    Args:
        minimum_free: bytes that an unprivileged user could still write, at least 0.
        directory: for errors only.
    """

    __slots__ = ("_allowed", "_asked", "_directory", "_lock", "minimum_free")

    def __init__(self, minimum_free: int, directory: str) -> None:
        """Nothing is known yet."""
        if minimum_free < 0:
            raise ValueError(f"minimum_free is {minimum_free}, less than 0")
        self.minimum_free = minimum_free
        self._directory = directory
        self._lock = threading.Lock()
        self._allowed = 0
        self._asked = float("-inf")

    def check(self, fd: int) -> None:
        """Refuse to begin an object where less is free.

        Args:
            fd: any descriptor on the file system.

        Raises:
            StorageFull: less is free.
            OSError: the file system does not say.
        """
        with self._lock:
            if self._allowed <= 0 or time.monotonic() - self._asked > MAXIMUM_AGE:
                self._ask(fd, 0)
            self._allowed -= _BLOCK

    def take(self, fd: int, count: int) -> None:
        """Refuse to write `count` bytes where less would stay free; else count them.

        Raises:
            StorageFull: less would stay free.
            OSError: the file system does not say.
        """
        with self._lock:
            if count > self._allowed:
                self._ask(fd, count)
            self._allowed -= count

    def _ask(self, fd: int, wanted: int) -> None:
        status = os.statvfs(fd)
        free = status.f_bavail * status.f_frsize
        if free - wanted < self.minimum_free:
            self._allowed = 0
            raise StorageFull(
                self._directory,
                f"{free >> 20} MiB are free and {self.minimum_free >> 20} MiB are to stay so",
            )
        self._asked = time.monotonic()
        self._allowed = max(min(free - self.minimum_free, STEP), wanted)
