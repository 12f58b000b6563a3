"""One second connection: what it sends, how long it waits, what it brings back."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.net.client import ConnectOptions
from isocenter.net.probe import probe
from isocenter.testing import ScriptedAcceptor
from tests.support.ports import free_port

if TYPE_CHECKING:
    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow


def at(port: int) -> ConnectOptions:
    return ConnectOptions(host="127.0.0.1", port=port)


def test_client_hello_comes_first_and_its_answer_is_brought_back() -> None:
    seen: list[bytes] = []

    def answer(connection: RawConnection) -> None:
        seen.append(connection.receive_exactly(6))
        connection.send(b"\x15\x03\x01\x00\x02\x02\x28" + bytes(100))

    with ScriptedAcceptor(answer) as acceptor:
        result = probe(at(acceptor.port))
    assert seen[0][:2] == b"\x16\x03"
    assert seen[0][5] == 1
    assert (result.connected, result.closed) == (True, False)
    assert result.received == b"\x15\x03\x01\x00\x02\x02\x28" + bytes(25)
    assert acceptor.connections == 1


def test_server_that_waits_for_the_end_of_a_line_gets_one() -> None:
    def answer(connection: RawConnection) -> None:
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += connection.sock.recv(4096)
        connection.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with ScriptedAcceptor(answer) as acceptor:
        result = probe(at(acceptor.port))
    assert result.received.startswith(b"HTTP/1.0 400")


def test_silent_port_takes_no_longer_than_the_budget() -> None:
    def silent(connection: RawConnection) -> None:
        while connection.sock.recv(4096):
            pass

    with ScriptedAcceptor(silent) as acceptor:
        began = time.monotonic()
        result = probe(at(acceptor.port), budget=0.6)
        took = time.monotonic() - began
    assert (result.connected, result.received, result.closed) == (True, b"", False)
    assert 0.5 < took < 2
    assert 0.3 < result.seconds < 1


def test_port_that_closes_without_a_byte_is_told_from_a_silent_one() -> None:
    def vanish(connection: RawConnection) -> None:
        connection.receive_exactly(1)  # or the reset might come before the connection is noticed
        connection.vanish()

    with ScriptedAcceptor(vanish) as acceptor:
        assert probe(at(acceptor.port))[:3] == (True, b"", True)


def test_port_that_is_gone_is_no_error() -> None:
    assert not probe(at(free_port())).connected


@pytest.mark.parametrize("lacking", ["module", "versions"])
def test_machine_without_tls_offers_http_alone(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    def refuse(*_: object) -> None:
        raise ssl.SSLError(1, "no protocols available")

    if lacking == "module":
        monkeypatch.setitem(sys.modules, "ssl", None)
    else:
        monkeypatch.setattr(ssl.SSLContext, "wrap_bio", refuse)
    seen: list[bytes] = []

    def answer(connection: RawConnection) -> None:
        seen.append(connection.receive_exactly(4))
        connection.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with ScriptedAcceptor(answer) as acceptor:
        result = probe(at(acceptor.port))
    assert seen == [b"\r\n\r\n"]
    assert result.received.startswith(b"HTTP/1.0 400")
    assert not result.offered_tls
