"""What must be known of a file before it is sent: its UIDs, its syntax, where its data is.

Owns the early-stopping pass over the head of a file and the walk that tells whether a
file was cut short. Must not know of pixel data, of elements beyond their headers, or of
what the identity is used for. Nothing here is recursive, and nothing is read that is not
a header or one of two UIDs.

PS3.10 7.1, PS3.5 7.1, PS3.4 B.3 (SOP Class and Instance UID of a composite object).
"""

from __future__ import annotations

import os
from stat import S_ISREG

from isocenter.dataset.headers import (
    HEADERS,
    UNDEFINED_LENGTH,
    CutShort,
    Unreadable,
    Window,
    pass_all,
    skip_undefined,
)
from isocenter.dataset.part10 import (
    DEFAULT_FILE_META_LIMITS,
    FileMetaLimits,
    guess_transfer_syntax,
    read_file_meta,
    uid_text,
)
from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.headers import Headers
    from isocenter.dataset.part10 import FileMeta
    from isocenter.limits import Limits
    from isocenter.uids import TransferSyntax

__all__ = [
    "DEFAULT_IDENTITY_LIMITS",
    "HAS_FILE_META",
    "NOT_DICOM",
    "NO_SOP_CLASS",
    "NO_SOP_INSTANCE",
    "Identity",
    "IdentityLimits",
    "read_identity",
    "verify_complete",
]

NOT_DICOM = "not a DICOM file"
"""Reason where neither File Meta Information nor a data set is found."""

NO_SOP_CLASS = "no SOP Class UID"
"""Reason where neither the data set nor the File Meta Information names the SOP class."""

NO_SOP_INSTANCE = "no SOP Instance UID"
"""Reason where neither the data set nor the File Meta Information names the instance."""

HAS_FILE_META = "File meta information header found, no data set alone"
"""Reason where a data set alone was asked for and the file is more than that."""

_SOP_CLASS = 0x00080016
_SOP_INSTANCE = 0x00080018

_FIRST_READ = 16 * 1024  # bytes of a file too long to be kept; the head of nearly all of them
_INFLATE_STEP = 64 * 1024  # bytes read or inflated at once
_DEFLATED_START = 256  # bytes in which a deflated data set shows its first element


class IdentityLimits(Record):
    """Sizes that bound what is read of a file."""

    maximum_head_length: int = 1024 * 1024
    """Files up to this many bytes, inclusive, are read at once and kept for the sender: a
    second open and read costs more than the copy. At least 128 KiB."""

    maximum_scan_length: int = 1024 * 1024
    """Bytes of the data set, inclusive, in which (0008,0018) must begin; only groups up to
    0008 stand before it. For a deflated data set, inflated bytes."""

    maximum_depth: int = DEFAULTS.maximum_depth
    """Nested sequences and items of undefined length, inclusive; see `isocenter.limits`."""

    maximum_inflated_length: int = 4 * 1024 * 1024 * 1024
    """Bytes that are inflated to see whether a deflated data set is complete; beyond, it
    passes unchecked."""

    file_meta: FileMetaLimits = DEFAULT_FILE_META_LIMITS
    """Limits of the File Meta Information."""

    @classmethod
    def of(cls, limits: Limits) -> IdentityLimits:
        """Return those of a file to send."""
        return cls(
            maximum_depth=limits.maximum_depth,
            file_meta=FileMetaLimits(
                maximum_file_meta_length=limits.maximum_file_meta_length,
                maximum_file_meta_elements=limits.maximum_file_meta_elements,
            ),
        )


DEFAULT_IDENTITY_LIMITS = IdentityLimits()


