"""What a tool prints about itself: header, usage, version and error text.

Owns the layout, which is DCMTK's: as it is in a pipe, wrapped and emphasised by a `Style`
on a terminal. Must not know how a command line is read, nor where the text goes
(`terminal` looks).
"""

from __future__ import annotations

import os
import sys

from isocenter import __version__

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.spec import Group, Option, Tool

__all__ = [
    "PLAIN",
    "RELEASE_DATE",
    "Style",
    "build_lines",
    "error_text",
    "families",
    "header",
    "identifier",
    "overview",
    "usage",
    "usage_line",
    "value_text",
    "version_text",
]

RELEASE_DATE = "2026-11-21"
"""Day of this version, as the header line shows it."""

_SHORT_WIDTH = 4
_SPACE = 2
_NOTE_WIDTH = 46  # columns of what follows from an option's facts
_LEAST_TEXT = 36  # columns; with fewer, a text begins on a line of its own
_OWN_LINE = 14  # where it then begins
_NARROW = 60  # columns; with fewer, it begins further to the left
_OWN_LINE_NARROW = 12
_MOST_OF_A_FAMILY = 4  # names with the same beginning, of which each is shown
_UNKNOWN_OPTION = "Unknown option "


class Style:
    """How a text is shown.

    Attributes:
        width: columns to wrap to, 0 for the lines as they are.
        emphasis: True where headings and names are set off by escape sequences.
    """

    __slots__ = ("emphasis", "width")

    def __init__(self, *, width: int = 0, emphasis: bool = False) -> None:
        """Keep the facts."""
        self.width = width
        self.emphasis = emphasis

    def heading(self, text: str) -> str:
        """Return a heading: bold and underlined."""
        return f"\x1b[1;4m{text}\x1b[0m" if self.emphasis else text

    def name(self, text: str) -> str:
        """Return the name of an option, parameter or tool: bold."""
        return f"\x1b[1m{text}\x1b[0m" if self.emphasis and text else text


PLAIN = Style()
"""Of pipes and files: DCMTK's layout, the same everywhere."""


def identifier(name: str) -> str:
    """Return the line that names program, version and date."""
    return f"$isocenter: {name} v{__version__} {RELEASE_DATE} $"


def header(tool: Tool) -> str:
    """Return the identifier, an empty line and the tool's one-line description."""
    return f"{identifier(tool.name)}\n\n{tool.name}: {tool.description}\n"


def error_text(tool: Tool, message: str) -> str:
    """Return what is printed where the command line is wrong.

    DCMTK's lines, and behind them what was probably meant by an unknown option.
    """
    text = f"{header(tool)}error: {message}\n"
    if message.startswith(_UNKNOWN_OPTION):
        from isocenter.cli.guesses import guess

        meant = guess(tool, message.removeprefix(_UNKNOWN_OPTION))
        if meant:
            text += f"hint: {meant}\n"
    return text


def usage_line(tool: Tool) -> str:
    """Return the synopsis, for instance ``storescu [options] peer port dcmfile-in...``."""
    words = [tool.command, "[options]"]
    for parameter in tool.parameters:
        word = parameter.name + ("..." if parameter.multiple else "")
        words.append(f"[{word}]" if parameter.optional else word)
    return " ".join(words)


def usage(tool: Tool, style: Style = PLAIN) -> str:
    """Return the help text."""
    from isocenter.cli.manual import MANUALS

    long_width = _long_width(tool)
    start = "usage:"
    synopsis = _indented(len(start) + 1, [usage_line(tool)], style).lstrip()
    lines = [f"{style.heading(start)} {synopsis}", "", style.heading("parameters:")]
    name_width = long_width + _SHORT_WIDTH + 4
    lines += [
        _row(2, (parameter.name,), (name_width,), [parameter.help_text], style)
        for parameter in tool.parameters
    ]
    lines.append("")
    for group in tool.groups:
        lines += _group(group, 2, _SHORT_WIDTH + 2, long_width, style)
        for subgroup in group.subgroups:
            lines += _group(subgroup, 4, _SHORT_WIDTH, long_width, style)
    manual = MANUALS.get(tool.name)
    if manual is not None and manual.examples:
        lines += ["", style.heading("examples:")]
        for text, command in manual.examples:
            lines += [f"  {style.name(command)}", _indented(6, [text], style)]
    return f"{header(tool)}" + "\n".join(lines) + "\n\n"


def overview(tools: Mapping[str, str], commands: Mapping[str, str], style: Style = PLAIN) -> str:
    """Return what `isocenter --help` prints.

    Args:
        tools: each tool and what it is for.
        commands: what isocenter itself can do, likewise.
        style: how it is shown.
    """
    width = max(map(len, (*tools, *commands)))

    def rows(purposes: Mapping[str, str]) -> list[str]:
        return [_row(2, (name,), (width,), [purpose], style) for name, purpose in purposes.items()]

    start = "usage:"
    words = ["isocenter TOOL [options] parameters..."]
    synopsis = _indented(len(start) + 1, words, style).lstrip()
    lines = [
        "isocenter: DICOM networking tools",
        f"{style.heading(start)} {synopsis}",
        "",
        style.heading("tools:"),
        *rows(tools),
        "",
        style.heading("other commands:"),
        *rows(commands),
        "",
        style.heading("general options:"),
        _row(2, ("-h", "--help"), (2, 9), ["show this text and exit"], style),
        _row(2, ("", "--version"), (2, 9), ["show version information and exit"], style),
        "",
        _indented(0, ["isocenter TOOL --help shows the options of a tool."], style),
    ]
    return "\n".join(lines) + "\n"


