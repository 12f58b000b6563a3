"""One file made ready to be sent: opened, read, identified and found complete.

Owns the open file until its request was sent. Must not know contexts, messages or logs.

A small file is read whole with the pass that identifies it, and closed; of a big one only the
descriptor and the place of the data set are kept, so that memory does not grow with its size.

On the wire a data set has an even length (PS3.8 annex E): a deflated one, which may end anywhere
in a file, gets its NUL (PS3.5 A.5); any other of odd length is refused, since receivers abort.

PS3.10 7, PS3.4 B.4.1.
"""

from __future__ import annotations

import os

from isocenter.dataset.identity import read_identity, verify_complete
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.identity import Identity
    from isocenter.wire import Segment

__all__ = ["PreparedFile", "identify", "prepare"]

# Opening a named pipe must not wait for somebody to write into it, nor a terminal become ours.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class PreparedFile:
    """A file that can be sent as it is.

    Attributes:
        path: as given.
        sop_class_uid, sop_instance_uid, transfer_syntax_uid: without padding.
        data: the data set: bytes in memory, or a region of the open file and the padding.
        length: of `data` in bytes, even.
    """

    __slots__ = (
        "_facts",
        "_fd",
        "data",
        "length",
        "path",
        "sop_class_uid",
        "sop_instance_uid",
        "transfer_syntax_uid",
    )

    def __init__(self, path: str, identity: Identity, fd: int) -> None:
        """Take over the descriptor, -1 where the whole file is in memory."""
        self.path = path
        self.sop_class_uid = identity.sop_class_uid
        self.sop_instance_uid = identity.sop_instance_uid
        self.transfer_syntax_uid = identity.transfer_syntax_uid
        self.length = identity.data_set_length
        self._fd = fd
        self._facts = (0, 0)
        self.data: tuple[Segment, ...]
        is_odd = self.length % 2
        if identity.head is not None:
            head = identity.head + b"\0" if is_odd else identity.head
            self.data = (memoryview(head)[identity.data_set_offset :],)
        else:
            region = FileRegion(fd, identity.data_set_offset, self.length)
            self.data = (region, b"\0") if is_odd else (region,)
            self._facts = _size_and_time(fd)
        self.length += is_odd

    def check_unchanged(self) -> None:
        """Look again just before the file is sent; one in memory cannot have changed.

        Raises:
            DataSetError: the file was written to since it was read.
            OSError: it cannot be looked at.
        """
        if self._fd >= 0 and _size_and_time(self._fd) != self._facts:
            raise DataSetError("file changed while it waited to be sent")

    def close(self) -> None:
        """Close the file; harmless when closed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _size_and_time(fd: int) -> tuple[int, int]:
    """Return size in bytes and time of the last change in nanoseconds."""
    facts = os.fstat(fd)
    return facts.st_size, facts.st_mtime_ns


def prepare(path: str, *, file_only: bool = False) -> PreparedFile:
    """Open a file, identify it and see that nothing of it is missing.

    Args:
        path: of the file.
        file_only: refuse a file without File Meta Information (PS3.10 7.1).

    Raises:
        OSError: it cannot be opened or read.
        DataSetError: it is no DICOM file, is cut short or of odd length, or names no SOP class
            or instance.
    """
    fd = os.open(path, _OPEN_FLAGS)
    try:
        identity = read_identity(fd)
        if file_only:
            _demand_file_meta(identity)
        verify_complete(fd, identity)
        if identity.data_set_length % 2 and not identity.encoding.is_deflated:
            msg = f"data set of odd length, {identity.data_set_length} bytes (PS3.5 7.1.1)"
            raise DataSetError(msg)
        if identity.head is None:
            prepared = PreparedFile(path, identity, fd)
            fd = -1
            return prepared
    finally:
        if fd >= 0:
            os.close(fd)
    return PreparedFile(path, identity, -1)


def identify(path: str, *, file_only: bool = False) -> Identity:
    """Read a file's UIDs alone, as far as the beginning tells them.

    Raises:
        OSError, DataSetError: as `prepare`, except that a file cut short may pass.
    """
    fd = os.open(path, _OPEN_FLAGS)
    try:
        identity = read_identity(fd, keep_head=False)
    finally:
        os.close(fd)
    if file_only:
        _demand_file_meta(identity)
    return identity


def _demand_file_meta(identity: Identity) -> None:
    if not identity.file_meta.present:
        raise DataSetError("File meta information header missing")
