"""Short numbered names for the files of a study that ended.

Owns which numbers: behind what an earlier delivery of the study left, and behind what another
server takes at the same time. Must not know when a study ends, nor how a rename is kept from
overwriting (`exclusive`). It is one step all the same: between linking and unlinking an object
could arrive again under the old name, and be lost.

DCMTK's option -rns.
"""

from __future__ import annotations

import os

from isocenter.errors import StorageError
from isocenter.record import NamedTuple
from isocenter.storage.exclusive import rename_to_free_name

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.storage.directories import Directory

__all__ = ["Renamed", "number_files"]

_DIGITS = 6
_ATTEMPTS = 1000  # numbers that somebody else takes at the same time


class Renamed(NamedTuple):
    """What became of a study's files.

    Fields: `names` old and new names, of those that were renamed; `warnings` lines for the
    log, in DCMTK's words.
    """

    names: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def number_files(
    folder: Directory, path: str, names: Sequence[str], *, time_names: bool = False
) -> Renamed:
    """Rename files to ``<two characters><six digits>``, in the order given.

    Args:
        folder: where they are.
        path: of it, for messages.
        names: theirs; what follows the two characters is lost, an extension too.
        time_names: they begin with a time; the two characters are those behind it.

    Numbers go on behind the highest one there is in the folder, else they begin at 1. A file
    that cannot be renamed, because it is gone for instance, keeps its name and its number is
    left out.

    Raises:
        StorageError: the folder cannot be listed, so nothing was renamed.
    """
    try:
        number = _highest(folder.fd)
    except OSError as error:
        raise StorageError(path, error.strerror or str(error)) from error
    renamed = []
    warnings = []
    fd = folder.fd
    for name in names:
        start = (name.partition(".")[2] if time_names else name)[:2]
        new = ""
        for _attempt in range(_ATTEMPTS):
            number += 1
            new = f"{start}{number:0{_DIGITS}d}"
            try:
                rename_to_free_name(name, new, source_fd=fd, target_fd=fd)
            except FileExistsError:
                continue
            except OSError:
                warnings.append(_warning(path, name, new))
            else:
                renamed.append((name, new))
            break
        else:
            warnings.append(_warning(path, name, new))
    return Renamed(tuple(renamed), tuple(warnings))


def _warning(path: str, name: str, new: str) -> str:
    return f"cannot rename file '{path}/{name}' to '{path}/{new}'"


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