class Identity:
    """What must be known of a file before it is sent.

    Attributes:
        sop_class_uid, sop_instance_uid: of the data set; of the File Meta Information only
            where the data set has none.
        transfer_syntax_uid: of the File Meta Information, guessed where it has none.
        data_set_offset, data_set_length: in bytes from the start of the file.
        head: the whole file where it is short enough to be kept, else None.
        blank_uids: tags of the two whose values in the data set hold blanks, which no UID may
            (PS3.5 9.1); the UIDs above are without.
        missing_uids: tags of the two that the data set has not, or empty.
        file_meta: the File Meta Information; its `present` is False for a raw data set.

    PS3.10 7.1.
    """

    __slots__ = (
        "blank_uids",
        "data_set_length",
        "data_set_offset",
        "encoding",
        "file_meta",
        "head",
        "missing_uids",
        "sop_class_uid",
        "sop_instance_uid",
        "transfer_syntax_uid",
    )

    def __init__(
        self,
        file_meta: FileMeta,
        *,
        transfer_syntax_uid: str,
        encoding: TransferSyntax,
        data_set_length: int,
        head: bytes | None,
    ) -> None:
        """Keep the facts; the UIDs are set once the data set was scanned."""
        self.file_meta = file_meta
        self.transfer_syntax_uid = transfer_syntax_uid
        self.encoding = encoding
        """How the headers are read: for an unknown transfer syntax that of the guess."""
        self.data_set_offset = file_meta.data_set_offset
        self.data_set_length = data_set_length
        self.head = head
        self.sop_class_uid = ""
        self.sop_instance_uid = ""
        self.blank_uids: tuple[int, ...] = ()
        self.missing_uids: tuple[int, ...] = ()


def read_identity(
    source: int | str | bytes | os.PathLike[str],
    *,
    path: str | None = None,
    keep_head: bool = True,
    data_set_only: bool = False,
    limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS,
) -> Identity:
    """Read what must be known of a file before it is sent.

    Args:
        source: a path, opened and closed here, or an open descriptor, whose position is
            neither used nor moved.
        path: for errors, where `source` is a descriptor.
        keep_head: keep the bytes of a short file in `Identity.head`.
        data_set_only: refuse a file with File Meta Information.
        limits: sizes that bound what is read.

    Raises:
        DataSetError: the file cannot be read, is no regular file, is not DICOM, is cut
            short within what was read, or names no SOP class or instance. `reason` starts
            with `NOT_DICOM`, `NO_SOP_CLASS`, `NO_SOP_INSTANCE` or `HAS_FILE_META` where it is
            one of these.

    PS3.10 7.1, PS3.5 7.1.
    """
    if isinstance(source, int):
        identity = _identify(source, path, keep_head=keep_head, limits=limits)
        return _checked(identity, path, data_set_only=data_set_only)
    name = os.fsdecode(source)
    try:
        # A FIFO must not block, a terminal must not become ours.
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise DataSetError(_words(error), path=name) from error
    try:
        identity = _identify(fd, name, keep_head=keep_head, limits=limits)
    finally:
        os.close(fd)
    return _checked(identity, name, data_set_only=data_set_only)


def _checked(identity: Identity, path: str | None, *, data_set_only: bool) -> Identity:
    if data_set_only and identity.file_meta.present:
        raise DataSetError(HAS_FILE_META, path=path)
    return identity


