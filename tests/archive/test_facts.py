"""What an object tells the index, and the form in which the rest of it is kept."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.attributes import BY_KEYWORD, TABLES
from isocenter.archive.blobs import Base, pack_series, unpack
from isocenter.archive.facts import facts_of
from isocenter.archive.model import values_in
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encapsulated,
    encode_data_set,
    encode_file_meta,
)

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.archive.facts import InstanceFacts
    from isocenter.testing.datasets import Element

CT = "1.2.840.10008.5.1.4.1.1.2"

ELEMENTS: list[Element] = [
    (0x00080005, "CS", "ISO_IR 100"),
    (0x00080008, "CS", "ORIGINAL\\PRIMARY"),
    (0x00080016, "UI", CT),
    (0x00080018, "UI", "1.2.3.4"),
    (0x00080020, "DA", "2004.02.29"),
    (0x00080060, "CS", "CT"),
    (0x00081032, "SQ", [[(0x00080100, "SH", "C1"), (0x00080104, "LO", "Fu\xdf")]]),
    (0x00090010, "LO", "PRIVATE "),
    (0x00091001, "LO", "secret"),
    (0x00100010, "PN", "M\xfcller^Ulrich"),
    (0x00100020, "LO", "P1"),
    (0x00180060, "DS", "120 "),
    (0x0020000D, "UI", "1.2"),
    (0x0020000E, "UI", "1.2.3"),
    (0x00200013, "IS", "+07"),
    (0x00280010, "US", 512),
    (0x00281050, "DS", "40\\80 "),
    (0x7FE00010, "OW", bytes(200_000)),
]


def written(path: Path, elements: list[Element], syntax: str) -> Path:
    meta = encode_file_meta(CT, "1.2.3.4", syntax)
    path.write_bytes(meta + encode_data_set(elements, syntax))
    return path


def value(facts: InstanceFacts, keyword: str) -> str:
    attribute = BY_KEYWORD[keyword]
    table: tuple[str, ...] = getattr(facts, TABLES[attribute.level])
    return table[attribute.place]


@pytest.mark.parametrize(
    "syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE]
)
def test_file_of_any_encoding_tells_the_same(tmp_path: Path, syntax: str) -> None:
    path = written(tmp_path / "x.dcm", ELEMENTS, syntax)
    facts = facts_of(str(path))
    assert facts[:5] == ("1.2", "1.2.3", "1.2.3.4", CT, syntax)
    assert value(facts, "PatientName") == "Müller^Ulrich"
    assert value(facts, "StudyDate") == "20040229"
    assert value(facts, "InstanceNumber") == "7"
    assert value(facts, "Rows") == "512"
    assert json.loads(value(facts, "ProcedureCodeSequence")) == [
        {"00080100": {"vr": "SH", "Value": ["C1"]}, "00080104": {"vr": "LO", "Value": ["Fuß"]}}
    ]
    assert {tag: json.loads(text) for tag, text in facts.rest.items()} == {
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
        "00180060": {"vr": "DS", "Value": ["120"]},
        "00281050": {"vr": "DS", "Value": ["40", "80"]},
    }
    assert pickle.loads(pickle.dumps(facts)) == facts
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 7, os.SEEK_SET)
    assert facts_of(fd) == facts
    assert os.lseek(fd, 0, os.SEEK_CUR) == 7
    os.close(fd)


def test_encapsulated_object_tells_its_syntax(tmp_path: Path) -> None:
    jpeg = "1.2.840.10008.1.2.4.50"
    elements = [*ELEMENTS[:-1], (0x7FE00010, "OB", encapsulated(b"x" * 100_000))]
    facts = facts_of(str(written(tmp_path / "x.dcm", elements, jpeg)))
    assert facts.transfer_syntax_uid == jpeg
    assert value(facts, "PatientID") == "P1"


@pytest.mark.parametrize(
    ("sets", "raw", "name"),
    [
        ("ISO_IR 144", "Иванов".encode("iso8859_5"), "Иванов"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "Yamada^Tarou=山田^太郎",
        ),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ],
)
def test_text_is_decoded_by_the_character_set_of_the_object(
    tmp_path: Path, sets: str, raw: bytes, name: str
) -> None:
    elements: list[Element] = [
        (0x00080005, "CS", sets),
        (0x00100010, "PN", raw + b" " * (len(raw) % 2)),
        (0x00181030, "LO", raw + b" " * (len(raw) % 2)),
        (0x00204000, "LT", raw + b" " * (len(raw) % 2)),
    ]
    facts = facts_of(str(written(tmp_path / "x.dcm", elements, EXPLICIT_LITTLE)))
    assert value(facts, "PatientName") == name
    assert value(facts, "ProtocolName") == name
    assert json.loads(facts.rest["00204000"])["Value"] == [name]


def test_object_without_uids_tells_so(tmp_path: Path) -> None:
    facts = facts_of(str(written(tmp_path / "x.dcm", [(0x00100020, "LO", "P1")], EXPLICIT_LITTLE)))
    assert facts[:4] == ("", "", "", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a DICOM file"),
        (b"hello world" * 100, "not a DICOM file"),
        (encode_file_meta(CT, "1.2", "1.2.3.99") + b"\xff" * 64, "unknown 1.2.3.99"),
        (
            encode_file_meta(CT, "1.2", EXPLICIT_LITTLE) + encode_data_set(ELEMENTS[:9])[:-3],
            "cut short",
        ),
    ],
)
def test_file_that_is_no_object_is_an_error_with_its_path(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match=words) as caught:
        facts_of(str(path))
    assert caught.value.path == str(path)


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="No such file"):
        facts_of(str(tmp_path / "none"))


def test_long_values_and_sequences_are_not_kept(tmp_path: Path) -> None:
    item: list[Element] = [(0x00080100, "SH", "CODE")]
    elements: list[Element] = [
        *ELEMENTS[:4],
        (0x00081140, "SQ", [item] * 3000),
        (0x00082111, "ST", "d" * 1000),
        (0x00104000, "LT", "c" * 9000),
        (0x00204000, "LT", "x" * 60_000),
        (0x00280010, "US", 512),
    ]
    facts = facts_of(str(written(tmp_path / "x.dcm", elements, EXPLICIT_LITTLE)))
    assert set(facts.rest) == {"00080008", "00082111"}
    assert value(facts, "PatientComments") == "c" * 9000
    assert value(facts, "Rows") == "512"


def test_whole_rest_is_bounded(tmp_path: Path) -> None:
    long: list[Element] = [(0x00189000 + n * 2, "UT", "x" * 4000) for n in range(40)]
    facts = facts_of(str(written(tmp_path / "x.dcm", [*ELEMENTS[:4], *long], EXPLICIT_LITTLE)))
    assert sum(len(text) for text in facts.rest.values()) <= 64 * 1024


def test_values_with_another_vr_than_the_dictionary_s_are_read(tmp_path: Path) -> None:
    elements: list[Element] = [
        *ELEMENTS[:4],
        (0x00100010, "UN", b"Doe^Jane"),
        (0x00200013, "US", 7),
        (0x00280010, "IS", "512 "),
        (0x0040A043, "LO", "x "),
    ]
    facts = facts_of(str(written(tmp_path / "x.dcm", elements, EXPLICIT_LITTLE)))
    assert value(facts, "PatientName") == "Doe^Jane"
    assert value(facts, "InstanceNumber") == "7"
    assert value(facts, "Rows") == "512"
    assert value(facts, "ConceptNameCodeSequence") == ""


# --- the rest, compressed -------------------------------------------------------------------

REST = {
    "00080008": '{"vr":"CS","Value":["A","B"]}',
    "00180060": '{"vr":"DS","Value":["120"]}',
    "00281050": '{"vr":"DS"}',
}


@pytest.mark.parametrize(
    "own",
    [
        REST,
        {},
        {**REST, "00180060": '{"vr":"DS","Value":["80"]}'},
        {"00180060": REST["00180060"], "00204000": '{"vr":"LT","Value":["' + "ü" * 500 + '"]}'},
    ],
)
@pytest.mark.parametrize("base", [REST, {}])
def test_rest_of_an_instance_comes_back(base: dict[str, str], own: dict[str, str]) -> None:
    blob, first = pack_series(base)
    again = Base.of(blob)
    expected = {tag: json.loads(text) for tag, text in own.items()}
    assert first.pack(own) == again.pack(own)
    assert unpack(blob, first.pack(own)) == expected
    assert unpack(blob) == {tag: json.loads(text) for tag, text in base.items()}


def test_instance_like_the_first_takes_no_room() -> None:
    _, base = pack_series(REST)
    assert base.pack(REST) == b""


def test_values_in_an_attribute_object() -> None:
    assert values_in({"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "C"}, None]}) == [
        "A==C",
        "",
    ]
    assert values_in({"vr": "US", "Value": [1, 2]}) == ["1", "2"]
    assert values_in({"vr": "LO"}) == values_in(None) == []
    assert values_in({"vr": "SQ", "Value": [{}, 3]}) == [{}]
