"""What a crash leaves of an area, and how the next start puts it in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.area import Area
from isocenter.archive.checking import check
from isocenter.archive.index import Index
from isocenter.archive.orders import Mark, Remove
from isocenter.archive.recovery import OpenArea, settle
from isocenter.archive.store.filesystem import FileStore
from isocenter.errors import ArchiveError
from isocenter.testing import ForgetfulFileSystem
from isocenter.testing.forgetful import LOSSES
from tests.archive.areas import area_in, data_set, indexed, local, objects_on_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isocenter.testing.forgetful import Loss
    from tests.archive.areas import Sender


def put_in_order(area: Area) -> OpenArea:
    """Open an area as a first start does, and do all that it has to do."""
    opened = OpenArea(area)
    for folder, study in list(opened.committer.marks.items()):
        settle(opened, folder, study)
    while opened.committer.has_work:
        opened.committer.work()
    return opened


def publish(opened: OpenArea, content: bytes, *, study: str = "1.2.3") -> str:
    """Publish a file as `Ingest` does, with its mark and without its row."""
    (answer,) = opened.committer.commit([Mark(opened.store.folder_of(study), study)])
    assert answer == 0
    file = opened.store.begin()
    file.write([content])
    return opened.store.publish(file, study, "1.2.3.1")


def part10(content: bytes) -> bytes:
    from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_file_meta

    return encode_file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.1", EXPLICIT_LITTLE) + content


def test_file_that_was_not_confirmed_is_added(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area) as opened:
        path = publish(opened, part10(data_set()))
    with put_in_order(area) as opened:
        assert list(indexed(opened)) == [path]
        assert opened.committer.marks == {}
    assert check(area).problems == []


def test_file_of_an_object_that_is_stored_goes(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        stored = sender.send(data_set())
    with OpenArea(area) as opened:
        path = publish(opened, part10(data_set()))
        assert path.endswith("/1.2.3.1-1.dcm")
    with put_in_order(area) as opened:
        assert [f"{area.directory}/{path}" for path in indexed(opened)] == [stored.path]
    assert list(objects_on_disk(area)) == [stored.path.removeprefix(area.directory + "/")]
    assert check(area).problems == []


def test_file_of_another_object_with_the_uids_of_one_that_is_stored_is_set_aside(
    tmp_path: Path,
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        stored = sender.send(data_set(text="confirmed"))
    with OpenArea(area) as opened:
        publish(opened, part10(data_set(text="another")))
    put_in_order(area).close()
    assert list(objects_on_disk(area)) == [stored.path.removeprefix(area.directory + "/")]
    report = check(area)
    assert (report.problems, report.quarantine) == ([], 1)


@pytest.mark.parametrize("content", [b"", b"no object", part10(data_set())[:-2]])
def test_file_that_is_not_whole_is_set_aside(tmp_path: Path, content: bytes) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area) as opened:
        publish(opened, content)
    with put_in_order(area) as opened:
        assert indexed(opened) == {}
    report = check(area)
    assert (report.problems, report.quarantine) == ([], 1)


def test_files_that_lost_their_rows_go_at_the_next_start(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        sender.send(data_set())
        sender.send(data_set("1.9", study="1.8"), "1.9")
    opened = OpenArea(area)
    assert opened.committer.commit([Remove(("1.2.3",))]) == [1]
    assert len(objects_on_disk(area)) == 2, "they go after the answer"
    opened.close()
    put_in_order(area).close()
    (path,) = objects_on_disk(area)
    assert path.endswith("/1.8/1.9.dcm")
    assert not os.path.exists(os.path.join(area.directory, FileStore(area).folder_of("1.2.3")))
    assert check(area).problems == []


def test_name_that_is_used_again_is_not_taken_for_one_that_is_to_go(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        first = sender.send(data_set())
        opened.committer.commit([Remove(("1.2.3",))])
        opened.committer.work()  # the file is gone, and the journal not told yet
        assert sender.send(data_set()).path == first.path
    with put_in_order(area) as opened:
        assert len(indexed(opened)) == 1
    assert check(area).problems == []


def test_only_one_process_writes_to_an_area(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area), pytest.raises(ArchiveError, match=f"in use by process {os.getpid()}"):
        OpenArea(area)
    OpenArea(area).close()


def test_start_looks_at_nothing_but_what_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        for number in range(20):
            sender.send(data_set(study=f"1.{number}"))
    with OpenArea(area) as opened:
        publish(opened, part10(data_set(text="x")), study="1.7")
        marked = opened.store.folder_of("1.7")
    seen = []
    scandir = os.scandir

    def look(path: str) -> object:
        seen.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", look)
    put_in_order(area).close()
    assert seen == [os.path.join(area.directory, marked)]


# --- a disk that forgets ---


class Run:
    """Objects stored on a disk that forgets, with a copy of the index at each commit.

    SQLite with synchronous=FULL is believed: what was committed is there after a power cut. Its
    file is beside the area, so that the disk's losses are those of the objects alone.
    """

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool = True
    ) -> None:
        for name in ("area", "copies", "after"):
            (folder / name).mkdir()
        self.folder = folder
        url = f"sqlite:///{folder}/index.sqlite"
        self.area = Area(directory=str(folder / "area"), url=url, durable=durable)
        self.disk = ForgetfulFileSystem(folder / "area")
        self.copies = 0
        # Contents in the order in which they were begun, by instance.
        self.versions: dict[str, list[bytes]] = {}
        writing = Index.writing

        @contextlib.contextmanager
        def watched(index: Index) -> Iterator[object]:
            with writing(index) as connection:
                yield connection
            if str(index.database.name) == str(folder / "index.sqlite"):
                self.copy()

        monkeypatch.setattr(Index, "writing", watched)

    def copy(self) -> None:
        """Copy the index as it is committed now."""
        with (
            contextlib.closing(sqlite3.connect(self.folder / "index.sqlite")) as source,
            contextlib.closing(sqlite3.connect(self.folder / "copies" / str(self.copies))) as copy,
        ):
            source.backup(copy)
        self.disk.note(f"commit {self.copies}")
        self.copies += 1

    def send(self, sender: Sender, instance: str, *, study: str = "1.2.3", text: str = "") -> None:
        content = data_set(instance, study=study, text=text)
        versions = self.versions.setdefault(instance, [])
        versions.append(content)
        number = len(versions) - 1
        sender.send(content, instance)
        self.disk.note(f"stored {instance} {number}")

    def faults(self, cuts: Iterable[tuple[int, Loss]]) -> set[str]:
        """Return what is wrong after power cuts and the start that follows, or nothing."""
        found = set()
        for cut, loss in cuts:
            notes = [note.split() for note in self.disk.notes(cut)]
            commits = [int(note[1]) for note in notes if note[0] == "commit"]
            if not commits:
                continue
            area = self.disk.crash(cut, loss, self._empty())
            index = self.folder / "after.sqlite"
            for end in ("", "-wal", "-shm"):
                Path(f"{index}{end}").unlink(missing_ok=True)
            shutil.copy(self.folder / "copies" / str(commits[-1]), index)
            after = Area(directory=str(area), url=f"sqlite:///{index}", durable=False)
            with put_in_order(after) as opened:
                rows = {file.key[2]: file.path for file in indexed(opened).values()}
            disk = objects_on_disk(after)
            removed = [note[1] for note in notes if note[0] == "removed"]
            if not rows.keys().isdisjoint(removed):
                found.add("back")
            # What is being removed may be there or not.
            removed += ["2.1"] if "removed 2.1" in self.disk.notes(cut + 20) else []
            for instance, number in [note[1:] for note in notes if note[0] == "stored"]:
                if instance in removed:
                    continue
                content = disk.get(rows.get(instance, ""), b"")
                if not content.endswith(tuple(self.versions[instance][int(number) :])):
                    found.add("lost")
            if any(problem.kind != "missing" for problem in check(after).problems):
                found.add("unclean")
            elif check(after).problems:
                found.add("missing")
        return found

    def _empty(self) -> Path:
        shutil.rmtree(self.folder / "after")
        (self.folder / "after").mkdir()
        return self.folder / "after"


def small_run(run: Run) -> None:
    """Store into two studies, replace, store the same again, remove a study, come back."""
    with run.disk, local(run.area) as (opened, sender):
        run.send(sender, "1.1")
        run.send(sender, "1.2")
        run.send(sender, "1.1", text="another")
        opened.committer.work()
        run.send(sender, "1.1", text="another")
        run.send(sender, "2.1", study="2.5")
        opened.committer.commit([Remove(("2.5",))])
        run.disk.note("removed 2.1")
        while opened.committer.has_work:
            opened.committer.work()
        run.send(sender, "2.2", study="2.5")
        run.send(sender, "1.3")


def sampled(run: Run) -> list[tuple[int, Loss]]:
    """Return every moment with one kind of loss, and some with one of chance."""
    return [(cut, loss) for cut in run.disk.cuts() for loss in (LOSSES[cut % len(LOSSES)], cut)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_power_cut_at_any_moment_loses_nothing_confirmed_and_leaves_a_clean_area(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, monkeypatch)
    small_run(run)
    assert len(run.disk.operations) > 80
    assert run.faults(sampled(run)) == set()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_without_durability_a_power_cut_may_lose_what_a_crash_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, monkeypatch, durable=False)
    small_run(run)
    assert run.faults((cut, "nothing") for cut in run.disk.cuts()) == set()
    assert "lost" in run.faults([(len(run.disk.operations), "all")])
    assert not [made for made in run.disk.operations if made.kind == "synced"]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("left_out", "fault"), [("mark", "unclean"), ("journal", "back")])
def test_marks_and_journal_are_needed_for_a_clean_area(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str, fault: str
) -> None:
    monkeypatch.setattr(Index, left_out, lambda *_: None)
    run = Run(tmp_path, monkeypatch)
    small_run(run)
    assert fault in run.faults((cut, "nothing") for cut in run.disk.cuts())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_threads_that_store_at_once_lose_nothing_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, monkeypatch)
    with run.disk, local(run.area) as (_, sender):

        def store(thread: int) -> None:
            for number in range(3):
                run.send(sender, f"{thread}.{number}", study=f"5.{number}")

        threads = [threading.Thread(target=store, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(run.versions) == 12
    assert run.faults((cut, cut) for cut in run.disk.cuts() if cut % 3 == 0) == set()
