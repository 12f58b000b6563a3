"""Answers as identifiers: elements, order, encodings and character sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.catalogue import (
    AnswerEncoder,
    Catalogue,
    CharacterSetOptions,
    parse,
    parse_retrieve,
)
from isocenter.archive.database import sqlite_url
from isocenter.archive.elements import read_elements
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import PATIENT_ROOT, STUDY_ROOT
from isocenter.archive.text import values_of
from isocenter.dataset.bridge import decode_dataset
from isocenter.dataset.scan import ENCODINGS
from isocenter.errors import ArchiveError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from tests.archive.identifiers import CT, MR, identifier, parsed, sample
from tests.archive.rows import new_instance, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.archive.elements import Element


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(sqlite_url(str(tmp_path_factory.mktemp("archive") / "index.sqlite")))
    for new in sample().values():
        write(made, new)
    yield made
    made.close()


def answered(
    index: Index,
    text: str,
    *,
    model: str = STUDY_ROOT,
    options: CharacterSetOptions | None = None,
    title: str = "ARCHIVE",
) -> list[dict[int, Element]]:
    """Return the elements of each answer, by tag."""
    query = parse(identifier(parsed(text), codec="utf-8"), EXPLICIT_LITTLE, model)
    encoder = AnswerEncoder(query, EXPLICIT_LITTLE, retrieve_ae_title=title, options=options)
    found = []
    for answer in Finder(index).find(query):
        elements = read_elements([encoder.encode(answer)], ENCODINGS[True, True])
        tags = [element.tag for element in elements]
        assert tags == sorted(set(tags))
        assert all(len(e.value) % 2 == 0 for e in elements if isinstance(e.value, bytes))
        found.append({element.tag: element for element in elements})
    return found


def text_of(answer: dict[int, Element], tag: int) -> str | None:
    """Return an element's values, decoded by the answer's own character set."""
    element = answer.get(tag)
    if element is None:
        return None
    assert isinstance(element.value, bytes)
    sets = answer.get(0x00080005)
    names = sets.value if sets is not None else b""
    assert isinstance(names, bytes)
    values = values_of(element.value, element.vr, names.strip(), little=True)
    assert values is not None
    return "\\".join(values)


def test_answer_has_level_title_and_what_was_asked_for(index: Index) -> None:
    (answer,) = answered(
        index, "QueryRetrieveLevel=study & AccessionNumber=ACC2 & PatientName= & PatientSex="
    )
    assert {tag: text_of(answer, tag) for tag in answer} == {
        0x00080050: "ACC2",
        0x00080052: "STUDY",
        0x00080054: "ARCHIVE",
        0x00100010: "DOE^JANE^^",
        0x00100040: "",
    }


def test_answer_of_nowhere_has_no_title(index: Index) -> None:
    (answer,) = answered(index, "QueryRetrieveLevel=STUDY & AccessionNumber=ACC2", title="")
    assert 0x00080054 not in answer


COLUMNS = [
    ("STUDY", "ModalitiesInStudy", "CT\\SR"),
    ("STUDY", "SOPClassesInStudy", f"{CT}\\1.2.840.10008.5.1.4.1.1.88.11"),
    ("STUDY", "NumberOfStudyRelatedSeries", "2"),
    ("STUDY", "NumberOfStudyRelatedInstances", "3"),
    ("STUDY", "NumberOfPatientRelatedStudies", "2"),
    ("STUDY", "NumberOfPatientRelatedSeries", "3"),
    ("STUDY", "NumberOfPatientRelatedInstances", "4"),
    ("STUDY", "InstanceAvailability", "ONLINE"),
    ("STUDY", "StudyDate", "20040115"),
    ("STUDY", "StudyTime", "101530"),
    ("STUDY", "OtherPatientIDs", "X1\\X2"),
    ("STUDY", "PatientWeight", "70.0"),
    ("STUDY", "NameOfPhysiciansReadingStudy", "Wilson^James\\Cuddy^Lisa"),
    ("STUDY", "Modality", "CT"),
    ("STUDY", "InstanceNumber", "1"),
    ("STUDY", "KVP", "120"),
    ("STUDY", "SliceThickness", ""),
    ("SERIES", "PatientName", "Doe^Jane"),
    ("SERIES", "NumberOfSeriesRelatedInstances", "2"),
    ("SERIES", "NumberOfStudyRelatedInstances", "3"),
    ("SERIES", "SeriesDescription", "axial"),
    ("SERIES", "InstanceNumber", "1"),
    ("SERIES", "KVP", "120"),
    ("IMAGE", "PatientName", "Doe^Jane"),
    ("IMAGE", "Rows", "512"),
    ("IMAGE", "SOPClassUID", CT),
    ("IMAGE", "AcquisitionDateTime", "20040115101530.5+0100"),
    ("IMAGE", "KVP", "120"),
    ("IMAGE", "SeriesNumber", "1"),
    ("IMAGE", "NumberOfSeriesRelatedInstances", "2"),
]


@pytest.mark.parametrize(("level", "keyword", "expected"), COLUMNS)
def test_attribute_is_answered_at_any_level(
    index: Index, level: str, keyword: str, expected: str
) -> None:
    keys = {
        "STUDY": "StudyInstanceUID=1.2.1",
        "SERIES": "StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.1",
        "IMAGE": "StudyInstanceUID= & SeriesInstanceUID= & SOPInstanceUID=1.2.1.1.1",
    }[level]
    from isocenter.dataset.dictionary import tag_of

    tag = tag_of(keyword)
    assert tag is not None
    (answer,) = answered(index, f"QueryRetrieveLevel={level} & {keys} & {keyword}=")
    assert text_of(answer, tag) == expected


def test_attributes_of_each_instance_are_its_own(index: Index) -> None:
    answers = answered(
        index, "QueryRetrieveLevel=IMAGE & StudyInstanceUID=1.2.1 & SeriesInstanceUID= & KVP="
    )
    assert [text_of(answer, 0x00180060) for answer in answers] == ["120", "80", ""]


def test_patient_is_answered_with_the_first_study_that_matches(index: Index) -> None:
    answers = answered(
        index,
        "QueryRetrieveLevel=PATIENT & PatientID=P1 & PatientName= & StudyDate=",
        model=PATIENT_ROOT,
    )
    assert [(text_of(a, 0x00100010), text_of(a, 0x00080020)) for a in answers] == [
        ("Doe^Jane", "20040115")
    ]


def test_what_is_no_date_is_answered_as_it_came(index: Index) -> None:
    (answer,) = answered(
        index, "QueryRetrieveLevel=STUDY & PatientName=anon & StudyDate= & StudyTime="
    )
    assert (text_of(answer, 0x00080020), text_of(answer, 0x00080030)) == ("2004", "soon")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("ProcedureCodeSequence=", {0x00080100: b"CTH ", 0x00080104: b"CT Head "}),
        ("ProcedureCodeSequence.CodeValue=", {0x00080100: b"CTH "}),
        (
            "ProcedureCodeSequence.CodeValue=CTH & ProcedureCodeSequence.CodingSchemeDesignator=",
            {0x00080100: b"CTH ", 0x00080102: b""},
        ),
    ],
)
def test_items_of_a_sequence_have_what_was_asked_for(
    index: Index, keys: str, expected: dict[int, bytes]
) -> None:
    (answer,) = answered(index, f"QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1 & {keys}")
    items = answer[0x00081032].value
    assert isinstance(items, list)
    assert [{element.tag: element.value for element in item} for item in items] == [expected]


def test_sequence_that_is_not_there_is_empty(index: Index) -> None:
    (answer,) = answered(
        index,
        "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.2 & ProcedureCodeSequence.CodeValue=",
    )
    assert answer[0x00081032].value == []


@pytest.mark.parametrize(
    "syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE]
)
def test_every_encoding_says_the_same_to_pydicom(index: Index, syntax: str) -> None:
    text = (
        "QueryRetrieveLevel=IMAGE & SpecificCharacterSet=ISO_IR 192 & StudyInstanceUID=1.2.1"
        " & SeriesInstanceUID= & SOPInstanceUID=1.2.1.1.1 & Rows= & PatientName= & KVP="
        " & ProcedureCodeSequence.CodeValue= & ModalitiesInStudy= & RequestAttributesSequence="
    )
    query = parse(identifier(parsed(text), syntax), syntax, STUDY_ROOT)
    encoder = AnswerEncoder(query, syntax, retrieve_ae_title="ODD")
    (answer,) = Finder(index).find(query)
    found = decode_dataset(encoder.encode(answer), syntax)
    assert found.Rows == 512
    assert found.PatientName == "Doe^Jane"
    assert found.RetrieveAETitle == "ODD"
    assert found.ProcedureCodeSequence[0].CodeValue == "CTH"
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepID == "SPS1"
    assert list(found.ModalitiesInStudy) == ["CT", "SR"]
    assert json.loads(found.to_json())["00180060"]["Value"] == [120]


# --- character sets ------------------------------------------------------------------------

CASES = [
    # request, configured, overrides, name found by accession number: character set, name
    ("", "", False, "ACC2", None, "DOE^JANE^^"),
    ("ISO_IR 100", "", False, "ACC2", "ISO_IR 100", "DOE^JANE^^"),
    ("ISO_IR 100", "", False, "ACC1", "ISO_IR 100", "Müller ^ Ulrich"),
    ("ISO_IR 192", "", False, "ACC1", "ISO_IR 192", "Müller ^ Ulrich"),
    ("", "ISO_IR 100", False, "ACC1", "ISO_IR 100", "Müller ^ Ulrich"),
    ("ISO_IR 144", "ISO_IR 100", False, "ACC1", "ISO_IR 100", "Müller ^ Ulrich"),
    ("", "", False, "ACC1", "ISO_IR 192", "Müller ^ Ulrich"),
    ("ISO_IR 192", "ISO_IR 100", True, "ACC1", "ISO_IR 100", "Müller ^ Ulrich"),
    (
        "ISO_IR 192",
        "ISO_IR 100",
        True,
        "ACC3",
        "ISO_IR 192",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "ISO_IR 100",
        "ISO_IR 192",
        False,
        "ACC3",
        "ISO_IR 192",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "\\ISO 2022 IR 87",
        "",
        False,
        "ACC3",
        "\\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    ("GB18030", "", False, "ACC3", "GB18030", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO_IR 13", "", False, "ACC3", "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("NO SUCH SET", "", False, "ACC2", None, "DOE^JANE^^"),
    ("ISO 2022 IR 100", "", False, "ACC1", "ISO 2022 IR 100", "Müller ^ Ulrich"),
    ("NO SUCH SET", "", False, "ACC3", "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
]


@pytest.mark.parametrize(("asked", "configured", "overrides", "number", "name", "text"), CASES)
def test_answer_is_in_the_character_set_of_the_request_or_one_that_can_say_it(
    index: Index,
    asked: str,
    configured: str,
    overrides: bool,
    number: str,
    name: str | None,
    text: str,
) -> None:
    sets = f"SpecificCharacterSet={asked} & " if asked else ""
    answers = answered(
        index,
        f"{sets}QueryRetrieveLevel=STUDY & AccessionNumber={number} & PatientName=",
        options=CharacterSetOptions(character_set=configured, overrides=overrides),
    )
    answer = answers[-1]
    element = answer.get(0x00080005)
    found = (
        element.value.decode().strip(" ") if element and isinstance(element.value, bytes) else None
    )
    assert found == name
    assert text_of(answer, 0x00100010) == text


@pytest.mark.parametrize(
    ("transliterates", "discards", "text"),
    [
        (True, False, "Muller ^ Ulrich"),
        (False, True, "Mller ^ Ulrich"),
        (True, True, "Muller ^ Ulrich"),
    ],
)
def test_characters_that_are_not_there_are_replaced_or_left_out_where_asked(
    index: Index, transliterates: bool, discards: bool, text: str
) -> None:
    options = CharacterSetOptions(transliterates=transliterates, discards=discards)
    answer = answered(
        index,
        "QueryRetrieveLevel=STUDY & PatientID=P3 & AccessionNumber=ACC1 & PatientName=",
        options=options,
    )[-1]
    assert 0x00080005 not in answer
    assert text_of(answer, 0x00100010) == text


def test_text_in_items_counts_for_the_character_set(tmp_path: Path) -> None:
    index = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    items = '[{"00080104":{"vr":"LO","Value":["Schädel"]}}]'
    write(index, new_instance(ProcedureCodeSequence=items))
    (answer,) = answered(index, "QueryRetrieveLevel=STUDY & ProcedureCodeSequence=")
    assert text_of(answer, 0x00080005) == "ISO_IR 192"
    found = answer[0x00081032].value
    assert isinstance(found, list)
    assert found[0][0].value == "Schädel".encode()
    index.close()


def test_numbers_and_tags_are_answered_as_such(tmp_path: Path) -> None:
    index = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    rest = {
        "00280009": '{"vr":"AT","Value":["00181063"]}',
        "00189073": '{"vr":"FD","Value":[1.5]}',
        "00280106": '{"vr":"US","Value":[70000]}',
    }
    write(index, new_instance(rest=rest, Rows="512"))
    text = (
        "QueryRetrieveLevel=IMAGE & StudyInstanceUID= & SeriesInstanceUID= & Rows="
        " & AcquisitionDuration= & FrameIncrementPointer= & SmallestImagePixelValue="
    )
    query = parse(identifier(parsed(text)), EXPLICIT_LITTLE, STUDY_ROOT)
    (answer,) = Finder(index).find(query)
    found = decode_dataset(AnswerEncoder(query, EXPLICIT_BIG).encode(answer), EXPLICIT_BIG)
    assert (found.Rows, found.AcquisitionDuration) == (512, 1.5)
    assert found.FrameIncrementPointer == 0x00181063
    assert found.get_item(0x00280106).value in {b"", None}
    index.close()


def test_values_longer_than_a_short_length_are_cut_and_nonsense_numbers_left_out(
    tmp_path: Path,
) -> None:
    index = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    write(index, new_instance(Rows="many", StudyDescription="x" * 70_000))
    (answer,) = answered(
        index,
        "QueryRetrieveLevel=IMAGE & StudyInstanceUID= & SeriesInstanceUID= & Rows="
        " & StudyDescription=",
    )
    assert answer[0x00280010].value == b""
    described = answer[0x00081030].value
    assert isinstance(described, bytes)
    assert len(described) == 0xFFFE
    index.close()


# --- the catalogue -------------------------------------------------------------------------


def test_catalogue_finds_locates_and_counts(index: Index) -> None:
    catalogue = Catalogue(sqlite_url(index.database.name))
    text = "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1"
    found = catalogue.find(parse(identifier(parsed(text)), EXPLICIT_LITTLE, STUDY_ROOT))
    assert [answer.values for answer in found] == [(["1.2.1"],)]
    located = catalogue.locate(
        parse_retrieve(identifier(parsed(text)), EXPLICIT_LITTLE, STUDY_ROOT)
    )
    assert {one.path for one in located} == {
        new.path for label, new in sample().items() if label[0] == "A"
    }
    usage = catalogue.usage(["1.2.1", "9"])
    assert usage.keys() == {"1.2.1"}
    assert usage["1.2.1"][0] == 3
    assert catalogue.count_studies() == 7
    catalogue.close()


def test_catalogue_without_an_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no index"):
        Catalogue(sqlite_url(str(tmp_path / "none.sqlite")))


def test_sample_has_what_the_tests_take_for_granted() -> None:
    assert sample()["B1a"].facts.sop_class_uid == MR
