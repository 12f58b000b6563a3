"""Elements written in another encoding in bulk: the loop that most of a conversion is.

Owns headers and short values put one behind the other without a call for each element; long
values stay where they are, and are swapped in place. Must not decide anything itself, as
`isocenter.dataset.plain`: what has a form here comes from the profile, and where the loop
stops, the rewriter looks.

bench/micro/rewrite.py shows what this gains over asking the rewriter each time.

PS3.5 7.1.2, 7.1.3 (headers), 7.3 (byte order).
"""

from __future__ import annotations

from isocenter.dataset.edits import swap_units
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
_COPIED = 256  # bytes of the longest value that is copied: less than a segment of its own costs
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
