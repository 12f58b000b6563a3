"""getscu and movescu beside DCMTK's, and our side of C-GET and C-MOVE with clients of others.

Both tools of a pair ask one dcmqrscp for the same study: words, files and exit codes are compared.
Then other projects' clients ask a node of ours, and our clients ask archives of others.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.interop.partners import PROGRAMS, RECEIVERS, Orthanc, program
from tests.support import part10
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process, run, wait_until
from tests.support.retrieves import retrieving
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(120)]

WAIT = 60.0
ARCHIVE = "ARCHIVE"
STUDY = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1001")
MR = "1.2.840.10008.5.1.4.1.1.4"

CONFIGURATION = """\
NetworkTCPPort  = {port}
MaxPDUSize      = 16384
MaxAssociations = 16
HostTable BEGIN
own    = (MOVESCU, 127.0.0.1, {own})
nobody = (NOBODY, 127.0.0.1, {nobody})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (500, 1024mb) ANY
AETable END
"""


class Archive:
    """A running dcmqrscp of DCMTK with a study in it.

    Attributes:
        port: where it listens.
        own: the port that MOVESCU has.
    """

    def __init__(self, port: int, own: int) -> None:
        self.port = port
        self.own = own


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Make four files: three CT, one of them in implicit VR, and an MR."""
    folder = tmp_path / "in"
    folder.mkdir()
    objects = [
        ct_image(sop_instance_uid="2.25.11", seed=1),
        ct_image(sop_instance_uid="2.25.12", seed=2, transfer_syntax=IMPLICIT_LITTLE),
        ct_image(sop_instance_uid="2.25.13", seed=3, rows=512, columns=512),
        ct_image(sop_instance_uid="2.25.14", seed=4, sop_class_uid=MR),
    ]
    return [each.write(folder / f"{number}.dcm") for number, each in enumerate(objects)]


@pytest.fixture
def archive(tmp_path: Path, files: list[Path]) -> Iterator[Archive]:
    """Run dcmqrscp, and send it the files."""
    (tmp_path / "area").mkdir()
    for _ in range(3):
        port, own, nobody = free_port(), free_port(), free_port()
        text = CONFIGURATION.format(port=port, own=own, nobody=nobody, folder=tmp_path / "area")
        (tmp_path / "dcmqrscp.cfg").write_text(text)
        with Process(DCMTK.argv("dcmqrscp", "-c", tmp_path / "dcmqrscp.cfg")) as process:
            if not wait_until_listening(port, process):
                continue
            sent = DCMTK.run("storescu", "-aec", ARCHIVE, "localhost", str(port), *files)
            assert sent.code == 0, sent.stderr
            yield Archive(port, own)
            return
    raise RuntimeError("dcmqrscp does not start")


def ask(
    suite: Suite, tool: str, archive: Archive, folder: Path, *words: str
) -> tuple[Completed, dict[str, Path]]:
    """Run a tool in a folder of its own; return what became of it, and the files by name."""
    out = folder / f"{tool} {suite.name}"
    out.mkdir()
    argv = ["-aec", ARCHIVE, *words, "localhost", str(archive.port)]
    done = suite.run(tool, *argv, timeout=WAIT, cwd=out)
    return done, {path.name: path for path in sorted(out.iterdir())}


def compare_files(theirs: dict[str, Path], ours: dict[str, Path]) -> None:
    """Compare names and contents; a deflated data set of ours has an even length."""
    assert list(ours) == list(theirs)
    for name, path in theirs.items():
        differences = part10.compare(path, ours[name])
        length = len(part10.read(path).data_set)
        even = f"data sets have {length} and {length + 1} bytes, equal up to the shorter one's end"
        assert [each for each in differences if length % 2 == 0 or each != even] == [], name


