"""An area is opened for writing, and what a crash left in it is put in order.

Owns the lock of an area, what is refused at the start, and what becomes of files without rows in
marked folders. Must not know why a folder is marked (`committer`).

A file that has no row was published and never confirmed: its sender heard nothing, or a failure.
It is whole, unless the power failed without durability. So it is added, as if its sender had come
again: nothing that arrived whole is lost. If the index has the same object already, the file goes;
if it has another one under the same UIDs, that one was confirmed and stays, and the file goes to
the quarantine, as does what cannot be indexed.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress

from isocenter.archive.committer import Committer, key_of
from isocenter.archive.describing import describe
from isocenter.archive.index import Index
from isocenter.archive.orders import Add, AddOutcome, Failure
from isocenter.archive.store.filesystem import FileStore, folders_of
from isocenter.errors import ArchiveError, DataSetError, StorageError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Self

    from isocenter.archive.area import Area

__all__ = ["OpenArea", "lock_area", "put_in_order", "settle"]

_LOGGER = get_logger(__name__)

_BUCKET = re.compile(r"[0-9a-f]{2}")


def lock_area(area: Area) -> int:
    """Lock an area for the one who writes; return the descriptor that holds the lock.

    Makes the private folder where there is none.

    Raises:
        ArchiveError: somebody else writes, or the folder cannot be written to.
    """
    path = os.path.join(area.private, "lock")
    try:
        if not os.path.isdir(area.directory):
            raise ArchiveError(area.directory, "no such folder")
        with suppress(FileExistsError):
            os.mkdir(area.private, 0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ArchiveError(area.directory, error.strerror or str(error)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
    except BlockingIOError:
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        os.close(fd)
        by = f" by process {owner}" if owner else ""
        raise ArchiveError(area.directory, f"in use{by}") from None
    except OSError as error:
        os.close(fd)
        raise ArchiveError(area.directory, error.strerror or str(error)) from error
    return fd


class OpenArea:
    """An area that this process writes to; a context manager.

    Args:
        area: its options.
        may_begin: objects without an index are no reason to refuse: it is being made anew.

    Attributes:
        area: as given; committer: what writes its index; store: its objects.

    Raises:
        ArchiveError: somebody else writes to it; it cannot be written to; its index is missing,
            damaged or of a newer version.
    """

    __slots__ = ("_lock", "area", "committer", "index", "store")

    def __init__(self, area: Area, *, may_begin: bool = False) -> None:
        """Lock the area, remove unfinished files, open the index."""
        self.area = area
        was_used = os.path.exists(os.path.join(area.private, "lock"))
        self._lock = lock_area(area)
        try:
            try:
                self.store = FileStore(area)
            except StorageError as problem:
                raise ArchiveError(area.directory, problem.reason) from problem
            if not may_begin:
                _check_index_is_there(area, was_used=was_used)
            with suppress(StorageError):
                if removed := self.store.spool.clean_leftovers():
                    _LOGGER.warning(
                        "%s: removed unfinished files of an earlier run: %d",
                        area.directory,
                        removed,
                    )
            self.index = Index(area.index_url, durable=area.durable)
            self.committer = Committer(area, self.store, self.index)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Tell the index what can be told, and close it."""
        self.committer.flush()
        self.index.close()
        self.store.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _check_index_is_there(area: Area, *, was_used: bool) -> None:
    """Refuse an area with objects and without an index: it would look empty.

    Raises:
        ArchiveError: it is one.
    """
    if area.url or os.path.exists(area.index_path):
        return
    try:
        names = os.listdir(area.directory)
    except OSError as error:
        raise ArchiveError(area.directory, error.strerror or str(error)) from error
    if any(_BUCKET.fullmatch(name) for name in names) or (
        was_used and next(folders_of(area.directory), None) is not None
    ):
        raise ArchiveError(
            area.directory,
            "there are objects and no index; 'isocenter index rebuild' makes it anew",
        )
    if "index.dat" in names:
        _LOGGER.warning(
            "%s: what dcmqrscp stored here is not part of the archive until"
            " 'isocenter index import' takes it over",
            area.directory,
        )


def put_in_order(opened: OpenArea) -> None:
    """Do what was on its way when an area was left; for who has it to himself.

    Raises:
        ArchiveError: the index cannot be read.
        StorageError: a folder cannot be read.
    """
    for folder, study in list(opened.committer.marks.items()):
        settle(opened, folder, study)
    while opened.committer.has_work:
        opened.committer.work()


def settle(opened: OpenArea, folder: str, study: str) -> bool:
    """Put a marked folder in order and take its mark back; False where that has to wait.

    Raises:
        ArchiveError: the index cannot be read.
        StorageError: the folder cannot be read.
    """
    committer, store = opened.committer, opened.store
    paths = store.listing(folder)
    if paths:
        with opened.index.reading() as connection:
            # A file may have been removed by hand, and its name taken by what came again.
            known = {
                file.path
                for file in opened.index.files(connection, study)
                if store.size(file.path) == file.size
            }
        paths = [path for path in paths if path not in known and not committer.is_going(path)]
    done = True
    for path in paths:
        try:
            what = _adopt(opened, path)
        except FileNotFoundError:
            continue
        except (OSError, StorageError) as problem:
            done = False
            what = f"cannot be dealt with: {problem}"
        _LOGGER.warning("%s/%s was not confirmed: %s", opened.area.directory, path, what)
    if done:
        committer.release([folder])
        committer.flush()
    return done


def _adopt(opened: OpenArea, path: str) -> str:
    """Deal with a file and say how.

    Raises:
        OSError, StorageError: it cannot be read, moved, removed or added.
    """
    committer, store = opened.committer, opened.store
    fd = store.open(path)
    try:
        received = os.fstat(fd).st_mtime or time.time()
        new = describe(fd, path, received=received, is_whole=False)
    except DataSetError as problem:
        return f"{problem.reason}; moved to {store.set_aside(path)}"
    finally:
        os.close(fd)
    with opened.index.reading() as connection:
        known = opened.index.existing(connection, [key_of(new)])
    if known:
        (before,) = known.values()
        if before.path == path and before.digest == new.digest:
            return "it is indexed"
        is_there = before.path != path and store.size(before.path) == before.size
        if before.digest == new.digest and is_there:
            store.remove([path])
            return "removed, the same is stored"
        if is_there:
            return f"another one is stored; moved to {store.set_aside(path)}"
    store.settle(path)
    (answer,) = committer.commit([Add(new, again=True)])
    if isinstance(answer, AddOutcome) and answer.kind in {"stored", "replaced"}:
        return "added"
    if isinstance(answer, Failure):
        raise StorageError(path, answer.reason)
    return f"its study is full; moved to {store.set_aside(path)}"
