"""What becomes of an object whose name is taken: four policies, and the same object twice.

Owns the comparison of two files as objects and the choice of the name under a policy. Must not
know where names come from.

The same data set once more is a quiet success under every policy, and the file that is there
stays: senders repeat what they got no answer for. Compared are the data sets, byte for byte,
and their transfer syntaxes; not the rest of the File Meta Information, which names the sender
and the software. Where a file has none it is compared from its first byte.

No policy but `overwrite` ever takes a file away, and that one replaces it in one step. Between
looking and publishing another process may do anything: a name that was free and is taken, or
was taken and is free, is looked at again; a file that changed, moved or went while it was
compared counts as different.
"""

from __future__ import annotations

import errno
import os

from isocenter.dataset.part10 import read_file_meta
from isocenter.errors import DataSetError, DuplicateObject, StorageError
from isocenter.record import NamedTuple
from isocenter.storage.naming import MAXIMUM_COMPONENT_LENGTH

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, TypeAlias

    from isocenter.storage.spool import Folder, Spool
    from isocenter.storage.spoolfile import SpoolFile

__all__ = [
    "DUPLICATE_POLICIES",
    "MAXIMUM_VERSIONS",
    "DuplicateOutcome",
    "DuplicatePolicy",
    "Published",
    "publish",
]

DuplicatePolicy: TypeAlias = "Literal['overwrite', 'keep-both', 'ignore', 'reject']"
"""What to do with an object whose name another object has: put it in its place (DCMTK's way),
give it a name of its own, drop it and report success, or drop it and report a failure."""

DUPLICATE_POLICIES: tuple[DuplicatePolicy, ...] = ("overwrite", "keep-both", "ignore", "reject")
"""All of them, the default first."""

DuplicateOutcome: TypeAlias = "Literal['new', 'overwritten', 'kept-both', 'ignored', 'identical']"
"""What was done: the name was free; the file there was replaced; the object got a name of its
own; it was dropped, and another or the same object is there."""

MAXIMUM_VERSIONS = 1000
"""Names tried under `keep-both`, inclusive. Each is compared, so a sender that alters one
object again and again could make every further one cost more."""

_ATTEMPTS = 100  # a name that is free and taken by turns so often is somebody's attack
_CHUNK = 256 * 1024  # bytes of each file in memory at a time


class Published(NamedTuple):
    """Where an object is and how it came there.

    Fields: `path` the file that holds the object, or for ``ignored`` another under its name;
    `outcome` what was done.
    """

    path: str
    outcome: DuplicateOutcome


def publish(
    file: SpoolFile,
    name: str,
    policy: DuplicatePolicy,
    folder: Folder | None = None,
    *,
    extension: str = "",
) -> Published:
    """Publish a received file under a name that may be taken; it is closed afterwards.

    Args:
        file: complete, and not published yet.
        name: one path component.
        policy: for the case that a file with other content has the name.
        folder: where; None for the output directory.
        extension: the end of `name` that stays the end, also of a second name: `a.dcm`
            becomes `a_1.dcm`, then `a_2.dcm`.

    Where the spool is durable, the file that the success rests on is on the disk.

    Raises:
        DuplicateObject: the policy is `reject` and the name is taken by other content.
        FileNotFoundError: there is no such folder, or no longer; the file can be published
            once it was made again.
        StorageFull, StorageError: the object could not be kept.
        ValueError: the name is no path component, or the file is closed.
        All but FileNotFoundError and ValueError leave the file discarded, and what had the
        name before still has it.
    """
    try:
        if not file.spool.durable:
            # Nearly every name is free.
            try:
                return Published(file.publish(name, replace=False, folder=folder), "new")
            except FileExistsError:
                pass
        return _publish(file, name, policy, folder, extension)
    except StorageError:
        file.discard()
        raise


