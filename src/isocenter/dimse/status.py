"""DIMSE status: values, class by range, and the words DCMTK's tools use for them.

Owns the meaning of Status (0000,0900). Knows nothing of messages. PS3.7 annex C; PS3.4
B.2.3 (Storage), C.4.1 to C.4.3 (Query/Retrieve).

Two vocabularies, both compatible with DCMTK: `short_text` stands in one-line messages
(``Received Store Response (Refused: OutOfResources)``), `dump_text` in the dump of a
message (``0xa700: Refused: Out of resources``).
"""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

__all__ = [
    "ATTRIBUTE_LIST_ERROR",
    "ATTRIBUTE_VALUE_OUT_OF_RANGE",
    "CANCEL",
    "CANNOT_UNDERSTAND",
    "CLASS_INSTANCE_CONFLICT",
    "COERCION_OF_DATA_ELEMENTS",
    "DATA_SET_DOES_NOT_MATCH_SOP_CLASS",
    "DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING",
    "DUPLICATE_INVOCATION",
    "DUPLICATE_SOP_INSTANCE",
    "ELEMENTS_DISCARDED",
    "INVALID_ARGUMENT_VALUE",
    "INVALID_ATTRIBUTE_VALUE",
    "INVALID_SOP_INSTANCE",
    "MISSING_ATTRIBUTE",
    "MISSING_ATTRIBUTE_VALUE",
    "MISTYPED_ARGUMENT",
    "MOVE_DESTINATION_UNKNOWN",
    "NOT_AUTHORIZED",
    "NO_SUCH_ACTION",
    "NO_SUCH_ARGUMENT",
    "NO_SUCH_ATTRIBUTE",
    "NO_SUCH_EVENT_TYPE",
    "NO_SUCH_SOP_CLASS",
    "NO_SUCH_SOP_INSTANCE",
    "OUT_OF_RESOURCES",
    "OUT_OF_RESOURCES_NUMBER_OF_MATCHES",
    "OUT_OF_RESOURCES_SUB_OPERATIONS",
    "PENDING",
    "PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS",
    "PROCESSING_FAILURE",
    "RESOURCE_LIMITATION",
    "SOP_CLASS_NOT_SUPPORTED",
    "SUB_OPERATIONS_COMPLETE_WITH_FAILURES",
    "SUCCESS",
    "UNABLE_TO_PROCESS",
    "UNRECOGNIZED_OPERATION",
    "Service",
    "StatusClass",
    "classify",
    "dump_text",
    "is_pending",
    "short_text",
]

# --- values (PS3.7 annex C) ---

SUCCESS: Final = 0x0000
NO_SUCH_ATTRIBUTE: Final = 0x0105
INVALID_ATTRIBUTE_VALUE: Final = 0x0106
ATTRIBUTE_LIST_ERROR: Final = 0x0107
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
NO_SUCH_SOP_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
NO_SUCH_ARGUMENT: Final = 0x0114
INVALID_ARGUMENT_VALUE: Final = 0x0115
ATTRIBUTE_VALUE_OUT_OF_RANGE: Final = 0x0116
INVALID_SOP_INSTANCE: Final = 0x0117
NO_SUCH_SOP_CLASS: Final = 0x0118
CLASS_INSTANCE_CONFLICT: Final = 0x0119
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_ATTRIBUTE_VALUE: Final = 0x0121
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NO_SUCH_ACTION: Final = 0x0123
NOT_AUTHORIZED: Final = 0x0124
DUPLICATE_INVOCATION: Final = 0x0210
UNRECOGNIZED_OPERATION: Final = 0x0211
MISTYPED_ARGUMENT: Final = 0x0212
RESOURCE_LIMITATION: Final = 0x0213

# --- values of the services (PS3.4 B.2.3, C.4) ---

OUT_OF_RESOURCES: Final = 0xA700
OUT_OF_RESOURCES_NUMBER_OF_MATCHES: Final = 0xA701
OUT_OF_RESOURCES_SUB_OPERATIONS: Final = 0xA702
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
DATA_SET_DOES_NOT_MATCH_SOP_CLASS: Final = 0xA900
COERCION_OF_DATA_ELEMENTS: Final = 0xB000
SUB_OPERATIONS_COMPLETE_WITH_FAILURES: Final = 0xB000
ELEMENTS_DISCARDED: Final = 0xB006
DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING: Final = 0xB007
CANNOT_UNDERSTAND: Final = 0xC000
UNABLE_TO_PROCESS: Final = 0xC000
CANCEL: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS: Final = 0xFF01


class StatusClass(Enum):
    """Class of a status (PS3.7 C.1 to C.5); the values are DCMTK's words for the classes."""

    SUCCESS = "Success"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"
    PENDING = "Pending"
    UNKNOWN = "Unknown Status Code (non-standard)"


