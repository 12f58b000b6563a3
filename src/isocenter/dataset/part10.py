"""The head of a DICOM file: preamble, prefix and File Meta Information.

Owns how group 0002 is written and read, and the guess at a transfer syntax where a file
does not name one. Must not know what the data set says.

Reading is tolerant, as files in the field are: the preamble or the whole File Meta
Information may be missing, the group length wrong or absent, UIDs padded with blanks,
elements written in implicit VR. What is not tolerated raises `DataSetError` with the
place; sizes are checked against `FileMetaLimits` before anything follows them.

PS3.10 7.1 (File Meta Information), PS3.5 7.1 (data elements).
"""

from __future__ import annotations

import os
import struct

from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = [
    "DEFAULT_FILE_META_LIMITS",
    "LONG_VRS",
    "SHORT_VRS",
    "FileMeta",
    "FileMetaLimits",
    "FileMetaTemplate",
    "encode_file_meta",
    "guess_transfer_syntax",
    "read_file_meta",
    "uid_text",
]

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""VRs with a 16-bit length (PS3.5 7.1.2)."""

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs with two reserved bytes and a 32-bit length (PS3.5 7.1.2)."""

_ALL_VRS = SHORT_VRS | LONG_VRS
_PREAMBLE = 128
_PREFIX = b"DICM"
_UNDEFINED = 0xFFFFFFFF

_HEADER = struct.Struct("<HH2sH")  # group, element, VR, 16-bit length
_U32 = struct.Struct("<I")


class FileMetaLimits(Record):
    """Sizes beyond which a File Meta Information is refused; see `isocenter.limits`."""

    maximum_file_meta_length: int = DEFAULTS.maximum_file_meta_length
    """Bytes of group 0002, inclusive. With the preamble it has to stay below the 1 MiB that
    `identity` reads of a file at once."""

    maximum_file_meta_elements: int = DEFAULTS.maximum_file_meta_elements
    """Elements of group 0002, inclusive."""


DEFAULT_FILE_META_LIMITS = FileMetaLimits()


class FileMeta:
    """What the head of a file says; text is "" where the element is absent.

    Attributes:
        present: False where the file has no group 0002 at all.
        has_preamble: the file starts with 128 bytes and ``DICM``.
        data_set_offset: where the data set starts, in bytes from the start of the file.
        transfer_syntax_uid: (0002,0010).
        media_storage_sop_class_uid: (0002,0002).
        media_storage_sop_instance_uid: (0002,0003).
        implementation_class_uid: (0002,0012).
        implementation_version_name: (0002,0013).
        source_application_entity_title: (0002,0016).

    PS3.10 7.1.
    """

    __slots__ = (
        "data_set_offset",
        "has_preamble",
        "implementation_class_uid",
        "implementation_version_name",
        "media_storage_sop_class_uid",
        "media_storage_sop_instance_uid",
        "present",
        "source_application_entity_title",
        "transfer_syntax_uid",
    )

    def __init__(self, values: dict[int, str], *, data_set_offset: int, has_preamble: bool) -> None:
        """Take the text of the elements by element number."""
        self.present = bool(values)
        self.has_preamble = has_preamble
        self.data_set_offset = data_set_offset
        get = values.get
        self.media_storage_sop_class_uid = get(0x0002, "")
        self.media_storage_sop_instance_uid = get(0x0003, "")
        self.transfer_syntax_uid = get(0x0010, "")
        self.implementation_class_uid = get(0x0012, "")
        self.implementation_version_name = get(0x0013, "")
        self.source_application_entity_title = get(0x0016, "")


_WANTED = frozenset({0x0002, 0x0003, 0x0010, 0x0012, 0x0013, 0x0016})


def uid_text(value: Buffer) -> str:
    """Return the text of a UID or short string without its padding (NULs or blanks).

    Bytes above 0x7E are read as Latin-1, so that nothing is lost (PS3.5 6.2, 9.1).
    """
    return bytes(value).decode("latin-1").strip(" \0")


