"""A line about a connection without an association says whose it was."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.arrivals import DCMRECV, STORESCP, reporter
from isocenter.net.failures import FailedConnection
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.cli.arrivals import ServerLines


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (STORESCP, "Receiving Association failed: 0006:031a DUL network read timeout"),
        (DCMRECV, "Could not receive association request: DUL network read timeout"),
    ],
)
def test_line_ends_with_the_address_of_the_peer(
    lines: ServerLines, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "isocenter"):
        for address in ("10.0.0.1:4711", ""):
            reporter(lines=lines)(FailedConnection("expired", address))
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{words} (from 10.0.0.1:4711)", words]


def test_receiver_says_who_sent_something_else(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "in") as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port), 20) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            here = "{}:{}".format(*sock.getsockname())
            wait_until(lambda: "failed: " in receiver.log, timeout=20, what="the line")
        expected = "E: Receiving Association failed: 0006:0321 Unrecognized PDU type: 47"
        assert f"{expected} (from {here})" in receiver.log
