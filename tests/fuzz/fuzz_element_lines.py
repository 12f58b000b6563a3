"""Fuzz target: a data set as lines of text.

The first byte of the input chooses transfer syntax and whether values are shown whole. Reading may
raise `DataSetError` and nothing else. Lines are the same from memory and from a file, each is
printable and, unless whole values are asked for, short.
"""

from __future__ import annotations

from isocenter.dataset.listing import list_elements
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_image,
    encode_data_set,
    encode_file_meta,
)
from isocenter.wire import FileRegion
from tests.fuzz.files import opened
from tests.fuzz.oracle import Limits
from tests.support.variants import broken_variants, variants

LIMITS = Limits(per_byte=1024)
"""Lines are kept here to be compared, and an element of eight bytes takes one of a hundred."""

_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE)
_LONGEST = 240


def seeds() -> list[bytes]:
    """Return small data sets of every kind, and one with values of every VR."""
    found = [
        bytes((place,))
        + ct_image(transfer_syntax=syntax, sop_instance_uid="1.2.3", rows=2, columns=2).data_set
        for place, syntax in enumerate(_SYNTAXES)
    ]
    for place, each in enumerate((*variants(), *broken_variants())):
        if place % 3 == 0 and len(each.data_set) < 1000 and each.transfer_syntax in _SYNTAXES:
            choice = _SYNTAXES.index(each.transfer_syntax)
            found.append(bytes((choice + 4 * (place % 2),)) + each.data_set)
    texts = encode_data_set(
        [
            (0x00080005, "CS", "\\ISO 2022 IR 87\\ISO 2022 IR 159"),
            (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2\\1.2.3"),
            (0x00090010, "LO", "ACME\x1b[31m"),
            (0x00091001, "UN", b"\x01\x02"),
            (0x00091002, "FD", bytes(range(16))),
            (0x00110010, "LO", 40 * "LONG "),
            (0x00111001, "US", 1),
            (0x00100010, "PN", "A^B=\x1b$B;3ED\x1b(B^C=\x1b$B$d$^$@\x1b(B"),
            (0x00280009, "AT", b"\x18\x00\x63\x10"),
            (0x00280103, "US", 1),
            (0x00282000, "OB", bytes(40)),
            (0x30060050, "DS", "1\\2\\3"),
        ]
    )
    head = encode_file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT_LITTLE)
    return [*found, b"\0" + texts, b"\4" + texts, b"\0" + head[132:]]


def test_one_input(data: bytes) -> None:
    """Show one data set and check the lines."""
    if not data:
        return
    syntax = _SYNTAXES[data[0] % 4]
    is_full = bool(data[0] // 4 % 2)
    body = data[1:]
    told = _told(body, syntax, is_full=is_full)
    with opened(body) as fd:
        from_file = _told(FileRegion(fd, 0, len(body)), syntax, is_full=is_full)
    if told != from_file:
        raise AssertionError(f"in memory {told}, in the file {from_file}")
    for line in told[0]:
        if not line.isprintable():
            raise AssertionError(f"{line!r} is not printable")
        if not is_full and len(line.lstrip()) > _LONGEST:
            raise AssertionError(f"a line of {len(line)} characters: {line!r}")


def _told(
    source: bytes | FileRegion, syntax: str, *, is_full: bool
) -> tuple[list[str], tuple[object, ...] | None]:
    """Return the lines, and what is wrong."""
    lines: list[str] = []
    try:
        list_elements(source, syntax, lines.append, is_full=is_full)
    except DataSetError as problem:
        return lines, (problem.reason, problem.offset)
    return lines, None
