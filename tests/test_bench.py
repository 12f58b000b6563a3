"""The benchmark sends what it says and does not time what went wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pydicom
import pytest

from bench.data import make_objects, make_sparse_object
from bench.pairs import Pair
from bench.report import row_table
from bench.rows import Result, Row, best_pairs
from tests.peers import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_objects_are_whole_distinct_and_the_same_in_each_run(tmp_path: Path) -> None:
    first = make_objects(tmp_path / "a", count=2, side=8, seed=1)
    again = make_objects(tmp_path / "b", count=2, side=8, seed=1)
    files = sorted(first.folder.iterdir())
    read = [pydicom.dcmread(file) for file in files]
    assert len({one.SOPInstanceUID for one in read}) == 2
    assert {one.SOPInstanceUID for one in read} == {
        one.file_meta.MediaStorageSOPInstanceUID for one in read
    }
    assert {len(one.PixelData) for one in read} == {128}
    assert 70 <= len(read[0]) <= 90
    assert sum(file.stat().st_size for file in files) == first.size
    assert [file.read_bytes() for file in files] == [
        file.read_bytes() for file in sorted(again.folder.iterdir())
    ]


def test_sparse_object_has_its_size_and_no_blocks_for_it(tmp_path: Path) -> None:
    data = make_sparse_object(tmp_path / "s", frames=64, seed=1)
    (path,) = data.folder.iterdir()
    assert path.stat().st_size == data.size > 64 * 512 * 1024
    assert path.stat().st_blocks * 512 < 1 << 20


def result(pdu: int, *seconds: float | None, error: str | None = None) -> Result:
    pair = Pair(sender="DCMTK", receiver="DCMTK", pdu=pdu)
    return Result(pair=pair, seconds=list(seconds), error=error)


def test_best_length_is_the_one_with_the_best_median() -> None:
    quick_once = result(16384, 1.0, 9.0, 9.0)
    steady = result(32768, 2.0, 2.0, 2.0)
    assert best_pairs([quick_once, steady]) == [steady]


def test_pair_that_failed_once_is_not_timed(tmp_path: Path) -> None:
    failed = result(16384, 0.1, None, error="3 of 4 files arrived")
    assert failed.median is None
    data = make_objects(tmp_path / "a", count=1, side=8, seed=1)
    row = Row(
        key="ct",
        title="CT",
        data=[data],
        target=tmp_path,
        pairs=[],
        rounds=2,
        timeout=1,
        results=[failed],
    )
    table = "\n".join(row_table(row, "DCMTK to DCMTK"))
    assert "failed: 3 of 4 files arrived" in table
    assert "0.10" not in table


def test_ratio_is_taken_round_by_round() -> None:
    base, fast = result(16384, 2.0, None, 6.0), result(32768, 1.0, 1.0, 2.0)
    assert fast.ratios(base) == [2.0, 3.0]


@pytest.mark.slow
def test_quick_run_prints_its_tables(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--rows", "start"]
    command += ["--ours", f"{sys.executable} -m isocenter"]
    subprocess.run(
        [*command, "--memory", str(tmp_path), "--disk", str(tmp_path), "--out", str(out)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
    )
    assert "isocenter storescu --help, CPU" in out.read_text()
