"""A data set with encapsulated pixel data, taken apart: what stays, and what is decoded.

Owns the survey of a data set in which pixel data, also that of icons within sequences, is
encapsulated, and the data set that it becomes: the same elements in explicit VR little endian,
with native pixel data in the place of fragments, attributes changed where `image` says so,
offset tables gone. That data set is never in memory: it is a list of spans of the source, new
bytes and images to be decoded. Must not know what is written in the end (`transcode`).

PS3.5 7.1, A.4; PS3.3 C.7.6.3.
"""

from __future__ import annotations

import os
import struct

from isocenter.dataset.headers import UNDEFINED_LENGTH, CutShort, Unreadable
from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS
from isocenter.dataset.pixels.codestream import BadCodestream, read_facts
from isocenter.dataset.pixels.frames import Fragments, assign_frames
from isocenter.dataset.pixels.image import (
    DEFAULT_IMAGE_LIMITS,
    PIXEL_TAGS,
    native_image,
    read_image,
)
from isocenter.dataset.scan import ENCODINGS, ITEM, PIXELS, ROOT, SEQUENCE, Scanner
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from array import array
    from typing import TypeAlias

    from isocenter.dataset.pixels.decoders import Decoder
    from isocenter.dataset.pixels.image import Image, ImageLimits, NativeImage
    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer

    Source: TypeAlias = "bytes | memoryview | FileRegion"
    Part: TypeAlias = "bytes | tuple[int, int] | EncodedImage"

__all__ = ["EncodedImage", "read_source", "take_apart"]

_PIXEL_DATA = 0x7FE00010
_EXTENDED, _EXTENDED_LENGTHS, _ENCAPSULATED_LENGTH = 0x7FE00001, 0x7FE00002, 0x7FE00003
_OFFSET_TABLES = frozenset({_EXTENDED, _EXTENDED_LENGTHS, _ENCAPSULATED_LENGTH})
_IN_ORDER = tuple(sorted(PIXEL_TAGS))
_VRS_OF_NEW = {0x00280004: b"CS", 0x00282110: b"CS"}
_WATCHED_GROUPS = frozenset({0x0028, 0x7FE0, 0xFFFE})
_HEAD = 64 * 1024  # bytes read around headers
_MOST_GROWTH, _SPARE = 4, 16 * 1024 * 1024
"""Bytes, inclusive, of a compressed frame for each decoded one, and on top: previews, profiles
and padding are more than pixels of small images. Lossless codecs grow noise by some percent."""

_FIRST_OF_FRAME = 64 * 1024  # bytes of the first frame in which its header has to be

_EXPLICIT = ENCODINGS[True, True]
_UNDEFINED = struct.pack("<I", UNDEFINED_LENGTH)
_ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


class EncodedImage:
    """Encapsulated pixel data, and what it becomes.

    Attributes:
        image, native: the attributes as they are; what is made of them.
        decoder: of the transfer syntax.
        firsts: number of the first fragment of each frame, and the end.
        lengths: of frames without padding, None where nobody tells.
        fragments: where they are in the source.
    """

    __slots__ = ("decoder", "firsts", "fragments", "image", "lengths", "native")

    def __init__(
        self,
        image: Image,
        native: NativeImage,
        decoder: Decoder,
        fragments: Fragments,
        frames: tuple[array[int], array[int] | None],
    ) -> None:
        """Keep the facts."""
        self.image = image
        self.native = native
        self.decoder = decoder
        self.fragments = fragments
        self.firsts, self.lengths = frames

    @property
    def begins_at(self) -> int:
        """Offset of the value: of the header of the basic offset table."""
        return self.fragments.table_span[0] - 8

    def frame(self, source: Source, number: int) -> bytes:
        """Return a compressed frame, numbered from 0.

        Raises:
            DataSetError: it is much longer than what it decodes to, or the file became shorter.
            OSError: it cannot be read.
        """
        fragments = self.fragments
        size = sum(fragments.lengths[self.firsts[number] : self.firsts[number + 1]])
        if size > _SPARE + _MOST_GROWTH * self.native.frame_length:
            raise DataSetError(
                f"frame {number + 1} takes {size} bytes compressed, {self.native.frame_length}"
                " decoded"
            )
        span = range(self.firsts[number], self.firsts[number + 1])
        pieces = [
            read_source(source, fragments.starts[index], fragments.lengths[index]) for index in span
        ]
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return data if self.lengths is None else data[: self.lengths[number]]


