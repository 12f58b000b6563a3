"""A compact list of changes to a stream of bytes, and the new stream as segments.

Owns how a change is kept and how the result is laid out without copying what stays: runs
that stay are views, or regions of the file. Must not know of elements.

A change to each header of an object with half a million elements may not take half a
million Python objects: all changes stand in one `bytearray`, a record each, in the order
of their offsets (tests/dataset/test_convert.py counts).
"""

from __future__ import annotations

import os
import struct

from isocenter.errors import DataSetError
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isocenter.wire import Buffer, Segment

__all__ = ["RECORD", "Edits", "edited_region", "edited_stream", "edited_views", "swap_units"]

# Offset, bytes removed there, bytes inserted behind them or _SWAP, _PADDED and the unit.
RECORD = struct.Struct("<QQI")
"""How a change is kept; the bytes inserted follow."""
_AMENDMENT = struct.Struct("<QI")  # the last two of these
_SIZE = RECORD.size
_SWAP = 1 << 31
_PADDED = 1 << 30
_MOST_INSERTED = _PADDED - 1
_SWAP_CHUNK = 1024 * 1024  # bytes of a value in memory at once
_LONG_RUN = 64 * 1024  # bytes that are not read to be written, but copied within the kernel
_TYPECODES = {2: "H", 4: "I", 8: "Q"}


