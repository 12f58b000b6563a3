"""A data set in memory or in a file, written anew as a stream of segments.

Joins the rewriter with deflating and inflating, and with where the bytes are. Owns how a
deflated data set is taken apart, and how much a deflate stream may grow. Memory does not
grow with the data set: what stays is named as regions of the file, the rest comes in
pieces, and a deflated data set is inflated twice, once to plan and once to write.

PS3.5 A.5 (deflated explicit VR little endian).
"""

from __future__ import annotations

import os

from isocenter.dataset.edits import edited_region, edited_stream, edited_views
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.rewrite import Rewriter
from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from isocenter.dataset.habits import Habits
    from isocenter.dataset.plan import RewritePlan
    from isocenter.dataset.profile import RewriteProfile
    from isocenter.limits import Limits
    from isocenter.wire import Buffer, Segment

    Source: TypeAlias = "bytes | memoryview | FileRegion"

__all__ = [
    "DEFAULT_INFLATION_LIMITS",
    "MAXIMUM_ORDERED_INFLATED",
    "Inflater",
    "InflationLimits",
    "PlanBuilder",
    "deflated",
    "in_order",
    "pieces_of",
    "plan_rewrite",
    "rewritten",
]

DEFAULT_LEVEL = 6  # of zlib's, and DCMTK's default
MAXIMUM_ORDERED_INFLATED = 64 * 1024 * 1024
"""Bytes, inclusive, of a deflated data set whose elements are brought into order: it has to be
in memory for that. Those of a longer one stay in the order in which they came."""

_CHUNK = 256 * 1024  # bytes read of a file at once
_STEP = 64 * 1024  # bytes inflated at once
_HEAD = 64 * 1024  # bytes read around headers


class InflationLimits(Record):
    """How much a deflate stream may grow before it counts as a bomb; see `isocenter.limits`."""

    maximum_ratio: int = DEFAULTS.maximum_inflation_ratio
    """Inflated bytes for each deflated one, inclusive, beyond `free_length`."""

    free_length: int = DEFAULTS.free_inflated_length
    """Inflated bytes, inclusive, that are never too many."""

    @classmethod
    def of(cls, limits: Limits) -> InflationLimits:
        """Return those of deflated data sets."""
        return cls(
            maximum_ratio=limits.maximum_inflation_ratio, free_length=limits.free_inflated_length
        )


DEFAULT_INFLATION_LIMITS = InflationLimits()


class Inflater:
    """Inflates a data set piece by piece.

    Attributes:
        is_complete: the end of the deflate stream was seen.
        unused: bytes behind the end of the deflate stream, so far.
    """

    __slots__ = ("_inflater", "_limits", "_taken", "inflated", "unused")

    def __init__(self, limits: InflationLimits = DEFAULT_INFLATION_LIMITS) -> None:
        """Begin a stream."""
        import zlib

        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._limits = limits
        self._taken = 0
        self.inflated = 0
        self.unused = 0

    @property
    def is_complete(self) -> bool:
        """True once the end of the deflate stream was seen."""
        return self._inflater.eof

    def feed(self, data: Buffer) -> Iterator[bytes]:
        """Yield what the next piece inflates to, 64 KiB at most at a time.

        Raises:
            Unreadable: it is no deflate stream, or grows beyond the limits.
        """
        import zlib

        inflater, limits = self._inflater, self._limits
        was_complete = inflater.eof
        if was_complete:
            self.unused += len(data)
            return
        self._taken += len(data)
        is_more = len(data) > 0
        while is_more:
            try:
                piece = inflater.decompress(data, _STEP)
            except zlib.error as error:
                raise Unreadable(self.inflated, f"no deflate stream: {error}") from error
            self.inflated += len(piece)
            if (
                self.inflated > limits.free_length
                and self.inflated > limits.maximum_ratio * self._taken
            ):
                raise Unreadable(
                    self.inflated, f"grows more than {limits.maximum_ratio} times when inflated"
                )
            data = inflater.unconsumed_tail
            # Behind a full piece there may be more in zlib, even where it took all of the input.
            is_more = (len(data) > 0 or len(piece) == _STEP) and not inflater.eof
            if piece:
                yield piece
        if inflater.eof:
            self.unused += len(inflater.unused_data)

    def finish(self) -> None:
        """See that the stream has ended.

        Raises:
            CutShort: it has not.
        """
        if not self._inflater.eof:
            raise CutShort(self.inflated, 1)


