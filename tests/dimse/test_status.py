"""Statuses: class by range, and DCMTK's words for them (PS3.7 annex C)."""

from __future__ import annotations

import pytest

from isocenter.dimse.status import Service, StatusClass, classify, dump_text, is_pending, short_text

UNKNOWN = "Unknown Status Code (non-standard)"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0000, StatusClass.SUCCESS),
        (0x0001, StatusClass.WARNING),
        (0x0002, StatusClass.UNKNOWN),
        (0x0100, StatusClass.FAILURE),
        (0x0105, StatusClass.FAILURE),
        (0x0107, StatusClass.WARNING),
        (0x0110, StatusClass.FAILURE),
        (0x0116, StatusClass.WARNING),
        (0x0122, StatusClass.FAILURE),
        (0x01FF, StatusClass.FAILURE),
        (0x0200, StatusClass.FAILURE),
        (0x02FF, StatusClass.FAILURE),
        (0x0300, StatusClass.UNKNOWN),
        (0x9FFF, StatusClass.UNKNOWN),
        (0xA000, StatusClass.FAILURE),
        (0xAFFF, StatusClass.FAILURE),
        (0xB000, StatusClass.WARNING),
        (0xBFFF, StatusClass.WARNING),
        (0xC000, StatusClass.FAILURE),
        (0xCFFF, StatusClass.FAILURE),
        (0xD000, StatusClass.UNKNOWN),
        (0xFE00, StatusClass.CANCEL),
        (0xFE01, StatusClass.UNKNOWN),
        (0xFF00, StatusClass.PENDING),
        (0xFF01, StatusClass.PENDING),
        (0xFF02, StatusClass.UNKNOWN),
        (0xFFFF, StatusClass.UNKNOWN),
    ],
)
def test_class_follows_from_the_range(status: int, expected: StatusClass) -> None:
    assert classify(status) is expected


def test_only_two_statuses_are_pending() -> None:
    assert [status for status in range(0x10000) if is_pending(status)] == [0xFF00, 0xFF01]


SHORT_TEXTS: dict[Service, dict[int, str]] = {
    Service.ECHO: {0x0000: "Success"},
    Service.STORE: {
        0x0000: "Success",
        0x0122: "Refused: SOPClassNotSupported",
        0xA700: "Refused: OutOfResources",
        0xA701: "Refused: OutOfResources",
        0xA702: "Refused: OutOfResources",
        0xA7FF: "Refused: OutOfResources",
        0xA900: "Error: DataSetDoesNotMatchSOPClass",
        0xA9FF: "Error: DataSetDoesNotMatchSOPClass",
        0xB000: "Warning: CoercionOfDataElements",
        0xB006: "Warning: ElementsDiscarded",
        0xB007: "Warning: DataSetDoesNotMatchSOPClass",
        0xC000: "Error: CannotUnderstand",
        0xCFFF: "Error: CannotUnderstand",
    },
    Service.FIND: {
        0x0000: "Success",
        0x0122: "Refused: SOPClassNotSupported",
        0xA700: "Refused: OutOfResources",
        0xA900: "Error: DataSetDoesNotMatchSOPClass",
        0xC000: "Failed: UnableToProcess",
        0xCFFF: "Failed: UnableToProcess",
        0xFE00: "Cancel: MatchingTerminatedDueToCancelRequest",
        0xFF00: "Pending",
        0xFF01: "Pending: WarningUnsupportedOptionalKeys",
    },
    Service.GET: {
        0x0000: "Success",
        0x0122: "Refused: SOPClassNotSupported",
        0xA701: "Refused: OutOfResourcesNumberOfMatches",
        0xA702: "Refused: OutOfResourcesSubOperations",
        0xA900: "Error: DataSetDoesNotMatchSOPClass",
        0xB000: "Warning: SubOperationsCompleteOneOrMoreFailures",
        0xC000: "Failed: UnableToProcess",
        0xCFFF: "Failed: UnableToProcess",
        0xFE00: "Cancel: SubOperationsTerminatedDueToCancelIndication",
        0xFF00: "Pending",
    },
}
SHORT_TEXTS[Service.MOVE] = SHORT_TEXTS[Service.GET] | {0xA801: "Refused: MoveDestinationUnknown"}
PROBES = sorted({status for texts in SHORT_TEXTS.values() for status in texts} | {1, 0x110, 0xFFFF})


