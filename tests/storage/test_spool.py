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
from isocenter.storage import directories, leftovers
from isocenter.storage.spool import Spool
from tests.support.filesystems import small_file_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.wire import Buffer


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(str(tmp_path), anonymous=False) as made:
        yield made


def put(spool: Spool, name: str, content: bytes) -> str:
    with spool.begin() as file:
        file.write([content])
        return file.publish(name)


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


@pytest.mark.slow
@pytest.mark.parametrize("anonymous", [True, False])
@pytest.mark.parametrize("durable", [True, False])
def test_disk_that_is_really_full(tmp_path: Path, *, anonymous: bool, durable: bool) -> None:
    with (
        small_file_system(tmp_path / "disk", mebibytes=1) as folder,
        Spool(str(folder), anonymous=anonymous, durable=durable) as spool,
    ):
        put(spool, "first", bytes(500_000))
        file = spool.begin()
        file.write([bytes(300_000)])
        with pytest.raises(StorageFull) as caught:
            file.write([bytes(300_000), b"more"])
        assert caught.value.status == 0xA700
        assert names(folder) == ["first"]
        with pytest.raises(ValueError, match="closed"):
            file.publish("a")
        put(spool, "fits", bytes(300_000))
        with pytest.raises(StorageFull):
            put(spool, "first", bytes(400_000))
        assert (folder / "first").stat().st_size == 500_000
        (folder / "first").unlink()
        put(spool, "goes on", bytes(400_000))
        assert names(folder) == ["fits", "goes on"]


@pytest.mark.slow
@pytest.mark.parametrize("anonymous", [True, False])
def test_disk_that_is_taken_away_and_another_in_its_place(
    tmp_path: Path, *, anonymous: bool
) -> None:
    folder = tmp_path / "disk"
    with small_file_system(folder, mebibytes=1):
        spool = Spool(str(folder), anonymous=anonymous)
        for _ in range(4):
            spool.prepare()
        early = spool.begin()
    with spool:
        put(spool, "a", b"x")
        assert names(folder) == ["a"]
        early.discard()


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


SERVE = """
import sys
from isocenter.storage.duplicates import publish
from isocenter.storage.spool import Spool
folder, server = sys.argv[1:]
spool = Spool(folder, anonymous=False)
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    if number % 10 == 0:
        spool.clean_leftovers()  # as at the start of a server
    file = spool.begin()
    file.write([b"%s %d" % (server.encode(), number)])
    publish(file, f"object-{number}", "keep-both")
    file = spool.begin()
    file.write([b"common"])
    publish(file, "common", "overwrite")
"""


@pytest.mark.slow
def test_two_servers_in_one_directory_lose_no_object(tmp_path: Path) -> None:
    servers = [
        subprocess.Popen(
            [sys.executable, "-c", SERVE, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("A", "B")
    ]
    for server in servers:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
    for server in servers:
        assert server.stdin is not None
        server.stdin.write(b"\n")
        server.stdin.flush()
    for server in servers:
        with server:
            assert server.wait(timeout=30) == 0
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found.pop("common") == b"common"
    expected = [f"{server} {number}".encode() for server in "AB" for number in range(100)]
    assert sorted(found.values()) == sorted(expected)
    assert sorted(found) == sorted(
        f"object-{number}{end}" for number in range(100) for end in ("", "_1")
    )


@pytest.mark.parametrize(
    "missing", [(), ("copy_file_range",), ("copy_file_range", "sendfile")], ids=str
)
def test_parts_of_another_file_are_appended(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    content = os.urandom(9 * 1024 * 1024)
    with spool.begin() as source, spool.begin() as file:
        source.write([content])

        def impossible(*unused: object) -> int:
            raise OSError(errno.EXDEV, "not between these")

        for name in missing:
            monkeypatch.setattr(os, name, impossible)
        file.write([b"head"])
        file.copy_from(source.fileno(), 3, len(content) - 3)
        file.copy_from(source.fileno(), 0, 0)
        file.write([b"tail"])
        file.copy_from(source.fileno(), 1, 1)
        assert file.length == len(content) + 6
        file.publish("a")
        assert (tmp_path / "a").read_bytes() == b"head" + content[3:] + b"tail" + content[1:2]
        short = spool.begin()
        with pytest.raises(StorageError, match="too short"):
            short.copy_from(source.fileno(), 10, len(content))
        with pytest.raises(ValueError, match="closed"):
            short.copy_from(source.fileno(), 0, 1)
    assert names(tmp_path) == ["a"]


@pytest.mark.slow
def test_copy_onto_a_full_disk_or_below_the_limit_leaves_nothing(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk", mebibytes=1) as folder:
        source = os.open(tmp_path / "source", os.O_RDWR | os.O_CREAT)
        os.truncate(source, 2_000_000)
        for minimum_free in (0, 200_000):
            with Spool(str(folder), minimum_free=minimum_free) as spool:
                file = spool.begin()
                with pytest.raises(StorageFull):
                    file.copy_from(source, 0, 2_000_000)
                put(spool, "a", bytes(700_000))
                (folder / "a").unlink()
        os.close(source)
        assert names(folder) == []


@pytest.mark.parametrize("anonymous", [True, False])
def test_error_that_comes_with_closing_is_noticed_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, anonymous: bool
) -> None:
    monkeypatch.setattr(directories, "tells_at_close", lambda _device: True)
    with Spool(str(tmp_path), anonymous=anonymous) as spool:
        file = spool.begin()
        file.write([b"x"])
        real = os.close

        def fail(fd: int) -> None:
            real(fd)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        monkeypatch.setattr(os, "close", fail)
        with pytest.raises(StorageFull, match="quota"):
            file.publish("a")
        monkeypatch.undo()
    assert names(tmp_path) == []


@pytest.mark.parametrize("durable", [True, False])
def test_temporary_names_of_a_process_with_the_same_id_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool
) -> None:
    serial = iter(range(1000))

    def next_name() -> str:
        return f".isocenter-1-{next(serial) // 2}.part"  # each one twice

    theirs = {f".isocenter-1-{number}.part" for number in (0, 1, 3)}
    for name in theirs:
        (tmp_path / name).write_bytes(b"theirs")
    (tmp_path / "beside").mkdir()
    with Spool(str(tmp_path / "beside")) as beside:
        expected = beside._anonymous
    for module in ("spool", "leftovers"):
        monkeypatch.setattr(f"isocenter.storage.{module}.temporary_name", next_name)
    with Spool(str(tmp_path), durable=durable) as spool:
        assert spool._anonymous == expected
        for content in (b"first", b"second", b"third"):
            put(spool, "a", content)
    assert (tmp_path / "a").read_bytes() == b"third"
    assert set(names(tmp_path)) == theirs | {"a", "beside"}
    assert {(tmp_path / name).read_bytes() for name in theirs} == {b"theirs"}
