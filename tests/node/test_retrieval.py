"""Files that a retrieve sends, as they are kept and converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.data import get_testdata_file

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset
from isocenter.errors import DataSetError
from isocenter.node.retrieval import FileSender
from isocenter.wire import FileRegion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from isocenter.node.retrieval import FileInstance
    from isocenter.wire import Segment

MR_JPEG_LS = "MR_small_jpeg_ls_lossless.dcm"


def stored(sender: FileSender, path: str) -> FileInstance:
    """Return the object of a file as an index would have it."""
    found = pydicom.dcmread(path, stop_before_pixels=True)
    return sender.instance(
        path, found.SOPClassUID, found.SOPInstanceUID, found.file_meta.TransferSyntaxUID
    )


@pytest.fixture
def sender() -> Iterator[FileSender]:
    """Return what makes instances of one plan."""
    made = FileSender()
    yield made
    made.close()


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


def test_object_goes_out_as_it_is_kept(sender: FileSender) -> None:
    path = str(get_testdata_file(MR_JPEG_LS))
    source = stored(sender, path).open()
    try:
        assert joined(source.data(uids.JPEG_LS_LOSSLESS), path) == data_set_of(path)
    finally:
        source.close()


def test_uncompressed_object_is_rewritten(sender: FileSender) -> None:
    path = str(get_testdata_file("CT_small.dcm"))
    kept = stored(sender, path)
    assert tuple(kept.alternatives()) == (
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
        uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
    )
    source = kept.open()
    try:
        data = joined(source.data(uids.IMPLICIT_VR_LITTLE_ENDIAN), path)
    finally:
        source.close()
    found = decode_dataset(data, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    assert found.PixelData == pydicom.dcmread(path).PixelData


def test_compressed_object_is_decoded(sender: FileSender) -> None:
    path = str(get_testdata_file(MR_JPEG_LS))
    kept = stored(sender, path)
    assert tuple(kept.alternatives()) == (
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
        uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
    )
    source = kept.open()
    try:
        data = joined(source.data(uids.IMPLICIT_VR_LITTLE_ENDIAN), path)
    finally:
        source.close()
    found = decode_dataset(data, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    plain = pydicom.dcmread(str(get_testdata_file("MR_small.dcm")))
    assert found.PixelData == plain.PixelData


def test_what_nobody_decodes_has_no_alternatives(sender: FileSender) -> None:
    assert sender.instance("x", "1.2", "1.2.3", uids.MPEG4_HP41).alternatives() == ()


def test_file_that_holds_another_object_is_refused(sender: FileSender) -> None:
    path = str(get_testdata_file("CT_small.dcm"))
    kept = stored(sender, path)
    other = sender.instance(path, kept.sop_class_uid, "1.2.3", kept.transfer_syntax_uid)
    with pytest.raises(DataSetError, match="another object is in its file"):
        other.open()


def test_file_that_is_gone_is_an_error(sender: FileSender, tmp_path: Path) -> None:
    gone = sender.instance(str(tmp_path / "gone.dcm"), "1.2", "1.2.3", "1.2.840.10008.1.2")
    with pytest.raises(FileNotFoundError):
        gone.open()


def test_data_set_without_meta_header_is_sent_all_the_same(
    sender: FileSender, tmp_path: Path
) -> None:
    whole = str(get_testdata_file("CT_small.dcm"))
    kept = stored(sender, whole)
    bare = tmp_path / "bare"
    bare.write_bytes(data_set_of(whole))
    source = sender.instance(
        str(bare), kept.sop_class_uid, kept.sop_instance_uid, kept.transfer_syntax_uid
    ).open()
    try:
        assert joined(source.data(kept.transfer_syntax_uid), str(bare)) == data_set_of(whole)
    finally:
        source.close()
