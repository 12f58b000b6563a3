"""docs/tools.md is what follows from the tools' data, and says all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from isocenter.cli.completion import tools
from isocenter.cli.exitcodes import MEANINGS
from isocenter.cli.main import TOOLS
from isocenter.cli.manual import MANUALS

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "generate_tool_reference.py"
PAGE = ROOT / "docs" / "tools.md"


def test_committed_page_is_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def section(tool: str) -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {tool}\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_page_says_all_there_is_to_say(tool: str) -> None:
    shown = section(tool)
    (found,) = [each for each in tools() if each.name == tool]
    for option in found.options():
        names = [f"`{name}`" for name in (option.short, option.long) if name]
        assert f"\n| {'<br>'.join(names)} |" in shown
    for _, command in MANUALS[tool].examples:
        assert f"\n```sh\n{command}\n```\n" in shown
    for name, _ in MANUALS[tool].environment:
        assert f"\n| `{name}` |" in shown
    for code, _ in MEANINGS[tool]:
        assert f"\n| {code} |" in shown


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    width = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert cells is None or width is None or cells == width, line
        width = cells


def test_conditions_of_an_option_stand_beside_it() -> None:
    (row,) = [line for line in section("storescu").splitlines() if "`--scan-pattern` |" in line]
    assert row.endswith("Only with `--scan-directories`. |")
    (row,) = [line for line in section("storescp").splitlines() if "`--timenames` |" in line]
    assert row.endswith("Not with `--unique-filenames`. |")
