"""Objects on their way to disk: a file without a name, or a locked temporary one, then its name.

Owns how a received object gets its name: nothing under a final name is ever partial, what a
killed process left behind is recognisable, and where durability is asked for, an object that
was published is on the disk. Must not know what is in a file, nor how names are made; a name
is checked once more all the same.

Theory of operation. Where the system has files without a name (O_TMPFILE: Linux on most
local file systems) a received object is one until it is complete, and publishing is one
link: a killed process leaves nothing at all. One such file may be opened ahead, while a
sender prepares its next object. An object that replaces another takes a temporary name
first, because a link never overwrites.

Elsewhere a temporary file lies in the output directory, so that publishing is one rename. It
is locked as long as its process works on it (`leftovers`). Between creating and locking a
file somebody else may clean it; therefore a creator looks, once it holds the lock, whether
the file still has a name, and makes another one if not.

Durable: the file is forced onto the disk, then published, then the directory is
(`directories`). Each failure takes the name away again; what had the name before gets it back.
A file whose name is new has nothing else under it, so the order of the two syncs is what
keeps a power cut from showing a name without its bytes.

Every path is relative to a directory's descriptor. A directory that was removed or moved
away is noticed when the next object begins. Temporary names are made in the output directory
only, also of files that go into one of its folders: there they are cleaned.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from isocenter.errors import StorageError
from isocenter.storage.directories import Directories, force
from isocenter.storage.leftovers import (
    ATTEMPTS,
    link_temporary,
    lock,
    remove_leftovers,
    temporary_name,
)
from isocenter.storage.reserve import Reserve
from isocenter.storage.spoolfile import (
    FULL,
    SpoolFile,
    check_component,
    link_anonymous,
    storage_error,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from isocenter.storage.directories import Directory

__all__ = ["Folder", "Spool", "SpoolFile"]


_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_ANONYMOUS = (os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC) if hasattr(os, "O_TMPFILE") else 0
_SPARES = 16  # files opened ahead at most: one for each association that is busy at a time
_LEAST_AHEAD, _MOST_AHEAD = 64 * 1024, 256 * 1024
"""Bytes of a file in memory for which room is had ahead (bench/micro/spool.py: writing takes less
than half the time then). The lower one is what is worth a call. The upper one takes 30 us, which
the sender takes anyway to answer with the next object; with room for all of 512 KiB its bytes
had to wait, and 500 of them took 6 % longer."""


class Folder:
    """An existing folder below the output directory, as a place to publish into.

    Made by `Spool.folder`. Holds no descriptor, so there may be one per study.

    Attributes:
        names: its path below the output directory, component by component.
    """

    __slots__ = ("_spool", "names")

    def __init__(self, spool: Spool, names: tuple[str, ...]) -> None:
        """Keep the names."""
        self._spool = spool
        self.names = names

    def path(self, name: str) -> str:
        """Return the path of a name in this folder, as log lines show it."""
        return "/".join((self._spool.directory, *self.names, name))


class Spool:
    """A directory into which received objects are published.

    Args:
        directory: path of an existing directory.
        anonymous: use files without a name where the file system has them.
        durable: publishing returns when the object is on the disk.
        minimum_free: bytes that are to stay free on the file system (see `reserve`); 0 for
            no limit but the disk's.

    May be used by several threads. After `close` files already begun can still be
    written, but not be published.

    Raises:
        StorageError: the directory cannot be opened; or, where durable, not be forced onto
            the disk.
        ValueError: `minimum_free` is negative.
    """

    __slots__ = (
        "_ahead",
        "_anonymous",
        "_directories",
        "_is_prepared",
        "_published",
        "_spares",
        "directory",
        "durable",
        "reserve",
    )

    def __init__(
        self,
        directory: str,
        *,
        anonymous: bool = True,
        durable: bool = False,
        minimum_free: int = 0,
    ) -> None:
        """Open the directory and find out whether it takes files without a name."""
        self.directory = directory
        """As it was given; in errors and in the paths returned."""
        self.durable = durable
        self.reserve = Reserve(minimum_free, directory) if minimum_free else None
        """What keeps room free; None where nothing does."""
        self._spares: list[tuple[int, int]] = []  # descriptor, and room had ahead
        self._ahead = 0  # room to be had for the next file
        self._published: list[int] = []  # files that are only to be closed
        self._is_prepared = False  # somebody says when there is time
        try:
            self._directories: Directories | None = Directories(directory, durable=durable)
        except OSError as error:
            raise storage_error(directory, error) from error
        except ValueError as error:
            raise StorageError(directory, str(error)) from error
        self._anonymous = anonymous and self._takes_anonymous_files()

    def _open_directories(self) -> Directories:
        if self._directories is None:
            raise StorageError(self.directory, "the spool is closed")
        return self._directories

    def current(self) -> Directory:
        """Return the open output directory, a new one where the old is gone.

        Raises:
            StorageError: there is none, or the spool is closed.
        """
        directories = self._open_directories()
        before = directories.root
        try:
            root = directories.current()
        except OSError as error:
            raise storage_error(self.directory, error) from error
        if root is not before:
            self._drop_spares()  # they belong to a directory, perhaps a disk, that is gone
        return root

    def folder(self, *names: str) -> Folder:
        """Return a handle of the folder with this path below the directory.

        The folder need not exist yet. No component of it may be a symbolic link.

        Raises:
            ValueError: a name is no path component.
        """
        for name in names:
            check_component(name)
        return Folder(self, names)

    def find(self, folder: Folder | None = None) -> Directory:
        """Return the open directory of a folder, of the output directory for None.

        Raises:
            FileNotFoundError: there is no such folder.
            StorageError: it cannot be opened, or is a symbolic link; the spool is closed.
        """
        directories = self._open_directories()
        if folder is None or not folder.names:
            return directories.root
        try:
            return directories.find(folder.names)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(folder.path(""), error) from error

    def sync_folder(self, folder: Folder | None = None) -> None:
        """Force a folder's entries and its own name onto the disk; for those who change them.

        Publishing into a folder does it by itself. Without durability nothing is done.

        Raises:
            FileNotFoundError: there is no such folder.
            StorageError: they may not be there.
        """
        if not self.durable:
            return
        directory = self.find(folder)
        try:
            directory.secure()
            directory.sync()
        except OSError as error:
            raise storage_error(
                self.path("") if folder is None else folder.path(""), error
            ) from error

    def path(self, name: str, folder: Folder | None = None) -> str:
        """Return the path of a name in this directory or folder, as log lines show it."""
        return f"{self.directory}/{name}" if folder is None else folder.path(name)

    def exists(self, name: str, folder: Folder | None = None) -> bool:
        """Tell whether something has this name in the directory or folder."""
        try:
            directory = self.find(folder)  # held, for its descriptor goes with it
            os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
        except (OSError, StorageError):
            return False
        return True

    def open_existing(self, name: str, folder: Folder | None = None) -> int:
        """Open a regular file for reading and return its descriptor, which is the caller's.

        Never opens a symbolic link, and anything else than a file only for the moment in
        which somebody exchanges it.

        Raises:
            FileNotFoundError: nothing has the name.
            OSError: it cannot be opened; EINVAL where it is no regular file.
            StorageError: the folder cannot be opened.
        """
        directory = self.find(folder)
        # Opening a device may do something to it, so it is looked at first.
        if stat.S_ISREG(os.stat(name, dir_fd=directory.fd, follow_symlinks=False).st_mode):
            fd = os.open(name, _READ, dir_fd=directory.fd)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", name)

    def settle(self, fd: int, name: str, folder: Folder | None = None) -> None:
        """Force an existing file and its name onto the disk, where durable.

        For a success that rests on a file somebody else wrote: an earlier run without
        durability, or another thread that has not come to its syncs.

        Raises:
            StorageError: it may not be there.
        """
        if not self.durable:
            return
        try:
            force(fd)
            directory = self.find(folder)
            directory.secure()
            directory.sync()
        except OSError as error:
            raise storage_error(self.path(name, folder), error) from error

    def _takes_anonymous_files(self) -> bool:
        """Try once to make a file without a name and to give it one."""
        if not _ANONYMOUS:
            return False
        root = self._open_directories().root
        try:
            fd = os.open(".", _ANONYMOUS, 0o666, dir_fd=root.fd)
            try:
                lock(fd, insist=False)
                name = link_temporary(lambda free: link_anonymous(fd, free, root.fd))
                os.unlink(name, dir_fd=root.fd)
            finally:
                os.close(fd)
        except OSError:
            # No such files here, no /proc, or no right to write: the other way will tell.
            return False
        return True

    def published(self, fd: int, length: int) -> None:
        """Take over the descriptor of a published file, of which everything was said.

        The next object is likely as long: slices of a series are.
        """
        self._ahead = min(length, _MOST_AHEAD) if length >= _LEAST_AHEAD else 0
        self._published.append(fd)
        if not self._is_prepared or len(self._published) > _SPARES:
            self.close_published()

    def close_published(self) -> None:
        """Close the files that `published` took over."""
        while self._published:
            with suppress(IndexError, OSError):  # another thread took the last one
                os.close(self._published.pop())

    def prepare(self) -> None:
        """Close the last object's file, and open the next one's ahead; may do nothing.

        Called when there is time: after a response, while the sender is busy.
        """
        self._is_prepared = True
        self.close_published()
        if self._anonymous and self._directories is not None and len(self._spares) < _SPARES:
            try:
                root = self._directories.root
                fd = os.open(".", _ANONYMOUS, 0o666, dir_fd=root.fd)
            except OSError:
                return  # the next object will tell
            self._spares.append((fd, self._have_room(fd, root)))

    def _have_room(self, fd: int, root: Directory) -> int:
        """Have room for the next file where writing would have to wait for it; bytes had."""
        ahead = self._ahead
        if not ahead or self.reserve is not None or not root.is_in_memory:
            return 0
        try:
            os.posix_fallocate(fd, 0, ahead)
        except OSError:
            return 0  # no room: the next object will tell, or is shorter
        return ahead

    def begin(self) -> SpoolFile:
        """Create a file that nobody sees, or a locked temporary one.

        Raises:
            StorageFull: there is no room for one, or too little would stay free.
            StorageError: none can be created.
        """
        directory = self.current()
        if self.reserve is not None:
            try:
                self.reserve.check(directory.fd)
            except OSError as error:
                raise storage_error(self.directory, error) from error
        if self._anonymous:
            try:
                fd, ahead = self._spares.pop()
            except IndexError:
                pass
            else:
                return SpoolFile(self, "", fd, directory, ahead=ahead)
            try:
                fd = os.open(".", _ANONYMOUS, 0o666, dir_fd=directory.fd)
            except OSError as error:
                if error.errno in FULL:
                    raise storage_error(self.directory, error) from error
                # Another file system than the one that was tried: the other way will tell.
            else:
                return SpoolFile(self, "", fd, directory)
        return self._begin_named(directory)

    def _begin_named(self, directory: Directory) -> SpoolFile:
        name = ""
        for _attempt in range(ATTEMPTS):
            name = temporary_name()
            try:
                fd = os.open(name, _CREATE, 0o666, dir_fd=directory.fd)
            except FileExistsError:
                continue  # of a dead process with our id, or of one in another container
            except FileNotFoundError:
                directory = self.current()  # removed in this moment
                continue
            except OSError as error:
                raise storage_error(self.path(name), error) from error
            try:
                if lock(fd, insist=False) and os.fstat(fd).st_nlink:
                    return SpoolFile(self, name, fd, directory)
            except OSError as error:
                os.close(fd)
                raise storage_error(self.path(name), error) from error
            os.close(fd)  # somebody took it for a leftover before it was locked
        raise StorageError(self.path(name), "no temporary file could be created")

    def clean_leftovers(self) -> int:
        """Remove the temporary files that no process holds; return how many.

        Safe beside living processes, also beside others that clean. What cannot be removed
        stays. Without flock(2) nothing is removed.

        Raises:
            StorageError: the directory cannot be listed.
        """
        root = self._open_directories().root
        try:
            return remove_leftovers(root.fd)
        except OSError as error:
            raise storage_error(self.directory, error) from error

    def _drop_spares(self) -> None:
        while self._spares:
            with suppress(IndexError):  # another thread took the last one
                os.close(self._spares.pop()[0])

    def close(self) -> None:
        """Give the directory back; may be called again."""
        self.close_published()
        self._drop_spares()
        self._directories = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
