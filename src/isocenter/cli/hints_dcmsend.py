"""What a user of dcmsend may try where a file is no good, or found no presentation context.

Owns the words; loaded only once a file failed. Must not know how files are sent.
"""

from __future__ import annotations

import os

from isocenter.cli.explain_decompression import decompressing
from isocenter.cli.options_dcmsend import TOOL
from isocenter.errors import DataSetError
from isocenter.logs import one_line
from isocenter.sender.prepare import DATA_SET_ONLY, identify, read_meta
from isocenter.uids import MEDIA_STORAGE_DIRECTORY, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["context_hint", "empty_hint", "input_hint"]

_CANNOT_READ = (OSError, ValueError, DataSetError)


def input_hint(path: str, *, dicomdir: bool, meta_needed: bool) -> str:
    """Say what would help a file that ended the run before anything was sent.

    Args:
        path: of the file.
        dicomdir: DICOMDIRs are looked into already (``+rd``).
        meta_needed: only files with File Meta Information are taken.
    """
    try:
        meta = read_meta(path)
    except _CANNOT_READ:
        meta = None
    if meta is not None and meta.present:
        if meta.media_storage_sop_class_uid == MEDIA_STORAGE_DIRECTORY and not dicomdir:
            return "hint: that is a DICOMDIR; +rd sends the files that it refers to"
    elif meta is not None and meta_needed and _is_data_set(path):
        return "hint: that is a data set without File Meta Information; +f takes those, too"
    return "hint: nothing was sent; -nh leaves out files that are no good"


def empty_hint(paths: Sequence[str], *, dicomdir: bool, scans: bool) -> str:
    """Say what would help where the paths given are no files; "" where nothing is known to help.

    Args:
        paths: as given.
        dicomdir: DICOMDIRs are looked into (``+rd``).
        scans: the files of directories are taken (``+sd``).
    """
    folders = [path for path in paths if os.path.isdir(path)]
    if not folders or scans:
        return ""
    index = os.path.join(folders[0], "DICOMDIR")
    if dicomdir and os.path.isfile(index):
        return f"hint: give the file itself, {index}"
    return "hint: +sd takes the files of a directory, +sd +r also those below it"


def _is_data_set(path: str) -> bool:
    try:
        identify(path, form=DATA_SET_ONLY)
    except _CANNOT_READ:
        return False
    return True


def context_hint(kind: tuple[str, str], allowed: str | None) -> str:
    """Say what would help a file that no accepted context was found for.

    Args:
        kind: SOP class and transfer syntax of the file.
        allowed: which of `groups.DECOMPRESSION` is in force.
    """
    sop_class, syntax = kind
    words = f"{one_line(name_of(sop_class))} in {one_line(name_of(syntax))} was not accepted"
    return f"hint: {words}: {decompressing(syntax, TOOL, allowed)}"
