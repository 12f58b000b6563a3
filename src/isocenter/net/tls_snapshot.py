"""Files as they were when they were first read, and bytes under a name for those who want one.

Owns both, so that a context can be made again from the same keys, certificates and lists, whatever
has become of the files, and the words for what is wrong with one. Must not know what is in them.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Snapshot", "file_in_memory", "pem", "reason_of"]


class Snapshot:
    """What files held, and which passwords were given, when they were first wanted.

    Attributes:
        left_out: path and reason of what was to be trusted and could not be read.
    """

    __slots__ = ("_files", "_passwords", "left_out")

    def __init__(self) -> None:
        """Know nothing yet."""
        self._files: dict[str, bytes | OSError] = {}
        self._passwords: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

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


def pem(label: str, der: bytes) -> bytes:
    """Return DER in PEM (RFC 7468)."""
    body = base64.encodebytes(der)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), body, label.encode())


def reason_of(problem: Exception) -> str:
    """Return what is wrong, in lower case as OpenSSL has it, or in the words of the system."""
    if isinstance(problem, ssl.SSLError):
        return (problem.reason or "it cannot be used").replace("_", " ").lower()
    if isinstance(problem, OSError):
        return problem.strerror or str(problem)
    return str(problem)


def _has_memory_files() -> bool:
    return hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")
