"""Areas that cannot be opened or put in order, writers that cannot begin."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.archive import keeper as keeper_module
from isocenter.archive import takeover
from isocenter.archive.area import Area
from isocenter.archive.checking import check
from isocenter.archive.committer import Committer
from isocenter.archive.keeper import WriterKeeper
from isocenter.archive.orders import Failure
from isocenter.archive.recovery import OpenArea, settle
from isocenter.archive.store.filesystem import FileStore
from isocenter.archive.takeover import import_folder, rebuild
from isocenter.errors import ArchiveError, StorageError
from tests.archive.areas import area_in, data_set, indexed, local, objects_on_disk
from tests.archive.test_recovery import part10, publish, put_in_order
from tests.archive.test_takeover import write
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isocenter.archive.orders import Order

WAIT = 60.0


def failing(number: int) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


# --- opening ---


@pytest.mark.parametrize("call", ["mkdir", "pwrite"])
def test_area_that_is_read_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    area = area_in(tmp_path / "area")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.EROFS))
        with pytest.raises(ArchiveError, match=os.strerror(errno.EROFS)):
            OpenArea(area)
    OpenArea(area).close()  # nothing holds it


def test_area_whose_lock_is_of_nobody_known_is_refused(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    os.mkdir(area.private)
    with open(os.path.join(area.private, "lock"), "w", encoding="ascii") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ArchiveError, match=r"in use$"):
            OpenArea(area)


def test_area_that_was_taken_over_in_place_and_lost_its_index_is_refused(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    write(tmp_path / "area" / "CT_1")
    import_folder(area, area.directory, in_place=True)
    os.unlink(area.index_path)
    with pytest.raises(ArchiveError, match="objects and no index"):
        OpenArea(area)
    rebuild(area)
    OpenArea(area).close()


def test_area_of_dcmqrscp_that_was_not_taken_over_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    area = area_in(tmp_path / "area")
    (tmp_path / "area" / "index.dat").write_bytes(b"QRDB05")
    with OpenArea(area) as opened:
        assert not indexed(opened)
    assert "until 'isocenter index import' takes it over" in caplog.text


def test_unfinished_files_go_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    area = area_in(tmp_path / "area")
    (tmp_path / "area" / ".isocenter-1-1.part").write_bytes(b"half")
    OpenArea(area).close()
    assert objects_on_disk(area) == {}
    assert "removed unfinished files of an earlier run: 1" in caplog.text


@pytest.mark.parametrize("name", ["with blank", "a#b?c%d", "ü"])
def test_area_may_be_called_anything_and_moved(tmp_path: Path, name: str) -> None:
    area = area_in(tmp_path / name)
    with local(area) as (_, sender):
        sender.send(data_set())
    assert os.path.exists(area.index_path)
    (tmp_path / name).rename(tmp_path / f"{name} moved")
    moved = area_in(tmp_path / f"{name} moved")
    assert check(moved) == (1, sum(map(len, objects_on_disk(moved).values())), 0, [])


# --- order ---


def test_folder_that_cannot_be_put_in_order_keeps_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area) as opened:
        publish(opened, part10(data_set()))
        (folder,) = opened.committer.marks

        def locked(self: Committer, orders: Sequence[Order]) -> list[Failure]:
            del self
            return [Failure("locked") for _ in orders]

        with monkeypatch.context() as patch:
            patch.setattr(Committer, "commit", locked)
            assert not settle(opened, folder, "1.2.3")
        assert list(opened.committer.marks) == [folder]
        assert len(objects_on_disk(area)) == 1
        with monkeypatch.context() as patch:
            patch.setattr(FileStore, "open", failing(errno.EIO))
            assert not settle(opened, folder, "1.2.3")
        assert settle(opened, folder, "1.2.3")
        assert not opened.committer.marks
        assert len(indexed(opened)) == 1


def test_file_without_a_row_that_exceeds_a_quota_is_set_aside(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area) as opened:
        publish(opened, part10(data_set()))
    small = area_in(tmp_path / "area", maximum_bytes_per_study=10)
    put_in_order(small).close()
    assert check(small)[2:] == (1, [])


def test_file_that_takes_the_place_of_one_that_is_gone_is_added(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        stored = sender.send(data_set(text="gone"))
    os.unlink(stored.path)
    with OpenArea(area) as opened:
        publish(opened, part10(data_set(text="there")))
    with put_in_order(area) as opened:
        assert len(indexed(opened)) == 1
    assert check(area).problems == []


def test_who_has_an_area_to_himself_puts_it_in_order_first_and_marks_few(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_studies=35)
    with OpenArea(area) as opened:
        publish(opened, part10(data_set()))
    with local(area) as (opened, sender):
        assert len(indexed(opened)) == 1
        for number in range(40):
            sender.send(data_set(study=f"1.{number}"))
        assert 16 <= len(opened.committer.marks) <= 20
        assert len(objects_on_disk(area)) <= 36, "files go while others come"
    with OpenArea(area) as opened:
        assert not opened.committer.marks
    assert check(area).problems == []


# --- taking over ---


def test_index_elsewhere_is_not_rebuilt(tmp_path: Path) -> None:
    area = Area(directory=str(tmp_path), url="postgresql://archive")
    with pytest.raises(ArchiveError, match="only an index in the area's own folder"):
        rebuild(area)


def test_new_index_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        sender.send(data_set())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(ArchiveError, match=os.strerror(errno.EIO)):
            rebuild(area)
    with OpenArea(area) as opened:
        assert len(indexed(opened)) == 1


def test_file_that_changes_while_it_is_copied_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    write(tmp_path / "source" / "one")
    monkeypatch.setattr(takeover, "digest_of", lambda *_: b"another")
    done = import_folder(area, str(tmp_path / "source"))
    assert [passed.reason for passed in done.passed] == ["it changed while it was copied"]
    assert objects_on_disk(area) == {}


def test_copies_that_cannot_be_indexed_go_and_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    write(tmp_path / "source" / "one")
    from isocenter.archive.index import Index

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "write", fail)
        done = import_folder(area, str(tmp_path / "source"))
    assert (done.added, [passed.reason for passed in done.passed]) == (0, ["no"])
    assert objects_on_disk(area) == {}


def test_same_object_twice_in_a_folder_is_taken_once(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    for name in ("one", "two"):
        write(tmp_path / "source" / name)
    done = import_folder(area, str(tmp_path / "source"))
    assert (done.added, done.known, len(objects_on_disk(area))) == (1, 1, 1)


# --- the keeper ---


@pytest.mark.slow
def test_writer_that_cannot_begin_again_is_tried_with_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper_module, "_PAUSES", (0.0, 0.05))
    area = area_in(tmp_path / "area")
    with WriterKeeper([area]) as keeper, caplog.at_level(logging.ERROR):
        first = keeper.pid
        os.rename(area.directory, tmp_path / "moved")
        os.kill(first, 9)

        def look() -> bool:
            keeper.ready()
            keeper.on_deadline(time.monotonic())
            return "no such folder" in caplog.text

        wait_until(look, timeout=WAIT, what="a writer that cannot begin")
        os.rename(tmp_path / "moved", area.directory)

        def is_ready() -> bool:
            look()
            return keeper._is_ready

        wait_until(is_ready, timeout=WAIT, what="one that can")
        assert "ended (SIGKILL), starting another" in caplog.text


@pytest.mark.slow
def test_process_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper_module, "_PAUSES", (0.0, 0.05))
    area = area_in(tmp_path / "area")
    with WriterKeeper([area]) as keeper:
        first = keeper.pid
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", failing(errno.EAGAIN))
            os.kill(first, 9)

            def failed() -> bool:
                keeper.ready()
                return "no writer can be started" in caplog.text

            wait_until(failed, timeout=WAIT, what="a failure")
            assert keeper.fileno() == -1
            assert keeper.deadline() is not None

        def is_there() -> bool:
            keeper.on_deadline(time.monotonic())
            return keeper.pid not in {0, first}

        wait_until(is_there, timeout=WAIT, what="another writer")


@pytest.mark.slow
def test_writer_that_dies_at_the_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "_BOOTSTRAP", "import os; os._exit(3)")
    with (
        pytest.raises(ArchiveError, match="the writer did not start"),
        WriterKeeper([area_in(tmp_path / "area")]),
    ):
        pass
    monkeypatch.setattr(keeper_module, "_BOOTSTRAP", "import time; time.sleep(60)")
    monkeypatch.setattr(keeper_module, "_START", 0.2)
    with (
        pytest.raises(ArchiveError, match="the index does not open"),
        WriterKeeper([area_in(tmp_path / "area")]),
    ):
        pass


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (-9, "SIGKILL"), (-200, "signal 200")]
)
def test_ending_of_a_process_in_words(code: int, words: str) -> None:
    assert keeper_module._ending(code) == words


def test_study_folder_that_comes_and_goes_for_ever_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    store = FileStore(area)
    monkeypatch.setattr(FileStore, "_make", lambda *_: None)
    file = store.begin()
    file.write([b"x"])
    with pytest.raises(StorageError, match="comes and goes"):
        store.publish(file, "1", "2")
    assert os.listdir(area.directory) == []
    store.close()
