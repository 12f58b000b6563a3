"""storescu of DCMTK and ours beside each other: exit code, log lines, what arrives.

Each case runs both with the same arguments against the same scripted acceptor, so whatever
differs comes from the tools. Allowed differences stand in differences.py.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import RawPdu, ScriptedAcceptor, ct_image, raw
from isocenter.testing.peer import accept, serve_storage
from tests.interop.log_lines import differing_lines, normal
from tests.support.tools import DCMTK, UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]


class Outcome(NamedTuple):
    """What one run of a tool showed."""

    code: int
    lines: list[str]
    stdout: str
    received: list[tuple[int, int, str, str, int]]
    end: str


class Recorder:
    """A scripted storage acceptor that notes what came and how the association ended."""

    def __init__(self, statuses: tuple[int, ...] = ()) -> None:
        self.received: list[RawMessage] = []
        self.end = ""
        self._statuses = iter(statuses)

    def __call__(self, connection: RawConnection) -> None:
        """Serve one association."""
        accept(connection)
        # Looks at the end itself: release and abort are what is compared.
        while True:
            try:
                message = connection.receive_message()
            except ConnectionError:
                self.end = "closed"
                return
            if isinstance(message, RawPdu):
                self.end = {raw.RELEASE_RQ: "released", raw.ABORT: "aborted"}.get(
                    message.pdu_type, "?"
                )
                if message.pdu_type == raw.RELEASE_RQ:
                    connection.send(raw.release_rp())
                return
            self.received.append(message)
            status = next(self._statuses, 0)
            uids = message.text(0x0002), message.text(0x1000)
            response = raw.c_store_rsp(message.number(0x0110), status, *uids)
            connection.send(raw.message(message.context_id, response))


def outcome(
    suite: Suite,
    options: tuple[str, ...],
    inputs: list[str],
    folder: Path,
    statuses: tuple[int, ...] = (),
) -> Outcome:
    """Run storescu in a folder against a recorder."""
    recorder = Recorder(statuses)
    with ScriptedAcceptor(recorder) as acceptor:
        arguments = (*options, "127.0.0.1", str(acceptor.port), *inputs)
        done = suite.run("storescu", *arguments, cwd=folder)
    received = [
        (
            message.number(0x0110),
            message.number(0x0700),
            message.text(0x0002),
            message.text(0x1000),
            message.context_id,
        )
        for message in recorder.received
    ]
    return Outcome(done.code, normal(done.lines), done.stdout, received, recorder.end)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of objects with a tree beside them."""
    for number in range(3):
        image = ct_image(rows=20 * (number + 1), columns=200, sop_instance_uid=f"2.25.{number}")
        image.write(tmp_path / f"{number}.dcm")
    ct_image(sop_class_uid="1.2.840.10008.5.1.4.1.1.4", sop_instance_uid="2.25.8").write(
        tmp_path / "mr.dcm"
    )
    tree = tmp_path / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.dcm", "sub/b.dcm", "sub/deep/c.img")):
        ct_image(sop_instance_uid=f"2.25.10{number}").write(tree / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.dcm").write_text("no DICOM\n" * 100)
    return tmp_path


class Case(NamedTuple):
    """Arguments for both, what is answered, and the exit code of ours where it differs."""

    name: str
    options: tuple[str, ...]
    inputs: tuple[str, ...] = ("0.dcm", "1.dcm")
    statuses: tuple[int, ...] = ()
    ours: int | None = None


CASES = [
    Case("plain", ("-v",)),
    Case("quiet", ("-q",)),
    Case("default level", ()),
    Case("level error", ("-ll", "error")),
    Case("level info", ("-ll", "INFO")),
    Case("verbose then quiet", ("-v", "-q")),
    Case("required", ("-v", "-R"), ("0.dcm", "mr.dcm", "1.dcm")),
    Case("combined", ("-v", "+C"), ("0.dcm", "mr.dcm")),
    Case("required, combined", ("-v", "-R", "+C"), ("mr.dcm", "0.dcm")),
    Case("explicit", ("-v", "-xe")),
    Case("repeat", ("-v", "--repeat", "3")),
    Case("abort", ("-v", "--abort")),
    Case("same file twice", ("-v",), ("0.dcm", "0.dcm")),
    Case("short PDUs", ("-v", "--max-send-pdu", "4096"), ("2.dcm",)),
    Case("titles", ("-v", "-aet", "ME", "-aec", "YOU")),
    Case("timeouts", ("-v", "-to", "5", "-ta", "5", "-td", "5", "-ts", "5")),
    Case("file only", ("-v", "+fo")),
    Case("scan", ("-v", "+sd"), ("tree",)),
    Case("scan and recurse", ("-v", "+sd", "+r", "+sp", "*.img"), ("tree",)),
    Case("scan with pattern", ("-v", "+sd", "+sp", "a*"), ("tree",)),
    Case("scan a file", ("-v", "+sd"), ("0.dcm",)),
    Case("scan nothing", ("-v", "+sd"), ("empty",)),
    Case("directory not scanned", ("-v",), ("tree", "0.dcm")),
    Case("only a directory", ("-v",), ("tree",)),
    Case("warning", ("-v",), statuses=(0xB000, 0)),
    Case("elements discarded", ("-v",), statuses=(0xB006,)),
    Case("class mismatch warning", ("-v",), statuses=(0xB007,)),
    Case("out of resources", ("-v",), statuses=(0xA700,)),
    Case("mismatch", ("-v",), statuses=(0, 0xA900)),
    Case("cannot understand", ("-v",), statuses=(0xC123,)),
    Case("class not supported", ("-v",), statuses=(0x0122,)),
    Case("unknown status", ("-v",), statuses=(0x4711,)),
    Case("failure, no halt", ("-v", "-nh"), statuses=(0xA700, 0), ours=0xA7),
    Case("missing file", ("-v",), ("0.dcm", "nowhere.dcm")),
    Case("missing file, no halt", ("-v", "-nh"), ("nowhere.dcm", "0.dcm"), ours=1),
    Case("all missing, no halt", ("-v", "-nh"), ("nowhere.dcm",), ours=1),
    Case("not DICOM with -R", ("-v", "-R"), ("0.dcm", "bad.dcm")),
    Case("not DICOM with -R, no halt", ("-v", "-R", "-nh"), ("bad.dcm", "0.dcm"), ours=1),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_storescu_does_what_the_oracle_does(folder: Path, case: Case) -> None:
    expected = outcome(DCMTK, case.options, list(case.inputs), folder, case.statuses)
    found = outcome(UNDER_TEST, case.options, list(case.inputs), folder, case.statuses)
    if case.ours is None or not UNDER_TEST.is_ours:
        assert found.code == expected.code
    else:
        assert (expected.code, found.code) == (0, case.ours)
    assert differing_lines(expected.lines, found.lines) == ""
    assert found.received == expected.received
    assert found.end == expected.end


def test_storescu_shows_its_progress_as_the_oracle_does(folder: Path) -> None:
    """Dots on standard output only at info level: one for each PDV (dcmtk-facts 1.4)."""
    for options in (("-v",), ("-d",), ()):
        expected = outcome(DCMTK, options, ["2.dcm"], folder)
        found = outcome(UNDER_TEST, options, ["2.dcm"], folder)
        assert found.stdout.replace(".", "") == expected.stdout.replace(".", "")
        assert bool(found.stdout) == (options == ("-v",))
        if options == ("-v",):
            assert re.fullmatch(r"XMIT: \.+\n", found.stdout)


def test_storescu_sends_every_file_that_the_oracle_sends_without_meta(folder: Path) -> None:
    """Files without File Meta Information: a raw data set is sent as what it looks like."""
    image = ct_image(transfer_syntax="1.2.840.10008.1.2", sop_instance_uid="2.25.99")
    (folder / "raw.dcm").write_bytes(image.data_set)
    for options in (("-v",), ("-v", "+f"), ("-v", "-R", "-xi")):
        expected = outcome(DCMTK, options, ["raw.dcm"], folder)
        found = outcome(UNDER_TEST, options, ["raw.dcm"], folder)
        if "-xi" in options:
            assert found.received == expected.received
        else:
            assert expected.code == 0
    refused = outcome(UNDER_TEST, ("-v", "+fo"), ["raw.dcm"], folder)
    assert refused.code == outcome(DCMTK, ("-v", "+fo"), ["raw.dcm"], folder).code == 1
    shutil.rmtree(folder / "tree")


def test_storescu_says_why_it_was_rejected_as_the_oracle_does(folder: Path) -> None:
    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(1, 1, 7))
        connection.receive_until_closed()

    runs = []
    for suite in (DCMTK, UNDER_TEST):
        with ScriptedAcceptor(reject) as acceptor:
            arguments = ("-v", "127.0.0.1", str(acceptor.port), "0.dcm")
            done = suite.run("storescu", *arguments, cwd=folder)
            runs.append((done.code, done.lines))
    assert runs[0][0] == runs[1][0]
    assert differing_lines(runs[0][1], runs[1][1]) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("localhost.invalid", "11112", "0.dcm"),
        ("127.0.0.1", "1", "0.dcm"),
    ],
    ids=["unknown host", "refused"],
)
def test_storescu_says_why_it_cannot_connect_as_the_oracle_does(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    runs = [suite.run("storescu", "-v", *arguments, cwd=folder) for suite in (DCMTK, UNDER_TEST)]
    assert runs[0].code == runs[1].code == 1
    assert differing_lines(runs[0].lines, runs[1].lines) == ""


def _breaking_off(connection: RawConnection) -> None:
    accept(connection)
    for _ in serve_storage(connection):
        connection.receive()
        connection.send(raw.abort())
        # Closing with unread bytes resets, and which of reset and A-ABORT is seen first is chance.
        connection.receive_until_closed(timeout=8)
        return


def _timing_out(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.receive_until_closed(timeout=8)


def _releasing(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.release_rq())
    connection.receive_until_closed(timeout=8)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param(_breaking_off, (), id="abort in the second object"),
        pytest.param(_timing_out, ("-td", "1"), id="-td"),
        pytest.param(_timing_out, ("-ts", "1"), id="-ts"),
        pytest.param(_releasing, ("-ts", "2"), id="release instead of a response"),
    ],
)
def test_storescu_prints_the_lines_of_the_oracle_where_a_peer_breaks_off(
    folder: Path, script: object, options: tuple[str, ...]
) -> None:
    assert callable(script)
    runs = []
    for suite in (DCMTK, UNDER_TEST):
        with ScriptedAcceptor(script) as acceptor:
            arguments = ("-v", *options, "127.0.0.1", str(acceptor.port), "0.dcm", "1.dcm")
            runs.append(suite.run("storescu", *arguments, cwd=folder))
    assert differing_lines(normal(runs[0].lines), normal(runs[1].lines)) == ""
    if UNDER_TEST.is_ours:
        assert runs[1].code == 1
