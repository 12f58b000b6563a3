"""Connecting: name, address, TCP, association, each bounded and each failure named."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    TimeoutExpired,
)
from isocenter.net.association import Association
from isocenter.net.client import ConnectOptions, connect
from isocenter.record import replace
from isocenter.services.verification import echo
from isocenter.ul import codec, pdu
from tests.net.support import (
    SOCKETS,
    WAIT,
    Thread,
    acceptance,
    listening,
    proposal,
    read_pdu,
)
from tests.ul.engines import REJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.net.listener import ListenOptions


def options(port: int, host: str = "127.0.0.1", **changes: float) -> ConnectOptions:
    budgets = {"connect_timeout": WAIT, "acse_timeout": WAIT, **changes}
    return ConnectOptions(
        host=host,
        port=port,
        family="auto",
        sockets=SOCKETS,
        connect_timeout=budgets["connect_timeout"],
        acse_timeout=budgets["acse_timeout"],
    )


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection and let `answer` deal with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT)

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(WAIT)
                answer(connection)

        thread = Thread(run)
        yield server.getsockname()[1]
        thread.finish()


def test_connection_refused_is_named(free_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(options(free_port), proposal())
    error = caught.value
    assert (error.host, error.port, error.reason) == ("127.0.0.1", free_port, "Connection refused")
    assert not error.timed_out
    assert not error.unknown_host


def test_request_that_cannot_be_encoded_leaves_no_connection_open() -> None:
    request = replace(proposal(), application_context_name="none")

    def answer(connection: socket.socket) -> None:
        assert connection.recv(1) == b""

    with raw_server(answer) as port, pytest.raises(ValueError, match="none"):
        connect(options(port), request)


@pytest.mark.parametrize("timeout", [WAIT, None])
def test_unknown_host_is_named(timeout: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **names: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectError, match=r"unknown host .*not known") as caught:
        connect(ConnectOptions(host="nowhere", port=104, connect_timeout=timeout), proposal())
    assert caught.value.unknown_host


def test_name_that_cannot_be_encoded_is_an_unknown_host() -> None:
    with pytest.raises(ConnectError) as caught:
        connect(options(104, "a" * 300), proposal())
    assert caught.value.unknown_host


def test_name_look_up_is_bounded_by_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def stuck(
        host: str, port: int, family: int, kind: int, *, flags: int = 0
    ) -> list[tuple[object, ...]]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        done.wait(WAIT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    start = time.monotonic()
    with pytest.raises(ConnectError, match="look-up timed out") as caught:
        connect(options(104, "slow.example", connect_timeout=0.02), proposal())
    assert time.monotonic() - start < WAIT / 2
    assert caught.value.timed_out
    done.set()


@pytest.mark.slow
def test_connect_is_bounded() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectError) as caught:
            connect(options(port, connect_timeout=0.1), proposal())
        assert caught.value.timed_out
        assert caught.value.reason == "timed out"
        for filler in fillers:
            filler.close()


def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    with listening() as (_, port):
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **names: addresses)
        association = connect(options(port, "twice"), proposal())
        assert echo(association) == 0
        association.release()


def test_rejection_carries_its_reasons() -> None:
    def reject(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(codec.encode(REJECT))
        assert read_pdu(connection) == b""

    with raw_server(reject) as port, pytest.raises(AssociationRejected) as caught:
        connect(options(port), proposal())
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 1)


def test_abort_close_and_silence_instead_of_an_answer() -> None:
    def abort(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(codec.encode(pdu.AAbort(source=2, reason=2)))

    with raw_server(abort) as port, pytest.raises(AssociationAborted):
        connect(options(port), proposal())
    with raw_server(lambda connection: None) as port, pytest.raises(ConnectionLost):
        connect(options(port), proposal())

    def silent(connection: socket.socket) -> None:
        read_pdu(connection)
        assert read_pdu(connection)[0] == 7

    with raw_server(silent) as port, pytest.raises(TimeoutExpired, match="acse"):
        connect(options(port, acse_timeout=0.02), proposal())


def test_acceptance_in_pieces_is_an_acceptance() -> None:
    def dribble(connection: socket.socket) -> None:
        read_pdu(connection)
        for byte in codec.encode(acceptance(proposal())):
            connection.sendall(bytes((byte,)))
        assert read_pdu(connection)[0] == 5
        connection.sendall(codec.encode(pdu.AReleaseRP()))
        assert read_pdu(connection) == b""

    with raw_server(dribble) as port:
        association = connect(options(port), proposal())
        assert isinstance(association, Association)
        assert association.max_send_pdv == 16372
        assert association.peer_address == f"127.0.0.1:{port}"
        association.release()


def test_lack_of_descriptors_is_a_failure_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with listening() as (_, port):
        monkeypatch.setattr("isocenter.net.intake.WakeUp", fail)
        with pytest.raises(ConnectError, match="Too many open files"):
            connect(options(port), proposal())
        monkeypatch.undo()
        monkeypatch.setattr(socket, "socket", _no_socket)
        with pytest.raises(ConnectError, match="Too many open files"):
            connect(options(port), proposal())
        monkeypatch.undo()


def _no_socket(*args: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on this machine")


def listen_options(**changes: str) -> ListenOptions:
    from isocenter.net.listener import ListenOptions

    return ListenOptions(port=0, **changes)  # type: ignore[arg-type]  # only texts are given


@needs_ipv6
def test_ipv6_and_dual_stack() -> None:
    with listening(options=listen_options(family="ipv6", host="::1")) as (_, port):
        association = connect(options(port, "::1"), proposal())
        assert echo(association) == 0
        association.release()
        with pytest.raises(ConnectError):
            connect(options(port), proposal())
    with listening(options=listen_options(family="auto")) as (_, port):
        for host in ("127.0.0.1", "::1"):
            association = connect(options(port, host), proposal())
            assert echo(association) == 0
            association.release()
