"""Data sets that pydicom cannot read or write, or only with all of the memory."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset, encode_dataset, identify
from isocenter.errors import DataSetError
from isocenter.testing.datasets import DEFLATED_EXPLICIT_LITTLE, EXPLICIT_LITTLE, ct_image

SEQUENCE_WITHOUT_END = (
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\x0c\0\0\0\x08\x00\x04\x01LO\x04\0ABC "
)
NO_VR = b"\x08\x00\x01\x00UL\x04\x00\1\2\3\0\x08\x00\x16\x00U\0\0\0"
UNKNOWN_VR = b"\x08\x00\x16\x00QI\x02\x001\0"


def test_any_failure_to_read_is_a_data_set_error() -> None:
    with pytest.raises(DataSetError, match="cannot be read"):
        decode_dataset(SEQUENCE_WITHOUT_END, EXPLICIT_LITTLE)


def test_any_failure_to_write_is_a_data_set_error_of_one_line() -> None:
    dataset = decode_dataset(NO_VR, EXPLICIT_LITTLE)
    with pytest.raises(DataSetError, match="cannot be encoded") as caught:
        encode_dataset(dataset, EXPLICIT_LITTLE)
    assert "\n" not in str(caught.value)


def test_uid_that_cannot_be_read_is_a_data_set_error() -> None:
    with pytest.raises(DataSetError, match="a UID that is none"):
        identify(decode_dataset(UNKNOWN_VR, EXPLICIT_LITTLE))


def test_deflated_data_set_that_grows_too_much_is_refused_in_time() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(1024 * 1024)) for _ in range(300)) + deflater.flush()
    tracemalloc.start()
    try:
        with pytest.raises(DataSetError, match="grows more than"):
            decode_dataset(bomb, uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        assert tracemalloc.get_traced_memory()[1] < 200 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_deflated_data_set_that_is_cut_is_refused() -> None:
    image = ct_image(transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    with pytest.raises(DataSetError, match="cut short"):
        decode_dataset(image.data_set[: len(image.data_set) // 2], DEFLATED_EXPLICIT_LITTLE)


def test_deflated_data_set_is_read_with_its_transfer_syntax() -> None:
    image = ct_image(transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    dataset = decode_dataset(image.data_set, DEFLATED_EXPLICIT_LITTLE)
    assert dataset.SOPInstanceUID == image.sop_instance_uid
    assert dataset.file_meta.TransferSyntaxUID == DEFLATED_EXPLICIT_LITTLE
    again = decode_dataset(
        encode_dataset(dataset, DEFLATED_EXPLICIT_LITTLE), DEFLATED_EXPLICIT_LITTLE
    )
    assert again == dataset