def read_file_meta(
    source: Buffer | int,
    *,
    path: str | None = None,
    limits: FileMetaLimits = DEFAULT_FILE_META_LIMITS,
) -> FileMeta:
    """Read the File Meta Information at the start of a file.

    Args:
        source: the first bytes of the file (all of it, or enough for the limit and the
            preamble), or an open descriptor, whose position is neither used nor moved.
        path: for errors only.
        limits: sizes beyond which it is refused.

    A file without File Meta Information gives `present` False and the offset at which its
    data set would start; whether there is one is for `guess_transfer_syntax` to say.

    Raises:
        DataSetError: group 0002 is cut short, malformed or over a limit, or the descriptor
            cannot be read.

    PS3.10 7.1.
    """
    if isinstance(source, int):
        try:
            data: Buffer = os.pread(
                source, _PREAMBLE + len(_PREFIX) + limits.maximum_file_meta_length + 12, 0
            )
        except OSError as error:
            raise DataSetError(error.strerror or str(error), path=path) from error
    else:
        data = source
    has_preamble = bytes(data[_PREAMBLE : _PREAMBLE + 4]) == _PREFIX
    # Some writers leave out the preamble but not the prefix.
    prefix = _PREAMBLE if has_preamble else 0
    start = prefix + 4 if bytes(data[prefix : prefix + 4]) == _PREFIX else 0
    values, end = _read_group(data, start, path, limits)
    return FileMeta(values, data_set_offset=end, has_preamble=has_preamble)


def _read_group(
    data: Buffer, start: int, path: str | None, limits: FileMetaLimits
) -> tuple[dict[int, str], int]:
    """Return the wanted values of group 0002 and the offset of what follows it."""
    values: dict[int, str] = {}
    size = len(data)
    furthest = start + limits.maximum_file_meta_length
    declared_end = -1
    last = -1
    count = 0
    position = start
    while size - position >= 8:
        group, element, vr, length = _HEADER.unpack_from(data, position)
        if group != 0x0002:
            break
        # The bytes after a right group length may look like group 0002, for a deflated data
        # set is any bytes; a too small group length is only believed where they do not.
        if position == declared_end and not (element > last and vr in _ALL_VRS):
            break
        count += 1
        if count > limits.maximum_file_meta_elements:
            raise DataSetError(
                f"File Meta Information has more than {limits.maximum_file_meta_elements} elements",
                path=path,
                offset=position,
            )
        value = position + 8
        if vr not in SHORT_VRS:
            value, length = _long_header(data, position, vr, length)
        _check_value(element, value, length, size, furthest, path, position)
        if element in _WANTED:
            values[element] = uid_text(data[value : value + length])
        elif element == 0x0000 and length == 4:
            values.setdefault(0x0000, "")
            declared_end = value + 4 + _U32.unpack_from(data, value)[0]
        else:
            values.setdefault(element, "")
        last = element
        position = value + length
    else:
        rest = bytes(data[position : position + 2])
        if rest and position and position != declared_end and b"\x02\x00".startswith(rest):
            raise DataSetError(
                "File Meta Information is cut short in an element header",
                path=path,
                offset=position,
            )
    return values, position


def _long_header(data: Buffer, position: int, vr: bytes, length: int) -> tuple[int, int]:
    """Return value offset and length of an element whose VR has no 16-bit length."""
    if vr in LONG_VRS or (vr.isalpha() and vr.isupper() and length == 0):
        # A VR unknown to this table with zero reserved bytes is a newer one (PS3.5 6.2).
        if len(data) - position < 12:
            return position + 12, 0
        return position + 12, int(_U32.unpack_from(data, position + 8)[0])
    if vr.isalpha() and vr.isupper():
        return position + 8, length
    return position + 8, int(_U32.unpack_from(data, position + 4)[0])  # implicit VR


def _check_value(
    element: int,
    value: int,
    length: int,
    size: int,
    furthest: int,
    path: str | None,
    position: int,
) -> None:
    """Refuse a value that does not end inside the data and the limit."""
    if value + length <= size and value + length <= furthest:
        return
    if length == _UNDEFINED:
        reason = f"File Meta Information: (0002,{element:04x}) has an undefined length"
    elif value + length > furthest:
        reason = (
            f"File Meta Information: (0002,{element:04x}) of {length} bytes goes beyond the "
            "maximum length of the group"
        )
    else:
        reason = (
            f"File Meta Information is cut short: (0002,{element:04x}) has {length} bytes, "
            f"{max(size - value, 0)} left"
        )
    raise DataSetError(reason, path=path, offset=position)


