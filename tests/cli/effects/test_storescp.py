"""storescp: what its options about associations and processes change for a peer.

What they change in the files is in test_storescp_files.py and test_storescp_events.py.
tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.storescp import main
from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from tests.cli.effects.receiving import reachable, serve, small_image, store
from tests.cli.effects.sending import needs_ipv6
from tests.support.processes import child_pids
from tests.support.proposals import SELECTORS
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts, RawConnection

pytestmark = pytest.mark.slow

ECHO = [Context(1, VERIFICATION, (IMPLICIT_LITTLE,))]
CT = [Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))]
PRIVATE = "1.2.3.4.5.6.7"
WAIT = 2.5
"""Seconds within which a timeout of one second has to be over."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Receive into a folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def echo(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.associate(ECHO)
        requestor.echo(1)
        requestor.release()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def ended_within(connection: RawConnection, seconds: float) -> bool:
    """Tell whether the tool ends the association or the connection in that time."""
    try:
        connection.receive_until_closed(timeout=seconds)
    except TimeoutError:
        return False
    return True


# --- general --------------------------------------------------------------------------------

MISSING = ("-od", "missing", "11112")


def test_help_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", *MISSING], {}) == 0
    out, err = capsys.readouterr()
    assert "usage: storescp" in out
    assert err == ""


def test_version_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", *MISSING], {}) == 0
    out, err = capsys.readouterr()
    assert out.startswith("$isocenter: storescp v")
    assert err == ""


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--arguments", *MISSING], {}) == 1
    start = "I: calling 'storescp' with 4 arguments: '--arguments' '--output-directory' 'missing' "
    assert any(line.startswith(start) for line in lines(capsys))


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", 0)) as taken:
        assert main(["--quiet", str(taken.getsockname()[1])], {}) == 1
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--verbose") == 0
    shown = lines(capsys)
    assert "I: Received Echo Request (MsgID 1)" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--debug") == 0
    assert "D: Message Type                  : C-ECHO RQ" in lines(capsys)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--log-level", "info") == 0
    assert "I: Received Echo Request (MsgID 1)" in lines(capsys)


def test_verbose_pc_lists_the_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "-v", "--verbose-pc") == 0
    assert "I:     Abstract Syntax: =VerificationSOPClass" in lines(capsys)


# --- processes ------------------------------------------------------------------------------


def children_beside_an_association(folder: Path, *options: str) -> int:
    with Receiver(OURS, folder, *options) as receiver, ScriptedRequestor(receiver.port) as peer:
        peer.associate(ECHO)
        peer.echo(1)
        return len(child_pids(receiver.process.pid))


def test_single_process_takes_fork_back(folder: Path) -> None:
    assert children_beside_an_association(folder, "--fork", "--single-process") == 0


def test_fork_gives_an_association_a_process(folder: Path) -> None:
    assert children_beside_an_association(folder, "--fork") == 1


def test_workers_serve_side_by_side(folder: Path) -> None:
    assert children_beside_an_association(folder, "--workers", "2") >= 2


def test_max_associations_lets_others_wait(folder: Path) -> None:
    with (
        Receiver(OURS, folder, "--fork", "--max-associations", "1") as receiver,
        ScriptedRequestor(receiver.port) as first,
    ):
        first.associate(ECHO)
        with ScriptedRequestor(receiver.port) as second:
            second.send(raw.associate_rq(ECHO))
            try:
                answer = second.receive(timeout=1)
            except TimeoutError:
                answer = None
            assert answer is None
            first.release()
            first.close()
            assert second.receive().pdu_type == raw.ASSOCIATE_AC


# --- network --------------------------------------------------------------------------------


@needs_ipv6
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(("--ipv6", "--ipv4"), (True, False), id="--ipv4"),
        pytest.param(("--ipv6",), (False, True), id="--ipv6"),
        pytest.param(("--ip-auto",), (True, True), id="--ip-auto"),
    ],
)
def test_where_it_is_reached(options: tuple[str, ...], expected: tuple[bool, bool]) -> None:
    found = []

    def look(port: int) -> None:
        found.append((reachable(port, "127.0.0.1"), reachable(port, "::1")))

    assert serve(look, *options) == 0
    assert found == [expected]


PREFERENCES = {
    "uncompr": "=", "little": "e", "big": "b", "lossless": "s", "jpeg8": "y", "jpeg12": "x",
    "j2k-lossless": "v", "j2k-lossy": "w", "jls-lossless": "t", "jls-lossy": "u", "mpeg2": "m",
    "mpeg2-high": "h", "mpeg4": "n", "mpeg4-bd": "l", "mpeg4-2-2d": "2", "mpeg4-2-3d": "3",
    "mpeg4-2-st": "o", "hevc": "4", "hevc10": "5", "rle": "r", "deflated": "d",
}  # fmt: skip
"""Name behind ``--prefer-`` to the letter of the short option."""

EVERYTHING = tuple(dict.fromkeys(SELECTORS.values()))


