"""Images for tests of decoding: patterns, encoders, and data sets that hold what they make.

Encoders are those of imagecodecs; data sets are written by pydicom. What is made here is small,
so that a test takes milliseconds.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset, encode_dataset
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import open_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from isocenter.dataset.transcode import DecoderPool

    Samples = NDArray[np.int64]

__all__ = [
    "CODECS",
    "Codec",
    "data_set",
    "decoded",
    "deflate",
    "encoded",
    "packbits",
    "pattern",
    "rle",
    "samples_of",
    "transcode",
]


def pattern(
    rows: int = 24, columns: int = 20, samples: int = 1, bits: int = 8, *, seed: int = 1
) -> Samples:
    """Return samples with gradients, edges and some noise, up to the highest value."""
    most = (1 << bits) - 1
    y, x, plane = np.mgrid[0:rows, 0:columns, 0:samples]
    waves = np.sin(x / 5 + plane) + np.cos(y / 4 + seed)
    noise = np.random.default_rng(seed).integers(0, max(most // 40, 1) + 1, waves.shape)
    values = ((waves + 2) / 4 * most * 0.9).astype(np.int64) + noise
    values[rows // 2 :, : columns // 3] = most
    values[: rows // 4, columns // 2 :] = 0
    result: Samples = np.clip(values, 0, most)
    return result if samples > 1 else result[..., 0]


class Codec(NamedTuple):
    """A way to encode, by the transfer syntax it is for.

    Fields: `transfer_syntax_uid`; `encode` an array; `error` of a sample at most, in parts of the
    highest value; `bits` it can have; `colors` it can have three samples.
    """

    transfer_syntax_uid: str
    encode: Callable[[Samples, int], bytes]
    error: float
    bits: tuple[int, ...] = (8, 12, 16)
    colors: bool = True


def _typed(array: Samples, bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return array.astype(np.uint8) if bits <= 8 else array.astype(np.uint16)


def _jpeg(array: Samples, bits: int) -> bytes:
    model = "RGB" if array.ndim == 3 else None
    data = _typed(array, bits)
    if bits > 8:
        return bytes(imagecodecs.jpeg8_encode(data, level=98, bitspersample=bits))
    return bytes(
        imagecodecs.jpeg8_encode(
            data, level=98, colorspace=model, outcolorspace=model, bitspersample=bits
        )
    )


def _lossless_jpeg(array: Samples, bits: int) -> bytes:
    model = "RGB" if array.ndim == 3 else None
    return bytes(
        imagecodecs.jpeg8_encode(
            _typed(array, bits),
            lossless=True,
            predictor=1,
            bitspersample=bits,
            colorspace=model,
            outcolorspace=model,
        )
    )


def _jpeg_ls(array: Samples, bits: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_typed(array, bits)))


def _near_lossless(array: Samples, bits: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_typed(array, bits), level=2))


def _jpeg2000(array: Samples, bits: int) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            _typed(array, bits),
            reversible=True,
            codecformat="j2k",
            bitspersample=bits,
            resolutions=3,
        )
    )


def _lossy_jpeg2000(array: Samples, bits: int) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            _typed(array, bits), level=60, codecformat="j2k", bitspersample=bits, resolutions=3
        )
    )


def _htj2k(array: Samples, bits: int) -> bytes:
    return bytes(imagecodecs.htj2k_encode(_typed(array, bits), resolutions=2))


def _lossy_htj2k(array: Samples, bits: int) -> bytes:
    data = _typed(array, bits)
    return bytes(imagecodecs.htj2k_encode(data, level=0.001, reversible=False, resolutions=2))


def _jpeg_xl(array: Samples, bits: int) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(_typed(array, bits), lossless=True, bitspersample=bits))


def _lossy_jpeg_xl(array: Samples, bits: int) -> bytes:
    data = _typed(array, bits)
    return bytes(imagecodecs.jpegxl_encode(data, distance=0.1, bitspersample=bits))


def rle(array: Samples, bits: int) -> bytes:
    """Return an RLE frame: a segment for each byte of each sample (PS3.5 G.2)."""
    data = _typed(array, bits)
    pixels = data.reshape(array.shape[0] * array.shape[1], -1)
    segments = [
        packbits(pixels[:, plane].astype(">u2" if bits > 8 else "u1").tobytes()[byte::width])
        for plane in range(pixels.shape[1])
        for width in (data.dtype.itemsize,)
        for byte in range(width)
    ]
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets)))
    return header + b"".join(segments)


def packbits(data: bytes) -> bytes:
    """Return an RLE segment of even length (PS3.5 G.3.1)."""
    result = bytearray()
    at = 0
    while at < len(data):
        run = 1
        while run < 128 and data[at + run : at + run + 1] == data[at : at + 1]:
            run += 1
        if run > 2:
            result += bytes((257 - run, data[at]))
            at += run
            continue
        end = at + 1
        while end < len(data) and end - at < 128 and len(set(data[end : end + 3])) > 1:
            end += 1
        result += bytes((end - at - 1,)) + data[at:end]
        at = end
    return bytes(result) + b"\0" * (len(result) % 2)


def deflate(array: Samples, bits: int) -> bytes:
    """Return a deflated frame."""
    import zlib

    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(_typed(array, bits).tobytes()) + deflater.flush()


def _native(array: Samples, bits: int) -> bytes:
    return _typed(array, bits).tobytes()


CODECS = {
    codec.transfer_syntax_uid: codec
    for codec in (
        Codec(uids.JPEG_BASELINE_8BIT, _jpeg, 0.06, bits=(8,)),
        Codec(uids.JPEG_EXTENDED_12BIT, _jpeg, 0.06, bits=(12,), colors=False),
        Codec(uids.JPEG_LOSSLESS, _lossless_jpeg, 0),
        Codec(uids.JPEG_LOSSLESS_SV1, _lossless_jpeg, 0),
        Codec(uids.JPEG_LS_LOSSLESS, _jpeg_ls, 0, bits=(8, 16)),
        Codec(uids.JPEG_LS_NEAR_LOSSLESS, _near_lossless, 2.01 / 255, bits=(8, 16)),
        Codec(uids.RLE_LOSSLESS, rle, 0, bits=(8, 16)),
        Codec(uids.DEFLATED_IMAGE_FRAME_COMPRESSION, deflate, 0, bits=(8, 16)),
        Codec(uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN, _native, 0, bits=(8, 16)),
        Codec(uids.JPEG_2000_LOSSLESS, _jpeg2000, 0),
        Codec(uids.JPEG_2000, _lossy_jpeg2000, 0.05),
        Codec(uids.HTJ2K_LOSSLESS, _htj2k, 0, bits=(8, 16)),
        Codec(uids.HTJ2K_LOSSLESS_RPCL, _htj2k, 0, bits=(8, 16)),
        Codec(uids.HTJ2K, _lossy_htj2k, 0.02, bits=(8, 16)),
        Codec(uids.JPEG_XL_LOSSLESS, _jpeg_xl, 0),
        Codec(uids.JPEG_XL, _lossy_jpeg_xl, 0.08, bits=(8, 16)),
    )
}
"""A way to encode for nearly every syntax that can be decoded."""


def data_set(
    frames: Sequence[bytes],
    array: Samples,
    bits: int = 8,
    *,
    photometric: str = "",
    has_table: bool = False,
    is_extended: bool = False,
    fragments: int = 1,
    **attributes: object,
) -> Dataset:
    """Return a data set with encapsulated frames of the shape of `array`.

    `attributes` are set by keyword at last; None takes one away.
    """
    made = Dataset()
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    made.SOPInstanceUID = "1.2.3.4"
    made.PatientName = "Decoded^Image"
    samples = array.shape[2] if array.ndim == 3 else 1
    made.SamplesPerPixel = samples
    made.PhotometricInterpretation = photometric or ("RGB" if samples == 3 else "MONOCHROME2")
    if samples == 3:
        made.PlanarConfiguration = 0
    if len(frames) > 1:
        made.NumberOfFrames = len(frames)
    made.Rows, made.Columns = array.shape[:2]
    made.BitsAllocated = 8 if bits <= 8 else 16
    made.BitsStored = bits
    made.HighBit = bits - 1
    made.PixelRepresentation = 0
    if is_extended:
        made.PixelData, made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = (
            encapsulate_extended(list(frames))
        )
    else:
        made.PixelData = encapsulate(list(frames), fragments_per_frame=fragments, has_bot=has_table)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def encoded(made: Dataset) -> bytes:
    """Return a data set as every compressed syntax has it: explicit VR little endian."""
    return encode_dataset(made, uids.EXPLICIT_VR_LITTLE_ENDIAN)


def transcode(
    pool: DecoderPool,
    made: Dataset | bytes,
    transfer_syntax_uid: str,
    target: str = uids.EXPLICIT_VR_LITTLE_ENDIAN,
) -> bytes:
    """Return a data set decoded, in another transfer syntax."""
    source = made if isinstance(made, bytes) else encoded(made)
    options = RewriteOptions(transfer_syntax_uid=target)
    opened = open_decoder(source, transfer_syntax_uid, options, pool=pool)
    result = b"".join(opened.segments())
    assert opened.length in {None, len(result)}
    return result


def decoded(
    pool: DecoderPool,
    made: Dataset | bytes,
    transfer_syntax_uid: str,
    target: str = uids.EXPLICIT_VR_LITTLE_ENDIAN,
) -> Dataset:
    """Return a data set decoded, as pydicom reads it."""
    return decode_dataset(transcode(pool, made, transfer_syntax_uid, target), target)


def samples_of(made: Dataset) -> Samples:
    """Return native samples of a data set, without padding: frames, rows, columns, samples."""
    order = "<" if made.is_little_endian is not False else ">"
    frames, samples = int(made.get("NumberOfFrames", 1) or 1), made.SamplesPerPixel
    if made.BitsAllocated == 1:
        values = np.unpackbits(np.frombuffer(made.PixelData, np.uint8), bitorder="little")
    else:
        size = made.BitsAllocated // 8
        # Pixel data of 8 bits in big endian may be swapped as words; OB is not.
        kind = f"{order}u{size}"
        values = np.frombuffer(made.PixelData, kind)
    count = frames * made.Rows * made.Columns * samples
    result: Samples = values[:count].astype(np.int64)
    if made.PixelRepresentation:
        sign = 1 << (made.BitsStored - 1)
        result = ((result & ((1 << made.BitsStored) - 1)) ^ sign) - sign
    if samples > 1 and made.PlanarConfiguration == 1:
        planes = result.reshape(frames, samples, made.Rows, made.Columns)
        return planes.transpose(0, 2, 3, 1)
    return result.reshape(frames, made.Rows, made.Columns, samples)
