"""storescp with accept lists: who is let in, what the others get, and lists that change."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.net.resolver import MISMATCHED, confirmed_name
from isocenter.testing import raw
from isocenter.testing.peer import PeerClosed, RawConnection
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT
from tests.support.access import write_rules
from tests.support.processes import child_pids, wait_until
from tests.support.superserver import Handed
from tests.support.tools import OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not UNDER_TEST.is_ours, reason="these options are ours")

WAIT = 30.0
FRIEND, STRANGER = "127.0.0.2", "127.0.0.1"
CLOSED = "closed"
SERVED = "served"
MODES = [(), ("--fork",), ("--workers", "2")]


def answer(
    port: int, *, calling: str = "CT1", called: str = "ARCHIVE", source: str = FRIEND
) -> str:
    """Return what a requestor gets: served, a rejection's numbers, or a connection closed."""
    sock = socket.create_connection(("127.0.0.1", port), WAIT, source_address=(source, 0))
    with RawConnection(sock, timeout=WAIT) as requestor:
        try:
            requestor.send(raw.associate_rq(CONTEXTS, called=called, calling=calling))
            pdu = requestor.receive()
        except (PeerClosed, OSError):
            return CLOSED
        if pdu.pdu_type == raw.ASSOCIATE_RJ:
            return ".".join(str(number) for number in pdu.body[1:4])
        assert pdu.pdu_type == raw.ASSOCIATE_AC
        assert requestor.echo(ECHO_CONTEXT) == 0
        requestor.release()
        return SERVED


def rules(directory: Path, text: str) -> Path:
    path = directory / "access"
    path.write_text(text)
    return path


class TestOptions:
    def test_allow_calling_keeps_out_other_titles(self, tmp_path: Path) -> None:
        options = ("--allow-calling", "CT*", "--allow-calling", "MR 1")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port) == SERVED
            assert answer(receiver.port, calling="MR 1") == SERVED
            assert answer(receiver.port, calling="MR") == "1.1.3"
            assert answer(receiver.port, calling="") == "1.1.3"
            receiver.process.wait_for_line(
                "W: refused association of 'MR' at 127.0.0.2 with 'ARCHIVE': "
                "not among --allow-calling"
            )

    def test_allow_called_keeps_out_who_calls_another_title(self, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "out", "--allow-called", "ARCHIVE") as receiver:
            assert answer(receiver.port) == SERVED
            assert answer(receiver.port, called="archive") == "1.1.7"

    def test_allow_from_closes_connections_from_elsewhere(self, tmp_path: Path) -> None:
        options = ("--allow-from", "192.0.2.0/24", "--allow-from", FRIEND)
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port) == SERVED
            assert answer(receiver.port, source=STRANGER) == CLOSED
            receiver.process.wait_for_line(
                f"W: refused connection from {STRANGER}: not among --allow-from"
            )

    def test_all_of_them_have_to_fit(self, tmp_path: Path) -> None:
        options = ("--allow-calling", "CT1", "--allow-called", "ARCHIVE", "--allow-from", FRIEND)
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port) == SERVED
            assert answer(receiver.port, calling="CT2") == "1.1.3"
            assert answer(receiver.port, called="X") == "1.1.7"
            assert answer(receiver.port, calling="CT2", called="X") == "1.1.3"
            assert answer(receiver.port, source=STRANGER) == CLOSED

    def test_access_list_lets_in_whom_its_rules_let_in(self, tmp_path: Path) -> None:
        path = rules(
            tmp_path,
            "# the hospital\n"
            f"deny  calling=OLD*\n"
            f"allow calling=CT1 from={FRIEND}\n"
            "allow calling=QA called=TEST\n",
        )
        with Receiver(OURS, tmp_path / "out", "--access-list", path) as receiver:
            assert answer(receiver.port) == SERVED
            assert answer(receiver.port, source=STRANGER) == "1.1.3"
            assert answer(receiver.port, calling="QA", called="TEST", source=STRANGER) == SERVED
            assert answer(receiver.port, calling="QA") == "1.1.7"
            assert answer(receiver.port, calling="OLD1") == "1.1.3"
            receiver.process.wait_for_line(
                "W: refused association of 'OLD1' at 127.0.0.2 with 'ARCHIVE': "
                f"{path}, line 2: deny  calling=OLD*"
            )
            receiver.process.wait_for_line(f"no rule of {path} allows it", count=2)

    def test_list_and_single_options_exclude_each_other(self, tmp_path: Path) -> None:
        ended = OURS.run(
            "storescp", "--access-list", rules(tmp_path, "allow"), "--allow-from", FRIEND, "11112"
        )
        assert ended.code == 1
        assert "--access-list not allowed with --allow-from" in ended.stderr

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--allow-from", "10.0.0.1/8"), "--allow-from: 10.0.0.1/8 has bits beyond its mask"),
            (("--allow-calling", "X" * 17), "--allow-calling: AE title"),
            (("-dhl", "--allow-from", "ct1.example"), "ct1.example is a host's name"),
            (("--access-list", "ACCESS"), "access, line 2, column 7: "),
            (("--access-list", "nowhere"), "--access-list: nowhere: No such file"),
        ],
    )
    def test_receiver_does_not_start_with_a_list_that_it_would_not_obey(
        self, tmp_path: Path, options: tuple[str, ...], words: str
    ) -> None:
        path = rules(tmp_path, "deny\nallow from=nobody/24\n")
        words_given = [str(path) if option == "ACCESS" else option for option in options]
        ended = OURS.run("storescp", *words_given, "-od", tmp_path, "11112")
        assert ended.code == 1
        assert ended.stderr.startswith("F: ")
        assert words in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("mode", MODES)
