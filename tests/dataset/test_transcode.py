"""Data sets with compressed images, written without compression."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from isocenter import uids
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import (
    DecoderPool,
    ImageLimits,
    open_decoder,
)
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion
from tests.support.pixels import (
    CODECS,
    data_set,
    decoded,
    encoded,
    pattern,
    samples_of,
    transcode,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.pixels import Codec

JPEG, JPEG_LS, RLE = uids.JPEG_BASELINE_8BIT, uids.JPEG_LS_LOSSLESS, uids.RLE_LOSSLESS
J2K, NATIVE = (
    uids.JPEG_2000_LOSSLESS,
    uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
)
TARGETS = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as made:
        yield made


def cases() -> list[object]:
    return [
        pytest.param(codec, bits, samples, id=f"{codec.transfer_syntax_uid}-{bits}-{samples}")
        for codec in CODECS.values()
        for bits in codec.bits
        for samples in ((1, 3) if codec.colors else (1,))
        if not (samples == 3 and bits == 12)
    ]


@pytest.mark.parametrize(("codec", "bits", "samples"), cases())
def test_what_was_encoded_is_decoded(
    pool: DecoderPool, codec: Codec, bits: int, samples: int
) -> None:
    array = pattern(samples=samples, bits=bits)
    other = pattern(samples=samples, bits=bits, seed=2)
    frames = [codec.encode(array, bits), codec.encode(other, bits)]
    result = decoded(pool, data_set(frames, array, bits), codec.transfer_syntax_uid)
    wanted = np.stack([array, other]).reshape(2, 24, 20, samples)
    difference = np.abs(samples_of(result) - wanted).max()
    assert difference <= codec.error * ((1 << bits) - 1)
    if not codec.error:
        assert difference == 0
    assert (result.BitsAllocated, result.BitsStored) == (8 if bits == 8 else 16, bits)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bits", [8, 16])
def test_samples_are_the_same_in_every_uncompressed_syntax(
    pool: DecoderPool, target: str, bits: int
) -> None:
    codec, array = CODECS[JPEG_LS], pattern(rows=9, columns=7, bits=bits)
    frames = [codec.encode(array, bits)] * 3
    result = decoded(pool, data_set(frames, array, bits), JPEG_LS, target)
    samples = samples_of(result)
    assert samples.shape == (3, 9, 7, 1)
    assert (samples[2, ..., 0] == array).all()


def test_an_odd_number_of_bytes_is_padded(pool: DecoderPool) -> None:
    array = pattern(rows=5, columns=3)
    result = decoded(pool, data_set([CODECS[JPEG_LS].encode(array, 8)], array), JPEG_LS)
    assert len(result.PixelData) == 16
    assert result.PixelData[-1] == 0


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (16, "OW")])
def test_native_pixel_data_has_the_vr_of_its_bits(pool: DecoderPool, bits: int, vr: str) -> None:
    array = pattern(bits=bits)
    result = transcode(pool, data_set([CODECS[JPEG_LS].encode(array, bits)], array, bits), JPEG_LS)
    length = array.size * bits // 8
    header = struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr.encode(), 0, length)
    assert result[-length - 12 : -length] == header


def test_other_elements_stay_as_they_are(pool: DecoderPool) -> None:
    array = pattern()
    made = data_set([CODECS[RLE].encode(array, 8)], array)
    made.PatientName = "Yamada^Tarou"
    made.ReferencedImageSequence = Sequence([Dataset(), Dataset()])
    made.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    made.add_new(0x00091001, "UN", b"\1\2\3\4")
    made.add_new(0x7FE10010, "OB", b"behind the pixels\0")
    result = decoded(pool, made, RLE)
    for element in made:
        if element.keyword != "PixelData":
            assert result[element.tag] == element, element
    assert len(result) == len(made)


@pytest.mark.parametrize(
    ("photometric", "syntax", "wanted"),
    [
        ("YBR_RCT", J2K, "RGB"),
        ("YBR_ICT", uids.JPEG_2000, "RGB"),
        ("YBR_FULL", J2K, "YBR_FULL"),
        ("RGB", J2K, "RGB"),
        ("YBR_FULL_422", J2K, "YBR_FULL"),
        ("YBR_RCT", uids.HTJ2K_LOSSLESS, "RGB"),
        ("RGB", JPEG, "RGB"),
        ("YBR_FULL", JPEG, "RGB"),
        ("YBR_FULL_422", JPEG, "RGB"),
        ("YBR_FULL", uids.JPEG_LOSSLESS_SV1, "RGB"),
        ("RGB", uids.JPEG_LOSSLESS_SV1, "RGB"),
        ("YBR_FULL", JPEG_LS, "YBR_FULL"),
        ("YBR_FULL", RLE, "YBR_FULL"),
        ("XYB", uids.JPEG_XL, "RGB"),
        ("YBR_FULL", uids.JPEG_XL_LOSSLESS, "YBR_FULL"),
    ],
)
def test_the_color_model_is_that_of_the_samples(
    pool: DecoderPool, photometric: str, syntax: str, wanted: str
) -> None:
    array = pattern(samples=3)
    made = data_set([CODECS[syntax].encode(array, 8)], array, photometric=photometric)
    result = decoded(pool, made, syntax)
    assert result.PhotometricInterpretation == wanted
    assert result.PlanarConfiguration == 0
    assert len(result.PixelData) == array.size


def test_ycbcr_becomes_rgb(pool: DecoderPool) -> None:
    # Middle gray with the highest red difference, lossless: Y 128, Cb 128, Cr 255.
    array = np.full((4, 4, 3), (128, 128, 255), np.int64)
    codec = CODECS[uids.JPEG_LOSSLESS_SV1]
    made = data_set([codec.encode(array, 8)], array, photometric="YBR_FULL")
    result = decoded(pool, made, codec.transfer_syntax_uid)
    assert set(map(tuple, samples_of(result).reshape(-1, 3))) == {(255, 37, 128)}


def test_chrominance_with_fewer_samples_is_no_rgb_whatever_the_data_set_says(
    pool: DecoderPool,
) -> None:
    import imagecodecs

    array = np.full((16, 16, 3), (250, 10, 10), np.int64)
    frame = imagecodecs.jpeg8_encode(
        array.astype(np.uint8),
        level=95,
        colorspace="RGB",
        outcolorspace="YCBCR",
        subsampling="420",
    )
    result = decoded(pool, data_set([bytes(frame)], array, photometric="RGB"), JPEG)
    assert np.abs(samples_of(result) - array).max() < 8


def test_signed_samples_of_ycbcr_are_an_error(pool: DecoderPool) -> None:
    array = pattern(samples=3)
    made = data_set([CODECS[JPEG].encode(array, 8)], array, photometric="YBR_FULL")
    made.PixelRepresentation = 1
    with pytest.raises(DataSetError, match="signed samples of YCbCr"):
        transcode(pool, made, JPEG)


@pytest.mark.parametrize(
    ("syntax", "before", "after"),
    [
        (JPEG, None, "01"),
        (JPEG, "00", "01"),
        (JPEG, "01", "01"),
        (uids.JPEG_LS_NEAR_LOSSLESS, None, "01"),
        (uids.JPEG_2000, None, "01"),
        (uids.HTJ2K, None, "01"),
        (JPEG_LS, "01", "01"),
        (JPEG_LS, None, None),
        (J2K, "00", "00"),
    ],
)
def test_lossy_compression_is_not_forgotten(
    pool: DecoderPool, syntax: str, before: str | None, after: str | None
) -> None:
    array = pattern()
    made = data_set([CODECS[syntax].encode(array, 8)], array)
    made.LossyImageCompressionRatio = "10"
    made.SmallestImagePixelValue = 0
    if before is not None:
        made.LossyImageCompression = before
    data = transcode(pool, made, syntax)
    result = decoded(pool, made, syntax)
    assert result.get("LossyImageCompression") == after
    tags = [element.tag for element in result]
    assert tags == sorted(tags)
    if after == "01":
        assert data.count(b"\x28\0\x10\x21CS\x02\x00") == 1


def test_a_missing_planar_configuration_is_added_in_its_place(pool: DecoderPool) -> None:
    array = pattern(samples=3)
    made = data_set([CODECS[RLE].encode(array, 8)], array, PlanarConfiguration=None)
    data = transcode(pool, made, RLE)
    assert (
        data.index(b"\x28\0\x04\0CS") < data.index(b"\x28\0\x06\0US") < data.index(b"\x28\0\x10\0")
    )


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_color_by_plane_becomes_color_by_pixel(pool: DecoderPool, photometric: str) -> None:
    array = pattern(samples=3, bits=16)
    planes = array.transpose(2, 0, 1).astype("<u2").tobytes()
    made = data_set([planes], array, 16, photometric=photometric, PlanarConfiguration=1)
    result = decoded(pool, made, NATIVE)
    assert (result.PlanarConfiguration, result.PhotometricInterpretation) == (0, photometric)
    assert (samples_of(result)[0] == array).all()


def test_native_frames_with_half_of_the_chrominance_stay_so(pool: DecoderPool) -> None:
    array = pattern(samples=3)
    frame = bytes(range(240)) * 4  # 2 bytes for each of 24 x 20 pixels
    made = data_set([frame], array, photometric="YBR_FULL_422")
    result = decoded(pool, made, NATIVE)
    assert result.PhotometricInterpretation == "YBR_FULL_422"
    assert result.PixelData == frame


def test_samples_of_eight_bits_stay_in_the_sixteen_that_are_allocated(pool: DecoderPool) -> None:
    array = pattern()
    made = data_set([CODECS[JPEG_LS].encode(array, 8)], array, BitsAllocated=16)
    result = decoded(pool, made, JPEG_LS)
    assert (result.BitsAllocated, result.BitsStored, result.HighBit) == (16, 8, 7)
    assert (samples_of(result)[0, ..., 0] == array).all()


@pytest.mark.parametrize("allocated", [8, 12])
def test_more_bits_than_are_allocated_get_room(pool: DecoderPool, allocated: int) -> None:
    array = pattern(bits=12)
    frame = CODECS[J2K].encode(array, 12)
    made = data_set([frame], array, BitsAllocated=allocated, BitsStored=8, HighBit=7)
    result = decoded(pool, made, J2K)
    assert result.BitsAllocated == 16
    assert (result.BitsStored, result.HighBit) == ((12, 11) if allocated == 8 else (8, 7))
    result.BitsStored = 12
    assert (samples_of(result)[0, ..., 0] == array).all()


@pytest.mark.parametrize("bits", [12, 16])
def test_the_sign_is_the_highest_bit_of_the_precision(pool: DecoderPool, bits: int) -> None:
    array = pattern(bits=bits)
    made = data_set([CODECS[J2K].encode(array, bits)], array, 16, PixelRepresentation=1)
    result = decoded(pool, made, J2K)
    sign = 1 << (bits - 1)
    assert (samples_of(result)[0, ..., 0] == (array ^ sign) - sign).all()


@pytest.mark.parametrize("syntax", [J2K, RLE, uids.DEFLATED_IMAGE_FRAME_COMPRESSION])
@pytest.mark.parametrize("columns", [16, 13])
def test_frames_of_single_bits_follow_each_other_without_gap(
    pool: DecoderPool, syntax: str, columns: int
) -> None:
    from tests.support.pixels import deflate, packbits

    arrays = [(pattern(7, columns, seed=seed) > 99).astype(np.int64) for seed in (1, 2, 3)]
    if syntax == J2K:
        frames = [CODECS[J2K].encode(array, 1) for array in arrays]
    else:
        packed = [np.packbits(array, bitorder="little") for array in arrays]
        if syntax == RLE:
            header = struct.pack("<16I", 1, 64, *[0] * 14)
            frames = [header + packbits(bits.tobytes()) for bits in packed]
        else:
            frames = [deflate(bits.astype(np.int64), 8) for bits in packed]
    made = data_set(frames, arrays[0], BitsAllocated=1, BitsStored=1, HighBit=0)
    result = decoded(pool, made, syntax)
    bits = np.unpackbits(np.frombuffer(result.PixelData, np.uint8), bitorder="little")
    wanted = np.concatenate([array.reshape(-1) for array in arrays])
    assert (bits[: wanted.size] == wanted).all()
    assert len(result.PixelData) == -(-wanted.size // 16) * 2
    assert not bits[wanted.size :].any()


@pytest.mark.parametrize("layout", ["no table", "basic", "extended", "fragments"])
@pytest.mark.parametrize("syntax", [JPEG_LS, uids.JPEG_LOSSLESS_SV1, RLE])
def test_frames_are_found_however_they_are_laid_out(
    pool: DecoderPool, layout: str, syntax: str
) -> None:
    arrays = [pattern(seed=seed) for seed in range(1, 5)]
    frames = [CODECS[syntax].encode(array, 8) for array in arrays]
    made = data_set(
        frames,
        arrays[0],
        has_table=layout in {"basic", "fragments"},
        is_extended=layout == "extended",
        fragments=3 if layout == "fragments" else 1,
    )
    result = decoded(pool, made, syntax)
    assert (samples_of(result)[..., 0] == np.stack(arrays)).all()
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        assert keyword not in result


def test_fragments_without_a_table_are_joined_where_codestreams_begin(pool: DecoderPool) -> None:
    arrays = [pattern(seed=seed) for seed in range(1, 4)]
    frames = [CODECS[JPEG_LS].encode(array, 8) for array in arrays]
    made = data_set(frames, arrays[0], fragments=2)
    result = decoded(pool, made, JPEG_LS)
    assert (samples_of(result)[..., 0] == np.stack(arrays)).all()


@pytest.mark.parametrize("lengths", ["explicit", "undefined"])
def test_icons_within_sequences_are_decoded_as_well(pool: DecoderPool, lengths: str) -> None:
    array, small = pattern(), pattern(8, 6, seed=3)
    made = data_set([CODECS[JPEG_LS].encode(array, 8)], array)
    icon = data_set([CODECS[JPEG_LS].encode(small, 8)], small)
    del icon.SOPClassUID, icon.SOPInstanceUID, icon.PatientName
    native = Dataset()
    native.Rows, native.Columns, native.BitsAllocated = 2, 1, 8
    native.PixelData = b"\1\2"
    native["PixelData"].VR = "OB"
    made.IconImageSequence = Sequence([icon, native])
    if lengths == "undefined":
        made["IconImageSequence"].is_undefined_length = True
        for item in made.IconImageSequence:
            item.is_undefined_length_sequence_item = True
    for target in TARGETS:
        result = decoded(pool, made, JPEG_LS, target)
        assert (samples_of(result)[0, ..., 0] == array).all()
        inner = result.IconImageSequence[0]
        assert inner.PixelData == small.astype(np.uint8).tobytes()
        assert (inner.Rows, inner.Columns) == (8, 6)
        assert result.IconImageSequence[1].PixelData == b"\1\2"


def test_a_data_set_without_pixels_stays_as_it_is(pool: DecoderPool) -> None:
    made = Dataset()
    made.SOPInstanceUID = "1.2"
    made.PatientID = "A"
    assert transcode(pool, made, JPEG) == encoded(made)


def test_group_lengths_count_what_is_there_afterwards(pool: DecoderPool) -> None:
    array = pattern()
    made = data_set([CODECS[JPEG].encode(array, 8)], array)
    source = encoded(made)
    at = source.index(b"\x28\0\x02\0")
    source = source[:at] + struct.pack("<HH2sHI", 0x28, 0, b"UL", 4, 99) + source[at:]
    data = transcode(pool, source, JPEG)
    at = data.index(b"\x28\0\0\0UL")
    stated = struct.unpack_from("<I", data, at + 8)[0]
    assert at + 12 + stated == data.index(b"\xe0\x7f\x10\0")
    assert b"\x28\0\x10\x21CS" in data  # which was not there before


def test_values_that_the_sender_replaces_are_replaced(pool: DecoderPool) -> None:
    array = pattern()
    made = data_set([CODECS[RLE].encode(array, 8)], array)
    options = RewriteOptions(
        transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN,
        replacements={0x00080018: b"1.2.840.99"},
    )
    opened = open_decoder(encoded(made), RLE, options, pool=pool)
    data = b"".join(opened.segments())
    assert b"1.2.840.99" in data
    assert len(data) == opened.length
    assert opened.values[0x00080018] == b"1.2.840.99"


def test_a_data_set_in_a_file_is_read_where_it_is(pool: DecoderPool, tmp_path: Path) -> None:
    arrays = [pattern(64, 48, bits=16, seed=seed) for seed in range(12)]
    frames = [CODECS[JPEG_LS].encode(array, 16) for array in arrays]
    source = encoded(data_set(frames, arrays[0], 16))
    path = tmp_path / "image"
    path.write_bytes(b"before" + source + b"behind")
    with path.open("rb") as file:
        region = FileRegion(file.fileno(), 6, len(source))
        options = RewriteOptions(transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN)
        opened = open_decoder(region, JPEG_LS, options, pool=pool)
        assert opened.frames == 12
        opened.begin()
        data = b"".join(opened.segments())
    assert data == transcode(pool, source, JPEG_LS, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    assert opened.length == len(data)
    wanted = np.stack(arrays).astype("<u2").tobytes()
    assert data.endswith(wanted)


def test_what_was_begun_can_be_given_up(pool: DecoderPool) -> None:
    arrays = [pattern(seed=seed) for seed in range(9)]
    made = data_set([CODECS[J2K].encode(array, 8) for array in arrays], arrays[0])
    options = RewriteOptions(transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN)
    opened = open_decoder(encoded(made), J2K, options, pool=pool)
    opened.begin()
    opened.close()
    opened.close()
    assert (samples_of(decoded(pool, made, J2K))[..., 0] == np.stack(arrays)).all()


def test_a_file_that_became_shorter_is_an_error(pool: DecoderPool, tmp_path: Path) -> None:
    array = pattern(200, 200, bits=16)
    made = data_set([CODECS[RLE].encode(array, 16)] * 30, array, 16)
    source = encoded(made)
    path = tmp_path / "image"
    path.write_bytes(source)
    with path.open("r+b") as file:
        options = RewriteOptions(transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN)
        region = FileRegion(file.fileno(), 0, len(source))
        opened = open_decoder(region, RLE, options, pool=pool)
        file.truncate(len(source) // 2)
        with pytest.raises(DataSetError, match="became shorter"):
            for _ in opened.segments():
                pass


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Rows": 0}, "0 rows"),
        ({"Rows": None}, "no Rows"),
        ({"Columns": None}, "no Columns"),
        ({"BitsAllocated": None}, "no Bits Allocated"),
        ({"BitsAllocated": 0}, "0 bits allocated"),
        ({"BitsAllocated": 72}, "72 bits allocated"),
        ({"BitsAllocated": 24}, "its RLE|RLE segments"),
        ({"SamplesPerPixel": 2}, "2 samples"),
        ({"SamplesPerPixel": 4}, "4 samples"),
        ({"NumberOfFrames": 0}, "Number of Frames is 0"),
        ({"NumberOfFrames": -1}, "Number of Frames is -1"),
        ({"NumberOfFrames": 2}, "2, pixel data has 1 fragments"),
        ({"NumberOfFrames": 2_000_000_000}, "Number of Frames is 2000000000"),
        ({"Rows": 65535, "Columns": 65535}, "takes 4294836225 bytes"),
        ({"Rows": 23}, "480 bytes|RLE segment"),
    ],
)
def test_attributes_that_make_no_image_are_an_error(
    pool: DecoderPool, attributes: dict[str, object], reason: str
) -> None:
    array = pattern()
    frame = CODECS[RLE].encode(array, 8)
    if attributes == {"Rows": 23}:  # fewer samples than there are is what RLE cannot see
        attributes = {"Rows": 25}
    with pytest.raises(DataSetError, match=reason):
        transcode(pool, data_set([frame], array, **attributes), RLE)  # type: ignore[arg-type]  # keywords of elements


def test_frames_beyond_four_gigabytes_are_an_error_before_they_are_decoded(
    pool: DecoderPool,
) -> None:
    array = np.zeros((60000, 10), np.int64)
    frame = CODECS[RLE].encode(array[:10], 8)
    made = data_set([frame] * 10, array, Columns=50000)
    with pytest.raises(DataSetError, match="more than native pixel data can have"):
        open_decoder(
            encoded(made),
            RLE,
            RewriteOptions(),
            pool=pool,
            limits=ImageLimits(maximum_frame_length=1 << 34),
        )


@pytest.mark.parametrize("length", [479, 480])
def test_a_frame_may_have_the_maximum_length_and_no_more(pool: DecoderPool, length: int) -> None:
    array = pattern()  # 480 bytes
    source = encoded(data_set([CODECS[RLE].encode(array, 8)], array))
    limits = ImageLimits(maximum_frame_length=length)
    if length == 480:
        assert open_decoder(source, RLE, RewriteOptions(), pool=pool, limits=limits).length
        return
    with pytest.raises(DataSetError, match="takes 480 bytes, more than 479"):
        open_decoder(source, RLE, RewriteOptions(), pool=pool, limits=limits)


@pytest.mark.parametrize("maximum", [3, 4])
def test_an_image_may_have_the_maximum_of_fragments_and_no_more(
    pool: DecoderPool, maximum: int
) -> None:
    array = pattern()
    source = encoded(data_set([CODECS[RLE].encode(array, 8)] * 4, array))
    limits = ImageLimits(maximum_fragments=maximum)
    if maximum == 4:
        assert open_decoder(source, RLE, RewriteOptions(), pool=pool, limits=limits).frames == 4
        return
    with pytest.raises(DataSetError, match="more than 3 fragments"):
        open_decoder(source, RLE, RewriteOptions(), pool=pool, limits=limits)


@pytest.mark.parametrize("syntax", sorted(set(CODECS) - {RLE, NATIVE}))
def test_a_frame_whose_header_lies_is_named(pool: DecoderPool, syntax: str) -> None:
    array = pattern(bits=12) if 8 not in CODECS[syntax].bits else pattern()
    bits = 12 if 8 not in CODECS[syntax].bits else 8
    bigger = np.concatenate([array, array])
    frames = [CODECS[syntax].encode(array, bits), CODECS[syntax].encode(bigger, bits)]
    with pytest.raises(DataSetError, match=r"frame 2.*(48|960)"):
        transcode(pool, data_set(frames, array, bits), syntax)


@pytest.mark.parametrize("syntax", sorted(CODECS))
@pytest.mark.parametrize("kept", [2, 20, 0.5, 0.9])
def test_a_frame_that_is_cut_short_is_named(pool: DecoderPool, syntax: str, kept: float) -> None:
    bits = CODECS[syntax].bits[0]
    array = pattern(40, 30, bits=bits)
    frame = CODECS[syntax].encode(array, bits)
    cut = frame[: int(kept if kept in {2, 20} else len(frame) * kept)]
    made = data_set([frame, cut + b"\0" * (len(cut) % 2), frame], array, bits, has_table=True)
    with pytest.raises(DataSetError, match=r"frame 2\b"):
        transcode(pool, made, syntax)


@pytest.mark.parametrize("more", [0, 2])
def test_a_frame_much_longer_than_its_samples_is_not_even_read(
    pool: DecoderPool, more: int
) -> None:
    array = pattern()  # 480 bytes
    frame = CODECS[JPEG_LS].encode(array, 8)
    made = data_set([frame.ljust(4 * 480 + (16 << 20) + more, b"\0"), frame], array)
    if not more:
        assert (samples_of(decoded(pool, made, JPEG_LS))[0, ..., 0] == array).all()
        return
    with pytest.raises(DataSetError, match="frame 1 takes 16779138 bytes compressed, 480 decoded"):
        transcode(pool, made, JPEG_LS)


def test_frames_of_other_bits_than_the_first_are_an_error(pool: DecoderPool) -> None:
    array = pattern()
    frames = [CODECS[J2K].encode(array, 8), CODECS[J2K].encode(array, 12)]
    with pytest.raises(DataSetError, match="frame 2: its samples have 12 bits"):
        transcode(pool, data_set(frames, array), J2K)


def test_more_frames_than_the_data_set_says_are_an_error(pool: DecoderPool) -> None:
    array = pattern()
    frame = CODECS[JPEG_LS].encode(array, 8)
    for table in (False, True):
        made = data_set([frame] * 3, array, NumberOfFrames=None, has_table=table)
        with pytest.raises(DataSetError, match="Number of Frames is 1, pixel data has 3 frames"):
            transcode(pool, made, JPEG_LS)


@pytest.mark.parametrize("pieces", [0, 7, 100])
def test_a_data_set_that_is_cut_short_is_an_error(pool: DecoderPool, pieces: int) -> None:
    array = pattern()
    source = encoded(data_set([CODECS[RLE].encode(array, 8)], array))
    with pytest.raises(DataSetError, match=r"cut short|cannot be read"):
        transcode(pool, source[: len(source) - 9 - pieces], RLE)
