"""P-DATA-TF: laying out outgoing messages, peeling incoming ones.

Owns the byte layout of PS3.8 9.3.5 and annex E and nothing else: no state machine,
no commands. Outgoing messages become segments lazily, a batch at a time, so that a
4 GiB object at 16 KiB PDUs is never a list. Incoming runs of PDVs become lists of
views of the receive window; a fragment need not be complete to be delivered, so the
window does not depend on the PDU length, which may be unlimited.
"""

from __future__ import annotations

import struct
from collections import deque

from isocenter.errors import PduDecodeError, PeerProtocolError
from isocenter.ul.events import PDataIndication
from isocenter.wire import FileRegion, FramedRegion, segment_length

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isocenter.wire import Segment, WireSegment

__all__ = [
    "MAXIMUM_LENGTH_TOLERANCE",
    "UNLIMITED_FRAGMENT_LENGTH",
    "MessageLayout",
    "PDataReader",
    "StreamLayout",
    "fragment_length",
    "small_message",
]

UNLIMITED_FRAGMENT_LENGTH = 131060
"""Longest fragment in bytes, whatever the peer bears: that of a 128 KiB PDU, as DCMTK.

A PDU is read from its file in one piece; a peer that announces 4 GiB must not size our memory.
"""

MAXIMUM_LENGTH_TOLERANCE = 12
"""Bytes that a P-DATA-TF may exceed the announced maximum length.

PS3.8 D.1 counts the PDV items only; some peers leave out the headers of PDV (6) or both (12).
Nothing is allocated from the length, so bearing with them costs nothing.
"""

_PDATA_HEADER = struct.Struct(">BxIIBB")
_PDU_HEADER = struct.Struct(">BxI")
_PDV_HEADER = struct.Struct(">IBB")

_SMALL = 2048
"""Bytes below which buffers of an iterable are joined: copying costs less than an entry of the
system call's list."""

_COMMAND = 0x01
_LAST = 0x02


def fragment_length(maximum_length: int, max_send_pdu: int | None = None) -> int:
    """Return how many bytes of a message fit into one P-DATA-TF with one PDV.

    Args:
        maximum_length: what the peer announced, in bytes; 0 is "no limit" (PS3.8 D.1).
        max_send_pdu: own limit in bytes of the PDU sent, None for none.

    `UNLIMITED_FRAGMENT_LENGTH` bounds the result in any case.

    The result is even (PS3.8 annex E) and leaves room for both headers, as DCMTK does, where
    the limit allows; tiny limits are used up to the byte.

    Raises:
        PeerProtocolError: the limit leaves no room for two bytes.
    """
    limit = maximum_length
    if max_send_pdu is not None and (limit == 0 or max_send_pdu < limit):
        limit = max_send_pdu
    if limit == 0:
        return UNLIMITED_FRAGMENT_LENGTH
    length = (limit - 12 if limit >= 14 else limit - 6) & ~1
    if length < 2:
        msg = f"maximum length {limit} leaves no room for a fragment"
        raise PeerProtocolError(msg, abort_reason=6)
    return min(length, UNLIMITED_FRAGMENT_LENGTH)


