"""Datagrams reach an address; what keeps them from it is an exception, and no socket is left."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.logappenders import open_appender
from isocenter.net import datagrams
from isocenter.net.datagrams import DatagramSender
from isocenter.net.resolver import canonical_name
from tests.cli.logging_support import event, settings

if TYPE_CHECKING:
    from collections.abc import Iterator


Resolution = list[tuple[object, ...]]


class Log:
    """A system log on this machine, and what was told about it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]
        self.told: list[str] = []

    def sender(self, host: str = "127.0.0.1") -> DatagramSender:
        return DatagramSender(host, self.port, self.told.append)

    def received(self, count: int) -> list[bytes]:
        return [self.socket.recv(100_000) for _ in range(count)]


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.socket.close()


class Names:
    """A resolver that says where `log.test` is when it is let to."""

    def __init__(self, port: int) -> None:
        self.answers = threading.Event()
        self.problem: Exception | None = None
        self.threads: list[threading.Thread] = []
        self._port = port

    def __call__(self, host: str, *_: object, flags: int = 0, **__: object) -> Resolution:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        assert host == "log.test"
        self.threads.append(threading.current_thread())
        assert self.answers.wait(20)
        if self.problem is not None:
            raise self.problem
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("127.0.0.1", self._port))]


@pytest.fixture
def names(log: Log, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names(log.port)
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answers.set()
    for thread in made.threads:
        thread.join(10)


def test_each_message_is_one_datagram(log: Log) -> None:
    sender = log.sender()
    sender.send(b"first")
    sender.send(b"")
    sender.send(b"third")
    assert log.received(3) == [b"first", b"", b"third"]
    sender.close()
    assert log.told == []


def test_name_is_looked_up_by_another_thread_while_messages_are_kept(
    log: Log, names: Names
) -> None:
    sender = log.sender("log.test")
    for number in range(3):
        sender.send(b"%d" % number)  # returns although no server has answered yet
    names.answers.set()
    assert log.received(3) == [b"0", b"1", b"2"]
    sender.send(b"3")
    assert log.received(1) == [b"3"]
    sender.close()
    assert len(names.threads) == 1
    assert names.threads[0] is not threading.current_thread()
    assert names.threads[0].daemon
    assert log.told == []


def test_what_is_more_than_may_be_kept_is_counted(
    log: Log, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "MAXIMUM_KEPT", 2)
    sender = log.sender("log.test")
    for number in range(5):
        sender.send(b"%d" % number)
    names.answers.set()
    assert log.received(2) == [b"0", b"1"]
    sender.send(b"5")
    assert log.received(1) == [b"5"]
    sender.close()
    assert log.told == ["log messages that were not sent to log.test: 3"]


def test_sender_that_is_closed_soon_sends_what_it_kept(log: Log, names: Names) -> None:
    sender = log.sender("log.test")
    sender.send(b"the only one")
    threading.Timer(0.01, names.answers.set).start()
    sender.close()
    assert log.received(1) == [b"the only one"]
    assert log.told == []


def test_end_does_not_wait_for_a_resolver_that_does_not_answer(
    log: Log, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "LOOK_UP", 0.05)
    sender = log.sender("log.test")
    sender.send(b"lost")
    sender.close()
    assert names.threads[0].is_alive()
    assert log.told == ["log messages that were not sent to log.test: 1"]


def test_name_that_is_unknown_is_said_once_and_what_was_lost_at_the_end(
    log: Log, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.problem = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    sender = log.sender("log.test")
    names.answers.set()
    sender.send(b"x")
    names.threads[0].join(10)
    sender.send(b"x")
    assert len(names.threads) == 1
    later = time.monotonic() + datagrams.RETRY + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    sender.send(b"x")
    names.threads[-1].join(10)
    assert len(names.threads) == 2
    unknown = "cannot send log messages to log.test: Name or service not known"
    assert log.told == [unknown]
    sender.close()
    assert log.told == [unknown, "log messages that were not sent to log.test: 3"]


def test_no_thread_at_all_is_said_and_no_error(
    log: Log, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sender = log.sender("log.test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        sender.send(b"x")
    assert log.told == ["cannot send log messages to log.test: can't start new thread"]
    assert names.threads == []


def test_message_that_is_too_long_is_the_only_one_lost(log: Log) -> None:
    sender = log.sender()
    sender.send(bytes(70_000))
    sender.send(b"short")
    assert log.received(1) == [b"short"]
    sender.close()
    assert log.told == ["log messages that were not sent to 127.0.0.1: 1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_child_process_looks_the_name_up_itself_and_sends_nothing_of_its_parent(
    log: Log, names: Names
) -> None:
    sender = log.sender("log.test")
    sender.send(b"parent")
    child = os.fork()
    if not child:
        try:
            names.answers.set()
            sender.send(b"child")
            sender.close()
        finally:
            os._exit(0)
    assert log.received(1) == [b"child"]
    assert os.waitpid(child, 0)[1] == 0
    names.answers.set()
    assert log.received(1) == [b"parent"]
    sender.close()


def test_host_without_a_way_to_it_leaves_no_socket(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    class Counted(socket.socket):
        def connect(self, address: object) -> None:
            del address
            made.append(self)
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Counted)
    log.sender().send(b"x")
    assert [sock.fileno() for sock in made] == [-1]
    assert log.told == ["cannot send log messages to 127.0.0.1: Network is unreachable"]


def test_name_that_no_host_can_have_is_said_and_ends_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(host: str, *_: object, **__: object) -> None:
        host.encode("idna")  # as Python does, but no server is asked where it does not

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    appender = open_appender(settings("SysLogAppender", host="a..b"), "storescp")
    for _ in range(2):
        appender.append(event("x"))
    appender.close()
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
