"""The index: rows written by one process, read by all.

Owns the statements that write, and those that need no query. Decides nothing about files. What
matches a query is `finding`'s.

Rows are written with ON CONFLICT. A study's or a series' row keeps the first value that an
attribute had; later instances fill in what was empty, and one that takes the place of another,
which somebody corrected, replaces what it says otherwise. What was written last is remembered, so
that instances of a known series cost two statements for all of a batch.

PS3.4 C.6.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from isocenter.archive.attributes import COLUMNS
from isocenter.archive.blobs import Base, pack_series
from isocenter.archive.database import Database
from isocenter.archive.keys import compared_columns
from isocenter.archive.tables import INSTANCE, MARK, METADATA, REMOVAL, SERIES, STUDY
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias, TypeVar

    from sqlalchemy import BindParameter, Column, Connection
    from sqlalchemy.sql import Executable

    from isocenter.archive.facts import NewInstance

    InstanceKey: TypeAlias = "tuple[str, str, str]"
    _K = TypeVar("_K")
    _V = TypeVar("_V")

__all__ = ["Index", "IndexedFile", "StoredFile"]

_AT_ONCE = 250  # values in one statement
_REMEMBERED = 512  # studies and series whose rows are known, each


class StoredFile(NamedTuple):
    """What the index says of a file, as far as it tells one from another.

    Fields:
        path: relative to the area. size: bytes. digest: as `NewInstance.digest`.
        transfer_syntax_uid: of its data set.
    """

    path: str
    size: int
    digest: bytes
    transfer_syntax_uid: str


class IndexedFile(NamedTuple):
    """A file of the index, for those who compare it with the disk.

    Fields:
        key: UIDs of study, series and instance.
        path, size, data_set_offset, digest, transfer_syntax_uid: as written.
    """

    key: InstanceKey
    path: str
    size: int
    data_set_offset: int
    digest: bytes
    transfer_syntax_uid: str


class _Known(NamedTuple):
    """A row of a study or series: its id, and the values of its attributes."""

    id: int
    values: tuple[str, ...]


class Index:
    """The index of an area.

    Args:
        url, durable, create: see `database.Database`.

    One process writes, in one thread; any number of threads and processes read.

    Raises:
        ArchiveError: it cannot be opened.
    """

    def __init__(self, url: str, *, durable: bool = True, create: bool = True) -> None:
        """Open it."""
        self.database = Database(url, durable=durable, create=create)
        self._studies: OrderedDict[str, _Known] = OrderedDict()
        self._series: OrderedDict[tuple[int, str], tuple[_Known, Base]] = OrderedDict()
        insert = sqlite.insert if self.database.is_sqlite else postgresql.insert
        self._insert_study = insert(STUDY).on_conflict_do_nothing()
        self._insert_series = insert(SERIES).on_conflict_do_nothing()
        upsert = insert(INSTANCE)
        self._insert_instance = upsert.on_conflict_do_update(
            index_elements=["sop_instance_uid", "series_id"],
            set_={
                column.name: upsert.excluded[column.name]
                for column in INSTANCE.columns
                if column.name not in {"id", "series_id", "sop_instance_uid"}
            },
        )
        self._insert_mark = insert(MARK).on_conflict_do_nothing()
        self._insert_removal = insert(REMOVAL).on_conflict_do_nothing()

    def close(self) -> None:
        """Close the connections of this process."""
        self.database.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection on which each statement is a transaction.

        Raises:
            ArchiveError: the database does not answer.
        """
        with self.database.explained(), self.database.reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield the connection in a transaction, committed at the end, or rolled back."""
        try:
            with self.database.writer.begin() as connection:
                yield connection
        except BaseException:
            self._studies.clear()
            self._series.clear()
            raise

    # --- writing ---

    def write(self, connection: Connection, news: Sequence[NewInstance]) -> None:
        """Write rows of instances; one with the same UIDs takes the place of the one before."""
        if not news:
            return
        self._load_studies(connection, {new.facts.study_instance_uid for new in news})
        present = set(self.existing(connection, [key_of(new) for new in news]))
        updated: dict[int, float] = {}
        rows = {}
        for new in news:
            facts = new.facts
            corrects = key_of(new) in present
            present.add(key_of(new))
            study = self._study(connection, new, corrects=corrects)
            updated[study.id] = max(new.received, updated.get(study.id, 0))
            series, base = self._series_of(connection, study.id, new, corrects=corrects)
            row: dict[str, object] = {
                **compared_columns("instance", facts.instance, facts.timezone),
                "series_id": series.id,
                "transfer_syntax_uid": facts.transfer_syntax_uid,
                "path": new.path,
                "size": new.size,
                "data_set_offset": new.data_set_offset,
                "digest": new.digest,
                "received": new.received,
                "source": new.source,
                "rest": base.pack(facts.rest),
            }
            rows[series.id, facts.sop_instance_uid] = row
        connection.execute(self._insert_instance, list(rows.values()))
        touched = [{"_id": id_, "_updated": moment} for id_, moment in updated.items()]
        connection.execute(_TOUCH, touched)
        _shorten(self._studies)
        _shorten(self._series)

    def _load_studies(self, connection: Connection, uids: Iterable[str]) -> None:
        """Remember the rows of studies that are there."""
        missing = sorted(uid for uid in uids if uid not in self._studies)
        for some in _chunks(missing):
            for row in connection.execute(_STUDY_ROWS, {"uids": some}):
                values = tuple(row[1:])
                self._studies[values[_STUDY_UID]] = _Known(row[0], values)

    def _study(self, connection: Connection, new: NewInstance, *, corrects: bool) -> _Known:
        """Return the row of an instance's study, made or filled in."""
        values, uid = new.facts.study, new.facts.study_instance_uid
        known = self._studies.get(uid)
        if known is None:
            row = {**compared_columns("study", values), "updated": new.received}
            connection.execute(self._insert_study, row)
            self._load_studies(connection, [uid])
            known = self._studies[uid]
        if merged := _merged(known.values, values, corrects=corrects):
            connection.execute(
                STUDY.update().where(STUDY.c.id == known.id), compared_columns("study", merged)
            )
            known = self._studies[uid] = _Known(known.id, merged)
        return known

    def _series_of(
        self, connection: Connection, study_id: int, new: NewInstance, *, corrects: bool
    ) -> tuple[_Known, Base]:
        """Return the row of an instance's series, made or filled in, and its rest."""
        values, uid = new.facts.series, new.facts.series_instance_uid
        found = self._series.get((study_id, uid))
        if found is None:
            found = self._load_series(connection, study_id, uid)
        if found is None:
            blob, _ = pack_series(new.facts.rest)
            row = {**compared_columns("series", values), "study_id": study_id, "rest": blob}
            connection.execute(self._insert_series, row)
            found = self._load_series(connection, study_id, uid)
            if found is None:
                raise RuntimeError("a series was written and is not there")
        known, base = found
        if merged := _merged(known.values, values, corrects=corrects):
            connection.execute(
                SERIES.update().where(SERIES.c.id == known.id), compared_columns("series", merged)
            )
            found = _Known(known.id, merged), base
        self._series[study_id, uid] = found
        return found

    def _load_series(
        self, connection: Connection, study_id: int, uid: str
    ) -> tuple[_Known, Base] | None:
        row = connection.execute(_SERIES_ROW, {"study": study_id, "uid": uid}).first()
        if row is None:
            return None
        return _Known(row[0], tuple(row[2:])), Base.of(row[1])

    @staticmethod
    def stored_file(new: NewInstance) -> StoredFile:
        """Return what `existing` will say of an instance once it is written."""
        return StoredFile(new.path, new.size, new.digest, new.facts.transfer_syntax_uid)

    def existing(
        self, connection: Connection, keys: Sequence[InstanceKey]
    ) -> dict[InstanceKey, StoredFile]:
        """Return which of these instances the index has."""
        wanted = set(keys)
        found = {}
        for some in _chunks(sorted({key[2] for key in wanted})):
            for row in connection.execute(_EXISTING, {"uids": some}):
                key = (row[0], row[1], row[2])
                if key in wanted:
                    found[key] = StoredFile(*row[3:])
        return found

    def remove_instances(
        self, connection: Connection, keys: Sequence[InstanceKey]
    ) -> list[tuple[InstanceKey, str]]:
        """Remove instances, and series and studies that are empty then; return their files."""
        wanted = set(keys)
        removed, ids, series, studies = [], [], set(), set()
        for some in _chunks(sorted({key[2] for key in wanted})):
            for row in connection.execute(_OF_INSTANCES, {"uids": some}):
                key = (row[0], row[1], row[2])
                if key in wanted:
                    removed.append((key, str(row[3])))
                    ids.append(row[4])
                    series.add(row[5])
                    studies.add(row[6])
        for some in _chunks(ids):
            connection.execute(delete(INSTANCE).where(INSTANCE.c.id.in_(some)))
        for some in _chunks(sorted(series)):
            has_any = select(1).where(INSTANCE.c.series_id == SERIES.c.id).exists()
            connection.execute(delete(SERIES).where(SERIES.c.id.in_(some), ~has_any))
        for some in _chunks(sorted(studies)):
            has_any = select(1).where(SERIES.c.study_id == STUDY.c.id).exists()
            connection.execute(delete(STUDY).where(STUDY.c.id.in_(some), ~has_any))
        self._studies.clear()
        self._series.clear()
        return removed

    def remove_studies(self, connection: Connection, uids: Sequence[str]) -> list[str]:
        """Remove studies with all that is in them; return their files."""
        paths: list[str] = []
        for some in _chunks(uids):
            ids = list(
                connection.execute(
                    select(STUDY.c.id).where(STUDY.c.study_instance_uid.in_(some))
                ).scalars()
            )
            series = select(SERIES.c.id).where(SERIES.c.study_id.in_(ids))
            paths += connection.execute(
                select(INSTANCE.c.path).where(INSTANCE.c.series_id.in_(series))
            ).scalars()
            connection.execute(delete(INSTANCE).where(INSTANCE.c.series_id.in_(series)))
            connection.execute(delete(SERIES).where(SERIES.c.study_id.in_(ids)))
            connection.execute(delete(STUDY).where(STUDY.c.id.in_(ids)))
        self._studies.clear()
        self._series.clear()
        return paths

    # --- folders that are written to, files that are to go ---

    def marks(self, connection: Connection) -> dict[str, str]:
        """Return the study of each marked folder."""
        return {row.folder: row.study for row in connection.execute(select(MARK))}

    def mark(self, connection: Connection, folders: Mapping[str, str]) -> None:
        """Mark folders, each with its study."""
        if folders:
            rows = [{"folder": folder, "study": study} for folder, study in folders.items()]
            connection.execute(self._insert_mark, rows)

    def unmark(self, connection: Connection, folders: Sequence[str]) -> None:
        """Take marks back."""
        for some in _chunks(folders):
            connection.execute(delete(MARK).where(MARK.c.folder.in_(some)))

    def removals(self, connection: Connection) -> dict[str, str]:
        """Return the study of each file that is to be removed."""
        return {row.path: row.study for row in connection.execute(select(REMOVAL))}

    def journal(self, connection: Connection, paths: Mapping[str, str]) -> None:
        """Note files that are to be removed, each with its study."""
        if paths:
            rows = [{"path": path, "study": study} for path, study in paths.items()]
            connection.execute(self._insert_removal, rows)

    def unjournal(self, connection: Connection, paths: Sequence[str]) -> None:
        """Forget files that are removed."""
        for some in _chunks(paths):
            connection.execute(delete(REMOVAL).where(REMOVAL.c.path.in_(some)))

    # --- reading what no query asks for ---

    def count_studies(self, connection: Connection) -> int:
        """Return how many studies there are."""
        return int(connection.execute(select(func.count()).select_from(STUDY)).scalar_one())

    def study_usage(
        self, connection: Connection, uids: Sequence[str]
    ) -> dict[str, tuple[int, int]]:
        """Return instances and bytes of studies, by UID; those that are not there are left out."""
        usage = {}
        for some in _chunks(uids):
            for row in connection.execute(_USAGE, {"uids": some}):
                usage[str(row[0])] = (int(row[1]), int(row[2]))
        return usage

    def least_touched(self, connection: Connection, count: int) -> list[str]:
        """Return the studies that got an instance the longest ago, the oldest one first."""
        statement = (
            select(STUDY.c.study_instance_uid)
            .order_by(STUDY.c.updated, STUDY.c.id)
            .limit(max(count, 0))
        )
        return list(connection.execute(statement).scalars())

    def files(self, connection: Connection, study_uid: str | None = None) -> Iterator[IndexedFile]:
        """Yield the files of a study, or all of them study by study, in constant memory.

        Pages of their own: what is written meanwhile may or may not be among them.
        """
        last = 0
        while True:
            statement = select(SERIES.c.id).order_by(SERIES.c.id).limit(_AT_ONCE)
            if study_uid is not None:
                statement = statement.join(STUDY).where(STUDY.c.study_instance_uid == study_uid)
            ids = list(connection.execute(statement.where(SERIES.c.id > last)).scalars())
            for series_id in ids:
                yield from self._files_of(connection, series_id)
            if len(ids) < _AT_ONCE:
                return
            last = ids[-1]

    def _files_of(self, connection: Connection, series_id: int) -> Iterator[IndexedFile]:
        last = 0
        while True:
            rows = connection.execute(_FILES, {"series": series_id, "last": last}).all()
            for row in rows:
                yield IndexedFile((row[1], row[2], row[3]), *row[4:])
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1][0]


