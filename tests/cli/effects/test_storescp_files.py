"""storescp: what its options change about the files that it writes.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ForgetfulFileSystem, ScriptedRequestor, ct_image
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DicomObject,
    encode_data_set,
)
from isocenter.testing.forgetful import LOSSES
from isocenter.testing.raw import Context
from tests.cli.effects.receiving import serve, small_image, store
from tests.support import part10

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isocenter.testing.datasets import Element

pytestmark = pytest.mark.slow

NAME = "CT.2.25.1"
UNDEFINED = 0xFFFFFFFF


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Receive into a folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def image(*extra: Element) -> DicomObject:
    """Return a CT image that has the further elements, all of them above (0028,0103)."""
    return ct_image(sop_instance_uid="2.25.1", rows=4, columns=4, extra=extra)


def received(folder: Path, sent: DicomObject, *options: str) -> bytes:
    """Return the file that an object becomes."""
    statuses: list[int] = []
    assert serve(lambda port: statuses.extend(store(port, sent)), *options) == 0
    assert statuses == [0]
    (path,) = folder.iterdir()
    return path.read_bytes()


def element(tag: int, vr: bytes = b"") -> bytes:
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr


# --- where and how named --------------------------------------------------------------------


def test_output_directory_is_where_they_go(folder: Path) -> None:
    (folder / "out").mkdir()
    assert serve(lambda port: assert_stored(port, small_image()), "--output-directory", "out") == 0
    assert [path.name for path in (folder / "out").iterdir()] == [NAME]


def assert_stored(port: int, *objects: DicomObject) -> None:
    assert set(store(port, *objects)) == {0}


def names(folder: Path, *options: str) -> list[str]:
    assert serve(lambda port: assert_stored(port, small_image()), *options) == 0
    return [path.name for path in folder.iterdir()]


def test_default_filenames_take_unique_ones_back(folder: Path) -> None:
    assert names(folder, "--unique-filenames", "--default-filenames") == [NAME]


def test_unique_filenames_are_not_told_by_the_object(folder: Path) -> None:
    (name,) = names(folder, "--unique-filenames")
    assert name.startswith("CT.X.")


def test_timenames_tell_the_time(folder: Path) -> None:
    (name,) = names(folder, "--timenames")
    time, _, kind = name.partition(".")
    assert (len(time), time.isdigit(), kind) == (17, True, "CT")


def test_filename_extension_ends_the_name(folder: Path) -> None:
    assert names(folder, "--filename-extension", ".dcm") == [NAME + ".dcm"]


# --- form -----------------------------------------------------------------------------------

NESTED = encode_data_set([(0x00081150, "UI", CT_IMAGE_STORAGE)])
UNDEFINED_SEQUENCE = (
    element(0x00081140, b"SQ\0\0")
    + struct.pack("<I", UNDEFINED)
    + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
    + NESTED
    + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
)
HEAD = [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", "2.25.1")]
UNUSUAL = DicomObject(
    sop_class_uid=CT_IMAGE_STORAGE,
    sop_instance_uid="2.25.1",
    transfer_syntax=EXPLICIT_LITTLE,
    data_set=encode_data_set(HEAD)
    + UNDEFINED_SEQUENCE
    + encode_data_set([(0x0020000D, "UI", "2.25.2")]),
)
"""A data set that normal mode writes in another way: a sequence of undefined length."""


def test_normal_takes_bit_preserving_back(folder: Path) -> None:
    data = received(folder, UNUSUAL, "--bit-preserving", "--normal")
    assert UNDEFINED_SEQUENCE not in data
    assert NESTED in data


def test_bit_preserving_keeps_the_data_set_as_it_came(folder: Path) -> None:
    assert received(folder, UNUSUAL, "--bit-preserving").endswith(UNUSUAL.data_set)


def test_write_file_takes_write_dataset_back(folder: Path) -> None:
    assert received(folder, image(), "--write-dataset", "--write-file")[128:132] == b"DICM"


def test_write_dataset_leaves_file_meta_out(folder: Path) -> None:
    sent = image()
    assert received(folder, sent, "--write-dataset") == sent.data_set


SYNTAXES = {
    "--write-xfer-little": EXPLICIT_LITTLE,
    "--write-xfer-big": EXPLICIT_BIG,
    "--write-xfer-implicit": IMPLICIT_LITTLE,
    "--write-xfer-deflated": DEFLATED_EXPLICIT_LITTLE,
}


@pytest.mark.parametrize("option", SYNTAXES)
def test_files_are_in_the_syntax_asked_for(option: str, folder: Path) -> None:
    sent = small_image(
        transfer_syntax=IMPLICIT_LITTLE if option == "--write-xfer-little" else EXPLICIT_LITTLE
    )
    received(folder, sent, option)
    parts = part10.read(folder / NAME)
    assert parts.transfer_syntax == SYNTAXES[option]
    expected = small_image(transfer_syntax=SYNTAXES[option])
    if option == "--write-xfer-deflated":
        assert len(parts.data_set) < len(sent.data_set)
    else:
        # The pixels, which the builder takes as bytes, are words that change their order.
        assert parts.data_set[:-32] == expected.data_set[:-32]


def test_write_xfer_same_takes_a_conversion_back(folder: Path) -> None:
    sent = image()
    data = received(folder, sent, "--write-xfer-implicit", "--write-xfer-same")
    assert data.endswith(sent.data_set)


NEW_VR = (0x00400310, "UT", b"text")


def test_enable_new_vr_takes_disable_back(folder: Path) -> None:
    data = received(folder, image(NEW_VR), "--disable-new-vr", "--enable-new-vr")
    assert element(0x00400310, b"UT") in data


def test_disable_new_vr_writes_bytes(folder: Path) -> None:
    data = received(folder, image(NEW_VR), "--disable-new-vr")
    assert element(0x00400310, b"OB") in data


GROUP_LENGTH = (0x00400000, "UL", 4711)
PROCEDURE = (0x00400241, "AE", "STATION")


@pytest.mark.parametrize(
    ("options", "group_40", "group_28"),
    [
        pytest.param(
            ("--group-length-remove", "--group-length-recalc"), 16, None, id="--group-length-recalc"
        ),
        pytest.param(("--group-length-create",), 16, 90, id="--group-length-create"),
        pytest.param(("--group-length-remove",), None, None, id="--group-length-remove"),
    ],
)
def test_group_lengths(
    options: tuple[str, ...], group_40: int | None, group_28: int | None, folder: Path
) -> None:
    data = received(folder, image(GROUP_LENGTH, PROCEDURE), *options)
    for tag, length in ((0x00400000, group_40), (0x00280000, group_28)):
        if length is None:
            assert element(tag, b"UL") not in data
        else:
            assert element(tag, b"UL\4\0") + struct.pack("<I", length) in data


def test_length_explicit_takes_undefined_back(folder: Path) -> None:
    data = received(folder, UNUSUAL, "--length-undefined", "--length-explicit")
    assert element(0x00081140, b"SQ\0\0") + struct.pack("<I", 8 + len(NESTED)) in data


def test_length_undefined_delimits_sequences(folder: Path) -> None:
    assert UNDEFINED_SEQUENCE in received(folder, image_with_sequence(), "--length-undefined")


def image_with_sequence() -> DicomObject:
    """Return what `UNUSUAL` is, with explicit lengths."""
    sequence: Sequence[Element] = [
        (0x00081140, "SQ", [[(0x00081150, "UI", CT_IMAGE_STORAGE)]]),
        (0x0020000D, "UI", "2.25.2"),
    ]
    return DicomObject(
        sop_class_uid=CT_IMAGE_STORAGE,
        sop_instance_uid="2.25.1",
        transfer_syntax=EXPLICIT_LITTLE,
        data_set=encode_data_set([*HEAD, *sequence]),
    )


PADDING = element(0xFFFCFFFC, b"OB")


def test_padding_off_takes_padding_back(folder: Path) -> None:
    data = received(folder, image(), "--padding-create", "2048", "0", "--padding-off")
    assert PADDING not in data


def test_padding_create_fills_files_up(folder: Path) -> None:
    data = received(folder, image(), "--padding-create", "2048", "0")
    assert PADDING in data
    assert len(data) % 2048 == 0


UNKNOWN = (0x00400241, "UN", b"STATION ")


def test_retain_un_takes_the_conversion_back(folder: Path) -> None:
    data = received(folder, image(UNKNOWN), "--convert-un", "--retain-un")
    assert element(0x00400241, b"UN") in data


def test_convert_un_gives_the_vr_of_the_dictionary(folder: Path) -> None:
    assert element(0x00400241, b"AE") in received(folder, image(UNKNOWN), "--convert-un")


def test_compression_level_0_makes_nothing_smaller(folder: Path) -> None:
    sent = image()
    received(folder, sent, "--write-xfer-deflated", "--compression-level", "0")
    assert len(part10.read(folder / NAME).data_set) > len(sent.data_set)


def test_uid_padding_corrects_blanks_without_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ct_image(sop_instance_uid="2.25.1111", rows=4, columns=4)
    blank = sent.data_set.replace(b"2.25.1111\0", b"2.25.1111 ")

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate([Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))])
            assert requestor.store(1, CT_IMAGE_STORAGE, "2.25.1111 ", blank) == 0
            requestor.release()

    assert serve(send, "--uid-padding") == 0
    assert capsys.readouterr().err == ""
    (path,) = folder.iterdir()
    assert b"2.25.1111\0" in path.read_bytes()


# --- what may be lost -----------------------------------------------------------------------


def test_durable_outlasts_a_power_cut_behind_the_answer(folder: Path) -> None:
    sent = image()
    with ForgetfulFileSystem(folder) as disk:

        def send(port: int) -> None:
            assert_stored(port, sent)
            disk.note("answered")

        assert serve(send, "--durable") == 0
    moment = next(cut for cut in disk.cuts() if disk.notes(cut))
    for loss in LOSSES:
        left = disk.survivors(moment, loss)
        assert left.get(NAME, b"").endswith(sent.data_set), loss


@pytest.mark.parametrize(
    ("policy", "status", "kept"),
    [("keep-both", 0, 2), ("ignore", 0, 1), ("reject", 0x0111, 1)],
)
def test_on_duplicate_keeps_what_is_there(
    policy: str, status: int, kept: int, folder: Path
) -> None:
    first, second = ct_image(sop_instance_uid="2.25.1"), ct_image(sop_instance_uid="2.25.1", seed=1)
    statuses: list[int] = []
    code = serve(lambda p: statuses.extend(store(p, first, second)), "--on-duplicate", policy)
    assert code == 0
    assert (statuses, len(list(folder.iterdir()))) == ([0, status], kept)
    assert (folder / NAME).read_bytes().endswith(first.data_set)


def test_min_free_refuses_before_the_disk_is_full(folder: Path) -> None:
    statuses: list[int] = []
    mebibytes = str(1 << 40)
    code = serve(lambda p: statuses.extend(store(p, small_image())), "--min-free", mebibytes)
    assert code == 0
    assert statuses == [0xA700]
    assert list(folder.iterdir()) == []
