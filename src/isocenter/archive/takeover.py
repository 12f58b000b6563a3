"""Files that are there become an archive's: an index made anew, a folder taken over.

Owns what is taken and what is passed over, with the reason. No file is ever changed, moved or
removed; what is copied is read back and compared.

A file is taken if the index can know it: a DICOM file with a SOP class and instance, not cut short.
The same object once more is passed over. Of two objects with the same UIDs a rebuild takes the
younger one; an import leaves what is stored.
"""

from __future__ import annotations

import os
from contextlib import suppress

from isocenter.archive.area import PRIVATE
from isocenter.archive.checking import Step
from isocenter.archive.committer import key_of
from isocenter.archive.database import sqlite_url
from isocenter.archive.describing import describe, digest_of
from isocenter.archive.index import Index
from isocenter.archive.local import LocalArea
from isocenter.archive.orders import Add, Failure
from isocenter.archive.recovery import OpenArea, lock_area, put_in_order
from isocenter.archive.store.filesystem import folders_of
from isocenter.errors import ArchiveError, DataSetError, StorageError
from isocenter.record import NamedTuple, replace

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from isocenter.archive.area import Area
    from isocenter.archive.facts import NewInstance
    from isocenter.archive.index import StoredFile
    from isocenter.archive.orders import InstanceKey

    Progress: TypeAlias = Callable[[Step], None]

__all__ = ["Passed", "Takeover", "import_folder", "rebuild"]

_BATCH = 64  # rows in one transaction


class Passed(NamedTuple):
    """A file that was not taken: its `path`, as it was found, and the `reason`."""

    path: str
    reason: str


class Takeover(NamedTuple):
    """What was done.

    Fields: `files` that were looked at, their `bytes`; `added` to the index; `known`, which the
    index had; `passed` over.
    """

    files: int
    added: int
    bytes: int
    known: int
    passed: list[Passed]


