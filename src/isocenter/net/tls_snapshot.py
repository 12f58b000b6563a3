"""Files as they were when they were first read, and bytes under a name for those who want one.

Owns both, so that a context can be made again from the same keys, certificates and lists, whatever
has become of the files. Must not know what is in them.
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Snapshot", "file_in_memory"]


class Snapshot:
    """What files held, and which passwords were given, when they were first wanted."""

    __slots__ = ("_files", "_passwords")

    def __init__(self) -> None:
        """Know nothing yet."""
        self._files: dict[str, bytes | OSError] = {}
        self._passwords: dict[str, str] = {}

    def read(self, path: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: it could not be read.
        """
        content = self._files.get(path)
        if content is None:
            try:
                with open(path, "rb") as file:
                    content = file.read()
            except OSError as problem:
                content = problem
            self._files[path] = content
        if isinstance(content, OSError):
            raise content
        return content

    @contextlib.contextmanager
    def named(self, path: str) -> Iterator[str]:
        """Have a file's content under a name for the time of a block.

        Where there are no files in memory it is the file itself, as it is now.

        Raises:
            OSError: it could not be read.
        """
        content = self.read(path)
        if not _has_memory_files():
            yield path
            return
        with file_in_memory(content) as name:
            yield name

    def password(self, path: str, ask: Callable[[str], str]) -> str:
        """Return a file's password, asked for but once."""
        if path not in self._passwords:
            self._passwords[path] = ask(path)
        return self._passwords[path]


@contextlib.contextmanager
def file_in_memory(data: bytes) -> Iterator[str]:
    """Have bytes under a name for the time of a block: in memory, or in a file only we may read."""
    if _has_memory_files():
        descriptor = os.memfd_create("isocenter")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    import tempfile

    descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)


def _has_memory_files() -> bool:
    return hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")
