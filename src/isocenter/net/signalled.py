"""A descriptor that becomes readable when a signal arrives.

Owns what Python writes to when the process gets a signal (`signal.set_wakeup_fd`). Must not know
which signals there are, nor what they mean.

Python calls a signal's handler between two of its own instructions. A signal that comes behind
the last of them before a wait, or in another thread than the one that waits, is only noted: the
wait goes on, and a server that nobody calls would not stop. What is written here ends the wait.
"""

from __future__ import annotations

import contextlib
import os
import signal

__all__ = ["SignalWatch"]


class SignalWatch:
    """Watches from its making to `close`, for the main thread; elsewhere it does nothing."""

    __slots__ = ("_before", "_read", "_write")

    def __init__(self) -> None:
        """Begin, where this is the main thread and descriptors are left."""
        self._read = self._write = self._before = -1
        try:
            self._read, self._write = os.pipe()
            for end in (self._read, self._write):
                os.set_blocking(end, False)
            self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        except (OSError, ValueError):  # ValueError: not the main thread, or no pipe on this system
            self._close_pipe()

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 where nothing is watched."""
        return self._read

    def clear(self) -> None:
        """Make the descriptor unreadable again."""
        with contextlib.suppress(OSError):  # nothing to read, or closed
            os.read(self._read, 4096)

    def close(self) -> None:
        """Watch no more, and let those watch who did before.

        A forked child has to call it: what its signals write would wake its parent.
        """
        if self._read >= 0:
            signal.set_wakeup_fd(self._before)
            self._close_pipe()

    def _close_pipe(self) -> None:
        for end in (self._read, self._write):
            if end >= 0:
                os.close(end)
        self._read = self._write = -1
