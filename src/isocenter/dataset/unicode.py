"""Small data sets with all text in UTF-8.

Owns the conversion of a tree of `isocenter.dataset.tree`; the tables are pydicom's.

PS3.5 6.1, PS3.3 C.12.1.1.2 (Specific Character Set).
"""

from __future__ import annotations

from isocenter.dataset.tree import Element, Node
from isocenter.dataset.vr import CHARACTER_SET_VRS
from isocenter.errors import DataSetError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Final

__all__ = ["in_utf8"]

_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = b"ISO_IR 192"
_DELIMITERS = frozenset(b"\r\n\t\f^=\\")


def in_utf8(node: Node, character_sets: bytes = b"") -> Node:
    """Return a data set whose text is UTF-8, with a Specific Character Set that says so.

    Args:
        node: the data set; itself where it has no character set, or this one.
        character_sets: value of (0008,0005) that holds where the data set has none.

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
        result.put(_converted(element, character_sets))
    if own is not None:
        result.put(Element(_CHARACTER_SET, b"CS", _UTF8))
    return result


def _converted(element: Element, character_sets: bytes) -> Element:
    if element.items is not None:
        items = [in_utf8(item, character_sets) for item in element.items]
        return Element(element.tag, element.vr, items=items, length=element.length)
    value = element.value
    if element.vr not in CHARACTER_SET_VRS or (value.isascii() and b"\x1b" not in value):
        return element
    text = _decoded(value, character_sets)
    value = text.encode()
    return Element(element.tag, element.vr, value + b" " * (len(value) % 2))


def _decoded(value: bytes, character_sets: bytes) -> str:
    from pydicom import config
    from pydicom.charset import convert_encodings, decode_bytes

    names = character_sets.decode("latin-1").strip(" \0").split("\\")
    if names == ["ISO_IR 203"]:  # newer than pydicom's table
        return value.decode("iso8859-15")
    mode = config.settings.reading_validation_mode
    # Else pydicom goes on with another character set, or other characters.
    config.settings.reading_validation_mode = config.RAISE
    try:
        return str(decode_bytes(value, convert_encodings(names), set(_DELIMITERS)))
    except (LookupError, ValueError, TypeError) as problem:
        reason = f"cannot convert from character set {names!r} to UTF-8: {problem}"
        raise DataSetError(reason) from None
    finally:
        config.settings.reading_validation_mode = mode
