"""What a tool prints about itself: header, usage, version and error text.

Owns the layout, which is DCMTK's. Must not know how a command line is read, nor
where the text goes.
"""

from __future__ import annotations

import os
import sys

from isocenter import __version__

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.spec import Group, Option, Tool

__all__ = [
    "RELEASE_DATE",
    "error_text",
    "header",
    "identifier",
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


def identifier(name: str) -> str:
    """Return the line that names program, version and date."""
    return f"$isocenter: {name} v{__version__} {RELEASE_DATE} $"


def header(tool: Tool) -> str:
    """Return the identifier, an empty line and the tool's one-line description."""
    return f"{identifier(tool.name)}\n\n{tool.name}: {tool.description}\n"


def error_text(tool: Tool, message: str) -> str:
    """Return what is printed where the command line is wrong."""
    return f"{header(tool)}error: {message}\n"


def usage_line(tool: Tool) -> str:
    """Return the synopsis, for instance ``storescu [options] peer port dcmfile-in...``."""
    words = [tool.name, "[options]"]
    for parameter in tool.parameters:
        word = parameter.name + ("..." if parameter.multiple else "")
        words.append(f"[{word}]" if parameter.optional else word)
    return " ".join(words)


def usage(tool: Tool) -> str:
    """Return the help text."""
    long_width = _long_width(tool)
    lines = [f"usage: {usage_line(tool)}", "", "parameters:"]
    name_width = long_width + _SHORT_WIDTH + 4
    lines += [
        _row(2, (parameter.name,), (name_width,), parameter.help_text)
        for parameter in tool.parameters
    ]
    lines.append("")
    for group in tool.groups:
        lines += _group(group, 2, _SHORT_WIDTH + 2, long_width)
        for subgroup in group.subgroups:
            lines += _group(subgroup, 4, _SHORT_WIDTH, long_width)
    return f"{header(tool)}" + "\n".join(lines) + "\n\n"


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


def version_text(tool: Tool) -> str:
    """Return what `--version` prints."""
    import zlib

    system = os.uname()
    python = f"{sys.implementation.name} {sys.version.split()[0]}"
    lines = [
        header(tool),
        f"Host type: {system.sysname} {system.machine}, {python}",
        f"Character encoding: {sys.getfilesystemencoding()}",
        "Build options: pure-python",
        "",
        "External libraries used:",
        f"- ZLIB, Version {zlib.ZLIB_RUNTIME_VERSION}",
    ]
    return "\n".join(lines) + "\n"


def _default_apart(option: Option) -> bool:
    # Behind a range of two numbers the line would be too long for a terminal.
    last = option.values[-1] if option.values else None
    return last is None or last.maximum is not None or bool(last.choices)


def _notes(option: Option, group: Group) -> str:
    """Return the lines that follow from the option's facts, each with a newline in front."""
    notes = []
    if option.default is not None and _default_apart(option):
        notes.append(f"default: {option.default}")
    if not group.note:  # which says the same for all of them
        if option.requires:
            notes.append(f"only with {' or '.join(option.requires)}")
        if option.conflicts:
            notes.append(f"not with {' or '.join(option.conflicts)}")
    return "".join(f"\n{_wrapped(f'({note})')}" for note in notes)


def _wrapped(text: str) -> str:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= _NOTE_WIDTH:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _long_width(tool: Tool) -> int:
    # As wide as the longest name outside the long lists of transfer syntaxes, which
    # widen their own block only.
    return max(
        len(option.long)
        for option in tool.options()
        if not option.long.startswith(("--propose-", "--prefer-"))
    )


def _group(group: Group, indent: int, short_width: int, long_width: int) -> list[str]:
    note = f" ({group.note})" if group.note else ""
    lines = [" " * (indent - 2) + group.name + note + ":"]
    width = max([long_width, *(len(option.long) for option in group.options)])
    for option in group.options:
        text = option.help_text + _notes(option, group)
        if option.values:
            text = f"{value_text(option)}\n{text}"
        lines.append(_row(indent, (option.short, option.long), (short_width, width), text))
    return lines


def _row(indent: int, names: tuple[str, ...], widths: tuple[int, ...], text: str) -> str:
    start = " " * indent
    for name, width in zip(names, widths, strict=True):
        start += name.ljust(width + _SPACE)
    return start + text.replace("\n", "\n" + " " * len(start))
