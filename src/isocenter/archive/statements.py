"""Conditions in SQL, for SQLite and PostgreSQL.

Owns what of a condition a database can decide. Where it can only narrow down, it says so, and
`conditions.holds` decides. Must not know pages nor answers.

Text is compared by code point, and a wildcard stands for a character: GLOB does that in SQLite,
LIKE elsewhere. Values are parameters, never text of a statement.
"""

from __future__ import annotations

from sqlalchemy import and_, false, not_, or_, select, true

from isocenter.archive.attributes import BY_KEYWORD, TABLES
from isocenter.archive.conditions import (
    Names,
    Numbers,
    Ranges,
    Texts,
    has_wildcard,
    literal_prefix,
)
from isocenter.archive.tables import INSTANCE, SERIES, STUDY
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from sqlalchemy import ColumnElement

    from isocenter.archive.attributes import Attribute
    from isocenter.archive.conditions import Condition, Name
    from isocenter.archive.matching import Combined, Where

    Clause: TypeAlias = "ColumnElement[bool]"
    Texted: TypeAlias = "ColumnElement[str]"
    Ordered: TypeAlias = "ColumnElement[str] | ColumnElement[int]"
    Columns: TypeAlias = "Mapping[str, ColumnElement[str]]"

__all__ = ["MOST_VALUES", "STUDY_COLUMNS", "Branch", "Narrowed", "Writer", "prefix_range"]

MOST_VALUES = 1000
"""Values of a list, inclusive, that a statement takes; of longer ones the index only narrows."""

STUDY_COLUMNS: Columns = dict(STUDY.c.items())
"""The columns of the table of studies by name."""

_MOST_PATTERNS = 16
_LONGEST_PATTERN = 40_000  # bytes; SQLite's own bound is 50 000

_NAME = BY_KEYWORD["PatientName"]
_COMPARED = frozenset({b"PN", b"DT"})


class Narrowed(NamedTuple):
    """A condition in SQL.

    Fields:
        clause: what rows that meet it also meet.
        is_exact: the other way round as well.
    """

    clause: Clause
    is_exact: bool


class Branch(NamedTuple):
    """One way to walk over studies: a part of them, in an order that an index has.

    Fields:
        clauses: what makes the part.
        order: columns, ending with the id.
        met: the attribute whose condition the clauses are, where they are all of it.
    """

    clauses: tuple[Clause, ...]
    order: tuple[Ordered, ...]
    met: Attribute | None = None


def prefix_range(column: Texted, prefix: str) -> Clause:
    """Return that text begins with a prefix, so that an index finds it."""
    return and_(column >= prefix, column < prefix + "\U0010ffff")


