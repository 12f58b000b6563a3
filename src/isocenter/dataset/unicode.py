"""Small data sets with all text in UTF-8.

Owns the conversion of a tree of `isocenter.dataset.tree`; `charset` knows the character sets.

PS3.5 6.1, PS3.3 C.12.1.1.2 (Specific Character Set).
"""

from __future__ import annotations

from isocenter.dataset.charset import decode_strictly
from isocenter.dataset.tree import Element, Node
from isocenter.dataset.vr import CHARACTER_SET_VRS
from isocenter.errors import DataSetError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Final

__all__ = ["in_utf8"]

_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = b"ISO_IR 192"


def in_utf8(node: Node, character_sets: bytes = b"", *, trimmed: bool = False) -> Node:
    """Return a data set whose text is UTF-8, with a Specific Character Set that says so.

    Args:
        node: the data set; itself where it has no character set, or this one.
        character_sets: value of (0008,0005) that holds where the data set has none.
        trimmed: True to leave out blanks at the end of what is converted.

    Raises:
        DataSetError: a character set is not known, or a value is not in it.
    """
    own = node.get(_CHARACTER_SET)
    if own is not None:
        character_sets = own.value
    if character_sets.strip(b" \0") in {b"", _UTF8}:
        return node
    result = Node(length=node.length)
    for element in node:
        result.put(_converted(element, character_sets, trimmed=trimmed))
    if own is not None:
        result.put(Element(_CHARACTER_SET, b"CS", _UTF8))
    return result


def _converted(element: Element, character_sets: bytes, *, trimmed: bool) -> Element:
    if element.items is not None:
        items = [in_utf8(item, character_sets, trimmed=trimmed) for item in element.items]
        return Element(element.tag, element.vr, items=items, length=element.length)
    value = element.value
    if element.vr not in CHARACTER_SET_VRS or (value.isascii() and b"\x1b" not in value):
        return element
    if trimmed:
        value = value.rstrip(b" ")
    try:
        value = decode_strictly(value, character_sets).encode()
    except DataSetError as problem:
        raise DataSetError(f"cannot convert to UTF-8: {problem}") from None
    return Element(element.tag, element.vr, value + b" " * (len(value) % 2))
