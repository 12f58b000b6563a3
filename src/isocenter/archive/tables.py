"""The schema of the index: tables, columns and indexes, made from `attributes`.

Owns names and types. Must not know statements. Nothing here is SQLite's alone; text is compared
by code point in every database.

Studies, series and instances have small numbers for keys, and their UIDs are unique within what
they belong to: the same SOP instance UID in two series is two rows. There are no counters.
A change here needs a migration (`migrations`), and `HEAD` is the name of the last one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from isocenter.archive.attributes import COLUMNS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

__all__ = ["HEAD", "INSTANCE", "MARK", "METADATA", "REMOVAL", "SERIES", "STUDY", "VERSION"]

HEAD = "0001"
"""Name of the newest migration."""

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
}

METADATA = MetaData(naming_convention=_NAMING)

_ID = BigInteger().with_variant(Integer(), "sqlite")


def _text_type() -> TypeEngine[str]:
    """Return text that is compared by code point."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def _text(name: str) -> Column[str]:
    return Column(name, _text_type(), nullable=False, server_default="")


def _columns(table: str) -> list[Column[str]]:
    """Return the columns of a table's attributes, and beside names what they are compared by."""
    columns = []
    for attribute in COLUMNS[table]:
        columns.append(_text(attribute.column))
        if attribute.vr in {b"PN", b"DT"}:
            columns.append(_text(attribute.column + "_key"))
    return columns


STUDY = Table(
    "study",
    METADATA,
    Column("id", _ID, primary_key=True),
    *_columns("study"),
    # Other component groups of the patient's name; the alphabetic one is in its key.
    _text("patient_name_ideographic"),
    _text("patient_name_phonetic"),
    # What makes a patient one: see `keys.patient_key`.
    _text("patient_key"),
    Column("updated", Float(53), nullable=False),
    UniqueConstraint("study_instance_uid"),
)
"""A study with what is known of its patient. `updated`: seconds since 1970."""

SERIES = Table(
    "series",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("study_id", _ID, ForeignKey("study.id"), nullable=False),
    *_columns("series"),
    # Attributes without a column, of its first instance (`blobs`).
    Column("rest", LargeBinary, nullable=False),
    UniqueConstraint("series_instance_uid", "study_id"),
)
"""A series."""

INSTANCE = Table(
    "instance",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("series_id", _ID, ForeignKey("series.id"), nullable=False),
    *_columns("instance"),
    Column("transfer_syntax_uid", _text_type(), nullable=False),
    Column("path", _text_type(), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data_set_offset", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("received", Float(53), nullable=False),
    Column("source", _text_type(), nullable=False),
    # What differs from the series in attributes without a column (`blobs`).
    Column("rest", LargeBinary, nullable=False),
    UniqueConstraint("sop_instance_uid", "series_id"),
)
"""An object, and its file relative to the area's folder."""

MARK = Table("mark", METADATA, Column("folder", _text_type(), primary_key=True), _text("study"))
"""Folders that are written to: what a start looks at after a crash."""

REMOVAL = Table("removal", METADATA, Column("path", _text_type(), primary_key=True), _text("study"))
"""Files that are to be removed, and have no row any more."""

VERSION = Table("alembic_version", METADATA, Column("version_num", String(32), primary_key=True))
"""The migration that the schema is at."""

for _column in (
    STUDY.c.patient_id,
    STUDY.c.patient_name_key,
    STUDY.c.patient_name_ideographic,
    STUDY.c.patient_name_phonetic,
    STUDY.c.patient_key,
    STUDY.c.accession_number,
    STUDY.c.study_date,
    STUDY.c.study_id,
    STUDY.c.updated,
    SERIES.c.study_id,
    INSTANCE.c.series_id,
):
    Index(None, _column)