def _publish(
    file: SpoolFile, name: str, policy: DuplicatePolicy, folder: Folder | None, extension: str
) -> Published:
    for number, candidate in enumerate(_names(name, extension)):
        for _attempt in range(_ATTEMPTS):
            # Where durable, a refused attempt would have cost a sync of the file.
            if not (file.spool.durable and file.spool.exists(candidate, folder)):
                try:
                    path = file.publish(candidate, replace=False, folder=folder)
                except FileExistsError:
                    pass
                else:
                    return Published(path, "kept-both" if number else "new")
            try:
                same = _is_same_object(file, candidate, folder)
            except FileNotFoundError:
                continue  # it went meanwhile; or the folder did, as publishing will say
            break
        else:
            raise StorageError(file.spool.path(candidate, folder), "the name comes and goes")
        path = file.spool.path(candidate, folder)
        if same:
            file.discard()
            return Published(path, "identical")
        if policy == "overwrite":
            return Published(file.publish(candidate, folder=folder), "overwritten")
        if policy == "ignore":
            _keep_existing(file.spool, candidate, folder)
            file.discard()
            return Published(path, "ignored")
        if policy == "reject":
            raise DuplicateObject(path, "another object has this name")
    raise StorageError(
        file.spool.path(name, folder), f"{MAXIMUM_VERSIONS} objects with this name are kept"
    )


def _names(name: str, extension: str) -> Iterator[str]:
    """Yield the name, then the names of further versions, none longer than a component may be."""
    yield name
    stem = name.removesuffix(extension)
    end = name[len(stem) :]
    for number in range(1, MAXIMUM_VERSIONS):
        suffix = f"_{number}{end}"
        yield stem[: MAXIMUM_COMPONENT_LENGTH - len(suffix)] + suffix


def _keep_existing(spool: Spool, name: str, folder: Folder | None) -> None:
    """Make sure that a file can stand for an object that is dropped.

    Raises:
        StorageError: it is none, or cannot be forced onto the disk.
    """
    try:
        fd = spool.open_existing(name, folder)
    except OSError as error:
        if error.errno == errno.EACCES and not spool.durable:
            return  # somebody else's, and there
        reason = error.strerror or str(error)
        raise StorageError(spool.path(name, folder), reason) from error
    try:
        spool.settle(fd, name, folder)
    finally:
        os.close(fd)


def _is_same_object(file: SpoolFile, name: str, folder: Folder | None) -> bool:
    """Tell whether a file holds the object that was received, and is there to stay.

    Raises:
        FileNotFoundError: nothing has the name (any more).
        StorageError: it holds the object, but cannot be forced onto the disk.
    """
    try:
        fd = file.spool.open_existing(name, folder)
    except FileNotFoundError:
        raise
    except OSError:
        return False  # a link, a device, or not ours to read: nothing to be sure of
    try:
        before = os.fstat(fd)
        if not _have_same_data_set(file.fileno(), fd):
            return False
        file.spool.settle(fd, name, folder)
        after = os.fstat(fd)
        directory = file.spool.find(folder)
        there = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    finally:
        os.close(fd)
    return os.path.samestat(there, after) and (before.st_size, before.st_mtime_ns) == (
        after.st_size,
        after.st_mtime_ns,
    )


def _have_same_data_set(one: int, other: int) -> bool:
    """Compare the data sets of two files, without moving their positions.

    Raises:
        OSError: one of them cannot be read.
    """
    one_size, other_size = os.fstat(one).st_size, os.fstat(other).st_size
    one_start = other_start = 0
    try:
        one_meta, other_meta = read_file_meta(one), read_file_meta(other)
    except DataSetError:
        pass  # whatever it is, it may be the same byte for byte
    else:
        if one_meta.transfer_syntax_uid != other_meta.transfer_syntax_uid:
            return False
        one_start, other_start = one_meta.data_set_offset, other_meta.data_set_offset
    if one_size - one_start != other_size - other_start:
        return False
    for offset in range(0, one_size - one_start, _CHUNK):
        length = min(_CHUNK, one_size - one_start - offset)
        left = os.pread(one, length, one_start + offset)
        if len(left) != length or left != os.pread(other, length, other_start + offset):
            return False
    return True
