"""One frame decoded: from what was compressed to native bytes, little endian, color by pixel.

Owns the calls into imagecodecs, and how their arrays become the samples that a data set says it
has. Runs in a worker process (`worker`), because what these libraries read is hostile; numpy
and imagecodecs are imported here and nowhere else. What it is told to make (`Job`) was checked
against limits and against the frame's own header before; what a library returns is compared
with that again.

PS3.5 8.2, annex A.4; PS3.3 C.7.6.3.1.
"""

from __future__ import annotations

from isocenter.dataset.pixels.codestream import has_end, read_facts
from isocenter.dataset.pixels.rle import decode_rle
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from isocenter.dataset.pixels.codestream import StreamFacts
    from isocenter.wire import Buffer

    # Or of any other width: for what is done here one type checks as well as another.
    Samples: TypeAlias = NDArray[np.uint16]

__all__ = ["Job", "decode_frame", "frame_length"]


class Job(NamedTuple):
    """What is to be made of a frame.

    Fields: `codec` as in `decoders`; `rows`, `columns`, `samples`; `bits` allocated for a sample
    of the result: 1 (packed, the least significant first), 8, 16, 32 or 64; `precision` bits of
    the codestream's samples, 0 where it does not tell; `is_signed` samples of the result are in
    two's complement; `color` what becomes of three samples: "" as they are, "ycbcr" they are
    YCbCr and become RGB, "rgb" they are RGB whatever the stream says; `is_planar` native samples
    come color by plane; `is_packed` native pixels of YBR_FULL_422 take two bytes each.
    """

    codec: str
    rows: int
    columns: int
    samples: int
    bits: int
    precision: int = 0
    is_signed: bool = False
    color: str = ""
    is_planar: bool = False
    is_packed: bool = False


def frame_length(job: Job) -> int:
    """Return the bytes of a decoded frame; of packed bits, the last byte counts as whole."""
    pixels = job.rows * job.columns
    if job.is_packed:
        return pixels * 2
    if job.bits == 1:
        return (pixels * job.samples + 7) // 8
    return pixels * job.samples * job.bits // 8


