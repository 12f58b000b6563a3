"""Names of files and folders: the one home of every path part that a peer controls.

Owns DCMTK's naming schemes and the rule that what a peer sent becomes one component of a
path and nothing else. Must not touch the file system.

A component made here is ASCII, between 1 and 255 bytes long, holds no separator and no
control character, is neither ``.`` nor ``..`` and never looks like a temporary file of
`isocenter.storage.spool`.

PS3.5 9.1 says what a UID may consist of; peers send anything.
"""

from __future__ import annotations

import threading
import time

from isocenter.record import NamedTuple
from isocenter.uids import modality_prefix, new_uid

__all__ = [
    "MAXIMUM_COMPONENT_LENGTH",
    "TEMPORARY_PREFIX",
    "TEMPORARY_SUFFIX",
    "FileName",
    "TimeNames",
    "default_file_name",
    "sanitise_component",
    "unique_file_name",
]

MAXIMUM_COMPONENT_LENGTH = 255
"""Bytes of a path component, inclusive: NAME_MAX of the common file systems."""

TEMPORARY_PREFIX = ".isocenter-"
TEMPORARY_SUFFIX = ".part"

_KEPT = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz .:@_-"
_DIGEST = 16  # bytes; two UIDs that are cut do not become one by chance

_SHOWN = 128  # characters of a peer's text that a log line repeats


class FileName(NamedTuple):
    """A file name and what the log should say about it.

    Fields: `name` one path component; `warning` a line for the log, "" for none.
    """

    name: str
    warning: str = ""


def _is_kept(text: str) -> bool:
    return not text.strip(_KEPT)


def sanitise_component(text: str, *, maximum_length: int = MAXIMUM_COMPONENT_LENGTH) -> str:
    """Return one safe path component made from what a peer sent.

    ASCII letters, digits, blank and ``- . : @ _`` are kept, anything else becomes ``_``, as
    DCMTK does. Beyond DCMTK: nothing becomes ``_``, ``.`` and ``..`` are replaced, a name
    like a temporary file's loses its dot, and what is longer than `maximum_length` bytes
    (at least 40) is cut and ends with a hash of the whole, so that two long UIDs stay two.
    """
    if not text:
        return "_"
    clean = text if _is_kept(text) else "".join(c if c in _KEPT else "_" for c in text)
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
        return FileName(f"{prefix}.{sop_instance_uid}{extension}")
    clean = sanitise_component(sop_instance_uid, maximum_length=room)
    return FileName(
        f"{prefix}.{clean}{extension}",
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


class TimeNames:
    """Names made from the time of day, distinct within one process.

    ``YYYYMMDDhhmmssmmm.<prefix><extension>`` in local time; where a millisecond repeats,
    ``YYYYMMDDhhmmssmmm_0000.<prefix><extension>``, ``_0001`` and so on.
    """

    __slots__ = ("_last", "_lock", "_serial")

    def __init__(self) -> None:
        """Start with no name given out."""
        self._last = ""
        self._serial = -1
        self._lock = threading.Lock()

    def next(
        self, sop_class_uid: str, extension: str = "", *, now: float | None = None
    ) -> FileName:
        """Return the name of an object received `now` (seconds since the epoch, None: ask).

        Raises:
            ValueError: the extension holds a separator or leaves no room for a name.
        """
        _extension_length(extension)
        moment = time.time() if now is None else now
        milliseconds = int(moment * 1000)
        stamp = time.strftime("%Y%m%d%H%M%S", time.localtime(milliseconds // 1000))
        stamp = f"{stamp}{milliseconds % 1000:03d}"
        with self._lock:
            if stamp == self._last:
                self._serial += 1
                stamp = f"{stamp}_{self._serial:04d}"
            else:
                self._last = stamp
                self._serial = -1
        return FileName(f"{stamp}.{modality_prefix(sop_class_uid)}{extension}")
