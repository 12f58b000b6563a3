"""storescp --inetd that cannot begin to serve: it says so where somebody but the peer can read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.superserver import Handed, connection_pair
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection


def heard(requestor: RawConnection) -> bytes:
    requestor.sock.settimeout(20)
    return b"".join(iter(lambda: requestor.sock.recv(4096), b""))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-od", "nowhere"), "F: specified output directory does not exist (nowhere)\n"),
        (("-xf", "nowhere.cfg", "Default"), "nowhere.cfg"),
        (("-pdu", "1"), "error: "),
        (("-lc", "nowhere.cfg"), "error: "),
    ],
)
@pytest.mark.parametrize("everywhere", [True, False], ids=["like-inetd", "like-systemd"])
def test_start_up_error_is_on_standard_error_unless_that_is_the_connection(
    options: tuple[str, ...], words: str, tmp_path: Path, *, everywhere: bool
) -> None:
    requestor, theirs = connection_pair()
    wanted = OURS.argv("storescp", "--inetd", "-od", tmp_path, *options)
    with requestor, Handed(wanted, theirs, everywhere=everywhere) as handed:
        code, err = handed.wait()
        assert code == 1
        assert heard(requestor) == b""
        assert everywhere or words in err


def test_start_up_error_goes_to_a_configured_log(tmp_path: Path) -> None:
    log, configuration = tmp_path / "log", tmp_path / "logger.cfg"
    configuration.write_text(
        "log4cplus.rootLogger = INFO, file\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        f"log4cplus.appender.file.File = {log}\n"
    )
    requestor, theirs = connection_pair()
    wanted = OURS.argv("storescp", "--inetd", "-od", "nowhere", "-lc", configuration)
    with requestor, Handed(wanted, theirs, everywhere=True) as handed:
        assert handed.wait()[0] == 1
        assert heard(requestor) == b""
    assert "specified output directory does not exist" in log.read_text()


def test_standard_error_alone_may_be_the_connection(tmp_path: Path) -> None:
    requestor, theirs = connection_pair()
    command = ["/bin/sh", "-c", 'exec "$0" "$@" 2>&0']
    wanted = [*command, *OURS.argv("storescp", "--inetd", "-od", os.fspath(tmp_path / "no"))]
    with requestor, Handed(wanted, theirs, everywhere=False) as handed:
        assert handed.wait() == (1, "")
        assert heard(requestor) == b""
