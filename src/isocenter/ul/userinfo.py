"""The user information item: its sub-items to bytes and back.

Owns the layout of sub-items 0x51 to 0x59. Knows nothing of the PDU around them. What is
tolerated is listed in `codec`.

PS3.8 9.3.2.3, 9.3.3.3, annex D; PS3.7 D.3.3.
"""

from __future__ import annotations

from isocenter.ul.items import counted, item, u8, u16, u32, uid_bytes
from isocenter.ul.pdu import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SopClassCommonExtendedNegotiation,
    SopClassExtendedNegotiation,
    UserIdentityRQ,
    UserInformation,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.ul.items import ItemReader

__all__ = ["UserInformationReader", "encode_user_information"]

_MAXIMUM_LENGTH = 0x51
_IMPLEMENTATION_CLASS_UID = 0x52
_ASYNCHRONOUS_OPERATIONS_WINDOW = 0x53
_ROLE_SELECTION = 0x54
_IMPLEMENTATION_VERSION_NAME = 0x55
_EXTENDED_NEGOTIATION = 0x56
_COMMON_EXTENDED_NEGOTIATION = 0x57
_USER_IDENTITY_RQ = 0x58
_USER_IDENTITY_AC = 0x59


def encode_user_information(info: UserInformation) -> bytes:
    """Return the sub-items of the user information, without the item's own header.

    Raises:
        ValueError: a value has no place in its field.

    PS3.8 annex D; PS3.7 D.3.3.
    """
    parts: list[bytes] = []
    if info.maximum_length is not None:
        parts.append(item(_MAXIMUM_LENGTH, u32(info.maximum_length)))
    if info.implementation_class_uid:
        parts.append(item(_IMPLEMENTATION_CLASS_UID, uid_bytes(info.implementation_class_uid)))
    window = info.asynchronous_operations_window
    if window is not None:
        value = u16(window.maximum_number_operations_invoked)
        value += u16(window.maximum_number_operations_performed)
        parts.append(item(_ASYNCHRONOUS_OPERATIONS_WINDOW, value))
    for role in info.role_selections:
        value = counted(uid_bytes(role.sop_class_uid)) + bytes((role.scu_role, role.scp_role))
        parts.append(item(_ROLE_SELECTION, value))
    if info.implementation_version_name:
        parts.append(item(_IMPLEMENTATION_VERSION_NAME, _name(info.implementation_version_name)))
    for extended in info.extended_negotiations:
        value = counted(uid_bytes(extended.sop_class_uid))
        value += extended.service_class_application_information
        parts.append(item(_EXTENDED_NEGOTIATION, value))
    for common in info.common_extended_negotiations:
        value = counted(uid_bytes(common.sop_class_uid)) + counted(
            uid_bytes(common.service_class_uid)
        )
        value += counted(
            b"".join(counted(uid_bytes(uid)) for uid in common.related_general_sop_class_uids)
        )
        parts.append(item(_COMMON_EXTENDED_NEGOTIATION, value, common.sub_item_version))
    identity = info.user_identity
    if identity is not None:
        value = bytes((u8(identity.user_identity_type), identity.positive_response_requested))
        value += counted(identity.primary_field) + counted(identity.secondary_field)
        parts.append(item(_USER_IDENTITY_RQ, value))
    if info.user_identity_response is not None:
        parts.append(item(_USER_IDENTITY_AC, counted(info.user_identity_response)))
    parts += (item(item_type, value) for item_type, value in info.unknown_items)
    return b"".join(parts)


def _name(name: str) -> bytes:
    """Return an implementation version name, 1 to 16 characters (PS3.7 D.3.3.2.3)."""
    if len(name) > 16:
        raise ValueError(f"implementation version name {name!r} is longer than 16 characters")
    return name.encode("ascii")


