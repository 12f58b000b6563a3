"""The seven PDUs of the Upper Layer, their items and their enumerations.

Data only: no encoding, no decisions. Field names are the standard's parameters in
snake_case (PS3.8 7.1, 9.3, annex D; PS3.7 D.3.3). Codes from a peer that the
standard does not name survive as plain numbers in the open enumerations.
"""

from __future__ import annotations

from enum import IntEnum

from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "APPLICATION_CONTEXT_NAME",
    "AAbort",
    "AAssociateAC",
    "AAssociateRJ",
    "AAssociateRQ",
    "AReleaseRP",
    "AReleaseRQ",
    "AbortReason",
    "AbortSource",
    "AsynchronousOperationsWindow",
    "ContextResult",
    "Pdu",
    "PduType",
    "PresentationContext",
    "PresentationContextResult",
    "RejectReason",
    "RejectResult",
    "RejectSource",
    "RoleSelection",
    "SopClassCommonExtendedNegotiation",
    "SopClassExtendedNegotiation",
    "UserIdentityRQ",
    "UserIdentityType",
    "UserInformation",
]

APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
"""The DICOM application context name (PS3.7 A.2.1)."""


class PduType(IntEnum):
    """PDU type byte (PS3.8 9.3)."""

    A_ASSOCIATE_RQ = 0x01
    A_ASSOCIATE_AC = 0x02
    A_ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    A_RELEASE_RQ = 0x05
    A_RELEASE_RP = 0x06
    A_ABORT = 0x07


class ContextResult(IntEnum):
    """Result/Reason of a presentation context (PS3.8 9.3.3.2)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class RejectResult(IntEnum):
    """Result of A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class RejectSource(IntEnum):
    """Source of A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    SERVICE_USER = 1
    SERVICE_PROVIDER_ACSE = 2
    SERVICE_PROVIDER_PRESENTATION = 3


class RejectReason:
    """Reason/Diag. of A-ASSOCIATE-RJ; the number's meaning depends on the source (PS3.8 9.3.4)."""

    USER_NO_REASON = 1
    USER_APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    USER_CALLING_AE_TITLE_NOT_RECOGNIZED = 3
    USER_CALLED_AE_TITLE_NOT_RECOGNIZED = 7
    ACSE_NO_REASON = 1
    ACSE_PROTOCOL_VERSION_NOT_SUPPORTED = 2
    PRESENTATION_TEMPORARY_CONGESTION = 1
    PRESENTATION_LOCAL_LIMIT_EXCEEDED = 2


class AbortSource(IntEnum):
    """Source of A-ABORT (PS3.8 9.3.8)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Reason/Diag. of a service provider's A-ABORT (PS3.8 9.3.8)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


class UserIdentityType(IntEnum):
    """User-Identity-Type (PS3.7 D.3.3.7.1)."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


class PresentationContext(Record):
    """A proposed presentation context (PS3.8 9.3.2.2).

    `context_id` is odd, 1..255. `abstract_syntax` and `transfer_syntaxes` are UIDs, the
    latter in the order of the proposal.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


class PresentationContextResult(Record):
    """The acceptor's answer to one context (PS3.8 9.3.3.2).

    `result` is a `ContextResult` value or a number that the standard does not name.
    `transfer_syntax` is significant only for acceptance.
    """

    context_id: int
    result: int
    transfer_syntax: str


class AsynchronousOperationsWindow(Record):
    """Maximum numbers of outstanding operations, 0 for unlimited (PS3.7 D.3.3.3)."""

    maximum_number_operations_invoked: int
    maximum_number_operations_performed: int


class RoleSelection(Record):
    """SCP/SCU role selection for one SOP class (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu_role: bool
    scp_role: bool


class SopClassExtendedNegotiation(Record):
    """Service class application information for one SOP class, uninterpreted (PS3.7 D.3.3.5)."""

    sop_class_uid: str
    service_class_application_information: bytes


class SopClassCommonExtendedNegotiation(Record):
    """Service class and related general SOP classes of one SOP class (PS3.7 D.3.3.6)."""

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_class_uids: tuple[str, ...] = ()
    sub_item_version: int = 0


class UserIdentityRQ(Record, hidden=("primary_field", "secondary_field")):
    """User identity of a request (PS3.7 D.3.3.7.1).

    All are given by name. The two byte fields are not interpreted, and never shown by `repr`.

    Fields:
        user_identity_type: a `UserIdentityType` value, or an unknown number.
        positive_response_requested: True to have the acceptor answer the identity.
        primary_field: user name, Kerberos ticket, SAML assertion or JSON web token.
        secondary_field: the passcode of a user name, empty for all others.
    """

    user_identity_type: int
    positive_response_requested: bool = False
    primary_field: bytes
    secondary_field: bytes = b""


class UserInformation(Record, hidden=("user_identity_response",)):
    """User information of a request or an acceptance (PS3.8 9.3.2.3, annex D; PS3.7 D.3.3).

    `maximum_length` is in bytes, 0 for unlimited, None where the sub-item was absent.
    `user_identity_response` is the server response of an acceptance, None where absent.
    `unknown_items` keeps (item type, value) of sub-items that this package does not know.
    """

    maximum_length: int | None = None
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    asynchronous_operations_window: AsynchronousOperationsWindow | None = None
    role_selections: tuple[RoleSelection, ...] = ()
    extended_negotiations: tuple[SopClassExtendedNegotiation, ...] = ()
    common_extended_negotiations: tuple[SopClassCommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentityRQ | None = None
    user_identity_response: bytes | None = None
    unknown_items: tuple[tuple[int, bytes], ...] = ()


class AAssociateRQ(Record):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2). AE titles as `isocenter.aetitle` reads them."""

    called_ae_title: str
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContext, ...]
    user_information: UserInformation
    application_context_name: str = APPLICATION_CONTEXT_NAME
    protocol_version: int = 1


class AAssociateAC(Record):
    """A-ASSOCIATE-AC (PS3.8 9.3.3). The titles echo the request's and are not to be tested."""

    called_ae_title: str
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContextResult, ...]
    user_information: UserInformation
    application_context_name: str = APPLICATION_CONTEXT_NAME
    protocol_version: int = 1


class AAssociateRJ(Record):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4). Values as in `RejectResult`, `RejectSource`, `RejectReason`."""

    result: int
    source: int
    reason: int


class AReleaseRQ(Record, kw_only=False):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""


class AReleaseRP(Record, kw_only=False):
    """A-RELEASE-RP (PS3.8 9.3.7)."""


class AAbort(Record):
    """A-ABORT (PS3.8 9.3.8). `reason` is significant only for the service provider."""

    source: int
    reason: int


Pdu: TypeAlias = AAssociateRQ | AAssociateAC | AAssociateRJ | AReleaseRQ | AReleaseRP | AAbort
"""The PDUs that are built and parsed whole; P-DATA-TF lives in `pdata`."""
