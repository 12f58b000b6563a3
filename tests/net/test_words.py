"""The words between a server and its processes: none is misread, and nobody waits for the other."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.net import words
from isocenter.net.words import ABORT, ALIVE, ARRIVAL, ENDED, HEADER, PING, RELOAD, STOP
from tests.net.support import WAIT, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.net.dispatch import Arrival

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no processes here")


class Child:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.said = bytearray()
        self.served: list[Arrival] = []

    def words(self) -> words.Words:
        return words.Words(
            lambda: self.heard.append("stop"),
            lambda: self.heard.append("abort"),
            self.served.append,
            lambda: self.heard.append("reload"),
            self.said.extend,
            lambda: self.heard.append("lost"),
        )


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The parent's end and the child's."""
    ours, theirs = socket.socketpair()
    ours.settimeout(WAIT)
    theirs.settimeout(WAIT)
    yield ours, theirs
    ours.close()
    theirs.close()


def word(letter: bytes, address: bytes = b"", received: bytes = b"") -> bytes:
    return HEADER.pack(letter, 12.5, len(address), len(received)) + address + received


def test_child_does_what_it_is_told(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    child = Child()
    ours.sendall(b"".join(map(word, (RELOAD, PING, STOP, ABORT))))
    heard = [words.follow(theirs, child.words()) for _ in range(4)]
    assert heard == [RELOAD, PING, STOP, ABORT]
    assert child.heard == ["reload", "stop", "abort"]
    assert child.said == ALIVE
    ours.close()
    assert words.follow(theirs, child.words()) is None
    assert child.heard[3:] == ["stop"]


def test_arrival_comes_with_its_descriptor_and_all_that_was_read(
    channel: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channel
    child = Child()
    left, right = socket.socketpair()
    whole = word(ARRIVAL, b"peer:1", b"request" * 1000)
    socket.send_fds(ours, [whole[: HEADER.size]], [left.fileno()])
    left.close()
    ours.sendall(whole[HEADER.size :])
    assert words.follow(theirs, child.words()) == ARRIVAL
    (arrival,) = child.served
    assert (arrival.peer_address, arrival.accepted_at) == ("peer:1", 12.5)
    assert arrival.received == b"request" * 1000
    assert not arrival.sock.getblocking()
    assert not arrival.sock.get_inheritable()
    arrival.sock.send(b"here")
    assert right.recv(10) == b"here"
    arrival.sock.close()
    right.close()


def test_arrival_without_a_descriptor_is_told_and_the_next_word_is_understood(
    channel: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """What the system does where the child has no descriptor left: it drops those that came."""
    ours, theirs = channel
    child = Child()
    ours.sendall(word(ARRIVAL, b"peer:1", b"request") + word(PING))
    assert words.follow(theirs, child.words()) == ARRIVAL
    assert child.served == []
    assert child.said == ENDED
    assert child.heard == ["lost"]
    assert "cannot serve peer:1: no descriptor left" in caplog.text
    assert words.follow(theirs, child.words()) == PING
    assert child.said == ENDED + ALIVE


def test_parent_that_goes_away_within_an_arrival_is_gone(
    channel: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channel
    child = Child()
    ours.sendall(word(ARRIVAL, b"peer:1", b"request")[:-3])
    ours.close()
    assert words.follow(theirs, child.words()) is None
    assert child.heard == ["stop"]
    assert child.served == []


def test_who_says_that_many_have_ended_does_not_wait_for_a_parent_that_is_busy(
    channel: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channel
    theirs.settimeout(None)
    say = words.Teller(theirs)
    many = 10_000  # the system keeps some hundred

    def speak() -> None:
        for _ in range(many):
            say(ENDED)
        say(ALIVE)

    Thread(speak).finish()
    heard = bytearray()
    until = time.monotonic() + WAIT
    while len(heard) <= many:
        assert time.monotonic() < until
        heard += ours.recv(4096)
    assert heard == ENDED * many + ALIVE
