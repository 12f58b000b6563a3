"""Values as text that can be compared: what is kept of a value, and what matching looks at.

Owns the normal forms: of dates, times and numbers as they are kept; of person names and date-times
as they are compared. Must not know attributes, levels or SQL.

A date or time that is none is kept as it came, behind `UNORDERED`, which sorts behind every digit:
no range contains it, and it is answered unchanged.

PS3.5 6.2 (VRs), 6.2.1 (person names), PS3.4 C.2.2.2 (matching).
"""

from __future__ import annotations

import re
import struct
import unicodedata
from datetime import datetime, timedelta

from isocenter.dataset.charset import decode_text
from isocenter.dataset.vr import TEXT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "MAXIMUM_TEXT",
    "UNORDERED",
    "date_bounds",
    "datetime_bounds",
    "kept",
    "name_groups",
    "name_key",
    "number_key",
    "read_as",
    "shown",
    "time_bounds",
    "utc_offset",
    "values_of",
    "wildcard_match",
]

UNORDERED = "\x7f"
"""Stands before a kept date or time that is none."""

MAXIMUM_TEXT = 10240
"""Characters kept of a value in a column, inclusive: the longest LT (PS3.5 6.2)."""

_NUMBERS: Mapping[bytes, str] = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}
_WHOLE = frozenset({b"LT", b"ST", b"UT", b"UR"})  # one value, whatever is in it


def values_of(raw: bytes, vr: bytes, character_sets: bytes, *, little: bool) -> list[str] | None:
    r"""Return the values of an element as text, decoded and without padding.

    Args:
        raw: the value as it is encoded.
        vr: how it is encoded.
        character_sets: value of (0008,0005), b"" for none.
        little: its byte order.

    Returns:
        One text for each value; none for an empty one; None for a VR that is no text and no
        number, or a number cut short. Lone surrogates and NULs, which no database takes, are
        gone.
    """
    if vr in TEXT_VRS:
        raw = raw.rstrip(b" \0")
        if not raw:
            return []
        text = decode_text(raw, vr, character_sets)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        if "\0" in text:
            text = text.replace("\0", "")
        if vr in _WHOLE:
            return [text]
        return [value.strip(" ") for value in text.split("\\")]
    if vr == b"UI":
        text = raw.decode("latin-1").replace("\0", "").strip(" ")
        return [value.strip(" ") for value in text.split("\\")] if text else []
    if vr == b"AT":
        if len(raw) % 4:
            return None
        pairs = struct.iter_unpack("<HH" if little else ">HH", raw)
        return [f"{group:04X}{element:04X}" for group, element in pairs]
    code = _NUMBERS.get(vr)
    if code is None or len(raw) % struct.calcsize(code):
        return None
    numbers = struct.iter_unpack(("<" if little else ">") + code, raw)
    return [repr(number) for (number,) in numbers]


def read_as(given: bytes, vr: bytes) -> bytes:
    """Return the VR by which to read a value that says another one than the dictionary.

    Numbers are read as what they say they are, and text for a number as text; other text as what
    it should be: its character set depends on it.
    """
    is_number = given in _NUMBERS or given == b"AT"
    return given if is_number or (vr in _NUMBERS and given in TEXT_VRS) else vr


def kept(vr: bytes, value: str) -> str:
    """Return one value as it is kept in a column of that VR."""
    keep = _KEEPERS.get(vr)
    if keep is not None:
        return keep(value)
    return value if len(value) <= MAXIMUM_TEXT else value[:MAXIMUM_TEXT]


def shown(vr: bytes, value: str) -> str:
    """Return a kept value as it is answered."""
    return value[1:] if vr in {b"DA", b"TM"} and value.startswith(UNORDERED) else value


# --- dates and times ----------------------------------------------------------------------

_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})|([0-9]{4})\.([0-9]{2})\.([0-9]{2})", re.ASCII)
_TIME = re.compile(r"([0-9]{2})(?:(:?)([0-9]{2})(?:\2([0-9]{2})(\.[0-9]{1,6})?)?)?", re.ASCII)
_DATETIME = re.compile(
    r"([0-9]{4})([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?(\.[0-9]{1,6})?"
    r"([+-][0-9]{4})?",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])([0-9]{2})([0-9]{2})", re.ASCII)


def _keep_date(value: str) -> str:
    bounds = date_bounds(value)
    return bounds if bounds is not None else _unordered(value)


def _keep_time(value: str) -> str:
    bounds = time_bounds(value)
    if bounds is None:
        return _unordered(value)
    return value.replace(":", "")


def _unordered(value: str) -> str:
    return UNORDERED + value[: MAXIMUM_TEXT - 1] if value else ""


def date_bounds(value: str) -> str | None:
    """Return a date as YYYYMMDD, None where it is none; YYYY.MM.DD is the form of ACR-NEMA."""
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    parts = match.groups()
    year, month, day = parts[:3] if parts[0] else parts[3:]
    if not ("01" <= month <= "12" and "01" <= day <= "31"):
        return None
    return f"{year}{month}{day}"


def time_bounds(value: str) -> tuple[str, str] | None:
    """Return the first and the last moment that a time of any precision means.

    As text: a kept time is within them where it is neither less than the first nor greater than
    the last. The first one has no trailing zeros, so that ``10`` is not less than ``100000``.

    Returns:
        None where it is no time (PS3.5 6.2: HH, HHMM, HHMMSS, HHMMSS.F; with colons ACR-NEMA).
    """
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    hours, _, minutes, seconds, fraction = match.groups()
    if not (hours <= "23" and (minutes or "") <= "59" and (seconds or "") <= "60"):
        return None
    first = hours + (minutes or "") + (seconds or "") + (fraction or "")
    last = hours + (minutes or "59") + (seconds or "59") + "." + (fraction or ".")[1:].ljust(6, "9")
    if seconds == "60":
        last = hours + str(minutes) + "60.999999"
    return _without_zeros(first), last


