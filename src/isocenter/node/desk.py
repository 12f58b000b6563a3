"""The desk that knows the studies of a server: where the next object goes, which study ended.

Owns the interface between those who store objects and the one `StudyTracker` of a server,
with its clocks, and the desk of a server that is one process. Must not know what is done
with a study that ended. `office` has the desk of a server with worker processes.
"""

from __future__ import annotations

import time

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Protocol

    from isocenter.storage.folders import FolderName
    from isocenter.storage.placing import Origin
    from isocenter.storage.study import StudyEnded, StudyTracker
else:
    Protocol = object

__all__ = ["Desk", "Ending", "LocalDesk", "Place"]


class Ending(NamedTuple):
    """A study that ended and has to be dealt with: `study`, `key` by which the desk knows it."""

    study: StudyEnded
    key: int = -1


class Place(NamedTuple):
    """Where an object goes: as `storage.study.Arrival`."""

    ticket: int
    folder: str
    fresh: bool
    ended: tuple[Ending, ...]


class Desk(Protocol):
    """Who is told of objects, and tells which studies ended; may be used by several threads.

    Every ending is handed out once, by whatever method; whoever gets it deals with it and says
    `finished`.
    """

    has_timeout: bool
    """Studies end by a timeout, so `left` and `expire` mean something."""

    def arrived(self, origin: Origin, study_uid: str, name: FolderName) -> Place:
        """Take note of an object that is complete but not stored yet; `stored` must follow.

        Raises:
            StorageError: nobody can tell where it goes.
        """

    def stored(self, ticket: int, file_name: str) -> tuple[Ending, ...]:
        """Take note that it was stored under a name, or with "" that it was not."""

    def touch(self, association: int) -> tuple[Ending, ...]:
        """Put off the timeout of an association's latest study."""

    def association_ended(self, association: int) -> tuple[Ending, ...]:
        """Forget an association."""

    def left(self) -> float | None:
        """Return the seconds until `expire` may have something to tell, None for no moment."""

    def expire(self) -> tuple[Ending, ...]:
        """Return the studies whose timeout is over."""

    def finished(self, ending: Ending) -> tuple[Ending, ...]:
        """Take note that a study was dealt with."""

    def close(self) -> tuple[Ending, ...]:
        """Stop; return the studies that are to be dealt with because the server stops."""


class LocalDesk:
    """The desk of a server that is one process, or of a forked child.

    Args:
        tracker: the server's.
        has_timeout: it has a timeout other than 0.
    """

    __slots__ = ("_tracker", "has_timeout")

    def __init__(self, tracker: StudyTracker, *, has_timeout: bool) -> None:
        """Keep the arguments."""
        self._tracker = tracker
        self.has_timeout = has_timeout

    def arrived(self, origin: Origin, study_uid: str, name: FolderName) -> Place:
        """As `Desk`; raises nothing."""
        arrival = self._tracker.arrived(
            origin.association,
            study_uid,
            base=name.base,
            stamped=name.stamped,
            now=time.monotonic(),
            moment=time.time(),
            calling_ae_title=origin.calling_ae_title,
            called_ae_title=origin.called_ae_title,
            peer_host=origin.peer_host,
        )
        return Place(arrival.ticket, arrival.folder, arrival.fresh, _endings(arrival.ended))

    def stored(self, ticket: int, file_name: str) -> tuple[Ending, ...]:
        """As `Desk`."""
        return _endings(self._tracker.stored(ticket, file_name, now=time.monotonic()))

    def touch(self, association: int) -> tuple[Ending, ...]:
        """As `Desk`."""
        self._tracker.touch(association, now=time.monotonic())
        return ()

    def association_ended(self, association: int) -> tuple[Ending, ...]:
        """As `Desk`."""
        return _endings(self._tracker.association_ended(association, now=time.monotonic()))

    def left(self) -> float | None:
        """As `Desk`."""
        moment = self._tracker.deadline()
        return None if moment is None else max(0.0, moment - time.monotonic())

    def expire(self) -> tuple[Ending, ...]:
        """As `Desk`."""
        return _endings(self._tracker.expire(time.monotonic()))

    def finished(self, ending: Ending) -> tuple[Ending, ...]:
        """Do nothing: if this process dies, nobody is left to deal with it."""
        return ()

    def close(self) -> tuple[Ending, ...]:
        """As `Desk`: every study there is ends."""
        return _endings(self._tracker.end_all())


def _endings(ended: tuple[StudyEnded, ...]) -> tuple[Ending, ...]:
    return tuple([Ending(study) for study in ended])
