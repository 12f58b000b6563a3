"""`isocenter show`: elements as lines, frames as pictures, and files that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from isocenter import uids
from isocenter.cli.main import main
from isocenter.dataset.bridge import encode_dataset
from tests.support.pixels import CODECS, data_set, encoded, pattern

if TYPE_CHECKING:
    from pathlib import Path

    Shown = pytest.CaptureFixture[str]

LITTLE, IMPLICIT, BIG = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
)
DEFLATED = uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN


def write(path: Path, made: Dataset | bytes, syntax: str = LITTLE) -> Path:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    head = DicomBytesIO()
    write_file_meta_info(head, meta)
    known = uids.TRANSFER_SYNTAXES[syntax]
    if syntax == BIG and isinstance(made, Dataset) and made.get("BitsAllocated") == 16:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
    if not isinstance(made, bytes):
        made = encoded(made) if known.is_encapsulated else encode_dataset(made, syntax)
    path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + made)
    return path


def native(array: np.ndarray[tuple[int, ...], np.dtype[np.int64]], bits: int = 8) -> Dataset:
    made = data_set([b"\0\0"], array, bits)
    made.PixelData = array.astype("u1" if bits <= 8 else "<u2").tobytes() + b"\0" * (
        array.size % 2 if bits <= 8 else 0
    )
    made["PixelData"].VR = "OB" if bits <= 8 else "OW"
    made["PixelData"].is_undefined_length = False
    return made


def picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(imagecodecs.png_decode(path.read_bytes())).astype(np.int64)


def lines(capsys: Shown) -> list[str]:
    return capsys.readouterr().out.splitlines()


def some_text() -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    made.SOPInstanceUID = "1.2.3.4"
    made.PatientName = "Bj\xf6rn^Test"
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    inner.FrameOfReferenceUID = "1.9"
    made.ReferencedImageSequence = Sequence([inner, Dataset()])
    block = made.private_block(0x0029, "ACME \x07 1.0", create=True)
    block.add_new(0x01, "US", [1, 65535])
    made.SelectorATValue = 0x00100020
    made.add_new(0x00280106, "SS", -7)
    made.add_new(0x00189305, "FD", 0.25)
    made.add_new(0x00420011, "OB", bytes(range(40)))
    made.add_new(0x00081030, "LO", "x" * 64)
    made.add_new(0x00324000, "LT", "y" * 200)
    return made


@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT, BIG, DEFLATED])
def test_each_element_has_a_line(tmp_path: Path, capsys: Shown, syntax: str) -> None:
    path = write(tmp_path / "some", some_text(), syntax)
    assert main(["show", str(path)]) == 0
    shown = [" ".join(line.split()) for line in lines(capsys)]
    private = "UN" if syntax == IMPLICIT else "US"
    value = "01 00 ff ff" if syntax == IMPLICIT else "1\\65535"
    for line in (
        f"(0002,0010) UI TransferSyntaxUID {syntax} = {uids.name_of(syntax)}",
        "(0008,0016) UI SOPClassUID 1.2.840.10008.5.1.4.1.1.7 = SecondaryCaptureImageStorage",
        "(0010,0010) PN PatientName Bj\xf6rn^Test",
        "(0008,1140) SQ ReferencedImageSequence",
        "item 1",
        "(0008,1155) UI ReferencedSOPInstanceUID 1.2.3",
        "item 2",
        "(0029,0010) LO PrivateCreator ACME \\x07 1.0",
        f"(0029,1001) {private} [ACME \\x07 1.0] {value}",
        "(0018,9305) FD RevolutionTime 0.25",
        "(0028,0106) SS SmallestImagePixelValue -7"
        if syntax != IMPLICIT
        else "(0028,0106) US SmallestImagePixelValue 65529",
        f"(0042,0011) OB EncapsulatedDocument {bytes(range(16)).hex(' ')} ... (40 bytes)",
        "(0008,1030) LO StudyDescription " + "x" * 64,
        "(0032,4000) LT StudyComments " + "y" * 76 + " ... (200 bytes)",
    ):
        assert line in shown, line
    assert any("(0010,0020)" in line and " AT " in line for line in shown)


def test_full_values_are_shown_where_they_are_asked_for(tmp_path: Path, capsys: Shown) -> None:
    path = write(tmp_path / "some", some_text())
    assert main(["show", "--full", str(path)]) == 0
    shown = "\n".join(lines(capsys))
    assert "y" * 200 in shown
    assert bytes(range(40)).hex(" ") in shown


def test_nothing_in_a_file_reaches_the_terminal_as_it_is(tmp_path: Path, capsys: Shown) -> None:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientName = "A\x1b[31m\u202eB\u2028C"
    made.PatientID = "1\n(0010,0030) DA 20000101"
    path = write(tmp_path / "evil\x1b[2J", made)
    assert main(["show", str(path), str(tmp_path / "none\x1b[2J")]) == 1
    captured = capsys.readouterr()
    assert "A\\x1b[31m\\u202eB\\u2028C" in captured.out
    assert "1\\x0a(0010,0030)" in captured.out
    assert "\x1b" not in captured.err


def test_encapsulated_pixel_data_is_counted(tmp_path: Path, capsys: Shown) -> None:
    array = pattern()
    frame = CODECS[uids.RLE_LOSSLESS].encode(array, 8)
    path = write(tmp_path / "coded", data_set([frame] * 3, array), uids.RLE_LOSSLESS)
    assert main(["show", str(path)]) == 0
    shown = lines(capsys)
    assert shown[-2].split() == ["(7fe0,0010)", "OB", "PixelData", "encapsulated:"]
    assert shown[-1].strip() == f"3 fragments, {3 * len(frame)} bytes"


def test_a_file_without_meta_information_is_shown(tmp_path: Path, capsys: Shown) -> None:
    path = tmp_path / "raw"
    path.write_bytes(encode_dataset(some_text(), IMPLICIT))
    assert main(["show", str(path)]) == 0
    assert lines(capsys)[0] == "# no File Meta Information, read as LittleEndianImplicit"


@pytest.mark.parametrize("left_out", [128, 132])
def test_a_file_without_preamble_is_shown(tmp_path: Path, capsys: Shown, left_out: int) -> None:
    path = write(tmp_path / "some", some_text())
    assert main(["show", str(path)]) == 0
    whole = lines(capsys)
    path.write_bytes(path.read_bytes()[left_out:])
    assert main(["show", str(path)]) == 0
    assert lines(capsys) == whole


def test_several_files_have_their_names_before_them(tmp_path: Path, capsys: Shown) -> None:
    first, second = (write(tmp_path / name, some_text()) for name in "ab")
    assert main(["show", str(first), str(second)]) == 0
    shown = lines(capsys)
    assert shown[0] == f"# {first}"
    assert f"# {second}" in shown


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a DICOM file"),
        (b"nothing of the kind" * 20, "not a DICOM file"),
        (None, "No such file"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--png", "out"]])
def test_files_that_are_none_cost_the_others_nothing(
    tmp_path: Path,
    capsys: Shown,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    reason: str,
    options: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    good = write(tmp_path / "good", native(pattern()))
    bad = tmp_path / "bad"
    if content is not None:
        bad.write_bytes(content)
    assert main(["show", *options, "bad", str(good)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"isocenter show: bad: {reason}")
    assert captured.err.count("\n") == 1
    assert "PixelData" in captured.out or "good.png" in captured.out


def test_what_comes_before_the_damage_is_shown(tmp_path: Path, capsys: Shown) -> None:
    path = write(tmp_path / "cut", native(pattern()))
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["show", str(path)]) == 1
    captured = capsys.readouterr()
    assert "PatientName" in captured.out
    assert "cut short: 100 bytes of an element are missing" in captured.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "expected a FILE"),
        (["--bogus", "x"], "unknown option --bogus"),
        (["--png"], "--png needs a value"),
        (["--frames", "1", "x"], "--frames needs --png"),
        (["--window=1,2", "x"], "--window needs --png"),
        (["--overwrite", "x"], "--overwrite needs --png"),
        (["--full", "--png", "o", "x"], "exclude each other"),
        (["--png", "o", "--frames", "0", "x"], "0 is no range"),
        (["--png", "o", "--frames", "3-1", "x"], "3-1 is no range"),
        (["--png", "o", "--frames", "a", "x"], "expected numbers"),
        (["--png", "o", "--frames", "1,", "x"], "expected numbers"),
        (["--png", "o", "--window", "1", "x"], "expected CENTER,WIDTH"),
        (["--png", "o", "--window", "1,0", "x"], "more than 0"),
        (["--png", "o", "--window", "nan,1", "x"], "more than 0"),
    ],
)
def test_command_lines_that_make_no_sense(
    capsys: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["show", *options]) == 1
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.err.endswith("see isocenter show --help\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(capsys: Shown, option: str) -> None:
    assert main(["show", option]) == 0
    shown = capsys.readouterr().out
    for name in ("--full", "--png", "--frames", "--window", "--overwrite", "--help"):
        assert f"  {name}" in shown or f", {name}" in shown
    assert all(len(line) < 80 for line in shown.splitlines())


# Pictures


def shown_picture(tmp_path: Path, made: Dataset, syntax: str = LITTLE, *options: str) -> object:
    path = write(tmp_path / "image", made, syntax)
    assert main(["show", "--png", str(tmp_path / "out"), *options, str(path)]) == 0
    return picture(tmp_path / "out" / "image.png")


def window(values: object, center: float, width: float) -> object:
    """Return gray values by the standard's words (PS3.3 C.11.2.1.2.1)."""
    x = np.asarray(values, float)
    y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(np.floor(y + 0.5), 0, 255)


