"""Identifiers that are wrong, huge or hostile: an answer or an error, soon, and never a crash."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import random
import struct
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.archive.database import sqlite_url
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import (
    MISMATCH,
    PATIENT_ROOT,
    STUDY_ROOT,
    UNABLE,
    MatchingError,
    parse,
    parse_retrieve,
)
from isocenter.dataset.dictionary import tag_of
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
)
from tests.archive.identifiers import identifier, parsed, sample
from tests.archive.rows import new_instance, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.testing.datasets import Element, Value

LEVEL = 0x00080052
STUDY_UID = 0x0020000D


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(sqlite_url(str(tmp_path_factory.mktemp("archive") / "index.sqlite")))
    for new in sample().values():
        write(made, new)
    yield made
    made.close()


def count(index: Index, data: bytes, syntax: str = EXPLICIT_LITTLE) -> int:
    return sum(1 for _ in Finder(index).find(parse(data, syntax, STUDY_ROOT)))


def study_level(*pairs: tuple[str, Value]) -> bytes:
    return identifier([*pairs, ("QueryRetrieveLevel", "STUDY")])


@pytest.mark.parametrize(
    "keyword",
    ["PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "PatientWeight"],
)
@pytest.mark.parametrize("letters", ["x", "*", "?", "a*", "*?", "\\", "^", "=", "1-", "9"])
def test_ten_thousand_characters_are_answered(index: Index, keyword: str, letters: str) -> None:
    data = study_level((keyword, letters * (10_000 // len(letters))))
    assert count(index, data) in {0, 5, 6, 7}


def test_patterns_made_to_take_forever_do_not(index: Index) -> None:
    write(
        index, new_instance(study="8.1", AccessionNumber="a" * 10_000, OtherPatientIDs="a" * 5000)
    )
    for keyword in ("AccessionNumber", "OtherPatientIDs"):
        assert count(index, study_level((keyword, "*a" * 4000 + "b"))) == 0
        assert count(index, study_level((keyword, "a*" * 15 + "b"))) == 0
        assert count(index, study_level((keyword, "\\".join(["*a*b"] * 2000)))) == 0
    with index.writing() as connection:
        index.remove_studies(connection, ["8.1"])


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "PatientID", "AccessionNumber"])
def test_huge_list_is_answered(index: Index, keyword: str) -> None:
    values = [str(n) for n in range(40_000)]
    values[20_000:20_000] = ["1.2.1", "P1", "ACC1"]
    data = encode_data_set(
        [
            (LEVEL, "CS", "STUDY "),
            (0x00080050, "SH", "\\".join(values) if keyword == "AccessionNumber" else ""),
            (0x00100020, "LO", "\\".join(values) if keyword == "PatientID" else ""),
            (STUDY_UID, "UI", "\\".join(values) if keyword == "StudyInstanceUID" else ""),
        ],
        IMPLICIT_LITTLE,
    )
    expected = {"StudyInstanceUID": 1, "PatientID": 2, "AccessionNumber": 2}
    assert count(index, data, IMPLICIT_LITTLE) == expected[keyword]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AccessionNumber", "{}*"),
        ("PatientName", "name{}"),
        ("StudyDate", "2004{:04d}-"),
        ("StudyTime", "{:06d}"),
    ],
)
def test_more_values_than_can_be_tried_one_by_one_are_an_error(keyword: str, value: str) -> None:
    values = [value.format(n) for n in range(240_000)][:: 40 if keyword == "StudyTime" else 1]
    if keyword == "StudyDate":
        values = [f"{year}0101-" for year in range(1000, 2001)]
    tag = tag_of(keyword)
    assert tag is not None
    elements: list[Element] = [(LEVEL, "CS", "STUDY "), (tag, "LO", "\\".join(values[:6000]))]
    with pytest.raises(MatchingError, match="more than 1000 values") as caught:
        parse(encode_data_set(sorted(elements), IMPLICIT_LITTLE), IMPLICIT_LITTLE, STUDY_ROOT)
    assert (caught.value.kind, caught.value.tags) == (UNABLE, (tag,))
    elements = [(LEVEL, "CS", "STUDY "), (tag, "LO", "\\".join(values[:900]))]
    assert parse(encode_data_set(sorted(elements), IMPLICIT_LITTLE), IMPLICIT_LITTLE, STUDY_ROOT)


def test_search_that_finds_nothing_can_be_left_between_two_pages(index: Index) -> None:
    query = parse(
        study_level(("NameOfPhysiciansReadingStudy", "?nobody?")), EXPLICIT_LITTLE, STUDY_ROOT
    )
    assert list(Finder(index, page=3).search(query)) == []
    query = parse(study_level(("PatientWeight", "99")), EXPLICIT_LITTLE, STUDY_ROOT)
    write(index, *[new_instance(study=f"7.{n}", PatientWeight="1") for n in range(10)])
    assert list(Finder(index, page=3).search(query)) == [None, None, None, None]
    with index.writing() as connection:
        index.remove_studies(connection, [f"7.{n}" for n in range(10)])


def test_two_huge_lists_at_once_are_answered(index: Index) -> None:
    values = "\\".join([str(n) for n in range(20_000)] + ["1.2.1", "1.2.1.1", "1.2.1.1.2"])
    data = encode_data_set(
        [
            (0x00080018, "UI", values),
            (LEVEL, "CS", "IMAGE "),
            (STUDY_UID, "UI", values),
            (0x0020000E, "UI", values),
        ],
        IMPLICIT_LITTLE,
    )
    assert count(index, data, IMPLICIT_LITTLE) == 1
    found = list(Finder(index).locate(parse_retrieve(data, IMPLICIT_LITTLE, STUDY_ROOT)))
    assert [one.sop_instance_uid for one in found] == ["1.2.1.1.2"]


@pytest.mark.parametrize("depth", [65, 1000])
def test_sequences_too_deep_are_an_error(depth: int) -> None:
    body = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
        body = struct.pack("<HH2sHI", 0x0008, 0x1032, b"SQ", 0, len(item)) + item
    with pytest.raises(MatchingError, match="nested") as caught:
        parse(study_level()[:0] + body + study_level(), EXPLICIT_LITTLE, STUDY_ROOT)
    assert caught.value.kind == UNABLE


def test_sequences_as_deep_as_allowed_are_answered(index: Index) -> None:
    body = b""
    for _ in range(64):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
        body = struct.pack("<HH2sHI", 0x0008, 0x1032, b"SQ", 0, len(item)) + item
    assert count(index, study_level() + body) == 7


@pytest.mark.parametrize(
    ("tag", "vr", "value", "found"),
    [
        (0x00100010, "UI", "doe^jane", 2),
        (0x00100010, "LO", "DOE*", 2),
        (0x00100010, "UN", b"doe^jane", 2),
        (STUDY_UID, "LO", "1.2.1 ", 1),
        (STUDY_UID, "UN", b"1.2.1\0", 1),
        (0x00080020, "LO", "20040115-20040229 ", 2),
        (0x00080020, "US", 7, 0),
        (0x00100020, "FD", struct.pack("<d", 1.5), 0),
        (0x00100020, "OB", b"P1", 2),
        (0x00081032, "LO", "", 7),
    ],
)
def test_key_with_another_vr_is_taken_for_what_it_should_be(
    index: Index, tag: int, vr: str, value: Value, found: int
) -> None:
    elements = sorted([(tag, vr, value), (LEVEL, "CS", "STUDY ")])
    assert count(index, encode_data_set(elements)) == found


@pytest.mark.parametrize(
    ("tag", "vr", "value", "words"),
    [
        (0x00100010, "SQ", [[(0x00100010, "PN", "doe^jane")]], "PatientName: a sequence"),
        (0x00081032, "LO", "CODE", "ProcedureCodeSequence: a value"),
        (0x00100020, "FD", b"1.5", "PatientID: a value that cannot be read"),
    ],
)
def test_value_that_cannot_be_meant_is_an_error_with_its_tag(
    tag: int, vr: str, value: Value, words: str
) -> None:
    elements = sorted([(tag, vr, value), (LEVEL, "CS", "STUDY ")], key=lambda each: each[0])
    with pytest.raises(MatchingError, match=words) as caught:
        parse(encode_data_set(elements), EXPLICIT_LITTLE, STUDY_ROOT)
    assert (caught.value.kind, caught.value.tags) == (UNABLE, (tag,))


def test_empty_sequence_for_a_text_key_asks_for_nothing(index: Index) -> None:
    elements: list[Element] = [(LEVEL, "CS", "STUDY "), (0x00100010, "SQ", b"")]
    assert count(index, encode_data_set(elements)) == 7


@pytest.mark.parametrize(
    "data", [b"", b"\x08", b"\x08\x00\x52\x00", study_level()[:-1], b"\xff" * 64]
)
def test_identifier_that_is_none_is_an_error(data: bytes) -> None:
    for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE):
        with pytest.raises(MatchingError):
            parse(data, syntax, STUDY_ROOT)


def test_deflated_identifier_is_read(index: Index) -> None:
    data = identifier([("QueryRetrieveLevel", "STUDY")], DEFLATED_EXPLICIT_LITTLE)
    assert count(index, data, DEFLATED_EXPLICIT_LITTLE) == 7


def test_identifier_that_is_a_deflate_bomb_is_an_error() -> None:
    pairs = [("QueryRetrieveLevel", "STUDY")]
    elements = identifier(pairs) + struct.pack("<HH2sHI", 0x10, 0x4000, b"UT", 0, 200 << 20)
    import zlib

    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(elements) + deflater.compress(bytes(200 << 20)) + deflater.flush()
    tracemalloc.start()
    with pytest.raises(MatchingError):
        parse(bomb, DEFLATED_EXPLICIT_LITTLE, STUDY_ROOT)
    assert tracemalloc.get_traced_memory()[1] < 150 << 20
    tracemalloc.stop()


def test_elements_out_of_order_and_twice_are_read(index: Index) -> None:
    data = identifier([("PatientName", "nobody")]) + study_level(("PatientName", "doe*"))
    assert count(index, data) == 2


def test_group_lengths_and_padding_are_no_keys(index: Index) -> None:
    elements: list[Element] = [
        (0x00080000, "UL", 10),
        (LEVEL, "CS", "STUDY "),
        (0x00100000, "UL", 0),
    ]
    query = parse(encode_data_set(elements), EXPLICIT_LITTLE, STUDY_ROOT)
    assert (query.keys, query.is_partial) == ((), False)


def test_private_keys_are_left_out_and_said_to_be() -> None:
    elements = [(LEVEL, "CS", "STUDY "), (0x00110010, "LO", "CREATOR "), (0x00111001, "LO", "")]
    query = parse(encode_data_set(elements), EXPLICIT_LITTLE, STUDY_ROOT)
    assert (query.keys, query.is_partial) == ((), True)


def test_unknown_character_set_is_read_as_well_as_can_be(index: Index) -> None:
    data = study_level(("SpecificCharacterSet", "NO SUCH SET"), ("PatientName", b"doe^jane"))
    assert count(index, data) == 2
    data = study_level(("SpecificCharacterSet", "NO SUCH SET"), ("PatientName", b"\xff\xfe\xfd*"))
    assert count(index, data) == 0


@pytest.mark.parametrize(
    ("model", "text", "found"),
    [
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1", "A1a A1b A2a"),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1\\1.2.2", "A1a A1b A2a B1a"),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID=*", ""),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1 & PatientName=doe*", "A1a A1b A2a"),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1 & PatientName=roe*", ""),
        (STUDY_ROOT, "QueryRetrieveLevel=SERIES & StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.2", "A2a"),
        (STUDY_ROOT, "QueryRetrieveLevel=SERIES & StudyInstanceUID=1.2.1 & SeriesInstanceUID=", "A1a A1b A2a"),
        (STUDY_ROOT, "QueryRetrieveLevel=SERIES & StudyInstanceUID= & SeriesInstanceUID=1.2.1.2", "A2a"),
        (STUDY_ROOT, "QueryRetrieveLevel=IMAGE & StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.1 & SOPInstanceUID=1.2.1.1.2", "A1b"),
        (STUDY_ROOT, "QueryRetrieveLevel=IMAGE & StudyInstanceUID=1.2.2 & SeriesInstanceUID= & SOPInstanceUID=1.2.1.1.2", ""),
        (PATIENT_ROOT, "QueryRetrieveLevel=PATIENT & PatientID=P1", "A1a A1b A2a B1a"),
        (PATIENT_ROOT, "QueryRetrieveLevel=PATIENT & PatientID=P2*", "C1a"),
        (PATIENT_ROOT, "QueryRetrieveLevel=STUDY & PatientID=P1 & StudyInstanceUID=1.2.2", "B1a"),
        (PATIENT_ROOT, "QueryRetrieveLevel=STUDY & PatientID=P2 & StudyInstanceUID=1.2.2", ""),
        (PATIENT_ROOT, "QueryRetrieveLevel=STUDY & PatientID=P1 & StudyInstanceUID=", "A1a A1b A2a B1a"),
    ],
)  # fmt: skip
def test_retrieve_gets_every_object_of_what_it_names(
    index: Index, model: str, text: str, found: str
) -> None:
    query = parse_retrieve(identifier(parsed(text)), EXPLICIT_LITTLE, model)
    labels = {new.path: label for label, new in sample().items()}
    located = list(Finder(index, page=2).locate(query))
    assert " ".join(sorted(labels[one.path] for one in located)) == found
    by_label = sample()
    for one in located:
        new = by_label[labels[one.path]]
        assert one.sop_class_uid == new.facts.sop_class_uid
        assert one.sop_instance_uid == new.facts.sop_instance_uid
        assert (one.transfer_syntax_uid, one.size) == (EXPLICIT_LITTLE, new.size)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY"),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID="),
        (STUDY_ROOT, "QueryRetrieveLevel=STUDY & StudyInstanceUID= & PatientName=doe*"),
        (STUDY_ROOT, "QueryRetrieveLevel=IMAGE & StudyInstanceUID= & SeriesInstanceUID= & SOPInstanceUID="),
        (PATIENT_ROOT, "QueryRetrieveLevel=PATIENT & PatientID=*"),
        (PATIENT_ROOT, "QueryRetrieveLevel=PATIENT & PatientID=\\"),
    ],
)  # fmt: skip
def test_retrieve_without_a_unique_key_is_refused_instead_of_moving_everything(
    model: str, text: str
) -> None:
    with pytest.raises(MatchingError) as caught:
        parse_retrieve(identifier(parsed(text)), EXPLICIT_LITTLE, model)
    assert caught.value.kind == MISMATCH


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1", False),
        ("QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1\\1.2.2", False),
        ("QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1 & PatientName=", True),
        ("QueryRetrieveLevel=STUDY & StudyInstanceUID=1.2.1 & KVP=", True),
        ("QueryRetrieveLevel=SERIES & StudyInstanceUID=1.2.1 & SeriesInstanceUID=1", False),
        ("QueryRetrieveLevel=SERIES & StudyInstanceUID= & SeriesInstanceUID=1", True),
        ("QueryRetrieveLevel=SERIES & SeriesInstanceUID=1", True),
        ("QueryRetrieveLevel=SERIES & StudyInstanceUID=1.2.1", True),
        ("QueryRetrieveLevel=SERIES & StudyInstanceUID=1.2.1 & SeriesInstanceUID=", True),
    ],
)
def test_strict_retrieve_takes_unique_keys_alone(text: str, is_refused: bool) -> None:
    data = identifier(parsed(text))
    if not is_refused:
        assert parse_retrieve(data, EXPLICIT_LITTLE, STUDY_ROOT, strict=True)
        return
    with pytest.raises(MatchingError) as caught:
        parse_retrieve(data, EXPLICIT_LITTLE, STUDY_ROOT, strict=True)
    assert caught.value.kind == MISMATCH


@pytest.mark.slow
def test_query_for_everything_takes_no_more_memory_with_more_rows(tmp_path: object) -> None:
    index = Index(sqlite_url(f"{tmp_path}/index.sqlite"), durable=False)
    peaks = []
    for start in (0, 3000):
        write(
            index,
            *[
                new_instance(series=str(n % 50), instance=str(n))
                for n in range(start, start + 3000)
            ],
        )
        pairs = parsed("QueryRetrieveLevel=IMAGE & StudyInstanceUID= & SeriesInstanceUID=")
        query = parse(identifier(pairs), EXPLICIT_LITTLE, STUDY_ROOT)
        peak = 0
        for _ in range(2):  # the first time statements are compiled
            tracemalloc.start()
            assert sum(1 for _ in Finder(index).find(query)) == start + 3000
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.3
    index.close()


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 2**31))
def test_bytes_changed_anywhere_are_an_answer_or_an_error(
    index: Index, noise: bytes, place: int, seed: int
) -> None:
    whole = study_level(
        ("PatientName", "doe*"), ("StudyDate", "2004-"), ("ModalitiesInStudy", "CT")
    )
    data = bytearray(whole)
    place %= len(data)
    data[place : place + len(noise)] = noise
    syntax = random.Random(seed).choice([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
    with suppress(MatchingError):
        count(index, bytes(data), syntax)