def key_of(new: NewInstance) -> InstanceKey:
    """Return the UIDs of study, series and instance."""
    facts = new.facts
    return facts.study_instance_uid, facts.series_instance_uid, facts.sop_instance_uid


def _merged(
    known: tuple[str, ...], values: tuple[str, ...], *, corrects: bool
) -> tuple[str, ...] | None:
    """Return known values with others taken over, None where nothing changes.

    Args:
        known: what the row has.
        values: of the instance.
        corrects: they take precedence where they are not empty.
    """
    if known == values:
        return None
    first, second = (values, known) if corrects else (known, values)
    merged = tuple([one or other for one, other in zip(first, second, strict=True)])
    return merged if merged != known else None


def _chunks(values: Sequence[_V]) -> Iterator[list[_V]]:
    for start in range(0, len(values), _AT_ONCE):
        yield list(values[start : start + _AT_ONCE])


def _shorten(known: OrderedDict[_K, _V]) -> None:
    while len(known) > _REMEMBERED:
        known.popitem(last=False)


def _columns_of(name: str) -> list[Column[str]]:
    table = METADATA.tables[name]
    return [table.c[attribute.column] for attribute in COLUMNS[name]]


_STUDY_UID = next(a.place for a in COLUMNS["study"] if a.keyword == "StudyInstanceUID")
_UIDS: BindParameter[str] = bindparam("uids", expanding=True)
_KEY = (STUDY.c.study_instance_uid, SERIES.c.series_instance_uid, INSTANCE.c.sop_instance_uid)
_JOINED = INSTANCE.join(SERIES).join(STUDY)

