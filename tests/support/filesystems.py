"""A file system that is really full, where the machine permits to mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["small_file_system"]


@contextlib.contextmanager
def small_file_system(folder: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount a memory file system of that size on a new folder; skips where that is forbidden."""
    folder.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False, timeout=10)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        # Lazy: a receiver that is being ended may still hold the folder.
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)
