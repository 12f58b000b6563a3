"""An object that arrived becomes part of the archive: checked, published, indexed, in this order.

Owns that order and what becomes of an object that cannot go all the way. Must not know messages,
nor the writer's decisions (`committer`).

Theory of operation. The object is complete in a file without a name, as the receiver of
`isocenter.storage` made it. What the index will know is read from that file, so that it is what a
later rebuild would read. Then the study's folder is marked, the file published, the row added; the
caller says success after that and never before.

An object whose row was refused goes again. If nobody can tell whether its row was written, it
stays: the writer finds the file when it looks at the marked folder. The same object once more is a
success that rests on the file there was; so that file is compared, byte for byte, before the new
one goes.

Order of commitment: docs/architecture.md. PS3.4 B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

import os
import time

from isocenter.archive.client import AddRefused
from isocenter.archive.describing import describe, digest_of
from isocenter.errors import (
    DataSetError,
    ObjectMismatch,
    StorageError,
    StorageFull,
    StorageRefused,
)
from isocenter.logs import INFO, WARNING, get_logger
from isocenter.record import NamedTuple, replace
from isocenter.storage.placing import Note
from isocenter.storage.receive import ReceivedObject, Receiver

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.archive.area import Area
    from isocenter.archive.client import AreaWriter
    from isocenter.archive.facts import NewInstance
    from isocenter.archive.orders import AddKind
    from isocenter.archive.store.filesystem import FileStore
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.placing import CompleteObject, Origin
    from isocenter.storage.spoolfile import SpoolFile

__all__ = ["Ingest", "Ingested"]

_LOGGER = get_logger(__name__)


class Ingested(NamedTuple):
    """What became of an object that is stored.

    Fields: `kind` as `orders.AddOutcome`, never ``over-quota``; `path` of its file, below the
    area's folder as that was given; `length` bytes of the data set as received; `notes` lines for
    the log.
    """

    kind: AddKind
    path: str
    length: int
    notes: tuple[Note, ...] = ()


class Ingest:
    """Takes objects into one area.

    Args:
        area: its options.
        store: its objects.
        writer: who writes its index.
        options: how objects are received: rewritten or byte for byte. Names and folders are the
            store's, UIDs are always compared with the request's.

    May be used by several threads, and by processes forked after it was made.

    Attributes:
        receiver: begins objects; `prepare` it when there is time.
    """

    __slots__ = ("_area", "_options", "_store", "_writer", "receiver")

    def __init__(
        self, area: Area, store: FileStore, writer: AreaWriter, options: StorageOptions
    ) -> None:
        """Make the receiver."""
        self._area = area
        self._store = store
        self._writer = writer
        # Everything that takes over: a second name, leftovers, UIDs are dealt with here.
        self._options = replace(options, clean_leftovers=False, check_uids=False)
        self.receiver = Receiver(store.spool, self._options)

    def begin(
        self,
        *,
        origin: Origin,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> ReceivedObject:
        """Begin an object with the facts of its request, as `Receiver.begin`.

        Raises:
            StorageFull, StorageError: there can be no file.
        """
        received = self.receiver.begin(
            origin=origin,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )
        assert isinstance(received, ReceivedObject)  # noqa: S101 - there is a spool, and nothing is ignored
        return received

    def finish(
        self, received: ReceivedObject, *, source: str, sop_class_uid: str, sop_instance_uid: str
    ) -> Ingested:
        """Store an object that is all there; when this returns it may be confirmed.

        Args:
            received: as `begin` made it; finished or discarded afterwards.
            source: AE title that sent it.
            sop_class_uid: of the request.
            sop_instance_uid: of the request.

        Raises:
            ObjectMismatch: its UIDs are not the request's (A900).
            StorageRefused: it cannot be indexed; it is in the quarantine (C000).
            StorageFull: its study, or the disk, has no room for it (A700).
            StorageError: it could not be kept, or nobody can tell (A700).
            In each case nothing that was stored before has changed.
        """
        complete = received.complete()
        file = complete.file
        try:
            new = self._describe(file, source, sop_instance_uid)
            _compare(new, sop_class_uid, sop_instance_uid)
            facts = new.facts
            folder = self._store.folder_of(facts.study_instance_uid)
            with self._writer.marked(folder, facts.study_instance_uid):
                path = self._store.publish(file, facts.study_instance_uid, facts.sop_instance_uid)
                return self._add(new._replace(path=path), complete)
        finally:
            file.discard()  # does nothing once it is published

    def _describe(self, file: SpoolFile, source: str, sop_instance_uid: str) -> NewInstance:
        """Return what the index will know of a file.

        Raises:
            StorageRefused: it cannot be indexed, and is in the quarantine now.
            StorageError: it cannot be kept there either.
        """
        try:
            return describe(
                file.fileno(),
                sop_instance_uid,
                received=time.time(),
                source=source,
                limits=self._options.limits,
            )
        except DataSetError as problem:
            path = self._store.quarantine(file, sop_instance_uid)
            raise StorageRefused(
                f"cannot index object {sop_instance_uid}: {problem.reason};"
                f" kept as {self._area.directory}/{path}",
                path=path,
                comment=f"cannot be indexed: {problem.reason}",
            ) from problem

    def _add(self, new: NewInstance, complete: CompleteObject) -> Ingested:
        """Index a published file, and remove it where it is not the one that counts.

        Raises:
            StorageFull, StorageError: it is not indexed, or nobody can tell.
        """
        try:
            outcome = self._writer.add(new)
            if outcome.kind == "identical" and not self._is_good(outcome.path, new):
                _LOGGER.error(
                    "%s/%s is not what was stored there; what came again takes its place",
                    self._area.directory,
                    outcome.path,
                )
                outcome = self._writer.add(new, again=True)
        except AddRefused:
            self._store.remove([new.path])
            raise
        notes = list(complete.notes)
        if outcome.path != new.path or outcome.kind == "over-quota":
            self._store.remove([new.path])
        path = f"{self._area.directory}/{outcome.path}"
        if outcome.kind == "over-quota":
            most = self._area.maximum_bytes_per_study
            raise StorageFull(
                path,
                "the study would exceed its quota",
                message=f"cannot store object {new.facts.sop_instance_uid}: its study would"
                f" exceed {most} bytes",
            )
        if outcome.kind == "identical":
            notes.append(Note(INFO, f"the same object is there already: {path}"))
        elif outcome.kind == "replaced":
            notes.append(Note(WARNING, f"another object had its UIDs and is removed: {path}"))
        return Ingested(outcome.kind, path, complete.length, tuple(notes))

    def _is_good(self, path: str, new: NewInstance) -> bool:
        """Tell whether a file holds the same data set as a new one, and is there to stay."""
        try:
            fd = self._store.open(path)
            try:
                size = os.fstat(fd).st_size
                offset = size - (new.size - new.data_set_offset)
                if offset < 0 or digest_of(fd, offset, size) != new.digest:
                    return False
            finally:
                os.close(fd)
            self._store.settle(path)
        except (OSError, StorageError):
            return False
        return True


def _compare(new: NewInstance, sop_class_uid: str, sop_instance_uid: str) -> None:
    """Compare the UIDs of data set and request.

    Raises:
        ObjectMismatch: they differ.
    """
    from isocenter.uids import abridged

    facts = new.facts
    for what, found, asked in (
        ("SOP class", facts.sop_class_uid, sop_class_uid),
        ("SOP instance", facts.sop_instance_uid, sop_instance_uid),
    ):
        if found != asked:
            raise ObjectMismatch(
                f"{what} UID of the data set, {abridged(found)!r}, is not the request's,"
                f" {abridged(asked)!r}",
                comment=f"{what} UID of the data set is not the request's",
            )
