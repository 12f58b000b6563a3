"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision = None

_STUDY = """
patient_id
patient_name
patient_name_key
issuer_of_patient_id
patient_birth_date
patient_birth_time
patient_sex
other_patient_ids
other_patient_names
other_patient_names_key
ethnic_group
patient_comments
study_instance_uid
study_date
study_time
accession_number
study_id
referring_physician_name
referring_physician_name_key
study_description
procedure_code_sequence
name_of_physicians_reading_study
name_of_physicians_reading_study_key
admitting_diagnoses_description
patient_age
patient_size
patient_weight
occupation
additional_patient_history
other_study_numbers
patient_name_ideographic
patient_name_phonetic
patient_key
"""
_SERIES = """
series_instance_uid
modality
series_number
series_date
series_time
series_description
body_part_examined
protocol_name
laterality
manufacturer
manufacturer_model_name
institution_name
institutional_department_name
station_name
performing_physician_name
performing_physician_name_key
operators_name
operators_name_key
performed_procedure_step_start_date
performed_procedure_step_start_time
performed_procedure_step_id
performed_procedure_step_description
request_attributes_sequence
"""
_INSTANCE = """
sop_instance_uid
instance_number
sop_class_uid
acquisition_date
content_date
acquisition_time
content_time
acquisition_date_time
acquisition_date_time_key
number_of_frames
rows
columns
concept_name_code_sequence
completion_flag
verification_flag
"""
_INDEXES = {
    "study": "accession_number patient_id patient_key patient_name_ideographic "
    "patient_name_key patient_name_phonetic study_date study_id updated",
    "series": "study_id",
    "instance": "series_id",
}


def _id(name: str, *parts: sa.ForeignKey, primary_key: bool = False) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, *parts, primary_key=primary_key, nullable=False)


def _kind() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, _kind(), primary_key=primary_key, nullable=False)


def _texts(names: str) -> Iterable[sa.Column[str]]:
    return [sa.Column(name, _kind(), nullable=False, server_default="") for name in names.split()]


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "study",
        _id("id", primary_key=True),
        *_texts(_STUDY),
        sa.Column("updated", sa.Float(53), nullable=False),
        sa.UniqueConstraint("study_instance_uid", name="uq_study_study_instance_uid"),
    )
    op.create_table(
        "series",
        _id("id", primary_key=True),
        _id("study_id", sa.ForeignKey("study.id")),
        *_texts(_SERIES),
        sa.Column("rest", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint(
            "series_instance_uid", "study_id", name="uq_series_series_instance_uid_study_id"
        ),
    )
    op.create_table(
        "instance",
        _id("id", primary_key=True),
        _id("series_id", sa.ForeignKey("series.id")),
        *_texts(_INSTANCE),
        _text("transfer_syntax_uid"),
        _text("path"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data_set_offset", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.Float(53), nullable=False),
        _text("source"),
        sa.Column("rest", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint(
            "sop_instance_uid", "series_id", name="uq_instance_sop_instance_uid_series_id"
        ),
    )
    op.create_table("mark", _text("folder", primary_key=True), *_texts("study"))
    op.create_table("removal", _text("path", primary_key=True), *_texts("study"))
    for table, columns in _INDEXES.items():
        for column in columns.split():
            op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    """Remove them: everything can be rebuilt from the objects."""
    for table in ("instance", "series", "study", "mark", "removal"):
        op.drop_table(table)
