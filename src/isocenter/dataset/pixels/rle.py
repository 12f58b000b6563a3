"""RLE Lossless frames (PS3.5 annex G), in plain Python.

Owns segments and packets. No library is needed, and none sees what is hostile; repeats and
copies are made by slices, so time goes with packets, not with pixels. Must not know what the
samples mean.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = ["decode_rle"]

_HEADER = struct.Struct("<16I")
_MOST_SEGMENTS = 15


def decode_rle(data: Buffer, pixels: int, samples: int, width: int) -> bytearray:
    """Return a frame's samples, color by pixel, little endian.

    Args:
        data: the frame: a header of 64 bytes and its segments.
        pixels: of the frame; of packed bits, the bytes they take.
        samples: of each pixel.
        width: bytes of each sample.

    Raises:
        ValueError: the frame is not what was said, or cut short.
    """
    if len(data) < _HEADER.size:
        raise ValueError("its RLE header is cut short")
    count, *offsets = _HEADER.unpack_from(data)
    expected = samples * width
    if count != expected or count > _MOST_SEGMENTS:
        raise ValueError(f"it has {count} RLE segments, not {expected}")
    ends = [*offsets[1:count], len(data)]
    result = bytearray(pixels * expected)
    view = memoryview(data)
    for number, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        if not _HEADER.size <= start <= end <= len(data):
            raise ValueError(f"RLE segment {number + 1} is not where the header says")
        sample, byte = divmod(number, width)
        # The most significant byte of a sample comes first (PS3.5 G.2).
        place = sample * width + width - 1 - byte
        segment = _unpacked(bytes(view[start:end]), pixels)
        if len(segment) < pixels:
            raise ValueError(
                f"RLE segment {number + 1} has {len(segment)} bytes of the {pixels} there should be"
            )
        result[place::expected] = segment
    return result


def _unpacked(data: bytes, wanted: int) -> bytearray:
    """Undo PackBits, up to `wanted` bytes; padding may follow (PS3.5 G.3.2)."""
    result = bytearray()
    at, end, have = 0, len(data) - 1, 0
    while have < wanted and at < end:
        code = data[at]
        if code < 128:
            piece = data[at + 1 : at + 2 + code]
            result += piece
            have += len(piece)
            at += code + 2
        elif code > 128:
            result += data[at + 1 : at + 2] * (257 - code)
            have += 257 - code
            at += 2
        else:
            at += 1
    if have > wanted:
        del result[wanted:]
    return result
