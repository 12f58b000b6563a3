"""What is told of the files of DCMDICTPATH."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dictionary import dictionary_of
from isocenter.cli.levels import DEBUG, INFO
from isocenter.cli.logsetup import configure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("level", [DEBUG, INFO])
def test_each_file_is_told_at_debug_level_as_with_dcmtk(
    tmp_path: Path, level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a.dic", tmp_path / "b.dic"]
    for file in files:
        file.write_text("# nothing\n")
    configure(level)
    assert dictionary_of({"DCMDICTPATH": f"{files[0]}{os.pathsep}{os.pathsep}{files[1]}"})
    told = [f"D: DcmDataDictionary: Loading file: {file}" for file in files]
    assert capsys.readouterr().err.splitlines() == (told if level == DEBUG else [])


def test_nothing_is_told_where_no_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    configure(DEBUG)
    assert dictionary_of({}) is None
    assert capsys.readouterr().err == ""
