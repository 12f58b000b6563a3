"""``isocenter completion SHELL``: a script by which a shell completes the tools' command lines.

Owns what there is to complete: options, the kind of each value, parameters. Must not know
any shell's language (`completion_bash`, `completion_zsh`, `completion_fish`). All of it
follows from the tools' data; a new option needs nothing here.
"""

from __future__ import annotations

import sys

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.manual import SHELLS
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.spec import Option, Tool, Value

__all__ = [
    "COMMAND",
    "DIRECTORY",
    "FILE",
    "LEVELS",
    "NOTHING",
    "PROFILE",
    "WORDS",
    "OptionCompletion",
    "ToolCompletion",
    "built_in_profiles",
    "completion_of",
    "main",
    "script",
    "script_of",
    "tools",
]

NOTHING = "nothing"
FILE = "file"
DIRECTORY = "directory"
COMMAND = "command"
PROFILE = "profile"
"""The name of a profile in the configuration file that is the argument before."""
WORDS = "words:"
"""Prefix of a kind that is a list of words with commas between them."""

LEVELS = ("fatal", "error", "warn", "info", "debug", "trace")
"""What `--log-level` takes, as the help text lists it."""

_USAGE = """\
usage: isocenter completion SHELL

Prints a script that completes the command lines of isocenter and of its tools.

bash  put into ~/.bashrc:
        source <(isocenter completion bash)
zsh   write to a folder of $fpath, for instance:
        isocenter completion zsh > ~/.zfunc/_isocenter
fish  write to the configuration:
        isocenter completion fish > ~/.config/fish/conf.d/isocenter.fish
"""


class OptionCompletion(Record):
    """One option.

    Attributes:
        names: short, if there is one, and long.
        description: one line.
        kinds: what follows it, one kind for each value.
    """

    names: tuple[str, ...]
    description: str
    kinds: tuple[str, ...]


class ToolCompletion(Record):
    """One tool.

    Attributes:
        name: the tool's.
        options: all of them.
        parameters: the kind of each.
        repeated: True where the last parameter may be followed by more of its kind.
    """

    name: str
    options: tuple[OptionCompletion, ...]
    parameters: tuple[str, ...]
    repeated: bool


_COMMANDS = (
    ToolCompletion(
        name="index",
        options=(
            OptionCompletion(names=("--quick",), description="compare lengths alone", kinds=()),
            OptionCompletion(names=("--in-place",), description="files stay", kinds=()),
            OptionCompletion(names=("--index",), description="URL of a database", kinds=(NOTHING,)),
            OptionCompletion(
                names=("--no-durable",), description="do not wait for the disk", kinds=()
            ),
            OptionCompletion(
                names=("-q", "--quiet"), description="say only what is wrong", kinds=()
            ),
            OptionCompletion(names=("-h", "--help"), description="show help and exit", kinds=()),
        ),
        parameters=(f"{WORDS}check,rebuild,import", DIRECTORY),
        repeated=True,
    ),
    ToolCompletion(
        name="passwd",
        options=(
            OptionCompletion(
                names=("--algorithm",),
                description="how the password is kept",
                kinds=(f"{WORDS}argon2id,scrypt",),
            ),
            OptionCompletion(
                names=("--titles",),
                description="AE titles that the user may call from",
                kinds=(NOTHING,),
            ),
            OptionCompletion(names=("--delete",), description="delete the user", kinds=()),
            OptionCompletion(names=("-h", "--help"), description="show help and exit", kinds=()),
        ),
        parameters=(FILE, NOTHING),
        repeated=False,
    ),
    ToolCompletion(
        name="show",
        options=(
            OptionCompletion(names=("--full",), description="show values whole", kinds=()),
            OptionCompletion(
                names=("--png",), description="folder for pictures of frames", kinds=(DIRECTORY,)
            ),
            OptionCompletion(names=("--frames",), description="frames to write", kinds=(NOTHING,)),
            OptionCompletion(names=("--window",), description="center and width", kinds=(NOTHING,)),
            OptionCompletion(names=("--overwrite",), description="write over pictures", kinds=()),
            OptionCompletion(names=("-h", "--help"), description="show help and exit", kinds=()),
        ),
        parameters=(FILE,),
        repeated=True,
    ),
)
"""Commands of `isocenter` that have options of their own; their names alone are no programs."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `isocenter completion` with the arguments behind that; return the exit code."""
    del env
    if len(argv) == 1 and argv[0] in SHELLS:
        text, code = script(argv[0]), ExitCode.SUCCESS
    elif list(argv) in (["--help"], ["-h"]):
        text, code = _USAGE, ExitCode.SUCCESS
    else:
        message = f"isocenter completion: expected one of {', '.join(SHELLS)}\n"
        if sys.stderr is not None:
            sys.stderr.write(message)
        return ExitCode.FAILURE
    if sys.stdout is not None:
        sys.stdout.write(text)
    return code


def script(shell: str) -> str:
    """Return the script for one of `SHELLS`."""
    return script_of(shell, tools())


def script_of(shell: str, tools: tuple[Tool, ...]) -> str:
    """Return the script for some tools."""
    module = __import__(f"isocenter.cli.completion_{shell}", fromlist=["script"])
    completions = tuple(completion_of(tool) for tool in tools)
    from isocenter.cli.options_archive import TOOL as ARCHIVE

    commands = (completion_of(ARCHIVE), *_COMMANDS)
    text: str = module.script(completions, commands, built_in_profiles())
    return text


def built_in_profiles() -> dict[str, tuple[str, ...]]:
    """Return the names of the association profiles that need no file, by the file's name."""
    from isocenter.cli.builtin_profiles import NAMES, builtin_profiles

    return {name: tuple(builtin_profiles(name) or ()) for name in NAMES}


def tools() -> tuple[Tool, ...]:
    """Return all tools."""
    from isocenter.cli.main import TOOLS

    found: list[Tool] = []
    for name in TOOLS:
        module = __import__(f"isocenter.cli.options_{name}", fromlist=["TOOL"])
        found.append(module.TOOL)
    return tuple(found)


def completion_of(tool: Tool) -> ToolCompletion:
    """Return what there is to complete of a tool's command line."""
    return ToolCompletion(
        name=tool.name,
        options=tuple(_option(option) for option in tool.options()),
        parameters=tuple(_by_name(parameter.name) for parameter in tool.parameters),
        repeated=any(parameter.multiple for parameter in tool.parameters),
    )


def _option(option: Option) -> OptionCompletion:
    return OptionCompletion(
        names=tuple(name for name in (option.short, option.long) if name),
        description=" ".join(option.help_text.split()),
        kinds=tuple(_kind(option, value) for value in option.values),
    )


def _kind(option: Option, value: Value) -> str:
    if value.choices:
        return WORDS + ",".join(value.choices)
    if option.long == "--log-level":
        return WORDS + ",".join(LEVELS)
    return NOTHING if value.kind == "integer" else _by_name(value.name)


def _by_name(name: str) -> str:
    """Return the kind of something by what the help text calls it."""
    if "file" in name.replace(PROFILE, ""):
        return FILE
    return name if name in (DIRECTORY, COMMAND, PROFILE) else NOTHING
