"""What the header of a compressed frame says of it: size, samples, bits.

Owns the headers of JPEG and JPEG-LS (markers), JPEG 2000 and HTJ2K (codestreams, also within
JP2 files) and JPEG XL. A frame's own header is compared with the data set before anybody
decodes it: a decoder believes the header, and takes memory by it. Reads bytes with bounds in
plain Python, decodes nothing.

ISO/IEC 10918-1 B.2, 14495-1 C.2, 15444-1 A.5 and I.5, 18181-1 annexes A-C and 18181-2.
"""

from __future__ import annotations

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = ["BadCodestream", "StreamFacts", "begins_frame", "has_end", "read_facts"]

_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")
_NO_FRAME_HEADERS = frozenset({0xC4, 0xC8, 0xCC})  # tables and reserved, among the SOF markers
_LONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length
_LOSSLESS_SOF = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_PROGRESSIVE_SOF = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_MOST_MARKERS = 10_000
_MOST_BOXES = 1000


class BadCodestream(Exception):
    """A frame's header cannot be read; the text says why."""


class StreamFacts(NamedTuple):
    """What a compressed frame says of itself.

    Fields: `rows`, `columns`, `components` (0 where the header does not tell); `precision` in
    bits, 0 where it does not tell; `is_signed` samples are (JPEG 2000 alone knows);
    `is_subsampled` chrominance has fewer samples, so it is no RGB; `is_irreversible` the process
    itself loses (a reversible one may have lost before); `is_progressive` samples come in several
    scans.
    """

    rows: int
    columns: int
    components: int
    precision: int
    is_signed: bool = False
    is_subsampled: bool = False
    is_irreversible: bool = False
    is_progressive: bool = False


def begins_frame(data: Buffer) -> bool:
    """Tell whether the bytes are the beginning of a codestream of any kind here."""
    return bytes(data[:8]).startswith(_STARTS)


def read_facts(codec: str, data: bytes) -> StreamFacts | None:
    """Return what a frame's header says, None for codecs whose frames have none.

    Args:
        codec: as `decoders.Decoder.codec`.
        data: the frame.

    Raises:
        BadCodestream: it is cut short, or of another kind.
    """
    reader = _READERS.get(codec)
    if reader is None:
        return None
    try:
        return reader(data)
    except IndexError:
        raise BadCodestream("its header is cut short") from None


def has_end(codec: str, data: bytes) -> bool:
    """Tell whether the end of a frame's codestream is there, where its decoder does not tell.

    libjpeg fills what is missing with gray and OpenJPH with zeros, without a word; CharLS looks
    for it for many seconds. True for codecs that complain themselves.

    Raises:
        BadCodestream: as `read_facts`.
    """
    try:
        if codec in {"jpeg", "jpeg-ls"}:
            # In entropy-coded data no FF is followed by D9; in a preview within APP1 one may be.
            return data.rfind(b"\xff\xd9") > _frame_header(data)[0]
        if codec == "htj2k":
            return _tiles_are_whole(data)
    except IndexError:
        return False
    return True


def _u16(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + 2], "big")


def _u32(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + 4], "big")


def _jpeg(data: bytes) -> StreamFacts:
    """Read the frame header of JPEG or JPEG-LS."""
    at, marker = _frame_header(data)
    return _start_of_frame(data, at, marker)


def _frame_header(data: bytes) -> tuple[int, int]:
    """Return where the content of SOF begins, and which it is: SOI, segments, SOF."""
    if data[:2] != b"\xff\xd8":
        raise BadCodestream("it is no JPEG stream")
    at = 2
    for _ in range(_MOST_MARKERS):
        if data[at] != 0xFF:
            raise BadCodestream("a marker of its header is missing")
        while data[at] == 0xFF:  # any number of fill bytes (B.1.1.2)
            at += 1
        marker = data[at]
        at += 1
        if marker in _LONE:
            continue
        if marker in {0xD9, 0xDA}:
            raise BadCodestream("it has no frame header")
        length = _u16(data, at)
        if length < 2:
            raise BadCodestream("a segment of its header has no length")
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADERS):
            return at, marker
        at += length
    raise BadCodestream("its header does not end")


def _start_of_frame(data: bytes, at: int, marker: int) -> StreamFacts:
    components = data[at + 7]
    factors = {data[at + 9 + 3 * number] for number in range(components)}
    lossless = marker == 0xF7 or marker in _LOSSLESS_SOF
    return StreamFacts(
        rows=_u16(data, at + 3),
        columns=_u16(data, at + 5),
        components=components,
        precision=data[at + 2],
        is_subsampled=len(factors) > 1,
        is_irreversible=not lossless,
        is_progressive=marker in _PROGRESSIVE_SOF,
    )


