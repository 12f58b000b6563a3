"""storescp: what it says where it cannot start, and of what arrives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import storing
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.receiving import Misbehaviour, ReceiverObserver
from isocenter.cli.storescp import main
from isocenter.errors import StorageError
from isocenter.logs import DEBUG
from isocenter.net import workers
from tests.net.support import as_acceptor

if TYPE_CHECKING:
    from pathlib import Path


def test_directory_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # For the superuser, who runs tests, none is closed.
    def refuse(_: object) -> None:
        raise StorageError("dropbox", "Permission denied")

    monkeypatch.setattr(storing, "open_spool", refuse)
    assert main(["--durable", "-od", os.fspath(tmp_path), "11112"], {}) == ExitCode.FAILURE
    assert capfd.readouterr().err == "F: cannot write dropbox: Permission denied\n"


@pytest.mark.parametrize("maximum_length", [0, 4096, 32768])
def test_dump_of_a_request_shows_the_own_maximum_length(
    maximum_length: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    observer = ReceiverObserver(
        DEBUG, dumps=False, misbehaviour=Misbehaviour(), maximum_length=maximum_length
    )
    association, peer = as_acceptor()
    assert association.request is not None
    observer.received(association, association.request)
    association.close()
    peer.close()
    assert f"Our Max PDU Receive Size:    {maximum_length}\n" in caplog.text
    assert "Their Max PDU Receive Size:  16384\n" in caplog.text


@pytest.mark.parametrize("option", [("--fork",), ("--workers", "2")])
def test_processes_are_refused_where_the_system_has_none(
    option: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(workers, "available", lambda: False)
    assert main([*option, "-od", os.fspath(tmp_path), "11112"], {}) == ExitCode.FAILURE
    assert capfd.readouterr().err == f"F: {option[0]} is not possible on this system\n"
