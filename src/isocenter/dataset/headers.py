"""Element headers: read one by one, passed over in bulk, found in a file without its values.

Owns how a header is read in each encoding and how values of undefined length are passed
over. Builds no values and knows no tag but the delimiters. Nothing here is recursive.

PS3.5 7.1 (data elements), 7.5 (sequences), A.4 (encapsulated pixel data).
"""

from __future__ import annotations

import os
import struct

from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = [
    "HEADERS",
    "UNDEFINED_LENGTH",
    "CutShort",
    "Headers",
    "Unreadable",
    "Window",
    "pass_all",
    "skip_undefined",
]

UNDEFINED_LENGTH = 0xFFFFFFFF
"""The value ends with a delimiter (PS3.5 7.1.1)."""

_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD

_WINDOW = 4 * 1024  # bytes read around a header that is not in memory: one page of the cache


class CutShort(Exception):
    """The data ends inside an element: offset of its header, bytes that are missing."""

    def __init__(self, offset: int, missing: int) -> None:
        super().__init__(offset, missing)
        self.offset = offset
        self.missing = missing


class Unreadable(Exception):
    """The bytes at an offset are no element header, or nested too deep."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason


class Window:
    """A view of a file, or of bytes in memory, that moves to where a header is.

    Args:
        data: the first bytes of the file, perhaps none.
        end: length of the file in bytes.
        fd: the file; not used where `data` holds all of it.
    """

    __slots__ = ("_base", "_data", "_fd", "end", "is_partial")

    def __init__(self, data: bytes, end: int, fd: int) -> None:
        self._data = data
        self._base = 0
        self._fd = fd
        self.end = end
        self.is_partial = False  # more would follow at the end, were it inflated

    def at(self, position: int) -> tuple[bytes, int]:
        """Return the buffer that holds an absolute position, and its index there.

        At least 12 bytes stand behind it unless the file ends before.

        Raises:
            CutShort: the file is shorter than it was.
            OSError: it cannot be read.
        """
        index = position - self._base
        if index >= 0 and (
            index + 12 <= len(self._data) or self._base + len(self._data) >= self.end
        ):
            return self._data, index
        if position >= self.end:
            return b"", 0
        self._data = os.pread(self._fd, min(_WINDOW, self.end - position), position)
        self._base = position
        missing = min(12, self.end - position) - len(self._data)
        if missing > 0:
            raise CutShort(position, missing)  # the file became shorter meanwhile
        return self._data, 0


class Headers:
    """Reads element headers in one VR encoding and byte order."""

    __slots__ = ("_item", "_item_end", "_sequence_end", "_short", "_tag", "_u32", "explicit")

    def __init__(self, *, explicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self.explicit = explicit
        self._tag = struct.Struct(order + "HH").unpack_from
        self._short = struct.Struct(order + "2sH").unpack_from
        self._u32 = struct.Struct(order + "I").unpack_from
        pack = struct.Struct(order + "HHI").pack
        self._item = pack(0xFFFE, _ITEM, UNDEFINED_LENGTH)
        self._item_end = pack(0xFFFE, _ITEM_END, 0)
        self._sequence_end = pack(0xFFFE, _SEQUENCE_END, 0)

    def read(self, window: Window, position: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR (b"" in implicit VR), position of the value and its length.

        Raises:
            CutShort: the header is not complete.
            Unreadable: the VR is not made of letters.
        """
        data, index = window.at(position)
        left = window.end - position
        if left < 8:
            raise CutShort(position, 8 - left)
        group, element = self._tag(data, index)
        tag = group << 16 | element
        if not self.explicit or group == 0xFFFE:
            return tag, b"", position + 8, self._u32(data, index + 4)[0]
        vr, length = self._short(data, index + 4)
        if vr in SHORT_VRS:
            return tag, vr, position + 8, length
        if vr not in LONG_VRS:
            if not (vr.isalpha() and vr.isupper()):
                raise Unreadable(position, "no value representation")
            if length:  # not the reserved bytes of a long form
                return tag, vr, position + 8, length
        if left < 12:
            raise CutShort(position, 12 - left)
        return tag, vr, position + 12, self._u32(data, index + 8)[0]

    def pass_explicit(self, data: Buffer, index: int) -> tuple[int, int]:
        """Pass over plain elements in explicit VR that have their header in `data`.

        Returns where the next header would be, perhaps behind the end of `data`, and where
        the last header read was. Stops before what is not plain. bench/micro/identity.py
        shows what one loop without calls gains over `read`.
        """
        short, u32 = self._short, self._u32
        safe = len(data) - 12
        last = index
        while index <= safe:
            last = index
            vr, length = short(data, index + 4)
            if vr in SHORT_VRS:
                index += length + 8
            elif vr in LONG_VRS:
                length = u32(data, index + 8)[0]
                if length == UNDEFINED_LENGTH:
                    break
                index += length + 12
            else:
                break
        return index, last

    def pass_delimited(
        self, data: bytes, index: int, stack: list[tuple[bool, Headers]], deepest: int
    ) -> int:
        """Pass over what is plain in sequences that end with delimiters, in explicit VR.

        Returns where the next header would be: of what is not plain or goes beyond `data`, or
        behind the outermost sequence. `stack` is that of `skip_undefined`.
        """
        short, u32 = self._short, self._u32
        size = len(data)
        in_item = stack[-1][0]
        while index <= size - 12:
            vr, length = short(data, index + 4)
            if vr in SHORT_VRS:
                length += 8
                if not in_item or index + length > size:
                    break
                index += length
            elif vr == b"\0\0":
                marker = data[index : index + 8]
                if marker != (self._item_end if in_item else self._sequence_end):
                    break
                stack.pop()
                index += 8
                if not stack:
                    break
                in_item = not in_item
            elif vr == b"\xff\xff":
                if in_item or data[index : index + 8] != self._item or len(stack) > deepest:
                    break
                stack.append((True, self))
                in_item = True
                index += 8
            elif vr in LONG_VRS and in_item:
                length = u32(data, index + 8)[0]
                if length == UNDEFINED_LENGTH:
                    if vr == b"UN" or len(stack) > deepest:
                        break
                    stack.append((False, self))
                    in_item = False
                    length = 0
                elif index + 12 + length > size:
                    break
                index += length + 12
            else:
                break
        return index

    def pass_implicit(self, data: Buffer, index: int) -> tuple[int, int]:
        """Pass over plain elements in implicit VR; as `pass_explicit`."""
        u32 = self._u32
        safe = len(data) - 12
        last = index
        while index <= safe:
            last = index
            length = u32(data, index + 4)[0]
            if length == UNDEFINED_LENGTH:
                break
            index += length + 8
        return index, last


