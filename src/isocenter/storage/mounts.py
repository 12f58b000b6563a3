"""What kind of file system a directory is on, as far as it matters to files written there.

Owns two questions. May a write still fail when the file is closed? Network file systems keep what
is written and tell of a full disk, or of a lost server, with close(2). And is room that was asked
for ahead, fallocate(2), memory that writing need not ask for? Must not know directories.
"""

from __future__ import annotations

import os

__all__ = ["is_in_memory", "tells_at_close"]

_MOUNTS = "/proc/self/mountinfo"

_TELL_AT_ONCE = frozenset({"ext2", "ext3", "ext4", "f2fs", "ramfs", "tmpfs", "xfs"})
"""File systems of Linux whose close(2) does nothing that could fail."""


_IN_MEMORY = frozenset({"tmpfs"})
"""File systems of Linux whose files are pages of memory, and that know fallocate(2)."""


def tells_at_close(device: int) -> bool:
    """Tell whether closing a file on this device (`st_dev`) may bring an error of its writes.

    True where that is not known.
    """
    return _kind_of(device) not in _TELL_AT_ONCE


def is_in_memory(device: int) -> bool:
    """Tell whether files on this device (`st_dev`) are memory, which may be had ahead.

    False where that is not known.
    """
    return _kind_of(device) in _IN_MEMORY


def _kind_of(device: int) -> str:
    """Return the name of the device's file system, "" where it is not known.

    proc_pid_mountinfo(5).
    """
    wanted = f"{os.major(device)}:{os.minor(device)}".encode() if hasattr(os, "major") else b""
    try:
        with open(_MOUNTS, "rb") as mounts:
            for line in mounts:
                before, _, after = line.partition(b" - ")
                fields = before.split(b" ", 3)
                if len(fields) > 2 and fields[2] == wanted:
                    return after.split(b" ", 1)[0].decode("latin-1")
    except OSError:
        pass  # another system, or no /proc
    return ""
