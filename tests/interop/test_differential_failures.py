"""storescu and echoscu of DCMTK and ours where something goes wrong: exit code and lines.

Cases and what differs on purpose are in sender_failures.py. Each is run at info level, and
those of both tools at debug level too, where the dumps of associations and messages have to
be DCMTK's.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.testing import RawPdu, ScriptedAcceptor, ct_image, raw
from isocenter.testing.peer import PeerClosed, accept
from tests.interop.debug_lines import tool_lines
from tests.interop.differences import NEWER_ABSTRACT_SYNTAXES
from tests.interop.log_lines import differing_lines, normal
from tests.interop.sender_failures import BOTH, COMMON, ECHO, STORE, serving
from tests.support.tools import DCMTK, UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage
    from isocenter.testing.peer import Script
    from tests.interop.sender_failures import Case
    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
JPEG = "1.2.840.10008.1.2.4.70"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files good and bad."""
    folder = tmp_path_factory.mktemp("failures")
    for number in range(2):
        image = ct_image(sop_instance_uid=f"2.25.{number}", rows=4, columns=4)
        image.write(folder / f"{number}.dcm")
    for name, uid in (("private", "1.2.3.4.5"), ("seg", SEGMENTATION)):
        image = ct_image(sop_class_uid=uid, sop_instance_uid="2.25.8", rows=4, columns=4)
        image.write(folder / f"{name}.dcm")
    ct_image(transfer_syntax=JPEG, sop_instance_uid="2.25.9").write(folder / "jpeg.dcm")
    (folder / "bad.dcm").write_text("no DICOM\n" * 100)
    (folder / "empty.dcm").write_text("")
    whole = (folder / "0.dcm").read_bytes()
    (folder / "cut.dcm").write_bytes(whole[:-7])
    known = [uid for uid in uids.DEFAULT_STORAGE_CLASSES if uid not in NEWER_ABSTRACT_SYNTAXES]
    (folder / "many").mkdir()
    for number, uid in enumerate(known[:66]):
        image = ct_image(sop_class_uid=uid, sop_instance_uid=f"2.25.7{number}", rows=2, columns=2)
        image.write(folder / "many" / f"{number}.dcm")
    return folder


def _run(suite: Suite, tool: str, level: str, case: Case, folder: Path) -> Completed:
    def script(connection: RawConnection) -> None:
        try:
            case.script(connection)
        except (PeerClosed, OSError):
            return  # it went away in the middle, which its exit code and lines tell

    with ScriptedAcceptor(script) as acceptor:
        files = case.files if tool == "storescu" else ()
        arguments = (level, *case.options, "127.0.0.1", str(acceptor.port), *files)
        return suite.run(tool, *arguments, cwd=folder)


def _both(tool: str, level: str, case: Case, folder: Path) -> list[Completed]:
    """Run both at the same time: most of it is waiting."""
    with ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(lambda suite: _run(suite, tool, level, case, folder), (DCMTK, UNDER_TEST))
        )


def _comparable(done: Completed) -> list[str]:
    text = "".join(f"{line}\n" for line in tool_lines(normal(done.lines)))
    for pattern, left, _ in COMMON:
        text = re.sub(pattern, left, text)
    return text.splitlines()


def _diff(runs: list[Completed]) -> list[str]:
    """Return the lines of the diff without its positions."""
    lines = differing_lines(*(_comparable(run) for run in runs)).splitlines()
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _check_codes(runs: list[Completed], theirs: int | None, ours: int) -> None:
    if theirs is not None:
        assert runs[0].code == theirs
    if UNDER_TEST.is_ours:
        assert runs[1].code == ours


