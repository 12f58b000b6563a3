"""Rows that match a query, page by page, in constant memory.

Owns the walk: which table is read in which order, pages, what is computed for each, and the values
of an answer. Must not know encodings. Each page is a transaction of its own, which begins where
the last one ended (by the values of an index, not by counting), so that whoever is slow holds
nothing up; what is written meanwhile may or may not be found.

PS3.4 C.2.2.2 (matching), C.4.1.3 (levels).
"""

from __future__ import annotations

import json

from sqlalchemy import not_, select, tuple_

from isocenter.archive.attributes import BY_KEYWORD, IMAGE, PATIENT, SERIES, TABLES, UNIQUE_KEYS
from isocenter.archive.conditions import Texts, holds
from isocenter.archive.enrichment import Enrichment
from isocenter.archive.keys import names_key
from isocenter.archive.model import values_in
from isocenter.archive.statements import STUDY_COLUMNS, Writer
from isocenter.archive.tables import INSTANCE as INSTANCES
from isocenter.archive.tables import METADATA
from isocenter.archive.tables import SERIES as ALL_SERIES
from isocenter.archive.tables import STUDY as STUDIES
from isocenter.archive.text import shown
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from sqlalchemy import Select

    from isocenter.archive.attributes import Attribute
    from isocenter.archive.index import Index
    from isocenter.archive.matching import Key, Query, Where
    from isocenter.archive.model import Json
    from isocenter.archive.statements import Clause, Columns, Ordered

    Value: TypeAlias = "list[str] | list[Json]"
    Rows: TypeAlias = "Sequence[Sequence[object]]"
    Statement: TypeAlias = "Select[*tuple[object, ...]]"

__all__ = ["Answer", "Finder", "StoredInstance"]

_FIRST_PAGE, _PAGE = 100, 250  # rows; the first answers should not wait for many


class Answer(NamedTuple):
    """One match.

    Fields:
        values: for each of the query's keys its values as text, or the items of a sequence.
    """

    values: tuple[Value, ...]


class StoredInstance(NamedTuple):
    """An object to be retrieved.

    Fields:
        path: its file, relative to the area's folder.
        sop_class_uid, sop_instance_uid, transfer_syntax_uid: its own.
        size: bytes of the file. data_set_offset: where its data set begins in it.
        study_instance_uid, series_instance_uid: what it belongs to.
    """

    path: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int
    data_set_offset: int
    study_instance_uid: str
    series_instance_uid: str


class _Selection:
    """The columns that a query needs of each row, and where they are in it."""

    def __init__(self) -> None:
        self.columns: list[Ordered] = []
        self._places: dict[tuple[str, str], int] = {}

    def place(self, table: str, column: str) -> int:
        """Return the place of a column, added where it is new."""
        found = self._places.get((table, column))
        if found is None:
            found = self._places[table, column] = len(self.columns)
            self.columns.append(METADATA.tables[table].c[column])
        return found


class _Refinement(NamedTuple):
    """A condition that the database only narrowed down.

    Fields:
        where: the condition.
        place: of the column it looks at.
        values: where they are all there is to it, those asked for.
    """

    where: Where
    place: int
    values: frozenset[str] | None

    def holds(self, row: Sequence[object]) -> bool:
        """Tell whether a row meets it."""
        text = str(row[self.place])
        if self.values is not None:
            return text in self.values
        attribute, condition = self.where
        if attribute is _PATIENT_NAME:
            text = names_key(text)
        return holds(condition, text, multiple=attribute.multiple)


