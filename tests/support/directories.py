"""DICOMDIRs for tests: with the records that a test wants, good or bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_dicomdir"]


def write_dicomdir(
    path: Path,
    *records: tuple[str, str],
    sop_class: str = "1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax: str = "1.2.840.10008.1.2.1",
) -> Path:
    r"""Write a DICOMDIR with a record for each File ID (components joined by ``\``) and UID."""
    items = []
    for file_id, uid in records:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        names = file_id.split("\\")
        record.add(DataElement(0x00041500, "CS", names, validation_mode=config.IGNORE))
        record.ReferencedSOPClassUIDInFile = sop_class
        record.ReferencedSOPInstanceUIDInFile = uid
        record.ReferencedTransferSyntaxUIDInFile = transfer_syntax
        items.append(record)
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.1.3.10")
    directory.file_meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    directory.DirectoryRecordSequence = items
    directory.save_as(path, enforce_file_format=True)
    return path
