"""Fuzz target: command lines, and files with arguments.

The first byte of the input chooses the tool; then come the arguments, with a NUL behind each, and
the content of whatever file one of them names. Reading may raise `CommandLineError` and nothing
else. Of a command line that is right every option can be asked for, and what is secret in it is
not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from isocenter.cli import parser, render
from isocenter.cli.guesses import guess
from isocenter.cli.options_dcmrecv import TOOL as DCMRECV
from isocenter.cli.options_dcmsend import TOOL as DCMSEND
from isocenter.cli.options_echoscu import TOOL as ECHOSCU
from isocenter.cli.options_storescp import TOOL as STORESCP
from isocenter.cli.options_storescu import TOOL as STORESCU
from tests.fuzz.files import named
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

_TOOLS = (ECHOSCU, STORESCU, STORESCP, DCMSEND, DCMRECV)
_MOST = 200
_FILE_BEHIND = 0xFF
"""In the place of an argument: the rest is the content of files."""


def seeds() -> list[bytes]:
    """Return each option of each tool with a value, and some whole command lines."""
    found = []
    for choice, tool in enumerate(_TOOLS):
        for option in tool.options():
            words = [option.short or option.long, *["1"] * len(option.values), "host", "104", "f"]
            found.append(bytes([choice]) + "\0".join(words).encode())
    lines = (
        (0, "-v -aet A -aec B -ta 0x10 --repeat 3 localhost 11112"),
        (1, "+sd +r -R --user me --password secret --arguments host 104 a.dcm b.dcm"),
        (2, "+B -xcr 'c #p/#f' -tos 2 +uf -fe .dcm --fork -od /tmp 11112"),
        (0, "@file"),
        (3, "+v +sd +r +rd -nh --create-report-file r.txt --user me --password secret host 104 a"),
        (4, "-v -od /tmp -s +uf -fe .dcm -xcr 'c #p/#f' --fork 11112"),
    )
    content = b"\0\xff\0 -v \"a b\"'c d'\n@file\t-lc x localhost\n104"
    for choice, line in lines:
        found.append(bytes([choice]) + line.replace(" ", "\0").encode() + content)
    return found


def test_one_input(data: bytes) -> None:
    """Read one command line and check what follows from it."""
    if not data:
        return
    tool = _TOOLS[data[0] % len(_TOOLS)]
    words = data[1:].split(b"\0")
    content = b""
    if bytes([_FILE_BEHIND]) in words:
        place = words.index(bytes([_FILE_BEHIND]))
        content = b"\0".join(words[place + 1 :])
        del words[place:]
    argv = [word.decode("utf-8", "surrogateescape") for word in words[:_MOST]]
    _check_quoting([each for each in argv if each])
    # No file of this machine is opened, whatever the arguments say.
    real = parser._read_command_file
    with (
        named(content) as path,
        patch.object(parser, "_read_command_file", lambda _: real(path)),
        patch("isocenter.cli.logconfig.os.path.exists", lambda _: False),
    ):
        _check(tool, argv)


def _check(tool: Tool, argv: list[str]) -> None:
    line = None
    with raises_only(parser.CommandLineError):
        line = parser.parse(tool, argv)
    if line is None:
        for argument in argv[:3]:
            guess(tool, argument)
            render.error_text(tool, f"Unknown option {argument}")
        return
    if line.exclusive:
        return
    secrets = []
    for name, values in line.given_options:
        option = line.option(name)
        for index, (kind, value) in enumerate(zip(option.values, values, strict=True)):
            if kind.kind == "integer":
                line.integer_or_none(name, index)
            line.value(name, index)
            if kind.secret:
                secrets.append(value)
    for option in tool.options():
        line.in_force(option.long)
    shown = line.arguments_text or ""
    words = parser.expand_command_files(argv)
    for secret in secrets:
        others = [each for each in words if each != secret]
        by_chance = words.count(secret) > secrets.count(secret) or any(
            secret in each for each in (*others, "' 'arguments: ***")
        )
        if not by_chance and secret in shown.partition(" with ")[2]:
            raise AssertionError(f"{secret!r} is shown in {shown!r}")


def _check_quoting(arguments: list[str]) -> None:
    """See that arguments in quotes, in a file, come out of it as they are."""
    plain = [each for each in arguments if '"' not in each]
    text = " ".join(f'"{each}"' for each in plain)
    if parser._split_command_file(text) != plain:
        raise AssertionError(f"{plain!r} in a file is something else")