HEADERS = {
    (explicit, little): Headers(explicit=explicit, little=little)
    for explicit in (False, True)
    for little in (False, True)
}
"""Stateless, so one of each is enough."""

_IMPLICIT = HEADERS[False, True]


def pass_all(window: Window, start: int, headers: Headers, maximum_depth: int) -> None:
    """Pass over every element of a data set.

    Raises:
        CutShort: one ends behind the window's end.
        Unreadable: what follows cannot be read as elements.
    """
    run = headers.pass_explicit if headers.explicit else headers.pass_implicit
    position = start
    while position < window.end:
        data, index = window.at(position)
        after, last = run(data, index)
        last += position - index
        position += after - index
        if after == index:  # not one of the plain elements
            last = position
            if window.end - position < 12 and not any(data[index:]):
                return  # padding behind the last element
            _tag, vr, value, length = headers.read(window, position)
            if length == UNDEFINED_LENGTH:
                position = skip_undefined(window, value, headers, vr, maximum_depth)
            else:
                position = value + length
        if position > window.end:
            raise CutShort(last, position - window.end)


def skip_undefined(
    window: Window, position: int, headers: Headers, vr: bytes, maximum_depth: int
) -> int:
    """Return the position behind a value of undefined length that begins at `position`.

    The value is a sequence of items (PS3.5 7.5) or of pixel data fragments (PS3.5 A.4);
    one of VR UN is in implicit VR whatever stands around it (PS3.5 6.2.2).
    """
    # One entry per open sequence or item: is it an item, and how are its headers read.
    if vr == b"UN":
        headers = _IMPLICIT
    stack: list[tuple[bool, Headers]] = [(False, headers)]
    in_item = False
    while True:
        if headers.explicit:
            data, index = window.at(position)
            position += headers.pass_delimited(data, index, stack, 2 * maximum_depth) - index
            if not stack:
                return position
            in_item, headers = stack[-1]
        tag, vr, value, length = headers.read(window, position)
        element = tag & 0xFFFF
        if tag >> 16 != 0xFFFE:
            if not in_item:
                raise Unreadable(position, f"({tag >> 16:04x},{element:04x}) between items")
        elif element == _SEQUENCE_END:
            if in_item:  # the item's own delimiter is missing
                stack.pop()
            stack.pop()
            if not stack:
                return value
            in_item, headers = stack[-1]
            position = value
            continue
        elif element == _ITEM_END:
            if in_item:
                stack.pop()
                in_item, headers = stack[-1]
            position = value
            continue
        if length == UNDEFINED_LENGTH:
            if len(stack) > 2 * maximum_depth:
                raise Unreadable(position, f"more than {maximum_depth} nested sequences")
            in_item = element == _ITEM and tag >> 16 == 0xFFFE
            headers = _IMPLICIT if vr == b"UN" else headers
            stack.append((in_item, headers))
            position = value
            continue
        position, start = value + length, position
        if position > window.end:
            raise CutShort(start, position - window.end)
