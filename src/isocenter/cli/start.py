"""The first steps that every tool takes with its command line.

Owns the order: read, answer `--help`, `--version` and the like, complain, set up the log. Must
not know what a tool does afterwards.
"""

from __future__ import annotations

import os
import sys

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.levels import DEBUG, INFO
from isocenter.cli.parser import CommandLineError, parse

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.spec import Tool

__all__ = ["refuse", "start"]


def start(
    tool: Tool, argv: Sequence[str], *, program: str | None = None
) -> ParsedCommandLine | ExitCode:
    """Read a command line and do what does not depend on the tool.

    Args:
        tool: what the command line may contain.
        argv: the arguments without the program's name.
        program: the name that `--arguments` shows; the tool's by default.

    Returns:
        The command line, with log output set up; or the code to exit with, where
        the help text, the version or an error was printed and nothing is left to do.
    """
    try:
        line = parse(tool, argv, program=program)
    except CommandLineError as problem:
        _complain(tool, problem, argv)
        return ExitCode.FAILURE
    if line.exclusive is not None:
        from isocenter.cli import render

        if line.exclusive == "--help":
            from isocenter.cli.terminal import style_of

            text = render.usage(tool, style_of(sys.stdout, os.environ))
        elif line.exclusive == "--version":
            text = render.version_text(tool)
        elif line.exclusive == "--list-decoders":
            from isocenter.cli.decoders import decoders_text

            text = decoders_text(tool)
        else:
            from isocenter.cli.tls_lists import list_text

            text = list_text(tool, line.exclusive)
        return ExitCode.SUCCESS if _write(sys.stdout, text) else ExitCode.FAILURE
    from isocenter.cli import logsetup

    if line.log_config is None:
        logsetup.configure(line.level)
    elif (failure := _set_up_log(line)) is not None:
        _complain(tool, failure, ())
        return ExitCode.FAILURE
    if line.arguments_text is not None:
        logsetup.write_lines(INFO, line.arguments_text, root=True)
    if line.level <= DEBUG:
        from isocenter.cli import render

        logsetup.write_lines(DEBUG, render.identifier(tool.name) + "\n")
    return line


def refuse(line: ParsedCommandLine, message: str) -> ExitCode:
    """Complain about a command line that was read but cannot be used; return the exit code."""
    _complain(line.tool, CommandLineError(message, quiet=line.quiet), ())
    return ExitCode.FAILURE


def _set_up_log(line: ParsedCommandLine) -> CommandLineError | None:
    """Open what `--log-config` names; return what is wrong with it."""
    from isocenter.cli import logsetup
    from isocenter.errors import ConfigurationError

    try:
        if line.log_config is not None:
            logsetup.configure_from(line.log_config)
    except ConfigurationError as problem:
        return CommandLineError(str(problem), quiet=line.quiet, arguments_text=line.arguments_text)
    return None


def _complain(tool: Tool, problem: CommandLineError, argv: Sequence[str]) -> None:
    if problem.arguments_text is not None:
        from isocenter.cli import logsetup
        from isocenter.errors import ConfigurationError

        try:
            if problem.log_config is not None:
                logsetup.configure_from(problem.log_config)
        except ConfigurationError:
            pass  # one complaint is enough; the arguments go to stderr
        logsetup.write_lines(INFO, problem.arguments_text, root=True)
    if problem.quiet:
        return
    from isocenter.cli import render

    _write(sys.stderr, render.error_text(tool, problem.message + _hint(argv)))


def _hint(argv: Sequence[str]) -> str:
    """Return what probably went wrong where an option stands in the place of a certificate."""
    for place, word in enumerate(argv):
        if word in {"+tls", "--enable-tls"} and argv[place + 2 : place + 3]:
            if argv[place + 2].startswith(("+", "-")):
                return f" ({word} takes two files, the private key and the certificate)"
            return ""
    return ""


def _write(stream: TextIO | None, text: str) -> bool:
    """Write to a stream that may be closed, or whose reader may have gone.

    Returns:
        False where it could not be written although somebody may want it, as on a full disk.
    """
    try:
        if stream is not None:
            stream.write(text)
            stream.flush()
    except (BrokenPipeError, ValueError):
        return True
    except OSError:
        return False
    return True
