"""Where closing a file may bring an error, it is closed before its object is published."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.storage import directories, mounts
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

LINES = """\
24 31 0:22 / /proc rw,nosuid shared:13 - proc proc rw
31 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
77 31 0:55 / /mnt/a\\040share rw,relatime shared:40 - nfs4 server:/data rw,vers=4.2
78 31 0:56 / /dev/shm rw shared:9 - tmpfs tmpfs rw
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mountinfo"
    path.write_text(LINES)
    monkeypatch.setattr(mounts, "_MOUNTS", str(path))


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("major", "minor", "tells"),
    [(254, 1, False), (0, 56, False), (0, 55, True), (0, 22, True), (9, 9, True)],
)
def test_network_and_unknown_file_systems_tell_at_close(
    major: int, minor: int, *, tells: bool
) -> None:
    assert mounts.tells_at_close(os.makedev(major, minor)) is tells


def test_a_system_without_a_table_of_mounts_is_taken_to_tell_at_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", "/nonexistent")
    assert mounts.tells_at_close(os.makedev(254, 1))


@pytest.mark.parametrize("tells", [True, False])
def test_a_file_that_cannot_be_closed_is_not_published_where_closing_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tells: bool
) -> None:
    monkeypatch.setattr(directories, "tells_at_close", lambda _device: tells)
    closed = []
    real = os.dup

    def dup(fd: int) -> int:
        closed.append(fd)
        return real(fd)

    monkeypatch.setattr(os, "dup", dup)
    with Spool(str(tmp_path)) as spool, spool.begin() as file:
        file.write([b"x"])
        file.publish("a")
    assert bool(closed) is tells


def test_descriptors_of_published_files_are_closed_when_there_is_time(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Spool(str(tmp_path)) as spool:
        spool.prepare()
        before = count()
        for number in range(100):
            with spool.begin() as file:
                file.publish(str(number))
        assert count() <= before + 20
        spool.prepare()
        assert count() <= before