class Service(Enum):
    """The services whose statuses have words of their own."""

    ECHO = "C-ECHO"
    STORE = "C-STORE"
    FIND = "C-FIND"
    MOVE = "C-MOVE"
    GET = "C-GET"


_WARNINGS: Final = frozenset({0x0001, ATTRIBUTE_LIST_ERROR, ATTRIBUTE_VALUE_OUT_OF_RANGE})


def is_pending(status: int) -> bool:
    """Tell whether more responses follow: FF00 or FF01 (PS3.7 C.1.3).

    A status that the standard does not list is final, or a peer's slip would leave its
    operation outstanding for ever.
    """
    return status in (PENDING, PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS)


def classify(status: int) -> StatusClass:
    """Return the class of a status by its range (PS3.7 annex C).

    Success 0000; warning 0001, 0107, 0116, Bxxx; failure 01xx, 02xx, Axxx, Cxxx; cancel FE00;
    pending FF00 and FF01. The rest is unknown and to be treated as a failure.
    """
    if status == SUCCESS:
        return StatusClass.SUCCESS
    if is_pending(status):
        return StatusClass.PENDING
    if status == CANCEL:
        return StatusClass.CANCEL
    if status in _WARNINGS or status & 0xF000 == 0xB000:
        return StatusClass.WARNING
    if status & 0xFF00 in (0x0100, 0x0200) or status & 0xF000 in (0xA000, 0xC000):
        return StatusClass.FAILURE
    return StatusClass.UNKNOWN


# --- words in one-line messages ---
# A text belongs to a status alone, or to all that share its high byte or high nibble.

_EXACT: Final = 0xFFFF
_HIGH_BYTE: Final = 0xFF00
_HIGH_NIBBLE: Final = 0xF000

_Rule: TypeAlias = tuple[int, int, str]

_SHORT_COMMON: tuple[_Rule, ...] = (
    (_EXACT, SUCCESS, "Success"),
    (_EXACT, SOP_CLASS_NOT_SUPPORTED, "Refused: SOPClassNotSupported"),
)
_SHORT_RETRIEVE: tuple[_Rule, ...] = (
    *_SHORT_COMMON,
    (_EXACT, OUT_OF_RESOURCES_NUMBER_OF_MATCHES, "Refused: OutOfResourcesNumberOfMatches"),
    (_EXACT, OUT_OF_RESOURCES_SUB_OPERATIONS, "Refused: OutOfResourcesSubOperations"),
    (_EXACT, DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "Error: DataSetDoesNotMatchSOPClass"),
    (
        _EXACT,
        SUB_OPERATIONS_COMPLETE_WITH_FAILURES,
        "Warning: SubOperationsCompleteOneOrMoreFailures",
    ),
    (_EXACT, CANCEL, "Cancel: SubOperationsTerminatedDueToCancelIndication"),
    (_EXACT, PENDING, "Pending"),
    (_HIGH_NIBBLE, UNABLE_TO_PROCESS, "Failed: UnableToProcess"),
)
_SHORT: Mapping[Service, tuple[_Rule, ...]] = {
    Service.ECHO: ((_EXACT, SUCCESS, "Success"),),
    Service.STORE: (
        *_SHORT_COMMON,
        (_EXACT, COERCION_OF_DATA_ELEMENTS, "Warning: CoercionOfDataElements"),
        (_EXACT, ELEMENTS_DISCARDED, "Warning: ElementsDiscarded"),
        (
            _EXACT,
            DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING,
            "Warning: DataSetDoesNotMatchSOPClass",
        ),
        (_HIGH_BYTE, OUT_OF_RESOURCES, "Refused: OutOfResources"),
        (_HIGH_BYTE, DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "Error: DataSetDoesNotMatchSOPClass"),
        (_HIGH_NIBBLE, CANNOT_UNDERSTAND, "Error: CannotUnderstand"),
    ),
    Service.FIND: (
        *_SHORT_COMMON,
        (_EXACT, OUT_OF_RESOURCES, "Refused: OutOfResources"),
        (_EXACT, DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "Error: DataSetDoesNotMatchSOPClass"),
        (_EXACT, CANCEL, "Cancel: MatchingTerminatedDueToCancelRequest"),
        (_EXACT, PENDING, "Pending"),
        (
            _EXACT,
            PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS,
            "Pending: WarningUnsupportedOptionalKeys",
        ),
        (_HIGH_NIBBLE, UNABLE_TO_PROCESS, "Failed: UnableToProcess"),
    ),
    Service.GET: _SHORT_RETRIEVE,
    Service.MOVE: (
        *_SHORT_RETRIEVE,
        (_EXACT, MOVE_DESTINATION_UNKNOWN, "Refused: MoveDestinationUnknown"),
    ),
}


def _lookup(rules: tuple[_Rule, ...], status: int) -> str | None:
    for mask, value, text in rules:
        if status & mask == value:
            return text
    return None


