"""movescu: what each option changes, for the peer, on the screen or in the folder.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override. What its
own receiver shares with storescp is in test_movescu_shared.py.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli.movescu import main
from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, raw
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from isocenter.testing.peer import accept
from isocenter.testing.raw import Context
from isocenter.testing.reading import RawPdu
from tests.cli.effects.moving import ASK, serve
from tests.cli.effects.receiving import small_image, store
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port
from tests.cli.effects.test_user_identity import GIVEN, TOKEN, identity
from tests.support.ports import free_port, is_listening
from tests.support.retrieves import retrieving

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

KEYS = b"\x08\x00\x52\x00CS\x06\x00STUDY "
NAME = "CT.2.25.1"
UNCOMPRESSED = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def send(port: int) -> None:
    """Store one object, as a destination sees it."""
    assert store(port, small_image()) == [0]


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE, *ASK) == 0
    assert "usage: movescu" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nothing_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE, *ASK) == 0
    assert capsys.readouterr().out.startswith("$isocenter: movescu v")
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--arguments", HERE, *ASK) == 0
    assert any(
        line.startswith("I: calling 'movescu' with 5 arguments: '--arguments' ")
        for line in lines(capsys)
    )


def test_quiet_leaves_warnings_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA801).run(main, "--quiet", HERE, *ASK) == 69
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(send, "--verbose") == 0
    shown = lines(capsys)
    for line in (
        "I: Sending Move Request (MsgID 1)",
        "I: Sub-Association Received",
        "I: Received Store Request (MsgID 1, CT)",
        "I: Received Final Move Response (Success)",
        "I: Releasing Association",
    ):
        assert line in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(send, "--debug") == 0
    shown = lines(capsys)
    assert "D: Message Type                  : C-MOVE RQ" in shown
    assert "D: Message Type                  : C-STORE RQ" in shown


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--log-level", "info", HERE, *ASK) == 0
    assert "I: Requesting Association" in lines(capsys)


def test_log_config_says_where_to_log(folder: Path) -> None:
    (folder / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL, A\n"
        "log4cplus.appender.A = log4cplus::FileAppender\n"
        "log4cplus.appender.A.File = it.log\n"
        "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
    )
    words = ["--log-config", "log.cfg", "+P", str(free_port()), "-od", "absent"]
    assert main([*words, "127.0.0.1", "1", *ASK], {}) == 45
    assert (folder / "it.log").exists()
    assert (folder / "it.log").read_text() == (
        "dcmtk.apps.movescu FATAL: specified output directory does not exist\n"
    )


# --- what is asked for ----------------------------------------------------------------------


def test_key_asks_for_it_and_the_leftmost_counts() -> None:
    peer = Peer()
    words = ("--key", "QueryRetrieveLevel=STUDY", "-k", "QueryRetrieveLevel=IMAGE")
    assert peer.run(main, HERE, *words) == 0
    assert [message.data_set for message in peer.received] == [KEYS]


MODELS = {
    "--patient": (uids.PATIENT_ROOT_FIND, uids.PATIENT_ROOT_MOVE),
    "--study": (uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_MOVE),
    "--psonly": (uids.PATIENT_STUDY_ONLY_FIND, uids.PATIENT_STUDY_ONLY_MOVE),
}


@pytest.mark.parametrize("option", MODELS)
def test_model_is_the_one_chosen_last(option: str) -> None:
    peer = Peer()
    other = "--study" if option != "--study" else "--patient"
    assert peer.run(main, other, option, HERE, *ASK) == 0
    assert tuple(context.abstract_syntax for context in peer.facts.contexts) == MODELS[option]
    assert peer.received[0].text(0x0002) == MODELS[option][1]


def test_move_is_where_the_objects_go() -> None:
    peer = Peer()
    assert peer.run(main, "--move", "THERE", "-aet", "OWN", HERE, *ASK) == 0
    assert peer.received[0].text(0x0600).strip() == "THERE"


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE, *ASK) == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)
    to = peer.received[0].text(0x0600).strip()
    assert to == ("TITLE" if option == "--aetitle" else "MOVESCU")


def test_repeat_asks_again() -> None:
    peer = Peer()
    assert peer.run(main, "--repeat", "3", HERE, *ASK) == 0
    assert [message.number(0x0110) for message in peer.received] == [1, 2, 3]


def test_abort_ends_without_a_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "-v", "--abort", HERE, *ASK) == 0
    shown = lines(capsys)
    assert "I: Aborting Association" in shown
    assert "I: Releasing Association" not in shown


class Hesitant:
    """Says Pending, with a data set where that is wanted, and then what the tool makes of it."""

    def __init__(self, *, announces: bool = False, sends: bool = False) -> None:
        self._announces = announces
        self._sends = sends
        self.cancelled = False

    def __call__(self, connection: RawConnection) -> None:
        try:
            accept(connection)
            request = connection.receive_message()
            assert not isinstance(request, RawPdu)
            self._pending(connection, request.context_id)
            if not self._announces:
                cancel = connection.receive_message()
                assert not isinstance(cancel, RawPdu)
                self.cancelled = cancel.number(0x0100) == 0x0FFF
            status = 0xFE00 if self.cancelled else 0
            connection.send(raw.message(request.context_id, raw.final_rsp(0x21, 1, status)))
            if connection.receive().pdu_type == raw.RELEASE_RQ:
                connection.send(raw.release_rp())
        except ConnectionError:
            return  # the tool broke off

    def _pending(self, connection: RawConnection, context_id: int) -> None:
        command = raw.command_set(
            [
                (0x0100, raw.us(0x8021)),
                (0x0120, raw.us(1)),
                (0x0800, raw.us(1 if self._announces else 0x0101)),
                (0x0900, raw.us(0xFF00)),
            ]
        )
        connection.send(raw.message(context_id, command, KEYS if self._sends else None))

    def run(self, *words: str) -> int:
        with ScriptedAcceptor(self) as acceptor:
            return main([*words, "127.0.0.1", str(acceptor.port), *ASK], {})


def test_cancel_cancels_behind_so_many_responses(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Hesitant()
    assert peer.run("-v", "--cancel", "1", "-td", "3") == 0
    assert peer.cancelled
    assert "I: Sending Cancel Request (MsgID 1, PresID 3)" in lines(capsys)


def test_pending_ignore_takes_pending_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Hesitant(announces=True)
    assert peer.run("--pending-read", "--pending-ignore") == 0
    assert lines(capsys)[-1].endswith("Assuming NO response identifiers are present")


def test_pending_read_reads_what_is_illegal(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Hesitant(announces=True, sends=True)
    assert peer.run("--pending-read") == 0
    assert lines(capsys)[-1].endswith("Reading but ignoring response identifier set")


# --- network --------------------------------------------------------------------------------


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE, *ASK) == 0


PROPOSALS = {
    "--propose-uncompr": UNCOMPRESSED,
    "--propose-little": UNCOMPRESSED,
    "--propose-big": (EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE),
    "--propose-deflated": (DEFLATED_EXPLICIT_LITTLE, *UNCOMPRESSED),
    "--propose-implicit": (IMPLICIT_LITTLE,),
}


@pytest.mark.parametrize("option", PROPOSALS)
def test_identifier_is_proposed_in_what_was_chosen_last(option: str) -> None:
    peer = Peer()
    other = "--propose-implicit" if option != "--propose-implicit" else "--propose-big"
    assert peer.run(main, other, option, HERE, *ASK) == 0
    assert {context.transfer_syntaxes for context in peer.facts.contexts} == {PROPOSALS[option]}


def test_port_is_where_objects_are_received(folder: Path) -> None:
    port, other = free_port(), free_port()
    found: list[tuple[bool, bool]] = []
    image = small_image().write(folder / "a.dcm")
    (folder / "out").mkdir()
    with retrieving([image], {"MOVESCU": port}) as node:
        where = ["-od", "out", "127.0.0.1", str(node.port), *ASK]
        code = main(["+P", str(other), "--port", str(port), *where], {})
        found.append((is_listening(port), is_listening(other)))
    assert code == 0
    assert [path.name for path in (folder / "out").iterdir()] == [NAME]
    assert found == [(False, False)]  # not any more


def test_no_port_takes_a_port_back() -> None:
    port = free_port()
    with retrieving([], {"MOVESCU": port}) as node:
        where = ["127.0.0.1", str(node.port), *ASK]
        taken = ["+P", str(node.port), "--no-port"]
        assert main([*taken, *where], {}) == 0  # a port that is taken would be an error


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        begun = time.monotonic()
        assert main(["--timeout", "1", "127.0.0.1", str(port), *ASK], {}) == 61
        assert time.monotonic() - begun < SILENCE


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    begun = time.monotonic()
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE, *ASK) == 61
    assert time.monotonic() - begun < SILENCE


def test_dimse_timeout_ends_the_wait_for_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(slow_to_answer=SILENCE).run(main, "--dimse-timeout", "1", HERE, *ASK) == 69
    condition = "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
    assert lines(capsys) == [
        f"E: Move Request Failed: {condition}",
        f"E: Move SCU Failed: {condition}",
    ]


def test_disable_host_lookup_shows_addresses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr(socket, "getnameinfo", lambda *_: ("host.example", "0"))
    assert serve(send, "--debug", "--disable-host-lookup") == 0
    assert "D: Association Received: 127.0.0.1" in lines(capsys)


# --- files ----------------------------------------------------------------------------------


def test_ignore_keeps_nothing(folder: Path) -> None:
    assert serve(send, "--ignore") == 0
    assert list(folder.iterdir()) == []


def test_on_duplicate_keeps_what_is_there(folder: Path) -> None:
    (folder / NAME).write_bytes(b"something else")
    assert serve(send, "--on-duplicate", "keep-both") == 0
    assert len(list(folder.iterdir())) == 2
    assert (folder / NAME).read_bytes() == b"something else"


def test_min_free_refuses_before_the_disk_is_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: list[int] = []
    code = serve(
        lambda port: statuses.extend(store(port, small_image())), "--min-free", str(1 << 40)
    )
    assert (code, statuses, list(folder.iterdir())) == (69, [0xA700], [])
    assert "E: objects received and not stored: 1" in lines(capsys)


def test_object_that_comes_behind_the_last_response_is_waited_for(folder: Path) -> None:
    """The peer says that all is done while its last object is still on its way."""
    associated, go = threading.Event(), threading.Event()
    sent: list[int] = []
    threads: list[threading.Thread] = []

    def later(port: int) -> None:
        image = small_image()
        with ScriptedRequestor(port) as requestor:
            requestor.associate([Context(1, image.sop_class_uid, (image.transfer_syntax,))])
            associated.set()
            go.wait(20)
            time.sleep(0.3)
            sent.append(
                requestor.store(1, image.sop_class_uid, image.sop_instance_uid, image.data_set)
            )
            requestor.release()

    def script(port: int) -> None:
        threads.append(threading.Thread(target=later, args=(port,)))
        threads[0].start()
        assert associated.wait(20)
        go.set()

    assert serve(script) == 0
    threads[0].join(20)
    assert sent == [0]
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_sub_association_may_echo() -> None:
    statuses: list[int] = []

    def echo(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate([Context(1, VERIFICATION, (IMPLICIT_LITTLE,))])
            statuses.append(requestor.echo(1))
            requestor.release()

    assert serve(echo) == 0
    assert statuses == [0]


# --- who asks -------------------------------------------------------------------------------


@pytest.mark.parametrize("option", GIVEN)
def test_the_peer_is_told_who_asks(option: str, folder: Path) -> None:
    (folder / "token").write_bytes(TOKEN)
    words, expected = GIVEN[option]
    peer = Peer()
    assert peer.run(main, *words, HERE, *ASK) == 0
    assert peer.facts.user_item(0x58) == expected


def test_nothing_is_asked_for_where_a_demanded_answer_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = Peer()
    assert peer.run(main, "--user", "joe", "--pos-response", HERE, *ASK) == 61
    assert peer.facts.user_item(0x58) == identity(1, b"joe", asked=True)
    assert peer.received == []
    assert "F: 0006:0108 ASC User Identification Negotiation failed" in lines(capsys)


def test_explain_says_why_there_is_no_association(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = str(reserved.getsockname()[1])
        assert main(["--explain", "127.0.0.1", port, *ASK], {}) == 61
    shown = lines(capsys)
    assert shown[0] == "F: Association Request Failed:"
    assert any("Explanation:" in line for line in shown)
