"""The head of a DICOM file: what is written, what is tolerated, what is refused."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import uids
from isocenter.dataset.part10 import (
    FileMetaLimits,
    encode_file_meta,
    guess_transfer_syntax,
    read_file_meta,
)
from isocenter.errors import DataSetError

if TYPE_CHECKING:
    from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"

UID = st.text(alphabet="0123456789.", min_size=1, max_size=64)


def element(number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def group(*elements: bytes, length: int | None = None) -> bytes:
    body = b"".join(elements)
    return element(0, b"UL", struct.pack("<I", len(body) if length is None else length)) + body


TRANSFER_SYNTAX = element(0x10, b"UI", b"1.2.840.10008.1.2.1\0")
SOP_CLASS = element(0x02, b"UI", CT.encode() + b"\0")
PREAMBLE = bytes(128) + b"DICM"
DATA_SET = struct.pack("<HH2sH", 8, 5, b"CS", 2) + b"X "


def test_written_file_meta_is_what_dcmtk_writes() -> None:
    encoded = encode_file_meta(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        source_application_entity_title="ME",
        implementation_class_uid="1.2.4",
        implementation_version_name="V1X",
    )
    assert encoded == (
        bytes(128)
        + b"DICM"
        + b"\x02\x00\x00\x00UL\x04\x00\x7e\x00\x00\x00"  # group length 126
        + b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"  # version
        + b"\x02\x00\x02\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\x00"
        + b"\x02\x00\x03\x00UI\x06\x001.2.3\x00"
        + b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
        + b"\x02\x00\x12\x00UI\x06\x001.2.4\x00"
        + b"\x02\x00\x13\x00SH\x04\x00V1X "
        + b"\x02\x00\x16\x00AE\x02\x00ME"
    )


def test_source_title_is_left_out_where_there_is_none() -> None:
    encoded = encode_file_meta(
        transfer_syntax_uid="1.2", sop_class_uid="1.3", sop_instance_uid="1.4"
    )
    assert b"AE" not in encoded[132:]


def test_longest_value_is_65534_bytes() -> None:
    def encode(length: int) -> bytes:
        return encode_file_meta(
            transfer_syntax_uid="1.2", sop_class_uid="1.3", sop_instance_uid="1" * length
        )

    assert read_file_meta(encode(65534)).media_storage_sop_instance_uid == "1" * 65534
    with pytest.raises(ValueError, match="16-bit"):
        encode(65535)


@given(sop_class=UID, sop_instance=UID, syntax=UID, title=st.text("ABC 12", max_size=16))
def test_what_is_written_is_read(
    sop_class: str, sop_instance: str, syntax: str, title: str
) -> None:
    encoded = encode_file_meta(
        transfer_syntax_uid=syntax,
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        source_application_entity_title=title,
    )
    meta = read_file_meta(encoded + DATA_SET)
    assert meta.present
    assert meta.has_preamble
    assert meta.media_storage_sop_class_uid == sop_class
    assert meta.media_storage_sop_instance_uid == sop_instance
    assert meta.transfer_syntax_uid == syntax
    assert meta.source_application_entity_title == title.strip()
    assert meta.implementation_class_uid == uids.IMPLEMENTATION_CLASS_UID
    assert meta.implementation_version_name == uids.IMPLEMENTATION_VERSION_NAME
    assert meta.data_set_offset == len(encoded)


@pytest.mark.parametrize("prefix", [PREAMBLE, b"DICM", b""], ids=["whole", "no preamble", "none"])
@pytest.mark.parametrize(
    "meta",
    [
        group(SOP_CLASS, TRANSFER_SYNTAX),
        group(SOP_CLASS, TRANSFER_SYNTAX, length=0),
        group(SOP_CLASS, TRANSFER_SYNTAX, length=7),
        group(SOP_CLASS, TRANSFER_SYNTAX, length=len(SOP_CLASS)),
        group(SOP_CLASS, TRANSFER_SYNTAX, length=4_000_000_000),
        SOP_CLASS + TRANSFER_SYNTAX,
    ],
    ids=["right", "zero", "inside an element", "too small", "too large", "absent"],
)
def test_wrong_or_missing_group_length_is_tolerated(prefix: bytes, meta: bytes) -> None:
    read = read_file_meta(prefix + meta + DATA_SET)
    assert read.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert read.media_storage_sop_class_uid == CT
    assert read.data_set_offset == len(prefix) + len(meta)
    assert read.has_preamble is (prefix == PREAMBLE)


def test_deflated_bytes_that_look_like_group_2_are_not_file_meta() -> None:
    meta = group(SOP_CLASS, TRANSFER_SYNTAX)
    read = read_file_meta(PREAMBLE + meta + b"\x02\x00\x11\x00\x9f\x03\x00\x00" + bytes(100))
    assert read.data_set_offset == len(PREAMBLE) + len(meta)


def test_blank_padded_uids_are_tolerated() -> None:
    meta = read_file_meta(PREAMBLE + group(element(0x10, b"UI", b"1.2.840.10008.1.2 ")) + DATA_SET)
    assert meta.transfer_syntax_uid == "1.2.840.10008.1.2"


def test_file_meta_in_implicit_vr_is_tolerated() -> None:
    body = struct.pack("<HHI", 2, 0x10, 18) + b"1.2.840.10008.1.2\0"
    meta = read_file_meta(PREAMBLE + body + DATA_SET)
    assert meta.transfer_syntax_uid == "1.2.840.10008.1.2"
    assert meta.data_set_offset == len(PREAMBLE) + len(body)


def test_file_without_file_meta_is_not_an_error() -> None:
    meta = read_file_meta(DATA_SET)
    assert not meta.present
    assert meta.data_set_offset == 0
    assert meta.transfer_syntax_uid == ""
    assert read_file_meta(PREAMBLE + DATA_SET).data_set_offset == 132
    assert not read_file_meta(b"").present
    assert not read_file_meta(b"\x02\x00").present


def test_descriptor_is_read_without_moving_it(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(PREAMBLE + group(SOP_CLASS, TRANSFER_SYNTAX) + DATA_SET)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert read_file_meta(fd).media_storage_sop_class_uid == CT
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    finally:
        os.close(fd)
    with pytest.raises(DataSetError, match="Bad file descriptor") as caught:
        read_file_meta(fd, path="a.dcm")
    assert caught.value.path == "a.dcm"


def test_file_meta_cut_short_anywhere_is_refused_or_ends_between_elements() -> None:
    whole = PREAMBLE + group(SOP_CLASS, TRANSFER_SYNTAX)
    ends = {132, 144, 144 + len(SOP_CLASS), len(whole)}
    for length in range(133, len(whole)):
        if length in ends:
            continue
        with pytest.raises(DataSetError, match="cut short") as caught:
            read_file_meta(whole[:length], path="x")
        assert caught.value.offset in ends
        assert caught.value.path == "x"


@pytest.mark.parametrize("vr", [b"OB", b"UN", b"XX", b"UI", b"\0\0"])
def test_value_longer_than_the_file_is_refused_before_memory_follows(vr: bytes) -> None:
    head = struct.pack("<HH2sHI", 2, 1, vr, 0 if vr != b"UI" else 0xFFFE, 0x7FFFFFFF)
    if vr == b"\0\0":
        head = struct.pack("<HHI", 2, 1, 0x7FFFFFFF)
    with pytest.raises(DataSetError):
        read_file_meta(PREAMBLE + head + bytes(50))


def test_undefined_length_is_refused() -> None:
    with pytest.raises(DataSetError, match="undefined length") as caught:
        read_file_meta(PREAMBLE + struct.pack("<HH2sHI", 2, 1, b"UN", 0, 0xFFFFFFFF) + bytes(50))
    assert caught.value.offset == 132


def test_maximum_file_meta_length_is_inclusive() -> None:
    meta = group(SOP_CLASS, TRANSFER_SYNTAX)
    limits = FileMetaLimits(maximum_file_meta_length=len(meta))
    assert read_file_meta(PREAMBLE + meta + DATA_SET, limits=limits).present
    limits = FileMetaLimits(maximum_file_meta_length=len(meta) - 1)
    with pytest.raises(DataSetError, match="maximum length"):
        read_file_meta(PREAMBLE + meta + DATA_SET, limits=limits)


def test_maximum_file_meta_elements_is_inclusive() -> None:
    meta = group(SOP_CLASS, TRANSFER_SYNTAX)
    assert read_file_meta(meta, limits=FileMetaLimits(maximum_file_meta_elements=3)).present
    with pytest.raises(DataSetError, match="more than 2 elements"):
        read_file_meta(meta, limits=FileMetaLimits(maximum_file_meta_elements=2))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x08\x00\x05\x00CS\x02\x00X ", uids.EXPLICIT_VR_LITTLE_ENDIAN),
        (b"\x00\x08\x00\x05CS\x00\x02X ", uids.EXPLICIT_VR_BIG_ENDIAN),
        (b"\x08\x00\x05\x00\x02\x00\x00\x00X ", uids.IMPLICIT_VR_LITTLE_ENDIAN),
        (b"\x08\x00\x05\x00\xff\xff\xff\xffX ", uids.IMPLICIT_VR_LITTLE_ENDIAN),
        (b"\x08\x00\x05\x00\x03\x00\x00\x00X ", ""),  # longer than what is left
        (b"\x00\x08\x00\x05\x00\x00\x00\x02X ", ""),  # there is no implicit VR big endian
        (b"\x08\x00\x05\x00CS\x02", ""),
        (b"# comment\n", ""),
        (b"{}CS{}CS{}", ""),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", ""),
        (b"\x00\x02\x00\x00UL\x00\x04\x00\x00\x00\x00", ""),  # big endian File Meta
        (bytes(100), ""),
        (b"", ""),
    ],
)
def test_transfer_syntax_is_guessed_from_the_first_element(data: bytes, expected: str) -> None:
    assert guess_transfer_syntax(data) == expected


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, with_preamble: bool) -> None:
    source = PREAMBLE + data if with_preamble else data
    try:
        meta = read_file_meta(source)
    except DataSetError:
        return
    assert 0 <= meta.data_set_offset <= len(source)
    guess_transfer_syntax(source, meta.data_set_offset)
