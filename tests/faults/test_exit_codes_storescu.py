"""What storescu ends with: every kind of failure, at every place of three files, halting or not.

The rule: 0 only where every object was confirmed; else the first failure's status >> 8, and 1
where there was no status or that is 0. Without `-nh` nothing follows the first failure; with it
everything does, as long as there is an association.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.cli.storescu import main
from isocenter.testing import RawMessage, ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import IMPLICIT_LITTLE
from isocenter.testing.peer import PeerClosed, accept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

FILES = ("0.dcm", "1.dcm", "2.dcm")
PRIVATE = "1.2.826.0.1.3680043.9.3811.4711"
JPEG = "1.2.840.10008.1.2.4.70"


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three objects."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(FILES):
        ct_image(rows=8, columns=8, sop_instance_uid=f"2.25.{number}").write(tmp_path / name)


# --- what is wrong with a file --------------------------------------------------------------


def _no_dicom(path: Path) -> None:
    path.write_text("no image")


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _private_class(path: Path) -> None:
    ct_image(rows=8, columns=8, sop_class_uid=PRIVATE).write(path)


def _compressed(path: Path) -> None:
    ct_image(rows=8, columns=8, transfer_syntax=JPEG).write(path)


def _no_class(path: Path) -> None:
    path.write_bytes(ct_image(rows=8, columns=8, sop_class_uid="").part10())


BAD_FILES: dict[str, Callable[[Path], None]] = {
    "no DICOM": _no_dicom,
    "cut short": _cut_short,
    "no SOP class": _no_class,
    "class not proposed": _private_class,
    "no conversion": _compressed,
}


# --- what a peer does instead of confirming -------------------------------------------------


def _abort(connection: RawConnection, _message: RawMessage) -> None:
    connection.send(raw.abort(2, 0))
    connection.receive_until_closed()


def _close(connection: RawConnection, _message: RawMessage) -> None:
    connection.close()


def _reset(connection: RawConnection, _message: RawMessage) -> None:
    connection.vanish()


def _ask_for_release(connection: RawConnection, _message: RawMessage) -> None:
    connection.send(raw.release_rq())
    connection.receive_until_closed()


def _say_nothing(connection: RawConnection, _message: RawMessage) -> None:
    connection.receive_until_closed()


def _answer_another(connection: RawConnection, message: RawMessage) -> None:
    connection.send(raw.message(message.context_id, raw.c_store_rsp(4711, 0)))
    connection.receive_until_closed()


def _speak_nonsense(connection: RawConnection, _message: RawMessage) -> None:
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.receive_until_closed()


ENDS: dict[str, tuple[Callable[[RawConnection, RawMessage], None], tuple[str, ...]]] = {
    "abort": (_abort, ()),
    "close": (_close, ()),
    "reset": (_reset, ()),
    "release": (_ask_for_release, ()),
    "silence, -td": (_say_nothing, ("-td", "1")),
    "silence, -ts": (_say_nothing, ("-ts", "1")),
    "another message id": (_answer_another, ()),
    "nonsense": (_speak_nonsense, ()),
}


class Peer:
    """A storage SCP: answers statuses in turn, then success; `end` at the message of that place."""

    def __init__(
        self,
        *statuses: int,
        end: Callable[[RawConnection, RawMessage], None] | None = None,
        at: int = -1,
        release: bool = True,
    ) -> None:
        self.arrived: list[str] = []
        self._statuses = list(statuses)
        self._end = end
        self._at = at
        self._release = release

    def __call__(self, connection: RawConnection) -> None:
        try:
            self._serve(connection)
        except (OSError, PeerClosed):  # the sender is gone, which is what some cases are about
            return

    def _serve(self, connection: RawConnection) -> None:
        accept(connection)
        while isinstance(message := connection.receive_message(), RawMessage):
            place = len(self.arrived)
            self.arrived.append(message.text(0x1000))
            if self._end is not None and place == self._at:
                self._end(connection, message)
                return
            status = self._statuses.pop(0) if self._statuses else 0
            answer = raw.c_store_rsp(message.number(0x0110), status)
            connection.send(raw.message(message.context_id, answer))
        if message.pdu_type == raw.RELEASE_RQ:
            connection.send(raw.release_rp() if self._release else raw.abort(2, 0))

    def run(self, *options: str, files: tuple[str, ...] = FILES) -> int:
        """Run storescu verbosely."""
        with ScriptedAcceptor(self) as acceptor:
            return main(["-v", *options, "127.0.0.1", str(acceptor.port), *files], {})


def attempted(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the files that storescu says it sends."""
    begin = "I: Sending file: "
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix(begin) for line in lines if line.startswith(begin)]


