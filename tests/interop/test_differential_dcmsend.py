"""dcmsend beside DCMTK's: what arrives, what is proposed, lines, reports and exit codes.

Both are given the same files and the same peer. Where ours differs on purpose
(docs/deviations.md) the situation says so.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

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
    from pathlib import Path

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


TRUE_CODE = {"what was not sent, or refused": 62}


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
    r"E: (\d+ of \d+ SOP instances were confirmed|SOP instance was refused, file: )"
)
"""What ours says besides: why the exit code is not 0."""

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


WORDED_OTHERWISE = {"cut", "text -f", "empty +f", "DICOMDIR"}


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
