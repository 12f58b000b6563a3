"""Where our normal mode differs from the oracle's, DCMTK 3.6.7, and why: a row each.

A row names data sets (of tests/support/variants, or files) and options by pattern, and what
either side makes of them. The comparison takes no difference that does not stand here, and
no row that is not one any more.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

__all__ = ["LISTED", "Listed", "listed"]

AS_IT_CAME = "as it came"
"""The whole data set byte for byte, in the syntax it was received in."""
OTHERWISE = "otherwise"
"""A file whose data set is another one than what was received."""
NO_FILE = "no file"


class Listed(NamedTuple):
    """One difference.

    Fields: patterns (`fnmatch`) of the `names` and, of the words in one text, of the
    `options`; status and file of the `oracle` and of `ours`; the `reason`.
    """

    names: str
    options: str
    oracle: tuple[str, str]
    ours: tuple[str, str]
    reason: str


_UNREADABLE = "what cannot be parsed is kept as it came: nothing that arrived is lost"

LISTED: tuple[Listed, ...] = ()


def listed(name: str, options: str) -> list[Listed]:
    """Return the rows that speak of a data set under the given options."""
    return [
        row for row in LISTED if fnmatchcase(name, row.names) and fnmatchcase(options, row.options)
    ]