GETS = {
    "a study": STUDY,
    "bit preserving": (*STUDY, "+B"),
    # Not +xi: release 3.6.7 proposes all three with it (facts of 3.7.0: implicit VR alone).
    "big endian": (*STUDY, "+xb"),
    "deflated": (*STUDY, "+xd"),
    "identifier in implicit VR": (*STUDY, "-xi"),
    "identifier deflated": (*STUDY, "-xd"),
    "an image": (*STUDY[:1], "-k", "8,52=IMAGE", "-k", "20,d=2.25.1001", "-k", "8,18=2.25.11"),
    "nothing that is there": ("-S", "-k", "0008,0052=STUDY", "-k", "20,d=9.9"),
    "twice": (*STUDY, "--repeat", "2", "--ignore"),
    "nothing kept": (*STUDY, "--ignore"),
    "an abort": (*STUDY, "--abort"),
}


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", GETS.values(), ids=GETS)
def test_getscu_says_and_writes_what_the_original_does(
    words: tuple[str, ...], archive: Archive, tmp_path: Path
) -> None:
    expected, theirs = ask(DCMTK, "getscu", archive, tmp_path, "-v", *words)
    found, ours = ask(OURS, "getscu", archive, tmp_path, "-v", *words)
    assert found.stderr.splitlines() == expected.stderr.splitlines()
    assert (found.code, expected.code) == (0, 0)
    compare_files(theirs, ours)


REFUSED = {
    "no level": ("-S", "-k", "20,d=2.25.1001"),
    "a level that there is not": ("-S", "-k", "8,52=FRAME"),
}


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_getscu_of_ours_alone_ends_a_refused_request_with_a_failure(
    words: tuple[str, ...], archive: Archive, tmp_path: Path
) -> None:
    expected, _ = ask(DCMTK, "getscu", archive, tmp_path, *words)
    found, _ = ask(OURS, "getscu", archive, tmp_path, *words)
    assert expected.code == 0
    assert found.code == 69
    (line,) = [line for line in expected.stderr.splitlines() if "DIMSE status" in line]
    assert any(mine.startswith(line) for mine in found.stderr.splitlines())


MOVES = {
    "a study": STUDY,
    "bit preserving": (*STUDY, "+B"),
    "implicit": (*STUDY, "+xi"),
    "big endian": (*STUDY, "+xb"),
    "deflated": (*STUDY, "+xd"),
    "all syntaxes": (*STUDY, "+xa"),
    "written implicit": (*STUDY, "+ti"),
    "written big": (*STUDY, "+tb"),
    "written deflated": (*STUDY, "+td", "+cl", "9"),
    "without meta": (*STUDY, "-F"),
    "with group lengths": (*STUDY, "+g"),
    "without group lengths": (*STUDY, "-g"),
    "undefined lengths": (*STUDY, "-e"),
    "old VRs": (*STUDY, "-u"),
    "nothing kept": (*STUDY, "--ignore"),
    "nothing that is there": ("-S", "-k", "0008,0052=STUDY", "-k", "20,d=9.9"),
    "twice": (*STUDY, "--repeat", "2", "--ignore"),
    "an abort": (*STUDY, "--abort"),
    "identifier deflated": (*STUDY, "-xd"),
}


def said(done: Completed) -> tuple[list[str], list[str]]:
    """Return what a run says of the request and its end, and all that it says, sorted.

    Sub-association and responses come side by side: their order is nobody's choice, nor is how
    many pending responses there are.
    """
    lines = [
        line
        for line in done.stderr.splitlines()
        if not re.fullmatch(r"I: Received Move Response \d+ \(Pending\)", line)
    ]
    return [line for line in lines if "Move" in line or "Association" in line[:20]], sorted(lines)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", MOVES.values(), ids=MOVES)
def test_movescu_says_and_writes_what_the_original_does(
    words: tuple[str, ...], archive: Archive, tmp_path: Path
) -> None:
    port = ("+P", str(archive.own))
    expected, theirs = ask(DCMTK, "movescu", archive, tmp_path, "-v", *port, *words)
    found, ours = ask(OURS, "movescu", archive, tmp_path, "-v", *port, *words)
    assert said(found) == said(expected)
    assert (found.code, expected.code) == (0, 0)
    if "-F" in words:
        assert [path.read_bytes() for path in ours.values()] == [
            path.read_bytes() for path in theirs.values()
        ]
        assert list(ours) == list(theirs)
    else:
        compare_files(theirs, ours)