def _jpeg2000(data: bytes) -> StreamFacts:
    """Read the first segments of a codestream, which may be within a JP2 file."""
    at = 0
    if data[:2] != b"\xff\x4f":
        at = _box(data, b"jP  ", (b"jp2c",))
        if data[at : at + 2] != b"\xff\x4f":
            raise BadCodestream("it is no JPEG 2000 stream")
    at += 2
    if _u16(data, at) != 0xFF51:
        raise BadCodestream("its first segment does not tell its size")
    length = _u16(data, at + 2)
    xsize, ysize, xoffset, yoffset = (_u32(data, at + place) for place in (6, 10, 14, 18))
    components = _u16(data, at + 38)
    if xsize <= xoffset or ysize <= yoffset or not 1 <= components <= 16384:
        raise BadCodestream("what it tells of its size makes no sense")
    depth = data[at + 40]
    factors = {_u16(data, at + 41 + 3 * number) for number in range(min(components, 4))}
    return StreamFacts(
        rows=ysize - yoffset,
        columns=xsize - xoffset,
        components=components,
        precision=(depth & 0x7F) + 1,
        is_signed=depth > 0x7F,
        is_subsampled=factors != {0x0101},
        is_irreversible=_is_irreversible(data, at + 2 + length),
    )


def _tiles_are_whole(data: bytes) -> bool:
    """Tell whether every part of a tile is as long as its SOT says."""
    at = 0 if data[:2] == b"\xff\x4f" else _box(data, b"jP  ", (b"jp2c",))
    at += 2
    while _u16(data, at) != 0xFF90:
        at += 2 + max(_u16(data, at + 2), 2)
    while _u16(data, at) == 0xFF90:
        length = _u32(data, at + 6)
        if not length:  # the last one, up to EOC
            return data.rfind(b"\xff\xd9") > at
        if length < 14:
            return False
        at += length
        if at > len(data):
            return False
        if at + 2 > len(data):
            return True  # EOC alone is missing
    return True


def _is_irreversible(data: bytes, at: int) -> bool:
    """Tell whether COD names the 9-7 transformation; False where it is not found."""
    for _ in range(_MOST_MARKERS):
        if at + 14 > len(data):
            return False
        marker = _u16(data, at)
        if marker == 0xFF52:
            return data[at + 13] == 0
        if marker == 0xFF90 or marker >> 8 != 0xFF:  # a tile begins
            return False
        at += 2 + max(_u16(data, at + 2), 2)
    return False


def _box(data: bytes, signature: bytes, wanted: tuple[bytes, ...]) -> int:
    """Return where the content of a box begins, in a file of boxes (15444-1 I.4)."""
    if data[4:8] != signature:
        raise BadCodestream("its first bytes are of no kind that is known")
    at = 0
    for _ in range(_MOST_BOXES):
        length, kind, content = _u32(data, at), data[at + 4 : at + 8], at + 8
        if length == 1:
            length, content = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind in wanted:
            return content
        if length < 8:
            break
        at += length
    raise BadCodestream("no codestream is in its boxes")


class _Bits:
    """Bits of a JPEG XL codestream, the least significant of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def choose(self, *choices: tuple[int, int]) -> int:
        """Read a U32: one of four constants, each with so many bits added to it."""
        base, bits = choices[self.take(2)]
        return base + self.take(bits)


_SIZES = (1, 9), (1, 13), (1, 18), (1, 30)
_RATIOS = (0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)


def _jpeg_xl(data: bytes) -> StreamFacts:
    """Read SizeHeader and the bit depth of ImageMetadata."""
    at = 0
    if data[:2] != b"\xff\x0a":
        at = _box(data, b"JXL ", (b"jxlc", b"jxlp"))
        if data[at - 4 : at] == b"jxlp":
            at += 4  # the number of the part
        if data[at : at + 2] != b"\xff\x0a":
            raise BadCodestream("it is no JPEG XL stream")
    if len(data) <= at + 2:
        raise IndexError
    bits = _Bits(data[at + 2 : at + 66])
    rows, columns = _size(bits)
    return StreamFacts(rows=rows, columns=columns, components=0, precision=_depth(bits))


def _size(bits: _Bits) -> tuple[int, int]:
    """Read a SizeHeader: rows and columns."""
    is_small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if is_small else bits.choose(*_SIZES)
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio]
        return rows, rows * over // under
    return rows, 8 * (bits.take(5) + 1) if is_small else bits.choose(*_SIZES)


def _depth(bits: _Bits) -> int:
    """Read ImageMetadata up to the bit depth; 0 where what stands before is not for DICOM."""
    if bits.take(1):  # all_default
        return 8
    if bits.take(1):  # extra_fields
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)  # intrinsic size
        if bits.take(2):  # preview, animation
            return 0
    if bits.take(1):  # floating point
        return bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    return bits.choose((8, 0), (10, 0), (12, 0), (1, 6))


_READERS = {
    "jpeg": _jpeg,
    "jpeg-ls": _jpeg,
    "jpeg2000": _jpeg2000,
    "htj2k": _jpeg2000,
    "jpeg-xl": _jpeg_xl,
}
