"""Peers that vanish, fall silent or dribble, and other associations beside busy ones."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.peer import PeerClosed
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support import part10
from tests.support.processes import Process, wait_until
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

FORK = () if UNDER_TEST.is_ours else ("--fork",)
IMAGE = ct_image(rows=128, columns=128)


class Stage(NamedTuple):
    """How far a peer comes before it goes.

    Fields: `parts` name what is sent and how much of it, as a fraction; `answers` is how many
    of them get an answer that is read; `complete` is whether a whole object was sent.
    """

    name: str
    parts: tuple[tuple[str, float], ...]
    answers: int
    complete: bool = False


REQUEST = raw.associate_rq(CONTEXTS)
COMMAND = raw.c_store_rq(1, IMAGE.sop_class_uid, IMAGE.sop_instance_uid)
MESSAGE = raw.message(STORE_CONTEXT, COMMAND, IMAGE.data_set)

STAGES = [
    Stage("connected", (), 0),
    Stage("one byte", (("request", 0.005),), 0),
    Stage("half a request", (("request", 0.5),), 0),
    Stage("request, answer not read", (("request", 1),), 0),
    Stage("associated", (("request", 1),), 1),
    Stage("a PDU header", (("request", 1), ("command", 0.04)), 1),
    Stage("half a command", (("request", 1), ("command", 0.5)), 1),
    Stage("a command", (("request", 1), ("command", 1)), 1),
    Stage("half a data set", (("request", 1), ("message", 0.5)), 1),
    # More are missing than an A-ABORT has, or its bytes would make the data set whole.
    Stage("all but a few bytes", (("request", 1), ("message", 0.999)), 1),
    Stage("an object, answer not read", (("request", 1), ("message", 1)), 1, complete=True),
    Stage("an object", (("request", 1), ("message", 1)), 2, complete=True),
    Stage("release, answer not read", (("request", 1), ("release", 1)), 1),
]

ENDS: dict[str, Callable[[ScriptedRequestor], None]] = {
    "closes": lambda connection: connection.close(),
    "resets": lambda connection: connection.vanish(),
    "aborts": lambda connection: connection.send(raw.abort()),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_receiver_forgets_a_peer_that_goes(
    receiver: Receiver, requestor: ScriptedRequestor, stage: Stage, end: str
) -> None:
    image = ct_image(rows=128, columns=128)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    wholes = {
        "request": REQUEST,
        "command": raw.message(STORE_CONTEXT, command),
        "message": raw.message(STORE_CONTEXT, command, image.data_set),
        "release": raw.release_rq(),
    }
    for number, (what, fraction) in enumerate(stage.parts):
        whole = wholes[what]
        requestor.send(whole[: max(1, int(len(whole) * fraction))])
        if number < stage.answers:
            requestor.receive()
    ENDS[end](requestor)
    requestor.close()
    name = f"CT.{image.sop_instance_uid}"
    if UNDER_TEST.is_ours:
        wait_until(lambda: receiver.leftovers == [], timeout=5, what="temporary files to go")
        if not stage.complete:
            assert name not in receiver.names
    if name in receiver.names and stage.complete:
        assert part10.read(receiver.directory / name).data_set == image.data_set
    if stage.answers == 2:
        assert name in receiver.names, "it was confirmed"
    with ScriptedRequestor(receiver.port) as other:
        other.associate(CONTEXTS)
        assert other.echo(ECHO_CONTEXT) == 0


def _seconds_until_closed(connection: ScriptedRequestor, timeout: float) -> float:
    start = time.monotonic()
    try:
        while connection.receive(timeout=timeout).pdu_type != raw.ABORT:
            pass
    except PeerClosed:
        pass
    return time.monotonic() - start


def test_receiver_closes_a_connection_that_never_asks_for_an_association(tmp_path: Path) -> None:
    with (
        Receiver(UNDER_TEST, tmp_path, *FORK, "+B", "-ta", "1") as receiver,
        ScriptedRequestor(receiver.port) as silent,
    ):
        assert 0.5 < _seconds_until_closed(silent, 5) < 4


def test_receiver_closes_a_connection_that_dribbles_its_request(tmp_path: Path) -> None:
    """The time for the request runs from the connection on, not from the last byte."""
    if not UNDER_TEST.is_ours:
        pytest.skip("DCMTK's tool takes each byte as a sign of life")
    with (
        Receiver(UNDER_TEST, tmp_path, "+B", "-ta", "1") as receiver,
        ScriptedRequestor(receiver.port) as slow,
    ):
        start = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012 - it may end in any send
            for byte in REQUEST * 100:
                slow.send(bytes([byte]))
                slow.sock.settimeout(0.05)
                try:
                    if not slow.sock.recv(100):
                        raise PeerClosed
                except TimeoutError:
                    continue
        assert 0.5 < time.monotonic() - start < 4


def test_receiver_aborts_an_association_that_stays_idle(tmp_path: Path) -> None:
    with (
        Receiver(UNDER_TEST, tmp_path, *FORK, "+B", "-v", "-ts", "1") as receiver,
        ScriptedRequestor(receiver.port) as idle,
    ):
        idle.associate(CONTEXTS)
        assert 0.5 < _seconds_until_closed(idle, 5) < 4
        receiver.process.wait_for_line("I: Association Aborted")


def test_receiver_aborts_when_a_peer_falls_silent_inside_an_object(tmp_path: Path) -> None:
    with (
        Receiver(UNDER_TEST, tmp_path, *FORK, "+B", "-v", "-ts", "1") as receiver,
        ScriptedRequestor(receiver.port) as silent,
    ):
        silent.associate(CONTEXTS)
        silent.send(MESSAGE[: len(MESSAGE) // 2])
        assert 0.5 < _seconds_until_closed(silent, 5) < 4
        if UNDER_TEST.is_ours:
            wait_until(lambda: receiver.leftovers == [], timeout=5, what="temporary files to go")
            assert receiver.names == []


def test_receiver_answers_beside_many_silent_connections(tmp_path: Path) -> None:
    silent: list[ScriptedRequestor] = []
    with Receiver(UNDER_TEST, tmp_path, *FORK, "+B") as receiver:
        try:
            for number in range(300):
                connection = ScriptedRequestor(receiver.port)
                silent.append(connection)
                if number % 3 == 1:
                    connection.send(REQUEST[:10])
            start = time.monotonic()
            with ScriptedRequestor(receiver.port) as lively:
                lively.associate(CONTEXTS)
                assert lively.echo(ECHO_CONTEXT) == 0
            if UNDER_TEST.is_ours:
                assert time.monotonic() - start < 1
        finally:
            for connection in silent:
                connection.close()


def test_receiver_holds_many_idle_associations(tmp_path: Path) -> None:
    idle: list[ScriptedRequestor] = []
    with Receiver(UNDER_TEST, tmp_path, *FORK, "+B") as receiver:
        try:
            for _ in range(60):
                connection = ScriptedRequestor(receiver.port)
                idle.append(connection)
                connection.associate(CONTEXTS)
            for connection in idle:
                assert connection.echo(ECHO_CONTEXT) == 0
        finally:
            for connection in idle:
                connection.close()


def test_receiver_echoes_at_once_while_another_association_is_busy(
    receiver: Receiver, bystander: ScriptedRequestor, tmp_path: Path
) -> None:
    """The busy peer is a program of its own, so that this test's clock is not slowed by it."""
    image = ct_image(rows=2048, columns=2048)
    file = image.write(tmp_path / "large.dcm")
    argv = UNDER_TEST.argv("storescu", "-R", "--repeat", "100000", "127.0.0.1", str(receiver.port))
    with Process([*argv, file]) as busy:
        wait_until(
            lambda: f"CT.{image.sop_instance_uid}" in receiver.names,
            timeout=15,
            what="the first object",
        )
        seconds = []
        for _ in range(50):
            start = time.monotonic()
            assert bystander.echo(ECHO_CONTEXT) == 0
            seconds.append(time.monotonic() - start)
        assert busy.running
    assert statistics.median(seconds) < 0.1
    assert max(seconds) < 1


def test_receiver_sends_nothing_to_a_peer_that_does_not_read_but_serves_the_others(
    receiver: Receiver, bystander: ScriptedRequestor
) -> None:
    """A peer that asks and never reads fills its own socket; nobody else waits."""
    with ScriptedRequestor(receiver.port, timeout=1) as deaf:
        deaf.associate(CONTEXTS)
        requests = b"".join(
            raw.message(ECHO_CONTEXT, raw.c_echo_rq(number % 65535 + 1)) for number in range(1000)
        )
        for _ in range(20):
            try:
                deaf.send(requests)
            except OSError:
                break
        start = time.monotonic()
        assert bystander.echo(ECHO_CONTEXT) == 0
        assert time.monotonic() - start < 1
