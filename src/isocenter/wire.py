"""Buffers and cursors: how bytes are named, narrowed and read.

Owns the alias `Buffer`, the outgoing `Segment` union and the reading `Cursor`.
Knows nothing of PDUs, files or sockets: a `FileRegion` is an opaque promise that
the driver redeems. Offsets in errors are absolute within the buffer given.
"""

from __future__ import annotations

import struct

from isocenter.errors import PduDecodeError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "Buffer",
    "Cursor",
    "FileRegion",
    "FramedRegion",
    "Segment",
    "WireSegment",
    "segment_length",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Anything that exposes contiguous bytes."""

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")


class FileRegion(NamedTuple):
    """A span of an open file that the driver sends without this package reading it.

    Fields: `fd` open descriptor, owned by whoever queued it and kept open until the
    message is flushed; `offset` and `length` in bytes.
    """

    fd: int
    offset: int
    length: int


class FramedRegion(NamedTuple):
    """A span of an open file in pieces of one size, with the same header before each.

    What most of a large object is on its way out; a segment for each header and each piece
    would cost more than sending them (bench/, row "big").

    Fields: `fd` as of `FileRegion`; `offset` of the first piece; how many `pieces`; `size`
    of each in bytes; `header` before each.
    """

    fd: int
    offset: int
    pieces: int
    size: int
    header: bytes


Segment: TypeAlias = Buffer | FileRegion
"""One piece of a message: bytes in memory or a span of a file."""

WireSegment: TypeAlias = Segment | FramedRegion
"""One piece of what goes out: of a message, of its headers, or of both."""


def segment_length(segment: WireSegment) -> int:
    """Return the length of a segment in bytes, headers included."""
    if isinstance(segment, FileRegion):
        return segment.length
    if isinstance(segment, FramedRegion):
        return segment.pieces * (segment.size + len(segment.header))
    return len(segment)


class _Restriction:
    """What `Cursor.restrict_to` returns: goes back to the outer limit at the end of the block.

    Written out, as every item of an association PDU has one and `contextlib` makes them slowly.
    """

    __slots__ = ("_cursor", "_field", "_outer")

    def __init__(self, cursor: Cursor, outer: int, field: str) -> None:
        self._cursor = cursor
        self._outer = outer
        self._field = field

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self._cursor.leave(self._outer, self._field)


class Cursor:
    """A big-endian reader over a buffer that cannot run past its present limit.

    Args:
        data: the buffer; not copied, must not change while the cursor lives.
        pdu: name used in errors, for instance ``A-ASSOCIATE-RQ``.

    Every short read raises `PduDecodeError` with the field and its offset.
    """

    __slots__ = ("_data", "_end", "offset", "pdu")

    def __init__(self, data: Buffer, *, pdu: str, offset: int = 0) -> None:
        """Start at `offset` with the whole buffer as limit."""
        self._data = memoryview(data)
        self._end = len(self._data)
        self.offset = offset
        self.pdu = pdu

    @property
    def remaining(self) -> int:
        """Bytes left before the present limit."""
        return self._end - self.offset

    def _take(self, size: int, field: str) -> int:
        start = self.offset
        if size > self._end - start:
            raise self.error(field, f"{size} bytes", f"{self._end - start} left")
        self.offset = start + size
        return start

    def uint8(self, field: str) -> int:
        """Read one byte."""
        return self._data[self._take(1, field)]

    def uint16(self, field: str) -> int:
        """Read a 16-bit big-endian number."""
        value: int = _U16.unpack_from(self._data, self._take(2, field))[0]
        return value

    def uint32(self, field: str) -> int:
        """Read a 32-bit big-endian number."""
        value: int = _U32.unpack_from(self._data, self._take(4, field))[0]
        return value

    def unpack(self, layout: struct.Struct, field: str) -> tuple[int, ...]:
        """Read the numbers of a layout at once."""
        values: tuple[int, ...] = layout.unpack_from(self._data, self._take(layout.size, field))
        return values

    def text(self, size: int, field: str) -> str:
        """Read `size` bytes as text, one character per byte (ISO 8859-1)."""
        start = self._take(size, field)
        return str(self._data[start : start + size], "latin-1")

    def take(self, size: int, field: str) -> bytes:
        """Read `size` bytes as a copy."""
        start = self._take(size, field)
        return bytes(self._data[start : start + size])

    def rest(self, field: str) -> bytes:
        """Read everything up to the present limit as a copy."""
        return self.take(self.remaining, field)

    def skip(self, size: int, field: str) -> None:
        """Pass over `size` bytes without looking at them."""
        self._take(size, field)

    def restrict_to(self, size: int, field: str) -> _Restriction:
        """Narrow the limit to the next `size` bytes; all of them must be consumed inside.

        Use it as a context manager.

        Raises:
            PduDecodeError: `size` runs past the present limit, or bytes remain at exit.
        """
        outer = self._end
        if size > outer - self.offset:
            raise self.error(field, f"at most {outer - self.offset} bytes", f"length {size}")
        self._end = self.offset + size
        return _Restriction(self, outer, field)

    def leave(self, outer: int, field: str) -> None:
        """Go back to the limit before; for the end of `restrict_to`.

        Raises:
            PduDecodeError: bytes remain.
        """
        if self.offset != self._end:
            raise self.error(field, "end of item", f"{self._end - self.offset} bytes more")
        self._end = outer

    def error(self, field: str, expected: str, found: str) -> PduDecodeError:
        """Build the error for `field` at the present offset."""
        return PduDecodeError(self.pdu, field, offset=self.offset, expected=expected, found=found)
