"""Temporary names are told from others, and a killed process's files from those in work.

What cleaning does beside living processes is in test_spool.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.storage import leftovers
from isocenter.storage.leftovers import (
    is_temporary,
    link_temporary,
    lock,
    remove_leftovers,
    temporary_name,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_temporary_names_are_our_own_and_different() -> None:
    first, second = temporary_name(), temporary_name()
    assert first != second
    assert is_temporary(first)
    assert f"-{os.getpid()}-" in first


@pytest.mark.parametrize(
    "name",
    [
        *("", "CT.1.2.3", ".isocenter-1.part", ".isocenter-1-.part", ".isocenter-1-2"),
        *("isocenter-1-2.part", ".isocenter-x-2.part", ".isocenter-1-2.part.dcm"),
        ".isocenter-1-2-3.part",
    ],
)
def test_other_names_are_nobody_s_leftovers(name: str) -> None:
    assert not is_temporary(name)


def test_lock_is_had_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    one, other = (os.open(tmp_path / "a", os.O_RDWR) for _ in range(2))
    assert lock(one, insist=True)
    assert not lock(other, insist=True)
    os.close(one)
    assert lock(other, insist=True)
    os.close(other)


def test_second_name_of_an_object_that_was_put_aside_is_removed_and_the_object_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "CT.1.2.3").write_bytes(b"object")
    os.link(tmp_path / "CT.1.2.3", tmp_path / temporary_name())
    fd = os.open(tmp_path, os.O_RDONLY)
    assert remove_leftovers(fd) == 1
    os.close(fd)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"CT.1.2.3": b"object"}


def test_temporary_name_is_given_up_after_many_that_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def taken(name: str) -> None:
        tried.append(name)
        raise FileExistsError(name)

    monkeypatch.setattr(leftovers, "ATTEMPTS", 3)
    with pytest.raises(FileExistsError):
        link_temporary(taken)
    assert len(set(tried)) == 3
