"""The files that a DICOMDIR refers to, none of them outside its folder.

Owns how a File ID becomes a path. Must not know how a DICOMDIR is read (`dataset.bridge`) nor
what makes a SOP instance good (`listing`). Loaded only where there is one.

A File ID is relative to the folder of the DICOMDIR (PS3.10 8.5). One that leads elsewhere, by its
components or by symbolic links, is refused: who sends the files of a disc does not mean to send
others. Nothing that is referred to is read as a DICOMDIR itself, so there are no circles.
"""

from __future__ import annotations

import os
import stat

from isocenter.dataset.bridge import read_directory
from isocenter.errors import DataSetError
from isocenter.record import NamedTuple
from isocenter.sender.inputs import Kind
from isocenter.sender.listing import Listed

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAXIMUM_DICOMDIR", "NO_NAME", "Reference", "referenced_files"]

MAXIMUM_DICOMDIR = 256 * 1024 * 1024
"""Bytes, inclusive, of a DICOMDIR that is read: it is held in memory as objects, at about ten times
its length. A record takes some 400 bytes, so this is more than half a million of them."""

NO_NAME = "Invalid filename"
"""What is wrong with an empty File ID."""


class Reference(NamedTuple):
    """A file as a DICOMDIR tells of it.

    Fields: `listed` the file; `file_id` as it stands in the record, for what is said before it is
    a path; `problem` in a line why its path is no good, or "".
    """

    listed: Listed
    file_id: str
    problem: str = ""


def referenced_files(path: str) -> Iterator[Reference]:
    """Yield what the records of a DICOMDIR refer to, in the order of the file.

    Raises:
        OSError: it cannot be read.
        DataSetError: it is none, or too long.

    PS3.10 8.5, PS3.3 F.3.
    """
    facts = os.stat(path)
    if facts.st_size > MAXIMUM_DICOMDIR:
        raise DataSetError(f"a DICOMDIR of {facts.st_size} bytes, {MAXIMUM_DICOMDIR} are read")
    folder = os.path.dirname(path)
    real_folder = os.path.realpath(folder or ".")
    for reference in read_directory(path):
        kind = Kind(reference.sop_class_uid, reference.transfer_syntax_uid)
        if not any(reference.components):
            yield Reference(Listed("", reference.sop_instance_uid, kind), "", NO_NAME)
            continue
        name, problem = _path(folder, real_folder, reference.components)
        if not problem and os.path.samestat(os.stat(name), facts):
            problem = "the DICOMDIR refers to itself"
        file_id = "\\".join(reference.components)
        yield Reference(Listed(name, reference.sop_instance_uid, kind), file_id, problem)


def _path(folder: str, real_folder: str, components: tuple[str, ...]) -> tuple[str, str]:
    """Return the path of a File ID, and what is wrong with it, "" for nothing."""
    # Copies of discs often have their names in lower case.
    for names in (components, tuple(name.lower() for name in components)):
        path = os.path.join(folder, *names)
        if any(name in {"", ".", ".."} or "/" in name or os.sep in name for name in names):
            return "/".join(components), "the File ID leads out of the DICOMDIR's folder"
        try:
            real = os.path.realpath(path, strict=True)
            facts = os.stat(real)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as problem:
            return path, getattr(problem, "strerror", None) or str(problem)
        if os.path.commonpath((real_folder, real)) != real_folder:
            return path, "it is a link that leads out of the DICOMDIR's folder"
        if not stat.S_ISREG(facts.st_mode):
            return path, "not a regular file"
        return path, ""
    return os.path.join(folder, *components), "No such file or directory"
