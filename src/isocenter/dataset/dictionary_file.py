"""Data dictionaries in DCMTK's file format, as DCMDICTPATH names them.

Owns the syntax of such files. Must not know what the built-in dictionary holds, nor in
which order entries are asked.

A line has three to five fields, each separated by one tab: tag, VR, keyword, VM, version.
Lines that are empty or start with ``#`` are comments. The tag is one of

    (gggg,eeee)                an attribute
    (gggg-gggg,eeee-eeee)      a range in either part, of its even numbers only;
                               ``-o-`` instead of ``-``: odd ones, ``-u-``: all
    (gggg,"CREATOR",ee)        a private attribute in whatever block its creator reserved
    (gggg,"CREATOR",eeee)      a private attribute in one block, eeee from 1000 on

PS3.6 6 (registry), PS3.5 7.6 (repeating groups), 7.8.1 (private data elements).
"""

from __future__ import annotations

import re

from isocenter.dataset.vr import ALL_VRS, MARKERS, OB_OR_OW
from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DictionaryEntry", "NumberRange", "read_entries"]


class NumberRange(NamedTuple):
    """Group or element numbers, both ends inclusive.

    Fields: `low`, `high`; `parity` 0 even numbers only, 1 odd ones only, -1 all.
    """

    low: int
    high: int
    parity: int

    def __contains__(self, number: object) -> bool:
        """Tell whether a number is in it."""
        return (
            isinstance(number, int)
            and self.low <= number <= self.high
            and self.parity in (-1, number & 1)
        )


class DictionaryEntry(NamedTuple):
    """One line of a dictionary file.

    Fields: `groups`, `elements` the numbers it speaks of; `creator` value of the private
    creator element, b"" for an attribute that is not private; `vr` VR or marker; `keyword`.
    """

    groups: NumberRange
    elements: NumberRange
    creator: bytes
    vr: bytes
    keyword: str

    @property
    def tag(self) -> int:
        """The lowest tag it speaks of."""
        return self.groups.low << 16 | self.elements.low

    @property
    def size(self) -> int:
        """How many tags it spans, those of the wrong parity included; 1 for a single one."""
        groups, elements = self.groups, self.elements
        return (groups.high - groups.low + 1) * (elements.high - elements.low + 1)

    def matches(self, tag: int, creator: bytes) -> bool:
        """Tell whether it speaks of an element, by `tag` and the creator of its block."""
        if creator != self.creator or tag >> 16 not in self.groups:
            return False
        if tag & 0xFFFF in self.elements:
            return True
        return creator != b"" and self.elements.high < 0x100 and tag & 0xFF in self.elements


_PART = r"\s*([0-9A-Fa-f]{1,4})(?:-(?:([eou])-)?([0-9A-Fa-f]{1,4}))?\s*"
_TAG = re.compile(rf'\({_PART},(?:\s*"([^"]+)"\s*,)?{_PART}\)')
_VM = re.compile(r"[0-9]+(?:-(?:[0-9]+|[0-9]*n))?")
_PARITY = {"e": 0, None: 0, "o": 1, "u": -1}

_VRS = (
    {vr.decode(): vr for vr in ALL_VRS | MARKERS}
    # DCMTK's names for pixel data and for offsets in a DICOMDIR.
    | {"px": OB_OR_OW, "up": b"UL"}
)


def read_entries(path: str) -> Iterator[DictionaryEntry]:
    """Yield the entries of a dictionary file in their order.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it cannot be understood;
            file, line and reason are in the text.
    """
    try:
        # Bytes as they are: creators are compared with those in data sets.
        with open(path, encoding="latin-1") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise ConfigurationError(f"data dictionary {path}: {error.strerror or error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield _entry(line)
        except ValueError as error:
            raise ConfigurationError(f"data dictionary {path}: line {number}: {error}") from error


def _entry(line: str) -> DictionaryEntry:
    """Return what a line says.

    Raises:
        ValueError: it cannot be understood; the text says why.
    """
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) < 3:
        raise ValueError(f"too few fields ({len(fields)}, separated by tabs)")
    if len(fields) > 5:
        raise ValueError(f"too many fields ({len(fields)}, separated by tabs)")
    tag, name, keyword = fields[:3]
    match = _TAG.fullmatch(tag)
    if match is None:
        raise ValueError(f"bad tag: {tag}")
    group, group_kind, group_end, creator, element, element_kind, element_end = match.groups()
    groups = _range(tag, group, group_kind, group_end)
    elements = _range(tag, element, element_kind, element_end)
    if creator and elements.high >= 0x100 and elements.low < 0x1000:
        raise ValueError(f"bad tag: {tag}: no private element number (00-ff or 1000-ffff)")
    vr = _VRS.get(name)
    if vr is None:
        raise ValueError(f"bad VR: {name}")
    if not keyword:
        raise ValueError("no keyword")
    if len(fields) > 3 and _VM.fullmatch(fields[3]) is None:
        raise ValueError(f"bad VM: {fields[3]}")
    name_of_creator = (creator or "").strip().encode("latin-1")
    return DictionaryEntry(groups, elements, name_of_creator, vr, keyword)


def _range(tag: str, low: str, kind: str | None, high: str | None) -> NumberRange:
    """Return a part of a tag; a single number is a range of one, whatever its parity.

    Raises:
        ValueError: it ends before it starts.
    """
    first = int(low, 16)
    if high is None:
        return NumberRange(first, first, -1)
    last = int(high, 16)
    if last < first:
        raise ValueError(f"bad tag: {tag}: range ends before it starts")
    return NumberRange(first, last, _PARITY[kind])