@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_gray_is_shown_with_the_window_of_the_file(
    tmp_path: Path, syntax: str, photometric: str
) -> None:
    array = pattern(bits=12)
    made = native(array, 12)
    made.PhotometricInterpretation = photometric
    made.RescaleSlope, made.RescaleIntercept = "2", "-1000"
    made.WindowCenter, made.WindowWidth = ["1500", "0"], ["2000", "1"]
    wanted = window(array * 2 - 1000, 1500, 2000)
    if photometric == "MONOCHROME1":
        wanted = 255 - np.asarray(wanted)
    assert np.abs(np.asarray(shown_picture(tmp_path, made, syntax)) - wanted).max() <= 1


def test_without_a_window_the_range_of_the_values_is_shown(tmp_path: Path) -> None:
    array = pattern(bits=12) // 3 + 100
    result = np.asarray(shown_picture(tmp_path, native(array, 12)))
    wanted = (array - array.min()) / (array.max() - array.min()) * 255
    assert np.abs(result - wanted).max() <= 0.5


def test_an_image_of_one_value_is_shown(tmp_path: Path) -> None:
    result = shown_picture(tmp_path, native(np.full((3, 5), 77)))
    assert len(np.unique(np.asarray(result))) == 1


def test_a_window_may_be_given(tmp_path: Path) -> None:
    array = pattern(bits=12)
    result = shown_picture(tmp_path, native(array, 12), LITTLE, "--window", "1000,500")
    assert np.abs(np.asarray(result) - window(array, 1000, 500)).max() <= 1


