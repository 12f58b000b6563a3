"""What the model of a power cut keeps and loses."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.testing.forgetful import LOSSES, ForgetfulFileSystem

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.forgetful import Loss

FLAGS = os.O_RDWR | os.O_CREAT


def put(path: Path, content: bytes, *, file: bool = False, directory: bool = False) -> None:
    """Write a file and sync what is asked for."""
    fd = os.open(path, FLAGS)
    os.write(fd, content)
    if file:
        os.fsync(fd)
    os.close(fd)
    if directory:
        sync(path.parent)


def sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def left(disk: ForgetfulFileSystem, loss: Loss, cut: int | None = None) -> dict[str, bytes]:
    return dict(disk.survivors(len(disk.operations) if cut is None else cut, loss))


@pytest.mark.parametrize(
    ("file", "directory", "expected"),
    [
        (False, False, {"all": {}, "contents": {"a": b""}, "zeros": {"a": b"\0\0\0\0"}}),
        (True, False, {"all": {}, "contents": {"a": b"abcd"}, "zeros": {"a": b"abcd"}}),
        (False, True, {"all": {"a": b""}, "contents": {"a": b""}, "half": {"a": b"ab"}}),
        (True, True, {loss: {"a": b"abcd"} for loss in LOSSES}),
    ],
)
def test_new_file_is_safe_with_both_syncs_only(
    tmp_path: Path,
    file: bool,
    directory: bool,
    expected: dict[Loss, dict[str, bytes]],
) -> None:
    with ForgetfulFileSystem(tmp_path) as disk:
        put(tmp_path / "a", b"abcd", file=file, directory=directory)
    for loss, files in expected.items():
        assert left(disk, loss) == files
    assert left(disk, "nothing") == {"a": b"abcd"}
    assert left(disk, "all", cut=0) == {}


def test_sync_that_was_not_over_keeps_nothing(tmp_path: Path) -> None:
    with ForgetfulFileSystem(tmp_path) as disk:
        put(tmp_path / "a", b"abcd", file=True, directory=True)
    assert left(disk, "all", cut=len(disk.operations) - 1) == {}


def test_what_comes_during_a_sync_is_not_kept_by_it(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)

    def meanwhile(call: str, what: object) -> None:
        if call == "fsync" and what == fd:
            worker = threading.Thread(target=put, args=(tmp_path / "b", b"late"))
            worker.start()
            worker.join()

    with ForgetfulFileSystem(tmp_path, before=meanwhile) as disk:
        put(tmp_path / "a", b"early", file=True)
        os.fsync(fd)
    os.close(fd)
    assert left(disk, "all") == {"a": b"early"}
    assert left(disk, "nothing") == {"a": b"early", "b": b"late"}


def test_what_was_there_at_the_start_is_safe_until_it_is_changed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"old")
    with ForgetfulFileSystem(tmp_path) as disk:
        fd = os.open(tmp_path / "sub" / "a", os.O_RDWR)
        os.pwrite(fd, b"NEW!", 1)
        os.ftruncate(fd, 3)
        os.close(fd)
    assert left(disk, "all") == {"sub/a": b"old"}
    assert left(disk, "nothing") == {"sub/a": b"oNE"}


def test_rename_is_kept_or_lost_as_a_whole_and_unlink_may_be_undone(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with ForgetfulFileSystem(tmp_path) as disk:
        put(tmp_path / "new", b"new", file=True, directory=True)
        os.replace(tmp_path / "new", tmp_path / "old")
        assert left(disk, "all") == {"old": b"old", "new": b"new"}
        assert left(disk, "contents") == {"old": b"new"}
        seen = {tuple(sorted(left(disk, seed).items())) for seed in range(20)}
        assert len(seen) == 2
        os.remove(tmp_path / "old")
        assert left(disk, "all") == {"old": b"old", "new": b"new"}
        assert left(disk, "nothing") == {}
        sync(tmp_path)
    assert left(disk, "all") == {}


def test_file_without_a_name_and_a_folder_whose_name_was_not_synced(tmp_path: Path) -> None:
    with ForgetfulFileSystem(tmp_path) as disk:
        os.mkdir(tmp_path / "study")
        fd = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
        os.writev(fd, [b"ab", b"cd"])
        os.fsync(fd)
        place = os.open(tmp_path / "study", os.O_PATH)
        os.link(f"/proc/self/fd/{fd}", "a", dst_dir_fd=place, follow_symlinks=True)
        os.close(place)
        os.close(fd)
        sync(tmp_path / "study")
        assert left(disk, "all") == {}
        sync(tmp_path)
    assert left(disk, "all") == {"study/a": b"abcd"}


def test_copies_within_the_kernel_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with ForgetfulFileSystem(tmp_path) as disk:
        source = os.open(tmp_path / "a", os.O_RDONLY)
        target = os.open(tmp_path / "b", FLAGS)
        os.copy_file_range(source, target, 4, 2)
        os.sendfile(target, source, 0, 2)
        os.copy_file_range(source, target, 2, 8, 1)
        os.pwritev(target, [b"x", b"y"], 4)
        os.close(source)
        os.close(target)
    assert left(disk, "nothing")["b"] == (tmp_path / "b").read_bytes() == b"2895xy"


def test_crash_writes_what_survives(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "after").mkdir()
    with ForgetfulFileSystem(tmp_path / "work") as disk:
        os.mkdir(tmp_path / "work" / "sub")
        put(tmp_path / "work" / "sub" / "a", b"abcd")
        disk.note("done")
    assert disk.notes(len(disk.operations)) == ["done"]
    assert disk.notes(len(disk.operations) - 1) == []
    assert list(disk.cuts()) == list(range(len(disk.operations) + 1))
    disk.crash(len(disk.operations), "half", tmp_path / "after")
    assert (tmp_path / "after" / "sub" / "a").read_bytes() == b"ab"


def test_other_places_are_not_seen_and_os_is_as_it_was_afterwards(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "other").mkdir()
    before = {name: getattr(os, name) for name in ("open", "writev", "rename", "fsync", "link")}
    with ForgetfulFileSystem(tmp_path / "work") as disk:
        put(tmp_path / "other" / "a", b"x", file=True, directory=True)
        os.rename(tmp_path / "other" / "a", tmp_path / "other" / "b")
        os.unlink(tmp_path / "other" / "b")
        with pytest.raises(FileNotFoundError):
            os.unlink(tmp_path / "work" / "absent")
    assert disk.operations == []
    assert {name: getattr(os, name) for name in before} == before


def test_call_can_be_made_to_fail(tmp_path: Path) -> None:
    def fail(call: str, what: object) -> None:
        if call == "fsync":
            raise OSError(5, f"no sync of {what}")

    with ForgetfulFileSystem(tmp_path, before=fail) as disk:
        with pytest.raises(OSError, match="no sync"):
            put(tmp_path / "a", b"x", file=True)
        disk.before = None
        put(tmp_path / "a", b"x", file=True, directory=True)
    assert left(disk, "all") == {"a": b"x"}
