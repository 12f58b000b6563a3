"""What the completion scripts of several shells have in common.

Owns the program that reads the profiles out of a configuration file, and the table of a tool
as bash and zsh both understand it. Must not know where options come from (`completion`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.cli.completion import ToolCompletion

__all__ = ["PROFILE_READER", "parameters_of", "table"]

PROFILE_READER = r"""/^[ \t]*\[\[/ { inside = tolower($0) ~ /\[\[[ \t]*profiles[ \t]*\]\]/; next }
         inside && match($0, /^[ \t]*\[[^]]+\]/) {
             name = substr($0, RSTART, RLENGTH); gsub(/^[ \t]*\[[ \t]*|[ \t]*\]$/, "", name)
             print name
         }"""
"""For awk, without an apostrophe: prints the names of the sections within ``[[Profiles]]``."""


def parameters_of(tool: ToolCompletion) -> list[str]:
    """Return the kinds of the parameters, the last with a ``+`` where it may be repeated."""
    parameters = list(tool.parameters)
    if tool.repeated:
        parameters[-1] += "+"
    return parameters


def table(tool: ToolCompletion, rows: Iterable[str], *, separator: str) -> str:
    """Return the function that sets options, parameters, and the kinds of an option's values.

    Args:
        tool: what to complete.
        rows: the lines of the array of options.
        separator: what stands between the patterns of a ``case``.
    """
    lines = [f"\n_isocenter_table_{tool.name}() {{", "    options=("]
    lines += [f"        {row}" for row in rows]
    lines += ["    )", f"    parameters=({' '.join(parameters_of(tool))})", "    case $1 in"]
    lines += [
        f"        {separator.join(option.names)}) kinds=({' '.join(option.kinds)}) ;;"
        for option in tool.options
        if option.kinds
    ]
    lines += ["        *) kinds=() ;;", "    esac", "}", ""]
    return "\n".join(lines)
