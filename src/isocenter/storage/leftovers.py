"""Temporary files: their names, their locks, and cleaning up after processes that died.

Owns what tells a temporary file from an object and a file in work from a leftover. Must not
know what is in one.

A temporary file is locked with flock(2) as long as its process works on it; the kernel drops
the lock when the process dies. So every temporary file whose lock can be had is a leftover.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import count

from isocenter.storage.naming import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import fcntl
except ImportError:  # no flock on this platform: nothing is locked, so nothing is cleaned
    _flock: Callable[[int, int], None] | None = None
    _LOCK = 0
else:
    _flock = fcntl.flock
    _LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB

__all__ = [
    "ATTEMPTS",
    "is_temporary",
    "link_temporary",
    "lock",
    "remove_leftovers",
    "temporary_name",
]

ATTEMPTS = 100
"""Temporary names tried; one is enough unless somebody works against us."""

# Errors of flock(2) on a file system without locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

_serial = count()
"""Of temporary files in this process; `next` on it is atomic. A child after fork has a
process id of its own."""


def temporary_name() -> str:
    """Return a name that no other living process on this machine makes."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_serial)}{TEMPORARY_SUFFIX}"


def link_temporary(link: Callable[[str], None]) -> str:
    """Make a link under a temporary name that nobody has, and return the name.

    A process in another container may have our id and so take our names.

    Raises:
        OSError: it cannot be made.
    """
    for _attempt in range(ATTEMPTS - 1):
        name = temporary_name()
        with suppress(FileExistsError):
            link(name)
            return name
    name = temporary_name()
    link(name)
    return name


def is_temporary(name: str) -> bool:
    """Tell whether this package makes temporary files of such a name: process-serial."""
    if not (name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)):
        return False
    process, _, serial = name[len(TEMPORARY_PREFIX) : -len(TEMPORARY_SUFFIX)].partition("-")
    return process.isdecimal() and serial.isdecimal()


def lock(fd: int, *, insist: bool) -> bool:
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


def remove_leftovers(directory_fd: int) -> int:
    """Remove the temporary files of a directory that no process holds; return how many.

    Raises:
        OSError: the directory cannot be listed.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    readable = os.open(".", flags, dir_fd=directory_fd)
    try:
        names = os.listdir(readable)
    finally:
        os.close(readable)
    return sum(_remove_leftover(name, directory_fd) for name in names if is_temporary(name))


def _remove_leftover(name: str, directory_fd: int) -> bool:
    """Remove a temporary file if no process holds it."""
    # Not O_CREAT: the file may be gone. O_NONBLOCK: it may be a FIFO with a hostile name.
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(name, flags, dir_fd=directory_fd)
    except OSError:
        return False
    try:
        if not lock(fd, insist=True):
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
