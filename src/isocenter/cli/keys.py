"""The keys of findscu, movescu and getscu: from the command line and from query files.

Owns the two grammars of ``-k`` and how keys change what a file holds. Must not know what is done
with an identifier.

findscu and getscu take paths into sequences, ``PATH[=VALUE]`` split at the first ``=``::

    PATH = ELEM | SEQ "[" n "]" [ "." PATH ]
    ELEM = gggg,eeee | "(" gggg,eeee ")" | Keyword

movescu takes ``gggg,eeee[=VALUE]`` and ``Keyword[=VALUE]`` alone. The words of errors are those of
DCMTK's tools.
"""

from __future__ import annotations

import os
import re

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.textual import value_of_text
from isocenter.dataset.tree import UNKNOWN_VR, Element, Node, decode
from isocenter.errors import ConfigurationError, DataSetError
from isocenter.limits import DEFAULTS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.dataset.dictionary import Dictionary

__all__ = ["BadKey", "apply_keys", "load_query", "plain_keys"]

_TAG = re.compile(r"\s*(?:0[xX])?([0-9a-fA-F]+),\s*(?:0[xX])?([0-9a-fA-F]+)")
_ITEM = re.compile(r"\[\s*([+-]?\d+)")

_MOST_ITEMS = 1000
"""Items that one key may ask for; each is made, whatever its number is."""

_MOST_BYTES = 1 << 30
"""Bytes of a query file."""

_PIECE = 1 << 20


class BadKey(Exception):
    """A key that cannot be used.

    Attributes:
        key: as on the command line.
        condition: number and text as DCMTK's tools print them.
        text: the text alone.
    """

    def __init__(self, text: str, number: str = "0001:0019") -> None:
        """Keep the words."""
        super().__init__(text)
        self.key = ""
        self.condition = f"{number} {text}"
        self.text = text


_CORRUPTED = "0001:0006"
_ILLEGAL = "0000:0001"


def apply_keys(root: Node, keys: Iterable[str], dictionary: Dictionary | None = None) -> None:
    """Change a data set as the keys of findscu or getscu say, from left to right.

    Args:
        root: changed in place.
        keys: as on the command line; bytes that are no text as `os.fsdecode` gives them.
        dictionary: what is known of tags.

    Raises:
        BadKey: a key cannot be used; those before it were applied.
    """
    for key in keys:
        try:
            _apply(root, key, dictionary or DEFAULT_DICTIONARY)
        except BadKey as problem:
            problem.key = key
            raise


def _apply(root: Node, key: str, known: Dictionary) -> None:
    if not key:
        return
    path, _, value = key.partition("=")
    if not path:
        raise BadKey("Illegal parameter", _ILLEGAL)
    if "*" in path:
        raise BadKey("Item wildcard '*' found in path but wildcards disabled")
    node = root
    for _ in range(DEFAULTS.maximum_depth):
        tag, rest = _parse_tag(path, known)
        element = _element(node, tag, known)
        if element.items is None:
            if rest:
                raise BadKey("Invalid Path: Non-sequence tag found with rest path following")
            element.value = _value(element.vr, value) or _empty(tag)
            return
        if not rest:
            break
        number, path = _parse_item(rest)
        while len(element.items) <= number:
            element.items.append(Node())
        node = element.items[number]
        if not path:
            break
    else:
        raise BadKey(f"more than {DEFAULTS.maximum_depth} nested sequences")
    if value:
        raise BadKey("Cannot insert value into path ending with item or sequence")


def _value(vr: bytes, text: str) -> bytes:
    if vr == b"SQ":
        raise BadKey("Cannot insert value into path ending with item or sequence")
    try:
        return value_of_text(b"UN" if vr == UNKNOWN_VR else vr, os.fsencode(text))
    except ValueError:
        raise BadKey("Corrupted data", _CORRUPTED) from None


def _tag_of(name: str, dictionary: Dictionary) -> int | None:
    """Return the tag of ``gggg,eeee`` or a keyword."""
    found = _TAG.match(name)
    if found is not None:
        return (int(found[1], 16) & 0xFFFF) << 16 | int(found[2], 16) & 0xFFFF
    # DCMTK's dictionary says of its own accord which attributes are retired.
    return dictionary.tag_of(name.removeprefix("RETIRED_"))


