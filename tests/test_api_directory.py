"""isocenter.serve(): a directory that is none is told as that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


def test_directory_that_is_not_there_does_not_exist(tmp_path: Path) -> None:
    missing = tmp_path / "nixda"
    with (
        pytest.raises(StorageError, match=f"^directory {missing} does not exist$"),
        isocenter.serve(directory=missing),
    ):
        pass


def test_file_is_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with (
        pytest.raises(StorageError, match=f"^directory {file} is no directory$"),
        isocenter.serve(directory=file),
    ):
        pass
