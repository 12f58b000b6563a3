"""storescp +ac: who is kept out gets nothing, whatever serves the others, who are served."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.net.resolver import MISMATCHED, confirmed_name
from isocenter.testing.peer import RawConnection
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT
from tests.support.access import write_rules
from tests.support.superserver import Handed
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.access import Guarded

WAIT = 20.0
FRIEND, STRANGER = "127.0.0.2", "127.0.0.1"
ONLY_FRIENDS = {"allow": f"storescp: {FRIEND}\n", "deny": "ALL: ALL\n"}
DENIED = f"TCP wrapper: denied connection from unknown ({STRANGER})"

MODES = [(), ("--fork",)]
if UNDER_TEST.is_ours:
    MODES.append(("--workers", "2"))

ours_alone = pytest.mark.skipif(not UNDER_TEST.is_ours, reason="about what is ours")


def call(port: int, source: str) -> RawConnection:
    """Connect from an address of the loopback network."""
    address = ("127.0.0.1", port)
    return RawConnection(socket.create_connection(address, WAIT, source_address=(source, 0)))


def is_served(port: int, source: str) -> bool:
    """Tell whether a C-ECHO is answered; a connection that is closed without a byte was refused."""
    with call(port, source) as requestor:
        try:
            requestor.associate(CONTEXTS)
        except (OSError, AssertionError, EOFError):
            return False
        status = requestor.echo(ECHO_CONTEXT)
        requestor.release()
        return status == 0


def bytes_for(connection: socket.socket) -> bytes:
    """Return what a connection brings until it is closed."""
    connection.settimeout(WAIT)
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            received += piece
    return received


def guarded(directory: Path, *, allow: str = "", deny: str = "") -> Guarded:
    return write_rules(UNDER_TEST, directory / "rules", allow=allow, deny=deny)


def test_access_control_keeps_out_whom_the_rules_keep_out(tmp_path: Path) -> None:
    suite = guarded(tmp_path, **ONLY_FRIENDS)
    with Receiver(suite, tmp_path / "out", "+ac") as receiver:
        assert is_served(receiver.port, FRIEND)
        assert not is_served(receiver.port, STRANGER)


def test_access_full_takes_the_rules_back(tmp_path: Path) -> None:
    suite = guarded(tmp_path, **ONLY_FRIENDS)
    with Receiver(suite, tmp_path / "out", "+ac", "-ac") as receiver:
        assert is_served(receiver.port, FRIEND)
        assert is_served(receiver.port, STRANGER)


def test_rules_mean_nothing_where_they_are_not_asked_for(tmp_path: Path) -> None:
    suite = guarded(tmp_path, deny="storescp: ALL: spawn /bin/false\n")
    with Receiver(suite, tmp_path / "out") as receiver:
        assert is_served(receiver.port, STRANGER)


@pytest.mark.parametrize("mode", MODES)
def test_refused_connection_gets_no_byte_and_a_line(mode: tuple[str, ...], tmp_path: Path) -> None:
    suite = guarded(tmp_path, **ONLY_FRIENDS)
    with Receiver(suite, tmp_path / "out", "+ac", "-dhl", *mode) as receiver:
        with call(receiver.port, STRANGER) as requestor:
            assert bytes_for(requestor.sock) == b""
        line = f"E: Receiving Association failed: 0006:0324 {DENIED}"
        receiver.process.wait_for_line(line)
        assert is_served(receiver.port, FRIEND)


@pytest.mark.parametrize("mode", MODES)
def test_names_decide_where_rules_have_names(mode: tuple[str, ...], tmp_path: Path) -> None:
    try:
        name = confirmed_name(STRANGER)
    except OSError:
        name = MISMATCHED
    if name == MISMATCHED:
        pytest.skip("the loopback address has no name that leads back to it")
    suite = guarded(tmp_path, allow=f"storescp: {FRIEND}\n", deny=f"storescp: {name}\n")
    with Receiver(suite, tmp_path / "out", "+ac", *mode) as receiver:
        for _ in range(2):
            assert not is_served(receiver.port, STRANGER)
            assert is_served(receiver.port, FRIEND)
        assert f"denied connection from {name} ({STRANGER})" in receiver.log


def test_rules_are_those_of_the_moment(tmp_path: Path) -> None:
    suite = guarded(tmp_path, deny="storescp: 127.0.0.3\n")
    with Receiver(suite, tmp_path / "out", "+ac") as receiver:
        assert is_served(receiver.port, STRANGER)
        (suite.rules / "hosts.deny").write_text("storescp: 127.0.0.1\n")
        assert not is_served(receiver.port, STRANGER)
        (suite.rules / "hosts.deny").write_text("")
        assert is_served(receiver.port, STRANGER)


@ours_alone
def test_rules_that_become_bad_keep_everybody_out(tmp_path: Path) -> None:
    suite = guarded(tmp_path, deny="storescp: 127.0.0.3\n")
    with Receiver(suite, tmp_path / "out", "+ac") as receiver:
        assert is_served(receiver.port, STRANGER)
        (suite.rules / "hosts.allow").write_text("storescp: ALL: spawn /bin/true\n")
        assert not is_served(receiver.port, STRANGER)
        receiver.process.wait_for_line("E: nobody is let in, access rules cannot be used: ")
        (suite.rules / "hosts.allow").write_text("")
        assert is_served(receiver.port, STRANGER)


@ours_alone
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("\nstorescp: ALL: twist /bin/echo go\n", "hosts.deny, line 2: option 'twist' is not"),
        ("storescp: @modalities\n", "hosts.deny, line 1: netgroups (@modalities) are not"),
        ("storescp: 10.0.0\n", "hosts.deny, line 1: 10.0.0 is no address or net"),
        ("storescp\n", 'hosts.deny, line 1: no ":" between'),
    ],
)
def test_receiver_does_not_start_with_rules_that_it_would_not_obey(
    rules: str, words: str, tmp_path: Path
) -> None:
    suite = guarded(tmp_path, deny=rules)
    ended = suite.run("storescp", "+ac", "-od", tmp_path, "11112")
    assert ended.code == 1
    assert ended.stderr.startswith("F: ")
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("everywhere", [True, False])
def test_connection_of_a_super_server_is_refused_likewise(
    tmp_path: Path, *, everywhere: bool
) -> None:
    suite = guarded(tmp_path, **ONLY_FRIENDS)
    seen = {}
    for source in (STRANGER, FRIEND):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            requestor = call(listener.getsockname()[1], source)
            theirs, _ = listener.accept()
        argv = suite.argv("storescp", "--inetd", "+ac", "-od", tmp_path)
        with requestor, Handed(argv, theirs, everywhere=everywhere) as handed:
            if source == STRANGER:
                seen[source] = bytes_for(requestor.sock) != b""
            else:
                requestor.associate(CONTEXTS)
                seen[source] = requestor.echo(ECHO_CONTEXT) == 0
                requestor.release()
            requestor.close()
            handed.wait()
    assert seen == {STRANGER: False, FRIEND: True}


@ours_alone
def test_flood_of_strangers_keeps_no_friend_waiting(tmp_path: Path) -> None:
    suite = guarded(tmp_path, **ONLY_FRIENDS)
    with (
        Receiver(suite, tmp_path / "out", "+ac", "-q") as receiver,
        contextlib.ExitStack() as open_,
    ):
        for _ in range(500):
            open_.enter_context(call(receiver.port, STRANGER))
        began = time.monotonic()
        assert is_served(receiver.port, FRIEND)
        assert time.monotonic() - began < 5
        assert receiver.process.running
