"""Conditions on one attribute: what a key asks for, and whether a kept value meets it.

Owns the kinds of matching by VR, and the meaning of each on text as it is kept. Must not know
levels or SQL; `statements` makes the same of them where a database can.

A key of several values is met by any of them; an attribute of several values meets a key with any
of its own.

PS3.4 C.2.2.2.
"""

from __future__ import annotations

import json

from isocenter.archive.model import values_in
from isocenter.archive.text import (
    MAXIMUM_TEXT,
    date_bounds,
    datetime_bounds,
    name_groups,
    name_key,
    number_key,
    read_as,
    time_bounds,
    values_of,
    wildcard_match,
)
from isocenter.dataset.dictionary import vr_of
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias, TypeVar

    from isocenter.archive.elements import Element
    from isocenter.archive.model import Json

    _T = TypeVar("_T")

__all__ = [
    "HIGHEST",
    "LOWEST",
    "MOST_ALTERNATIVES",
    "NEVER",
    "Condition",
    "Context",
    "Items",
    "Name",
    "Names",
    "Numbers",
    "Ranges",
    "Texts",
    "condition_of",
    "has_wildcard",
    "holds",
    "literal_prefix",
    "matches",
]

LOWEST, HIGHEST = "0", "~"
"""Bounds of a range that is open: nothing empty, and nothing `text.UNORDERED`, is between."""

_WILD = frozenset({b"AE", b"CS", b"LO", b"LT", b"SH", b"ST", b"UC", b"UR", b"UT"})
_NUMBERS = frozenset({b"IS", b"DS", b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"FL", b"FD"})
_RANGES = frozenset({b"DA", b"TM", b"DT"})


MOST_ALTERNATIVES = 1000
"""Values of a key, inclusive, that have to be tried one by one: with wildcards, names, ranges,
items. With more it is an error: each would be tried on each row. Lists of values have no bound."""


class Texts(NamedTuple):
    """The value is one of these, or matches one with wildcards.

    Fields:
        exact: without wildcards.
        patterns: with ``*`` and ``?``.
    """

    exact: frozenset[str]
    patterns: tuple[str, ...]


class Numbers(NamedTuple):
    """The value is the same number as one of these (`text.number_key`)."""

    values: frozenset[str]


class Ranges(NamedTuple):
    """The value is within one of these, bounds included, by code point."""

    bounds: tuple[tuple[str, str], ...]


class Name(NamedTuple):
    """A person name asked for, as it is compared.

    Fields:
        any_group: one pattern is given, and any component group may match it.
        groups: for each group its patterns, any of which may match; () for any group at all.
    """

    any_group: bool
    groups: tuple[tuple[str, ...], ...]


class Names(NamedTuple):
    """The value is one of these names."""

    names: tuple[Name, ...]


class Items(NamedTuple):
    """A sequence has an item that meets all conditions of one of these, by tag."""

    items: tuple[tuple[tuple[int, Condition], ...], ...]


Condition: TypeAlias = "Texts | Numbers | Ranges | Names | Items"
"""What a key asks for."""

NEVER = Ranges(())
"""Nothing meets it."""


class Context(NamedTuple):
    """How the values of an identifier are encoded.

    Fields:
        character_sets: value of its (0008,0005).
        little: byte order.
        offset: minutes from UTC for date-times that do not say.
    """

    character_sets: bytes
    little: bool
    offset: int


