"""Association PDUs to bytes and back: every PDU of the Upper Layer but P-DATA-TF.

Owns the wire layout of the PDUs and of their items; `items` has what all items share and
the limits, `userinfo` the sub-items of the user information. Knows nothing of states,
policies or connections; what a PDU means is decided elsewhere. P-DATA-TF lives in `pdata`.

What is sent is strict: UIDs of digits and dots, 1 to 64 characters, no padding; items in
ascending order of type. What is received is tolerated as follows, and nothing beyond it:

* UIDs and names of odd length, UIDs padded with NULs or spaces, UIDs longer than 64
  characters up to a limit, UIDs with illegal characters (they match nothing).
* Reserved fields with any value: never tested, as the standard says, and not kept.
* Items of unknown type: ignored (9.3.1); inside the user information they are kept.
* Items in any order, user information in several items (their sub-items add up).
* An item, a sub-item or a UID of length zero carries nothing and counts as absent.
* A missing item: the field keeps its neutral value ("", (), None); negotiation decides.
* A repeated item with one value: the last counts. Where the order would decide what
  a data set or a user *is* (abstract syntax of a context, transfer syntax of an accepted
  context, user identity) a repetition is an error, unexpected parameter.
* User information sub-items in the PDU they do not belong to: read, and left to whoever looks.
* Role and positive-response bytes other than 0 and 1: read as 0.
* Implementation version names longer than 16 characters.
* The transfer syntax of a context that was not accepted: not significant (9.3.3.2), so
  it may be absent, empty or nonsense.

Every other deviation is one `PduDecodeError` whose `abort_reason` is what A-ABORT carries:
1 unrecognized PDU type, 5 an item where it may not stand, 6 everything else (a length that
overruns or falls short, a limit). 4 is never used: unknown items are to be ignored.

PS3.8 9.3, annex D; PS3.7 D.3.3.
"""

from __future__ import annotations

import struct

from isocenter import aetitle
from isocenter.errors import PduDecodeError
from isocenter.record import Record
from isocenter.ul.items import (
    ITEM_HEADER_LENGTH,
    PDU_HEADER_LENGTH,
    ItemReader,
    Limits,
    item,
    u8,
    uid_bytes,
)
from isocenter.ul.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AbortReason,
    AReleaseRP,
    AReleaseRQ,
    ContextResult,
    PduType,
    PresentationContext,
    PresentationContextResult,
)
from isocenter.ul.userinfo import UserInformationReader, encode_user_information

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from isocenter.ul.pdu import Pdu
    from isocenter.wire import Buffer

__all__ = ["PDU_HEADER_LENGTH", "Limits", "check_header", "decode", "encode"]

_FIXED_BODY_LENGTH = 4
"""Length field of A-ASSOCIATE-RJ, A-RELEASE-RQ, A-RELEASE-RP and A-ABORT (PS3.8 9.3.4 to 9.3.8)."""

# Item and sub-item types (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 D.3.3).
_APPLICATION_CONTEXT = 0x10
_PRESENTATION_CONTEXT_RQ = 0x20
_PRESENTATION_CONTEXT_AC = 0x21
_ABSTRACT_SYNTAX = 0x30
_TRANSFER_SYNTAX = 0x40
_USER_INFORMATION = 0x50

_NAMES = {
    PduType.A_ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    PduType.A_ASSOCIATE_AC: "A-ASSOCIATE-AC",
    PduType.A_ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    PduType.P_DATA_TF: "P-DATA-TF",
    PduType.A_RELEASE_RQ: "A-RELEASE-RQ",
    PduType.A_RELEASE_RP: "A-RELEASE-RP",
    PduType.A_ABORT: "A-ABORT",
}

_HEADER = struct.Struct(">BxI")
_ITEM = struct.Struct(">BBH")
_ASSOCIATE = struct.Struct(">H2x16s16s32x")


# --- encoding -------------------------------------------------------------------------------


