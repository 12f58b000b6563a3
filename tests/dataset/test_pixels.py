"""Headers of codestreams, RLE, fragments and frames: what is read, and that any bytes may come."""

from __future__ import annotations

import struct
from array import array

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import uids
from isocenter.dataset.pixels.codecs import Job, decode_frame, frame_length
from isocenter.dataset.pixels.codestream import (
    BadCodestream,
    StreamFacts,
    begins_frame,
    has_end,
    read_facts,
)
from isocenter.dataset.pixels.frames import Fragments, assign_frames
from isocenter.dataset.pixels.rle import decode_rle
from isocenter.errors import DataSetError
from tests.support.pixels import CODECS, packbits, pattern, rle

KINDS = {
    uids.JPEG_BASELINE_8BIT: "jpeg",
    uids.JPEG_LOSSLESS_SV1: "jpeg",
    uids.JPEG_LS_LOSSLESS: "jpeg-ls",
    uids.JPEG_2000_LOSSLESS: "jpeg2000",
    uids.JPEG_2000: "jpeg2000",
    uids.HTJ2K_LOSSLESS: "htj2k",
    uids.HTJ2K: "htj2k",
    uids.JPEG_XL_LOSSLESS: "jpeg-xl",
    uids.JPEG_XL: "jpeg-xl",
}


@pytest.mark.parametrize("syntax", KINDS)
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("rows", "columns"), [(24, 20), (8, 16), (300, 1000), (256, 256), (1, 7)])
def test_a_header_tells_size_and_bits(syntax: str, samples: int, rows: int, columns: int) -> None:
    frame = CODECS[syntax].encode(pattern(rows, columns, samples), 8)
    facts = read_facts(KINDS[syntax], frame)
    assert facts is not None
    assert (facts.rows, facts.columns, facts.precision) == (rows, columns, 8)
    assert facts.components == (0 if "xl" in KINDS[syntax] else samples)
    assert begins_frame(frame)
    assert has_end(KINDS[syntax], frame)


def test_a_header_tells_what_its_process_does() -> None:
    color = pattern(16, 16, 3).astype(np.uint8)
    facts = read_facts("jpeg", bytes(imagecodecs.jpeg8_encode(color, subsampling="422")))
    assert facts == StreamFacts(16, 16, 3, 8, is_subsampled=True, is_irreversible=True)
    facts = read_facts("jpeg2000", CODECS[uids.JPEG_2000].encode(pattern(bits=12), 12))
    assert facts == StreamFacts(24, 20, 1, 12, is_irreversible=True)
    signed = pattern(bits=8).astype(np.int16) - 128
    facts = read_facts(
        "jpeg2000", bytes(imagecodecs.jpeg2k_encode(signed, reversible=True, resolutions=2))
    )
    assert facts is not None
    assert (facts.is_signed, facts.is_irreversible) == (True, False)


def boxed(codec: str) -> bytes:
    gray = pattern().astype(np.uint8)
    if codec == "jpeg2000":
        return bytes(imagecodecs.jpeg2k_encode(gray, codecformat="jp2", resolutions=2))
    return bytes(imagecodecs.jpegxl_encode(gray, lossless=True, usecontainer=True))


@pytest.mark.parametrize(("codec", "kind"), [("jpeg2000", b"jp2c"), ("jpeg-xl", b"jxlc")])
def test_codestreams_within_files_of_boxes_are_found(codec: str, kind: bytes) -> None:
    frame = boxed(codec)
    facts = read_facts(codec, frame)
    assert facts is not None
    assert (facts.rows, facts.columns) == (24, 20)
    assert begins_frame(frame)
    # A box with 64 bits of length, and one in front that is not wanted.
    at = frame.index(kind) - 4
    content = frame[at + 8 :]
    long = struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    other = frame[:at] + struct.pack(">I4s", 12, b"free") + bytes(4) + long
    assert read_facts(codec, other) == facts
    if codec == "jpeg-xl":
        part = struct.pack(">I4sI", 12 + len(content), b"jxlp", 0x80000000) + content
        assert read_facts(codec, frame[:at] + part) == facts


