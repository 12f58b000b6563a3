"""The listener: connections that never associate cost little and keep nobody out."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import AssociationRejected, ConfigurationError
from isocenter.net.client import ConnectOptions, connect
from isocenter.net.dispatch import ThreadDispatcher
from isocenter.net.listener import ListenOptions
from isocenter.services.verification import echo
from isocenter.ul import codec, pdu
from isocenter.ul.options import EngineOptions
from tests.net.support import (
    SOCKETS,
    WAIT,
    Thread,
    listening,
    proposal,
    read_pdu,
    serve_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.net.association import Association
    from isocenter.net.dispatch import Arrival, Loop

ABORT = codec.encode(pdu.AAbort(source=0, reason=0))
REQUEST = codec.encode(proposal())


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT)


def associated(port: int) -> Association:
    return connect(
        ConnectOptions(host="127.0.0.1", port=port, sockets=SOCKETS, acse_timeout=WAIT), proposal()
    )


def assert_serving(port: int) -> None:
    association = associated(port)
    assert echo(association) == 0
    association.release()


@pytest.fixture
def port() -> Iterator[int]:
    with listening() as (_, number):
        yield number


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01" + bytes(100), id="TLS"),
        pytest.param(b"\1\0\xff\xff\xff\xff", id="request of 4 GiB"),
        pytest.param(b"\1\0" + (1 << 20 | 1).to_bytes(4, "big"), id="request just over the limit"),
        pytest.param(codec.encode(pdu.AReleaseRQ()), id="release"),
        pytest.param(b"\4\0\0\0\0\6\0\0\0\2\1\3", id="P-DATA"),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_what_is_no_request_is_answered_with_an_abort(
    port: int, data: bytes, *, bytewise: bool
) -> None:
    with dial(port) as sock:
        with contextlib.suppress(OSError):
            for piece in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                sock.sendall(piece)
        assert read_pdu(sock) == ABORT
        assert sock.recv(1) == b""
    assert_serving(port)


def test_abort_before_a_request_is_closed_without_a_word(port: int) -> None:
    with dial(port) as sock:
        sock.sendall(ABORT)
        assert sock.recv(1) == b""


def test_request_byte_by_byte_is_a_request(port: int) -> None:
    with dial(port) as sock:
        for byte in REQUEST:
            sock.sendall(bytes((byte,)))
        assert read_pdu(sock)[0] == 2


def test_request_with_what_follows_in_one_segment_loses_nothing(port: int) -> None:
    with dial(port) as sock:
        sock.sendall(REQUEST + codec.encode(pdu.AAbort(source=0, reason=0)))
        with contextlib.suppress(ConnectionResetError):
            assert read_pdu(sock)[0] == 2
            assert read_pdu(sock) == b""
    assert_serving(port)


def test_silent_and_dribbling_connections_end_with_artim() -> None:
    engine = EngineOptions(limits=codec.Limits(), artim_timeout=0.05)
    with listening(engine=engine) as (_, port):
        with dial(port) as silent, dial(port) as dribbling:
            dribbling.sendall(REQUEST[:50])
            assert silent.recv(1) == b""
            with contextlib.suppress(ConnectionResetError):
                assert dribbling.recv(1) == b""
        assert_serving(port)


def test_oldest_connection_makes_room_for_the_newest() -> None:
    options = ListenOptions(port=0, host="127.0.0.1", maximum_pending=3)
    with listening(options=options) as (_, port):
        socks = [dial(port) for _ in range(5)]
        assert socks[0].recv(1) == b""
        assert socks[1].recv(1) == b""
        socks[4].sendall(REQUEST)
        assert read_pdu(socks[4])[0] == 2
        for sock in socks:
            sock.close()
        assert_serving(port)


def test_connection_that_made_room_in_the_same_turn_is_not_read() -> None:
    """All arrive at once: some are closed to make room while their bytes wait."""
    options = ListenOptions(port=0, host="127.0.0.1", maximum_pending=1)
    with listening(options=options) as (_, port):
        for _ in range(20):
            socks = [dial(port) for _ in range(5)]
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.sendall(b"\1")
            for sock in socks:
                sock.close()
        assert_serving(port)


def test_bytes_without_association_have_a_budget() -> None:
    options = ListenOptions(port=0, host="127.0.0.1", maximum_pending_bytes=1000)
    with listening(options=options) as (_, port):
        with dial(port) as first, dial(port) as second:
            big = b"\1\0" + (100_000).to_bytes(4, "big")
            first.sendall(big + bytes(900))
            with contextlib.suppress(OSError):
                second.sendall(big + bytes(2000))
                assert second.recv(1) == b""
            first.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert first.recv(1) == b""
        assert_serving(port)


def test_one_association_too_many_is_rejected_as_transient() -> None:
    with listening(maximum_associations=1) as (_, port):
        first = associated(port)
        with pytest.raises(AssociationRejected) as caught:
            associated(port)
        assert (caught.value.result, caught.value.source, caught.value.reason) == (2, 3, 2)
        assert echo(first) == 0
        first.release()


class Hesitating(ThreadDispatcher):
    """Keeps an arrival for a moment and then refuses it."""

    def __init__(self) -> None:
        super().__init__(lambda _: None, serve_options())
        self.loop: Loop | None = None
        self.kept: Arrival | None = None
        self.until = 0.0

    def start(self, loop: Loop) -> None:
        self.loop = loop

    def dispatch(self, arrival: Arrival) -> None:
        self.kept, self.until = arrival, time.monotonic() + 0.05

    def deadline(self) -> float | None:
        return None if self.kept is None else self.until

    def on_deadline(self, now: float) -> None:
        assert self.loop is not None
        assert self.kept is not None
        assert now >= self.until
        kept, self.kept = self.kept, None
        self.loop.refuse(kept)


def test_dispatcher_is_called_when_it_wants_and_may_refuse_an_arrival() -> None:
    with listening(dispatcher=Hesitating()) as (_, port), dial(port) as sock:
        sock.sendall(REQUEST)
        assert read_pdu(sock) == codec.encode(pdu.AAssociateRJ(result=2, source=3, reason=2))
        assert sock.recv(1) == b""


@pytest.mark.slow
def test_first_stop_waits_for_the_message_second_aborts() -> None:
    with listening() as (listener, port), dial(port) as sock:
        sock.sendall(REQUEST)
        assert read_pdu(sock)[0] == 2
        sock.sendall(b"\4\0\0\0\0\x50\0\0\0\x4c\1\3" + bytes(10))  # a command, begun
        listener.stop()
        deadline_probe(port)
        listener.stop()
        assert read_pdu(sock)[0] == 7


def deadline_probe(port: int) -> None:
    """Return once the listener no longer accepts."""
    for _ in range(10_000):
        try:
            dial(port).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return
    raise AssertionError("still accepting")


def test_idle_association_is_aborted_by_the_first_stop() -> None:
    with listening() as (listener, port), dial(port) as sock:
        sock.sendall(REQUEST)
        assert read_pdu(sock)[0] == 2
        listener.stop()
        assert read_pdu(sock)[0] == 7


def test_listener_can_be_stopped_before_it_runs_and_after() -> None:
    from isocenter.net.dispatch import ThreadDispatcher
    from isocenter.net.listener import Listener
    from tests.net.support import serve_options

    options = serve_options()
    listener = Listener(
        ListenOptions(port=0, host="127.0.0.1"),
        options.engine,
        SOCKETS,
        ThreadDispatcher(lambda association: None, options),
    )
    listener.open()
    listener.stop()
    running = Thread(listener.run)
    running.finish()
    listener.stop()


def test_port_in_use_and_port_too_large_are_configuration_errors(port: int) -> None:
    from isocenter.net.dispatch import ThreadDispatcher
    from isocenter.net.listener import Listener
    from tests.net.support import serve_options

    options = serve_options()
    for number, reason in ((port, "in use"), (70_000, "0-65535")):
        listener = Listener(
            ListenOptions(port=number, host="127.0.0.1"),
            options.engine,
            SOCKETS,
            ThreadDispatcher(lambda association: None, options),
        )
        with pytest.raises(ConfigurationError, match=reason):
            listener.open()
        listener.close_all()


def test_provider_that_fails_takes_nobody_with_it(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()

    def serve(association: Association) -> None:
        association.await_request()
        failed.set()
        raise ZeroDivisionError

    with (
        caplog.at_level(logging.CRITICAL, "isocenter.net.dispatch"),
        listening(dispatcher=ThreadDispatcher(serve, serve_options())) as (_, port),
    ):
        for _ in range(2):
            with dial(port) as sock:
                sock.sendall(REQUEST)
                assert read_pdu(sock)[0] == 7
                assert failed.wait(WAIT)


_SCARCE = """
import resource, socket, sys, time
from isocenter.errors import ConnectError
from isocenter.net.client import ConnectOptions, connect
from isocenter.services.verification import echo
from tests.net.support import listening, proposal, SOCKETS

with listening() as (_, port):
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    socks = []
    try:
        while True:
            socks.append(socket.create_connection(("127.0.0.1", port), timeout=5))
    except OSError:
        pass
    # Give back enough for one association on both sides.
    for sock in socks[-6:]:
        sock.close()
    options = ConnectOptions(host="127.0.0.1", port=port, sockets=SOCKETS, acse_timeout=20)
    deadline = time.monotonic() + 20
    while True:
        try:
            association = connect(options, proposal())
            break
        except ConnectError:
            # This end shares the descriptors with the listener, which takes what waits for it.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    assert echo(association) == 0
    association.release()
    for sock in socks:
        sock.close()
print("served")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on descriptors")
def test_silent_connections_give_way_when_descriptors_run_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCARCE], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.returncode) == ("served\n", 0), done.stderr
