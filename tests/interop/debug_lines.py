"""Log lines at debug level, without what only describes how DCMTK's own layers work.

What stays is what a script could look for: the tool's own lines, and the dumps of associations
and messages. What is left out has a row with the reason, in LAYERS or in NEWER_LINES.
"""

from __future__ import annotations

import re

__all__ = ["LAYERS", "NEWER_LINES", "tool_lines"]

LAYERS = (
    (r"D: \$\w+: .*", "program, version and date"),
    (r"D: ", "the empty line behind them"),
    (r"[DT]: Dcm\w+(::|: ).*", "DCMTK's parser and dictionary"),
    (r"D: (DUL|DULFSM|ASSOC|DcmTransportConnection)\b.*", "its protocol machine"),
    (r"D: setting network (send|receive) timeout to .*", "its sockets"),
    (r"D: Transport connection: .*", "as above"),
    (r"D: (Constructing|Parsing) .*", "its protocol machine"),
    (r"D: (Association Received|PDU Type): .*", "the peer's name is looked up; a PDU begins"),
    (r"D: (  [0-9a-f]{2}){1,16}", "the bytes of a PDU"),
    (r"D: (Our|Their) Implementation (Class UID|Version Name): .*", "who it is"),
    (r"D: Only dumping 512 bytes\.", "as above"),
    (r"D: answered with .*", "ours says how it answers"),
)
"""(regular expression of a whole line, why it is left out)."""

NEWER_LINES = ((r"D:   using Presentation Context ID .*", "since 3.7.0"),)


def tool_lines(lines: list[str]) -> list[str]:
    """Return the lines that both tools are to have."""
    patterns = [re.compile(pattern) for pattern, _ in (*LAYERS, *NEWER_LINES)]
    return [line for line in lines if not any(one.fullmatch(line) for one in patterns)]
