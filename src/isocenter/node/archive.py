"""An archive node put together: areas, their writer, and what serves each title.

Composition only. Owns which folder stands behind which title, and in what order its parts are
opened and closed. Must not know a command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

from isocenter.archive.area import Area
from isocenter.archive.catalogue import Catalogue
from isocenter.archive.keeper import WriterKeeper
from isocenter.archive.local import LocalArea
from isocenter.archive.recovery import OpenArea
from isocenter.errors import ArchiveError, ConfigurationError
from isocenter.logs import get_logger
from isocenter.node.archive_storage import WritableArea
from isocenter.node.qrscp import NodeAreas, ReadableArea
from isocenter.storage.naming import sanitise_component

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.archive.client import AreaWriter, WriterClient
    from isocenter.node.config import Entity, NodeConfig
    from isocenter.storage.options import StorageOptions

__all__ = ["ArchiveNode", "ByTitle"]

_T = TypeVar("_T")

_LOGGER = get_logger(__name__)

_LONGEST_TITLE = 100  # bytes of a file's name


class ByTitle(Mapping[str, _T]):
    """What titles stand for: by title, and for all that have nothing of their own."""

    __slots__ = ("_by_title",)

    def __init__(self) -> None:
        """Start empty."""
        self._by_title: dict[str | None, _T] = {}

    def add(self, title: str | None, value: _T) -> None:
        """Let a title stand for something; None for all that have nothing of their own."""
        self._by_title[title] = value

    def entries(self) -> list[tuple[str | None, _T]]:
        """Return what was added."""
        return list(self._by_title.items())

    def __getitem__(self, title: str) -> _T:
        """Return what a title stands for.

        Raises:
            KeyError: nothing.
        """
        found = self._by_title.get(title)
        return self._by_title[None] if found is None else found

    def __iter__(self) -> Iterator[str]:
        """Yield the titles that have something of their own."""
        return (title for title in self._by_title if title is not None)

    def __len__(self) -> int:
        """Return how many there are of these."""
        return len(list(iter(self)))


class ArchiveNode:
    """The areas of a node.

    Args:
        config: its entities; their folders exist.
        options: how objects are received.
        durable: a success survives a power cut.
        minimum_free: bytes of the file system that are to stay free.
        alone: the index is written by this process, which serves alone; else by one of its own.

    Made in the process that is to be the parent of all others; `open` before anything is stored.

    Raises:
        ConfigurationError: a storage area is no folder; nothing was opened.

    Attributes:
        keeper: of the writer, None where this process writes.
        readable: the areas that may be read, by title.
        writable: the areas that objects may be sent to, by title; empty until `open`.
    """

    def __init__(
        self,
        config: NodeConfig,
        options: StorageOptions,
        *,
        durable: bool = True,
        minimum_free: int = 0,
        alone: bool = False,
    ) -> None:
        """Find the areas."""
        self._client: WriterClient | None = None
        self._own: list[tuple[LocalArea, OpenArea]] = []
        self._options = options
        self._open: tuple[WritableArea, ...] = ()
        entities = list(config.entities)
        if config.fallback is not None:
            entities.append(config.fallback)
        folders = {entity: _folder_of(entity) for entity in entities}
        areas: dict[str, Area] = {}
        for entity, folder in folders.items():
            if entity.writable:
                area = _area(folder, entity, durable=durable, minimum_free=minimum_free)
                if areas.setdefault(folder, area) != area:
                    _LOGGER.warning(
                        "%s has another quota for %s than a title before it, which counts",
                        entity.ae_title,
                        entity.storage_area,
                    )
        self._areas = areas
        self.keeper = None if alone else WriterKeeper(tuple(areas.values()))
        read: dict[str, ReadableArea] = {}
        by_title: ByTitle[ReadableArea] = ByTitle()
        self._folders: ByTitle[str] = ByTitle()
        seen: set[str | None] = set()
        for entity, folder in folders.items():
            title = None if entity is config.fallback else entity.ae_title
            if title in seen:  # as in DCMTK, the first entry has a title's properties
                continue
            seen.add(title)
            if entity.readable:
                area = areas.get(folder) or Area(directory=folder)
                by_title.add(title, read.setdefault(folder, _readable(area)))
            if entity.writable:
                self._folders.add(title, folder)
        self.readable = NodeAreas(by_title)
        self._read = tuple(read.values())
        self.writable: ByTitle[WritableArea] = ByTitle()

    def open(self) -> None:
        """Open what objects are written to; call it as the user that is to own them.

        Raises:
            StorageError, ArchiveError: a folder cannot be written to, an index not be used.
        """
        if self.keeper is not None:
            self._client = self.keeper.client()
        opened: dict[str, WritableArea] = {}
        for folder, area in self._areas.items():
            opened[folder] = WritableArea(area, self._writer_of(area), self._options)
        self._open = tuple(opened.values())
        for title, folder in self._folders.entries():
            self.writable.add(title, opened[folder])

    def _writer_of(self, area: Area) -> AreaWriter:
        """Return who writes the index of an area.

        Raises:
            ArchiveError: nobody can.
        """
        if self._client is not None:
            return self._client.area(area.directory)
        opened = OpenArea(area)
        writer = LocalArea(opened)
        self._own.append((writer, opened))
        return writer

    def look(self) -> None:
        """Warn of areas that are only read and have no index that can be."""
        for area in self._read:
            if area.directory not in self._areas:
                try:
                    area.catalogue()
                except ArchiveError as problem:
                    _LOGGER.warning("%s", problem)
                finally:
                    area.close()

    def turn(self, title: str) -> str:
        """Return the path of the file whose lock is the turn to store with a title.

        Raises:
            OSError: nothing may be stored with it.
        """
        folder = self._folders.get(title)
        if folder is None:
            raise PermissionError(f"nothing may be stored under the title {title}")
        name = sanitise_component(title, maximum_length=_LONGEST_TITLE)
        return os.path.join(self._areas[folder].private, f"turn-{name}")

    def close(self) -> None:
        """Stop the writer, and close what is open."""
        if self._client is not None:
            self._client.close()
        if self.keeper is not None:
            self.keeper.close()
        for writer, opened in self._own:
            writer.close()
            opened.close()
        self._own.clear()
        for read in self._read:
            read.close()
        for written in self._open:
            written.close()


def _folder_of(entity: Entity) -> str:
    """Return the real path of an entity's folder.

    Raises:
        ConfigurationError: it is none.
    """
    path = entity.storage_area
    if not os.path.isdir(path):
        reason = "is not a folder" if os.path.lexists(path) else "does not exist"
        raise ConfigurationError(f"storage area {path} of {entity.ae_title} {reason}")
    return os.path.realpath(path)


def _area(folder: str, entity: Entity, *, durable: bool, minimum_free: int) -> Area:
    quota = entity.quota
    return Area(
        directory=folder,
        durable=durable,
        minimum_free=minimum_free,
        maximum_studies=0 if quota is None else quota.maximum_studies,
        maximum_bytes_per_study=0 if quota is None else quota.maximum_study_bytes,
    )


def _readable(area: Area) -> ReadableArea:
    return ReadableArea(area.directory, lambda: Catalogue(area.index_url))
