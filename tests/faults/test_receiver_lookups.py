"""storescp with a name service that is slow, hostile or not there; all else is real.

`sitecustomize` puts a name service of the test into the tool's process, which notes each question.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 20.0
SERVICE = """
import os, socket, time

def getnameinfo(address, flags):
    with open(os.environ["TEST_ASKED"], "a") as asked:
        print(address[0], os.getpid(), file=asked)
    time.sleep(float(os.environ["TEST_DELAY"]))
    if not os.environ["TEST_NAME"]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return os.environ["TEST_NAME"], "0"

socket.getnameinfo = getnameinfo
"""


class Service:
    """The name service: a folder with its code, its file of questions, its environment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SERVICE)
        self._folder = folder
        self._asked = folder / "asked"

    def environment(self, name: str = "", *, delay: float = 0.0) -> dict[str, str]:
        """Return what a tool needs in its environment to get a name, after some seconds."""
        return {
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(self._folder), os.environ.get("PYTHONPATH", "")])
            ),
            "TEST_ASKED": str(self._asked),
            "TEST_DELAY": str(delay),
            "TEST_NAME": name,
        }

    @property
    def asked(self) -> list[str]:
        """Address and process of each question."""
        return self._asked.read_text().splitlines() if self._asked.exists() else []


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path / "service")


def store(receiver: Receiver, count: int = 1) -> float:
    """Store objects over an association; return the seconds that it took."""
    start = time.monotonic()
    with ScriptedRequestor(receiver.port) as requestor:
        requestor.associate(CONTEXTS)
        for seed in range(count):
            image = ct_image(rows=8, columns=8, seed=seed)
            uids = image.sop_class_uid, image.sop_instance_uid
            assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        requestor.release()
    return time.monotonic() - start


def until(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and path.read_text() == text, timeout=WAIT, what=text)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-v",),
        ("-xcr", "true #p #f #a #c"),
        ("-dhl", "-d"),
        ("-dhl", "-xcr", "true #r"),
        ("-xcr", "true #r", "--refuse"),
    ],
)
def test_nobody_is_asked_where_nobody_needs_a_name(
    options: tuple[str, ...], tmp_path: Path, service: Service
) -> None:
    env = service.environment("scanner")
    with Receiver(OURS, tmp_path / "out", "+B", *options, env=env) as receiver:
        if "--refuse" in options:
            with ScriptedRequestor(receiver.port) as peer, pytest.raises(AssertionError):
                peer.associate(CONTEXTS)
        else:
            store(receiver)
        assert receiver.process.terminate().code == 0
    assert service.asked == []


def test_one_host_is_asked_about_once(tmp_path: Path, service: Service) -> None:
    told = tmp_path / "told"
    options = ("-d", "-xcr", f"echo #r >> {told}")
    env = service.environment("scanner.example.org")
    with Receiver(OURS, tmp_path / "out", "+B", *options, env=env) as receiver:
        for _ in range(3):
            store(receiver, 4)
        until(told, "scanner\n" * 12)
        assert receiver.log.count("D: Association Received: scanner\n") == 3
    assert len(service.asked) == 1


@pytest.mark.parametrize("mode", [("--fork",), ("--workers", "2")])
def test_child_asks_and_not_the_parent(
    mode: tuple[str, ...], tmp_path: Path, service: Service
) -> None:
    told = tmp_path / "told"
    env = service.environment("scanner")
    options = ("-xcr", f"echo #r >> {told}")
    with Receiver(OURS, tmp_path / "out", "+B", *mode, *options, env=env) as receiver:
        store(receiver, 2)
        until(told, "scanner\n" * 2)
        parent = receiver.process.pid
    (asked,) = service.asked
    address, process = asked.split()
    assert (address, int(process) == parent) == ("127.0.0.1", False)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), ("--fork",), ("--workers", "2")])
def test_name_service_that_does_not_answer_delays_no_association(
    mode: tuple[str, ...], tmp_path: Path, service: Service
) -> None:
    told = tmp_path / "told"
    env = service.environment("scanner", delay=60)
    options = ("-d", "-xcr", f"echo #r >> {told}")
    with Receiver(OURS, tmp_path / "out", "+B", *mode, *options, env=env) as receiver:
        start = time.monotonic()
        assert store(receiver, 3) < 1.5
        with ScriptedRequestor(receiver.port) as requestor:
            requestor.associate(CONTEXTS)
            assert requestor.echo(ECHO_CONTEXT) == 0
            requestor.release()
        assert time.monotonic() - start < 1.8, "all answered before the look-up was given up"
        until(told, "127.0.0.1\n" * 3)
        assert time.monotonic() - start < 8
        receiver.process.wait_for_line("D: Association Received: 127.0.0.1", count=2)
        assert receiver.process.terminate(timeout=8).code == 0


@pytest.mark.slow
def test_stop_while_a_name_is_looked_up_waits_for_two_seconds_at_most(
    tmp_path: Path, service: Service
) -> None:
    told = tmp_path / "told"
    env = service.environment("scanner", delay=60)
    options = ("-xcr", f"echo #r > {told}")
    with Receiver(OURS, tmp_path / "out", "+B", *options, env=env) as receiver:
        store(receiver)
        start = time.monotonic()
        assert receiver.process.terminate().code == 0
        assert time.monotonic() - start < 4
        until(told, "127.0.0.1\n")


@pytest.mark.parametrize("argv", [(), ("--exec-argv",)])
@pytest.mark.parametrize(
    "name", ["$(touch {0})", "`touch {0}`", '"; touch {0}; "', "x; touch {0}", "-o.{0}", "--help"]
)
def test_hostile_name_runs_nothing_and_is_no_option(
    name: str, argv: tuple[str, ...], tmp_path: Path, service: Service
) -> None:
    told, victim = tmp_path / "told", tmp_path / "victim"
    env = service.environment(name.format(victim))
    command = f"printf %s #r > {told}"
    if argv:
        command = f"sh -c 'printf %s \"$1\" > {told}' sh #r"
    with Receiver(OURS, tmp_path / "out", "+B", *argv, "-xcr", command, env=env) as receiver:
        store(receiver)
        until(told, "127.0.0.1")
    assert not victim.exists()
    assert len(service.asked) == 1


def test_address_is_told_where_the_name_service_fails(tmp_path: Path, service: Service) -> None:
    told = tmp_path / "told"
    env = service.environment()
    with Receiver(OURS, tmp_path / "out", "+B", "-xcr", f"echo #r > {told}", env=env) as receiver:
        store(receiver)
        until(told, "127.0.0.1\n")
    assert len(service.asked) == 1
