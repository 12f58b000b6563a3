"""Names of files and folders: the one home of every path part that a peer controls.

Owns DCMTK's naming schemes and the rule that what a peer sent becomes one component of a
path and nothing else. Must not touch the file system.

A component made here is ASCII, between 1 and 255 bytes long, holds no separator and no
control character, is neither ``.`` nor ``..`` and never looks like a temporary file of
`isocenter.storage.spool`.

Schemes other than the default give every object a name of its own. Two servers may work on
one directory, so a name that is new to this process may be taken on disk: publish it without
overwriting and, where it is taken, ask for the next one.

PS3.5 9.1 says what a UID may consist of; peers send anything.
"""

from __future__ import annotations

import os
import threading
import time

from isocenter.errors import StorageRefused
from isocenter.record import NamedTuple
from isocenter.uids import modality_prefix, new_uid

__all__ = [
    "MAXIMUM_COMPONENT_LENGTH",
    "SAFE_CHARACTERS",
    "TEMPORARY_PREFIX",
    "TEMPORARY_SUFFIX",
    "FileName",
    "ShortNames",
    "TimeNames",
    "TimeStamps",
    "date_folder",
    "default_file_name",
    "folder_stamp",
    "instance_file_name",
    "patient_folder",
    "sanitise_component",
    "sanitise_value",
    "study_folder",
    "study_uid_of",
    "unique_file_name",
]

MAXIMUM_COMPONENT_LENGTH = 255
"""Bytes of a path component, inclusive: NAME_MAX of the common file systems."""

TEMPORARY_PREFIX = ".isocenter-"
TEMPORARY_SUFFIX = ".part"

SAFE_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz .:@_-"
"""What DCMTK leaves in names and in values that become part of a command; no separator."""

_DIGEST = 16  # bytes; two UIDs that are cut do not become one by chance

_SHOWN = 128  # characters of a peer's text that a log line repeats


class FileName(NamedTuple):
    """A file name and what the log should say about it.

    Fields: `name` one path component; `warning` a line for the log, "" for none.
    """

    name: str
    warning: str = ""


def _is_kept(text: str) -> bool:
    return not text.strip(SAFE_CHARACTERS)


def sanitise_value(text: str) -> str:
    """Return what a peer sent with every character outside `SAFE_CHARACTERS` made ``_``."""
    if _is_kept(text):
        return text
    return "".join(c if c in SAFE_CHARACTERS else "_" for c in text)


def sanitise_component(text: str, *, maximum_length: int = MAXIMUM_COMPONENT_LENGTH) -> str:
    """Return one safe path component made from what a peer sent.

    ASCII letters, digits, blank and ``- . : @ _`` are kept, anything else becomes ``_``, as
    DCMTK does. Beyond DCMTK: nothing becomes ``_``, ``.`` and ``..`` are replaced, a name
    like a temporary file's loses its dot, and what is longer than `maximum_length` bytes
    (at least 40) is cut and ends with a hash of the whole, so that two long UIDs stay two.
    """
    if not text:
        return "_"
    clean = sanitise_value(text)
    if clean in {".", ".."}:
        return "_" * len(clean)
    if clean.startswith(TEMPORARY_PREFIX):
        clean = "_" + clean[1:]
    if len(clean) > maximum_length:
        clean = _cut(clean, text, maximum_length)
    return clean


def _cut(clean: str, text: str, maximum_length: int) -> str:
    from hashlib import blake2b

    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
    return f"{clean[: maximum_length - len(digest) - 1]}-{digest}"


def default_file_name(sop_class_uid: str, sop_instance_uid: str, extension: str = "") -> FileName:
    """Return ``<prefix>.<SOP Instance UID><extension>``.

    Args:
        sop_class_uid: gives the modality prefix, UNKNOWN for unlisted classes.
        sop_instance_uid: as the peer sent it.
        extension: as the operator typed it; no dot is added.

    The warning is DCMTK's where characters were replaced, or the UID cut.

    Raises:
        ValueError: the extension holds a separator or leaves no room for a name.
    """
    prefix = modality_prefix(sop_class_uid)
    room = MAXIMUM_COMPONENT_LENGTH - len(prefix) - 1 - _extension_length(extension)
    # Hot path: nearly every UID is kept as it is.
    if len(sop_instance_uid) <= room and _is_kept(sop_instance_uid):
        return FileName(f"{prefix}.{sop_instance_uid}{extension}", "")
    clean = sanitise_component(sop_instance_uid, maximum_length=room)
    return FileName(
        f"{prefix}.{clean}{extension}",
        "Sanitized unusual characters in SOP Instance UID, "
        f'converted from "{_shown(sop_instance_uid)}" to "{clean}".',
    )