class UserInformationReader:
    """Collects the sub-items of one or more user information items of a PDU.

    PS3.8 annex D; PS3.7 D.3.3.
    """

    def __init__(self, reader: ItemReader) -> None:
        self._reader = reader
        self._items = 0
        self._maximum_length: int | None = None
        self._class_uid = ""
        self._version_name = ""
        self._window: AsynchronousOperationsWindow | None = None
        self._roles: list[RoleSelection] = []
        self._extended: list[SopClassExtendedNegotiation] = []
        self._common: list[SopClassCommonExtendedNegotiation] = []
        self._identity: UserIdentityRQ | None = None
        self._response: bytes | None = None
        self._unknown: list[tuple[int, bytes]] = []

    def result(self) -> UserInformation:
        """Return what was collected."""
        return UserInformation(
            maximum_length=self._maximum_length,
            implementation_class_uid=self._class_uid,
            implementation_version_name=self._version_name,
            asynchronous_operations_window=self._window,
            role_selections=tuple(self._roles),
            extended_negotiations=tuple(self._extended),
            common_extended_negotiations=tuple(self._common),
            user_identity=self._identity,
            user_identity_response=self._response,
            unknown_items=tuple(self._unknown),
        )

    def read(self) -> None:
        """Read sub-items up to the end of the present item.

        Raises:
            PduDecodeError: a sub-item breaks a rule or a limit.
        """
        reader = self._reader
        maximum = reader.limits.maximum_user_items
        while reader.remaining:
            self._items += 1
            if self._items > maximum:
                raise reader.error("user information", f"at most {maximum} sub-items", "more")
            item_type, version, length = reader.item_header()
            with reader.restrict_to(length, f"sub-item 0x{item_type:02x}"):
                if length:
                    self._read_sub_item(item_type, version, length)

    def _read_sub_item(self, item_type: int, version: int, length: int) -> None:
        reader = self._reader
        match item_type:
            case 0x51:  # Maximum length (PS3.8 D.1.1)
                self._maximum_length = reader.uint32("Maximum-length-received")
            case 0x52:  # Implementation class UID (PS3.7 D.3.3.2.1)
                self._class_uid = reader.uid(length, "Implementation-class-uid")
            case 0x53:  # Asynchronous operations window (PS3.7 D.3.3.3.1)
                invoked = reader.uint16("Maximum-number-operations-invoked")
                performed = reader.uint16("Maximum-number-operations-performed")
                self._window = AsynchronousOperationsWindow(
                    maximum_number_operations_invoked=invoked,
                    maximum_number_operations_performed=performed,
                )
            case 0x54:  # SCP/SCU role selection (PS3.7 D.3.3.4.1)
                uid = reader.counted_uid("SOP-class-uid")
                scu, scp = reader.uint8("SCU-role"), reader.uint8("SCP-role")
                # Only 1 grants a role; any other value is none of the standard's two.
                role = RoleSelection(sop_class_uid=uid, scu_role=scu == 1, scp_role=scp == 1)
                self._roles.append(role)
            case 0x55:  # Implementation version name (PS3.7 D.3.3.2.3)
                name = reader.take(length, "Implementation-version-name")
                self._version_name = name.decode("latin-1").strip(" \0")
            case 0x56:  # SOP class extended negotiation (PS3.7 D.3.3.5.1)
                uid = reader.counted_uid("SOP-class-uid")
                information = reader.rest("Service-class-application-information")
                self._extended.append(
                    SopClassExtendedNegotiation(
                        sop_class_uid=uid, service_class_application_information=information
                    )
                )
            case 0x57:  # SOP class common extended negotiation (PS3.7 D.3.3.6.1)
                self._read_common(version)
            case 0x58:  # User identity, request (PS3.7 D.3.3.7.1)
                self._read_identity()
            case 0x59:  # User identity, acceptance (PS3.7 D.3.3.7.2)
                if self._response is not None:
                    raise reader.unexpected("Server-response", "one sub-item", "a second")
                self._response = self._identity_field("Server-response")
            case _:
                self._unknown.append((item_type, reader.rest("unknown sub-item")))

    def _read_common(self, version: int) -> None:
        reader = self._reader
        uid = reader.counted_uid("SOP-class-uid")
        service_class = reader.counted_uid("Service-class-uid")
        related: list[str] = []
        length = reader.uint16("Related-general-sop-class-identification-length")
        with reader.restrict_to(length, "Related-general-sop-class-identification"):
            while reader.remaining:
                reader.count()
                related_uid = reader.counted_uid("Related-general-sop-class-uid")
                if related_uid:
                    related.append(related_uid)
        # Room for fields of later versions of the sub-item, not tested (PS3.7 D.3.3.6.1).
        reader.skip(reader.remaining, "reserved")
        self._common.append(
            SopClassCommonExtendedNegotiation(
                sop_class_uid=uid,
                service_class_uid=service_class,
                related_general_sop_class_uids=tuple(related),
                sub_item_version=version,
            )
        )

    def _read_identity(self) -> None:
        reader = self._reader
        if self._identity is not None:
            raise reader.unexpected("User-identity", "one sub-item", "a second")
        identity_type = reader.uint8("User-identity-type")
        requested = reader.uint8("Positive-response-requested")
        primary = self._identity_field("Primary-field")
        self._identity = UserIdentityRQ(
            user_identity_type=identity_type,
            positive_response_requested=requested == 1,
            primary_field=primary,
            secondary_field=self._identity_field("Secondary-field"),
        )

    def _identity_field(self, field: str) -> bytes:
        """Read a user identity field behind its 16-bit length."""
        reader = self._reader
        length = reader.uint16(f"{field} length")
        maximum = reader.limits.maximum_user_identity_length
        if length > maximum:
            raise reader.error(field, f"at most {maximum} bytes", str(length))
        return reader.take(length, field)
