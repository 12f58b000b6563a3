"""Which fragments of encapsulated pixel data make which frame.

Owns the order in which this is decided: one frame has all fragments; the extended offset table;
the basic one; one fragment for each frame; and last where codestreams begin. Nothing is made up:
where none of these gives as many frames as the data set names, that is an error.

Must not know how a frame is decoded, nor where the bytes are (it asks for a few of them).

PS3.5 A.4 and A.4.15 (Number of Frames), PS3.3 C.7.6.3.1.8 (extended offset table).
"""

from __future__ import annotations

from array import array

from isocenter.dataset.pixels.codestream import begins_frame
from isocenter.errors import DataSetError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fragments", "assign_frames"]

_END_OF_IMAGE = {b"\xff\xd8": b"\xff\xd9", b"\xff\x4f": b"\xff\xd9"}
_TAIL = 10  # bytes of a fragment in which its codestream may end: padding follows


class Fragments:
    """Where the fragments of one element of encapsulated pixel data are.

    Attributes:
        table: value of the basic offset table.
        starts, lengths: of the fragments behind it, offsets in the data set, in bytes.
        headers: offset of each fragment's header behind the first one's, for offset tables.
    """

    __slots__ = ("_first", "has_table", "headers", "lengths", "maximum", "starts", "table_span")

    def __init__(self, maximum: int) -> None:
        """Begin without any; `maximum` fragments are taken, inclusive."""
        self.maximum = maximum
        self.has_table = False
        self.table_span = (0, 0)
        self.starts = array("Q")
        self.lengths = array("Q")
        self.headers = array("Q")
        self._first = 0

    def add(self, header: int, start: int, length: int) -> None:
        """Take the next one; the first is the basic offset table.

        Raises:
            DataSetError: there are more than are taken.
        """
        if not self.has_table:
            self.has_table = True
            self.table_span = start, length
            return
        if len(self.starts) >= self.maximum:
            raise DataSetError(f"pixel data has more than {self.maximum} fragments")
        if not self.starts:
            self._first = header
        self.starts.append(start)
        self.lengths.append(length)
        self.headers.append(header - self._first)


def assign_frames(
    fragments: Fragments,
    frames: int,
    read: Callable[[int, int], bytes],
    *,
    extended: tuple[bytes, bytes] | None = None,
) -> tuple[array[int], array[int] | None]:
    """Return the number of the first fragment of each frame, and the end.

    Args:
        fragments: all of them.
        frames: as the data set says, 1 or more.
        read: returns bytes of the data set, by offset and length.
        extended: values of the extended offset table and of its lengths.

    Returns:
        `frames` + 1 numbers; and the lengths of the frames without padding, where the extended
        table tells them.

    Raises:
        DataSetError: the fragments do not make so many frames.
    """
    count = len(fragments.starts)
    if not count:
        raise DataSetError("pixel data has no fragments")
    if count < frames:
        raise DataSetError(f"Number of Frames is {frames}, pixel data has {count} fragments")
    if extended is not None:
        found = _by_extended_table(fragments, frames, extended)
        if found is not None:
            return found
    table = _basic_table(fragments, read)
    if frames == 1:
        begun = len(table) if table else _begun(fragments, read)
        if begun > 1:
            raise DataSetError(f"Number of Frames is 1, pixel data has {begun} frames")
        return array("Q", (0, count)), None
    if len(table) == frames:
        by_table = _by_table(fragments, table)
        if by_table is not None:
            return by_table, None
    if count == frames:
        return array("Q", range(count + 1)), None
    starts = _by_beginnings(fragments, read)
    if len(starts) - 1 != frames:
        raise DataSetError(
            f"Number of Frames is {frames}, pixel data has {count} fragments, and nothing says"
            " which of them make a frame"
        )
    return starts, None


def _by_extended_table(
    fragments: Fragments, frames: int, extended: tuple[bytes, bytes]
) -> tuple[array[int], array[int]] | None:
    """Use the extended table, whose frames are one fragment each (PS3.5 A.4)."""
    offsets, lengths = (_numbers(value, 8) for value in extended)
    if len(offsets) != frames or len(lengths) != frames or len(fragments.starts) != frames:
        return None
    headers, stated = fragments.headers, fragments.lengths
    for number in range(frames):
        if offsets[number] != headers[number] or lengths[number] > stated[number]:
            return None
    return array("Q", range(frames + 1)), lengths


def _numbers(value: bytes, size: int) -> array[int]:
    """Return little endian numbers of 4 or 8 bytes."""
    import sys

    numbers = array("Q" if size == 8 else "I", value[: len(value) - len(value) % size])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _basic_table(fragments: Fragments, read: Callable[[int, int], bytes]) -> array[int]:
    start, length = fragments.table_span
    # An entry for each fragment at most: a longer table is none.
    if length > 4 * len(fragments.starts):
        return array("I")
    return _numbers(read(start, length), 4)


def _by_table(fragments: Fragments, table: array[int]) -> array[int] | None:
    """Find the fragment that each offset names; None where there is none, or out of order."""
    firsts = array("Q")
    number, headers = 0, fragments.headers
    for offset in table:
        while number < len(headers) and headers[number] < offset:
            number += 1
        if number == len(headers) or headers[number] != offset or (firsts and firsts[-1] == number):
            return None
        firsts.append(number)
    if not firsts or firsts[0] != 0:
        return None
    firsts.append(len(headers))
    return firsts


def _by_beginnings(fragments: Fragments, read: Callable[[int, int], bytes]) -> array[int]:
    """Begin a frame wherever a codestream begins behind the end of another one."""
    firsts = array("Q", (0,))
    end = b""
    for number, (start, length) in enumerate(zip(fragments.starts, fragments.lengths, strict=True)):
        head = read(start, min(8, length))
        if number and begins_frame(head) and end in _tail(fragments, number - 1, read):
            firsts.append(number)
        if number == 0:
            end = _END_OF_IMAGE.get(head[:2], b"")
    firsts.append(len(fragments.starts))
    return firsts


def _tail(fragments: Fragments, number: int, read: Callable[[int, int], bytes]) -> bytes:
    size = min(_TAIL, fragments.lengths[number])
    return read(fragments.starts[number] + fragments.lengths[number] - size, size)


def _begun(fragments: Fragments, read: Callable[[int, int], bytes]) -> int:
    """Return how many codestreams there are, 1 where that cannot be told."""
    if len(fragments.starts) == 1:
        return 1
    return max(len(_by_beginnings(fragments, read)) - 1, 1)
