"""Bytes as a file with a name, for decoders that open one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["named", "opened"]


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[int]:
    """Return the descriptor of a file with this content, which is in memory (Linux)."""
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def named(content: bytes) -> Iterator[str]:
    """Return the path of a file with this content, which is in memory (Linux)."""
    with opened(content) as fd:
        yield f"/proc/self/fd/{fd}"