class PlanBuilder:
    """Plans a rewriting from the bytes of a data set as they are stored or sent.

    Args:
        profile: the kind of rewriting.
        prefix_length: bytes in front of the data set in the new file.
        limits: of inflating.
        habits: of the sender, None where there is nothing to learn.

    `feed` pieces in order, then `finish`.
    """

    __slots__ = ("_inflater", "feed", "rewriter")

    feed: Callable[[Buffer], None]
    """Look at the next piece; `Rewriter.feed`, or the same with inflating before it.

    Raises: Unreadable."""

    def __init__(
        self,
        profile: RewriteProfile,
        *,
        prefix_length: int = 0,
        limits: InflationLimits = DEFAULT_INFLATION_LIMITS,
        habits: Habits | None = None,
    ) -> None:
        """Begin before the first element."""
        self.rewriter = rewriter = Rewriter(profile, prefix_length=prefix_length, habits=habits)
        self._inflater: Inflater | None = None
        self.feed = rewriter.feed
        if profile.source_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            self._inflater = inflater = Inflater(limits)

            def inflate_and_feed(data: Buffer) -> None:
                for piece in inflater.feed(data):
                    rewriter.feed(piece)

            self.feed = inflate_and_feed

    def feed_all(self, pieces: Sequence[Buffer], length: int) -> None:
        """Look at pieces of `length` bytes together; those inside of a long value are passed over.

        Raises:
            Unreadable: as `feed`.
        """
        if self._inflater is not None:
            for piece in pieces:
                self.feed(piece)
            return
        rewriter = self.rewriter
        for piece in pieces:
            if rewriter.ahead >= length:
                rewriter.skip(length)
                return
            rewriter.feed(piece)
            length -= len(piece)

    @property
    def values(self) -> dict[int, bytes]:
        """Encoded values of the wanted elements found so far, by tag."""
        return self.rewriter.values

    def walk(self, region: FileRegion) -> None:
        """Look at a region of a file, reading no value that nothing depends on.

        Raises:
            Unreadable: as `feed`.
            DataSetError: the file is shorter than its region.
            OSError: it cannot be read.
        """
        if self._inflater is not None:
            for piece in pieces_of(region):
                self.feed(piece)
            return
        rewriter = self.rewriter
        place = 0
        while place < region.length:
            skipped = min(rewriter.position, region.length) - place
            if skipped > 0:
                rewriter.skip(skipped)
                place += skipped
                continue
            chunk = os.pread(region.fd, min(_HEAD, region.length - place), region.offset + place)
            if not chunk:
                raise DataSetError("file became shorter while it was read", offset=place)
            rewriter.feed(chunk)
            place += len(chunk)

    def finish(self) -> RewritePlan:
        """Return the plan.

        Raises:
            CutShort, Unreadable: the data set cannot be read to its end.
        """
        if self._inflater is not None:
            self._inflater.finish()
        return self.rewriter.finish()


def pieces_of(source: Source) -> Iterator[Buffer]:
    """Yield the bytes of a source, 256 KiB at most at a time.

    Raises:
        DataSetError: the file is shorter than its region.
        OSError: it cannot be read.
    """
    if not isinstance(source, FileRegion):
        yield source
        return
    position, left = source.offset, source.length
    while left:
        chunk = os.pread(source.fd, min(_CHUNK, left), position)
        if not chunk:
            raise DataSetError("file became shorter while it was read", offset=position)
        position += len(chunk)
        left -= len(chunk)
        yield chunk