def instance_file_name(sop_instance_uid: str, extension: str = "") -> FileName:
    """Return ``<SOP Instance UID><extension>``.

    Arguments, warning and errors are those of `default_file_name`.
    """
    room = MAXIMUM_COMPONENT_LENGTH - _extension_length(extension)
    if len(sop_instance_uid) <= room and _is_kept(sop_instance_uid):
        return FileName(f"{sop_instance_uid}{extension}", "")
    clean = sanitise_component(sop_instance_uid, maximum_length=room)
    return FileName(
        f"{clean}{extension}",
        "Sanitized unusual characters in SOP Instance UID, "
        f'converted from "{_shown(sop_instance_uid)}" to "{clean}".',
    )


def _shown(text: str) -> str:
    """Return a peer's text as a log line may repeat it: no control characters, not endless."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "..."
    return "".join(
        character if character.isprintable() else f"\\x{ord(character):02x}" for character in text
    )


def _extension_length(extension: str) -> int:
    """Return the length of an extension in bytes.

    Raises:
        ValueError: the extension cannot be part of a file name.
    """
    if not extension:
        return 0
    length = len(extension.encode())
    if "/" in extension or "\0" in extension or length > 100:
        raise ValueError(f"file name extension {extension!r} cannot be part of a file name")
    return length


def unique_file_name(sop_class_uid: str, extension: str = "") -> FileName:
    """Return ``<prefix>.X.<new UID><extension>``, a name that no other object has.

    Raises:
        ValueError: the extension holds a separator or leaves no room for a name.
    """
    _extension_length(extension)
    return FileName(f"{modality_prefix(sop_class_uid)}.X.{new_uid()}{extension}")


class ShortNames:
    """Short names, distinct within one process: ``<prefix>_<16 hexadecimal digits><extension>``.

    Eight digits are the second in which this was made, eight look random and repeat after
    2**32 names. The prefix of an unlisted class is XX. May be used by several threads, and by
    processes forked after it was made.

    Args:
        now: seconds since the epoch, None: ask.
    """

    __slots__ = ("_created", "_lock", "_process", "_value")

    def __init__(self, *, now: float | None = None) -> None:
        """Take the time and begin at a random place."""
        self._created = int(time.time() if now is None else now) & 0xFFFFFFFF
        self._lock = threading.Lock()
        self._process = 0
        self._value = 0

    def next(self, sop_class_uid: str, extension: str = "") -> FileName:
        """Return a name for an object.

        Raises:
            ValueError: the extension holds a separator or leaves no room for a name.
        """
        _extension_length(extension)
        with self._lock:
            if self._process != os.getpid():
                # A fork would go on where its parent and its siblings do.
                self._process = os.getpid()
                self._value = int.from_bytes(os.urandom(4))
            # The step is odd, so every value comes once before the first comes again.
            self._value = (self._value + 0x9E3779B1) & 0xFFFFFFFF
            digits = f"{self._created:08x}{self._value:08x}"
        return FileName(f"{modality_prefix(sop_class_uid, 'XX')}_{digits}{extension}")


class TimeStamps:
    """Makes times as text distinct, also where the clock is set back or summer time ends.

    Not for several threads at a time.
    """

    __slots__ = ("_highest", "_serial", "_top")

    def __init__(self) -> None:
        """Start with none given out."""
        self._highest = ""
        self._serial = -1  # the last one behind the highest stamp
        self._top = -1  # the highest one behind any stamp

    def distinct(self, stamp: str) -> str:
        """Return `stamp`, with ``_`` and a serial number of four digits or more if need be.

        Args:
            stamp: a time as text; always of one length, so that later ones compare greater.
        """
        if stamp > self._highest:
            self._highest = stamp
            self._serial = -1
            return stamp
        if stamp == self._highest:
            serial = self._serial = self._serial + 1
            self._top = max(self._top, serial)
        else:
            # The clock went back. What was given out then is forgotten, but no serial of
            # that time was above the highest one.
            serial = self._top = self._top + 1
        return f"{stamp}_{serial:04d}"


class TimeNames:
    """Names made from the local time of day, distinct within one process.

    ``YYYYMMDDhhmmssmmm.<prefix><extension>``; where a millisecond repeats, or one that is past
    because the clock went back, ``YYYYMMDDhhmmssmmm_0000.<prefix><extension>``, ``_0001`` and
    so on. May be used by several threads.

    Args:
        microseconds: ``YYYYMMDDhhmmss.ffffff.<prefix><extension>``, the names of dcmrecv; one
            that repeats takes the next microsecond, and a serial number only where the clock
            went back by more than a second.
    """

    __slots__ = ("_last", "_lock", "_microseconds", "_stamps")

    def __init__(self, *, microseconds: bool = False) -> None:
        """Start with no name given out."""
        self._last = 0  # microseconds since the epoch
        self._lock = threading.Lock()
        self._microseconds = microseconds
        self._stamps = TimeStamps()

    def next(
        self, sop_class_uid: str, extension: str = "", *, now: float | None = None
    ) -> FileName:
        """Return the name of an object received `now` (seconds since the epoch, None: ask).

        Raises:
            ValueError: the extension holds a separator or leaves no room for a name.
        """
        _extension_length(extension)
        with self._lock:
            moment = time.time() if now is None else now
            if self._microseconds:
                count = int(moment * 1_000_000)
                if self._last - 1_000_000 < count <= self._last:
                    count = self._last + 1
                self._last = count
                second, fraction = divmod(count, 1_000_000)
                stamp = f"{_local('%Y%m%d%H%M%S', second)}.{fraction:06d}"
            else:
                second, fraction = divmod(int(moment * 1000), 1000)
                stamp = f"{_local('%Y%m%d%H%M%S', second)}{fraction:03d}"
            stamp = self._stamps.distinct(stamp)
        return FileName(f"{stamp}.{modality_prefix(sop_class_uid)}{extension}")


def _local(pattern: str, second: int) -> str:
    return time.strftime(pattern, time.localtime(second))


def folder_stamp(moment: float) -> str:
    """Return ``YYYYMMDD_hhmmssmmm`` in local time of `moment`, seconds since the epoch."""
    second, fraction = divmod(int(moment * 1000), 1000)
    return f"{_local('%Y%m%d_%H%M%S', second)}{fraction:03d}"


_WHITE_SPACE = b" \t\n\v\f\r"


def study_uid_of(value: bytes | None) -> str:
    """Return the Study Instance UID that studies are told apart by.

    Args:
        value: StudyInstanceUID (0020,000D) as it is encoded, None where it is absent.

    As DCMTK reads it: the first of several values, without white space anywhere in it and
    without padding. One of more than 255 bytes ends with a hash of the whole.

    Raises:
        StorageRefused: it is absent or empty.
    """
    text = b"" if value is None else value.split(b"\\", 1)[0].translate(None, _WHITE_SPACE)
    uid = text.rstrip(b"\0").decode("latin-1")
    if not uid:
        raise StorageRefused("element StudyInstanceUID (0020,000d) absent or empty in data set")
    if len(uid) > MAXIMUM_COMPONENT_LENGTH:
        return _cut(uid, uid, MAXIMUM_COMPONENT_LENGTH)
    return uid


def study_folder(study_uid: str, prefix: str) -> FileName:
    """Return ``<prefix>_<Study Instance UID>``, or the UID alone where the prefix is empty.

    Args:
        study_uid: as `study_uid_of` returned it.
        prefix: as the operator typed it.

    The warning is DCMTK's where characters were replaced, or the UID cut.

    Raises:
        StorageRefused: the name would be the output directory itself or its parent.
    """
    if study_uid in {".", ".."}:
        if not prefix:
            raise StorageRefused(
                f'Refusing to use subdirectory name "{study_uid}" derived from received '
                "attributes (would resolve to the output directory itself or its parent)",
                comment="study UID names the output directory itself or its parent",
            )
        return FileName(f"{prefix}_{study_uid}")
    start = f"{prefix}_" if prefix else ""
    clean = sanitise_component(
        study_uid, maximum_length=MAXIMUM_COMPONENT_LENGTH - len(os.fsencode(start))
    )
    if clean == study_uid:
        return FileName(start + clean)
    return FileName(
        start + clean,
        "Sanitized unusual characters in Study Instance UID, "
        f'converted from "{_shown(study_uid)}" to "{clean}".',
    )


_PATIENT_LENGTH = 220  # bytes; leaves room for a stamp with a serial number

# What DCMTK makes of the letters of Latin-1, 0xC0 to 0xFF; two characters for each.
_LATIN_1 = (
    "A A A A AeA A C E E E E I I I I D N O O O O Oe_ O U U U UeY _ ss"
    "a a a a aea a c e e e e i i i i d n o o o o oe_ o u u u uey _ y "
)


def _letter(code: int) -> str:
    if code >= 0xC0:
        place = 2 * (code - 0xC0)
        return _LATIN_1[place : place + 2].rstrip()
    character = chr(code)
    return character if character.isascii() and character.isalnum() else "_"


def patient_folder(name: bytes | None, character_set: bytes | None) -> FileName:
    """Return the part of a folder's name that stands for the patient, letters, digits and ``_``.

    Args:
        name: PatientName (0010,0010) as it is encoded, None where it is absent.
        character_set: SpecificCharacterSet (0008,0005) as it is encoded, None where absent.

    As DCMTK: letters of Latin-1 become ASCII, whatever the character set says, and anything
    else ``_``; ANONYMOUS where there is no name. Names over 220 bytes end with a hash.
    """
    first = b"" if name is None else name.split(b"\\", 1)[0].rstrip(b" ")
    if not first:
        return FileName(
            "ANONYMOUS",
            "element PatientName (0010,0010) absent or empty in data set, "
            "using 'ANONYMOUS' instead",
        )
    warning = ""
    sets = (character_set or b"").split(b"\\")
    declared = "\\".join(value.strip(b" \0").decode("latin-1") for value in sets)
    # DCMTK looks at every value of the element here, and at the first one above.
    if declared and declared != "ISO_IR 100" and name is not None and not name.isascii():
        # What has other characters is no CS but anything of the data set, even a name.
        known = not declared.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ \\")
        warning = (
            f"Patient name not in Latin-1 (charset: {_shown(declared) if known else 'unknown'}), "
            "ASCII dir name may be broken"
        )
    # More than this cannot be in the result; the rest only counts for the hash.
    clean = "".join(map(_letter, first[:_PATIENT_LENGTH]))
    if len(clean) > _PATIENT_LENGTH or len(first) > _PATIENT_LENGTH:
        clean = _cut(clean, first.decode("latin-1"), _PATIENT_LENGTH)
    return FileName(clean, warning)


def date_folder(value: bytes | None, moment: float) -> str:
    """Return ``data/YYYY/MM/DD``, or ``undef/YYYYMMDD`` of today where there is no date.

    Args:
        value: SeriesDate (0008,0021) as it is encoded, None where it is absent.
        moment: seconds since the epoch, for today in local time.

    As DCMTK: the first of several values, without blanks at its end; a month of 01 to 12 and a
    day of 01 to 31 in any month; the old form ``YYYY.MM.DD`` as well.
    """
    text = b"" if value is None else value.split(b"\\", 1)[0].rstrip(b" ")
    if len(text) == 10 and text[4:5] == text[7:8] == b".":
        text = text[:4] + text[5:7] + text[8:]
    if len(text) == 8 and text.isdigit():
        year, month, day = text[:4].decode(), text[4:6].decode(), text[6:].decode()
        if "01" <= month <= "12" and "01" <= day <= "31":
            return f"data/{year}/{month}/{day}"
    return f"undef/{_local('%Y%m%d', int(moment))}"
