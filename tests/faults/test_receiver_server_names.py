"""Requestors that ask a receiver for a server name that nobody can have (RFC 6066 3)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from isocenter.testing.certificates import Authority
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WAIT = 20.0


def hello(name: bytes) -> bytes:
    """A ClientHello that asks for a name, of whatever bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing, placeholder = ssl.MemoryBIO(), b"x" * len(name)
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=placeholder.decode())
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read().replace(placeholder, name)


@pytest.mark.parametrize("threads", ["--single-process", "--fork"])
def test_name_that_is_no_ascii_is_refused_in_a_line_of_the_log(
    tmp_path: Path, threads: str
) -> None:
    authority = Authority("Hospital", key="ec-p256")
    own = authority.issue("archive", names=["localhost"], key="ec-p256")
    options = ("+tls", own.private_key, own.certificate, "-ic", "--expect-sni", "localhost")
    with Receiver(OURS, tmp_path / "out", *options, threads) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port), WAIT) as peer:
            peer.sendall(hello(b"h\xc3\xb6st-\xff\xfe.example"))
            assert peer.recv(7)[:1] == b"\x15"
        receiver.process.wait_for_line(
            "E: SNI failure: client requested a server name that is no ASCII, "
            "my name is 'localhost'.",
            timeout=WAIT,
        )
        to = ("127.0.0.1", str(receiver.port))
        words = ("+tla", "+cf", authority.path, "--request-sni", "localhost")
        assert OURS.run("echoscu", *words, *to, cwd=tmp_path).code == 0
        assert "Traceback" not in receiver.log
        assert "Exception ignored" not in receiver.log
