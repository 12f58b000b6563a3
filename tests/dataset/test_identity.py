"""What is known of a file before it is sent, and whether it is whole."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import uids
from isocenter.dataset.identity import (
    HAS_FILE_META,
    NO_SOP_CLASS,
    NO_SOP_INSTANCE,
    NOT_DICOM,
    IdentityLimits,
    read_identity,
    verify_complete,
)
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_image,
    encode_data_set,
    encode_file_meta,
)

if TYPE_CHECKING:
    from isocenter.dataset.identity import Identity
    from isocenter.testing.datasets import Element

JPEG = uids.JPEG_BASELINE_8BIT
SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE, JPEG]
SMALL = IdentityLimits(maximum_head_length=1)
"""Nothing is kept in memory: every header is looked for in the file."""

UNDEFINED = 0xFFFFFFFF


def item(length: int, element: int = 0xE000) -> bytes:
    return struct.pack("<HHI", 0xFFFE, element, length)


ITEM_END = item(0, 0xE00D)
SEQUENCE_END = item(0, 0xE0DD)


def long_form(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length) + value


UIDS = encode_data_set(
    [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", "1.2.3")], EXPLICIT_LITTLE
)


class Files:
    """Writes bytes to files and reads them back as identities."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "object.dcm")

    def read(
        self, data: bytes, limits: IdentityLimits = SMALL, *, data_set_only: bool = False
    ) -> Identity:
        with open(self.path, "wb") as file:
            file.write(data)
        return read_identity(self.path, limits=limits, data_set_only=data_set_only)

    def verify(self, data: bytes, limits: IdentityLimits = SMALL) -> None:
        identity = self.read(data, limits)
        fd = os.open(self.path, os.O_RDONLY)
        try:
            verify_complete(fd, identity, path=self.path, limits=limits)
        finally:
            os.close(fd)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def with_meta(data_set: bytes, syntax: str = EXPLICIT_LITTLE) -> bytes:
    return encode_file_meta("1.2.840.999.1", "1.2.840.999.2", syntax) + data_set


LIMITS = pytest.mark.parametrize(
    "limits", [IdentityLimits(), SMALL], ids=["kept in memory", "looked up in the file"]
)


@LIMITS
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_identity_in_each_encoding(files: Files, syntax: str, limits: IdentityLimits) -> None:
    image = ct_image(transfer_syntax=syntax)
    data = image.part10()
    identity = files.read(data, limits)
    assert identity.sop_class_uid == image.sop_class_uid
    assert identity.sop_instance_uid == image.sop_instance_uid
    assert identity.transfer_syntax_uid == syntax
    assert data[identity.data_set_offset :] == image.data_set
    assert identity.data_set_length == len(image.data_set)
    assert identity.head == (data if limits is not SMALL else None)


@LIMITS
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_raw_data_set_is_guessed(files: Files, syntax: str, limits: IdentityLimits) -> None:
    image = ct_image(transfer_syntax=syntax)
    identity = files.read(image.data_set, limits)
    assert identity.transfer_syntax_uid == syntax
    assert identity.sop_instance_uid == image.sop_instance_uid
    assert identity.data_set_offset == 0
    assert not identity.file_meta.present


@LIMITS
@pytest.mark.parametrize("prefix", ["", "DICM"])
def test_file_meta_without_preamble_is_read(
    files: Files, prefix: str, limits: IdentityLimits
) -> None:
    image = ct_image(transfer_syntax=IMPLICIT_LITTLE)
    identity = files.read(prefix.encode() + image.part10()[132:], limits)
    assert identity.file_meta.present
    assert not identity.file_meta.has_preamble
    assert identity.transfer_syntax_uid == IMPLICIT_LITTLE
    assert identity.sop_instance_uid == image.sop_instance_uid


