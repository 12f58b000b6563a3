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
    from collections.abc import Iterator, Sequence

__all__ = ["ANY", "AS_IT_CAME", "LISTED", "NO_FILE", "OTHERWISE", "Listed", "listed", "needed_of"]

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
    and `lines`, a regular expression for the lines of what differs (an element of the oracle,
    ``  |  ``, the same place in ours) that the row is about; other rows may be about the rest.
    """

    names: str
    options: str
    oracle: tuple[str, str]
    ours: tuple[str, str]
    reason: str
    lines: str = ""

    def holds(self, oracle: tuple[str, str], ours: tuple[str, str]) -> bool:
        """Whether the outcomes, status and file each, are those of this row."""
        pairs = zip((*oracle, *ours), (*self.oracle, *self.ours), strict=True)
        return all(fnmatchcase(word, pattern) for word, pattern in pairs)


_LOST = ("a[b7]*", NO_FILE)
"""The oracle aborted, or said A700."""
_KEPT = ("0000", AS_IT_CAME)
_READ = ("0000", ANY)
_SAME = ("0000", ANY), ("0000", ANY)
"""Files on both sides."""

_UNREADABLE = "what cannot be parsed is kept as it came: nothing that arrived is lost"
_TOLERATED = "what it means is clear all the same"
_REFUSED = "an object that is refused leaves no file"
_EMPTY = "a UID that is empty is no other one: it is missing"
_EVEN = "values have an even length (PS3.5 7.1.1); the oracle leaves words odd"
_NOTHING_LOST = "nothing that arrived is lost"
_META = "counts the padding, whose size depends on the names in File Meta"
_REPEATING = "the standard has it for all of these elements (PS3.6 6); the oracle for even ones"

_ODD_WORDS = (
    r" OW |\(fffb,0010\)|\(7fe0,0010\)|\(6002,3000\)|\(0028,1201\)"
    r"|SQ |b'\\xfe\\xff|\(fffe,|,0000\)|\(fffc,fffc\)"
)
"""Lines about words, in implicit VR as well, about what they are in, and padding in it, which moves
the last element."""
_WITH_ODD_WORDS = (
    "? odd * OW",
    "i odd * OB",
    "? numbers of [137] bytes*",
    "? group length over odd words",
    "[ebd] random 13",
    "[ebd] random 20",
    "i random 3",
    "i random 11",
)

# Broken data sets that ours reads, whatever the options; and those it reads for some of them,
# because others need nothing that it would have to understand.
_READ_ALWAYS = (
    "? sequence delimiter at the *",
    "? sequence without end",
    "? item without end",
    "? item ended as a sequence",
    "i text of undefined length",
    "e VR ZZ in short form",
    "r no end",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
)
_READ_SOMETIMES = (
    "[eb] encapsulated * in an uncompressed syntax",
    "[eb] encapsulated in an uncompressed syntax",
    "e OB of undefined length",
    "e SQ as OW",
    "r explicit length*",
)


def _kept() -> Iterator[Listed]:
    for each in broken_variants():
        if each.data_set and not any(fnmatchcase(each.name, names) for names in _READ_ALWAYS):
            yield Listed(glob.escape(each.name), ANY, _LOST, _KEPT, _UNREADABLE)
    # Real files: two are cut short, one says that its VRs are explicit and has none.
    for name in ("MR_truncated.dcm", "SC_rgb_jpeg.dcm", "rtplan_truncated.dcm"):
        yield Listed(name, ANY, _LOST, _KEPT, _UNREADABLE)
    for names in ("? pixel data without a byte", "[eb] UN of offset"):
        yield Listed(names, ANY, ("0000", ANY), _KEPT, _UNREADABLE)


LISTED: tuple[Listed, ...] = (
    *_kept(),
    *(Listed(names, ANY, _LOST, _READ, _TOLERATED) for names in _READ_ALWAYS + _READ_SOMETIMES),
    Listed("*", ANY, ("c000", ANY), ("c000", NO_FILE), _REFUSED),
    Listed("*", ANY, ("a900", ANY), ("a900", NO_FILE), _REFUSED),
    Listed("? class empty", ANY, ("a900", ANY), ("c000", NO_FILE), _EMPTY),
    Listed("? instance empty", ANY, ("a900", ANY), ("c000", NO_FILE), _EMPTY),
    Listed("? instance of blanks", ANY, ("a900", ANY), ("c000", NO_FILE), _EMPTY),
    Listed("? nothing at all", ANY, ("a700", NO_FILE), ("c000", NO_FILE), _EMPTY),
    Listed("*", ANY, *_SAME, "even length (PS3.5 A.5)", "^a NUL behind the deflate stream$"),
    Listed("image_dfl.dcm", ANY, *_SAME, "what needs no change is not deflated anew", "^deflated"),
    *(Listed(names, ANY, *_SAME, _EVEN, _ODD_WORDS) for names in _WITH_ODD_WORDS),
    Listed("b odd * OB", "+ti*", *_SAME, "OB has no byte order; the oracle swaps it"),
    Listed("? *[0468] zeros at the end", ANY, *_SAME, "zeros behind the data set are no element"),
    Listed("? item delimiter amid", ANY, *_SAME, _NOTHING_LOST),
    Listed("? group length of two values", ANY, *_SAME, "it has one value (PS3.5 7.2)"),
    Listed("[eb] reserved bytes that are not zero", ANY, *_SAME, "reserved bytes mean nothing"),
    Listed("? padding with group length", "*+p*", *_SAME, _META, r"\(fffc,0000\)"),
    Listed("? unknown (fffc,0010)", "*+p*", *_SAME, _META, r"\(fffc,0000\)"),
    Listed("? unknown (ffff,0010)", "*+p*", *_SAME, "padding is the last element (PS3.10 7.2)"),
    Listed("? unknown (0020,3155)", ANY, *_SAME, _REPEATING),
    Listed("? unknown (1010,0005)", ANY, *_SAME, _REPEATING),
    Listed("? twice*", ANY, *_SAME, _NOTHING_LOST),
    Listed("? sequence twice", ANY, *_SAME, _NOTHING_LOST),
)


def listed(name: str, options: str) -> list[Listed]:
    """Return the rows that speak of a data set under the given options."""
    return [
        row for row in LISTED if fnmatchcase(name, row.names) and fnmatchcase(options, row.options)
    ]


def needed_of(
    rows: Sequence[Listed],
    oracle: tuple[str, str],
    ours: tuple[str, str],
    problems: Sequence[str],
) -> set[Listed]:
    """Return the rows that say why the problems are there; none where one has no reason."""
    rows = [row for row in rows if row.holds(oracle, ours)]
    needed = set()
    for problem in problems:
        reasons = [row for row in rows if re.search(row.lines, problem)]
        if not reasons:
            return set()
        needed.update(reasons)
    return needed
