"""Fuzz target: what the index is told of a file.

Reading may raise `DataSetError` and nothing else. What is told is text that a database takes,
within bounds, and JSON where it should be.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from isocenter.archive.attributes import COLUMNS
from isocenter.archive.facts import facts_of
from isocenter.archive.keys import compared_columns
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from tests.fuzz import fuzz_part10
from tests.fuzz.files import opened
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.archive.facts import InstanceFacts
    from isocenter.testing.datasets import Element

_LONGEST = 10240

_CT = "1.2.840.10008.5.1.4.1.1.2"


def seeds() -> list[bytes]:
    """Return small images, and files with attributes of each level."""
    code: list[Element] = [(0x00080100, "SH", "CODE"), (0x00080104, "LO", "meaning")]
    elements: list[Element] = [
        (0x00080005, "CS", "\\ISO 2022 IR 87"),
        (0x00080016, "UI", _CT),
        (0x00080018, "UI", "1.2.3.4"),
        (0x00080020, "DA", "20240229"),
        (0x0008002A, "DT", "20240229120000.5+0100"),
        (0x00080030, "TM", "1230"),
        (0x00080050, "SH", "A1"),
        (0x00080060, "CS", "CT"),
        (0x00080201, "SH", "+0200"),
        (0x00081032, "SQ", [code]),
        (0x00100010, "PN", "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        (0x00100020, "LO", "P1"),
        (0x00101001, "PN", "A^B\\C^D"),
        (0x00101030, "DS", "70.5"),
        (0x0020000D, "UI", "1.2.3"),
        (0x0020000E, "UI", "1.2.3.1"),
        (0x00200013, "IS", "+07"),
        (0x00280010, "US", 512),
        (0x00280106, "US", 5),
        (0x00400275, "SQ", [[(0x00400007, "LO", "step"), (0x00400008, "SQ", [code])]]),
    ]
    found = fuzz_part10.seeds()
    for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        head = encode_file_meta(_CT, "1.2.3.4", syntax)
        found.append(head + encode_data_set(elements, syntax))
    return found


def test_one_input(data: bytes) -> None:
    """Read one file and check what is told of it."""
    with opened(data) as fd, raises_only(DataSetError):
        _check(facts_of(fd))


def _check(facts: InstanceFacts) -> None:
    for table, values in (
        ("study", facts.study),
        ("series", facts.series),
        ("instance", facts.instance),
    ):
        if len(values) != len(COLUMNS[table]):
            raise AssertionError(f"{len(values)} columns of {table}")
        for value in values:
            value.encode()
            if len(value) > _LONGEST or "\0" in value:
                raise AssertionError(f"{value[:100]!r} of {len(value)} characters")
        compared_columns(table, values, facts.timezone)
        for attribute, value in zip(COLUMNS[table], values, strict=True):
            if attribute.vr == b"SQ" and value:
                json.loads(value)
    for tag, fragment in facts.rest.items():
        int(tag, 16)
        fragment.encode()
        if not fragment.startswith("{") or not json.loads(fragment):
            raise AssertionError(f"{fragment!r} is no attribute")
