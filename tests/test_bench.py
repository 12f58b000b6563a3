"""The benchmark sends what it says and does not time what went wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pydicom
import pytest

from bench.conversion import CONVERSION_ROWS
from bench.data import make_objects, make_sparse_object
from bench.durable import file_system
from bench.enhanced import ITEMS_PER_FRAME, encoded, enhanced_elements, make_enhanced_object
from bench.lines import Line
from bench.pairs import Pair, Tools, interpreter, receiver_program
from bench.report import limits_table, row_table
from bench.rows import Result, Row, best_pairs
from tests.peers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset


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


def items_in(data_set: Dataset) -> int:
    sequences = [element.value for element in data_set if element.VR == "SQ"]
    return sum(1 + items_in(item) for items in sequences for item in items)


def test_enhanced_object_has_its_items_in_order_and_of_undefined_length(tmp_path: Path) -> None:
    data = make_enhanced_object(tmp_path / "e", frames=3, seed=1)
    (path,) = data.folder.iterdir()
    read = pydicom.dcmread(path)
    assert items_in(read) == 3 * ITEMS_PER_FRAME
    assert read.PerFrameFunctionalGroupsSequence.is_undefined_length
    assert len(read.PixelData) == 3 * 128
    for item in [read, *read.PerFrameFunctionalGroupsSequence]:
        tags = [element.tag for element in item]
        assert tags == sorted(tags)
    # pydicom does not sort what it has read, so written again it is the same.
    again = tmp_path / "again.dcm"
    read.save_as(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("explicit_vr", [True, False])
def test_enhanced_object_has_the_same_content_in_each_encoding(
    tmp_path: Path, explicit_vr: bool
) -> None:
    data = make_enhanced_object(tmp_path / "e", frames=3, seed=1)
    (path,) = data.folder.iterdir()
    _uid, elements = enhanced_elements(frames=3, seed=1)
    other = tmp_path / "other"
    other.write_bytes(encoded(elements, explicit_vr=explicit_vr, undefined=False))
    read = pydicom.dcmread(other, force=True)
    sequence = read.PerFrameFunctionalGroupsSequence
    assert not sequence.is_undefined_length
    assert not sequence[0].is_undefined_length_sequence_item
    assert read.to_json() == pydicom.dcmread(path).to_json()


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


def test_line_meets_what_is_asked_of_its_median() -> None:
    assert Line(what="a", values=(1, 2, 9), unit="s", limit=2.0).met is True
    assert Line(what="a", values=(1, 3, 9), unit="s", limit=2.0).met is False
    assert Line(what="a", values=(0.4, 0.5), unit="times", least=0.5).met is False
    assert Line(what="a", values=(0.5, 0.5), unit="times", least=0.5).met is True
    assert Line(what="a", error="no", unit="s", limit=2.0).met is False
    assert Line(what="a", values=(1,), unit="s").met is None


def test_table_of_lines_says_what_was_asked_and_whether_it_is_met() -> None:
    lines = [
        Line(what="fast", values=(0.5, 0.75, 4), unit="times", least=0.5),
        Line(what="slow", values=(3,), unit="s", limit=2.0),
        Line(what="bare", values=(3,), unit="ms"),
        Line(what="broken", error="it | broke", unit="ms", limit=100.0),
        Line(what="also broken", error="it broke", unit="ms"),
    ]
    assert list(limits_table(lines))[4:-1] == [
        "| fast | 0.75 (0.50-4.00) times | at least 0.5 times | met |",
        "| slow | 3.00 s | at most 2 s | missed |",
        "| bare | 3.0 ms |  |  |",
        "| broken | failed: it / broke | at most 100 ms | missed |",
        "| also broken | failed: it broke |  |  |",
    ]


@pytest.mark.parametrize("normal", [True, False])
def test_receiver_of_a_normal_pair_is_not_told_to_keep_bits(tmp_path: Path, normal: bool) -> None:
    pair = Pair(sender="DCMTK", receiver="DCMTK", normal=normal, options=("+ti",))
    tools = Tools(ours=None, dcmtk=tmp_path, pynetdicom=None)
    command = receiver_program(tools, pair, tmp_path, 1).command
    assert ("+B" not in command) is normal
    assert "+ti" in command


def test_programs_of_the_benchmark_run_in_the_python_of_the_tools(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/opt/a/bin/python3\n")
    assert interpreter([str(script)]) == ["/opt/a/bin/python3"]
    assert interpreter([sys.executable, "-m", "isocenter"]) == [sys.executable]


def test_file_system_is_named_with_its_device() -> None:
    kind, device = file_system(ROOT).split(" on ")
    assert kind
    assert device


@pytest.mark.slow
@pytest.mark.parametrize("row", CONVERSION_ROWS)
def test_row_of_conversion_goes_well_on_a_tenth_of_the_data(tmp_path: Path, row: str) -> None:
    tools = Tools(ours=[sys.executable, "-m", "isocenter"], dcmtk=None, pynetdicom=None)
    measure, _ = CONVERSION_ROWS[row]
    lines = list(measure(tools, tmp_path / "row", quick=True, rounds=1))
    assert lines
    assert [line.error for line in lines if line.error] == []
    assert any(line.met is not None for line in lines)


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
