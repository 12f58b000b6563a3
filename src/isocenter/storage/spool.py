"""Objects on their way to disk: a file without a name, or a locked temporary one, then its name.

Owns how a received object gets its name: nothing under a final name is ever partial, and
what a killed process left behind is recognisable. Must not know what is in a file, nor
how names are made; a name is checked once more all the same.

Theory of operation. Where the system has files without a name (O_TMPFILE: Linux on most
local file systems) a received object is one until it is complete, and publishing is one
link: a killed process leaves nothing at all. One such file may be opened ahead, while a
sender prepares its next object. An object that replaces another takes a temporary name
first, because a link never overwrites.

Elsewhere a temporary file lies in the directory of its final name, so that publishing is
one rename. It is locked with flock(2) as long as its process works on it;
the kernel drops the lock when the process dies. So `clean_leftovers` may remove every
temporary file whose lock it gets. Between creating and locking a file somebody else may
clean it; therefore a creator looks, once it holds the lock, whether the file still has
a name, and makes another one if not.

Every path is relative to the directory's descriptor, opened once.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import count

from isocenter.errors import StorageError, StorageFull
from isocenter.storage.naming import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from isocenter.wire import Buffer

try:
    import fcntl
except ImportError:  # no flock on this platform: nothing is locked, so nothing is cleaned
    _flock: Callable[[int, int], None] | None = None
    _LOCK = 0
else:
    _flock = fcntl.flock
    _LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB

__all__ = ["Spool", "SpoolFile"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_IOV_MAX = 1024  # buffers per writev(2); Linux, macOS and the BSDs agree
_ATTEMPTS = 100  # temporary names tried; one is enough unless somebody works against us

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

# A drop-box may be written but not listed: the descriptor only stands for the place.
_OPEN_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC

_ANONYMOUS = (os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC) if hasattr(os, "O_TMPFILE") else 0
_SPARES = 16  # files opened ahead at most: one for each association that is busy at a time

_serial = count()
"""Of temporary files in this process; `next` on it is atomic. A child after fork has a
process id of its own."""


def _error(path: str, error: OSError) -> StorageError:
    kind = StorageFull if error.errno in _FULL else StorageError
    return kind(path, error.strerror or str(error))


# Errors of flock(2) on a file system without locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def _is_temporary(name: str) -> bool:
    """Tell whether this package makes temporary files of such a name: process-serial."""
    if not (name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)):
        return False
    process, _, serial = name[len(TEMPORARY_PREFIX) : -len(TEMPORARY_SUFFIX)].partition("-")
    return process.isdecimal() and serial.isdecimal()


def _lock(fd: int, *, insist: bool) -> bool:
    """Take the lock of an open file; False where somebody else holds it.

    Where there are no locks, False if the caller insists on one.

    Raises:
        OSError: any other failure.
    """
    if _flock is None:
        return not insist
    try:
        _flock(fd, _LOCK)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return not insist
        raise
    return True


class Spool:
    """A directory into which received objects are published.

    Args:
        directory: path of an existing directory.

    May be used by several threads. After `close` files already begun can still be
    written, but not be published.

    Raises:
        StorageError: the directory cannot be opened.
    """

    __slots__ = ("_anonymous", "_fds", "_spares", "directory")

    def __init__(self, directory: str, *, anonymous: bool = True) -> None:
        """Open the directory and find out whether it takes files without a name."""
        self.directory = directory
        """As it was given; in errors and in the paths returned."""
        self._fds: list[int] = []
        self._spares: list[int] = []
        self._open()
        self._anonymous = anonymous and self._takes_anonymous_files()

    def _open(self) -> int:
        try:
            fd = os.open(self.directory, _OPEN_DIRECTORY)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                raise _error(self.directory, error) from error
            raise StorageError(self.directory, str(error)) from error
        # An older descriptor stays open for the files that were begun with it.
        self._fds.append(fd)
        return fd

    def reopen(self) -> int:
        """Open the directory anew, for one that was removed and made again; return its descriptor.

        Raises:
            StorageError: it is still missing.
        """
        return self._open()

    def path(self, name: str) -> str:
        """Return the path of a name in this directory, as log lines show it."""
        return f"{self.directory}/{name}"

    def exists(self, name: str) -> bool:
        """Tell whether something has this name in the directory."""
        try:
            os.stat(name, dir_fd=self._fds[-1], follow_symlinks=False)
        except OSError:
            return False
        return True

    def _takes_anonymous_files(self) -> bool:
        """Try once to make a file without a name and to give it one."""
        if not _ANONYMOUS:
            return False
        directory_fd = self._fds[-1]
        name = _temporary_name()
        try:
            fd = os.open(".", _ANONYMOUS, 0o666, dir_fd=directory_fd)
            try:
                _lock(fd, insist=False)
                _link_anonymous(fd, name, directory_fd)
                os.unlink(name, dir_fd=directory_fd)
            finally:
                os.close(fd)
        except OSError:
            # No such files here, no /proc, or no right to write: the other way will tell.
            return False
        return True

    def prepare(self) -> None:
        """Open the file of the next object ahead, where it has no name yet; may do nothing.

        Called when there is time: after a response, while the sender is busy.
        """
        if self._anonymous and self._fds and len(self._spares) < _SPARES:
            with suppress(OSError):
                self._spares.append(os.open(".", _ANONYMOUS, 0o666, dir_fd=self._fds[-1]))

    def begin(self) -> SpoolFile:
        """Create a file that nobody sees, or a locked temporary one.

        Raises:
            StorageFull: there is no room for one.
            StorageError: none can be created.
        """
        if not self._fds:
            raise StorageError(self.directory, "the spool is closed")
        directory_fd = self._fds[-1]
        if self._anonymous:
            try:
                return SpoolFile(self, "", self._spares.pop(), directory_fd)
            except IndexError:
                pass
            try:
                fd = os.open(".", _ANONYMOUS, 0o666, dir_fd=directory_fd)
            except OSError as error:
                if error.errno in _FULL:
                    raise _error(self.directory, error) from error
                # The directory was removed, for instance: below it is looked at once more.
            else:
                return SpoolFile(self, "", fd, directory_fd)
        name = ""
        for _attempt in range(_ATTEMPTS):
            name = _temporary_name()
            try:
                fd = os.open(name, _CREATE, 0o666, dir_fd=directory_fd)
            except FileExistsError:
                continue  # of a dead process with our id, or of one in another container
            except FileNotFoundError:
                # The directory was removed; perhaps there is a new one of that name.
                directory_fd = self._open()
                continue
            except OSError as error:
                raise _error(self.path(name), error) from error
            try:
                if _lock(fd, insist=False) and os.fstat(fd).st_nlink:
                    return SpoolFile(self, name, fd, directory_fd)
            except OSError as error:
                os.close(fd)
                raise _error(self.path(name), error) from error
            os.close(fd)  # somebody took it for a leftover before it was locked
        raise StorageError(self.path(name), "no temporary file could be created")

    def clean_leftovers(self) -> int:
        """Remove the temporary files that no process holds; return how many.

        Safe beside living processes, also beside others that clean. What cannot be removed
        stays. Without flock(2) nothing is removed.

        Raises:
            StorageError: the directory cannot be listed.
        """
        if not self._fds:
            raise StorageError(self.directory, "the spool is closed")
        directory_fd = self._fds[-1]
        try:
            readable = os.open(
                ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory_fd
            )
            try:
                names = os.listdir(readable)
            finally:
                os.close(readable)
        except OSError as error:
            raise _error(self.directory, error) from error
        return sum(_remove_leftover(name, directory_fd) for name in names if _is_temporary(name))

    def close(self) -> None:
        """Give the directory back; may be called again."""
        while self._spares:
            os.close(self._spares.pop())
        while self._fds:
            os.close(self._fds.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _temporary_name() -> str:
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_serial)}{TEMPORARY_SUFFIX}"


def _link_anonymous(fd: int, name: str, directory_fd: int) -> None:
    """Give a file without a name its first one; FileExistsError where it is taken (open(2))."""
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory_fd, follow_symlinks=True)


def _remove_leftover(name: str, directory_fd: int) -> bool:
    """Remove a temporary file if no process holds it."""
    # Not O_CREAT: the file may be gone. O_NONBLOCK: it may be a FIFO with a hostile name.
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(name, flags, dir_fd=directory_fd)
    except OSError:
        return False
    try:
        if not _lock(fd, insist=True):
            return False
        # Published, or removed by somebody else, between listing and locking: then the
        # name is free or another file's. While the lock is held nobody moves this file.
        there = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        if not os.path.samestat(there, os.fstat(fd)):
            return False
        os.unlink(name, dir_fd=directory_fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class SpoolFile:
    """A temporary file that becomes an object's file, or nothing.

    Made by `Spool.begin`; belongs to one thread. As a context manager it discards itself
    at the end if it was not published.

    Attributes:
        length: bytes written so far.
    """

    __slots__ = ("_directory_fd", "_fd", "_name", "_spool", "length")

    def __init__(self, spool: Spool, name: str, fd: int, directory_fd: int) -> None:
        """Take over a locked file."""
        self._spool = spool
        self._name = name
        self._fd = fd
        self._directory_fd = directory_fd
        self.length = 0

    def fileno(self) -> int:
        """Return the descriptor, -1 once published or discarded."""
        return self._fd

    def write(self, views: Sequence[Buffer]) -> None:
        """Append buffers, in one system call for up to 1024 of them.

        After an error the temporary file is gone and the object lost.

        Raises:
            StorageFull: no room, no quota, or the file would be too long.
            StorageError: any other failure of the operating system.
            ValueError: the file was published or discarded.
        """
        if self._fd < 0:
            raise ValueError("the file is closed")
        try:
            if len(views) <= _IOV_MAX:
                self._write_some(views)
            else:
                for start in range(0, len(views), _IOV_MAX):
                    self._write_some(views[start : start + _IOV_MAX])
        except OSError as error:
            self.discard()
            raise _error(self._spool.path(self._name), error) from error

    def _write_some(self, views: Sequence[Buffer]) -> None:
        wanted = sum(map(len, views))
        written = os.writev(self._fd, views) if wanted else 0
        self.length += written
        while written < wanted:
            # A short write: a full disk says so at the next one.
            rest: list[Buffer] = []
            for view in views:
                if written >= len(view):
                    written -= len(view)
                elif written:
                    rest.append(memoryview(view)[written:])
                    written = 0
                else:
                    rest.append(view)
            views = rest
            wanted = sum(map(len, views))
            written = os.writev(self._fd, views)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.length += written

    def publish(self, name: str, *, replace: bool = True) -> str:
        """Give the file its final name and close it; return its path.

        Args:
            name: one path component.
            replace: False refuses to overwrite.

        Raises:
            FileExistsError: `replace` is False and the name is taken; the file can be
                published under another name.
            StorageFull, StorageError: the file could not be published and is gone.
            ValueError: the name is no path component, or the file is closed.
        """
        if self._fd < 0:
            raise ValueError("the file is closed")
        if "/" in name or "\0" in name or name in {"", ".", ".."} or _is_temporary(name):
            raise ValueError(f"{name!r} is no name for a file")
        if not self._name:
            return self._publish_anonymous(name, replace=replace)
        fd, directory_fd = self._fd, self._directory_fd
        try:
            # A network file system tells of a full disk when a descriptor is closed. The
            # lock belongs to the open file and outlives the copy.
            os.close(os.dup(fd))
            if replace:
                os.rename(self._name, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
            else:
                os.link(
                    self._name,
                    name,
                    src_dir_fd=directory_fd,
                    dst_dir_fd=directory_fd,
                    follow_symlinks=False,
                )
        except FileExistsError as error:
            if not replace:
                raise
            self.discard()
            raise _error(self._spool.path(name), error) from error
        except OSError as error:
            self.discard()
            raise _error(self._spool.path(name), error) from error
        if replace:
            self._fd = -1
            os.close(fd)
        else:
            self.discard()
        return self._spool.path(name)

    def _publish_anonymous(self, name: str, *, replace: bool) -> str:
        """Link a file without a name to `name`; over another file by way of a temporary name."""
        fd, directory_fd = self._fd, self._directory_fd
        try:
            try:
                _link_anonymous(fd, name, directory_fd)
            except FileNotFoundError:
                # The directory was removed; perhaps there is a new one of that name.
                directory_fd = self._spool.reopen()
                _link_anonymous(fd, name, directory_fd)
        except FileExistsError as error:
            if not replace:
                raise
            try:
                self._replace(name, directory_fd)
            except OSError as problem:
                self.discard()
                raise _error(self._spool.path(name), problem) from error
        except OSError as error:
            self.discard()
            raise _error(self._spool.path(name), error) from error
        self._fd = -1
        os.close(fd)
        return self._spool.path(name)

    def _replace(self, name: str, directory_fd: int) -> None:
        """Rename over `name`, from a temporary name that is locked against cleaning."""
        _lock(self._fd, insist=False)
        temporary = _temporary_name()
        _link_anonymous(self._fd, temporary, directory_fd)
        try:
            os.rename(temporary, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory_fd)
            raise

    def discard(self) -> None:
        """Remove the temporary file; does nothing once published or discarded."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if not self._name:
            os.close(fd)
            return
        try:
            os.unlink(self._name, dir_fd=self._directory_fd)
        except OSError:
            pass  # gone with its directory, or left for `Spool.clean_leftovers`
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()
