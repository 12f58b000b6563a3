"""What goes wrong between those who add and the one who writes, and what is left of it."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from isocenter.archive import client as client_module
from isocenter.archive import database, writer
from isocenter.archive.checking import check
from isocenter.archive.client import RemoteArea, WriterClient
from isocenter.archive.committer import Committer
from isocenter.archive.frames import MOST, Frames, pack, receive, send
from isocenter.archive.index import Index
from isocenter.archive.local import LocalArea
from isocenter.archive.orders import Failure, Mark
from isocenter.archive.recovery import OpenArea
from isocenter.archive.words import Request
from isocenter.errors import StorageError, StorageFull
from tests.archive.areas import Sender, area_in, data_set, indexed, local, objects_on_disk
from tests.archive.test_recovery import put_in_order
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.archive.area import Area
    from isocenter.archive.orders import AddOutcome, Answer, Order

WAIT = 60.0


class InProcess:
    """A writer's loop in a thread."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self.opened = OpenArea(area)
        self.inner, self.outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours, theirs = socket.socketpair()
        self._theirs = theirs
        self.loop = writer.Loop([self.opened], self.inner, writer.Parent(theirs))
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def client(self) -> WriterClient:
        return WriterClient(self.outer, patience=WAIT)

    def marks(self) -> set[str]:
        return set(self.opened.committer.marks)

    def close(self) -> None:
        self._ours.send(b"s")
        self._thread.join(WAIT)
        self.loop.close()
        self.opened.close()
        for end in (self.inner, self.outer, self._ours, self._theirs):
            end.close()


@contextlib.contextmanager
def looping(area: Area) -> Iterator[InProcess]:
    process = InProcess(area)
    try:
        yield process
    finally:
        process.close()