class Finder:
    """Finds what matches in one index; used by any number of threads.

    Args:
        index: read only.
        page: rows of a page, for tests.
    """

    __slots__ = ("_index", "_page", "_writer")

    def __init__(self, index: Index, *, page: int = _PAGE) -> None:
        """Keep the index."""
        self._index = index
        self._page = page
        self._writer = Writer(is_sqlite=index.database.is_sqlite)

    def find(self, query: Query) -> Iterator[Answer]:
        """Yield an answer for each entity that matches.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return (answer for answer in self.search(query) if answer is not None)

    def search(self, query: Query) -> Iterator[Answer | None]:
        """Yield an answer for each entity that matches, and None after each page of rows.

        For those who have something else to look at now and then: a page may match nothing.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return _Walk(query, self._writer, self._index, self._page).answers()

    def locate(self, query: Query) -> Iterator[StoredInstance]:
        """Yield every object of the entities that match, series by series.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return _Walk(query, self._writer, self._index, self._page).located()


class _Walk:
    """One query being answered."""

    def __init__(self, query: Query, writer: Writer, index: Index, page: int) -> None:
        self._query = query
        self._writer = writer
        self._index = index
        self._page_size = page
        self._level = query.level
        self._selection = _Selection()
        self._refinements: list[_Refinement] = []
        self._computed: list[Where] = []
        self._narrowed = [(where, writer.where(where, _TABLES)) for where in query.wheres]
        for where, narrowed in self._narrowed:
            if not narrowed.is_exact:
                self._refine(where)

    def _refine(self, where: Where) -> None:
        """Note a condition that the database cannot decide alone."""
        attribute, condition = where
        if attribute.computed:
            self._computed.append(where)
            return
        column = attribute.column
        if attribute.vr in {b"PN", b"DT"} and attribute is not _PATIENT_NAME:
            column += "_key"
        values = None
        if isinstance(condition, Texts) and not condition.patterns and not attribute.multiple:
            values = condition.exact
        place = self._selection.place(TABLES[attribute.level], column)
        self._refinements.append(_Refinement(where, place, values))

    def _clauses(self, *tables: str, without: object = None) -> list[Clause]:
        """Return the conditions on tables, but for that on one attribute."""
        clauses = [
            narrowed.clause
            for where, narrowed in self._narrowed
            if TABLES[where.attribute.level] in tables and where.attribute is not without
        ]
        clauses += [
            self._writer.combined(combined, _TABLES)
            for combined in self._query.combined
            if TABLES[combined.date.level] in tables
        ]
        return clauses

    def _has_conditions(self, *tables: str) -> bool:
        return any(TABLES[where.attribute.level] in tables for where in self._query.wheres)

    def _pages(self, statement: Statement, order: Sequence[Ordered]) -> Iterator[Rows]:
        """Yield a statement's rows page by page; the columns of the order are behind the others."""
        statement = statement.add_columns(*order).order_by(*order)
        size = min(_FIRST_PAGE, self._page_size)
        page = statement
        while True:
            with self._index.reading() as connection:
                rows = connection.execute(page.limit(size)).all()
            if rows:
                yield rows
            if len(rows) < size:
                return
            last = rows[-1][-len(order) :]
            behind = order[0] > last[0] if len(order) == 1 else tuple_(*order) > last
            page = statement.where(behind)
            size = self._page_size

    # --- walks ---

    def _study_pages(self, columns: Sequence[Ordered], *extra: Clause) -> Iterator[Rows]:
        wheres = [where for where in self._query.wheres if TABLES[where.attribute.level] == "study"]
        for branch in self._writer.branches(wheres):
            clauses = self._clauses("study", without=branch.met)
            statement = select(*columns).where(*clauses, *branch.clauses, *extra)
            yield from self._pages(statement, branch.order)

    def _series_pages(self, columns: Sequence[Ordered]) -> Iterator[Rows]:
        """Yield rows of series with their study, by what finds them first."""
        joined = select(*columns).select_from(_SERIES_JOINED)
        own = UNIQUE_KEYS[SERIES]
        listed = self._listed(SERIES)
        if listed is not None:
            joined = joined.where(*self._clauses("study", "series", without=own))
            for some in _chunks(listed):
                uids = ALL_SERIES.c.series_instance_uid.in_(some)
                yield from self._pages(joined.where(uids), (ALL_SERIES.c.id,))
        elif self._has_conditions("study"):
            joined = joined.where(*self._clauses("series"))
            for studies in self._study_pages([STUDIES.c.id]):
                belongs = ALL_SERIES.c.study_id.in_([row[0] for row in studies])
                order = (ALL_SERIES.c.study_id, ALL_SERIES.c.id)
                yield from self._pages(joined.where(belongs), order)
        else:
            joined = joined.where(*self._clauses("series"))
            yield from self._pages(joined, (ALL_SERIES.c.id,))

    def _instance_pages(self, columns: Sequence[Ordered]) -> Iterator[Rows]:
        """Yield rows of instances with series and study, by what finds them first."""
        joined = select(*columns).select_from(_INSTANCE_JOINED)
        listed = self._listed(IMAGE)
        if listed is not None:
            own = UNIQUE_KEYS[IMAGE]
            joined = joined.where(*self._clauses("study", "series", "instance", without=own))
            for some in _chunks(listed):
                uids = INSTANCES.c.sop_instance_uid.in_(some)
                yield from self._pages(joined.where(uids), (INSTANCES.c.id,))
            return
        joined = joined.where(*self._clauses("instance"))
        if self._has_conditions("study", "series"):
            for series in self._series_pages([ALL_SERIES.c.id]):
                belongs = INSTANCES.c.series_id.in_([row[0] for row in series])
                order = (INSTANCES.c.series_id, INSTANCES.c.id)
                yield from self._pages(joined.where(belongs), order)
        else:
            yield from self._pages(joined, (INSTANCES.c.id,))

    def _listed(self, level: int) -> frozenset[str] | None:
        """Return the UIDs asked for at a level, None where there are none."""
        texts = self._query.texts_of(UNIQUE_KEYS[level])
        return None if texts is None or texts.patterns else texts.exact

    def _patient_pages(self, columns: Sequence[Ordered]) -> Iterator[Rows]:
        """Yield one row of a study for each patient: of the first study that matches."""
        if self._refinements or self._computed:
            yield from self._study_pages(columns)  # `answers` keeps the first ones
            return
        clauses = [self._writer.where(where, _TWINS).clause for where in self._query.wheres]
        clauses += [self._writer.combined(each, _TWINS) for each in self._query.combined]
        earlier = select(1).where(
            _OTHER.c.patient_key == STUDIES.c.patient_key, _OTHER.c.id < STUDIES.c.id, *clauses
        )
        yield from self._study_pages(columns, not_(earlier.exists()))

    # --- answers ---

    def answers(self) -> Iterator[Answer | None]:
        """Yield an answer for each entity, and None after each page."""
        place = self._selection.place
        enrichment = Enrichment(
            self._level, self._query.keys, [where.attribute for where in self._computed], place
        )
        getters = [self._getter(key, enrichment) for key in self._query.keys]
        patient = place("study", "patient_key") if self._level == PATIENT else -1
        seen: set[object] = set()
        columns = self._selection.columns
        if self._level == PATIENT:
            pages = self._patient_pages(columns)
        elif TABLES[self._level] == "study":
            pages = self._study_pages(columns)
        elif self._level == SERIES:
            pages = self._series_pages(columns)
        else:
            pages = self._instance_pages(columns)
        for page in pages:
            rows: Rows = self._refined(page)
            if enrichment.is_needed and rows:
                with self._index.reading() as connection:
                    enrichment.load(connection, rows)
            for row in rows:
                if self._computed and not self._computed_hold(row, enrichment):
                    continue
                if patient >= 0 and (self._refinements or self._computed):
                    if row[patient] in seen:
                        continue
                    seen.add(row[patient])
                yield Answer(tuple([get(row) for get in getters]))
            yield None

    def _refined(self, rows: Rows) -> Rows:
        if not self._refinements:
            return rows
        return [row for row in rows if all(each.holds(row) for each in self._refinements)]

    def _computed_hold(self, row: Sequence[object], enrichment: Enrichment) -> bool:
        return all(
            holds(where.condition, "\\".join(enrichment.values(where.attribute, row)))
            for where in self._computed
        )

    def _getter(self, key: Key, enrichment: Enrichment) -> Callable[[Sequence[object]], Value]:
        """Return what takes the values of a key from a row."""
        attribute = key.attribute
        if attribute is None:
            tag = f"{key.tag:08X}"
            return lambda row: values_in(enrichment.rest(row).get(tag))
        if attribute.computed:
            return lambda row: enrichment.values(attribute, row)
        table = TABLES[attribute.level]
        if attribute.level > self._level and table != TABLES[self._level]:
            return lambda row: _values(attribute, enrichment.first(attribute, row))
        place = self._selection.place(table, attribute.column)
        if attribute.vr == b"SQ" or attribute.multiple:
            return lambda row: _values(attribute, str(row[place]))
        if attribute.vr in {b"DA", b"TM"}:
            vr = attribute.vr
            return lambda row: [shown(vr, str(row[place]))] if row[place] else []
        return lambda row: [str(row[place])] if row[place] else []

    # --- objects ---

    def located(self) -> Iterator[StoredInstance]:
        """Yield every object of the entities."""
        start = len(self._selection.columns)
        columns = [*self._selection.columns, *_LOCATED]
        pages = self._instance_pages(columns) if self._level == IMAGE else self._below(columns)
        for page in pages:
            for row in self._refined(page):
                yield StoredInstance._make(row[start : start + len(_LOCATED)])

    def _below(self, columns: Sequence[Ordered]) -> Iterator[Rows]:
        """Yield the instances of the studies or series that match."""
        statement = select(*columns).select_from(_INSTANCE_JOINED)
        order = (INSTANCES.c.series_id, INSTANCES.c.id)
        for page in self._series_pages([ALL_SERIES.c.id]):
            belongs = INSTANCES.c.series_id.in_([row[0] for row in page])
            yield from self._pages(statement.where(belongs), order)


