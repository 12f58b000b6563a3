"""One file made ready to be sent: opened, read, identified and found complete.

Owns the open file until its request was sent. Must not know contexts, messages or logs.

A small file is read whole with the pass that identifies it, and closed; of a big one only the
descriptor and the place of the data set are kept, so that memory does not grow with its size.

On the wire a data set has an even length (PS3.8 annex E): a deflated one, which may end anywhere
in a file, gets its NUL (PS3.5 A.5); any other of odd length cannot be sent as it is, since
receivers abort.

PS3.10 7, PS3.4 B.4.1.
"""

from __future__ import annotations

import os
import stat

from isocenter.dataset.identity import DEFAULT_IDENTITY_LIMITS, read_identity, verify_complete
from isocenter.dataset.part10 import read_file_meta
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.identity import Identity, IdentityLimits
    from isocenter.dataset.part10 import FileMeta
    from isocenter.wire import Segment

__all__ = [
    "ANY_FORM",
    "DATA_SET_ONLY",
    "FILE_ONLY",
    "PreparedFile",
    "identify",
    "prepare",
    "read_meta",
]

ANY_FORM, FILE_ONLY, DATA_SET_ONLY = "any", "file", "data set"
"""Forms a file may have: with or without File Meta Information (PS3.10 7.1), only with, only
without."""

# Opening a named pipe must not wait for somebody to write into it, nor a terminal become ours.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

_META_READ = 4096  # bytes in which the File Meta Information of nearly all files ends


class PreparedFile:
    """A file that can be sent as it is.

    Attributes:
        path: as given.
        sop_class_uid, sop_instance_uid, transfer_syntax_uid: without padding.
        blank_uids: tags of the first two where blanks were left out of them.
        missing_uids: tags of the first two where the data set has none of its own.
        source: the data set as it is in the file: bytes in memory, or a region of the open file.
        data: `source`, and its padding where it is deflated and of odd length.
        length: of `data` in bytes.
        is_odd: it cannot be sent as it is, because its length is odd.
    """

    __slots__ = (
        "_facts",
        "_fd",
        "blank_uids",
        "data",
        "is_odd",
        "length",
        "missing_uids",
        "path",
        "sop_class_uid",
        "sop_instance_uid",
        "source",
        "transfer_syntax_uid",
    )

    def __init__(self, path: str, identity: Identity, fd: int) -> None:
        """Take over the descriptor, -1 where the whole file is in memory."""
        self.path = path
        self.sop_class_uid = identity.sop_class_uid
        self.sop_instance_uid = identity.sop_instance_uid
        self.transfer_syntax_uid = identity.transfer_syntax_uid
        self.blank_uids = identity.blank_uids
        self.missing_uids = identity.missing_uids
        self.length = identity.data_set_length
        self._fd = fd
        self._facts = (0, 0)
        self.source: memoryview | FileRegion
        if identity.head is not None:
            self.source = memoryview(identity.head)[identity.data_set_offset :]
        else:
            self.source = FileRegion(fd, identity.data_set_offset, self.length)
            self._facts = _size_and_time(fd)
        self.data: tuple[Segment, ...] = (self.source,)
        self.is_odd = False
        if self.length % 2:
            self.is_odd = not identity.encoding.is_deflated
            if not self.is_odd:
                self.data = (*self.data, b"\0")
                self.length += 1

    @property
    def is_open(self) -> bool:
        """True where data is read from the file when it is sent; False where it is in memory."""
        return self._fd >= 0

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


def prepare(
    path: str, *, form: str = ANY_FORM, limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS
) -> PreparedFile:
    """Open a file, identify it and see that nothing of it is missing.

    Args:
        path: of the file.
        form: `ANY_FORM`, `FILE_ONLY` or `DATA_SET_ONLY`; another file is refused.
        limits: of what is read of it.

    Raises:
        OSError: it cannot be opened or read.
        DataSetError: it is no DICOM file, is cut short, or names no SOP class or instance that a
            command set can carry.
    """
    fd = os.open(path, _OPEN_FLAGS)
    try:
        identity = read_identity(fd, data_set_only=form == DATA_SET_ONLY, limits=limits)
        if form == FILE_ONLY:
            _demand_file_meta(identity)
        _demand_ascii(identity)
        verify_complete(fd, identity, limits=limits)
        if identity.head is None:
            prepared = PreparedFile(path, identity, fd)
            fd = -1
            return prepared
    finally:
        if fd >= 0:
            os.close(fd)
    return PreparedFile(path, identity, -1)


def identify(path: str, *, form: str = ANY_FORM) -> Identity:
    """Read a file's UIDs alone, as far as the beginning tells them.

    Raises:
        OSError, DataSetError: as `prepare`, except that a file cut short may pass.
    """
    fd = os.open(path, _OPEN_FLAGS)
    try:
        identity = read_identity(fd, keep_head=False, data_set_only=form == DATA_SET_ONLY)
    finally:
        os.close(fd)
    if form == FILE_ONLY:
        _demand_file_meta(identity)
    _demand_ascii(identity)
    return identity


def read_meta(path: str) -> FileMeta:
    """Read a file's File Meta Information alone; `FileMeta.present` is False where it has none.

    Raises:
        OSError, DataSetError: as `prepare`, as far as the beginning of the file tells.
    """
    fd = os.open(path, _OPEN_FLAGS)
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise DataSetError("not a regular file")
        data = os.pread(fd, _META_READ, 0)
        if not data:
            raise DataSetError("End of stream")
        try:
            return read_file_meta(data)
        except DataSetError:
            if len(data) == facts.st_size:
                raise
            return read_file_meta(fd)
    finally:
        os.close(fd)


def _demand_file_meta(identity: Identity) -> None:
    if not identity.file_meta.present:
        raise DataSetError("File meta information header missing")


def _demand_ascii(identity: Identity) -> None:
    """Refuse UIDs that a command set cannot carry (PS3.7 6.3.1, PS3.5 9.1)."""
    for name, uid in (
        ("SOP class", identity.sop_class_uid),
        ("SOP instance", identity.sop_instance_uid),
    ):
        if not uid.isascii():
            raise DataSetError(f"{name} UID has characters beyond ASCII: {uid[:64]!r}")
