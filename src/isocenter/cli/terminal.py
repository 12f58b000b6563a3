"""Whether a text goes to a terminal, and how wide that is.

Owns what decides about escape sequences and line width: the stream, NO_COLOR, TERM and
COLUMNS. Must not know what is printed (`render`). Imported only where something is shown.

https://no-color.org; COLUMNS as POSIX describes it (XBD 8.3).
"""

from __future__ import annotations

import os

from isocenter.cli.render import PLAIN, Style

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["MINIMUM_WIDTH", "style_of"]

MINIMUM_WIDTH = 40
"""Columns; on a narrower terminal the lines are longer than it."""

_USUAL_WIDTH = 80  # of a terminal that does not tell


def style_of(stream: TextIO | None, environment: Mapping[str, str]) -> Style:
    """Return how text is shown on a stream: `PLAIN` where that is no terminal.

    Args:
        stream: where the text goes, None where it is closed.
        environment: NO_COLOR (not empty) and TERM (``dumb`` or none) switch emphasis off,
            COLUMNS (a number above 0) overrides the terminal's width.
    """
    try:
        if stream is None or not stream.isatty():
            return PLAIN
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return PLAIN
    asked_for = environment.get("COLUMNS", "")
    if asked_for.isascii() and asked_for.isdigit() and int(asked_for[:6]):
        columns = int(asked_for[:6])
    emphasis = not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"
    return Style(width=max(MINIMUM_WIDTH, columns or _USUAL_WIDTH), emphasis=emphasis)
