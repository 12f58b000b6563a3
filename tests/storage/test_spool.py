"""Temporary files become objects whole, or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageError, StorageFull
from isocenter.storage import leftovers
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.wire import Buffer


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(str(tmp_path), anonymous=False) as made:
        yield made


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_object_appears_whole_under_its_name(spool: Spool, tmp_path: Path) -> None:
    file = spool.begin()
    file.write([b"ab", memoryview(b"cd"), bytearray(b"")])
    file.write([])
    file.write([memoryview(b"efg")[1:]])
    assert file.length == 6
    assert "a.dcm" not in names(tmp_path)
    assert file.publish("a.dcm") == str(tmp_path / "a.dcm")
    assert names(tmp_path) == ["a.dcm"]
    assert (tmp_path / "a.dcm").read_bytes() == b"abcdfg"
    assert file.fileno() == -1


def test_mode_follows_the_umask(spool: Spool, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        spool.begin().publish("a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_replacing_is_the_default_and_can_be_refused(spool: Spool, tmp_path: Path) -> None:
    for text in (b"old", b"new"):
        file = spool.begin()
        file.write([text])
        file.publish("a")
    file = spool.begin()
    file.write([b"third"])
    with pytest.raises(FileExistsError):
        file.publish("a", replace=False)
    assert (tmp_path / "a").read_bytes() == b"new"
    file.publish("b", replace=False)
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "b").read_bytes() == b"third"


def test_existing_symbolic_link_is_replaced_not_followed(spool: Spool, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"precious")
    (tmp_path / "a").symlink_to(outside)
    file = spool.begin()
    file.write([b"x"])
    file.publish("a")
    assert outside.read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()


def test_discarded_file_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    file = spool.begin()
    file.discard()
    file.discard()
    with spool.begin() as other:
        other.write([b"x"])
    assert names(tmp_path) == []
    with pytest.raises(ValueError, match="closed"):
        file.write([b"x"])
    with pytest.raises(ValueError, match="closed"):
        file.publish("a")


def test_published_file_survives_its_context(spool: Spool, tmp_path: Path) -> None:
    with spool.begin() as file:
        file.publish("a")
    file.discard()
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b", ".isocenter-1-2.part"])
def test_name_that_leaves_the_directory_is_refused(spool: Spool, name: str) -> None:
    with spool.begin() as file, pytest.raises(ValueError, match="no name"):
        file.publish(name)


def test_more_buffers_than_one_call_takes(spool: Spool, tmp_path: Path) -> None:
    views = [bytes([number % 251]) * (number % 7) for number in range(3000)]
    file = spool.begin()
    file.write(views)
    file.publish("a")
    assert (tmp_path / "a").read_bytes() == b"".join(views)


def test_short_writes_are_continued(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.writev

    def short(fd: int, views: Sequence[Buffer]) -> int:
        return real(fd, [b"".join(bytes(view) for view in views)[:3]])

    monkeypatch.setattr(os, "writev", short)
    file = spool.begin()
    file.write([b"abcd", b"", b"e", b"fghij"])
    assert file.length == 10
    file.publish("a")
    assert (tmp_path / "a").read_bytes() == b"abcdefghij"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EIO, StorageError),
    ],
)
@pytest.mark.parametrize("call", ["open", "writev", "rename", "link"])
def test_failing_system_call_leaves_nothing(
    spool: Spool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[StorageError],
    call: str,
) -> None:
    def fail(*arguments: object, **named: object) -> int:
        raise OSError(number, os.strerror(number))

    def keep() -> None:
        with spool.begin() as file:
            monkeypatch.setattr(os, call, fail)
            file.write([b"x"])
            file.publish("a", replace=call != "link")

    if call == "open":
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError) as caught:
        keep()
    monkeypatch.undo()
    assert type(caught.value) is kind
    assert caught.value.reason == os.strerror(number)
    assert caught.value.status == 0xA700
    assert names(tmp_path) == []


def test_disk_that_is_really_full(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        with Spool(str(tmp_path), anonymous=False) as spool:
            file = spool.begin()
            with pytest.raises(StorageFull):
                file.write([bytes(100_000)])
            assert names(tmp_path) == []
            file = spool.begin()
            file.write([bytes(10_000)])
            file.publish("fits")
            assert names(tmp_path) == ["fits"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("absent", "file", "a\0b"):
        with pytest.raises(StorageError):
            Spool(str(tmp_path / name), anonymous=False)


def test_directory_that_was_made_anew_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with Spool(str(folder), anonymous=False) as spool:
        early = spool.begin()
        early.discard()
        folder.rmdir()
        with pytest.raises(StorageError, match="No such file"):
            spool.begin()
        folder.mkdir()
        spool.begin().publish("a")
        assert names(folder) == ["a"]


def test_closed_spool_begins_nothing(spool: Spool) -> None:
    spool.close()
    spool.close()
    with pytest.raises(StorageError, match="closed"):
        spool.begin()
    with pytest.raises(StorageError, match="closed"):
        spool.clean_leftovers()


def test_exists_sees_what_is_there(spool: Spool) -> None:
    assert not spool.exists("a")
    spool.begin().publish("a")
    assert spool.exists("a")


LEAVE = """
import os, signal, sys
from isocenter.storage.spool import Spool
spool = Spool(sys.argv[1], anonymous=False)
files = [spool.begin() for _ in range(3)]
files[0].write([b"half an object"])
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_files_of_a_killed_process_are_cleaned_but_not_those_of_a_living_one(
    spool: Spool, tmp_path: Path
) -> None:
    (tmp_path / "CT.1.2.3").write_bytes(b"object")
    (tmp_path / ".isocenter-x.part").write_bytes(b"somebody else's")
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert len(names(tmp_path)) == 5
        assert spool.clean_leftovers() == 0
        child.stdin.close()
        child.wait()
    mine = spool.begin()
    assert spool.clean_leftovers() == 3
    mine.publish("mine")
    assert names(tmp_path) == [".isocenter-x.part", "CT.1.2.3", "mine"]


