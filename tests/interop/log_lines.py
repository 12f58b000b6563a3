"""Log lines of two tools brought to a form in which they can be compared.

What may differ is in differences.py; nothing is allowed here that has no row there.
"""

from __future__ import annotations

import re
from difflib import unified_diff

from tests.interop.differences import ORACLE_NOISE, OUR_LINES, RELEASE_LINES

__all__ = ["bare", "differing_lines", "normal"]


def normal(lines: list[str]) -> list[str]:
    """Return the oracle's lines as the baseline's release prints them, and ours unchanged."""
    kept = []
    for line in lines:
        text: str | None = line
        for row in RELEASE_LINES:
            if text is not None and re.fullmatch(row.oracle, text):
                text = None if row.ours == "no line" else row.ours
        if text is not None:
            kept.append(text)
    return kept


def differing_lines(oracle: list[str], ours: list[str]) -> str:
    """Return what differs as a diff, "" where nothing does that has no row."""
    expected, found = bare(oracle), bare(ours)
    return "\n".join(unified_diff(expected, found, "oracle", "ours", lineterm="", n=0))


def bare(lines: list[str]) -> list[str]:
    """Return the lines without those that only one side prints."""
    kept = [
        line
        for line in lines
        if not any(re.fullmatch(pattern, line) for pattern, _ in ORACLE_NOISE)
    ]
    text = "".join(f"{line}\n" for line in kept)
    for pattern, left, _ in OUR_LINES:
        text = re.sub(pattern, left, text)
    return text.splitlines()
