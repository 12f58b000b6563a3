"""Areas for tests: objects of studies of one's choice, and what is stored afterwards."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from isocenter import uids
from isocenter.archive.area import Area
from isocenter.archive.ingest import Ingest
from isocenter.archive.local import LocalArea
from isocenter.archive.recovery import OpenArea
from isocenter.archive.store.filesystem import FileStore
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.testing import encode_data_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.archive.client import AreaWriter
    from isocenter.archive.index import IndexedFile
    from isocenter.archive.ingest import Ingested
    from isocenter.archive.store.filesystem import FileStore as Store

__all__ = ["CT", "Sender", "area_in", "data_set", "indexed", "local", "objects_on_disk"]

CT = "1.2.840.10008.5.1.4.1.1.2"


def data_set(
    instance: str = "1.2.3.1",
    *,
    study: str = "1.2.3",
    series: str = "1.2.3.4",
    text: str = "",
    pixels: bytes = b"",
) -> bytes:
    """Return a small object, in explicit VR little endian."""
    return encode_data_set(
        [
            (0x00080016, "UI", CT),
            (0x00080018, "UI", instance),
            (0x00080020, "DA", "20260102"),
            (0x00080060, "CS", "CT"),
            (0x00100010, "PN", "Doe^Jane"),
            (0x00100020, "LO", "ID-1"),
            (0x0020000D, "UI", study),
            (0x0020000E, "UI", series),
            (0x00204000, "LT", text),
            (0x7FE00010, "OW", pixels or b"\1\2"),
        ]
    )


def area_in(folder: Path, **options: object) -> Area:
    """Return an area in a folder that is made; not durable unless that is asked for."""
    folder.mkdir(exist_ok=True)
    return Area(**{"directory": str(folder), "durable": False, **options})  # type: ignore[arg-type] # of Area


class Sender:
    """Sends objects to an area, as an association would."""

    def __init__(
        self,
        area: Area,
        writer: AreaWriter,
        store: Store | None = None,
        options: StorageOptions | None = None,
    ) -> None:
        self.area = area
        self.ingest = Ingest(area, store or FileStore(area), writer, options or StorageOptions())

    def send(self, content: bytes, instance: str = "1.2.3.1", *, sop_class: str = CT) -> Ingested:
        """Send an object, in one piece."""
        received = self.ingest.begin(
            origin=Origin(1, "SENDER"),
            sop_class_uid=sop_class,
            sop_instance_uid=instance,
            transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
        )
        received.write([content])
        return self.ingest.finish(
            received, source="SENDER", sop_class_uid=sop_class, sop_instance_uid=instance
        )


@contextlib.contextmanager
def local(area: Area) -> Iterator[tuple[OpenArea, Sender]]:
    """Open an area in this process, with somebody who sends to it."""
    with OpenArea(area) as opened:
        writer = LocalArea(opened)
        try:
            yield opened, Sender(area, writer, opened.store)
        finally:
            writer.close()


def indexed(opened: OpenArea) -> dict[str, IndexedFile]:
    """Return what the index knows, by path."""
    with opened.index.reading() as connection:
        return {file.path: file for file in opened.index.files(connection)}


def objects_on_disk(area: Area) -> dict[str, bytes]:
    """Return content by path, of every file that is not private."""
    found = {}
    for folder, folders, names in os.walk(area.directory):
        if folder == area.directory and ".isocenter" in folders:
            folders.remove(".isocenter")
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(area.directory).as_posix()] = path.read_bytes()
    return found
