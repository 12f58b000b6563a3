"""The frames of a data set, one by one, whatever its transfer syntax.

Owns how the pixel data at the top level is found, and how one frame of it is got: read where it
is native, decoded where it is encapsulated. Must not know how a frame is shown (`picture`).

PS3.5 8.1, A.1-A.5.
"""

from __future__ import annotations

from isocenter.dataset.convert import Inflater, pieces_of
from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.headers import UNDEFINED_LENGTH, CutShort, Unreadable
from isocenter.dataset.pixels.codecs import Job, frame_length
from isocenter.dataset.pixels.decoders import decoder_of, why_not
from isocenter.dataset.pixels.image import PIXEL_TAGS, check_facts, read_image
from isocenter.dataset.pixels.picture import DISPLAY_TAGS, read_display
from isocenter.dataset.pixels.skeleton import EncodedImage, read_source, take_apart
from isocenter.dataset.scan import ENCODINGS, ROOT, Scanner
from isocenter.dataset.vr import MARKERS
from isocenter.errors import DataSetError
from isocenter.uids import TRANSFER_SYNTAXES, name_of
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

    from isocenter.dataset.pixels.image import Image
    from isocenter.dataset.pixels.picture import Display
    from isocenter.dataset.pixels.pool import DecoderPool
    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer

    Source: TypeAlias = "bytes | memoryview | FileRegion"

__all__ = ["Frames", "open_frames"]

_PIXEL_DATA = 0x7FE00010
_HEAD = 64 * 1024  # bytes read around headers
_WORDS = frozenset({b"OW", b"US", b"SS"})
_LONGEST_PICTURE = 256 * 1024 * 1024
"""Bytes of a frame, inclusive, that becomes a picture."""


class _Finder:
    """Finds what a picture depends on: at the top level, windows also within sequences."""

    def __init__(self) -> None:
        self.values: dict[int, bytes] = {}
        self.inner: dict[int, bytes] = {}
        self.pixels: tuple[int, int] | None = None
        self.is_encapsulated = False
        self.has_words = False

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Look at every element."""
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR, by the dictionary where there is none."""
        if length == UNDEFINED_LENGTH and vr in {b"", b"UN"}:
            return b"SQ"
        if vr:
            return vr
        known = DEFAULT_DICTIONARY.vr_of(tag)
        return b"OW" if known in MARKERS else known

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want what pictures depend on."""
        return tag in PIXEL_TAGS or tag in DISPLAY_TAGS

    def element(
        self,
        level: Level,
        tag: int,
        vr: bytes,
        start: int,
        value: int,
        length: int,
        raw: bytes | None,
    ) -> None:
        """Keep values, in little endian."""
        if level.kind == ROOT and tag == _PIXEL_DATA:
            self.pixels, self.has_words = (value, length), vr == b"OW"
        if raw is None:
            return
        if not level.encoding.little and vr in _WORDS and len(raw) % 2 == 0:
            from isocenter.dataset.edits import swap_units

            raw = swap_units(raw, 2)
        (self.values if level.kind == ROOT else self.inner).setdefault(tag, raw)

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Note encapsulated pixel data."""
        if tag == _PIXEL_DATA and outer.kind == ROOT:
            self.pixels, self.is_encapsulated = (value, 0), True

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Pass over it."""

    def stray(self, level: Level, start: int) -> None:
        """Pass over it."""

    def trailing(self, start: int, length: int) -> None:
        """Pass over them."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Go on."""