def test_headers_of_jpeg_xl_with_extra_fields() -> None:
    def bits(*fields: tuple[int, int]) -> bytes:
        number = place = 0
        for value, size in fields:
            number |= value << place
            place += size
        return b"\xff\x0a" + number.to_bytes(place // 8 + 1, "little")

    size = (0, 1), (1, 2), (999, 13), (0, 3), (0, 2), (49, 9)  # 1000 x 50
    small = (1, 1), (2, 5), (1, 3)  # 24 x 24
    for depth, precision in (
        (((0, 1), (0, 2)), 8),
        (((0, 1), (1, 2)), 10),
        (((0, 1), (2, 2)), 12),
        (((0, 1), (3, 2), (15, 6)), 16),
        (((1, 1), (1, 2)), 16),
        (((1, 1), (0, 2)), 32),
    ):
        plain = bits(*size, (0, 1), (0, 1), *depth)
        assert read_facts("jpeg-xl", plain) == StreamFacts(1000, 50, 0, precision)
        turned = bits(*small, (0, 1), (1, 1), (5, 3), (1, 1), *small, (0, 2), *depth)
        assert read_facts("jpeg-xl", turned) == StreamFacts(24, 24, 0, precision)
    preview = bits(*small, (0, 1), (1, 1), (0, 3), (0, 1), (1, 2))
    assert read_facts("jpeg-xl", preview) == StreamFacts(24, 24, 0, 0)


@pytest.mark.parametrize(
    ("codec", "data", "reason"),
    [
        ("jpeg", b"", "no JPEG stream"),
        ("jpeg", b"GIF89a", "no JPEG stream"),
        ("jpeg", b"\xff\xd8", "cut short"),
        ("jpeg", b"\xff\xd8\xff\xd9", "no frame header"),
        ("jpeg", b"\xff\xd8\x00\x00", "a marker of its header is missing"),
        ("jpeg", b"\xff\xd8\xff\xe0\x00\x01", "a segment of its header has no length"),
        ("jpeg", b"\xff\xd8" + b"\xff\x01" * 10_001, "does not end"),
        ("jpeg", b"\xff\xd8\xff\xff\xff\xc0\x00\x0b\x08", "cut short"),
        ("jpeg2000", b"", "first bytes"),
        ("jpeg2000", b"\xff\x4f\xff\x52" + bytes(50), "does not tell its size"),
        ("jpeg2000", b"\xff\x4f\xff\x51" + bytes(50), "makes no sense"),
        ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0free", "no codestream"),
        ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x0cjp2cnone", "no JPEG 2000"),
        ("jpeg-xl", b"\xff\x0a", "cut short"),
        ("jpeg-xl", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x0cjxlcnone", "no JPEG XL"),
    ],
)
def test_headers_that_are_none_are_refused(codec: str, data: bytes, reason: str) -> None:
    with pytest.raises(BadCodestream, match=reason):
        read_facts(codec, data)


def test_codecs_without_headers_have_no_facts() -> None:
    for codec in ("rle", "native", "deflate"):
        assert read_facts(codec, b"") is None
        assert has_end(codec, b"")


STARTS = st.sampled_from(
    [
        b"",
        b"\xff\xd8\xff\xc0\x00\x0b\x08",
        b"\xff\xd8\xff\xf7\x00\x0b\x08",
        b"\xff\x4f\xff\x51\x00\x29",
        b"\xff\x0a",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\0\x0cJXL \r\n\x87\n",
    ]
)


@given(codec=st.sampled_from(sorted(set(KINDS.values()))), start=STARTS, rest=st.binary())
def test_any_bytes_are_a_header_or_none(codec: str, start: bytes, rest: bytes) -> None:
    for look in (read_facts, has_end):
        try:
            look(codec, start + rest)
        except BadCodestream:
            continue


@given(
    syntax=st.sampled_from(sorted(KINDS)),
    place=st.integers(0, 200),
    value=st.integers(0, 255),
    length=st.integers(0, 300),
)
def test_any_damage_leaves_a_header_or_none(
    syntax: str, place: int, value: int, length: int
) -> None:
    frame = bytearray(FRAMES[syntax])
    if place < len(frame):
        frame[place] = value
    del frame[length + 60 :]
    test_any_bytes_are_a_header_or_none.hypothesis.inner_test(  # type: ignore[attr-defined]  # set by given
        KINDS[syntax], b"", bytes(frame)
    )


FRAMES = {syntax: CODECS[syntax].encode(pattern(), 8) for syntax in KINDS}


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_rle_comes_back_as_it_was(samples: int, bits: int) -> None:
    values = pattern(33, 21, samples, bits)
    result = decode_rle(rle(values, bits), 33 * 21, samples, bits // 8)
    assert bytes(result) == values.astype("u1" if bits == 8 else "<u2").tobytes()


@given(data=st.binary(min_size=1, max_size=700))
def test_any_segment_comes_back_as_it_was(data: bytes) -> None:
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + packbits(data)
    assert bytes(decode_rle(frame, len(data), 1, 1)) == data


def test_rle_packets_that_say_nothing_are_passed_over() -> None:
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x80\x80\x01AB\x80\xffC\0"
    assert bytes(decode_rle(frame, 4, 1, 1)) == b"ABCC"
    assert bytes(decode_rle(frame, 3, 1, 1)) == b"ABC"  # a run may go beyond


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ((0, 0), "has 0 RLE segments, not 1"),
        ((2, 64), "has 2 RLE segments, not 1"),
        ((1, 63), "not where the header says"),
        ((1, 9999), "not where the header says"),
        ((1, 66), "has 0 bytes of the 4"),
    ],
)
def test_rle_frames_that_lie_are_refused(header: tuple[int, int], reason: str) -> None:
    frame = struct.pack("<16I", *header, *[0] * 14) + b"\xfdA"
    with pytest.raises(ValueError, match=reason):
        decode_rle(frame, 4, 1, 1)


@given(data=st.binary(max_size=400), width=st.integers(1, 4), samples=st.sampled_from([1, 3]))
def test_any_bytes_are_rle_or_none(data: bytes, width: int, samples: int) -> None:
    count = width * samples
    head = struct.pack("<16I", count, *[64 + 5 * n for n in range(count)], *[0] * (15 - count))
    for frame in (data, head + data):
        try:
            assert len(decode_rle(frame, 10, samples, width)) == 10 * count
        except ValueError:
            continue


def fragments(*lengths: int, table: bytes = b"") -> tuple[Fragments, bytes]:
    """Return fragments of so many bytes, each beginning like a JPEG stream, and their bytes."""
    made, data = Fragments(100), bytearray(b"\xfe\xff\0\xe0" + struct.pack("<I", len(table)))
    made.add(0, 8, len(table))
    data += table
    for length in lengths:
        made.add(len(data), len(data) + 8, length)
        data += bytes(8) + (b"\xff\xd8\xff" + b"x" * length)[: length - 2] + b"\xff\xd9"
    return made, bytes(data)


def assign(
    made: tuple[Fragments, bytes], frames: int, extended: tuple[bytes, bytes] | None = None
) -> list[int]:
    data = made[1]
    return list(
        assign_frames(
            made[0], frames, lambda start, length: data[start : start + length], extended=extended
        )[0]
    )


def numbers(*values: int, kind: str = "I") -> bytes:
    return array(kind, values).tobytes()


def test_frames_by_the_basic_table() -> None:
    made = fragments(10, 20, 10, 30, table=numbers(0, 18 + 28))
    assert assign(made, 2) == [0, 2, 4]


@pytest.mark.parametrize(
    "table",
    [
        numbers(0, 17),  # between two fragments
        numbers(0, 0),
        numbers(18, 0),
        numbers(18, 46),  # the first one is nobody's
        numbers(0, 999),
        numbers(0, 18, 46),  # one too many
        numbers(0),
        b"\0\0\0\0\x12",
    ],
)
def test_tables_that_lie_are_not_used(table: bytes) -> None:
    assert assign(fragments(10, 20, table=table), 2) == [0, 1, 2]


def test_frames_by_the_extended_table() -> None:
    made = fragments(10, 20)
    extended = numbers(0, 18, kind="Q"), numbers(9, 20, kind="Q")
    firsts, lengths = assign_frames(made[0], 2, lambda _start, _length: b"", extended=extended)
    assert list(firsts) == [0, 1, 2]
    assert lengths is not None
    assert list(lengths) == [9, 20]


@pytest.mark.parametrize(
    "extended",
    [
        (numbers(0, 19, kind="Q"), numbers(9, 20, kind="Q")),
        (numbers(0, 18, kind="Q"), numbers(11, 20, kind="Q")),
        (numbers(0, kind="Q"), numbers(9, 20, kind="Q")),
        (numbers(0, 18, kind="Q"), b""),
    ],
)
def test_extended_tables_that_lie_are_not_used(extended: tuple[bytes, bytes]) -> None:
    made = fragments(10, 20)
    data = made[1]
    found = assign_frames(
        made[0], 2, lambda start, length: data[start : start + length], extended=extended
    )
    assert (list(found[0]), found[1]) == ([0, 1, 2], None)


def test_fragments_that_no_frame_explains_are_an_error() -> None:
    with pytest.raises(DataSetError, match="no fragments"):
        assign((Fragments(9), b""), 1)
    with pytest.raises(DataSetError, match="is 3, pixel data has 2 fragments"):
        assign(fragments(10, 10), 3)
    with pytest.raises(DataSetError, match="is 2, pixel data has 3 fragments, and nothing says"):
        assign(fragments(10, 10, 10), 2)


@pytest.mark.parametrize(
    ("job", "length"),
    [
        (Job("rle", 3, 5, 1, 1), 2),
        (Job("rle", 3, 5, 1, 8), 15),
        (Job("rle", 3, 5, 3, 16), 90),
        (Job("native", 3, 4, 3, 8, is_packed=True), 24),
    ],
)
def test_the_length_of_a_frame(job: Job, length: int) -> None:
    assert frame_length(job) == length


def test_a_deflated_frame_may_not_grow_beyond_its_length() -> None:
    import zlib

    def deflated(data: bytes) -> bytes:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return deflater.compress(data) + deflater.flush()

    job = Job("deflate", 1, 3, 1, 8)
    assert bytes(decode_frame(job, deflated(b"abc"))) == b"abc"
    assert bytes(decode_frame(job, deflated(b"abc\0"))) == b"abc"
    for data in (b"abcd", b"abc\0\0", bytes(1 << 24)):
        with pytest.raises(ValueError, match="inflates to more than 3 bytes"):
            decode_frame(job, deflated(data))
    with pytest.raises(ValueError, match="it has 2 bytes, not 3"):
        decode_frame(job, deflated(b"ab"))
    with pytest.raises(zlib.error):
        decode_frame(job, b"\xff\xff\xff")


def test_a_jpeg_stream_may_lack_its_end_but_no_samples() -> None:
    for syntax in (uids.JPEG_BASELINE_8BIT, uids.JPEG_LOSSLESS_SV1):
        for samples in (1, 3):
            frame = CODECS[syntax].encode(pattern(samples=samples), 8)
            job = Job("jpeg", 24, 20, samples, 8, 8, color="rgb" if samples == 3 else "")
            whole = decode_frame(job, frame)
            for cut in (1, 2):
                assert decode_frame(job, frame[:-cut]) == whole
            with pytest.raises(ValueError, match="its end is missing"):
                decode_frame(job, frame[: len(frame) * 3 // 4])


def test_what_a_library_returns_is_compared_with_what_was_said() -> None:
    frame = CODECS[uids.JPEG_2000_LOSSLESS].encode(pattern(bits=12), 12)
    with pytest.raises(ValueError, match="decodes to 24 x 20, not 20 x 24"):
        decode_frame(Job("jpeg2000", 20, 24, 1, 16, 12), frame)
    with pytest.raises(ValueError, match="decodes to 24 x 20, not 24 x 20 x 3"):
        decode_frame(Job("jpeg2000", 24, 20, 3, 16, 12), frame)
    with pytest.raises(ValueError, match="do not fit into 8 bits"):
        decode_frame(Job("jpeg2000", 24, 20, 1, 8, 12), frame)
    floating = imagecodecs.jpegxl_encode(pattern().astype(np.float32) / 255, lossless=True)
    with pytest.raises(ValueError, match="samples of type float32"):
        decode_frame(Job("jpeg-xl", 24, 20, 1, 32, 32), bytes(floating))


def test_every_codec_decodes_where_it_stands() -> None:
    """In this process too: the others count no coverage."""
    from isocenter.dataset.pixels.decoders import decoder_of

    for syntax, codec in CODECS.items():
        decoder = decoder_of(syntax)
        assert decoder is not None
        bits = codec.bits[0]
        values = pattern(bits=bits)
        job = Job(decoder.codec, 24, 20, 1, 8 if bits == 8 else 16, bits)
        result = decode_frame(job, codec.encode(values, bits))
        kind = "u1" if bits == 8 else "<u2"
        difference = np.abs(np.frombuffer(result, kind).reshape(24, 20).astype(int) - values)
        assert difference.max() <= codec.error * ((1 << bits) - 1)
