"""An object's folder is found by DCMTK's options, made safely, and never outside."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError, StorageError, StorageFull, StorageRefused
from isocenter.storage.folders import FOLDER_TAGS, FolderName, FolderNamer, OutputFolders
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOMENT = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))
VALUES = {
    0x00080005: b"ISO_IR 192",
    0x00080021: b"20200102",
    0x00100010: b"M\xc3\xbc^A ",
    0x0020000D: b"1.2.3\0",
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def folders(out: Path) -> Iterator[OutputFolders]:
    with Spool(str(out)) as spool:
        yield OutputFolders(spool)


def test_tags_are_those_that_the_schemes_look_at() -> None:
    assert frozenset(VALUES) == FOLDER_TAGS


def test_folder_of_each_scheme() -> None:
    assert FolderNamer("none").name({}, moment=MOMENT) == FolderName("")
    assert FolderNamer("series-date").name(VALUES, moment=MOMENT) == FolderName("data/2020/01/02")
    assert FolderNamer("series-date").name({}, moment=MOMENT) == FolderName("undef/20260102")
    assert FolderNamer("study-uid", "P").name(VALUES, moment=MOMENT) == FolderName("P_1.2.3")
    assert FolderNamer("study-uid").name(VALUES, moment=MOMENT) == FolderName("1.2.3")
    assert FolderNamer("study-time", "P").name(VALUES, moment=MOMENT) == FolderName(
        "P", stamped=True
    )
    assert FolderNamer("study-time").name(VALUES, moment=MOMENT) == FolderName("", stamped=True)
    assert FolderNamer("patient-name").name(VALUES, moment=MOMENT) == FolderName(
        "MA__A",
        stamped=True,
        warning=("Patient name not in Latin-1 (charset: ISO_IR 192), ASCII dir name may be broken"),
        repeated=True,
    )


def test_schemes_by_study_are_those_that_need_the_study() -> None:
    assert [
        scheme
        for scheme in ("none", "study-time", "study-uid", "patient-name", "series-date")
        if FolderNamer(scheme).by_study
    ] == ["study-time", "study-uid", "patient-name"]
    assert FolderNamer("study-uid").study(VALUES) == "1.2.3"


@pytest.mark.parametrize("scheme", ["study-time", "study-uid", "patient-name"])
def test_object_without_a_study_is_refused(scheme: str) -> None:
    namer = FolderNamer(scheme)  # type: ignore[arg-type] # parametrised
    with pytest.raises(StorageRefused, match=r"StudyInstanceUID \(0020,000d\) absent or empty"):
        namer.name({0x0020000D: b"\0"}, moment=MOMENT)


def test_warning_about_a_study_uid_is_for_new_studies_only() -> None:
    name = FolderNamer("study-uid").name({0x0020000D: b"1/2"}, moment=MOMENT)
    assert name.base == "1_2"
    assert name.warning.startswith("Sanitized unusual characters in Study Instance UID")
    assert not name.repeated


@pytest.mark.parametrize("prefix", ["a/b", "\0", "x" * 101, ".isocenter-"])
def test_prefix_that_is_no_part_of_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="folder's name"):
        FolderNamer("study-uid", prefix)


def test_longest_prefix_leaves_room_for_a_uid() -> None:
    namer = FolderNamer("study-uid", "p" * 100)
    base = namer.name({0x0020000D: b"1" * 10_000}, moment=MOMENT).base
    assert base.startswith("p" * 100 + "_1")
    assert len(base) == 255


def test_new_folder_is_made_with_the_umask(folders: OutputFolders, out: Path) -> None:
    mask = os.umask(0o027)
    try:
        assert folders.make("a") == ("a",)
        assert folders.path("a") == f"{out}/a"
    finally:
        os.umask(mask)
    assert stat.S_IMODE((out / "a").stat().st_mode) == 0o750


def test_existing_folder_is_taken(folders: OutputFolders, out: Path) -> None:
    (out / "a").mkdir()
    assert folders.make("a") == ()


def test_folders_in_folders_are_made(folders: OutputFolders, out: Path) -> None:
    assert folders.make("data/2020/01") == ("data", "data/2020", "data/2020/01")
    assert folders.make("data/2020/02") == ("data/2020/02",)
    assert (out / "data/2020/02").is_dir()


def test_no_folder_is_the_output_directory(folders: OutputFolders, out: Path) -> None:
    assert folders.make("") == ()
    assert folders.path("") == str(out)


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "/a", "a//b", "a/", "\0"])
def test_name_that_could_lead_elsewhere_is_no_folder(folders: OutputFolders, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a folder"):
        folders.make(name)


def _link(place: Path) -> None:
    (place.parent.parent / "elsewhere").mkdir()
    place.symlink_to(place.parent.parent / "elsewhere")


def _dangling_link(place: Path) -> None:
    place.symlink_to(place.parent / "nothing")


def _file(place: Path) -> None:
    place.touch()


def _fifo(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("obstacle", [_link, _dangling_link, _file, _fifo])
def test_what_is_no_folder_is_refused_and_not_followed(
    folders: OutputFolders, out: Path, obstacle: object
) -> None:
    assert callable(obstacle)
    obstacle(out / "a")
    with pytest.raises(StorageRefused) as caught:
        folders.make("a")
    assert caught.value.status == 0xC000
    assert caught.value.path == f"{out}/a"
    assert str(caught.value) == f"could not create subdirectory for study: {out}/a"
    assert caught.value.comment == "could not create subdirectory for study"


def test_link_in_the_middle_is_refused_for_dates_too(out: Path) -> None:
    _link(out / "data")
    with Spool(str(out)) as spool, pytest.raises(StorageError) as caught:
        OutputFolders(spool, by_study=False).make("data/2020")
    assert not isinstance(caught.value, StorageRefused)
    assert caught.value.status == 0xA700
    assert not os.listdir(out.parent / "elsewhere")


def test_full_disk_is_told_apart_for_dates(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, *, dir_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with Spool(str(out)) as spool:
        monkeypatch.setattr("isocenter.storage.folders.os.mkdir", full)
        with pytest.raises(StorageFull):
            OutputFolders(spool, by_study=False).make("data")


def test_name_too_long_is_refused(folders: OutputFolders) -> None:
    with pytest.raises(StorageRefused, match="could not create"):
        folders.make("x" * 256)


def test_output_directory_removed_is_an_error_until_there_is_a_new_one(
    folders: OutputFolders, out: Path
) -> None:
    shutil.rmtree(out)
    with pytest.raises(StorageRefused, match="could not create"):
        folders.make("a")
    out.mkdir()
    assert folders.make("a") == ("a",)
    assert (out / "a").is_dir()


def test_folder_removed_in_between_is_made_again(folders: OutputFolders, out: Path) -> None:
    folders.make("a")
    (out / "a").rmdir()
    assert folders.make("a") == ("a",)


def test_nothing_can_be_made_once_the_spool_is_closed(out: Path) -> None:
    spool = Spool(str(out))
    spool.close()
    with pytest.raises(StorageRefused, match="could not create"):
        OutputFolders(spool).make("a")


def test_new_folders_are_forced_onto_the_disk_with_the_first_file_in_them(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(fd: int) -> None:
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), out))
        sync(fd)

    with Spool(str(out), durable=True) as spool:
        folders = OutputFolders(spool)
        monkeypatch.setattr("isocenter.storage.directories.os.fsync", note)
        folders.make("data/2020")
        assert synced == []
        for name in ("a", "b"):
            with spool.begin() as file:
                file.publish(name, folder=spool.folder("data", "2020"))
    # Its file, then what leads to it, outermost first; the second file finds that done.
    assert synced[1:4] == [".", "data", "data/2020"]
    assert synced[5:] == ["data/2020"]


def test_threads_that_make_one_folder_agree(folders: OutputFolders) -> None:
    made: list[str] = []

    def make() -> None:
        for number in range(50):
            made.extend(folders.make(f"x/{number}"))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(["x", *(f"x/{number}" for number in range(50))])


def test_no_descriptor_is_left_open(out: Path) -> None:
    (out / "file").touch()
    gc.collect()  # what other tests left
    before = len(os.listdir("/proc/self/fd"))
    with Spool(str(out), durable=True) as spool:
        folders = OutputFolders(spool)
        for name in ("a/b/c", "file", "a/b/d", "file/x"):
            try:
                folders.make(name)
            except StorageRefused:
                assert name.startswith("file")
        shutil.rmtree(out)
        with pytest.raises(StorageRefused):
            folders.make("a")
    assert len(os.listdir("/proc/self/fd")) == before
