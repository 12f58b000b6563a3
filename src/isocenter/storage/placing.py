"""Where a received object goes, and what is said about it: the types between the steps.

Owns the interface between the receiver and whoever chooses folders, which may be in another
process: everything that passes is plain data. Must not know how folders are chosen.
"""

from __future__ import annotations

from isocenter.logs import WARNING
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from isocenter.storage.spoolfile import SpoolFile
else:
    Protocol = object

__all__ = [
    "CompleteObject",
    "Note",
    "Origin",
    "Placement",
    "Placing",
    "StoredObject",
    "blanks_note",
]


class Note(NamedTuple):
    """A line for the log: `level` of logging, `text`."""

    level: int
    text: str


class Origin(NamedTuple):
    """Where an object comes from.

    Fields: `association` a number no other association of the server has; AE titles without
    padding; `peer_host` name or address.
    """

    association: int
    calling_ae_title: str
    called_ae_title: str = ""
    peer_host: str = ""


class Placement(NamedTuple):
    """Where an object goes.

    Fields: `folder` path below the output directory, "" for itself; `ticket` what the
    tracker of studies knows the object by, -1 for none; `notes` lines for the log.
    """

    folder: str = ""
    ticket: int = -1
    notes: tuple[Note, ...] = ()


class Placing(Protocol):
    """Chooses the folders of objects."""

    wanted: frozenset[int]
    """Tags of the top-level elements whose values `place` looks at."""

    def place(self, values: Mapping[int, bytes], origin: Origin) -> Placement:
        """Choose and make the folder of an object; `values` are encoded, absent tags absent.

        Raises:
            StorageRefused: what the object says gives it no place.
            StorageFull, StorageError: there can be no folder.
        """

    def restore(self, folder: str) -> None:
        """Make a folder again that somebody removed.

        Raises:
            As `place`.
        """

    def given_up(self, ticket: int) -> None:
        """The object with this ticket was not stored, after all."""


class StoredObject(NamedTuple):
    """What became of a received object.

    Fields: `path` its file, "" where nothing is kept; `length` bytes of the data set as
    received; `name` of the file; `placement` its folder; `notes` lines for the log; `is_kept`
    False where another object of its name was kept instead.
    """

    path: str
    length: int
    name: str = ""
    placement: Placement = Placement()
    notes: tuple[Note, ...] = ()
    is_kept: bool = True


class CompleteObject(NamedTuple):
    """A received object in a file that has no name yet.

    Fields: `file` belongs to whoever got it; `length` bytes of the data set as received; `notes`
    lines for the log; `is_read` False where it could not be read as a data set, or is not to be.
    """

    file: SpoolFile
    length: int
    notes: tuple[Note, ...] = ()
    is_read: bool = True


def blanks_note(tag: int) -> Note:
    """Return DCMTK's warning of an element whose UIDs had blanks (PS3.5 9.1)."""
    from isocenter.dataset.dictionary import keyword_of

    return Note(
        WARNING,
        f"Element {keyword_of(tag)} ({tag >> 16:04x},{tag & 0xFFFF:04x}) contains one or more "
        "space characters, which were removed",
    )
