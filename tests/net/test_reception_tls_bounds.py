"""A listener that speaks TLS: peers that begin and do not go on are bounded in number and cost."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TlsError
from isocenter.net.dispatch import Arrival, ThreadDispatcher
from isocenter.net.handshakes import Handshakes
from isocenter.net.listener import GivenListener, ListenOptions
from isocenter.net.tls import ServerTls, TlsSession
from isocenter.services.acceptor import Acceptor
from isocenter.services.verification import echo
from tests.net.support import POLICY, SOCKETS, WAIT, registry, serve_options
from tests.net.test_reception_tls import (
    ACCEPTED,
    REQUEST,
    Counting,
    assert_serving,
    begins,
    dial,
    limits,
)
from tests.net.tls_records import ForgingRequestor
from tests.net.tls_support import (
    Caller,
    Failures,
    associate,
    calling,
    listening,
    serving,
    until_closed,
)
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_half_a_hello_and_silence_after_the_handshake_end_with_artim() -> None:
    failures = Failures()
    with listening(engine=limits(1.0), on_failure=failures) as (_, port):
        with Caller(port) as half, Caller(port) as finished:
            hello = half.hello()
            half.sock.sendall(hello[:50])
            with contextlib.suppress(TlsError, OSError):  # where this machine is very slow
                finished.shake()
            until_closed(half.sock)
            until_closed(finished.sock)
        told = failures.wait(2)
        assert [failure.kind for failure in told] == ["expired", "expired"]
        assert hello[:32] in [failure.received for failure in told]


def test_handshakes_are_bounded_and_the_busiest_peer_makes_room() -> None:
    tls, failures = Counting(), Failures()
    options = ListenOptions(port=0, host="127.0.0.1", maximum_handshakes=3)
    with (
        listening(tls=tls, options=options, on_failure=failures) as (_, port),
        contextlib.ExitStack() as stack,
    ):

        def begin(source: str, count: int) -> Caller:
            caller = stack.enter_context(Caller(port, source=source))
            caller.sock.sendall(caller.hello()[:60])
            begins(tls, count)
            return caller

        good = begin("127.0.0.3", 1)
        greedy = [begin("127.0.0.2", count) for count in (2, 3)]
        assert failures.all == []
        greedy += [begin("127.0.0.2", count) for count in (4, 5, 6)]
        for caller in greedy[:3]:
            until_closed(caller.sock)
        crowded = failures.wait(3)
        assert {failure.kind for failure in crowded} == {"crowded"}
        assert {failure.peer_address.split(":")[0] for failure in crowded} == {"127.0.0.2"}
        # The good one began first and has its turn still; so have the last of the others.
        good.sock.sendall(good.hello()[60:])
        good.shake()
        good.send(REQUEST)
        assert good.read_pdu()[0] == ACCEPTED
        assert len(failures.all) == 3


def test_addresses_of_one_net_are_one_peer_that_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of IPv6, whose addresses this machine cannot have several of."""
    nets = {"127.0.0.4": "net", "127.0.0.5": "net", "127.0.0.6": "net"}
    monkeypatch.setattr("isocenter.net.pending.place_of", lambda host: nets.get(host, host))
    tls, failures = Counting(), Failures()
    options = ListenOptions(port=0, host="127.0.0.1", maximum_handshakes=4)
    with (
        listening(tls=tls, options=options, on_failure=failures) as (_, port),
        contextlib.ExitStack() as stack,
    ):
        callers = []
        # Of single addresses 127.0.0.3 would be the busiest.
        for count, source in enumerate(["127.0.0.3", "127.0.0.3", *nets], 1):
            caller = stack.enter_context(Caller(port, source=source))
            caller.sock.sendall(caller.hello()[:60])
            begins(tls, count)
            callers.append(caller)
        until_closed(callers[2].sock)
        (crowded,) = failures.wait(1)
        assert crowded.kind == "crowded"
        assert crowded.peer_address.startswith("127.0.0.4:")


def test_peer_that_renegotiates_and_takes_no_answer_is_closed(tmp_path: Path) -> None:
    failures = Failures()
    with (
        listening(tls=ServerTls(serving(version="TLSv1.2")), on_failure=failures) as (_, port),
        dial(port) as sock,
    ):

        def exchange(data: bytes) -> bytes:
            sock.sendall(data)
            return sock.recv(1 << 16)

        forger = ForgingRequestor(tmp_path)
        forger.shake(exchange)
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                sock.sendall(forger.record(22, b"\1\0\0\0"))
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        assert str(failure.cause) == "TLS error: the peer takes no answers"
        assert_serving_tls12(port)


