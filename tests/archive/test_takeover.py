"""Indexes made anew from files, and folders taken over: what is taken, what is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.checking import check
from isocenter.archive.orders import Remove
from isocenter.archive.recovery import OpenArea
from isocenter.archive.takeover import import_folder, rebuild
from isocenter.errors import ArchiveError, StorageError
from isocenter.testing.datasets import EXPLICIT_LITTLE, DicomObject
from tests.archive.areas import CT, area_in, data_set, indexed, local, objects_on_disk

if TYPE_CHECKING:
    from isocenter.archive.area import Area
    from isocenter.archive.checking import Step


def write(path: Path, instance: str = "1.2.3.1", *, study: str = "1.2.3", text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = data_set(instance, study=study, text=text)
    return DicomObject(
        sop_class_uid=CT,
        sop_instance_uid=instance,
        transfer_syntax=EXPLICIT_LITTLE,
        data_set=content,
    ).write(path)


def keys(area: Area) -> set[str]:
    with OpenArea(area) as opened:
        return {file.key[2] for file in indexed(opened).values()}


# --- rebuild ---


@pytest.mark.parametrize("harm", ["none", "gone", "damaged"])
@pytest.mark.parametrize("durable", [True, False])
def test_index_is_made_anew_from_the_files_alone(
    tmp_path: Path, harm: str, *, durable: bool
) -> None:
    area = area_in(tmp_path / "area", durable=durable)
    with local(area) as (opened, sender):
        for number in range(5):
            sender.send(data_set(f"1.{number}", study=f"2.{number % 2}"), f"1.{number}")
        before = {
            (file.key, file.path, file.size, file.digest) for file in indexed(opened).values()
        }
    if harm == "gone":
        os.unlink(area.index_path)
    elif harm == "damaged":
        Path(area.index_path).write_bytes(b"x" * 10_000)
    steps: list[Step] = []
    done = rebuild(area, progress=steps.append)
    assert (done.files, done.added, done.passed) == (5, 5, [])
    assert [step.files for step in steps] == [1, 2, 3, 4, 5]
    with OpenArea(area) as opened:
        files = indexed(opened).values()
        assert {(file.key, file.path, file.size, file.digest) for file in files} == before
    assert check(area).problems == []
    assert sorted(os.listdir(area.private)) == ["index.sqlite", "lock"]


def test_what_was_removed_stays_removed_when_the_index_is_made_anew(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        sender.send(data_set("1.1", study="2.1"), "1.1")
        sender.send(data_set("1.2", study="2.2"), "1.2")
    opened = OpenArea(area)
    opened.committer.commit([Remove(("2.1",))])
    opened.close()
    assert len(objects_on_disk(area)) == 2
    rebuild(area)
    assert keys(area) == {"1.2"}
    assert check(area).problems == []


def test_younger_of_two_objects_is_the_one_and_nothing_is_removed(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    for number, name in enumerate(["b", "a", "c"]):
        path = write(tmp_path / "area" / name, text=name)
        os.utime(path, (1000 + number, 1000 + number))
    shutil.copy2(tmp_path / "area" / "c", tmp_path / "area" / "d")
    done = rebuild(area)
    assert done.added == 1
    assert sorted(Path(passed.path).name for passed in done.passed) == ["a", "b", "d"]
    with OpenArea(area) as opened:
        assert list(indexed(opened)) == ["c"]
    assert sorted(objects_on_disk(area)) == ["a", "b", "c", "d"]


def test_area_that_somebody_writes_to_is_left_alone(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with OpenArea(area):
        with pytest.raises(ArchiveError, match="in use"):
            rebuild(area)
        with pytest.raises(ArchiveError, match="in use"):
            import_folder(area, str(tmp_path))


def test_rebuild_that_was_interrupted_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        sender.send(data_set())

    def stop(_: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(area, progress=stop)
    assert keys(area) == {"1.2.3.1"}
    assert rebuild(area).added == 1
    assert sorted(os.listdir(area.private)) == ["index.sqlite", "lock"]


# --- import ---


def test_folder_is_copied_and_the_copies_are_the_archives(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    source = tmp_path / "source"
    one = write(source / "one", "1.1")
    write(source / "deep" / "two.dcm", "1.2", study="9.9")
    (source / "notes.txt").write_text("no object")
    whole = write(source / "cut", "1.3").read_bytes()
    (source / "cut").write_bytes(whole[:-1])
    os.symlink(one, source / "link")
    done = import_folder(area, str(source))
    assert (done.files, done.added, done.known) == (4, 2, 0)
    assert sorted(Path(passed.path).name for passed in done.passed) == ["cut", "notes.txt"]
    assert keys(area) == {"1.1", "1.2"}
    assert sorted(objects_on_disk(area).values()) == sorted(
        [one.read_bytes(), (source / "deep" / "two.dcm").read_bytes()]
    )
    assert check(area).problems == []
    again = import_folder(area, str(source))
    assert (again.added, again.known) == (0, 2)
    assert len(objects_on_disk(area)) == 2


def test_import_leaves_what_is_stored_under_the_same_uids(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        sender.send(data_set(text="stored"))
    write(tmp_path / "source" / "other", text="other")
    before = objects_on_disk(area)
    done = import_folder(area, str(tmp_path / "source"))
    assert done.added == 0
    assert "another object with its UIDs is stored" in done.passed[0].reason
    assert objects_on_disk(area) == before


def test_folder_in_the_area_is_taken_over_in_place(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", durable=True)
    write(tmp_path / "area" / "old" / "deep" / "one", "1.1")
    write(tmp_path / "area" / "old" / "two", "1.2")
    write(tmp_path / "area" / "new" / "three", "1.3")
    before = objects_on_disk(area)
    done = import_folder(area, str(tmp_path / "area" / "old"), in_place=True)
    assert done.added == 2
    assert objects_on_disk(area) == before
    with OpenArea(area) as opened:
        assert sorted(indexed(opened)) == ["old/deep/one", "old/two"]
    assert [problem.path for problem in check(area).problems] == ["new/three"]
    assert import_folder(area, area.directory, in_place=True).added == 1
    assert check(area).problems == []
    with local(area) as (opened, sender):
        assert sender.send(data_set("1.1"), "1.1").kind == "identical"
        assert sender.send(data_set("1.2", text="another"), "1.2").kind == "replaced"
    assert sorted(objects_on_disk(area))[1:] == ["new/three", "old/deep/one"]


def test_folder_elsewhere_cannot_be_taken_over_in_place(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    write(tmp_path / "source" / "one")
    with pytest.raises(StorageError, match="cannot stay where they are"):
        import_folder(area, str(tmp_path / "source"), in_place=True)
    with pytest.raises(StorageError, match="no such folder"):
        import_folder(area, str(tmp_path / "nowhere"))


@pytest.mark.slow
@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("in_place", [True, False])
def test_area_of_dcmqrscp_is_taken_over(tmp_path: Path, *, in_place: bool) -> None:
    source = tmp_path / "source"
    for number in range(4):
        write(source / str(number), f"1.{number}", study=f"2.{number % 2}")
    old = tmp_path / "old"
    old.mkdir()
    fill = ["dcmqridx", str(old), *map(str, sorted(source.iterdir()))]
    if shutil.which(fill[0]) is None:
        pytest.skip("needs dcmqridx")
    subprocess.run(fill, check=True, capture_output=True, timeout=60)
    for path in sorted(source.iterdir()):
        shutil.copy(path, old / f"CT_{path.name}.dcm")
    assert (old / "index.dat").read_bytes().startswith(b"QRDB")
    area = area_in(old if in_place else tmp_path / "area")
    done = import_folder(area, str(old), in_place=in_place)
    assert (done.added, done.passed) == (4, [])
    assert keys(area) == {"1.0", "1.1", "1.2", "1.3"}
    assert (old / "index.dat").exists()
    assert check(area).problems == []
