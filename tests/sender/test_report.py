"""The report: when it appears, and what is in it however odd its files are called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.sender.inputs import Kind
from isocenter.sender.listing import Listed
from isocenter.sender.report import NO_CONTEXT, Report, Row
from isocenter.sender.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path

FILE = Listed("a.dcm", "2.25.1", Kind("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"))


def test_it_is_not_there_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "report"
    report = Report(str(path))
    report.begin("peer", 104, "ME", "YOU")
    for _ in range(1000):
        report.add(Row(FILE, status=0))
    assert not path.exists()
    report.finish(Tally())
    assert path.read_text().count("Number        : ") == 1000
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("rows", [0, 1000])
def test_nothing_is_left_of_one_that_is_given_up(tmp_path: Path, rows: int) -> None:
    report = Report(str(tmp_path / "report"))
    for _ in range(rows):
        report.add(Row(FILE))
    report.discard()
    report.discard()
    assert os.listdir(tmp_path) == []


def test_it_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    report = Report(str(tmp_path / "report"))
    report.finish(Tally())
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Row(FILE), "DIMSE Status  : <not sent>"),
        (Row(FILE, status=NO_CONTEXT), "DIMSE Status  : <no acceptable presentation context>"),
        (Row(FILE, status=0xC001), "DIMSE Status  : 0xc001 (Error: CannotUnderstand)"),
        (Row(FILE, status=0x0107), "DIMSE Status  : 0x0107 ("),
        (Row(FILE), "SOP Class     : 1.2.840.10008.5.1.4.1.1.2 = CTImageStorage"),
        (Row(FILE._replace(kind=Kind("1.2.3", "1.2.4"))), "SOP Class     : 1.2.3 = unknown"),
        (
            Row(FILE._replace(kind=Kind("1.2.3", "1.2.4"))),
            "Original Xfer : 1.2.4 = Unknown Transfer Syntax",
        ),
        (Row(FILE._replace(path="two\nlines")), "Filename      : two\\x0alines\n"),
    ],
)
def test_fields(tmp_path: Path, row: Row, expected: str) -> None:
    report = Report(str(tmp_path / "report"))
    report.add(row)
    report.finish(Tally())
    assert expected in (tmp_path / "report").read_text()


def test_a_name_that_is_no_text_stands_there_as_it_is(tmp_path: Path) -> None:
    report = Report(str(tmp_path / "report"))
    report.add(Row(FILE._replace(path=os.fsdecode(b"Z\xfcrich.dcm"))))
    report.finish(Tally())
    assert b"Filename      : Z\xfcrich.dcm\n" in (tmp_path / "report").read_bytes()


def test_a_full_disk_is_an_error_at_the_end() -> None:
    report = Report("/dev/full")
    for _ in range(200):
        report.add(Row(FILE))
    with pytest.raises(OSError, match="No space left"):
        report.finish(Tally())
