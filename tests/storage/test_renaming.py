"""Files of a study that ended get numbers, and none is ever overwritten."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.errors import StorageError
from isocenter.storage import exclusive, renaming
from isocenter.storage.directories import Directories
from isocenter.storage.renaming import number_files

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.storage.directories import Directory


class Folder(NamedTuple):
    directory: Directory
    path: str


@pytest.fixture(params=["system call", "no system call"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    if request.param == "no system call":
        monkeypatch.setattr(exclusive, "_renameat2", refuse)


@pytest.fixture
def folder(tmp_path: Path, way: None) -> Folder:
    (tmp_path / "study").mkdir()
    found = Directories(str(tmp_path), durable=False).find(["study"])
    return Folder(found, f"{tmp_path}/study")


def write(folder: Folder, *names: str) -> None:
    for name in names:
        with open(f"{folder.path}/{name}", "x") as file:
            file.write(name)


def contents(folder: Folder) -> dict[str, str]:
    found = {}
    for name in sorted(os.listdir(folder.path)):
        with open(f"{folder.path}/{name}") as file:
            found[name] = file.read()
    return found


def test_files_are_numbered_in_the_order_of_arrival(folder: Folder) -> None:
    names = ("CT.1.2.9.dcm", "MR.1.2.1", "CT.1.2.3", "UNKNOWN.7")
    write(folder, *names)
    result = number_files(folder.directory, folder.path, names)
    numbered = ("CT000001", "MR000002", "CT000003", "UN000004")
    assert result == (tuple(zip(names, numbered, strict=True)), ())
    assert contents(folder) == dict(sorted(zip(numbered, names, strict=True)))


def test_two_characters_behind_the_time_are_taken_from_time_names(folder: Folder) -> None:
    names = ("20260102030405062.CT.dcm", "20260102030405062_0000.RTd", "20260102030405062_12345.MR")
    write(folder, *names)
    numbered = [
        new for _, new in number_files(folder.directory, folder.path, names, time_names=True).names
    ]
    assert numbered == ["CT000001", "RT000002", "MR000003"]


def test_numbers_go_on_behind_those_of_an_earlier_delivery(folder: Folder) -> None:
    write(folder, "CT.1", "CT.2")
    number_files(folder.directory, folder.path, ["CT.1", "CT.2"])
    write(folder, "CT.1", "CT.3", "MR.123456", "x1234567890123")
    assert [
        new for _, new in number_files(folder.directory, folder.path, ["CT.1", "CT.3"]).names
    ] == [
        "CT000003",
        "CT000004",
    ]
    assert [contents(folder)[f"CT00000{number}"] for number in (1, 2, 3, 4)] == [
        "CT.1",
        "CT.2",
        "CT.1",
        "CT.3",
    ]


def test_numbers_of_more_than_six_digits_follow(folder: Folder) -> None:
    write(folder, "CT999999", "CT.1")
    assert number_files(folder.directory, folder.path, ["CT.1"]).names == (("CT.1", "CT1000000"),)
    write(folder, "CT.2")
    assert number_files(folder.directory, folder.path, ["CT.2"]).names == (("CT.2", "CT1000001"),)


def test_file_that_vanished_is_told_in_the_words_of_dcmtk(folder: Folder) -> None:
    write(folder, "CT.1", "CT.3")
    result = number_files(folder.directory, folder.path, ["CT.1", "CT.2", "CT.3"])
    assert result.warnings == (
        f"cannot rename file '{folder.path}/CT.2' to '{folder.path}/CT000002'",
    )
    assert contents(folder) == {"CT000001": "CT.1", "CT000003": "CT.3"}


def test_folder_that_vanished_renames_nothing(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "study").rmdir()
    result = number_files(folder.directory, folder.path, ["CT.1"])
    assert (result.names, len(result.warnings)) == ((), 1)


def test_folder_that_cannot_be_listed_is_an_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("isocenter.storage.renaming.os.listdir", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        number_files(folder.directory, folder.path, ["CT.1"])


def test_name_taken_after_listing_is_left_alone(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "CT000001", "CT000002", "CT.1")
    monkeypatch.setattr(renaming, "_highest", lambda _: 0)
    assert number_files(folder.directory, folder.path, ["CT.1"]).names == (("CT.1", "CT000003"),)
    assert contents(folder)["CT000001"] == "CT000001"


def test_two_servers_that_rename_at_a_time_lose_nothing(folder: Folder) -> None:
    mine = [f"CT.{number}" for number in range(0, 200, 2)]
    yours = [f"CT.{number}" for number in range(1, 200, 2)]
    write(folder, *mine, *yours)
    threads = [
        threading.Thread(target=number_files, args=(*folder, names)) for names in (mine, yours)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = contents(folder)
    assert sorted(found.values()) == sorted(mine + yours)
    assert all(name.startswith("CT0") for name in found)


def test_file_that_may_not_be_renamed_keeps_its_name_and_leaves_no_other(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write(folder, "CT.1")
    monkeypatch.setattr(exclusive, "_renameat2", refuse)
    assert len(number_files(folder.directory, folder.path, ["CT.1"]).warnings) == 1
    assert contents(folder) == {"CT.1": "CT.1"}
