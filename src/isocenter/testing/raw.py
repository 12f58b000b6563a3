"""PDUs, items, PDVs and command sets as bytes, laid out by hand.

Owns the writing half of the scripted peers. Everything can be made wrong on
purpose: lengths are arguments, values are taken as they are. Must not use the
package's own codecs (see `isocenter.testing`).

PS3.8 9.3, PS3.7 6.3.1 and D.3.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ABORT",
    "ASSOCIATE_AC",
    "ASSOCIATE_RJ",
    "ASSOCIATE_RQ",
    "P_DATA",
    "RELEASE_RP",
    "RELEASE_RQ",
    "Context",
    "abort",
    "ae_title",
    "associate_ac",
    "associate_rj",
    "associate_rq",
    "c_cancel_rq",
    "c_echo_rq",
    "c_echo_rsp",
    "c_store_rq",
    "c_store_rsp",
    "command_set",
    "context_ac",
    "context_rq",
    "final_rsp",
    "item",
    "message",
    "p_data",
    "pdu",
    "pdv",
    "release_rp",
    "release_rq",
    "ui",
    "us",
    "user_information",
]

ASSOCIATE_RQ = 0x01
ASSOCIATE_AC = 0x02
ASSOCIATE_RJ = 0x03
P_DATA = 0x04
RELEASE_RQ = 0x05
RELEASE_RP = 0x06
ABORT = 0x07

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.170142601"
"""What scripted peers announce: a UID that no implementation uses."""
IMPLEMENTATION_VERSION_NAME = "SCRIPTED_PEER"

NO_DATA_SET = 0x0101
"""Command Data Set Type of a message without data set (PS3.7 E.1)."""

_ROLE_SELECTION = 0x54
_MAXIMUM_LENGTH = 0x51


class Context(NamedTuple):
    """A presentation context to propose: id, abstract syntax, transfer syntaxes."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


def pdu(pdu_type: int, body: bytes, *, length: int | None = None) -> bytes:
    """Return a PDU; `length` in bytes replaces the true one where given (PS3.8 9.3)."""
    return struct.pack(">BxI", pdu_type, len(body) if length is None else length) + body


def item(item_type: int, body: bytes, *, length: int | None = None) -> bytes:
    """Return an item or sub-item; `length` in bytes replaces the true one (PS3.8 9.3)."""
    return struct.pack(">BxH", item_type, len(body) if length is None else length) + body


def ae_title(title: str | bytes) -> bytes:
    """Return a title field: text is space padded to 16, bytes are taken as they are."""
    return title if isinstance(title, bytes) else title.encode("latin-1").ljust(16)


def context_rq(context: Context) -> bytes:
    """Return a proposed presentation context item (PS3.8 9.3.2.2)."""
    body = struct.pack(">Bxxx", context.context_id) + item(0x30, context.abstract_syntax.encode())
    for syntax in context.transfer_syntaxes:
        body += item(0x40, syntax.encode())
    return item(0x20, body)


def context_ac(context_id: int, result: int, transfer_syntax: str) -> bytes:
    """Return an answered presentation context item (PS3.8 9.3.3.2)."""
    body = struct.pack(">BxBx", context_id, result) + item(0x40, transfer_syntax.encode())
    return item(0x21, body)


def role_selection(abstract_syntax: str, *, scu: int, scp: int) -> bytes:
    """Return an SCP/SCU role selection sub-item (PS3.7 D.3.3.4)."""
    uid = abstract_syntax.encode()
    return item(_ROLE_SELECTION, struct.pack(">H", len(uid)) + uid + bytes((scu, scp)))


def asynchronous_operations(invoked: int, performed: int) -> bytes:
    """Return an asynchronous operations window sub-item, 0 unlimited (PS3.7 D.3.3.3)."""
    return item(0x53, struct.pack(">HH", invoked, performed))


