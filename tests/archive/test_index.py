"""The index: rows written and read again, versions, migrations, what is wrong with a database."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, select

from isocenter.archive import database
from isocenter.archive.attributes import BY_KEYWORD
from isocenter.archive.database import sqlite_url
from isocenter.archive.facts import NewInstance, facts_of
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import STUDY_ROOT, parse
from isocenter.archive.statements import STUDY_COLUMNS, Writer
from isocenter.archive.tables import HEAD, INSTANCE, METADATA, SERIES, STUDY
from isocenter.errors import ArchiveError
from isocenter.testing.datasets import EXPLICIT_LITTLE
from tests.archive.identifiers import identifier
from tests.archive.rows import new_instance, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    yield made
    made.close()


def test_written_instance_exists_with_its_file(index: Index) -> None:
    new = new_instance(study="1.1", series="1.2", instance="1.3", path="ab/1.1/1.3.dcm", size=77)
    write(index, new)
    key = ("1.1", "1.2", "1.3")
    with index.reading() as connection:
        found = index.existing(connection, [key, ("1.1", "1.2", "9")])
        files = list(index.files(connection))
    assert found == {key: index.stored_file(new)}
    assert [(file.key, file.path, file.size) for file in files] == [(key, "ab/1.1/1.3.dcm", 77)]


def test_same_instance_again_takes_the_place_of_the_first(index: Index) -> None:
    write(index, new_instance(path="a", size=1))
    write(index, new_instance(path="b", size=2))
    with index.reading() as connection:
        assert [file.path for file in index.files(connection)] == ["b"]
        assert index.study_usage(connection, ["1.1", "9"]) == {"1.1": (1, 2)}


def test_same_instance_twice_in_one_batch_is_one_row(index: Index) -> None:
    write(index, new_instance(path="a"), new_instance(path="b"))
    with index.reading() as connection:
        assert [file.path for file in index.files(connection)] == ["b"]


def test_one_instance_uid_in_two_series_is_two_rows(index: Index) -> None:
    write(index, new_instance(series="1.2", path="a"), new_instance(series="1.22", path="b"))
    with index.reading() as connection:
        assert sorted(file.key[1] for file in index.files(connection)) == ["1.2", "1.22"]


def test_one_series_uid_in_two_studies_is_two_series(index: Index) -> None:
    write(index, new_instance(study="1.1", path="a"), new_instance(study="1.11", path="b"))
    with index.reading() as connection:
        assert len(connection.execute(select(SERIES.c.id)).all()) == 2
        assert sorted(file.key[0] for file in index.files(connection)) == ["1.1", "1.11"]


def test_study_keeps_what_it_had_and_takes_what_was_empty(index: Index) -> None:
    write(index, new_instance(instance="1", PatientName="Doe^Jane"))
    write(index, new_instance(instance="2", PatientName="Roe^Jane", StudyDescription="Head"))
    with index.reading() as connection:
        row = connection.execute(select(STUDY)).one()
    assert (row.patient_name, row.patient_name_key) == ("Doe^Jane", "doe^jane")
    assert row.study_description == "Head"


def test_instance_that_takes_the_place_of_another_corrects_study_and_series(index: Index) -> None:
    write(index, new_instance(PatientName="Doe^Jane", StudyDescription="Head", Modality="CT"))
    write(index, new_instance(PatientName="Roe^Jane", Modality="MR"))
    with index.reading() as connection:
        study = connection.execute(select(STUDY)).one()
        series = connection.execute(select(SERIES)).one()
    assert (study.patient_name, study.patient_name_key) == ("Roe^Jane", "roe^jane")
    assert (study.study_description, series.modality) == ("Head", "MR")


def test_rows_of_a_transaction_that_failed_are_not_taken_for_known(index: Index) -> None:
    def fail() -> None:
        with index.writing() as connection:
            index.write(connection, [new_instance()])
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()
    write(index, new_instance())
    with index.reading() as connection:
        assert index.count_studies(connection) == 1


def test_least_touched_study_is_the_one_that_got_an_instance_longest_ago(index: Index) -> None:
    for study, received in (("1", 30.0), ("2", 10.0), ("3", 20.0)):
        write(index, new_instance(study=study, received=received))
    write(index, new_instance(study="2", instance="9", received=40.0))
    with index.reading() as connection:
        assert index.least_touched(connection, 2) == ["3", "1"]


def test_removing_the_last_instance_removes_series_and_study(index: Index) -> None:
    write(index, new_instance(instance="1", path="a"), new_instance(instance="2", path="b"))
    with index.writing() as connection:
        assert index.remove_instances(connection, [("1.1", "1.2", "1")]) == [
            (("1.1", "1.2", "1"), "a")
        ]
        assert index.count_studies(connection) == 1
        assert index.remove_instances(connection, [("1.1", "1.2", "2")])
        assert index.count_studies(connection) == 0
    with index.reading() as connection:
        assert not connection.execute(select(SERIES.c.id)).all()
    write(index, new_instance())
    with index.reading() as connection:
        assert index.count_studies(connection) == 1


def test_removing_a_study_leaves_the_others(index: Index) -> None:
    write(index, new_instance(study="1", path="a"), new_instance(study="2", path="b"))
    with index.writing() as connection:
        assert index.remove_studies(connection, ["1", "9"]) == ["a"]
    with index.reading() as connection:
        assert [file.path for file in index.files(connection)] == ["b"]


def test_files_of_more_than_a_page_are_all_there(index: Index) -> None:
    news = [new_instance(series=str(n % 3), instance=str(n), path=str(n)) for n in range(800)]
    write(index, *news)
    with index.reading() as connection:
        assert {file.path for file in index.files(connection)} == {str(n) for n in range(800)}
        assert len(list(index.files(connection, "1.1"))) == 800
        assert not list(index.files(connection, "2"))


def test_marks_and_removals_are_kept_and_taken_back(index: Index) -> None:
    with index.writing() as connection:
        index.mark(connection, {"ab/1": "1", "cd/2": "2"})
        index.mark(connection, {"ab/1": "1"})
        index.journal(connection, {"ab/1/x": "1"})
    with index.writing() as connection:
        assert index.marks(connection) == {"ab/1": "1", "cd/2": "2"}
        assert list(index.removals(connection)) == ["ab/1/x"]
        index.unmark(connection, ["ab/1"])
        index.unjournal(connection, ["ab/1/x"])
        assert index.marks(connection) == {"cd/2": "2"}
        assert not index.removals(connection)


def test_readers_see_the_last_commit_while_something_is_written(index: Index) -> None:
    write(index, new_instance(instance="1"))
    with index.writing() as connection:
        index.write(connection, [new_instance(instance="2")])
        with index.reading() as reader:
            assert len(list(index.files(reader))) == 1
    with index.reading() as reader:
        assert len(list(index.files(reader))) == 2


def test_every_commit_of_a_durable_index_is_on_disk(tmp_path: Path) -> None:
    for durable, synchronous in ((True, 2), (False, 1)):
        made = Index(sqlite_url(str(tmp_path / f"{durable}.sqlite")), durable=durable)
        with made.writing() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        made.close()


@pytest.mark.slow
def test_connections_are_not_used_across_a_fork(index: Index) -> None:
    write(index, new_instance())
    with index.reading() as connection:
        assert index.count_studies(connection) == 1
    before = index.database.reader
    child = os.fork()
    if not child:
        status = 1
        try:
            with index.reading() as connection:
                status = int(
                    index.count_studies(connection) != 1 or index.database.reader is before
                )
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with index.reading() as connection:
        assert index.count_studies(connection) == 1


# --- opening -------------------------------------------------------------------------------


def test_opened_again_it_holds_what_was_written(tmp_path: Path) -> None:
    url = sqlite_url(str(tmp_path / "a b?%#é.sqlite"))
    first = Index(url)
    write(first, new_instance())
    first.close()
    second = Index(url, create=False)
    with second.reading() as connection:
        assert second.count_studies(connection) == 1
    second.close()


def test_reader_refuses_an_index_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with pytest.raises(ArchiveError, match="there is no index"):
        Index(sqlite_url(str(path)), create=False)
    assert not path.exists()


def test_index_of_a_newer_version_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    Index(sqlite_url(str(path))).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(
        ArchiveError, match=rf"newer version of isocenter \(schema 9999, not {HEAD}"
    ):
        Index(sqlite_url(str(path)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no database at all" * 1000, "is damaged"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "."),
    ],
)
def test_damaged_file_is_refused_with_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=words) as caught:
        Index(sqlite_url(str(path)))
    assert caught.value.path == str(path)
    assert path.read_bytes() == content


def test_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE other (id)")
    raw.close()
    with pytest.raises(ArchiveError, match="something else"):
        Index(sqlite_url(str(path)))


def test_folder_in_place_of_the_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="unable to open"):
        Index(sqlite_url(str(tmp_path)))


@pytest.mark.parametrize(
    ("url", "words"),
    [("nonsense", "no URL"), ("nothing://user:secret@host/name", "no driver")],
)
def test_url_that_leads_nowhere_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ArchiveError, match=words) as caught:
        Index(url)
    assert "secret" not in str(caught.value)


def test_index_locked_by_another_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT", 100)
    path = tmp_path / "index.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("CREATE TABLE mine (id)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ArchiveError, match="locked by another process"):
            Index(sqlite_url(str(path)))
    other.close()


def test_index_that_is_damaged_while_it_is_open_is_an_error_for_readers(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    made = Index(sqlite_url(str(path)))
    write(made, *[new_instance(instance=str(n)) for n in range(2000)])
    made.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 60)
        file.write(b"\xff" * (size - 4096 * 60))
    again = Index(sqlite_url(str(path)), create=False)
    with pytest.raises(ArchiveError, match="damaged"), again.reading() as connection:
        list(again.files(connection))
    again.close()


@pytest.mark.slow
def test_readers_and_the_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    index = Index(sqlite_url(str(tmp_path / "index.sqlite")), durable=False)
    write(index, *[new_instance(instance=f"0.{n}") for n in range(300)])
    pairs = [
        ("QueryRetrieveLevel", "IMAGE"),
        ("StudyInstanceUID", "1.1"),
        ("SeriesInstanceUID", ""),
    ]
    query = parse(identifier(pairs), EXPLICIT_LITTLE, STUDY_ROOT)
    finder = Finder(index, page=50)
    counts: list[int] = []
    problems: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                counts.append(sum(1 for _ in finder.find(query)))
        except Exception as problem:  # noqa: BLE001 - whatever it is fails the test
            problems.append(problem)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for batch in range(8):
        write(index, *[new_instance(instance=f"{batch + 1}.{n}") for n in range(10)])
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert counts
    assert all(300 <= count <= 380 for count in counts)
    assert sum(1 for _ in finder.find(query)) == 380
    index.close()


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_instance_takes_at_most_two_kib(tmp_path: Path, name: str) -> None:
    import pydicom.data

    facts = facts_of(str(pydicom.data.get_testdata_file(name, download=False)))
    news = []
    for n in range(1000):
        uid = f"1.3.6.1.4.1.5962.99.1.{n * 2654435761 % 2**32}.{n}.20040119072730.12322"
        values = list(facts.instance)
        values[BY_KEYWORD["SOPInstanceUID"].place] = uid
        values[BY_KEYWORD["InstanceNumber"].place] = str(n)
        rest = dict(facts.rest)
        rest["00200032"] = f'{{"vr":"DS","Value":["-158.1","-179.0","{n * 1.25}"]}}'
        rest["00201041"] = f'{{"vr":"DS","Value":["{n * 1.25}"]}}'
        own = facts._replace(sop_instance_uid=uid, instance=tuple(values), rest=rest)
        path = f"ab/{facts.study_instance_uid}/{uid}.dcm"
        news.append(NewInstance(own, path, 39_000, 300, bytes(32), 1.0, "MODALITY"))
    index = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    write(index, *news)
    index.close()
    assert (tmp_path / "index.sqlite").stat().st_size / len(news) <= 2048


def test_damage_inside_is_found(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    made = Index(sqlite_url(str(path)))
    write(made, *[new_instance(instance=str(n)) for n in range(500)])
    assert made.database.problems() == []
    made.close()
    with path.open("r+b") as file:
        file.seek(4096 * 40)
        file.write(b"\xff" * 8192)
    again = Index(sqlite_url(str(path)), create=False)
    assert again.database.problems()
    again.close()


# --- migrations ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_migrations_lead_to_the_schema_of_the_tables(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from isocenter.archive.migrations import KNOWN, scripts, upgrade

    engine = create_engine(sqlite_url(str(tmp_path / "index.sqlite")))
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD
        names = {script.revision for script in scripts().walk_revisions()}
        assert names | {""} == KNOWN
    engine.dispose()
    made = Index(sqlite_url(str(tmp_path / "index.sqlite")))
    write(made, new_instance())
    made.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_index_before_the_first_migration_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    raw.close()
    with pytest.raises(ArchiveError, match="older version"):
        Index(sqlite_url(str(path)), create=False)
    made = Index(sqlite_url(str(path)))
    write(made, new_instance())
    made.close()


def test_statements_are_the_same_for_postgresql() -> None:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in (STUDY, SERIES, INSTANCE):
        words = str(CreateTable(table).compile(dialect=dialect))
        assert 'COLLATE "C"' in words
        assert "BIGSERIAL" in words


def test_wildcards_are_like_where_there_is_no_glob() -> None:
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    clause = Writer(is_sqlite=False).matching(STUDY_COLUMNS["accession_number"], "a_%\\b*?")
    compiled = clause.compile(dialect=dialect)
    assert "LIKE" in str(compiled)
    assert "a\\_\\%\\\\b%_" in compiled.params.values()
