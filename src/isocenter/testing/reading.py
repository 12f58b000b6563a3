"""PDUs and command sets taken apart, for peers that look at what they are sent.

Owns the reading half of the scripted peers. Trusts its input as far as a test may:
a short or overrunning item raises `ValueError` or `struct.error`, which fails the
test. Must not use the package's own codecs (see `isocenter.testing`).

PS3.8 9.3, PS3.7 6.3.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AssociationFacts",
    "ContextFacts",
    "Pdv",
    "RawMessage",
    "RawPdu",
    "items",
    "parse_associate",
    "parse_command",
    "parse_pdvs",
]


class RawPdu(NamedTuple):
    """One PDU: its type byte and its body without the 6-byte header."""

    pdu_type: int
    body: bytes


class Pdv(NamedTuple):
    """One presentation data value: context id, kind, last flag, fragment."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: bytes


@dataclass(slots=True, frozen=True)
class RawMessage:
    """A whole DIMSE message.

    Attributes:
        context_id: the presentation context of all its fragments.
        command: element number of group 0000 to value.
        data_set: the data set's bytes, empty where none was announced.
        data_pdvs: how many PDVs carried the data set.
        longest_pdu: the longest P-DATA-TF body of the message, in bytes.
    """

    context_id: int
    command: dict[int, bytes]
    data_set: bytes
    data_pdvs: int
    longest_pdu: int

    def number(self, element: int) -> int:
        """Return an element of VR US; `KeyError` where it is absent."""
        value: int = struct.unpack("<H", self.command[element])[0]
        return value

    def text(self, element: int) -> str:
        """Return an element as text without padding, "" where it is absent."""
        return self.command.get(element, b"").decode("latin-1").rstrip("\0 ")


class ContextFacts(NamedTuple):
    """One presentation context of a request (result 0) or of an answer (abstract "")."""

    context_id: int
    result: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(slots=True)
class AssociationFacts:
    """What an A-ASSOCIATE-RQ or -AC says.

    Attributes:
        protocol_version: the bit field as it came.
        called, calling: the two title fields, 16 bytes each, as they came.
        application_context: the application context name.
        contexts: the presentation contexts in their order.
        user_items: (type, value) of the user information's sub-items in their order.
    """

    protocol_version: int
    called: bytes
    calling: bytes
    application_context: str = ""
    contexts: list[ContextFacts] = field(default_factory=list)
    user_items: list[tuple[int, bytes]] = field(default_factory=list)

    def user_item(self, item_type: int) -> bytes | None:
        """Return the value of the first sub-item of a type, None where there is none."""
        return next((value for kind, value in self.user_items if kind == item_type), None)

    @property
    def maximum_length(self) -> int | None:
        """Maximum length received in bytes, 0 unlimited, None not sent (PS3.8 D.1)."""
        value = self.user_item(0x51)
        return None if value is None else int.from_bytes(value, "big")

    @property
    def accepted(self) -> dict[int, str]:
        """Transfer syntax by id of the contexts that an answer accepts."""
        return {
            context.context_id: context.transfer_syntaxes[0]
            for context in self.contexts
            if context.result == 0
        }


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, value) of consecutive items; `ValueError` where one overruns."""
    offset = 0
    while offset < len(data):
        item_type, length = struct.unpack_from(">BxH", data, offset)
        end = offset + 4 + length
        if end > len(data):
            message = f"item {item_type:02x} at offset {offset} overruns its {len(data)} bytes"
            raise ValueError(message)
        yield item_type, data[offset + 4 : end]
        offset = end


def parse_associate(body: bytes) -> AssociationFacts:
    """Return what the body of an A-ASSOCIATE-RQ or -AC says (PS3.8 9.3.2, 9.3.3)."""
    facts = AssociationFacts(struct.unpack_from(">H", body)[0], body[4:20], body[20:36])
    for item_type, value in items(body[68:]):
        if item_type == 0x10:
            facts.application_context = value.decode("latin-1").rstrip("\0")
        elif item_type in (0x20, 0x21):
            facts.contexts.append(_context(value, answered=item_type == 0x21))
        elif item_type == 0x50:
            facts.user_items.extend(items(value))
    return facts


def _context(value: bytes, *, answered: bool) -> ContextFacts:
    """Return one presentation context item's facts.

    In a request the result's place is reserved; DCMTK writes ff there.
    """
    abstract_syntax = ""
    transfer_syntaxes = []
    for item_type, uid in items(value[4:]):
        if item_type == 0x30:
            abstract_syntax = uid.decode("latin-1").rstrip("\0")
        elif item_type == 0x40:
            transfer_syntaxes.append(uid.decode("latin-1").rstrip("\0"))
    result = value[2] if answered else 0
    return ContextFacts(value[0], result, abstract_syntax, tuple(transfer_syntaxes))


def parse_pdvs(body: bytes) -> list[Pdv]:
    """Return the PDVs of a P-DATA-TF body; `ValueError` where one overruns (PS3.8 9.3.5)."""
    pdvs = []
    offset = 0
    while offset < len(body):
        length, context_id, header = struct.unpack_from(">IBB", body, offset)
        end = offset + 4 + length
        if end > len(body):
            message = f"PDV at offset {offset} overruns its PDU of {len(body)} bytes"
            raise ValueError(message)
        pdvs.append(Pdv(context_id, bool(header & 1), bool(header & 2), body[offset + 6 : end]))
        offset = end
    return pdvs


def parse_command(data: bytes) -> dict[int, bytes]:
    """Return element number to value of a command set (PS3.7 6.3.1)."""
    elements = {}
    offset = 0
    while offset < len(data):
        group, element, length = struct.unpack_from("<HHI", data, offset)
        end = offset + 8 + length
        if group or end > len(data):
            message = f"element ({group:04x},{element:04x}) at offset {offset} is not a command's"
            raise ValueError(message)
        elements[element] = data[offset + 8 : end]
        offset = end
    return elements
