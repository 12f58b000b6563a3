"""Objects as files of an area: names, folders, what goes and what nobody may lead astray."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.store.filesystem import FileStore, folders_of
from isocenter.errors import StorageError, StorageFull
from isocenter.storage.leftovers import is_temporary
from isocenter.testing import ForgetfulFileSystem
from tests.archive.areas import area_in, objects_on_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.archive.area import Area


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def area(tmp_path: Path, request: pytest.FixtureRequest) -> Area:
    return area_in(tmp_path / "area", durable=bool(request.param))


@pytest.fixture
def store(area: Area) -> Iterator[FileStore]:
    made = FileStore(area)
    yield made
    made.close()


def put(store: FileStore, study: str, instance: str, content: bytes = b"x") -> str:
    file = store.begin()
    file.write([content])
    return store.publish(file, study, instance)


def test_object_lies_in_the_folder_of_its_study_under_its_name(
    store: FileStore, area: Area
) -> None:
    path = put(store, "1.2.3", "4.5.6", b"content")
    bucket, study, name = path.split("/")
    assert (len(bucket), study, name) == (2, "1.2.3", "4.5.6.dcm")
    assert path.startswith(store.folder_of("1.2.3") + "/")
    assert objects_on_disk(area) == {path: b"content"}
    assert store.size(path) == 7


def test_name_that_is_taken_is_never_overwritten(store: FileStore, area: Area) -> None:
    paths = [put(store, "1", "2", content) for content in (b"a", b"b", b"c")]
    assert [path.rpartition("/")[2] for path in paths] == ["2.dcm", "2-1.dcm", "2-2.dcm"]
    assert [objects_on_disk(area)[path] for path in paths] == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "/", "../../x", "a\0b", "\udcff", "x" * 5000, ".isocenter", "ü" * 300]
)
def test_uid_is_one_component_whatever_it_is(store: FileStore, area: Area, uid: str) -> None:
    path = put(store, uid, uid)
    assert len(path.split("/")) == 3
    assert not {"", ".", ".."} & set(path.split("/"))
    assert all(len(os.fsencode(part)) <= 255 for part in path.split("/"))
    assert list(objects_on_disk(area)) == [path]
    assert list(store.walk()) == [path]
    assert store.remove([path]) == [path]
    assert objects_on_disk(area) == {}


def test_long_uids_that_differ_at_the_end_have_different_folders(store: FileStore) -> None:
    assert store.folder_of("1" * 300 + "1") != store.folder_of("1" * 300 + "2")


def test_who_has_a_file_open_keeps_it_when_it_is_removed(store: FileStore) -> None:
    path = put(store, "1", "2", b"content")
    fd = store.open(path)
    assert store.remove([path]) == [path]
    assert os.pread(fd, 100, 0) == b"content"
    os.close(fd)
    with pytest.raises(FileNotFoundError):
        store.open(path)
    assert store.size(path) is None


def test_folder_goes_with_its_last_file_and_comes_again(store: FileStore, area: Area) -> None:
    one, two = put(store, "1", "2"), put(store, "1", "3")
    folder = Path(area.directory, store.folder_of("1"))
    store.remove([one])
    assert folder.is_dir()
    store.remove([two])
    assert not folder.exists()
    assert put(store, "1", "2") == one


def test_what_is_not_there_is_gone_and_what_cannot_go_is_not(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = put(store, "1", "2"), put(store, "1", "3")
    unlink = os.unlink

    def refuse(name: str, **named: object) -> None:
        if name == "3.dcm":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(name, **named)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(os, "unlink", refuse)
    missing = f"{store.folder_of('9')}/1.dcm"
    assert sorted(store.remove([one, two, missing])) == sorted([one, missing])


def test_folders_that_come_and_go_while_others_publish_lose_nothing(
    store: FileStore, area: Area
) -> None:
    paths: list[str] = []
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            store.remove([put(store, "1", "gone")])

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        paths += [put(store, "1", str(number)) for number in range(50)]
    finally:
        ended.set()
        thread.join(30)
    assert objects_on_disk(area).keys() == set(paths)


def test_link_in_the_place_of_a_folder_is_not_followed(
    store: FileStore, area: Area, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = Path(area.directory, store.folder_of("1"))
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        put(store, "1", "2")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not [name for name in os.listdir(area.directory) if is_temporary(name)]


def test_listing_and_walk_have_objects_alone(store: FileStore, area: Area) -> None:
    paths = sorted([put(store, "1", "2"), put(store, "1", "3"), put(store, "7", "1")])
    file = store.begin()
    file.write([b"x"])
    store.quarantine(file, "9.9")
    os.symlink("nowhere", Path(area.directory, "link"))
    Path(area.directory, ".isocenter-1-1.part").write_bytes(b"")
    Path(area.directory, "stranger").write_bytes(b"")
    assert sorted(store.walk()) == sorted([*paths, "stranger"])
    assert store.listing(store.folder_of("1")) == [p for p in paths if "/1/" in p]
    assert store.listing("00/none") == []


def test_what_is_set_aside_keeps_its_bytes_under_a_free_name(store: FileStore, area: Area) -> None:
    aside = [store.set_aside(put(store, "1", "2", content)) for content in (b"a", b"b")]
    assert [Path(area.directory, path).read_bytes() for path in aside] == [b"a", b"b"]
    assert objects_on_disk(area) == {}
    assert all(path.startswith(".isocenter/quarantine/2") for path in aside)


def test_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        list(folders_of(str(tmp_path / "nowhere")))


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EROFS, StorageError)]
)
def test_area_without_room_or_right_says_so_and_keeps_nothing(
    store: FileStore,
    area: Area,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[StorageError],
) -> None:
    file = store.begin()
    file.write([b"x"])

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(kind) as caught:
        store.publish(file, "1", "2")
    assert caught.value.status == 0xA700
    assert os.listdir(area.directory) == []


def test_room_that_is_to_stay_free_stays(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", minimum_free=1 << 60)
    with pytest.raises(StorageFull):
        FileStore(area).begin()


def test_syncs_of_an_object_and_of_its_study(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", durable=True)
    with ForgetfulFileSystem(tmp_path / "area") as disk:
        store = FileStore(area)

        def syncs() -> int:
            return sum(made.kind == "synced" for made in disk.operations)

        start = syncs()
        put(store, "1", "2")
        first = syncs() - start
        put(store, "1", "3")
        assert syncs() - start - first == 2, "the file and its folder"
        assert first == 4, "for a new study those, and the two folders above"
        store.close()
    plain = area_in(tmp_path / "plain")
    with ForgetfulFileSystem(tmp_path / "plain") as disk:
        store = FileStore(plain)
        store.remove([put(store, "1", "2")])
        assert not [made for made in disk.operations if made.kind == "synced"]
        store.close()
