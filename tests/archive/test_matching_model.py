"""The index against a plain-Python matcher, on random objects and random queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isocenter.archive.database import sqlite_url
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import STUDY_ROOT, parse, parse_retrieve
from isocenter.testing.datasets import EXPLICIT_LITTLE
from tests.archive import reference
from tests.archive.identifiers import identifier, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

ids = st.sampled_from(["", "a", "A", "ab", "a%", "b_", "[a]", "aé", "日", "a b", "ba"])
dates = st.sampled_from(["", "20040229", "20040301", "20051231", "2004", "soon", "19991231"])
times = st.sampled_from(["", "10", "1015", "101530", "101530.5", "235959.999999", "00", "25", "1x"])
moments = st.sampled_from(
    [
        "",
        "2004",
        "200402",
        "20040229",
        "2004022910",
        "200402291015",
        "200402291015+0100",
        "2005-0500",
    ]
)
part = st.sampled_from(["", "a", "B", "ab", "Ä", "日"])
names = st.builds(
    lambda groups: "=".join("^".join(group) for group in groups),
    st.lists(st.lists(part, min_size=1, max_size=3), min_size=1, max_size=3),
)
numbers = st.sampled_from(["", "0", "1", "01", "+1", "-2", "10"])
several = st.lists(ids, min_size=1, max_size=3).map("\\".join)


def uid(letter: str) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{letter}.{n}" for n in (1, 2, 3)])


rows = st.lists(
    st.fixed_dictionaries(
        {
            "StudyInstanceUID": uid("1"),
            "SeriesInstanceUID": uid("2"),
            "SOPInstanceUID": uid("3"),
            "PatientID": ids,
            "PatientName": names,
            "PatientBirthDate": dates,
            "OtherPatientIDs": several,
            "StudyDate": dates,
            "StudyTime": times,
            "AccessionNumber": ids,
            "Modality": st.sampled_from(["CT", "MR", "SR"]),
            "SeriesNumber": numbers,
            "InstanceNumber": numbers,
            "AcquisitionDateTime": moments,
        }
    ),
    min_size=1,
    max_size=7,
)


def pattern(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, max_size=5).map(lambda text: text.strip(" "))


def span(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    whole = values.filter(lambda value: not set(value) & set("-+"))
    return st.one_of(
        values, st.builds("{}-{}".format, whole, whole), values.map("{}\\20040301".format)
    )


def listed(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=3).map("\\".join)


conditions = st.fixed_dictionaries(
    {},
    optional={
        "PatientID": st.one_of(ids, pattern("aAb*?%_[]é日")),
        "PatientName": st.one_of(names, pattern("aB*?^=äÄ日")),
        "PatientBirthDate": span(dates),
        "OtherPatientIDs": st.one_of(ids, pattern("aAb*?"), several),
        "StudyDate": span(dates),
        "StudyTime": span(times),
        "AccessionNumber": st.one_of(listed(ids), pattern("ab*?%_[]")),
        "ModalitiesInStudy": listed(st.sampled_from(["CT", "M*", "?R", "XX"])),
        "Modality": listed(st.sampled_from(["CT", "M*", "?R", "XX"])),
        "SeriesNumber": listed(numbers),
        "InstanceNumber": listed(numbers),
        "AcquisitionDateTime": span(moments),
    },
)
queries = st.tuples(
    st.sampled_from(["STUDY", "SERIES", "IMAGE"]),
    conditions,
    st.fixed_dictionaries(
        {key: st.one_of(st.just(""), listed(uid(str(n)))) for n, key in enumerate(UIDS, 1)}
    ),
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = tmp_path_factory.mktemp("archive") / "index.sqlite"
    made = Index(sqlite_url(str(path)), durable=False)
    yield made
    made.close()


def consistent(found: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return objects of which those of a study, and of a series, agree, each instance once."""
    studies: dict[str, dict[str, str]] = {}
    series: dict[tuple[str, ...], dict[str, str]] = {}
    instances: dict[tuple[str, ...], dict[str, str]] = {}
    for row in found:
        key = tuple(row[name] for name in UIDS)
        study = studies.setdefault(
            key[0], {name: row[name] for name in reference.PATIENT + reference.STUDY if name in row}
        )
        own = series.setdefault(key[:2], {name: row[name] for name in reference.SERIES})
        instances.setdefault(key, {**row, **study, **own})
    return list(instances.values())


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rows, st.lists(queries, min_size=1, max_size=6))
def test_index_finds_what_the_reference_finds(
    index: Index,
    found: list[dict[str, str]],
    asked: list[tuple[str, dict[str, str], dict[str, str]]],
) -> None:
    objects = consistent(found)
    unicode = [("SpecificCharacterSet", "ISO_IR 192")]
    with index.writing() as connection:
        index.remove_studies(connection, ["1.1", "1.2", "1.3"])
        index.write(connection, [stored([*unicode, *row.items()], "utf-8") for row in objects])
    finder = Finder(index, page=2)
    for level, keys, uids in asked:
        depth = ("STUDY", "SERIES", "IMAGE").index(level) + 1
        chosen = {**keys, **{name: uids[name] for name in UIDS[:depth]}}
        pairs = [*unicode, *chosen.items(), ("QueryRetrieveLevel", level)]
        encoded = identifier(pairs, codec="utf-8")
        query = parse(encoded, EXPLICIT_LITTLE, STUDY_ROOT)
        tags = [key.tag for key in query.keys]
        places = [tags.index(tag) for tag in (0x0020000D, 0x0020000E, 0x00080018)[:depth]]
        answers = [
            tuple(str(answer.values[place][0]) for place in places) for answer in finder.find(query)
        ]
        expected = reference.find(objects, level, chosen)
        assert len(answers) == len(set(answers))
        assert set(answers) == expected, (level, chosen)
        if any(uids[name] for name in UIDS[:depth]):
            located = {
                (one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid)
                for one in finder.locate(parse_retrieve(encoded, EXPLICIT_LITTLE, STUDY_ROOT))
            }
            # Every instance of what was found; computed attributes do not narrow a retrieve.
            narrowing = {k: v for k, v in chosen.items() if k != "ModalitiesInStudy"}
            entities = reference.find(objects, level, narrowing)
            assert located == {
                tuple(row[name] for name in UIDS)
                for row in objects
                if tuple(row[name] for name in UIDS[:depth]) in entities
            }
