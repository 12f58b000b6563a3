"""storescp under load, chaos and crowds for minutes: nothing lost, nothing partial, no growth."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.faults.loads import Load, check_kept, in_implicit_vr
from tests.support.processes import child_pids, wait_until
from tests.support.tools import OURS, Receiver

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

MIB = 1024 * 1024
MODES: dict[str, tuple[str, ...]] = {
    "threads": (),
    "fork": ("--fork",),
    "workers": ("--workers", "2"),
}


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes, shared pages included."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _wait_for_another(receiver: Receiver, victim: int) -> None:
    """Wait until a killed worker is no child any more and there are two again."""

    def replaced() -> bool:
        children = child_pids(receiver.process.pid)
        return victim not in children and len(children) >= 2

    wait_until(replaced, timeout=15, what="a new worker")


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def many_descriptors() -> None:
    """Raise the limit of this process and of what it starts; skips where that is forbidden."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 12_000:
        pytest.skip(f"only {hard} descriptors are permitted here")
    wanted = 12_000 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("threads", ()),
        ("threads", ("+ti",)),
        ("threads", ("--durable",)),
        ("threads", ("+B",)),
        ("fork", ()),
        ("workers", ("+ti", "--durable")),
    ],
)
def test_receiver_killed_again_and_again_loses_nothing_confirmed(
    tmp_path: Path, mode: str, options: tuple[str, ...]
) -> None:
    load = Load(threads=4)
    generator = random.Random(mode)
    expected = in_implicit_vr if "+ti" in options else bytes
    for _ in range(50):
        with Receiver(OURS, tmp_path, *options, *MODES[mode]) as receiver:
            with load.against(receiver):
                load.wait_for(generator.choice([1, 2, 5, 20, 50]))
                time.sleep(generator.random() / 50)
                receiver.process.kill()
            check_kept(receiver, load, expected)
    with Receiver(OURS, tmp_path, *options, *MODES[mode]) as receiver:
        wait_until(lambda: receiver.leftovers == [], timeout=10, what="the leftovers to go")
        check_kept(receiver, load, expected)


def test_receiver_replaces_a_worker_that_is_killed(tmp_path: Path) -> None:
    load = Load(threads=4)
    with Receiver(OURS, tmp_path, "+B", "--workers", "2") as receiver:
        wait_until(
            lambda: len(child_pids(receiver.process.pid)) >= 2, timeout=10, what="the workers"
        )
        for _ in range(10):
            with load.against(receiver):
                load.wait_for(5)
                victim = child_pids(receiver.process.pid)[0]
                os.kill(victim, signal.SIGKILL)
            _wait_for_another(receiver, victim)
            check_kept(receiver, load)
        assert receiver.process.terminate().code == 0


@pytest.mark.parametrize("mode", MODES)
def test_receiver_stopped_under_load_answers_what_it_was_receiving(
    tmp_path: Path, mode: str
) -> None:
    for _ in range(10):
        load = Load(threads=4)
        with Receiver(OURS, tmp_path, "+B", *MODES[mode]) as receiver:
            with load.against(receiver):
                load.wait_for(20)
                ended = receiver.process.terminate(timeout=15)
            assert ended.code == 0
            assert "Traceback" not in ended.stderr
            assert receiver.leftovers == []
            check_kept(receiver, load)
            # What was whole when the stop came was answered: nothing is there unconfirmed
            # but what each thread had under way.
            assert len(receiver.names) <= len(load.confirmed) + 4
        for name in receiver.names:
            (tmp_path / name).unlink()


@pytest.mark.usefixtures("many_descriptors")
def test_receiver_beside_ten_thousand_silent_sockets(tmp_path: Path) -> None:
    silent: list[ScriptedRequestor] = []
    with Receiver(OURS, tmp_path, "+B", "-ta", "600") as receiver:
        try:
            silent.extend(ScriptedRequestor(receiver.port) for _ in range(10_000))
            wait_until(
                lambda: _descriptors(receiver.process.pid) > 10_000, timeout=30, what="all of them"
            )
            with ScriptedRequestor(receiver.port) as lively:
                lively.associate(CONTEXTS)
                worst = 0.0
                for _ in range(50):
                    start = time.monotonic()
                    assert lively.echo(ECHO_CONTEXT) == 0
                    worst = max(worst, time.monotonic() - start)
            start = time.monotonic()
            with ScriptedRequestor(receiver.port) as another:
                another.associate(CONTEXTS)
                assert another.echo(ECHO_CONTEXT) == 0
            assert time.monotonic() - start < 0.1
            assert worst < 0.1
            assert _resident(receiver.process.pid) < 100 * MIB
        finally:
            for connection in silent:
                connection.close()
        wait_until(
            lambda: _descriptors(receiver.process.pid) < 100, timeout=30, what="them to be closed"
        )


