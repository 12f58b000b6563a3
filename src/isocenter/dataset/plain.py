"""Passing over elements that stay as they are: the two loops that most of a data set is.

Owns the test whether an element in the encoding asked for needs any attention, written
out without calls. Must not decide anything itself: the kinds of VRs come from
`isocenter.dataset.rewrite`, and where a loop stops, the rewriter looks.

bench/micro/rewrite.py shows what these loops gain over asking the visitor each time.
"""

from __future__ import annotations

from isocenter.dataset.headers import UNDEFINED_LENGTH

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from isocenter.dataset.scan import Encoding
    from isocenter.wire import Buffer

__all__ = ["BINARY", "LONG", "LONG_TEXT", "TEXT", "UID", "pass_explicit", "pass_implicit"]

TEXT, UID, BINARY, LONG, LONG_TEXT = range(1, 6)
"""Kinds of VR: text padded with blanks and UIDs (16-bit lengths); other values with 16-bit
and with 32-bit lengths; text with 32-bit lengths. A VR without a kind needs attention."""

_BLANK = 0x20
_TRAILING_PADDING = 0xFFFC  # group of Data Set Trailing Padding (PS3.10 7.2)


def pass_explicit(
    data: Buffer,
    index: int,
    end: int,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    wanted: AbstractSet[int],
    found: dict[int, bytes],
) -> int:
    """Pass over elements in explicit VR that need no attention; return where it ends.

    Args:
        data: bytes that hold headers, from `index` on.
        index: of the first header.
        end: of the level or of `data`.
        encoding: of the headers.
        kinds: kind by VR.
        wanted: tags whose values are to be kept.
        found: where they are kept, by tag.

    A value may go beyond `end` where nothing of it must be seen; the scanner refuses one
    that goes beyond its level.
    """
    whole, long = encoding.whole, encoding.long
    safe = end - 12
    while index <= safe:
        group, element, vr, length = whole(data, index)
        kind = kinds.get(vr)
        if kind == TEXT:
            after = index + 8 + length
            if (
                length & 1
                or after > end
                or (length and data[after - 1] == _BLANK and data[after - 2] == _BLANK)
            ):
                return index
            tag = group << 16 | element
            if tag in wanted:
                found[tag] = bytes(data[index + 8 : after])
        elif kind == BINARY:
            after = index + 8 + length
            if length & 1:
                return index
        elif kind == UID:
            after = index + 8 + length
            if length & 1 or after > end:
                return index
            if length:
                value = bytes(data[index + 8 : after])
                if _BLANK in value or not value[-2]:
                    return index
                tag = group << 16 | element
                if tag in wanted:
                    found[tag] = value
        elif kind == LONG:
            length = long(data, index + 8)[0]
            if length & 1 or length == UNDEFINED_LENGTH or group == _TRAILING_PADDING:
                return index
            after = index + 12 + length
        else:
            return index
        if not element:
            return index  # a group length, whatever VR it has
        index = after
    return index


def pass_implicit(
    data: Buffer,
    index: int,
    end: int,
    encoding: Encoding,
    vrs: Mapping[int, bytes],
    kinds: Mapping[bytes, int],
    wanted: AbstractSet[int],
    found: dict[int, bytes],
) -> int:
    """Pass over elements in implicit VR that need no attention; as `pass_explicit`.

    `vrs` has the VRs of tags; what is not in it needs attention.
    """
    read, long = encoding.tag, encoding.long
    safe = end - 8
    while index <= safe:
        group, element = read(data, index)
        tag = group << 16 | element
        vr = vrs.get(tag)
        if vr is None or not element:
            return index
        kind = kinds.get(vr)
        length = long(data, index + 4)[0]
        after = index + 8 + length
        if length & 1:  # an undefined one is odd, too
            return index
        if kind in {TEXT, LONG_TEXT}:
            if after > end or (length and data[after - 1] == _BLANK and data[after - 2] == _BLANK):
                return index
            if tag in wanted:
                found[tag] = bytes(data[index + 8 : after])
        elif kind == UID:
            if after > end:
                return index
            if length:
                value = bytes(data[index + 8 : after])
                if _BLANK in value or not value[-2]:
                    return index
                if tag in wanted:
                    found[tag] = value
        elif kind is None or group == _TRAILING_PADDING:
            return index
        index = after
    return index
