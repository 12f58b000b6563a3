"""What a peer puts into a data set cannot break the lines or the document that show it."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from isocenter.dataset.json_model import json_model
from isocenter.dataset.presentation import dump, xml
from isocenter.dataset.tree import Element, Node, decode
from isocenter.dataset.unicode import in_utf8
from isocenter.errors import DataSetError

EXPLICIT = "1.2.840.10008.1.2.1"


def one(tag: int, vr: bytes, value: bytes, character_set: bytes = b"") -> Node:
    root = Node()
    if character_set:
        root.put(Element(0x00080005, b"CS", character_set))
    root.put(Element(tag, vr, value))
    return root


def test_vr_that_is_none_breaks_neither_lines_nor_document() -> None:
    node = decode(b'\x10\x00\x11\x00"<\x04\x00>\n<>', EXPLICIT)
    assert dump(node).splitlines()[3].startswith("(0010,0011) ?? [>\\x0a<>] ")
    found = ET.fromstring(xml(node, EXPLICIT)).find("element")
    assert found is not None
    assert (found.get("vr"), found.text) == ("UN", ">\n<>")


@pytest.mark.parametrize("value", [b"\x00\x01\x1b\x7f", b"]]>", b"&amp;<", b"\xff\xfe", b"\x1b(J"])
@pytest.mark.parametrize("read", ["utf-8", "latin-1", "iso8859-15"])
def test_document_is_well_formed_whatever_a_value_is(value: bytes, read: str) -> None:
    node = one(0x00100010, b"PN", value)
    for write in (read, "ascii"):
        head = f'<?xml version="1.0" encoding="{write}"?>'.encode()
        ET.fromstring(head + xml(node, EXPLICIT, read=read, write=write))


def test_value_cannot_begin_a_line() -> None:
    node = one(0x00100010, b"PN", b"A\nE: forged\r")
    assert len(dump(node).split("\n")) == 5
    assert "\nE: forged" not in dump(node)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"PN", b"A^B=C=D ", [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}]),
        (b"PN", b"A^B\\\\=C ", [{"Alphabetic": "A^B"}, None, {"Ideographic": "C"}]),
        (b"DS", b" 1.5\\2\\x\\\\1e999", [1.5, 2, "x", None, "1e999"]),
        (b"IS", b"1\\-2 ", [1, -2]),
        (b"LO", b"a\\\\ b ", ["a", None, "b"]),
        (b"LT", b" a\\b  ", [" a\\b"]),
        (b"US", b"\1\0\2\0", [1, 2]),
        (b"FD", b"\0\0\0\0\0\0\xf8\x7f", ["NaN"]),
        (b"FL", b"\0\0\x80\x7f\0\0\x80\xff", ["Infinity", "-Infinity"]),
        (b"AT", b"\x10\0\x20\0", ["00100020"]),
        (b"UI", b"1.2.3\0", ["1.2.3"]),
        (b"CS", b"", None),
    ],
)
def test_json_has_values_as_the_model_says(
    vr: bytes, value: bytes, expected: list[object] | None
) -> None:
    model = json_model(one(0x00091001, vr, value))
    described: dict[str, object] = {"vr": vr.decode()}
    if expected is not None:
        described["Value"] = expected
    assert model == {"00091001": described}
    json.dumps(model, allow_nan=False)


def test_json_has_binary_values_in_base64_and_no_group_lengths() -> None:
    node = one(0x00091001, b"??", b"ab")
    node.put(Element(0x00080000, b"UL", b"\0\0\0\0"))
    assert json_model(node) == {"00091001": {"vr": "UN", "InlineBinary": "YWI="}}


def test_json_decodes_text_in_the_character_set_of_its_item() -> None:
    item = one(0x00100010, b"PN", "Ж".encode("iso8859-5"), b"ISO_IR 144")
    root = one(0x00100010, b"PN", "Müller".encode("latin-1"), b"ISO_IR 100")
    root.put(Element(0x00081120, b"SQ", items=[item, Node()]))
    model = json_model(root)
    assert model["00100010"]["Value"] == [{"Alphabetic": "Müller"}]
    assert model["00081120"]["Value"] == [
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 144"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ж"}]},
        },
        {},
    ]


@pytest.mark.parametrize(
    ("character_set", "value", "expected"),
    [
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"ISO_IR 144", "Ж".encode("iso8859-5"), "Ж"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B", "Yamada=山田"),
        (b"ISO_IR 192", "山".encode(), "山"),
        (b"", b"plain", "plain"),
    ],
)
def test_text_is_converted_to_utf8(character_set: bytes, value: bytes, expected: str) -> None:
    node = in_utf8(one(0x00100010, b"PN", value, character_set))
    element = node.get(0x00100010)
    assert element is not None
    assert element.value.decode().rstrip() == expected
    assert node.text(0x00080005) == ("ISO_IR 192" if character_set else "")


@pytest.mark.parametrize(
    ("character_set", "value"),
    [(b"ISO_IR 999", b"\xe4"), (b"ISO 2022 IR 87", b"\xff\xff\x1b$B\x7f")],
)
def test_text_that_cannot_be_converted_is_refused(character_set: bytes, value: bytes) -> None:
    with pytest.raises(DataSetError, match="character set"):
        in_utf8(one(0x00100010, b"PN", value, character_set))


# Elements in explicit VR, and what DCMTK's dcmdump prints of each, around the padding.
@pytest.mark.parametrize(
    ("encoded", "left", "right"),
    [
        ("08000500 4353 0200 4120", "(0008,0005) CS [A ]", "2, 1 SpecificCharacterSet"),
        (
            "08001600 5549 1200 312e322e3834302e31303030382e312e3200",
            "(0008,0016) UI =LittleEndianImplicit",
            "18, 1 SOPClassUID",
        ),
        ("08001800 5549 0400 312e3900", "(0008,0018) UI [1.9]", "4, 1 SOPInstanceUID"),
        ("09001000 4c4f 0400 41434d45", "(0009,0010) LO [ACME]", "4, 1 PrivateCreator"),
        ("09000110 554e 0000 02000000 0102", "(0009,1001) UN 01\\02", "2, 1 Unknown Tag & Data"),
        ("18006000 4453 0400 315c3220", "(0018,0060) DS [1\\2 ]", "4, 2 KVP"),
        ("18000593 4644 0800 000000000000f83f", "(0018,9305) FD 1.5", "8, 1 RevolutionTime"),
        ("18000593 4644 0800 0000000000000840", "(0018,9305) FD 3", "8, 1 RevolutionTime"),
        ("28001000 5553 0400 01000200", "(0028,0010) US 1\\2", "4, 2 Rows"),
        ("28000900 4154 0400 18006310", "(0028,0009) AT (0018,1063)", "4, 1 FrameIncrementPointer"),
        (
            "28000112 4f57 0000 04000000 01020304",
            "(0028,1201) OW 0201\\0403",
            "4, 1 RedPaletteColorLookupTableData",
        ),
        (
            "32000010 4441 0000",
            "(0032,1000) DA (no value available)",
            "0, 0 RETIRED_ScheduledStudyStartDate",
        ),
        ("40000000 554c 0400 04000000", "(0040,0000) UL 4", "4, 1 GenericGroupLength"),
    ],
)
def test_line_is_laid_out_as_the_original_does(encoded: str, left: str, right: str) -> None:
    line = dump(decode(bytes.fromhex(encoded), EXPLICIT)).splitlines()[3]
    assert line == f"{left:55} # {right:>{len(right) + 3 - right.index(',')}}"


NESTED = bytes.fromhex(
    "08001011 5351 0000 ffffffff"
    "  feff00e0 ffffffff 08005511 5549 0400 312e3900 feff0de0 00000000"
    "feffdde0 00000000"
    "08004011 5351 0000 14000000"
    "  feff00e0 0c000000 08005511 5549 0400 312e3900"
)
"""A sequence with items of undefined length, one with items of explicit length."""


def test_lines_of_sequences_say_how_their_ends_were_encoded() -> None:
    uid = f"    {'(0008,1155) UI [1.9]':55} #   4, 1 ReferencedSOPInstanceUID"
    lines = [
        "(0008,1110) SQ (Sequence with undefined length #=1)     # u/l, 1 ReferencedStudySequence",
        "  (fffe,e000) na (Item with undefined length #=1)         # u/l, 1 Item",
        uid,
        "  (fffe,e00d) na (ItemDelimitationItem)                   #   0, 0 ItemDelimitationItem",
        "(fffe,e0dd) na (SequenceDelimitationItem)               #   0, 0 SequenceDelimitationItem",
        "(0008,1140) SQ (Sequence with explicit length #=1)      #  20, 1 ReferencedImageSequence",
        "  (fffe,e000) na (Item with explicit length #=1)          #  12, 1 Item",
        uid,
        "  (fffe,e00d) na (ItemDelimitationItem for re-encoding)   #   0, 0 ItemDelimitationItem",
        "(fffe,e0dd) na (SequenceDelimitationItem for re-encod.) #   0, 0 SequenceDelimitationItem",
    ]
    assert dump(decode(NESTED, EXPLICIT)).splitlines()[3:] == lines


def test_document_of_sequences_has_the_lengths_that_were_given() -> None:
    open_sequence, defined_sequence = ET.fromstring(xml(decode(NESTED, EXPLICIT), EXPLICIT))
    assert open_sequence.attrib == {
        "tag": "0008,1110",
        "vr": "SQ",
        "card": "1",
        "name": "ReferencedStudySequence",
    }
    assert open_sequence[0].attrib == {"card": "1"}
    assert defined_sequence.attrib["len"] == "20"
    assert defined_sequence[0].attrib == {"card": "1", "len": "12"}
    assert open_sequence[0][0].text == "1.9"


@pytest.mark.parametrize(
    ("vr", "value", "trimmed", "expected"),
    [
        (b"PN", b" A \\ B ", False, " A\\ B"),
        (b"LO", b" A \\ B ", False, "A\\B"),
        (b"LT", b" A \\ B ", False, " A \\ B"),
        (b"DS", b" 1 \\2 ", False, " 1 \\2"),
        (b"AS", b"03Y ", False, "03Y "),
        (b"AS", b"03Y ", True, "03Y"),
        (b"US", b"\1\0\2\0", False, "1\\2"),
        (b"OB", b"\1\2", False, None),
    ],
)
def test_document_has_values_trimmed_as_the_original_does(
    vr: bytes, value: bytes, trimmed: bool, expected: str | None
) -> None:
    (element,) = ET.fromstring(xml(one(0x00100010, vr, value), EXPLICIT, trimmed=trimmed))
    assert element.text == expected
    assert element.get("binary") == ("hidden" if expected is None else None)


def test_trimmed_lines_have_no_blanks_at_the_end() -> None:
    assert "PN [A]    " in dump(one(0x00100010, b"PN", b"A "), trimmed=True)
    assert "PN (no value available) " in dump(one(0x00100010, b"PN", b"  "), trimmed=True)
