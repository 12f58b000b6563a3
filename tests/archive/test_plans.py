"""How the database walks to what a query finds: by an index, never over all rows."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from isocenter.archive.database import sqlite_url
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import PATIENT_ROOT, STUDY_ROOT, parse, parse_retrieve
from isocenter.testing.datasets import EXPLICIT_LITTLE
from tests.archive.identifiers import identifier, parsed
from tests.archive.rows import new_instance, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STUDIES = 400


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = tmp_path_factory.mktemp("archive") / "index.sqlite"
    made = Index(sqlite_url(str(path)), durable=False)
    write(
        made,
        *[
            new_instance(
                study=f"1.{n}",
                series=f"1.{n}.1",
                instance=f"1.{n}.1.{place}",
                PatientID=f"P{n}",
                PatientName=f"Name{n:05d}^X",
                AccessionNumber=f"A{n}",
                StudyDate=f"2004{n // 28 % 12 + 1:02d}{n % 28 + 1:02d}",
                Modality="CT",
            )
            for n in range(STUDIES)
            for place in range(2)
        ],
    )
    yield made
    made.close()


class Recorder:
    """Keeps what is asked of the database, and asks how it goes about it."""

    def __init__(self, index: Index) -> None:
        self.statements: list[tuple[str, Sequence[object]]] = []
        self._path = index.database.name
        self._engine = index.database.reader
        event.listen(self._engine, "before_cursor_execute", self._note)

    def _note(self, *arguments: object) -> None:
        _, _, statement, parameters, *_ = arguments
        assert isinstance(statement, str)
        assert isinstance(parameters, tuple)
        self.statements.append((statement, parameters))

    def stop(self) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def steps(self) -> list[str]:
        """Return the steps of all statements."""
        connection = sqlite3.connect(self._path)
        found = []
        for statement, parameters in self.statements:
            rows = connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            found += [str(row[3]) for row in rows]
        connection.close()
        return found


@pytest.fixture
def recorder(index: Index) -> Iterator[Recorder]:
    made = Recorder(index)
    yield made
    made.stop()


LOOK_UPS = [
    (STUDY_ROOT, "STUDY", "StudyInstanceUID=1.7", 1),
    (STUDY_ROOT, "STUDY", "StudyInstanceUID=1.7\\1.8\\1.9", 3),
    (STUDY_ROOT, "STUDY", "PatientID=P7", 1),
    (STUDY_ROOT, "STUDY", "PatientID=P39*", 11),
    (STUDY_ROOT, "STUDY", "AccessionNumber=A7", 1),
    (STUDY_ROOT, "STUDY", "AccessionNumber=A39?", 10),
    (STUDY_ROOT, "STUDY", "PatientName=name00007^x", 1),
    (STUDY_ROOT, "STUDY", "PatientName=NAME0000*", 10),
    (STUDY_ROOT, "STUDY", "PatientName=NAME0000?^*", 10),
    (STUDY_ROOT, "STUDY", "StudyDate=20040115", 2),
    (STUDY_ROOT, "STUDY", "StudyDate=20040114-20040115", 4),
    (STUDY_ROOT, "STUDY", "PatientName=name0000* & ModalitiesInStudy=CT", 10),
    (STUDY_ROOT, "STUDY", "PatientName=name0000* & NumberOfStudyRelatedInstances=", 10),
    (PATIENT_ROOT, "PATIENT", "PatientID=P7", 1),
    (PATIENT_ROOT, "PATIENT", "PatientName=NAME0000*", 10),
    (STUDY_ROOT, "SERIES", "StudyInstanceUID=1.7", 1),
    (STUDY_ROOT, "SERIES", "StudyInstanceUID= & SeriesInstanceUID=1.7.1", 1),
    (STUDY_ROOT, "IMAGE", "StudyInstanceUID=1.7 & SeriesInstanceUID=1.7.1", 2),
    (STUDY_ROOT, "IMAGE", "StudyInstanceUID=1.7 & SeriesInstanceUID=", 2),
    (STUDY_ROOT, "IMAGE", "StudyInstanceUID= & SeriesInstanceUID= & SOPInstanceUID=1.7.1.1", 1),
    (PATIENT_ROOT, "IMAGE", "PatientID=P7 & StudyInstanceUID= & SeriesInstanceUID=", 2),
]


@pytest.mark.parametrize(("model", "level", "keys", "count"), LOOK_UPS)
def test_look_up_reads_by_an_index_and_sorts_nothing_but_its_page(
    index: Index, recorder: Recorder, model: str, level: str, keys: str, count: int
) -> None:
    pairs = [*parsed(keys), ("QueryRetrieveLevel", level)]
    query = parse(identifier(pairs), EXPLICIT_LITTLE, model)
    assert sum(1 for _ in Finder(index).find(query)) == count
    steps = recorder.steps()
    assert steps
    assert [step for step in steps if step.startswith("SCAN")] == []


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("STUDY", "StudyInstanceUID=1.7", 2),
        ("STUDY", "StudyInstanceUID=1.7\\1.8", 4),
        ("SERIES", "StudyInstanceUID=1.7 & SeriesInstanceUID=1.7.1", 2),
        ("IMAGE", "StudyInstanceUID= & SeriesInstanceUID= & SOPInstanceUID=1.7.1.1", 1),
    ],
)
def test_retrieve_reads_by_an_index(
    index: Index, recorder: Recorder, level: str, keys: str, count: int
) -> None:
    pairs = [*parsed(keys), ("QueryRetrieveLevel", level)]
    query = parse_retrieve(identifier(pairs), EXPLICIT_LITTLE, STUDY_ROOT)
    assert sum(1 for _ in Finder(index).locate(query)) == count
    steps = recorder.steps()
    assert steps
    assert [step for step in steps if step.startswith("SCAN")] == []


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("STUDY", ""),
        ("STUDY", "PatientName=*x*"),
        ("STUDY", "StudyDate=20040101-"),
        ("STUDY", "AccessionNumber=A*"),
        ("SERIES", "StudyInstanceUID="),
        ("IMAGE", "StudyInstanceUID= & SeriesInstanceUID="),
    ],
)
def test_walking_over_everything_reads_in_the_order_of_an_index_and_never_sorts(
    index: Index, recorder: Recorder, level: str, keys: str
) -> None:
    pairs = [*parsed(keys), ("QueryRetrieveLevel", level)]
    query = parse(identifier(pairs), EXPLICIT_LITTLE, STUDY_ROOT)
    for _ in Finder(index, page=50).find(query):
        pass
    assert [step for step in recorder.steps() if "TEMP B-TREE FOR ORDER BY" in step] == []


def test_first_answers_come_without_reading_the_rest(index: Index, recorder: Recorder) -> None:
    query = parse(identifier([("QueryRetrieveLevel", "STUDY")]), EXPLICIT_LITTLE, STUDY_ROOT)
    answers = Finder(index, page=50).find(query)
    for _ in range(120):
        next(answers)
    close = getattr(answers, "close", None)
    assert close is not None
    close()
    assert len(recorder.statements) == 3


def test_no_transaction_is_open_between_two_answers(index: Index) -> None:
    query = parse(identifier([("QueryRetrieveLevel", "STUDY")]), EXPLICIT_LITTLE, STUDY_ROOT)
    answers = Finder(index, page=5).find(query)
    next(answers)
    write(index, new_instance(study="2.1", series="2.2", instance="2.3"))
    connection = sqlite3.connect(index.database.name)
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    assert busy == 0
    assert sum(1 for _ in answers) == STUDIES
    with index.writing() as writer:
        index.remove_studies(writer, ["2.1"])
