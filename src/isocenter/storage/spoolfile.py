"""One object on its way to disk: written, then published under its name or gone.

The half of `spool` that is about one file; the theory of operation is there. Owns writing and
publishing; must not know how directories are found.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from isocenter.errors import StorageError, StorageFull
from isocenter.storage.directories import force
from isocenter.storage.exclusive import link_to_free_name
from isocenter.storage.leftovers import is_temporary, link_temporary, lock

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from isocenter.storage.directories import Directory
    from isocenter.storage.spool import Folder, Spool
    from isocenter.wire import Buffer

__all__ = ["FULL", "SpoolFile", "check_component", "link_anonymous", "storage_error"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a file system that has no room for more."""

_IOV_MAX = 1024  # buffers per writev(2); Linux, macOS and the BSDs agree
_COPY = 8 * 1024 * 1024  # bytes per copy_file_range(2): a failing disk is noticed in between


def storage_error(path: str, error: OSError) -> StorageError:
    """Return the error of this package that an error of the operating system becomes."""
    kind = StorageFull if error.errno in FULL else StorageError
    return kind(path, error.strerror or str(error))


def link_anonymous(fd: int, name: str, directory_fd: int) -> None:
    """Give a file without a name its first one; FileExistsError where it is taken (open(2))."""
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory_fd, follow_symlinks=True)


def check_component(name: str) -> None:
    """Raise ValueError for a name that is no path component, or a temporary file's."""
    if "/" in name or "\0" in name or name in {"", ".", ".."} or is_temporary(name):
        raise ValueError(f"{name!r} is no name for a file")