def test_traps_with_the_name_of_a_temporary_file_are_left_alone(
    spool: Spool, tmp_path: Path
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"precious")
    (tmp_path / ".isocenter-1-1.part").symlink_to(outside)
    (tmp_path / ".isocenter-1-2.part").mkdir()
    assert spool.clean_leftovers() == 0
    assert outside.exists()


def test_file_cleaned_before_it_was_locked_is_made_again(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = leftovers.lock
    cleaned: list[int] = []

    def late(fd: int, *, insist: bool) -> bool:
        if not cleaned:  # the creator comes second to a cleaner
            cleaned.append(0)
            cleaned[0] = spool.clean_leftovers()
        return real(fd, insist=insist)

    monkeypatch.setattr("isocenter.storage.spool.lock", late)
    file = spool.begin()
    assert cleaned == [1]
    file.write([b"x"])
    file.publish("a")
    assert names(tmp_path) == ["a"]


CLEAN = """
import sys
from isocenter.storage.spool import Spool
spool = Spool(sys.argv[1], anonymous=False)
print("ready", flush=True)
while not sys.stdin.closed and spool.exists("go"):
    spool.clean_leftovers()
"""


@pytest.mark.slow
def test_two_processes_cleaning_lose_no_object(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "go").write_bytes(b"")
    cleaners = [
        subprocess.Popen(
            [sys.executable, "-c", CLEAN, str(tmp_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        for cleaner in cleaners:
            assert cleaner.stdout is not None
            assert cleaner.stdout.readline() == b"ready\n"

        def produce(start: int) -> None:
            for number in range(start, start + 150):
                file = spool.begin()
                file.write([str(number).encode()])
                file.publish(f"object-{number}", replace=number % 2 == 0)

        threads = [threading.Thread(target=produce, args=(start,)) for start in (0, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        (tmp_path / "go").unlink()
        for cleaner in cleaners:
            with cleaner:
                cleaner.wait(timeout=20)
    assert len(names(tmp_path)) == 300
    assert (tmp_path / "object-1149").read_bytes() == b"1149"


def test_without_locks_nothing_is_cleaned(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".isocenter-1-1.part").write_bytes(b"")

    def unsupported(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    for flock in (None, unsupported):
        monkeypatch.setattr(leftovers, "_flock", flock)
        assert spool.clean_leftovers() == 0
        spool.begin().publish("a")
    assert names(tmp_path) == [".isocenter-1-1.part", "a"]