def encode(pdu: Pdu) -> bytes:
    """Return a whole PDU, its 6-byte header included.

    Raises:
        ValueError: a value has no place in its field: a UID that is none, a number that
            does not fit, a title outside Latin-1, an item longer than 65535 bytes.

    PS3.8 9.3.2 to 9.3.4, 9.3.6 to 9.3.8.
    """
    match pdu:
        case AAssociateRQ():
            contexts = [_context_rq(context) for context in pdu.presentation_contexts]
            return _pdu(PduType.A_ASSOCIATE_RQ, _associate(pdu, contexts))
        case AAssociateAC():
            contexts = [_context_ac(context) for context in pdu.presentation_contexts]
            return _pdu(PduType.A_ASSOCIATE_AC, _associate(pdu, contexts))
        case AAssociateRJ():
            body = bytes((0, u8(pdu.result), u8(pdu.source), u8(pdu.reason)))
            return _pdu(PduType.A_ASSOCIATE_RJ, body)
        case AReleaseRQ():
            return _pdu(PduType.A_RELEASE_RQ, bytes(_FIXED_BODY_LENGTH))
        case AReleaseRP():
            return _pdu(PduType.A_RELEASE_RP, bytes(_FIXED_BODY_LENGTH))
        case AAbort():
            return _pdu(PduType.A_ABORT, bytes((0, 0, u8(pdu.source), u8(pdu.reason))))


def _pdu(pdu_type: PduType, body: bytes) -> bytes:
    return _HEADER.pack(pdu_type, len(body)) + body


def _associate(pdu: AAssociateRQ | AAssociateAC, contexts: Iterable[bytes]) -> bytes:
    """Return the body that request and acceptance share (PS3.8 9.3.2, 9.3.3)."""
    if not 0 <= pdu.protocol_version <= 0xFFFF:
        raise ValueError(f"protocol version {pdu.protocol_version} does not fit into two bytes")
    fixed = _ASSOCIATE.pack(
        pdu.protocol_version,
        aetitle.encode(pdu.called_ae_title),
        aetitle.encode(pdu.calling_ae_title),
    )
    application_context = item(_APPLICATION_CONTEXT, uid_bytes(pdu.application_context_name))
    user_information = item(_USER_INFORMATION, encode_user_information(pdu.user_information))
    return b"".join((fixed, application_context, *contexts, user_information))


def _context_rq(context: PresentationContext) -> bytes:
    """Return a proposed presentation context item (PS3.8 9.3.2.2)."""
    parts = [bytes((u8(context.context_id), 0, 0, 0))]
    parts.append(item(_ABSTRACT_SYNTAX, uid_bytes(context.abstract_syntax)))
    parts += (item(_TRANSFER_SYNTAX, uid_bytes(uid)) for uid in context.transfer_syntaxes)
    return item(_PRESENTATION_CONTEXT_RQ, b"".join(parts))


def _context_ac(context: PresentationContextResult) -> bytes:
    """Return an answered presentation context item (PS3.8 9.3.3.2).

    A refused context may be without a transfer syntax; then the sub-item is left out.
    """
    fixed = bytes((u8(context.context_id), 0, u8(context.result), 0))
    if not context.transfer_syntax and context.result != ContextResult.ACCEPTANCE:
        return item(_PRESENTATION_CONTEXT_AC, fixed)
    syntax = item(_TRANSFER_SYNTAX, uid_bytes(context.transfer_syntax))
    return item(_PRESENTATION_CONTEXT_AC, fixed + syntax)


# --- decoding -------------------------------------------------------------------------------


def check_header(pdu_type: int, length: int, limits: Limits) -> None:
    """Check the header of a PDU before any of its body is kept.

    Args:
        pdu_type: the first byte of the PDU.
        length: its length field, bytes after the 6-byte header.
        limits: what this side will allocate.

    P-DATA-TF passes with any length; `pdata` has its own rules.

    Raises:
        PduDecodeError: the type is none of the seven (reason 1), an association PDU is longer
            than `limits.maximum_association_pdu_length`, or a PDU of fixed length has another.

    PS3.8 9.3.1.
    """
    if pdu_type not in _NAMES:
        raise PduDecodeError(
            "PDU",
            "PDU type",
            offset=0,
            expected="1 to 7",
            found=f"0x{pdu_type:02x}",
            abort_reason=AbortReason.UNRECOGNIZED_PDU,
        )
    if pdu_type in (PduType.A_ASSOCIATE_RQ, PduType.A_ASSOCIATE_AC):
        maximum = limits.maximum_association_pdu_length
        if length > maximum:
            raise PduDecodeError(
                _NAMES[PduType(pdu_type)],
                "PDU length",
                offset=2,
                expected=f"at most {maximum}",
                found=str(length),
            )
    elif pdu_type != PduType.P_DATA_TF and length != _FIXED_BODY_LENGTH:
        raise PduDecodeError(
            _NAMES[PduType(pdu_type)],
            "PDU length",
            offset=2,
            expected=str(_FIXED_BODY_LENGTH),
            found=str(length),
        )


