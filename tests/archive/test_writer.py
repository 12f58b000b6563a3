"""The writer's process: many who add, one that writes, and what happens when it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive import client as client_module
from isocenter.archive import keeper as keeper_module
from isocenter.archive.checking import check
from isocenter.archive.client import WriterClient
from isocenter.archive.frames import receive
from isocenter.archive.keeper import WriterKeeper
from isocenter.archive.recovery import OpenArea
from isocenter.archive.writer import Loop, Parent
from isocenter.errors import ArchiveError, StorageError
from tests.archive.areas import Sender, area_in, data_set, indexed, objects_on_disk
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.archive.area import Area
    from isocenter.archive.index import Index

pytestmark = pytest.mark.slow

WAIT = 60.0


@contextlib.contextmanager
def kept(*areas: Area, patience: float = WAIT) -> Iterator[WriterKeeper]:
    with WriterKeeper(areas, patience=patience) as keeper:
        keeper.watch()
        yield keeper


def run_all(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in threads)


def stored_in(area: Area) -> dict[str, bytes]:
    """Return what index and disk agree on, by instance: the end of its file."""
    with OpenArea(area) as opened:
        rows = indexed(opened)
    disk = objects_on_disk(area)
    assert rows.keys() == disk.keys()
    return {file.key[2]: disk[path] for path, file in rows.items()}


def test_object_that_is_stored_is_in_the_index_of_another_process(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", durable=True)
    with kept(area) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))
        assert sender.send(data_set()).kind == "stored"
        with sqlite3.connect(f"file:{area.index_path}?mode=ro", uri=True) as reader:
            assert reader.execute("SELECT sop_instance_uid FROM instance").fetchall() == [
                ("1.2.3.1",)
            ]
        reader.close()
        assert sender.send(data_set()).kind == "identical"
        assert client.area(area.directory).remove(["1.2.3"]) == 1
        wait_until(lambda: not objects_on_disk(area), timeout=WAIT, what="the file to go")
        client.close()
    assert stored_in(area) == {}


def test_one_writer_serves_several_areas_and_no_others(tmp_path: Path) -> None:
    one, two = area_in(tmp_path / "one"), area_in(tmp_path / "two")
    with kept(one, two) as keeper:
        client = keeper.client()
        Sender(one, client.area(one.directory)).send(data_set())
        Sender(two, client.area(two.directory)).send(data_set("1.9"), "1.9")
        other = area_in(tmp_path / "other")
        with pytest.raises(StorageError, match="no area"):
            Sender(other, client.area(other.directory)).send(data_set())
        client.close()
    assert list(stored_in(one)) == ["1.2.3.1"]
    assert list(stored_in(two)) == ["1.9"]


class SlowIndex:
    """Makes a committer's transactions wait until somebody lets them go."""

    def __init__(self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        writing = index.writing

        @contextlib.contextmanager
        def slow() -> Iterator[object]:
            with writing() as connection:
                yield connection
                self.entered.set()
                assert self.go.wait(WAIT)

        monkeypatch.setattr(type(index), "writing", lambda _: slow())


def test_those_who_wait_for_a_commit_share_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    inner, outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours, theirs = socket.socketpair()
    with OpenArea(area) as opened, inner, outer, ours, theirs:
        loop = Loop([opened], inner, Parent(theirs))
        server = threading.Thread(target=loop.run)
        server.start()
        client = WriterClient(outer, patience=WAIT)
        sender = Sender(area, client.area(area.directory), opened.store)
        sender.send(data_set("1.0"), "1.0")  # the mark is committed, and files need none now
        slow = SlowIndex(opened.index, monkeypatch)
        asked: list[float] = []

        def waits(sock: socket.socket, deadline: float) -> object:
            asked.append(deadline)  # the question is in the socket
            return receive(sock, deadline)

        monkeypatch.setattr(client_module, "receive", waits)
        before = opened.committer.commits
        first = threading.Thread(target=sender.send, args=(data_set("1.1"), "1.1"))
        first.start()
        assert slow.entered.wait(WAIT)
        others = [
            threading.Thread(target=sender.send, args=(data_set(f"1.2.{n}"), f"1.2.{n}"))
            for n in range(8)
        ]
        for thread in others:
            thread.start()
        wait_until(lambda: len(asked) == 9, timeout=WAIT, what="eight to ask")
        slow.go.set()
        for thread in [first, *others]:
            thread.join(WAIT)
        assert opened.committer.commits - before <= 3
        assert max(loop.batches) >= 6
        assert len(indexed(opened)) == 10
        client.close()
        ours.send(b"s")
        server.join(WAIT)
        loop.close()


def test_writer_that_is_killed_is_replaced_and_nobody_fails(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with kept(area) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))
        sender.send(data_set("1.1"), "1.1")
        killed = keeper.pid
        os.kill(killed, signal.SIGKILL)
        assert sender.send(data_set("1.2"), "1.2").kind == "stored"
        assert keeper.pid not in {0, killed}
        client.close()
    assert sorted(stored_in(area)) == ["1.1", "1.2"]


def test_kills_of_the_writer_under_eight_senders_lose_nothing_confirmed(tmp_path: Path) -> None:
    kill_under_load(tmp_path, kills=4, durable=True)


