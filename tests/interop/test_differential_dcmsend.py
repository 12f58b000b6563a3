"""dcmsend beside DCMTK's: what arrives, what is proposed, lines, reports and exit codes.

Both are given the same files and the same peer. Where ours differs on purpose
(docs/deviations.md) the situation says so.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pydicom.data
import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from isocenter.testing.peer import accept, serve_storage
from tests.support.compressed import write_compressed
from tests.support.directories import write_dicomdir
from tests.support.tools import DCMTK, UNDER_TEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import RawConnection, RawMessage
    from tests.support.tools import Suite

    Accepts = Callable[[int, tuple[str, ...]], tuple[int, str]]

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk"), pytest.mark.timeout(120)]

JPEG, RLE, JLS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"
JLS_LOSSY, J2K = "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90"
MPEG = "1.2.840.10008.1.2.4.100"
small_image = partial(ct_image, rows=4, columns=4)


def private_file(path: Path, *, syntax: str) -> None:
    """Write a file in a transfer syntax that nobody knows."""
    image = small_image(sop_instance_uid="2.25.30")
    image.write(path)
    known = raw.ui(EXPLICIT_LITTLE)
    data = path.read_bytes()
    new = raw.ui(syntax)
    assert len(new) == len(known), "of the same length, so that the group length stays"
    path.write_bytes(data.replace(known, new, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good and bad files."""
    top = tmp_path_factory.mktemp("dcmsend")
    (top / "tree" / "below").mkdir(parents=True)
    (top / "nothing").mkdir()
    for name, number in (("a.dcm", 1), ("b.dcm", 2), ("tree/c.dcm", 3), ("tree/below/d.dcm", 4)):
        small_image(sop_instance_uid=f"2.25.{number}").write(top / name)
    for name, syntax in (
        ("implicit.dcm", IMPLICIT_LITTLE),
        ("big.dcm", EXPLICIT_BIG),
        ("deflated.dcm", DEFLATED_EXPLICIT_LITTLE),
    ):
        small_image(sop_instance_uid="2.25.5", transfer_syntax=syntax).write(top / name)
    for name, syntax in (("jpeg", JPEG), ("rle", RLE), ("jls", JLS), ("near", JLS_LOSSY)):
        write_compressed(top / f"{name}.dcm", syntax, sop_instance_uid=f"2.25.{len(name)}0")
    (top / "bare").write_bytes(small_image(sop_instance_uid="2.25.6").data_set)
    (top / "text").write_text("No DICOM file, but some lines of text. " * 20)
    (top / "empty").write_bytes(b"")
    whole = (top / "a.dcm").read_bytes()
    (top / "cut").write_bytes(whole[:-10])
    small_image(sop_class_uid="1.2.840.10008.1.1").write(top / "echo.dcm")
    small_image(sop_class_uid="1.2.840.10008.9.9.9").write(top / "standard.dcm")
    small_image(sop_class_uid="1.2.840.10008.5.1.4.1.1.999").write(top / "newer.dcm")
    small_image(sop_class_uid="1.2.3.4").write(top / "private.dcm")
    private_file(top / "syntax.dcm", syntax="1.2.3.4.5.6.7.8.9.1")
    (top / "other.dcm").write_bytes(whole.replace(raw.ui("2.25.1"), raw.ui("2.25.9"), 1))
    for number in range(130):
        image = ct_image(
            sop_class_uid=f"1.2.3.4.{number + 1}",
            rows=1,
            columns=1,
            sop_instance_uid=f"2.25.{number + 1000}",
        )
        (top / "many").mkdir(exist_ok=True)
        image.write(top / "many" / f"{number:03}.dcm")
    write_dicomdir(top / "DICOMDIR", ("b.dcm", "2.25.2"), ("tree\\c.dcm", "2.25.3"))
    write_dicomdir(top / "EMPTYDIR")
    records = ("tree\\c.dcm", "2.25.3"), ("b.dcm", "2.25.2")
    write_dicomdir(top / "BADDIR", *records, sop_class="1.2.840.10008.1.1")
    write_dicomdir(top / "NAMELESS", ("", "2.25.3"), ("b.dcm", "2.25.2"))
    return top


class Run(NamedTuple):
    """What a run shows; lines without what differs from run to run."""

    code: int
    proposals: list[list[tuple[int, str, tuple[str, ...]]]]
    received: list[tuple[str, bytes]]
    lines: list[str]
    report: str | None