class MessageLayout:
    """One DIMSE message as P-DATA-TF PDUs, each with one PDV, produced a batch at a time.

    Args:
        context_id: presentation context ID.
        command: the encoded command set.
        data: the data set's segments in order, or None where the message has none. File
            descriptors and buffers must stay valid and unchanged until `done`.
        fragment: bytes of message per PDU, from `fragment_length`.

    The command and the first data PDU come in the same batch, so that they leave in one
    system call. PS3.8 9.3.5, E.2.
    """

    __slots__ = ("_context_id", "_fragment", "_full_header", "_index", "_parts", "_position")

    def __init__(
        self,
        context_id: int,
        command: bytes,
        data: Sequence[Segment] | None,
        fragment: int,
    ) -> None:
        """Plan the message; nothing is laid out yet."""
        self._context_id = context_id
        self._fragment = fragment
        parts: list[tuple[int, list[Segment], int]] = [(_COMMAND, [command], len(command))]
        if data is not None:
            segments = list(data)
            parts.append((0, segments, sum(map(segment_length, segments))))
        self._parts = parts
        self._index = 0
        self._position = 0
        self._full_header = b""

    @property
    def done(self) -> bool:
        """True once every byte has been handed out."""
        return not self._parts

    def next_batch(self, max_bytes: int) -> list[WireSegment]:
        """Return the next segments, headers included, until about `max_bytes` are reached.

        At least one PDU is returned while the message is not `done`.
        """
        out: list[WireSegment] = []
        room = max_bytes
        while self._parts and room > 0:
            room = self._lay_out_part(out, room)
        return out

    def _lay_out_part(self, out: list[WireSegment], room: int) -> int:
        """Append PDUs of the first part until it ends or the room does; return the room left."""
        kind, segments, left = self._parts[0]
        fragment = self._fragment
        full = _PDATA_HEADER.pack(4, fragment + 6, fragment + 2, self._context_id, kind)
        while room > 0:
            if left > 2 * fragment:
                count = min((left - 1) // fragment, room // (fragment + 12) + 1)
                if count := self._take_pieces(out, segments, full, count):
                    room -= count * (fragment + 12)
                    left -= count * fragment
                    continue
            if left > fragment:
                out.append(full)
                size = fragment
            else:
                size = left
                out.append(
                    _PDATA_HEADER.pack(4, size + 6, size + 2, self._context_id, kind | _LAST)
                )
            self._take(out, segments, size)
            room -= size + 12
            left -= size
            if left == 0:
                self._parts.pop(0)
                self._index = self._position = 0
                return room
        self._parts[0] = (kind, segments, left)
        return room

    def _take_pieces(
        self, out: list[WireSegment], segments: list[Segment], header: bytes, count: int
    ) -> int:
        """Append at most `count` full fragments that lie in one segment; return how many.

        Nearly all of a large object: bench/, rows "ct" and "big".
        """
        segment, start, size = segments[self._index], self._position, self._fragment
        count = min(count, (segment_length(segment) - start) // size)
        if count < 2:
            return 0
        end = self._position = start + count * size
        if isinstance(segment, FileRegion):
            out.append(FramedRegion(segment.fd, segment.offset + start, count, size, header))
        else:
            view = memoryview(segment)
            places = range(start, end, size)
            out += [piece for place in places for piece in (header, view[place : place + size])]
        return count

    def _take(self, out: list[WireSegment], segments: list[Segment], size: int) -> None:
        """Append `size` bytes of the part's segments, without copying."""
        index, position = self._index, self._position
        while size:
            segment = segments[index]
            if isinstance(segment, FileRegion):
                take = min(size, segment.length - position)
                if take:
                    out.append(FileRegion(segment.fd, segment.offset + position, take))
                available = segment.length - position
            else:
                available = len(segment) - position
                take = min(size, available)
                if take:
                    out.append(
                        segment
                        if take == len(segment)
                        else memoryview(segment)[position : position + take]
                    )
            size -= take
            if take == available:
                index += 1
                position = 0
            else:
                position += take
        self._index, self._position = index, position


class StreamLayout:
    """A message whose data set comes piece by piece and ends where the iterable does.

    The bytes are those of `MessageLayout` for the same data. Whether a fragment is the last is
    known once the iterable has been asked for what follows it, so it is read one fragment and
    one segment ahead of what is laid out, and no further.

    Args:
        context_id: presentation context ID.
        command: the encoded command set.
        data: the data set's segments in order. A buffer need only be valid until the next
            segment is asked for; what a file region names, until `done`.
        fragment: bytes of message per PDU, from `fragment_length`.

    What the iterable raises comes out of `next_batch`; the message cannot be completed then.

    PS3.8 9.3.5, E.2.
    """

    __slots__ = ("_context_id", "_data", "_fragment", "_full_header", "_head", "_pending", "_ready")

    def __init__(
        self, context_id: int, command: bytes, data: Iterable[Segment], fragment: int
    ) -> None:
        """Plan the message; nothing is laid out or asked for yet."""
        self._head = MessageLayout(context_id, command, None, fragment)
        self._context_id = context_id
        self._fragment = fragment
        self._full_header = _PDATA_HEADER.pack(4, fragment + 6, fragment + 2, context_id, 0)
        self._data: Iterator[Segment] | None = iter(data)
        # What was asked for and not yet laid out, and its length in bytes.
        self._pending: deque[Segment] = deque()
        self._ready = 0

    @property
    def done(self) -> bool:
        """True once every byte has been handed out."""
        return self._ready < 0

    def next_batch(self, max_bytes: int) -> list[WireSegment]:
        """Return the next segments, as `MessageLayout.next_batch`."""
        out: list[WireSegment] = []
        room = max_bytes
        if not self._head.done:
            out = self._head.next_batch(max_bytes)
            room -= sum(map(segment_length, out))
            if not self._head.done:
                return out
        fragment = self._fragment
        while room > 0 and self._ready >= 0:
            self._ask()
            size = self._ready
            if size > fragment:
                size = fragment
                out.append(self._full_header)
                self._take(out, size)
            else:
                control = _PDATA_HEADER.pack(4, size + 6, size + 2, self._context_id, _LAST)
                out.append(control)
                self._take(out, size)
                self._ready = -1
            room -= size + 12
        return out

    def _ask(self) -> None:
        """Ask for more until a fragment and what follows it are there, or the end."""
        data, pending = self._data, self._pending
        if data is None or self._ready > self._fragment:
            return
        small: list[bytes] = []
        for segment in data:
            size = segment_length(segment)
            if not size:
                continue
            self._ready += size
            if isinstance(segment, FileRegion):
                _join(small, pending)
                pending.append(segment)
            elif size < _SMALL:
                small.append(bytes(segment))
            else:
                _join(small, pending)
                pending.append(bytes(segment))
            if self._ready > self._fragment:
                _join(small, pending)
                return
        _join(small, pending)
        self._data = None

    def _take(self, out: list[WireSegment], size: int) -> None:
        """Append the next `size` bytes of what is there."""
        self._ready -= size
        pending = self._pending
        while size:
            segment = pending[0]
            length = segment_length(segment)
            if length <= size:
                out.append(pending.popleft())
                size -= length
            elif isinstance(segment, FileRegion):
                out.append(FileRegion(segment.fd, segment.offset, size))
                pending[0] = FileRegion(segment.fd, segment.offset + size, length - size)
                return
            else:
                view = memoryview(segment)
                out.append(view[:size])
                pending[0] = view[size:]
                return


def _join(small: list[bytes], pending: deque[Segment]) -> None:
    """Move short buffers into what is pending, as one."""
    if small:
        pending.append(small[0] if len(small) == 1 else b"".join(small))
        small.clear()


def small_message(
    context_id: int, command: bytes, data: Sequence[Segment] | None, fragment: int
) -> list[WireSegment] | None:
    """Return a message of at most two PDUs as segments, None where it is longer.

    The same bytes as `MessageLayout`, without its state: most messages are a command alone or a
    small object, and each costs a round trip (bench/, row "small").
    """
    size = len(command)
    if size > fragment:
        return None
    head = _PDATA_HEADER.pack(4, size + 6, size + 2, context_id, _COMMAND | _LAST) + command
    if data is None:
        return [head]
    if len(data) != 1:
        return None
    segment = data[0]
    if type(segment) is FileRegion:
        return None
    size = len(segment)
    if size > fragment:
        return None
    return [head + _PDATA_HEADER.pack(4, size + 6, size + 2, context_id, _LAST), segment]


class PDataReader:
    """Peels P-DATA-TF headers off a receive window and remembers where it stopped.

    Args:
        maximum_length: the length this side announced in bytes, 0 for unlimited.

    PS3.8 9.3.5, E.2.
    """

    __slots__ = (
        "_context_id",
        "_control",
        "_limit",
        "_open",
        "_pdu_left",
        "_pdu_length",
        "_pdv_left",
        "_pdv_size",
        "inside_pdu",
    )

    def __init__(self, maximum_length: int) -> None:
        """Start between two PDUs."""
        self._limit = maximum_length + MAXIMUM_LENGTH_TOLERANCE if maximum_length else 0xFFFFFFFF
        self._pdu_length = 0
        self._pdu_left = 0
        self._pdv_left = self._pdv_size = 0
        self._open = False
        self._context_id = 0
        self._control = 0
        self.inside_pdu = False
        """True while a P-DATA-TF has begun and not ended."""

    @property
    def inside_fragment(self) -> bool:
        """True while a fragment has not ended of which bytes were returned."""
        return self._open and self._pdv_left < self._pdv_size

    def peel(self, window: memoryview, start: int, end: int) -> tuple[PDataIndication | None, int]:
        """Return the next run of PDVs between `start` and `end`, and where reading stopped.

        The run ends where context or kind change, where a last fragment ends, where another
        PDU type begins, or where the window does. None means that no byte of a PDV and no end
        of a fragment is there yet; up to 11 bytes of headers may then be left unread.

        Raises:
            PduDecodeError: a length contradicts the standard or the announced maximum.
        """
        pdu_left, pdv_left, pdv_size = self._pdu_left, self._pdv_left, self._pdv_size
        context_id, control, is_open = self._context_id, self._control, self._open
        fragments: list[memoryview] = []
        length, position, is_last = 0, start, False
        try:
            while True:
                if is_open:
                    size = end - position
                    if size >= pdv_left:
                        size = pdv_left
                        is_open = False
                    if size:
                        fragments.append(window[position : position + size])
                        position += size
                        length += size
                        pdv_left -= size
                    if is_open:
                        break
                    if control & _LAST:
                        is_last = True
                        break
                if not pdu_left:
                    if end - position < 6 or window[position] != 4:
                        break
                    size = _PDU_HEADER.unpack_from(window, position)[1]
                    if size > self._limit or size < 6:
                        raise _length_error("PDU-length", 2, f"6 to {self._limit} bytes", size)
                    self._pdu_length = pdu_left = size
                    position += 6
                if end - position < 6:
                    self._require_room(pdu_left)
                    break
                size, next_id, next_control = _PDV_HEADER.unpack_from(window, position)
                if size < 2 or size + 4 > pdu_left:
                    raise self._bad_pdv(pdu_left, size)
                if length and (next_id != context_id or (next_control ^ control) & _COMMAND):
                    break
                context_id, control = next_id, next_control
                position += 6
                pdu_left -= size + 4
                pdv_left = pdv_size = size - 2
                is_open = True
        finally:
            self._pdu_left, self._pdv_left, self._pdv_size = pdu_left, pdv_left, pdv_size
            self._context_id, self._control, self._open = context_id, control, is_open
            self.inside_pdu = is_open or pdu_left > 0
        if not (length or is_last):
            return None, position
        run = PDataIndication(context_id, bool(control & _COMMAND), is_last, fragments, length)
        return run, position

    def _require_room(self, pdu_left: int) -> None:
        """Raise at once where the rest of a PDU is too short for a PDV, not when more has come."""
        if pdu_left < 6:
            offset = 6 + self._pdu_length - pdu_left
            raise _length_error("PDV", offset, "6 bytes or more, or none", pdu_left)

    def _bad_pdv(self, pdu_left: int, size: int) -> PduDecodeError:
        """Return the error for a PDV of `size` bytes where `pdu_left` are left of its PDU."""
        self._require_room(pdu_left)
        offset = 6 + self._pdu_length - pdu_left
        return _length_error("PDV item-length", offset, f"2 to {pdu_left - 4} bytes", size)


def _length_error(field: str, offset: int, expected: str, found: int) -> PduDecodeError:
    return PduDecodeError(
        "P-DATA-TF", field, offset=offset, expected=expected, found=f"{found} bytes"
    )
