"""What an image's attributes say before decoding, and what they have to say after it.

Owns the rules: which color model the decoder leaves, how many bits a sample takes, what of the
Image Pixel module changes, and the bounds that rows, columns, samples, bits and frames are held
to before any memory follows them. Must not know where elements are, nor how frames are decoded.

PS3.3 C.7.6.3 (Image Pixel), C.7.6.1.1.5 (lossy compression), PS3.5 8.1, 8.2.
"""

from __future__ import annotations

from isocenter.dataset.pixels.codecs import Job, frame_length
from isocenter.errors import DataSetError
from isocenter.record import NamedTuple, Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.dataset.pixels.codestream import StreamFacts
    from isocenter.dataset.pixels.decoders import Decoder

__all__ = [
    "DEFAULT_IMAGE_LIMITS",
    "PIXEL_TAGS",
    "Image",
    "ImageLimits",
    "NativeImage",
    "check_facts",
    "native_image",
    "read_image",
]

_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH, _SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_LOSSY = 0x00282110

PIXEL_TAGS = frozenset(
    {
        _SAMPLES,
        _PHOTOMETRIC,
        _PLANAR,
        _FRAMES,
        _ROWS,
        _COLUMNS,
        _ALLOCATED,
        _STORED,
        _HIGH,
        _SIGNED,
        _LOSSY,
    }
)
"""Elements that decoding depends on, or changes."""

_MOST_NATIVE = 0xFFFFFFFE
"""Bytes of the longest value that has a length (PS3.5 7.1.1)."""

_NAMES = {
    _SAMPLES: "Samples per Pixel",
    _ROWS: "Rows",
    _COLUMNS: "Columns",
    _ALLOCATED: "Bits Allocated",
    _STORED: "Bits Stored",
    _HIGH: "High Bit",
    _SIGNED: "Pixel Representation",
    _PLANAR: "Planar Configuration",
}

_YCBCR = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"})


class ImageLimits(Record):
    """What an image may ask for before it counts as hostile."""

    maximum_frame_length: int = 1024 * 1024 * 1024
    """Decoded bytes of one frame, inclusive. The largest mammograms take 50 MB; overviews of
    whole slides in one frame, some hundred."""

    maximum_frames: int = 16 * 1024 * 1024
    """Number of Frames, inclusive; all of them together take 4 GiB at most in any case."""

    maximum_fragments: int = 2_000_000
    """Fragments of one image, inclusive; each takes 24 bytes while it is decoded."""


DEFAULT_IMAGE_LIMITS = ImageLimits()


