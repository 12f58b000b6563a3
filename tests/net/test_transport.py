"""Plain TCP under an association: partial sends, files, errors, settings, system calls."""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import TYPE_CHECKING, cast

import pytest

from isocenter.errors import ConfigurationError, ConnectionLost, DataSetError
from isocenter.net.transport import PlainTransport, SocketOptions
from isocenter.wire import FileRegion, segment_length
from tests.net.support import WAIT, tcp_pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.wire import Segment


@pytest.fixture
def pair() -> Iterator[tuple[PlainTransport, socket.socket]]:
    left, right = tcp_pair()
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    right.settimeout(WAIT)
    transport = PlainTransport(left, SocketOptions())
    yield transport, right
    transport.close()
    right.close()


def send_all(transport: PlainTransport, peer: socket.socket, segments: Sequence[Segment]) -> bytes:
    transport.queue(segments)
    total = sum(map(segment_length, segments))
    received = bytearray()
    while len(received) < total:
        if transport.unsent:
            transport.send()
        sending = [transport.fileno()] if transport.unsent else []
        readable, _, _ = select.select([peer], sending, [], WAIT)
        if readable:
            received += peer.recv(1 << 16)
    assert not transport.unsent
    return bytes(received)


def test_partial_sends_go_on_where_they_stopped(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    parts = [bytes((i,)) * size for i, size in enumerate([1, 0, 100_000, 5, 0, 300_000, 7])]
    received = send_all(*pair, [parts[0], *(memoryview(part) for part in parts[1:])])
    assert received == b"".join(parts)


def test_more_buffers_than_one_system_call_takes(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    parts = [i.to_bytes(4, "big") for i in range(5000)]
    assert send_all(*pair, parts) == b"".join(parts)


def test_spans_of_files_are_read_in_order(
    pair: tuple[PlainTransport, socket.socket], tmp_path: Path
) -> None:
    data = os.urandom(300_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    other = os.open(path, os.O_RDONLY)
    segments: list[Segment] = [
        b"head",
        FileRegion(fd, 0, 100_000),
        b"between",
        FileRegion(fd, 100_000, 100_000),
        FileRegion(fd, 50, 10),
        FileRegion(other, 60, 10),
        b"tail",
    ]
    expected = b"head%bbetween%b%b%btail" % (
        data[:100_000],
        data[100_000:200_000],
        data[50:60],
        data[60:70],
    )
    try:
        assert send_all(*pair, segments) == expected
        assert send_all(*pair, segments) == expected
    finally:
        os.close(fd)
        os.close(other)


def test_file_that_became_shorter_is_noticed_before_anything_leaves(
    pair: tuple[PlainTransport, socket.socket], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(DataSetError, match="became shorter"):
        pair[0].queue([b"head", FileRegion(fd, 0, 11)])
    assert not pair[0].unsent
    os.close(fd)


def send_for_ever(transport: PlainTransport) -> None:
    while True:
        transport.queue([bytes(1000)])
        transport.send()


def test_end_of_stream_nothing_there_and_a_reset_are_told_apart(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    transport, peer = pair
    window = memoryview(bytearray(10))
    assert transport.receive_into(window) is None
    peer.shutdown(socket.SHUT_WR)
    assert transport.receive_into(window) == 0
    transport.queue([b"unread"])
    assert transport.send()
    peer.close()
    with pytest.raises(ConnectionLost):
        send_for_ever(transport)
    assert not transport.unsent


class FakeSocket:
    """Counts calls; fails as told."""

    family = socket.AF_INET

    def __init__(self, problem: OSError | None = None) -> None:
        self.calls: list[str] = []
        self._problem = problem

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return 99

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.calls.append(f"setsockopt {option} {value}")

    def recv_into(self, window: memoryview) -> int:
        self.calls.append("recv")
        if self._problem is not None:
            raise self._problem
        return 1

    def sendmsg(self, buffers: list[bytes]) -> int:
        self.calls.append(f"sendmsg {len(buffers)}")
        if self._problem is not None:
            raise self._problem
        return sum(map(len, buffers))


def fake(problem: OSError | None = None) -> tuple[PlainTransport, FakeSocket]:
    sock = FakeSocket(problem)
    return PlainTransport(cast("socket.socket", sock), SocketOptions()), sock


@pytest.mark.parametrize(
    "number",
    [errno.ENOBUFS, errno.ENOMEM, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENETDOWN],
)
def test_errors_of_the_system_become_a_lost_connection(number: int) -> None:
    transport, _ = fake(OSError(number, os.strerror(number)))
    transport.queue([b"x"])
    with pytest.raises(ConnectionLost, match=os.strerror(number)):
        transport.send()
    with pytest.raises(ConnectionLost, match=os.strerror(number)):
        transport.receive_into(memoryview(bytearray(1)))


@pytest.mark.parametrize("problem", [BlockingIOError(), InterruptedError()])
def test_calls_that_would_block_or_were_interrupted_are_tried_again(problem: OSError) -> None:
    transport, _ = fake(problem)
    transport.queue([b"x"])
    assert not transport.send()
    assert transport.unsent
    assert transport.receive_into(memoryview(bytearray(1))) is None


def test_a_message_costs_one_system_call_and_a_read_another() -> None:
    transport, sock = fake()
    sock.calls.clear()
    transport.queue([b"header", b"command", b"header", b"data"])
    assert transport.send()
    assert sock.calls == ["sendmsg 4"]
    sock.calls.clear()
    transport.receive_into(memoryview(bytearray(1)))
    assert sock.calls == ["recv"]


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="no TCP_QUICKACK here")
def test_hurrying_arms_quick_acknowledgement() -> None:
    transport, sock = fake()
    sock.calls.clear()
    transport.hurry()
    assert sock.calls == [f"setsockopt {socket.TCP_QUICKACK} 1"]


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "no_delay", "length"),
    [
        ({}, True, None),
        ({"TCP_NODELAY": "1"}, True, None),
        ({"TCP_NODELAY": "0"}, False, None),
        ({"TCP_NODELAY": " 0 "}, False, None),
        ({"TCP_NODELAY": ""}, True, None),
        ({"TCP_BUFFER_LENGTH": "65536"}, True, 65536),
        ({"TCP_BUFFER_LENGTH": "0"}, True, None),
    ],
)
def test_environment_sets_nagle_and_buffers(
    environment: dict[str, str], no_delay: bool, length: int | None
) -> None:
    options = SocketOptions.from_environment(environment)
    assert (options.no_delay, options.buffer_length) == (no_delay, length)


@pytest.mark.parametrize("name", ["TCP_NODELAY", "TCP_BUFFER_LENGTH"])
def test_environment_that_is_no_number_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=much: expected a whole number"):
        SocketOptions.from_environment({name: "much"})


@pytest.mark.parametrize("no_delay", [True, False])
def test_settings_reach_the_socket(no_delay: bool) -> None:
    left, right = tcp_pair()
    options = SocketOptions(no_delay=no_delay, buffer_length=50_000)
    options.apply_buffers(left)
    transport = PlainTransport(left, options)
    assert bool(left.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is no_delay
    assert left.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 50_000
    assert left.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 50_000
    transport.close()
    right.close()
