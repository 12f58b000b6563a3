"""Fuzz target: files with data dictionaries.

Reading one may raise `ConfigurationError` and nothing else. An entry, written as a line, is read
as itself, and a dictionary made of entries answers for whatever is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.dataset.dictionary import Dictionary
from isocenter.dataset.dictionary_file import read_entries
from isocenter.errors import ConfigurationError
from tests.fuzz.files import named
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.dataset.dictionary_file import DictionaryEntry, NumberRange

_ASKED = (0x00080018, 0x00091001, 0x00091110, 0x50030010, 0x60FF3000, 0x00000000, 0xFFFFFFFF)
_LETTERS = {0: "e", 1: "o", -1: "u"}


def seeds() -> list[bytes]:
    """Return a file with a line of each kind, and lines that are wrong."""
    right = (
        "# a comment",
        "(0008,0018)\tUI\tSOPInstanceUID\t1\tDICOM",
        "(0009-o-0fff,0000)\tUL\tPrivateGroupLength\t1\tPRIVATE",
        "(5000-50ff,0010)\tUS\tCurveDimensions\t1\tretired",
        "(6000-u-60ff,3000)\tox\tOverlayData\t1-n",
        '(0009,"ACME 1.0",01)\tLO\tAcmeText\t1-2n',
        '(0009,"ACME 2.0",1001-u-10ff)\tDS\tAcmeNumbers\t3',
        "",
    )
    wrong = ("(0008,0018)\tUI", "(0008,0018)\tXX\tName", "(0010-0008,0000)\tUL\tName", "\t\t\t\t\t")
    return ["\n".join(right).encode(), *(line.encode() for line in (*right, *wrong))]


def test_one_input(data: bytes) -> None:
    """Read one file and check what follows from it."""
    entries: list[DictionaryEntry] = []
    with named(data) as path, raises_only(ConfigurationError):
        entries += read_entries(path)
    if not entries:
        return
    again = "".join(map(_line, entries)).encode("latin-1")
    with named(again) as path:
        if list(read_entries(path)) != entries:
            raise AssertionError(f"written as {again!r} they are others")
    dictionary = Dictionary(entries)
    for tag in (*_ASKED, *(entry.tag for entry in entries[:20])):
        for creator in (None, b"ACME 1.0", entries[0].creator):
            if len(dictionary.vr_of(tag, creator)) not in (0, 2):
                raise AssertionError(f"no VR for {tag:08x}")
        dictionary.keyword_of(tag)
    for entry in entries[:20]:
        dictionary.tag_of(entry.keyword)


def _line(entry: DictionaryEntry) -> str:
    creator = f'"{entry.creator.decode("latin-1")}",' if entry.creator else ""
    tag = f"({_numbers(entry.groups)},{creator}{_numbers(entry.elements)})"
    return f"{tag}\t{entry.vr.decode()}\t{entry.keyword}\n"


def _numbers(numbers: NumberRange) -> str:
    if numbers.low == numbers.high and numbers.parity == -1:
        return f"{numbers.low:x}"
    return f"{numbers.low:x}-{_LETTERS[numbers.parity]}-{numbers.high:x}"
