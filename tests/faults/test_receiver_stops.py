"""Killed, asked to stop, out of space: nothing partial under a final name, nothing lost."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.storage.naming import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.peer import PeerClosed
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.faults.loads import Load, check_kept
from tests.support import part10
from tests.support.filesystems import small_file_system
from tests.support.ports import is_listening
from tests.support.processes import wait_until
from tests.support.tools import OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.datasets import DicomObject

pytestmark = pytest.mark.slow

ours_only = pytest.mark.skipif(
    not UNDER_TEST.is_ours, reason="DCMTK's tool has no orderly stop (dcmtk-facts 2.8)"
)
FORK = () if UNDER_TEST.is_ours else ("--fork",)
RECEIVING = "I: Received Store Request"
"""How the line begins that tells of an object on its way; another tool's tests change it."""


def _half_sent(receiver: Receiver, connection: ScriptedRequestor) -> tuple[DicomObject, bytes]:
    """Associate and send half an object; return it and the bytes still to send."""
    image = ct_image(rows=256, columns=256)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(STORE_CONTEXT, command, image.data_set)
    connection.associate(CONTEXTS)
    connection.send(message[: len(message) // 2])
    receiver.process.wait_for_line(RECEIVING)
    assert receiver.names == []
    return image, message[len(message) // 2 :]


@ours_only
@pytest.mark.parametrize("options", [(), ("--fork",), ("--workers", "2")], ids=str)
def test_receiver_killed_under_load_leaves_whole_files_and_cleans_up_at_the_next_start(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    load = Load(threads=3)
    for confirmed in (1, 20, 60):
        with Receiver(OURS, tmp_path, "+B", *options) as receiver:
            assert receiver.leftovers == [], "left by the receiver before"
            with load.against(receiver):
                load.wait_for(confirmed)
                receiver.process.kill()
            check_kept(receiver, load)
    with Receiver(OURS, tmp_path, "+B", *options) as receiver:
        wait_until(lambda: receiver.leftovers == [], timeout=5, what="the leftovers to go")
        check_kept(receiver, load)


@ours_only
def test_receiver_removes_at_its_start_what_nobody_holds_and_nothing_else(tmp_path: Path) -> None:
    leftover = f"{TEMPORARY_PREFIX}1-1{TEMPORARY_SUFFIX}"
    held = f"{TEMPORARY_PREFIX}1-2{TEMPORARY_SUFFIX}"
    for name in (leftover, held, "CT.1.2.3", ".hidden", "other.part"):
        (tmp_path / name).write_bytes(b"some bytes")
    with (tmp_path / held).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with Receiver(OURS, tmp_path, "+B") as receiver:
            wait_until(lambda: leftover not in receiver.leftovers, timeout=5, what="cleaning")
            assert receiver.leftovers == sorted([held, ".hidden"])
            assert receiver.names == ["CT.1.2.3", "other.part"]


@ours_only
def test_receiver_leaves_what_a_living_one_is_receiving_alone(tmp_path: Path) -> None:
    with (
        Receiver(OURS, tmp_path, "+B", "-v") as first,
        ScriptedRequestor(first.port) as connection,
    ):
        image, rest = _half_sent(first, connection)
        before = first.leftovers
        with Receiver(OURS, tmp_path, "+B") as second:
            assert second.leftovers == before
            connection.send(rest)
            assert connection.expect_response(0x8001).number(0x0900) == 0
        assert first.leftovers == []
        kept = part10.read(tmp_path / f"CT.{image.sop_instance_uid}")
        assert kept.data_set == image.data_set


@ours_only
@pytest.mark.parametrize("options", [(), ("--fork",), ("--workers", "2")], ids=str)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_receiver_asked_to_stop_finishes_what_is_being_received(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals
) -> None:
    with (
        Receiver(OURS, tmp_path, "+B", "-v", *options) as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        image, rest = _half_sent(receiver, connection)
        receiver.process.signal(number)
        wait_until(lambda: not is_listening(receiver.port), timeout=5, what="the port to close")
        connection.send(rest)
        assert connection.expect_response(0x8001).number(0x0900) == 0
        kept = part10.read(tmp_path / f"CT.{image.sop_instance_uid}")
        assert kept.data_set == image.data_set
        ended = receiver.process.wait(timeout=10)
        assert ended.code == 0
        assert receiver.leftovers == []
        assert "Traceback" not in ended.stderr


@ours_only
@pytest.mark.parametrize("options", [(), ("--fork",), ("--workers", "2")], ids=str)
def test_receiver_asked_twice_to_stop_aborts_cleanly(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with (
        Receiver(OURS, tmp_path, "+B", "-v", *options) as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        _half_sent(receiver, connection)
        receiver.process.signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(receiver.port), timeout=5, what="the port to close")
        receiver.process.signal(signal.SIGTERM)
        assert connection.receive(timeout=5).pdu_type == raw.ABORT
        connection.close()
        ended = receiver.process.wait(timeout=5)
        assert ended.code >= 0, "ended by the signal itself"
        assert receiver.names == []
        assert receiver.leftovers == []
        assert "Traceback" not in ended.stderr


@ours_only
def test_receiver_asked_to_stop_lets_idle_and_silent_connections_go(tmp_path: Path) -> None:
    with (
        Receiver(OURS, tmp_path, "+B") as receiver,
        ScriptedRequestor(receiver.port) as idle,
        ScriptedRequestor(receiver.port),
    ):
        idle.associate(CONTEXTS)
        start = time.monotonic()
        receiver.process.signal(signal.SIGTERM)
        assert receiver.process.wait(timeout=10).code == 0
        assert time.monotonic() - start < 5


def test_receiver_answers_a700_when_the_disk_is_full_and_goes_on(tmp_path: Path) -> None:
    small, large = ct_image(rows=32, columns=32), ct_image(rows=1500, columns=1500)
    with (
        small_file_system(tmp_path / "small", mebibytes=2) as folder,
        Receiver(UNDER_TEST, folder, *FORK, "+B", "-v") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for _ in range(2):
            uids = large.sop_class_uid, large.sop_instance_uid
            assert connection.store(STORE_CONTEXT, *uids, large.data_set) == 0xA700
            assert receiver.names == []
            assert receiver.leftovers == []
        uids = small.sop_class_uid, small.sop_instance_uid
        assert connection.store(STORE_CONTEXT, *uids, small.data_set) == 0
        assert receiver.names == [f"CT.{small.sop_instance_uid}"]
        assert connection.echo(ECHO_CONTEXT) == 0
        connection.release()
        assert "Traceback" not in receiver.log


def test_sender_ends_with_167_when_the_disk_of_the_receiver_is_full(tmp_path: Path) -> None:
    large = ct_image(rows=1500, columns=1500).write(tmp_path / "large.dcm")
    with (
        small_file_system(tmp_path / "small", mebibytes=2) as folder,
        Receiver(UNDER_TEST, folder, *FORK, "+B") as receiver,
    ):
        arguments = ("127.0.0.1", str(receiver.port), large)
        assert UNDER_TEST.run("storescu", "-R", *arguments).code == 0xA7
        kept_on = UNDER_TEST.run("storescu", "-R", "-nh", *arguments)
        assert kept_on.code == (0xA7 if UNDER_TEST.is_ours else 0)
        assert receiver.names == []


@ours_only
def test_receiver_answers_a700_when_its_directory_is_gone(tmp_path: Path) -> None:
    image = ct_image(rows=8, columns=8)
    folder = tmp_path / "gone"
    with (
        Receiver(OURS, folder, "+B", "-v") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for leftover in folder.iterdir():
            leftover.unlink()
        folder.rmdir()
        uids = image.sop_class_uid, image.sop_instance_uid
        assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0xA700
        assert connection.echo(ECHO_CONTEXT) == 0
        folder.mkdir()


def test_receiver_keeps_one_whole_object_when_two_peers_send_the_same(tmp_path: Path) -> None:
    images = [
        ct_image(sop_instance_uid="2.25.77", rows=300, columns=300, seed=seed) for seed in (1, 2)
    ]
    with Receiver(UNDER_TEST, tmp_path, *FORK, "+B") as receiver:

        def send(image: DicomObject) -> None:
            with ScriptedRequestor(receiver.port) as connection:
                connection.associate(CONTEXTS)
                for _ in range(10):
                    uids = image.sop_class_uid, image.sop_instance_uid
                    statuses.append(connection.store(STORE_CONTEXT, *uids, image.data_set))

        statuses: list[int] = []
        threads = [threading.Thread(target=send, args=(image,)) for image in images]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert statuses == [0] * 20
        assert receiver.names == ["CT.2.25.77"]
        if UNDER_TEST.is_ours:  # DCMTK's tool writes both into one file
            kept = part10.read(tmp_path / "CT.2.25.77").data_set
            assert kept in [image.data_set for image in images]


def test_receiver_frees_what_its_peers_leave_behind(tmp_path: Path) -> None:
    """Descriptors and threads do not grow with the number of peers that broke off."""
    if not UNDER_TEST.is_ours:
        pytest.skip("DCMTK's tool forks")

    def descriptors(receiver: Receiver) -> int:
        return len(os.listdir(f"/proc/{receiver.process.pid}/fd"))

    def threads(receiver: Receiver) -> int:
        return len(os.listdir(f"/proc/{receiver.process.pid}/task"))

    image = ct_image(rows=64, columns=64)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(STORE_CONTEXT, command, image.data_set)
    with Receiver(OURS, tmp_path, "+B") as receiver:
        with ScriptedRequestor(receiver.port) as first:
            first.associate(CONTEXTS)
            first.release()
        wait_until(lambda: threads(receiver) <= 2, timeout=5, what="the thread to end")
        before = descriptors(receiver), threads(receiver)
        for number in range(50):
            with ScriptedRequestor(receiver.port) as connection:
                connection.associate(CONTEXTS)
                connection.send(message[: len(message) * (number + 1) // 51])
                if number % 2:
                    connection.vanish()
        wait_until(
            lambda: (
                descriptors(receiver) <= before[0]
                and threads(receiver) <= before[1]
                and receiver.leftovers == []
            ),
            timeout=10,
            what="descriptors, threads and temporary files to go",
        )
        with ScriptedRequestor(receiver.port) as connection:
            connection.associate(CONTEXTS)
            assert connection.echo(ECHO_CONTEXT) == 0


def test_receiver_is_not_reachable_after_its_end(tmp_path: Path) -> None:
    with Receiver(UNDER_TEST, tmp_path, "+B") as receiver:
        port = receiver.port
        receiver.process.terminate()
    with pytest.raises((ConnectionRefusedError, PeerClosed)):
        ScriptedRequestor(port).receive(timeout=1)