@pytest.mark.parametrize(
    ("function", "width", "wanted"),
    [
        ("LINEAR_EXACT", "200", lambda x: (x - 100) / 200 * 255 + 127.5),
        ("SIGMOID", "200", lambda x: 255 / (1 + np.exp(-4 * (x - 100) / 200))),
        ("LINEAR", "1", lambda x: (x > 99.5) * 255),
        ("LINEAR", "200", lambda x: window(x, 100, 200)),
    ],
)
def test_every_function_of_windows(
    tmp_path: Path, function: str, width: str, wanted: object
) -> None:
    array = np.arange(256).reshape(16, 16)
    made = native(array)
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = "100", width, function
    assert callable(wanted)
    expected = np.clip(np.floor(np.asarray(wanted(array)) + 0.5), 0, 255)
    assert np.abs(np.asarray(shown_picture(tmp_path, made)) - expected).max() <= 1


def test_a_window_within_functional_groups_is_used(tmp_path: Path) -> None:
    array = pattern(bits=12)
    made, group, voi = native(array, 12), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = "800", "300"
    group.FrameVOILUTSequence = Sequence([voi])
    made.SharedFunctionalGroupsSequence = Sequence([group])
    result = shown_picture(tmp_path, made)
    assert np.abs(np.asarray(result) - window(array, 800, 300)).max() <= 1


def test_bits_are_where_the_high_bit_says_and_signs_count(tmp_path: Path) -> None:
    array = pattern(bits=12)
    made = native((array << 2) | 3, 16)
    made.BitsStored, made.HighBit, made.PixelRepresentation = 12, 13, 1
    made.WindowCenter, made.WindowWidth = "0", "4096"
    signed = (array ^ 2048) - 2048
    assert np.abs(np.asarray(shown_picture(tmp_path, made)) - window(signed, 0, 4096)).max() <= 1


@pytest.mark.parametrize("syntax", [LITTLE, BIG])
@pytest.mark.parametrize("planar", [0, 1])
def test_color_is_shown(tmp_path: Path, syntax: str, planar: int) -> None:
    array = pattern(rows=5, columns=7, samples=3)
    made = native(array)
    made.PlanarConfiguration = planar
    if planar:
        made.PixelData = array.transpose(2, 0, 1).astype("u1").tobytes() + b"\0"
    assert (np.asarray(shown_picture(tmp_path, made, syntax)) == array).all()