class Edits:
    """Changes to a stream, appended in the order of their offsets, without overlap.

    Attributes:
        growth: bytes by which the result is longer than the source; negative where shorter.
        script: the changes.
        written: how much of the script was carried out ahead of the rest (`dataset.flow`).
    """

    __slots__ = ("_end", "_last", "_late", "growth", "script", "written")

    def __init__(self) -> None:
        """Begin with no change."""
        self.script = bytearray()
        self.growth = 0
        self._last = 0  # where the last record stands
        self._end = -1  # offset behind what it removes, -1 where nothing can be added to it
        self.written = 0
        self._late: list[tuple[int, bytes]] = []

    def replace(self, offset: int, removed: int, inserted: Buffer) -> int:
        """Put `inserted` in the place of `removed` bytes at `offset`.

        Returns:
            Where the inserted bytes stand, for `patch`.
        """
        script = self.script
        size = len(inserted)
        place = len(script)
        self.growth += size - removed
        last = self._last
        # One change with the last one, where they touch: one segment of the result.
        if offset == self._end and place - last + size <= _MOST_INSERTED:
            _, before, _ = RECORD.unpack_from(script, last)
            _AMENDMENT.pack_into(script, last + 8, before + removed, place - last - _SIZE + size)
        else:
            self._last = place
            script += RECORD.pack(offset, removed, size)
            place += _SIZE
        self._end = offset + removed
        script += inserted
        return place

    def swap(self, offset: int, length: int, unit: int, *, padded: bool = False) -> None:
        """Reverse the bytes of each `unit` (2, 4 or 8) of a value; a shorter rest stays.

        A value that is `padded` gets a NUL behind it first.
        """
        whole = length + padded
        whole -= whole % unit
        self._end = -1
        if whole > length:
            self.script += RECORD.pack(offset, length, _SWAP | _PADDED | unit)
            self.growth += 1
            return
        if whole:
            self.script += RECORD.pack(offset, whole, _SWAP | unit)
        if padded:
            self.replace(offset + length, 0, b"\0")

    def patch(self, place: int, value: bytes, at: int) -> None:
        """Overwrite bytes inserted earlier, for a length that is known at the end only.

        `at` is their offset in the result.
        """
        self.script[place : place + len(value)] = value
        if place < self.written:
            self._late.append((at, value))

    def extend(self, records: list[bytes], growth: int) -> None:
        """Append changes in the form in which they are kept, which add so many bytes."""
        self.script += b"".join(records)
        self.growth += growth
        self._end = -1

    def settle(self) -> None:
        """Add nothing to changes that are there already: they are about to be carried out."""
        self._end = -1

    def amendments(self) -> list[tuple[int, bytes]]:
        """Return what was patched after it was written, with its offset in the result; once."""
        late, self._late = self._late, []
        return late

    def __len__(self) -> int:
        """Return the bytes that the changes take in memory."""
        return len(self.script)

    def changes(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield offset, bytes removed there and bytes inserted; there are no swaps."""
        for offset, removed, size, place in self._records():
            yield offset, removed, bytes(self.script[place : place + size])

    def _records(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield offset, bytes removed, bytes inserted and where they stand in the script.

        A swap has its unit, negative, for the third, and the NULs put behind the value, one
        or none, for the last.
        """
        script, unpack = self.script, RECORD.unpack_from
        position, end = 0, len(script)
        while position < end:
            offset, removed, code = unpack(script, position)
            position += _SIZE
            if code & _SWAP:
                yield offset, removed, -(code & 0xF), 1 if code & _PADDED else 0
            else:
                yield offset, removed, code, position
                position += code


def swap_units(data: bytes, unit: int) -> bytes:
    """Return the data with the bytes of each `unit` reversed; the length is a multiple of it."""
    from array import array

    numbers = array(_TYPECODES[unit], data)
    numbers.byteswap()
    return numbers.tobytes()


def edited_views(edits: Edits, data: memoryview) -> Iterator[Buffer]:
    """Yield the result of the changes to bytes in memory, as views of them where they stay."""
    script = memoryview(edits.script)
    position = 0
    for offset, removed, code, place in edits._records():  # noqa: SLF001 - one module
        if offset > position:
            yield data[position:offset]
        position = offset + removed
        if code > 0:
            yield script[place : place + code]
        elif code < 0:
            for start in range(offset, position, _SWAP_CHUNK):
                value = bytes(data[start : min(start + _SWAP_CHUNK, position)])
                if place and start + _SWAP_CHUNK >= position:
                    value += b"\0"
                yield swap_units(value, -code)
    if position < len(data):
        yield data[position:]


def edited_region(edits: Edits, region: FileRegion) -> Iterator[Segment]:
    """Yield the result of the changes to a region of a file, streaming.

    Long runs that stay are named as regions; short ones are read together, and of a value
    that is swapped 1 MiB is in memory at once. Buffers are valid until the next segment is
    asked for.

    Raises:
        DataSetError: the file became shorter meanwhile.
        OSError: it cannot be read.
    """
    script = memoryview(edits.script)
    window = _Window(region)
    position = 0
    for offset, removed, code, place in edits._records():  # noqa: SLF001 - one module
        if offset > position:
            yield window.run(position, offset)
        position = offset + removed
        if code > 0:
            yield script[place : place + code]
        elif code < 0:
            for start in range(offset, position, _SWAP_CHUNK):
                size = min(_SWAP_CHUNK, position - start)
                value = window.read(start, size)
                if place and start + size == position:
                    value += b"\0"
                yield swap_units(value, -code)
    if position < region.length:
        yield window.run(position, region.length)


class _Window:
    """The part of a region that was read last."""

    __slots__ = ("_data", "_region", "_start")

    def __init__(self, region: FileRegion) -> None:
        self._region = region
        self._data = memoryview(b"")
        self._start = 0

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes of the region.

        Raises:
            DataSetError: there are fewer.
            OSError: they cannot be read.
        """
        data = os.pread(self._region.fd, size, self._region.offset + offset)
        if len(data) < size:
            raise DataSetError("file became shorter while it was read")
        return data

    def run(self, start: int, end: int) -> Segment:
        """Return a part of the region: a view where it is short."""
        region = self._region
        if end - start >= _LONG_RUN:
            return FileRegion(region.fd, region.offset + start, end - start)
        index = start - self._start
        if index < 0 or index + end - start > len(self._data):
            size = min(_LONG_RUN, region.length - start)
            self._data = memoryview(self.read(start, size))
            self._start = start
            index = 0
        return self._data[index : index + end - start]


def edited_stream(edits: Edits, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield the result of the changes to a stream that comes in pieces, each seen once.

    Views are valid until the next one is asked for.

    Raises:
        DataSetError: the stream ends before the last change.
        As `chunks`.
    """
    script = memoryview(edits.script)
    source = _Pieces(chunks)
    for offset, removed, code, place in edits._records():  # noqa: SLF001 - one module
        yield from source.up_to(offset)
        end = offset + removed
        if code >= 0:
            if code:
                yield script[place : place + code]
            for _dropped in source.up_to(end):
                pass
            continue
        unit, rest = -code, b""
        for piece in source.up_to(end):
            whole = rest + piece
            size = len(whole) - len(whole) % unit
            rest = whole[size:]
            if size:
                yield swap_units(whole[:size], unit)
        if place:
            yield swap_units(rest + b"\0", unit)
    yield from source.remaining()


class _Pieces:
    """A stream in pieces that can be asked for by position."""

    __slots__ = ("_chunks", "_position", "_view")

    def __init__(self, chunks: Iterable[Buffer]) -> None:
        self._chunks = iter(chunks)
        self._view = memoryview(b"")
        self._position = 0

    def up_to(self, offset: int) -> Iterator[memoryview]:
        """Yield what stands before an offset."""
        while self._position < offset:
            if not self._view:
                try:
                    self._view = memoryview(next(self._chunks))
                except StopIteration:
                    raise DataSetError("data set became shorter while it was read") from None
                continue
            piece = self._view[: offset - self._position]
            self._view = self._view[len(piece) :]
            self._position += len(piece)
            yield piece

    def remaining(self) -> Iterator[Buffer]:
        """Yield everything that is left."""
        if self._view:
            yield self._view
        yield from self._chunks
