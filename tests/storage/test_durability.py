"""A power cut at any moment leaves every confirmed object whole, where durability was asked for."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageError, StorageFull
from isocenter.storage import directories
from isocenter.storage.duplicates import publish
from isocenter.storage.exclusive import rename_to_free_name
from isocenter.storage.leftovers import is_temporary
from isocenter.storage.spool import Spool
from isocenter.testing.forgetful import LOSSES, ForgetfulFileSystem
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isocenter.storage.duplicates import DuplicatePolicy

ALL = (*LOSSES, 1, 2, 3)


@pytest.fixture(autouse=True)
def _renames_through_os(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep renames where the disk that forgets can see them: `os` has no renameat2."""

    def unknown(*unused: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("isocenter.storage.exclusive._renameat2", unknown)


@pytest.fixture(params=[True, False], ids=["anonymous", "named"])
def anonymous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Run:
    """Objects stored on a disk that forgets, and what must be left of them.

    Every object has content of its own. One that takes another's place is allowed instead of
    it from the moment its publishing begins.
    """

    def __init__(self, folder: Path) -> None:
        self.disk = ForgetfulFileSystem(folder)
        self.contents: list[bytes] = []
        self.successors: dict[int, int] = {}
        self._random = random.Random(0)
        self._lock = threading.Lock()

    def new(self) -> int:
        with self._lock:
            self.contents.append(self._random.randbytes(100 + 7 * len(self.contents)))
            return len(self.contents) - 1

    def store(
        self,
        spool: Spool,
        name: str,
        policy: DuplicatePolicy = "overwrite",
        *,
        folder: str = "",
        instead_of: int = -1,
    ) -> int:
        number = self.new()
        content = self.contents[number]
        file = spool.begin()
        file.write([content[:50], content[50:]])
        if instead_of >= 0:
            self.successors[instead_of] = number
        publish(file, name, policy, spool.folder(folder) if folder else None)
        self.disk.note(str(number))
        return number

    def faults(self) -> set[str]:
        """Return what is wrong after any power cut: ``missing``, ``partial`` or nothing."""
        whole = set(self.contents)
        found = set()
        for cut in self.disk.cuts():
            confirmed = [int(note) for note in self.disk.notes(cut)]
            for loss in ALL:
                left = self.disk.survivors(cut, loss)
                objects = [
                    content
                    for path, content in left.items()
                    if not is_temporary(path.rpartition("/")[2])
                ]
                if not whole.issuperset(objects):
                    found.add("partial")
                for number in confirmed:
                    if not any(self.contents[one] in objects for one in self._chain(number)):
                        found.add("missing")
        return found

    def _chain(self, number: int) -> Iterator[int]:
        yield number
        while number in self.successors:
            number = self.successors[number]
            yield number


def small_run(folder: Path, *, anonymous: bool, durable: bool = True) -> Run:
    """Store new objects, over others, beside others, into folders; rename two."""
    run = Run(folder)
    with run.disk, Spool(str(folder), anonymous=anonymous, durable=durable) as spool:
        first = run.store(spool, "a")
        run.store(spool, "b")
        second = run.store(spool, "a", instead_of=first)
        run.store(spool, "a", "keep-both")
        os.mkdir(folder / "study")
        run.store(spool, "c", folder="study")
        run.store(spool, "c", "keep-both", folder="study")
        run.store(spool, "a", instead_of=second)
        # As at the end of a study; one step, so an object has one name or the other.
        for place, old, new in ((spool.folder("study"), "c", "d"), (None, "b", "e")):
            directory = spool.find(place)
            rename_to_free_name(old, new, source_fd=directory.fd, target_fd=directory.fd)
        last = run.store(spool, "f", "reject")
        run.store(spool, "f", instead_of=last)
    return run


@pytest.mark.slow
def test_power_cut_at_any_moment_loses_nothing_confirmed(
    tmp_path: Path, *, anonymous: bool
) -> None:
    run = small_run(tmp_path, anonymous=anonymous)
    assert len(run.disk.operations) > 60
    assert run.faults() == set()
    assert sorted(os.listdir(tmp_path)) == ["a", "a_1", "e", "f", "study"]
    assert sorted(os.listdir(tmp_path / "study")) == ["c_1", "d"]


@pytest.mark.slow
def test_without_durability_a_power_cut_may_lose_confirmed_objects(
    tmp_path: Path, *, anonymous: bool
) -> None:
    run = small_run(tmp_path, anonymous=anonymous, durable=False)
    assert run.faults() == {"missing", "partial"}
    assert not [made for made in run.disk.operations if made.kind == "synced"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left_out", "faults"),
    [
        ("isocenter.storage.spoolfile.force", {"missing", "partial"}),
        ("isocenter.storage.directories.Directory.sync", {"missing"}),
        ("isocenter.storage.directories.Directory.secure", {"missing"}),
    ],
)
def test_each_of_the_syncs_is_needed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left_out: str,
    faults: set[str],
    *,
    anonymous: bool,
) -> None:
    monkeypatch.setattr(left_out, lambda _: None)
    assert small_run(tmp_path, anonymous=anonymous).faults() == faults


