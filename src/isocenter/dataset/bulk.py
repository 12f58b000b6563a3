"""Elements written in another encoding in bulk: the loop that most of a conversion is.

Owns headers and short values put one behind the other without a call for each element; long
values stay where they are, and are swapped in place. Must not decide anything itself, as
`isocenter.dataset.plain`: what has a form here comes from the profile, and where the loop
stops, the rewriter looks.

bench/micro/rewrite.py shows what this gains over asking the rewriter each time.

PS3.5 7.1.2, 7.1.3 (headers), 7.3 (byte order).
"""

from __future__ import annotations

import struct

from isocenter.dataset.edits import swap_units
from isocenter.dataset.headers import UNDEFINED_LENGTH
from isocenter.dataset.plain import KEPT_TEXT, LONG, LONG_TEXT, TEXT, UID

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from isocenter.dataset.edits import Edits
    from isocenter.dataset.scan import Encoding
    from isocenter.wire import Buffer

__all__ = ["Reencoder"]

_BLANK = 0x20
_MOST_COPIED = 4 * 1024  # bytes of the longest value in an item that is written anew as a whole
_COPIED = 256  # bytes of the longest value that is copied: less than a segment of its own costs
_ITEM = bytes.fromhex("feff00e0")
_ITEM_END = bytes.fromhex("feff0de000000000")
_SEQUENCE_END = bytes.fromhex("feffdde000000000")
_NEW_ITEM = _ITEM + bytes(4)
_LENGTH = struct.Struct("<I")
_DELIMITED = -1  # end of a level that a delimiter ends
_FIRST_SPECIAL_GROUP = 0xFFFC  # Data Set Trailing Padding; delimiters
_TEXTS = frozenset({TEXT, LONG_TEXT})
_WANTED = frozenset({TEXT, LONG_TEXT, KEPT_TEXT, UID})


