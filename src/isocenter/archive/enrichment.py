"""What an answer has from other rows than its own: computed attributes, first children, the rest.

Owns the statements that fetch it, for a page of rows at a time. Must not know what matches.

Counts, modalities and SOP classes are asked for when they are wanted, and not kept anywhere: a
counter on the row of a study would be written with every instance. An attribute of a lower level
has the value of the first series or instance, as in dcmqrscp.

PS3.4 C.3.4 (additional query/retrieve attributes).
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from isocenter.archive.attributes import ANY, IMAGE, SERIES, TABLES
from isocenter.archive.blobs import SeriesRest
from isocenter.archive.tables import INSTANCE, METADATA, STUDY
from isocenter.archive.tables import SERIES as ALL_SERIES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection, Select

    from isocenter.archive.attributes import Attribute
    from isocenter.archive.matching import Key
    from isocenter.archive.model import Json

__all__ = ["Enrichment"]


class Enrichment:
    """Fetches what rows lack.

    Args:
        level: of the query.
        keys: to be answered.
        computed: attributes that are wanted besides, to match.
        place: returns the place of a column in the rows, added where it is new.
    """

    def __init__(
        self,
        level: int,
        keys: Sequence[Key],
        computed: Sequence[Attribute],
        place: Callable[[str, str], int],
    ) -> None:
        """Note what is wanted, and which columns that takes."""
        asked = [key.attribute for key in keys if key.attribute is not None]
        self._computed = {
            attribute.keyword: attribute
            for attribute in [*asked, *computed]
            if attribute.computed and attribute.level != ANY
        }
        self._first = [
            attribute
            for attribute in asked
            if not attribute.computed
            and attribute.level > level
            and TABLES[attribute.level] != TABLES[level]
        ]
        has_rest = any(key.attribute is None for key in keys)
        is_below = level < SERIES and (has_rest or bool(self._first))
        self._fetches_rest = has_rest and level < SERIES
        self.is_needed = bool(self._computed or self._first or is_below)
        self._study = place("study", "id") if self.is_needed else -1
        self._patient = place("study", "patient_key") if self._computed else -1
        self._series = place("series", "id") if self.is_needed and level >= SERIES else -1
        self._base = place("series", "rest") if has_rest and level >= SERIES else -1
        self._own = place("instance", "rest") if has_rest and level == IMAGE else -1
        self._values: dict[str, dict[object, list[str]]] = {}
        self._firsts: dict[str, dict[object, Mapping[str, str]]] = {}
        self._rests: dict[object, bytes] = {}
        self._series_rest: SeriesRest | None = None
        self._latest: tuple[bytes, dict[str, Json]] | None = None

    def load(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        """Fetch what is wanted for a page of rows."""
        studies = sorted({row[self._study] for row in rows}, key=str)
        series: list[object] = []
        if self._series >= 0:
            series = sorted({row[self._series] for row in rows}, key=str)
        self._values = {}
        for keyword in self._computed:
            statement, by = _COMPUTED[keyword]
            ids = {"study": studies, "series": series}.get(by)
            if ids is None:
                ids = sorted({row[self._patient] for row in rows}, key=str)
            found: dict[object, list[str]] = {}
            for pair in connection.execute(statement, {"ids": ids}):
                if pair[1] != "":
                    found.setdefault(pair[0], []).append(str(pair[1]))
            self._values[keyword] = found
        self._load_first(connection, studies, series)

    def _load_first(
        self, connection: Connection, studies: Sequence[object], series: Sequence[object]
    ) -> None:
        """Fetch the first series of studies, and the first instances of series."""
        of_series = [attribute for attribute in self._first if attribute.level == SERIES]
        of_instances = [attribute for attribute in self._first if attribute.level == IMAGE]
        self._firsts = {}
        self._rests = {}
        owners = {one: one for one in series}
        if self._series < 0 and (of_series or of_instances or self._fetches_rest):
            columns = [ALL_SERIES.c[attribute.column] for attribute in of_series]
            if self._fetches_rest:
                columns.append(ALL_SERIES.c.rest)
            statement = select(ALL_SERIES.c.study_id, ALL_SERIES.c.id, *columns).where(
                ALL_SERIES.c.id.in_(
                    select(func.min(ALL_SERIES.c.id))
                    .where(ALL_SERIES.c.study_id.in_(studies))
                    .group_by(ALL_SERIES.c.study_id)
                )
            )
            owners = {}
            for row in connection.execute(statement):
                owners[row[1]] = row[0]
                names = [attribute.keyword for attribute in of_series]
                for name, value in zip(names, row[2:], strict=False):
                    self._firsts.setdefault(name, {})[row[0]] = value
                if self._fetches_rest:
                    self._rests[row[0]] = row[-1]
        if of_instances:
            sibling = INSTANCE.alias("sibling")
            first = (
                select(func.min(sibling.c.id))
                .where(sibling.c.series_id == ALL_SERIES.c.id)
                .correlate(ALL_SERIES)
                .scalar_subquery()
            )
            columns = [METADATA.tables["instance"].c[each.column] for each in of_instances]
            statement = (
                select(ALL_SERIES.c.id, *columns)
                .select_from(ALL_SERIES.join(INSTANCE, INSTANCE.c.id == first))
                .where(ALL_SERIES.c.id.in_(owners))
            )
            for row in connection.execute(statement):
                for attribute, value in zip(of_instances, row[1:], strict=True):
                    self._firsts.setdefault(attribute.keyword, {})[owners[row[0]]] = value

    def values(self, attribute: Attribute, row: Sequence[object]) -> list[str]:
        """Return the values of a computed attribute."""
        if attribute.level == ANY:
            return ["ONLINE"] if attribute.keyword == "InstanceAvailability" else []
        by = _COMPUTED[attribute.keyword][1]
        place = {"study": self._study, "series": self._series}.get(by, self._patient)
        return self._values[attribute.keyword].get(row[place], [])

    def first(self, attribute: Attribute, row: Sequence[object]) -> str:
        """Return what the first series or instance has of an attribute."""
        place = self._study if self._series < 0 else self._series
        return str(self._firsts.get(attribute.keyword, {}).get(row[place], ""))

    def rest(self, row: Sequence[object]) -> dict[str, Json]:
        """Return the attributes without a column, by tag."""
        if self._base >= 0:
            base, own = row[self._base], row[self._own] if self._own >= 0 else b""
        else:
            base, own = self._rests.get(row[self._study], b""), b""
        if not isinstance(base, bytes) or not isinstance(own, bytes):
            return {}
        if self._series_rest is None or self._series_rest.blob != base:
            self._series_rest = SeriesRest(base)
            self._latest = None
        if self._latest is None or self._latest[0] != own:
            self._latest = own, self._series_rest.of(own)
        return self._latest[1]


_IDS: BindParameter[object] = bindparam("ids", expanding=True)
_OF_STUDY, _OF_SERIES, _OF_PATIENT = (
    ALL_SERIES.c.study_id.in_(_IDS),
    INSTANCE.c.series_id.in_(_IDS),
    STUDY.c.patient_key.in_(_IDS),
)
_INSTANCES = ALL_SERIES.join(INSTANCE)
_ALL = STUDY.join(ALL_SERIES)


_COMPUTED: Mapping[str, tuple[Select[object, object], str]] = {
    "ModalitiesInStudy": (
        select(ALL_SERIES.c.study_id, ALL_SERIES.c.modality)
        .where(_OF_STUDY)
        .distinct()
        .order_by(ALL_SERIES.c.study_id, ALL_SERIES.c.modality),
        "study",
    ),
    "SOPClassesInStudy": (
        select(ALL_SERIES.c.study_id, INSTANCE.c.sop_class_uid)
        .select_from(_INSTANCES)
        .where(_OF_STUDY)
        .distinct()
        .order_by(ALL_SERIES.c.study_id, INSTANCE.c.sop_class_uid),
        "study",
    ),
    "NumberOfStudyRelatedSeries": (
        select(ALL_SERIES.c.study_id, func.count())
        .where(_OF_STUDY)
        .group_by(ALL_SERIES.c.study_id),
        "study",
    ),
    "NumberOfStudyRelatedInstances": (
        select(ALL_SERIES.c.study_id, func.count())
        .select_from(_INSTANCES)
        .where(_OF_STUDY)
        .group_by(ALL_SERIES.c.study_id),
        "study",
    ),
    "NumberOfSeriesRelatedInstances": (
        select(INSTANCE.c.series_id, func.count()).where(_OF_SERIES).group_by(INSTANCE.c.series_id),
        "series",
    ),
    "NumberOfPatientRelatedStudies": (
        select(STUDY.c.patient_key, func.count()).where(_OF_PATIENT).group_by(STUDY.c.patient_key),
        "patient",
    ),
    "NumberOfPatientRelatedSeries": (
        select(STUDY.c.patient_key, func.count())
        .select_from(_ALL)
        .where(_OF_PATIENT)
        .group_by(STUDY.c.patient_key),
        "patient",
    ),
    "NumberOfPatientRelatedInstances": (
        select(STUDY.c.patient_key, func.count())
        .select_from(_ALL.join(INSTANCE))
        .where(_OF_PATIENT)
        .group_by(STUDY.c.patient_key),
        "patient",
    ),
}
"""For each computed attribute its statement, and whose ids it takes and returns."""