def plan_rewrite(
    source: Source,
    profile: RewriteProfile,
    *,
    prefix_length: int = 0,
    limits: InflationLimits = DEFAULT_INFLATION_LIMITS,
) -> RewritePlan:
    """Plan how a whole data set is written anew.

    Args:
        source: its bytes, or the region of a file, whose values are passed over unread.
        profile: the kind of rewriting.
        prefix_length: bytes in front of the data set in the new file.
        limits: of inflating.

    Raises:
        DataSetError: the data set cannot be read, with the offset in it.
        OSError: the file cannot be read.
    """
    builder = PlanBuilder(profile, prefix_length=prefix_length, limits=limits)
    try:
        if isinstance(source, FileRegion):
            builder.walk(source)
        else:
            builder.feed(source)
        plan = builder.finish()
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None
    return in_order(plan, source, prefix_length=prefix_length, limits=limits)


def in_order(
    plan: RewritePlan,
    source: Source,
    *,
    prefix_length: int = 0,
    limits: InflationLimits = DEFAULT_INFLATION_LIMITS,
) -> RewritePlan:
    """Plan anew what is disordered, so that elements stand in the order of their tags.

    Args:
        plan: made from this very source.
        source: its bytes, or the region of a file.
        prefix_length: bytes in front of the data set in the new file.
        limits: of inflating.

    Returns:
        The plan as it is where elements are in order; and, still disordered, where bringing
        them into order takes more than `order.MAXIMUM_ELEMENTS` or `MAXIMUM_ORDERED_INFLATED`.

    Raises:
        DataSetError: the file became shorter meanwhile.
        OSError: it cannot be read.
    """
    if not plan.is_disordered:
        return plan
    from isocenter.dataset.order import find_order

    profile = plan.profile
    if profile.source_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        if plan.source_length > MAXIMUM_ORDERED_INFLATED:
            return plan
        source = b"".join(_inflated(source, limits))
    try:
        order = find_order(pieces_of(source), profile)
        rewriter = Rewriter(profile, prefix_length=prefix_length)
        for piece in order.pieces(source):
            rewriter.feed(piece)
        new = rewriter.finish()
    except (CutShort, Unreadable):
        return plan
    new.is_identity = False
    new.length = new.source_length + new.edits.growth
    new.order = order
    return new


def deflated(pieces: Iterable[Buffer], level: int) -> Iterator[bytes]:
    """Yield the deflate stream of a data set, of even length (PS3.5 A.5)."""
    import zlib

    deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    length = 0
    for piece in pieces:
        if part := deflater.compress(piece):
            length += len(part)
            yield part
    part = deflater.flush()
    if (length + len(part)) % 2:
        part += b"\0"
    yield part


def _inflated(source: Source, limits: InflationLimits) -> Iterator[bytes]:
    inflater = Inflater(limits)
    for piece in pieces_of(source):
        yield from inflater.feed(piece)


def _in_memory(segments: Iterable[Segment]) -> Iterator[Buffer]:
    """Yield the bytes of segments, those of files in pieces."""
    for segment in segments:
        if isinstance(segment, FileRegion):
            yield from pieces_of(segment)
        else:
            yield segment


def rewritten(
    plan: RewritePlan, source: Source, *, limits: InflationLimits = DEFAULT_INFLATION_LIMITS
) -> Iterator[Segment]:
    """Yield the data set as planned, streaming.

    Args:
        plan: made from this very source.
        source: unchanged since.
        limits: of inflating.

    Buffers are valid until the next segment is asked for.

    Raises:
        DataSetError: the file became shorter, or another one, meanwhile.
        OSError: it cannot be read.
    """
    if plan.is_identity:
        yield source
        return
    try:
        yield from _rewritten(plan, source, limits)
    except (CutShort, Unreadable) as problem:
        raise DataSetError("data set changed while it was read", offset=problem.offset) from problem


def _rewritten(plan: RewritePlan, source: Source, limits: InflationLimits) -> Iterator[Segment]:
    profile = plan.profile
    segments: Iterator[Segment]
    if plan.order is not None:
        if profile.source_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            source = b"".join(_inflated(source, limits))
        segments = edited_stream(plan.edits, plan.order.pieces(source))
    elif profile.source_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        segments = edited_stream(plan.edits, _inflated(source, limits))
    elif isinstance(source, FileRegion):
        segments = edited_region(plan.edits, source)
    else:
        segments = edited_views(plan.edits, memoryview(source))
    if profile.target_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        level = profile.options.compression_level
        segments = deflated(_in_memory(segments), DEFAULT_LEVEL if level is None else level)
    yield from segments
