"""What rows are compared by, made from what is kept of an object.

Owns how a patient, a name and a date-time become something to compare. Must not know SQL.
"""

from __future__ import annotations

from isocenter.archive.attributes import BY_KEYWORD, COLUMNS
from isocenter.archive.text import datetime_bounds, name_groups, utc_offset

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["compared_columns", "datetime_key", "names_key", "patient_key"]

_ID = BY_KEYWORD["PatientID"].place
_ISSUER = BY_KEYWORD["IssuerOfPatientID"].place
_NAME = BY_KEYWORD["PatientName"].place
_BIRTH = BY_KEYWORD["PatientBirthDate"].place


def patient_key(study: Sequence[str]) -> str:
    """Return what tells the patient of a study from others.

    ID and issuer; without an ID, the name and the date of birth: patients nobody gave an ID are
    not one patient.
    """
    if study[_ID]:
        return f"{study[_ID]}\x1f{study[_ISSUER]}"
    return f"\x1f{'='.join(name_groups(study[_NAME]))}\x1f{study[_BIRTH]}"


def names_key(value: str) -> str:
    """Return the names of a value as they are compared."""
    return "\\".join(["=".join(name_groups(name)) for name in value.split("\\")]) if value else ""


def datetime_key(value: str, timezone: str) -> str:
    """Return the first moment of a date-time in UTC; "" where it is none."""
    bounds = datetime_bounds(value, utc_offset(timezone) or 0) if value else None
    return bounds[0] if bounds is not None else ""


def compared_columns(table: str, values: Sequence[str], timezone: str = "") -> dict[str, str]:
    """Return the columns of a row: its values, and what they are compared by."""
    row: dict[str, str] = {}
    for attribute, value in zip(COLUMNS[table], values, strict=True):
        row[attribute.column] = value
        if attribute.vr == b"DT":
            row[attribute.column + "_key"] = datetime_key(value, timezone)
        elif attribute.vr == b"PN":
            row[attribute.column + "_key"] = names_key(value)
    if table == "study":
        alphabetic, ideographic, phonetic = name_groups(values[_NAME])
        row["patient_name_key"] = alphabetic
        row["patient_name_ideographic"] = ideographic
        row["patient_name_phonetic"] = phonetic
        row["patient_key"] = patient_key(values)
    return row
