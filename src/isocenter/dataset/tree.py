"""Small data sets as a tree that can be changed: identifiers and the answers to them.

Owns reading, changing and writing of what fits into memory: elements keep their bytes, in the
byte order of little endian; sequences have items. What is large (`rewrite`) and what is text
(`charset`) is elsewhere.

PS3.5 7.1 (elements), 7.3 (byte order), 7.5 (sequences), 7.8 (private), A (transfer syntaxes).
"""

from __future__ import annotations

import struct

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.edits import swap_units
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS, ITEM, PIXELS, SEQUENCE, ScanLimits, Scanner
from isocenter.dataset.vr import (
    ALL_VRS,
    MARKERS,
    OB_OR_OW,
    SHORT_VRS,
    US_OR_OW,
    WORD_SIZES,
    padding_of,
)
from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.scan import Encoding, Level
    from isocenter.limits import Limits
    from isocenter.wire import Buffer

__all__ = ["UNKNOWN_VR", "Element", "Node", "decode", "encode"]

PIXEL_REPRESENTATION: Final = 0x00280103
UNKNOWN_VR = b"??"
"""Of elements that neither the data set nor the dictionary tells the VR of."""

_UNDEFINED: Final = 0xFFFFFFFF
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_LONGEST_SHORT: Final = 0xFFFE


class Element:
    """One element.

    Attributes:
        tag: 0xGGGGEEEE.
        vr: two letters; `UNKNOWN_VR` where nothing tells it, which is written as UN.
        value: the bytes of its value, little endian, with the padding they came with; b"" for a
            sequence.
        items: what a sequence holds; None for any other element.
        length: of a sequence that was read, in bytes, 0xFFFFFFFF where a delimiter ended it.
    """

    __slots__ = ("items", "length", "tag", "value", "vr")

    def __init__(
        self,
        tag: int,
        vr: bytes,
        value: bytes = b"",
        items: list[Node] | None = None,
        *,
        length: int = 0,
    ) -> None:
        """Set the attributes."""
        self.tag = tag
        self.vr = vr
        self.value = value
        self.items = items
        self.length = length


class Node:
    """A data set or an item: elements by tag.

    Attributes:
        length: of an item that was read, in bytes, 0xFFFFFFFF where a delimiter ended it.
    """

    __slots__ = ("_elements", "length")

    def __init__(self, *, length: int = 0) -> None:
        """Begin without elements."""
        self._elements: dict[int, Element] = {}
        self.length = length

    def __iter__(self) -> Iterator[Element]:
        """Yield the elements in the order of their tags."""
        elements = self._elements
        return iter([elements[tag] for tag in sorted(elements)])

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self._elements)

    def get(self, tag: int) -> Element | None:
        """Return an element, None where there is none."""
        return self._elements.get(tag)

    def put(self, element: Element) -> None:
        """Add an element, in the place of the one with its tag."""
        self._elements[element.tag] = element

    def remove(self, tag: int) -> None:
        """Remove an element, if there is one."""
        self._elements.pop(tag, None)

    def text(self, tag: int) -> str:
        """Return the value of an element without padding, as Latin-1; "" where there is none."""
        element = self._elements.get(tag)
        return "" if element is None else element.value.decode("latin-1").strip(" \0")

    def pad(self) -> None:
        """Bring values to even length, as they are encoded."""
        for element in self._elements.values():
            if len(element.value) % 2:
                element.value += padding_of(element.vr)
            for item in element.items or ():
                item.pad()

    def creator_of(self, tag: int) -> bytes | None:
        """Return the private creator that reserves the block of a tag, None where there is none."""
        if not tag & 0x10000 or tag & 0xFFFF < 0x1000:
            return None
        element = self._elements.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8)
        return None if element is None else element.value

    def vr_of(self, tag: int, dictionary: Dictionary = DEFAULT_DICTIONARY) -> bytes:
        """Return the VR that an element has here, UN where nobody knows it."""
        vr = dictionary.vrs.get(tag) or dictionary.vr_of(tag, self.creator_of(tag))
        if vr not in MARKERS:
            return vr
        if vr in {OB_OR_OW, US_OR_OW}:
            return b"OW"
        signed = self._elements.get(PIXEL_REPRESENTATION)
        return b"SS" if signed is not None and signed.value[:1] == b"\1" else b"US"


class _Builder:
    """Makes a tree of what a scan finds."""

    def __init__(self, data: Buffer, dictionary: Dictionary) -> None:
        self.root = Node()
        self._data = data
        self._dictionary = dictionary
        self._nodes = [self.root]
        self._sequences: list[Element] = []

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Pass over nothing: each element is wanted."""
        level.is_plain = False
        return index

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR, by the dictionary where the data set does not say."""
        if vr:
            return vr
        known = self._nodes[-1].vr_of(tag, self._dictionary)
        if known != b"UN":
            return known
        return b"SQ" if length == _UNDEFINED else UNKNOWN_VR

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want none: the whole data set is at hand."""
        return False

    def element(
        self,
        level: Level,
        tag: int,
        vr: bytes,
        start: int,
        value: int,
        length: int,
        raw: bytes | None,
    ) -> None:
        """Keep it."""
        del raw, start
        data = bytes(self._data[value : value + length])
        unit = WORD_SIZES.get(vr, 1)
        if unit > 1 and not level.encoding.little:
            whole = len(data) - len(data) % unit
            data = swap_units(data[:whole], unit) + data[whole:]
        self._nodes[-1].put(Element(tag, vr, data))

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Go one deeper."""
        del outer, start
        length = _UNDEFINED if level.is_delimited else level.end - value
        if level.kind == ITEM:
            node = Node(length=length)
            items = self._sequences[-1].items
            if items is not None:
                items.append(node)
            self._nodes.append(node)
            return
        is_sequence = level.kind == SEQUENCE
        element = Element(
            tag,
            b"SQ" if is_sequence else vr or b"OB",
            items=[] if is_sequence else None,
            length=length,
        )
        self._nodes[-1].put(element)
        self._sequences.append(element)

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Join fragments: no identifier has any."""
        del level, start
        self._sequences[-1].value += bytes(self._data[value : value + length])

    def stray(self, level: Level, start: int) -> None:
        """Pass over it."""

    def trailing(self, start: int, length: int) -> None:
        """Pass over them."""

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Go back."""
        del at, delimiter
        if level.kind == ITEM:
            self._nodes.pop()
        elif level.kind in {SEQUENCE, PIXELS}:
            self._sequences.pop()