def _parse_tag(path: str, dictionary: Dictionary) -> tuple[int, str]:
    """Return the tag at the beginning of a path, and what follows."""
    if path.startswith("("):
        name, closing, rest = path[1:].partition(")")
        if not closing:
            raise BadKey(f"Unable to parse tag at beginning of path: {path}")
    else:
        name, opening, rest = path.partition("[")
        rest = opening + rest
    tag = _tag_of(name, dictionary)
    if tag is None:
        raise BadKey(f"Unable to parse tag/dictionary name at beginning of path: {path}")
    return tag, rest


def _parse_item(path: str) -> tuple[int, str]:
    """Return the number of the item at the beginning of a path, and what follows its dot."""
    found = _ITEM.match(path)
    if found is None or "]" not in path:
        raise BadKey(f"Unable to parse item number at beginning of path: {path}")
    number = int(found[1]) if len(found[1]) < 20 else _MOST_ITEMS
    if number < 0:
        raise BadKey(f"Negative item number (not permitted) at beginning of path: {path}")
    if number >= _MOST_ITEMS:
        raise BadKey(f"Item number of {_MOST_ITEMS} or more at beginning of path: {path}")
    return number, path.partition("]")[2][1:]


def _element(node: Node, tag: int, dictionary: Dictionary) -> Element:
    """Return an element of a data set or item, which gets one where it has none."""
    element = node.get(tag)
    if element is None:
        element = _new_element(node, tag, dictionary)
        node.put(element)
    return element


def _new_element(node: Node, tag: int, dictionary: Dictionary) -> Element:
    vr = node.vr_of(tag, dictionary)
    if vr == b"SQ":
        return Element(tag, vr, items=[])
    return Element(tag, UNKNOWN_VR if vr == b"UN" else vr, _empty(tag))


def _empty(tag: int) -> bytes:
    """Return the value of a key without one: nothing, but a group length is 0."""
    return b"" if tag & 0xFFFF else bytes(4)


def plain_keys(keys: Iterable[str], dictionary: Dictionary | None = None) -> list[Element]:
    """Return the elements of movescu's keys; of several for one tag the leftmost.

    Args:
        keys: in the order of the command line.
        dictionary: what is known of tags.

    Raises:
        ConfigurationError: a key cannot be used; the text is what the tool prints.
    """
    known = dictionary or DEFAULT_DICTIONARY
    elements: dict[int, Element] = {}
    root = Node()
    for key in keys:
        name, _, value = key.partition("=")
        tag = _tag_of(key if _TAG.match(key) else name, known)
        if tag is None:
            raise ConfigurationError(
                f"bad key format or dictionary name not found in dictionary: {name}"
            )
        shown = f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
        vr = root.vr_of(tag, known)
        if vr == b"UN" or (tag & 0x10000 and known.vr_of(tag) != vr):
            raise ConfigurationError(f"unknown tag: {shown}")
        element = _new_element(root, tag, known)
        try:
            if value:
                element.value = _value(vr, value)
        except BadKey:
            raise ConfigurationError(f'cannot put tag value: {shown}="{value}"') from None
        elements.setdefault(tag, element)
    return list(elements.values())


def load_query(path: str, dictionary: Dictionary | None = None) -> Node:
    """Return the data set of a query file, with or without File Meta Information.

    Raises:
        OSError: it cannot be read.
        DataSetError: it is no data set.
    """
    from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta

    held = bytearray()
    with open(path, "rb") as file:
        # Bit by bit: room is made for as many bytes as are asked for.
        while piece := file.read(_PIECE):
            held += piece
            if len(held) > _MOST_BYTES:
                raise DataSetError(f"longer than {_MOST_BYTES} bytes", path=path)
    data = bytes(held)
    meta = read_file_meta(data, path=path)
    syntax = meta.transfer_syntax_uid or guess_transfer_syntax(data, meta.data_set_offset)
    body = data[meta.data_set_offset :]
    if not syntax:
        if not body and meta.present:
            return Node()
        raise DataSetError("no DICOM data set", path=path)
    root = decode(body, syntax, dictionary=dictionary or DEFAULT_DICTIONARY)
    for element in list(root):
        if element.tag >> 16 == 2:
            root.remove(element.tag)
    return root
