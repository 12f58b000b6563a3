"""Worker and forked processes: balance, death, stop; nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import IsocenterError
from isocenter.net import workers
from isocenter.net.dispatch import Arrival
from isocenter.services import storage
from isocenter.services.verification import echo
from tests.net.support import CT, WAIT, message, read_pdu, serve_options, store_request
from tests.net.test_listener import REQUEST, associated, dial
from tests.support.processes import Process, child_pids, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.net.association import Association

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not workers.available(), reason="no processes to serve in"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc"),
]


@contextlib.contextmanager
def serving(kind: str, number: int) -> Iterator[tuple[Process, int]]:
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-m", "tests.net.worker_server", kind, str(number)]
    with Process(command, cwd=root) as process:
        process.wait_for_line("ready", timeout=WAIT)
        found = re.search(r"port (\d+)", process.stderr)
        assert found
        yield process, int(found[1])


def connections_of(pid: int) -> int:
    """Return how many sockets a process holds."""
    count = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(fd.readlink()).startswith("socket:")
    return count


def _has_sockets(pid: int, count: int) -> bool:
    return connections_of(pid) == count


def end(process: Process) -> None:
    ended = process.terminate(timeout=WAIT)
    assert ended.code == 0, ended.stderr
    assert "ended" in ended.stderr
    assert "Traceback" not in ended.stderr


def release_all(associations: list[Association]) -> None:
    for association in associations:
        association.release()


def test_associations_are_spread_over_the_workers() -> None:
    with serving("workers", 2) as (process, port):
        pids = child_pids(process.pid)
        assert len(pids) == 2
        channel = 1
        for pid in pids:
            wait_until(partial(_has_sockets, pid, channel), timeout=WAIT, what="a start")
        associations = [associated(port) for _ in range(4)]
        assert {pid: connections_of(pid) - channel for pid in pids} == dict.fromkeys(pids, 2)
        assert all(echo(association) == 0 for association in associations)
        release_all(associations)
        end(process)


def test_children_hold_no_listening_socket_and_no_connection_of_others() -> None:
    with serving("workers", 2) as (process, port):
        associations = [associated(port) for _ in range(2)]
        silent = dial(port)
        pids = child_pids(process.pid)
        os.kill(pids[0], signal.SIGKILL)
        process.wait_for_line("ended unexpectedly", timeout=WAIT)
        wait_until(lambda: len(child_pids(process.pid)) == 2, timeout=WAIT, what="a new worker")
        new = next(pid for pid in child_pids(process.pid) if pid not in pids)
        wait_until(lambda: connections_of(new) == 1, timeout=WAIT, what="the channel alone")
        silent.close()
        for association in associations:
            with contextlib.suppress(IsocenterError):
                association.release()
        end(process)


def test_killed_worker_is_replaced_and_the_others_go_on() -> None:
    with serving("workers", 2) as (process, port):
        associations = [associated(port) for _ in range(2)]
        pids = child_pids(process.pid)
        os.kill(pids[0], signal.SIGKILL)
        process.wait_for_line(f"process {pids[0]} ended unexpectedly (signal 9)", timeout=WAIT)
        alive = 0
        for association in associations:
            with contextlib.suppress(IsocenterError):
                alive += echo(association) == 0
                association.release()
            association.close()
        assert alive == 1
        wait_until(lambda: len(child_pids(process.pid)) == 2, timeout=WAIT, what="a new worker")
        again = [associated(port) for _ in range(4)]
        assert all(echo(association) == 0 for association in again)
        release_all(again)
        end(process)


@pytest.mark.parametrize("kind", ["workers", "fork"])
def test_stop_finishes_the_object_in_progress(kind: str) -> None:
    whole = message(store_request(), bytes(10_000))
    with serving(kind, 2) as (process, port), dial(port) as sock:
        sock.sendall(REQUEST)
        assert read_pdu(sock)[0] == 2
        sock.sendall(whole[:5000])
        process.wait_for_line("receiving", timeout=WAIT)
        process.signal(signal.SIGTERM)
        wait_until(lambda: _refuses(port), timeout=WAIT, what="the port to close")
        sock.sendall(whole[5000:])
        assert read_pdu(sock)[0] == 4
        assert read_pdu(sock)[0] == 7
        sock.close()
        assert process.wait(timeout=WAIT).code == 0


@pytest.mark.parametrize("kind", ["workers", "fork"])
def test_second_stop_aborts_the_object_in_progress(kind: str) -> None:
    whole = message(store_request(), bytes(10_000))
    with serving(kind, 2) as (process, port), dial(port) as sock:
        sock.sendall(REQUEST)
        assert read_pdu(sock)[0] == 2
        sock.sendall(whole[:5000])
        process.wait_for_line("receiving", timeout=WAIT)
        process.signal(signal.SIGTERM)
        wait_until(lambda: _refuses(port), timeout=WAIT, what="the port to close")
        process.signal(signal.SIGTERM)
        assert read_pdu(sock)[0] == 7
        sock.close()
        assert process.wait(timeout=WAIT).code == 0


def _refuses(port: int) -> bool:
    try:
        dial(port).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def test_each_association_gets_a_child_and_none_is_left() -> None:
    with serving("fork", 3) as (process, port):
        for _ in range(3):
            associations = [associated(port) for _ in range(2)]
            assert len(child_pids(process.pid)) == 2
            for association in associations:
                response = storage.store(
                    association, 1, sop_class_uid=CT, sop_instance_uid="1.2", data=[bytes(1000)]
                )
                assert response.status == 0
            release_all(associations)
            wait_until(lambda: not child_pids(process.pid), timeout=WAIT, what="no child")
        end(process)


def test_at_the_maximum_of_children_the_next_one_waits() -> None:
    with serving("fork", 1) as (process, port):
        first = associated(port)
        with dial(port) as sock:
            sock.sendall(REQUEST)
            assert echo(first) == 0
            assert len(child_pids(process.pid)) == 1
            first.release()
            assert read_pdu(sock)[0] == 2
        wait_until(lambda: not child_pids(process.pid), timeout=WAIT, what="no child")
        end(process)


def test_killed_parent_leaves_no_worker() -> None:
    with serving("workers", 2) as (process, port):
        association = associated(port)
        pids = child_pids(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_runs, pids)), timeout=WAIT, what="the workers to end")
        association.abort()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Channel:
    """Counts words."""

    words = 0

    def sendall(self, data: bytes) -> None:
        self.words += 1


def test_worker_is_asked_after_an_arrival_alone_and_replaced_where_it_never_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dispatcher = workers.WorkerDispatcher(lambda _: None, serve_options(), workers=1)
    channel = Channel()
    child = workers._Child(12345, channel)  # type: ignore[arg-type]  # only `sendall` is used
    dispatcher._children[child.pid] = child
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    assert dispatcher.deadline() is None
    child.handed = 1000.0
    assert dispatcher.deadline() == 1010.0
    dispatcher.on_deadline(1009.0)
    assert channel.words == 0
    dispatcher.on_deadline(1010.0)
    assert (killed, channel.words) == ([], 1)
    assert dispatcher.deadline() == 1070.0
    dispatcher.on_deadline(1069.0)
    assert (killed, channel.words) == ([], 1)
    dispatcher.on_deadline(1070.0)
    assert killed == [12345]
    assert dispatcher.deadline() is None


def test_hung_worker_is_replaced_although_nobody_else_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PING", "0.1 0.1")
    with serving("workers", 1) as (process, port):
        (hung,) = child_pids(process.pid)
        os.kill(hung, signal.SIGSTOP)
        with dial(port) as sock:
            sock.sendall(REQUEST)
            assert sock.recv(1) == b""
        wait_until(lambda: child_pids(process.pid) not in ([], [hung]), timeout=WAIT, what="one")
        association = associated(port)
        assert echo(association) == 0
        association.release()
        end(process)


def test_idle_worker_that_answers_its_ping_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PING", "0.01 5")
    with serving("workers", 1) as (process, port):
        before = child_pids(process.pid)
        association = associated(port)
        time.sleep(0.1)  # longer than the interval
        assert echo(association) == 0
        association.release()
        assert child_pids(process.pid) == before
        end(process)


class Refusals:
    """A loop that keeps what it is to refuse."""

    def __init__(self) -> None:
        self.refused: list[Arrival] = []

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        raise AssertionError

    def unwatch(self, fd: int) -> None:
        raise AssertionError

    def wake(self) -> None:
        raise AssertionError

    def refuse(self, arrival: Arrival) -> None:
        self.refused.append(arrival)

    def close_all(self) -> None:
        raise AssertionError


def test_arrivals_that_wait_for_a_child_are_bounded_in_number_and_time() -> None:
    dispatcher = workers.ForkDispatcher(
        lambda _: None, serve_options(), maximum_children=0, maximum_waiting=2
    )

    def has_room() -> bool:
        return dispatcher.has_room

    loop = Refusals()
    dispatcher.start(loop)
    arrivals = []
    pairs = [socket.socketpair() for _ in range(2)]
    before = time.monotonic()
    for ours, _ in pairs:
        assert has_room()
        arrivals.append(Arrival(ours, b"", "peer:1", before))
        dispatcher.dispatch(arrivals[-1])
    assert not has_room()
    due = dispatcher.deadline()
    assert due is not None
    assert 30 <= due - before < 30 + WAIT
    dispatcher.on_deadline(due - 0.001)
    assert loop.refused == []
    dispatcher.on_deadline(due)
    assert loop.refused[0] is arrivals[0]
    assert has_room()
    dispatcher.on_deadline(due + WAIT)
    assert loop.refused == arrivals
    assert dispatcher.deadline() is None
    for pair in pairs:
        for sock in pair:
            sock.close()
