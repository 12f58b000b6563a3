"""A name is never taken from a file, also where hard links are impossible."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageError
from isocenter.storage import exclusive
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["renameat2", "lock", "no lock"])
def spool(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Spool]:
    """A spool where hard links are impossible, and perhaps more."""

    def impossible(*unused: object, **named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def unknown(*unused: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "link", impossible)
    if request.param != "renameat2":
        monkeypatch.setattr(exclusive, "_renameat2", unknown)
    if request.param == "no lock":
        monkeypatch.setattr(exclusive, "_flock", None)
    with Spool(str(tmp_path), durable=True) as made:
        yield made


def put(spool: Spool, name: str, content: bytes, *, replace: bool) -> None:
    with spool.begin() as file:
        file.write([content])
        file.publish(name, replace=replace)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_taken_name_is_refused_and_a_free_one_given(spool: Spool, tmp_path: Path) -> None:
    put(spool, "a", b"old", replace=False)
    file = spool.begin()
    file.write([b"new"])
    with pytest.raises(FileExistsError):
        file.publish("a", replace=False)
    file.publish("b", replace=False)
    assert contents(tmp_path) == {"a": b"old", "b": b"new"}
    put(spool, "a", b"replaced", replace=True)
    assert contents(tmp_path) == {"a": b"replaced", "b": b"new"}


def test_published_file_is_renamed_but_never_over_another(spool: Spool, tmp_path: Path) -> None:
    put(spool, "a", b"a", replace=True)
    put(spool, "b", b"b", replace=True)
    fd = spool.find().fd
    with pytest.raises(FileExistsError):
        exclusive.rename_to_free_name("a", "b", source_fd=fd, target_fd=fd)
    with pytest.raises(FileNotFoundError):
        exclusive.rename_to_free_name("absent", "c", source_fd=fd, target_fd=fd)
    exclusive.rename_to_free_name("a", "c", source_fd=fd, target_fd=fd)
    assert contents(tmp_path) == {"b": b"b", "c": b"a"}


def test_dangling_link_is_a_taken_name(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        put(spool, "a", b"x", replace=False)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.slow
def test_of_racing_writers_one_gets_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*unused: object, **named: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "link", unknown)
    monkeypatch.setattr(exclusive, "_renameat2", unknown)
    with Spool(str(tmp_path)) as spool:
        for number in range(20):
            start = threading.Barrier(4)
            refused: list[int] = []

            def one(
                writer: int,
                start: threading.Barrier = start,
                refused: list[int] = refused,
                name: str = f"o{number}",
            ) -> None:
                start.wait(10)
                try:
                    put(spool, name, b"%d" % writer, replace=False)
                except FileExistsError:
                    refused.append(writer)

            threads = [threading.Thread(target=one, args=(writer,)) for writer in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(refused) == 3
            assert int((tmp_path / f"o{number}").read_bytes()) not in refused
    assert len(os.listdir(tmp_path)) == 20


def test_other_failures_are_not_taken_for_missing_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Spool(str(tmp_path), anonymous=False) as spool:
        monkeypatch.setattr(exclusive, "rename_to_free_name", pytest.fail)
        file = spool.begin()

        def broken(*unused: object, **named: object) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "link", broken)
        with pytest.raises(StorageError):
            file.publish("a", replace=False)
    assert os.listdir(tmp_path) == []


def test_c_library_without_the_call_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes

    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(ctypes, "CDLL", lambda *unused, **named: object())
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        exclusive.rename_to_free_name("a", "b", source_fd=fd, target_fd=fd)
    finally:
        os.close(fd)
    assert os.listdir(tmp_path) == ["b"]