UNSENT = {
    "to somebody unknown": ("-aem", "UNKNOWN"),
    "to somebody who is not there": ("-aem", "NOBODY"),
    "to itself without a port": (),
}


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", UNSENT.values(), ids=UNSENT)
def test_movescu_fails_as_the_original_does(
    words: tuple[str, ...], archive: Archive, tmp_path: Path
) -> None:
    expected, _ = ask(DCMTK, "movescu", archive, tmp_path, "-v", *words, *STUDY)
    found, _ = ask(OURS, "movescu", archive, tmp_path, "-v", *words, *STUDY)
    assert (found.code, expected.code) == (69, 69)
    assert said(found)[1] == said(expected)[1]


def messages(text: str) -> list[str]:
    """Return the dumps of DIMSE messages, and the lines that announce them."""
    kept, inside = [], False
    for line in text.splitlines():
        if re.search("(IN|OUT)[A-Z]+ DIMSE MESSAGE", line):
            inside = True
        if inside or re.match("I: (Sending|Received) C-", line):
            kept.append(line)
        if "END DIMSE MESSAGE" in line:
            inside = False
    return kept


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("option", ["-d", "--debug", "-ll"])
def test_getscu_dumps_messages_as_the_original_does(
    option: str, archive: Archive, tmp_path: Path
) -> None:
    words = (option, "debug") if option == "-ll" else (option,)
    expected, _ = ask(DCMTK, "getscu", archive, tmp_path, *words, *STUDY)
    found, _ = ask(OURS, "getscu", archive, tmp_path, *words, *STUDY)
    assert messages(found.stderr) == messages(expected.stderr)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("tool", ["getscu", "movescu"])
@pytest.mark.parametrize("option", ["-q", "--quiet", "-v", "--verbose"])
def test_levels_of_the_log_are_those_of_the_original(
    option: str, tool: str, archive: Archive, tmp_path: Path
) -> None:
    words = (option, "+P", str(archive.own)) if tool == "movescu" else (option,)
    expected, _ = ask(DCMTK, tool, archive, tmp_path, *words, *STUDY, "--ignore")
    found, _ = ask(OURS, tool, archive, tmp_path, *words, *STUDY, "--ignore")
    assert said(found) == said(expected)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("tool", ["getscu", "movescu"])
def test_command_line_and_contexts_are_shown_as_by_the_original(
    tool: str, archive: Archive, tmp_path: Path
) -> None:
    words = ("--arguments", "-v", "+v") if tool == "getscu" else ("--arguments", "-v")
    expected, _ = ask(DCMTK, tool, archive, tmp_path, *words, "-S", "-k", "8,52=STUDY", "--ignore")
    found, _ = ask(OURS, tool, archive, tmp_path, *words, "-S", "-k", "8,52=STUDY", "--ignore")

    def shown(done: Completed) -> list[str]:
        lines = [
            re.sub("calling '[^']*'", "calling", line)
            for line in done.stderr.splitlines()
            if re.match("I:( calling|   )", line)
        ]
        # The UID that 3.6.7 calls otherwise than 3.7.0.
        return [line for line in lines if "ImplantationPlanSR" not in line]

    assert shown(found) == shown(expected)


LOG = """\
log4cplus.rootLogger = INFO, A
log4cplus.appender.A = log4cplus::FileAppender
log4cplus.appender.A.File = {file}
log4cplus.appender.A.layout = log4cplus::PatternLayout
log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n
"""


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("tool", ["getscu", "movescu"])
def test_log_goes_where_the_file_says_under_the_names_of_the_original(
    tool: str, archive: Archive, tmp_path: Path
) -> None:
    logs = []
    for suite in (DCMTK, OURS):
        (tmp_path / "log.cfg").write_text(LOG.format(file=tmp_path / f"{suite.name}.log"))
        words = ("--log-config", str(tmp_path / "log.cfg"))
        ask(suite, tool, archive, tmp_path, *words, "-S", "-k", "8,52=STUDY", "-k", "20,d=9.9")
        logs.append((tmp_path / f"{suite.name}.log").read_text().splitlines())
    assert logs[1] == logs[0]


