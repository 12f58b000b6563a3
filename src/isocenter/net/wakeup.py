"""A descriptor that another thread writes to and the owner waits on."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["WakeUp"]


class WakeUp:
    """Wakes one waiting thread. `set` may be called from any thread or signal handler."""

    __slots__ = ("_close", "_read", "_write")

    def __init__(self) -> None:
        """Open the descriptor: an eventfd where there is one, else a socket pair."""
        if hasattr(os, "eventfd"):
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._read = self._write = fd
            self._close: list[socket.socket] = []
        else:
            left, right = socket.socketpair()
            left.setblocking(False)
            right.setblocking(False)
            self._read, self._write = left.fileno(), right.fileno()
            self._close = [left, right]

    def fileno(self) -> int:
        """Return the descriptor to wait on for reading."""
        return self._read

    def set(self) -> None:
        """Make the descriptor readable; harmless after `close`."""
        with contextlib.suppress(OSError):
            os.write(self._write, b"\1\0\0\0\0\0\0\0")

    def clear(self) -> None:
        """Make the descriptor unreadable again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Close the descriptor."""
        read, self._read, self._write = self._read, -1, -1
        if self._close:
            for sock in self._close:
                sock.close()
        elif read >= 0:
            os.close(read)
