"""Fuzz target: data sets in memory, and what is printed of them.

The first byte of the input chooses the transfer syntax; the rest is the data set. Reading may raise
`DataSetError` and nothing else. What is read and written is read as the same; of each element there
are lines, and elements of XML, that begin as they should, whatever is in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isocenter.dataset.presentation import dump, xml
from isocenter.dataset.tree import decode, encode
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from tests.fuzz import fuzz_element_lines
from tests.fuzz.oracle import Limits

if TYPE_CHECKING:
    from isocenter.dataset.tree import Node

LIMITS = Limits(memory=8 * 1024 * 1024, per_byte=2048)
"""An element of eight bytes is an object, a line and an element of XML."""

_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE)
_LINE = re.compile(r"(?:# .*| *\([0-9a-f]{4},[0-9a-f]{4}\) .*|)", re.DOTALL)
_XML = re.compile(
    r"</?data-set[^<>]*>|</?item[^<>]*>|</?sequence[^<>]*>|<element [^<>]*>[^<>]*</element>"
)


def seeds() -> list[bytes]:
    """Return small data sets of every kind, and one with markup in its values."""
    found = fuzz_element_lines.seeds()
    markup = b"\x10\x00\x10\x00PN\x10\x00<a b=\"'c'\">\n&d; "
    return [*found, b"\0" + markup, b'\0\x10\x00\x11\x00"<\x04\x00>\n<>']


def test_one_input(data: bytes) -> None:
    """Read one data set and check what follows from it."""
    if not data:
        return
    try:
        root = decode(data[1:], _SYNTAXES[data[0] % 4])
    except DataSetError:
        return
    _check_lines(root)
    # In explicit VR, as what is written without VRs may turn out to be something else.
    for delimited in (False, True):
        written = encode(root, EXPLICIT_LITTLE, delimited=delimited)
        again = encode(decode(written, EXPLICIT_LITTLE), EXPLICIT_LITTLE, delimited=delimited)
        if again != written:
            raise AssertionError("written again it is something else")


def _check_lines(root: Node) -> None:
    text = dump(root, EXPLICIT_LITTLE)
    for line in text.split("\n"):
        if not _LINE.fullmatch(line):
            raise AssertionError(f"{line!r} is no line of a data set")
    for read, write in (("utf-8", "utf-8"), ("latin-1", "ascii"), ("iso2022_jp", "latin-1")):
        document = xml(root, EXPLICIT_LITTLE, read=read, write=write).decode(write)
        for marked in document.split("\n"):
            if marked and not _XML.fullmatch(marked):
                raise AssertionError(f"{marked!r} is no element of XML")