@pytest.mark.slow
def test_threads_that_share_syncs_lose_nothing_confirmed(
    tmp_path: Path, *, anonymous: bool
) -> None:
    run = Run(tmp_path)
    with run.disk, Spool(str(tmp_path), anonymous=anonymous, durable=True) as spool:
        os.mkdir(tmp_path / "study")

        def produce(thread: int) -> None:
            for number in range(4):
                run.store(spool, f"{thread}-{number}", folder="study" if number % 2 else "")

        run_all([partial(produce, thread) for thread in range(4)])
    assert len(run.contents) == 16
    assert run.faults() == set()


def run_all(tasks: list[Callable[[], object]]) -> None:
    """Run each in a thread of its own, and raise what one raised."""
    raised: list[BaseException] = []

    def guarded(task: Callable[[], object]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def stored(spool: Spool, name: str, content: bytes, folder: str = "") -> str:
    file = spool.begin()
    file.write([content])
    return file.publish(name, folder=spool.folder(folder) if folder else None)


def directory_syncs(run: ForgetfulFileSystem) -> int:
    """Count the syncs of the outermost folder, which has the first number."""
    return sum(made.kind == "synced" and made.inode == 0 for made in run.operations)


def test_those_who_wait_for_a_sync_share_the_next(tmp_path: Path) -> None:
    many = 8

    def entries() -> int:
        return sum(made.text.startswith("link") for made in disk.operations)

    with ForgetfulFileSystem(tmp_path) as disk, Spool(str(tmp_path), durable=True) as spool:
        start, before = directory_syncs(disk), entries()
        fd = spool.find().fd

        def slow(call: str, what: object) -> None:
            if call == "fsync" and what == fd:
                wait_until(lambda: entries() - before >= many, timeout=10, what="the others")

        disk.before = slow
        run_all([partial(stored, spool, f"o{number}", b"x") for number in range(many)])
        assert 2 <= directory_syncs(disk) - start <= many // 2
    assert len(os.listdir(tmp_path)) == many


def test_sync_that_fails_fails_for_all_it_was_for_and_those_who_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = directories.Directories(str(tmp_path), durable=True)
    directory = found.root
    calls = []
    joined = threading.Event()

    def fail_once(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            worker.start()
            # The other has the open batch in hand, which it locks, and waits for its turn.
            wait_until(directory._batch.lock.locked, timeout=10, what="the other to join")
            raise OSError(errno.EIO, "broken")

    def join() -> None:
        with pytest.raises(OSError, match="broken"):
            directory.sync()
        joined.set()

    worker = threading.Thread(target=join)
    monkeypatch.setattr(directories, "force", fail_once)
    with pytest.raises(OSError, match="broken"):
        directory.sync()
    worker.join()
    assert joined.is_set()
    directory.sync()
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, StorageError), (errno.ENOSPC, StorageFull)]
)
def test_file_that_cannot_be_forced_onto_the_disk_is_not_confirmed_and_goes(
    tmp_path: Path, number: int, kind: type[StorageError], *, anonymous: bool
) -> None:
    def fail(call: str, what: object) -> None:
        if call == "fsync" and what == file.fileno():
            raise OSError(number, os.strerror(number))

    with (
        ForgetfulFileSystem(tmp_path) as disk,
        Spool(str(tmp_path), anonymous=anonymous, durable=True) as spool,
    ):
        file = spool.begin()
        disk.before = fail
        with pytest.raises(kind) as caught:
            file.publish("a")
    assert (caught.value.status, caught.value.reason) == (0xA700, os.strerror(number))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("there_before", [None, b"old"])
def test_name_that_cannot_be_forced_onto_the_disk_is_taken_back(
    tmp_path: Path, there_before: bytes | None, *, anonymous: bool
) -> None:
    if there_before is not None:
        (tmp_path / "a").write_bytes(there_before)
    with (
        ForgetfulFileSystem(tmp_path) as disk,
        Spool(str(tmp_path), anonymous=anonymous, durable=True) as spool,
    ):
        fd = spool.find().fd

        def fail(call: str, what: object) -> None:
            if call == "fsync" and what == fd:
                raise OSError(errno.EIO, "broken")

        disk.before = fail
        with pytest.raises(StorageError, match="broken"):
            stored(spool, "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {} if there_before is None else {"a": there_before}
    )