@LIMITS
def test_deflated_data_set_alone_is_recognised(files: Files, limits: IdentityLimits) -> None:
    image = ct_image(transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    identity = files.read(image.data_set, limits)
    assert identity.transfer_syntax_uid == DEFLATED_EXPLICIT_LITTLE
    assert identity.encoding.is_deflated
    assert identity.sop_instance_uid == image.sop_instance_uid


def test_other_deflated_content_is_not_dicom(files: Files) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = packer.compress(b"no DICOM at all" * 100) + packer.flush()
    with pytest.raises(DataSetError, match=NOT_DICOM):
        files.read(data)


@pytest.mark.parametrize("missing", [0, 128, 132])
def test_file_meta_is_refused_where_a_data_set_alone_is_wanted(files: Files, missing: int) -> None:
    image = ct_image()
    with pytest.raises(DataSetError, match=HAS_FILE_META):
        files.read(image.part10()[missing:], data_set_only=True)
    identity = files.read(image.data_set, data_set_only=True)
    assert identity.data_set_offset == 0


def test_blanks_of_uids_are_left_out_and_noted(files: Files) -> None:
    image = ct_image(sop_instance_uid="2.25.1111")
    data = image.data_set.replace(b"2.25.1111\0", b"2.25.1111 ")
    identity = files.read(data)
    assert (identity.sop_instance_uid, identity.blank_uids) == ("2.25.1111", (0x00080018,))
    assert image.sop_class_uid == identity.sop_class_uid
    data = data.replace(b"5.1.4.1.1.2\0", b"5.1.4.1.1.2 ")
    identity = files.read(data)
    assert (identity.sop_class_uid, identity.blank_uids) == (
        image.sop_class_uid,
        (0x00080016, 0x00080018),
    )
    assert files.read(image.data_set).blank_uids == ()


def test_uids_of_the_data_set_win_over_the_file_meta(files: Files) -> None:
    identity = files.read(with_meta(UIDS))
    assert (identity.sop_class_uid, identity.sop_instance_uid) == (CT_IMAGE_STORAGE, "1.2.3")
    assert identity.file_meta.media_storage_sop_class_uid == "1.2.840.999.1"


def test_uids_of_the_file_meta_are_the_fallback(files: Files) -> None:
    data_set = encode_data_set([(0x00100010, "PN", "Doe")], EXPLICIT_LITTLE)
    identity = files.read(with_meta(data_set))
    assert identity.sop_class_uid == "1.2.840.999.1"
    assert identity.sop_instance_uid == "1.2.840.999.2"


def test_transfer_syntax_that_is_none_stays_on_its_line_of_a_log(files: Files) -> None:
    broken = with_meta(b"\xff" * 300, "1.2.840.10008.1.2.\nE: forged")
    with pytest.raises(DataSetError, match="cannot be told from the data set") as problem:
        files.read(broken)
    assert "1.2.840.10008.1.2." in str(problem.value)
    assert "\n" not in str(problem.value)


def test_unknown_transfer_syntax_is_kept_and_its_encoding_guessed(files: Files) -> None:
    identity = files.read(with_meta(UIDS, "1.2.3.4.5"))
    assert identity.transfer_syntax_uid == "1.2.3.4.5"
    assert identity.sop_instance_uid == "1.2.3"
    assert identity.encoding.is_explicit


def test_file_meta_without_transfer_syntax_is_guessed(files: Files) -> None:
    data = encode_data_set([(0x00020002, "UI", CT_IMAGE_STORAGE)], EXPLICIT_LITTLE)
    identity = files.read(bytes(128) + b"DICM" + data + UIDS)
    assert identity.transfer_syntax_uid == EXPLICIT_LITTLE


def test_descriptor_is_not_moved(tmp_path: Path) -> None:
    path = ct_image().write(tmp_path / "a.dcm")
    fd = os.open(path, os.O_RDONLY)
    try:
        assert read_identity(fd).sop_class_uid == CT_IMAGE_STORAGE
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    finally:
        os.close(fd)


def test_head_is_kept_up_to_the_limit_and_only_if_wanted(files: Files) -> None:
    data = with_meta(UIDS)
    at = IdentityLimits(maximum_head_length=len(data))
    below = IdentityLimits(maximum_head_length=len(data) - 1)
    assert files.read(data, at).head == data
    assert files.read(data, below).head is None
    assert read_identity(files.path, keep_head=False).head is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", NOT_DICOM),
        (b"not an image at all, but some text\n" * 10, NOT_DICOM),
        (bytes(4000), NOT_DICOM),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500), NOT_DICOM),
        (encode_data_set([(0x00080018, "UI", "1.2.3")], EXPLICIT_LITTLE), NO_SOP_CLASS),
        (
            encode_data_set([(0x00080016, "UI", CT_IMAGE_STORAGE)], EXPLICIT_LITTLE),
            NO_SOP_INSTANCE,
        ),
        (with_meta(b""), "cut short: no data set"),
        (with_meta(UIDS[:-1]), "cut short"),
        (with_meta(UIDS[:5]), "cut short"),
        (with_meta(b"\x08\x00\x05\x00\x02\x00\x00\x00X "), "data set cannot be read"),
        (with_meta(b"not deflated at all", DEFLATED_EXPLICIT_LITTLE), "data set cannot be read"),
    ],
)
def test_what_cannot_be_sent_says_why(files: Files, data: bytes, reason: str) -> None:
    for limits in (IdentityLimits(), SMALL):
        with pytest.raises(DataSetError) as caught:
            files.read(data, limits)
        assert caught.value.reason.startswith(reason)
        assert caught.value.path == files.path


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "absent"):
        with pytest.raises(DataSetError) as caught:
            read_identity(path)
        assert caught.value.path == str(path)
    with pytest.raises(DataSetError, match="null byte"):
        read_identity("a\0b")