def uids(*places: int) -> list[str]:
    return [f"2.25.{place}" for place in places]


HALTING = pytest.mark.parametrize("options", [(), ("-nh",)], ids=["halt", "-nh"])
POSITION = pytest.mark.parametrize("position", range(3))

STATUSES = {
    0xA700: 0xA7,
    0xA7FF: 0xA7,
    0xA900: 0xA9,
    0xC000: 0xC0,
    0xCFFF: 0xCF,
    0x0110: 1,
    0x0122: 1,
    0x0124: 1,
    0x0211: 2,
    0xFE00: 0xFE,
    0xFFFF: 0xFF,
    0x1234: 0x12,
    0x0002: 1,  # >> 8 is 0
}


@POSITION
@HALTING
@pytest.mark.parametrize("status", STATUSES, ids=lambda status: f"{status:04x}")
def test_object_is_refused(
    status: int, options: tuple[str, ...], position: int, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(*[0] * position, status)
    assert peer.run(*options) == STATUSES[status]
    count = 3 if options else position + 1
    assert peer.arrived == uids(*range(count))
    assert attempted(capsys) == list(FILES[:count])


@POSITION
@HALTING
@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116])
def test_warning_is_no_failure(
    status: int, options: tuple[str, ...], position: int, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(*[0] * position, status)
    assert peer.run(*options) == 0
    assert peer.arrived == uids(0, 1, 2)
    assert attempted(capsys) == list(FILES)


@POSITION
@HALTING
@pytest.mark.parametrize("kind", BAD_FILES)
def test_file_cannot_be_sent(
    kind: str,
    options: tuple[str, ...],
    position: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    BAD_FILES[kind](tmp_path / FILES[position])
    peer = Peer()
    assert peer.run(*options) == 1
    others = range(3) if options else range(position)
    assert peer.arrived == uids(*(place for place in others if place != position))
    assert attempted(capsys) == list(FILES if options else FILES[: position + 1])


@POSITION
@HALTING
def test_path_does_not_exist(
    options: tuple[str, ...],
    position: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / FILES[position]).unlink()
    peer = Peer()
    assert peer.run(*options) == 1
    kept = [place for place in range(3) if place != position] if options else []
    assert peer.arrived == uids(*kept)
    assert attempted(capsys) == [FILES[place] for place in kept]


@POSITION
@HALTING
@pytest.mark.parametrize("kind", BAD_FILES)
def test_file_cannot_be_sent_with_contexts_made_for_the_files(
    kind: str, options: tuple[str, ...], position: int, tmp_path: Path
) -> None:
    BAD_FILES[kind](tmp_path / FILES[position])
    peer = Peer()
    code = peer.run("--auto-contexts", *options)
    if kind in {"class not proposed", "no conversion"}:  # what the option is for
        assert code == 0
        assert len(peer.arrived) == 3
        return
    assert code == 1
    others = [place for place in range(3) if place != position]
    if kind == "cut short" and not options:
        # Seen only when its turn comes: the scan reads as far as the UIDs.
        others = [*range(position)]
    elif not options:
        others = []
    assert peer.arrived == uids(*others)


@POSITION
@HALTING
@pytest.mark.parametrize("kind", ENDS)
def test_association_ends_before_the_answer(
    kind: str, options: tuple[str, ...], position: int, capsys: pytest.CaptureFixture[str]
) -> None:
    end, patience = ENDS[kind]
    peer = Peer(end=end, at=position)
    assert peer.run(*options, *patience) == 1
    assert peer.arrived == uids(*range(position + 1))
    assert attempted(capsys) == list(FILES[: position + 1])


class Several(NamedTuple):
    """Failures in one run under `-nh`: answers, bad file and its place, end and its place."""

    statuses: tuple[int, ...]
    code: int
    bad: int | None = None
    end_at: int | None = None
    release: bool = True


SEVERAL = [
    Several((0xA700, 0xC000, 0xA900), 0xA7),
    Several((0, 0xC000, 0xA700), 0xC0),
    Several((0xB000, 0xA900, 0xC000), 0xA9),
    Several((0x0122, 0xA700), 1),
    Several((0x0002, 0xA700), 1),
    Several((0xA700,), 1, bad=0),  # the second file is the first that is answered
    Several((0xA700,), 0xA7, bad=1),
    Several((0, 0xA700), 1, bad=1),
    Several((0xA700,), 0xA7, end_at=1),
    Several((0,), 1, end_at=1),
    Several((0xA700,), 0xA7, release=False),
    Several((), 1, release=False),
    Several((0xB000,), 1, release=False),
]


@pytest.mark.parametrize("case", SEVERAL)
def test_first_of_several_failures_decides(case: Several, tmp_path: Path) -> None:
    if case.bad is not None:
        _no_dicom(tmp_path / FILES[case.bad])
    end = None if case.end_at is None else _abort
    at = -1 if case.end_at is None else case.end_at
    peer = Peer(*case.statuses, end=end, at=at, release=case.release)
    assert peer.run("-nh") == case.code


@HALTING
def test_association_is_rejected(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(1, 1, 1))
        connection.receive_until_closed()

    with ScriptedAcceptor(reject) as acceptor:
        assert main(["-v", *options, "127.0.0.1", str(acceptor.port), *FILES], {}) == 1
    assert attempted(capsys) == []


@HALTING
def test_no_context_is_accepted(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(connection: RawConnection) -> None:
        accept(connection, choose=lambda *_: (3, IMPLICIT_LITTLE))
        connection.receive_until_closed()

    with ScriptedAcceptor(refuse) as acceptor:
        assert main(["-v", *options, "127.0.0.1", str(acceptor.port), *FILES], {}) == 1
    assert attempted(capsys) == []


@HALTING
def test_nobody_listens(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedAcceptor(lambda _: None) as acceptor:
        port = acceptor.port
    assert main(["-v", *options, "127.0.0.1", str(port), *FILES], {}) == 1
    assert attempted(capsys) == []


@pytest.mark.parametrize(
    ("options", "repeat"), list(product([(), ("-nh",), ("--abort",), ("--max-ops", "3")], [1, 2]))
)
def test_everything_is_confirmed(
    options: tuple[str, ...], repeat: int, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer()
    assert peer.run(*options, "--repeat", str(repeat)) == 0
    assert peer.arrived == [uid for uid in uids(0, 1, 2) for _ in range(repeat)]
    assert len(attempted(capsys)) == 3 * repeat


@POSITION
@pytest.mark.parametrize("repetition", [0, 1])
def test_one_of_several_repetitions_is_refused(position: int, repetition: int) -> None:
    peer = Peer(*[0] * (2 * position + repetition), 0xA900)
    assert peer.run("--repeat", "2", "-nh") == 0xA9
    assert len(peer.arrived) == 6
    peer = Peer(*[0] * (2 * position + repetition), 0xA900)
    assert peer.run("--repeat", "2") == 0xA9
    assert len(peer.arrived) == 2 * position + repetition + 1
