"""A file as the index will know it: what its data set says, its size, its digest.

Owns the one reading of a whole object. Must not know where the object is going.

The digest is of the data set alone, not of the File Meta Information, which names the sender and
the software: the same object from two senders is the same object.
"""

from __future__ import annotations

import os

from isocenter.archive.facts import NewInstance, facts_of
from isocenter.dataset.identity import read_identity, verify_complete
from isocenter.dataset.part10 import read_file_meta
from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.limits import Limits

__all__ = ["describe", "digest_of"]

_CHUNK = 256 * 1024  # bytes in memory at a time


def describe(
    fd: int,
    path: str,
    *,
    received: float,
    source: str | None = None,
    limits: Limits = DEFAULTS,
    is_whole: bool = True,
) -> NewInstance:
    """Return a row for a file.

    Args:
        fd: the file, open for reading; its position is neither used nor moved.
        path: as the row will have it.
        received: when it came, in seconds since 1970.
        source: AE title that sent it; None for the one that the file names.
        limits: of reading.
        is_whole: False where nobody knows; it is then looked whether it was cut short.

    Raises:
        DataSetError: it cannot be indexed: it is no DICOM file, is cut short, cannot be read, or
            says no SOP class or instance.
    """
    facts = facts_of(fd, limits=limits)
    if not facts.sop_instance_uid or not facts.sop_class_uid:
        what = "instance" if facts.sop_class_uid else "class"
        raise DataSetError(f"SOP {what} UID missing in the data set, or empty", path=path)
    if not is_whole:
        verify_complete(fd, read_identity(fd, path=path, keep_head=False), path=path)
    try:
        size = os.fstat(fd).st_size
        meta = read_file_meta(fd, path=path)
        offset = meta.data_set_offset
        digest = digest_of(fd, offset, size)
    except OSError as error:
        raise DataSetError(error.strerror or str(error), path=path) from error
    if source is None:
        source = meta.source_application_entity_title
    return NewInstance(facts, path, size, offset, digest, received, source)


def digest_of(fd: int, offset: int, end: int) -> bytes:
    """Return the SHA-256 of a part of a file, from an offset to before an end, in bytes.

    Raises:
        OSError: it cannot be read, or is shorter.
    """
    from hashlib import sha256

    digest = sha256(usedforsecurity=False)
    while offset < end:
        data = os.pread(fd, min(_CHUNK, end - offset), offset)
        if not data:
            raise OSError(0, "the file became shorter")
        digest.update(data)
        offset += len(data)
    return digest.digest()
