"""A relay between two programs, which holds what the first one sends after so many bytes.

So a sender is in the middle of an object for as long as a test wants it to be, with programs
that cannot be told to wait.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Relay"]


class Relay:
    """Relays one connection to a port of this machine.

    Args:
        port: where to.
        hold_after: so many bytes of whoever connects pass at once, the rest when `go_on` is called.

    Attributes:
        port: where to connect.
    """

    def __init__(self, port: int, *, hold_after: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._target = port
        self._limit = hold_after
        self._held = threading.Event()
        self._free = threading.Event()
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._free.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread where nobody came
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def wait_until_held(self) -> None:
        """Wait until that many bytes have passed.

        Raises:
            TimeoutError: they did not come within 20 seconds.
        """
        if not self._held.wait(20):
            raise TimeoutError(f"fewer than {self._limit} bytes came")

    def go_on(self) -> None:
        """Let the rest pass."""
        self._free.set()

    def cut(self) -> None:
        """End both connections in the middle, as a network that fails or a sender that dies."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            sender, _ = self._listener.accept()
            self._sockets.append(sender)
            receiver = socket.create_connection(("127.0.0.1", self._target), 20)
            receiver.settimeout(None)
            self._sockets.append(receiver)
            back = threading.Thread(target=_copy, args=(receiver, sender), daemon=True)
            back.start()
            self._forward(sender, receiver)
            with contextlib.suppress(OSError):
                receiver.shutdown(socket.SHUT_WR)
            back.join(20)

    def _forward(self, sender: socket.socket, receiver: socket.socket) -> None:
        passed = 0
        while data := sender.recv(65536):
            if passed + len(data) > self._limit and not self._free.is_set():
                first = self._limit - passed
                receiver.sendall(data[:first])
                self._held.set()
                self._free.wait()
                data = data[first:]
                passed = self._limit
            receiver.sendall(data)
            passed += len(data)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