def condition_of(element: Element, vr: bytes, context: Context) -> Condition | None:
    """Return what a key asks for; None where anything matches (universal matching).

    Args:
        element: the key.
        vr: of the attribute, by the table or the dictionary, whatever the identifier says.
        context: of the identifier.

    Raises:
        ValueError: it is a sequence where a value belongs, or the other way round, a number that
            is cut short, or has too many values.
    """
    value = element.value
    if vr == b"SQ":
        return _items(element, context)
    if isinstance(value, list) and not value:
        return None
    if not isinstance(value, bytes):
        raise ValueError("a sequence where a value belongs")  # noqa: TRY004 - of the peer
    given = read_as(element.vr, vr)
    values = values_of(value, given, context.character_sets, little=context.little)
    if values is None:
        raise ValueError("a value that cannot be read")
    values = [each for each in values if each]
    if not values:
        return None
    if vr == b"PN":
        return _names(values)
    if vr in _RANGES:
        return _ranges(vr, values, context.offset)
    if vr in _NUMBERS:
        return Numbers(frozenset(number_key(each) for each in values))
    if vr in _WILD:
        return _texts(values)
    return Texts(frozenset(values), ())


def _bounded(alternatives: Iterable[_T]) -> tuple[_T, ...]:
    """Return what has to be tried one by one, each once.

    Raises:
        ValueError: there is too much.
    """
    found = tuple(dict.fromkeys(alternatives))
    if len(found) > MOST_ALTERNATIVES:
        raise ValueError(f"more than {MOST_ALTERNATIVES} values to be tried one by one")
    return found


def _texts(values: Sequence[str]) -> Texts | None:
    exact, patterns = [], []
    for value in values:
        if not value.strip("*"):
            return None
        if not has_wildcard(value):
            exact.append(value[:MAXIMUM_TEXT])
        elif len(value.replace("*", "")) <= MAXIMUM_TEXT:
            patterns.append(_single_stars(value))
    return Texts(frozenset(exact), _bounded(patterns))


def has_wildcard(value: str) -> bool:
    """Tell whether a value has a wildcard."""
    return "*" in value or "?" in value


def _single_stars(pattern: str) -> str:
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def literal_prefix(pattern: str) -> str:
    """Return what stands before the first wildcard."""
    return pattern[: min((pattern + "*").index("*"), (pattern + "?").index("?"))]


def _names(values: Sequence[str]) -> Names | None:
    names = []
    for value in values:
        if not value.strip("*^= "):
            return None
        parts = value.split("=", 3)[:3]
        if any(len(part.replace("*", "")) > MAXIMUM_TEXT for part in parts):
            continue
        if len(parts) == 1:
            names.append(Name(any_group=True, groups=(_name_patterns(parts[0]),)))
        else:
            groups = [() if not part.strip("*^ ") else _name_patterns(part) for part in parts]
            names.append(Name(any_group=False, groups=tuple(groups)))
    return Names(_bounded(names))


def _name_patterns(group: str) -> tuple[str, ...]:
    """Return the patterns of one component group.

    ``^`` at the end of a kept name is gone, so ``DOE^*`` is also ``doe``, and ``DOE^J*^*`` also
    ``doe^j*``.
    """
    key = _single_stars(name_key(group))
    patterns = [key]
    while key.endswith("^*"):
        key = key[:-2].rstrip("^")
        patterns.append(key)
    return tuple(patterns)


def _ranges(vr: bytes, values: Sequence[str], offset: int) -> Ranges:
    # One from the later to the earlier contains nothing; of times it may, together with dates.
    found = [_range(vr, value.strip(" "), offset) for value in values]
    return Ranges(_bounded(bounds for bounds in found if bounds is not None))


def _range(vr: bytes, value: str, offset: int) -> tuple[str, str] | None:
    """Return the bounds of a single value or a range; None where it is neither."""
    single = _bounds(vr, value, offset)
    if single is not None:
        return single
    for at, letter in enumerate(value):
        if letter != "-":
            continue
        first, last = value[:at].strip(" "), value[at + 1 :].strip(" ")
        low = _bounds(vr, first, offset) if first else (LOWEST, HIGHEST)
        high = _bounds(vr, last, offset) if last else (LOWEST, HIGHEST)
        if low is not None and high is not None:
            return low[0], high[1]
    return None


