"""C-STORE into archives: which area, what is answered, what is stored then."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.archive.keeper import WriterKeeper
from isocenter.archive.recovery import OpenArea
from isocenter.dataset.profile import RewriteOptions
from isocenter.node.archive_storage import ArchiveStorage, WritableArea
from isocenter.storage.options import StorageOptions
from isocenter.testing.datasets import EXPLICIT_LITTLE, DicomObject
from tests.archive.areas import CT, area_in, data_set, indexed, objects_on_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.archive.area import Area
    from isocenter.archive.ingest import Ingested
    from isocenter.services.providers import StoreRequest

pytestmark = pytest.mark.slow


def file_of(folder: Path, instance: str, **values: str) -> Path:
    made = DicomObject(
        sop_class_uid=CT,
        sop_instance_uid=instance,
        transfer_syntax=EXPLICIT_LITTLE,
        data_set=data_set(instance, **values),  # type: ignore[arg-type] # UIDs and text alone
    )
    return made.write(folder / f"{instance}.file")


class Node:
    """A server whose titles lead to areas."""

    def __init__(self, areas: dict[str, Area], options: StorageOptions, *, ignore: bool) -> None:
        self._stack = contextlib.ExitStack()
        keeper = self._stack.enter_context(WriterKeeper(list(areas.values())))
        client = keeper.client()
        self._stack.callback(client.close)
        writable = {
            title: WritableArea(area, client.area(area.directory), options)
            for title, area in areas.items()
            if title != "READONLY"
        }
        for area in writable.values():
            self._stack.callback(area.close)
        self.stored: list[Ingested] = []
        storage = ArchiveStorage(writable, ignore=ignore, stored=self._note)
        server = isocenter.serve(storage_provider=storage)
        self.port = self._stack.enter_context(server).port

    def _note(self, _: StoreRequest, ingested: Ingested) -> None:
        self.stored.append(ingested)

    def close(self) -> None:
        self._stack.close()


@contextlib.contextmanager
def serving(
    areas: dict[str, Area], options: StorageOptions | None = None, *, ignore: bool = False
) -> Iterator[Node]:
    node = Node(areas, options or StorageOptions(), ignore=ignore)
    try:
        yield node
    finally:
        node.close()


def send(node: Node, title: str, *paths: Path) -> list[int]:
    with isocenter.connect(
        "127.0.0.1",
        node.port,
        called_ae_title=title,
        calling_ae_title="SENDER",
        contexts=isocenter.contexts_for(*map(str, paths)),
    ) as peer:
        return [peer.store(path).status for path in paths]


@pytest.mark.parametrize("rewrite", [None, RewriteOptions()], ids=["as it came", "rewritten"])
def test_object_goes_to_the_area_of_the_title_that_was_called(
    tmp_path: Path, rewrite: RewriteOptions | None
) -> None:
    one, two = area_in(tmp_path / "one"), area_in(tmp_path / "two", durable=True)
    with serving({"ONE": one, "TWO": two}, StorageOptions(rewrite=rewrite)) as node:
        assert send(node, "ONE", file_of(tmp_path, "1.1")) == [0]
        assert send(node, "TWO", file_of(tmp_path, "1.2"), file_of(tmp_path, "1.2")) == [0, 0]
        assert [ingested.kind for ingested in node.stored] == ["stored", "stored", "identical"]
    for area, instance in ((one, "1.1"), (two, "1.2")):
        with OpenArea(area) as opened:
            (file,) = indexed(opened).values()
        assert file.key[2] == instance
        (content,) = objects_on_disk(area).values()
        assert content.endswith(data_set(instance))


def test_title_under_which_nothing_may_be_stored_is_answered_so(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with serving({"READONLY": area}) as node:
        assert send(node, "READONLY", file_of(tmp_path, "1.1")) == [0x0124]
    assert objects_on_disk(area) == {}


def test_what_is_ignored_is_a_success_and_not_stored(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with serving({"ONE": area}, ignore=True) as node:
        assert send(node, "ONE", file_of(tmp_path, "1.1")) == [0]
        assert node.stored == []
    assert objects_on_disk(area) == {}


def test_object_beyond_the_quota_is_answered_out_of_resources(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_bytes_per_study=1000)
    with serving({"ONE": area}) as node:
        paths = file_of(tmp_path, "1.1"), file_of(tmp_path, "1.2", text="x" * 2000)
        assert send(node, "ONE", *paths) == [0, 0xA700]
    assert len(objects_on_disk(area)) == 1


class Watcher:
    """Told of what arrives."""

    def __init__(self) -> None:
        self.pieces = 0
        self.completed = 0

    def piece(self, count: int) -> None:
        self.pieces += count

    def complete(self) -> None:
        self.completed += 1


@pytest.mark.parametrize("ignore", [True, False])
def test_reception_is_told_of_each_fragment_and_of_the_end(tmp_path: Path, *, ignore: bool) -> None:
    area = area_in(tmp_path / "area")
    watcher = Watcher()
    with contextlib.ExitStack() as stack:
        keeper = stack.enter_context(WriterKeeper([area]))
        client = keeper.client()
        stack.callback(client.close)
        writable = WritableArea(area, client.area(area.directory), StorageOptions())
        stack.callback(writable.close)
        storage = ArchiveStorage({"ONE": writable}, ignore=ignore, reception=lambda: watcher)
        server = stack.enter_context(isocenter.serve(storage_provider=storage))
        path = file_of(tmp_path, "1.1")
        with isocenter.connect(
            "127.0.0.1",
            server.port,
            called_ae_title="ONE",
            contexts=isocenter.contexts_for(str(path)),
        ) as peer:
            assert peer.store(path).status == 0
            assert peer.store(path).status == 0
    assert watcher.completed == 2
    assert watcher.pieces >= 2
    assert len(objects_on_disk(area)) == (0 if ignore else 1)
