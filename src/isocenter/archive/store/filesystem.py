"""Objects as files in the folder of an area, one folder for each study.

Owns the layout and every call that makes or removes something in it. Must not know what is in
an object, nor of the index. Publishing, durability and temporary files are the spool's
(`isocenter.storage.spool`), names are made safe in `isocenter.storage.naming`.

Theory of operation. A study's folder is `<2 hex>/<Study Instance UID>`: the two digits, of a hash,
keep each directory short where there are 100 000 studies; there is no folder for a series, because
each new one would cost two syncs. A file is called after its SOP Instance UID, with ``-1``, ``-2``
where that is taken: the same instance in two series, or a new one that takes the place of an old
one. So nothing is ever overwritten, and whoever reads the old one still can.

Folders are made when something is to be published into them and go when they are empty; both may
happen at once, so publishing makes a folder again that went in between.
"""

from __future__ import annotations

import errno
import os
import time

from isocenter.archive.area import PRIVATE, QUARANTINE
from isocenter.errors import StorageError
from isocenter.logs import get_logger
from isocenter.storage.exclusive import link_to_free_name
from isocenter.storage.leftovers import is_temporary
from isocenter.storage.naming import sanitise_component
from isocenter.storage.spool import Spool
from isocenter.storage.spoolfile import storage_error

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.archive.area import Area
    from isocenter.storage.spool import Folder
    from isocenter.storage.spoolfile import SpoolFile

__all__ = ["EXTENSION", "FileStore", "folders_of"]

_LOGGER = get_logger(__name__)

EXTENSION = ".dcm"
"""The end of every object's file name."""

_LONGEST_STEM = 200  # bytes; leaves room for a number and the extension
_NUMBERED = 100  # names tried before one is made that nobody else makes
_ATTEMPTS = 100  # a folder that comes and goes so often is somebody's attack