def _bounds(vr: bytes, value: str, offset: int) -> tuple[str, str] | None:
    if len(value) > 64:
        return None
    if vr == b"DA":
        date = date_bounds(value)
        return None if date is None else (date, date)
    if vr == b"TM":
        return time_bounds(value)
    return datetime_bounds(value, offset)


def _items(element: Element, context: Context) -> Items | None:
    """Return what is asked for of a sequence; an empty one asks for nothing."""
    if not isinstance(element.value, list):
        if not element.value and element.value is not None:
            return None
        raise ValueError("a value where a sequence belongs")
    items = []
    for item in element.value:
        conditions = []
        sets = next((e.value for e in item if e.tag == 0x00080005), context.character_sets)
        inner = context._replace(character_sets=sets) if isinstance(sets, bytes) else context
        for key in item:
            if key.tag == 0x00080005 or not key.tag & 0xFFFF:
                continue
            known = vr_of(key.tag)
            condition = condition_of(key, key.vr if known.islower() else known, inner)
            if condition is not None:
                conditions.append((key.tag, condition))
        if not conditions:
            return None
        items.append(tuple(conditions))
    return Items(_bounded(items)) if items else None


# --- what a kept value meets ---------------------------------------------------------------


def holds(condition: Condition, text: str, *, multiple: bool = True) -> bool:
    """Tell whether a kept value meets a condition.

    Args:
        condition: what is asked for.
        text: as it is kept in a column; for date-times and names what it is compared by
            (`keys.compared_columns`).
        multiple: it may have several values.
    """
    if isinstance(condition, Items):
        return bool(text) and _items_hold(condition, json.loads(text))
    values = text.split("\\") if multiple else [text]
    return any(_one_holds(condition, value) for value in values)


def _one_holds(condition: Texts | Numbers | Ranges | Names, value: str) -> bool:
    if isinstance(condition, Texts):
        return value in condition.exact or any(
            wildcard_match(pattern, value) for pattern in condition.patterns
        )
    if isinstance(condition, Numbers):
        return bool(value) and number_key(value) in condition.values
    if isinstance(condition, Ranges):
        return any(first <= value <= last for first, last in condition.bounds)
    groups = value.split("=")
    return any(_name_holds(name, groups) for name in condition.names)


def _name_holds(name: Name, groups: Sequence[str]) -> bool:
    if name.any_group:
        return any(matches(name.groups[0], group) for group in groups)
    padded = [*groups, "", "", ""]
    return all(
        not patterns or matches(patterns, group)
        for patterns, group in zip(name.groups, padded, strict=False)
    )


def matches(patterns: Sequence[str], text: str) -> bool:
    """Tell whether text is one of the patterns, with wildcards or without."""
    return any(
        wildcard_match(pattern, text) if has_wildcard(pattern) else pattern == text
        for pattern in patterns
    )


def _items_hold(condition: Items, items: Json) -> bool:
    if not isinstance(items, list):
        return False
    return any(
        all(_attribute_holds(inner, item.get(f"{tag:08X}")) for tag, inner in wanted)
        for wanted in condition.items
        for item in items
        if isinstance(item, dict)
    )


def _attribute_holds(condition: Condition, attribute: Json) -> bool:
    """Tell whether an attribute object of the JSON model meets a condition."""
    values = values_in(attribute)
    if isinstance(condition, Items):
        return _items_hold(condition, list(values))
    texts = [value for value in values if isinstance(value, str)] or [""]
    if isinstance(condition, Names):
        texts = ["=".join(name_groups(text)) for text in texts]
    if isinstance(condition, Ranges) and isinstance(attribute, dict):
        texts = [_comparable(str(attribute.get("vr")), text) for text in texts]
    return any(_one_holds(condition, text) for text in texts)


def _comparable(vr: str, text: str) -> str:
    if vr == "DT":
        bounds = datetime_bounds(text)
        return bounds[0] if bounds is not None else ""
    if vr == "DA":
        return date_bounds(text) or ""
    return text.replace(":", "") if time_bounds(text) is not None else ""
