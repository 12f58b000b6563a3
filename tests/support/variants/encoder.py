"""Elements, items and sequences in one of the uncompressed syntaxes, right or wrong on purpose.

Values are given in little endian and turned for big endian, so that one list of cases serves
every syntax. Lengths, VRs and header forms can be made to lie.

PS3.5 7.1, 7.5.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = [
    "DEFLATED",
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "LONG_VRS",
    "RLE",
    "SOP_CLASS_UID",
    "UNDEFINED",
    "Case",
    "Encoder",
    "Variant",
]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture: every receiver knows it."""
UNDEFINED = 0xFFFFFFFF

LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
"""VRs with a 32-bit length (PS3.5 7.1.2)."""
_UNITS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""Bytes that big endian turns round, by VR."""


class Case(NamedTuple):
    """What is in one data set.

    Fields: `name`; `body` comes behind SOP Class and Instance UID, `head` before them;
    `whole` instead of all three, with no UID added.
    """

    name: str
    body: bytes = b""
    head: bytes = b""
    whole: bytes | None = None

    def data_set(self, encoder: Encoder, uid: str) -> bytes:
        """Return the bytes of the data set of an instance, of even length."""
        data = self.whole
        if data is None:
            data = self.head + encoder.uids(uid) + self.body
        if len(data) % 2:
            # An element of odd length: a fragment of odd length is another subject.
            data += encoder.element(0xFFFB0010, "LO", b"X")
        return data


class Encoder(NamedTuple):
    """The syntax to write in."""

    transfer_syntax: str

    @property
    def explicit(self) -> bool:
        """Whether elements have a VR."""
        return self.transfer_syntax != IMPLICIT_LITTLE

    @property
    def order(self) -> str:
        """`struct`'s letter for the byte order."""
        return ">" if self.transfer_syntax == EXPLICIT_BIG else "<"

    def element(
        self,
        tag: int,
        vr: str,
        value: bytes = b"",
        *,
        length: int | None = None,
        long: bool | None = None,
        raw: bool = False,
    ) -> bytes:
        """Return one element.

        Args:
            tag: 0xGGGGEEEE.
            vr: two letters, any; left out in implicit VR.
            value: in little endian.
            length: replaces the true one, in bytes.
            long: the header's form, where it is not what the VR asks for.
            raw: `value` is in the syntax's own byte order.
        """
        order = self.order
        if not raw:
            value = self.turned(vr, value)
        size = len(value) if length is None else length
        head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return head + struct.pack(order + "I", size) + value
        head += vr.encode("latin-1")
        if vr in LONG_VRS if long is None else long:
            return head + struct.pack(order + "HI", 0, size) + value
        return head + struct.pack(order + "H", size) + value

    def turned(self, vr: str, value: bytes) -> bytes:
        """Return a little endian value in this byte order; what is left over stays."""
        unit = _UNITS.get(vr, 1)
        if self.order == "<" or unit == 1:
            return value
        whole = len(value) - len(value) % unit
        parts = [value[start : start + unit][::-1] for start in range(0, whole, unit)]
        return b"".join(parts) + value[whole:]

    def tag(self, tag: int, length: int = 0) -> bytes:
        """Return a tag of group FFFE with its length: an item or a delimiter."""
        return struct.pack(self.order + "HHI", tag >> 16, tag & 0xFFFF, length)

    def item(self, *elements: bytes, undefined: bool = False) -> bytes:
        """Return an item of the given elements."""
        body = b"".join(elements)
        if undefined:
            return self.tag(0xFFFEE000, UNDEFINED) + body + self.tag(0xFFFEE00D)
        return self.tag(0xFFFEE000, len(body)) + body

    def sequence(self, tag: int, *items: bytes, undefined: bool = False, vr: str = "SQ") -> bytes:
        """Return a sequence of the given items."""
        body = b"".join(items)
        if undefined:
            body += self.tag(0xFFFEE0DD)
            return self.element(tag, vr, body, length=UNDEFINED, raw=True)
        return self.element(tag, vr, body, raw=True)

    def uids(self, uid: str) -> bytes:
        """Return SOP Class and SOP Instance UID."""
        return b"".join(
            self.element(tag, "UI", value.encode() + b"\0" * (len(value) % 2))
            for tag, value in ((0x00080016, SOP_CLASS_UID), (0x00080018, uid))
        )


class Variant(NamedTuple):
    """One data set.

    Fields: `name`, unique, beginning with the letter of its syntax; the `transfer_syntax`
    UID; the `sop_class_uid` and `sop_instance_uid` to request with; the `data_set` as it
    goes over the wire, of even length.
    """

    name: str
    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    data_set: bytes
