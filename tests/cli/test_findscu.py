"""findscu: what becomes of answers of all kinds, and what it exits with."""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from isocenter import uids
from isocenter.cli.findscu import main
from isocenter.cli.keys import apply_keys, load_query
from isocenter.dataset.tree import Node, encode
from isocenter.errors import DimseFailure
from isocenter.services.providers import FindMatch
from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept
from tests.support.queries import matches, querying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isocenter.services.providers import FindRequest
    from isocenter.testing import RawConnection
    from tests.support.queries import Answers

pytestmark = pytest.mark.slow

ASK = ("-S", "-k", "QueryRetrieveLevel=STUDY")
EXPLICIT = uids.EXPLICIT_VR_LITTLE_ENDIAN


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(*keys: str) -> Node:
    root = Node()
    apply_keys(root, keys)
    return root


ONE = matches(answer("PatientName=Doe^J"))
TWO = matches(answer("PatientName=Doe^J"), answer("PatientName=Roe^R"))


def ask(answers: Answers, *options: str | Path, keys: tuple[str, ...] = ASK) -> int:
    with querying(answers) as node:
        words = ["127.0.0.1", str(node.port), *keys, *map(str, options)]
        return main(words, {})


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def failing(status: int, comment: str = "", offending: tuple[int, ...] = ()) -> Answers:
    def fail(_: FindRequest) -> Iterator[FindMatch | None]:
        yield None
        raise DimseFailure(status, comment, offending)

    return fail


# --- statuses -------------------------------------------------------------------------------


def test_failure_is_an_error_with_what_the_peer_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(failing(0xA900, "no level", (0x00080052,))) == 69
    assert lines(capsys) == [
        "E: Received Final Find Response (Error: DataSetDoesNotMatchSOPClass)",
        "E: Error Comment: no level",
    ]


def test_failure_does_not_keep_the_next_question_from_being_asked() -> None:
    asked: list[int] = []

    def answers(request: FindRequest) -> Iterator[FindMatch | None]:
        asked.append(request.command.message_id)
        yield None
        raise DimseFailure(0xC000)

    assert ask(answers, "--repeat", "3") == 69
    assert asked == [1, 2, 3]


def test_query_that_the_peer_cancels_by_itself_is_a_failure() -> None:
    assert ask(failing(0xFE00)) == 69


