"""Datagrams to one host: what a log sends to the system log of another machine.

Owns the socket, the thread that looks the host up, and what becomes of messages meanwhile. Must
not know what is sent. RFC 768.

Whoever logs must not be held up, so nothing here waits for the system's resolver, which may take
a minute where no server answers: a name is looked up in one thread of its own. Messages are kept
for it while it runs, up to a limit; what is lost is counted, and said.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOOK_UP", "MAXIMUM_KEPT", "RETRY", "DatagramSender"]

RETRY = 30.0
"""Seconds until a host that could not be reached is looked up again."""

LOOK_UP = 2.0
"""Seconds, from its beginning, that `close` waits for a look-up with messages behind it."""

MAXIMUM_KEPT = 1000
"""Messages kept for a look-up that runs, inclusive; what comes beyond is lost, and counted."""


class DatagramSender:
    """Sends datagrams to the first address of a host; no method raises for the network.

    Args:
        host: name or address. A name is looked up in another thread, never in the caller's.
        port: UDP port, 1..65535.
        tell: called with a sentence about what could not be sent, in any thread: once for each
            time that the host cannot be reached, and with the number of messages lost.

    One thread at a time may use it. A process forked meanwhile begins anew: what was kept is
    sent by the parent.
    """

    __slots__ = (
        "_again_at",
        "_began",
        "_guard",
        "_host",
        "_kept",
        "_lost",
        "_port",
        "_process",
        "_socket",
        "_tell",
        "_thread",
        "_told",
    )

    def __init__(self, host: str, port: int, tell: Callable[[str], None]) -> None:
        """Keep the arguments; nothing is looked up and no thread starts."""
        self._host = host
        self._port = port
        self._tell = tell
        self._socket: socket.socket | None = None
        self._told = False
        self._begin()

    def _begin(self) -> None:
        self._guard = threading.Lock()
        self._kept: deque[bytes] = deque()
        self._lost = 0
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._again_at = 0.0
        self._process = os.getpid()

    def send(self, message: bytes) -> None:
        """Send one datagram, or keep it until the host is looked up; never waits for that."""
        if self._process != os.getpid():
            self._begin()
        with self._guard:
            if self._socket is not None:
                self._transmit(message)
            elif self._thread is not None:
                self._keep(message)
            elif time.monotonic() < self._again_at:
                self._lost += 1
            else:
                self._keep(message)
                self._connect()

    def _keep(self, message: bytes) -> None:
        if len(self._kept) < MAXIMUM_KEPT:
            self._kept.append(message)
        else:
            self._lost += 1

    def _connect(self) -> None:
        """Take a socket at once for an address, and later for a name; the lock is held."""
        try:
            self._opened(_open(self._host, self._port, socket.AI_NUMERICHOST))
        except socket.gaierror:
            self._began = time.monotonic()
            self._thread = threading.Thread(target=self._look_up, name="log host", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as problem:  # no more threads
                self._failed(problem)
        except (OSError, UnicodeError) as problem:
            self._failed(problem)

    def _look_up(self) -> None:
        """Look the host up, which may take long, then send what was kept."""
        try:
            made = _open(self._host, self._port)
        except (OSError, UnicodeError) as problem:
            with self._guard:
                self._failed(problem)
            return
        with self._guard:
            if self._thread is None:  # closed meanwhile
                made.close()
            else:
                self._opened(made)

    def _opened(self, made: socket.socket) -> None:
        self._socket, self._thread, self._told = made, None, False
        self._say_lost()
        while self._kept and self._socket is not None:
            self._transmit(self._kept.popleft())

    def _failed(self, problem: Exception) -> None:
        """Give up for a while; what was kept is lost. The lock is held."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._thread = None
        self._again_at = time.monotonic() + RETRY
        self._lost += len(self._kept)
        self._kept.clear()
        if not self._told:
            reason = getattr(problem, "strerror", None) or str(problem)
            self._tell(f"cannot send log messages to {self._host}: {reason}")
        self._told = True

    def _say_lost(self) -> None:
        if self._lost:
            self._tell(f"log messages that were not sent to {self._host}: {self._lost}")
            self._lost = 0

    def _transmit(self, message: bytes) -> None:
        if self._socket is None:
            return
        try:
            try:
                self._socket.send(message)
            except ConnectionRefusedError:
                # What an earlier datagram met, which is told now: this one was not sent yet.
                self._socket.send(message)
        except ConnectionRefusedError:
            return  # nobody listens there yet; the log may be back for the next
        except OSError as problem:
            self._lost += 1
            if problem.errno != errno.EMSGSIZE:  # too long is the message's fault, not the way's
                self._failed(problem)

    def close(self) -> None:
        """Send what is kept, if the look-up ends within `LOOK_UP` of its beginning; then end."""
        if self._process != os.getpid():
            self._begin()
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, self._began + LOOK_UP - time.monotonic()))
        with self._guard:
            self._lost += len(self._kept)
            self._kept.clear()
            self._say_lost()
            self._thread = None
            if self._socket is not None:
                self._socket.close()
                self._socket = None


def _open(host: str, port: int, flags: int = 0) -> socket.socket:
    """Return a socket connected to the first address of a host.

    Raises:
        OSError: the host is unknown, or there is no way to it.
        UnicodeError: no host can have that name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
