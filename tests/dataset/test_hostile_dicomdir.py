"""DICOMDIRs that ask for more memory than they are long, or are not whole."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from isocenter.dataset.bridge import read_directory
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY = "1.2.840.10008.1.3.10"
RECORDS = encode_data_set([(0x00041220, "SQ", [[(0x00041500, "CS", "IM1")]])])
MIB = 1024 * 1024


def most_memory(path: Path) -> tuple[str, int]:
    """Read a DICOMDIR; return what is wrong with it, and the bytes that it took."""
    reason = ""
    tracemalloc.start()
    try:
        try:
            read_directory(str(path))
        except DataSetError as problem:
            reason = problem.reason
        return reason, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_deflated_dicomdir_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(RECORDS)
    bomb += b"".join(deflater.compress(bytes(MIB)) for _ in range(100)) + deflater.flush()
    path = tmp_path / "DICOMDIR"
    path.write_bytes(encode_file_meta(DIRECTORY, "1.2.3", DEFLATED_EXPLICIT_LITTLE) + bomb)
    reason, memory = most_memory(path)
    assert "deflated" in reason
    assert memory < 16 * MIB


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0x7FFFFFFF])
def test_dicomdir_whose_element_claims_gigabytes_takes_no_more_than_it_is_long(
    tmp_path: Path, length: int
) -> None:
    claim = b"\x04\x00\x20\x12UN\0\0" + length.to_bytes(4, "little") + bytes(8)
    path = tmp_path / "DICOMDIR"
    path.write_bytes(encode_file_meta(DIRECTORY, "1.2.3", EXPLICIT_LITTLE) + claim)
    _, memory = most_memory(path)
    assert memory < 16 * MIB


def test_dicomdir_is_read(tmp_path: Path) -> None:
    path = tmp_path / "DICOMDIR"
    path.write_bytes(encode_file_meta(DIRECTORY, "1.2.3", EXPLICIT_LITTLE) + RECORDS)
    assert [each.components for each in read_directory(str(path))] == [("IM1",)]


UNDEFINED = (
    b"\x04\x00\x20\x12SQ\0\0\xff\xff\xff\xff" + RECORDS[12:] + b"\xfe\xff\xdd\xe0" + bytes(4)
)


@pytest.mark.parametrize("records", [RECORDS, UNDEFINED])
def test_dicomdir_cut_short_anywhere_is_refused(tmp_path: Path, records: bytes) -> None:
    path = tmp_path / "DICOMDIR"
    whole = encode_file_meta(DIRECTORY, "1.2.3", EXPLICIT_LITTLE) + records
    path.write_bytes(whole)
    assert len(read_directory(str(path))) == 1
    for missing in range(1, len(records)):
        path.write_bytes(whole[:-missing])
        with pytest.raises(DataSetError):
            read_directory(str(path))


def test_dicomdir_without_its_sequence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "DICOMDIR"
    path.write_bytes(encode_file_meta(DIRECTORY, "1.2.3", EXPLICIT_LITTLE))
    with pytest.raises(DataSetError, match="no Directory Record Sequence"):
        read_directory(str(path))