def guess_transfer_syntax(data: Buffer, offset: int = 0, *, remaining: int | None = None) -> str:
    """Return the transfer syntax that the first element of a data set speaks for.

    Args:
        data: bytes that hold at least the first 8 bytes of the data set.
        offset: where the data set starts in `data`.
        remaining: length of the data set in bytes where `data` does not hold all of it.

    Returns:
        Implicit VR Little Endian, Explicit VR Little Endian or Big Endian; "" where the
        bytes do not look like a data set.

    A data set starts with a low group number, 0004 or above; groups from 0x2000 are two
    characters of text.
    """
    if len(data) - offset < 8:
        return ""
    little, _element, vr, _length = _HEADER.unpack_from(data, offset)
    big = (little & 0xFF) << 8 | little >> 8
    if not 0x0004 <= min(little, big) < 0x2000:
        return ""
    if vr in SHORT_VRS or vr in LONG_VRS:
        return EXPLICIT_VR_LITTLE_ENDIAN if little <= big else EXPLICIT_VR_BIG_ENDIAN
    length = int(_U32.unpack_from(data, offset + 4)[0])
    left = (len(data) - offset if remaining is None else remaining) - 8
    if little <= big and (length <= left or length == _UNDEFINED):
        return IMPLICIT_VR_LITTLE_ENDIAN
    return ""


_FILE_META_HEAD = bytes(_PREAMBLE) + _PREFIX + b"\x02\x00\x00\x00UL\x04\x00"
_FILE_META_VERSION = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
_U16 = struct.Struct("<H")


def _text_element(element: int, vr: bytes, text: str, padding: bytes) -> bytes:
    value = text.encode("latin-1")
    if len(value) & 1:
        value += padding
    if len(value) > 0xFFFE:
        raise ValueError(f"(0002,{element:04x}): {len(value)} bytes do not fit a 16-bit length")
    return b"\x02\x00" + _U16.pack(element) + vr + _U16.pack(len(value)) + value


def encode_file_meta(
    *,
    transfer_syntax_uid: str,
    sop_class_uid: str,
    sop_instance_uid: str,
    source_application_entity_title: str = "",
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID,
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME,
) -> bytes:
    """Return preamble, prefix and group 0002, explicit VR little endian.

    The elements and their order are those of files written by DCMTK; Source Application
    Entity Title is left out where it is "".

    Raises:
        ValueError: a value is longer than 65534 bytes or has no Latin-1 code.

    PS3.10 7.1.
    """
    return FileMetaTemplate(
        transfer_syntax_uid=transfer_syntax_uid,
        sop_class_uid=sop_class_uid,
        source_application_entity_title=source_application_entity_title,
        implementation_class_uid=implementation_class_uid,
        implementation_version_name=implementation_version_name,
    ).encode(sop_instance_uid)


class FileMetaTemplate:
    """File Meta Information of many objects that differ in their instance alone.

    A sender's objects of one series share everything else, so a receiver encodes the rest once
    (bench/, row "small").

    Args:
        As `encode_file_meta`.

    Raises:
        As `encode_file_meta`.
    """

    __slots__ = ("_after", "_before", "_length")

    def __init__(
        self,
        *,
        transfer_syntax_uid: str,
        sop_class_uid: str,
        source_application_entity_title: str,
        implementation_class_uid: str,
        implementation_version_name: str,
    ) -> None:
        """Encode what is the same for all."""
        self._before = _FILE_META_VERSION + _text_element(0x0002, b"UI", sop_class_uid, b"\0")
        after = (
            _text_element(0x0010, b"UI", transfer_syntax_uid, b"\0")
            + _text_element(0x0012, b"UI", implementation_class_uid, b"\0")
            + _text_element(0x0013, b"SH", implementation_version_name, b" ")
        )
        if source_application_entity_title:
            after += _text_element(0x0016, b"AE", source_application_entity_title, b" ")
        self._after = after
        self._length = len(self._before) + len(after)

    def encode(self, sop_instance_uid: str) -> bytes:
        """Return preamble, prefix and group 0002 for one instance.

        Raises:
            ValueError: the UID is longer than 65534 bytes or has no Latin-1 code.
        """
        instance = _text_element(0x0003, b"UI", sop_instance_uid, b"\0")
        length = _U32.pack(self._length + len(instance))
        return _FILE_META_HEAD + length + self._before + instance + self._after
