"""Attributes in the DICOM JSON model, as compact text.

Owns the form of an attribute object and of items. Must not know which attributes are kept.
Binary values have no place in it: they are not answered.

PS3.18 F.2.
"""

from __future__ import annotations

import json

from isocenter.archive.text import values_of
from isocenter.dataset.vr import TEXT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

    from isocenter.archive.elements import Element, Items

    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

__all__ = ["fragment_of", "items_text", "values_in"]

_CHARACTER_SET = 0x00080005
_NUMBERS = frozenset({b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"FL", b"FD"})
_NAMES = ("Alphabetic", "Ideographic", "Phonetic")

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def fragment_of(element: Element, character_sets: bytes, *, little: bool) -> str:
    """Return the attribute object of an element as text, "" where its value has no place there."""
    vr, value = element.vr, element.value
    if value is None:
        return ""
    name = vr.decode("latin-1")
    if isinstance(value, list):
        return f'{{"vr":"SQ","Value":{items_text(value, character_sets, little=little)}}}'
    if vr not in TEXT_VRS and vr not in _NUMBERS and vr not in {b"UI", b"AT"}:
        return ""
    values = values_of(value, vr, character_sets, little=little)
    if values is None:
        return ""
    if not values or values == [""]:
        return f'{{"vr":"{name}"}}'
    if vr in _NUMBERS:
        return f'{{"vr":"{name}","Value":[{",".join(_number(value) for value in values)}]}}'
    if vr == b"PN":
        return f'{{"vr":"PN","Value":{_dump([_name(value) for value in values])}}}'
    if len(values) == 1 and values[0].isalnum():
        return f'{{"vr":"{name}","Value":["{values[0]}"]}}'
    return f'{{"vr":"{name}","Value":{_dump(values)}}}'


def items_text(items: Items, character_sets: bytes, *, little: bool) -> str:
    """Return the items of a sequence as a JSON array; they may have character sets of their own."""
    texts = []
    for item in items:
        sets = character_sets
        for element in item:
            if element.tag == _CHARACTER_SET and isinstance(element.value, bytes):
                sets = element.value
        fragments = [
            f'"{element.tag:08X}":{fragment}'
            for element in item
            if element.tag & 0xFFFF
            and not element.tag & 0x10000
            and element.tag != _CHARACTER_SET
            and (fragment := fragment_of(element, sets, little=little))
        ]
        texts.append("{" + ",".join(fragments) + "}")
    return "[" + ",".join(texts) + "]"


def _number(value: str) -> str:
    """Return a number; what JSON has no number for (inf, nan) is text, as PS3.18 F.2.3 asks."""
    return value if value[-1].isdigit() else f'"{value}"'


def _name(value: str) -> dict[str, str]:
    groups = value.split("=", 2)
    return {name: group for name, group in zip(_NAMES, groups, strict=False) if group}


def values_in(attribute: Json) -> list[Json]:
    """Return the values of an attribute object as text, or its items where it is a sequence."""
    if not isinstance(attribute, dict):
        return []
    values = attribute.get("Value")
    if not isinstance(values, list):
        return []
    if attribute.get("vr") == "SQ":
        return [item for item in values if isinstance(item, dict)]
    return [_text(value) for value in values]


def _text(value: Json) -> str:
    if isinstance(value, dict):
        return "=".join(str(value.get(name, "")) for name in _NAMES).rstrip("=")
    return "" if value is None else str(value)
