"""What all explanations share: how facts are put into words.

An explanation is a short paragraph, a tuple of lines, made from facts alone when something has
failed (option ``--explain``). `explain_connection`, `explain_contexts` and `explain_transfer`
have one subject each; `explaining` and `explaining_receiver` gather the facts and log. Owns the
words for aborts, timeouts, sizes and UIDs. Must not know who asks, and never shows what a
data set holds beyond UIDs.

PS3.8 9.1.5, 9.3.8; PS3.7 annex C.
"""

from __future__ import annotations

from isocenter.logs import one_line
from isocenter.uids import is_known_uid, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.spec import Tool
    from isocenter.errors import TimeoutExpired

__all__ = [
    "Lines",
    "abort_words",
    "as_text",
    "authorities",
    "count_words",
    "listed",
    "named",
    "option_words",
    "size_words",
    "timeout_lines",
]

Lines: TypeAlias = "tuple[str, ...]"
"""An explanation, one to six lines without prefix."""

_ABORT_REASONS = {
    0: "no reason given",
    1: "it received a PDU of a type that it does not know",
    2: "it received a PDU that it did not expect at this point",
    4: "it did not recognise a parameter of a PDU",
    5: "it did not expect a parameter of a PDU",
    6: "it found an invalid value in a PDU",
}
_SLOWEST = "1 KiB/s over 60 s"
_LONGEST_UID = 64


def as_text(lines: Sequence[str]) -> str:
    """Return the paragraph as one log message, which gets a prefix in front of each line.

    A newline within a line, as a path may have one, is shown as its code.
    """
    return "\n  ".join(map(one_line, (f"Explanation: {lines[0]}", *lines[1:])))


def named(uid: str) -> str:
    """Return a UID with its name, for instance ``CTImageStorage (1.2.840.10008.5.1.4.1.1.2)``.

    What is no UID, which a peer may well send, is quoted and cut.
    """
    if not uid or not all(character in "0123456789." for character in uid):
        return f"{uid[:_LONGEST_UID]!a}, which is no UID"
    if not is_known_uid(uid):
        return f"{uid[:_LONGEST_UID]} (private or newer than this version)"
    return f"{name_of(uid)} ({uid})"


def listed(uids: Sequence[str], most: int = 3) -> str:
    """Return the names of UIDs, without repetition, `most` of them and how many more there are."""
    names = list(dict.fromkeys(name_of(uid) if is_known_uid(uid) else named(uid) for uid in uids))
    text = ", ".join(names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text


def count_words(count: int, noun: str) -> str:
    """Return a number with its noun, for instance ``1 object`` or ``2 objects``."""
    ending = "" if count == 1 else "es" if noun.endswith("o") else "s"
    return f"{count} {noun}{ending}"


def size_words(size: int) -> str:
    """Return a number of bytes as people read it, for instance ``525312 bytes (513 KiB)``."""
    words = f"{size} byte" + ("s" if size != 1 else "")
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << shift:
            return f"{words} ({size / (1 << shift):.3g} {unit})"
    return words


def abort_words(source: int, reason: int) -> str:
    """Return who aborted and why, as far as an A-ABORT tells (PS3.8 9.3.8)."""
    if source == 0:
        return "the program itself (service user) decided to, and the protocol has no field for why"
    why = _ABORT_REASONS.get(reason, f"reason {reason}, which the standard does not know")
    if source == 2:
        return f"its network layer (service provider) did: {why}"
    return f"source {source}, which the standard does not know: {why}"


def option_words(tool: Tool, long: str) -> str:
    """Return an option's names, like ``--acse-timeout (-ta)``, "" where the tool has none."""
    for option in tool.options():
        if option.long == long:
            return f"{long} ({option.short})" if option.short else long
    return ""


def authorities(line: ParsedCommandLine) -> tuple[str, ...]:
    """Return the authorities that a command line names, as an explanation shows them."""
    options = ("--add-cert-file", "--add-cert-dir")
    names = [ascii(value) for name in options if line.has(name) for value in line.values(name)]
    if line.has("--system-ca") and line.given("--system-ca"):
        names.append("the authorities of this system")
    return tuple(names)


def timeout_lines(tool: Tool, problem: TimeoutExpired) -> Lines:
    """Say which budget ran out, after how long, and which option lengthens it."""
    seconds = f"{problem.seconds:g} s"
    if problem.which == "slow-pdu":
        return (
            f"a PDU was begun and went on slower than {_SLOWEST}, so the association was aborted.",
            "The network is all but stopped or the peer hangs; no option lengthens this.",
        )
    long, what = {
        "acse": ("--acse-timeout", "no answer to an association or release message"),
        "dimse": ("--dimse-timeout", "no DIMSE message where one was due"),
        "socket": ("--socket-timeout", "not a byte moved on the connection"),
    }.get(problem.which, ("", f"the {problem.which} did not come"))
    option = option_words(tool, long)
    remedy = f"; {option} lengthens this" if option else ""
    return (f"{what} for {seconds}{remedy}.",)