@pytest.mark.usefixtures("many_descriptors")
def test_receiver_holds_a_thousand_idle_associations(tmp_path: Path) -> None:
    idle: list[ScriptedRequestor] = []
    with Receiver(OURS, tmp_path, "+B", "-ts", "0") as receiver:
        try:
            for _ in range(1000):
                connection = ScriptedRequestor(receiver.port)
                idle.append(connection)
                connection.associate(CONTEXTS)
            assert _resident(receiver.process.pid) < 150 * MIB
            for connection in idle[::50]:
                assert connection.echo(ECHO_CONTEXT) == 0
        finally:
            for connection in idle:
                connection.close()


def test_receiver_does_not_grow_with_peers_that_break_off(tmp_path: Path) -> None:
    image = ct_image(rows=32, columns=32)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    whole = raw.associate_rq(CONTEXTS) + raw.message(STORE_CONTEXT, command, image.data_set)
    generator = random.Random(4)
    with Receiver(OURS, tmp_path, "+B", "-q") as receiver:

        def break_off(count: int) -> None:
            for _ in range(count):
                with ScriptedRequestor(receiver.port) as connection:
                    # The request goes first and is answered: data before that is a violation.
                    cut = generator.randrange(len(whole))
                    request = len(raw.associate_rq(CONTEXTS))
                    connection.send(whole[: min(cut, request)])
                    if cut >= request:
                        connection.receive()
                        connection.send(whole[request:cut])
                    if cut % 2:
                        connection.vanish()

        break_off(2000)
        wait_until(lambda: _descriptors(receiver.process.pid) < 40, timeout=30, what="an end")
        before = _resident(receiver.process.pid)
        break_off(20_000)
        wait_until(lambda: _descriptors(receiver.process.pid) < 40, timeout=30, what="an end")
        assert _resident(receiver.process.pid) - before < 8 * MIB
        assert receiver.leftovers == []
        assert receiver.process.running


def test_receiver_does_not_grow_with_objects(tmp_path: Path) -> None:
    image = ct_image(rows=64, columns=64)
    uids = image.sop_class_uid, image.sop_instance_uid
    with (
        Receiver(OURS, tmp_path, "+B", "-q") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for _ in range(1000):
            connection.store(STORE_CONTEXT, *uids, image.data_set)
        before = _resident(receiver.process.pid)
        connection._next_message_id = 1
        for number in range(60_000):
            if number % 60_000 == 59_000:
                connection._next_message_id = 1
            assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0
        assert _resident(receiver.process.pid) - before < 4 * MIB


def test_receiver_ends_a_pdu_that_dribbles(tmp_path: Path) -> None:
    """A PDU once begun has to average 1 KiB/s over 60 s, whatever `-ts` says."""
    image = ct_image(rows=64, columns=64)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(STORE_CONTEXT, command, image.data_set)
    with (
        Receiver(OURS, tmp_path, "+B", "-ts", "0") as receiver,
        ScriptedRequestor(receiver.port) as slow,
    ):
        slow.associate(CONTEXTS)
        start = time.monotonic()
        slow.send(message[:300])
        with contextlib.suppress(OSError):
            for byte in message[300:]:
                slow.send(bytes([byte]))
                slow.sock.settimeout(0.5)
                try:
                    slow.sock.recv(100)
                    break
                except TimeoutError:
                    assert time.monotonic() - start < 90
        assert 50 < time.monotonic() - start < 90
        wait_until(lambda: receiver.leftovers == [], timeout=5, what="temporary files to go")
        assert receiver.names == []


@pytest.mark.parametrize("mode", MODES)
def test_receiver_keeps_everything_confirmed_among_peers_that_misbehave(
    tmp_path: Path, mode: str
) -> None:
    load = Load(threads=4)
    stop = threading.Event()
    generator = random.Random(9)

    def misbehave(port: int) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), ScriptedRequestor(port) as connection:
                match generator.randrange(4):
                    case 0:
                        connection.send(generator.randbytes(200))
                    case 1:
                        connection.send(raw.associate_rq(CONTEXTS)[:50])
                    case 2:
                        connection.send(raw.associate_rq(CONTEXTS))
                        connection.receive(timeout=5)
                        connection.send(raw.p_data(generator.randbytes(100)))
                        connection.receive(timeout=5)
                    case _:
                        connection.vanish()

    with Receiver(OURS, tmp_path, "+B", "-q", *MODES[mode]) as receiver:
        threads = [threading.Thread(target=misbehave, args=(receiver.port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            with load.against(receiver):
                load.wait_for(2000, timeout=300)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        check_kept(receiver, load)
        wait_until(lambda: receiver.leftovers == [], timeout=10, what="temporary files to go")
        assert receiver.process.running