def test_scan_passes_over_sequences_of_undefined_length(files: Files) -> None:
    language = long_form(0x00080006, b"SQ", UNDEFINED) + (
        item(UNDEFINED)
        + encode_data_set([(0x00080018, "UI", "9.9.9")], EXPLICIT_LITTLE)
        + ITEM_END
        + SEQUENCE_END
    )
    assert files.read(with_meta(language + UIDS)).sop_instance_uid == "1.2.3"


def test_maximum_scan_length_is_inclusive(files: Files) -> None:
    before = long_form(0x00080001, b"UN", 1000, bytes(1000)) + UIDS[:34]  # SOP Class UID
    data = with_meta(before + UIDS[34:])
    limits = IdentityLimits(maximum_scan_length=len(before))
    assert files.read(data, limits).sop_instance_uid == "1.2.3"
    limits = IdentityLimits(maximum_scan_length=len(before) - 1)
    with pytest.raises(DataSetError, match="not in the first"):
        files.read(data, limits)


def test_deflated_data_set_is_inflated_no_further_than_needed(files: Files) -> None:
    bomb = UIDS + long_form(0x00090010, b"UN", 1 << 28, bytes(1 << 24))
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    data = deflater.compress(bomb) + deflater.flush()
    assert files.read(with_meta(data, DEFLATED_EXPLICIT_LITTLE)).sop_instance_uid == "1.2.3"


def test_deflated_uid_behind_a_long_value_is_found_within_the_limit(files: Files) -> None:
    def deflated(length: int) -> bytes:
        raw = long_form(0x00080001, b"UN", length, bytes(length)) + UIDS
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return deflater.compress(raw) + deflater.flush()

    data = with_meta(deflated(100_000), DEFLATED_EXPLICIT_LITTLE)
    assert files.read(data).sop_instance_uid == "1.2.3"
    with pytest.raises(DataSetError):
        files.read(data, IdentityLimits(maximum_scan_length=10_000, maximum_head_length=1))


@LIMITS
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_whole_file_is_complete(files: Files, syntax: str, limits: IdentityLimits) -> None:
    files.verify(ct_image(transfer_syntax=syntax).part10(), limits)
    files.verify(ct_image(transfer_syntax=syntax, rows=300, columns=300).part10(), limits)


@LIMITS
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_file_cut_short_in_its_last_element_is_found(
    files: Files, syntax: str, limits: IdentityLimits
) -> None:
    data = ct_image(transfer_syntax=syntax, rows=300, columns=300).part10()
    for missing in (2, 100, 100_000):
        with pytest.raises(DataSetError, match="cut short") as caught:
            files.verify(data[:-missing], limits)
        assert caught.value.path == files.path
        assert caught.value.offset is not None


@LIMITS
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_cut_is_found_at_every_place_that_is_not_between_elements(
    files: Files, syntax: str, limits: IdentityLimits
) -> None:
    elements: list[Element] = [
        (0x00080016, "UI", CT_IMAGE_STORAGE),
        (0x00080018, "UI", "1.2.3"),
        (0x00081140, "SQ", [[(0x00081150, "UI", "1.2")], [(0x00081155, "UI", "2.25.7")]]),
        (0x00100010, "PN", "Doe^Jane"),
        (0x7FE00010, "OW", b"12345678"),
    ]
    parts = [encode_data_set([element], syntax) for element in elements]
    start = len(with_meta(b"", syntax))
    boundaries = {start + sum(map(len, parts[:count])) for count in range(2, len(parts) + 1)}
    whole = with_meta(b"".join(parts), syntax)
    for length in range(min(boundaries), len(whole) + 1):
        last = max(place for place in boundaries if place <= length)
        if not any(whole[last:length]):  # nothing, or what padding looks like
            files.verify(whole[:length], limits)
            continue
        with pytest.raises(DataSetError, match="cut short") as caught:
            files.verify(whole[:length], limits)
        assert caught.value.offset == last


ENCAPSULATED = (
    UIDS
    + long_form(0x7FE00010, b"OB", UNDEFINED)
    + item(0)
    + item(10, 0xE000)
    + bytes(10)
    + item(20_000)
    + bytes(20_000)
    + SEQUENCE_END
)


@LIMITS
def test_fragments_without_delimiter_are_cut_short(files: Files, limits: IdentityLimits) -> None:
    files.verify(with_meta(ENCAPSULATED, JPEG), limits)
    for missing in (1, 8, 9, 5000, 20_007):
        with pytest.raises(DataSetError, match="cut short"):
            files.verify(with_meta(ENCAPSULATED[:-missing], JPEG), limits)


