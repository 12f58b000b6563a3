"""A new name for a file, refused where something has it; with or without hard links.

Owns the three ways there are, in this order. Must not know what the file is.

1. link(2) refuses by itself and is all there is to it on nearly every file system.
2. Where hard links are impossible (FAT, some network and user-space file systems):
   renameat2(2) with RENAME_NOREPLACE, which Python's `os` lacks and `ctypes` reaches. One step.
3. Where neither exists: look, then rename, while the directory is locked with flock(2). That
   excludes every process that publishes here through this module on the same machine, not a
   foreign program that makes the name in the very moment between.

An empty file that reserves the name (O_EXCL, then rename over it) was dismissed: for a moment,
or for ever if the process is killed, it looks like an object.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import fcntl
except ImportError:
    _flock: Callable[[int, int], None] | None = None
    _EXCLUSIVE = 0
else:
    _flock = fcntl.flock
    _EXCLUSIVE = fcntl.LOCK_EX

__all__ = ["link_to_free_name", "rename_to_free_name"]

# Errors of link(2) after which a rename may still work.
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
)
_NO_SUCH_CALL = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP})
_RENAME_NOREPLACE = 1


def link_to_free_name(old: str, new: str, *, source_fd: int, target_fd: int) -> bool:
    """Give a file a second name, or only a new one where there are no hard links.

    Args:
        old: its name in the directory `source_fd`.
        new: its name to be in the directory `target_fd`, on the same file system.
        source_fd: a directory's descriptor; may be of O_PATH.
        target_fd: as `source_fd`.

    Returns:
        True where the file has both names now.

    Raises:
        FileExistsError: something has the new name.
        OSError: any other failure; the file keeps its old name.
    """
    try:
        os.link(old, new, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        rename_to_free_name(old, new, source_fd=source_fd, target_fd=target_fd)
        return False
    return True


def rename_to_free_name(old: str, new: str, *, source_fd: int, target_fd: int) -> None:
    """Rename a file without hard links, and never over anything.

    The arguments are those of `link_to_free_name`.

    Raises:
        FileExistsError: something has the new name; the file keeps its old one.
        OSError: any other failure; the same.
    """
    try:
        _renameat2(source_fd, old, target_fd, new)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    else:
        return
    _rename_under_lock(source_fd, old, target_fd, new)


def _renameat2(source_fd: int, old: str, target_fd: int, new: str) -> None:
    """Call renameat2(2); ENOSYS where the C library has none."""
    try:
        import ctypes  # 10 ms, and hardly anybody needs it

        libc = ctypes.CDLL(None, use_errno=True)
        call = libc.renameat2
    except (ImportError, OSError, AttributeError):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    call.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    if call(source_fd, os.fsencode(old), target_fd, os.fsencode(new), _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)


def _rename_under_lock(source_fd: int, old: str, target_fd: int, new: str) -> None:
    # A descriptor of its own: the lock belongs to the open file, so it excludes threads too.
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=target_fd)
    try:
        if _flock is not None:
            _flock(fd, _EXCLUSIVE)
        try:
            os.stat(new, dir_fd=target_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(old, new, src_dir_fd=source_fd, dst_dir_fd=target_fd)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
    finally:
        os.close(fd)
