"""The end of a study: which studies are open, where their objects go, and when they end.

Owns the rule. Must not touch the file system, read a clock or start a thread: times come in,
studies that ended go out. Arguments and results are numbers, texts and tuples of them, so that
the tracker may live in another process than the associations.

The rule. For every open association the tracker remembers the study of its latest object.

1. An object of study B ends every other study that is not the latest one of an open
   association. So one association that sends A A B ends A at B, as DCMTK does; two that
   interleave A and B end neither; and when the one that sent A is gone, the next object of B
   ends A.
2. With a timeout, a study ends when none of its objects came for that long.
3. With a timeout of 0 every object is a study of its own.
4. No study ends while an object of it is being stored: what ends it then takes effect once
   that is done, unless another object of the study comes first.

An object of a study that ended begins a new one. DCMTK's option -tos.
"""

from __future__ import annotations

import threading

from isocenter.record import NamedTuple
from isocenter.storage.naming import TimeStamps, folder_stamp

__all__ = [
    "MAXIMUM_NAME_BYTES",
    "Arrival",
    "StudyEnded",
    "StudyTracker",
]

MAXIMUM_NAME_BYTES = 16 * 1024 * 1024
"""Bytes of all file names remembered at a time, inclusive: some 250 000 usual ones. The names
are what a tracker's memory grows by; the files beyond keep their names at the end."""


class StudyEnded(NamedTuple):
    """A study that ended.

    Fields:
        study_uid: its Study Instance UID.
        folder: path of its folder below the output directory.
        files: names of its files in the order of arrival, each once; empty unless asked for.
        untracked: how many more files there were than could be remembered.
        cause: ``another study``, ``timeout`` or ``stop``.
        calling_ae_title, called_ae_title, peer_host: facts of the association that sent its
            latest object.
    """

    study_uid: str
    folder: str
    files: tuple[str, ...]
    untracked: int
    cause: str
    calling_ae_title: str
    called_ae_title: str
    peer_host: str


class Arrival(NamedTuple):
    """Where an object goes.

    Fields:
        ticket: what `StudyTracker.stored` is told about this object by.
        folder: path of the study's folder below the output directory.
        fresh: the study begins with this object.
        ended: studies that end because of it, to be dealt with once it is answered.
    """

    ticket: int
    folder: str
    fresh: bool
    ended: tuple[StudyEnded, ...]


class _Study:
    """An open study."""

    __slots__ = (
        "due",
        "ended",
        "facts",
        "folder",
        "holders",
        "last",
        "names",
        "pending",
        "uid",
        "untracked",
    )

    def __init__(self, uid: str, folder: str) -> None:
        """Begin it."""
        self.uid = uid
        self.folder = folder
        self.facts = ("", "", "")
        self.last = 0.0  # monotonic seconds
        self.holders = 0  # open associations whose latest object is of this study
        self.pending = 0  # objects being stored
        self.due = ""  # the cause for which it ends once none is pending
        self.names = bytearray()  # each followed by a slash, which no name holds
        self.untracked = 0
        self.ended = False


class _Association:
    """What is known of an open association."""

    __slots__ = ("study", "tickets")

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self.study: _Study | None = None
        self.tickets: set[int] = set()


