"""Exit codes have DCMTK's numbers."""

from __future__ import annotations

import pytest

from isocenter.cli.exitcodes import ExitCode, exit_code_for_store_status


def test_numbers() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCESS": 0,
        "FAILURE": 1,
        "INSUFFICIENT_PRIVILEGES": 2,
        "INVALID_CONFIG": 10,
        "NO_INPUT_FILES": 21,
        "INVALID_INPUT_FILE": 22,
        "NO_VALID_INPUT_FILES": 23,
        "CANNOT_WRITE_OUTPUT": 40,
        "CANNOT_WRITE_REPORT_FILE": 43,
        "INVALID_OUTPUT_DIRECTORY": 45,
        "CANNOT_INITIALIZE_NETWORK": 60,
        "CANNOT_NEGOTIATE_ASSOCIATION": 61,
        "CANNOT_SEND_REQUEST": 62,
        "CANNOT_LISTEN": 64,
        "CANNOT_ADD_PRESENTATION_CONTEXT": 65,
        "INVALID_ASSOCIATION_CONFIG": 66,
        "CANNOT_CLOSE_ASSOCIATION": 67,
        "RETRIEVE_WARNING": 68,
        "RETRIEVE_FAILED": 69,
        "NO_TRANSPORT_LAYER": 71,
        "ECHO_FAILED": 70,
        "INHERITED_DESCRIPTOR": 99,
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [(0xA700, 167), (0xA7FF, 167), (0xA900, 169), (0xC000, 192), (0xCFFF, 207), (0x0122, 1)],
)
def test_failed_store_exits_with_the_upper_byte_of_its_status(status: int, code: int) -> None:
    assert exit_code_for_store_status(status) == code