def value_text(option: Option) -> str:
    """Return the line that says what follows the option, "" where nothing does."""
    if not option.values:
        return ""
    names = ", ".join(value.name for value in option.values)
    value = option.values[-1]
    facts = []
    if value.minimum is not None and value.maximum is not None:
        facts.append(f"{value.minimum}..{value.maximum}")
    elif value.minimum is not None:
        facts.append(f"from {value.minimum}")
    if option.default is not None and not _default_apart(option):
        facts.append(f"default: {option.default}")
    shown = f" ({', '.join(facts)})" if facts else ""
    return f"{names}: {value.shown or value.kind}{shown}"


def families(names: tuple[str, ...]) -> list[str]:
    """Return long names, many that begin with the same word as one: ``--propose-...``."""
    shown: list[str] = []
    for name in names:
        family = "-".join(name.split("-")[:3]) + "-"
        if sum(other.startswith(family) for other in names) > _MOST_OF_A_FAMILY:
            name = family + "..."  # noqa: PLW2901 - what is shown of it
        if name not in shown:
            shown.append(name)
    return shown


def version_text(tool: Tool) -> str:
    """Return what `--version` prints."""
    libraries = []
    try:
        from zlib import ZLIB_RUNTIME_VERSION
    except ImportError:  # a Python built without it cannot deflate either
        pass
    else:
        libraries.append(f"- ZLIB, Version {ZLIB_RUNTIME_VERSION}")
    from isocenter.net.tls_library import library_version

    if tls := library_version():
        libraries.append(f"- {tls}")
    heading = "External libraries used:" if libraries else "External libraries used: none"
    return "\n".join([*build_lines(tool), heading, *libraries]) + "\n"


def build_lines(tool: Tool) -> list[str]:
    """Return the header and what this is running on, with an empty line behind."""
    host = sys.platform
    if hasattr(os, "uname"):
        system = os.uname()
        host = f"{system.sysname} {system.machine}"
    python = f"{sys.implementation.name} {sys.version.split()[0]}"
    return [
        header(tool),
        f"Host type: {host}, {python}",
        f"Character encoding: {sys.getfilesystemencoding()}",
        "Build options: pure-python",
        "",
    ]


def _default_apart(option: Option) -> bool:
    # Behind a range of two numbers the line would be too long for a terminal.
    last = option.values[-1] if option.values else None
    return last is None or last.maximum is not None or bool(last.choices)


def _notes(option: Option, group: Group) -> list[str]:
    """Return the notes that follow from the option's facts."""
    notes = []
    if option.default is not None and _default_apart(option):
        notes.append(f"(default: {option.default})")
    if not group.note:  # which says the same for all of them
        if option.requires and option.requires != group.implied:
            notes.append(f"(only with {' or '.join(families(option.requires))})")
        if option.conflicts:
            notes.append(f"(not with {' or '.join(families(option.conflicts))})")
    return notes


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text at blanks into lines of at most `width` columns, where words permit."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _long_width(tool: Tool) -> int:
    # As wide as the longest name outside the long lists of transfer syntaxes, which
    # widen their own block only.
    return max(
        len(option.long)
        for option in tool.options()
        if not option.long.startswith(("--propose-", "--prefer-"))
    )


def _group(group: Group, indent: int, short_width: int, long_width: int, style: Style) -> list[str]:
    note = f" ({group.note})" if group.note else ""
    start = " " * (indent - 2)
    heading = group.name + note + ":"
    broken = _wrapped(heading, style.width - indent) if style.width else [heading]
    lines = [start + style.heading(line) for line in broken]
    width = max([long_width, *(len(option.long) for option in group.options)])
    for option in group.options:
        value = [value_text(option)] if option.values else []
        notes = _notes(option, group)
        if style.width:
            texts = [*value, " ".join((option.help_text, *notes))]
        else:
            short = [line for note in notes for line in _wrapped(note, _NOTE_WIDTH)]
            texts = [*value, option.help_text, *short]
        names = (option.short, option.long)
        lines.append(_row(indent, names, (short_width, width), texts, style))
    return lines


def _row(
    indent: int, names: tuple[str, ...], widths: tuple[int, ...], texts: list[str], style: Style
) -> str:
    """Return names and, in a column behind them or below, what is said about them."""
    start = " " * indent
    column = indent
    for name, width in zip(names, widths, strict=True):
        start += style.name(name) + " " * (width + _SPACE - len(name))
        column += width + _SPACE
    if style.width and style.width - column < _LEAST_TEXT:
        own = _OWN_LINE if style.width >= _NARROW else _OWN_LINE_NARROW
        return f"{start.rstrip()}\n{_indented(own, texts, style)}"
    return start + _indented(column, texts, style).lstrip(" ")


def _indented(column: int, texts: list[str], style: Style) -> str:
    lines = []
    for text in texts:
        lines += _wrapped(text, style.width - column) if style.width else text.split("\n")
    return "\n".join(" " * column + line for line in lines)
