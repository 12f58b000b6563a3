"""Write docs/tools.md: what every tool does, its options as tables, examples, exit codes.

    python tools/generate_tool_reference.py           write
    python tools/generate_tool_reference.py --check   exit code 1 if the committed file differs

All of it follows from the tools' data (`isocenter.cli.spec`, `manual`, `exitcodes`). Version
and date are left out, so that a release does not change the page.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from isocenter.cli.completion import tools
from isocenter.cli.exitcodes import MEANINGS
from isocenter.cli.manual import MANUALS
from isocenter.cli.reference import facts_of, parameter_text, sections, sentence
from isocenter.cli.render import usage_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.cli.spec import Group, Option, Tool

__all__ = ["generate", "main"]

_TARGET = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "tools.md"
)

_HEAD = """\
# The tools and their options

Written by `tools/generate_tool_reference.py` from the data that the tools read their command lines
by; do not edit. `isocenter TOOL --help` shows the same on a terminal, `man TOOL` as a manual page.
`docs/deviations.md` says where a tool behaves differently from DCMTK's of the same name, and which
of DCMTK's options are not offered.

Of options that exclude each other, the rightmost one on the command line wins; one of them is the
default where the table says so. "Not with" and "only with" are checked, and a command line that
does not keep to them is refused.
"""


def generate() -> str:
    """Return the page."""
    contents = "".join(f"- [{tool.name}](#{tool.name}): {tool.description}\n" for tool in tools())
    return "".join([_HEAD, "\n", contents, *(_tool(tool) for tool in tools())])


def main(arguments: list[str]) -> int:
    """Write the page, or compare it with what stands there; return the exit code."""
    page = generate()
    if arguments == ["--check"]:
        try:
            with open(_TARGET, encoding="utf-8") as file:
                same = file.read() == page
        except OSError:
            same = False
        if not same:
            print("docs/tools.md is not what tools/generate_tool_reference.py writes")
        return 0 if same else 1
    if arguments:
        print("usage: generate_tool_reference.py [--check]")
        return 1
    with open(_TARGET, "w", encoding="utf-8") as file:
        file.write(page)
    print("wrote docs/tools.md")
    return 0


def _tool(tool: Tool) -> str:
    manual = MANUALS[tool.name]
    parts = [f"\n## {tool.name}\n\n{tool.description}.\n\n```text\n{usage_line(tool)}\n```\n"]
    parts += [f"\n{_prose(text)}\n" for text in manual.description]
    parts.append(f"\n### Parameters of {tool.name}\n\n")
    rows = [(f"`{each.name}`", _prose(parameter_text(tool, each))) for each in tool.parameters]
    parts.append(_table(("Parameter", "What it is"), rows))
    for heading, group in sections(tool):
        parts.append(f"\n### {tool.name}: {heading}\n\n{_options(group)}")
    parts.append(f"\n### Examples of {tool.name}\n")
    for text, command in manual.examples:
        parts.append(f"\n{_prose(sentence(text)).removesuffix('.')}:\n\n```sh\n{command}\n```\n")
    parts.append(f"\n### Exit codes of {tool.name}\n\n")
    parts.append(_table(("Code", "Meaning"), _rows(MEANINGS[tool.name], "")))
    parts.append(f"\n### Environment of {tool.name}\n\n")
    parts.append(_table(("Variable", "What it does"), _rows(manual.environment, "`")))
    if manual.signals:
        parts.append(f"\n### Signals to {tool.name}\n\n")
        parts.append(_table(("Signal", "What it does"), _rows(manual.signals, "")))
    return "".join(parts)


def _options(group: Group) -> str:
    """Return the table of a group, without the columns that would be empty."""
    rows = [_option(option) for option in group.options]
    heads = ("Option", "Value", "Allowed", "Default", "What it does")
    used = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    table = _table(
        tuple(heads[index] for index in used),
        [tuple(row[index] for index in used) for row in rows],
    )
    return f"{_prose(sentence(group.note))}\n\n{table}" if group.note else table


def _option(option: Option) -> tuple[str, ...]:
    facts = facts_of(option)
    default = facts.default or ("this one" if facts.is_default else "")
    return (
        "<br>".join(f"`{name}`" for name in facts.names),
        ", ".join(facts.values),
        facts.allowed,
        default,
        _prose(" ".join((facts.text, *facts.conditions))),
    )


def _rows(rows: Iterable[tuple[str, str]], mark: str) -> list[tuple[str, ...]]:
    return [(f"{mark}{name}{mark}", _prose(sentence(text))) for name, text in rows]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _prose(text: str) -> str:
    """Return running text with names of options as code, and nothing taken for emphasis."""
    words = []
    for word in text.replace("\\", "\\\\").replace("*", "\\*").replace("_", "\\_").split(" "):
        bare = word.strip("(),.;:")
        named = bare.startswith(("--", "+")) or (bare[:1] == "-" and bare[1:2].isalpha())
        code = bare.replace("\\_", "_")
        words.append(word.replace(bare, f"`{code}`", 1) if named and len(bare) > 1 else word)
    return " ".join(words).replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
