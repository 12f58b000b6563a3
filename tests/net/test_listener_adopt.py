"""A connection that somebody else accepted is served by the listener's rules, and alone."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.services.acceptor import Acceptor
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified
from isocenter.testing import raw
from isocenter.ul import codec
from isocenter.ul.options import EngineOptions
from tests.net.support import OPTIONS, POLICY, SOCKETS, proposal, read_pdu

WAIT = 10.0
RELEASE_RQ = bytes.fromhex("05000000000400000000")


class Served:
    """A listener that serves one end of a connection in a thread; `peer` is the other."""

    def __init__(self, *, artim: float = WAIT, family: int = socket.AF_INET) -> None:
        engine = EngineOptions(limits=codec.Limits(), artim_timeout=artim)
        acceptor = Acceptor(POLICY, Registry(verification=AlwaysVerified()))
        dispatcher = ThreadDispatcher(
            acceptor.serve, ServeOptions(engine=engine, association=OPTIONS, sockets=SOCKETS)
        )
        self.listener = Listener(ListenOptions(port=0), engine, SOCKETS, dispatcher)
        if family == socket.AF_UNIX:
            self.peer, handed = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                self.peer = socket.create_connection(server.getsockname())
                handed, _ = server.accept()
        self.peer.settimeout(WAIT)
        self.listener.adopt(handed)
        self.thread = threading.Thread(target=self.listener.run, daemon=True)
        self.thread.start()

    def ended(self) -> bool:
        self.thread.join(WAIT)
        return not self.thread.is_alive()

    def read(self) -> bytes:
        whole = b""
        while piece := self.peer.recv(4096):
            whole += piece
        return whole


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_association_is_served_and_run_returns_at_its_end(family: int) -> None:
    served = Served(family=family)
    with served.peer as peer:
        peer.sendall(codec.encode(proposal()))
        assert read_pdu(peer)[0] == raw.ASSOCIATE_AC
        peer.sendall(RELEASE_RQ)
        assert read_pdu(peer)[0] == raw.RELEASE_RP
        peer.shutdown(socket.SHUT_WR)
        assert served.read() == b""
    assert served.ended()


def test_run_returns_when_the_peer_stays_silent() -> None:
    served = Served(artim=0.2)
    start = time.monotonic()
    with served.peer:
        assert served.read() == b""
        assert 0.1 < time.monotonic() - start < 5
        assert served.ended()


def test_run_returns_when_the_peer_closes_at_once() -> None:
    served = Served()
    served.peer.close()
    assert served.ended()


def test_garbage_is_answered_with_an_abort_before_run_returns() -> None:
    served = Served()
    with served.peer as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = served.read()
        assert (answer[0], len(answer)) == (raw.ABORT, 10)
        served.thread.join(0.2)
        assert served.thread.is_alive(), "or a reset would overtake the answer"
    assert served.ended()


def test_stop_ends_it_before_a_request() -> None:
    served = Served()
    with served.peer:
        served.listener.stop()
        assert served.ended()
        assert served.read() == b""


def test_stop_ends_it_in_an_association() -> None:
    served = Served()
    with served.peer as peer:
        peer.sendall(codec.encode(proposal()))
        assert read_pdu(peer)[0] == raw.ASSOCIATE_AC
        served.listener.stop()
        assert read_pdu(peer)[0] == raw.ABORT
    assert served.ended()
