"""Datagrams reach an address; what keeps them from it is an exception, and no socket is left."""

from __future__ import annotations

import socket

import pytest

from isocenter.cli.logappenders import open_appender
from isocenter.net.datagrams import DatagramSender
from isocenter.net.resolver import canonical_name
from tests.cli.logging_support import event, settings


def test_each_message_is_one_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        sender = DatagramSender("127.0.0.1", receiver.getsockname()[1])
        sender.send(b"first")
        sender.send(b"")
        sender.send(b"third")
        assert [receiver.recv(100) for _ in range(3)] == [b"first", b"", b"third"]
        sender.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            sender.send(b"fourth")


def test_host_without_a_way_to_it_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Counted(socket.socket):
        def connect(self, address: object) -> None:
            del address
            made.append(self)
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Counted)
    with pytest.raises(OSError, match="unreachable"):
        DatagramSender("127.0.0.1", 514)
    assert [sock.fileno() for sock in made] == [-1]


def test_name_that_no_host_can_have_is_said_and_ends_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    appender = open_appender(settings("SysLogAppender", host="a..b"), "storescp")
    for _ in range(2):
        appender.append(event("x"))
    assert capsys.readouterr().err.count("E: cannot send log messages to a..b: ") == 1


@pytest.mark.parametrize("canonical", ["pacs.example.org", ""])
def test_canonical_name_is_that_of_the_system(
    monkeypatch: pytest.MonkeyPatch, canonical: str
) -> None:
    def answer(*_: object, flags: int) -> list[tuple[object, ...]]:
        assert flags == socket.AI_CANONNAME
        return [(2, 1, 6, canonical, ())]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert canonical_name("pacs") == canonical
