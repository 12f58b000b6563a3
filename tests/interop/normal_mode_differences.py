"""Where our normal mode differs from the oracle's, DCMTK 3.6.7, and why: a row each.

A row names data sets (of tests/support/variants, or files) and options by pattern, and what
either side makes of them. The comparison takes no difference that does not stand here, and
no row that names nothing.
"""

from __future__ import annotations

import glob
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from tests.support.variants import broken_variants

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ANY", "AS_IT_CAME", "LISTED", "NO_FILE", "OTHERWISE", "Listed", "listed"]

ANY = "*"
"""In a row: whatever status, or whatever file."""
AS_IT_CAME = "as it came"
"""The whole data set byte for byte, in the syntax it was received in."""
OTHERWISE = "otherwise"
"""A file whose data set is another one than what was received."""
NO_FILE = "no file"


class Listed(NamedTuple):
    """One difference.

    Fields: patterns (`fnmatch`) of the `names` and, of the words in one text, of the
    `options`; status and file, patterns too, of the `oracle` and of `ours`; the `reason`;
    and `lines`, a regular expression that is found in each line of what differs (an element
    of the oracle, ``  |  ``, the same place in ours), for rows about single elements.
    """

    names: str
    options: str
    oracle: tuple[str, str]
    ours: tuple[str, str]
    reason: str
    lines: str = ""

    def holds(
        self, oracle: tuple[str, str], ours: tuple[str, str], problems: Sequence[str]
    ) -> bool:
        """Whether the outcomes, status and file each, and what differs are those of this row."""
        pairs = zip((*oracle, *ours), (*self.oracle, *self.ours), strict=True)
        return all(fnmatchcase(word, pattern) for word, pattern in pairs) and all(
            re.search(self.lines, problem) for problem in problems
        )


_LOST = ("a[b7]*", NO_FILE)
"""The oracle aborted, or said A700."""
_KEPT = ("0000", AS_IT_CAME)
_READ = ("0000", ANY)
_UNREADABLE = "what cannot be parsed is kept as it came: nothing that arrived is lost"
_TOLERATED = "what it means is clear all the same"
_READABLE = (
    "? sequence delimiter at the *",
    "? sequence without end",
    "? item without end",
    "? item ended as a sequence",
    "? text of undefined length",
    "? encapsulated * in an uncompressed syntax",
    "? encapsulated in an uncompressed syntax",
    "e VR ZZ in short form",
    "e OB of undefined length",
    "e SQ as OW",
    "r explicit length*",
    "r no end",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
)
"""Broken data sets that ours reads, in some syntaxes or under some options."""

LISTED: tuple[Listed, ...] = (
    *(
        Listed(glob.escape(each.name), ANY, _LOST, _KEPT, _UNREADABLE)
        for each in broken_variants()
        if each.data_set
    ),
    *(Listed(names, ANY, _LOST, _READ, _TOLERATED) for names in _READABLE),
    # Real files: two are cut short, one says that its VRs are explicit and has none.
    Listed("MR_truncated.dcm", ANY, _LOST, _KEPT, _UNREADABLE),
    Listed("SC_rgb_jpeg.dcm", ANY, _LOST, _KEPT, _UNREADABLE),
    Listed("rtplan_truncated.dcm", ANY, _LOST, _KEPT, _UNREADABLE),
)


def listed(name: str, options: str) -> list[Listed]:
    """Return the rows that speak of a data set under the given options."""
    return [
        row for row in LISTED if fnmatchcase(name, row.names) and fnmatchcase(options, row.options)
    ]
