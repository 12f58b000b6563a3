"""What is asked of the one who writes an index, and what he answers.

Owns the words; plain data, since they pass between processes. Must not know who they are.
"""

from __future__ import annotations

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from isocenter.archive.facts import NewInstance

    AddKind: TypeAlias = Literal["stored", "identical", "replaced", "over-quota"]
    InstanceKey: TypeAlias = tuple[str, str, str]
    Order: TypeAlias = "Add | Mark | Release | Remove"
    Answer: TypeAlias = "AddOutcome | int | Failure"

__all__ = ["Add", "AddOutcome", "Failure", "Mark", "Release", "Remove"]


class Add(NamedTuple):
    """Index an instance whose file is published.

    Fields: `new` the instance; `again` it takes the place of what is there even where that seems
    the same, because the file there was found wanting.
    """

    new: NewInstance
    again: bool = False


class AddOutcome(NamedTuple):
    """What became of an instance.

    Fields: `kind`: ``stored`` it is new; ``identical`` the same was there, and its file is the one
    that counts; ``replaced`` another of its UID was there and goes; ``over-quota`` its study would
    exceed its bytes, so nothing was changed. `path` of the file that holds it now, of the new one
    for ``over-quota``, relative to the area.
    """

    kind: AddKind
    path: str


class Mark(NamedTuple):
    """Announce that files may appear in the `folder` of a `study` before their rows do.

    The mark is committed before the answer, so whatever happens the folder will be looked at.
    """

    folder: str
    study: str


class Release(NamedTuple):
    """Take back marks: each file published in these folders was added, or is gone."""

    folders: tuple[str, ...]


class Remove(NamedTuple):
    """Remove `studies`, by UID, and `instances`, by the UIDs of study, series and instance.

    Answered with the count of instances that were there. Their files go after the answer.
    """

    studies: tuple[str, ...] = ()
    instances: tuple[InstanceKey, ...] = ()


class Failure(NamedTuple):
    """Why an order was not carried out, and changed nothing.

    Fields: `reason` in words; `is_full` there is no room on the disk.
    """

    reason: str
    is_full: bool = False