class Image(NamedTuple):
    """The attributes of an image, as its data set has them.

    Fields: `rows`, `columns`, `samples`, `frames`; `allocated`, `stored`, `high` bits;
    `is_signed`; `photometric` interpretation; `is_planar` color by plane; `lossy` value of Lossy
    Image Compression.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    is_signed: bool
    photometric: str
    is_planar: bool
    lossy: str


class NativeImage(NamedTuple):
    """What an image becomes.

    Fields: `job` for each frame; `frame_length` bytes of a decoded one (of packed bits, the last
    byte counts as whole); `frame_bits`; `length` bytes of all frames, padded to be even; `vr` of
    the pixel data; `changes` new values, by tag, padded, little endian.
    """

    job: Job
    frame_length: int
    frame_bits: int
    length: int
    vr: bytes
    changes: dict[int, bytes]


def _number(values: Mapping[int, bytes], tag: int, default: int | None = None) -> int:
    value = values.get(tag, b"")
    if len(value) < 2:
        if default is not None:
            return default
        raise DataSetError(f"the image has no {_NAMES[tag]}")
    return int.from_bytes(value[:2], "little")


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("latin-1").strip(" \0")


def read_image(values: Mapping[int, bytes], limits: ImageLimits = DEFAULT_IMAGE_LIMITS) -> Image:
    """Return an image's attributes out of encoded values, little endian, by tag.

    Raises:
        DataSetError: one is missing, or beyond what any image has.
    """
    rows, columns = _number(values, _ROWS), _number(values, _COLUMNS)
    samples, allocated = _number(values, _SAMPLES, 1), _number(values, _ALLOCATED)
    if not rows or not columns:
        raise DataSetError(f"the image has {rows} rows and {columns} columns")
    if samples not in {1, 3}:
        raise DataSetError(f"images of {samples} samples per pixel are not decoded")
    if allocated != 1 and (allocated % 8 or not 8 <= allocated <= 64):
        # Bits between are of the time of ACR-NEMA; what is encoded takes whole bytes.
        if not 1 < allocated < 16:
            raise DataSetError(f"images of {allocated} bits allocated are not decoded")
        allocated = 16 if allocated > 8 else 8
    named = _text(values, _FRAMES).split("\\")[0]
    try:
        frames = int(named or 1)
    except ValueError:
        raise DataSetError(f"Number of Frames is {named[:16]!r}") from None
    if not 1 <= frames <= limits.maximum_frames:
        raise DataSetError(f"Number of Frames is {frames}")
    return Image(
        rows,
        columns,
        samples,
        frames,
        allocated,
        _number(values, _STORED, allocated),
        _number(values, _HIGH, allocated - 1),
        _number(values, _SIGNED, 0) == 1,
        _text(values, _PHOTOMETRIC),
        _number(values, _PLANAR, 0) == 1,
        _text(values, _LOSSY),
    )


def native_image(
    image: Image,
    decoder: Decoder,
    facts: StreamFacts | None,
    limits: ImageLimits = DEFAULT_IMAGE_LIMITS,
) -> NativeImage:
    """Decide what an image becomes.

    Args:
        image: its attributes.
        decoder: of its transfer syntax.
        facts: of its first frame, None for codecs whose frames have no header.
        limits: bounds of sizes.

    Raises:
        DataSetError: the first frame is not what the attributes say, or too long.
    """
    if facts is not None:
        check_facts(image, facts, 1)
    bits = _bits(image, facts)
    color, photometric = _color(image, decoder, facts)
    job = Job(
        codec=decoder.codec,
        rows=image.rows,
        columns=image.columns,
        samples=image.samples,
        bits=bits,
        precision=facts.precision if facts else 0,
        is_signed=image.is_signed,
        color=color,
        is_planar=image.is_planar,
        is_packed=_is_packed(image, decoder),
    )
    length = frame_length(job)
    if length > limits.maximum_frame_length:
        raise DataSetError(
            f"a frame of {image.rows} x {image.columns} takes {length} bytes,"
            f" more than {limits.maximum_frame_length}"
        )
    frame_bits = 8 * length if bits > 1 else image.rows * image.columns * image.samples
    total = (frame_bits * image.frames + 7) // 8
    total += total % 2
    if total > _MOST_NATIVE:
        raise DataSetError(
            f"{image.frames} frames take {total} bytes, more than native pixel data can have"
        )
    changes = _changes(image, bits, facts, photometric, is_packed=job.is_packed)
    if image.lossy != "01" and _is_lossy(decoder, facts):
        changes[_LOSSY] = b"01"
    vr = b"OB" if bits <= 8 else b"OW"
    return NativeImage(job, length, frame_bits, total, vr, changes)


def check_facts(image: Image, facts: StreamFacts, number: int) -> None:
    """Compare a frame's own header with the data set.

    Raises:
        DataSetError: it says something else, with the frame's number.
    """
    rows = facts.rows or image.rows  # JPEG may tell them behind the first scan (DNL)
    samples = facts.components or image.samples
    if (rows, facts.columns, samples) != (image.rows, image.columns, image.samples):
        raise DataSetError(
            f"frame {number}: its header says {rows} x {facts.columns} x {samples},"
            f" the data set {image.rows} x {image.columns} x {image.samples}"
        )
    if facts.precision > 32:
        raise DataSetError(f"frame {number}: samples of {facts.precision} bits are not decoded")


def _bits(image: Image, facts: StreamFacts | None) -> int:
    """Return the bits of a sample in the result: as allocated, where the samples fit."""
    if facts is None or not facts.precision or facts.precision <= image.allocated:
        return image.allocated
    return 8 if facts.precision <= 8 else 16 if facts.precision <= 16 else 32


def _is_packed(image: Image, decoder: Decoder) -> bool:
    """Tell whether native frames have half of their chrominance left out (C.7.6.3.1.2)."""
    return (
        decoder.codec in {"native", "deflate"}
        and image.samples == 3
        and image.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}
        and image.allocated == 8
    )


def _color(image: Image, decoder: Decoder, facts: StreamFacts | None) -> tuple[str, str]:
    """Return what happens to the samples (see `Job.color`) and the color model behind it.

    JPEG as DCMTK has it: YCbCr becomes RGB where the data set says YCbCr. What the data set calls
    RGB stays; but samples of which some have fewer can be no RGB.

    Raises:
        DataSetError: signed samples cannot be converted.
    """
    photometric, codec = image.photometric, decoder.codec
    if image.samples != 3 or codec in {"native", "deflate"}:
        return "", photometric
    is_ycbcr = photometric in _YCBCR
    if codec == "jpeg":
        if is_ycbcr or (facts is not None and facts.is_subsampled):
            if image.is_signed:
                raise DataSetError("signed samples of YCbCr cannot become RGB")
            return "ycbcr", "RGB"
        return "rgb", photometric
    if codec in {"jpeg2000", "htj2k"}:
        if photometric in {"YBR_RCT", "YBR_ICT"}:
            return "", "RGB"  # the codec undoes what it did
    elif codec == "jpeg-xl" and (not decoder.is_lossless or photometric == "XYB"):
        return "", "RGB"  # what comes out of the format's own color model
    return "", "YBR_FULL" if photometric == "YBR_FULL_422" else photometric


def _changes(
    image: Image, bits: int, facts: StreamFacts | None, photometric: str, *, is_packed: bool
) -> dict[int, bytes]:
    """Return the attributes that are others than before."""
    changes: dict[int, bytes] = {}
    if photometric != image.photometric:
        text = photometric.encode("latin-1")
        changes[_PHOTOMETRIC] = text + b" " * (len(text) % 2)
    if image.samples > 1 and not is_packed:
        changes[_PLANAR] = b"\0\0"
    changes[_ALLOCATED] = bits.to_bytes(2, "little")  # perhaps 12, in old ones
    if bits > image.allocated or image.stored > bits:
        stored = facts.precision if facts is not None and facts.precision else bits
        changes[_STORED] = stored.to_bytes(2, "little")
        changes[_HIGH] = (stored - 1).to_bytes(2, "little")
    return changes


def _is_lossy(decoder: Decoder, facts: StreamFacts | None) -> bool:
    """Tell whether the compression lost for certain: it has to be said (C.7.6.1.1.5)."""
    if decoder.is_lossless:
        return False
    if decoder.codec in {"jpeg2000", "htj2k"}:
        return facts is not None and facts.is_irreversible
    return decoder.codec != "jpeg-xl"
