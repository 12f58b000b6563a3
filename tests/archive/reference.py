"""A matcher in plain Python, written from PS3.4 C.2.2.2 without the archive's code.

Rows are dicts of keyword and text; times are counted in microseconds, names are compared by regular
expressions, nothing is normalised beforehand.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "OtherPatientIDs")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy")
SERIES = ("SeriesInstanceUID", "Modality", "SeriesNumber")
IMAGE = ("SOPInstanceUID", "InstanceNumber", "AcquisitionDateTime")
DATES, TIMES = {"StudyDate", "PatientBirthDate"}, {"StudyTime"}
NAMES, NUMBERS = {"PatientName"}, {"SeriesNumber", "InstanceNumber"}


def matches(keyword: str, key: str, value: str) -> bool:
    """Tell whether a stored text meets a key."""
    if not key:
        return True
    if keyword.endswith("UID"):
        return value in [each for each in key.split("\\") if each]
    if keyword in NAMES:
        return any(name_matches(each, value) for each in key.split("\\"))
    if keyword in DATES:
        return any(date_matches(each, value) for each in key.split("\\"))
    if keyword in TIMES:
        return any(time_matches(each, value) for each in key.split("\\"))
    if keyword == "AcquisitionDateTime":
        return any(moment_matches(each, value) for each in key.split("\\"))
    keys = [each for each in key.split("\\") if each]
    if not keys:
        return True
    if keyword in NUMBERS:
        return any(value and number(each) == number(value) for each in keys)
    values = value.split("\\") if keyword in {"OtherPatientIDs", "ModalitiesInStudy"} else [value]
    return any(wild(pattern, each) for pattern in keys for each in values)


def wild(pattern: str, text: str) -> bool:
    """Match with wildcards, case-sensitive."""
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def number(text: str) -> int | str:
    """Return an integer, or text that is none."""
    try:
        return int(text)
    except ValueError:
        return text


def name_matches(key: str, value: str) -> bool:
    """Match names: any component group of one, or group by group."""
    if not key.strip("*"):
        return True
    wanted, groups = key.split("="), [*value.split("="), "", "", ""][:3]
    if len(wanted) == 1:
        if not key.strip("*^ "):
            return True
        return any(group_matches(key, group) for group in groups)
    return all(
        not part.strip("*^ ") or group_matches(part, group)
        for part, group in zip(wanted, groups, strict=False)
    )


def group_matches(key: str, group: str) -> bool:
    """Match a component group; carets at the end of either make no difference."""
    text = group.lower().rstrip("^")
    pattern = key.lower()
    # Whatever number of carets is written behind the text, one of them may fit.
    return any(
        wild(pattern.rstrip("^") + "^" * extra, text + "^" * more)
        for extra in range(4)
        for more in range(4)
        if not extra or "*" in pattern or extra == more
    )


def split_range(key: str) -> tuple[str, str] | None:
    """Return the ends of a range of dates or times, None for a single value."""
    if key.count("-") != 1:
        return None
    first, _, last = key.partition("-")
    return first, last


def date_of(text: str) -> dt.date | None:
    """Return a date; days beyond the end of a month count as its 28th and on."""
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text)
    if not found:
        return None
    try:
        return dt.date(*map(int, found.groups()))
    except ValueError:
        return None


def date_matches(key: str, value: str) -> bool:
    """Match a date or a range of them."""
    if not key:
        return False
    date = date_of(value)
    if date is None:
        return False
    ends = split_range(key)
    if ends is None:
        return date_of(key) == date
    first, last = (date_of(end) for end in ends)
    if (ends[0] and first is None) or (ends[1] and last is None):
        return False
    return (first is None or first <= date) and (last is None or date <= last)


def time_span(text: str) -> tuple[int, int] | None:
    """Return the first and last microsecond of a time."""
    found = re.fullmatch(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?", text)
    if not found:
        return None
    hours, minutes, seconds, fraction = found.groups()
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return None
    first = ((int(hours) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) * 10**6
    if fraction:
        unit = 10 ** (6 - len(fraction))
        return first + int(fraction) * unit, first + (int(fraction) + 1) * unit - 1
    length = 10**6 if seconds else 60 * 10**6 if minutes else 3600 * 10**6
    return first, first + length - 1


def time_matches(key: str, value: str) -> bool:
    """Match a time or a range of them: by the first moment that the stored one means."""
    span = time_span(value)
    if span is None or not key:
        return False
    ends = split_range(key)
    if ends is None:
        wanted = time_span(key)
        return wanted is not None and wanted[0] <= span[0] <= wanted[1]
    first, last = (time_span(end) for end in ends)
    if (ends[0] and first is None) or (ends[1] and last is None):
        return False
    return (first is None or first[0] <= span[0]) and (last is None or span[0] <= last[1])


def moment_span(text: str) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the first and last moment of a date-time with its offset, in UTC."""
    found = re.fullmatch(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?([+-]\d{4})?", text)
    if not found:
        return None
    *parts, zone = found.groups()
    numbers = [int(part) if part else None for part in parts]
    offset = dt.timedelta()
    if zone:
        offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
        offset = -offset if zone[0] == "-" else offset
        if not dt.timedelta(hours=-12) <= offset <= dt.timedelta(hours=14):
            return None
    year, month, day, hour, minute = numbers
    try:
        first = dt.datetime(year or 1, month or 1, day or 1, hour or 0, minute or 0)  # noqa: DTZ001
        if month is None:
            end = dt.datetime((year or 1) + 1, 1, 1)  # noqa: DTZ001
        elif day is None:
            end = dt.datetime((year or 1) + month // 12, month % 12 + 1, 1)  # noqa: DTZ001
        elif hour is None:
            end = first + dt.timedelta(days=1)
        elif minute is None:
            end = first + dt.timedelta(hours=1)
        else:
            end = first + dt.timedelta(minutes=1)
    except (ValueError, OverflowError):
        return None
    return first - offset, end - dt.timedelta(microseconds=1) - offset


def moment_matches(key: str, value: str) -> bool:
    """Match a date-time or a range of them."""
    span = moment_span(value)
    if span is None or not key:
        return False
    wanted = moment_span(key)
    if wanted is not None:
        return wanted[0] <= span[0] <= wanted[1]
    for at, letter in enumerate(key):
        if letter != "-":
            continue
        ends = key[:at], key[at + 1 :]
        first, last = (moment_span(end) for end in ends)
        if (ends[0] and first is None) or (ends[1] and last is None):
            continue
        return (first is None or first[0] <= span[0]) and (last is None or span[0] <= last[1])
    return False


def find(
    rows: Sequence[Mapping[str, str]], level: str, keys: Mapping[str, str]
) -> set[tuple[str, ...]]:
    """Return what matches in the study root model, by the UIDs down to the level."""
    order = {"STUDY": 1, "SERIES": 2, "IMAGE": 3}[level]
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    own = {1: PATIENT + STUDY, 2: SERIES, 3: IMAGE}[order]
    found = set()
    for row in rows:
        full = dict(row)
        full["ModalitiesInStudy"] = "\\".join(
            each["Modality"] for each in rows if each["StudyInstanceUID"] == row["StudyInstanceUID"]
        )
        wanted = {k: v for k, v in keys.items() if k in own or k in uids[: order - 1]}
        if all(matches(keyword, key, full.get(keyword, "")) for keyword, key in wanted.items()):
            found.add(tuple(row[uid] for uid in uids[:order]))
    return found