def decode_frame(job: Job, data: bytes) -> Buffer:
    """Decode a frame.

    Raises:
        ValueError: what comes out is not what the data set says.
        Exception: whatever a library raises.
    """
    length = frame_length(job)
    if job.codec == "rle":
        if job.bits == 1:
            return decode_rle(data, length, 1, 1)
        return decode_rle(data, job.rows * job.columns, job.samples, job.bits // 8)
    if job.codec in {"native", "deflate"}:
        return _by_pixel(job, _inflated(data, length) if job.codec == "deflate" else data, length)
    array = _LIBRARY_CODECS[job.codec](job, data)
    native = _as_native(job, array)
    if len(native) != length:
        raise ValueError(f"it decodes to {len(native)} bytes, not {length}")
    return native


def _inflated(data: bytes, length: int) -> bytes:
    """Inflate a frame to its length and no further (PS3.5 A.4.13)."""
    import zlib

    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    result = inflater.decompress(data, length + 2)
    if len(result) > length + 1 or (len(result) > length and result[length:] != b"\0"):
        raise ValueError(f"it inflates to more than {length} bytes")
    return result


def _by_pixel(job: Job, data: bytes, length: int) -> Buffer:
    """Return native samples color by pixel, without padding."""
    if not length <= len(data) <= length + 1:
        raise ValueError(f"it has {len(data)} bytes, not {length}")
    if not job.is_planar or job.samples == 1 or job.bits == 1:
        return data[:length]
    result, width = bytearray(length), job.bits // 8
    plane = job.rows * job.columns * width
    for sample in range(job.samples):
        for byte in range(width):
            source = data[sample * plane + byte : (sample + 1) * plane : width]
            result[sample * width + byte :: job.samples * width] = source
    return result


def _jpeg(job: Job, data: bytes) -> Samples:
    """Decode JPEG; lossy YCbCr becomes RGB in the library, which knows of subsampling."""
    facts = read_facts("jpeg", data)
    converts = job.color == "ycbcr"
    # The lossless process has no color conversion in the library.
    later = converts and facts is not None and not facts.is_irreversible
    # Neither Adobe's marker nor the lack of one turns samples that are RGB already.
    model = None if job.samples == 1 else "YCBCR" if converts and not later else "RGB"
    array = _libjpeg(data, model) if has_end("jpeg", data) else _without_end(data, model, facts)
    return _rgb(array, job.precision or 8) if later else array


def _libjpeg(data: bytes, model: str | None) -> Samples:
    import imagecodecs

    if model is None:
        return _array(imagecodecs.jpeg8_decode(data))
    return _array(imagecodecs.jpeg8_decode(data, colorspace=model, outcolorspace="RGB"))


def _without_end(data: bytes, model: str | None, facts: StreamFacts | None) -> Samples:
    """Decode a stream without end-of-image marker, which is often all that is missing.

    Where samples are missing as well, what follows is taken for them: two different rests then
    make two different images.

    Raises:
        ValueError: samples are missing.
    """
    data = data.rstrip(b"\xff")
    scan = data.find(b"\xff\xda")
    if (
        facts is None
        or facts.is_progressive
        or data[scan + 4 : scan + 5] != bytes((facts.components,))
    ):
        raise ValueError("its end is missing")  # and with it perhaps whole scans
    array = _libjpeg(data + b"\xff\xd9", model)
    other = _libjpeg(data + b"\x55\xaa\x33\x0f" * 64 + b"\xff\xd9", model)
    if not (array == other).all():
        raise ValueError("its end is missing")
    return array


def _jpeg_ls(_job: Job, data: bytes) -> Samples:
    import imagecodecs

    if not has_end("jpeg-ls", data):
        raise ValueError("its end is missing")
    return _array(imagecodecs.jpegls_decode(data))


def _jpeg2000(_job: Job, data: bytes) -> Samples:
    import imagecodecs

    return _array(imagecodecs.jpeg2k_decode(data, numthreads=1))


def _htj2k(_job: Job, data: bytes) -> Samples:
    import imagecodecs

    if not has_end("htj2k", data):
        raise ValueError("its end is missing")
    facts = read_facts("htj2k", data)
    if facts is None or facts.is_irreversible:
        # imagecodecs 2026.3.6 does not clamp what OpenJPH returns of the lossy process: 256
        # becomes 0. OpenJPEG reads these codestreams as well, at half the speed.
        return _array(imagecodecs.jpeg2k_decode(data, numthreads=1))
    return _array(imagecodecs.htj2k_decode(data))


def _jpeg_xl(_job: Job, data: bytes) -> Samples:
    import imagecodecs

    return _array(imagecodecs.jpegxl_decode(data, numthreads=1))


_LIBRARY_CODECS: dict[str, Callable[[Job, bytes], Samples]] = {
    "jpeg": _jpeg,
    "jpeg-ls": _jpeg_ls,
    "jpeg2000": _jpeg2000,
    "htj2k": _htj2k,
    "jpeg-xl": _jpeg_xl,
}


def _array(decoded: object) -> Samples:
    """Demand an array of a library."""
    import numpy as np

    if not isinstance(decoded, np.ndarray):
        raise TypeError("the decoder returned no samples")
    return decoded


def _rgb(array: Samples, precision: int) -> Samples:
    """Turn YCbCr into RGB as JFIF has it, for samples of any precision."""
    import numpy as np

    center, most = 1 << (precision - 1), (1 << precision) - 1
    luma, blue, red = (array[..., plane].astype(np.float32) for plane in range(3))
    blue -= center
    red -= center
    planes = (
        luma + 1.402 * red,
        luma - 0.344136286 * blue - 0.714136286 * red,
        luma + 1.772 * blue,
    )
    result = np.stack(planes, axis=-1)
    return _array(np.clip(np.floor(result + 0.5), 0, most).astype(array.dtype))


def _as_native(job: Job, array: Samples) -> Buffer:
    """Return an array's samples as the data set has them.

    Raises:
        ValueError: rows, columns, samples or bits are others.
    """
    import numpy as np

    shape = (job.rows, job.columns) + ((job.samples,) if job.samples > 1 else ())
    if array.shape != shape:
        raise ValueError(f"it decodes to {_dimensions(array.shape)}, not {_dimensions(shape)}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"it decodes to samples of type {array.dtype}")
    if job.bits == 1:
        return np.packbits(array != 0, bitorder="little").tobytes()
    size = job.bits // 8
    if array.dtype.itemsize > size:
        info = np.iinfo(f"i{size}" if array.dtype.kind == "i" else f"u{size}")
        if array.min() < info.min or array.max() > info.max:
            raise ValueError(f"samples do not fit into {job.bits} bits")
    if array.dtype.kind == "i" or job.is_signed:
        array = _in_twos_complement(job, array)
    return _array(array.astype(f"<u{size}", copy=False, casting="unsafe")).tobytes()


def _in_twos_complement(job: Job, array: Samples) -> Samples:
    """Read the bits of each sample as the data set's Pixel Representation says.

    Codestreams other than JPEG 2000 have no signs, and those of JPEG 2000 may name the wrong
    ones: the sign is the highest bit of the precision.
    """
    import numpy as np

    wide = array.astype(np.int64 if job.bits > 16 else np.int32)
    precision = job.precision
    if not 0 < precision < job.bits:
        return _array(wide)
    wide = np.bitwise_and(wide, (1 << precision) - 1)
    if job.is_signed:
        sign = 1 << (precision - 1)
        wide = np.subtract(np.bitwise_xor(wide, sign), sign)
    return _array(wide)


def _dimensions(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
