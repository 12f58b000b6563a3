"""Acceptors that refuse, abort, fall silent or answer nonsense: storescu ends in time and says so.

Each case gives the exit code of ours and, where it is another one, DCMTK's: ours is the true
one (first failure's status >> 8, 1 where that is 0 or nothing was answered, also under `-nh`),
DCMTK's is 0 under `-nh` and undefined after an abort (dcmtk-facts 0.3, 2.8).
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import RawMessage, ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import EXPLICIT_LITTLE
from isocenter.testing.peer import PeerClosed, accept, serve_storage
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection
    from isocenter.testing.peer import Script
    from tests.support.processes import Completed

pytestmark = pytest.mark.slow

UNDEFINED = None
"""DCMTK's exit code comes from memory it never wrote."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three small objects and a large one."""
    folder = tmp_path_factory.mktemp("files")
    small = [ct_image(rows=16, columns=16).write(folder / f"{n}.dcm") for n in range(3)]
    return [*small, ct_image(rows=2048, columns=2048).write(folder / "large.dcm")]


def _send(script: Script, *arguments: str | Path, timeout: float = 20) -> Completed:
    """Run storescu against a script; the files are the arguments that are no strings."""
    options = [argument for argument in arguments if isinstance(argument, str)]
    paths = [argument for argument in arguments if not isinstance(argument, str)]
    with ScriptedAcceptor(script) as acceptor:
        port = str(acceptor.port)
        done = UNDER_TEST.run(
            "storescu", "-v", "-R", *options, "127.0.0.1", port, *paths, timeout=timeout
        )
    assert "Traceback" not in done.stderr
    return done


def _fatal(done: Completed) -> list[str]:
    return [line for line in done.lines if line.startswith(("E: ", "F: "))]


REJECTIONS = [
    (1, 1, 1, "Rejected Permanent", "Service User", "No Reason"),
    (1, 1, 2, "Rejected Permanent", "Service User", "App Context Name Not Supported"),
    (1, 1, 3, "Rejected Permanent", "Service User", "Calling AE Title Not Recognized"),
    (1, 1, 7, "Rejected Permanent", "Service User", "Called AE Title Not Recognized"),
    (2, 1, 1, "Rejected Transient", "Service User", "No Reason"),
    (1, 2, 1, "Rejected Permanent", "Service Provider (ACSE Related)", "No Reason"),
    (
        1,
        2,
        2,
        "Rejected Permanent",
        "Service Provider (ACSE Related)",
        "Protocol Version Not Supported",
    ),
    (
        2,
        3,
        1,
        "Rejected Transient",
        "Service Provider (Presentation Related)",
        "Temporary Congestion",
    ),
    (
        2,
        3,
        2,
        "Rejected Transient",
        "Service Provider (Presentation Related)",
        "Local Limit Exceeded",
    ),
]


@pytest.mark.parametrize("case", REJECTIONS, ids=[f"{c[0]}-{c[1]}-{c[2]}" for c in REJECTIONS])
def test_sender_tells_why_it_was_rejected(
    files: list[Path], case: tuple[int, int, int, str, str, str]
) -> None:
    result, source, reason, *words = case

    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(result, source, reason))
        connection.receive_until_closed()

    done = _send(reject, files[0])
    assert done.code == 1
    assert _fatal(done) == [
        "F: Association Rejected:",
        f"F: Result: {words[0]}, Source: {words[1]}",
        f"F: Reason: {words[2]}",
    ]


@pytest.mark.parametrize("numbers", [(0, 0, 0), (9, 9, 9), (1, 1, 10), (255, 255, 255)], ids=str)
def test_sender_survives_a_rejection_the_standard_does_not_know(
    files: list[Path], numbers: tuple[int, int, int]
) -> None:
    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(*numbers))
        connection.receive_until_closed()

    done = _send(reject, files[0])
    assert done.code == 1
    assert _fatal(done)


