"""Short numbered names for the files of a study that ended.

Owns the rule that renaming never overwrites: not what an earlier delivery of the study left,
and not what another server renames at the same time. Must not know when a study ends.

Where the system can refuse to rename over a file (renameat2(2), RENAME_NOREPLACE) it does.
Elsewhere the new name is reserved first, by an empty file that the renaming replaces. Linking
and unlinking would do neither: an object that arrived again between the two would be lost.

DCMTK's option -rns.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from isocenter.errors import StorageError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.storage.folders import Folder

__all__ = ["Renamed", "number_files"]

_DIGITS = 6
_ATTEMPTS = 1000  # numbers that somebody else takes at the same time
_NO_REPLACE = 1  # RENAME_NOREPLACE of <linux/fs.h>

# The system or this file system has no renaming that refuses.
_UNABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


class Renamed(NamedTuple):
    """What became of a study's files.

    Fields: `names` old and new names, of those that were renamed; `warnings` lines for the
    log, in DCMTK's words.
    """

    names: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def number_files(folder: Folder, names: Sequence[str], *, time_names: bool = False) -> Renamed:
    """Rename files to ``<two characters><six digits>``, in the order given.

    Args:
        folder: where they are.
        names: theirs; what follows the two characters is lost, an extension too.
        time_names: they begin with a time; the two characters are those behind it.

    Numbers go on behind the highest one there is in the folder, else they begin at 1. A file
    that cannot be renamed, because it is gone for instance, keeps its name and its number is
    left out.

    Raises:
        StorageError: the folder cannot be listed, so nothing was renamed.
    """
    try:
        number = _highest(folder.fileno())
    except OSError as error:
        raise StorageError(folder.path, error.strerror or str(error)) from error
    renamed = []
    warnings = []
    rename = _rename_function()
    for name in names:
        start = (name.partition(".")[2] if time_names else name)[:2]
        new = ""
        for _attempt in range(_ATTEMPTS):
            number += 1
            new = f"{start}{number:0{_DIGITS}d}"
            try:
                rename(name, new, folder.fileno())
            except FileExistsError:
                continue
            except OSError:
                warnings.append(_warning(folder, name, new))
            else:
                renamed.append((name, new))
            break
        else:
            warnings.append(_warning(folder, name, new))
    return Renamed(tuple(renamed), tuple(warnings))


def _warning(folder: Folder, name: str, new: str) -> str:
    return f"cannot rename file '{folder.path}/{name}' to '{folder.path}/{new}'"


def _highest(folder_fd: int) -> int:
    """Return the highest number that a file in a folder has, 0 for none."""
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        names = os.listdir(readable)
    finally:
        os.close(readable)
    # No server gives numbers of more than nine digits; what else ends with them is no number.
    ends = [name[2:] for name in names if _DIGITS + 2 <= len(name) <= _DIGITS + 5]
    return max((int(end) for end in ends if end.isascii() and end.isdigit()), default=0)


def _rename_function() -> Callable[[str, str, int], None]:
    """Return what renames in a folder and raises FileExistsError where the name is taken."""
    refusing = _system_call()
    if refusing is None:
        return _reserve
    call = refusing

    def rename(old: str, new: str, folder_fd: int) -> None:
        problem = call(folder_fd, os.fsencode(old), folder_fd, os.fsencode(new))
        if problem in _UNABLE:
            _reserve(old, new, folder_fd)
        elif problem:
            raise OSError(problem, os.strerror(problem))

    return rename


def _system_call() -> Callable[[int, bytes, int, bytes], int] | None:
    """Return renameat2(2) with RENAME_NOREPLACE, which gives an error number; None without it."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        # 10 ms, so only where files are renamed at all.
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        function = library.renameat2
    except (ImportError, OSError, AttributeError):
        return None
    function.restype = ctypes.c_int
    function.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )

    def call(from_fd: int, old: bytes, to_fd: int, new: bytes) -> int:
        return ctypes.get_errno() if function(from_fd, old, to_fd, new, _NO_REPLACE) else 0

    return call


def _reserve(old: str, new: str, folder_fd: int) -> None:
    """Rename over an empty file that this call makes.

    Raises:
        FileExistsError: the new name is taken.
        OSError: there is no such file, or no right to rename it.
    """
    os.stat(old, dir_fd=folder_fd, follow_symlinks=False)  # before a name is taken in vain
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    os.close(os.open(new, flags, 0o666, dir_fd=folder_fd))
    try:
        os.rename(old, new, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except OSError:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder_fd)
        raise
