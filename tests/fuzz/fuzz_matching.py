"""Fuzz target: values and what is asked for, made into something that can be compared.

The first byte of the input chooses the VR; then comes a value as it is encoded, and behind `|` a
pattern. Nothing is raised. What is kept stays as it is when it is kept again, of dates and times
the first moment is not behind the last, and a pattern matches what a regular expression does.
"""

from __future__ import annotations

import re

from isocenter.archive.text import (
    MAXIMUM_TEXT,
    date_bounds,
    datetime_bounds,
    kept,
    name_groups,
    name_key,
    number_key,
    shown,
    time_bounds,
    utc_offset,
    values_of,
    wildcard_match,
)

_VRS = (b"PN", b"DA", b"TM", b"DT", b"LO", b"UI", b"IS", b"DS", b"US", b"FD", b"AT", b"LT", b"XX")
_SETS = (b"", b"ISO_IR 100", b"ISO_IR 192", b"\\ISO 2022 IR 87", b"ISO_IR 999")
_SHORT = 24
"""Characters for which a regular expression is asked, which may take very long."""


def seeds() -> list[bytes]:
    """Return values of each kind, with patterns."""
    found = [
        (0, b"Doe^Jane  Anna^^Dr=A^B|doe*j?ne*"),
        (0x30, b"Yamada^Tarou=\x1b$B;3ED\x1b(B^C=D^E|*"),
        (1, b"20240229|2024.02.29"),
        (1, b"20241301\\99999999|x"),
        (2, b"235960.999999\\10\\1030\\10:30:00|*"),
        (3, b"20240229120000.5+0100|9999"),
        (3, b"00010101-1200\\2024\\99991231235959.999999+1400|*"),
        (4, b" one \\two\\ |*?w*"),
        (5, b"1.2.840\\1.2.3\0|1.2.*"),
        (6, b"+007\\-0\\12345678901234|7"),
        (7, b"1e5\\ 1.50\\nan\\inf|1.5"),
        (8, b"\x01\x02\x03\x04|1"),
        (9, b"\0\0\0\0\0\0\xf8\x7f|1"),
        (10, b"\x10\x00\x20\x00|00100020"),
        (11, b"text\\ with | a pattern\0"),
    ]
    return [bytes((choice,)) + text for choice, text in found]


def test_one_input(data: bytes) -> None:
    """Make one value and a pattern comparable and check what comes out."""
    if not data:
        return
    vr = _VRS[data[0] % 16 % len(_VRS)]
    sets = _SETS[data[0] // 16 % len(_SETS)]
    raw, _, asked = data[1:].partition(b"|")
    pattern = asked.decode("utf-8", "replace")
    for value in values_of(raw, vr, sets, little=data[0] < 0x80) or []:
        value.encode()
        if "\0" in value:
            raise AssertionError(f"{value!r} has a NUL")
        keep = kept(vr, value)
        if len(keep) > MAXIMUM_TEXT:
            raise AssertionError(f"{len(keep)} characters are kept")
        answered = shown(vr, keep)
        if kept(vr, answered) != keep:
            raise AssertionError(f"{value!r} is kept as {keep!r}, then as another")
        _check_order(value)
        _check_order(pattern)
        _check_keys(value)
        _check_pattern(pattern, value)


def _check_order(value: str) -> None:
    date_bounds(value)
    utc_offset(value)
    for offset in (0, -720, 840):
        for bounds in (time_bounds(value), datetime_bounds(value, offset)):
            if bounds is not None and bounds[0] > bounds[1]:
                raise AssertionError(f"{value!r} begins at {bounds[0]} and ends at {bounds[1]}")


def _check_keys(value: str) -> None:
    for key in (name_key, number_key):
        if key(key(value)) != key(value):
            raise AssertionError(f"{value!r} becomes {key(value)!r}, then {key(key(value))!r}")
    if len(name_groups(value)) != 3:
        raise AssertionError(f"groups of {value!r}")


def _check_pattern(pattern: str, value: str) -> None:
    found = wildcard_match(pattern, value)
    if max(len(pattern), len(value)) > _SHORT or pattern.count("*") > 4:
        return
    words = {"*": ".*", "?": "."}
    expected = re.compile("".join(words.get(c, re.escape(c)) for c in pattern), re.DOTALL)
    if found != bool(expected.fullmatch(value)):
        raise AssertionError(f"{pattern!r} and {value!r}: {found}")