def decode(pdu_type: int, body: Buffer, limits: Limits) -> Pdu:
    """Return the PDU whose body (all of it, without the 6-byte header) is given.

    Nothing of `body` is referred to afterwards. Offsets in errors count from the first byte
    of the PDU, header included.

    Raises:
        PduDecodeError: the type is unknown or P-DATA-TF, or the body breaks a rule or a limit.

    PS3.8 9.3.2 to 9.3.4, 9.3.6 to 9.3.8.
    """
    check_header(pdu_type, len(body), limits)
    reader = ItemReader(body, pdu=_NAMES[PduType(pdu_type)], limits=limits)
    match pdu_type:
        case PduType.A_ASSOCIATE_RQ:
            return _decode_rq(reader)
        case PduType.A_ASSOCIATE_AC:
            return _decode_ac(reader)
        case PduType.A_ASSOCIATE_RJ:
            reader.skip(1, "reserved")
            result, source = reader.uint8("Result"), reader.uint8("Source")
            return AAssociateRJ(result=result, source=source, reason=reader.uint8("Reason/Diag."))
        case PduType.A_RELEASE_RQ:
            return AReleaseRQ()
        case PduType.A_RELEASE_RP:
            return AReleaseRP()
        case PduType.A_ABORT:
            reader.skip(2, "reserved")
            source = reader.uint8("Source")
            return AAbort(source=source, reason=reader.uint8("Reason/Diag."))
        case _:
            raise reader.error(
                "PDU type", "an association PDU", "P-DATA-TF", AbortReason.UNEXPECTED_PDU
            )


class _Common(Record, frozen=False, kw_only=False):
    """What the fixed fields of a request or an acceptance say (PS3.8 9.3.2, 9.3.3)."""

    protocol_version: int
    called_ae_title: str
    calling_ae_title: str
    application_context_name: str = ""


def _read_fixed(reader: ItemReader) -> _Common:
    version = reader.uint16("Protocol-version")
    reader.skip(2, "reserved")
    called = aetitle.decode(reader.take(aetitle.AE_TITLE_LENGTH, "Called-AE-title"))
    calling = aetitle.decode(reader.take(aetitle.AE_TITLE_LENGTH, "Calling-AE-title"))
    reader.skip(32, "reserved")
    return _Common(version, called, calling)


def _decode_rq(reader: ItemReader) -> AAssociateRQ:
    """Read the body of a request (PS3.8 9.3.2)."""
    common = _read_fixed(reader)
    contexts: list[PresentationContext] = []
    info = UserInformationReader(reader)

    def context() -> None:
        _check_context_count(reader, len(contexts))
        contexts.append(_read_context_rq(reader))

    _read_items(reader, common, info, context_type=_PRESENTATION_CONTEXT_RQ, read_context=context)
    return AAssociateRQ(
        called_ae_title=common.called_ae_title,
        calling_ae_title=common.calling_ae_title,
        presentation_contexts=tuple(contexts),
        user_information=info.result(),
        application_context_name=common.application_context_name,
        protocol_version=common.protocol_version,
    )


def _decode_ac(reader: ItemReader) -> AAssociateAC:
    """Read the body of an acceptance (PS3.8 9.3.3)."""
    common = _read_fixed(reader)
    contexts: list[PresentationContextResult] = []
    info = UserInformationReader(reader)

    def context() -> None:
        _check_context_count(reader, len(contexts))
        contexts.append(_read_context_ac(reader))

    _read_items(reader, common, info, context_type=_PRESENTATION_CONTEXT_AC, read_context=context)
    return AAssociateAC(
        called_ae_title=common.called_ae_title,
        calling_ae_title=common.calling_ae_title,
        presentation_contexts=tuple(contexts),
        user_information=info.result(),
        application_context_name=common.application_context_name,
        protocol_version=common.protocol_version,
    )