@contextlib.contextmanager
def locked(area: Area) -> Iterator[None]:
    """Hold the index as another program may."""
    connection = sqlite3.connect(area.index_path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def test_index_that_another_program_holds_is_a_failure_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT", 50)
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        sender.send(data_set("1.1"), "1.1")
        with locked(area), pytest.raises(StorageError, match="locked") as caught:
            sender.send(data_set("1.2"), "1.2")
        assert caught.value.status == 0xA700
        assert list(objects_on_disk(area)) == list(indexed(opened))
        assert sender.send(data_set("1.2"), "1.2").kind == "stored"
    assert check(area).problems == []


def test_disk_without_room_for_the_index_is_out_of_resources_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")

    def full(*_: object) -> None:
        raise OperationalError("INSERT ...", {"name": "Doe"}, Exception("database or disk is full"))

    with local(area) as (opened, sender):
        sender.send(data_set("1.1"), "1.1")
        with monkeypatch.context() as patch:
            patch.setattr(Index, "write", full)
            with pytest.raises(StorageFull) as caught:
                sender.send(data_set("1.2"), "1.2")
        assert "Doe" not in str(caught.value)
        assert list(objects_on_disk(area)) == list(indexed(opened))
    assert check(area).problems == []


@pytest.mark.slow
def test_folder_of_a_sender_that_died_is_put_in_order_when_nobody_can_be_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GRACE", 0.3)
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        folder = process.opened.store.folder_of("1.2.3")
        dead, alive = process.client(), process.client()
        dead.mark(area.directory, folder, "1.2.3")
        alive.mark(area.directory, folder, "1.2.3")
        other = process.opened.store.folder_of("1.9")
        dead.mark(area.directory, other, "1.9")
        file = process.opened.store.begin()
        file.write([b"neither added nor an object"])
        process.opened.store.publish(file, "1.2.3", "1.1")
        for marks in dead._marks:
            marks.close()
        wait_until(lambda: process.marks() == {folder}, timeout=WAIT, what="the other folder")
        assert len(objects_on_disk(area)) == 1, "somebody else still has it"
        alive.unmark(area.directory, folder)
        alive.close()
        alive.mark(area.directory, other, "1.9")  # one more turn
        for marks in alive._marks:
            marks.close()
        wait_until(lambda: not process.marks(), timeout=WAIT, what="the folder")
        dead.close()
        alive.close()


@pytest.mark.slow
def test_marks_are_few_however_many_studies_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_MOST_MARKS", 2)
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        client = process.client()
        sender = Sender(area, client.area(area.directory), process.opened.store)
        for number in range(30):
            sender.send(data_set(study=f"1.{number}"))
        most = 2 * len(client._marks)
        wait_until(lambda: len(process.marks()) <= most, timeout=WAIT, what="marks to go")
        assert process.marks()
        client.close()
        wait_until(lambda: not process.marks(), timeout=WAIT, what="all marks to go")
        assert len(indexed(process.opened)) == 30
    assert check(area).problems == []


@pytest.mark.slow
def test_second_object_of_a_study_needs_one_transaction(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        client = process.client()
        sender = Sender(area, client.area(area.directory), process.opened.store)
        sender.send(data_set("1.1"), "1.1")
        before = process.opened.committer.commits
        sender.send(data_set("1.2"), "1.2")
        assert process.opened.committer.commits == before + 1
        client.close()


@pytest.mark.slow
def test_connection_that_talks_nonsense_is_closed_and_others_are_served(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        client = process.client()
        deadline = time.monotonic() + WAIT
        with client._connect(deadline) as sock:
            sock.sendall(b"\xff\xff\xff\xff")
            assert sock.recv(1) == b""
        sender = Sender(area, client.area(area.directory), process.opened.store)
        assert sender.send(data_set()).kind == "stored"
        client.close()


@pytest.mark.slow
def test_file_of_which_nobody_knows_whether_it_was_added_is_looked_at_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GRACE", 0.3)
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        client = process.client()
        sender = Sender(area, client.area(area.directory), process.opened.store)
        with monkeypatch.context() as patch:
            patch.setattr(RemoteArea, "add", unanswered)
            with pytest.raises(StorageError, match="answer"):
                sender.send(data_set())
        assert len(objects_on_disk(area)) == 1
        wait_until(lambda: not process.marks(), timeout=WAIT, what="the folder to be looked at")
        assert list(indexed(process.opened)) == list(objects_on_disk(area))
        client.close()


def unanswered(*_: object, **__: object) -> AddOutcome:
    raise StorageError("area", "no answer")


def test_tool_that_is_interrupted_leaves_what_is_in_doubt_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")

    def interrupt(*_: object, **__: object) -> AddOutcome:
        raise KeyboardInterrupt

    with local(area) as (opened, sender):
        with monkeypatch.context() as patch:
            patch.setattr(LocalArea, "add", interrupt)
            with pytest.raises(KeyboardInterrupt):
                sender.send(data_set())
        assert not indexed(opened)
    with put_in_order(area) as opened:
        assert list(indexed(opened)) == list(objects_on_disk(area))
        assert len(indexed(opened)) == 1


@pytest.mark.slow
def test_marks_are_asked_for_again_when_the_writer_is_another(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with looping(area) as process:
        client = process.client()
        folder = process.opened.store.folder_of("1.2.3")
        client.mark(area.directory, folder, "1.2.3")
        client.unmark(area.directory, folder)
        marks = client._marks_for(folder)
        before = marks.sock
        client.mark(area.directory, folder, "1.2.3")
        assert marks.sock is before
        for peer in [
            key.data
            for key in process.loop._selector.get_map().values()
            if isinstance(key.data, writer._Peer)
        ]:
            peer.sock.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not marks.is_alive(), timeout=WAIT, what="the end")
        client.mark(area.directory, folder, "1.2.3")
        assert marks.is_alive()
        assert marks.sock is not before
        client.close()


def test_index_that_is_locked_fails_all_that_wait_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT", 50)
    area = area_in(tmp_path / "area")
    tried = []
    commit = Committer._commit

    def count(self: Committer, orders: Sequence[Order]) -> list[Answer]:
        tried.append(len(orders))
        return commit(self, orders)

    monkeypatch.setattr(Committer, "_commit", count)
    with OpenArea(area) as opened, locked(area):
        answers = opened.committer.commit([Mark("a", "1"), Mark("b", "2"), Mark("c", "3")])
        assert all(isinstance(answer, Failure) and "locked" in answer.reason for answer in answers)
        assert tried == [3]


# --- frames ---


def test_messages_arrive_whole_however_they_are_cut() -> None:
    words: list[object] = [Request("area", Mark("folder", "study")), "x" * 1000, 7]
    stream = b"".join(map(pack, words))
    for step in (1, 3, 4, 5, 1000, len(stream)):
        frames = Frames()
        heard: list[object] = []
        for start in range(0, len(stream), step):
            heard += frames.feed(stream[start : start + step])
        assert heard == words


def test_message_beyond_the_limit_is_refused() -> None:
    assert Frames().feed(MOST.to_bytes(4, "big")) == []
    with pytest.raises(ValueError, match="a message of"):
        Frames().feed((MOST + 1).to_bytes(4, "big"))
    one, other = socket.socketpair()
    with one, other:
        other.sendall((MOST + 1).to_bytes(4, "big"))
        with pytest.raises(OSError, match="a message of"):
            receive(one, time.monotonic() + WAIT)


def test_answer_that_ends_early_or_does_not_come_is_an_error() -> None:
    one, other = socket.socketpair()
    with one, other:
        with pytest.raises(TimeoutError):
            receive(one, time.monotonic() + 0.05)
        other.sendall(pack("word")[:-1])
        other.close()
        with pytest.raises(ConnectionResetError):
            receive(one, time.monotonic() + WAIT)
        with pytest.raises(OSError, match=os.strerror(32)):
            send(one, "word", time.monotonic() + WAIT)
