"""Values as they are kept and compared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.archive.attributes import ATTRIBUTES, BY_TAG, COLUMNS, column_of
from isocenter.archive.keys import names_key, patient_key
from isocenter.archive.text import (
    date_bounds,
    datetime_bounds,
    kept,
    name_groups,
    name_key,
    number_key,
    shown,
    time_bounds,
    utc_offset,
    values_of,
    wildcard_match,
)
from isocenter.dataset.dictionary import keyword_of, vr_of


def test_table_agrees_with_the_dictionary() -> None:
    for attribute in ATTRIBUTES:
        assert keyword_of(attribute.tag) == attribute.keyword
        assert vr_of(attribute.tag) == attribute.vr, attribute.keyword
    assert len(BY_TAG) == len(ATTRIBUTES)


def test_table_has_every_key_of_dcmqrscp() -> None:
    known = {
        "PATIENT": "PatientID PatientName PatientBirthDate PatientSex PatientBirthTime"
        " OtherPatientIDs OtherPatientNames EthnicGroup IssuerOfPatientID PatientComments",
        "STUDY": "StudyInstanceUID StudyDate StudyTime StudyID AccessionNumber"
        " ReferringPhysicianName StudyDescription NameOfPhysiciansReadingStudy OtherStudyNumbers"
        " AdmittingDiagnosesDescription PatientAge PatientSize PatientWeight Occupation"
        " AdditionalPatientHistory",
        "SERIES": "SeriesInstanceUID SeriesNumber Modality",
        "IMAGE": "SOPInstanceUID InstanceNumber",
    }
    for number, keywords in enumerate(known.values()):
        ours = {attribute.keyword for attribute in ATTRIBUTES if attribute.level == number}
        assert set(keywords.split()) <= ours


def test_columns_are_named_after_their_keywords_and_numbered() -> None:
    assert column_of("SOPClassUID") == "sop_class_uid"
    assert column_of("OtherPatientIDs") == "other_patient_ids"
    assert column_of("PerformedProcedureStepStartDate") == "performed_procedure_step_start_date"
    for columns in COLUMNS.values():
        assert [attribute.place for attribute in columns] == list(range(len(columns)))
        assert len({attribute.column for attribute in columns}) == len(columns)


@pytest.mark.parametrize(
    ("vr", "value", "stored"),
    [
        (b"DA", "20040229", "20040229"),
        (b"DA", "2004.02.29", "20040229"),
        (b"DA", "2004", "\x7f2004"),
        (b"DA", "20041301", "\x7f20041301"),
        (b"DA", "", ""),
        (b"TM", "10:15:30.5", "101530.5"),
        (b"TM", "1015", "1015"),
        (b"TM", "25", "\x7f25"),
        (b"TM", "10:1530", "\x7f10:1530"),
        (b"TM", "101530.1234567", "\x7f101530.1234567"),
        (b"IS", "+01", "1"),
        (b"IS", "-0", "0"),
        (b"IS", "1.5", "1.5"),
        (b"IS", "x", "x"),
        (b"PN", "\x7fDoe", "\x7fDoe"),
        (b"LO", "x" * 20_000, "x" * 10_240),
    ],
)
def test_value_is_kept_in_one_form(vr: bytes, value: str, stored: str) -> None:
    assert kept(vr, value) == stored
    if stored.startswith("\x7f"):
        assert shown(vr, stored) == value


@pytest.mark.parametrize(
    ("time", "bounds"),
    [
        ("10", ("1", "105959.999999")),
        ("1015", ("1015", "101559.999999")),
        ("101530", ("10153", "101530.999999")),
        ("101530.5", ("101530.5", "101530.599999")),
        ("000000", ("0", "000000.999999")),
        ("235960", ("23596", "235960.999999")),
        ("24", None),
        ("1060", None),
        ("1", None),
        ("", None),
        ("10-", None),
    ],
)
def test_time_means_all_moments_of_its_precision(time: str, bounds: tuple[str, str] | None) -> None:
    assert time_bounds(time) == bounds


@given(st.times(), st.integers(0, 3), st.times(), st.integers(0, 3))
def test_times_of_any_precision_compare_as_text(
    one: object, cut: int, other: object, by: int
) -> None:
    def written(time: object, precision: int) -> str:
        return f"{time:%H%M%S.%f}"[: (2, 4, 6, 13)[precision]]

    def first(text: str) -> str:
        return f"{text[:6]:0<6}.{text[7:]:0<6}"

    key, value = written(one, cut), written(other, by)
    bounds = time_bounds(key)
    assert bounds is not None
    assert (value >= bounds[0]) == (first(value) >= first(key))
    assert (value <= bounds[1]) == (first(value) <= f"{bounds[1]:9<13}")


@pytest.mark.parametrize(
    ("moment", "offset", "bounds"),
    [
        ("2004", 0, ("20040101000000.000000", "20041231235959.999999")),
        ("200402", 0, ("20040201000000.000000", "20040229235959.999999")),
        ("200402291015", 60, ("20040229091500.000000", "20040229091559.999999")),
        ("200402291015-0500", 60, ("20040229151500.000000", "20040229151559.999999")),
        ("20040229101530.5", 0, ("20040229101530.500000", "20040229101530.599999")),
        ("9999", 0, ("99990101000000.000000", "99991231235959.999999")),
        ("00010101", 60, None),
        ("20040230", 0, None),
        ("2004.5", 0, None),
        ("2004+9900", 0, None),
        ("", 0, None),
    ],
)
def test_date_time_means_all_moments_of_its_precision(
    moment: str, offset: int, bounds: tuple[str, str] | None
) -> None:
    assert datetime_bounds(moment, offset) == bounds


def test_dates_and_offsets_that_are_none() -> None:
    assert [
        date_bounds(text)
        for text in ("2004", "2004-1-1", "20040100", "\u0662004".ljust(8, "0"), "")
    ] == [None] * 5
    assert [utc_offset(text) for text in ("+0100", "-1200", "+1400", "+1401", "+0160", "1")] == [
        60,
        -720,
        840,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("DOE^JANE^^", "doe^jane"),
        (" Doe ^  Jane   Mary ", "doe^jane mary"),
        ("MÜLLER", "müller"),
        ("Mu\u0308ller", "müller"),
        ("^^^", ""),
        ("山田^太郎", "山田^太郎"),
        ("Doe^*", "doe^*"),
    ],
)
def test_names_are_compared_without_case_blanks_and_empty_components(name: str, key: str) -> None:
    assert name_key(name) == key


def test_groups_of_a_name_are_three() -> None:
    assert name_groups("A^B=山=か=x") == ("a^b", "山", "か")
    assert name_groups("A") == ("a", "", "")
    assert names_key("A=B\\C") == "a=b=\\c=="
    assert names_key("") == ""


def test_patients_without_an_id_are_told_apart_by_name() -> None:
    def patient(**values: str) -> list[str]:
        return [values.get(attribute.keyword, "") for attribute in COLUMNS["study"]]

    same = patient(PatientID="1", PatientName="A"), patient(PatientID="1", PatientName="B")
    assert patient_key(same[0]) == patient_key(same[1])
    other = patient(PatientID="1", IssuerOfPatientID="X")
    assert patient_key(other) != patient_key(same[0])
    assert patient_key(patient(PatientName="A")) != patient_key(patient(PatientName="B"))
    assert patient_key(patient(PatientName="A^")) == patient_key(patient(PatientName="a"))


def test_numbers_are_compared_by_value() -> None:
    assert len({number_key(text) for text in ("1", "+1", "01", "1.0", "1e0", "10E-1")}) == 1
    assert number_key("0.5") == number_key(".50")
    for text in ("", "x", "1_0", "nan" * 40, "\u0661", "1" * 100):
        assert number_key(text) == text


@pytest.mark.parametrize(
    ("raw", "vr", "sets", "values"),
    [
        (b"a\\b ", b"LO", b"", ["a", "b"]),
        (b"a\\b ", b"LT", b"", ["a\\b"]),
        (b"", b"LO", b"", []),
        (b" \0", b"CS", b"", []),
        (b"1.2\0", b"UI", b"", ["1.2"]),
        (b"\x01\x00\x02\x00", b"US", b"", ["1", "2"]),
        (b"\x01", b"US", b"", None),
        (b"\x08\x00\x18\x00", b"AT", b"", ["00080018"]),
        (b"ab", b"OB", b"", None),
        (b"M\xfcller", b"PN", b"ISO_IR 100", ["Müller"]),
        (b"a\0b", b"LO", b"", ["ab"]),
        (b"\xed\xa0\x80", b"LO", b"ISO_IR 192", None),
        (b"\xb2\xe2\\\xca\xd4", b"LO", b"GB18030", ["测", "试"]),
    ],
)
def test_values_are_decoded(raw: bytes, vr: bytes, sets: bytes, values: list[str] | None) -> None:
    found = values_of(raw, vr, sets, little=True)
    if raw == b"\xed\xa0\x80":
        assert found is not None
        "".join(found).encode()
        return
    assert found == values


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab?*", max_size=10))
def test_wildcards_match_as_a_regular_expression_does(pattern: str, text: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    assert wildcard_match(pattern, text) == bool(re.fullmatch(expression, text, re.DOTALL))