@LIMITS
def test_unknown_vr_of_undefined_length_holds_implicit_vr(
    files: Files, limits: IdentityLimits
) -> None:
    nested = encode_data_set([(0x00081150, "UI", "1.2.3.4")], IMPLICIT_LITTLE)
    value = item(UNDEFINED) + nested + ITEM_END + SEQUENCE_END
    after = encode_data_set([(0x00280010, "US", 1)], EXPLICIT_LITTLE)
    files.verify(with_meta(UIDS + long_form(0x00091010, b"UN", UNDEFINED, value) + after), limits)


def nested(depth: int) -> bytes:
    head = long_form(0x00081140, b"SQ", UNDEFINED) + item(UNDEFINED)
    return head * depth + (ITEM_END + SEQUENCE_END) * depth


@LIMITS
def test_depth_beyond_the_limit_is_passed_unchecked_without_recursion(
    files: Files, limits: IdentityLimits
) -> None:
    files.verify(with_meta(UIDS + nested(64)), limits)
    with pytest.raises(DataSetError, match="cut short"):
        files.verify(with_meta(UIDS + nested(64)[:-8]), limits)
    files.verify(with_meta(UIDS + nested(5000)[:-8]), limits)


def test_depth_before_the_uids_is_limited(files: Files) -> None:
    def before(depth: int) -> bytes:
        value = nested(depth)
        return b"\x08\x00\x06\x00" + value[4:]

    assert files.read(with_meta(before(64) + UIDS)).sop_instance_uid == "1.2.3"
    with pytest.raises(DataSetError, match="more than 64 nested"):
        files.read(with_meta(before(65) + UIDS))


@LIMITS
@pytest.mark.parametrize("padding", [b"\0", bytes(7), bytes(8), bytes(512)])
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE])
def test_padding_behind_the_data_set_is_no_cut(
    files: Files, padding: bytes, syntax: str, limits: IdentityLimits
) -> None:
    files.verify(ct_image(transfer_syntax=syntax).part10() + padding, limits)


def test_file_cut_after_it_was_identified_is_found(files: Files) -> None:
    data = ct_image(rows=300, columns=300).part10()
    identity = files.read(data)
    fd = os.open(files.path, os.O_RDONLY)
    try:
        for length in (identity.data_set_offset + 100, 10):
            os.truncate(files.path, length)
            with pytest.raises(DataSetError, match="cut short"):
                verify_complete(fd, identity)
    finally:
        os.close(fd)


@given(st.binary(max_size=300), st.sampled_from(["", *SYNTAXES]))
def test_any_bytes_are_identified_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, syntax: str
) -> None:
    files = Files(tmp_path_factory.getbasetemp())
    whole = with_meta(UIDS + data, syntax) if syntax else data
    for limits in (IdentityLimits(), SMALL):
        try:
            files.verify(whole, limits)
        except DataSetError as error:
            assert error.path == files.path  # noqa: PT017 - most inputs raise nothing


def real_files() -> list[Path]:
    """Return the files of pydicom's wheel, and a folder of others where there is one."""
    import pydicom

    assert pydicom.__file__ is not None
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folders.append(Path(os.environ.get("ISOCENTER_DATA", default)))
    return sorted(path for folder in folders for path in folder.rglob("*.dcm") if path.is_file())


CUT_SHORT = {
    "MR_truncated.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "rtplan_truncated.dcm",
}
WITHOUT_UIDS = {"empty_charset_LEI.dcm", "nested_priv_SQ.dcm"}
MALFORMED = {
    "SC_rgb_jpeg.dcm",  # implicit VR under an explicit transfer syntax
    "meta_missing_tsyntax.dcm",
    "no_meta.dcm",  # begins in the middle of an element
}


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_real_files_are_what_pydicom_says(path: Path) -> None:
    import pydicom

    expected = pydicom.dcmread(
        path, force=True, specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True
    )
    sop_class = expected.get("SOPClassUID") or expected.file_meta.get("MediaStorageSOPClassUID")
    sop_instance = expected.get("SOPInstanceUID") or expected.file_meta.get(
        "MediaStorageSOPInstanceUID"
    )
    if path.name in MALFORMED | WITHOUT_UIDS or not (sop_class and sop_instance):
        with pytest.raises(DataSetError):
            read_identity(path)
        return
    for limits in (IdentityLimits(), SMALL):
        identity = read_identity(path, limits=limits)
        assert identity.sop_class_uid == sop_class
        assert identity.sop_instance_uid == sop_instance
        syntax = expected.file_meta.get("TransferSyntaxUID", identity.transfer_syntax_uid)
        assert identity.transfer_syntax_uid == syntax
        fd = os.open(path, os.O_RDONLY)
        try:
            if path.name in CUT_SHORT:
                with pytest.raises(DataSetError, match="cut short"):
                    verify_complete(fd, identity)
            else:
                verify_complete(fd, identity)
        finally:
            os.close(fd)
