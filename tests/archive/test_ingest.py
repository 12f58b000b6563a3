"""Objects that arrive: what is stored, what is the same, what is refused, what is left of it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.dataset.part10 import read_file_meta
from isocenter.errors import ObjectMismatch, StorageError, StorageFull, StorageRefused
from tests.archive.areas import CT, Sender, area_in, data_set, indexed, local, objects_on_disk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isocenter.archive.facts import NewInstance
    from isocenter.archive.local import LocalArea
    from isocenter.archive.orders import AddOutcome


def content_of(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    return content[read_file_meta(content).data_set_offset :]


@pytest.mark.parametrize("durable", [True, False])
def test_object_is_on_disk_and_in_the_index_when_it_is_stored(
    tmp_path: Path, *, durable: bool
) -> None:
    area = area_in(tmp_path / "area", durable=durable)
    with local(area) as (opened, sender):
        stored = sender.send(data_set())
        assert stored.kind == "stored"
        assert content_of(stored.path) == data_set()
        (file,) = indexed(opened).values()
        assert os.path.join(area.directory, file.path) == stored.path
        assert file.key == ("1.2.3", "1.2.3.4", "1.2.3.1")
        assert file.size == os.path.getsize(stored.path)
        assert file.path.endswith("/1.2.3/1.2.3.1.dcm")


def test_same_object_again_is_a_success_that_rests_on_the_first_file(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        first = sender.send(data_set())
        again = sender.send(data_set())
        assert again.kind == "identical"
        assert again.path == first.path
        assert len(objects_on_disk(area)) == len(indexed(opened)) == 1


@pytest.mark.parametrize("harm", ["gone", "other bytes", "shorter"])
def test_same_object_again_takes_the_place_of_a_file_that_is_not_what_it_was(
    tmp_path: Path, harm: str
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        first = sender.send(data_set())
        if harm == "gone":
            os.unlink(first.path)
        else:
            with open(first.path, "r+b") as file:
                file.seek(-2, os.SEEK_END)
                file.truncate() if harm == "shorter" else file.write(b"xx")
        again = sender.send(data_set())
        assert again.kind in {"replaced", "stored"}
        assert content_of(again.path) == data_set()
        (file_,) = indexed(opened).values()
        assert os.path.join(area.directory, file_.path) == again.path
    assert list(objects_on_disk(area)) == [file_.path]


def test_another_object_with_the_same_uids_takes_the_place_of_the_first(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        first = sender.send(data_set(text="old"))
        reader = os.open(first.path, os.O_RDONLY)
        second = sender.send(data_set(text="new"))
        assert second.kind == "replaced"
        assert [note.text for note in second.notes] == [
            f"another object had its UIDs and is removed: {second.path}"
        ]
        opened.committer.work()
        assert list(objects_on_disk(area)) == list(indexed(opened))
        assert content_of(second.path) == data_set(text="new")
        with os.fdopen(reader, "rb") as file:
            assert file.read().endswith(data_set(text="old")), "who reads the old one keeps it"


def test_same_instance_in_two_series_is_two_objects(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        one = sender.send(data_set(series="1.5"))
        two = sender.send(data_set(series="1.6"))
        assert (one.kind, two.kind) == ("stored", "stored")
        assert one.path != two.path
        assert {file.key[1] for file in indexed(opened).values()} == {"1.5", "1.6"}
        assert len(objects_on_disk(area)) == 2


def test_object_without_a_study_is_kept(tmp_path: Path) -> None:
    with local(area_in(tmp_path / "area")) as (opened, sender):
        stored = sender.send(data_set(study="", series=""))
        (file,) = indexed(opened).values()
        assert file.key == ("", "", "1.2.3.1")
        assert stored.path.endswith("/_/1.2.3.1.dcm")


def test_uids_that_are_paths_stay_within_the_area(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        stored = sender.send(data_set("../../x", study="../../../y"), "../../x")
        assert os.path.realpath(stored.path).startswith(os.path.realpath(area.directory) + "/")
        assert len(indexed(opened)) == len(objects_on_disk(area)) == 1
    assert os.listdir(tmp_path) == ["area"]


def test_object_that_is_another_than_its_request_says_leaves_nothing(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        with pytest.raises(ObjectMismatch) as caught:
            sender.send(data_set(), "1.2.3.2")
        assert caught.value.status == 0xA900
        with pytest.raises(ObjectMismatch):
            sender.send(data_set(), sop_class=CT + ".1")
        assert not indexed(opened)
        assert not objects_on_disk(area)
        assert not os.path.exists(os.path.join(area.private, "quarantine"))


@pytest.mark.parametrize(
    "content", [b"", b"no data set at all", data_set("")], ids=["empty", "no DICOM", "no instance"]
)
def test_object_that_cannot_be_indexed_is_kept_apart_and_answered_with_failure(
    tmp_path: Path, content: bytes
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        with pytest.raises(StorageRefused) as caught:
            sender.send(content)
        assert caught.value.status == 0xC000
        assert area.directory not in caught.value.comment
        assert not indexed(opened)
        assert not objects_on_disk(area)
    (name,) = os.listdir(os.path.join(area.private, "quarantine"))
    assert content_of(os.path.join(area.private, "quarantine", name)) == content


def test_study_over_its_bytes_is_refused_and_keeps_what_it_has(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_bytes_per_study=3000)
    with local(area) as (opened, sender):
        first = sender.send(data_set(pixels=bytes(1000)))
        with pytest.raises(StorageFull) as caught:
            sender.send(data_set("1.2.3.2", pixels=bytes(3000)), "1.2.3.2")
        assert caught.value.status == 0xA700
        assert [os.path.join(area.directory, path) for path in indexed(opened)] == [first.path]
        assert list(objects_on_disk(area)) == list(indexed(opened))
        sender.send(data_set("1.2.3.3", study="1.9", pixels=bytes(1000)), "1.2.3.3")
        sender.send(data_set("1.2.3.2", pixels=bytes(100)), "1.2.3.2")
        assert len(indexed(opened)) == 3


class Failing:
    """A writer that answers nothing, or refuses."""

    def __init__(self, writer: LocalArea, problem: StorageError) -> None:
        self._writer = writer
        self.problem = problem
        self.marked = writer.marked

    def add(self, new: NewInstance, *, again: bool = False) -> AddOutcome:
        self._writer.add(new, again=again)
        raise self.problem

    def remove(
        self, studies: Sequence[str] = (), instances: Sequence[tuple[str, str, str]] = ()
    ) -> int:
        return self._writer.remove(studies, instances)


def test_object_whose_row_is_in_doubt_is_no_success_and_stays(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        writer = sender.ingest._writer
        failing = Failing(writer, StorageError("x", "no answer"))  # type: ignore[arg-type] # it is local
        with pytest.raises(StorageError, match="no answer"):
            Sender(area, failing, opened.store).send(data_set())
        assert list(objects_on_disk(area)) == list(indexed(opened))
        assert len(indexed(opened)) == 1


def test_same_object_from_sixteen_senders_at_once_is_stored_once(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    kinds: list[str] = []
    with local(area) as (opened, sender):
        start = threading.Barrier(16)

        def send() -> None:
            start.wait(20)
            kinds.append(sender.send(data_set()).kind)

        threads = [threading.Thread(target=send) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(kinds) == ["identical"] * 15 + ["stored"]
        assert list(objects_on_disk(area)) == list(indexed(opened))
        assert len(indexed(opened)) == 1


def test_area_that_cannot_be_written_to_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):

        def read_only(*_: object, **__: object) -> None:
            raise OSError(30, os.strerror(30))

        monkeypatch.setattr(os, "mkdir", read_only)
        with pytest.raises(StorageError) as caught:
            sender.send(data_set())
        assert caught.value.status == 0xA700
        assert not indexed(opened)
        assert not objects_on_disk(area)


def test_area_that_was_moved_away_stores_nothing_and_is_found_again(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (opened, sender):
        os.rename(area.directory, tmp_path / "elsewhere")
        with pytest.raises(StorageError):
            sender.send(data_set())
        os.rename(tmp_path / "elsewhere", area.directory)
        assert sender.send(data_set()).kind == "stored"
        assert len(indexed(opened)) == 1
