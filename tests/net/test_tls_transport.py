"""The transport over TLS: all arrives whole, nothing is forgotten, system calls are few."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections import deque
from itertools import cycle
from typing import TYPE_CHECKING, Self, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import ConnectionLost, DataSetError, TlsError
from isocenter.net.tls import TlsSession, TlsTransport
from isocenter.net.transport import PlainTransport
from isocenter.wire import FileRegion, FramedRegion, segment_length
from tests.net.support import SOCKETS, WAIT, Thread, tcp_pair
from tests.net.tls_records import ForgingRequestor
from tests.net.tls_support import VERSIONS, agreed, pass_on, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.wire import WireSegment

versions = pytest.mark.parametrize("version", VERSIONS)

MIB = 1 << 20


class Wire:
    """Two transports, and the bytes between them in the hands of the test."""

    def __init__(self, version: str | None = None) -> None:
        client, server = agreed(version)
        ours, self.from_sender = socket.socketpair()
        self.to_receiver, theirs = socket.socketpair()
        self.sender = TlsTransport(PlainTransport(ours, SOCKETS), client)
        self.receiver = TlsTransport(PlainTransport(theirs, SOCKETS), server)
        for sock in (self.from_sender, self.to_receiver):
            sock.setblocking(False)
        self.held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sender.close()
        self.receiver.close()
        self.from_sender.close()
        self.to_receiver.close()

    def carry(self, size: int) -> int:
        """Move some raw bytes; return how many were moved."""
        if not self.held:
            with contextlib.suppress(BlockingIOError):
                self.held = self.from_sender.recv(size)
        moved = 0
        with contextlib.suppress(BlockingIOError):
            if self.held:
                moved = self.to_receiver.send(self.held)
        self.held = self.held[moved:]
        return moved

    def take(self, window: memoryview) -> bytes:
        """Read once, as `net.intake` does: not before the descriptor says so, unless pending."""
        if not self.receiver.pending() and not is_readable(self.receiver):
            return b""
        count = self.receiver.receive_into(window)
        assert count != 0
        return bytes(window[:count]) if count else b""

    def transfer(
        self, segments: Sequence[WireSegment], chunks: Sequence[int], windows: Sequence[int]
    ) -> bytes:
        """Send segments by chunks of the raw stream into windows of so many bytes."""
        total = sum(map(segment_length, segments))
        self.sender.queue(segments)
        received = bytearray()
        sizes = cycle([memoryview(bytearray(size)) for size in windows])
        steps = cycle(chunks)
        while len(received) < total:
            if self.sender.unsent:
                self.sender.send()
            moved = self.carry(next(steps))
            # All that the bytes so far hold, until nothing tells of more.
            while self.receiver.pending() or is_readable(self.receiver):
                received += self.take(next(sizes))
            assert moved, f"{len(received)} of {total} bytes, and nothing says that there are more"
        return bytes(received)


def is_readable(transport: TlsTransport | socket.socket, seconds: float = 0.0) -> bool:
    return bool(select.select([transport.fileno()], [], [], seconds)[0])


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that are nowhere the same."""
    return bytes((seed + (i * 2654435761 >> 13)) & 0xFF for i in range(size))


NOISE = noise(100_000)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(0, 40),
            st.sampled_from([16_383, 16_384, 16_385, 32_768, 70_000]),
            st.integers(0, 40_000),
        ),
        max_size=12,
    ),
    chunks=st.lists(
        st.one_of(st.integers(40, 2000), st.integers(2000, 80_000)), min_size=1, max_size=8
    ),
    windows=st.lists(
        st.one_of(st.integers(1, 40), st.integers(40, 100_000)), min_size=1, max_size=5
    ),
    version=st.sampled_from(sorted(VERSIONS)),
)
def test_any_segments_by_any_chunks_into_any_windows_arrive_whole(
    sizes: list[int], chunks: list[int], windows: list[int], version: str
) -> None:
    data = [NOISE[i * 7 : i * 7 + size] for i, size in enumerate(sizes)]
    with Wire(version) as wire:
        assert wire.transfer(data, chunks, windows) == b"".join(data)
        assert wire.transfer([b"again"], chunks, windows) == b"again"
        assert not wire.sender.unsent


@versions
@pytest.mark.parametrize("chunk", [1, 5, 16_406])
def test_raw_bytes_one_by_one_and_a_window_of_one_byte(version: str, chunk: int) -> None:
    data = NOISE[:3000]
    with Wire(version) as wire:
        assert wire.transfer([data], [chunk], [1]) == data


def test_nothing_queued_is_nothing_sent() -> None:
    with Wire() as wire:
        nothing: list[list[WireSegment]] = [[], [b""], [b"", memoryview(b"")]]
        for segments in nothing:
            wire.sender.queue(segments)
            assert wire.sender.send()
            assert not wire.sender.unsent
        assert wire.carry(100) == 0
        assert wire.transfer([b"", b"x", b""], [100], [100]) == b"x"