def test_of_sixteen_bits_of_color_the_upper_eight_are_shown(tmp_path: Path) -> None:
    array = pattern(samples=3, bits=16)
    assert (np.asarray(shown_picture(tmp_path, native(array, 16))) == array >> 8).all()


def test_ycbcr_is_shown_as_rgb(tmp_path: Path) -> None:
    gray = np.full((2, 2, 3), (100, 128, 128))
    gray[0, 0] = (76, 85, 255)  # red
    made = native(gray)
    made.PhotometricInterpretation = "YBR_FULL"
    result = np.asarray(shown_picture(tmp_path, made))
    assert (result[1, 1] == 100).all()
    assert np.abs(result[0, 0] - (254, 0, 0)).max() <= 1


def test_shared_chrominance_is_shown(tmp_path: Path) -> None:
    made = native(np.zeros((1, 4, 3), np.int64))
    made.PhotometricInterpretation = "YBR_FULL_422"
    made.PixelData = bytes((50, 60, 128, 128, 70, 80, 128, 128))
    result = np.asarray(shown_picture(tmp_path, made))
    assert result[0, :, 0].tolist() == [50, 60, 70, 80]


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_are_shown(tmp_path: Path, bits: int) -> None:
    array = np.arange(12).reshape(3, 4)
    made = native(array)
    made.PhotometricInterpretation = "PALETTE COLOR"
    for number, color in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{color}PaletteColorLookupTableDescriptor", [4, 2, bits])
        made[f"{color}PaletteColorLookupTableDescriptor"].VR = "US"
        entries = [10 * number + entry for entry in range(4)]
        table = bytes(entries) if bits == 8 else np.array(entries, "<u2") * 256
        setattr(made, f"{color}PaletteColorLookupTableData", bytes(table))
    result = np.asarray(shown_picture(tmp_path, made))
    # Indices below 2 have the first color, those above 5 the last.
    assert result[..., 0].reshape(-1).tolist() == [0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert result[0, 3].tolist() == [1, 11, 21]


@pytest.mark.parametrize("syntax", sorted(CODECS))
def test_compressed_frames_are_shown(tmp_path: Path, syntax: str) -> None:
    codec = CODECS[syntax]
    bits = codec.bits[0]
    arrays = [pattern(bits=bits, seed=seed) for seed in (1, 2, 3)]
    made = data_set([codec.encode(array, bits) for array in arrays], arrays[0], bits)
    path = write(tmp_path / "image", made, syntax)
    out = tmp_path / "out"
    assert (
        main(
            [
                "show",
                "--png",
                str(out),
                "--window",
                "128,256" if bits == 8 else "2048,4096",
                str(path),
            ]
        )
        == 0
    )
    assert sorted(name.name for name in out.iterdir()) == [
        f"image.{number}.png" for number in (1, 2, 3)
    ]
    for number, array in enumerate(arrays):
        result = picture(out / f"image.{number + 1}.png")
        assert np.abs(result - array / (1 if bits == 8 else 16)).max() <= 256 * codec.error + 2


def test_compressed_ycbcr_is_shown_as_rgb(tmp_path: Path) -> None:
    array = np.full((16, 16, 3), (250, 10, 10))
    frame = bytes(
        imagecodecs.jpeg8_encode(
            array.astype(np.uint8), level=95, colorspace="RGB", outcolorspace="YCBCR"
        )
    )
    made = data_set([frame], array, photometric="YBR_FULL_422")
    result = shown_picture(tmp_path, made, uids.JPEG_BASELINE_8BIT)
    assert np.abs(np.asarray(result) - array).max() < 8


@pytest.mark.parametrize("columns", [16, 13])
def test_single_bits_are_shown(tmp_path: Path, columns: int) -> None:
    arrays = [(pattern(7, columns, seed=seed) > 99).astype(np.int64) for seed in (1, 2, 3)]
    made = native(arrays[0])
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit, made.NumberOfFrames = 0, 3
    bits = np.packbits(np.concatenate([a.reshape(-1) for a in arrays]), bitorder="little")
    made.PixelData = bits.tobytes() + b"\0" * (bits.size % 2)
    path = write(tmp_path / "image", made)
    assert main(["show", "--png", str(tmp_path), str(path)]) == 0
    for number, array in enumerate(arrays):
        assert (picture(tmp_path / f"image.{number + 1}.png") == array * 255).all()


def test_frames_may_be_chosen(tmp_path: Path, capsys: Shown) -> None:
    array = pattern()
    frame = CODECS[uids.RLE_LOSSLESS].encode(array, 8)
    path = write(tmp_path / "image", data_set([frame] * 12, array), uids.RLE_LOSSLESS)
    out = tmp_path / "out"
    assert main(["show", "--png", str(out), "--frames=2,5-6,12", str(path)]) == 0
    wanted = [str(out / f"image.{number}.png") for number in ("02", "05", "06", "12")]
    assert lines(capsys) == wanted
    assert sorted(str(name) for name in out.iterdir()) == wanted
    assert main(["show", "--png", str(out), "--frames", "13", str(path)]) == 1
    assert "there is no frame 13: it has 12" in capsys.readouterr().err


def test_a_frame_that_cannot_be_decoded_costs_itself(tmp_path: Path, capsys: Shown) -> None:
    array = pattern()
    frame = CODECS[uids.RLE_LOSSLESS].encode(array, 8)
    made = data_set([frame, bytes(64), frame], array)
    path = write(tmp_path / "image", made, uids.RLE_LOSSLESS)
    assert main(["show", "--png", str(tmp_path / "out"), str(path)]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err == f"isocenter show: {path}: frame 2: it has 0 RLE segments, not 1\n"


def test_no_picture_takes_the_place_of_another(tmp_path: Path, capsys: Shown) -> None:
    path = write(tmp_path / "image", native(pattern()))
    target = tmp_path / "image.png"
    target.write_bytes(b"mine")
    assert main(["show", "--png", str(tmp_path), str(path)]) == 1
    assert f"{target} is there already (--overwrite)" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert sorted(name.name for name in tmp_path.iterdir()) == ["image", "image.png"]
    assert main(["show", "--png", str(tmp_path), "--overwrite", str(path)]) == 0
    assert picture(target).shape == (24, 20)
    assert sorted(name.name for name in tmp_path.iterdir()) == ["image", "image.png"]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_folder_that_cannot_be_made_is_said_first(tmp_path: Path, capsys: Shown) -> None:
    path = write(tmp_path / "image", native(pattern()))
    assert main(["show", "--png", str(path / "out"), str(path)]) == 1
    assert capsys.readouterr().err == f"isocenter show: {path / 'out'}: Not a directory\n"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PixelData": None}, "no Pixel Data"),
        ({"Rows": 25}, "take more than the 480 bytes of Pixel Data"),
        ({"NumberOfFrames": 2}, "2 frames of 24 x 20 take more"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "has no palette"),
        ({"PhotometricInterpretation": "CMYK"}, "images of CMYK with one sample"),
        ({"BitsAllocated": 24, "Rows": 8}, "24 bits allocated are not shown"),
    ],
)
def test_what_makes_no_picture_is_said(
    tmp_path: Path, capsys: Shown, attributes: dict[str, object], reason: str
) -> None:
    made = native(pattern())
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    path = write(tmp_path / "image", made)
    assert main(["show", "--png", str(tmp_path / "out"), str(path)]) == 1
    assert reason in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_without_the_library_uncompressed_images_are_shown(tmp_path: Path) -> None:
    """Neither numpy nor imagecodecs is loaded, and text loads nothing of pixels."""
    path = write(tmp_path / "image", native(pattern()))
    program = (
        "import sys; from isocenter.cli.main import main;"
        f"code = main(['show', *sys.argv[1:], {str(path)!r}]);"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in"
        " {'numpy', 'imagecodecs', 'pydicom', 'PIL'} or 'pixels' in name), file=sys.stderr);"
        "sys.exit(code)"
    )
    for options, loaded in (([], ""), (["--png", str(tmp_path)], "isocenter.dataset.pixels")):
        result = subprocess.run(
            [sys.executable, "-c", program, *options],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert "numpy" not in result.stderr
        assert "imagecodecs" not in result.stderr
        assert "pydicom" not in result.stderr
        assert loaded in result.stderr
        assert loaded or not result.stderr.strip()


@pytest.mark.parametrize("name", ["SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"])
def test_bytes_in_words_of_big_endian_are_shown(tmp_path: Path, name: str) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    assert main(["show", "--png", str(tmp_path), path]) == 0
    result = picture(tmp_path / f"{name}.png")
    twin = get_testdata_file("SC_rgb_small_odd.dcm", read=True)
    assert isinstance(twin, Dataset)
    wanted = np.frombuffer(twin.PixelData, np.uint8)[:27].reshape(3, 3, 3)
    assert (result == wanted).all()
