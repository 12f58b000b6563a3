"""Folders below the output directory: which one an object belongs in, and making it.

Joins DCMTK's sorting options with the names of `naming`. Owns every call that creates a
folder. Must not know of files in them, when a study ends (`study`), nor how a directory is
opened and forced onto the disk: publishing does that (`directories`), with the folder's own
name before the file's.

A folder's name was made from what a peer sent, and the output directory may be shared with
others. So folders are reached step by step from the output directory's descriptor, and a
name that turns out to be a symbolic link or a file is refused, never followed.

DCMTK's options: -ss, -su, -sp of storescp, +ssd of dcmrecv.
"""

from __future__ import annotations

import errno
import os
import time

from isocenter.errors import ConfigurationError, StorageError, StorageRefused
from isocenter.record import NamedTuple
from isocenter.storage.naming import (
    TEMPORARY_PREFIX,
    date_folder,
    patient_folder,
    study_folder,
    study_uid_of,
)
from isocenter.storage.placing import Placement
from isocenter.storage.spoolfile import storage_error

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from isocenter.storage.placing import Origin
    from isocenter.storage.spool import Spool

__all__ = [
    "FOLDER_TAGS",
    "DateFolders",
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


_ATTEMPTS = 100  # times a folder is made that somebody else removes at once


class OutputFolders:
    """The folders of one output directory, as far as they have to be made.

    Args:
        spool: of the output directory.
        by_study: folders are those of studies; what keeps one from being made is then
            answered as DCMTK's storescp does, C000, else A700.

    May be used by several threads.
    """

    __slots__ = ("_by_study", "_spool")

    def __init__(self, spool: Spool, *, by_study: bool = True) -> None:
        """Keep the arguments."""
        self._spool = spool
        self._by_study = by_study

    def path(self, folder: str) -> str:
        """Return the path of a folder, as log lines show it."""
        return f"{self._spool.directory}/{folder}" if folder else self._spool.directory

    def make(self, folder: str) -> tuple[str, ...]:
        """Make a folder below the output directory, if need be with what it is in.

        Args:
            folder: components between ``/``, none of them ``.`` or ``..``; "" for the output
                directory itself.

        Returns the paths below the output directory that were made, outermost first. The mode
        of a new one is 0777 less the umask.

        Raises:
            StorageRefused: of studies' folders: it cannot be made or opened, or its name is
                that of a file or of a symbolic link.
            StorageFull, StorageError: of other folders: the same.
            ValueError: the name is none for a folder.
        """
        parts = folder.split("/") if folder else []
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise ValueError(f"{folder!r} is no name for a folder")
        try:
            try:
                return self._make(parts)
            except FileNotFoundError:
                # The directory was removed; perhaps there is a new one of that name.
                self._spool.current()
                return self._make(parts)
        except (OSError, StorageError) as error:
            raise self._error(folder, error) from error

    def _make(self, parts: list[str]) -> tuple[str, ...]:
        spool = self._spool
        try:
            spool.find(spool.folder(*parts))
        except FileNotFoundError:
            pass
        else:
            return ()
        depths = range(1, len(parts) + 1)
        return tuple(["/".join(parts[:n]) for n in depths if self._make_one(parts[:n])])

    def _make_one(self, parts: list[str]) -> bool:
        """Make a folder in one that exists, unless it is there; return whether it was made.

        Raises:
            OSError, StorageError: it cannot be made, or the name is a file's or a link's.
        """
        spool = self._spool
        new = False
        for _attempt in range(_ATTEMPTS):
            try:
                spool.find(spool.folder(*parts))
            except FileNotFoundError:
                pass
            else:
                return new
            parent = spool.find(spool.folder(*parts[:-1]))  # held, for its descriptor goes with it
            try:
                os.mkdir(parts[-1], dir_fd=parent.fd)
            except FileExistsError:
                new = False  # by somebody else, in between; or it is a dangling link
            else:
                new = True
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _error(self, folder: str, error: OSError | StorageError) -> StorageError:
        path = self.path(folder)
        if self._by_study:
            words = "could not create subdirectory for study"
            return StorageRefused(f"{words}: {path}", path=path, comment=words)
        return error if isinstance(error, StorageError) else storage_error(path, error)


class DateFolders:
    """Puts each object into a folder of its series' date (DCMTK's option +ssd).

    Args:
        spool: of the output directory.

    Implements `placing.Placing`. May be used by several threads, and by processes forked after it
    was made.
    """

    __slots__ = ("_folders", "_namer")

    wanted = frozenset({_SERIES_DATE})

    def __init__(self, spool: Spool) -> None:
        """Make no folder yet."""
        self._namer = FolderNamer("series-date")
        self._folders = OutputFolders(spool, by_study=False)

    def place(self, values: Mapping[int, bytes], origin: Origin) -> Placement:
        """Choose and make the folder of an object.

        Raises:
            StorageFull, StorageError: it cannot be made.
        """
        del origin
        folder = self._namer.name(values, moment=time.time()).base
        self.restore(folder)
        return Placement(folder)

    def restore(self, folder: str) -> None:
        """Make a folder, if it is not there.

        Raises:
            As `place`.
        """
        try:
            self._folders.make(folder)
        except StorageError as problem:
            problem.doing = "cannot create directory for received object"
            problem.path = problem.path.rstrip("/")
            raise

    def given_up(self, ticket: int) -> None:
        """Do nothing: a folder stays."""