def test_without_hard_links_a_whole_new_file_stays_rather_than_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impossible(*unused: object, **named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "link", impossible)
    with (
        ForgetfulFileSystem(tmp_path) as disk,
        Spool(str(tmp_path), durable=True) as spool,
    ):
        fd = spool.find().fd

        def fail(call: str, what: object) -> None:
            if call == "fsync" and what == fd:
                raise OSError(errno.EIO, "broken")

        disk.before = fail
        with pytest.raises(StorageError, match="broken"):
            stored(spool, "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_folder_whose_name_cannot_be_forced_onto_the_disk_gets_no_object(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with ForgetfulFileSystem(tmp_path) as disk, Spool(str(tmp_path), durable=True) as spool:
        fd = spool.find().fd

        def fail(call: str, what: object) -> None:
            if call == "fsync" and what == fd:
                raise OSError(errno.EIO, "broken")

        disk.before = fail
        with pytest.raises(StorageError, match="broken"):
            stored(spool, "a", b"x", "study")
        assert os.listdir(tmp_path / "study") == []
        disk.before = None
        stored(spool, "a", b"x", "study")
        count = directory_syncs(disk)
        stored(spool, "b", b"x", "study")
        assert directory_syncs(disk) == count, "the name of a folder is synced once"
        spool.sync_folder(spool.folder("study"))
        spool.sync_folder()
        assert directory_syncs(disk) == count + 1


def test_same_object_again_rests_on_a_file_that_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with ForgetfulFileSystem(tmp_path / "out") as disk:
        with Spool(str(tmp_path / "out")) as spool:
            stored(spool, "a", b"content")
        assert disk.survivors(len(disk.operations), "all") == {}
        with Spool(str(tmp_path / "out"), durable=True) as spool:
            for policy in ("keep-both", "ignore"):
                file = spool.begin()
                file.write([b"content" if policy == "keep-both" else b"another"])
                publish(file, "a", policy)
                assert disk.survivors(len(disk.operations), "all") == {"a": b"content"}


def test_directory_that_cannot_be_forced_onto_the_disk_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(fd: int) -> None:
        raise OSError(errno.EINVAL, "no sync here")

    monkeypatch.setattr(os, "fsync", unsupported)
    with pytest.raises(StorageError, match="no sync here"):
        Spool(str(tmp_path), durable=True)
    Spool(str(tmp_path)).close()


STORE = """
import os, sys
from isocenter.storage.spool import Spool
anonymous, folder = sys.argv[2] == "True", sys.argv[3]
spool = Spool(sys.argv[1], durable=True, anonymous=anonymous)
answer = os.open(os.devnull, os.O_WRONLY)
place = spool.folder(folder) if folder else None
for name in ("a", "b", "a"):
    file = spool.begin()
    file.write([b"content"])
    os.write(answer, b"BEGIN")
    file.publish(name, folder=place)
    os.write(answer, b"SUCCESS")
"""


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["", "study"])
def test_system_calls_come_in_the_order_of_commitment(
    tmp_path: Path, folder: str, *, anonymous: bool
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    out = tmp_path / "out"
    (out / folder).mkdir(parents=True)
    log = tmp_path / "log"
    calls = "trace=write,fsync,linkat,renameat,renameat2,unlinkat"
    done = subprocess.run(
        [
            *("strace", "-y", "-e", calls, "-o", str(log), sys.executable, "-c", STORE),
            *(str(out), str(anonymous), folder),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode and "ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    objects = re.findall(r"BEGIN(.*?)SUCCESS", log.read_text(encoding="utf-8"), re.DOTALL)
    place = re.escape(str(out / folder).rstrip("/"))
    assert len(objects) == 3
    for trace in objects:
        # An annotated path of a file without a name ends otherwise than its directory's.
        file = re.search(rf"fsync\(\d+<{re.escape(str(out))}/[^>]+>(\(deleted\))?\) += 0", trace)
        names = list(re.finditer(r"\b(?:linkat|renameat2?)\(.*\) += 0", trace))
        entry = re.search(rf"fsync\(\d+<{place}>\) += 0", trace)
        assert file is not None, trace
        assert entry is not None, trace
        assert names, trace
        assert file.end() < names[0].start()
        assert names[-1].end() < list(re.finditer(rf"fsync\(\d+<{place}>\)", trace))[-1].start()
