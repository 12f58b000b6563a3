"""A data set with compressed images, written uncompressed while its frames are decoded.

Joins the survey of the data set (`pixels.skeleton`), the processes that decode
(`pixels.pool`) and the rewriter, which writes what stays: its values are untouched, its
attributes of pixels are what the samples are after decoding. The result is a stream of buffers
whose length is known before the first frame is decoded; of the images, some frames are in
memory at once, however many there are.

    with DecoderPool() as pool:
        decoded = open_decoder(source, JPEG_LS_LOSSLESS, RewriteOptions(...), pool=pool)
        for buffer in decoded.segments(): ...

PS3.5 A.4, 8.2; PS3.3 C.7.6.3.
"""

from __future__ import annotations

from collections import deque

from isocenter.dataset.convert import DEFAULT_LEVEL, deflated, pieces_of
from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.edits import edited_stream
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.pixels.codestream import BadCodestream, read_facts
from isocenter.dataset.pixels.decoders import (
    Decoder,
    decoder_of,
    list_decoders,
    why_not,
)
from isocenter.dataset.pixels.image import DEFAULT_IMAGE_LIMITS, ImageLimits, check_facts
from isocenter.dataset.pixels.pool import DEFAULT_DECODE_LIMITS, DecodeLimits, DecoderPool
from isocenter.dataset.pixels.skeleton import EncodedImage, take_apart
from isocenter.dataset.profile import RewriteProfile
from isocenter.dataset.rewrite import Rewriter
from isocenter.errors import DataSetError
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.pixels.pool import Ticket
    from isocenter.dataset.pixels.skeleton import Part
    from isocenter.dataset.plan import RewritePlan
    from isocenter.dataset.profile import RewriteOptions
    from isocenter.wire import Buffer

    Source: TypeAlias = "bytes | memoryview | FileRegion"

__all__ = [
    "DEFAULT_DECODE_LIMITS",
    "DEFAULT_IMAGE_LIMITS",
    "DecodeLimits",
    "DecodedDataSet",
    "Decoder",
    "DecoderPool",
    "ImageLimits",
    "can_decode",
    "decoder_of",
    "list_decoders",
    "open_decoder",
    "why_not",
]

_AHEAD = 32 * 1024 * 1024
"""Decoded bytes, inclusive, of frames that are asked for before they are needed; one always is."""


def can_decode(transfer_syntax_uid: str) -> bool:
    """Tell whether data sets of a transfer syntax can be decoded here, and now."""
    decoder = decoder_of(transfer_syntax_uid)
    return decoder is not None and decoder.is_available


def open_decoder(
    source: Source,
    transfer_syntax_uid: str,
    options: RewriteOptions,
    *,
    pool: DecoderPool,
    limits: ImageLimits = DEFAULT_IMAGE_LIMITS,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
) -> DecodedDataSet:
    """Make a data set ready to be written without compression.

    Args:
        source: the data set in memory, or its region of an open file; unchanged until it was
            written.
        transfer_syntax_uid: its own, one of those that `can_decode`.
        options: how it is to be written; its `transfer_syntax_uid` is not compressed, but may be
            deflated, and is explicit VR little endian where it is "".
        pool: decodes the frames.
        limits: of the images.
        dictionary: what is known of tags.

    All headers are looked at here, the first frame's too, and sizes are held to their limits.
    Frames are decoded later, and `DecodedDataSet.segments` may raise for each.

    Raises:
        DataSetError: it cannot be read, cannot be decoded, or there is no decoder.
        OSError: the file cannot be read.

    PS3.5 A.4.
    """
    if reason := why_not(transfer_syntax_uid):
        raise DataSetError(reason)
    decoder = decoder_of(transfer_syntax_uid)
    target = TRANSFER_SYNTAXES.get(options.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN)
    if decoder is None or not decoder.codec:
        raise DataSetError(f"{transfer_syntax_uid} has no frames to decode")
    if target is None or target.is_encapsulated:
        raise DataSetError(f"nothing is compressed: {options.transfer_syntax_uid}")
    parts = take_apart(source, decoder, limits)
    try:
        profile = RewriteProfile(EXPLICIT_VR_LITTLE_ENDIAN, options, dictionary=dictionary)
    except ValueError as problem:
        raise DataSetError(str(problem)) from problem
    rewriter = Rewriter(profile)
    try:
        _plan(rewriter, parts, source)
        plan = rewriter.finish()
    except CutShort as cut:
        raise DataSetError(f"cut short: {cut.missing} bytes are missing") from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None
    return DecodedDataSet(source, parts, plan, pool)


def _plan(rewriter: Rewriter, parts: list[Part], source: Source) -> None:
    """Let the rewriter see all of the new data set but its pixels."""
    for part in parts:
        if isinstance(part, EncodedImage):
            rewriter.skip(part.native.length)
        elif isinstance(part, bytes):
            rewriter.feed(part)
        else:
            for piece in _span(source, *part):
                if rewriter.ahead >= len(piece):
                    rewriter.skip(len(piece))
                else:
                    rewriter.feed(piece)


def _span(source: Source, start: int, end: int) -> Iterator[Buffer]:
    """Yield a span of the source in pieces."""
    if isinstance(source, FileRegion):
        yield from pieces_of(FileRegion(source.fd, source.offset + start, end - start))
    else:
        yield memoryview(source)[start:end]