def _words(error: OSError | ValueError) -> str:
    """Return what the operating system says; a path with a NUL is a ValueError."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _identify(fd: int, path: str | None, *, keep_head: bool, limits: IdentityLimits) -> Identity:
    try:
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            raise DataSetError("not a regular file", path=path)
        size = status.st_size
        whole = keep_head and size <= limits.maximum_head_length
        data = os.pread(fd, size if whole else _FIRST_READ, 0)
        if whole:
            size = len(data)
        meta = _file_meta(fd, data, size, path, limits)
        identity = _begin(fd, data, size, meta, path, keep=whole and keep_head)
        window = Window(data, size, fd)
        if identity.encoding.is_deflated:
            found = _scan_deflated(fd, identity, limits)
        else:
            found = _scan(
                window,
                identity.data_set_offset,
                HEADERS[identity.encoding.is_explicit, identity.encoding.is_little],
                limits,
            )
    except OSError as error:
        raise DataSetError(_words(error), path=path) from error
    except CutShort as cut:
        raise _cut_short_error(cut, path) from None
    except Unreadable as bad:
        raise DataSetError(
            f"data set cannot be read: {bad.reason}", path=path, offset=bad.offset
        ) from None
    sop_class, sop_instance = found
    identity.sop_class_uid = uid_text(sop_class)
    identity.sop_instance_uid = uid_text(sop_instance)
    if not (identity.sop_class_uid and identity.sop_instance_uid):
        _complete(identity)
    if b" " in sop_class or b" " in sop_instance:
        pairs = (_SOP_CLASS, sop_class), (_SOP_INSTANCE, sop_instance)
        identity.blank_uids = tuple(tag for tag, value in pairs if b" " in value)
    if not identity.sop_class_uid:
        raise DataSetError(NO_SOP_CLASS, path=path)
    if not identity.sop_instance_uid:
        raise DataSetError(NO_SOP_INSTANCE, path=path)
    return identity


def _complete(identity: Identity) -> None:
    """Take the UIDs that the data set has not from the File Meta Information."""
    if not identity.sop_class_uid:
        identity.missing_uids = (_SOP_CLASS,)
        identity.sop_class_uid = identity.file_meta.media_storage_sop_class_uid
    if not identity.sop_instance_uid:
        identity.missing_uids += (_SOP_INSTANCE,)
        identity.sop_instance_uid = identity.file_meta.media_storage_sop_instance_uid


def _cut_short_error(cut: CutShort, path: str | None) -> DataSetError:
    return DataSetError(
        f"cut short: {cut.missing} bytes of an element are missing", path=path, offset=cut.offset
    )


def _file_meta(
    fd: int, data: bytes, size: int, path: str | None, limits: IdentityLimits
) -> FileMeta:
    """Read the File Meta Information from the bytes at hand, or from more of the file."""
    try:
        return read_file_meta(data, path=path, limits=limits.file_meta)
    except DataSetError:
        if len(data) == size:
            raise
        return read_file_meta(fd, path=path, limits=limits.file_meta)


def _begin(
    fd: int, data: bytes, size: int, meta: FileMeta, path: str | None, *, keep: bool
) -> Identity:
    """Return the identity without UIDs: transfer syntax, place and length of the data set.

    Raises:
        DataSetError: there is nothing that looks like a data set.
    """
    offset = meta.data_set_offset
    if not size:
        raise DataSetError(f"{NOT_DICOM}: empty file", path=path)
    if meta.present and size <= offset:
        raise DataSetError("cut short: no data set", path=path, offset=offset)
    uid = meta.transfer_syntax_uid
    encoding = TRANSFER_SYNTAXES.get(uid)
    if encoding is None:
        # No File Meta Information, no transfer syntax in it, or one that is not known.
        start = data[offset : offset + _DEFLATED_START] or os.pread(fd, _DEFLATED_START, offset)
        guess = guess_transfer_syntax(start, remaining=size - offset)
        if not guess and not uid and _looks_deflated(start):
            guess = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        if not guess and meta.present:
            named = repr(uid[:64]) if uid else "is not named and"  # the file may say anything
            raise DataSetError(
                f"transfer syntax {named} cannot be told from the data set",
                path=path,
                offset=offset,
            )
        if not guess:
            raise DataSetError(NOT_DICOM, path=path)
        encoding = TRANSFER_SYNTAXES[guess]
        uid = uid or guess
    return Identity(
        meta,
        transfer_syntax_uid=uid,
        encoding=encoding,
        data_set_length=size - offset,
        head=data if keep else None,
    )


def _looks_deflated(start: bytes) -> bool:
    """Tell whether these bytes inflate to the beginning of a data set (PS3.5 A.5)."""
    import zlib

    try:
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(start, 64)
    except zlib.error:
        return False
    return guess_transfer_syntax(inflated, remaining=1 << 32) == EXPLICIT_VR_LITTLE_ENDIAN


def _scan(
    window: Window, start: int, headers: Headers, limits: IdentityLimits
) -> tuple[bytes, bytes]:
    """Return SOP class and instance UID as the data set has them, b"" for what it has not.

    Stops at the first element behind (0008,0018).
    """
    sop_class = sop_instance = b""
    position = start
    furthest = start + limits.maximum_scan_length
    while position < window.end:
        if position > furthest:
            raise Unreadable(
                position, f"SOP Instance UID is not in the first {limits.maximum_scan_length} bytes"
            )
        tag, vr, value, length = headers.read(window, position)
        if tag > _SOP_INSTANCE:
            break
        if length == UNDEFINED_LENGTH:
            position = skip_undefined(window, value, headers, vr, limits.maximum_depth)
            continue
        end = value + length
        if end > window.end:
            raise CutShort(position, end - window.end)
        if tag in {_SOP_CLASS, _SOP_INSTANCE}:
            if length > 0xFFFE:
                raise Unreadable(position, f"a UID of {length} bytes")
            uid = _value(window, value, length)
            if tag == _SOP_INSTANCE:
                return sop_class, uid
            sop_class = uid
        position = end
    else:
        if window.is_partial:
            raise CutShort(position, 8)
    return sop_class, sop_instance


def _value(window: Window, position: int, length: int) -> bytes:
    """Return a value of at most 64 KiB."""
    data, index = window.at(position)
    value = data[index : index + length]
    while len(value) < length:
        data, index = window.at(position + len(value))
        more = data[index : index + length - len(value)]
        if not more:
            raise CutShort(position, length - len(value))
        value += more
    return value


def _scan_deflated(fd: int, identity: Identity, limits: IdentityLimits) -> tuple[bytes, bytes]:
    """Inflate the beginning of a data set and scan it (PS3.5 A.5).

    Raises:
        Unreadable: it is no deflate stream.
    """
    import zlib

    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = b""
    position = identity.data_set_offset
    wanted = _FIRST_READ
    while True:
        try:
            while len(inflated) < wanted and not inflater.eof:
                chunk = inflater.unconsumed_tail
                if not chunk:
                    chunk = os.pread(fd, _FIRST_READ, position)
                    position += len(chunk)
                if not chunk:
                    break
                inflated += inflater.decompress(chunk, wanted - len(inflated))
        except zlib.error as error:
            raise Unreadable(identity.data_set_offset, str(error)) from error
        try:
            window = Window(inflated, len(inflated), -1)
            window.is_partial = not inflater.eof
            return _scan(window, 0, HEADERS[True, True], limits)
        except CutShort as cut:
            if len(inflated) < wanted or wanted > limits.maximum_scan_length:
                raise CutShort(identity.data_set_offset, cut.missing) from None
            wanted = limits.maximum_scan_length + 0x10000


def verify_complete(
    fd: int,
    identity: Identity,
    *,
    path: str | None = None,
    limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS,
) -> None:
    """Raise where a file was cut short: an element of its data set ends behind its end.

    Only headers are read, values are passed over; of a deflated data set the end of the
    stream is looked for. A file cut short between two elements cannot be told from a whole
    one. What cannot be read as an element (a foreign encoding, padding behind the last
    element) is no proof that something is missing and passes.

    Args:
        fd: the file; not used where `identity.head` holds it and it is not deflated.
        identity: what `read_identity` returned for the file.
        path: for errors only.
        limits: `maximum_depth` and `maximum_inflated_length` are used.

    Raises:
        DataSetError: the data set is cut short (with the offset of the element), or the
            file cannot be read.

    PS3.5 7.1.
    """
    start = identity.data_set_offset
    end = start + identity.data_set_length
    encoding = identity.encoding
    try:
        if encoding.is_deflated:
            _verify_deflated(fd, identity, limits)
            return
        pass_all(
            Window(identity.head or b"", end, fd),
            start,
            HEADERS[encoding.is_explicit, encoding.is_little],
            limits.maximum_depth,
        )
    except CutShort as cut:
        raise _cut_short_error(cut, path) from None
    except Unreadable:
        return
    except OSError as error:
        raise DataSetError(_words(error), path=path) from error


def _verify_deflated(fd: int, identity: Identity, limits: IdentityLimits) -> None:
    """Look for the end of the deflate stream; keeps one chunk in memory.

    Raises:
        CutShort: the file ends before the stream does.
        Unreadable: it is no deflate stream.
    """
    import zlib

    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    position = identity.data_set_offset
    end = position + identity.data_set_length
    inflated = count = 0
    try:
        while not inflater.eof and inflated <= limits.maximum_inflated_length:
            chunk = inflater.unconsumed_tail
            # Behind a full piece there may be more in zlib, even where it took all of the input.
            if not chunk and count < _INFLATE_STEP:
                chunk = _deflated_bytes(fd, identity, position, end)
                position += len(chunk)
                if not chunk:
                    raise CutShort(identity.data_set_offset, 1)
            count = len(inflater.decompress(chunk, _INFLATE_STEP))
            inflated += count
    except zlib.error as error:
        raise Unreadable(identity.data_set_offset, str(error)) from error


def _deflated_bytes(fd: int, identity: Identity, position: int, end: int) -> bytes:
    """Return the next bytes of a data set, from memory where they are there."""
    length = min(_INFLATE_STEP, end - position)
    if identity.head is not None:
        return identity.head[position : position + length]
    return os.pread(fd, length, position)