def test_status_detail_is_shown_at_debug_level(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(failing(0xA900, "no level", (0x00080052,)), "-d") == 69
    shown = lines(capsys)
    assert "D: Status Detail:" in shown
    assert any(line.startswith("D: (0000,0902) LO [no level]") for line in shown)


@pytest.mark.parametrize("status", [0x0122, 0x0124, 0xA700, 0xA900, 0xC001, 0xFE00, 0x0110])
def test_explanation_says_why_the_peer_refused(
    capsys: pytest.CaptureFixture[str], status: int
) -> None:
    assert ask(failing(status, "its words", (0x00080052,)), "--explain") == 69
    shown = "\n".join(lines(capsys))
    assert f"({status:04X}H)" in shown
    assert "It comments: 'its words'." in shown
    assert "(0008,0052) QueryRetrieveLevel" in shown


# --- responses ------------------------------------------------------------------------------


def test_partial_match_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(matches(answer("PatientName=A"), partial=True)) == 0
    assert "I: Find Response: 1 (Pending: WarningUnsupportedOptionalKeys)" in lines(capsys)


def garbage(_: FindRequest) -> Iterator[FindMatch | None]:
    yield FindMatch(b"\x10\0\x10\0PN\xff\x00short")
    yield FindMatch(encode(answer("PatientName=Doe^J"), EXPLICIT))


def test_match_that_cannot_be_read_is_an_error_and_the_next_one_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ask(garbage) == 1
    shown = lines(capsys)
    assert shown[0].startswith("E: Find Response: 1: cut short")
    assert "I: Find Response: 2 (Pending)" in shown


def test_match_longer_than_any_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from isocenter.services import query

    real = query.find
    monkeypatch.setattr(query, "find", lambda *a, **k: real(*a, **k, maximum_length=15))
    longer = matches(answer("PatientName=Longer^Than^That"), answer("PatientID=1"))
    assert ask(longer, "--cancel", "1", "-v") == 1
    shown = lines(capsys)
    assert "E: Find Response: 1: a match longer than 15 bytes" in shown
    assert "I: Sending Cancel Request (MsgID 1, PresID 1)" in shown


def test_bytes_that_are_no_text_are_shown_as_they_came(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert ask(matches(answer("PatientName=M\udcfcller"))) == 0
    assert b"PN [M\xfcller]" in capfdbinary.readouterr().err


@pytest.mark.parametrize("level", ["-q", "-v", "-d"])
@pytest.mark.parametrize("choice", ["+sr", "-sr"])
def test_what_is_shown_can_be_chosen_at_each_level(
    capsys: pytest.CaptureFixture[str], level: str, choice: str
) -> None:
    assert ask(ONE, level, choice) == 0
    shown = "\n".join(lines(capsys))
    assert ("PN [Doe^J ]" in shown) == (choice == "+sr")


def test_log_config_alone_decides_what_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for level, number in (("INFO", 1), ("WARN", 0)):
        (folder / "log.cfg").write_text(
            "log4cplus.rootLogger = WARN, A\n"
            "log4cplus.appender.A = log4cplus::ConsoleAppender\n"
            "log4cplus.appender.A.logToStdErr = true\n"
            f"log4cplus.logger.dcmtk.dcmnet.responses = {level}\n"
        )
        assert ask(ONE, "-lc", folder / "log.cfg") == 0
        assert capsys.readouterr().err.count("Find Response: 1 (Pending)") == number


# --- files ----------------------------------------------------------------------------------


def test_dicom_file_says_what_it_is(folder: Path) -> None:
    found = matches(
        answer("8,16==CTImageStorage", "8,18=1.2.3", "PatientName=A"), answer("10,20=1")
    )
    assert ask(found, "-X", "-xi") == 0
    from pydicom import dcmread

    first, second = (dcmread(folder / f"rsp000{number}.dcm") for number in (1, 2))
    assert first.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert first.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert second.file_meta.MediaStorageSOPClassUID == "1.2.276.0.7230010.3.1.0.1"
    assert second.file_meta.MediaStorageSOPInstanceUID
    assert second.file_meta.TransferSyntaxUID == uids.IMPLICIT_VR_LITTLE_ENDIAN
    assert second.PatientID == "1"


@pytest.mark.parametrize(
    ("option", "name"), [("-X", "rsp0001.dcm"), ("-Xx", "rsp0001.xml"), ("-Xs", "all.xml")]
)
def test_file_that_cannot_be_written_is_a_failure_and_the_query_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, name: str
) -> None:
    (folder / name).mkdir()
    words = [option, "all.xml"] if option == "-Xs" else [option]
    assert ask(TWO, *words, "-v") == 1
    shown = lines(capsys)
    assert f"E: Writing file: {name}: Is a directory" in shown
    assert "I: Received Final Find Response (Success)" in shown
    left = {path.name for path in folder.iterdir()}
    assert left == {name} | ({name.replace("1", "2")} if option != "-Xs" else set())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(TWO, "-Xs", "/dev/full") == 1
    assert lines(capsys) == ["E: Writing file: /dev/full: No space left on device"]


def test_one_xml_file_can_be_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(TWO, "-Xs", "/dev/stdout") == 0
    root = ET.fromstring(capfd.readouterr().out)
    assert [found.text for found in root.iter("element")] == ["Doe^J", "Roe^R"]


NAMES = {
    "latin": ("8,5=ISO_IR 100", "PatientName=M\udcfcller", "Müller"),
    "utf 8": ("8,5=ISO_IR 192", "PatientName=Müller", "Müller"),
    "euro": ("8,5=ISO_IR 203", "PatientName=\udca4", "€"),
    "kanji": ("8,5=\\ISO 2022 IR 87", "PatientName=\x1b$B;3\x1b(B", "山"),
    "nothing said": ("8,50=1", "PatientName=M\udcfcller", "Müller"),
    "utf 8 unsaid": ("8,50=1", "PatientName=Müller", "Müller"),
}


@pytest.mark.parametrize("name", NAMES)
def test_xml_and_json_have_names_in_their_characters(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    *keys, expected = NAMES[name]
    assert ask(matches(answer(*keys)), "-Xs", "all.xml", "--json") == 0
    root = ET.parse(folder / "all.xml").getroot()
    found = {element.get("name"): element.text for element in root.iter("element")}
    assert found["PatientName"] == expected
    model = json.loads(capsys.readouterr().out)
    assert model["00100010"]["Value"] == [{"Alphabetic": expected}]


@pytest.mark.parametrize("name", ["latin", "utf 8", "euro", "nothing said", "utf 8 unsaid"])
def test_xml_of_one_response_is_in_the_encoding_of_its_character_set(
    folder: Path, name: str
) -> None:
    *keys, expected = NAMES[name]
    assert ask(matches(answer(*keys)), "-Xx") == 0
    root = ET.parse(folder / "rsp0001.xml").getroot()
    found = {element.get("name"): element.text for element in root.iter("element")}
    assert found["PatientName"] == expected


def test_character_set_that_is_not_supported_is_quoted_with_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = matches(answer("8,5=ISO_IR 166", "PatientName=\udca1"), answer("8,5=ISO_IR 166"))
    assert ask(found, "-Xx") == 0
    warning = "W: SpecificCharacterSet (0008,0005) value 'ISO_IR 166' not supported"
    assert lines(capsys) == [f"{warning} ... quoting non-ASCII characters", warning]
    assert b"&#161;" in (folder / "rsp0001.xml").read_bytes()


def test_response_that_cannot_be_converted_is_left_out_of_the_one_file_with_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = matches(answer("8,5=NONE", "PatientName=\udca1"), answer("PatientName=Roe^R"))
    assert ask(found, "-Xs", "all.xml") == 1
    assert [line[:31] for line in lines(capsys)] == ["E: Writing XML file: cannot con"]
    root = ET.parse(folder / "all.xml").getroot()
    assert [element.text for element in root.iter("element")] == ["Roe^R"]


def test_json_is_valid_whatever_a_name_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(matches(answer("8,5=NONE", "PatientName=\udca1\x01\udcff")), "--json") == 0
    assert json.loads(capsys.readouterr().out)["00100010"]["vr"] == "PN"


def test_directory_that_cannot_be_used_is_told_before_anybody_is_called(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-X", "-od", "absent", "127.0.0.1", "1", *ASK], {}) == 1
    assert lines(capsys) == ["F: specified output directory does not exist"]
    assert main(["-od", "absent", "127.0.0.1", "1", *ASK], {}) == 2


# --- keys and files -------------------------------------------------------------------------


def test_bad_key_is_told_before_anybody_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["127.0.0.1", "1", "-k", "Foo=1"], {}) == 1
    assert lines(capsys) == [
        "E: Bad override key/path: Foo=1",
        (
            "E: Find SCU Failed: 0001:0019 Unable to parse tag/dictionary name at beginning of "
            "path: Foo"
        ),
    ]


def test_query_files_are_asked_in_their_order_with_the_keys_in_them(folder: Path) -> None:
    from isocenter.cli.responses import dicom_file

    for name, level in (("a", "STUDY"), ("b", "SERIES")):
        data = dicom_file(answer(f"8,52={level}", "PatientID=old"), EXPLICIT)
        (folder / name).write_bytes(data)
    with querying() as node:
        words = ["127.0.0.1", str(node.port), "a", "b", "-k", "PatientID=new", "--repeat", "2"]
        assert main(words, {}) == 0
    asked = node.identifiers()
    assert [found.text(0x00080052) for found in asked] == ["STUDY"] * 2 + ["SERIES"] * 2
    assert {found.text(0x00100020) for found in asked} == {"new"}


def test_bad_query_file_ends_the_run_with_a_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad").write_text("no data set")
    with querying(ONE) as node:
        assert main(["127.0.0.1", str(node.port), "-v", "bad", "bad"], {}) == 1
    assert node.requests == []
    shown = lines(capsys)
    assert "E: Bad DICOM file: bad: no DICOM data set" in shown
    assert "I: Aborting Association" in shown


def test_key_that_does_not_fit_a_file_ends_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In the file what the dictionary takes for a sequence is no sequence.
    (folder / "odd").write_bytes(b"\x08\0\x10\x11LO\x02\x00ab" + bytes(0))
    with querying(ONE) as node:
        words = ["127.0.0.1", str(node.port), "odd", "-k", "ReferencedStudySequence[0].8,60=1"]
        assert main(words, {}) == 1
    assert node.requests == []
    assert any("Bad override key/path: ReferencedStudySequence" in line for line in lines(capsys))


def test_question_without_keys_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with querying(ONE) as node:
        assert main(["127.0.0.1", str(node.port), "-k", ""], {}) == 2
    shown = lines(capsys)
    assert shown[0] == "W: DIMSE Warning: (FINDSCU,ANY-SCP): sendMessage: dataset is empty"
    assert node.requests == []


def test_private_dictionary_tells_vrs_of_keys(folder: Path) -> None:
    (folder / "private.dic").write_text('(0009,"CREATOR",01)\tLO\tName\t1\tPrivate\n')
    with querying() as node:
        words = ["127.0.0.1", str(node.port), "-k", "0009,0010=CREATOR", "-k", "0009,1001=text"]
        assert main(words, {"DCMDICTPATH": str(folder / "private.dic")}) == 0
    element = node.identifiers()[0].get(0x00091001)
    assert element is not None
    assert (element.vr, element.value) == (b"LO", b"text")


# --- associations that end ------------------------------------------------------------------


def scripted(*options: str, script: Callable[[RawConnection], None], expected: int) -> None:
    with ScriptedAcceptor(script) as acceptor:
        assert main(["127.0.0.1", str(acceptor.port), *ASK, *options], {}) == expected


def pending(connection: RawConnection, data: bytes | None, *, status: int = 0xFF00) -> None:
    elements = (
        (0x0002, raw.ui(uids.STUDY_ROOT_FIND)),
        (0x0100, raw.us(0x8020)),
        (0x0120, raw.us(1)),
        (0x0800, raw.us(0x0101 if data is None else 1)),
        (0x0900, raw.us(status)),
    )
    connection.send(raw.message(1, raw.command_set(elements), data))


def test_peer_that_aborts_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.abort())

    scripted("-v", script=script, expected=2)
    shown = lines(capsys)
    assert "E: Find Failed, query keys:" in shown
    assert "E: # Dicom-File-Format" in shown
    assert any(line.startswith("E: 0006:0317 Peer aborted Association") for line in shown)
    assert shown[-1] == "I: Peer Aborted Association"


def test_peer_that_asks_for_release_in_the_middle_is_aborted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.release_rq())
        connection.receive()

    scripted("--explain", script=script, expected=2)
    shown = lines(capsys)
    assert "E: Protocol Error: Peer requested release (Aborting)" in shown
    assert any(line.startswith("W: Explanation: ") for line in shown)