@versions
def test_spans_of_files_and_framed_spans_arrive_in_order(version: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(NOISE)
    fd = os.open(path, os.O_RDONLY)
    header = b"\4\0\0\0\0\7hdr"
    segments: list[WireSegment] = [
        b"head",
        FileRegion(fd, 0, 30_000),
        b"between",
        FramedRegion(fd, 30_000, 3, 16_374, header),
        FileRegion(fd, 30_000, 20_000),
        FileRegion(fd, 7, 3),
        b"tail",
    ]
    framed = b"".join(header + NOISE[30_000 + i * 16_374 :][:16_374] for i in range(3))
    expected = (
        b"head"
        + NOISE[:30_000]
        + b"between"
        + framed
        + NOISE[30_000:50_000]
        + NOISE[7:10]
        + b"tail"
    )
    try:
        with Wire(version) as wire:
            assert wire.transfer(segments, [50_000, 9], [70_000, 11]) == expected
            assert wire.transfer(segments, [1000], [70_000]) == expected
    finally:
        os.close(fd)


def test_file_that_became_shorter_is_noticed_before_anything_leaves(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    fd = os.open(path, os.O_RDONLY)
    with Wire() as wire:
        with pytest.raises(DataSetError, match="became shorter"):
            wire.sender.queue([b"head", FileRegion(fd, 0, 11)])
        assert not wire.sender.unsent
        assert wire.carry(100) == 0
    os.close(fd)


@versions
def test_peer_that_does_not_read_for_a_while_gets_all_of_it_later(version: str) -> None:
    data = NOISE * 84  # 8.4 MB
    with Wire(version) as wire:
        wire.sender.queue([data[: 5 * MIB], data[5 * MIB :]])
        assert not wire.sender.send()
        assert not wire.sender.send()
        assert wire.sender.unsent
        received = bytearray()
        window = memoryview(bytearray(MIB))
        while len(received) < len(data):
            if wire.sender.unsent:
                wire.sender.send()
            while wire.carry(MIB):
                received += wire.take(window)
            received += wire.take(window)
        assert received == data
        assert not wire.sender.unsent


def test_both_sides_send_at_once() -> None:
    client, server = agreed()
    left, right = tcp_pair()
    ends = [
        TlsTransport(PlainTransport(left, SOCKETS), client),
        TlsTransport(PlainTransport(right, SOCKETS), server),
    ]
    data = [NOISE * 30, NOISE[::-1] * 30]
    got = [bytearray(), bytearray()]
    window = memoryview(bytearray(MIB))
    for end, whole in zip(ends, data, strict=True):
        end.queue([whole])
    deadline = time.monotonic() + WAIT
    while [len(part) for part in got] != [len(data[1]), len(data[0])]:
        assert time.monotonic() < deadline
        for number, end in enumerate(ends):
            if end.unsent:
                end.send()
            if end.pending() or is_readable(end):
                count = end.receive_into(window)
                assert count != 0
                got[number] += window[: count or 0]
    assert got == [data[1], data[0]]
    for end in ends:
        end.close()


# --- ends -----------------------------------------------------------------------------------


@pytest.fixture(params=sorted(VERSIONS))
def ends(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[TlsTransport, socket.socket, TlsSession]]:
    """An acceptor's transport, and its peer's socket and session."""
    client, server = agreed(request.param)
    left, right = tcp_pair()
    transport = TlsTransport(PlainTransport(left, SOCKETS), server)
    yield transport, right, client
    transport.close()
    right.close()


def encrypted(session: TlsSession, data: bytes) -> bytes:
    session.write(data)
    return session.outgoing()


def receive(transport: TlsTransport, size: int = 1000) -> bytes | None:
    """Wait for something, and read it: b"" at the end, None for nothing whole."""
    assert transport.pending() or is_readable(transport, WAIT)
    window = memoryview(bytearray(size))
    count = transport.receive_into(window)
    return None if count is None else bytes(window[:count])


def collect(transport: TlsTransport, size: int = 1000) -> bytes:
    """Return all until the end of the stream."""
    whole = b""
    while (part := receive(transport, size)) != b"":
        whole += part or b""
    return whole


@pytest.mark.parametrize("goodbye", [True, False], ids=["with goodbye", "without"])
@pytest.mark.parametrize("window", [3, 1000])
def test_end_of_the_stream_comes_behind_the_last_byte(
    ends: tuple[TlsTransport, socket.socket, TlsSession], window: int, *, goodbye: bool
) -> None:
    transport, peer, session = ends
    assert transport.receive_into(memoryview(bytearray(10))) is None
    data = encrypted(session, b"last words")
    if goodbye:
        session.say_goodbye()
        data += session.outgoing()
    peer.sendall(data)
    if not goodbye:
        peer.shutdown(socket.SHUT_WR)
    assert collect(transport, window) == b"last words"


def test_goodbye_alone_is_the_end_though_the_connection_stays(
    ends: tuple[TlsTransport, socket.socket, TlsSession],
) -> None:
    transport, peer, session = ends
    session.say_goodbye()
    peer.sendall(session.outgoing())
    assert receive(transport) == b""


def test_goodbye_that_came_with_the_request_is_told_by_the_transport_made_later() -> None:
    client, server = agreed()
    client.write(b"request")
    client.say_goodbye()
    pass_on(client, server)
    window = memoryview(bytearray(100))
    assert server.read_into(window) == 7
    left, right = tcp_pair()
    transport = TlsTransport(PlainTransport(left, SOCKETS), server)
    assert transport.pending()
    assert receive(transport) == b""
    transport.close()
    right.close()


def test_what_came_with_the_request_is_read_without_the_descriptor() -> None:
    client, server = agreed()
    client.write(b"request")
    client.write(b"and more")
    pass_on(client, server)
    assert server.read_into(memoryview(bytearray(7))) == 7
    left, right = tcp_pair()
    transport = TlsTransport(PlainTransport(left, SOCKETS), server)
    assert receive(transport) == b"and more"
    assert not transport.pending()
    transport.close()
    right.close()


@pytest.mark.parametrize("window", [3, 1000])
def test_broken_record_loses_the_connection_and_nothing_before_it(
    ends: tuple[TlsTransport, socket.socket, TlsSession], window: int
) -> None:
    transport, peer, session = ends
    broken = bytearray(encrypted(session, b"genuine") + encrypted(session, b"forged"))
    broken[-1] ^= 1
    peer.sendall(broken)
    whole = b""
    while len(whole) < 7:
        whole += receive(transport, window) or b""
    assert whole == b"genuine"
    with pytest.raises(ConnectionLost, match="bad record mac") as caught:
        collect(transport)
    assert isinstance(caught.value.__cause__, TlsError)
    peer.settimeout(WAIT)
    session.feed(peer.recv(1000))
    with pytest.raises(TlsError, match="bad record mac"):
        session.read_into(memoryview(bytearray(100)))


def test_plain_bytes_in_mid_stream_lose_the_connection(
    ends: tuple[TlsTransport, socket.socket, TlsSession],
) -> None:
    transport, peer, _ = ends
    peer.sendall(b"\5\0\0\0\0\4\0\0\0\0")
    with pytest.raises(ConnectionLost, match="TLS error: "):
        collect(transport)


def test_reset_is_told_after_what_came_before_it() -> None:
    """The read that fails comes in the same call as the one that did not."""
    client, server = agreed()
    fake = FakeSocket()
    fake.incoming = bytearray(encrypted(client, bytes(1 << 18)))
    fake.then = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    transport = TlsTransport(fake.transport(), server)
    window = memoryview(bytearray(MIB))
    done = 0
    for _ in range(100):
        try:
            count = transport.receive_into(window)
        except ConnectionLost as problem:
            assert os.strerror(errno.ECONNRESET) in str(problem)  # noqa: PT017
            break
        assert count
        done += count
    else:
        raise AssertionError("never told")
    assert done == 1 << 18


def test_send_that_fails_leaves_nothing_unsent(
    ends: tuple[TlsTransport, socket.socket, TlsSession],
) -> None:
    transport, peer, _ = ends
    # So that the connection is reset at once.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()

    def send_for_ever() -> None:
        while True:
            transport.queue([bytes(MIB)])
            while not transport.send():
                select.select([], [transport.fileno()], [], WAIT)

    with pytest.raises(ConnectionLost):
        send_for_ever()
    assert not transport.unsent


def test_close_says_goodbye_and_the_peer_knows_that_it_has_all(
    ends: tuple[TlsTransport, socket.socket, TlsSession],
) -> None:
    transport, peer, session = ends
    transport.queue([b"last words"])
    assert transport.send()
    transport.close()
    peer.settimeout(WAIT)
    while part := peer.recv(1000):
        session.feed(part)
    window = memoryview(bytearray(100))
    assert bytes(window[: session.read_into(window)]) == b"last words"
    session.read_into(window)
    assert session.ended


def test_close_in_the_middle_of_a_record_says_nothing_that_could_look_whole() -> None:
    with Wire() as wire:
        wire.sender.queue([bytes(8 * MIB)])
        assert not wire.sender.send()
        wire.sender.close()
        assert not wire.sender._session.has_outgoing  # no close_notify was made


def test_patience_takes_what_comes_soon_and_gives_up_after(
    ends: tuple[TlsTransport, socket.socket, TlsSession],
) -> None:
    transport, peer, session = ends
    window = memoryview(bytearray(100))
    assert transport.receive_into(window, 0.001) is None
    data = encrypted(session, b"prompt")

    def reply() -> None:
        peer.sendall(data)

    thread = Thread(reply)
    assert transport.receive_into(window, WAIT) == 6
    thread.finish()
    assert bytes(window[:6]) == b"prompt"


def test_masks_and_descriptor_are_those_of_the_socket_below() -> None:
    left, right = tcp_pair()
    plain = PlainTransport(left, SOCKETS)
    transport = TlsTransport(plain, agreed()[0])
    assert transport.fileno() == left.fileno()
    assert (transport.read_mask, transport.write_mask) == (plain.read_mask, plain.write_mask)
    transport.hurry()
    transport.close()
    assert left.fileno() == -1
    right.close()


# --- what a hostile peer may cost ------------------------------------------------------------


def test_peer_that_sends_no_data_but_always_something_gives_the_owner_its_turn(
    tmp_path: Path,
) -> None:
    """Requests to renegotiate, more than one read takes, answered one by one."""
    forger = ForgingRequestor(tmp_path)
    server = TlsSession(serving(version="TLSv1.2"), server_side=True)

    def exchange(data: bytes) -> bytes:
        server.feed(data)
        server.handshake()
        return server.outgoing()

    forger.shake(exchange)
    exchange(forger.session.outgoing())
    fake = FakeSocket()
    fake.endless = b"".join(forger.record(22, b"\1\0\0\0") for _ in range(5000))
    transport = TlsTransport(fake.transport(), server)
    window = memoryview(bytearray(4096))
    assert transport.receive_into(window) is None
    assert fake.calls.count("recv") < 20


class FakeSocket:
    """Has the bytes it is given, takes all it is to send, and counts calls."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.calls: deque[str] = deque()
        self.incoming = bytearray()
        self.endless = b""
        self.sent = bytearray()
        self.then: OSError = BlockingIOError()

    def transport(self) -> PlainTransport:
        return PlainTransport(cast("socket.socket", self), SOCKETS)

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return 99

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Take it."""

    def recv_into(self, window: memoryview) -> int:
        self.calls.append("recv")
        if self.endless:
            part, self.endless = self.endless[: len(window)], self.endless[len(window) :]
            window[: len(part)] = part
            return len(part)
        if not self.incoming:
            raise self.then
        count = min(len(window), len(self.incoming))
        window[:count] = self.incoming[:count]
        del self.incoming[:count]
        return count

    def sendmsg(self, buffers: list[bytes]) -> int:
        self.calls.append("send")
        for buffer in buffers:
            self.sent += buffer
        return sum(map(len, buffers))


@versions
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([MIB], id="one piece"),
        pytest.param([12, 512 * 1024 - 12, 12, 512 * 1024 - 12], id="two PDUs"),
        pytest.param([12, 16_372] * 64, id="PDUs of 16 KiB"),
        pytest.param([12, 4084] * 256, id="PDUs of 4 KiB"),
    ],
)
def test_a_mebibyte_costs_few_system_calls_each_way(version: str, sizes: list[int]) -> None:
    client, server = agreed(version)
    sending, receiving = FakeSocket(), FakeSocket()
    sender = TlsTransport(sending.transport(), client)
    receiver = TlsTransport(receiving.transport(), server)
    at = [sum(sizes[:i]) for i in range(len(sizes))]
    data = (NOISE * 11)[:MIB]
    sender.queue(
        [memoryview(data)[start : start + size] for start, size in zip(at, sizes, strict=True)]
    )
    assert sender.send()
    assert sending.calls.count("send") <= 11  # of some 100 KiB; one for each record were 64
    assert len(sending.sent) < MIB + 80 * 64  # whole records: 22 or 29 bytes for each 16 KiB
    receiving.incoming = sending.sent
    received = bytearray()
    window = memoryview(bytearray(MIB))
    while count := receiver.receive_into(window):
        received += window[:count]
    assert received == data
    assert receiving.calls.count("recv") <= 12  # of 128 KiB, and one that says there is no more


def test_a_small_message_is_one_call_and_its_reading_one() -> None:
    client, server = agreed()
    sending, receiving = FakeSocket(), FakeSocket()
    sender = TlsTransport(sending.transport(), client)
    receiver = TlsTransport(receiving.transport(), server)
    sender.queue([b"header", b"command", b"header", b"data"])
    assert sender.send()
    assert list(sending.calls) == ["send"]
    receiving.incoming = sending.sent
    window = memoryview(bytearray(1 << 16))
    assert receiver.receive_into(window) == 23
    assert list(receiving.calls) == ["recv"]
    assert not receiver.pending()