def short_text(service: Service, status: int) -> str:
    """Return the words of one-line messages, ``Unknown Status: 0x122`` where there are none.

    As DCMTK prints them in ``Received Store Response (...)`` and its kin: a C-ECHO knows but
    success, and unknown codes are hexadecimal without leading zeros.
    """
    return _lookup(_SHORT[service], status) or f"Unknown Status: 0x{status:x}"


# --- words in the dump of a message ---
# Taken from what storescu, findscu, movescu and getscu 3.6.7 print for each status; where a
# status is not listed for its service, the class is printed.

_DUMP_INVOCATION: tuple[_Rule, ...] = (
    (_EXACT, SOP_CLASS_NOT_SUPPORTED, "Refused: SOP Class not supported"),
    (_EXACT, DUPLICATE_INVOCATION, "Duplicate invocation"),
    (_EXACT, UNRECOGNIZED_OPERATION, "Unrecognized operation"),
    (_EXACT, MISTYPED_ARGUMENT, "Mistyped argument"),
)
_DUMP_RETRIEVE: tuple[_Rule, ...] = (
    *_DUMP_INVOCATION,
    (_EXACT, SUCCESS, "Success: Sub-operations complete - No failures or warnings"),
    (
        _EXACT,
        OUT_OF_RESOURCES_NUMBER_OF_MATCHES,
        "Refused: Out of resources - Unable to calculate number of matches",
    ),
    (
        _EXACT,
        OUT_OF_RESOURCES_SUB_OPERATIONS,
        "Refused: Out of resources - Unable to perform sub-operations",
    ),
    (_EXACT, DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "Error: Data Set does not match SOP Class"),
    (_EXACT, 0xAA00, "Failed: None of the frames requested were found in SOP Instance"),
    (_EXACT, 0xAA01, "Failed: Unable to create new object for this SOP Class"),
    (_EXACT, 0xAA02, "Failed: Unable to extract frames"),
    (_EXACT, 0xAA03, "Failed: Time-based request for non-time-based SOP Instance"),
    (_EXACT, 0xAA04, "Failed: Invalid request"),
    (
        _EXACT,
        SUB_OPERATIONS_COMPLETE_WITH_FAILURES,
        "Warning: Sub-operations complete - One or more failures or warnings",
    ),
    (_EXACT, CANCEL, "Cancel: Sub-operations terminated due to Cancel Indication"),
    (_EXACT, PENDING, "Pending: Sub-operations are continuing"),
    (_HIGH_NIBBLE, UNABLE_TO_PROCESS, "Failed: Unable to process"),
)
_DUMP: Mapping[Service, tuple[_Rule, ...]] = {
    Service.ECHO: (),
    Service.STORE: (
        *_DUMP_INVOCATION,
        (_EXACT, INVALID_SOP_INSTANCE, "Invalid SOP Class"),
        (_EXACT, NOT_AUTHORIZED, "Refused: Not authorized"),
        (_EXACT, COERCION_OF_DATA_ELEMENTS, "Warning: Coercion of Data Elements"),
        (_EXACT, ELEMENTS_DISCARDED, "Warning: Elements discarded"),
        (
            _EXACT,
            DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING,
            "Warning: Data Set does not match SOP Class",
        ),
        (_HIGH_BYTE, OUT_OF_RESOURCES, "Refused: Out of resources"),
        (
            _HIGH_BYTE,
            DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
            "Error: Data Set does not match SOP Class",
        ),
        (_HIGH_NIBBLE, CANNOT_UNDERSTAND, "Error: Cannot understand"),
    ),
    Service.FIND: (
        (_EXACT, SUCCESS, "Success: Matching is complete"),
        (_EXACT, SOP_CLASS_NOT_SUPPORTED, "Refused: SOP Class not supported"),
        (_EXACT, OUT_OF_RESOURCES, "Refused: Out of resources"),
        (_EXACT, CANCEL, "Cancel: Matching terminated due to Cancel Request"),
        (_EXACT, PENDING, "Pending: Matches are continuing"),
        (
            _EXACT,
            PENDING_WARNING_UNSUPPORTED_OPTIONAL_KEYS,
            "Pending: Matches are continuing - Warning: Unsupported optional keys",
        ),
        (
            _HIGH_BYTE,
            DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
            "Error: Data Set does not match SOP Class",
        ),
        (_HIGH_NIBBLE, UNABLE_TO_PROCESS, "Failed: Unable to process"),
    ),
    Service.GET: _DUMP_RETRIEVE,
    Service.MOVE: (
        *_DUMP_RETRIEVE,
        (_EXACT, NOT_AUTHORIZED, "Refused: Not authorized"),
        (_EXACT, MOVE_DESTINATION_UNKNOWN, "Refused: Move Destination unknown"),
    ),
}


def dump_text(service: Service, status: int) -> str:
    """Return the words that stand behind ``DIMSE Status`` in DCMTK's dump of a response.

    The class's words where the service has none of its own for that status.
    """
    return _lookup(_DUMP[service], status) or classify(status).value
