"""The form of values: padding, white space, byte order; and of headers.

Owns what normal mode makes of one value, and how a header is written. Must not know elements around
it. PS3.5 6.2, 7.3.
"""

from __future__ import annotations

from isocenter.dataset.edits import swap_units
from isocenter.dataset.vr import SHORT_VRS, TEXT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.scan import Encoding

__all__ = ["header_of", "normalised", "swapped"]


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


def header_of(encoding: Encoding, tag: int, vr: bytes, length: int) -> bytes:
    """Return the header of an element in an encoding (PS3.5 7.1.2)."""
    group, element = tag >> 16, tag & 0xFFFF
    if not encoding.explicit or not vr:  # an item or a delimiter
        return encoding.pack_plain(group, element, length)
    if vr in SHORT_VRS:
        return encoding.pack_short(group, element, vr, length)
    return encoding.pack_long(group, element, vr, length)