def assert_serving_tls12(port: int) -> None:
    association = associate(port, version="TLSv1.2")
    assert echo(association) == 0
    association.release()


class Slow:
    """Holds up the handshakes of requestors that ask for a name."""

    def __init__(self) -> None:
        self.context = serving()
        self.context.sni_callback = self._hold
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        self._caller = calling()

    def _hold(self, *_: object) -> None:
        self.begun.release()
        self.let_go.wait(WAIT)

    def begin(self, port: int, source: str) -> socket.socket:
        """Send a hello that is held up."""
        session = TlsSession(self._caller, server_side=False, server_name="archive.example")
        session.handshake()
        sock = dial(port, source)
        sock.sendall(session.outgoing())
        return sock


@pytest.mark.slow
def test_connections_that_ended_while_their_handshake_waited_leave_nothing() -> None:
    """Two are held up in the threads, a third waits behind them; then all their time is up."""
    slow, failures = Slow(), Failures()
    tls = Counting(slow.context)
    with listening(tls=tls, engine=limits(1.0), on_failure=failures) as (listener, port):
        reception = listener._reception
        with contextlib.ExitStack() as stack:
            for number in range(3):
                stack.enter_context(slow.begin(port, f"127.0.0.{number + 2}"))
                begins(tls, number + 1)
                if number < 2:
                    assert slow.begun.acquire(timeout=WAIT)
            failures.wait(3)
            assert [failure.kind for failure in failures.all] == ["expired"] * 3
            wait_until(lambda: tls.begun[2]() is None, timeout=WAIT, what="a session to go")
        slow.let_go.set()
        # The loop takes in what the threads did, though no TLS is spoken any more: else it would
        # look for it again and again.
        wait_until(
            lambda: tls.begun[0]() is None and tls.begun[1]() is None,
            timeout=WAIT,
            what="the others to go",
        )
        wait_until(lambda: not reception._shaken, timeout=WAIT, what="the loop to look")
        assert reception.next_deadline() is None


class Forking(ThreadDispatcher):
    """Has the loop do all the work, as where processes are forked."""

    forks = True


@pytest.mark.slow
def test_loop_that_shakes_hands_itself_forgets_what_ended_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures, made = Failures(), serve_options(engine=limits(1.0))
    dispatcher = Forking(Acceptor(POLICY, registry()).serve, made)
    monkeypatch.setattr(Handshakes, "work", lambda _: time.sleep(0.01))  # others have their turn
    with listening(dispatcher=dispatcher, engine=made.engine, on_failure=failures) as (
        listener,
        port,
    ):
        handshakes = listener._reception._handshakes
        with Caller(port) as caller:
            caller.sock.sendall(caller.hello())
            (failure,) = failures.wait()
            assert failure.kind == "expired"
            assert handshakes.waits_for_loop
            monkeypatch.undo()
            wait_until(lambda: not handshakes.waits_for_loop, timeout=WAIT, what="the loop")


@pytest.mark.slow
def test_hundred_peers_that_begin_and_stop_do_not_keep_an_echo_waiting() -> None:
    tls = Counting()
    with listening(tls=tls) as (_, port), contextlib.ExitStack() as stack:
        for number in range(100):
            caller = stack.enter_context(Caller(port, source=f"127.0.0.{2 + number % 10}"))
            hello = caller.hello()
            caller.sock.sendall(hello if number % 2 else hello[: len(hello) // 2])
        begins(tls, 50)
        assert_serving(port)


def test_connections_that_a_worker_gets_expire_in_the_order_of_their_age() -> None:
    """One may have been silent for long before its first byte, with the parent."""
    made = serve_options(engine=limits(1000.0))
    listener = GivenListener(
        ListenOptions(port=0),
        made.engine,
        SOCKETS,
        ThreadDispatcher(Acceptor(POLICY, registry()).serve, made),
        on_end=lambda: None,
        tls=ServerTls(serving()),
    )
    reception = listener._reception
    ends = []
    for accepted_at in (50.0, 10.0, 60.0, 20.0, 20.0):
        ours, theirs = socket.socketpair()
        ends.append(theirs)
        listener.give(Arrival(ours, b"", "127.0.0.1:1", accepted_at))
    assert reception.next_deadline() == 1010.0
    for now, left in ((1009.9, 5), (1010.0, 4), (1020.0, 2), (1055.0, 1), (1060.0, 0)):
        reception.expire(now)
        assert len(reception) == left
    assert reception.next_deadline() is None
    listener.close_all()
    for sock in ends:
        sock.close()
