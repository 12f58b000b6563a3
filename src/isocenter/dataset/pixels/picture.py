"""A decoded frame as a picture that a screen shows: 8 bits, gray or RGB.

Owns the transformations from stored values to gray: rescaling, window, MONOCHROME1; palettes;
YCbCr to RGB. In plain Python with tables, so that an uncompressed image needs no library. It is
to tell what an image is, not to make a diagnosis: look-up tables of the modality and of interest,
and overlays, are left out. Must not know where frames come from.

PS3.3 C.7.6.3.1 (color models), C.7.6.3.1.5 (palettes), C.11.1, C.11.2 (rescale, window).
"""

from __future__ import annotations

import sys
from array import array

from isocenter.errors import DataSetError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isocenter.dataset.pixels.image import Image
    from isocenter.wire import Buffer

__all__ = ["DISPLAY_TAGS", "Display", "read_display", "render"]

_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION = (
    0x00281050,
    0x00281051,
    0x00281052,
    0x00281053,
    0x00281056,
)
_DESCRIPTORS = 0x00281101, 0x00281102, 0x00281103
_TABLES = 0x00281201, 0x00281202, 0x00281203

DISPLAY_TAGS = frozenset({_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, *_DESCRIPTORS, *_TABLES})
"""Elements that say how stored values are shown."""

_TYPECODES = {8: "B", 16: "H", 32: "I", 64: "Q"}
_MOST_TABLED = 16  # bits of stored values that a table is made for


class Display(NamedTuple):
    """How stored values are shown.

    Fields: `window` center and width, None for the range of the frame's values; `function` of
    the window; `slope`, `intercept`; `palette` red, green and blue of each index, with the first
    index that has one, None without.
    """

    window: tuple[float, float] | None = None
    function: str = "LINEAR"
    slope: float = 1.0
    intercept: float = 0.0
    palette: tuple[int, bytes, bytes, bytes] | None = None


def read_display(values: Mapping[int, bytes]) -> Display:
    """Return how an image is shown, out of encoded values, little endian, by tag.

    Raises:
        DataSetError: its palette cannot be used.
    """
    center, width = _float(values, _CENTER), _float(values, _WIDTH)
    window = None
    if center is not None and width is not None and width > 0:
        window = center, width
    slope, intercept = _float(values, _SLOPE), _float(values, _INTERCEPT)
    function = values.get(_FUNCTION, b"").decode("latin-1").strip(" \0") or "LINEAR"
    return Display(
        window,
        function,
        1.0 if slope is None else slope,
        0.0 if intercept is None else intercept,
        _palette(values),
    )


def _float(values: Mapping[int, bytes], tag: int) -> float | None:
    """Return the first of several numbers in text; None for none that is finite."""
    text = values.get(tag, b"").decode("latin-1").split("\\")[0].strip(" \0")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e30 else None


def _palette(values: Mapping[int, bytes]) -> tuple[int, bytes, bytes, bytes] | None:
    if not any(tag in values for tag in _TABLES):
        return None
    first, channels = 0, []
    for descriptor_tag, table_tag in zip(_DESCRIPTORS, _TABLES, strict=True):
        descriptor, table = values.get(descriptor_tag, b""), values.get(table_tag, b"")
        if len(descriptor) < 6 or not table:
            raise DataSetError("the palette is not complete")
        count, first, bits = (int.from_bytes(descriptor[at : at + 2], "little") for at in (0, 2, 4))
        count = count or 65536
        if len(table) >= 2 * count:
            # Of 16 bits the upper eight; entries of 8 bits in words of 16 as well.
            channel = table[1 : 2 * count : 2] if bits > 8 else table[0 : 2 * count : 2]
        elif len(table) >= count:
            channel = table[:count]
        else:
            raise DataSetError("the palette is shorter than it says")
        channels.append(channel)
    red, green, blue = channels
    return first, red, green, blue


def render(image: Image, display: Display, frame: Buffer) -> tuple[bytes, int]:
    """Return a frame's picture, and its channels: 1 for gray, 3 for RGB.

    Args:
        image: attributes of the decoded image.
        display: how its values are shown.
        frame: its samples, little endian.

    Raises:
        DataSetError: its color model is none that is shown.
    """
    photometric = image.photometric
    if image.samples == 3:
        return _color(image, frame), 3
    if photometric == "PALETTE COLOR":
        return _by_palette(image, display, frame), 3
    if photometric not in {"MONOCHROME1", "MONOCHROME2", ""}:
        raise DataSetError(f"images of {photometric} with one sample are not shown")
    return _gray(image, display, frame), 1


def _raw(image: Image, frame: Buffer) -> Sequence[int]:
    """Return the words of a frame, as they are allocated."""
    if image.allocated == 1:
        bits = "".join(format(byte, "08b")[::-1] for byte in frame)
        return [int(bit) for bit in bits[: image.rows * image.columns]]
    if image.allocated not in _TYPECODES:
        raise DataSetError(f"images of {image.allocated} bits allocated are not shown")
    words = array(_TYPECODES[image.allocated], bytes(frame))
    if sys.byteorder == "big" and image.allocated > 8:
        words.byteswap()
    return words


def _stored(image: Image) -> Callable[[int], int]:
    """Return what turns a word into the stored value (PS3.5 8.1.1)."""
    bits = min(image.stored, image.allocated) or image.allocated
    shift = max(image.high + 1 - bits, 0)
    mask = (1 << bits) - 1
    sign = 1 << (bits - 1) if image.is_signed else 0

    def value(word: int) -> int:
        return ((word >> shift & mask) ^ sign) - sign

    return value