def read_source(source: Source, offset: int, length: int) -> bytes:
    """Return bytes of a source.

    Raises:
        DataSetError: it has fewer.
        OSError: the file cannot be read.
    """
    if isinstance(source, FileRegion):
        data = os.pread(source.fd, length, source.offset + offset)
    else:
        data = bytes(source[offset : offset + length])
    if len(data) < length:
        raise DataSetError("file became shorter while it was read", offset=offset)
    return data


def take_apart(
    source: Source, decoder: Decoder, limits: ImageLimits = DEFAULT_IMAGE_LIMITS
) -> list[Part]:
    """Return what the decoded data set is made of: bytes, spans of the source, images.

    Args:
        source: a data set in the decoder's transfer syntax, or its region of a file.
        decoder: of the transfer syntax.
        limits: of the images in it.

    Raises:
        DataSetError: it cannot be read, or an image in it cannot be decoded.
        OSError: the file cannot be read.
    """
    survey = _Survey(source, decoder, limits)
    scanner = Scanner(_EXPLICIT, survey)
    length = source.length if isinstance(source, FileRegion) else len(source)
    try:
        _walk(scanner, source, length)
        scanner.finish()
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None
    return survey.parts(length)


def _walk(scanner: Scanner, source: Source, length: int) -> None:
    """Feed a scanner, of a file only what stands around headers."""
    if not isinstance(source, FileRegion):
        scanner.feed(source)
        return
    place = 0
    while place < length:
        skipped = min(scanner.position, length) - place
        if skipped > 0:
            scanner.skip(skipped)
            place += skipped
            continue
        chunk = read_source(source, place, min(_HEAD, length - place))
        scanner.feed(chunk)
        place += len(chunk)


class _Place:
    """What the survey remembers of a level.

    Attributes:
        found: elements that images depend on: start, start of the value, end and the value.
        following: for each of `PIXEL_TAGS`, where the first element with a higher tag begins.
        length_at: offset of the length of its header, -1 where a delimiter ends it.
        has_changed: its length is another one.
    """

    __slots__ = ("following", "found", "fragments", "has_changed", "length_at", "start")

    def __init__(self, start: int, length_at: int) -> None:
        self.found: dict[int, tuple[int, int, int, bytes | None]] = {}
        self.following: list[int] = []
        self.start = start
        self.length_at = length_at
        self.has_changed = False
        self.fragments: Fragments | None = None


