"""Folders below the output directory: which one an object belongs in, and making it.

Joins DCMTK's sorting options with the names of `naming`. Owns every call that creates a
folder. Must not know of files in them, nor when a study ends (`study`).

A folder's name was made from what a peer sent, and the output directory may be shared with
others. So folders are reached step by step from the output directory's descriptor, and a
name that turns out to be a symbolic link or a file is refused, never followed.

DCMTK's options: -ss, -su, -sp of storescp, +ssd of dcmrecv.
"""

from __future__ import annotations

import errno
import os
import threading

from isocenter.errors import ConfigurationError, StorageError, StorageFull, StorageRefused
from isocenter.record import NamedTuple
from isocenter.storage.directories import force
from isocenter.storage.naming import (
    TEMPORARY_PREFIX,
    date_folder,
    patient_folder,
    study_folder,
    study_uid_of,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, Self, TypeAlias

__all__ = [
    "FOLDER_TAGS",
    "Folder",
    "FolderName",
    "FolderNamer",
    "FolderScheme",
    "OutputFolders",
]

FolderScheme: TypeAlias = (
    "Literal['none', 'study-time', 'study-uid', 'patient-name', 'series-date']"
)
"""No folders; ``<prefix>_<time>``; ``<prefix>_<Study Instance UID>``; ``<patient>_<time>``;
``data/YYYY/MM/DD``."""

_CHARACTER_SET = 0x00080005
_SERIES_DATE = 0x00080021
_PATIENT_NAME = 0x00100010
_STUDY_INSTANCE_UID = 0x0020000D

FOLDER_TAGS = frozenset({_CHARACTER_SET, _SERIES_DATE, _PATIENT_NAME, _STUDY_INSTANCE_UID})
"""Tags of the top-level elements whose values `FolderNamer` looks at."""

_MAXIMUM_PREFIX = 100  # bytes; leaves a UID its 64 characters, and a hash where it has more


class FolderName(NamedTuple):
    """What an object's folder is called, as far as the object says.

    Fields:
        base: path below the output directory, "" for the output directory itself.
        stamped: the time of the study's first object belongs behind it; `study.StudyTracker`
            holds and adds that.
        warning: a line for the log, "" for none.
        repeated: DCMTK prints the warning for every object, not only where a study begins.
    """

    base: str
    stamped: bool = False
    warning: str = ""
    repeated: bool = False


class FolderNamer:
    """Names the folder of an object under one scheme.

    Args:
        scheme: how.
        prefix: of study folders, as the operator typed it; "" leaves it out with its ``_``.

    Raises:
        ConfigurationError: the prefix cannot be part of a folder's name.
    """

    __slots__ = ("prefix", "scheme")

    def __init__(self, scheme: FolderScheme, prefix: str = "") -> None:
        """Check the prefix."""
        if (
            "/" in prefix
            or "\0" in prefix
            or prefix.startswith(TEMPORARY_PREFIX)
            or len(os.fsencode(prefix)) > _MAXIMUM_PREFIX
        ):
            raise ConfigurationError(f"{prefix!r} cannot be part of a folder's name")
        self.scheme: FolderScheme = scheme
        """As given."""
        self.prefix = prefix
        """As given."""

    @property
    def by_study(self) -> bool:
        """Whether folders are those of studies, so that studies begin and end."""
        return self.scheme in {"study-time", "study-uid", "patient-name"}

    def study(self, values: Mapping[int, bytes]) -> str:
        """Return the Study Instance UID that the object belongs to.

        Args:
            values: encoded values by tag, padding included; absent elements have no key.

        Raises:
            StorageRefused: there is none.
        """
        return study_uid_of(values.get(_STUDY_INSTANCE_UID))

    def name(self, values: Mapping[int, bytes], *, moment: float) -> FolderName:
        """Return the folder of an object that is complete.

        Args:
            values: encoded values by tag, padding included; absent elements have no key.
            moment: seconds since the epoch.

        Raises:
            StorageRefused: what the object says gives it no folder.
        """
        if self.scheme == "none":
            return FolderName("")
        if self.scheme == "series-date":
            return FolderName(date_folder(values.get(_SERIES_DATE), moment))
        study_uid = self.study(values)
        if self.scheme == "study-uid":
            name, warning = study_folder(study_uid, self.prefix)
            return FolderName(name, warning=warning)
        if self.scheme == "study-time":
            return FolderName(self.prefix, stamped=True)
        name, warning = patient_folder(values.get(_PATIENT_NAME), values.get(_CHARACTER_SET))
        return FolderName(name, stamped=True, warning=warning, repeated=True)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ATTEMPTS = 100  # times a folder is made that somebody else removes at once
_REMEMBERED = 4096  # folders known to be on disk; more are synced once again

# O_PATH: a folder may be a drop-box, which can be written but not listed.
_OPEN = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_BELOW = _OPEN | os.O_NOFOLLOW


class Folder:
    """An open folder; close it, or use it as a context manager.

    Attributes:
        path: as log lines show it: the output directory as it was given, and the folder.
        created: paths below the output directory that were made for it, outermost first.
    """

    __slots__ = ("_fd", "created", "path")

    def __init__(self, fd: int, path: str, created: tuple[str, ...]) -> None:
        """Take over the descriptor."""
        self._fd = fd
        self.path = path
        self.created = created

    def fileno(self) -> int:
        """Return the descriptor, good for a path relative to it only; -1 once closed."""
        return self._fd

    def close(self) -> None:
        """Give the descriptor back; may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class OutputFolders:
    """The folders of one output directory.

    Args:
        directory: path of an existing directory.
        durable: a folder is on disk, by fsync(2) of the one it is in, before `open` returns
            it for the first time.
        by_study: folders are those of studies; what keeps one from being made is then
            answered as DCMTK's storescp does, C000, else A700.

    May be used by several threads.

    Raises:
        StorageError: the directory cannot be opened.
    """

    __slots__ = ("_by_study", "_durable", "_lock", "_roots", "_synced", "directory")

    def __init__(self, directory: str, *, durable: bool = False, by_study: bool = True) -> None:
        """Open the directory."""
        self.directory = directory
        """As it was given; in errors and in the paths returned."""
        self._by_study = by_study
        self._durable = durable
        self._lock = threading.Lock()
        self._synced: set[str] = set()
        self._roots: list[int] = []
        try:
            self._roots.append(os.open(directory, _OPEN))
        except (OSError, ValueError) as error:
            raise StorageError(directory, _reason(error)) from error

    def path(self, folder: str) -> str:
        """Return the path of a folder, as log lines show it."""
        return f"{self.directory}/{folder}" if folder else self.directory

    def open(self, folder: str) -> Folder:
        """Return a folder below the output directory, made if need be with what it is in.

        Args:
            folder: components between ``/``, none of them ``.`` or ``..``; "" for the output
                directory itself.

        The mode of a new one is 0777 less the umask.

        Raises:
            StorageRefused: of studies' folders: it cannot be made or opened, or its name is
                that of a file or of a symbolic link.
            StorageFull, StorageError: of other folders: the same. Of all: it was not made
                durable.
            ValueError: the name is none for a folder, or `close` was called.
        """
        parts = folder.split("/") if folder else []
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise ValueError(f"{folder!r} is no name for a folder")
        if not self._roots:
            raise ValueError("the output directory is closed")
        root = self._roots[-1]
        try:
            try:
                return self._descend(root, folder, parts)
            except FileNotFoundError:
                # The directory was removed; perhaps there is a new one of that name.
                return self._descend(self._reopen(root), folder, parts)
        except OSError as error:
            raise self._error(folder, error) from error

    def _reopen(self, root: int) -> int:
        with self._lock:
            if self._roots[-1] == root:
                # The older descriptor stays open for those who are using it.
                self._roots.append(os.open(self.directory, _OPEN))
                self._synced.clear()
            return self._roots[-1]

    def _descend(self, root: int, folder: str, parts: list[str]) -> Folder:
        created = []
        fd = os.dup(root)
        try:
            for count, part in enumerate(parts, 1):
                below, new = _enter(fd, part)
                path = "/".join(parts[:count])
                if new:
                    created.append(path)
                try:
                    if self._durable:
                        self._sync(fd, path, new=new)
                finally:
                    os.close(fd)
                    fd = below
        except BaseException:
            os.close(fd)
            raise
        return Folder(fd, self.path(folder), tuple(created))

    def _sync(self, parent: int, path: str, *, new: bool) -> None:
        """Make the entry of a folder in its parent durable, once.

        Also for one that was there: whoever made it may not have come to this yet.

        Raises:
            StorageError: it could not be done.
        """
        if not new and path in self._synced:
            return
        try:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                force(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(self.path(path), _reason(error)) from error
        with self._lock:
            if len(self._synced) >= _REMEMBERED:
                self._synced.clear()
            self._synced.add(path)

    def _error(self, folder: str, error: OSError) -> StorageError:
        path = self.path(folder)
        if self._by_study:
            return StorageRefused(f"could not create subdirectory for study: {path}", path=path)
        kind = StorageFull if error.errno in _FULL else StorageError
        return kind(path, _reason(error))

    def close(self) -> None:
        """Give the directory back; may be called again."""
        while self._roots:
            os.close(self._roots.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _enter(parent: int, name: str) -> tuple[int, bool]:
    """Open a folder, made if need be; return its descriptor and whether it was made.

    Raises:
        OSError: it cannot be made, or the name is a file's or a symbolic link's.
    """
    new = False
    for _attempt in range(_ATTEMPTS):
        try:
            return os.open(name, _OPEN_BELOW, dir_fd=parent), new
        except FileNotFoundError:
            pass
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:
            new = False  # by somebody else, in between; or it is a dangling link
        else:
            new = True
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
