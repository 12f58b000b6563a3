"""Elements whose VR is none: what is written of them can be read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from isocenter.dataset.presentation import dump, xml
from isocenter.dataset.tree import decode, encode
from isocenter.errors import DataSetError
from isocenter.testing.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE

PLAIN = b"\x10\x00\x20\x00LO\x04\x00ID-1"


@pytest.mark.parametrize("vr", [b"uI", b"ZZ", b'"<', b"xs"])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_element_whose_vr_is_none_is_written_as_unknown(vr: bytes, syntax: str) -> None:
    root = decode(b"\x10\x00\x10\x00" + vr + b"\x04\x00abcd" + PLAIN, EXPLICIT_LITTLE)
    again = decode(encode(root, syntax), syntax)
    assert [(each.tag, each.vr, each.value) for each in again] == [
        (0x00100010, b"UN", b"abcd"),
        (0x00100020, b"LO", b"ID-1"),
    ]


@pytest.mark.parametrize("vr", [b'"<', b"&\x7f", b"\n\n", b"\xe9\xe9", b"\x1b["])
def test_vr_that_is_none_breaks_neither_line_nor_markup(vr: bytes) -> None:
    try:
        root = decode(b"\x10\x00\x10\x00" + vr + b"\x04\x00abcd" + PLAIN, EXPLICIT_LITTLE)
    except DataSetError:
        return
    lines = dump(root, EXPLICIT_LITTLE).strip("\n").split("\n")
    assert [line[:11] for line in lines if not line.startswith("#")] == [
        "(0010,0010)",
        "(0010,0020)",
    ]
    elements = ET.fromstring(xml(root, EXPLICIT_LITTLE))
    assert [each.get("tag") for each in elements] == ["0010,0010", "0010,0020"]
