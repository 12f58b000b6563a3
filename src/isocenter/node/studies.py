"""Objects sorted into the folders of their studies, and studies that end.

Joins the names of folders (`storage.folders`), the desk that knows the studies (`desk`) and
what is done with one that ended (`endings`). Owns the order of these and DCMTK's log lines
about folders. Must not know of files being received.

Whoever stores an object calls in this order: `place`; where it failed `given_up`; after the
response `conclude`, or `finish_due` where it failed. At the end of an association:
`association_ended`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress

from isocenter.logs import get_logger
from isocenter.storage.folders import FOLDER_TAGS
from isocenter.storage.placing import Placement

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isocenter.node.desk import Desk, Ending
    from isocenter.node.endings import StudyFinisher
    from isocenter.node.office import RemoteDesk
    from isocenter.storage.folders import FolderNamer, OutputFolders
    from isocenter.storage.placing import Origin

__all__ = ["Studies", "StudyTimer"]

_LOGGER = get_logger(__name__)

_PATIENCE = 60.0
"""Seconds that a stop waits for ends that other threads are dealing with: 10 000 files are
numbered in one."""

_SOONEST = 0.05
"""Seconds between two looks at the desk, at least: its clock may be a little behind ours."""


class StudyTimer:
    """A thread that acts when a study may have timed out; there is none before the first one.

    Args:
        desk: tells when.
        act: called then.
    """

    __slots__ = ("_act", "_changed", "_closed", "_desk", "_idle", "_started")

    def __init__(self, desk: Desk, act: Callable[[], None]) -> None:
        """Begin without a thread, so that processes may be forked."""
        self._desk = desk
        self._act = act
        self._changed = threading.Condition()
        self._started = False
        self._idle = False
        self._closed = False

    def nudge(self) -> None:
        """Look at the desk: an object came, so there may be a moment where there was none.

        The moments that a thread waits for already can only move back.
        """
        if self._started and not self._idle:
            return
        with self._changed:
            if not self._started and not self._closed:
                self._started = True
                # No server has so many threads that one more cannot start; if it has, the
                # studies end by other objects.
                with suppress(RuntimeError):
                    threading.Thread(target=self._run, name="studies", daemon=True).start()
            self._idle = False
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed:
                    # Before the look: who nudges after it is heard.
                    self._idle = True
                    left = self._desk.left()
                    if left is not None:
                        self._idle = False
                        self._changed.wait(max(_SOONEST, left))
                        break
                    self._changed.wait()
                if self._closed:
                    return
            self._act()

    def close(self) -> None:
        """End the thread; may be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Studies:
    """Chooses the folders of objects, and deals with studies that ended.

    Args:
        namer: what folders are called; by study.
        folders: makes them.
        desk: knows the studies.
        finisher: deals with those that ended, None where nothing is to be done.

    Implements `storage.placing.Placing`. May be used by several threads, and by processes
    forked before the first object.
    """

    wanted = FOLDER_TAGS

    def __init__(
        self,
        namer: FolderNamer,
        folders: OutputFolders,
        desk: Desk,
        finisher: StudyFinisher | None = None,
    ) -> None:
        """Keep the arguments; no thread starts before the first object."""
        self._namer = namer
        self._folders = folders
        self._desk = desk
        self._finisher = finisher
        self._due: deque[Ending] = deque()
        self._changed = threading.Condition()
        self._busy = 0  # threads in `finish_due`
        self._seen: set[int] = set()  # associations that the desk knows
        self._timer = StudyTimer(desk, self._expire) if desk.has_timeout else None

    @property
    def has_timeout(self) -> bool:
        """Whether `touch` means something."""
        return self._desk.has_timeout

    def connect(self, desk: RemoteDesk, ask: Callable[[bytes], bytes]) -> None:
        """Begin in a worker, with the means to ask its parent."""
        self._note(desk.connect(ask))
        self._finish_aside()  # what a worker that died left; the new one is to serve at once

    def place(self, values: Mapping[int, bytes], origin: Origin) -> Placement:
        """Choose and make the folder of an object.

        Raises:
            StorageRefused: it says no study, or its folder cannot be made.
            StorageError: nobody can tell where it goes.
        """
        study_uid = self._namer.study(values)
        name = self._namer.name(values, moment=time.time())
        self._seen.add(origin.association)
        place = self._desk.arrived(origin, study_uid, name)
        self._note(place.ended)
        if name.warning and (place.fresh or name.repeated):
            _LOGGER.warning("%s", name.warning)
        try:
            made = self._folders.make(place.folder)
        except BaseException:
            self.given_up(place.ticket)
            raise
        if made:
            _LOGGER.info("created new subdirectory for study: %s", self._folders.path(place.folder))
        elif place.fresh:
            _LOGGER.info(
                "using existing subdirectory for study: %s", self._folders.path(place.folder)
            )
        return Placement(place.folder, place.ticket)

    def restore(self, folder: str) -> None:
        """Make a folder again that somebody removed.

        Raises:
            StorageRefused: it cannot be made.
        """
        self._folders.make(folder)

    def given_up(self, ticket: int) -> None:
        """Take note that an object that had a place was not stored."""
        self.stored(ticket, "")

    def stored(self, ticket: int, file_name: str) -> None:
        """Take note that an object was stored; -1 is the ticket of one without a study."""
        if ticket >= 0:
            self._note(self._desk.stored(ticket, file_name))

    def conclude(self, ticket: int, file_name: str) -> None:
        """Do what comes after the response to an object that was stored."""
        self.stored(ticket, file_name)
        self.finish_due()

    def touch(self, association: int) -> None:
        """Put off the timeout of an association's latest study: an object is on its way."""
        if association in self._seen:
            self._note(self._desk.touch(association))

    def association_ended(self, association: int) -> None:
        """Forget an association, and deal with the studies that end by that."""
        if association in self._seen:
            self._seen.discard(association)
            self._note(self._desk.association_ended(association))
            self.finish_due()

    def _note(self, endings: tuple[Ending, ...]) -> None:
        self._due.extend(endings)
        if self._timer is not None:
            self._timer.nudge()

    def _expire(self) -> None:
        self._due.extend(self._desk.expire())
        self._finish_aside()  # a command that is waited for must not keep other studies open

    def _finish_aside(self) -> None:
        """Deal with the studies that ended in a thread of its own."""
        if self._due:
            try:
                threading.Thread(target=self.finish_due, name="studies", daemon=True).start()
            except RuntimeError:  # no more threads
                self.finish_due()

    def finish_due(self) -> None:
        """Deal with the studies that ended, whoever was told of them; raises nothing."""
        if not self._due:
            return
        with self._changed:
            self._busy += 1
        try:
            with suppress(IndexError):  # another thread took the last one
                while self._due:
                    self._finish(self._due.popleft())
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _finish(self, ending: Ending) -> None:
        if self._finisher is not None:
            try:
                self._finisher.finish(ending.study)
            except Exception:
                _LOGGER.exception("the end of study in %s failed", ending.study.folder)
        self._due.extend(self._desk.finished(ending))

    def close(self) -> None:
        """Stop, once no association is left: every open study ends and is dealt with.

        Waits for what other threads are dealing with, so that no study is left half done.
        """
        if self._timer is not None:
            self._timer.close()
        self._due.extend(self._desk.close())
        self.finish_due()
        with self._changed:
            if not self._changed.wait_for(lambda: not self._busy, timeout=_PATIENCE):
                _LOGGER.error("ends of studies that take too long are left behind")