class _Survey:
    """Hears what a scan finds, and keeps what becomes of it."""

    def __init__(self, source: Source, decoder: Decoder, limits: ImageLimits) -> None:
        self._source = source
        self._decoder = decoder
        self._limits = limits
        self._places = [_Place(0, -1)]
        # Offset, bytes removed there, and what comes instead.
        self._edits: list[tuple[int, int, bytes | EncodedImage]] = []

    def parts(self, length: int) -> list[Part]:
        """Return what the new data set is made of."""
        parts: list[Part] = []
        position = 0
        self._edits.sort(key=lambda edit: edit[0])
        for offset, removed, new in self._edits:
            if offset > position:
                parts.append((position, offset))
            if new:
                parts.append(new)
            position = offset + removed
        if position < length:
            parts.append((position, length))
        return parts

    # What follows is called by the scanner.

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Pass over elements of groups that no image depends on."""
        encoding = level.encoding
        if level.kind == SEQUENCE or encoding is not _EXPLICIT:
            return index
        whole, long = encoding.whole, encoding.long
        safe = end - 12
        place = self._places[-1]
        while index <= safe:
            group, _element, vr, length = whole(data, index)
            if group in _WATCHED_GROUPS or (
                group > 0x0028 and len(place.following) < len(_IN_ORDER)
            ):
                break
            if vr in SHORT_VRS:
                after = index + length + 8
            elif vr in LONG_VRS and vr != b"SQ":
                length = long(data, index + 8)[0]
                if length == UNDEFINED_LENGTH:
                    break
                after = index + length + 12
            else:
                break
            if after > end and end < len(data):
                break  # behind the item's end: the scanner says so
            index = after
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Take every VR as it is; what has none and no end, for the sequence that it is."""
        if length == UNDEFINED_LENGTH and vr in {b"", b"UN"}:
            return b"SQ"
        return vr

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want what images depend on."""
        return tag in PIXEL_TAGS

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
        """Keep it where images depend on it."""
        place = self._places[-1]
        self._note(place, tag, start)
        if tag in PIXEL_TAGS or tag in _OFFSET_TABLES:
            place.found.setdefault(tag, (start, value, value + length, raw))

    def _note(self, place: _Place, tag: int, start: int) -> None:
        following = place.following
        while len(following) < len(_IN_ORDER) and tag > _IN_ORDER[len(following)]:
            following.append(start)

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Begin a level."""
        if level.kind != ITEM:
            self._note(self._places[-1], tag, start)
        place = _Place(start, -1 if level.is_delimited else value - 4)
        self._places.append(place)
        if level.kind == PIXELS:
            if level.encoding is not _EXPLICIT:
                raise DataSetError("encapsulated pixel data in an element of VR UN", offset=start)
            if tag == _PIXEL_DATA:
                place.fragments = Fragments(self._limits.maximum_fragments)

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Note where a fragment is."""
        fragments = self._places[-1].fragments
        if fragments is not None:
            fragments.add(start, value, length)

    def stray(self, level: Level, start: int) -> None:
        """Leave it to the rewriter."""

    def trailing(self, start: int, length: int) -> None:
        """Leave them to the rewriter."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """End a level; what stands around another length gets a delimiter instead of its own."""
        place = self._places.pop()
        if place.fragments is not None:
            self._decide(self._places[-1], place.fragments, place.start, at + delimiter)
        if level.kind in {PIXELS, ROOT} or not place.has_changed:
            return
        self._places[-1].has_changed = True
        if place.length_at >= 0:
            self._edits.append((place.length_at, 4, _UNDEFINED))
            self._edits.append((at, 0, _ITEM_END if level.kind == ITEM else _SEQUENCE_END))

    def _decide(self, place: _Place, fragments: Fragments, start: int, end: int) -> None:
        """Put native pixel data in the place of encapsulated, and change what belongs to it."""
        values = {tag: raw for tag, (_, _, _, raw) in place.found.items() if raw is not None}
        image = read_image(values, self._limits)
        decoder, extended = self._decoder, self._extended(place, fragments)
        frames = assign_frames(fragments, image.frames, self._read, extended=extended)
        first = b""
        for index in range(frames[0][1]):
            length = min(fragments.lengths[index], _FIRST_OF_FRAME - len(first))
            first += self._read(fragments.starts[index], length)
            if len(first) >= _FIRST_OF_FRAME:
                break
        try:
            facts = read_facts(decoder.codec, first)
        except BadCodestream as problem:
            raise DataSetError(f"frame 1: {problem}", offset=fragments.starts[0]) from None
        native = native_image(image, decoder, facts, self._limits)
        place.has_changed = True
        self._change(place, native.changes, start)
        for tag in _OFFSET_TABLES & place.found.keys():
            begin, _value, finish, _raw = place.found[tag]
            self._edits.append((begin, finish - begin, b""))
        header = _EXPLICIT.pack_long(0x7FE0, 0x0010, native.vr, native.length)
        self._edits.append((start, 0, header))
        encoded = EncodedImage(image, native, decoder, fragments, frames)
        self._edits.append((start, end - start, encoded))
        place.found.clear()

    def _extended(self, place: _Place, fragments: Fragments) -> tuple[bytes, bytes] | None:
        """Return extended offset table and lengths, where they may be of use."""
        tables = []
        for tag in (_EXTENDED, _EXTENDED_LENGTHS):
            if tag not in place.found:
                return None
            _start, value, end, _raw = place.found[tag]
            if end - value > 8 * len(fragments.starts):
                return None
            tables.append(self._read(value, end - value))
        return tables[0], tables[1]

    def _read(self, offset: int, length: int) -> bytes:
        return read_source(self._source, offset, length)

    def _change(self, place: _Place, changes: dict[int, bytes], pixels: int) -> None:
        """Write new values of elements, and elements that were not there."""
        for tag in sorted(changes):
            new, found = changes[tag], place.found.get(tag)
            vr = _VRS_OF_NEW.get(tag, b"US")
            element = _EXPLICIT.pack_short(tag >> 16, tag & 0xFFFF, vr, len(new)) + new
            if found is None:
                number = _IN_ORDER.index(tag)
                following = place.following
                at = following[number] if number < len(following) else pixels
                self._edits.append((at, 0, element))
            elif found[3] is None or (
                found[3] != new and (vr == b"US" or found[3].strip(b" \0") != new.strip(b" "))
            ):
                self._edits.append((found[0], found[2] - found[0], element))