class Writer:
    """Writes conditions for one kind of database.

    Args:
        is_sqlite: it has GLOB.
    """

    __slots__ = ("_is_sqlite",)

    def __init__(self, *, is_sqlite: bool) -> None:
        """Remember the kind."""
        self._is_sqlite = is_sqlite

    def matching(self, column: Texted, pattern: str) -> Clause:
        """Return that text matches a pattern with wildcards."""
        if self._is_sqlite:
            glob = pattern.replace("[", "[[]")
            clause: Clause = column.bool_op("GLOB")(glob)
        else:
            like = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            clause = column.like(like.replace("*", "%").replace("?", "_"), escape="\\")
        prefix = literal_prefix(pattern)
        return and_(prefix_range(column, prefix), clause) if prefix else clause

    def where(self, where: Where, tables: Mapping[str, Columns]) -> Narrowed:
        """Return a condition on an attribute of the table.

        Args:
            where: the condition.
            tables: what stands for each table in the statement.
        """
        attribute, condition = where
        if attribute.keyword == "ModalitiesInStudy":
            return self._modalities(condition, tables["study"])
        if attribute.keyword == "SOPClassesInStudy":
            return self._classes(condition, tables["study"])
        table = tables[TABLES[attribute.level]]
        if attribute is _NAME and isinstance(condition, Names):
            return self._patient_name(condition, table)
        name = attribute.column + ("_key" if attribute.vr in _COMPARED else "")
        return self._column(attribute, condition, table[name])

    def _column(self, attribute: Attribute, condition: Condition, column: Texted) -> Narrowed:
        if isinstance(condition, Ranges):
            return self._ranges(condition, column)
        if isinstance(condition, Numbers) and not attribute.multiple and attribute.vr != b"DS":
            return self._texts(Texts(condition.values, ()), column)
        if isinstance(condition, Texts):
            if attribute.multiple:
                return self._narrowed([*sorted(condition.exact), *condition.patterns], column)
            return self._texts(condition, column)
        if isinstance(condition, Names):
            return self._narrowed([_longest_pattern(name) for name in condition.names], column)
        return Narrowed(column != "", is_exact=False)

    def _ranges(self, condition: Ranges, column: Texted) -> Narrowed:
        if len(condition.bounds) > MOST_VALUES // 2:
            return Narrowed(column != "", is_exact=False)
        clauses = [
            column == first if first == last else column.between(first, last)
            for first, last in condition.bounds
        ]
        return Narrowed(_any(clauses), is_exact=True)

    def _texts(self, condition: Texts, column: Texted) -> Narrowed:
        patterns = condition.patterns
        if (
            len(condition.exact) > MOST_VALUES
            or len(patterns) > _MOST_PATTERNS
            or any(_is_long(pattern) for pattern in patterns)
        ):
            return Narrowed(true(), is_exact=False)
        clauses = [self.matching(column, pattern) for pattern in patterns]
        if condition.exact:
            clauses.append(_one_of(column, sorted(condition.exact)))
        return Narrowed(_any(clauses), is_exact=True)

    def _narrowed(self, patterns: Sequence[str], column: Texted) -> Narrowed:
        """Return that one of several values may match."""
        if len(patterns) > _MOST_PATTERNS or any(_is_long(pattern) for pattern in patterns):
            return Narrowed(column != "", is_exact=False)
        clauses = [self.matching(column, f"*{pattern}*") for pattern in patterns]
        return Narrowed(_any(clauses), is_exact=False)

    def combined(self, combined: Combined, tables: Mapping[str, Columns]) -> Clause:
        """Return that date and time together are within a range."""
        table = tables[TABLES[combined.date.level]]
        date: Texted = table[combined.date.column]
        time: Texted = table[combined.time.column]
        (first_date, first_time), (last_date, last_time) = combined.first, combined.last
        return and_(
            date.between(first_date, last_date),
            or_(date > first_date, time >= first_time),
            or_(date < last_date, time <= last_time),
        )

    def _modalities(self, condition: Condition, study: Columns) -> Narrowed:
        inner = self._column(BY_KEYWORD["Modality"], condition, SERIES.c.modality)
        exists = select(1).where(SERIES.c.study_id == study["id"], inner.clause).exists()
        return Narrowed(exists, inner.is_exact)

    def _classes(self, condition: Condition, study: Columns) -> Narrowed:
        inner = self._column(BY_KEYWORD["SOPClassUID"], condition, INSTANCE.c.sop_class_uid)
        exists = (
            select(1)
            .select_from(SERIES.join(INSTANCE))
            .where(SERIES.c.study_id == study["id"], inner.clause)
            .exists()
        )
        return Narrowed(exists, inner.is_exact)

    # --- the patient's name ---

    def _patient_name(self, condition: Names, study: Columns) -> Narrowed:
        if len(condition.names) > _MOST_PATTERNS or any(
            _is_long(pattern)
            for name in condition.names
            for patterns in name.groups
            for pattern in patterns
        ):
            return Narrowed(true(), is_exact=False)
        columns = _name_columns(study)
        clauses = []
        for name in condition.names:
            if name.any_group:
                clauses += [self.group(column, name.groups[0]) for column in columns]
            else:
                clauses.append(
                    and_(
                        true(),
                        *(
                            self.group(column, patterns)
                            for column, patterns in zip(columns, name.groups, strict=False)
                            if patterns
                        ),
                    )
                )
        return Narrowed(_any(clauses), is_exact=True)

    def group(self, column: Texted, patterns: Iterable[str]) -> Clause:
        """Return that a component group matches one of several patterns."""
        return _any(
            [
                self.matching(column, pattern) if has_wildcard(pattern) else column == pattern
                for pattern in patterns
            ]
        )

    # --- which index to walk over studies by ---

    def branches(self, wheres: Sequence[Where]) -> list[Branch]:
        """Return ways to walk over the studies that meet conditions: together, each once.

        One index is chosen for what it finds, the one that finds the fewest rows first.
        """
        by_keyword = {where.attribute.keyword: where.condition for where in wheres}
        ident: Ordered = STUDY.c.id
        for keyword in ("StudyInstanceUID", "AccessionNumber", "PatientID", "StudyID"):
            condition = by_keyword.get(keyword)
            if isinstance(condition, Texts) and not condition.patterns:
                column: Texted = STUDY.c[BY_KEYWORD[keyword].column]
                values = sorted(condition.exact)
                return [
                    Branch((_one_of(column, values[at : at + 250]),), (ident,), BY_KEYWORD[keyword])
                    for at in range(0, len(values), 250)
                ]
        for keyword in ("AccessionNumber", "PatientID", "StudyID"):
            condition = by_keyword.get(keyword)
            if (
                isinstance(condition, Texts)
                and not condition.exact
                and len(condition.patterns) == 1
            ):
                column = STUDY.c[BY_KEYWORD[keyword].column]
                if prefix := literal_prefix(condition.patterns[0]):
                    return [Branch((prefix_range(column, prefix),), (column, ident))]
        dates = by_keyword.get("StudyDate")
        if isinstance(dates, Ranges) and _is_short(dates):
            return [_date_branch(dates)]
        names = by_keyword.get("PatientName")
        if isinstance(names, Names) and len(names.names) == 1:
            found = self._name_branches(names.names[0])
            if found is not None:
                return found
        if isinstance(dates, Ranges) and len(dates.bounds) == 1:
            return [_date_branch(dates)]
        return [Branch((), (ident,))]

    def _name_branches(self, name: Name) -> list[Branch] | None:
        """Return a branch for each component group that may match; None where all rows may."""
        columns = _name_columns(STUDY_COLUMNS)
        if not name.any_group:
            for column, patterns in zip(columns, name.groups, strict=False):
                if patterns:
                    prefix = _common_prefix(patterns)
                    if prefix:
                        return [Branch((prefix_range(column, prefix),), (column, STUDY.c.id))]
            return None
        patterns = name.groups[0]
        prefix = _common_prefix(patterns)
        if not prefix or any(_is_long(pattern) for pattern in patterns):
            return None
        first, *others = (prefix_range(column, prefix) for column in columns)
        alphabetic, ideographic, phonetic = (self.group(column, patterns) for column in columns)
        return [
            Branch((first, alphabetic), (columns[0], STUDY.c.id), _NAME),
            # The rest by their ids: few names have other groups.
            Branch(
                (or_(*others), or_(ideographic, phonetic), not_(alphabetic)),
                (STUDY.c.id,),
                _NAME,
            ),
        ]


