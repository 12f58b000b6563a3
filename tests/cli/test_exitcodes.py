"""Exit codes have DCMTK's numbers."""

from __future__ import annotations

import pytest

from isocenter.cli.exitcodes import ExitCode, exit_code_for_store_status


def test_numbers() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCESS": 0,
        "FAILURE": 1,
        "INVALID_INPUT_FILE": 22,
        "ECHO_FAILED": 70,
        "INHERITED_DESCRIPTOR": 99,
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [(0xA700, 167), (0xA7FF, 167), (0xA900, 169), (0xC000, 192), (0xCFFF, 207), (0x0122, 1)],
)
def test_failed_store_exits_with_the_upper_byte_of_its_status(status: int, code: int) -> None:
    assert exit_code_for_store_status(status) == code