class StudyTracker:
    """Follows the studies of all associations of one output directory.

    Args:
        timeout: seconds without an object of it after which a study ends; 0: every object
            is a study of its own; None: never for that reason.
        keep_files: remember the names of files, for renaming them at the end.
        maximum_name_bytes: of all names remembered at a time, inclusive.

    May be used by several threads: every method takes the tracker's lock and returns soon.
    Times called `now` are monotonic seconds and of one clock. There are never more open studies
    than associations that are or were open since the last object came, and one more.
    """

    __slots__ = (
        "_associations",
        "_keep_files",
        "_lock",
        "_loose",
        "_maximum_name_bytes",
        "_name_bytes",
        "_pending",
        "_stamps",
        "_studies",
        "_tickets",
        "_timeout",
    )

    def __init__(
        self,
        *,
        timeout: float | None = None,
        keep_files: bool = False,
        maximum_name_bytes: int = MAXIMUM_NAME_BYTES,
    ) -> None:
        """Begin with no study."""
        self._timeout = timeout
        self._keep_files = keep_files
        self._maximum_name_bytes = maximum_name_bytes
        self._lock = threading.Lock()
        self._associations: dict[int, _Association] = {}
        # Ordered by `last`. With a timeout of 0 there are none: tickets hold the studies.
        self._studies: dict[str, _Study] = {}
        # Those of them without holders.
        self._loose: dict[str, _Study] = {}
        self._pending: dict[int, tuple[int, _Study]] = {}
        self._tickets = 0
        self._name_bytes = 0
        self._stamps = TimeStamps()

    def arrived(
        self,
        association: int,
        study_uid: str,
        *,
        base: str,
        stamped: bool,
        now: float,
        moment: float,
        calling_ae_title: str = "",
        called_ae_title: str = "",
        peer_host: str = "",
    ) -> Arrival:
        """Take note of an object that is complete but not stored yet; `stored` must follow.

        Args:
            association: number of an open association, unique in the server.
            study_uid: of the object.
            base: of its `folders.FolderName`; counts where it begins a study.
            stamped: likewise.
            now: monotonic seconds.
            moment: seconds since the epoch, for the folder of a study that begins.
            calling_ae_title: of the association, as the other two.
            called_ae_title: likewise.
            peer_host: likewise.
        """
        with self._lock:
            sender = self._associations.setdefault(association, _Association())
            known = None if self._timeout == 0 else self._studies.pop(study_uid, None)
            study = known or self._begin(study_uid, base, moment, stamped=stamped)
            study.facts = (calling_ae_title, called_ae_title, peer_host)
            study.last = now
            study.due = ""
            study.pending += 1
            self._tickets += 1
            self._pending[self._tickets] = (association, study)
            sender.tickets.add(self._tickets)
            ended = []
            if self._timeout != 0:
                self._studies[study_uid] = study
                self._hold(sender, study)
                for other in list(self._loose.values()):
                    if other.pending:
                        other.due = "another study"
                    else:
                        ended.append(self._end(other, "another study"))
            return Arrival(self._tickets, study.folder, known is None, tuple(ended))

    def _begin(self, study_uid: str, base: str, moment: float, *, stamped: bool) -> _Study:
        if not stamped:
            return _Study(study_uid, base)
        stamp = self._stamps.distinct(folder_stamp(moment))
        return _Study(study_uid, f"{base}_{stamp}" if base else stamp)

    def _hold(self, sender: _Association, study: _Study) -> None:
        """Make a study the latest one of an association."""
        if sender.study is not study:
            self._release(sender)
            sender.study = study
            study.holders += 1
        self._loose.pop(study.uid, None)

    def _release(self, sender: _Association) -> None:
        study, sender.study = sender.study, None
        if study is not None:
            study.holders -= 1
            if not study.holders and not study.ended:
                self._loose[study.uid] = study

    def stored(self, ticket: int, file_name: str, *, now: float) -> tuple[StudyEnded, ...]:
        """Take note that an object was stored, or not; return the studies that end by that.

        Args:
            ticket: of its `Arrival`; one that is not known any more counts for nothing.
            file_name: name of its file in the study's folder, "" where there is none.
            now: monotonic seconds.
        """
        with self._lock:
            association, study = self._pending.pop(ticket, (0, None))
            if study is None:
                return ()
            if (sender := self._associations.get(association)) is not None:
                sender.tickets.discard(ticket)
            if file_name and self._keep_files and not study.ended:
                self._remember(study, file_name)
            return self._settle(study, now)

    def _remember(self, study: _Study, file_name: str) -> None:
        encoded = file_name.encode("utf-8", "surrogateescape") + b"/"
        if self._name_bytes + len(encoded) > self._maximum_name_bytes:
            study.untracked += 1
        else:
            study.names += encoded
            self._name_bytes += len(encoded)

    def _settle(self, study: _Study, now: float) -> tuple[StudyEnded, ...]:
        """Count one object of a study less that is being stored."""
        study.pending -= 1
        if study.ended:
            return ()
        study.last = now
        if self._timeout == 0:
            return () if study.pending else (self._end(study, "timeout"),)
        self._studies[study.uid] = self._studies.pop(study.uid)  # behind those that wait longer
        if study.due and not study.pending and not study.holders:
            return (self._end(study, study.due),)
        return ()

    def touch(self, association: int, *, now: float) -> None:
        """Put off the timeout of an association's latest study: an object is on its way.

        Of the study of an object that is not complete nothing is known but the one before it.
        """
        with self._lock:
            sender = self._associations.get(association)
            if sender is not None and sender.study is not None and not sender.study.ended:
                study = sender.study
                study.last = now
                self._studies[study.uid] = self._studies.pop(study.uid)

    def association_ended(self, association: int, *, now: float) -> tuple[StudyEnded, ...]:
        """Forget an association; return the studies that end by that.

        What it was storing counts as not stored. Its latest study ends with the next object of
        another one, or by the timeout. An association that sent nothing need not be known.
        """
        with self._lock:
            sender = self._associations.pop(association, None)
            if sender is None:
                return ()
            self._release(sender)
            ended: list[StudyEnded] = []
            for ticket in sender.tickets:
                _, study = self._pending.pop(ticket)
                ended += self._settle(study, now)
            return tuple(ended)

    def expire(self, now: float) -> tuple[StudyEnded, ...]:
        """Return the studies whose timeout is over; call it at `deadline` or later."""
        if not self._timeout:
            return ()
        with self._lock:
            ended = []
            for study in list(self._studies.values()):
                if study.pending:
                    continue
                if study.last + self._timeout > now:
                    break  # the others are younger
                ended.append(self._end(study, "timeout"))
            return tuple(ended)

    def deadline(self) -> float | None:
        """Return the moment, in monotonic seconds, at which `expire` has something to do.

        None: not before another object came or was stored.
        """
        if not self._timeout:
            return None
        with self._lock:
            for study in self._studies.values():
                if not study.pending:
                    return study.last + self._timeout
            return None

    def end_all(self) -> tuple[StudyEnded, ...]:
        """End every study there is; for a server that stops and wants them closed."""
        with self._lock:
            studies = dict.fromkeys(self._studies.values())
            studies |= dict.fromkeys(study for _, study in self._pending.values())
            return tuple(self._end(study, "stop") for study in studies if not study.ended)

    def _end(self, study: _Study, cause: str) -> StudyEnded:
        study.ended = True
        self._studies.pop(study.uid, None)
        self._loose.pop(study.uid, None)
        self._name_bytes -= len(study.names)
        names = study.names.decode("utf-8", "surrogateescape").split("/")[:-1]
        study.names = bytearray()
        return StudyEnded(
            study.uid,
            study.folder,
            tuple(dict.fromkeys(names)),
            study.untracked,
            cause,
            *study.facts,
        )
