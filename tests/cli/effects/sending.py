"""A storage SCP for the effects of a sender's options: it remembers all that it is told."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor
from isocenter.testing.peer import accept, serve_storage
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.testing import AssociationFacts, RawConnection, RawMessage

__all__ = ["HERE", "SILENCE", "Peer", "needs_ipv6", "unanswered_port"]

HERE = "HERE"
"""Stands for the peer's address and port among the arguments of `Peer.run`."""

SILENCE = 2.5
"""Seconds that a peer keeps silent where a tool has to give up after one."""


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on this machine")


class Peer:
    """Accepts one association, answers everything, and remembers it.

    Args:
        statuses: of the first answers; then success.
        host: where it listens.
        granted: a whole user information item for its A-ASSOCIATE-AC.
        slow_to_accept: seconds before its A-ASSOCIATE-AC.
        slow_to_answer: seconds before its first answer.

    Attributes:
        request: the A-ASSOCIATE-RQ, None before it came.
        received: all messages.
    """

    def __init__(
        self,
        *statuses: int,
        host: str = "127.0.0.1",
        granted: bytes | None = None,
        slow_to_accept: float = 0.0,
        slow_to_answer: float = 0.0,
    ) -> None:
        self.request: AssociationFacts | None = None
        self.received: list[RawMessage] = []
        self.host = host
        self._granted = granted
        self._statuses = list(statuses)
        self._slow_to_accept = slow_to_accept
        self._slow_to_answer = slow_to_answer
        self._over = threading.Event()

    def __call__(self, connection: RawConnection) -> None:
        self._over.wait(self._slow_to_accept)
        try:
            self.request = accept(connection, user=self._granted)
            for _ in serve_storage(connection, status=self._status, received=self.received):
                pass
        except ConnectionError:
            return  # who gave up waiting has closed the connection

    def _status(self, _request: RawMessage) -> int:
        self._over.wait(self._slow_to_answer)
        return self._statuses.pop(0) if self._statuses else 0

    def run(self, main: Callable[[list[str], dict[str, str]], int], *arguments: str) -> int:
        """Run a tool's `main`; `HERE` among the arguments is replaced."""
        with ScriptedAcceptor(self, host=self.host) as acceptor:
            here = [self.host, str(acceptor.port)]
            argv = [w for word in arguments for w in (here if word == HERE else [word])]
            try:
                return main(argv, {})
            finally:
                self._over.set()

    @property
    def facts(self) -> AssociationFacts:
        """The request, which has come."""
        assert self.request is not None
        return self.request

    @property
    def uids(self) -> list[str]:
        """The Affected SOP Instance UIDs in their order."""
        return [message.text(0x1000) for message in self.received]


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


@contextmanager
def unanswered_port() -> Iterator[int]:
    """Yield a port where connecting takes until `SILENCE` seconds have passed, and then fails."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port: int = listener.getsockname()[1]
        held = []
        # Linux answers nobody once the queue is full; who asks again then finds a closed port.
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            held.append(filler)
        wait_until(lambda: any(map(_is_connected, held)), timeout=10, what="a full queue")
        assert not all(map(_is_connected, held))
        closer = threading.Timer(SILENCE, listener.close)
        closer.start()
        try:
            yield port
        finally:
            closer.cancel()
            closer.join()
            for filler in held:
                filler.close()