def _values(attribute: Attribute, text: str) -> Value:
    """Return the values of a kept text."""
    if not text:
        return []
    if attribute.vr == b"SQ":
        items: list[Json] = json.loads(text)
        return items
    if attribute.multiple:
        return [shown(attribute.vr, value) for value in text.split("\\")]
    return [shown(attribute.vr, text)]


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for at in range(0, len(ordered), _PAGE):
        yield ordered[at : at + _PAGE]


_PATIENT_NAME = BY_KEYWORD["PatientName"]

_TABLES: dict[str, Columns] = {
    "study": STUDY_COLUMNS,
    "series": dict(ALL_SERIES.c.items()),
    "instance": dict(INSTANCES.c.items()),
}
_OTHER = STUDIES.alias("other")
_TWINS: dict[str, Columns] = {**_TABLES, "study": dict(_OTHER.c.items())}
_SERIES_JOINED = ALL_SERIES.join(STUDIES)
_INSTANCE_JOINED = INSTANCES.join(ALL_SERIES).join(STUDIES)
_LOCATED = (
    INSTANCES.c.path,
    INSTANCES.c.sop_class_uid,
    INSTANCES.c.sop_instance_uid,
    INSTANCES.c.transfer_syntax_uid,
    INSTANCES.c.size,
    INSTANCES.c.data_set_offset,
    STUDIES.c.study_instance_uid,
    ALL_SERIES.c.series_instance_uid,
)
