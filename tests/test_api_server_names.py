"""`serve` with the one server name that it answers to: what else is asked for is told and refused.

In a process of its own: the test runner takes what Python prints of errors that nobody catches.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.testing.certificates import Authority
from tests.faults.test_receiver_server_names import hello
from tests.support.processes import Process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WAIT = 20.0

PROGRAM = """
import logging, sys, time
import isocenter
logging.basicConfig(level=logging.WARNING)
key, certificate = sys.argv[1:]
tls = isocenter.TlsOptions(
    certificate=certificate, private_key=key, peer_certificate="ignore",
    expected_server_name="pacs.example",
)
with isocenter.serve(tls=tls) as server:
    for _ in range(3):
        server.reload_tls()
    print(server.port, flush=True)
    time.sleep(60)
"""


def test_a_name_that_is_no_ascii_is_one_line_of_the_log(tmp_path: Path) -> None:
    own = Authority("Hospital", key="ec-p256", folder=tmp_path).issue("archive", key="ec-p256")
    argv = [sys.executable, "-c", PROGRAM, str(own.private_key), str(own.certificate)]
    with Process(argv) as server:
        wait_until(lambda: server.stdout.endswith("\n"), timeout=WAIT, what="the port")
        port = int(server.stdout)
        for name in (b"h\xc3\xb6st-\xff\xfe.example", b"another.example"):
            with socket.create_connection(("127.0.0.1", port), WAIT) as peer:
                peer.settimeout(WAIT)
                peer.sendall(hello(name))
                assert peer.recv(7)[:1] == b"\x15"  # an alert
        start = "ERROR:isocenter.net.tls_names:SNI failure: client requested "
        server.wait_for_line(
            f"{start}a server name that is no ASCII, my name is 'pacs.example'.", timeout=WAIT
        )
        server.wait_for_line(f"{start}server 'another.example', my name is", timeout=WAIT)
        assert "Traceback" not in server.stderr
        assert "Exception ignored" not in server.stderr
        assert server.stderr.count("no ASCII") == 1
