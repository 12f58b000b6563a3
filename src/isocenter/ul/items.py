"""What all items of the association PDUs share: header, UIDs, reading and writing.

Owns the reader that counts items against the limits on what a peer may make this side allocate
for an association PDU (`isocenter.limits`), and the writers of an item's header and of its
elementary fields. Knows nothing of what any item means.

PS3.8 9.3.1, annex F.
"""

from __future__ import annotations

import struct

from isocenter.errors import PduDecodeError
from isocenter.limits import Limits
from isocenter.ul.pdu import AbortReason
from isocenter.wire import Cursor

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = [
    "ITEM_HEADER_LENGTH",
    "PDU_HEADER_LENGTH",
    "ItemReader",
    "Limits",
    "counted",
    "is_uid",
    "item",
    "u8",
    "u16",
    "u32",
    "uid_bytes",
]

PDU_HEADER_LENGTH = 6
"""Bytes of type, reserved byte and length before the body of every PDU (PS3.8 9.3.1)."""

ITEM_HEADER_LENGTH = 4
"""Bytes of type, reserved byte and length before the value of every item (PS3.8 9.3.2)."""

_UID_LENGTH = 64
"""Longest UID that the standard allows, in characters (PS3.5 9.1)."""

_UID_CHARACTERS = "0123456789."

_ITEM = struct.Struct(">BBH")
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")


def u8(value: int) -> int:
    """Return a number that fits into one byte.

    Raises:
        ValueError: it does not.
    """
    if not 0 <= value <= 0xFF:
        raise ValueError(f"{value} does not fit into one byte")
    return value


def u16(value: int) -> bytes:
    """Return a 16-bit big-endian number.

    Raises:
        ValueError: it does not fit.
    """
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"{value} does not fit into two bytes")
    return _U16.pack(value)


def u32(value: int) -> bytes:
    """Return a 32-bit big-endian number.

    Raises:
        ValueError: it does not fit.
    """
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"{value} does not fit into four bytes")
    return _U32.pack(value)


def is_uid(uid: str) -> bool:
    """Tell whether `uid` is 1 to 64 digits and dots; how they are grouped is not tested.

    PS3.5 9.1.
    """
    return 0 < len(uid) <= _UID_LENGTH and not uid.strip(_UID_CHARACTERS)


def uid_bytes(uid: str) -> bytes:
    """Return a UID as it stands on the wire: unpadded.

    Raises:
        ValueError: it is not 1 to 64 digits and dots.

    PS3.5 9.1, PS3.8 annex F.
    """
    if not is_uid(uid):
        raise ValueError(f"{uid!r} is not a UID")
    return uid.encode("ascii")


def counted(data: bytes) -> bytes:
    """Return `data` behind its 16-bit length.

    Raises:
        ValueError: it is longer than 65535 bytes.
    """
    if len(data) > 0xFFFF:
        raise ValueError(f"{len(data)} bytes do not fit behind a 16-bit length")
    return _U16.pack(len(data)) + data


def item(item_type: int, value: bytes, second_byte: int = 0) -> bytes:
    """Return an item; its second byte is reserved but for one sub-item's version.

    Raises:
        ValueError: the value is longer than 65535 bytes, or a byte is none.

    PS3.8 9.3.2, PS3.7 D.3.3.6.
    """
    if len(value) > 0xFFFF:
        raise ValueError(f"item 0x{item_type:02x} would be {len(value)} bytes, 65535 fit")
    return _ITEM.pack(u8(item_type), u8(second_byte), len(value)) + value


class ItemReader(Cursor):
    """A cursor over a PDU body that counts items and knows the limits."""

    __slots__ = ("_items", "limits")

    def __init__(self, data: Buffer, *, pdu: str, limits: Limits) -> None:
        super().__init__(data, pdu=pdu)
        self.limits = limits
        self._items = 0

    def error(
        self, field: str, expected: str, found: str, abort_reason: int | None = None
    ) -> PduDecodeError:
        """Build the error for `field` at the present offset, counted from the PDU's first byte."""
        return PduDecodeError(
            self.pdu,
            field,
            offset=self.offset + PDU_HEADER_LENGTH,
            expected=expected,
            found=found,
            abort_reason=abort_reason,
        )

    def unexpected(self, field: str, expected: str, found: str) -> PduDecodeError:
        """Build the error for an item that may not stand here."""
        return self.error(field, expected, found, AbortReason.UNEXPECTED_PDU_PARAMETER)

    def count(self) -> None:
        """Count one more item, sub-item or listed UID against the limit."""
        self._items += 1
        if self._items > self.limits.maximum_items:
            raise self.error("items", f"at most {self.limits.maximum_items}", "more")

    def item_header(self) -> tuple[int, int, int]:
        """Read an item's type, second byte and length."""
        self.count()
        if self.remaining >= ITEM_HEADER_LENGTH:
            item_type, second_byte, length = self.unpack(_ITEM, "item header")
            return item_type, second_byte, length
        item_type = self.uint8("item type")
        second_byte = self.uint8("item reserved")
        return item_type, second_byte, self.uint16("item length")

    def uid(self, size: int, field: str) -> str:
        """Read a UID of `size` bytes without its padding; one character per byte."""
        start = self.offset
        # NULs and spaces are the padding that peers use; PS3.8 annex F asks for none.
        uid = self.text(size, field).strip(" \0")
        if len(uid) > self.limits.maximum_uid_length:
            self.offset = start
            maximum = self.limits.maximum_uid_length
            raise self.error(field, f"at most {maximum} characters", str(len(uid)))
        return uid

    def counted_uid(self, field: str) -> str:
        """Read a UID behind its 16-bit length."""
        return self.uid(self.uint16(f"{field} length"), field)
