"""Small data sets in the DICOM JSON model (PS3.18 annex F).

Owns how a tree of `isocenter.dataset.tree` becomes Python values for `json`. Must not know where
the text goes.
"""

from __future__ import annotations

import math

from isocenter.dataset.charset import decode_text
from isocenter.dataset.presentation import numbers
from isocenter.dataset.tree import UNKNOWN_VR

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from isocenter.dataset.tree import Element, Node

    Value: TypeAlias = "str | int | float | dict[str, str] | Model | None"
    Model: TypeAlias = "dict[str, dict[str, object]]"

__all__ = ["json_model"]

_CHARACTER_SET: Final = 0x00080005
_BINARY = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", UNKNOWN_VR})
_ONE_VALUE = frozenset({b"LT", b"ST", b"UT", b"UR"})
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def json_model(node: Node, character_sets: bytes = b"") -> Model:
    """Return a data set as ``{"ggggeeee": {"vr": ..., "Value": [...]}}``.

    Args:
        node: the data set; group lengths are left out (PS3.18 F.2.2).
        character_sets: value of (0008,0005) that holds where the data set has none.
    """
    own = node.get(_CHARACTER_SET)
    if own is not None:
        character_sets = own.value
    return {
        f"{element.tag:08X}": _element(element, character_sets)
        for element in node
        if element.tag & 0xFFFF
    }


def _element(element: Element, character_sets: bytes) -> dict[str, object]:
    vr = "UN" if element.vr == UNKNOWN_VR else element.vr.decode("latin-1")
    described: dict[str, object] = {"vr": vr}
    if element.items is not None:
        if element.items:
            described["Value"] = [json_model(item, character_sets) for item in element.items]
    elif element.vr in _BINARY:
        if element.value:
            import base64

            described["InlineBinary"] = base64.b64encode(element.value).decode()
    else:
        values = _values(element, character_sets)
        if values:
            described["Value"] = values
    return described


def _values(element: Element, character_sets: bytes) -> list[Value]:
    if element.vr == b"AT":
        raw = element.value
        words = [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw) & ~3, 2)]
        return [f"{words[at]:04X}{words[at + 1]:04X}" for at in range(0, len(words), 2)]
    found = numbers(element)
    if found is not None:
        return [_finite(value) for value in found]
    text = decode_text(element.value, element.vr, character_sets).rstrip(" \0")
    if not text:
        return []
    if element.vr in _ONE_VALUE:
        return [text]
    parts = text.split("\\")
    if element.vr == b"PN":
        return [_name(part) if part else None for part in parts]
    if element.vr in {b"DS", b"IS"}:
        return [_number(part.strip(" ")) for part in parts]
    return [part.strip(" ") or None for part in parts]


def _finite(value: float) -> Value:
    """Return a number, or its name where JSON has no number (PS3.18 F.2.3)."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _number(text: str) -> Value:
    """Return what a decimal or integer string says; the text where that is no number."""
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _name(text: str) -> dict[str, str]:
    groups = text.split("=", 2)
    return {name: group.rstrip(" ") for name, group in zip(_GROUPS, groups, strict=False) if group}