class FileStore:
    """The objects of an area as files; implements `base.ObjectStore`.

    Args:
        area: whose folder exists.

    Raises:
        StorageError: the folder cannot be opened.
    """

    __slots__ = ("directory", "spool")

    def __init__(self, area: Area) -> None:
        """Open the folder."""
        self.directory = area.directory
        """As it was given."""
        self.spool = Spool(area.directory, durable=area.durable, minimum_free=area.minimum_free)
        """Where files begin; for who receives objects."""

    def close(self) -> None:
        """Give the folder back; may be called again."""
        self.spool.close()

    def begin(self) -> SpoolFile:
        """As `ObjectStore`."""
        return self.spool.begin()

    def folder_of(self, study_instance_uid: str) -> str:
        """As `ObjectStore`."""
        from hashlib import blake2b

        text = study_instance_uid.encode("utf-8", "surrogatepass")
        bucket = blake2b(text, digest_size=1).hexdigest()
        return f"{bucket}/{sanitise_component(study_instance_uid, maximum_length=_LONGEST_STEM)}"

    def publish(self, file: SpoolFile, study_instance_uid: str, sop_instance_uid: str) -> str:
        """As `ObjectStore`."""
        return self._publish(file, self.folder_of(study_instance_uid), sop_instance_uid)

    def quarantine(self, file: SpoolFile, sop_instance_uid: str) -> str:
        """As `ObjectStore`."""
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return self._publish(file, f"{PRIVATE}/{QUARANTINE}", f"{stamp}-{sop_instance_uid}")

    def _publish(self, file: SpoolFile, path: str, stem: str) -> str:
        folder = self.spool.folder(*path.split("/"))
        for name in _names(stem):
            for _attempt in range(_ATTEMPTS):
                try:
                    if self.spool.durable and self.spool.exists(name, folder):
                        break  # a refused attempt would have cost a sync of the file
                    file.publish(name, replace=False, folder=folder)
                except FileExistsError:
                    break
                except FileNotFoundError:
                    try:
                        self._make(folder)
                    except StorageError:
                        file.discard()
                        raise
                else:
                    return f"{path}/{name}"
            else:
                break
        file.discard()
        raise StorageError(self.spool.path(stem, folder), "the folder comes and goes")

    def _make(self, folder: Folder) -> None:
        """Make a folder and those above it; others may do the same, or remove them.

        Raises:
            StorageFull, StorageError: it cannot be made.
        """
        for depth in range(1, len(folder.names) + 1):
            try:
                parent = self.spool.find(self.spool.folder(*folder.names[: depth - 1]))
                os.mkdir(folder.names[depth - 1], dir_fd=parent.fd)
            except FileExistsError:
                continue
            except FileNotFoundError:
                if depth == 1:
                    self.spool.current()  # the area itself is gone, or there is a new one
                return  # one above went again: publishing will ask once more
            except OSError as error:
                raise storage_error(folder.path(""), error) from error

    def size(self, path: str) -> int | None:
        """As `ObjectStore`."""
        folder, name = self._split(path)
        try:
            directory = self.spool.find(folder)  # held, for its descriptor goes with it
            return os.stat(name, dir_fd=directory.fd, follow_symlinks=False).st_size
        except (OSError, StorageError):
            return None

    def open(self, path: str) -> int:
        """As `ObjectStore`."""
        folder, name = self._split(path)
        return self.spool.open_existing(name, folder)

    def settle(self, path: str) -> None:
        """As `ObjectStore`."""
        folder, name = self._split(path)
        fd = self.spool.open_existing(name, folder)
        try:
            self.spool.settle(fd, name, folder)
        finally:
            os.close(fd)

    def remove(self, paths: Sequence[str]) -> list[str]:
        """As `ObjectStore`."""
        by_folder: dict[str, list[str]] = {}
        for path in paths:
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
        gone: list[str] = []
        for folder, its in by_folder.items():
            try:
                gone += self._remove_from(folder, its)
            except (OSError, StorageError) as problem:
                _LOGGER.error("cannot remove files of %s: %s", folder, problem)  # noqa: TRY400 - no traceback wanted
        return gone

    def _remove_from(self, path: str, paths: Sequence[str]) -> list[str]:
        """Remove files of one folder; return those that are gone.

        Raises:
            OSError, StorageError: none may be gone for good.
        """
        folder = self.spool.folder(*path.split("/"))
        try:
            directory = self.spool.find(folder)
        except FileNotFoundError:
            return list(paths)
        gone = []
        for one in paths:
            try:
                os.unlink(one.rpartition("/")[2], dir_fd=directory.fd)
            except FileNotFoundError:
                pass
            except OSError as problem:
                _LOGGER.error("cannot remove %s: %s", one, problem.strerror)  # noqa: TRY400 - no traceback wanted
                continue
            gone.append(one)
        self.spool.sync_folder(folder)
        for depth in range(len(folder.names), 0, -1):
            # A folder for hashes stays: the next study is as likely to need it.
            if depth == 1:
                break
            try:
                parent = self.spool.find(self.spool.folder(*folder.names[: depth - 1]))
                os.rmdir(folder.names[depth - 1], dir_fd=parent.fd)
            except OSError:
                break  # not empty, or gone
        return gone

    def listing(self, folder: str) -> list[str]:
        """As `ObjectStore`."""
        try:
            names = _entries(self.directory, folder)[1]
        except FileNotFoundError:
            return []
        return [f"{folder}/{name}" for name in names]

    def walk(self) -> Iterator[str]:
        """As `ObjectStore`."""
        for folder, names in folders_of(self.directory):
            for name in names:
                yield f"{folder}/{name}" if folder else name

    def set_aside(self, path: str) -> str:
        """As `ObjectStore`."""
        folder, name = self._split(path)
        quarantine = self.spool.folder(PRIVATE, QUARANTINE)
        self._make(quarantine)
        try:
            source = self.spool.find(folder)
            target = self.spool.find(quarantine)
            for free in _names(name.removesuffix(EXTENSION)):
                try:
                    if link_to_free_name(name, free, source_fd=source.fd, target_fd=target.fd):
                        self.spool.sync_folder(quarantine)
                        os.unlink(name, dir_fd=source.fd)
                except FileExistsError:
                    continue
                self.spool.sync_folder(quarantine)
                self.spool.sync_folder(folder)
                return f"{PRIVATE}/{QUARANTINE}/{free}"
        except OSError as error:
            raise storage_error(self.spool.path(name, folder), error) from error
        raise StorageError(self.spool.path(name, folder), os.strerror(errno.EEXIST))

    def _split(self, path: str) -> tuple[Folder | None, str]:
        folder, _, name = path.rpartition("/")
        return (self.spool.folder(*folder.split("/")) if folder else None), name


def folders_of(directory: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder of an area that has files, and their names, all in order.

    A folder is a path relative to the area, "" for itself. Only looks; links, temporary files and
    what is private are passed over.

    Raises:
        StorageError: a folder cannot be read.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            folders, files = _entries(directory, folder)
        except FileNotFoundError:
            if not folder:
                raise StorageError(directory, os.strerror(errno.ENOENT)) from None
            continue
        if files:
            yield folder, files
        prefix = f"{folder}/" if folder else ""
        waiting += [prefix + name for name in reversed(folders) if prefix or name != PRIVATE]


def _entries(directory: str, folder: str) -> tuple[list[str], list[str]]:
    """Return the folders and the files in a folder, sorted; links are neither.

    Raises:
        FileNotFoundError: there is no such folder.
        StorageError: it cannot be read.
    """
    folders, files = [], []
    path = os.path.join(directory, folder)
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False) and not is_temporary(entry.name):
                    files.append(entry.name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error
    return sorted(folders), sorted(files)


def _names(stem: str) -> Iterator[str]:
    """Yield the names a file may get, the best one first."""
    stem = sanitise_component(stem, maximum_length=_LONGEST_STEM)
    yield stem + EXTENSION
    for number in range(1, _NUMBERED):
        yield f"{stem}-{number}{EXTENSION}"
    for _ in range(_NUMBERED):
        yield f"{stem}-{os.urandom(8).hex()}{EXTENSION}"