@pytest.mark.parametrize("service", Service)
def test_short_texts_are_dcmtks(service: Service) -> None:
    known = SHORT_TEXTS[service]
    for status in PROBES:
        expected = known.get(status, f"Unknown Status: 0x{status:x}")
        assert short_text(service, status) == expected


def test_unknown_status_has_no_leading_zeros() -> None:
    assert short_text(Service.ECHO, 0x0122) == "Unknown Status: 0x122"


COMMON_DUMP = {
    0x0001: "Warning",
    0x0105: "Failure",
    0x0107: "Warning",
    0x0110: "Failure",
    0x0300: UNKNOWN,
    0xB001: "Warning",
    0xD000: UNKNOWN,
    0xFF02: UNKNOWN,
}
RETRIEVE_DUMP = {
    0x0000: "Success: Sub-operations complete - No failures or warnings",
    0x0122: "Refused: SOP Class not supported",
    0x0210: "Duplicate invocation",
    0x0211: "Unrecognized operation",
    0x0212: "Mistyped argument",
    0xA700: "Failure",
    0xA701: "Refused: Out of resources - Unable to calculate number of matches",
    0xA702: "Refused: Out of resources - Unable to perform sub-operations",
    0xA900: "Error: Data Set does not match SOP Class",
    0xA901: "Failure",
    0xAA00: "Failed: None of the frames requested were found in SOP Instance",
    0xAA01: "Failed: Unable to create new object for this SOP Class",
    0xAA02: "Failed: Unable to extract frames",
    0xAA03: "Failed: Time-based request for non-time-based SOP Instance",
    0xAA04: "Failed: Invalid request",
    0xB000: "Warning: Sub-operations complete - One or more failures or warnings",
    0xC001: "Failed: Unable to process",
    0xFE00: "Cancel: Sub-operations terminated due to Cancel Indication",
    0xFF00: "Pending: Sub-operations are continuing",
    0xFF01: "Pending",
}
DUMP_TEXTS: dict[Service, dict[int, str]] = {
    Service.ECHO: {0x0000: "Success", 0x0122: "Failure", 0xFE00: "Cancel", 0xFF00: "Pending"},
    Service.STORE: {
        0x0000: "Success",
        0x0117: "Invalid SOP Class",
        0x0122: "Refused: SOP Class not supported",
        0x0124: "Refused: Not authorized",
        0x0210: "Duplicate invocation",
        0x0213: "Failure",
        0xA701: "Refused: Out of resources",
        0xA801: "Failure",
        0xA901: "Error: Data Set does not match SOP Class",
        0xAA00: "Failure",
        0xB000: "Warning: Coercion of Data Elements",
        0xB006: "Warning: Elements discarded",
        0xB007: "Warning: Data Set does not match SOP Class",
        0xC123: "Error: Cannot understand",
        0xFE00: "Cancel",
        0xFF00: "Pending",
    },
    Service.FIND: {
        0x0000: "Success: Matching is complete",
        0x0122: "Refused: SOP Class not supported",
        0x0124: "Failure",
        0x0210: "Failure",
        0xA700: "Refused: Out of resources",
        0xA701: "Failure",
        0xA901: "Error: Data Set does not match SOP Class",
        0xC001: "Failed: Unable to process",
        0xFE00: "Cancel: Matching terminated due to Cancel Request",
        0xFF00: "Pending: Matches are continuing",
        0xFF01: "Pending: Matches are continuing - Warning: Unsupported optional keys",
    },
    Service.GET: RETRIEVE_DUMP | {0x0124: "Failure", 0xA801: "Failure"},
    Service.MOVE: RETRIEVE_DUMP
    | {0x0124: "Refused: Not authorized", 0xA801: "Refused: Move Destination unknown"},
}


@pytest.mark.parametrize("service", Service)
def test_dump_texts_are_dcmtks(service: Service) -> None:
    for status, expected in (COMMON_DUMP | DUMP_TEXTS[service]).items():
        assert dump_text(service, status) == expected, hex(status)
