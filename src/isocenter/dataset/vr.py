"""Value Representations by what has to be done with them.

Owns the classes of VRs that encoding depends on: form of the length field, padding, word
size, character set, and the markers that stand for a VR which the data dictionary leaves
open. Must not know tags, nor how a marker is resolved: that takes other elements.

VRs are two upper-case bytes, markers two lower-case ones, so they are never mistaken for
each other.

PS3.5 6.2 (VRs), 7.1.2 (length fields), 7.3 (byte order), 6.1.2 (character repertoires).
"""

from __future__ import annotations

from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALL_VRS",
    "CHARACTER_SET_VRS",
    "FOREIGN_VRS",
    "LONG_VRS",
    "MARKERS",
    "NO_VR",
    "OB_OR_OW",
    "SHORT_VRS",
    "TEXT_VRS",
    "US_OR_OW",
    "US_OR_SS",
    "WORD_SIZES",
    "padding_of",
]

ALL_VRS = SHORT_VRS | LONG_VRS
"""Every VR of PS3.5 6.2."""

US_OR_SS = b"xs"
"""US, or SS where Pixel Representation (0028,0103) is 1 (PS3.3 C.7.6.3)."""

OB_OR_OW = b"ox"
"""OB or OW: pixel, overlay, curve, audio and waveform data (PS3.5 8 and annex A). In implicit
VR the value is OW, little endian (PS3.5 A.1)."""

US_OR_OW = b"lt"
"""Look-up table data: US, SS or OW; OW where a value of 16-bit words does not fit the 16-bit
length of US and SS (PS3.3 C.11.1)."""

NO_VR = b"na"
"""Item and delimiters, (fffe,e000), (fffe,e00d), (fffe,e0dd): they have no VR (PS3.5 7.5)."""

MARKERS = frozenset({US_OR_SS, OB_OR_OW, US_OR_OW, NO_VR})
"""What a dictionary answers where it leaves the VR to the caller; spelt as in DCMTK's files."""

TEXT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT".split())
"""VRs whose value is text, padded to even length with a blank (PS3.5 6.2). UI is text as well,
but padded with NUL, and not among them."""

CHARACTER_SET_VRS = frozenset(b"LO LT PN SH ST UC UT".split())
"""VRs whose text is in the character set of (0008,0005) (PS3.5 6.1.2.3)."""

WORD_SIZES: Mapping[bytes, int] = {
    **dict.fromkeys(ALL_VRS, 1),
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), 2),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""Bytes that change places together between the byte orders; 1 where none do.

Covers every VR, no marker. AT is a pair of 16-bit words; the value of SQ is items, whose
headers and elements are swapped one by one; UN is always little endian (PS3.5 7.3, 6.2.2).
"""


def padding_of(vr: bytes) -> bytes:
    """Return the byte that fills up a value of odd length: a blank for text, else NUL.

    PS3.5 6.2.
    """
    return b" " if vr in TEXT_VRS else b"\0"


FOREIGN_VRS = {b"ox": b"OB", b"px": b"OW", b"lt": b"OW", b"xs": b"US", b"up": b"UL"}
"""Markers of DCMTK's that got into files, and what they stand for."""
