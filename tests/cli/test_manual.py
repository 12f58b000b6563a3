"""What the manual says beside the options: it holds, and it is complete."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.completion import tools
from isocenter.cli.exitcodes import MEANINGS, ExitCode
from isocenter.cli.main import TOOLS
from isocenter.cli.manual import MANUALS
from isocenter.cli.parser import parse
from isocenter.cli.reference import facts_of, parameter_text, sections
from isocenter.cli.spec import Group, Option, Parameter, Tool, choice, integer, string

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).resolve().parents[2] / "src" / "isocenter"
BY_NAME = {tool.name: tool for tool in tools()}
EXAMPLES = [command for manual in MANUALS.values() for _, command in manual.examples]


def texts(name: str) -> Iterator[str]:
    manual = MANUALS[name]
    yield from manual.description
    for rows in (manual.examples, manual.environment, manual.signals, MEANINGS[name]):
        yield from (" ".join(row) for row in rows)


def test_every_tool_has_a_manual_and_exit_codes() -> None:
    assert set(MANUALS) == set(TOOLS) == set(BY_NAME) <= set(MEANINGS)


@pytest.mark.parametrize("command", EXAMPLES)
def test_example_is_a_command_line_that_the_tool_takes(command: str) -> None:
    name, *arguments = shlex.split(command)
    line = parse(BY_NAME[name], arguments)
    assert line.exclusive is None
    assert line.parameters


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_options_that_the_texts_name_exist(name: str) -> None:
    known = {option.long for option in BY_NAME[name].options()}
    named = {word for text in texts(name) for word in re.findall(r"(?<!\S)--[a-z][a-z-]+", text)}
    assert named <= known


def test_every_exit_code_is_explained() -> None:
    explained = {code for rows in MEANINGS.values() for code, _ in rows}
    assert {str(int(code)) for code in ExitCode} <= explained


@pytest.mark.parametrize(
    "variable", sorted({row[0] for manual in MANUALS.values() for row in manual.environment})
)
def test_environment_variable_is_one_that_the_program_reads(variable: str) -> None:
    readers = [
        path
        for path in SOURCES.rglob("*.py")
        if path.name != "manual.py" and f'"{variable}"' in path.read_text(encoding="utf-8")
    ]
    assert readers


PROBE = """
import sys
from isocenter.cli import (
    options_archive, options_dcmqrscp, options_dcmrecv, options_dcmsend, options_echoscu,
    options_findscu, options_getscu,
    options_movescu, options_storescp, options_storescu,
)
from isocenter.cli.start import start
start(options_archive.TOOL, ["area", "11112"])
start(options_dcmqrscp.TOOL, ["11112"])
start(options_dcmrecv.TOOL, ["104"])
start(options_dcmsend.TOOL, ["localhost", "104", "image.dcm"])
start(options_echoscu.TOOL, ["localhost", "104"])
start(options_findscu.TOOL, ["localhost", "104", "-k", "PatientID=1"])
start(options_getscu.TOOL, ["localhost", "104", "-k", "QueryRetrieveLevel=STUDY"])
start(options_movescu.TOOL, ["localhost", "104", "-k", "QueryRetrieveLevel=STUDY"])
start(options_storescp.TOOL, ["11112"])
start(options_storescu.TOOL, ["-v", "localhost", "104", "image.dcm"])
print(*(name for name in sys.modules if name.startswith("isocenter.cli.")))
"""


@pytest.mark.slow
def test_what_is_only_shown_is_not_loaded_by_a_run_that_shows_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert "start" in loaded
    shown = {"completion", "guesses", "manual", "reference", "render", "terminal"}
    assert loaded & shown == set()


def test_facts_of_an_option_become_sentences() -> None:
    facts = facts_of(
        Option(
            "--thing",
            "-t",
            "do a thing\nor two (default)",
            (*string("name"), *integer("number", 1, 9)),
            default="5",
            is_default=True,
            requires=("--a", "--b", "--c"),
            conflicts=("--d",),
        )
    )
    assert facts.names == ("-t", "--thing")
    assert facts.values == ("name", "number")
    assert facts.text == "Do a thing or two."
    assert facts.allowed == "1 to 9"
    assert (facts.default, facts.is_default) == ("5", True)
    assert facts.conditions == ("Only with --a, --b or --c.", "Not with --d.")


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        (Option("--n", "", "n", integer("n", 0)), "from 0"),
        (Option("--n", "", "n", choice("n", "a", "b")), "a, b"),
        (Option("--n", "", "n", string("n")), ""),
        (Option("--n", "", "n"), ""),
    ],
)
def test_allowed_values_are_said_in_words(option: Option, allowed: str) -> None:
    assert facts_of(option).allowed == allowed


def test_parameters_say_range_number_and_when_they_are_not_needed() -> None:
    port = Parameter("port", "a port", optional=True, minimum=1, maximum=9)
    files = Parameter("file", "a file", optional=True, multiple=True)
    groups = (Group("empty"), Group("a", (Option("--x", "", "x"),), (Group("b"),)))
    tool = Tool(
        "tool",
        "",
        parameters=(port, files),
        groups=groups,
        evaluation=(),
        required_unless=(("port", ("--x", "--y")), ("file", ())),
    )
    assert parameter_text(tool, port) == "A port. A number, 1 to 9. Not needed with --x or --y."
    assert parameter_text(tool, files) == "A file. There may be several."
    assert [heading for heading, _ in sections(tool)] == ["a", "a: b"]
