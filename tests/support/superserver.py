"""Programs that are handed a connected socket as descriptor 0, as a super-server does it.

`Handed` is one such program; `SuperServer` is the loop that inetd runs for a service that is
``nowait``: accept, start a program with the connection, forget it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Self

from isocenter.testing.peer import RawConnection
from tests.support.processes import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["Handed", "SuperServer", "connection_pair"]


def connection_pair() -> tuple[RawConnection, socket.socket]:
    """Return both ends of a TCP connection: the requestor's and the one to hand over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), 20)
        theirs, _ = listener.accept()
    return RawConnection(ours), theirs


class Handed:
    """A running program whose standard input is a socket.

    Args:
        argv: program and arguments.
        descriptor: what it gets as descriptor 0; closed here. None starts it with none.
        everywhere: descriptors 1 and 2 are the same, as inetd does it; else they are pipes.
    """

    def __init__(
        self, argv: Sequence[str], descriptor: socket.socket | int | None, *, everywhere: bool
    ) -> None:
        number = descriptor.fileno() if isinstance(descriptor, socket.socket) else descriptor
        output = number if everywhere else subprocess.PIPE
        self.process = subprocess.Popen(
            argv if descriptor is not None else ["/bin/sh", "-c", 'exec "$0" "$@" <&-', *argv],
            stdin=number,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
        )
        if isinstance(descriptor, socket.socket):
            descriptor.close()
        elif descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=10)

    def wait(self, timeout: float = 20.0) -> tuple[int, str]:
        """Wait for the end; return exit code and standard error ("" where it was the socket)."""
        _, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, (err or b"").decode()


class SuperServer:
    """Listens, and starts a program with each connection as its descriptors 0, 1 and 2.

    Attributes:
        port: where it listens.
        codes: exit codes of the programs that ended.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Listen; connections wait until the context is entered."""
        self._argv = argv
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.codes: list[int] = []

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(10)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with Handed(self._argv, connection, everywhere=True) as handed:
            self.codes.append(handed.wait(60)[0])
