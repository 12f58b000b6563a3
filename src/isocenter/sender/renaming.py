"""What a file is called once it was dealt with: ``X.done`` or ``X.bad``.

Owns the names and how one is given without taking another file's. Must not know what decides
(`transfer`). DCMTK's storescu replaces a file that has the new name already; here it stays, and
so does the name that the file has, for one of the two might be the only copy of an object.
"""

from __future__ import annotations

import errno
import os

from isocenter.logs import get_logger

__all__ = ["BAD", "DONE", "mark_file"]

_LOGGER = get_logger(__name__)

DONE = ".done"
BAD = ".bad"
"""What is appended to the name of a file that was taken over, and of one that was not."""

_NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system without hard links answers, or one that allows them to the owner alone."""


def mark_file(path: str, *, confirmed: bool) -> None:
    """Append ``.done`` or ``.bad`` to a file's name; where that fails, log a warning.

    Args:
        path: of the file; of a symbolic link the link is renamed.
        confirmed: the peer has taken the object over.
    """
    name = path + (DONE if confirmed else BAD)
    try:
        _rename_to_new(path, name)
    except (OSError, ValueError) as problem:  # ValueError: a NUL within
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        _LOGGER.warning("cannot rename file '%s' to '%s': %s", path, name, reason)
    else:
        _LOGGER.debug("renamed file '%s' to '%s'", path, name)


def _rename_to_new(path: str, name: str) -> None:
    """Rename, never over another file.

    Raises:
        FileExistsError: the name is taken.
        OSError: it cannot be renamed.
    """
    try:
        # Unlike a look before the renaming, a second name cannot come too late.
        os.link(path, name, follow_symlinks=False)
    except OSError as problem:
        if problem.errno not in _NO_LINKS:
            raise
    except NotImplementedError:  # no such call on this platform
        pass
    else:
        os.unlink(path)
        return
    if os.path.lexists(name):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    os.rename(path, name)
