"""findscu and DCMTK's, side by side: the same words, files and, but for failures, exit codes.

The peers are DCMTK's dcmqrscp with real images, and a node of ours that answers what no archive
would.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.keys import apply_keys
from isocenter.dataset.part10 import read_file_meta
from isocenter.dataset.tree import Node
from isocenter.errors import DimseFailure
from isocenter.services.providers import FindMatch
from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept
from tests.interop import test_differential_tls
from tests.support.archives import ARCHIVE, dcmqrscp, samples
from tests.support.ports import free_port
from tests.support.queries import matches, querying
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isocenter.services.providers import FindRequest
    from isocenter.testing import RawConnection
    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = [pytest.mark.interop, pytest.mark.peer("dcmtk"), pytest.mark.slow]

STUDY = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", "PatientName")
MORE = ("-k", "StudyDate", "-k", "StudyTime", "-k", "AccessionNumber", "-k", "PatientID")
WAIT = 60.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with dcmqrscp(tmp_path_factory.mktemp("archive"), samples()) as port:
        yield port


def normal(text: str) -> list[str]:
    """Return lines without what differs always: NULs of UIDs, and the padding around them."""
    kept = []
    for line in text.splitlines():
        shown = line.replace("\0", "").replace("\\x00", "")
        kept.append(re.sub(r" +#", " #", shown) if " UI [" in shown else shown)
    return kept


class Outcome:
    """What a tool said, and what it wrote."""

    def __init__(self, done: Completed, folder: Path) -> None:
        self.code = done.code
        self.lines = normal(done.stderr)
        self.out = done.stdout
        self.files = {path.name: contents(path) for path in sorted(folder.iterdir())}


def contents(path: Path) -> bytes:
    """Return a file, of a DICOM file the data set."""
    data = path.read_bytes()
    if path.suffix != ".dcm":
        return data
    meta = read_file_meta(data)
    head = (meta.transfer_syntax_uid, meta.media_storage_sop_class_uid)
    return repr(head).encode() + data[meta.data_set_offset :]


def ask(suite: Suite, folder: Path, port: int, *words: str | Path) -> Outcome:
    out = folder / suite.name
    out.mkdir(parents=True)
    done = suite.run("findscu", "-aec", ARCHIVE, *words, timeout=WAIT, cwd=out)
    return Outcome(done, out)


def both(folder: Path, port: int, *words: str | Path) -> tuple[Outcome, Outcome]:
    """Run DCMTK's findscu and ours; PORT among the words is replaced."""
    words = tuple(str(port) if word == "PORT" else word for word in words)
    return ask(DCMTK, folder, port, *words), ask(OURS, folder, port, *words)


HERE = ("127.0.0.1", "PORT")

