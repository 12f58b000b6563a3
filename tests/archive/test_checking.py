"""What `check` finds wrong with an area, and what it does not."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.checking import check
from isocenter.archive.orders import Mark, Remove
from isocenter.errors import ArchiveError
from tests.archive.areas import area_in, data_set, local, objects_on_disk

if TYPE_CHECKING:
    from isocenter.archive.area import Area


def filled(folder: Path) -> Area:
    area = area_in(folder)
    with local(area) as (_, sender):
        for number in range(3):
            sender.send(data_set(f"1.{number}"), f"1.{number}")
    return area


def first_file(area: Area) -> Path:
    return Path(area.directory, min(objects_on_disk(area)))


def test_area_as_it_should_be_has_no_problems(tmp_path: Path) -> None:
    area = filled(tmp_path / "area")
    report = check(area)
    size = sum(map(len, objects_on_disk(area).values()))
    assert report == (3, size, 0, [])


@pytest.mark.parametrize(
    ("harm", "kind", "contents"),
    [
        ("gone", "missing", False),
        ("shorter", "changed", False),
        ("other bytes", "changed", True),
        ("link", "unreadable", False),
    ],
)
def test_file_that_is_not_what_was_stored_is_found(
    tmp_path: Path, harm: str, kind: str, *, contents: bool
) -> None:
    area = filled(tmp_path / "area")
    path = first_file(area)
    if harm in {"gone", "link"}:
        path.rename(tmp_path / "elsewhere")
        if harm == "link":
            path.symlink_to(tmp_path / "elsewhere")
    else:
        with path.open("r+b") as file:
            file.seek(-2, os.SEEK_END)
            file.truncate() if harm == "shorter" else file.write(b"xx")
    (problem,) = check(area, contents=contents).problems
    assert problem.kind == kind
    assert problem.path == path.relative_to(area.directory).as_posix()
    if contents:
        assert check(area, contents=False).problems == []


@pytest.mark.parametrize("place", ["copy.dcm", "deep/copy.dcm", "of the study"])
def test_file_without_a_row_is_found(tmp_path: Path, place: str) -> None:
    area = filled(tmp_path / "area")
    path = first_file(area)
    copy = path.with_name("copy.dcm") if place == "of the study" else Path(area.directory, place)
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(path.read_bytes())
    (problem,) = check(area).problems
    assert (problem.kind, problem.path) == ("no row", copy.relative_to(area.directory).as_posix())


def test_what_is_on_its_way_in_or_out_is_no_problem(tmp_path: Path) -> None:
    area = filled(tmp_path / "area")
    with local(area) as (opened, _):
        folder = opened.store.folder_of("7.7")
        opened.committer.commit(
            [Mark(folder, "7.7"), Remove(instances=(("1.2.3", "1.2.3.4", "1.0"),))]
        )
        os.makedirs(os.path.join(area.directory, folder))
        Path(area.directory, folder, "new.dcm").write_bytes(b"not indexed yet")
        assert len(objects_on_disk(area)) == 4
        assert check(area).problems == []


def test_damaged_index_is_found(tmp_path: Path) -> None:
    area = filled(tmp_path / "area")
    with sqlite3.connect(area.index_path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path = Path(area.index_path)
    content = bytearray(path.read_bytes())
    content[-4096 * 3 :] = os.urandom(4096 * 3)
    path.write_bytes(content)
    assert {problem.kind for problem in check(area).problems} == {"database"}


def test_area_without_an_index_cannot_be_checked_and_gets_none(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with pytest.raises(ArchiveError, match="no index"):
        check(area)
    assert os.listdir(area.directory) == []