class DecodedDataSet:
    """A data set that is decoded while it is written.

    Attributes:
        length: bytes of the result; None where it is deflated.
        values: encoded values of the elements that `RewriteOptions.wanted` names, by tag.
        frames: frames to decode, all in all.
    """

    __slots__ = ("_ahead", "_parts", "_plan", "_pool", "_source", "frames", "length", "values")

    def __init__(
        self, source: Source, parts: list[Part], plan: RewritePlan, pool: DecoderPool
    ) -> None:
        """Take what is decided."""
        self._source = source
        self._parts = parts
        self._plan = plan
        self._pool = pool
        self._ahead: dict[int, deque[Ticket]] = {}
        deflates = plan.profile.target_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        self.length = None if deflates else plan.length
        self.values = plan.values
        self.frames = sum(part.image.frames for part in parts if isinstance(part, EncodedImage))

    def begin(self) -> None:
        """Have the first frames decoded while the caller does something else.

        Raises:
            DataSetError, OSError: as `segments`.
        """
        for number, part in enumerate(self._parts):
            if isinstance(part, EncodedImage) and part.image.frames * part.native.frame_length:
                self._ahead[number] = deque()
                self._request(part, self._ahead[number], 0)
                if part.native.length > _AHEAD:
                    return

    def close(self) -> None:
        """Give up what was begun; harmless where nothing was."""
        for tickets in self._ahead.values():
            while tickets:
                self._pool.discard(tickets.popleft())
        self._ahead.clear()

    def segments(self) -> Iterator[Buffer]:
        """Yield the data set, decoding frame after frame. To be asked for once.

        Buffers are valid until the next one is asked for.

        Raises:
            DataSetError: a frame cannot be decoded (which and why), or the source changed.
            OSError: it cannot be read.
        """
        plan = self._plan
        stream = self._stream()
        if not plan.is_identity:
            stream = edited_stream(plan.edits, stream)
        if self.length is None:
            level = plan.profile.options.compression_level
            stream = deflated(stream, DEFAULT_LEVEL if level is None else level)
        try:
            yield from stream
        finally:
            self.close()

    def _stream(self) -> Iterator[Buffer]:
        """Yield the data set in explicit VR little endian, before it is rewritten."""
        for number, part in enumerate(self._parts):
            if isinstance(part, EncodedImage):
                yield from self._native(part, self._ahead.setdefault(number, deque()))
            elif isinstance(part, bytes):
                yield part
            else:
                yield from _span(self._source, *part)

    def _native(self, part: EncodedImage, tickets: deque[Ticket]) -> Iterator[Buffer]:
        """Yield native pixel data."""
        native = part.native
        packer = _BitPacker(native.frame_bits) if native.frame_bits % 8 else None
        sent = 0
        for number in range(part.image.frames):
            self._request(part, tickets, number)
            ticket = tickets.popleft()
            try:
                samples = self._pool.result(ticket)
            except DataSetError as problem:
                raise DataSetError(_of_frame(number, part, problem.reason)) from problem
            if packer is not None:
                samples = packer.add(samples)
            sent += len(samples)
            if samples:
                yield samples
        rest = packer.rest() if packer is not None else b""
        yield rest + b"\0" * (native.length - sent - len(rest))

    def _request(self, part: EncodedImage, tickets: deque[Ticket], number: int) -> None:
        """Ask for frames from one on, as many as there is room for ahead."""
        native, pool = part.native, self._pool
        room = min(pool.limits.processes + 1, _AHEAD // max(native.frame_length, 1))
        following = number + len(tickets)
        while following < part.image.frames and len(tickets) < max(room, 1):
            tickets.append(pool.submit(native.job, self._frame(part, following)))
            following += 1

    def _frame(self, part: EncodedImage, number: int) -> bytes:
        """Return a compressed frame whose own header agrees with the data set.

        Raises:
            DataSetError: it does not, or is too long to be one.
        """
        data = part.frame(self._source, number)
        try:
            facts = read_facts(part.decoder.codec, data)
        except BadCodestream as problem:
            raise DataSetError(_of_frame(number, part, str(problem))) from None
        if facts is not None:
            check_facts(part.image, facts, number + 1)
            if facts.precision != part.native.job.precision:
                raise DataSetError(
                    f"frame {number + 1}: its samples have {facts.precision} bits, those of the"
                    f" first frame {part.native.job.precision}"
                )
        return data


def _of_frame(number: int, part: EncodedImage, reason: str) -> str:
    return f"frame {number + 1} of {part.image.frames} cannot be decoded: {reason}"


class _BitPacker:
    """Joins frames of packed bits that do not end with a byte (PS3.5 8.1.1)."""

    __slots__ = ("_bits", "_carry", "_count")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._carry = 0
        self._count = 0

    def add(self, frame: Buffer) -> bytes:
        """Take a frame, and return the bytes that are complete."""
        number = int.from_bytes(frame, "little") & ((1 << self._bits) - 1)
        number = number << self._count | self._carry
        count = self._count + self._bits
        whole = count // 8
        self._count = count % 8
        data = number.to_bytes((count + 7) // 8, "little")
        self._carry = data[whole] if self._count else 0
        return data[:whole]

    def rest(self) -> bytes:
        """Return the last byte, where it is not complete."""
        return bytes((self._carry,)) if self._count else b""
