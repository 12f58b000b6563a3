"""storescp tells commands and the log who calls: by name, with -dhl by address."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.net.resolver import first_label, system_name
from isocenter.testing import ScriptedRequestor, ct_image
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support.ports import free_port, is_listening
from tests.support.processes import wait_until
from tests.support.superserver import Handed, connection_pair
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 20.0
ADDRESS = "127.0.0.1"

MODES = [(), ("--fork",)]
if UNDER_TEST.is_ours:
    MODES.append(("--workers", "2"))


@pytest.fixture
def name() -> str:
    """The name that this system has for the loopback address."""
    try:
        found = first_label(system_name(ADDRESS))
    except OSError:
        found = ""
    if not found:
        pytest.skip("the loopback address has no name here")
    return found


def told(directory: Path, *options: str) -> str:
    """Return what the command of an object is told of the host."""
    path = directory / "told"
    image = ct_image(rows=8, columns=8)
    with (
        Receiver(UNDER_TEST, directory / "out", "+B", *options, "-xcr", f"echo #r > {path}") as to,
        ScriptedRequestor(to.port) as requestor,
    ):
        requestor.associate(CONTEXTS)
        uids = image.sop_class_uid, image.sop_instance_uid
        assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        requestor.release()
        requestor.close()
        wait_until(lambda: path.exists() and path.read_text() != "", timeout=WAIT, what="it")
        return path.read_text().rstrip("\n")


def logged(directory: Path, *options: str, host: str = ADDRESS) -> list[str]:
    """Return the lines that say where an association comes from."""
    with Receiver(UNDER_TEST, directory, "-d", *options) as receiver:
        with ScriptedRequestor(receiver.port, host=host) as requestor:
            requestor.associate(CONTEXTS)
            assert requestor.echo(ECHO_CONTEXT) == 0
            requestor.release()
        receiver.process.wait_for_line("D: Association Received: ")
        return [line for line in receiver.log.splitlines() if "Association Received: " in line]


@pytest.mark.parametrize("mode", MODES)
def test_command_is_told_the_name_of_the_host(
    mode: tuple[str, ...], tmp_path: Path, name: str
) -> None:
    assert told(tmp_path, *mode) == name


@pytest.mark.parametrize("mode", MODES)
def test_command_is_told_the_address_without_look_ups(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    assert told(tmp_path, "-dhl", *mode) == ADDRESS


@pytest.mark.parametrize("mode", MODES)
def test_log_shows_the_name_of_the_host_at_debug_level(
    mode: tuple[str, ...], tmp_path: Path, name: str
) -> None:
    assert logged(tmp_path, *mode) == [f"D: Association Received: {name}"]


def test_log_shows_the_address_without_look_ups(tmp_path: Path) -> None:
    assert logged(tmp_path, "-dhl") == [f"D: Association Received: {ADDRESS}"]


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="an option of 3.7.0")
def test_address_over_both_families_is_the_one_that_peers_know(tmp_path: Path) -> None:
    assert logged(tmp_path, "-dhl", "-i0") == [f"D: Association Received: {ADDRESS}"]


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="an option of 3.7.0")
@pytest.mark.parametrize("option", ["-i6", "-i0"])
def test_address_of_version_6_is_shown_whole(option: str, tmp_path: Path) -> None:
    assert logged(tmp_path, "-dhl", option, host="::1") == ["D: Association Received: ::1"]


# --- what tests/options.toml refers to --------------------------------------------------------


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="runs without its option, too")
def test_disable_host_lookup_tells_the_address(tmp_path: Path, name: str) -> None:
    assert name != ADDRESS
    assert told(tmp_path, "--disable-host-lookup") == ADDRESS


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="runs without its option, too")
def test_inetd_serves_what_it_inherits_and_does_not_listen(tmp_path: Path) -> None:
    port = free_port()
    argv = UNDER_TEST.argv("storescp", "--inetd", "-ta", "1", "-od", tmp_path, str(port))
    requestor, theirs = connection_pair()
    with requestor, Handed(argv, theirs, everywhere=True) as handed:
        requestor.sock.shutdown(socket.SHUT_WR)
        wait_until(
            lambda: is_listening(port) or handed.process.poll() is not None,
            timeout=WAIT,
            what="either",
        )
        assert not is_listening(port)
        assert handed.wait()[0] == 0