class TestProcesses:
    def test_whoever_serves_refuses_likewise(self, mode: tuple[str, ...], tmp_path: Path) -> None:
        path = rules(tmp_path, f"deny from={STRANGER}\nallow calling=CT1\n")
        with Receiver(OURS, tmp_path / "out", "--access-list", path, *mode) as receiver:
            for _ in range(3):
                assert answer(receiver.port) == SERVED
                assert answer(receiver.port, calling="CT2") == "1.1.3"
                assert answer(receiver.port, source=STRANGER) == CLOSED

    def test_new_list_holds_after_a_hangup(self, mode: tuple[str, ...], tmp_path: Path) -> None:
        path = rules(tmp_path, "allow calling=CT1\n")
        with Receiver(OURS, tmp_path / "out", "-v", "--access-list", path, *mode) as receiver:
            assert answer(receiver.port, calling="CT2") == "1.1.3"
            path.write_text(f"allow calling=CT2\ndeny from={FRIEND}\nallow called=X\n")
            assert answer(receiver.port) == SERVED
            receiver.process.signal(signal.SIGHUP)
            receiver.process.wait_for_line(f"I: access list read anew: {path}, 3 rules")
            self.wait_for_all(receiver, "CT2", SERVED)
            assert answer(receiver.port, calling="CT1") == "1.1.3"
            assert answer(receiver.port, calling="CT1", source=STRANGER) == "1.1.7"

    def test_broken_list_leaves_the_old_one_and_says_so(
        self, mode: tuple[str, ...], tmp_path: Path
    ) -> None:
        path = rules(tmp_path, "allow calling=CT1\n")
        with Receiver(OURS, tmp_path / "out", "--access-list", path, *mode) as receiver:
            path.write_text("allow calling=CT2\nalow calling=CT3\n")
            receiver.process.signal(signal.SIGHUP)
            receiver.process.wait_for_line(
                f"E: access list not read anew, kept as it was: {path}, line 2, column 1: a rule"
            )
            for _ in range(4):
                assert answer(receiver.port) == SERVED
                assert answer(receiver.port, calling="CT2") == "1.1.3"
            path.write_text("allow calling=CT2\n")
            receiver.process.signal(signal.SIGHUP)
            self.wait_for_all(receiver, "CT2", SERVED)
            assert receiver.process.running

    def wait_for_all(self, receiver: Receiver, calling: str, outcome: str) -> None:
        """Wait until each process has heard of the new list: none answers otherwise."""
        wait_until(
            lambda: all(answer(receiver.port, calling=calling) == outcome for _ in range(4)),
            timeout=WAIT,
            what="all processes to have read anew",
        )