def _check_context_count(reader: ItemReader, present: int) -> None:
    maximum = reader.limits.maximum_presentation_contexts
    if present >= maximum:
        raise reader.error("presentation contexts", f"at most {maximum}", "more")


def _read_items(
    reader: ItemReader,
    common: _Common,
    info: UserInformationReader,
    *,
    context_type: int,
    read_context: Callable[[], None],
) -> None:
    """Read the variable items of a request or an acceptance to the end of the PDU."""
    while reader.remaining:
        item_type, _, length = reader.item_header()
        with reader.restrict_to(length, f"item 0x{item_type:02x}"):
            if item_type in (_PRESENTATION_CONTEXT_RQ, _PRESENTATION_CONTEXT_AC):
                if item_type != context_type:
                    raise reader.unexpected(
                        "item type", f"0x{context_type:02x}", f"0x{item_type:02x}"
                    )
                if length:
                    read_context()
            elif item_type == _APPLICATION_CONTEXT:
                common.application_context_name = reader.uid(length, "Application-context-name")
            elif item_type == _USER_INFORMATION:
                info.read()
            else:
                reader.skip(length, "unknown item")


def _read_context_rq(reader: ItemReader) -> PresentationContext:
    """Read the value of a proposed context (PS3.8 9.3.2.2)."""
    context_id = reader.uint8("Presentation-context-ID")
    reader.skip(3, "reserved")
    abstract_syntax: str | None = None
    transfer_syntaxes: list[str] = []
    while reader.remaining:
        item_type, _, length = reader.item_header()
        with reader.restrict_to(length, f"sub-item 0x{item_type:02x}"):
            if item_type == _ABSTRACT_SYNTAX:
                if abstract_syntax is not None:
                    raise reader.unexpected("Abstract-syntax", "one sub-item", "a second")
                abstract_syntax = reader.uid(length, "Abstract-syntax-name")
            elif item_type == _TRANSFER_SYNTAX:
                maximum = reader.limits.maximum_transfer_syntaxes
                if len(transfer_syntaxes) >= maximum:
                    raise reader.error("Transfer-syntax", f"at most {maximum} sub-items", "more")
                uid = reader.uid(length, "Transfer-syntax-name")
                if uid:
                    transfer_syntaxes.append(uid)
            else:
                reader.skip(length, "unknown sub-item")
    return PresentationContext(
        context_id=context_id,
        abstract_syntax=abstract_syntax or "",
        transfer_syntaxes=tuple(transfer_syntaxes),
    )


def _read_context_ac(reader: ItemReader) -> PresentationContextResult:
    """Read the value of an answered context (PS3.8 9.3.3.2)."""
    context_id = reader.uint8("Presentation-context-ID")
    reader.skip(1, "reserved")
    result = reader.uint8("Result/Reason")
    reader.skip(1, "reserved")
    if result != ContextResult.ACCEPTANCE:
        syntax = _insignificant_syntax(reader.rest("Transfer-syntax"), reader.limits)
        return PresentationContextResult(
            context_id=context_id, result=result, transfer_syntax=syntax
        )
    transfer_syntax: str | None = None
    while reader.remaining:
        item_type, _, length = reader.item_header()
        with reader.restrict_to(length, f"sub-item 0x{item_type:02x}"):
            if item_type == _TRANSFER_SYNTAX:
                if transfer_syntax is not None:
                    raise reader.unexpected("Transfer-syntax", "one sub-item", "a second")
                transfer_syntax = reader.uid(length, "Transfer-syntax-name")
            else:
                reader.skip(length, "unknown sub-item")
    return PresentationContextResult(
        context_id=context_id, result=result, transfer_syntax=transfer_syntax or ""
    )


def _insignificant_syntax(value: bytes, limits: Limits) -> str:
    """Return the transfer syntax of a refused context where one is readable, else ""."""
    if len(value) < ITEM_HEADER_LENGTH:
        return ""
    item_type, _, length = _ITEM.unpack_from(value)
    uid = value[ITEM_HEADER_LENGTH:].decode("latin-1").strip(" \0")
    readable = item_type == _TRANSFER_SYNTAX and length == len(value) - ITEM_HEADER_LENGTH
    return uid if readable and len(uid) <= limits.maximum_uid_length else ""