def kill_under_load(folder: Path, *, kills: int, durable: bool) -> None:
    """Kill the writer again and again while eight threads store; nothing may be lost."""
    area = area_in(folder / "area", durable=durable)
    confirmed: dict[str, bytes] = {}
    failures: list[Exception] = []
    ended = threading.Event()
    with kept(area) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))

        def store(number: int) -> None:
            count = 0
            while not ended.is_set() and count < 100_000:
                count += 1
                uid = f"1.{number}.{count}"
                content = data_set(uid, study=f"2.{number}.{count // 20}", text=uid)
                try:
                    sender.send(content, uid)
                except Exception as problem:  # noqa: BLE001 - looked at below
                    failures.append(problem)
                    return
                confirmed[uid] = content

        threads = [threading.Thread(target=store, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(kills):
            seen, pid = len(confirmed), keeper.pid
            wait_until(
                lambda seen=seen: len(confirmed) > seen + 20 or bool(failures),  # type: ignore[misc] # bound at once
                timeout=WAIT,
                what="some more objects",
            )
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda pid=pid: keeper.pid not in {0, pid},  # type: ignore[misc] # bound at once
                timeout=WAIT,
                what="another writer",
            )
        ended.set()
        for thread in threads:
            thread.join(WAIT)
        client.close()
    assert failures == []
    stored = stored_in(area)
    assert confirmed.keys() <= stored.keys()
    assert all(stored[uid].endswith(content) for uid, content in confirmed.items())
    assert check(area).problems == []


def test_writer_that_hangs_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "HEARTBEAT_INTERVAL", 0.2)
    monkeypatch.setattr(keeper_module, "HEARTBEAT_LIMIT", 5.0)
    area = area_in(tmp_path / "area")
    with kept(area) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))
        hung = keeper.pid
        os.kill(hung, signal.SIGSTOP)
        assert sender.send(data_set()).kind == "stored"
        assert keeper.pid != hung
        client.close()


def test_who_gets_no_answer_hears_so_and_stores_nothing(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with WriterKeeper([area], patience=0.3) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))
        os.kill(keeper.pid, signal.SIGSTOP)
        with pytest.raises(StorageError, match="does not answer"):
            sender.send(data_set())
        assert objects_on_disk(area) == {}
        os.kill(keeper.pid, signal.SIGCONT)
        client.close()


def test_process_that_is_forked_adds_on_its_own(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with kept(area) as keeper:
        client = keeper.client()
        sender = Sender(area, client.area(area.directory))
        sender.send(data_set("1.1"), "1.1")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sender.send(data_set("1.2"), "1.2")
                client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert sender.send(data_set("1.3"), "1.3").kind == "stored"
        client.close()
    assert sorted(stored_in(area)) == ["1.1", "1.2", "1.3"]


PARENT = """
import sys
from isocenter.archive.area import Area
from isocenter.archive.frames import receive
from isocenter.archive.keeper import WriterKeeper
keeper = WriterKeeper([Area(directory=sys.argv[1])])
keeper.start()
print(keeper.pid, flush=True)
sys.stdin.read()
"""


def test_writer_ends_with_its_parent(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, area.directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        writer = int(parent.stdout.readline())
        with pytest.raises(ArchiveError, match=f"in use by process {writer}"), kept(area):
            pass
        parent.kill()

    def is_gone() -> bool:
        with contextlib.suppress(ArchiveError), OpenArea(area):
            return True
        return False

    wait_until(is_gone, timeout=WAIT, what="the writer to end")


def test_without_a_thread_the_parent_looks_after_the_writer_itself(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with WriterKeeper([area], patience=WAIT) as keeper:
        first = keeper.pid
        assert keeper.deadline() is not None
        os.kill(first, signal.SIGKILL)

        def is_replaced() -> bool:
            keeper.ready()
            keeper.on_deadline(time.monotonic())
            return keeper.pid not in {0, first}

        wait_until(is_replaced, timeout=WAIT, what="another writer")
        client = keeper.client()
        assert Sender(area, client.area(area.directory)).send(data_set()).kind == "stored"
        client.close()


def broken_index(area: Area, how: str) -> None:
    with OpenArea(area) as opened:
        store = opened.store
        file = store.begin()
        file.write([b"x"])
        store.publish(file, "1.2.3", "1.2.3.1")
    path = Path(area.index_path)
    if how == "missing":
        path.unlink()
    elif how == "corrupted":
        path.write_bytes(b"no database" * 1000)
    elif how == "newer":
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
    elif how == "gone":
        os.rename(area.directory, area.directory + "-moved")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "no index; 'isocenter index rebuild'"),
        ("corrupted", "damaged"),
        ("newer", "newer version"),
        ("gone", "no such folder"),
    ],
)
def test_area_that_cannot_be_opened_is_refused_with_a_reason(
    tmp_path: Path, how: str, words: str
) -> None:
    area = area_in(tmp_path / "area")
    broken_index(area, how)
    with pytest.raises(ArchiveError, match=words) as caught, kept(area):
        pass
    assert str(tmp_path) in caught.value.path
