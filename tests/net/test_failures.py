"""What a listener tells of connections that never became an association."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.options import AssociationOptions
from isocenter.net.transport import SocketOptions
from isocenter.testing import raw
from isocenter.testing.datasets import EXPLICIT_LITTLE, VERIFICATION
from isocenter.ul.codec import Limits
from isocenter.ul.options import EngineOptions
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.net.failures import FailedConnection

REQUEST = raw.associate_rq([raw.Context(1, VERIFICATION, (EXPLICIT_LITTLE,))])


class Serving:
    """A listener in a thread that serves nobody, and what it told."""

    def __init__(self, *, artim_timeout: float = 10.0, maximum_associations: int = 4) -> None:
        self.told: list[FailedConnection] = []
        engine = EngineOptions(limits=Limits(), artim_timeout=artim_timeout)
        sockets = SocketOptions()
        options = ServeOptions(
            engine=engine,
            association=AssociationOptions(),
            sockets=sockets,
            maximum_associations=maximum_associations,
        )
        self.listener = Listener(
            ListenOptions(port=0, host="127.0.0.1"),
            engine,
            sockets,
            ThreadDispatcher(lambda association: association.abort(), options),
            on_failure=self.told.append,
        )
        self.port = self.listener.open()
        self.thread = threading.Thread(target=self.listener.run)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 5)

    def wait(self) -> FailedConnection:
        wait_until(lambda: bool(self.told), timeout=5, what="a failed connection")
        return self.told[0]


@pytest.fixture
def serving() -> Iterator[Serving]:
    running = Serving()
    yield running
    running.listener.stop()
    running.thread.join(5)


def test_connection_that_closes_without_a_byte_is_told(serving: Serving) -> None:
    serving.connect().close()
    assert serving.wait()[:1] == ("closed",)
    assert serving.told[0].received == b""


def test_no_more_than_the_first_bytes_are_told_of_half_a_request(serving: Serving) -> None:
    with serving.connect() as sock:
        sock.sendall(REQUEST[:60])
    failed = serving.wait()
    assert (failed.kind, failed.received) == ("closed", REQUEST[:32])


def test_what_is_no_request_is_told_with_its_cause(serving: Serving) -> None:
    with serving.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        failed = serving.wait()
    assert (failed.kind, failed.received) == ("invalid", b"GET / HTTP/1.1\r\n\r\n")
    assert failed.peer_address.startswith("127.0.0.1:")
    assert "PDU type" in str(failed.cause)


def test_peer_that_stays_silent_is_told_when_its_time_is_up() -> None:
    running = Serving(artim_timeout=0.2)
    with running.connect():
        assert running.wait().kind == "expired"
    running.listener.stop()
    running.thread.join(5)


def test_association_beyond_the_most_is_told_as_full() -> None:
    running = Serving(maximum_associations=0)
    with running.connect() as sock:
        sock.sendall(REQUEST)
        assert running.wait().kind == "full"
    running.listener.stop()
    running.thread.join(5)