IMPLICIT_ALONE = frozenset({IMPLICIT_LITTLE})
EVERYTHING: frozenset[str] = frozenset()


def accepting(wanted: frozenset[str]) -> Accepts:
    """Return an acceptor's choice: the first proposed that is wanted, none wanted for all."""

    def choose(_context_id: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
        for syntax in syntaxes:
            if not wanted or syntax in wanted:
                return 0, syntax
        return 4, IMPLICIT_LITTLE

    return choose


def run(
    suite: Suite,
    options: tuple[str, ...],
    files: tuple[str, ...],
    folder: Path,
    *,
    wanted: frozenset[str] = EVERYTHING,
    statuses: tuple[int, ...] = (),
    report: bool = False,
    tmp_path: Path | None = None,
) -> Run:
    proposals: list[list[tuple[int, str, tuple[str, ...]]]] = []
    received: list[RawMessage] = []
    left = list(statuses)

    def serve(connection: RawConnection) -> None:
        try:
            facts = accept(connection, choose=accepting(wanted))
            proposals.append(
                [(c.context_id, c.abstract_syntax, c.transfer_syntaxes) for c in facts.contexts]
            )
            for _ in serve_storage(
                connection, status=lambda _: left.pop(0) if left else 0, received=received
            ):
                pass
        except ConnectionError:
            return

    words: tuple[str, ...] = options
    path = None if tmp_path is None else tmp_path / f"report-{suite.name}"
    if report and path is not None:
        words = ("+crf", str(path), *words)
    with ScriptedAcceptor(serve) as acceptor:
        done = suite.run("dcmsend", *words, "127.0.0.1", str(acceptor.port), *files, cwd=folder)
        port = str(acceptor.port)
    text = None
    if path is not None and path.exists():
        text = path.read_text().replace(port, "PORT")
        text = re.sub(r"(?m)^(Current Date/Time  : ).{10} .{8}$", r"\1NOW", text)
    return Run(
        done.code,
        proposals,
        [(message.text(0x1000), bytes(message.data_set)) for message in received],
        [line.rstrip() for line in done.lines],
        text,
    )


class Situation(NamedTuple):
    """A run of both: options, files; the code of ours where it is another one on purpose."""

    options: str
    files: str
    code: int | None = None
    wanted: frozenset[str] = EVERYTHING
    statuses: tuple[int, ...] = ()


SITUATIONS = [
    Situation("", "a.dcm b.dcm"),
    Situation("", "a.dcm a.dcm"),
    Situation("", "b.dcm implicit.dcm big.dcm a.dcm"),
    Situation("", "implicit.dcm big.dcm a.dcm", wanted=IMPLICIT_ALONE),
    Situation("", "deflated.dcm a.dcm"),
    Situation("", "deflated.dcm a.dcm", wanted=IMPLICIT_ALONE),
    Situation("", "rle.dcm jls.dcm jpeg.dcm near.dcm"),
    Situation("", "a.dcm rle.dcm jpeg.dcm deflated.dcm a.dcm rle.dcm"),
    Situation("+dls", "rle.dcm jls.dcm"),
    Situation("-dn +dls", "rle.dcm jls.dcm", wanted=IMPLICIT_ALONE),
    Situation("+dly", "jpeg.dcm near.dcm rle.dcm"),
    Situation("-dn", "rle.dcm jpeg.dcm deflated.dcm"),
    Situation("-dn", "implicit.dcm big.dcm a.dcm", wanted=IMPLICIT_ALONE),
    Situation("+dly -dn", "rle.dcm jpeg.dcm"),
    Situation("-nip", "jpeg.dcm rle.dcm a.dcm"),
    Situation("-dn -nip", "rle.dcm a.dcm"),
    Situation("-dn -nip", "a.dcm rle.dcm"),
    Situation("-dn -nip -nh", "rle.dcm a.dcm rle.dcm jls.dcm b.dcm", 62),
    Situation("-dn -nip -nh", "rle.dcm rle.dcm", 62),
    # What is accepted of it.
    Situation("", "a.dcm jpeg.dcm b.dcm", wanted=IMPLICIT_ALONE),
    Situation("-nh", "a.dcm jpeg.dcm b.dcm", 62, wanted=IMPLICIT_ALONE),
    Situation("", "jpeg.dcm", 62, wanted=IMPLICIT_ALONE),
    Situation("-nh", "jpeg.dcm jpeg.dcm", 62, wanted=IMPLICIT_ALONE),
    Situation("-ma", "jpeg.dcm", wanted=IMPLICIT_ALONE),
    Situation("-ma -nh", "jpeg.dcm", wanted=IMPLICIT_ALONE),
    # Forms of files.
    Situation("", "bare"),
    Situation("-nh", "bare a.dcm", 62),
    Situation("+f", "bare a.dcm"),
    Situation("-f", "bare"),
    Situation("-f +fo", "a.dcm"),
    Situation("+fo +f", "bare"),
    Situation("", "text"),
    Situation("", "a.dcm text"),
    Situation("-nh", "text a.dcm empty", 62),
    Situation("", "empty"),
    Situation("+f", "empty"),
    Situation("", "absent"),
    Situation("-nh", "absent"),
    Situation("-nh", "absent b.dcm absent", 62),
    Situation("-nh", "text empty absent"),
    # UIDs.
    Situation("", "echo.dcm"),
    Situation("", "standard.dcm"),
    Situation("", "newer.dcm"),
    Situation("", "private.dcm"),
    Situation("", "syntax.dcm"),
    Situation("-nuc", "echo.dcm standard.dcm newer.dcm private.dcm"),
    Situation("-nuc -nh", "echo.dcm a.dcm"),
    Situation("-nh", "echo.dcm standard.dcm a.dcm", 62),
    Situation("", "other.dcm"),
    # Folders.
    Situation("", "tree"),
    Situation("", "tree a.dcm"),
    Situation("+sd", "tree a.dcm"),
    Situation("+sd +r", "tree"),
    Situation("+sd +r -r", "tree"),
    Situation("+sd", "nothing"),
    Situation("+sd +r +sp d.*", "tree"),
    Situation("+sd +sp *.none", "tree b.dcm"),
    Situation("+sd +sp *.none", "tree"),
    Situation("+sd +r -nh", "tree nothing"),
    # DICOMDIR.
    Situation("+rd", "DICOMDIR"),
    Situation("+rd", "a.dcm DICOMDIR b.dcm"),
    Situation("+rd", "EMPTYDIR"),
    Situation("+rd", "BADDIR"),
    Situation("+rd", "NAMELESS"),
    Situation("+rd -nh", "NAMELESS", 62),
    Situation("+rd -aet Zürich -aec A_title_that_is_much_too_long", "DICOMDIR"),
    Situation("", "DICOMDIR"),
    Situation("-nh", "DICOMDIR a.dcm", 62),
    # Associations.
    Situation("+sd", "many"),
    Situation("+sd +ma", "many"),
    Situation("+sd -ma +ma", "many"),
    Situation("+sd -ma", "many", 62),
    Situation("+sd -nh", "many"),
    # Answers.
    Situation("", "a.dcm b.dcm", 62, statuses=(0xA700,)),
    Situation("-nh", "a.dcm b.dcm", 62, statuses=(0xA900, 0xC001)),
    Situation("", "a.dcm b.dcm", 62, statuses=(0x0122, 0)),
    Situation("", "a.dcm b.dcm a.dcm", statuses=(0xB000, 0xB006, 0xB007)),
    Situation("", "a.dcm b.dcm", 62, statuses=(0x0110, 0x0000)),
    Situation("+cl 0", "deflated.dcm"),
    Situation("+cl 9", "deflated.dcm a.dcm"),
]

IDS = [f"{s.options or '-'} {s.files} {len(s.wanted)} {s.statuses or ''}" for s in SITUATIONS]

OWN_LINE = re.compile(
    r"E: \d+ of \d+ SOP instances were confirmed|"
    r"E: SOP instances? (was|were) (refused|not sent), file: |"
    r"W: hint: "
)
"""What ours says besides: why the exit code is not 0, and what would help."""

THEIR_NOISE = re.compile(r"[WE]: Dcm(Item|Element|MetaInfo|FileFormat|Sequence|Pixel)")
"""What DCMTK's parser says of a file that is none, before the tool says it is none."""

REASON = re.compile(
    r"^(.*(?:transfer list|bad DICOM file|from file): [^:]*: ).*?(, ignoring file)?$"
)


def told(found: Run, *, reasons: bool = True) -> list[str]:
    """Return the lines that both have; without `reasons` those of bad files in nobody's words."""
    lines = [
        line for line in found.lines if not OWN_LINE.match(line) and not THEIR_NOISE.match(line)
    ]
    return lines if reasons else [REASON.sub(r"\1WHY\2", line) for line in lines]


@pytest.mark.parametrize("situation", SITUATIONS, ids=IDS)
def test_both_send_the_same_and_say_so(situation: Situation, folder: Path, tmp_path: Path) -> None:
    options = tuple(situation.options.split())
    files = tuple(situation.files.split())
    found, expected = (
        run(
            suite,
            ("-v", *options),
            files,
            folder,
            wanted=situation.wanted,
            statuses=situation.statuses,
            report=True,
            tmp_path=tmp_path,
        )
        for suite in (UNDER_TEST, DCMTK)
    )
    assert found.proposals == expected.proposals
    assert found.received == expected.received
    assert told(found) == told(expected)
    assert found.report == expected.report
    if situation.code is not None and UNDER_TEST.is_ours:
        assert found.code == situation.code
    else:
        assert found.code == expected.code


REAL = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"
DICOMDIRS = sorted(str(path.relative_to(REAL)) for path in REAL.rglob("DICOMDIR*"))


@pytest.mark.parametrize("name", DICOMDIRS)
def test_real_dicomdirs_lead_to_the_same_files(name: str, tmp_path: Path) -> None:
    """Of big endian, without offsets, with records in another order, without any."""
    found, expected = (
        run(suite, ("-v", "+rd"), (name,), REAL, report=True, tmp_path=tmp_path)
        for suite in (UNDER_TEST, DCMTK)
    )
    # The bytes are not the same: lengths of sequences are written anew by the oracle alone.
    uids = [uid for uid, _ in found.received]
    assert uids == [uid for uid, _ in expected.received]
    assert found._replace(received=[]) == expected._replace(received=[])
    assert bool(uids) == (name != "DICOMDIR-empty.dcm")


# --- what the peer is told ------------------------------------------------------------------


class Told(NamedTuple):
    """What a peer learns from a request and the objects behind it."""

    titles: tuple[bytes, bytes]
    maximum_length: int
    longest: int


def told_to_peer(suite: Suite, folder: Path, *options: str) -> Told:
    found: list[Told] = []

    def serve(connection: RawConnection) -> None:
        facts = accept(connection)
        longest = [message.longest_pdu for message in serve_storage(connection)]
        titles = facts.calling, facts.called
        found.append(Told(titles, facts.maximum_length or 0, max(longest)))

    with ScriptedAcceptor(serve) as acceptor:
        done = suite.run(
            "dcmsend", *options, "127.0.0.1", str(acceptor.port), "jls.dcm", cwd=folder
        )
    assert done.code == 0
    return found[0]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--aetitle", "ME", "--call", "YOU"),
        ("-aet", "A title that is much too long", "-aec", "16 bytes exactly"),
        ("--max-pdu", "4096"),
        ("-pdu", "131072"),
        ("-pdu", "4097"),
        ("--max-send-pdu", "4096"),
    ],
    ids=" ".join,
)
def test_titles_and_lengths_arrive_as_those_of_the_oracle(
    options: tuple[str, ...], folder: Path
) -> None:
    found, expected = (told_to_peer(suite, folder, *options) for suite in (UNDER_TEST, DCMTK))
    assert found == expected


