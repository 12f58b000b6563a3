"""UIDs by the names that DCMTK's configuration files use.

Owns the rule by which a word of such a file becomes a UID, and names of older releases. The
names themselves are those of `isocenter.uids`. Loaded by tools that read such a file only.

Source: DCMTK 3.7.0's UID name table; its 3.6.7 for the older names.
"""

from __future__ import annotations

import sys

from isocenter import uids

__all__ = ["LOCAL_ENDIAN", "OPPOSITE_ENDIAN", "UidNames"]

_BY_ORDER = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_BIG_ENDIAN)

LOCAL_ENDIAN, OPPOSITE_ENDIAN = _BY_ORDER if sys.byteorder == "little" else _BY_ORDER[::-1]
"""Explicit VR in the byte order of this machine, and in the other one."""

_OTHERS = {
    "LocalEndianExplicit": LOCAL_ENDIAN,
    "OppositeEndianExplicit": OPPOSITE_ENDIAN,
    # Called otherwise up to 3.6.7; files written for it go on to work.
    "ImplantationPlanSRDocumentStorage": "1.2.840.10008.5.1.4.1.1.88.70",
    "RFC2557MIMEEncapsulation": "1.2.840.10008.1.2.6.1",
    "SRI24FrameOfReferenc": "1.2.840.10008.1.4.4.1",
    "StandardRoboticCoordinateSystemFrameOfReference": "1.2.840.10008.1.4.3.2",
    "XMLEncoding": "1.2.840.10008.1.2.6.2",
}


class UidNames:
    """The names, turned round once; case counts."""

    __slots__ = ("_uids",)

    def __init__(self) -> None:
        """Build the table: 500 names, half a millisecond."""
        names = {name: uid for uid, name in uids.OTHER_NAMES.items()}
        names |= {syntax.name: uid for uid, syntax in uids.TRANSFER_SYNTAXES.items()}
        names |= {known.keyword: uid for uid, known in uids.SOP_CLASSES.items()}
        self._uids = names | _OTHERS

    def uid_of(self, word: str) -> str:
        """Return the UID that a word stands for; the word itself where it names none.

        A word that begins with a digit is a UID already. An ``=`` may stand before a name.
        """
        if word[:1] in "0123456789":
            return word
        return self._uids.get(word.removeprefix("="), word)
