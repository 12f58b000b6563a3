"""Write docs/man/*.1: the manual pages of isocenter and of its tools.

    python tools/generate_man_pages.py           write
    python tools/generate_man_pages.py --check   exit code 1 if a committed file differs

All of them follow from the tools' data (`isocenter.cli.spec`, `manual`, `exitcodes`), in the
macros of man(7), which groff and mandoc both read.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from isocenter import __version__
from isocenter.cli.completion import tools
from isocenter.cli.exitcodes import MEANINGS
from isocenter.cli.main import COMMANDS, TOOLS
from isocenter.cli.manual import MANUALS, SHELLS
from isocenter.cli.reference import facts_of, parameter_text, sections, sentence
from isocenter.cli.render import RELEASE_DATE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.cli.manual import Manual
    from isocenter.cli.spec import Option, Tool

__all__ = ["generate", "main"]

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "man")
_WIDTH = 78
_NO_TOOL = """\
The tools have the names and the command lines of DCMTK's, and so have their manual pages.
Which ones a shell and man(1) find depends on PATH and MANPATH; "man -w NAME" tells.
"""


def generate() -> dict[str, str]:
    """Return the pages by file name."""
    pages = {f"{tool.name}.1": _tool_page(tool) for tool in tools()}
    return {"isocenter.1": _package_page()} | pages


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them with what stands there; return the exit code."""
    pages = generate()
    if arguments == ["--check"]:
        stale = [name for name, page in pages.items() if _read(name) != page]
        left_over = sorted(set(os.listdir(_FOLDER)) - set(pages)) if os.path.isdir(_FOLDER) else []
        for name in (*stale, *left_over):
            print(f"docs/man/{name} is not what tools/generate_man_pages.py writes")
        return 1 if stale or left_over else 0
    if arguments:
        print("usage: generate_man_pages.py [--check]")
        return 1
    os.makedirs(_FOLDER, exist_ok=True)
    for name, page in pages.items():
        with open(os.path.join(_FOLDER, name), "w", encoding="utf-8") as file:
            file.write(page)
    print(f"wrote {len(pages)} pages to docs/man")
    return 0