# --- peers that fail ------------------------------------------------------------------------


def reject(connection: RawConnection) -> None:
    connection.receive()
    connection.send(raw.associate_rj(1, 1, 7))


def abort_at_once(connection: RawConnection) -> None:
    connection.receive()
    connection.send(raw.abort(0, 0))


def abort_object(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.abort(0, 0))


def release_object(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.release_rq())
    connection.receive_until_closed()


def say_nothing(connection: RawConnection) -> None:
    connection.receive_until_closed(timeout=10)


def never_answer(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.receive_until_closed(timeout=10)


FAILURES = {
    "reject": (reject, ()),
    "abort the request": (abort_at_once, ()),
    "abort an object": (abort_object, ()),
    "release at an object": (release_object, ()),
    "no answer to the request": (say_nothing, ("--acse-timeout", "1")),
    "no answer to an object": (never_answer, ("--dimse-timeout", "1")),
}
REMARK = re.compile(r" \(.*\)$")


@pytest.mark.parametrize("failure", FAILURES)
def test_both_fail_alike(failure: str, folder: Path) -> None:
    script, options = FAILURES[failure]
    runs = []
    for suite in (UNDER_TEST, DCMTK):
        with ScriptedAcceptor(script) as acceptor:
            words = ("-v", *options, "127.0.0.1", str(acceptor.port), "a.dcm", "b.dcm")
            done = suite.run("dcmsend", *words, cwd=folder)
        # What ours says besides: which file, how many, and more of the reason, in parentheses.
        own = "E: cannot send SOP instance from file: "
        kept = [
            line for line in done.lines if not line.startswith(own) and not OWN_LINE.match(line)
        ]
        lines = [REMARK.sub("", line) for line in kept]
        runs.append((done.code, lines))
    assert runs[0] == runs[1]


def test_a_connection_that_is_not_answered_is_given_up_alike(folder: Path) -> None:
    from tests.cli.effects.sending import unanswered_port

    codes = []
    for suite in (UNDER_TEST, DCMTK):
        with unanswered_port() as port:
            done = suite.run(
                "dcmsend", "--timeout", "1", "127.0.0.1", str(port), "a.dcm", cwd=folder
            )
        codes.append((done.code, [line.partition("Error: ")[0] for line in done.lines]))
    assert codes[0] == codes[1]
    assert codes[0][0] == 61


# --- what is shown --------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["-d", "--debug +v", "-v --verbose-pc", "-q", "-ll debug", ""])
def test_dumps_read_as_those_of_the_oracle(options: str, folder: Path) -> None:
    """Messages and contexts; what implementations call themselves is their own."""
    shown = []
    for suite in (UNDER_TEST, DCMTK):
        found = run(suite, tuple(options.split()), ("a.dcm", "rle.dcm"), folder)
        assert found.code == 0
        dumped = False
        lines = []
        for line in found.lines:
            if re.match("[DI]: =+ (BEGIN|INCOMING|OUTGOING)", line):
                dumped = True
            if (dumped or line.startswith("I: ")) and " Implementation " not in line:
                lines.append(line)
            if re.match("[DI]: =+ END", line):
                dumped = False
        shown.append(lines)
    assert shown[0] == shown[1]
    assert bool(shown[0]) == (options not in {"", "-q"})


def test_the_command_line_is_shown_as_by_the_oracle(folder: Path) -> None:
    shown = []
    for suite in (UNDER_TEST, DCMTK):
        words = ("--arguments", "+sd", "-nh", "127.0.0.1", "1", "absent")
        done = suite.run("dcmsend", *words, cwd=folder)
        lines = [line.rstrip() for line in done.lines if line.startswith("I: ")]
        shown.append([re.sub("'/[^' ]*/dcmsend'", "'dcmsend'", line) for line in lines])
    assert shown[0] == shown[1]
    assert "'--scan-directories' '--no-halt'" in shown[0][0]


def test_the_log_goes_where_the_file_says(folder: Path, tmp_path: Path) -> None:
    """The tool's lines and those of the network library, by the names of their loggers."""
    logs = []
    for suite in (UNDER_TEST, DCMTK):
        log = tmp_path / f"{suite.name}.log"
        (tmp_path / "log.cfg").write_text(
            "log4cplus.rootLogger = INFO, A\n"
            "log4cplus.appender.A = log4cplus::FileAppender\n"
            f"log4cplus.appender.A.File = {log}\n"
            "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
            "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
        )
        files = ("text", "a.dcm", "implicit.dcm")
        words = ("-nh", "--log-config", str(tmp_path / "log.cfg"))
        run(suite, words, files, folder)
        logs.append([line for line in log.read_text().splitlines() if "were confirmed" not in line])
    assert logs[0] == logs[1]
    assert any(line.startswith("dcmtk.dcmnet ") for line in logs[0])


def test_decoders_of_the_oracle_are_listed() -> None:
    listed = []
    for suite in (UNDER_TEST, DCMTK):
        done = suite.run("dcmsend", "--list-decoders")
        assert done.code == 0
        listed.append([line for line in done.stdout.splitlines() if line.startswith(("-", "T"))])
    ours, theirs = listed
    assert ours[: len(theirs)] == theirs
