"""Files that say who is let in: read whole, within bounds, and with a look at who else may.

Owns how such a file is read and what is said about its rights. Must not know what is in one.
"""

from __future__ import annotations

import errno
import os
import stat

from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import NamedTuple

__all__ = ["TrustedFile", "read_trusted", "warn_of_rights"]

_LOGGER = get_logger(__name__)


class TrustedFile(NamedTuple):
    """A file as it was read: its `content`, and the `mode` that says who may read and change it."""

    content: bytes
    mode: int


def read_trusted(path: str, longest: int) -> TrustedFile:
    """Return what is in a file; a pipe is none, for nobody is to wait for who writes into it.

    Args:
        path: of the file.
        longest: bytes that it may have, inclusive.

    Raises:
        ConfigurationError: it cannot be read, is longer, or is no file; the message names it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(mode):
                raise ConfigurationError(f"{path}: not a file")
            with open(fd, "rb", closefd=False) as file:
                content = file.read(longest + 1)
        finally:
            os.close(fd)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        raise ConfigurationError(f"{path}: {reason or problem}") from problem
    if len(content) > longest:
        raise ConfigurationError(f"{path}: longer than {longest} bytes")
    return TrustedFile(content, mode)


def warn_of_rights(path: str, mode: int, *, secret: bool) -> None:
    """Warn where others can change a file, or read one that is secret."""
    if os.name != "posix":
        return
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        _LOGGER.warning("%s can be changed by other users of this machine", path)
    elif secret and mode & stat.S_IROTH:
        _LOGGER.warning("%s can be read by all users of this machine", path)
