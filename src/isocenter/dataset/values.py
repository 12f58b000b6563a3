"""The form of values: padding, white space, byte order.

Owns what normal mode makes of one value. Must not know elements around it. PS3.5 6.2, 7.3.
"""

from __future__ import annotations

from isocenter.dataset.edits import swap_units
from isocenter.dataset.vr import TEXT_VRS

__all__ = ["normalised", "swapped"]


def swapped(value: bytes, unit: int) -> bytes:
    """Return a value in the other byte order; a rest shorter than a unit stays as it is."""
    if unit == 1:
        return value
    whole = len(value) - len(value) % unit
    return swap_units(value[:whole], unit) + value[whole:]


def normalised(vr: bytes, raw: bytes) -> bytes:
    """Return a value in the form that DCMTK gives it; the same object where it has it.

    Text ends with one blank at most, to be even; a UID has no white space anywhere and ends
    with one NUL at most. Text of odd length, which is broken anyway, keeps what it has.
    """
    if vr == b"UI":
        new = b"".join(raw.rstrip(b"\0 ").split())
        if len(new) % 2:
            new += b"\0"
    elif vr in TEXT_VRS and not len(raw) % 2:
        new = raw.rstrip(b" ")
        if len(new) % 2:
            new += b" "
    else:
        return raw
    return raw if new == raw else new