@pytest.mark.peer("dcmtk")
def test_movescu_cancels_as_the_original_does(archive: Archive, tmp_path: Path) -> None:
    line = "I: Sending Cancel Request (MsgID 1, PresID 3)"
    for suite in (DCMTK, OURS):
        words = ("-v", "--cancel", "1", "-td", "20", "+P", str(archive.own), "--ignore")
        done, _ = ask(suite, "movescu", archive, tmp_path, *words, *STUDY)
        assert line in done.stderr.splitlines()
        assert done.code == 0


# --- our side of the services ---------------------------------------------------------------


def expected_of(files: list[Path]) -> dict[str, bytes]:
    """Return what data sets there are by instance, pixels alone: syntaxes may differ."""
    return {part10.read(path).text(0x00020003): pixels(path) for path in files}


def pixels(path: Path) -> bytes:
    from pydicom import dcmread

    return bytes(dcmread(path, force=True).PixelData)


def written(folder: Path) -> dict[str, bytes]:
    return {part10.read(path).text(0x00020003): pixels(path) for path in folder.iterdir()}


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("option", ["+x=", "+xi", "+xb", "+xd"])
def test_getscu_of_dcmtk_gets_everything_from_ours(
    option: str, files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with retrieving(files) as node:
        where = ("localhost", str(node.port))
        done = DCMTK.run("getscu", "-v", option, *STUDY, "-od", out, *where, timeout=WAIT)
    assert done.code == 0
    assert "I:   Number of Completed Suboperations : 4" in done.stderr.splitlines()
    if option == "+xb":  # words of pixels come in the other order
        assert sorted(written(out)) == sorted(expected_of(files))
    else:
        assert written(out) == expected_of(files)


@pytest.mark.peer("dcmtk")
def test_movescu_of_dcmtk_gets_everything_from_ours(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    port = free_port()
    with retrieving(files, {"MOVESCU": port}) as node:
        words = ("+P", str(port), "-od", out, *STUDY, "localhost", str(node.port))
        done = DCMTK.run("movescu", "-v", "-td", "30", *words, timeout=WAIT)
    assert done.code == 0, done.stderr
    assert "I: Received Final Move Response (Success)" in done.stderr.splitlines()
    assert written(out) == expected_of(files)


@pytest.mark.peer("dcmtk")
def test_movescu_of_dcmtk_tells_what_ours_says_of_an_unknown_destination(
    files: list[Path],
) -> None:
    with retrieving(files) as node:
        done = DCMTK.run("movescu", "-aem", "NOWHERE", *STUDY, "localhost", str(node.port))
    assert done.code == 69
    assert "Refused: MoveDestinationUnknown" in done.stderr


@pytest.mark.peer("dcmtk")
def test_movescu_of_dcmtk_cancels_what_ours_sends(files: list[Path]) -> None:
    with retrieving(files, {"SINK": 0}) as node:
        with Receiver(DCMTK, files[0].parent.parent / "sink", "--sleep-after", "1") as sink:
            node.script.destinations["SINK"] = sink.port
            words = ("--cancel", "1", "-aem", "SINK", *STUDY, "localhost", str(node.port))
            done = DCMTK.run("movescu", "-v", *words, timeout=WAIT)
        assert node.watcher.cancels == 1
    assert done.code == 0
    lines = done.stderr.splitlines()
    assert (
        "I: Received Final Move Response "
        "(Cancel: SubOperationsTerminatedDueToCancelIndication)" in lines
    )


@pytest.mark.peer("dcmtk", "pynetdicom", "dcmjs-dimse", "orthanc")
@pytest.mark.parametrize("name", sorted(RECEIVERS))
def test_receivers_of_others_get_what_a_move_of_ours_sends(
    name: str, files: list[Path], tmp_path: Path
) -> None:
    with (
        RECEIVERS[name].start(tmp_path / "receiver") as receiver,
        retrieving(files, {"THERE": receiver.port}) as node,
    ):
        words = ("-aem", "THERE", *STUDY, "localhost", str(node.port))
        done = OURS.run("movescu", "-v", *words, timeout=WAIT)
        assert done.code == 0, done.stderr
        wait_until(lambda: len(receiver.received()) == 4, timeout=30, what="four objects")
        received = receiver.received()
    sent = {part10.read(path).text(0x00020003): part10.read(path) for path in files}
    assert set(received) == set(sent)


@pytest.mark.peer("pynetdicom")
def test_clients_of_pynetdicom_get_everything_from_ours(files: list[Path], tmp_path: Path) -> None:
    python = program("pynetdicom", "python")
    out = tmp_path / "out"
    out.mkdir()
    with retrieving(files) as node:
        words = ["127.0.0.1", str(node.port), *STUDY, "-od", str(out)]
        done = run([python, "-m", "pynetdicom", "getscu", *words], timeout=WAIT)
    assert done.code == 0, done.stderr
    assert written(out) == expected_of(files)


@contextmanager
def pynetdicom_archive(folder: Path, destination: int) -> Iterator[int]:
    """Run tests/interop/programs/pynetdicom_qr.py; yield its port."""
    port = free_port()
    argv = [program("pynetdicom", "python"), PROGRAMS / "pynetdicom_qr.py", str(port), folder]
    with Process([*map(str, argv), str(destination)]) as process:
        if not wait_until_listening(port, process, timeout=30):
            raise RuntimeError(f"pynetdicom does not start: {process.stderr}")
        yield port


@pytest.mark.peer("pynetdicom")
@pytest.mark.parametrize("tool", ["getscu", "movescu"])
def test_clients_of_ours_get_everything_from_pynetdicom(
    tool: str, files: list[Path], tmp_path: Path
) -> None:
    out, own = tmp_path / "out", free_port()
    out.mkdir()
    with pynetdicom_archive(files[0].parent, own) as port:
        words = ["+P", str(own)] if tool == "movescu" else []
        where = ("-od", out, "localhost", str(port))
        done = OURS.run(tool, "-v", *words, *STUDY, *where, timeout=WAIT)
    assert done.code == 0, done.stderr
    assert written(out) == expected_of(files)


@pytest.mark.peer("orthanc")
@pytest.mark.parametrize("tool", ["getscu", "movescu"])
def test_clients_of_ours_get_everything_from_orthanc(
    tool: str, files: list[Path], tmp_path: Path
) -> None:
    out, own = tmp_path / "out", free_port()
    out.mkdir()
    with RECEIVERS["orthanc"].start(tmp_path / "orthanc") as orthanc:
        assert isinstance(orthanc, Orthanc)
        for path in files:
            orthanc.ask("/instances", method="POST", body=path.read_bytes())
        title = tool.upper()
        modality = {"AET": title, "Host": "127.0.0.1", "Port": own, "AllowGet": True}
        orthanc.ask("/modalities/own", method="PUT", body=modality)
        assert json.loads(orthanc.ask("/modalities")) == ["own"]
        words = ["+P", str(own)] if tool == "movescu" else []
        where = ("-od", out, "localhost", str(orthanc.port))
        done = OURS.run(tool, "-v", "-aec", "ORTHANC", *words, *STUDY, *where, timeout=WAIT)
    assert done.code == 0, done.stderr
    assert written(out) == expected_of(files)


@pytest.mark.peer("orthanc")
def test_orthanc_gets_everything_from_ours(files: list[Path], tmp_path: Path) -> None:
    with RECEIVERS["orthanc"].start(tmp_path / "orthanc") as orthanc:
        assert isinstance(orthanc, Orthanc)
        with retrieving(files, {"ORTHANC": orthanc.port}) as node:
            modality = {"AET": "NODE", "Host": "127.0.0.1", "Port": node.port}
            orthanc.ask("/modalities/node", method="PUT", body=modality)
            wish = {"Level": "Study", "Resources": [{"StudyInstanceUID": "2.25.1001"}]}
            orthanc.ask("/modalities/node/move", method="POST", body=wish)
        received = orthanc.received()
    assert set(received) == set(expected_of(files))
    assert EXPLICIT_LITTLE in {each.transfer_syntax for each in received.values()}
