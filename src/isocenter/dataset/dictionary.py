"""The data dictionary: VR and keyword of an attribute.

Owns what is known of tags: standard attributes, repeating groups, group lengths, private
creators and private attributes, and the dictionaries that DCMDICTPATH adds. Must not know
values, nor how a VR that depends on another element is resolved: the answer is then one of
the markers of `isocenter.dataset.vr` (b"xs" US or SS, b"ox" OB or OW, b"lt" US, SS or OW,
b"na" none at all).

The hot path of implicit VR looks a tag up inline and asks the method only on a miss:

    vrs, vr_of = dictionary.vrs, dictionary.vr_of
    vr = vrs.get(tag) or vr_of(tag, creator)

`vrs` holds no private attribute, so a hit does not depend on the creator. The tables of
keywords and of private attributes are loaded when first asked for.

PS3.6 6 to 8 (registry), PS3.7 annex E, PS3.5 7.2 (group length), 7.6 (repeating groups),
7.8.1 (private data elements).
"""

from __future__ import annotations

import os
from struct import unpack

from isocenter.dataset import dictionary_data

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isocenter.dataset.dictionary_file import DictionaryEntry
    from isocenter.wire import Buffer

    _Repeaters = tuple[tuple[int, Mapping[int, tuple[bytes, str]]], ...]

__all__ = [
    "DEFAULT_DICTIONARY",
    "DICTIONARY_VARIABLE",
    "STANDARD_VRS",
    "Dictionary",
    "keyword_of",
    "load_dictionary",
    "tag_of",
    "vr_of",
]

DICTIONARY_VARIABLE = "DCMDICTPATH"
"""The environment variable whose value `load_dictionary` takes."""

_UNKNOWN = b"UN"
_NOTHING: Mapping[int, bytes] = {}


def _standard_vrs() -> dict[int, bytes]:
    """Unpack the tag table in bulk: no Python code runs per tag."""
    tags = bytes.fromhex(dictionary_data.TAGS)
    vrs: list[bytes] = []
    for vr, count in zip(dictionary_data.VRS.split(), dictionary_data.COUNTS.split(), strict=True):
        vrs += [vr] * int(count)
    return dict(zip(unpack(f">{len(tags) // 4}I", tags), vrs, strict=True))


STANDARD_VRS: Mapping[int, bytes] = _standard_vrs()
"""VR or marker of the standard attributes by tag, 0xGGGGEEEE. Repeating groups and group
lengths are not in it; ask `vr_of` for them."""


class Dictionary:
    """What is known of tags. Never changes; tables are loaded when first needed.

    Args:
        entries: what is known beyond the built-in tables. They win over these, later ones
            over earlier ones, single attributes over ranges, narrow ranges over wide ones.

    Attributes:
        vrs: VR or marker of every single attribute that is not private, by tag. Must not be
            changed; shared between dictionaries.
    """

    __slots__ = (
        "_added",
        "_by_creator",
        "_keywords",
        "_private",
        "_ranges",
        "_repeaters",
        "_tags",
        "_words",
        "vrs",
    )

    vrs: Mapping[int, bytes]

    def __init__(self, entries: Iterable[DictionaryEntry] = ()) -> None:
        """Sort the entries by how they are looked up."""
        vrs: dict[int, bytes] = {}
        private: dict[bytes, dict[int, bytes]] = {}
        keywords: dict[int, str] = {}
        ranges: list[DictionaryEntry] = []
        for entry in entries:
            tag = entry.tag
            if entry.size > 1:
                ranges.insert(0, entry)
            elif entry.creator or tag & 0x10000:
                private.setdefault(entry.creator, {})[tag] = entry.vr
            else:
                vrs[tag] = entry.vr
                keywords[tag] = entry.keyword
        ranges.sort(key=lambda entry: entry.size)
        self.vrs = {**STANDARD_VRS, **vrs} if vrs else STANDARD_VRS
        self._private = private
        self._ranges = tuple(ranges)
        self._added = keywords
        # Filled on first use, by whichever thread comes first; the same in all of them.
        self._keywords: Mapping[int, str] | None = None
        self._tags: Mapping[str, int] | None = None
        self._repeaters: _Repeaters | None = None
        self._words: Mapping[bytes, str] | None = None
        self._by_creator: dict[bytes, Mapping[int, bytes]] = {}  # built-in creators only

    def vr_of(self, tag: int, creator: Buffer | None = None) -> bytes:
        """Return the VR of an attribute, a marker where it is open, b"UN" where it is unknown.

        Args:
            tag: 0xGGGGEEEE.
            creator: for a private data element the value of the element (gggg,00bb) that
                reserves its block, padding included or not; None where there is none.

        Group lengths are UL, private creators LO, whatever the group.

        PS3.5 7.2, 7.6, 7.8.1.
        """
        vr = self.vrs.get(tag)
        if vr is not None:
            return vr
        element = tag & 0xFFFF
        if element == 0:
            return b"UL"
        if tag & 0x10000:
            return self._private_vr(tag, element, creator)
        for entry in self._ranges:
            if entry.matches(tag, b""):
                return entry.vr
        found = self._repeater(tag)
        return _UNKNOWN if found is None else found[0]

    def _private_vr(self, tag: int, element: int, creator: Buffer | None) -> bytes:
        name = b"" if creator is None or element < 0x1000 else bytes(creator).rstrip(b" \0")
        own = self._private.get(name)
        relative = tag & 0xFFFF00FF  # the key of an attribute in whatever block was reserved
        if own is not None:
            vr = own.get(tag) or (own.get(relative) if name else None)
            if vr is not None:
                return vr
        known = (self._by_creator.get(name) or self._unpack(name)) if name else _NOTHING
        vr = known.get(tag) or known.get(relative)
        if vr is not None:
            return vr
        if 0x10 <= element < 0x100:
            return b"LO"
        for entry in self._ranges:
            if entry.matches(tag, name):
                return entry.vr
        return known.get(tag & 0xFF0000FF, _UNKNOWN)

    def _unpack(self, creator: bytes) -> Mapping[int, bytes]:
        """Return the built-in attributes of a creator and keep them; nothing where unknown."""
        words = self._words
        if words is None:
            self._words = words = _private_words()
        if creator not in words:
            return _NOTHING
        self._by_creator[creator] = known = _unpack_words(words[creator])
        return known

    def _repeater(self, tag: int) -> tuple[bytes, str] | None:
        """Return VR and keyword of a built-in repeating attribute."""
        for mask, known in self._all_repeaters():
            found = known.get(tag & mask)
            if found is not None:
                return found
        return None

    def _all_repeaters(self) -> _Repeaters:
        repeaters = self._repeaters
        if repeaters is None:
            self._repeaters = repeaters = _unpack_repeaters()
        return repeaters

    def keyword_of(self, tag: int) -> str:
        """Return the keyword of an attribute.

        Returns:
            The keyword of PS3.6, or of the dictionary file that overrides it; "" for
            attributes without one: private ones, group lengths, unknown ones.
        """
        keyword = self._all_keywords().get(tag)
        if keyword is not None:
            return keyword
        if tag & 0x10000 or not tag & 0xFFFF:
            return ""
        for entry in self._ranges:
            if entry.matches(tag, b""):
                return entry.keyword
        found = self._repeater(tag)
        return "" if found is None else found[1]

    def tag_of(self, keyword: str) -> int | None:
        """Return the tag of a keyword, case matters; None where there is none.

        A repeating attribute has its lowest tag: OverlayData is 0x60003000.
        """
        tags = self._tags
        if tags is None:
            found = {
                name: tag for _, known in self._all_repeaters() for tag, (_, name) in known.items()
            }
            found |= {
                entry.keyword: entry.tag
                for entry in reversed(self._ranges)
                if not entry.creator and not entry.tag & 0x10000
            }
            found |= {name: tag for tag, name in self._all_keywords().items()}
            # Of two tags with one keyword the file's is meant.
            found |= {name: tag for tag, name in self._added.items()}
            self._tags = tags = found
        return tags.get(keyword)

    def _all_keywords(self) -> Mapping[int, str]:
        keywords = self._keywords
        if keywords is None:
            from isocenter.dataset import keyword_data

            standard = zip(STANDARD_VRS, keyword_data.KEYWORDS.split(), strict=True)
            found = {tag: keyword for tag, keyword in standard if keyword != "-"}
            self._keywords = keywords = found | self._added
        return keywords


