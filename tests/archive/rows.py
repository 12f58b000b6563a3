"""Objects for the index, as facts; no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.archive.attributes import BY_KEYWORD, COLUMNS, TABLES
from isocenter.archive.facts import InstanceFacts, NewInstance

if TYPE_CHECKING:
    from isocenter.archive.index import Index


def new_instance(
    *,
    study: str = "1.1",
    series: str = "1.2",
    instance: str = "1.3",
    path: str = "",
    size: int = 1000,
    received: float = 1.0,
    rest: dict[str, str] | None = None,
    timezone: str = "",
    **attributes: str,
) -> NewInstance:
    """Return an instance with values by keyword, as they are kept."""
    values = {table: [""] * len(columns) for table, columns in COLUMNS.items()}
    attributes = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": instance,
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        **attributes,
    }
    for keyword, value in attributes.items():
        attribute = BY_KEYWORD[keyword]
        values[TABLES[attribute.level]][attribute.place] = value
    facts = InstanceFacts(
        study,
        series,
        instance,
        attributes["SOPClassUID"],
        "1.2.840.10008.1.2.1",
        tuple(values["study"]),
        tuple(values["series"]),
        tuple(values["instance"]),
        timezone,
        rest or {},
    )
    path = path or f"ab/{study}/{series}/{instance}.dcm"
    return NewInstance(facts, path, size, 300, b"digest", received, "SENDER")


def write(index: Index, *news: NewInstance) -> None:
    """Write instances in one transaction."""
    with index.writing() as connection:
        index.write(connection, news)