class Frames:
    """The frames of one image.

    Attributes:
        count: how many there are.
        image: what the samples of `frame` are.
        display: how they are shown, as the data set says.
    """

    __slots__ = ("_encoded", "_job", "_place", "_source", "_swaps", "count", "display", "image")

    def __init__(
        self,
        source: Source,
        image: Image,
        display: Display,
        place: int,
        encoded: EncodedImage | None,
        *,
        swaps: bool,
    ) -> None:
        """Keep where the pixels are."""
        self._source = source
        self._place = place
        self._encoded = encoded
        self._swaps = swaps
        self.count = image.frames
        self.display = display
        self._job = _native_job(image)
        if encoded is not None:
            native = encoded.native
            image = _changed(image, native.changes)
            self._job = native.job
        self.image = image

    def frame(self, number: int, pool: DecoderPool) -> Buffer:
        """Return the samples of a frame, numbered from 0, in little endian.

        Raises:
            DataSetError: it cannot be decoded, or is not there.
            OSError: the file cannot be read.
        """
        job = self._job
        if frame_length(job) > _LONGEST_PICTURE:
            raise DataSetError(f"a frame of {frame_length(job)} bytes is too long for a picture")
        if self._encoded is not None:
            return self._decoded(number, pool)
        bits = job.rows * job.columns * job.samples * job.bits
        if job.bits > 1 or bits % 8 == 0:
            length = frame_length(job)
            return self._native(number * length, length)
        first, rest = divmod(number * bits, 8)
        length = (rest + bits + 7) // 8
        shifted = int.from_bytes(self._native(first, length), "little") >> rest
        return shifted.to_bytes(length, "little")[: (bits + 7) // 8]

    def _native(self, offset: int, length: int) -> bytes:
        """Return native bytes, in little endian."""
        if not self._swaps:
            return read_source(self._source, self._place + offset, length)
        from isocenter.dataset.edits import swap_units

        # Bytes in words are swapped as well, and a frame may begin within a word.
        unit = max(self._job.bits // 8, 2)
        start = offset - offset % unit
        end = offset + length + -(offset + length) % unit
        data = swap_units(read_source(self._source, self._place + start, end - start), unit)
        return data[offset - start : offset - start + length]

    def _decoded(self, number: int, pool: DecoderPool) -> Buffer:
        from isocenter.dataset.pixels.codestream import BadCodestream, read_facts

        encoded = self._encoded
        assert encoded is not None  # noqa: S101 - the caller looked
        data = encoded.frame(self._source, number)
        try:
            facts = read_facts(encoded.decoder.codec, data)
            if facts is not None:
                check_facts(encoded.image, facts, number + 1)
            return pool.result(pool.submit(self._job, data))
        except BadCodestream as problem:
            raise DataSetError(f"frame {number + 1}: {problem}") from None
        except DataSetError as problem:
            if problem.reason.startswith("frame "):
                raise
            raise DataSetError(f"frame {number + 1}: {problem.reason}") from problem


def _native_job(image: Image) -> Job:
    is_packed = image.samples == 3 and image.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}
    return Job(
        "native",
        image.rows,
        image.columns,
        image.samples,
        image.allocated,
        is_packed=is_packed and image.allocated == 8,
    )


def _changed(image: Image, changes: dict[int, bytes]) -> Image:
    """Return an image as it is behind its decoder."""
    number = {tag: int.from_bytes(value[:2], "little") for tag, value in changes.items()}
    photometric = changes.get(0x00280004)
    return image._replace(
        allocated=number.get(0x00280100, image.allocated),
        stored=number.get(0x00280101, image.stored),
        high=number.get(0x00280102, image.high),
        is_planar=image.is_planar and 0x00280006 not in number,
        photometric=image.photometric if photometric is None else photometric.decode().strip(),
    )


def open_frames(source: Source, transfer_syntax_uid: str) -> Frames:
    """Find the frames of a data set.

    Args:
        source: the data set in memory, or its region of an open file, which stays open and
            unchanged as long as frames are asked for.
        transfer_syntax_uid: its own.

    Raises:
        DataSetError: it has no image, or one that cannot be shown.
        OSError: the file cannot be read.
    """
    syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
    if syntax is None:
        raise DataSetError(f"transfer syntax {transfer_syntax_uid} is not known")
    if syntax.is_video:
        raise DataSetError(f"there is no decoder for {name_of(transfer_syntax_uid)}")
    if syntax.is_deflated:
        source = _inflated(source)
    finder = _Finder()
    _scan(Scanner(ENCODINGS[syntax.is_explicit, syntax.is_little], finder), source)
    if finder.pixels is None:
        raise DataSetError("there is no image in it: no Pixel Data")
    image = read_image(finder.values)
    display = read_display({**finder.inner, **finder.values})
    if not finder.is_encapsulated:
        place, length = finder.pixels
        job = _native_job(image)
        bits = frame_length(job) * 8 if job.bits > 1 else image.rows * image.columns * job.samples
        if (bits * image.frames + 7) // 8 > length:
            raise DataSetError(
                f"{image.frames} frames of {image.rows} x {image.columns} take more than the"
                f" {length} bytes of Pixel Data"
            )
        swaps = not syntax.is_little and (job.bits > 8 or finder.has_words)
        return Frames(source, image, display, place, None, swaps=swaps)
    if reason := why_not(transfer_syntax_uid):
        raise DataSetError(reason)
    decoder = decoder_of(transfer_syntax_uid)
    if decoder is None or not decoder.codec:
        raise DataSetError("encapsulated pixel data in a syntax without compression")
    for part in take_apart(source, decoder):
        # Others are icons, or private.
        if isinstance(part, EncodedImage) and part.begins_at == finder.pixels[0]:
            return Frames(source, image, display, 0, part, swaps=False)
    raise DataSetError("there is no image in it: Pixel Data without fragments")


def _scan(scanner: Scanner, source: Source) -> None:
    try:
        if isinstance(source, FileRegion):
            place = 0
            while place < source.length:
                skipped = min(scanner.position, source.length) - place
                if skipped > 0:
                    scanner.skip(skipped)
                    place += skipped
                    continue
                chunk = read_source(source, place, min(_HEAD, source.length - place))
                scanner.feed(chunk)
                place += len(chunk)
        else:
            scanner.feed(source)
        scanner.finish()
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None


def _inflated(source: Source) -> bytes:
    inflater = Inflater()
    pieces: list[bytes] = []
    try:
        for piece in pieces_of(source):
            pieces += inflater.feed(piece)
        inflater.finish()
    except CutShort:
        raise DataSetError("cut short: the deflate stream does not end") from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}") from None
    return b"".join(pieces)
