"""Makes the command-line parser forget one option, here or in a tool started from here.

Owns what "dropped" means: the option is read and checked as ever, its place in the grammar
(`requires`, conflicts, ranges) included, and from then on it is as if it had not been given.
Must not know which test shows its effect (`plugin` does).

A child process runs this as its ``sitecustomize``: `environment` puts this folder on its
PYTHONPATH. Product code knows nothing of it.

Environment, read in a child only:
    ISOCENTER_TEST_DROP: tool, option and path of a file, separated by newlines; a line is
        added to the file whenever the option was given and dropped.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.cli.parser import ParsedCommandLine

__all__ = ["VARIABLE", "drop", "environment"]

VARIABLE = "ISOCENTER_TEST_DROP"


def environment(tool: str, option: str, seen: str) -> dict[str, str]:
    """Return what makes each Python that is started with it drop the option of the tool."""
    folder = os.path.dirname(os.path.abspath(__file__))
    path = os.environ.get("PYTHONPATH")
    return {
        VARIABLE: f"{tool}\n{option}\n{seen}",
        "PYTHONPATH": f"{folder}{os.pathsep}{path}" if path else folder,
    }


def drop(tool: str, option: str, seen: str) -> Callable[[], None]:
    """Patch the parser of this process; return what takes the patch back.

    Args:
        tool: whose option it is; the same name of another tool is left alone.
        option: its long name.
        seen: path of the file that tells that the option was on a command line.
    """
    from isocenter.cli import parser
    from isocenter.cli.levels import WARN

    split, run = parser._split, parser._Evaluation.run

    def forget(line: ParsedCommandLine) -> bool:
        if line.tool.name != tool:
            return False
        kept = [given for given in line.given_options if given[0] != option]
        if len(kept) == len(line.given_options):
            return False
        line.given_options[:] = kept
        with open(seen, "a", encoding="utf-8") as file:
            file.write("given\n")
        return True

    def split_and_forget(line: ParsedCommandLine, arguments: Sequence[str]) -> None:
        split(line, arguments)
        # An exclusive option counts before anything is checked, and nothing depends on it. One that
        # is all of its block does nothing but contradict others, which is what is checked.
        alone = (option,) in line.tool.evaluation
        if alone or any(k.long == option and k.exclusive for k in line.tool.options()):
            forget(line)

    def run_and_forget(evaluation: parser._Evaluation) -> None:
        run(evaluation)
        if forget(evaluation.line):
            evaluation.line.level, evaluation.line.log_config = WARN, None
            evaluation.set_level()

    def restore() -> None:
        parser._split = split
        parser._Evaluation.run = run  # type: ignore[method-assign]

    parser._split = split_and_forget
    parser._Evaluation.run = run_and_forget  # type: ignore[method-assign, assignment]
    return restore


if __name__ == "sitecustomize" and VARIABLE in os.environ:
    # A tool under test may start a Python without isocenter.
    with contextlib.suppress(ImportError):
        drop(*os.environ[VARIABLE].split("\n"))