def user_information(
    *extra: bytes,
    maximum_length: int | None = 16384,
    implementation_class_uid: str | None = IMPLEMENTATION_CLASS_UID,
    implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME,
) -> bytes:
    """Return the user information item.

    Args:
        extra: encoded sub-items put at the end.
        maximum_length: bytes of P-DATA we receive, 0 unlimited, None leaves it out.
        implementation_class_uid: None leaves it out.
        implementation_version_name: None leaves it out.

    PS3.8 9.3.2.3, D.1.
    """
    body = b""
    if maximum_length is not None:
        body += item(_MAXIMUM_LENGTH, struct.pack(">I", maximum_length))
    if implementation_class_uid is not None:
        body += item(0x52, implementation_class_uid.encode())
    if implementation_version_name is not None:
        body += item(0x55, implementation_version_name.encode())
    return item(0x50, body + b"".join(extra))


def associate_rq(
    contexts: Iterable[Context],
    *,
    called: str | bytes = "ANY-SCP",
    calling: str | bytes = "SCRIPTED",
    protocol_version: int = 1,
    application_context: str = APPLICATION_CONTEXT,
    user: bytes | None = None,
) -> bytes:
    """Return an A-ASSOCIATE-RQ; `user` is a whole user information item (PS3.8 9.3.2)."""
    body = _associate_head(protocol_version, called, calling, application_context)
    body += b"".join(context_rq(context) for context in contexts)
    body += user_information() if user is None else user
    return pdu(ASSOCIATE_RQ, body)


def associate_ac(
    results: Iterable[tuple[int, int, str]],
    *,
    called: str | bytes = "ANY-SCP",
    calling: str | bytes = "SCRIPTED",
    application_context: str = APPLICATION_CONTEXT,
    user: bytes | None = None,
) -> bytes:
    """Return an A-ASSOCIATE-AC.

    Args:
        results: (context id, result, transfer syntax) each.
        called: reserved field, the echo of the request's title.
        calling: likewise.
        application_context: the name answered.
        user: a whole user information item.

    PS3.8 9.3.3.
    """
    body = _associate_head(1, called, calling, application_context)
    body += b"".join(context_ac(*result) for result in results)
    body += user_information() if user is None else user
    return pdu(ASSOCIATE_AC, body)


def _associate_head(
    version: int, called: str | bytes, calling: str | bytes, application_context: str
) -> bytes:
    """Return the fixed fields of an A-ASSOCIATE-RQ or -AC and the application context."""
    head = struct.pack(">Hxx", version) + ae_title(called) + ae_title(calling) + bytes(32)
    return head + item(0x10, application_context.encode())


def associate_rj(result: int, source: int, reason: int) -> bytes:
    """Return an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return pdu(ASSOCIATE_RJ, bytes((0, result, source, reason)))


def release_rq() -> bytes:
    """Return an A-RELEASE-RQ (PS3.8 9.3.6)."""
    return pdu(RELEASE_RQ, bytes(4))


def release_rp() -> bytes:
    """Return an A-RELEASE-RP (PS3.8 9.3.7)."""
    return pdu(RELEASE_RP, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    """Return an A-ABORT (PS3.8 9.3.8)."""
    return pdu(ABORT, bytes((0, 0, source, reason)))


def pdv(
    context_id: int, data: bytes, *, command: bool, last: bool, length: int | None = None
) -> bytes:
    """Return a PDV item; `length` in bytes replaces the true one (PS3.8 9.3.5.1, E.2)."""
    header = (1 if command else 0) | (2 if last else 0)
    true_length = len(data) + 2
    return struct.pack(">IBB", true_length if length is None else length, context_id, header) + data


def p_data(*pdvs: bytes) -> bytes:
    """Return a P-DATA-TF of the given PDV items (PS3.8 9.3.5)."""
    return pdu(P_DATA, b"".join(pdvs))


def us(value: int) -> bytes:
    """Return a value of VR US, 16 bits little endian (PS3.5 6.2)."""
    return struct.pack("<H", value)


def ui(uid: str) -> bytes:
    """Return a value of VR UI, NUL padded to an even length (PS3.5 6.2)."""
    value = uid.encode("latin-1")
    return value + b"\0" * (len(value) % 2)


def command_set(elements: Iterable[tuple[int, bytes]], *, group_length: int | None = None) -> bytes:
    """Return a command set in implicit VR little endian.

    Args:
        elements: (element number in group 0000, value) in the order to write.
        group_length: replaces the true value of (0000,0000), in bytes.

    PS3.7 6.3.1.
    """
    body = b"".join(
        struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements
    )
    length = len(body) if group_length is None else group_length
    return struct.pack("<HHII", 0, 0, 4, length) + body


def c_echo_rq(message_id: int = 1) -> bytes:
    """Return the command set of a C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return command_set(
        (
            (0x0002, ui("1.2.840.10008.1.1")),
            (0x0100, us(0x0030)),
            (0x0110, us(message_id)),
            (0x0800, us(NO_DATA_SET)),
        )
    )


