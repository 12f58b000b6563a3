"""Files with compressed images, for tests of tools that send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from tests.support.pixels import CODECS, data_set, pattern

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_compressed"]


def write_compressed(
    path: Path,
    transfer_syntax: str,
    *,
    sop_instance_uid: str = "2.25.7",
    frames: int = 1,
    rows: int = 24,
    columns: int = 20,
    broken_frame: int | None = None,
) -> Path:
    """Write a file with a gray image of 8 bits, compressed; return its path.

    `broken_frame` is the number, from 0, of one whose bytes are none of its codec.
    """
    array = pattern(rows, columns)
    frame = CODECS[transfer_syntax].encode(array, 8)
    images = [frame] * frames
    if broken_frame is not None:
        images[broken_frame] = frame[: len(frame) // 2] + bytes(len(frame) // 2)
    made = data_set(images, array, SOPInstanceUID=sop_instance_uid)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)
    return path
