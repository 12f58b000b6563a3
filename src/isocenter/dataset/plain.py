"""Passing over elements that stay as they are: the two loops that most of a data set is.

Owns the test whether an element in the encoding asked for needs any attention, written
out without calls. Must not decide anything itself: the kinds of VRs come from
`isocenter.dataset.rewrite`, and where a loop stops, the rewriter looks.

bench/micro/rewrite.py shows what these loops gain over asking the visitor each time.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from isocenter.dataset.scan import Encoding
    from isocenter.wire import Buffer

__all__ = [
    "BINARY",
    "DEEPEST",
    "KEPT_TEXT",
    "LONG",
    "LONG_TEXT",
    "SEQUENCE",
    "TEXT",
    "UID",
    "pass_explicit",
    "pass_implicit",
    "pass_items",
]

TEXT, UID, BINARY, KEPT_TEXT, LONG, LONG_TEXT, SEQUENCE = range(1, 8)
"""Kinds of VR: text padded with blanks and UIDs (16-bit lengths); other values with 16-bit
lengths; text and UIDs that stay as they are; other values with 32-bit lengths; text with
32-bit lengths; sequences whose lengths stay as they are. From `LONG` on headers in explicit
VR have 12 bytes. A VR without a kind needs attention."""

_BLANK = 0x20
_ITEM = (0xFFFE, 0xE000)
DEEPEST = 8
"""Nested sequences looked through here; the scanner knows deeper ones."""

_NOTHING: frozenset[int] = frozenset()
_TRAILING_PADDING = 0xFFFC
"""Group of Data Set Trailing Padding (PS3.10 7.2); behind it come delimiters, or nothing."""


def pass_explicit(  # noqa: C901, PLR0912, PLR0915 - one loop without calls (bench/micro/rewrite.py)
    data: Buffer,
    index: int,
    end: int,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    wanted: AbstractSet[int],
    found: dict[int, bytes],
    last: int,
    order: list[int],
    depth: int = 0,
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
        last: index beyond which no header is looked at.
        order: the tag of the element before the first one; of the last one afterwards.
        depth: of the sequence that the elements are in.

    A value may go beyond `end` where nothing of it must be seen; the scanner refuses one
    that goes beyond its level.
    """
    whole, long = encoding.whole, encoding.long
    safe = min(end - 8, last)
    current, previous = divmod(order[0], 0x10000)
    if current >= _TRAILING_PADDING:
        return index
    while index <= safe:
        group, element, vr, length = whole(data, index)
        if group != current:
            # Group lengths, whatever VR they have, need attention; padding does, and so do items
            # and delimiters, whose length may look like a VR.
            if group < current or not element or group >= _TRAILING_PADDING:
                break
            current = group
        elif element <= previous:
            break
        previous = element
        kind = kinds.get(vr)
        if kind == TEXT:
            after = index + 8 + length
            if (
                length & 1
                or after > end
                or (length and data[after - 1] == _BLANK and data[after - 2] == _BLANK)
            ):
                break
            if wanted and (tag := group << 16 | element) in wanted:
                found.setdefault(tag, bytes(data[index + 8 : after]))
        elif kind == BINARY:
            after = index + 8 + length
            if length & 1:
                break
        elif kind == UID:
            after = index + 8 + length
            if length & 1 or after > end:
                break
            value = bytes(data[index + 8 : after])
            if length and (value.split() != [value] or not value[-2]):
                break
            if wanted and (tag := group << 16 | element) in wanted:
                found.setdefault(tag, value)
        elif kind is None:
            break
        elif kind == KEPT_TEXT:
            after = index + 8 + length
            if length & 1 or after > end:
                break
            if wanted and (tag := group << 16 | element) in wanted:
                found.setdefault(tag, bytes(data[index + 8 : after]))
        elif index + 12 > end:
            break
        else:
            length = long(data, index + 8)[0]
            after = index + 12 + length
            if kind == SEQUENCE:
                if (
                    after > end
                    or pass_items(data, index + 12, after, encoding, None, kinds, depth) != after
                ):
                    break
            elif length & 1:  # an undefined one is odd, too
                break
        index = after
    order[0] = current << 16 | previous
    return index


def pass_items(
    data: Buffer,
    index: int,
    end: int,
    encoding: Encoding,
    vrs: Mapping[int, bytes] | None,
    kinds: Mapping[bytes, int],
    depth: int,
) -> int:
    """Pass over items of a sequence in which nothing needs attention; return where it ends.

    Args:
        data: bytes that hold headers, from `index` on.
        index: of the first item.
        end: of the sequence or of `data`.
        encoding: of the headers.
        vrs: of tags; None in explicit VR.
        kinds: kind by VR.
        depth: of the sequence that the one of these items is in.
    """
    if depth >= DEEPEST or kinds.get(b"SQ") != SEQUENCE:
        return index
    nothing: dict[int, bytes] = {}
    depth += 1
    while end - index >= 8 and encoding.tag(data, index) == _ITEM:
        after = index + 8 + encoding.long(data, index + 4)[0]
        if after > end:
            break
        start = index + 8
        if vrs is None:
            start = pass_explicit(
                data, start, after, encoding, kinds, _NOTHING, nothing, after, [-1], depth
            )
        else:
            start = pass_implicit(
                data, start, after, encoding, vrs, kinds, _NOTHING, nothing, [-1], depth
            )
        if start != after:
            break
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
    order: list[int],
    depth: int = 0,
) -> int:
    """Pass over elements in implicit VR that need no attention; as `pass_explicit`.

    `vrs` has the VRs of tags; what is not in it needs attention.
    """
    read, long = encoding.tag, encoding.long
    safe = end - 8
    previous = order[0]
    while index <= safe:
        group, element = read(data, index)
        tag = group << 16 | element
        vr = vrs.get(tag)
        if vr is None or not element or tag < previous:
            break
        kind = kinds.get(vr)
        length = long(data, index + 4)[0]
        after = index + 8 + length
        if length & 1:  # an undefined one is odd, too
            break
        if kind in {TEXT, LONG_TEXT, KEPT_TEXT}:
            if after > end or (
                kind != KEPT_TEXT
                and length
                and data[after - 1] == _BLANK
                and data[after - 2] == _BLANK
            ):
                break
            if tag in wanted:
                found.setdefault(tag, bytes(data[index + 8 : after]))
        elif kind == UID:
            if after > end:
                break
            value = bytes(data[index + 8 : after])
            if length and (value.split() != [value] or not value[-2]):
                break
            if tag in wanted:
                found.setdefault(tag, value)
        elif (
            kind is None
            or group == _TRAILING_PADDING
            or (
                kind == SEQUENCE
                and (
                    after > end
                    or pass_items(data, index + 8, after, encoding, vrs, kinds, depth) != after
                )
            )
        ):
            break
        previous = tag
        index = after
    order[0] = previous
    return index
