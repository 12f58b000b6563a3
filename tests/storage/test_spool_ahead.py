"""Room had ahead for the next file where files are memory: never to be seen in a file."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.storage import directories, mounts
from isocenter.storage.spool import Spool
from tests.support.filesystems import small_file_system

if TYPE_CHECKING:
    from collections.abc import Iterator

KIB = 1024
USUAL = 256 * KIB


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in a memory file system."""
    if not os.path.isdir("/dev/shm") or not mounts.is_in_memory(os.stat("/dev/shm").st_dev):
        pytest.skip("no memory file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each length for which room is asked for ahead."""
    lengths: list[int] = []
    have = os.posix_fallocate

    def note(fd: int, offset: int, length: int) -> None:
        lengths.append(length)
        have(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", note)
    return lengths


def put(spool: Spool, name: str, content: bytes) -> None:
    with spool.begin() as file:
        file.write([content])
        file.publish(name)


def test_room_is_had_for_a_file_as_long_as_the_last(memory: Path, asked: list[int]) -> None:
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
        put(spool, "b", bytes(USUAL))
    assert asked == [USUAL]
    assert (memory / "b").read_bytes() == bytes(USUAL)


@pytest.mark.parametrize("length", [0, 1, USUAL - 1, USUAL, USUAL + 1, 3 * USUAL])
def test_file_is_as_long_as_what_was_written(memory: Path, asked: list[int], length: int) -> None:
    content = os.urandom(length)
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
        with spool.begin() as file:
            file.write([content[: length // 2]])
            file.write([content[length // 2 :]])
            file.publish("b")
    assert asked == [USUAL]
    assert (memory / "b").read_bytes() == content
    assert (memory / "b").stat().st_blocks * 512 <= -(-length // 4096) * 4096


def test_whoever_looks_at_the_file_before_it_has_a_name_sees_its_length(memory: Path) -> None:
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
        with spool.begin() as file:
            file.write([b"short"])
            assert os.fstat(file.fileno()).st_size == 5
            file.write([b", and more"])
            file.publish("b")
    assert (memory / "b").read_bytes() == b"short, and more"


def test_room_is_had_for_the_beginning_of_a_long_file(memory: Path, asked: list[int]) -> None:
    content = os.urandom(3 * USUAL)
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", content)
        spool.prepare()
        put(spool, "b", content)
    assert asked == [USUAL]
    assert (memory / "b").read_bytes() == content


@pytest.mark.parametrize("length", [1000, 64 * KIB - 1])
def test_no_room_is_had_for_short_files(memory: Path, asked: list[int], length: int) -> None:
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", bytes(length))
        spool.prepare()
    assert asked == []


def test_no_room_is_had_where_room_is_to_stay_free(memory: Path, asked: list[int]) -> None:
    with Spool(str(memory), minimum_free=4096) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
    assert asked == []


def test_no_room_is_had_on_a_disk(
    tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directories, "is_in_memory", lambda _device: False)
    with Spool(str(tmp_path)) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
        put(spool, "b", bytes(USUAL))
    assert asked == []


def test_room_that_is_not_there_is_done_without(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, offset: int, length: int) -> None:
        del fd, offset, length
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with Spool(str(memory)) as spool:
        spool.prepare()
        put(spool, "a", bytes(USUAL))
        spool.prepare()
        put(spool, "b", bytes(USUAL))
    assert (memory / "b").stat().st_size == USUAL


def test_file_system_that_is_nearly_full_takes_what_has_room(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small", mebibytes=1) as folder, Spool(str(folder)) as spool:
        spool.prepare()
        put(spool, "a", bytes(600 * KIB))
        spool.prepare()  # no room for as much again
        put(spool, "b", bytes(200 * KIB))
        assert (folder / "b").stat().st_size == 200 * KIB


@pytest.mark.parametrize(("kind", "told"), [("tmpfs", True), ("ext4", False), ("nfs4", False)])
def test_file_systems_in_memory_are_known_by_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: bool
) -> None:
    listing = tmp_path / "mountinfo"
    listing.write_text(f"36 35 98:7 / /data rw,noatime shared:1 - {kind} none rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", str(listing))
    assert mounts.is_in_memory(os.makedev(98, 7)) is told
    assert not mounts.is_in_memory(os.makedev(98, 8))