def _without_zeros(time: str) -> str:
    return time.rstrip("0.") or "0"


def utc_offset(value: str) -> int | None:
    """Return the minutes of an offset from UTC, ``+0100``; None where it is none."""
    match = _OFFSET.fullmatch(value)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    total = int(hours) * 60 + int(minutes)
    total = -total if sign == "-" else total
    return total if int(minutes) < 60 and -12 * 60 <= total <= 14 * 60 else None


def datetime_bounds(value: str, offset: int = 0) -> tuple[str, str] | None:
    """Return the first and the last moment that a date-time of any precision means, in UTC.

    Args:
        value: YYYY[MM[DD[HH[MM[SS[.F]]]]]][&ZZXX].
        offset: minutes from UTC where the value does not say.

    Returns:
        Both as YYYYMMDDHHMMSS.FFFFFF; None where it is no date-time.
    """
    match = _DATETIME.fullmatch(value)
    if match is None:
        return None
    *parts, fraction, zone = match.groups()
    if fraction and parts[5] is None:
        return None
    if zone is not None:
        found = utc_offset(zone)
        if found is None:
            return None
        offset = found
    numbers = [None if part is None else int(part) for part in parts]
    try:
        first = _moment(numbers, (1, 1, 1, 0, 0, 0), fraction, "0")
        month = numbers[1] if numbers[1] is not None else 12
        last_day = _days_of(numbers[0] or 1, month)
        last = _moment(numbers, (1, 12, last_day, 23, 59, 59), fraction, "9")
        shift = timedelta(minutes=offset)
        return _utc_text(first - shift), _utc_text(last - shift)
    except (ValueError, OverflowError):
        return None


def _moment(
    numbers: list[int | None], missing: tuple[int, ...], fraction: str | None, filler: str
) -> datetime:
    year, month, day, hour, minute, second = (
        number if number is not None else default
        for number, default in zip(numbers, missing, strict=True)
    )
    micro = int((fraction or ".")[1:].ljust(6, filler))
    # A leap second is the last moment of its minute: Python has none.
    return datetime(year, month, day, hour, minute, min(second, 59), micro)  # noqa: DTZ001 - as given


def _days_of(year: int, month: int) -> int:
    following = datetime(year + month // 12, month % 12 + 1, 1) if year < 9999 else None  # noqa: DTZ001 - a day
    return 31 if following is None else (following - timedelta(days=1)).day


def _utc_text(moment: datetime) -> str:
    return f"{moment.year:04d}{moment:%m%d%H%M%S}.{moment.microsecond:06d}"


# --- numbers -------------------------------------------------------------------------------


def number_key(value: str) -> str:
    """Return a number as it is compared: ``+01`` and ``1.0`` are ``1``; other text as it is."""
    digits = value[1:] if value[:1] in {"+", "-"} else value
    if digits.isascii() and digits.isdigit():
        return str(int(value)) if len(digits) < 64 else value
    if not (value.isascii() and len(value) < 64) or "_" in value:
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if abs(number) < 1e15 and number == int(number) else repr(number)


def _keep_integer(value: str) -> str:
    """Return an integer without sign and leading zeros that mean nothing (PS3.5 6.2, IS)."""
    key = number_key(value)
    return key if key.removeprefix("-").isdigit() else value[:MAXIMUM_TEXT]


_KEEPERS: Mapping[bytes, Callable[[str], str]] = {
    b"DA": _keep_date,
    b"TM": _keep_time,
    b"IS": _keep_integer,
}


# --- person names --------------------------------------------------------------------------


def name_groups(name: str) -> tuple[str, str, str]:
    """Return the component groups of a name as they are compared.

    Alphabetic, ideographic and phonetic one; what is behind a third ``=`` is no part of a name
    (PS3.5 6.2.1).
    """
    groups = [name_key(group) for group in name.split("=", 3)[:3]]
    groups += [""] * (3 - len(groups))
    return groups[0], groups[1], groups[2]


def name_key(group: str) -> str:
    """Return a component group as it is compared.

    In lower case and composed (NFC), so that a character is one; components without blanks
    around them and with single ones inside; without ``^`` at the end, which says nothing.
    """
    if not group:
        return ""
    if group.isascii():
        group = group.lower()
    else:
        group = unicodedata.normalize("NFC", unicodedata.normalize("NFC", group).lower())
    if " " in group:
        group = "^".join(" ".join(part.split(" ")) for part in _tidy(group))
    return group.rstrip("^")


def _tidy(group: str) -> list[str]:
    return [re.sub(" {2,}", " ", part.strip(" ")) for part in group.split("^")]


# --- wildcards -----------------------------------------------------------------------------


def wildcard_match(pattern: str, text: str) -> bool:
    """Tell whether text matches a pattern of ``*`` (any characters) and ``?`` (one).

    Its time is at most the product of the lengths, whatever the pattern (PS3.4 C.2.2.2.4).
    """
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p += 1
            t += 1
        elif star >= 0:
            mark += 1
            p, t = star + 1, mark
        else:
            return False
    return not pattern[p:].strip("*")
