"""A descriptor that another thread writes to and the owner waits on."""

from __future__ import annotations

import os
import socket

# What `threading.RLock` is; a tool that has one thread can do without the rest of `threading`.
from _thread import RLock

__all__ = ["WakeUp"]


class WakeUp:
    """Wakes one waiting thread. `set` may be called from any thread or signal handler."""

    __slots__ = ("_eventfd", "_lock", "_sockets")

    def __init__(self) -> None:
        """Open the descriptor: an eventfd where there is one, else a socket pair.

        Raises:
            OSError: no descriptor is left.
        """
        # A number that was closed may be somebody else's connection a moment later: `set` and
        # `close` exclude each other. Reentrant, for a signal handler may interrupt its own thread.
        self._lock = RLock()
        self._eventfd = -1
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        if hasattr(os, "eventfd"):
            self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._sockets = socket.socketpair()
            for sock in self._sockets:
                sock.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 once closed."""
        return self._eventfd if self._sockets is None else self._sockets[0].fileno()

    def set(self) -> None:
        """Make the descriptor readable; harmless after `close`."""
        with self._lock:
            try:
                if self._sockets is not None:
                    self._sockets[1].send(b"\1")
                elif self._eventfd >= 0:
                    os.write(self._eventfd, b"\1\0\0\0\0\0\0\0")
            except OSError:
                pass  # full, so it is readable already

    def clear(self) -> None:
        """Make the descriptor unreadable again."""
        try:
            if self._sockets is not None:
                self._sockets[0].recv(4096)
            elif self._eventfd >= 0:
                os.read(self._eventfd, 8)
        except OSError:
            pass  # nothing to read

    def close(self) -> None:
        """Close the descriptor."""
        with self._lock:
            if self._sockets is not None:
                for sock in self._sockets:
                    sock.close()
            elif self._eventfd >= 0:
                os.close(self._eventfd)
                self._eventfd = -1
