"""Processes that speak TLS: workers shake hands themselves, a forking parent in its one thread."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import AssociationRejected, IsocenterError, TlsError
from isocenter.net import workers
from isocenter.services import storage
from isocenter.services.verification import echo
from isocenter.ul import codec
from tests.net.support import CT, WAIT, message, proposal, store_request
from tests.net.test_reception_tls import certificate, certificate_of, dial, refuses
from tests.net.test_workers import _has_sockets, connections_of, end, release_all
from tests.net.tls_support import Caller, associate, calling, identity, until_closed
from tests.support.processes import Process, child_pids, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not workers.available(), reason="no processes to serve in"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc"),
]

REQUEST = codec.encode(proposal())
ACCEPTED, REJECTED, DATA, ABORTED = 2, 3, 4, 7


@contextlib.contextmanager
def serving(
    kind: str, number: int, *, maximum_associations: int = 100
) -> Iterator[tuple[Process, int]]:
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-m", "tests.net.tls_worker_server", kind, str(number)]
    for own in (identity("archive"), identity("new archive")):
        command += [own.certificate, own.private_key]
    env = {"MAXIMUM_ASSOCIATIONS": str(maximum_associations)}
    with Process(command, cwd=root, env=env) as process:
        process.wait_for_line("ready", timeout=WAIT)
        found = re.search(r"port (\d+)", process.stderr)
        assert found
        yield process, int(found[1])


def loads(process: Process) -> list[int]:
    """Ask the server how many connections it thinks that each worker has."""
    asked = process.stderr.count("loads")
    process.signal(signal.SIGUSR1)

    def answered() -> bool:
        return len(re.findall(r"loads .*\.\n", process.stderr)) > asked

    wait_until(answered, timeout=WAIT, what="the loads")
    text = re.findall(r"loads \[(.*)\]\.\n", process.stderr)[-1]
    return [int(word) for word in text.split(",")] if text else []


def wait_for_loads(process: Process, expected: list[int]) -> None:
    wait_until(lambda: sorted(loads(process)) == expected, timeout=WAIT, what=f"loads {expected}")


def reset(port: int) -> None:
    """Connect, begin and break off."""
    with Caller(port) as caller:
        caller.sock.sendall(caller.hello()[:70])


def test_associations_are_spread_over_the_workers_and_known_by_what_was_agreed_on() -> None:
    with serving("workers", 2) as (process, port):
        pids = child_pids(process.pid)
        associations = [associate(port) for _ in range(4)]
        assert sorted(loads(process)) == [2, 2]
        assert all(echo(association) == 0 for association in associations)
        assert {certificate(one) for one in associations} == {certificate_of("archive")}
        assert child_pids(process.pid) == pids
        release_all(associations)
        wait_for_loads(process, [0, 0])
        end(process)


def test_silent_connection_stays_with_the_parent_and_goes_to_a_worker_with_its_first_byte() -> None:
    with serving("workers", 1) as (process, port):
        (pid,) = child_pids(process.pid)
        wait_until(partial(_has_sockets, pid, 1), timeout=WAIT, what="a start")
        with Caller(port) as caller:
            association = associate(port)  # the parent has accepted both
            wait_until(partial(_has_sockets, pid, 2), timeout=WAIT, what="one connection")
            assert loads(process) == [1]
            caller.shake()
            caller.send(REQUEST)
            assert caller.read_pdu()[0] == ACCEPTED
            assert connections_of(pid) == 3
            association.release()
        wait_for_loads(process, [0])
        end(process)


def test_loads_come_back_to_nothing_after_every_kind_of_end() -> None:
    other = calling()
    other.set_alpn_protocols(["h2"])
    with serving("workers", 2, maximum_associations=1) as (process, port):
        reset(port)
        with dial(port) as plain:
            plain.sendall(REQUEST)
            until_closed(plain)
        with Caller(port, other) as caller:
            caller.sock.sendall(caller.hello())
            until_closed(caller.sock)
        with pytest.raises(TlsError):
            associate(port, calling("Another Root"))
        with Caller(port) as caller:
            caller.shake()
            caller.send(b"no request")
            assert caller.read_pdu()[0] == ABORTED
        with Caller(port) as caller:
            caller.shake()
        wait_for_loads(process, [0, 0])
        served = [associate(port) for _ in range(2)]
        for _ in range(3):
            with pytest.raises(AssociationRejected) as caught:
                associate(port)
            assert (caught.value.result, caught.value.source, caught.value.reason) == (2, 3, 2)
        assert all(echo(association) == 0 for association in served)
        release_all(served)
        wait_for_loads(process, [0, 0])
        again = [associate(port) for _ in range(2)]
        served_again = [echo(association) for association in again]
        assert served_again == [0, 0]
        again[0].abort()
        again[1].release()
        wait_for_loads(process, [0, 0])
        end(process)


def test_peers_that_begin_and_stop_take_no_association_from_others() -> None:
    """They are more than a worker may have associations."""
    with serving("workers", 1, maximum_associations=2) as (process, port):
        with contextlib.ExitStack() as stack:
            for number in range(10):
                caller = stack.enter_context(Caller(port, source=f"127.0.0.{number + 2}"))
                caller.sock.sendall(caller.hello()[:70])
            wait_for_loads(process, [10])
            associations = [associate(port) for _ in range(2)]
            assert all(echo(association) == 0 for association in associations)
            with pytest.raises(AssociationRejected):
                associate(port)
            release_all(associations)
        wait_for_loads(process, [0])
        end(process)


def test_many_that_come_and_go_at_once_leave_the_worker_and_its_associations_alone() -> None:
    """More words than the channel holds: parent and worker must not wait for each other."""
    with serving("workers", 1) as (process, port):
        pids = child_pids(process.pid)
        association = associate(port)
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                socks = [stack.enter_context(dial(port)) for _ in range(300)]
                for sock in socks:
                    sock.sendall(b"x")
                for sock in socks:
                    sock.sendall(b"no TLS, and enough of it to say so")
        wait_for_loads(process, [1])
        assert echo(association) == 0
        association.release()
        assert child_pids(process.pid) == pids
        end(process)


def test_killed_worker_is_replaced_and_the_others_go_on() -> None:
    with serving("workers", 2) as (process, port):
        associations = [associate(port) for _ in range(2)]
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
        again = [associate(port) for _ in range(4)]
        assert all(echo(association) == 0 for association in again)
        assert sorted(loads(process)) == [2, 2]
        release_all(again)
        end(process)


def test_new_worker_holds_nothing_of_the_parent() -> None:
    with serving("workers", 1) as (process, port):
        with dial(port), associate_somewhere(port):
            (old,) = child_pids(process.pid)
            os.kill(old, signal.SIGKILL)
            process.wait_for_line("ended unexpectedly", timeout=WAIT)
            wait_until(
                lambda: child_pids(process.pid) not in ([], [old]), timeout=WAIT, what="another"
            )
            (new,) = child_pids(process.pid)
            wait_until(lambda: connections_of(new) == 1, timeout=WAIT, what="the channel alone")
        end(process)


@contextlib.contextmanager
def associate_somewhere(port: int) -> Iterator[None]:
    """Keep an association that may end at any time."""
    association = associate(port)
    try:
        yield
    finally:
        association.close()


def test_reload_reaches_the_workers_and_associations_go_on() -> None:
    with serving("workers", 2) as (process, port):
        before = [associate(port) for _ in range(2)]
        process.signal(signal.SIGHUP)
        process.wait_for_line("reloaded in", timeout=WAIT, count=3)
        after = [associate(port) for _ in range(4)]
        assert {certificate(association) for association in before} == {certificate_of("archive")}
        assert {certificate(one) for one in after} == {certificate_of("new archive")}
        assert all(echo(association) == 0 for association in before + after)
        # Who comes later inherits what the parent has read.
        pids = child_pids(process.pid)
        release_all(before + after)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait_for_line("ended unexpectedly", timeout=WAIT, count=2)
        wait_until(lambda: len(child_pids(process.pid)) == 2, timeout=WAIT, what="new workers")
        later = associate(port)
        assert certificate(later) == certificate_of("new archive")
        later.release()
        end(process)


@pytest.mark.parametrize("kind", ["workers", "fork"])
def test_stop_finishes_the_object_in_progress(kind: str) -> None:
    whole = message(store_request(), bytes(10_000))
    with serving(kind, 2) as (process, port), Caller(port) as caller:
        caller.shake()
        caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        caller.send(whole[:5000])
        process.wait_for_line("receiving", timeout=WAIT)
        process.signal(signal.SIGTERM)
        wait_until(lambda: refuses(port), timeout=WAIT, what="the port to close")
        caller.send(whole[5000:])
        assert caller.read_pdu()[0] == DATA
        assert caller.read_pdu()[0] == ABORTED
        assert caller.read(1) == b""
        assert caller.session.ended
        caller.sock.close()
        assert process.wait(timeout=WAIT).code == 0


@pytest.mark.parametrize("kind", ["workers", "fork"])
def test_second_stop_aborts_the_object_in_progress(kind: str) -> None:
    whole = message(store_request(), bytes(10_000))
    with serving(kind, 2) as (process, port), Caller(port) as caller:
        caller.shake()
        caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        caller.send(whole[:5000])
        process.wait_for_line("receiving", timeout=WAIT)
        process.signal(signal.SIGTERM)
        wait_until(lambda: refuses(port), timeout=WAIT, what="the port to close")
        process.signal(signal.SIGTERM)
        assert caller.read_pdu()[0] == ABORTED
        caller.sock.close()
        assert process.wait(timeout=WAIT).code == 0


def test_stop_closes_what_shakes_hands_in_a_worker() -> None:
    with serving("workers", 1) as (process, port), Caller(port) as caller:
        caller.sock.sendall(caller.hello()[:70])
        wait_for_loads(process, [1])
        process.signal(signal.SIGTERM)
        until_closed(caller.sock)
        assert process.wait(timeout=WAIT).code == 0


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_forking_parent_shakes_hands_in_its_one_thread() -> None:
    with serving("fork", 3) as (process, port):
        for _ in range(2):
            reset(port)
            with pytest.raises(TlsError):
                associate(port, calling("Another Root"))
            associations = [associate(port) for _ in range(2)]
            assert threads_of(process.pid) == 1
            assert len(child_pids(process.pid)) == 2
            for association in associations:
                assert certificate(association) == certificate_of("archive")
                response = storage.store(
                    association, 1, sop_class_uid=CT, sop_instance_uid="1.2", data=[bytes(300_000)]
                )
                assert response.status == 0
            release_all(associations)
            wait_until(lambda: not child_pids(process.pid), timeout=WAIT, what="no child")
        assert threads_of(process.pid) == 1
        end(process)


def test_forked_child_holds_its_own_connection_and_no_other() -> None:
    with serving("fork", 5) as (process, port), dial(port), Caller(port) as begun:
        begun.sock.sendall(begun.hello()[:70])
        associations = [associate(port) for _ in range(2)]
        assert all(echo(association) == 0 for association in associations)
        for pid in child_pids(process.pid):
            # Its connection and its channel.
            wait_until(partial(_has_sockets, pid, 2), timeout=WAIT, what="two sockets")
        # What the parent was in the middle of is not disturbed by its children.
        begun.sock.sendall(begun.hello()[70:])
        begun.shake()
        begun.send(REQUEST)
        assert begun.read_pdu()[0] == ACCEPTED
        release_all(associations)
        begun.sock.close()
        wait_until(lambda: not child_pids(process.pid), timeout=WAIT, what="no child")
        end(process)


def test_at_the_maximum_of_children_a_request_waits_with_its_session() -> None:
    """It had begun before the maximum was reached, and shakes hands while it is."""
    with serving("fork", 1) as (process, port), Caller(port) as waiting:
        waiting.sock.sendall(waiting.hello()[:70])
        first = associate(port)
        waiting.sock.sendall(waiting.hello()[70:])
        waiting.shake()
        waiting.send(REQUEST + message(store_request(), bytes(10_000)))
        assert echo(first) == 0
        assert len(child_pids(process.pid)) == 1
        first.release()
        assert waiting.read_pdu()[0] == ACCEPTED
        assert waiting.read_pdu()[0] == DATA
        waiting.sock.close()
        wait_until(lambda: not child_pids(process.pid), timeout=WAIT, what="no child")
        end(process)


def test_killed_parent_leaves_no_worker() -> None:
    with serving("workers", 2) as (process, port):
        association = associate(port)
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
