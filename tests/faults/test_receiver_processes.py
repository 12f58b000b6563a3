"""storescp in processes: bounded numbers of children, either family of addresses, every tool."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support.processes import child_pids, wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 20.0
LINE = "I: Maximum number of associations reached, waiting for child process to terminate"


def test_at_the_bound_peers_wait_and_none_is_rejected(tmp_path: Path) -> None:
    images = [ct_image(rows=16, columns=16, seed=number) for number in range(6)]
    statuses: list[int] = []
    options = ("-v", "+B", "--fork", "--max-associations", "2")
    with Receiver(OURS, tmp_path, *options) as receiver:
        pid = receiver.process.pid
        held = [ScriptedRequestor(receiver.port) for _ in range(2)]
        for connection in held:
            connection.associate(CONTEXTS)
        receiver.process.wait_for_line(LINE)

        def send(number: int) -> None:
            with ScriptedRequestor(receiver.port, timeout=WAIT) as requestor:
                requestor.associate(CONTEXTS)
                image = images[number]
                uids = image.sop_class_uid, image.sop_instance_uid
                statuses.append(requestor.store(STORE_CONTEXT, *uids, image.data_set))
                requestor.release()

        threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        assert held[0].echo(ECHO_CONTEXT) == 0
        assert len(child_pids(pid)) == 2
        assert statuses == []
        for connection in held:
            connection.release()
            connection.close()
        for thread in threads:
            thread.join(WAIT)
        assert statuses == [0] * 6
        assert receiver.names == sorted(f"CT.{image.sop_instance_uid}" for image in images)
        wait_until(lambda: not child_pids(pid), timeout=WAIT, what="the children to end")
        assert "Rejected" not in receiver.log
        assert "too many" not in receiver.log


def test_silent_connections_do_not_count_as_associations(tmp_path: Path) -> None:
    options = ("-v", "--fork", "--max-associations", "1")
    with Receiver(OURS, tmp_path, *options) as receiver:
        silent = [ScriptedRequestor(receiver.port) for _ in range(3)]
        with ScriptedRequestor(receiver.port) as requestor:
            requestor.associate(CONTEXTS)
            assert requestor.echo(ECHO_CONTEXT) == 0
            requestor.release()
        for connection in silent:
            connection.close()
        assert receiver.log.count(LINE) == 1


@pytest.mark.parametrize("options", [("--fork", "--workers", "2"), ("--workers", "2", "--fork")])
def test_two_ways_of_having_processes_are_refused_together(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    done = OURS.run("storescp", *options, "-od", tmp_path, "11112")
    assert done.code == 1
    assert done.stderr.endswith("error: --workers not allowed with --fork\n")


@pytest.fixture
def six() -> None:
    """Skip where there is no IPv6 loopback."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")


@pytest.mark.usefixtures("six")
@pytest.mark.parametrize("mode", [(), ("--fork",), ("--workers", "2")])
@pytest.mark.parametrize(
    ("listening", "calling", "host", "code"),
    [
        ("-i6", "-i6", "::1", 0),
        ("-i0", "-i6", "::1", 0),
        ("-i0", "-i0", "::1", 0),
        ("-i0", "-i4", "127.0.0.1", 0),
        ("-i6", "-i4", "127.0.0.1", 1),
        ("-i4", "-i6", "::1", 1),
    ],
)
def test_tools_meet_over_the_families_that_both_use(
    mode: tuple[str, ...], listening: str, calling: str, host: str, code: int, tmp_path: Path
) -> None:
    image = ct_image(rows=8, columns=8)
    path = tmp_path / "image.dcm"
    image.write(path)
    with Receiver(OURS, tmp_path / "out", "+B", listening, *mode) as receiver:
        port = str(receiver.port)
        assert OURS.run("echoscu", calling, host, port).code == code
        assert OURS.run("storescu", calling, host, port, path).code == code
        assert receiver.names == ([] if code else [f"CT.{image.sop_instance_uid}"])


def test_association_of_a_stopped_fork_server_is_finished(tmp_path: Path) -> None:
    image = ct_image(rows=64, columns=64)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(STORE_CONTEXT, command, image.data_set)
    with (
        Receiver(OURS, tmp_path, "+B", "-v", "--fork", "--max-associations", "1") as receiver,
        ScriptedRequestor(receiver.port) as requestor,
    ):
        requestor.associate(CONTEXTS)
        requestor.send(message[:1000])
        # A child that has not read the command yet would end between two messages.
        receiver.process.wait_for_line("I: Received Store Request", timeout=WAIT)
        ending = threading.Thread(target=receiver.process.terminate)
        ending.start()
        requestor.send(message[1000:])
        assert requestor.expect_response(0x8001).number(0x0900) == 0
        requestor.receive_until_closed()
        requestor.close()
        ending.join(WAIT)
        assert not receiver.process.running
        assert receiver.names == [f"CT.{image.sop_instance_uid}"]