def _name_columns(study: Columns) -> tuple[Texted, Texted, Texted]:
    return (
        study["patient_name_key"],
        study["patient_name_ideographic"],
        study["patient_name_phonetic"],
    )


def _date_branch(dates: Ranges) -> Branch:
    first = min(bounds[0] for bounds in dates.bounds)
    last = max(bounds[1] for bounds in dates.bounds)
    column: Texted = STUDY.c.study_date
    return Branch((column.between(first, last),), (column, STUDY.c.id))


def _is_short(dates: Ranges) -> bool:
    """Tell whether a range of dates is within a month or so, so that few studies are in it."""
    return len(dates.bounds) == 1 and dates.bounds[0][0][:6] == dates.bounds[0][1][:6]


def _common_prefix(patterns: Sequence[str]) -> str:
    prefixes = [literal_prefix(pattern) for pattern in patterns]
    shortest = min(prefixes, key=len)
    return shortest if all(prefix.startswith(shortest) for prefix in prefixes) else ""


def _longest_pattern(name: Name) -> str:
    """Return what a name's compared form holds somewhere, where the name matches."""
    patterns = [patterns[-1] for patterns in name.groups if patterns]
    return max(patterns, key=len, default="")


def _is_long(pattern: str) -> bool:
    return len(pattern) > _LONGEST_PATTERN // 12


def _one_of(column: Texted, values: Sequence[str]) -> Clause:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _any(clauses: Sequence[Clause]) -> Clause:
    return or_(*clauses) if clauses else false()
