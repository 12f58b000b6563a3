"""Text files of keys in sections in super sections, as DCMTK's tools read them.

Owns the grammar and its limits. Must not know what a section means.

    # a comment, where '#' stands in column 1
    [[SuperSection]]
    [Section]
    Key = Value

Of names only ASCII letters, digits, ``-`` and ``_`` count, and letters are upper case. A key
reaches to the next ``=``, over ends of lines. A value begins behind blanks and goes on in the
lines that begin with a blank; blanks at its end belong to it. A heading needs no line of its
own. What stands outside of a super section, and a key outside of a section, is passed over.

Source: runs of DCMTK's tools, and what its class `OFConfigFile` accepts.
"""

from __future__ import annotations

from bisect import bisect_right

from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple

__all__ = [
    "MAXIMUM_ENTRIES",
    "Entry",
    "Note",
    "Section",
    "SuperSection",
    "TooManyEntries",
    "mangled",
    "read_sections",
]

MAXIMUM_ENTRIES = 20000
"""Headings and keys in one file. DCMTK's own files have fewer than 1000 together."""

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_BLANKS = " \t\n"
_SPACE = " \t\n\v\f\r"


class TooManyEntries(ConfigurationError):
    """The file has more than `MAXIMUM_ENTRIES`."""


class Entry(NamedTuple):
    """A key with its value; `line` counts from 1."""

    key: str
    value: str
    line: int


class Section(NamedTuple):
    """A section with its entries in the order of the file; `line` counts from 1."""

    name: str
    line: int
    entries: list[Entry]


class SuperSection(NamedTuple):
    """A super section with its sections in the order of the file; `line` counts from 1."""

    name: str
    line: int
    sections: list[Section]


class Note(NamedTuple):
    """Something that is probably not what the writer of the file meant."""

    line: int
    text: str


def mangled(reference: str) -> str:
    """Return a reference to a section as it is compared: no white space, ASCII upper case."""
    kept = (character for character in reference if character not in _SPACE)
    return "".join(c.upper() if c.isascii() else c for c in kept)


def read_sections(text: str) -> tuple[list[SuperSection], list[Note]]:
    """Return the super sections of a file, and what in it is suspicious.

    Raises:
        TooManyEntries: there are more headings and keys than `MAXIMUM_ENTRIES`.
    """
    return _Reader(text).read()


class _Reader:
    """One walk over a text; time and memory are proportional to its length."""

    def __init__(self, text: str) -> None:
        """Leave comments out and find out where lines begin."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ").split("\n")
        kept = [(number, row) for number, row in enumerate(lines, 1) if row[:1] != "#"]
        self._numbers = [number for number, _ in kept]
        self._starts: list[int] = []
        start = 0
        for _, row in kept:
            self._starts.append(start)
            start += len(row) + 1
        self._text = "\n".join(row for _, row in kept)
        self._supers: list[SuperSection] = []
        self._section: Section | None = None
        self._notes: list[Note] = []

    def read(self) -> tuple[list[SuperSection], list[Note]]:
        """See `read_sections`."""
        text, position, count = self._text, 0, 0
        while True:
            while position < len(text) and text[position] in _BLANKS:
                position += 1
            if position >= len(text):
                return self._supers, self._notes
            count += 1
            if count > MAXIMUM_ENTRIES:
                raise TooManyEntries(f"more than {MAXIMUM_ENTRIES} entries in configuration file")
            position = self._heading(position) if text[position] == "[" else self._entry(position)

    def _line(self, position: int) -> int:
        return self._numbers[bisect_right(self._starts, position) - 1]

    def _heading(self, position: int) -> int:
        """Read a heading; return where it ends."""
        text, line, level = self._text, self._line(position), 0
        while position < len(text) and text[position] in "[ \t\n":
            level += text[position] == "["
            position += 1
        end = _find(text, "]", position)
        name = _name(text[position:end])
        for _ in range(level - 1):
            if end >= len(text):
                break
            end = _find(text, "]", end + 1)
        if level > 1:
            self._supers.append(SuperSection(name, line, []))
            self._section = None
        elif self._supers:
            self._section = Section(name, line, [])
            self._supers[-1].sections.append(self._section)
        else:
            self._note(line, f"section [{name}] is ignored: it is in no super section")
        return end + 1

    def _entry(self, position: int) -> int:
        """Read a key and its value; return where the value ends."""
        text, line = self._text, self._line(position)
        equals = _find(text, "=", position)
        key = text[position:equals]
        if "\n" in key.rstrip(_BLANKS):
            last = self._line(min(equals, len(text) - 1))
            self._note(line, f"there is no '=': read as one key with what follows to line {last}")
        elif equals >= len(text):
            self._note(line, "there is no '=' and no value")
        parts: list[str] = []
        position = equals + 1
        while position < len(text):
            end = _find(text, "\n", position)
            part = text[position:end].lstrip(" \t")
            if part:
                parts.append(part)
            position = end + 1
            if text[position : position + 1] not in (" ", "\t", "\n"):
                break
        if self._section is None:
            self._note(line, f"key {_name(key)} is ignored: it is in no section")
        else:
            self._section.entries.append(Entry(_name(key), "\n".join(parts), line))
        return position

    def _note(self, line: int, text: str) -> None:
        self._notes.append(Note(line, text))


def _name(text: str) -> str:
    return "".join(character for character in text if character in _NAME_CHARACTERS).upper()


def _find(text: str, wanted: str, start: int) -> int:
    """Return where `wanted` stands at or behind `start`, else the length of the text."""
    found = text.find(wanted, start)
    return len(text) if found < 0 else found