def answer(contexts: list[Context], *options: str) -> AssociationFacts:
    """Return what a proposal is answered."""
    answers = []

    def propose(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            answers.append(requestor.associate(contexts))
            requestor.release()

    assert serve(propose, *options) == 0
    return answers[0]


@pytest.mark.parametrize("option", [f"--prefer-{name}" for name in PREFERENCES])
def test_of_all_that_is_proposed_the_preferred_is_accepted(option: str) -> None:
    context = Context(1, CT_IMAGE_STORAGE, EVERYTHING)
    wanted = SELECTORS[PREFERENCES[option.removeprefix("--prefer-")]]
    assert answer([context], "--implicit", option).accepted == {1: wanted}


def test_implicit_accepts_nothing_else() -> None:
    contexts = [
        Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, EXPLICIT_BIG)),
        Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
    ]
    assert answer(contexts, "--implicit").accepted == {3: IMPLICIT_LITTLE}


def test_accept_all_accepts_each_known_syntax() -> None:
    contexts = [
        Context(2 * number + 1, CT_IMAGE_STORAGE, (uid,)) for number, uid in enumerate(EVERYTHING)
    ]
    expected = {2 * number + 1: uid for number, uid in enumerate(EVERYTHING)}
    assert answer(contexts, "--accept-all").accepted == expected


def test_explain_says_why_nothing_was_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    answer([Context(1, PRIVATE, (EXPLICIT_LITTLE,))], "--explain")
    assert any(line.startswith("W: Explanation: ") for line in lines(capsys))


def test_socket_timeout_ends_an_idle_association() -> None:
    def idle(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(ECHO)
            assert ended_within(requestor, WAIT)

    assert serve(idle, "--socket-timeout", "1") == 0


def test_acse_timeout_ends_a_connection_without_a_request() -> None:
    def silent(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            assert ended_within(requestor, WAIT)

    assert serve(silent, "--acse-timeout", "1") == 0


def test_dimse_timeout_ends_an_object_that_stalls(folder: Path) -> None:
    image = ct_image()
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(1, command, image.data_set, maximum_length=4096)

    def stall(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(CT)
            requestor.send(message[: len(message) // 2])
            assert ended_within(requestor, WAIT)

    assert serve(stall, "--dimse-timeout", "1") == 0
    assert list(folder.iterdir()) == []


def test_aetitle_tells_whom_others_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    def call(port: int) -> None:
        for called in ("OURS", "OTHER"):
            with ScriptedRequestor(port) as requestor:
                requestor.associate(ECHO, called=called)
                requestor.release()

    assert serve(call, "-v", "--aetitle", "OURS") == 0
    told = [line for line in lines(capsys) if "Title" in line]
    assert told == ["I: Called AE Title is OTHER and not OURS"]


def test_max_pdu_is_announced() -> None:
    assert answer(ECHO, "--max-pdu", "8192").maximum_length == 8192


def test_refuse_rejects_everybody() -> None:
    kinds = []

    def ask(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.send(raw.associate_rq(ECHO))
            kinds.append(requestor.receive().pdu_type)

    assert serve(ask, "--refuse") == 0
    assert kinds == [raw.ASSOCIATE_RJ]


def test_reject_asks_for_an_implementation() -> None:
    kinds = []

    def ask(port: int) -> None:
        for uid in ("2.25.1", None):
            with ScriptedRequestor(port) as requestor:
                user = raw.user_information(implementation_class_uid=uid)
                requestor.send(raw.associate_rq(ECHO, user=user))
                kinds.append(requestor.receive().pdu_type)

    assert serve(ask, "--reject") == 0
    assert kinds == [raw.ASSOCIATE_AC, raw.ASSOCIATE_RJ]


def test_ignore_keeps_nothing(folder: Path) -> None:
    statuses: list[int] = []
    assert serve(lambda port: statuses.extend(store(port, small_image())), "--ignore") == 0
    assert statuses == [0]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "options", [("--durable",), ("--on-duplicate", "reject"), ("--min-free", "1")], ids=" ".join
)
def test_ignore_is_refused_beside_what_is_about_keeping(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--ignore", *options, *MISSING], {}) == 1
    assert f"error: {options[0]} not allowed with --ignore" in lines(capsys)


@pytest.mark.parametrize(
    ("option", "before_the_answer"), [("--sleep-after", False), ("--sleep-during", True)]
)
def test_pauses(option: str, before_the_answer: bool) -> None:
    image = small_image()
    took = []

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(CT)
            for _ in range(2):
                started = time.monotonic()
                requestor.store(1, image.sop_class_uid, image.sop_instance_uid, image.data_set)
                took.append(time.monotonic() - started)
            requestor.release()

    assert serve(send, option, "1") == 0
    assert (took[0] >= 1) == before_the_answer
    assert took[1] >= 0.9


@pytest.mark.parametrize("option", ["--abort-after", "--abort-during"])
def test_aborts(option: str, folder: Path) -> None:
    image = ct_image()
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(1, command, image.data_set, maximum_length=4096)
    kinds = []

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(CT)
            requestor.send(message[: len(message) // 2])
            if option == "--abort-after":
                requestor.send(message[len(message) // 2 :])
            try:
                kinds.append(requestor.receive(timeout=2).pdu_type)
            except (TimeoutError, PeerClosed):
                kinds.append(0)

    assert serve(send, option) == 0
    assert kinds == [raw.ABORT]


def test_promiscuous_accepts_classes_that_nobody_knows() -> None:
    context = Context(1, PRIVATE, (EXPLICIT_LITTLE,))
    assert answer([context], "--promiscuous").accepted == {1: EXPLICIT_LITTLE}
