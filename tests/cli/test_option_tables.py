"""Each tool's options against the table of the options that DCMTK's tool has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

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
from isocenter.cli.render import usage

if TYPE_CHECKING:
    from isocenter.cli.spec import Group, Option, Tool

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
OWN = "isocenter options"


class Argument(TypedDict, total=False):
    name: str
    type: str
    min: int
    max: int


class Row(TypedDict, total=False):
    long: str
    short: str
    group: str
    subgroup: str
    args: list[Argument]
    default: str
    is_default: bool
    note: str


class Table(TypedDict):
    usage: str
    parameters: list[str]
    options: list[Row]


def table(tool: Tool) -> Table:
    loaded: Table = json.loads((DATA / f"{tool.name}.json").read_text())
    return loaded


def homes(tool: Tool) -> dict[str, tuple[Group, Group | None]]:
    found: dict[str, tuple[Group, Group | None]] = {}
    for group in tool.groups:
        found |= {option.long: (group, None) for option in group.options}
        for subgroup in group.subgroups:
            found |= {option.long: (group, subgroup) for option in subgroup.options}
    return found


CASES = [(tool, option) for tool in TOOLS for option in tool.options()]


@pytest.mark.parametrize(
    ("tool", "option"), CASES, ids=[f"{tool.name} {option.long}" for tool, option in CASES]
)
def test_option_is_as_documented_or_in_a_group_of_its_own(tool: Tool, option: Option) -> None:
    group, subgroup = homes(tool)[option.long]
    row = {row["long"]: row for row in table(tool)["options"]}.get(option.long)
    if row is None and tool is options_dcmsend.TOOL and group.name != OWN:
        # TLS and user identity, which DCMTK's dcmsend has not, are those of its storescu.
        row = {row["long"]: row for row in table(options_storescu.TOOL)["options"]}[option.long]
    if row is None:
        assert group.name == OWN
        assert not option.short
        return
    assert option.short == row.get("short", "")
    assert group.name == row["group"]
    assert (subgroup.name if subgroup else None) == row.get("subgroup")
    assert option.default == row.get("default")
    assert option.is_default == row.get("is_default", False)
    arguments = row.get("args", [])
    assert [(value.name, value.kind) for value in option.values] == [
        (argument["name"], argument["type"]) for argument in arguments
    ]
    for value, argument in zip(option.values, arguments, strict=True):
        if "min" in argument:
            assert (value.minimum, value.maximum) == (argument["min"], argument["max"])


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_options_stand_in_the_documented_order(tool: Tool) -> None:
    offered = [option.long for option in tool.options()]
    # What an older man page has besides stands anywhere in the table.
    documented = [row["long"] for row in table(tool)["options"] if "note" not in row]
    kept = [name for name in offered if name in documented]
    assert kept == [name for name in documented if name in kept]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_line_and_parameters_are_as_documented(tool: Tool) -> None:
    assert f"usage: {table(tool)['usage']}\n" in usage(tool)
    assert [parameter.name for parameter in tool.parameters] == table(tool)["parameters"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_names_are_unique_and_known_wherever_they_are_used(tool: Tool) -> None:
    longs = [option.long for option in tool.options()]
    shorts = [option.short for option in tool.options() if option.short]
    assert len(set(longs + shorts)) == len(longs + shorts)
    evaluated = [
        name
        for step in tool.evaluation
        for name in ([step] if isinstance(step, str) else step)
        if name.startswith("--")
    ]
    assert len(set(evaluated)) == len(evaluated)
    assert set(evaluated) <= set(longs)
    for option in tool.options():
        named = {name for name in option.conflicts + option.requires if name.startswith("--")}
        assert named <= set(longs)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_whatever_can_be_wrong_about_an_option_is_evaluated(tool: Tool) -> None:
    evaluated = {
        name for step in tool.evaluation for name in ([step] if isinstance(step, str) else step)
    }
    blocks = {name for step in tool.evaluation if isinstance(step, tuple) for name in step}
    for option in tool.options():
        numeric = any(value.kind == "integer" for value in option.values)
        if numeric or option.conflicts or option.requires:
            assert option.long in evaluated
        if option.is_default:
            # The alternatives of --default-filenames are not offered yet.
            assert option.long in blocks or option.long == "--default-filenames"
