"""Folders are found without following links, few are open at a time, and none stays open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageError
from isocenter.storage import directories
from isocenter.storage.directories import MOST_FOLDERS, Directories, force
from isocenter.storage.duplicates import publish
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(params=[True, False], ids=["anonymous", "named"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out"), anonymous=bool(request.param)) as made:
        yield made


def put(spool: Spool, *path: str, content: bytes = b"x") -> str:
    *folder, name = path
    with spool.begin() as file:
        file.write([content])
        return file.publish(name, folder=spool.folder(*folder))


def test_object_goes_into_a_folder_and_one_within(spool: Spool, tmp_path: Path) -> None:
    os.makedirs(tmp_path / "out" / "data" / "2026" / "01")
    path = put(spool, "data", "2026", "01", "a")
    assert path == str(tmp_path / "out" / "data" / "2026" / "01" / "a")
    put(spool, "data", "a", content=b"first")
    put(spool, "data", "a", content=b"second")
    assert (tmp_path / "out" / "data" / "a").read_bytes() == b"second"
    folder = spool.folder("data")
    assert spool.exists("a", folder)
    assert not spool.exists("b", folder)
    assert folder.path("a") == str(tmp_path / "out" / "data" / "a")
    assert os.listdir(tmp_path / "out") == ["data"]
    assert put(spool, "c") == str(tmp_path / "out" / "c")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b", ".isocenter-1-2.part"])
def test_folder_that_leaves_the_directory_is_refused(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        spool.folder("a", name)


@pytest.mark.parametrize("depth", [1, 2])
def test_symbolic_link_is_no_folder(spool: Spool, tmp_path: Path, depth: int) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (tmp_path / "out" / "study").symlink_to(outside)
    with pytest.raises(StorageError):
        put(spool, *["study", "sub"][:depth], "a")
    assert os.listdir(outside) == ["sub"]
    assert os.listdir(outside / "sub") == []
    assert os.listdir(tmp_path / "out") == ["study"]


def test_folder_that_became_a_symbolic_link_is_no_longer_one(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "out" / "study").mkdir()
    put(spool, "study", "a")
    (tmp_path / "out" / "study").rename(tmp_path / "elsewhere")
    (tmp_path / "out" / "study").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        put(spool, "study", "b")
    assert os.listdir(tmp_path / "elsewhere") == ["a"]


def test_file_is_no_folder(spool: Spool) -> None:
    put(spool, "study")
    with pytest.raises(StorageError, match="Not a directory"):
        put(spool, "study", "a")


def test_folder_that_was_moved_away_and_made_again_is_the_new_one(
    spool: Spool, tmp_path: Path
) -> None:
    study = tmp_path / "out" / "study"
    study.mkdir()
    put(spool, "study", "a")
    study.rename(tmp_path / "archived")  # as a command at the end of a study does
    file = spool.begin()
    with pytest.raises(FileNotFoundError):
        file.publish("b", folder=spool.folder("study"))
    study.mkdir()
    file.publish("b", folder=spool.folder("study"))
    assert os.listdir(tmp_path / "archived") == ["a"]
    assert os.listdir(study) == ["b"]


@pytest.mark.parametrize("durable", [True, False])
def test_thousands_of_folders_take_few_descriptors(tmp_path: Path, *, durable: bool) -> None:
    start = open_descriptors()
    with Spool(str(tmp_path), durable=durable) as spool:
        own = open_descriptors() - start
        for number in range(200):
            (tmp_path / str(number)).mkdir()
            put(spool, str(number), "a")
        assert open_descriptors() - start <= own + MOST_FOLDERS
        put(spool, "0", "b")
    assert open_descriptors() == start


def test_folder_in_use_outlives_the_cache(tmp_path: Path) -> None:
    for number in range(MOST_FOLDERS + 5):
        (tmp_path / str(number)).mkdir()
    found = Directories(str(tmp_path), durable=False)
    first = found.find(["0"])
    for number in range(1, MOST_FOLDERS + 5):
        found.find([str(number)])
    assert os.path.samestat(os.fstat(first.fd), os.stat(tmp_path / "0"))
    assert found.find(["0"]) is not first


def test_directory_that_disappears_and_comes_back_takes_no_descriptors(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with Spool(str(out)) as spool:
        spool.prepare()
        start = open_descriptors()
        for number in range(20):
            out.rename(tmp_path / f"gone{number}")
            spool.prepare()
            with pytest.raises(StorageError, match="No such file"):
                spool.begin()
            out.mkdir()
            assert put(spool, "a") == str(out / "a")
            assert os.listdir(out) == ["a"]
        assert open_descriptors() <= start
        assert os.listdir(tmp_path / "gone0") == []


def test_object_begun_before_its_directory_was_made_anew(spool: Spool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    file = spool.begin()
    file.write([b"x"])
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    out.mkdir()
    if spool._anonymous:
        assert file.publish("a") == str(out / "a")
    else:  # its temporary file went with the directory
        with pytest.raises(StorageError):
            file.publish("a")
    put(spool, "b")
    assert "b" in os.listdir(out)


def test_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    with Spool("out") as spool:
        monkeypatch.chdir("/")
        assert put(spool, "a") == "out/a"
    assert os.listdir(tmp_path / "out") == ["a"]


def test_directory_whose_path_was_closed_to_us_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Directories(str(tmp_path), durable=False)
    root = found.root

    def forbidden(path: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "stat", forbidden)
    assert found.current() is root


def test_file_of_a_closed_spool_is_not_published(spool: Spool) -> None:
    file = spool.begin()
    spool.close()
    file.write([b"x"])
    with pytest.raises(StorageError, match="closed"):
        file.publish("a")
    assert os.listdir(spool.directory) == []


def test_drive_with_a_cache_of_its_own_is_told_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []

    def fcntl(fd: int, command: int) -> None:
        calls.append(("fcntl", command))
        if len(calls) == 2:
            raise OSError(25, "not on this file system")

    monkeypatch.setattr(directories, "_FULL_SYNC", 51)
    monkeypatch.setattr("fcntl.fcntl", fcntl)
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(("fsync", fd)))
    force(7)
    assert calls == [("fcntl", 51)]
    force(7)
    assert calls[1:] == [("fcntl", 51), ("fsync", 7)]


def test_folder_that_leaves_the_cache_at_once_can_be_used(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directories, "MOST_FOLDERS", 0)
    (tmp_path / "out" / "study" / "series").mkdir(parents=True)
    folder = spool.folder("study", "series")
    for outcome in ("new", "identical"):
        file = spool.begin()
        file.write([b"x"])
        assert publish(file, "a", "reject", folder).outcome == outcome
    assert spool.exists("a", folder)
    spool.sync_folder(folder)
