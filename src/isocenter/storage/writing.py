"""Segments into a temporary file, few system calls for many.

Owns how a rewritten data set reaches the disk: buffers together with `writev`, runs of
another file within the kernel. Must not know what the segments are.
"""

from __future__ import annotations

from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.storage.spool import Spool
    from isocenter.storage.spoolfile import SpoolFile
    from isocenter.wire import Buffer, Segment

__all__ = ["write_new", "write_segments"]

_BATCH = 256 * 1024  # bytes gathered before they are written
_MOST = 1024  # buffers in one writev(2)
_SHORT = 16 * 1024  # bytes of a buffer that is copied to wait for others


def write_new(spool: Spool, head: bytes, segments: Iterable[Segment]) -> SpoolFile:
    """Return a new temporary file with a head and segments.

    Raises:
        As `Spool.begin` and `write_segments`; the file is gone.
    """
    new = spool.begin()
    try:
        write_segments(new, head, segments)
    except BaseException:
        new.discard()
        raise
    return new


def write_segments(file: SpoolFile, head: bytes, segments: Iterable[Segment]) -> None:
    """Write a head and segments to a temporary file.

    A buffer is taken over before the next segment is asked for, as its owner may change it.

    Raises:
        StorageFull, StorageError: they could not be written; the file is gone.
        As `segments`.
    """
    batch: list[Buffer] = [head] if head else []
    size = len(head)
    for segment in segments:
        if isinstance(segment, FileRegion):
            if batch:
                file.write(batch)
                batch, size = [], 0
            file.copy_from(segment.fd, segment.offset, segment.length)
            continue
        if len(segment) > _SHORT:
            batch.append(segment)
            file.write(batch)
            batch, size = [], 0
            continue
        batch.append(bytes(segment))
        size += len(segment)
        if size >= _BATCH or len(batch) >= _MOST:
            file.write(batch)
            batch, size = [], 0
    if batch:
        file.write(batch)
