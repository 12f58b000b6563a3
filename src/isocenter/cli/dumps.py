"""Dumps of association parameters and DIMSE messages, as DCMTK's tools log them.

Owns the layout of the two. Must not know when a dump is wanted: importing this module
and calling it is left to where the log level asks for it.

Passcodes are never shown; their length is, where DCMTK would print them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.aetitle import normalise
from isocenter.dimse.status import Service, classify, dump_text
from isocenter.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, is_known_uid
from isocenter.uids import name_of as _name_of
from isocenter.ul.pdu import ContextResult, UserIdentityType, UserInformation

if TYPE_CHECKING:
    from isocenter.dimse.commands import Message
    from isocenter.ul.pdu import (
        AAssociateAC,
        AAssociateRQ,
        PresentationContextResult,
        RoleSelection,
        SopClassExtendedNegotiation,
        UserIdentityRQ,
    )

__all__ = ["accept_dump", "message_dump", "request_dump"]

_RESULTS = {
    ContextResult.ACCEPTANCE: "Accepted",
    ContextResult.USER_REJECTION: "User Rejection",
    ContextResult.NO_REASON: "No Reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "Abstract Syntax Not Supported",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "Transfer Syntaxes Not Supported",
}

_ROLES = {
    (False, False): "None",
    (True, False): "SCU",
    (False, True): "SCP",
    (True, True): "SCP/SCU",
}


def request_dump(request: AAssociateRQ, *, maximum_length: int | None = None) -> str:
    """Describe an association request.

    Args:
        request: the request, sent or received.
        maximum_length: own maximum PDU length in bytes where the request was received, None
            where it was sent, since it tells that itself; decides what "our" and "their" mean.

    Returns:
        Lines joined by newlines, without one at the end.
    """
    if maximum_length is None:
        ours, theirs = request.user_information, UserInformation()
        responding = normalise(request.called_ae_title)
    else:
        theirs = request.user_information
        ours = UserInformation(
            maximum_length=maximum_length,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        responding = ""  # nothing has been answered yet
    lines = _head("RQ", request, ours, theirs, responding)
    roles = _roles(request.user_information)
    for context in request.presentation_contexts:
        lines += (
            f"  Context ID:        {context.context_id} (Proposed)",
            f"    Abstract Syntax: {_named(context.abstract_syntax)}",
            f"    Proposed SCP/SCU Role: {roles.get(context.abstract_syntax, 'Default')}",
            "    Proposed Transfer Syntax(es):",
        )
        lines += (f"      {_named(syntax)}" for syntax in context.transfer_syntaxes)
    return _foot("RQ", lines, request, None)


def accept_dump(
    request: AAssociateRQ, accept: AAssociateAC, *, acceptor: bool = False, pdu: str = "AC"
) -> str:
    """Describe what was negotiated.

    Args:
        request: the request.
        accept: the answer to it.
        acceptor: True where this side sent the answer.
        pdu: what was sent in the end; RJ where an acceptor that found no use in its own answer
            rejected instead.

    Returns:
        Lines joined by newlines, without one at the end.
    """
    ours, theirs = request.user_information, accept.user_information
    if acceptor:
        ours, theirs = theirs, ours
    lines = _head(pdu, request, ours, theirs, normalise(request.called_ae_title))
    abstract_syntaxes = {
        context.context_id: context.abstract_syntax for context in request.presentation_contexts
    }
    proposed = _roles(request.user_information)
    accepted = _roles(accept.user_information)
    # In the order of the request, which an answer need not have.
    places = {context_id: place for place, context_id in enumerate(abstract_syntaxes)}
    for context in sorted(
        accept.presentation_contexts, key=lambda each: places.get(each.context_id, len(places))
    ):
        abstract_syntax = abstract_syntaxes.get(context.context_id, "")
        lines += (
            f"  Context ID:        {context.context_id} ({_result(context)})",
            f"    Abstract Syntax: {_named(abstract_syntax)}",
            f"    Proposed SCP/SCU Role: {proposed.get(abstract_syntax, 'Default')}",
            f"    Accepted SCP/SCU Role: {accepted.get(abstract_syntax, 'Default')}",
        )
        if context.result == ContextResult.ACCEPTANCE:
            lines.append(f"    Accepted Transfer Syntax: {_named(context.transfer_syntax)}")
    return _foot(pdu, lines, request, accept)


def _head(
    kind: str,
    request: AAssociateRQ,
    ours: UserInformation,
    theirs: UserInformation,
    responding: str,
) -> list[str]:
    return [
        f"====================== BEGIN A-ASSOCIATE-{kind} =====================",
        f"Our Implementation Class UID:      {ours.implementation_class_uid}",
        f"Our Implementation Version Name:   {ours.implementation_version_name}",
        f"Their Implementation Class UID:    {theirs.implementation_class_uid}",
        f"Their Implementation Version Name: {theirs.implementation_version_name}",
        f"Application Context Name:    {request.application_context_name}",
        f"Calling Application Name:    {normalise(request.calling_ae_title)}",
        f"Called Application Name:     {normalise(request.called_ae_title)}",
        f"Responding Application Name: {responding}",
        f"Our Max PDU Receive Size:    {ours.maximum_length or 0}",
        f"Their Max PDU Receive Size:  {theirs.maximum_length or 0}",
        "Presentation Contexts:",
    ]


def _foot(kind: str, lines: list[str], request: AAssociateRQ, accept: AAssociateAC | None) -> str:
    lines += _extended("Requested", " none", request.user_information.extended_negotiations)
    answered = accept.user_information.extended_negotiations if accept is not None else ()
    lines += _extended("Accepted", "  none", answered)
    identity = request.user_information.user_identity
    if identity is None:
        lines.append("Requested User Identity Negotiation: none")
    else:
        lines += ("Requested User Identity Negotiation:", *_identity(identity))
    response = accept.user_information.user_identity_response if accept is not None else None
    if response is None:
        lines.append("User Identity Negotiation Response:  none")
    else:
        lines += (
            "User Identity Negotiation Response:",
            f"  Server Response (not dumped) length: {len(response)}",
        )
    lines.append(f"======================= END A-ASSOCIATE-{kind} ======================")
    return _joined(lines)


def _joined(lines: list[str]) -> str:
    # A name or UID of a peer with a newline in it would look like a line of the log.
    return "\n".join([line.replace("\n", "\\x0a") for line in lines])


def _named(uid: str) -> str:
    return f"={_name_of(uid)}" if is_known_uid(uid) else uid


def _result(context: PresentationContextResult) -> str:
    for result, text in _RESULTS.items():
        if result == context.result:
            return text
    return "--Invalid Result/Reason--"


def _roles(information: UserInformation) -> dict[str, str]:
    return {role.sop_class_uid: _role(role) for role in information.role_selections}


def _role(role: RoleSelection) -> str:
    return _ROLES[bool(role.scu_role), bool(role.scp_role)]


def _extended(which: str, none: str, items: tuple[SopClassExtendedNegotiation, ...]) -> list[str]:
    title = f"{which} Extended Negotiation:"
    if not items:
        return [title + none]
    lines = [title]
    for item in items:
        uid = item.sop_class_uid
        name = _name_of(uid) if is_known_uid(uid) else "Unknown-UID"
        listed = ", ".join(f"0x{byte:02x}" for byte in item.service_class_application_information)
        lines += (f"  ={name} ({uid})", f"    [{listed}]")
    return lines


def _identity(identity: UserIdentityRQ) -> list[str]:
    kind = identity.user_identity_type
    length = len(identity.primary_field)
    if kind in (UserIdentityType.USERNAME, UserIdentityType.USERNAME_AND_PASSCODE):
        mode = "1: Username" if kind == UserIdentityType.USERNAME else "2: Username/Password"
        lines = [f"  Username: [{identity.primary_field.decode('utf-8', 'backslashreplace')}]"]
        if kind == UserIdentityType.USERNAME_AND_PASSCODE:
            lines.append(f"  Password (not dumped) length: {len(identity.secondary_field)}")
    elif kind == UserIdentityType.KERBEROS:
        mode = "3: Kerberos"
        lines = [f"  Kerberos Service Ticket (not dumped) length: {length}"]
    elif kind == UserIdentityType.SAML:
        mode = "4: SAML"
        lines = [f"  SAML Assertion (not dumped) length: {length}"]
    elif kind == UserIdentityType.JWT:
        mode = "5: JWT"
        lines = [f"  JSON Web Token (not dumped) length: {length}"]
    else:
        mode = f"{kind}: Unknown"
        lines = [
            f"  First value (not dumped), length: {length}",
            f"  Second value (not dumped), length: {len(identity.secondary_field)}",
        ]
    asked = "Yes" if identity.positive_response_requested else "No"
    return [f"  Authentication mode {mode}", *lines, f"  Positive Response requested: {asked}"]


# --- DIMSE messages ---

_PRIORITIES = {0: "medium", 1: "high", 2: "low"}

_SERVICES = {service.value: service for service in Service}

# Label and field, in DCMTK's order; a message shows those that its command set has. Where
# the third is False, an absent optional field is left out and not shown as "none".
_FIELDS = (
    ("Message ID", "message_id", True),
    ("Message ID Being Responded To", "message_id_being_responded_to", True),
    ("Affected SOP Class UID", "affected_sop_class_uid", True),
    ("Requested SOP Class UID", "requested_sop_class_uid", True),
    ("Affected SOP Instance UID", "affected_sop_instance_uid", True),
    ("Requested SOP Instance UID", "requested_sop_instance_uid", True),
    ("Remaining Suboperations", "number_of_remaining_sub_operations", True),
    ("Completed Suboperations", "number_of_completed_sub_operations", True),
    ("Failed Suboperations", "number_of_failed_sub_operations", True),
    ("Warning Suboperations", "number_of_warning_sub_operations", True),
    ("Data Set", "has_data_set", True),
    ("Priority", "priority", True),
    ("Event Type ID", "event_type_id", True),
    ("Action Type ID", "action_type_id", True),
    ("Attribute Identifier List", "attribute_identifier_list", True),
    ("Move Destination", "move_destination", True),
    ("Move Originator AE Title", "move_originator_application_entity_title", False),
    ("Move Originator ID", "move_originator_message_id", False),
    ("DIMSE Status", "status", True),
    ("Offending Element", "offending_element", False),
    ("Error Comment", "error_comment", False),
)


def message_dump(message: Message, *, direction: str, context_id: int | None) -> str:
    """Describe a DIMSE message.

    Offending Element and Error Comment, which DCMTK leaves out, are shown where a
    response has them, as they say why it failed.

    Args:
        message: any message of `isocenter.dimse`.
        direction: ``INCOMING`` or ``OUTGOING``.
        context_id: presentation context on which it travels, None not to tell: the line before
            a C-STORE request that is sent does.

    Returns:
        Lines joined by newlines, without one at the end.
    """
    service, _, kind = message.message_name.rpartition("-")
    lines = [
        f"===================== {direction} DIMSE MESSAGE ====================",
        _line("Message Type", f"{service} {kind}"),
    ]
    if context_id is not None:
        lines.append(_line("Presentation Context ID", str(context_id)))
    present = {entry.name for entry in message.field_table.fields}
    # DCMTK says nothing of the SOP class of a C-ECHO request: there is only one.
    left_out = ("affected_sop_class_uid",) if message.message_name == "C-ECHO-RQ" else ()
    for label, name, show_absent in _FIELDS:
        if name in present and name not in left_out:
            value: object = getattr(message, name)
            if show_absent or value not in (None, ()):
                lines.append(_line(label, _value(service, name, value)))
    lines.append("======================= END DIMSE MESSAGE =======================")
    return _joined(lines)


def _line(label: str, value: str) -> str:
    return f"{label.ljust(30)}: {value}"


def _value(service: str, name: str, value: object) -> str:
    if name == "has_data_set":
        return "present" if value else "none"
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return " ".join(f"({int(tag) >> 16:04x},{int(tag) & 0xFFFF:04x})" for tag in value)
    if isinstance(value, str):
        return _name_of(value) if name.endswith("_sop_class_uid") else value
    if isinstance(value, int):
        if name == "status":
            return _status(service, value)
        if name == "priority":
            return _PRIORITIES.get(value, str(int(value)))
    return str(value)


def _status(service: str, status: int) -> str:
    known = _SERVICES.get(service)
    text = classify(status).value if known is None else dump_text(known, status)
    return f"0x{status:04x}: {text}"