def _read(name: str) -> str:
    try:
        with open(os.path.join(_FOLDER, name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _tool_page(tool: Tool) -> str:
    manual = MANUALS[tool.name]
    lines = [*_head(tool.name, tool.description), ".SH SYNOPSIS"]
    for words in (tool.name, f"isocenter {tool.name}"):
        lines += [f"{_bold(words)} [{_italic('options')}] {_parameters(tool)}", ".br"]
    lines[-1:] = [".SH DESCRIPTION", *_paragraphs(manual.description), ".SH PARAMETERS"]
    for parameter in tool.parameters:
        lines += _item(_italic(parameter.name), parameter_text(tool, parameter))
    lines.append(".SH OPTIONS")
    for heading, group in sections(tool):
        shown = heading if heading.startswith("isocenter") else heading[:1].upper() + heading[1:]
        lines.append(f".SS {_argument(shown)}")
        if group.note:
            lines += _text(sentence(group.note))
        for option in group.options:
            lines += _option(option)
    lines += [".SH EXIT STATUS", *_items(MEANINGS[tool.name])]
    lines += _environment(manual)
    if manual.signals:
        lines += [".SH SIGNALS", *_items(manual.signals)]
    lines.append(".SH EXAMPLES")
    for text, command in manual.examples:
        lines += _item(_bold(command), sentence(text))
    lines += [".SH NOTES", *_text(_NO_TOOL)]
    lines += _see_also(name for name in ("isocenter", *TOOLS) if name != tool.name)
    return "\n".join(lines) + "\n"


def _package_page() -> str:
    lines = [*_head("isocenter", "DICOM networking tools"), ".SH SYNOPSIS"]
    lines += [
        f"{_bold('isocenter')} {_italic('TOOL')} [{_italic('options')}] {_italic('parameters')}...",
        ".br",
    ]
    lines += [f"{_bold('isocenter completion')} {_italic('SHELL')}", ".br"]
    quiet = f"[{_bold('--quiet')}] {_italic('AREA')}"
    index = f"[{_bold('--index')} {_italic('URL')}]"
    lines += [f"{_bold('isocenter index check')} [{_bold('--quick')}] {index} {quiet}", ".br"]
    lines += [f"{_bold('isocenter index rebuild')} [{_bold('--no-durable')}] {quiet}", ".br"]
    options = f"[{_bold('--in-place')}] [{_bold('--no-durable')}] {index} {quiet}"
    lines += [f"{_bold('isocenter index import')} {options} {_italic('FOLDER')}...", ".br"]
    options = f"[{_bold('--algorithm')} {_italic('NAME')}] [{_bold('--titles')} {_italic('LIST')}]"
    words = f"{options} [{_bold('--delete')}] {_italic('FILE')} {_italic('USER')}"
    lines += [f"{_bold('isocenter passwd')} {words}", ".br"]
    lines += [f"{_bold('isocenter show')} [{_bold('--full')}] {_italic('FILE')}...", ".br"]
    options = f"[{_bold('--frames')} {_italic('LIST')}] [{_bold('--window')} {_italic('C,W')}]"
    words = f"{options} [{_bold('--overwrite')}] {_italic('FILE')}..."
    lines += [f"{_bold('isocenter show --png')} {_italic('FOLDER')} {words}", ".br"]
    lines += [f"{_bold('isocenter')} [{_bold('--help')} | {_bold('--version')}]"]
    lines.append(".SH DESCRIPTION")
    lines += _text(
        "isocenter sends and receives DICOM objects. Its tools take the command lines of "
        "DCMTK's tools of the same names; each can also be called by its own name."
    )
    lines += [".SH TOOLS", *_items(TOOLS.items())]
    lines += [".SH COMMANDS", *_items(COMMANDS.items())]
    lines += _text(
        f"The shells are {', '.join(SHELLS[:-1])} and {SHELLS[-1]}; "
        "isocenter completion --help says where the script belongs. "
        "isocenter index compares an archive's folder with its index, also beside a running "
        "server; while none runs it makes the index anew from the files, or takes DICOM files of "
        "other folders over, by copy or where they are. "
        "isocenter passwd asks for a password twice, or takes the first line of standard input "
        "where that is no terminal. "
        "isocenter show prints a line for each element of files, or writes pictures of their "
        "frames, as PNG files: with the window that a file names, or with its center and width "
        "behind --window. They are not for diagnosis."
    )
    lines.append(".SH OPTIONS")
    lines += _item(f"{_bold('-h')}, {_bold('--help')}", "Show the tools and exit.")
    lines += _item(_bold("--version"), "Show version information and exit.")
    lines.append(".SH EXIT STATUS")
    lines += _text("That of the tool; 1 where there is no such tool, shell or option.")
    lines += [".SH NOTES", *_text(_NO_TOOL), *_see_also(TOOLS)]
    return "\n".join(lines) + "\n"


def _head(name: str, description: str) -> list[str]:
    title = f".TH {name.upper()} 1 {RELEASE_DATE} {_argument(f'isocenter {__version__}')}"
    return [
        '.\\" Written by tools/generate_man_pages.py; do not edit.',
        f"{title} {_argument('DICOM networking tools')}",
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{name} \\- {_escaped(description)}",
    ]


def _parameters(tool: Tool) -> str:
    words = []
    for parameter in tool.parameters:
        word = _italic(parameter.name) + ("..." if parameter.multiple else "")
        words.append(f"[{word}]" if parameter.optional else word)
    return " ".join(words)


def _option(option: Option) -> list[str]:
    facts = facts_of(option)
    tag = ", ".join(_bold(name) for name in facts.names)
    for value in facts.values:
        tag += f" {_italic(value)}"
    text = facts.text
    if facts.allowed:
        text += f" Allowed: {facts.allowed}."
    if facts.default:
        text += f" Default: {facts.default}."
    if facts.is_default:
        text += " This is the default."
    return _item(tag, " ".join((text, *facts.conditions)))


def _environment(manual: Manual) -> list[str]:
    return [".SH ENVIRONMENT", *_items(manual.environment)] if manual.environment else []


def _see_also(names: Iterable[str]) -> list[str]:
    references = ", ".join(f"{_bold(name)}(1)" for name in names)
    return [".SH SEE ALSO", references]


def _items(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [line for tag, text in rows for line in _item(_bold(tag), sentence(text))]


def _item(tag: str, text: str) -> list[str]:
    return [".TP", tag, *_text(text)]


def _paragraphs(texts: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += [".PP", *_text(text)] if lines else _text(text)
    return lines


def _text(text: str) -> list[str]:
    """Return running text, a new line after each sentence as man(7) wants it."""
    lines = [""]
    for word in text.split():
        full = len(lines[-1]) + 1 + len(word) > _WIDTH
        if lines[-1] and (full or lines[-1].endswith((".", ":"))):
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return [_escaped(line) for line in lines]


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fR"


def _argument(text: str) -> str:
    """Return an argument of a macro."""
    escaped = _escaped(text).replace('"', "\\(dq")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    """Return text as it is to appear: with ASCII hyphens, quotes and backslashes."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for character, name in (("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(character, name)
    return f"\\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