_TOUCH: Executable = (
    STUDY.update()
    .where(STUDY.c.id == bindparam("_id"), STUDY.c.updated < bindparam("_updated"))
    .values(updated=bindparam("_updated"))
)
_STUDY_ROWS = select(STUDY.c.id, *_columns_of("study")).where(STUDY.c.study_instance_uid.in_(_UIDS))
_SERIES_ROW = select(SERIES.c.id, SERIES.c.rest, *_columns_of("series")).where(
    SERIES.c.series_instance_uid == bindparam("uid"), SERIES.c.study_id == bindparam("study")
)
_EXISTING = (
    select(
        *_KEY,
        INSTANCE.c.path,
        INSTANCE.c.size,
        INSTANCE.c.digest,
        INSTANCE.c.transfer_syntax_uid,
    )
    .select_from(_JOINED)
    .where(INSTANCE.c.sop_instance_uid.in_(_UIDS))
)
_OF_INSTANCES = (
    select(*_KEY, INSTANCE.c.path, INSTANCE.c.id, INSTANCE.c.series_id, SERIES.c.study_id)
    .select_from(_JOINED)
    .where(INSTANCE.c.sop_instance_uid.in_(_UIDS))
)
_USAGE = (
    select(STUDY.c.study_instance_uid, func.count(), func.sum(INSTANCE.c.size))
    .select_from(_JOINED)
    .where(STUDY.c.study_instance_uid.in_(_UIDS))
    .group_by(STUDY.c.study_instance_uid)
)
_FILES = (
    select(
        INSTANCE.c.id,
        *_KEY,
        INSTANCE.c.path,
        INSTANCE.c.size,
        INSTANCE.c.data_set_offset,
        INSTANCE.c.digest,
        INSTANCE.c.transfer_syntax_uid,
    )
    .select_from(_JOINED)
    .where(INSTANCE.c.series_id == bindparam("series"), INSTANCE.c.id > bindparam("last"))
    .order_by(INSTANCE.c.series_id, INSTANCE.c.id)
    .limit(_AT_ONCE)
)