def c_echo_rsp(message_id: int, status: int = 0) -> bytes:
    """Return the command set of a C-ECHO-RSP (PS3.7 9.3.5.2)."""
    return command_set(
        (
            (0x0002, ui("1.2.840.10008.1.1")),
            (0x0100, us(0x8030)),
            (0x0120, us(message_id)),
            (0x0800, us(NO_DATA_SET)),
            (0x0900, us(status)),
        )
    )


def c_store_rq(
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    *,
    data_set_type: int = 0x0001,
    priority: int = 0,
    extra: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """Return the command set of a C-STORE-RQ.

    Args:
        message_id: (0000,0110).
        sop_class_uid: (0000,0002).
        sop_instance_uid: (0000,1000), written as it is.
        data_set_type: (0000,0800), 0x0101 announces no data set.
        priority: (0000,0700).
        extra: further elements, put at the end.

    PS3.7 9.3.1.1.
    """
    return command_set(
        (
            (0x0002, ui(sop_class_uid)),
            (0x0100, us(0x0001)),
            (0x0110, us(message_id)),
            (0x0700, us(priority)),
            (0x0800, us(data_set_type)),
            (0x1000, ui(sop_instance_uid)),
            *extra,
        )
    )


def c_store_rsp(
    message_id: int, status: int, sop_class_uid: str = "", sop_instance_uid: str = ""
) -> bytes:
    """Return the command set of a C-STORE-RSP; empty UIDs are left out (PS3.7 9.3.1.2)."""
    elements = [
        (0x0100, us(0x8001)),
        (0x0120, us(message_id)),
        (0x0800, us(NO_DATA_SET)),
        (0x0900, us(status)),
    ]
    if sop_class_uid:
        elements.insert(0, (0x0002, ui(sop_class_uid)))
    if sop_instance_uid:
        elements.append((0x1000, ui(sop_instance_uid)))
    return command_set(elements)


def final_rsp(command_field: int, message_id: int, status: int = 0) -> bytes:
    """Return the last response to a request, without a data set and without counts.

    Args:
        command_field: of the request.
        message_id: of the request.
        status: to answer with.
    """
    return command_set(
        [
            (0x0100, us(command_field | 0x8000)),
            (0x0120, us(message_id)),
            (0x0800, us(0x0101)),
            (0x0900, us(status)),
        ]
    )


def c_cancel_rq(message_id: int) -> bytes:
    """Return the command set of a C-CANCEL-RQ (PS3.7 9.3.2.3)."""
    return command_set(((0x0100, us(0x0FFF)), (0x0120, us(message_id)), (0x0800, us(NO_DATA_SET))))


def message(
    context_id: int, command: bytes, data_set: bytes | None = None, *, maximum_length: int = 16384
) -> bytes:
    """Return the P-DATA-TF PDUs of a message, one PDV in each.

    Args:
        context_id: presentation context.
        command: the command set.
        data_set: the data set, None for a message without one.
        maximum_length: bytes of a PDU's variable field, 7 or more (PS3.8 D.1).

    PS3.8 9.3.5, annex E.
    """
    room = maximum_length - 6
    out = []
    for data, is_command in ((command, True), (data_set, False)):
        if data is None:
            continue
        for start in range(0, max(len(data), 1), room):
            part = data[start : start + room]
            last = start + room >= len(data)
            out.append(p_data(pdv(context_id, part, command=is_command, last=last)))
    return b"".join(out)
