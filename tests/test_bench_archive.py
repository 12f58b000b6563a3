"""The benchmark of archives: its objects, its queries, and what it says of failures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pydicom
import pytest

from bench.archive_rows import ARCHIVE_ROWS, Trials
from bench.archive_servers import FAST, archives, running, sender
from bench.archive_wire import Querier
from bench.data import make_studies
from bench.pairs import DCMTK, OURS, Tools
from bench.processes import BenchError, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOOLS = Tools(ours=[sys.executable, "-m", "isocenter"], dcmtk=None, pynetdicom=None)


def test_studies_have_their_objects_and_each_its_patient(tmp_path: Path) -> None:
    data, uids = make_studies(tmp_path / "a", studies=3, objects=2, side=8, seed=7)
    read = [pydicom.dcmread(file) for file in sorted(data.folder.iterdir())]
    assert len(read) == data.count == 6
    assert len({one.SOPInstanceUID for one in read}) == 6
    assert [(one.StudyInstanceUID, one.SeriesInstanceUID) for one in read[::2]] == uids
    patients = [one.PatientID for one in read]
    assert patients[::2] == patients[1::2] == ["B007-00001", "B007-00002", "B007-00003"]
    assert {len(one.PixelData) for one in read} == {128}
    assert sum(file.stat().st_size for file in data.folder.iterdir()) == data.size


def test_archive_that_failed_is_told_and_has_no_ratio(tmp_path: Path) -> None:
    trials = Trials(TOOLS, [FAST, DCMTK], tmp_path / "row")
    rounds = []

    def work(name: str, _: Path) -> Mapping[str, float]:
        rounds.append(name)
        if name == DCMTK and len(rounds) > 2:
            raise BenchError("it broke")
        return {"rate": 8.0 if name == FAST else 2.0}

    trials.run(3, work)
    # Each round begins with another one; that which failed is asked no more.
    assert rounds == [FAST, DCMTK, DCMTK, FAST, FAST]
    assert [line.unit for line in trials.rates("rate", "x", "objects/s")] == ["objects/s"] * 2
    assert [line.error for line in trials.failures()] == ["it broke"]


def test_each_round_begins_with_another_archive(tmp_path: Path) -> None:
    trials = Trials(TOOLS, ["a", "b", "c"], tmp_path / "row")
    order = []

    def work(name: str, _: Path) -> Mapping[str, float]:
        order.append(name)
        return {}

    trials.run(3, work)
    assert "".join(order) == "abcbcacab"


def test_ratio_is_to_dcmtk_round_by_round_and_asked_without_durability(tmp_path: Path) -> None:
    trials = Trials(TOOLS, [OURS, FAST, DCMTK], tmp_path / "row")
    values = {OURS: [4.0, 3.0], FAST: [8.0, 12.0], DCMTK: [2.0, 1.0]}

    def work(name: str, _: Path) -> Mapping[str, float]:
        return {"rate": values[name].pop(0)}

    trials.run(2, work)
    ratios = [line for line in trials.rates("rate", "x", "objects/s", least=5.0) if line.met]
    (line,) = ratios
    assert list(line.values) == [4.0, 12.0]
    assert FAST in line.what
    last = list(trials.rates("rate", "x", "objects/s", least=5.0))[-1]
    assert (list(last.values), last.least) == ([2.0, 3.0], None)


@pytest.mark.slow
def test_querier_counts_the_matches_of_a_running_archive(tmp_path: Path) -> None:
    assert archives(TOOLS)[:2] == [OURS, FAST]
    data, uids = make_studies(tmp_path / "a", studies=2, objects=3, side=8, seed=8)
    with running(TOOLS, FAST, tmp_path / "trial") as archive:
        run(sender(TOOLS, archive, data.folder), timeout=60)
        querier = Querier(archive.port)
        study, series = uids[0]
        keys = [(0x00080018, ""), (0x00080052, "IMAGE"), (0x0020000D, study), (0x0020000E, series)]
        assert querier.find(keys) == 3
        assert querier.find([(0x00080052, "STUDY"), (0x0020000D, "")]) == 2
        with pytest.raises(BenchError, match="C-FIND ended with"):
            querier.find([(0x0020000D, "")])
        querier.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("row", ["archive-find", "archive-start"])
def test_row_of_archives_goes_well_on_a_little_data(tmp_path: Path, row: str) -> None:
    measure, needs_ours = ARCHIVE_ROWS[row]
    assert needs_ours
    lines = list(measure(TOOLS, tmp_path / "row", quick=True, rounds=1))
    assert any(line.values for line in lines)
    assert [line.error for line in lines if line.error and OURS in line.what] == []
