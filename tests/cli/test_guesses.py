"""What is said about an option that a tool does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import (
    options_dcmqrscp,
    options_dcmrecv,
    options_dcmsend,
    options_echoscu,
    options_findscu,
    options_getscu,
    options_movescu,
    options_storescp,
    options_storescu,
)
from isocenter.cli.guesses import guess

if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

DATA = Path(__file__).resolve().parents[1] / "data" / "options"
TOOLS = (
    options_dcmqrscp.TOOL,
    options_dcmrecv.TOOL,
    options_dcmsend.TOOL,
    options_echoscu.TOOL,
    options_findscu.TOOL,
    options_getscu.TOOL,
    options_movescu.TOOL,
    options_storescp.TOOL,
    options_storescu.TOOL,
)


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("--aetitel", "--aetitle"),
        ("--Debug", "--debug"),
        ("--maxpdu", "--max-pdu"),
        ("--max_pdu", "--max-pdu"),
        ("--scan-directory", "--scan-directories"),
        ("-timeout", "--timeout"),
        ("+verbose", "--verbose"),
        ("--aet", "-aet"),
        ("-AET", "-aet"),
        ("-sd", "+sd"),
        ("--recur", "--recurse"),
        ("--invent", "--invent-instance or --invent-series or --invent-study or --invent-patient"),
        ("-aetME", "-aet ME"),
        ("-to5", "-to 5"),
        ("-vd", "-v -d"),
    ],
)
def test_nearly_right_option_is_guessed(argument: str, meant: str) -> None:
    assert guess(options_storescu.TOOL, argument) == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("argument", "correct"), [("--aetitle=ME", "--aetitle ME"), ("-aet=ME", "-aet ME")]
)
def test_value_behind_an_equals_sign_is_to_be_an_argument(argument: str, correct: str) -> None:
    assert guess(options_storescu.TOOL, argument) == (
        f"the value is an argument of its own: {correct}"
    )


# -u and +u are two options: nobody knows which one "--u" means.
@pytest.mark.parametrize("argument", ["--bogus", "-z", "--u", "--", "++", "-é", "--propose", "-x"])
def test_nothing_is_guessed_where_nothing_is_near(argument: str) -> None:
    assert guess(options_storescu.TOOL, argument) == ""


def not_offered() -> list[tuple[Tool, str]]:
    found = []
    for tool in TOOLS:
        ours = {name for option in tool.options() for name in (option.long, option.short)}
        for row in json.loads((DATA / f"{tool.name}.json").read_text())["options"]:
            names = (row["long"], row.get("short"))
            found += [(tool, name) for name in names if name and name not in ours]
    return found


def test_option_of_dcmtk_that_is_not_offered_is_not_taken_for_another_one() -> None:
    assert {name: guess(tool, name) for tool, name in not_offered() if guess(tool, name)} == {}
