"""A listener with a gate: who waits for it is not read, costs what others cost, delays nobody."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.net.dispatch import ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.services.acceptor import Acceptor
from isocenter.ul import codec
from isocenter.ul.options import EngineOptions
from tests.net.support import (
    POLICY,
    SOCKETS,
    WAIT,
    Thread,
    proposal,
    read_pdu,
    registry,
    serve_options,
    tcp_pair,
)
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUEST = codec.encode(proposal())
KNOWN, SLOW = "127.0.0.1", "127.0.0.2"


class Gate:
    """Lets `KNOWN` in, and of others knows nothing before `answer`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.verdicts: dict[str, bool] = {}
        self._fresh: list[str] = []
        self._wake: Callable[[], None] | None = None

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def admits(self, peer: str, local: str) -> bool | None:
        self.asked.append((peer, local))
        host = peer.rpartition(":")[0]
        return True if host == KNOWN else self.verdicts.get(host)

    def settled(self) -> list[str]:
        fresh, self._fresh = self._fresh, []
        return fresh

    def deadline(self) -> float | None:
        return None

    def answer(self, host: str, *, admitted: bool | None) -> None:
        if admitted is not None:
            self.verdicts[host] = admitted
        self._fresh.append(host)
        assert self._wake is not None
        self._wake()


class Served:
    """A listener in a thread, and its gate."""

    def __init__(self, *, artim_timeout: float, maximum_pending: int) -> None:
        self.gate = Gate()
        engine = EngineOptions(limits=codec.Limits(), artim_timeout=artim_timeout)
        options = serve_options(engine=engine)
        self.listener = Listener(
            ListenOptions(port=0, maximum_pending=maximum_pending),
            engine,
            SOCKETS,
            ThreadDispatcher(Acceptor(POLICY, registry()).serve, options),
            gate=self.gate,
        )

    @contextlib.contextmanager
    def running(self, *, adopted: socket.socket | None = None) -> Iterator[int]:
        port = 0
        if adopted is None:
            port = self.listener.open()
        else:
            self.listener.adopt(adopted)
        ready = threading.Event()
        thread = Thread(lambda: self.listener.run(ready=ready.set))
        assert ready.wait(WAIT)
        try:
            yield port
        finally:
            self.listener.stop()
            self.listener.stop()
            thread.finish()

    def has_asked(self, times: int) -> None:
        wait_until(lambda: len(self.gate.asked) >= times, timeout=WAIT, what="the gate")


@pytest.fixture
def served() -> Served:
    return Served(artim_timeout=WAIT, maximum_pending=1000)


def dial(port: int, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT, source_address=(source, 0))


def is_accepted(connection: socket.socket) -> bool:
    """Tell whether a request was accepted, and not closed without a byte."""
    connection.settimeout(WAIT)
    try:
        answer = read_pdu(connection)
    except OSError:
        answer = b""
    assert answer[:1] in {b"", b"\x02"}
    return answer != b""


def test_admitted_connection_is_served_and_the_gate_told_both_ends(served: Served) -> None:
    with served.running() as port, dial(port, KNOWN) as connection:
        here = connection.getsockname()[1]
        connection.sendall(REQUEST)
        assert is_accepted(connection)
        assert served.gate.asked == [(f"{KNOWN}:{here}", f"127.0.0.1:{port}")]


@pytest.mark.parametrize("admitted", [True, False])
def test_connection_waits_for_the_verdict_and_delays_nobody(
    served: Served, *, admitted: bool
) -> None:
    with served.running() as port, dial(port, SLOW) as waiting:
        waiting.sendall(REQUEST)
        served.has_asked(1)
        with dial(port, KNOWN) as other:
            other.sendall(REQUEST)
            assert is_accepted(other)
        waiting.settimeout(0.05)
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        served.gate.answer(SLOW, admitted=admitted)
        assert is_accepted(waiting) is admitted


def test_verdict_may_be_put_off_again(served: Served) -> None:
    with served.running() as port, dial(port, SLOW) as waiting:
        waiting.sendall(REQUEST)
        served.has_asked(1)
        served.gate.answer(SLOW, admitted=None)
        served.has_asked(2)
        served.gate.answer(SLOW, admitted=True)
        assert is_accepted(waiting)


def test_all_of_a_host_are_decided_about_at_once(served: Served) -> None:
    with served.running() as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(dial(port, SLOW)) for _ in range(5)]
        served.has_asked(5)
        waiting.pop(2).close()
        served.gate.answer(SLOW, admitted=True)
        for connection in waiting:
            connection.sendall(REQUEST)
            assert is_accepted(connection)


def test_connection_that_waits_too_long_is_closed_unanswered() -> None:
    served = Served(artim_timeout=0.2, maximum_pending=1000)
    with served.running() as port, dial(port, SLOW) as waiting:
        waiting.sendall(REQUEST)
        assert not is_accepted(waiting)
        served.gate.answer(SLOW, admitted=True)
        with dial(port, KNOWN) as other:
            other.sendall(REQUEST)
            assert is_accepted(other)


def test_connections_that_wait_make_room_for_others() -> None:
    served = Served(artim_timeout=WAIT, maximum_pending=3)
    with served.running() as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(dial(port, SLOW)) for _ in range(4)]
        served.has_asked(4)
        assert not is_accepted(waiting[0])
        served.gate.answer(SLOW, admitted=True)
        for connection in waiting[1:]:
            connection.sendall(REQUEST)
            assert is_accepted(connection)


def test_stop_ends_connections_that_wait(served: Served) -> None:
    with served.running() as port:
        waiting = dial(port, SLOW)
        served.has_asked(1)
    with waiting:
        assert not is_accepted(waiting)


@pytest.mark.parametrize("admitted", [True, False])
def test_connection_that_was_handed_over_waits_as_well(served: Served, *, admitted: bool) -> None:
    requestor, theirs = tcp_pair()
    with requestor:
        requestor.sendall(REQUEST)
        served.gate.admits = lambda *_: served.gate.verdicts.get("127.0.0.1")  # type: ignore[method-assign]
        with served.running(adopted=theirs):
            served.gate.answer("127.0.0.1", admitted=admitted)
            assert is_accepted(requestor) is admitted
