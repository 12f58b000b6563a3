"""Room is refused before it is gone, and the file system is asked seldom."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.errors import StorageFull
from isocenter.storage.reserve import MAXIMUM_AGE, STEP, Reserve
from isocenter.storage.spool import Spool
from tests.support.filesystems import small_file_system

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


class Answer(NamedTuple):
    f_bavail: int
    f_frsize: int = 1024
    f_bfree: int = 1 << 40  # root's blocks count for nobody


class Disk:
    """A file system that says what the test wants, and counts how often it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        self.asked = 0
        self.now = 1000.0
        monkeypatch.setattr(os, "statvfs", self.answer)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def answer(self, fd: int) -> Answer:
        self.asked += 1
        return Answer(self.free // 1024)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch, 100 * MIB)


@pytest.mark.parametrize(("free", "refused"), [(MIB - 1024, True), (MIB, False)])
def test_object_begins_where_enough_is_free(disk: Disk, *, free: int, refused: bool) -> None:
    disk.free = free
    reserve = Reserve(MIB, "out")
    if refused:
        with pytest.raises(StorageFull, match="0 MiB are free and 1 MiB are to stay so"):
            reserve.check(0)
    else:
        reserve.check(0)


def test_what_is_written_stays_above_the_limit(disk: Disk) -> None:
    disk.free = 3 * MIB
    reserve = Reserve(MIB, "out")
    reserve.check(0)
    reserve.take(0, 2 * MIB - 4096)  # all there is, but for the last block of the object
    disk.free = MIB
    with pytest.raises(StorageFull):
        reserve.take(0, 1)
    disk.free = 2 * MIB  # something was removed
    reserve.take(0, MIB)


def test_small_objects_ask_once_in_a_while(disk: Disk) -> None:
    reserve = Reserve(MIB, "out")
    for _ in range(100):
        reserve.check(0)
        reserve.take(0, 1000)
    assert disk.asked == 1
    disk.now += MAXIMUM_AGE + 0.01
    reserve.check(0)
    assert disk.asked == 2


def test_long_object_asks_once_per_step(disk: Disk) -> None:
    reserve = Reserve(MIB, "out")
    reserve.check(0)
    for _ in range(4 * STEP // MIB):
        reserve.take(0, MIB)
    assert disk.asked <= 1 + 4
    disk.free = MIB + 512 * 1024  # somebody else filled it
    with pytest.raises(StorageFull):
        reserve.take(0, STEP)


def test_limit_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="minimum_free"):
        Reserve(-1, "out")


@pytest.mark.parametrize("anonymous", [True, False])
def test_spool_asks_at_most_once_per_small_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, anonymous: bool
) -> None:
    disk = Disk(monkeypatch, 100 * MIB)
    with Spool(str(tmp_path), anonymous=anonymous, minimum_free=MIB) as spool:
        for number in range(50):
            spool.prepare()
            file = spool.begin()
            file.write([bytes(1000)])
            file.publish(str(number))
        assert disk.asked == 1
        disk.free = 0
        file = spool.begin()
        with pytest.raises(StorageFull) as caught:
            file.write([bytes(STEP)])
        assert caught.value.status == 0xA700
        with pytest.raises(StorageFull):
            spool.begin()
    assert len(os.listdir(tmp_path)) == 50


def test_spool_without_a_limit_never_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 0)
    with Spool(str(tmp_path)) as spool:
        file = spool.begin()
        file.write([b"x"])
        file.publish("a")
    assert disk.asked == 0


@pytest.mark.slow
def test_real_disk_is_refused_before_it_is_full(tmp_path: Path) -> None:
    with (
        small_file_system(tmp_path / "disk", mebibytes=8) as folder,
        Spool(str(folder), minimum_free=2 * MIB) as spool,
    ):
        file = spool.begin()
        file.write([bytes(5 * MIB)])
        with pytest.raises(StorageFull, match="to stay so"):
            file.write([bytes(MIB + 1)])
        kept = 0
        with suppress(StorageFull):
            while kept < 100:
                file = spool.begin()
                file.write([bytes(100_000)])
                file.publish(f"o{kept}")
                kept += 1
        status = os.statvfs(folder)
        assert status.f_bavail * status.f_frsize >= 2 * MIB
        assert 50 < kept < 63
        assert len(os.listdir(folder)) == kept
        os.unlink(folder / "o0")
        spool.begin().publish("goes on")