def test_worker_that_replaces_another_has_the_new_list(tmp_path: Path) -> None:
    path = rules(tmp_path, "allow calling=CT1\n")
    options = ("-v", "--access-list", path, "--workers", "2")
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        path.write_text("allow calling=CT2\n")
        receiver.process.signal(signal.SIGHUP)
        receiver.process.wait_for_line("I: access list read anew: ")
        path.write_text("allow calling=CT3\n")  # which nobody has been told about
        old = child_pids(receiver.process.pid)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: not set(old) & set(child_pids(receiver.process.pid)),
            timeout=WAIT,
            what="the workers to be gone",
        )
        for _ in range(4):
            assert answer(receiver.port, calling="CT2") == SERVED
            assert answer(receiver.port, calling="CT1") == "1.1.3"


def test_associations_that_are_open_stay_open(tmp_path: Path) -> None:
    path = rules(tmp_path, "allow calling=CT1\n")
    with Receiver(OURS, tmp_path / "out", "-v", "--access-list", path) as receiver:
        sock = socket.create_connection(("127.0.0.1", receiver.port), WAIT)
        with RawConnection(sock, timeout=WAIT) as requestor:
            requestor.associate(CONTEXTS, calling="CT1")
            path.write_text("deny\n")
            receiver.process.signal(signal.SIGHUP)
            receiver.process.wait_for_line("I: access list read anew: ")
            assert answer(receiver.port) == CLOSED
            assert requestor.echo(ECHO_CONTEXT) == 0
            requestor.release()


def test_hangup_ends_a_receiver_that_has_nothing_to_read_anew(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "out", "--allow-calling", "CT1") as receiver:
        receiver.process.signal(signal.SIGHUP)
        assert receiver.process.wait(timeout=WAIT).code == -signal.SIGHUP


def test_host_is_known_by_its_name(tmp_path: Path) -> None:
    try:
        name = confirmed_name(STRANGER)
    except OSError:
        name = MISMATCHED
    if name == MISMATCHED:
        pytest.skip("the loopback address has no name that leads back to it")
    path = rules(tmp_path, f"allow calling=CT1 from={name}\nallow calling=CT2\n")
    with Receiver(OURS, tmp_path / "out", "--access-list", path) as receiver:
        assert answer(receiver.port, source=STRANGER) == SERVED
        assert answer(receiver.port, calling="CT3", source=STRANGER) == "1.1.3"
        assert answer(receiver.port, calling="CT2") == SERVED  # without a look-up


def test_rules_of_the_system_and_a_list_have_both_to_let_a_peer_in(tmp_path: Path) -> None:
    path = rules(tmp_path, f"deny from={STRANGER}\nallow calling=CT1\n")
    suite = write_rules(OURS, tmp_path / "rules", deny="storescp: 127.0.0.3\n")
    with Receiver(suite, tmp_path / "out", "+ac", "--access-list", path) as receiver:
        assert answer(receiver.port) == SERVED
        assert answer(receiver.port, calling="CT2") == "1.1.3"
        assert answer(receiver.port, source=STRANGER) == CLOSED
        assert answer(receiver.port, source="127.0.0.3") == CLOSED


def test_connection_of_a_super_server_is_judged_likewise(tmp_path: Path) -> None:
    path = rules(tmp_path, f"deny from={STRANGER}\nallow calling=CT1\n")
    seen = {}
    for source, calling in ((STRANGER, "CT1"), (FRIEND, "CT1"), (FRIEND, "CT2")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sock = socket.create_connection(
                listener.getsockname(), WAIT, source_address=(source, 0)
            )
            theirs, _ = listener.accept()
        argv = OURS.argv("storescp", "--inetd", "--access-list", path, "-od", tmp_path)
        with (
            RawConnection(sock, timeout=WAIT) as requestor,
            Handed(argv, theirs, everywhere=False) as handed,
        ):
            kind = -1
            with contextlib.suppress(PeerClosed, OSError):
                requestor.send(raw.associate_rq(CONTEXTS, called="A", calling=calling))
                kind = requestor.receive().pdu_type
                if kind == raw.ASSOCIATE_AC:
                    requestor.release()
            requestor.close()
            handed.wait()
        seen[source, calling] = kind
    assert seen == {
        (STRANGER, "CT1"): -1,
        (FRIEND, "CT1"): raw.ASSOCIATE_AC,
        (FRIEND, "CT2"): raw.ASSOCIATE_RJ,
    }