def test_answer_to_another_question_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.message(1, raw.final_rsp(0x0020, 7)))
        connection.receive()

    scripted(script=script, expected=2)
    assert any(line.startswith("E: Find SCU Failed: 0006:0203") for line in lines(capsys))


def test_query_file_is_named_where_its_query_fails(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "query").write_bytes(encode(answer("8,52=STUDY"), EXPLICIT))

    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.abort())

    with ScriptedAcceptor(script) as acceptor:
        assert main(["127.0.0.1", str(acceptor.port), "query"], {}) == 2
    assert lines(capsys)[0] == "E: Find Failed, file: query:"


def test_pending_response_without_a_match_is_borne_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        pending(connection, None)
        pending(connection, None, status=0)
        connection.receive()
        connection.send(raw.release_rp())

    scripted(script=script, expected=0)
    shown = lines(capsys)
    assert shown[0] == (
        "W: DIMSE Warning: (FINDSCU,ANY-SCP): findUser: Status Pending, but DataSetType==NULL"
    )
    assert "I: Find Response: 1 (Pending)" in shown


def test_data_set_behind_the_final_response_is_borne_with() -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        pending(connection, struct.pack("<HH2sH", 8, 5, b"CS", 0), status=0)
        assert connection.receive().pdu_type == raw.RELEASE_RQ
        connection.send(raw.release_rp())

    scripted(script=script, expected=0)


