"""The manual pages: as the generator writes them, well-formed, complete, in the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from isocenter.cli.completion import tools
from isocenter.cli.exitcodes import MEANINGS
from isocenter.cli.main import TOOLS
from isocenter.cli.manual import MANUALS
from tests.support.programs import find_program

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "generate_man_pages.py"
FOLDER = ROOT / "docs" / "man"
PAGES = sorted(path.name for path in FOLDER.glob("*.1"))

# Each takes a page as its last argument and complains on either stream.
FORMATTERS = {
    "groff": ("-Tutf8", "-ww", "-man", "-z"),
    "man": ("--warnings", "-l"),
    "mandoc": ("-T", "lint", "-W", "warning"),
}


def formatted(page: str) -> str:
    """Return a page as a reader without a terminal sees it."""
    program = find_program("groff")
    # No escape sequences, lines so long that no word is parted from its neighbour.
    done = subprocess.run(
        [program, "-Tascii", "-P-cbou", "-man", "-rLL=2000n", str(FOLDER / page)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return " ".join(done.stdout.split())


def test_committed_pages_are_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_there_is_a_page_for_isocenter_and_each_tool() -> None:
    assert sorted(f"{name}.1" for name in ("isocenter", *TOOLS)) == PAGES


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("program", sorted(FORMATTERS))
def test_page_is_formatted_without_a_warning(page: str, program: str) -> None:
    path = find_program(program)
    done = subprocess.run(
        [path, *FORMATTERS[program], str(FOLDER / page)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert program == "man" or done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOOLS))
def test_page_says_all_there_is_to_say(name: str) -> None:
    (found,) = [each for each in tools() if each.name == name]
    shown = formatted(f"{name}.1")
    for heading in (
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "PARAMETERS",
        "OPTIONS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "EXAMPLES",
        "NOTES",
        "SEE ALSO",
    ):
        assert f" {heading} " in shown
    assert f"NAME {name} - {found.description} SYNOPSIS" in shown
    for option in found.options():
        names = f"{option.short}, {option.long}" if option.short else option.long
        assert f" {' '.join((names, *(value.name for value in option.values)))} " in shown
        if option.default is not None:
            assert f"Default: {option.default}." in shown
    for _, command in MANUALS[name].examples:
        assert f" {command} " in shown
    for variable, _ in MANUALS[name].environment:
        assert f" {variable} " in shown
    for code, _ in MEANINGS[name]:
        assert f" {code} " in shown


@pytest.mark.parametrize("page", PAGES)
def test_page_has_ascii_hyphens_and_quotes_that_can_be_copied(page: str) -> None:
    text = (FOLDER / page).read_text(encoding="utf-8")
    assert text.isascii()
    for line in text.splitlines():
        if not line.startswith("."):
            assert not re.search(r"(?<!\\)-|['`^~]", line), line


def test_wheel_puts_the_pages_where_man_looks() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        targets = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["shared-data"] == {"docs/man": "share/man/man1"}
    assert "docs" in targets["sdist"]["include"]
    assert sorted(path.name for path in FOLDER.iterdir()) == PAGES
