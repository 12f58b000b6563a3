"""Keys of the query tools: both grammars, what values become, and how errors are worded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.keys import BadKey, apply_keys, load_query, plain_keys
from isocenter.dataset.tree import Node, decode, encode
from isocenter.errors import ConfigurationError, DataSetError
from isocenter.testing import ct_image

if TYPE_CHECKING:
    from pathlib import Path

EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"
ENCODINGS = (EXPLICIT, DEFLATED, BIG, IMPLICIT)


def shown(node: Node) -> dict[str, object]:
    """Describe a tree: VR and value, or items, by tag."""
    return {
        f"{element.tag:08X}": (
            (element.vr.decode(), element.value)
            if element.items is None
            else [shown(item) for item in element.items]
        )
        for element in node
    }


def applied(*keys: str) -> dict[str, object]:
    root = Node()
    apply_keys(root, keys)
    return shown(root)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["8,52=STUDY"], {"00080052": ("CS", b"STUDY")}),
        (["0008,0052=STUDY"], {"00080052": ("CS", b"STUDY")}),
        (["(0008,0052)=STUDY"], {"00080052": ("CS", b"STUDY")}),
        (["QueryRetrieveLevel=STUDY"], {"00080052": ("CS", b"STUDY")}),
        (["PatientID=X=Y"], {"00100020": ("LO", b"X=Y")}),
        (['PatientID="X" '], {"00100020": ("LO", b'"X" ')}),
        (["PatientID"], {"00100020": ("LO", b"")}),
        (["PatientID=A", "PatientID=B", "PatientID"], {"00100020": ("LO", b"")}),
        (["PatientName=D*^?\\x"], {"00100010": ("PN", b"D*^?\\x")}),
        (["PatientName=M\udcfcller"], {"00100010": ("PN", b"M\xfcller")}),
        (["PatientName=Müller"], {"00100010": ("PN", "Müller".encode())}),
        ([""], {}),
        (["Rows=512"], {"00280010": ("US", b"\x00\x02")}),
        (["Rows=70000"], {"00280010": ("US", b"\x70\x11")}),
        (["Rows=1\\2"], {"00280010": ("US", b"\1\0\2\0")}),
        (["FrameIncrementPointer=(0018,1063)"], {"00280009": ("AT", b"\x18\0\x63\x10")}),
        (["RecommendedDisplayFrameRateInFloat=1.5"], {"00089459": ("FL", b"\0\0\xc0\x3f")}),
        (["0009,1001=61\\62"], {"00091001": ("??", b"ab")}),
        (["0009,1001=abc"], {"00091001": ("??", b"\xbc")}),
        (["0009,0010=CREATOR"], {"00090010": ("LO", b"CREATOR")}),
        (
            ["SOPClassUID==CTImageStorage"],
            {"00080016": ("UI", b"1.2.840.10008.5.1.4.1.1.2")},
        ),
        (["RETIRED_LengthToEnd=5"], {"00080001": ("UL", b"\5\0\0\0")}),
        (["0008,0000"], {"00080000": ("UL", b"\0\0\0\0")}),
        (["ReferencedStudySequence"], {"00081110": []}),
        (["ReferencedStudySequence[0]"], {"00081110": [{}]}),
        (["ReferencedStudySequence[1]"], {"00081110": [{}, {}]}),
        (
            ["ScheduledProcedureStepSequence[0].Modality=CT", "(0040,0100)[0].(0040,0002)=2024"],
            {"00400100": [{"00080060": ("CS", b"CT"), "00400002": ("DA", b"2024")}]},
        ),
        (
            ["0040,0100[0].0040,0008[0].CodeValue=1"],
            {"00400100": [{"00400008": [{"00080100": ("SH", b"1")}]}]},
        ),
    ],
)
def test_keys_become_elements(keys: list[str], expected: dict[str, object]) -> None:
    assert applied(*keys) == expected


@pytest.mark.parametrize(
    ("key", "condition"),
    [
        ("Foo=1", "0001:0019 Unable to parse tag/dictionary name at beginning of path: Foo"),
        (
            "patientid=1",
            "0001:0019 Unable to parse tag/dictionary name at beginning of path: patientid",
        ),
        (
            "ReferencedStudySequence.Modality=1",
            (
                "0001:0019 Unable to parse tag/dictionary name at beginning of path: "
                "ReferencedStudySequence.Modality"
            ),
        ),
        (
            "ReferencedStudySequence[*].Modality",
            "0001:0019 Item wildcard '*' found in path but wildcards disabled",
        ),
        (
            "ReferencedStudySequence[-1].Modality",
            "0001:0019 Negative item number (not permitted) at beginning of path: [-1].Modality",
        ),
        (
            "ReferencedStudySequence[x].Modality",
            "0001:0019 Unable to parse item number at beginning of path: [x].Modality",
        ),
        (
            "ReferencedStudySequence=1",
            "0001:0019 Cannot insert value into path ending with item or sequence",
        ),
        (
            "ReferencedStudySequence[0]=1",
            "0001:0019 Cannot insert value into path ending with item or sequence",
        ),
        (
            "PatientID[0].Modality",
            "0001:0019 Invalid Path: Non-sequence tag found with rest path following",
        ),
        ("(0008,0052=1", "0001:0019 Unable to parse tag at beginning of path: (0008,0052"),
        ("Rows=abc", "0001:0006 Corrupted data"),
        ("Rows=1\\", "0001:0006 Corrupted data"),
        ("FrameIncrementPointer=0018,1063", "0001:0006 Corrupted data"),
        ("0009,1001=xyz", "0001:0006 Corrupted data"),
        ("=1", "0000:0001 Illegal parameter"),
        (
            "ReferencedStudySequence[1000].Modality",
            "0001:0019 Item number of 1000 or more at beginning of path: [1000].Modality",
        ),
        (
            "ReferencedStudySequence[0]." * 65 + "Modality",
            "0001:0019 more than 64 nested sequences",
        ),
    ],
)
def test_key_that_cannot_be_used_says_why(key: str, condition: str) -> None:
    with pytest.raises(BadKey) as caught:
        apply_keys(Node(), ["PatientID=1", key])
    assert (caught.value.key, caught.value.condition) == (key, condition)


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize("delimited", [False, True])
def test_identifier_comes_back_from_every_encoding(syntax: str, *, delimited: bool) -> None:
    root = Node()
    keys = (
        "PatientName=A^B",
        "Rows=512",
        "0040,0100[1].Modality=CT",
        "0040,0100[1].0040,0008[0].CodeValue=1",
        "StudyInstanceUID=1.2.3",
        "FrameIncrementPointer=(0018,1063)",
        "ReferencedStudySequence",
    )
    apply_keys(root, keys)
    data = encode(root, syntax, delimited=delimited)
    again = decode(data, syntax)
    assert encode(again, syntax, delimited=delimited) == data
    assert [element.tag for element in again] == sorted(element.tag for element in root)
    padded = shown(again)
    assert padded["0020000D"] == ("UI", b"1.2.3\0")
    assert padded["00100010"] == ("PN", b"A^B ")
    assert padded["00280010"] == ("US", b"\x00\x02")
    assert padded["00280009"] == ("AT", b"\x18\0\x63\x10")
    assert padded["00400100"] == [
        {},
        {"00080060": ("CS", b"CT"), "00400008": [{"00080100": ("SH", b"1 ")}]},
    ]


def test_what_does_not_fit_a_short_length_is_of_unknown_vr() -> None:
    root = Node()
    apply_keys(root, ["PatientID=" + "x" * 70_000])
    assert shown(decode(encode(root, EXPLICIT), EXPLICIT)) == {"00100020": ("UN", b"x" * 70_000)}


def test_vrs_after_1993_are_written_as_ob_where_that_is_asked_for() -> None:
    root = Node()
    apply_keys(root, ["0009,1001=61", "PatientID=1"])
    written = shown(decode(encode(root, EXPLICIT, new_vrs=False), EXPLICIT))
    assert written == {"00091001": ("OB", b"a\0"), "00100020": ("LO", b"1 ")}


@pytest.mark.parametrize("cut", range(1, 10))
def test_data_set_that_is_cut_short_is_refused(cut: int) -> None:
    root = Node()
    apply_keys(root, ["PatientName=A^B", "0040,0100[0].PatientComments=0123456789"])
    data = encode(root, EXPLICIT)
    with pytest.raises(DataSetError, match="cut short"):
        decode(data[: len(data) - cut], EXPLICIT)


def test_plain_keys_are_those_of_movescu() -> None:
    keys = ["PatientID=1", "10,20=2", "8,52=STUDY", "10,10xyz=5", "ReferencedStudySequence"]
    root = Node()
    for element in plain_keys(keys):
        root.put(element)
    assert shown(root) == {
        "00080052": ("CS", b"STUDY"),
        "00081110": [],
        "00100010": ("PN", b"5"),
        "00100020": ("LO", b"1"),
    }


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (key, f"bad key format or dictionary name not found in dictionary: {name}")
        for key, name in [
            ("Foo=1", "Foo"),
            ("(0008,0052)=1", "(0008,0052)"),
            ("ReferencedStudySequence[0].Modality=1", "ReferencedStudySequence[0].Modality"),
            ("", ""),
        ]
    ]
    + [
        ("0009,1001=1", "unknown tag: (0009,1001)"),
        ("Rows=abc", 'cannot put tag value: (0028,0010)="abc"'),
        ("ReferencedStudySequence=1", 'cannot put tag value: (0008,1110)="1"'),
    ],
)
def test_plain_key_that_cannot_be_used_says_why(key: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        plain_keys(["PatientID=1", key])
    assert str(caught.value) == message


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_query_file_is_read_without_its_file_meta(tmp_path: Path, syntax: str) -> None:
    from isocenter.dataset.part10 import encode_file_meta

    root = Node()
    apply_keys(root, ["QueryRetrieveLevel=STUDY", "PatientID"])
    path = tmp_path / "query.dcm"
    head = encode_file_meta(
        transfer_syntax_uid=syntax, sop_class_uid="1.2.3", sop_instance_uid="1.2.4"
    )
    path.write_bytes(head + encode(root, syntax))
    assert shown(load_query(str(path))) == {
        "00080052": ("CS", b"STUDY "),
        "00100020": ("LO", b""),
    }


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_query_file_may_be_a_data_set_alone(tmp_path: Path, syntax: str) -> None:
    root = Node()
    apply_keys(root, ["QueryRetrieveLevel=STUDY", "PatientID"])
    path = tmp_path / "query"
    path.write_bytes(encode(root, syntax))
    assert sorted(shown(load_query(str(path)))) == ["00080052", "00100020"]


def test_image_can_be_a_query_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    image = ct_image()
    image.write(path)
    assert load_query(str(path)).text(0x00080018) == image.sop_instance_uid


def test_what_is_no_data_set_is_no_query_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no data set at all")
    with pytest.raises(DataSetError, match="no DICOM data set"):
        load_query(str(path))