class Reencoder:
    """Passes over elements in one encoding, and writes them in another one.

    Args:
        source, target: encodings; different ones.
        forms: by VR its kind (`isocenter.dataset.plain`) and the bytes that are swapped together.
        vrs: VRs of tags, for implicit VR.
        special: tags that the rewriter must see.
        wanted: tags of texts whose values are to be kept.
    """

    __slots__ = ("_forms", "_noticed", "_source", "_special", "_target", "_vrs")

    def __init__(
        self,
        source: Encoding,
        target: Encoding,
        forms: Mapping[bytes, tuple[int, int]],
        vrs: Mapping[int, bytes],
        special: AbstractSet[int],
        wanted: AbstractSet[int],
    ) -> None:
        """Keep what all data sets have in common."""
        self._source = source
        self._target = target
        self._forms = forms
        self._vrs = vrs
        self._special = special
        self._noticed = frozenset(special | wanted)

    def run(  # noqa: C901, PLR0912, PLR0915 - one loop without calls (bench/micro/rewrite.py)
        self,
        edits: Edits,
        data: Buffer,
        index: int,
        end: int,
        base: int,
        found: dict[int, bytes],
        order: list[int],
    ) -> int:
        """Write elements that need nothing but another encoding; return where that ends.

        Args:
            edits: get what changes.
            data: bytes that hold headers, from `index` on.
            index: of the first header.
            end: of the level or of `data`.
            base: offset of `data` in the stream.
            found: where wanted values are kept, by tag.
            order: the tag of the element before the first one; of the last one afterwards.

        A long value may go beyond `end`; the scanner refuses one that goes beyond its level.
        """
        source, target, forms, noticed = self._source, self._target, self._forms, self._noticed
        whole, tag_at, long, vr_of = source.whole, source.tag, source.long, self._vrs.get
        pack_plain, pack_short, pack_long = target.pack_plain, target.pack_short, target.pack_long
        was_explicit, is_explicit = source.explicit, target.explicit
        out = bytearray()
        begin = index
        safe = end - 8
        previous = order[0]
        while index <= safe:
            if was_explicit:
                group, element, vr, length = whole(data, index)
                tag = group << 16 | element
                form = forms.get(vr)
                if form is None:
                    break
                kind, unit = form
                value = index + 8
                if kind >= LONG:
                    value = index + 12
                    if value > end:
                        break
                    length = long(data, index + 8)[0]
            else:
                group, element = tag_at(data, index)
                tag = group << 16 | element
                vr = vr_of(tag, b"")
                form = forms.get(vr)
                if form is None:
                    break
                kind, unit = form
                value = index + 8
                length = long(data, index + 4)[0]
            after = value + length
            if (
                length & 1  # an undefined one is odd, too
                or not element
                or group >= _FIRST_SPECIAL_GROUP
                or tag < previous
            ):
                break
            if kind in _TEXTS and (
                after > end or (length and data[after - 1] == _BLANK and data[after - 2] == _BLANK)
            ):
                break
            if kind == UID and length:
                if after > end:
                    break
                text = bytes(data[value:after])
                if text.split() != [text] or not text[-2]:
                    break
            if tag in noticed:
                if tag in self._special or kind not in _WANTED or after > end:
                    break
                found.setdefault(tag, bytes(data[value:after]))
            if not is_explicit:
                header = pack_plain(group, element, length)
            elif kind >= LONG:
                header = pack_long(group, element, vr, length)
            elif length > 0xFFFF:
                break
            else:
                header = pack_short(group, element, vr, length)
            if length <= _COPIED:
                if after > end:
                    break
                out += header
                if unit == 1:
                    out += data[value:after]
                elif length == unit:
                    out += bytes(data[value:after])[::-1]
                else:
                    part = bytes(data[value:after])
                    rest = length % unit
                    out += swap_units(part[: length - rest], unit)
                    if rest:
                        out += part[-rest:]
            else:
                out += header
                edits.replace(base + begin, value - begin, out)
                if unit > 1:
                    edits.swap(base + value, length, unit)
                out = bytearray()
                begin = after
            index = after
            previous = tag
        order[0] = previous
        if out:
            edits.replace(base + begin, index - begin, out)
        return index

    def run_items(  # noqa: C901, PLR0912, PLR0915 - one loop (bench/micro/rewrite.py)
        self, edits: Edits, data: Buffer, index: int, end: int, base: int, depth: int
    ) -> int:
        """Write whole items of a sequence, with lengths and without VRs; return where that ends.

        An item in which anything else needs attention, or that is not there to its end, is left.

        Args:
            edits: get what changes.
            data: bytes that hold items, from `index` on, in explicit VR little endian.
            index: of the first item.
            end: of the sequence or of `data`.
            base: offset of `data` in the stream.
            depth: how many sequences may be nested in these items.
        """
        if data[index : index + 4] != _ITEM:
            return index
        data = bytes(data)
        whole, long, pack_plain = self._source.whole, self._source.long, self._target.pack_plain
        patch, forms = _LENGTH.pack_into, self._forms
        while data[index : index + 4] == _ITEM and end - index >= 8:
            out = bytearray(_NEW_ITEM)
            length = long(data, index + 4)[0]
            at = index + 8
            # The level at hand: is it an item, its end, the place of its length, its last tag.
            is_item, place, previous = True, 4, -1
            stop = _DELIMITED if length == UNDEFINED_LENGTH else at + length
            outer: list[tuple[bool, int, int, int]] = []
            if stop > end:
                return index
            while True:
                if at == stop or (
                    stop < 0 and data[at : at + 8] == (_ITEM_END if is_item else _SEQUENCE_END)
                ):
                    if stop < 0:
                        at += 8
                    patch(out, place, len(out) - place - 4)
                    if not outer:
                        break
                    is_item, stop, place, previous = outer.pop()
                    if stop >= 0 and at > stop:
                        return index
                    continue
                if at + 8 > end:
                    return index
                if not is_item:
                    if data[at : at + 4] != _ITEM:
                        return index
                    length = long(data, at + 4)[0]
                    at += 8
                    after = _DELIMITED if length == UNDEFINED_LENGTH else at + length
                    if after > end or (0 <= stop < after):
                        return index
                    outer.append((is_item, stop, place, previous))
                    out += _NEW_ITEM
                    is_item, stop, place, previous = True, after, len(out) - 4, -1
                    continue
                group, element, vr, length = whole(data, at)
                tag = group << 16 | element
                if not element or tag < previous or group >= _FIRST_SPECIAL_GROUP:
                    return index
                previous = tag
                value = at + 8
                kind, unit = forms.get(vr, (0, 1))
                if kind >= LONG or vr == b"SQ":
                    value = at + 12
                    if value > end:
                        return index
                    length = long(data, at + 8)[0]
                after = value + length
                if vr == b"SQ":
                    after = _DELIMITED if length == UNDEFINED_LENGTH else after
                    if after > end or 0 <= stop < after or 2 * depth <= len(outer) + 1:
                        return index
                    outer.append((is_item, stop, place, previous))
                    out += pack_plain(group, element, 0)
                    is_item, stop, place, at = False, after, len(out) - 4, value
                    continue
                if (
                    not kind
                    or unit != 1
                    or length & 1
                    or length > _MOST_COPIED
                    or after > end
                    or 0 <= stop < after
                ):
                    return index
                text = data[value:after]
                if kind in _TEXTS and text[-2:] == b"  ":
                    return index
                if kind == UID and text and (text.split() != [text] or not text[-2]):
                    return index
                out += pack_plain(group, element, length)
                out += text
                at = after
            edits.replace(base + index, at - index, out)
            index = at
        return index