def _ids(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", BOTH + STORE, ids=_ids(BOTH + STORE))
def test_storescu_fails_as_the_oracle_does(folder: Path, case: Case) -> None:
    runs = _both("storescu", "-v", case, folder)
    _check_codes(runs, case.theirs, case.ours)
    expected = case.differs if UNDER_TEST.is_ours else ""
    assert sorted(_diff(runs)) == sorted(expected.splitlines())


@pytest.mark.parametrize("case", BOTH + ECHO, ids=_ids(BOTH + ECHO))
def test_echoscu_fails_as_the_oracle_does(folder: Path, case: Case) -> None:
    runs = _both("echoscu", "-v", case, folder)
    codes = (0, 1) if case in ECHO else case.echo_codes
    _check_codes(runs, *codes)
    expected = case.differs if case.echo is None else case.echo
    if not UNDER_TEST.is_ours:
        expected = ""
    assert sorted(_diff(runs)) == sorted(expected.splitlines())


DUMPED = [
    case
    for case in BOTH
    if case.name.startswith(("rejected (1, 1, 7)", "no abstract", "no transfer", "aborted by"))
]


@pytest.mark.parametrize("tool", ["storescu", "echoscu"])
@pytest.mark.parametrize("case", DUMPED, ids=_ids(DUMPED))
def test_dumps_of_a_failure_are_those_of_the_oracle(folder: Path, tool: str, case: Case) -> None:
    runs = _both(tool, "-d", case, folder)
    assert _diff(runs) == []
    dumps = [line for line in runs[1].lines if "BEGIN A-ASSOCIATE" in line]
    assert len(dumps) == (1 if case.name.startswith("rejected") else 2)


def _line(suite: Suite, folder: Path, level: str, script: Script, wanted: str) -> list[str]:
    case = BOTH[0]._replace(script=script, options=("-R",), files=("0.dcm",))
    done = _run(suite, "storescu", level, case, folder)
    return [line for line in done.lines if wanted in line]


@pytest.mark.parametrize(
    ("level", "name", "wanted"),
    [
        pytest.param(
            "-d",
            "status a700",
            "I: Sending Store Request",
            id="message id at debug level",
        ),
        pytest.param(
            "-v",
            "aborted at the release",
            "Association Release Failed",
            id="level of a failed release",
        ),
        pytest.param(
            "-v",
            "no PDU instead of a response",
            "Unrecognized PDU type",
            id="number of an unknown PDU",
        ),
    ],
)
def test_a_line_is_that_of_the_oracle_to_the_letter(
    folder: Path, level: str, name: str, wanted: str
) -> None:
    scripts = {case.name: case.script for case in BOTH + STORE}
    expected, found = (
        _line(suite, folder, level, scripts[name], wanted) for suite in (DCMTK, UNDER_TEST)
    )
    assert expected
    said = re.compile(r" \((association|connection) .*")  # why: ours alone says it
    assert [said.sub("", line) for line in found[:1]] == expected[:1]


def test_requestors_say_that_nobody_listens_as_the_oracle_does(folder: Path) -> None:
    for tool in ("storescu", "echoscu"):
        for level in ("-q", "-v", "-d"):
            files = ("0.dcm",) if tool == "storescu" else ()
            runs = [
                suite.run(tool, level, "127.0.0.1", "1", *files, cwd=folder)
                for suite in (DCMTK, UNDER_TEST)
            ]
            assert runs[0].code == runs[1].code == 1
            assert _diff(runs) == []


def test_a_pending_status_is_a_failure_for_both(folder: Path) -> None:
    """C-STORE has no pending responses (PS3.7 9.1.1.1.9): nothing more is to be waited for."""
    case = BOTH[0]._replace(script=serving(0xFF00), options=("-R", "-ts", "1"))
    runs = _both("storescu", "-v", case, folder)
    assert runs[0].code == runs[1].code == 0xFF


def _detailed(request: RawMessage) -> bytes:
    elements = [
        (0x0002, request.command[0x0002]),
        (0x0100, raw.us(request.number(0x0100) | 0x8000)),
        (0x0120, raw.us(request.number(0x0110))),
        (0x0800, raw.us(0x0101)),
        (0x0900, raw.us(0xA700)),
        (0x0901, b"\x08\0\x18\0\x10\0\x10\0"),
        (0x0902, b"disk full "),
    ]
    return raw.message(request.context_id, raw.command_set(elements))


def test_the_detail_of_an_echo_response_is_dumped_as_by_the_oracle(folder: Path) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        while not isinstance(message := connection.receive_message(), RawPdu):
            connection.send(_detailed(message))
        connection.send(raw.release_rp())

    case = BOTH[0]._replace(script=script, options=())
    runs = _both("echoscu", "-d", case, folder)
    parts = [run.lines[run.lines.index("I: Releasing Association") - 7 : -1] for run in runs]
    assert parts[0][0] == "D: Status Detail (should never be any):"
    assert parts[1][:7] == parts[0][:7]
    assert "D: (0000,0902) LO [disk full]" in parts[1][5]


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tools take what they are given")
def test_the_comment_of_a_peer_begins_no_line_of_the_log(folder: Path) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        message = connection.receive_message()
        assert not isinstance(message, RawPdu)
        connection.send(_detailed(message).replace(b"disk full ", b"a\nF: fake "))
        connection.receive()
        connection.send(raw.release_rp())

    done = _run(UNDER_TEST, "echoscu", "-d", BOTH[0]._replace(script=script, options=()), folder)
    assert any("[a\\x0aF: fake]" in line for line in done.lines)
    assert not any(line.startswith("F: fake") for line in done.lines)
