"""The names that files get once they were dealt with (dcmtk-facts 5.5)."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

import pytest

from isocenter.sender.renaming import mark_file

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def without_links(monkeypatch: pytest.MonkeyPatch, code: int = errno.EPERM) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)


@pytest.fixture(params=["links", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, on a file system with and without hard links."""
    if request.param == "no links":
        without_links(monkeypatch)
    (tmp_path / "a.dcm").write_text("first")
    return tmp_path


@pytest.mark.parametrize(("confirmed", "name"), [(True, "a.dcm.done"), (False, "a.dcm.bad")])
def test_name_is_extended(folder: Path, *, confirmed: bool, name: str) -> None:
    mark_file(str(folder / "a.dcm"), confirmed=confirmed)
    assert names(folder) == {name: "first"}


def test_name_is_extended_again(folder: Path) -> None:
    mark_file(str(folder / "a.dcm"), confirmed=True)
    mark_file(str(folder / "a.dcm.done"), confirmed=True)
    assert names(folder) == {"a.dcm.done.done": "first"}


def test_other_file_is_never_replaced(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.dcm.done").write_text("second")
    path = str(folder / "a.dcm")
    mark_file(path, confirmed=True)
    assert names(folder) == {"a.dcm": "first", "a.dcm.done": "second"}
    assert caplog.messages == [f"cannot rename file '{path}' to '{path}.done': File exists"]


def test_dangling_link_of_the_new_name_is_not_replaced(folder: Path) -> None:
    (folder / "a.dcm.done").symlink_to("nowhere")
    mark_file(str(folder / "a.dcm"), confirmed=True)
    assert (folder / "a.dcm").read_text() == "first"
    assert (folder / "a.dcm.done").is_symlink()


def test_link_is_renamed_and_not_what_it_leads_to(folder: Path) -> None:
    (folder / "link").symlink_to("a.dcm")
    mark_file(str(folder / "link"), confirmed=True)
    assert os.readlink(folder / "link.done") == "a.dcm"
    assert not (folder / "link").is_symlink()
    assert (folder / "a.dcm").exists()


def test_missing_file_is_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = str(folder / "gone")
    mark_file(path, confirmed=False)
    assert caplog.record_tuples == [
        (
            "isocenter.sender.renaming",
            logging.WARNING,
            f"cannot rename file '{path}' to '{path}.bad': No such file or directory",
        )
    ]


def test_name_with_a_nul_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    mark_file("a\0b", confirmed=True)
    assert len(caplog.messages) == 1


def test_name_that_gets_too_long_is_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "n" * 252
    (folder / name).write_text("long")
    mark_file(str(folder / name), confirmed=True)
    assert (folder / name).exists()
    assert caplog.messages[0].endswith("File name too long")
