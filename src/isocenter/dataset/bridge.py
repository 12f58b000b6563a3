"""To and from pydicom's data sets, for callers who want objects; never on the hot path.

pydicom is imported inside the functions, so that a send or a receive without it does not pay.
PS3.5 7, PS3.10 7.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, NamedTuple

from isocenter import uids
from isocenter.errors import DataSetError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["FileReference", "decode_dataset", "encode_dataset", "identify", "read_directory"]


class FileReference(NamedTuple):
    """A directory record that refers to a file; "" or () for what it does not say (PS3.3 F.3)."""

    components: tuple[str, ...]
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class _Held(io.BytesIO):
    """A file in memory that cannot be read at one go: pydicom does so to inflate it, unlimited."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes at most.

        Raises:
            ValueError: all of them are asked for.
        """
        if size is None or size < 0:
            raise ValueError("it is deflated, which no DICOMDIR is")
        return super().read(size)


def read_directory(path: str) -> list[FileReference]:
    """Return the records of a DICOMDIR that refer to files, in the order of the file.

    The offsets that make a tree of the records are not followed, so none can lead in a circle.
    It is held in memory: of a file pydicom asks for as many bytes as an element claims to have.

    Raises:
        OSError: it cannot be read.
        DataSetError: pydicom cannot read it, it is cut short, or it is deflated, which none may
            be.

    PS3.3 F.3.2.2, PS3.10 8.6.
    """
    import warnings

    from pydicom.filereader import dcmread

    with open(path, "rb") as file:
        data = file.read()
    _demand_whole(data)
    found = []
    try:
        with warnings.catch_warnings():
            # Many a DICOMDIR is not quite right; what matters of it is checked later.
            warnings.simplefilter("ignore")
            directory = dcmread(_Held(data), specific_tags=["DirectoryRecordSequence"])
            for record in directory["DirectoryRecordSequence"].value or ():
                if _FILE_ID in record:
                    names = _raw_text(record, _FILE_ID)
                    found.append(
                        FileReference(
                            tuple(name.strip(" ") for name in names.split("\\")) if names else (),
                            *(_raw_text(record, tag) for tag in _UIDS_IN_FILE),
                        )
                    )
    except MemoryError:
        raise
    except KeyError:
        raise DataSetError("it has no Directory Record Sequence") from None
    except Exception as problem:  # its own errors have no common base
        raise DataSetError(f"cannot be read: {_reason(problem)}") from problem
    return found


def _demand_whole(data: bytes) -> None:
    """Refuse a file that is cut short: pydicom takes what is there, and files would be missing.

    Raises:
        DataSetError: an element ends behind the end of the file.
    """
    from isocenter.dataset.headers import HEADERS, CutShort, Unreadable, Window, pass_all
    from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta

    meta = read_file_meta(data)
    start = meta.data_set_offset
    named = meta.transfer_syntax_uid
    syntax = uids.TRANSFER_SYNTAXES.get(named) or uids.TRANSFER_SYNTAXES.get(
        guess_transfer_syntax(data, start)
    )
    if syntax is None or syntax.is_deflated:
        return
    headers = HEADERS[syntax.is_explicit, syntax.is_little]
    try:
        pass_all(Window(data, len(data), -1), start, headers, _DEPTH)
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable:
        return  # padding, for instance; what pydicom makes of it is checked later


_DEPTH = 64
"""Sequences within sequences, inclusive; a DICOMDIR has one or two."""

_FILE_ID = 0x00041500
_UIDS_IN_FILE = (0x00041510, 0x00041511, 0x00041512)  # class, instance, transfer syntax


def _raw_text(record: Dataset, tag: int) -> str:
    """Return the text of an element as it is in the file, without padding; "" where there is none.

    File IDs are names of files, whatever PS3.5 allows in them, and pydicom warns of many.
    """
    if tag not in record:
        return ""
    value = record.get_item(tag).value
    text = os.fsdecode(value) if isinstance(value, bytes) else str(value or "")
    return text.rstrip(" \0")


def identify(dataset: Dataset) -> tuple[str, str, str | None]:
    """Return SOP class UID, SOP instance UID, and the transfer syntax UID if it is compressed.

    An uncompressed data set can be encoded in any uncompressed syntax, so its own is not named.

    Raises:
        DataSetError: a UID is missing, or cannot be read.
    """
    from pydicom.dataset import FileMetaDataset

    try:
        # Elements become values when they are asked for.
        sop_class = dataset.get("SOPClassUID")
        sop_instance = dataset.get("SOPInstanceUID")
    except Exception as problem:  # its own errors have no common base
        raise DataSetError(f"data set has a UID that is none: {_reason(problem)}") from problem
    if not sop_class or not sop_instance:
        missing = "SOPClassUID" if not sop_class else "SOPInstanceUID"
        raise DataSetError(f"data set has no {missing}")
    meta = getattr(dataset, "file_meta", None)
    own = str(meta.get("TransferSyntaxUID", "")) if isinstance(meta, FileMetaDataset) else ""
    syntax = uids.TRANSFER_SYNTAXES.get(own)
    compressed = own if syntax is not None and syntax.is_encapsulated else None
    return str(sop_class), str(sop_instance), compressed


def encode_dataset(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """Return the data set's bytes in a transfer syntax, without File Meta Information.

    Raises:
        DataSetError: pydicom cannot encode it so.
    """
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    syntax = uids.TRANSFER_SYNTAXES[transfer_syntax_uid]
    stream = DicomBytesIO()
    stream.is_implicit_VR = not syntax.is_explicit
    stream.is_little_endian = syntax.is_little
    try:
        write_dataset(stream, dataset)
    except MemoryError:
        raise
    except Exception as problem:  # its own errors have no common base
        raise DataSetError(f"data set cannot be encoded: {_reason(problem)}") from problem
    encoded = stream.getvalue()
    if syntax.is_deflated:
        import zlib

        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        encoded = deflater.compress(encoded) + deflater.flush()
    return encoded + b"\0" * (len(encoded) & 1)


def decode_dataset(data: bytes, transfer_syntax_uid: str) -> Dataset:
    """Return a pydicom data set from the bytes of one, its transfer syntax noted in `file_meta`.

    Raises:
        DataSetError: pydicom cannot read it, or it grows too much when inflated.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import dcmread
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import UID

    read_as = transfer_syntax_uid
    if transfer_syntax_uid == uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        # pydicom inflates whatever a few bytes become.
        data, read_as = _inflated(data), uids.EXPLICIT_VR_LITTLE_ENDIAN
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(read_as)
    stream = DicomBytesIO()
    stream.write(bytes(128) + b"DICM")
    write_file_meta_info(stream, meta, enforce_standard=False)
    stream.write(data)
    stream.seek(0)
    try:
        dataset = dcmread(stream)
    except MemoryError:
        raise
    except Exception as problem:  # its own errors have no common base
        # A server logs this: pydicom's own words, which may hold values, stay with the cause.
        words = f"pydicom raised {type(problem).__name__}"
        raise DataSetError(f"data set cannot be read: {words}") from problem
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    return dataset


def _inflated(data: bytes) -> bytes:
    """Return what a deflated data set holds.

    Raises:
        DataSetError: it is no whole deflate stream, or grows too much.
    """
    from isocenter.dataset.convert import Inflater
    from isocenter.dataset.headers import CutShort, Unreadable

    inflater = Inflater()
    try:
        whole = b"".join(inflater.feed(data))
        inflater.finish()
    except CutShort as cut:
        raise DataSetError("the deflate stream is cut short", offset=cut.offset) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None
    return whole


def _reason(problem: Exception) -> str:
    """Return what is wrong in one line: with some problems comes a whole traceback."""
    return str(problem).partition("\n")[0] or type(problem).__name__