def test_release_that_is_not_answered_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        pending(connection, None, status=0)
        connection.receive()
        connection.vanish()

    scripted(script=script, expected=2)
    assert lines(capsys)[0].startswith("E: Association Release Failed: ")


def test_explanation_of_a_refused_model_names_the_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with querying(ONE, models=(uids.STUDY_ROOT_FIND,)) as node:
        words = ["--explain", "127.0.0.1", str(node.port), "-k", "8,52=STUDY"]
        assert main(words, {}) == 2
    shown = lines(capsys)
    assert shown[0] == "E: No Acceptable Presentation Contexts"
    assert shown[-1].startswith("W:   -P, -S, -O and -W choose the information model")


def test_default_query_loads_nothing_heavy() -> None:
    """Neither pydicom nor anything of other tools: a query is typed by people and by scripts."""
    from tests.support.processes import run

    program = """
import sys
before = set(sys.modules)  # what the interpreter or coverage measurement has loaded
from isocenter.cli.main import main
code = main(sys.argv[1:])
heavy = {"pydicom", "ssl", "json", "dataclasses", "sqlalchemy", "isocenter.services.storage"}
print(code, *sorted(heavy & (set(sys.modules) - before)))
"""
    with querying(ONE) as node:
        words = ["findscu", "127.0.0.1", str(node.port), *ASK]
        done = run([sys.executable, "-c", program, *words])
    assert done.stdout.split()[:1] == ["0"]
    assert set(done.stdout.split()[1:]) <= {"isocenter.services.storage"}


def test_files_of_one_kind_can_be_asked_with_again(folder: Path) -> None:
    assert ask(matches(answer("8,52=STUDY", "PatientID=1")), "-X") == 0
    assert load_query("rsp0001.dcm").text(0x00100020) == "1"
    with querying() as node:
        assert main(["127.0.0.1", str(node.port), "rsp0001.dcm"], {}) == 0
    assert node.identifiers()[0].text(0x00100020) == "1"
