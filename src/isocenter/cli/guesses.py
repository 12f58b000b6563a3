"""What was probably meant by an option that a tool does not know.

Owns the guesses. Must not know how a command line is read. Imported only behind the error
message, as `difflib` takes longer to import than all of a tool.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

__all__ = ["guess"]

# Short names differ in a letter or two, so that any would resemble any other.
_LEAST_LENGTH = 5
_LEAST_LIKENESS = 0.87

_MOST = 4  # names that are worth showing

# Security profiles that are not offered yet; -pm is something else altogether.
_OF_DCMTK = ("+pm",)


def guess(tool: Tool, argument: str) -> str:
    """Return one line of advice about an unknown option, "" where there is none to give.

    Nothing is said about an option of DCMTK's that resembles one of ours by accident: a
    name has to be nearly right.
    """
    if argument in _OF_DCMTK:
        return ""
    names = [name for option in tool.options() for name in (option.long, option.short) if name]
    head, equals, value = argument.partition("=")
    if equals and head in names:
        return f"the value is an argument of its own: {head} {value}".rstrip()
    found = _other_spelling(names, argument) or _joined(tool, argument) or _bundled(tool, argument)
    if not found and len(argument) >= _LEAST_LENGTH:
        from difflib import get_close_matches

        long_names = [option.long for option in tool.options()]
        spelled = "--" + head.lstrip("+-").lower().replace("_", "-")
        close = get_close_matches(spelled, long_names, 1, _LEAST_LIKENESS)
        found = close[0] if close else _beginning(long_names, spelled)
    return f"did you mean {found}?" if found else ""


def _other_spelling(names: list[str], argument: str) -> str:
    """Return the name that differs in its signs or in capitals only."""
    bare = argument.lstrip("+-")
    for same in (
        [name for name in names if name.lstrip("+-") == bare],
        [name for name in names if name.lstrip("+-").lower() == bare.lower()],
    ):
        # -u and +u are two options: of "--u" nobody knows which one was meant.
        if len(same) == 1:
            return same[0]
    return ""


def _joined(tool: Tool, argument: str) -> str:
    """Return short name and value apart where they were written in one, as in ``-aetME``."""
    takers = [option.short for option in tool.options() if option.short and option.values]
    for short in sorted(takers, key=len, reverse=True):
        value = argument.removeprefix(short)
        if value != argument and (value.isdigit() or value.isupper()):
            return f"{short} {value}"
    return ""


def _bundled(tool: Tool, argument: str) -> str:
    """Return the options that were written in one, as in ``-vd``."""
    flags = {option.short for option in tool.options() if not option.values}
    meant = [argument[0] + letter for letter in argument[1:]]
    return " ".join(meant) if len(meant) > 1 and flags.issuperset(meant) else ""


def _beginning(names: list[str], argument: str) -> str:
    """Return the few names that begin like this; options cannot be abbreviated."""
    longer = [name for name in names if name.startswith(argument)]
    return " or ".join(longer) if len(longer) <= _MOST else ""