def decode(
    data: Buffer,
    transfer_syntax_uid: str,
    *,
    dictionary: Dictionary = DEFAULT_DICTIONARY,
    limits: Limits = DEFAULTS,
) -> Node:
    """Return a data set as a tree.

    Args:
        data: as it is encoded.
        transfer_syntax_uid: how; encapsulated ones are explicit VR little endian.
        dictionary: what is known of tags, for implicit VR.
        limits: of nesting and of inflating.

    Raises:
        DataSetError: it cannot be read to its end.
    """
    encoding = _encoding_of(transfer_syntax_uid)
    try:
        if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            data = _inflated(data, limits)
        builder = _Builder(data, dictionary)
        scanner = Scanner(encoding, builder, ScanLimits.of(limits))
        scanner.feed(data)
        scanner.finish()
    except CutShort as cut:
        raise DataSetError(
            f"cut short: {cut.missing} bytes of an element are missing", offset=cut.offset
        ) from None
    except Unreadable as bad:
        raise DataSetError(f"cannot be read: {bad.reason}", offset=bad.offset) from None
    return builder.root


def _inflated(data: Buffer, limits: Limits) -> bytes:
    from isocenter.dataset.convert import Inflater, InflationLimits

    inflater = Inflater(InflationLimits.of(limits))
    inflated = b"".join(inflater.feed(data))
    inflater.finish()
    return inflated


def _encoding_of(transfer_syntax_uid: str) -> Encoding:
    return ENCODINGS[
        transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN,
        transfer_syntax_uid != EXPLICIT_VR_BIG_ENDIAN,
    ]


def encode(
    root: Node,
    transfer_syntax_uid: str,
    *,
    delimited: bool = False,
    compression_level: int = 6,
    new_vrs: bool = True,
) -> bytes:
    """Return a tree as a data set.

    Args:
        root: the tree.
        transfer_syntax_uid: how to encode it.
        delimited: True for sequences and items of undefined length.
        compression_level: of deflate, 0 to 9.
        new_vrs: False to write VRs that came after 1993 as OB.

    Raises:
        ValueError: a value has more than 4 GiB.
    """
    encoding = _encoding_of(transfer_syntax_uid)
    data = _Writer(encoding, delimited=delimited, new_vrs=new_vrs).node(root)
    if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        from isocenter.dataset.convert import deflated

        return b"".join(deflated([data], compression_level))
    return data


_NEW_VRS = frozenset(b"UN UT UC UR OF OD OL OV SV UV".split())


class _Writer:
    """Writes elements in one encoding."""

    def __init__(self, encoding: Encoding, *, delimited: bool, new_vrs: bool) -> None:
        self._encoding = encoding
        self._delimited = delimited
        self._new_vrs = new_vrs

    def node(self, node: Node) -> bytes:
        """Return the elements of a data set or item; nested no deeper than it was read or made."""
        return b"".join([self._element(element) for element in node])

    def _element(self, element: Element) -> bytes:
        tag = element.tag
        if element.items is not None:
            value = b"".join([self._item(item) for item in element.items])
            if not self._delimited:
                return self._header(tag, b"SQ", len(value)) + value
            end = self._delimiter(_SEQUENCE_END)
            return self._header(tag, b"SQ", _UNDEFINED) + value + end
        value, vr = element.value, element.vr
        if len(value) % 2:
            value += padding_of(vr)
        unit = WORD_SIZES.get(vr, 1)
        if unit > 1 and not self._encoding.little:
            whole = len(value) - len(value) % unit
            value = swap_units(value[:whole], unit) + value[whole:]
        return self._header(tag, vr, len(value)) + value

    def _item(self, item: Node) -> bytes:
        value = self.node(item)
        pack = self._encoding.pack_plain
        if self._delimited:
            return pack(0xFFFE, 0xE000, _UNDEFINED) + value + self._delimiter(_ITEM_END)
        return pack(0xFFFE, 0xE000, len(value)) + value

    def _delimiter(self, tag: int) -> bytes:
        return self._encoding.pack_plain(tag >> 16, tag & 0xFFFF, 0)

    def _header(self, tag: int, vr: bytes, length: int) -> bytes:
        encoding = self._encoding
        group, element = tag >> 16, tag & 0xFFFF
        try:
            if not encoding.explicit:
                return encoding.pack_plain(group, element, length)
            if vr not in ALL_VRS:  # whoever reads it takes its length for one of 16 bits
                vr = b"UN"
            if not self._new_vrs and vr in _NEW_VRS:
                vr = b"OB"
            if vr not in SHORT_VRS:
                return encoding.pack_long(group, element, vr, length)
            if length > _LONGEST_SHORT:
                # What does not fit the VR's length field is UN, which has a longer one
                # (PS3.5 6.2.2, note 6).
                return encoding.pack_long(group, element, b"UN", length)
            return encoding.pack_short(group, element, vr, length)
        except struct.error:
            raise ValueError(f"({group:04x},{element:04x}): too long") from None