def _unpack_repeaters() -> _Repeaters:
    """Return mask and table of every kind of repetition, the narrowest first.

    A standard repeating group has an even number; odd ones never come here (PS3.5 7.6).
    """
    tables: dict[int, dict[int, tuple[bytes, str]]] = {}
    for line in dictionary_data.REPEATERS.split("\n")[1:-1]:
        digits, vr, keyword = line.split()
        mask = int("".join("0" if digit == "x" else "F" for digit in digits), 16)
        tables.setdefault(mask, {})[int(digits.replace("x", "0"), 16)] = (vr.encode(), keyword)
    return tuple(sorted(tables.items(), key=lambda item: -item[0].bit_count()))


def _private_words() -> Mapping[bytes, str]:
    """Return the packed attributes of every creator."""
    from isocenter.dataset import private_data

    records = (record.partition("\n") for record in private_data.PRIVATE.strip().split("\n\n"))
    return {creator.encode(): words for creator, _, words in records}


def _unpack_words(words: str) -> Mapping[int, bytes]:
    """Return VRs by key: the tag, (gggg,00ee) for any block, (gg00,00ee) for any such group."""
    found: dict[int, bytes] = {}
    for word in words.split():
        fixed = word[4] == "="
        start, step = (7, 4) if fixed else (6, 2)
        vr = word[start - 2 : start].encode()
        group = int(word[:4].replace("xx", "00"), 16) << 16
        for place in range(start, len(word), step):
            found[group | int(word[place : place + step], 16)] = vr
    return found


DEFAULT_DICTIONARY = Dictionary()
"""The built-in tables alone."""

vr_of = DEFAULT_DICTIONARY.vr_of
keyword_of = DEFAULT_DICTIONARY.keyword_of
tag_of = DEFAULT_DICTIONARY.tag_of
"""For what does not depend on DCMDICTPATH; everything else is handed a `Dictionary`."""


def load_dictionary(paths: str | Iterable[str]) -> Dictionary:
    """Return the built-in dictionary with dictionary files on top.

    DCMTK as packaged by distributions *replaces* its dictionary by these files, so that one
    small file of private attributes makes every standard one unknown, and UN in converted
    data. Here nothing is lost; what a file says wins.

    Args:
        paths: files in the order in which they are loaded, later ones win; or the value of
            DCMDICTPATH, where they are separated by `os.pathsep`, empty ones ignored.

    Returns:
        `DEFAULT_DICTIONARY` where no file is named.

    Raises:
        ConfigurationError: a file cannot be read or a line of it cannot be understood; file,
            line and reason are in the text.
    """
    if isinstance(paths, str):
        paths = paths.split(os.pathsep)
    named = [path for path in paths if path]
    if not named:
        return DEFAULT_DICTIONARY
    from isocenter.dataset.dictionary_file import read_entries

    return Dictionary(entry for path in named for entry in read_entries(path))
