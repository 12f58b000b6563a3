"""A received object on its way to a file: written, read, checked, placed, named, published.

Joins `spool`, `duplicates`, `naming`, `placing` and the rewriter of `isocenter.dataset`. Owns
the order of these steps and what a file of a received object consists of. Must not know of
messages.

Theory of operation. The bytes go to a temporary file as they come, File Meta Information
first; a short object is held in memory until it is whole. Beside it the rewriter looks at the
same views, and a `Flow` makes of them what normal mode would: the file holds the new data set.
Where that cannot be, because elements are out of order, bytes are swapped or the data set is
deflated, the bytes are kept as they came, and at the end a second file is written from them, in
which what stays is copied by the kernel. What cannot be read as a data set is published as it
came, which a second file may be needed for as well: bytes that arrived whole are never lost to a
parser.

PS3.10 7.1, PS3.4 B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

from contextlib import suppress

from isocenter.dataset.part10 import FileMetaTemplate
from isocenter.errors import ConfigurationError, StorageError, StorageRefused
from isocenter.logs import INFO, WARNING, get_logger
from isocenter.storage.duplicates import DUPLICATE_POLICIES, publish
from isocenter.storage.identities import check_uids, uids_of_file
from isocenter.storage.ignoring import IgnoredObject
from isocenter.storage.naming import (
    ShortNames,
    TimeNames,
    default_file_name,
    instance_file_name,
    unique_file_name,
)
from isocenter.storage.placing import CompleteObject, Note, Placement, StoredObject, blanks_note
from isocenter.storage.reading import MOST_HELD, DataSetReading, Reading
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from isocenter.dataset.flow import Flow
    from isocenter.dataset.plan import RewritePlan
    from isocenter.storage.naming import FileName
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.placing import Origin, Placing
    from isocenter.storage.spool import Folder, Spool
    from isocenter.storage.spoolfile import SpoolFile
    from isocenter.wire import Buffer, Segment

__all__ = ["IgnoredObject", "ReceivedObject", "Receiver"]

_LOGGER = get_logger(__name__)

_NAMING_SCHEMES = frozenset({"default", "instance", "unique", "short", "time", "long-time"})
_NAMES_TRIED = 1000  # of those that nobody else should have


class Receiver:
    """Makes files of received objects in one directory.

    Args:
        spool: the directory; None only with `StorageOptions.ignore`.
        options: what becomes of the objects.
        placing: chooses folders; None puts everything into the directory.

    May be used by several threads, and by processes forked after it was made.

    Raises:
        ConfigurationError: the extension cannot be part of a file name, or a choice is none.
        ValueError: there is no spool and the options need one.
    """

    __slots__ = (
        "_short_names",
        "_spool",
        "_templates",
        "_time_names",
        "options",
        "placing",
        "reading",
    )

    def __init__(
        self, spool: Spool | None, options: StorageOptions, placing: Placing | None = None
    ) -> None:
        """Check the options and clean the directory."""
        if spool is None and not options.ignore:
            raise ValueError("objects that are kept need a directory")
        if options.naming not in _NAMING_SCHEMES or options.duplicates not in DUPLICATE_POLICIES:
            raise ConfigurationError(
                f"naming {options.naming!r} or duplicates {options.duplicates!r} is no choice"
            )
        self.options = options
        self.placing = placing
        self.reading = Reading(options, placing)
        self._time_names = TimeNames(microseconds=options.naming == "long-time")
        self._short_names = ShortNames()
        # Of the last kind of object; threads replace it as a whole.
        self._templates: tuple[tuple[str, str, str], FileMetaTemplate] | None = None
        try:
            self.file_name("", "")
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._spool = None if options.ignore else spool
        if self._spool is not None and options.clean_leftovers:
            # A directory that may not be listed can still be written to.
            with suppress(StorageError):
                if removed := self._spool.clean_leftovers():
                    _LOGGER.warning("removed unfinished files of an earlier run: %d", removed)

    def file_name(self, sop_class_uid: str, sop_instance_uid: str) -> FileName:
        """Return the name for an object under the options' scheme."""
        extension, naming = self.options.extension, self.options.naming
        if naming == "default":
            return default_file_name(sop_class_uid, sop_instance_uid, extension)
        if naming == "instance":
            return instance_file_name(sop_instance_uid, extension)
        if naming == "unique":
            return unique_file_name(sop_class_uid, extension)
        if naming == "short":
            return self._short_names.next(sop_class_uid, extension)
        return self._time_names.next(sop_class_uid, extension)

    def close(self) -> None:
        """Give the directory back; may be called again."""
        if self._spool is not None:
            self._spool.close()

    def let_go(self) -> None:
        """Close the files of objects that were published; for before somebody else takes them."""
        if self._spool is not None:
            self._spool.close_published()

    def prepare(self) -> None:
        """Do ahead what the next object will need; for when there is time (see `Spool`)."""
        if self._spool is not None:
            self._spool.prepare()

    def begin(
        self,
        *,
        origin: Origin,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> ReceivedObject | IgnoredObject:
        """Begin an object with the facts of its request.

        Args:
            origin: its calling AE title becomes Source Application Entity Title.
            sop_class_uid: Affected SOP Class UID of the request.
            sop_instance_uid: Affected SOP Instance UID of the request.
            transfer_syntax_uid: of the presentation context.

        Raises:
            StorageFull, StorageError: there can be no file.
        """
        if self._spool is None:
            return IgnoredObject()
        return ReceivedObject(
            self, self._spool, origin, sop_class_uid, sop_instance_uid, transfer_syntax_uid
        )

    def head(
        self, origin: Origin, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> bytes:
        """Return preamble and File Meta Information of a file, b"" where it is to have none.

        Raises:
            StorageError: a value of the request cannot be written.
        """
        options = self.options
        if not options.write_file_meta or self._spool is None:
            return b""
        key = (sop_class_uid, transfer_syntax_uid, origin.calling_ae_title)
        try:
            kept = self._templates
            if kept is None or kept[0] != key:
                kept = self._templates = (
                    key,
                    FileMetaTemplate(
                        transfer_syntax_uid=transfer_syntax_uid,
                        sop_class_uid=sop_class_uid,
                        source_application_entity_title=(
                            origin.calling_ae_title if options.source_title else ""
                        ),
                        implementation_class_uid=options.implementation_class_uid,
                        implementation_version_name=options.version_name,
                    ),
                )
            return kept[1].encode(sop_instance_uid)
        except ValueError as error:
            raise StorageError(self._spool.directory, str(error)) from error


class ReceivedObject:
    """One object on its way in; ends with `finish` or `discard`.

    Made by `Receiver.begin`; belongs to one thread. As a context manager it discards
    itself at the end if it was not finished.

    Attributes:
        length: bytes of the data set written so far.
    """

    __slots__ = (
        "_file",
        "_file_uids",
        "_head",
        "_held",
        "_is_disordered",
        "_origin",
        "_reading",
        "_receiver",
        "_sop_class_uid",
        "_sop_instance_uid",
        "_spool",
        "_start",
        "_syntax_uid",
        "_transfer_syntax_uid",
        "length",
    )

    def __init__(
        self,
        receiver: Receiver,
        spool: Spool,
        origin: Origin,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> None:
        """Begin with the facts of its request."""
        self._receiver = receiver
        self._spool = spool
        self._origin = origin
        self._sop_class_uid = sop_class_uid
        self._sop_instance_uid = sop_instance_uid
        self._transfer_syntax_uid = transfer_syntax_uid
        self._file: SpoolFile | None = None
        self._file_uids: tuple[str, str] | None = None  # in place of the request's
        self._held: list[bytes] | None = None
        self._reading: DataSetReading | None = None
        self._is_disordered = False
        self._syntax_uid = transfer_syntax_uid  # of what the file holds
        self._start = 0  # of the data set in the file
        self.length = 0
        self._head = receiver.head(origin, sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        profile = receiver.reading.profile(transfer_syntax_uid)
        if profile is None:
            self._file = spool.begin()
            return
        self._held = []
        prefix = len(self._head)
        if prefix and profile.options.file_padding:
            prefix = len(self._new_head(profile.target_uid))
        self._reading = DataSetReading(receiver.reading, profile, prefix, origin.association)

    def _new_head(self, transfer_syntax_uid: str) -> bytes:
        uids = self._file_uids or (self._sop_class_uid, self._sop_instance_uid)
        return self._receiver.head(self._origin, *uids, transfer_syntax_uid)

    def write(self, views: Sequence[Buffer]) -> None:
        """Append fragments of the data set; they are not kept beyond the call.

        Raises:
            StorageFull, StorageError: the fragments could not be written; the temporary
                file is gone.
        """
        length = sum(map(len, views))
        self.length += length
        held, reading = self._held, self._reading
        if held is not None:
            if self.length <= MOST_HELD:
                held.append(b"".join(views))
                return
            self._held = None
            views = [*held, *views]
            length = self.length
            if reading is not None:
                reading.begin(views)
                if reading.flow is not None:
                    self._write_as(reading.target_uid)
        if reading is not None:
            reading.look(views, length)
            if reading.flow is not None:
                views = self._anew(reading, reading.flow, views)
        self._spill(views)

    def _write_as(self, transfer_syntax_uid: str) -> None:
        """Begin the file as one of a transfer syntax."""
        if transfer_syntax_uid != self._syntax_uid:
            self._syntax_uid = transfer_syntax_uid
            self._head = self._new_head(transfer_syntax_uid)

    def _anew(
        self, reading: DataSetReading, flow: Flow, pieces: Sequence[Buffer]
    ) -> Sequence[Buffer]:
        """Return what of the new data set can be written; where that cannot be, the old one's."""
        new = reading.taken(flow, pieces)
        if new is None:
            return [*self._had_back(reading, flow), *pieces]
        self._amend(flow)
        return new

    def _amend(self, flow: Flow) -> None:
        """Write lengths that are known by now into what was written before."""
        for at, value in flow.amendments():
            self._spill(()).amend(self._start + at, value)

    def _had_back(self, reading: DataSetReading, flow: Flow) -> Sequence[Buffer]:
        """Make the file hold the data set as it came; return what is to follow in it."""
        reading.flow = None
        written_uid = self._syntax_uid
        self._write_as(self._transfer_syntax_uid)
        old = self._file
        if old is None or (flow.is_untouched and written_uid == self._syntax_uid):
            return flow.unwritten
        from isocenter.storage.writing import write_new

        head = self._new_head(self._syntax_uid)
        self._file = write_new(self._spool, head, flow.restored(self._data_set(old)))
        old.discard()
        self._head, self._start = b"", len(head)
        return flow.unwritten

    def _spill(self, views: Sequence[Buffer]) -> SpoolFile:
        """Write to the temporary file, File Meta Information first, and return it."""
        file = self._file
        if file is None:
            file = self._file = self._spool.begin()
        if self._head:
            # One system call for the File Meta Information and the first fragments.
            head, self._head = self._head, b""
            self._start = len(head)
            file.write([head, *views])
        elif views:
            file.write(views)
        return file

    def finish(self) -> StoredObject:
        """Check, place and publish the object.

        Raises:
            ObjectMismatch, StorageRefused: what the data set says forbids to keep it.
            DuplicateObject: another object has its name, and the policy is to reject.
            StorageFull, StorageError: it could not be kept.
            In each case nothing is left of it.
        """
        try:
            plan, values, is_read, notes = self._judge()
            placement = self._place(values, is_read=is_read)
            try:
                file = self._complete(plan)
                return self._publish(file, placement, self._notes_of_blanks(plan), notes)
            except BaseException:
                if placement.ticket >= 0 and self._receiver.placing is not None:
                    self._receiver.placing.given_up(placement.ticket)
                raise
        except BaseException:
            self.discard()
            raise

    def complete(self) -> CompleteObject:
        """Check the object and complete its file, which somebody else publishes or discards.

        Raises:
            ObjectMismatch, StorageRefused, StorageFull, StorageError: as `finish`; in each case
                nothing is left of it.
        """
        try:
            plan, _, is_read, notes = self._judge()
            file = self._complete(plan)
            notes += self._notes_of_blanks(plan)
            return CompleteObject(file, self.length, tuple(notes), is_read)
        except BaseException:
            self.discard()
            raise

    def _judge(self) -> tuple[RewritePlan | None, dict[int, bytes], bool, list[Note]]:
        """Read the data set and compare its UIDs; what `_read` returns and what is to be said."""
        plan, values, is_read = self._read()
        requested = self._sop_class_uid, self._sop_instance_uid
        if self._receiver.options.check_uids:
            check_uids(values, requested, is_read=is_read)
        elif self._receiver.options.identity == "data set":
            return plan, values, is_read, self._identify(values, requested)
        return plan, values, is_read, []

    def _read(self) -> tuple[RewritePlan | None, dict[int, bytes], bool]:
        """Return what `DataSetReading.finish` does."""
        held, reading = self._held, self._reading
        if reading is None:
            return None, {}, False
        if held is not None:
            if len(held) > 1:
                held[:] = [b"".join(held)]
            read = reading.read_whole(held[0] if held else b"")
            if reading.renewed is not None:
                held[:] = [reading.renewed]
            return read
        if reading.flow is not None and not reading.is_expected(self.length):
            self._spill(self._had_back(reading, reading.flow))
        return reading.finish(self.length, self._data_set(self._spill(())))

    def _data_set(self, file: SpoolFile) -> FileRegion:
        """Return where the data set stands that a file holds so far."""
        return FileRegion(file.fileno(), self._start, file.length - self._start)

    def _identify(self, values: Mapping[int, bytes], requested: tuple[str, str]) -> list[Note]:
        """Let the data set say what its file is, where it says that; return what is to be said.

        Raises:
            StorageRefused: it is empty.
        """
        if not self.length:
            raise StorageRefused(
                f"cannot store received object {self._sop_instance_uid}: its data set is empty",
                comment="the data set is empty",
            )
        uids, notes = uids_of_file(values, requested)
        if uids != requested:
            self._file_uids = uids
            if self._head:
                self._head = self._new_head(self._syntax_uid)
        return notes

    def _place(self, values: Mapping[int, bytes], *, is_read: bool) -> Placement:
        placing = self._receiver.placing
        if placing is None:
            return _HERE
        try:
            return placing.place(values, self._origin)
        except StorageRefused:
            if is_read:
                raise
            return _HERE  # it could not be read, so it cannot say where it belongs

    def _complete(self, plan: RewritePlan | None) -> SpoolFile:
        """Return a temporary file with all that the object's file is to hold."""
        reading = self._reading
        if reading is not None and reading.flow is not None:
            flow = reading.flow
            last = reading.last_of(flow, plan)
            if last is None:
                self._spill(self._had_back(reading, flow))
            else:
                self._spill(last)
                self._amend(flow)
            if last is not None or reading.problem:
                plan = None
        if plan is None or plan.is_identity or self._receiver.options.rewrite is None:
            if self._file_uids is not None and self._file is not None:
                return self._write_anew(None)  # its head is written and is another's
            return self._spill(self._held or ())
        try:
            self._file = self._write_anew(plan)
        except (StorageError, OSError):
            raise
        except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
            if reading is not None:
                reading.give_up(problem)
            return self._spill(self._held or ())
        return self._file

    def _write_anew(self, plan: RewritePlan | None) -> SpoolFile:
        """Return a second temporary file with the data set as planned; the first one goes.

        Without a plan it stays as it is, which is for one that is not held.
        """
        from isocenter.storage.writing import write_new

        head = self._new_head(self._syntax_uid if plan is None else plan.profile.target_uid)
        if self._held is not None:
            return write_new(self._spool, head, self._rewritten(plan, b"".join(self._held)))
        old = self._spill(())
        new = write_new(self._spool, head, self._rewritten(plan, self._data_set(old)))
        old.discard()
        return new

    def _rewritten(self, plan: RewritePlan | None, source: bytes | FileRegion) -> Iterable[Segment]:
        """Return the data set as planned, its elements in order."""
        if plan is None:
            return (source,)
        from isocenter.dataset.convert import in_order, rewritten

        prefix = 0 if self._reading is None else self._reading.prefix_length
        limits = self._receiver.reading.inflation
        plan = in_order(plan, source, prefix_length=prefix, limits=limits)
        self._is_disordered = plan.is_disordered
        return rewritten(plan, source, limits=limits)

    def _notes_of_blanks(self, plan: RewritePlan | None) -> list[Note]:
        """Return a warning of each element whose UIDs lost blanks."""
        if plan is None or not self._receiver.options.warn_of_blanks:
            return []
        return [blanks_note(tag) for tag in plan.mended_uids]

    def _publish(
        self,
        file: SpoolFile,
        placement: Placement,
        of_blanks: Sequence[Note],
        notes: Sequence[Note],
    ) -> StoredObject:
        """Give the file its name in its folder."""
        spool, receiver = self._spool, self._receiver
        options = receiver.options
        folder = spool.folder(*placement.folder.split("/")) if placement.folder else None
        notes = [*notes, *placement.notes, *of_blanks]
        is_kept = True
        for _ in range(_NAMES_TRIED):
            name, warning = receiver.file_name(self._sop_class_uid, self._sop_instance_uid)
            if warning and options.words.of_names:
                notes.append(Note(WARNING, warning))
            try:
                if options.naming in {"default", "instance"}:
                    path, is_kept = self._publish_default(file, name, folder, notes)
                else:
                    path = file.publish(name, replace=False, folder=folder)
                    self._note_storing(path, notes)
            except FileExistsError:
                continue  # two servers in one directory, or a clock set back
            except FileNotFoundError:
                # Somebody removed the folder between making it and publishing into it.
                if receiver.placing is None:
                    raise StorageError(spool.path(name, folder), "the folder is gone") from None
                receiver.placing.restore(placement.folder)
                continue
            break
        else:
            raise StorageError(spool.path("", folder), "no free file name was found")
        if self._reading is not None and (problem := self._reading.problem):
            notes.append(Note(WARNING, f"{path}: kept as it came, cannot be read: {problem}"))
        if self._is_disordered:
            notes.append(Note(WARNING, f"{path}: elements kept out of order: too many to sort"))
        return StoredObject(path, self.length, name, placement, tuple(notes), is_kept)

    def _publish_default(
        self, file: SpoolFile, name: str, folder: Folder | None, notes: list[Note]
    ) -> tuple[str, bool]:
        """Publish under the name of the object, which another one may have.

        Returns the path, and whether the object is there and not just another one.
        """
        options = self._receiver.options
        path, outcome = publish(file, name, options.duplicates, folder, extension=options.extension)
        tells, words = self._tells_of_files, options.words
        if outcome == "identical":
            # A quiet success; where files are named at all, this one is.
            if tells:
                notes.append(Note(INFO, f"the same object is there already: {path}"))
        elif outcome == "ignored":
            notes.append(Note(WARNING, f"{words.exists}, ignoring the new one: {path}"))
        else:
            before = len(notes)
            self._note_storing(path, notes)
            if outcome == "kept-both":
                text = f"{words.exists}: {name}, the new one is {path}"
            elif outcome == "overwritten" and tells:
                text = f"{words.exists}, overwriting: {path}"
            else:
                return path, True
            notes.insert(before if words.warns_first else len(notes), Note(WARNING, text))
        return path, outcome != "ignored"

    @property
    def _tells_of_files(self) -> bool:
        """Whether the log tells of files; DCMTK's storescp does so in normal mode alone."""
        options = self._receiver.options
        return options.rewrite is not None or options.words.in_every_mode

    def _note_storing(self, path: str, notes: list[Note]) -> None:
        """Note DCMTK's line about the file."""
        storing = self._receiver.options.words.storing
        if storing and self._tells_of_files and _LOGGER.isEnabledFor(INFO):
            notes.append(Note(INFO, f"{storing}: {path}"))

    def discard(self) -> None:
        """Remove what was written; does nothing once finished or discarded."""
        if self._file is not None:
            self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.discard()


_HERE = Placement()