def test_sender_ends_where_nobody_listens(files: list[Path]) -> None:
    with ScriptedAcceptor(lambda connection: None) as acceptor:
        port = acceptor.port
    done = UNDER_TEST.run("storescu", "127.0.0.1", str(port), files[0])
    assert done.code == 1
    assert _fatal(done)[0].startswith("F: Association Request Failed: ")


@pytest.mark.parametrize("result", [1, 2, 3, 4])
def test_sender_ends_where_no_context_is_accepted(files: list[Path], result: int) -> None:
    def refuse(connection: RawConnection) -> None:
        accept(connection, choose=lambda _id, syntaxes: (result, syntaxes[0]))
        connection.receive_until_closed()

    done = _send(refuse, files[0])
    assert done.code == 1
    assert _fatal(done) == ["F: No Acceptable Presentation Contexts"]


class End(NamedTuple):
    """A script that ends an association too early."""

    name: str
    script: Script


def _end(connection: RawConnection, how: str) -> None:
    if how == "abort":
        connection.send(raw.abort(2, 0))
        connection.receive_until_closed()
    elif how == "reset":
        connection.vanish()
    elif how == "nonsense":
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.receive_until_closed()
    # "close": leaving the script closes


def _before_answer(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        connection.receive()
        _end(connection, how)

    return script


def _at_once(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        _end(connection, how)

    return script


def _after_accept(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        _end(connection, how)

    return script


def _in_object(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive()
        connection.receive()
        _end(connection, how)

    return script


def _before_response(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        _end(connection, how)

    return script


def _second_object(how: str) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            connection.receive()
            _end(connection, how)
            return

    return script


STAGES = {
    "connected": _at_once,
    "before the answer": _before_answer,
    "after the answer": _after_accept,
    "in an object": _in_object,
    "before the response": _before_response,
    "in the second object": _second_object,
}


@pytest.mark.parametrize("options", [(), ("-nh",)], ids=["halt", "-nh"])
@pytest.mark.parametrize("how", ["abort", "close", "reset", "nonsense"])
@pytest.mark.parametrize("stage", STAGES)
def test_sender_ends_with_1_where_the_peer_breaks_off(
    files: list[Path], stage: str, how: str, options: tuple[str, ...]
) -> None:
    done = _send(STAGES[stage](how), *options, files[3], files[3])
    if UNDER_TEST.is_ours:
        assert done.code == 1
    assert _fatal(done)
    assert done.seconds < 10


def _wait(connection: RawConnection) -> None:
    """Say nothing until the peer goes."""
    connection.receive_until_closed(timeout=15)


def _silent_before_response(connection: RawConnection) -> None:
    accept(connection)
    _wait(connection)


def _silent_in_object(connection: RawConnection) -> None:
    """Read nothing of the object until the sender is gone."""
    accept(connection)
    connection.receive()
    gone = select.poll()
    gone.register(connection.sock, select.POLLRDHUP)
    gone.poll(10_000)


def _half_response(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.message(1, raw.c_store_rsp(1, 0))[:20])
    _wait(connection)


def _half_answer(connection: RawConnection) -> None:
    connection.receive()
    connection.send(raw.associate_ac([(1, 0, EXPLICIT_LITTLE)])[:20])
    _wait(connection)


SILENCES: dict[str, tuple[Script, tuple[str, ...]]] = {
    "connected": (_wait, ("-ta", "1")),
    "response, -td": (_silent_before_response, ("-td", "1")),
    "response, -ts": (_silent_before_response, ("-ts", "1")),
    "in an object, -ts": (_silent_in_object, ("-ts", "1")),
    "in an object, -td": (_silent_in_object, ("-td", "1", "-ts", "2")),
    "half a response, -ts": (_half_response, ("-ts", "1")),
    "half an answer, -ta": (_half_answer, ("-ta", "1", "-ts", "2")),
}


@pytest.mark.parametrize("case", SILENCES)
def test_sender_ends_with_1_where_the_peer_falls_silent(files: list[Path], case: str) -> None:
    script, options = SILENCES[case]
    if not UNDER_TEST.is_ours and case in {"in an object, -ts", "in an object, -td"}:
        pytest.skip("DCMTK's tool waits here for as long as the peer does")
    done = _send(_quietly(script), *options, files[3], files[3])
    if UNDER_TEST.is_ours:
        assert done.code == 1
    assert done.code != 0
    assert _fatal(done)
    assert 0.5 < done.seconds < 6


def _quietly(script: Script) -> Script:
    """Let a script end in peace when the sender resets the connection."""

    def quiet(connection: RawConnection) -> None:
        try:
            script(connection)
        except (OSError, PeerClosed):
            return

    return quiet


def test_sender_ends_where_the_peer_never_answers_the_release(files: list[Path]) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.message(1, raw.c_store_rsp(1, 0)))
        connection.receive()
        _wait(connection)

    done = _send(_quietly(script), "-ta", "1", files[0])
    assert done.seconds < 6
    assert _fatal(done)


class Statuses(NamedTuple):
    """The statuses answered in turn, how many objects arrive, and the exit codes."""

    statuses: tuple[int, ...]
    arrive: int
    ours: int
    dcmtk: int
    options: tuple[str, ...] = ()


STATUS_CASES = [
    Statuses((0, 0, 0), 3, 0, 0),
    Statuses((0xA700,), 1, 0xA7, 0xA7),
    Statuses((0xA7FF,), 1, 0xA7, 0xA7),
    Statuses((0xA900,), 1, 0xA9, 0xA9),
    Statuses((0xC000,), 1, 0xC0, 0xC0),
    Statuses((0xCFFF,), 1, 0xCF, 0xCF),
    Statuses((0x0122,), 1, 1, 1),
    Statuses((0x0110,), 1, 1, 1),
    Statuses((0x0124,), 1, 1, 1),
    Statuses((0, 0xA700), 2, 0xA7, 0xA7),
    Statuses((0xB000, 0xB006, 0xB007), 3, 0, 0),
    Statuses((0xB000, 0xC001), 2, 0xC0, 0xC0),
    Statuses((0xA700, 0, 0), 3, 0xA7, 0, ("-nh",)),
    Statuses((0xC000, 0xA900, 0xA700), 3, 0xC0, 0, ("-nh",)),
    Statuses((0, 0xA900, 0), 3, 0xA9, 0, ("-nh",)),
    Statuses((0x0122, 0xA700, 0), 3, 1, 0, ("-nh",)),
    Statuses((0xB000, 0, 0), 3, 0, 0, ("-nh",)),
]


@pytest.mark.parametrize("case", STATUS_CASES, ids=lambda c: "-".join(f"{s:04x}" for s in c[0]))
def test_sender_ends_with_the_first_failure(files: list[Path], case: Statuses) -> None:
    received: list[RawMessage] = []
    ends: list[int] = []

    def script(connection: RawConnection) -> None:
        accept(connection)
        answers = iter((*case.statuses, *(0,) * 9))
        for _ in serve_storage(connection, status=lambda _: next(answers), received=received):
            pass
        ends.append(1)

    done = _send(script, *case.options, *files[:3])
    assert len(received) == case.arrive
    assert done.code == (case.ours if UNDER_TEST.is_ours else case.dcmtk)
    assert done.lines.count("I: Releasing Association") == 1
    assert [message.number(0x0110) for message in received] == [1, 2, 3][: case.arrive]


def _answering(command: bytes, *, context_id: int = 1) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.message(context_id, command))
        connection.receive_until_closed()

    return script


NONSENSE = {
    "another message id": _answering(raw.c_store_rsp(4711, 0)),
    "an echo response": _answering(raw.c_echo_rsp(1)),
    "a request": _answering(raw.c_echo_rq(1)),
    "a context never proposed": _answering(raw.c_store_rsp(1, 0), context_id=77),
    "a broken command": _answering(b"\xff" * 40),
    "no status": _answering(
        raw.command_set([(0x0100, raw.us(0x8001)), (0x0120, raw.us(1)), (0x0800, raw.us(0x0101))])
    ),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_sender_ends_with_1_where_the_response_is_not_the_one_it_waits_for(
    files: list[Path], case: str
) -> None:
    if not UNDER_TEST.is_ours and case in {"a context never proposed", "no status"}:
        pytest.skip("DCMTK's tool takes this")
    done = _send(NONSENSE[case], "-ts", "3", files[0])
    assert done.code != 0
    if UNDER_TEST.is_ours:
        assert done.code == 1
    assert _fatal(done)


def test_sender_ends_with_1_where_the_peer_asks_for_release_instead_of_answering(
    files: list[Path],
) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.release_rq())
        connection.receive_until_closed()

    done = _send(script, "-ts", "3", files[0])
    if UNDER_TEST.is_ours:
        assert done.code == 1
    assert "E: Protocol Error: Peer requested release (Aborting)" in done.lines


def test_sender_takes_an_answer_byte_by_byte(files: list[Path]) -> None:
    def script(connection: RawConnection) -> None:
        facts = connection.receive()
        assert facts.pdu_type == raw.ASSOCIATE_RQ
        connection.send_split(raw.associate_ac([(1, 0, EXPLICIT_LITTLE)]))
        connection.receive_message()
        connection.send_split(raw.message(1, raw.c_store_rsp(1, 0)))
        assert connection.receive().pdu_type == raw.RELEASE_RQ
        connection.send_split(raw.release_rp())

    assert _send(script, files[0]).code == 0


@pytest.mark.parametrize("maximum", [0, 8, 12, 13, 14, 15, 128, 16382, 16384, 1 << 20, 0xFFFFFFFF])
def test_sender_keeps_to_the_maximum_length_of_its_peer(files: list[Path], maximum: int) -> None:
    """PDVs stay even and within the announced length (PS3.8 D.1, annex E)."""
    received: list[RawMessage] = []

    def script(connection: RawConnection) -> None:
        accept(connection, user=raw.user_information(maximum_length=maximum))
        for _ in serve_storage(connection, received=received):
            pass

    if not UNDER_TEST.is_ours and 0 < maximum < 100:
        pytest.skip("DCMTK's tool does not take this")
    done = _send(script, files[0])
    assert done.code == 0
    assert len(received) == 1
    assert received[0].longest_pdu <= (maximum or 131072)
    assert files[0].read_bytes().endswith(received[0].data_set)


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="an option of our own")
@pytest.mark.parametrize("granted", [0, 1, 2, 5, 65535])
def test_sender_keeps_to_the_window_it_is_granted(tmp_path: Path, granted: int) -> None:
    """With `--max-ops 4` at most min(4, granted, 0 is unlimited) requests wait at a time."""
    paths = [ct_image(rows=8, columns=8).write(tmp_path / f"{n:02}.dcm") for n in range(12)]
    allowed = min(4, granted) or 4
    waiting_most = 0

    def script(connection: RawConnection) -> None:
        nonlocal waiting_most
        window = raw.asynchronous_operations(granted, 1)
        accept(connection, user=raw.user_information(window))
        answered = 0
        while answered < len(paths):
            waiting: list[int] = []
            connection.sock.settimeout(5)
            while len(waiting) < min(allowed, len(paths) - answered):
                message = connection.receive_message()
                assert isinstance(message, RawMessage)
                waiting.append(message.number(0x0110))
            waiting_most = max(waiting_most, len(waiting))
            # Nothing more may come before an answer.
            with pytest.raises(TimeoutError):
                connection.receive(timeout=0.1)
            for message_id in reversed(waiting):
                connection.send(raw.message(1, raw.c_store_rsp(message_id, 0)))
                answered += 1
                break
            # The rest is answered too, so that each round begins with an empty window.
            for message_id in reversed(waiting[:-1]):
                connection.send(raw.message(1, raw.c_store_rsp(message_id, 0)))
                answered += 1
        assert connection.receive().pdu_type == raw.RELEASE_RQ
        connection.send(raw.release_rp())

    done = _send(script, "--max-ops", "4", *paths)
    assert done.code == 0
    assert waiting_most == allowed