def _gray(image: Image, display: Display, frame: Buffer) -> bytes:
    """Return gray values: rescaled, windowed, inverted where low values are white."""
    words, value = _raw(image, frame), _stored(image)
    slope, intercept = display.slope, display.intercept
    present = set(words)
    if display.window is None:
        ends = [slope * value(word) + intercept for word in present]
        low, high = min(ends), max(ends)
        window, function = ((low + high) / 2, (high - low) or 1.0), "LINEAR_EXACT"
    else:
        window, function = display.window, display.function
    curve = _curve(window, function)
    inverts = image.photometric == "MONOCHROME1"
    table = {}
    for word in present:
        # Of a window with hardly any width the curve is beyond any number.
        level = min(max(curve(slope * value(word) + intercept), 0.0), 1.0)
        shade = int(level * 255 + 0.5)
        table[word] = 255 - shade if inverts else shade
    if image.allocated == 8:
        return bytes(frame).translate(bytes(table.get(word, 0) for word in range(256)))
    return bytes(map(table.__getitem__, words))


def _curve(window: tuple[float, float], function: str) -> Callable[[float], float]:
    """Return the window's function, to values from 0 to 1 and perhaps beyond (C.11.2.1.2)."""
    center, width = window
    if function == "SIGMOID":
        from math import exp

        return lambda x: 1 / (1 + exp(min(-4 * (x - center) / width, 700)))
    if function == "LINEAR_EXACT":
        return lambda x: (x - center) / width + 0.5
    if width <= 1:
        return lambda x: 0.0 if x <= center - 0.5 else 1.0
    return lambda x: (x - (center - 0.5)) / (width - 1) + 0.5


def _by_palette(image: Image, display: Display, frame: Buffer) -> bytes:
    """Return the colors of indices; those before the first and behind the last have theirs."""
    if display.palette is None:
        raise DataSetError("the image has no palette, or a segmented one, which is not shown")
    first, *channels = display.palette
    words, value = _raw(image, frame), _stored(image)
    last = min(map(len, channels)) - 1  # all the same, but for palettes that lie
    if first > 0x7FFF and image.is_signed:
        first -= 0x10000
    places = {word: min(max(value(word) - first, 0), last) for word in set(words)}
    result = bytearray(3 * len(words))
    for number, channel in enumerate(channels):
        shades = {word: channel[place] for word, place in places.items()}
        result[number::3] = bytes(map(shades.__getitem__, words))
    return bytes(result)


def _color(image: Image, frame: Buffer) -> bytes:
    """Return RGB of RGB or YCbCr samples."""
    pixels = image.rows * image.columns
    is_shared = image.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}
    if is_shared and image.allocated == 8 and len(frame) < 3 * pixels:
        if pixels % 2 or len(frame) != 2 * pixels:
            raise DataSetError(f"{pixels} pixels cannot share chrominance in {len(frame)} bytes")
        return _rgb(*_unpacked(bytes(frame), pixels))
    samples = bytes(frame) if image.allocated == 8 else _upper_bits(image, frame)
    if image.is_planar:
        planes = [samples[pixels * number : pixels * (number + 1)] for number in range(3)]
    else:
        planes = [samples[number::3] for number in range(3)]
    if image.photometric in {"YBR_FULL", "YBR_FULL_422"}:
        return _rgb(*planes)
    if image.photometric != "RGB":
        raise DataSetError(f"images of {image.photometric or 'no color model'} are not shown")
    result = bytearray(3 * pixels)
    for number, plane in enumerate(planes):
        result[number::3] = plane
    return bytes(result)


def _upper_bits(image: Image, frame: Buffer) -> bytes:
    """Return the upper eight bits of each sample."""
    if image.allocated not in {16, 32}:
        raise DataSetError(f"images of {image.allocated} bits allocated are not shown")
    value = _stored(image)
    shift = max(min(image.stored, image.allocated) - 8, 0)
    words = array(_TYPECODES[image.allocated], bytes(frame))
    if sys.byteorder == "big":
        words.byteswap()
    shades = {word: min(max(value(word), 0) >> shift, 255) for word in set(words)}
    return bytes(map(shades.__getitem__, words))


def _unpacked(frame: bytes, pixels: int) -> tuple[bytes, bytes, bytes]:
    """Give each pixel the chrominance that two share: Y, Y, Cb, Cr (C.7.6.3.1.2)."""
    luma, blue, red = bytearray(pixels), bytearray(pixels), bytearray(pixels)
    luma[0::2], luma[1::2] = frame[0::4], frame[1::4]
    blue[0::2] = blue[1::2] = frame[2::4]
    red[0::2] = red[1::2] = frame[3::4]
    return bytes(luma), bytes(blue), bytes(red)


def _rgb(luma: bytes, blue: bytes, red: bytes) -> bytes:
    """Turn YCbCr into RGB (C.7.6.3.1.2)."""
    of_red = [round(1.402 * (value - 128)) for value in range(256)]
    of_blue = [round(1.772 * (value - 128)) for value in range(256)]
    green_of_blue = [-0.344136 * (value - 128) for value in range(256)]
    green_of_red = [-0.714136 * (value - 128) for value in range(256)]
    clamped = bytes(min(max(value, 0), 255) for value in range(-256, 512))
    result = bytearray(3 * len(luma))
    result[0::3] = bytes([clamped[y + of_red[r] + 256] for y, r in zip(luma, red, strict=True)])
    result[1::3] = bytes(
        [
            clamped[y + round(green_of_blue[b] + green_of_red[r]) + 256]
            for y, b, r in zip(luma, blue, red, strict=True)
        ]
    )
    result[2::3] = bytes([clamped[y + of_blue[b] + 256] for y, b in zip(luma, blue, strict=True)])
    return bytes(result)
