"""Fuzz target: frames that become pictures.

The first byte of the input chooses the transfer syntax; the rest is the data set. It may raise
`DataSetError` and nothing else, for want of an image or in one of its frames. A picture has as many
samples as it should, and becomes a PNG file. Where libraries would decode, nothing does
(`standin`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter import uids
from isocenter.dataset.pixels.picture import render
from isocenter.dataset.pixels.pictures import open_frames
from isocenter.dataset.pixels.png import png_bytes
from isocenter.errors import DataSetError
from isocenter.testing.datasets import encapsulated, encode_data_set
from isocenter.wire import FileRegion
from tests.fuzz.files import opened
from tests.fuzz.oracle import Limits, raises_only
from tests.fuzz.standin import PlainDecoders

if TYPE_CHECKING:
    from isocenter.testing.datasets import Element

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=1024)
"""Frames in RLE grow 64 times, a bit becomes a byte, and a value of Python on the way."""

_SYNTAXES = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids.RLE_LOSSLESS,
    uids.DEFLATED_IMAGE_FRAME_COMPRESSION,
    uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids.JPEG_BASELINE_8BIT,
)
_MOST_FRAMES = 3


def seeds() -> list[bytes]:
    """Return images of each color model and transfer syntax, with windows and palettes."""
    window: list[Element] = [
        (0x00281050, "DS", "40\\80"),
        (0x00281051, "DS", "400\\1"),
        (0x00281052, "DS", "-1024"),
        (0x00281053, "DS", "1.5"),
    ]
    sigmoid: list[Element] = [*window, (0x00281056, "CS", "SIGMOID")]
    exact: list[Element] = [*window, (0x00281056, "CS", "LINEAR_EXACT")]
    palette: list[Element] = [(0x00281101 + n, "US", [4, 0, 8 * (1 + n % 2)]) for n in range(3)]
    palette += [(0x00281201 + n, "OW", bytes(range(8))) for n in range(3)]
    found = []
    for choice, more in ((0, window), (1, sigmoid), (2, exact), (3, [])):
        body = _image(16, 1, "MONOCHROME2", more, _SYNTAXES[choice])
        found.append(bytes((choice,)) + body)
    for model, samples in (("RGB", 3), ("YBR_FULL", 3), ("YBR_FULL_422", 3), ("MONOCHROME1", 1)):
        found.append(b"\0" + _image(8, samples, model, []))
    found.append(b"\0" + _image(8, 1, "PALETTE COLOR", palette))
    found.append(b"\0" + _image(1, 1, "MONOCHROME2", [], frames="3"))
    for choice in (4, 5, 6, 7):
        pixels = _encoded(choice)
        found.append(bytes((choice,)) + _image(8, 1, "MONOCHROME2", [], pixels=pixels))
    return found


def _image(
    bits: int,
    samples: int,
    model: str,
    more: list[Element],
    syntax: str = uids.EXPLICIT_VR_LITTLE_ENDIAN,
    *,
    frames: str = "1",
    pixels: bytes = b"",
) -> bytes:
    """Return a data set with an image of 3 x 4 pixels."""
    native = bytes(range(7, 7 + 12 * samples * max(bits // 8, 1)))
    return encode_data_set(
        [
            (0x00280002, "US", samples),
            (0x00280004, "CS", model),
            (0x00280006, "US", 0),
            (0x00280008, "IS", frames),
            (0x00280010, "US", 3),
            (0x00280011, "US", 4),
            (0x00280100, "US", bits),
            (0x00280101, "US", bits),
            (0x00280102, "US", bits - 1),
            (0x00280103, "US", bits // 16),
            *more,
            (0x7FE00010, "OW" if bits > 8 else "OB", pixels or native),
        ],
        syntax,
    )


def _encoded(choice: int) -> bytes:
    """Return encapsulated pixel data of 12 samples."""
    import zlib

    native = bytes(range(12))
    if choice == 4:
        header = b"".join(number.to_bytes(4, "little") for number in (1, 64, *[0] * 14))
        return encapsulated(header + b"\x0b" + native)
    if choice == 5:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return encapsulated(deflater.compress(native) + deflater.flush())
    if choice == 6:
        return encapsulated(native)
    sizes = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x03\0\x04\x01\x01\x11\0"
    return encapsulated(sizes + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x55\xff\xd9")


def test_one_input(data: bytes) -> None:
    """Make pictures of one data set and check them."""
    if not data:
        return
    syntax = _SYNTAXES[data[0] % len(_SYNTAXES)]
    body = data[1:]
    told = _told(body, syntax)
    with opened(body) as fd:
        from_file = _told(FileRegion(fd, 0, len(body)), syntax)
    if told != from_file:
        raise AssertionError(f"in memory {told}, in the file {from_file}")


def _told(source: bytes | FileRegion, syntax: str) -> list[object]:
    """Return the first pictures, and what is wrong with the data set or a frame."""
    found: list[object] = []
    pool = PlainDecoders(64 * 1024)
    try:
        frames = open_frames(source, syntax)
    except DataSetError as problem:
        return [problem.reason, problem.offset]
    image = frames.image
    for number in range(min(frames.count, _MOST_FRAMES)):
        with raises_only(DataSetError):
            samples, channels = render(image, frames.display, frames.frame(number, pool))
            found.append(samples)
            png_bytes(samples, image.rows, image.columns, channels)
    return [frames.count, *found]