class _Count:
    """A takeover as it goes on."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.files = self.added = self.bytes = self.known = 0
        self.passed: list[Passed] = []

    def looked(self, length: int = 0) -> None:
        """One more file was looked at."""
        self.files += 1
        self.bytes += length
        if self._progress is not None:
            self._progress(Step(self.files, self.bytes))

    def end(self) -> Takeover:
        """Return what was done."""
        return Takeover(self.files, self.added, self.bytes, self.known, self.passed)


def rebuild(area: Area, *, progress: Progress | None = None) -> Takeover:
    """Make the index of an area anew, from its files alone.

    The old index is there until the new one is whole. If it can still be read, what it was about
    to do is done first: what was removed stays removed.

    Raises:
        ArchiveError: somebody writes to the area; the index is not in its folder.
        StorageError: a folder cannot be read.
    """
    if area.url:
        raise ArchiveError(area.directory, "only an index in the area's own folder is rebuilt")
    with suppress(ArchiveError), OpenArea(area) as opened:
        put_in_order(opened)
    lock = lock_area(area)
    try:
        fresh = f"{area.index_path}.new"
        _unlink(fresh)
        count = _Count(progress)
        index = Index(sqlite_url(fresh), durable=area.durable)
        try:
            _fill(area, index, count)
        finally:
            index.close()
        try:
            _put_in_place(fresh, area.index_path)
        except OSError as error:
            raise ArchiveError(area.index_path, error.strerror or str(error)) from error
    finally:
        os.close(lock)
    return count.end()


def _unlink(path: str) -> None:
    """Remove a database of SQLite, with the files beside it."""
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(path + end)


def _put_in_place(fresh: str, path: str) -> None:
    """Put a new index in the place of an old one; in between there is none, and no start.

    Raises:
        OSError: it cannot be done.
    """
    for name in (fresh, os.path.dirname(fresh)):
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    # First the old one goes as a whole: without its -wal it would be one of an earlier day.
    with suppress(FileNotFoundError):
        os.rename(path, f"{path}.old")
    _unlink(path)
    os.rename(fresh, path)
    _unlink(f"{path}.old")


def _fill(area: Area, index: Index, count: _Count) -> None:
    """Index every file of an area.

    Raises:
        StorageError: a folder cannot be read.
    """
    batch: dict[InstanceKey, NewInstance] = {}

    def write() -> None:
        with index.writing() as connection:
            index.write(connection, list(batch.values()))
        count.added += len(batch)
        batch.clear()

    for path in _files_of(area.directory):
        new = _described(area.directory, path, count)
        if new is None:
            continue
        key = key_of(new)
        if key in batch:
            write()
        with index.reading() as connection:
            before = index.existing(connection, [key]).get(key)
        if before is not None:
            older, younger = path, before.path
            if before.digest != new.digest and _mtime(area, before) < new.received:
                older, younger = younger, older
                count.added -= 1
            same = "the same" if before.digest == new.digest else "a younger"
            reason = f"{same} object with its UIDs is {younger}"
            count.passed.append(Passed(f"{area.directory}/{older}", reason))
            if older == path:
                continue
        batch[key] = new
        if len(batch) >= _BATCH:
            write()
    write()


def _mtime(area: Area, file: StoredFile) -> float:
    try:
        return os.stat(os.path.join(area.directory, file.path)).st_mtime
    except OSError:
        return 0.0


def _files_of(directory: str) -> Iterator[str]:
    """Yield the files below a folder that may be objects."""
    for folder, names in folders_of(directory):
        for name in names:
            if folder or name != "index.dat":  # dcmqrscp's
                yield f"{folder}/{name}" if folder else name


def _described(directory: str, path: str, count: _Count) -> NewInstance | None:
    """Return a row for a file; None for one that is passed over."""
    whole = os.path.join(directory, path)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(whole, flags)
        try:
            new = describe(fd, path, received=os.fstat(fd).st_mtime, is_whole=False)
        finally:
            os.close(fd)
    except (OSError, DataSetError) as problem:
        reason = problem.reason if isinstance(problem, DataSetError) else problem.strerror
        count.passed.append(Passed(whole, reason or str(problem)))
        count.looked()
        return None
    count.looked(new.size)
    return new


def import_folder(
    area: Area, folder: str, *, in_place: bool = False, progress: Progress | None = None
) -> Takeover:
    """Take the DICOM files of a folder, and of those below it, into an area.

    May be interrupted and run again: what the index has is not taken twice.

    Args:
        area: whose folder exists; its limits do not count, so nothing goes for what comes.
        folder: where the files are, a storage area of dcmqrscp for one.
        in_place: the folder is the area's, or one in it, and the files stay where they are.
            Otherwise they are copied.
        progress: told of each file.

    Raises:
        ArchiveError: somebody writes to the area, or it cannot be opened.
        StorageError: a folder cannot be read; a copy cannot be written.
    """
    count = _Count(progress)
    if not os.path.isdir(folder):
        raise StorageError(folder, "no such folder", message=f"{folder}: no such folder")
    prefix = _within(area, folder) if in_place else ""
    area = replace(area, maximum_studies=0, maximum_bytes_per_study=0)
    with OpenArea(area, may_begin=in_place) as opened:
        put_in_order(opened)
        taker = _Taker(opened, os.path.join(area.directory, prefix) if in_place else folder, count)
        if in_place and area.durable:
            os.sync()  # one for all: whoever wrote the files promised nothing
        for path in _files_of(taker.folder):
            if in_place:
                taker.adopt(prefix, path)
            else:
                taker.copy(path)
        taker.close()  # else the marks stay, and the next start finds the copies without rows
    return count.end()


def _within(area: Area, folder: str) -> str:
    """Return the path of a folder relative to its area, "" for the area itself.

    Raises:
        StorageError: it is not in the area.
    """
    path = os.path.relpath(os.path.realpath(folder), os.path.realpath(area.directory))
    if path == ".":
        return ""
    if path == os.pardir or path.startswith((os.pardir + "/", PRIVATE)):
        why = f"is not in {area.directory}, so its files cannot stay where they are"
        raise StorageError(folder, why, message=f"{folder}: {why}")
    return path


class _Taker:
    """Takes files into an open area.

    Attributes:
        folder: where they are.
    """

    def __init__(self, opened: OpenArea, folder: str, count: _Count) -> None:
        self._opened = opened
        self._writer = LocalArea(opened)
        self._count = count
        self._adds: dict[InstanceKey, tuple[str, NewInstance]] = {}  # with where it was found
        self.folder = folder

    def _wanted(self, found: str, new: NewInstance) -> bool:
        """Tell whether the index lacks an instance; else note why it is passed over."""
        key = key_of(new)
        if key in self._adds:
            self.write()
        with self._opened.index.reading() as connection:
            before = self._opened.index.existing(connection, [key]).get(key)
        if before is None:
            return True
        if before.digest == new.digest:
            self._count.known += 1
        else:
            reason = f"another object with its UIDs is stored as {before.path}"
            self._count.passed.append(Passed(found, reason))
        return False

    def adopt(self, prefix: str, path: str) -> None:
        """Take a file that is in the area already."""
        new = _described(self.folder, path, self._count)
        if new is None:
            return
        new = new._replace(path=f"{prefix}/{path}" if prefix else path)
        found = os.path.join(self.folder, path)
        if self._wanted(found, new):
            self._add(found, new)

    def copy(self, path: str) -> None:
        """Take a copy of a file.

        Raises:
            StorageError: it cannot be written.
        """
        found = os.path.join(self.folder, path)
        new = _described(self.folder, path, self._count)
        if new is None or not self._wanted(found, new):
            return
        store = self._opened.store
        study, instance = new.facts.study_instance_uid, new.facts.sop_instance_uid
        with self._writer.marked(store.folder_of(study), study), store.begin() as file:
            try:
                fd = os.open(found, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    file.copy_from(fd, 0, new.size)
                finally:
                    os.close(fd)
                if digest_of(file.fileno(), new.data_set_offset, new.size) != new.digest:
                    raise OSError(0, "it changed while it was copied")  # noqa: TRY301 - as the others
            except OSError as problem:
                reason = problem.strerror or str(problem)
                self._count.passed.append(Passed(found, reason))
                return
            self._add(found, new._replace(path=store.publish(file, study, instance)))

    def _add(self, found: str, new: NewInstance) -> None:
        self._adds[key_of(new)] = (found, new)
        if len(self._adds) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write the rows that wait."""
        waiting = list(self._adds.values())
        self._adds.clear()
        if not waiting:
            return
        answers = self._opened.committer.commit([Add(new) for _, new in waiting])
        for (found, new), answer in zip(waiting, answers, strict=True):
            if not isinstance(answer, Failure):
                self._count.added += 1
                continue
            self._count.passed.append(Passed(found, answer.reason))
            if found != os.path.join(self._opened.area.directory, new.path):
                self._opened.store.remove([new.path])

    def close(self) -> None:
        """Write what waits, and take the marks back."""
        self.write()
        self._writer.close()
