"""The inventory of differential runs is whole: every option, conflict and rule has its test."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.interop.matrix import NOT_IN_THE_ORACLE, OPTIONS, REQUIREMENTS, RULES
from tests.interop.test_command_lines import TABLE

HERE = Path(__file__).resolve().parent
OPTION_TABLES = HERE.parent / "data" / "options"
DATA_OF = {
    "test_differential_failures": ["sender_failures.py"],
    "test_normal_mode_oracle": ["normal_mode.py"],
    "test_command_lines": ["../data/command_lines.txt"],
    "test_differential_dcmrecv_tls": ["test_differential_tls.py"],
    "test_differential_findscu": ["test_differential_tls.py"],
    "test_differential_wire": ["../support/proposals.py"],
}
"""Modules whose cases stand in another file."""


def _documented(tool: str) -> dict[str, str]:
    """Return long option to short one."""
    rows = json.loads((OPTION_TABLES / f"{tool}.json").read_text())["options"]
    return {row["long"]: row.get("short", "") for row in rows}


def _module(test: str) -> Path:
    return HERE / f"{test.partition('::')[0]}.py"


def _exists(test: str) -> bool:
    name = test.rpartition("::")[2]
    tree = ast.parse(_module(test).read_text())
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))


@pytest.mark.parametrize("tool", OPTIONS)
def test_every_option_has_a_run_of_both_tools(tool: str) -> None:
    documented = _documented(tool)
    assert set(OPTIONS[tool]) | NOT_IN_THE_ORACLE[tool] == set(documented)
    assert not set(OPTIONS[tool]) & NOT_IN_THE_ORACLE[tool]


@pytest.mark.parametrize("tool", OPTIONS)
def test_every_run_is_there_and_gives_the_option(tool: str) -> None:
    documented = _documented(tool)
    missing = []
    for option, test in OPTIONS[tool].items():
        if not _exists(test):
            missing.append((option, test))
            continue
        module = _module(test)
        sources = [module, *(HERE / name for name in DATA_OF.get(module.stem, []))]
        text = "\n".join(source.read_text() for source in sources)
        spelled = [re.escape(name) for name in (option, documented[option]) if name]
        is_letter = re.fullmatch(r"[-+]x.", documented[option]) and "letter" in text
        if not is_letter and not re.search(rf"[\" '](?:{'|'.join(spelled)})(?=[\"' \n])", text):
            missing.append((option, f"{test} does not give it"))
    assert missing == []


@pytest.mark.parametrize("tool", REQUIREMENTS)
def test_every_conflict_and_requirement_is_in_the_table_of_command_lines(tool: str) -> None:
    said = {row.text for row in TABLE if row.line.split(" ")[0] == tool}
    assert [rule for rule in REQUIREMENTS[tool] if f"error: {rule}" not in said] == []


def test_every_conflict_of_the_table_is_in_the_inventory() -> None:
    listed = {(tool, f"error: {rule}") for tool, rules in REQUIREMENTS.items() for rule in rules}
    said = {
        (row.line.split(" ")[0], row.text)
        for row in TABLE
        if re.search(" (not|only) allowed with ", row.text)
    }
    assert said - listed == set()


def test_every_rule_has_its_run() -> None:
    assert [rule for rule in RULES if not _exists(rule.test)] == []
