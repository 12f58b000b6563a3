"""Whether a data set is the object that its request says, and whose UIDs its file has.

Owns the comparison of both. Must not know files. PS3.4 B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

from isocenter.errors import ObjectMismatch, StorageRefused
from isocenter.logs import WARNING
from isocenter.storage.placing import Note
from isocenter.uids import abridged

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_uids", "uids_of_file"]

_TAGS = (0x00080016, 0x00080018)
_NAMES = ("SOP class", "SOP instance")
_LONGEST_UI = 0xFFFE  # bytes


def check_uids(values: Mapping[int, bytes], requested: tuple[str, str], *, is_read: bool) -> None:
    """Compare the UIDs of data set and request; one that could not be read may lack them.

    One that is empty, or no text at all, counts as missing.

    Args:
        values: of the data set, by tag.
        requested: Affected SOP Class and SOP Instance UID.
        is_read: it could be read.

    Raises:
        ObjectMismatch: they differ.
        StorageRefused: one is missing.
    """
    for tag, what, asked in zip(_TAGS, _NAMES, requested, strict=True):
        found = values.get(tag, b"").rstrip(b"\0 ").decode("latin-1")
        if not found:
            if is_read:
                words = f"{what} UID missing in the data set, empty or no UI"
                raise StorageRefused(f"bad DICOM object {requested[1]}: {words}", comment=words)
        elif found != asked:
            raise ObjectMismatch(
                _difference(what, found, asked),
                comment=f"{what} UID of the data set is not the request's",
            )


def uids_of_file(
    values: Mapping[int, bytes], requested: tuple[str, str]
) -> tuple[tuple[str, str], list[Note]]:
    """Let a data set say what its file is, where it says that.

    Args:
        values: of the data set, by tag.
        requested: Affected SOP Class and SOP Instance UID.

    Returns:
        The UIDs of the file, and what is to be said of them.
    """
    found = [values.get(tag, b"").rstrip(b"\0").decode("latin-1") for tag in _TAGS]
    # None, or one that no element of group 0002 can hold.
    uids = [
        uid if 0 < len(uid) <= _LONGEST_UI else asked
        for uid, asked in zip(found, requested, strict=True)
    ]
    notes = [
        Note(WARNING, f"{_difference(what, uid, asked)}: kept")
        for what, uid, asked in zip(_NAMES, found, requested, strict=True)
        if uid.strip() not in {"", asked.strip()}
    ]
    return (uids[0], uids[1]), notes


def _difference(what: str, found: str, requested: str) -> str:
    """Say that a UID is another one than the request's."""
    # What has other characters is no UID but anything of the data set, even a name.
    shown = "which is none" if found.strip("0123456789.") else repr(abridged(found))
    return f"{what} UID of the data set, {shown}, is not the request's, {abridged(requested)!r}"
