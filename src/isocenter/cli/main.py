"""The entry points: ``isocenter TOOL ...`` and one console script per tool.

Owns the choice of the tool, the last line of defence against unexpected errors, and
closing stdout. Must not know what a tool does; a tool is the module of that name with
``main(argv, env)``, imported when it is chosen.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COMMANDS",
    "TOOLS",
    "dcmqrscp",
    "dcmrecv",
    "dcmsend",
    "echoscu",
    "findscu",
    "getscu",
    "main",
    "movescu",
    "storescp",
    "storescu",
]

TOOLS = {
    "dcmqrscp": "archive: store, answer queries, send what is asked for",
    "dcmrecv": "receive objects and write them to files, with few options",
    "dcmsend": "send files of all kinds, decompressed where need be, with a report",
    "echoscu": "verify a connection: send C-ECHO",
    "findscu": "query an archive or a worklist: send C-FIND",
    "getscu": "fetch objects from an archive over the own association: send C-GET",
    "movescu": "have an archive send objects to somebody: send C-MOVE",
    "storescp": "receive objects and write them to files",
    "storescu": "send files",
}
"""Each tool and what it is for."""

COMMANDS = {
    "archive": "serve an archive from a folder, without a configuration file",
    "completion": "print a script that completes command lines in a shell",
    "index": "check the index of an archive, make it anew, or take files over",
    "passwd": "add, change or delete a user in a file for storescp --users",
    "show": "print what is in files, or write pictures of their frames",
}
"""What `isocenter` does itself, under names that are no tools."""

_FAILURE = 1
_COLLECT_AFTER = 20_000
"""New objects between two garbage collections; a start makes 15000, Python's default is 700."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``isocenter``.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit code: that of the tool, 0 for the list of tools, 1 for an unknown one.
    """
    arguments = sys.argv[1:] if argv is None else argv
    chosen = arguments[0] if arguments else "--help"
    if chosen in TOOLS or chosen in COMMANDS:
        run = _run_as_process if argv is None else _run
        return run(chosen, arguments[1:])
    if chosen in ("--help", "-h"):
        text, code, stream = _overview(), 0, sys.stdout
    elif chosen == "--version":
        text, code, stream = _version(), 0, sys.stdout
    else:
        text, code, stream = _unknown(chosen), _FAILURE, sys.stderr
    try:
        if stream is not None:
            stream.write(text)
    except BrokenPipeError:
        pass  # nobody listens; `_finish` sees to the rest
    except OSError:
        code = _FAILURE
    return _finish(code)


def _unknown(chosen: str) -> str:
    """Return what is said of a tool that there is not, with the one that was probably meant."""
    from difflib import get_close_matches

    known = (*TOOLS, *COMMANDS)
    text = f"isocenter: unknown tool '{chosen}', known are {', '.join(known)}\n"
    meant = get_close_matches(chosen.lower(), known, 1)
    return f"{text}hint: did you mean {meant[0]}?\n" if meant else text


def dcmqrscp() -> int:
    """Run the console script ``dcmqrscp``."""
    return _run_as_process("dcmqrscp", sys.argv[1:])


def dcmrecv() -> int:
    """Run the console script ``dcmrecv``."""
    return _run_as_process("dcmrecv", sys.argv[1:])


def dcmsend() -> int:
    """Run the console script ``dcmsend``."""
    return _run_as_process("dcmsend", sys.argv[1:])


def echoscu() -> int:
    """Run the console script ``echoscu``."""
    return _run_as_process("echoscu", sys.argv[1:])


def findscu() -> int:
    """Run the console script ``findscu``."""
    return _run_as_process("findscu", sys.argv[1:])


def getscu() -> int:
    """Run the console script ``getscu``."""
    return _run_as_process("getscu", sys.argv[1:])


def movescu() -> int:
    """Run the console script ``movescu``."""
    return _run_as_process("movescu", sys.argv[1:])


def storescp() -> int:
    """Run the console script ``storescp``."""
    return _run_as_process("storescp", sys.argv[1:])


def storescu() -> int:
    """Run the console script ``storescu``."""
    return _run_as_process("storescu", sys.argv[1:])


def _overview() -> str:
    from isocenter.cli.render import overview
    from isocenter.cli.terminal import style_of

    return overview(TOOLS, COMMANDS, style_of(sys.stdout, os.environ))


def _version() -> str:
    from isocenter.cli.render import identifier

    return identifier("isocenter") + "\n"


def _run_as_process(tool: str, argv: Sequence[str]) -> int:
    """Run a tool that is all the process is for: without the garbage collections of a start.

    Nearly everything that a start makes stays until the end, and looking through it, 20 times
    on the way and once more at exit, is a tenth of the time that sending one file takes.
    """
    import gc

    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    try:
        return _run(tool, argv)
    finally:
        gc.freeze()


def _run(tool: str, argv: Sequence[str]) -> int:
    """Import the tool, run it, and return its exit code."""
    try:
        module = __import__(f"isocenter.cli.{tool}", fromlist=["main"])
        code = int(module.main(argv, os.environ))
    except KeyboardInterrupt as interrupt:
        return _die_of(interrupt)
    except BrokenPipeError:
        code = _FAILURE
    except Exception as problem:
        if not _explain(tool, problem):
            raise
        code = _FAILURE
    return _finish(code)


def _explain(tool: str, problem: Exception) -> bool:
    """Say in one line what went wrong; False where the traceback is wanted, at debug level."""
    from isocenter.cli.levels import DEBUG, FATAL
    from isocenter.cli.logsetup import write_lines
    from isocenter.logs import get_logger, one_line

    if get_logger("isocenter").isEnabledFor(DEBUG):
        return False
    words = one_line(f"{type(problem).__name__}: {problem}")
    write_lines(FATAL, f"{tool}: unexpected error, use --debug for details: {words}")
    return True


def _die_of(interrupt: KeyboardInterrupt) -> int:
    """End as an interrupted program does, so that a calling shell stops its loop, too."""
    import signal

    number = int(getattr(interrupt, "signal_number", signal.SIGINT))  # of `termination.Terminated`
    _finish(_FAILURE)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _finish(code: int) -> int:
    """Flush stdout; where that fails, keep the interpreter from complaining at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as problem:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        if not isinstance(problem, BrokenPipeError):
            return code or _FAILURE
    return code