class SpoolFile:
    """A temporary file that becomes an object's file, or nothing.

    Made by `Spool.begin`; belongs to one thread. As a context manager it discards itself
    at the end if it was not published.

    Attributes:
        length: bytes written so far.
    """

    __slots__ = ("_ahead", "_fd", "_forced", "_name", "_root", "_spool", "length")

    def __init__(
        self, spool: Spool, name: str, fd: int, root: Directory, *, ahead: int = 0
    ) -> None:
        """Take over a locked file, or one without a name where that is "".

        `ahead` bytes of room were had for it already, and are its length until it is asked for.
        """
        self._ahead = ahead
        self._spool = spool
        self._name = name
        self._fd = fd
        self._root = root
        self._forced = False
        self.length = 0

    @property
    def spool(self) -> Spool:
        """The spool it was begun in."""
        return self._spool

    def fileno(self) -> int:
        """Return the descriptor, -1 once published or discarded.

        Raises:
            OSError: the file cannot be given its length.
        """
        if self._ahead:
            self._trim()
        return self._fd

    def _trim(self) -> None:
        """Give room back that was had ahead and not needed.

        Raises:
            OSError: the file cannot be given its length.
        """
        ahead, self._ahead = self._ahead, 0
        if ahead > self.length:
            os.ftruncate(self._fd, self.length)

    def write(self, views: Sequence[Buffer]) -> None:
        """Append buffers, in one system call for up to 1024 of them.

        After an error the temporary file is gone and the object lost.

        Raises:
            StorageFull: no room, no quota, too little would stay free, or the file would be
                too long.
            StorageError: any other failure of the operating system.
            ValueError: the file was published or discarded.
        """
        if self._fd < 0:
            raise ValueError("the file is closed")
        self._forced = False
        try:
            if self._spool.reserve is not None:
                self._spool.reserve.take(self._fd, sum(map(len, views)))
            if len(views) <= _IOV_MAX:
                self._write_some(views)
            else:
                for start in range(0, len(views), _IOV_MAX):
                    self._write_some(views[start : start + _IOV_MAX])
        except StorageFull:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            raise storage_error(self._spool.path(self._name), error) from error

    def copy_from(self, fd: int, offset: int, length: int) -> None:
        """Append bytes of another file, within the kernel where it can do that.

        Args:
            fd: the other file, open for reading; its position is neither used nor moved.
            offset: of the first byte, from the start of the file.
            length: bytes to copy.

        After an error the temporary file is gone and the object lost.

        Raises:
            StorageFull: as `write`.
            StorageError: as `write`, and where the other file is shorter.
            ValueError: the file was published or discarded.
        """
        if self._fd < 0:
            raise ValueError("the file is closed")
        self._forced = False
        try:
            self._copy_some(fd, offset, length)
        except StorageFull:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            raise storage_error(self._spool.path(self._name), error) from error

    def amend(self, offset: int, value: bytes) -> None:
        """Overwrite bytes that were written before.

        After an error the temporary file is gone and the object lost.

        Raises:
            StorageError: as `write`.
            ValueError: the file was published or discarded, or has no such bytes.
        """
        if self._fd < 0 or offset + len(value) > self.length:
            raise ValueError("the file is closed, or shorter")
        self._forced = False
        try:
            written = os.pwrite(self._fd, value, offset)
        except OSError as error:
            self.discard()
            raise storage_error(self._spool.path(self._name), error) from error
        if written < len(value):
            self.discard()
            raise StorageError(self._spool.path(self._name), os.strerror(errno.EIO))

    def _copy_some(self, fd: int, offset: int, length: int) -> None:
        while length:
            step = min(length, _COPY)
            if self._spool.reserve is not None:
                self._spool.reserve.take(self._fd, step)
            copied = _copy(fd, self._fd, offset, step)
            if not copied:
                raise OSError(errno.EIO, "the file that is copied from is too short")
            self.length += copied
            offset += copied
            length -= copied

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

    def publish(self, name: str, *, replace: bool = True, folder: Folder | None = None) -> str:
        """Give the file its final name and close it; return its path.

        Where the spool is durable, the file and its name are on the disk afterwards.

        Args:
            name: one path component.
            replace: False refuses to overwrite.
            folder: where; None for the output directory.

        Raises:
            FileExistsError: `replace` is False and the name is taken; the file can be
                published under another name.
            FileNotFoundError: there is no such folder, or no longer; the file can be
                published once it was made again.
            StorageFull, StorageError: the file could not be published and is gone; what had
                the name before still has it. (Where there are no hard links and a directory
                cannot be forced onto the disk, the new file has the name.)
            ValueError: the name is no path component, or the file is closed.
        """
        if self._fd < 0:
            raise ValueError("the file is closed")
        check_component(name)
        path = self._spool.path(name, folder)
        try:
            target = self._spool.find(folder)
            if self._ahead:
                self._trim()
            if self._spool.durable:
                if not self._forced:
                    force(self._fd)
                    self._forced = True
                target.secure()
            elif self._root.tells_at_close:
                # A network file system tells of a full disk when a descriptor is closed. The
                # lock belongs to the open file and outlives the copy.
                os.close(os.dup(self._fd))
            if self._name:
                self._publish_named(name, target, replace=replace)
            else:
                self._publish_anonymous(name, target, replace=replace, in_folder=bool(folder))
        except FileExistsError as error:
            if not replace:
                raise
            self.discard()
            raise storage_error(path, error) from error
        except FileNotFoundError as error:
            if folder is not None:
                raise
            self.discard()
            raise storage_error(path, error) from error
        except OSError as error:
            self.discard()
            raise storage_error(path, error) from error
        except StorageError:
            self.discard()
            raise
        fd, self._fd = self._fd, -1
        self._spool.published(fd, self.length)
        del self._root
        return path

    def _publish_named(self, name: str, target: Directory, *, replace: bool) -> None:
        """Rename the temporary file, or link it where nothing may be overwritten."""
        source_fd = self._root.fd
        if replace:
            self._rename_over(self._name, name, target)
        elif link_to_free_name(self._name, name, source_fd=source_fd, target_fd=target.fd):
            self._sync(name, target)
            with suppress(OSError):  # left for `Spool.clean_leftovers`
                os.unlink(self._name, dir_fd=source_fd)
        else:
            self._sync(name, target)

    def _publish_anonymous(
        self, name: str, target: Directory, *, replace: bool, in_folder: bool
    ) -> None:
        """Link a file without a name to `name`; over another file by way of a temporary name."""
        try:
            try:
                link_anonymous(self._fd, name, target.fd)
            except FileNotFoundError:
                if in_folder:
                    raise
                # The directory was removed; perhaps there is a new one of that name.
                target = self._root = self._spool.current()
                link_anonymous(self._fd, name, target.fd)
        except FileExistsError:
            if not replace:
                raise
        else:
            self._sync(name, target)
            return
        lock(self._fd, insist=False)  # against cleaning
        root_fd = self._root.fd
        temporary = link_temporary(lambda free: link_anonymous(self._fd, free, root_fd))
        try:
            self._rename_over(temporary, name, target)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=root_fd)
            raise

    def _rename_over(self, temporary: str, name: str, target: Directory) -> None:
        """Rename a temporary name over `name`; where durable, what had it can have it back."""
        source_fd, target_fd = self._root.fd, target.fd
        aside = ""
        may_undo = True

        def put_aside(free: str) -> None:
            os.link(name, free, src_dir_fd=target_fd, dst_dir_fd=source_fd, follow_symlinks=False)

        if self._spool.durable:
            try:
                aside = link_temporary(put_aside)
            except FileNotFoundError:
                pass  # nothing has the name
            except OSError:
                # There are no hard links. What had the name is then gone for good, so if the
                # directory cannot be synced, the new file, whole and on the disk, stays.
                may_undo = False
        try:
            os.rename(temporary, name, src_dir_fd=source_fd, dst_dir_fd=target_fd)
            self._sync(name, target, aside, may_undo=may_undo)
        finally:
            if aside:
                with suppress(OSError):
                    os.unlink(aside, dir_fd=source_fd)

    def _sync(
        self, name: str, target: Directory, aside: str = "", *, may_undo: bool = True
    ) -> None:
        """Force the new entry onto the disk where durable; if that fails, take it back."""
        if not self._spool.durable:
            return
        try:
            target.sync()
        except OSError:
            if may_undo:
                with suppress(OSError):
                    self._undo(name, target, aside)
            raise

    def _undo(self, name: str, target: Directory, aside: str) -> None:
        """Take a name from this file and give it to the one put aside, if there is one."""
        there = os.stat(name, dir_fd=target.fd, follow_symlinks=False)
        if not os.path.samestat(there, os.fstat(self._fd)):
            return  # another one was published under this name since
        if aside:
            os.rename(aside, name, src_dir_fd=self._root.fd, dst_dir_fd=target.fd)
        else:
            os.unlink(name, dir_fd=target.fd)

    def discard(self) -> None:
        """Remove the temporary file; does nothing once published or discarded."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if self._name:
            with suppress(OSError):  # gone with its directory, or left for `clean_leftovers`
                os.unlink(self._name, dir_fd=self._root.fd)
        with suppress(OSError):
            os.close(fd)
        del self._root

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


def _copy(source_fd: int, target_fd: int, offset: int, length: int) -> int:
    """Copy to the end of a file by the best way there is; return how many bytes, 0 at the end."""
    for name in ("copy_file_range", "sendfile"):
        try:
            if name == "copy_file_range":
                return os.copy_file_range(source_fd, target_fd, length, offset)
            return os.sendfile(target_fd, source_fd, offset, length)
        except (OSError, AttributeError) as error:
            # Not between these file systems, or not on this platform.
            if isinstance(error, OSError) and error.errno in FULL | {errno.EIO}:
                raise
    return os.write(target_fd, os.pread(source_fd, min(length, 1024 * 1024), offset))
