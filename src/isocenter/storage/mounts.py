"""What kind of file system a directory is on, as far as it matters to files written there.

Owns one question: may a write still fail when the file is closed? Network file systems keep what
is written and tell of a full disk, or of a lost server, with close(2). Must not know directories.
"""

from __future__ import annotations

import os

__all__ = ["tells_at_close"]

_MOUNTS = "/proc/self/mountinfo"

_TELL_AT_ONCE = frozenset({"ext2", "ext3", "ext4", "f2fs", "ramfs", "tmpfs", "xfs"})
"""File systems of Linux whose close(2) does nothing that could fail."""


def tells_at_close(device: int) -> bool:
    """Tell whether closing a file on this device (`st_dev`) may bring an error of its writes.

    True where that is not known (proc_pid_mountinfo(5)).
    """
    wanted = f"{os.major(device)}:{os.minor(device)}".encode() if hasattr(os, "major") else b""
    try:
        with open(_MOUNTS, "rb") as mounts:
            for line in mounts:
                before, _, after = line.partition(b" - ")
                fields = before.split(b" ", 3)
                if len(fields) > 2 and fields[2] == wanted:
                    return after.split(b" ", 1)[0].decode("latin-1") not in _TELL_AT_ONCE
    except OSError:
        pass  # another system, or no /proc
    return True
