"""PDUs as two tools sent them, brought to a form in which they can be compared byte for byte.

Left out is only what names the implementation: the values of its class UID and version name,
and the lengths that follow from them; what differs besides has a row in OTHERWISE.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from isocenter.testing import raw
from isocenter.testing.reading import parse_command, parse_pdvs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isocenter.testing import RawPdu
    from isocenter.testing.reading import Pdv

__all__ = ["OTHERWISE", "described", "flow"]

OTHERWISE = (
    (
        "third byte of a proposed presentation context",
        "ff",
        "00",
        "reserved: to be sent as 00 (PS3.8 9.3.2.2)",
    ),
    (
        "Error Comment (0000,0902) of a C-STORE response with a failure",
        "none",
        "the reason in words",
        "the sender's log says what was wrong",
    ),
)
"""What differs in what is sent: (field, DCMTK's, ours, why)."""

_ERROR_COMMENT = 0x0902

_NAMES = {0x52: "implementation class UID", 0x55: "implementation version name"}


def _items(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, reserved byte, value) of consecutive items."""
    offset = 0
    while offset < len(data):
        kind, reserved, length = struct.unpack_from(">BBH", data, offset)
        yield kind, reserved, data[offset + 4 : offset + 4 + length]
        offset += 4 + length


def _item_lines(data: bytes, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for kind, reserved, value in _items(data):
        head = f"{indent}{kind:02x} {reserved:02x}"
        if kind in (0x20, 0x21):
            fixed = bytearray(value[:4])
            if kind == 0x20 and fixed[2] == 0xFF:
                fixed[2] = 0  # OTHERWISE
            yield f"{head} context {fixed.hex(' ')}"
            yield from _item_lines(value[4:], depth + 1)
        elif kind == 0x50:
            yield f"{head} user information"
            yield from _item_lines(value, depth + 1)
        elif kind in _NAMES:
            yield f"{head} {_NAMES[kind]}"
        elif kind in (0x10, 0x30, 0x40):
            yield f"{head} {value.decode('latin-1')!r}"
        else:
            yield f"{head} {value.hex(' ')}"


def _fragment(pdv: Pdv) -> str:
    """Return the bytes; of a command with an error comment what is left without it."""
    data = pdv.fragment
    if pdv.is_command and pdv.is_last:
        elements = parse_command(data)
        comment = elements.pop(_ERROR_COMMENT, None)
        if comment is not None:
            length = int.from_bytes(elements.pop(0), "little") - 8 - len(comment)
            data = raw.command_set(elements.items(), group_length=length)
    return data.hex(" ")


def described(pdu: RawPdu) -> list[str]:
    """Return every byte of a PDU as lines of text, but for what names the implementation."""
    if pdu.pdu_type in (raw.ASSOCIATE_RQ, raw.ASSOCIATE_AC):
        lines = [f"{pdu.pdu_type:02x} {pdu.body[:68].hex(' ')}"]
        lines.extend(_item_lines(pdu.body[68:], 1))
        return lines
    if pdu.pdu_type == raw.P_DATA:
        return [
            f"04 {pdv.context_id} {'command' if pdv.is_command else 'data'}"
            f"{' last' if pdv.is_last else ''} {_fragment(pdv)}"
            for pdv in parse_pdvs(pdu.body)
        ]
    return [f"{pdu.pdu_type:02x} {pdu.body.hex(' ')}"]


def flow(pdus: Iterable[RawPdu]) -> list[str]:
    """Return the lines of several PDUs; how PDVs are put into PDUs is left out (PS3.8 E.2)."""
    return [line for pdu in pdus for line in described(pdu)]
