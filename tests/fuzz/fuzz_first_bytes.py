"""Fuzz target: what is said of the first bytes of a connection, on either side.

Nothing is raised, and every line can stand in a log: printable ASCII, and no more of the bytes
than may be shown.
"""

from __future__ import annotations

from isocenter.cli.arrivals import reporter
from isocenter.cli.explain_connection import Attempt, arrival_failed, request_failed
from isocenter.cli.first_bytes import escaped, look_at
from isocenter.cli.options_echoscu import TOOL as ECHOSCU
from isocenter.cli.options_storescp import TOOL as STORESCP
from isocenter.errors import ConnectionLost, PeerProtocolError, TimeoutExpired
from isocenter.net.failures import SHOWN, FailedConnection, ProbeResult

_ATTEMPT = Attempt(tool=ECHOSCU, host="peer", port=104, called="A", calling="B")
_KINDS = ("closed", "expired", "invalid", "full", "crowded")


def seeds() -> list[bytes]:
    """Return the beginnings of the protocols that end up on a DICOM port."""
    return [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x80\x2e\x01\x03\x01\x00\x15",
        b"GET /patient?name=Doe HTTP/1.1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"<!DOCTYPE html><html>",
        b"\x0bMSH|^~\\&|A|B",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"* OK IMAP4rev1",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00",
        b"\x01\x00\x00\x00\x00\xcd\x00\x01\x00\x00",
        b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x02",
        b"just text",
        b"\xff\xfe",
    ]


def test_one_input(data: bytes) -> None:
    """Explain one beginning and check the words."""
    look = look_at(data)
    if not 0 <= look.shown <= SHOWN:
        raise AssertionError(f"{look.shown} bytes would be shown")
    shown = escaped(data, look.shown)
    if len(shown) > 4 * look.shown + 5:
        raise AssertionError(f"{shown} shows more than {look.shown} bytes")
    first = data[:SHOWN]
    lines = [look.words, shown]
    for kind in _KINDS:
        cause = PeerProtocolError("no request", abort_reason=2) if kind == "invalid" else None
        lines += arrival_failed(
            kind, "192.0.2.1:4711", first, tool=STORESCP, cause=cause, limit=1000, seconds=30.0
        )
        reporter()(FailedConnection(kind, "192.0.2.1:4711", first, cause))
    finding = ProbeResult(True, first, closed=len(data) % 2 == 1, seconds=0.5)
    strange = PeerProtocolError("no answer", abort_reason=2)
    strange.received = first
    for problem in (strange, ConnectionLost("closed by the peer"), TimeoutExpired("acse", 3.0)):
        lines += request_failed(problem, _ATTEMPT, finding)
    for line in lines:
        if not line.isascii() or not line.isprintable():
            raise AssertionError(f"{line!r} is no line for a log")