ALIKE = {
    "default": ("-S", *STUDY, *MORE),
    "verbose": ("-v", "-S", *STUDY, *MORE),
    "quiet": ("-q", "-S", *STUDY),
    "quiet, shown": ("-q", "+sr", "-S", *STUDY),
    "level warn": ("-ll", "warn", "-S", *STUDY),
    "level info": ("-ll", "info", "-S", *STUDY),
    "hidden": ("-v", "-sr", "-S", *STUDY),
    "hidden in silence": ("-sr", "-S", *STUDY),
    "patient root": ("-v", "-P", "-k", "8,52=PATIENT", "-k", "PatientID", "-k", "PatientName"),
    "patient study only": ("-v", "-O", "-k", "8,52=PATIENT", "-k", "PatientID"),
    "series": ("-v", "-S", "-k", "8,52=SERIES", "-k", "20,d=*", "-k", "20,e", "-k", "8,60"),
    "one name": ("-v", "-S", *STUDY, "-k", "PatientName=CompressedSamples*"),
    "wildcard": ("-v", "-S", *STUDY, "-k", "PatientName=*a*"),
    "range": ("-v", "-S", *STUDY, "-k", "StudyDate=20000101-20051231"),
    "nobody": ("-v", "-S", *STUDY, "-k", "PatientName=NOBODY"),
    "implicit": ("-v", "-xi", "-S", *STUDY, *MORE),
    "big endian": ("-v", "-xb", "-S", *STUDY, *MORE),
    "deflated": ("-v", "-xd", "-S", *STUDY, *MORE),
    "little": ("-v", "-xe", "-S", *STUDY),
    "repeat": ("-v", "--repeat", "2", "-S", *STUDY),
    "abort": ("-v", "--abort", "-S", *STUDY),
    "cancel 0": ("-v", "--cancel", "0", "-S", *STUDY),
    "corrected": ("+dc", "-S", *STUDY, *MORE),
    "corrected in detail": ("-v", "+dc", "-S", *STUDY, *MORE),
    "uncorrected": ("+dc", "-dc", "-S", *STUDY, *MORE),
    "long title": ("-v", "-aet", "A_TITLE_OF_MORE_THAN_16", "-S", *STUDY),
    "files": ("-X", "-S", *STUDY, *MORE),
    "files, verbose": ("-v", "-X", "-S", *STUDY, *MORE),
    "files, implicit": ("-X", "-xi", "-S", *STUDY, *MORE),
    "files, big endian": ("-X", "-xb", "-S", *STUDY, *MORE),
    "files, limited": ("-v", "-X", "-Xlo", "2", "-S", *STUDY),
    "files, limited, repeated": ("-v", "-X", "-Xlo", "3", "--repeat", "2", "-S", *STUDY),
    "files, shown": ("-X", "+sr", "-S", *STUDY),
    "xml": ("-Xx", "-S", *STUDY, *MORE),
    "xml, verbose": ("-v", "-Xx", "-S", *STUDY, *MORE),
    "xml, implicit": ("-Xx", "-xi", "-S", *STUDY, *MORE),
    "one xml": ("-Xs", "all.xml", "-S", *STUDY, *MORE),
    "one xml, verbose": ("-v", "-Xs", "all.xml", "-S", *STUDY, *MORE),
    "one xml, nothing": ("-v", "-Xs", "all.xml", "-S", *STUDY, "-k", "PatientName=NOBODY"),
    "xml after files": ("-X", "-Xx", "-S", *STUDY),
    "sequence keys": (
        "-v",
        "-S",
        *STUDY,
        "-k",
        "40,100[0].8,60=CT",
        "-k",
        "ReferencedStudySequence",
    ),
    "odd keys": (
        "-v",
        "-S",
        *STUDY,
        "-k",
        "28,10=70000",
        "-k",
        "0009,1001=61\\62",
        "-k",
        "10,4000=odd",
    ),
    "no keys of a level": ("-v", "-S", "-k", "PatientName"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_findscu_does_and_says_what_the_original_does(
    archive: int, tmp_path: Path, name: str
) -> None:
    theirs, ours = both(tmp_path, archive, *ALIKE[name], *HERE)
    if name == "no keys of a level":
        # A failure: the original says nothing at the default level, and exits with 0.
        assert (theirs.code, ours.code) == (0, 69)
        word = "Received Final Find Response (Error: DataSetDoesNotMatchSOPClass)"
        assert f"I: {word}" in theirs.lines
        assert f"E: {word}" in ours.lines
        ours.lines = [line.replace(f"E: {word}", f"I: {word}") for line in ours.lines]
        ours.lines = [line for line in ours.lines if not line.startswith("E: Error Comment")]
        ours.code = 0
    assert ours.lines == theirs.lines
    assert (ours.code, ours.out) == (theirs.code, theirs.out)
    assert ours.files == theirs.files


def test_debug_says_what_the_original_says(archive: int, tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, archive, "-d", "-S", *STUDY, *HERE)
    begin = "I: Association Accepted (Max Send PDV: 16372)"
    kept = [
        [
            line
            for line in outcome.lines[outcome.lines.index(begin) :]
            if not line.startswith(("D: DcmDataset::read() TransferSyntax", "D: DUL"))
        ]
        for outcome in (theirs, ours)
    ]
    assert kept[1] == kept[0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("file", ()), ("file", ("-k", "PatientName=CompressedSamples*")), ("two", ())],
    ids=["file", "file and key", "two files"],
)
def test_query_files_are_asked_one_after_the_other(
    archive: int, tmp_path: Path, kind: str, words: tuple[str, ...]
) -> None:
    query = tmp_path / "query"
    query.mkdir()
    with querying() as node:  # -X of the original makes the files
        for name, keys in (("a", STUDY), ("b", (*STUDY, "-k", "PatientID=4*"))):
            root = Node()
            apply_keys(root, [word for word in keys if word != "-k"])
            node.answers = matches(root)
            out = ask(DCMTK, query / name, node.port, "-X", "127.0.0.1", str(node.port), *keys)
            assert list(out.files) == ["rsp0001.dcm"]
    files = [query / name / "dcmtk" / "rsp0001.dcm" for name in ("a", "b")]
    chosen = files if kind == "two" else files[:1]
    theirs, ours = both(tmp_path / "out", archive, "-v", "-S", *words, *HERE, *chosen)
    assert ours.lines == theirs.lines
    assert (ours.code, ours.files) == (theirs.code, theirs.files)


# --- what no archive would answer -----------------------------------------------------------


def answer(*keys: str) -> Node:
    root = Node()
    apply_keys(root, keys)
    return root


NAMES = {
    "ascii": ("PatientName=Doe^J", "PatientID=1"),
    "latin 1": ("8,5=ISO_IR 100", "PatientName=M\udcfcller"),
    "latin 9": ("8,5=ISO_IR 203", "PatientName=M\udcfcller\udca4"),
    "utf 8": ("8,5=ISO_IR 192", "PatientName=Müller"),
    "cyrillic": ("8,5=ISO_IR 144", "PatientName=\udcb6"),
    "sequences": (
        "8,1140[0].8,1150==CTImageStorage",
        "8,1140[1].8,1155=1.23",
        "8,1140[1].40,a170[0].8,100=1",
        "8,1110",
    ),
    "numbers": ("28,10=512", "8,9459=0.1", "40,9225=0.1", "28,9=(0018,1063)", "72,65=1\\2"),
    "private": ("0009,0010=CREATOR", "0009,1001=61\\62"),
    "markup": ("10,4000=<a href=\"x\">'&'</a>",),
    "class and instance": ("8,16==CTImageStorage", "8,18=1.2.34"),
    "padding": (
        *("PatientName=Doe^J  ", "PatientID= 1 ", "8,50=a \\b ", "10,4000= x  ", "8,81= x  "),
        *("40,a160= x  ", "8,119= x  ", "8,120=x   ", "8,60= CT  ", "20,13= 1  ", "10,1010=1   "),
    ),
}


@pytest.mark.parametrize("delimited", [False, True], ids=["lengths", "delimiters"])
@pytest.mark.parametrize("form", ["shown", "-X", "-Xx", "-Xs", "-Xx +dc", "-Xs +dc"])
@pytest.mark.parametrize("name", NAMES)
def test_responses_of_all_kinds_are_shown_and_written_alike(
    tmp_path: Path, name: str, form: str, *, delimited: bool
) -> None:
    form, _, more = form.partition(" ")
    words = {"shown": ["-v"], "-Xs": ["-Xs", "all.xml"]}.get(form, [form])
    words += [more] if more else []
    with querying(matches(answer(*NAMES[name]), delimited=delimited)) as node:
        theirs, ours = both(tmp_path, node.port, *words, "-S", *STUDY, *HERE)
    if name == "latin 9" and form in {"-Xx", "-Xs"}:
        # Since 3.6.9 the original knows this character set.
        assert "ISO_IR 203" in theirs.lines[0]
        assert ours.lines == []
        return
    assert ours.lines == theirs.lines
    assert (ours.code, ours.files) == (theirs.code, theirs.files)


def endless(request: FindRequest) -> Iterator[FindMatch | None]:
    while True:
        yield FindMatch(request.identifier)


def test_cancel_is_sent_after_so_many_responses(tmp_path: Path) -> None:
    with querying(endless) as node:
        theirs, ours = both(tmp_path, node.port, "-v", "--cancel", "3", "-sr", *STUDY, *HERE)
    for outcome in (theirs, ours):
        assert outcome.code == 0
        place = outcome.lines.index("I: Received Find Response 3 (Pending)")
        assert outcome.lines[place + 1] == "I: Sending Cancel Request (MsgID 1, PresID 1)"
        assert outcome.lines[-2:] == [
            "I: Received Final Find Response (Cancel: MatchingTerminatedDueToCancelRequest)",
            "I: Releasing Association",
        ]
    head = theirs.lines.index("I: Sending Cancel Request (MsgID 1, PresID 1)")
    assert ours.lines[:head] == theirs.lines[:head]


@pytest.mark.parametrize("status", [0x0122, 0xA700, 0xA900, 0xA9FF, 0xC000, 0xC123, 0xFE00, 0x0110])
def test_failure_is_said_in_the_words_of_the_original_and_is_one(
    tmp_path: Path, status: int
) -> None:
    def fail(request: FindRequest) -> Iterator[FindMatch | None]:
        yield FindMatch(request.identifier)
        raise DimseFailure(status)

    with querying(fail) as node:
        theirs, ours = both(tmp_path, node.port, "-v", *STUDY, *HERE)
    assert (theirs.code, ours.code) == (0, 69)
    final = [line for line in theirs.lines if "Received Final Find Response" in line]
    assert [
        line.replace("E: ", "I: ") if line not in theirs.lines else line for line in ours.lines
    ] == theirs.lines
    assert final[0].replace("I: ", "E: ") in ours.lines


def _abort(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.abort())


def _release(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.release_rq())
    connection.receive()


def _silence(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.receive()


@pytest.mark.parametrize("script", [_abort, _release, _silence])
def test_association_that_ends_is_told_alike_and_is_a_failure(
    tmp_path: Path, script: Callable[[RawConnection], None]
) -> None:
    outcomes = []
    for suite in (DCMTK, OURS):
        with ScriptedAcceptor(script) as acceptor:
            words = ("-v", "-td", "1", *STUDY, "127.0.0.1", str(acceptor.port))
            outcomes.append(ask(suite, tmp_path, acceptor.port, *words))
    theirs, ours = outcomes
    assert (theirs.code, ours.code) == (0, 2)
    # A condition is followed by a reason where we know one.
    assert [re.sub(r"(: |^E: )(0006:0...) .*", r"\1\2", line) for line in ours.lines] == [
        re.sub(r"(: |^E: )(0006:0...) .*", r"\1\2", line) for line in theirs.lines
    ]


# --- failures before ------------------------------------------------------------------------


def test_nobody_listens(tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, free_port(), *STUDY, *HERE)
    assert (theirs.code, ours.code) == (2, 2)
    assert ours.lines == theirs.lines


def test_model_is_not_accepted(archive: int, tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, archive, "-v", "-W", *STUDY, *HERE)
    assert (theirs.code, ours.code) == (2, 2)
    assert ours.lines == theirs.lines


def test_title_is_rejected(archive: int, tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, archive, "-v", "-aec", "NOBODY", "-S", *STUDY, *HERE)
    assert (theirs.code, ours.code) == (2, 2)
    assert ours.lines == theirs.lines


@pytest.mark.parametrize(
    "key", ["Foo=1", "ReferencedStudySequence[*].8,60", "Rows=abc", "=1", "PatientID[0].8,60"]
)
def test_bad_key_is_said_in_the_words_of_the_original_and_is_a_failure(
    archive: int, tmp_path: Path, key: str
) -> None:
    theirs, ours = both(tmp_path, archive, "-S", "-k", key, *HERE)
    assert (theirs.code, ours.code) == (0, 1)
    assert ours.lines == theirs.lines


def test_bad_file_is_a_failure(archive: int, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("this is no data set at all, by no means")
    theirs, ours = both(tmp_path / "out", archive, "-S", *HERE, bad)
    assert (theirs.code, ours.code) == (0, 1)
    for outcome in (theirs, ours):
        told = [line for line in outcome.lines if not line.startswith("E: DcmElement: ")]
        assert told[0].startswith(f"E: Bad DICOM file: {bad}: ")
        assert told[1].startswith("E: Find SCU Failed: 0001:")


@pytest.mark.parametrize(
    "words",
    [
        ("-X", "-od", "absent"),
        ("-Xlo", "2"),
        ("+cl", "5"),
        ("--cancel", "-1"),
        ("--repeat", "0"),
        ("-to", "0"),
        ("-ts", "-2"),
        ("-pdu", "4095"),
    ],
)
def test_mistakes_of_a_command_line_are_told_alike(tmp_path: Path, words: tuple[str, ...]) -> None:
    theirs, ours = both(tmp_path, free_port(), *words, *STUDY, *HERE)
    assert (theirs.code, ours.code) == (1, 1)
    assert ours.lines[-1:] == theirs.lines[-1:]


def test_no_question_is_an_error(tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, free_port(), *HERE)
    assert (theirs.code, ours.code) == (1, 1)
    assert ours.lines[-1:] == theirs.lines[-1:]


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    theirs, ours = both(tmp_path, free_port(), *HERE, "absent")
    assert (theirs.code, ours.code) == (1, 1)
    assert ours.lines[-1:] == theirs.lines[-1:]


# --- TLS ------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.parametrize("option", test_differential_tls.OPTIONS)
def test_findscu_with_an_option_of_tls_fares_as_the_original(tmp_path: Path, option: str) -> None:
    """The partner has no archive: where TLS comes about, the model is what is refused."""
    case = test_differential_tls.cases()[option]
    own = test_differential_tls.certified(test_differential_tls.theirs())
    partner = case.partner if "+tls" in case.partner else [*own, *case.partner]
    trust = test_differential_tls.hospital().path
    with Receiver(DCMTK, tmp_path / "in", *partner, "+cf", trust) as receiver:
        theirs, ours = both(tmp_path, receiver.port, *case.words, "-S", *STUDY, *HERE)
    refused = "E: No Acceptable Presentation Contexts"
    assert (refused in theirs.lines) == (case.code == 0)
    # What cannot begin ends with 1, what comes about no association with 2.
    assert ours.code == theirs.code
    told = [test_differential_tls._lines("\n".join(each.lines)) for each in (theirs, ours)]
    assert told[1] == told[0]
