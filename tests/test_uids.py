"""Tables of UIDs: what the tools propose, accept and print."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import uids

ROOT = Path(__file__).resolve().parents[1]


def test_committed_module_is_what_the_generator_writes() -> None:
    pytest.importorskip("pydicom")
    path = ROOT / "tools" / "generate_uids.py"
    namespace: dict[str, object] = {"__file__": str(path), "__name__": "generate_uids"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    main = namespace["main"]
    assert callable(main)
    assert main(["--check"]) == 0


def test_default_proposal_is_64_classes_alphabetically() -> None:
    names = [uids.name_of(uid) for uid in uids.SHORT_PROPOSAL]
    assert len(names) == 64
    assert names[0] == "AmbulatoryECGWaveformStorage"
    assert names[-1] == "XRayRadiofluoroscopicImageStorage"
    # Case is not significant: ComputedRadiography stands before CT.
    assert names[9:11] == ["ComputedRadiographyImageStorage", "CTImageStorage"]


def test_long_proposal_is_120_classes_in_the_order_of_getscu() -> None:
    assert len(set(uids.LONG_PROPOSAL)) == 120
    assert uids.LONG_PROPOSAL[0] == "1.2.840.10008.5.1.4.1.1.9.1.3"
    assert uids.LONG_PROPOSAL[-1] == "1.2.840.10008.5.1.4.1.1.12.3"


def test_receiver_accepts_202_classes_unasked() -> None:
    assert len(uids.SOP_CLASSES) == 211
    assert len(uids.DEFAULT_STORAGE_CLASSES) == 202
    refused = set(uids.SOP_CLASSES) - set(uids.DEFAULT_STORAGE_CLASSES)
    assert {uids.SOP_CLASSES[uid].prefix for uid in refused} == {
        *("CP", "HP", "INV", "IT", "ITa", "ITg", "PAp", "PPcd", "PPxd")
    }


def test_echo_proposes_53_transfer_syntaxes_implicit_little_endian_first() -> None:
    syntaxes = uids.ECHO_TRANSFER_SYNTAXES
    assert len(set(syntaxes)) == 53
    assert syntaxes[:4] == (
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
        uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
    )
    assert syntaxes[-1] == uids.JPEG_XL


def test_accept_all_prefers_jpeg_2000_and_ends_with_implicit_little_endian() -> None:
    syntaxes = uids.ACCEPT_ALL_TRANSFER_SYNTAXES
    assert len(set(syntaxes)) == 36
    assert syntaxes[0] == uids.JPEG_2000
    assert syntaxes[8:10] == (uids.MPEG2_MAIN_LEVEL, uids.MPEG2_MAIN_LEVEL_FRAGMENTABLE)
    assert syntaxes[-3:] == (
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
    )


def test_only_four_transfer_syntaxes_keep_pixel_data_out_of_fragments() -> None:
    native = {
        uid
        for uid in uids.ECHO_TRANSFER_SYNTAXES
        if not uids.TRANSFER_SYNTAXES[uid].is_encapsulated
    }
    assert native == {
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
        uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    }


def test_seven_video_syntaxes_have_a_fragmentable_twin() -> None:
    assert len(uids.FRAGMENTABLE_VIDEO_TRANSFER_SYNTAXES) == 7
    for uid in uids.FRAGMENTABLE_VIDEO_TRANSFER_SYNTAXES:
        assert uids.TRANSFER_SYNTAXES[uid.removesuffix(".1")].is_video


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.1.1", "VerificationSOPClass"),
        ("1.2.840.10008.1.2.1", "LittleEndianExplicit"),
        ("1.2.840.10008.5.1.4.1.1.2", "CTImageStorage"),
        ("1.2.840.10008.5.1.4.1.2.2.1", "FINDStudyRootQueryRetrieveInformationModel"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_names_are_those_that_dcmtk_prints(uid: str, name: str) -> None:
    assert uids.name_of(uid) == name
    assert uids.is_known_uid(uid) is (uid != name)


def test_unlisted_class_has_the_prefix_unknown() -> None:
    assert uids.modality_prefix("1.2.840.10008.5.1.4.1.1.2") == "CT"
    assert uids.modality_prefix("1.2.3.4") == "UNKNOWN"
    assert uids.modality_prefix("1.2.3.4", "OT") == "OT"


def test_version_names_fit_their_field() -> None:
    assert len(uids.IMPLEMENTATION_VERSION_NAME) <= 16
    assert len(uids.BIT_PRESERVING_VERSION_NAME) <= 16
    assert uids.is_valid_uid(uids.IMPLEMENTATION_CLASS_UID)


def test_new_uids_are_distinct_random_uuids() -> None:
    made = {uids.new_uid() for _ in range(100)}
    assert len(made) == 100
    for uid in made:
        assert uids.is_valid_uid(uid)
        assert uuid.UUID(int=int(uid.removeprefix("2.25."))).version == 4


@pytest.mark.parametrize(
    "uid",
    ["", "1", "1.", ".1", "1..2", "1.02", "1.2 ", "1.a", "1.2\0", "1.\u0663", "1." + "2" * 63],
)
def test_malformed_uid_is_not_valid(uid: str) -> None:
    assert not uids.is_valid_uid(uid)


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=2, max_size=6))
def test_numbers_joined_by_dots_are_a_valid_uid(parts: list[int]) -> None:
    assert uids.is_valid_uid(".".join(map(str, parts)))
