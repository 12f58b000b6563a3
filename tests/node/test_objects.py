"""Files that a retrieve sends, as they are kept and converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.data import get_testdata_file

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset
from isocenter.errors import DataSetError
from isocenter.node.objects import StoredObject
from isocenter.sender.decoding import Decoders
from isocenter.wire import FileRegion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from isocenter.wire import Segment

MR_JPEG_LS = "MR_small_jpeg_ls_lossless.dcm"


def stored(path: str, decoders: Decoders | None = None) -> StoredObject:
    """Return the object of a file as an index would have it."""
    found = pydicom.dcmread(path, stop_before_pixels=True)
    return StoredObject(
        path,
        found.SOPClassUID,
        found.SOPInstanceUID,
        found.file_meta.TransferSyntaxUID,
        None if decoders is None else lambda: decoders,
    )


def joined(segments: Iterable[Segment], path: str) -> bytes:
    """Return all bytes of some segments of a file."""
    with open(path, "rb") as file:
        whole = file.read()
    return b"".join(
        whole[segment.offset : segment.offset + segment.length]
        if isinstance(segment, FileRegion)
        else bytes(segment)
        for segment in segments
    )


def data_set_of(path: str) -> bytes:
    """Return the encoded data set of a file."""
    with open(path, "rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        pydicom.filereader._read_file_meta_info(file)
        return file.read()


def test_object_goes_out_as_it_is_kept() -> None:
    path = str(get_testdata_file(MR_JPEG_LS))
    source = stored(path).open()
    try:
        assert joined(source.data(uids.JPEG_LS_LOSSLESS), path) == data_set_of(path)
    finally:
        source.close()


def test_uncompressed_object_is_rewritten() -> None:
    path = str(get_testdata_file("CT_small.dcm"))
    kept = stored(path)
    assert kept.alternatives() == (uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_BIG_ENDIAN)
    source = kept.open()
    try:
        data = joined(source.data(uids.IMPLICIT_VR_LITTLE_ENDIAN), path)
    finally:
        source.close()
    found = decode_dataset(data, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    assert found.PixelData == pydicom.dcmread(path).PixelData


def test_compressed_object_is_decoded_where_that_is_possible() -> None:
    path = str(get_testdata_file(MR_JPEG_LS))
    assert stored(path).alternatives() == ()
    decoders = Decoders()
    try:
        kept = stored(path, decoders)
        assert kept.alternatives() == (
            uids.EXPLICIT_VR_LITTLE_ENDIAN,
            uids.IMPLICIT_VR_LITTLE_ENDIAN,
        )
        source = kept.open()
        try:
            data = joined(source.data(uids.IMPLICIT_VR_LITTLE_ENDIAN), path)
        finally:
            source.close()
    finally:
        decoders.close()
    found = decode_dataset(data, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    assert found.PixelData == pydicom.dcmread(str(get_testdata_file("MR_small.dcm"))).PixelData


def test_what_nobody_decodes_has_no_alternatives() -> None:
    path = str(get_testdata_file("CT_small.dcm"))
    video = StoredObject(path, "1.2", "1.2.3", uids.MPEG4_HP41, Decoders)
    assert video.alternatives() == ()


def test_file_that_holds_another_object_is_refused() -> None:
    path = str(get_testdata_file("CT_small.dcm"))
    kept = stored(path)
    other = StoredObject(path, kept.sop_class_uid, "1.2.3", kept.transfer_syntax_uid)
    with pytest.raises(DataSetError, match="another object than the index says"):
        other.open()


def test_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    gone = StoredObject(str(tmp_path / "gone.dcm"), "1.2", "1.2.3", "1.2.840.10008.1.2")
    with pytest.raises(FileNotFoundError):
        gone.open()
