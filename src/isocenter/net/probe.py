"""One short connection to a port that did not answer: is it TLS, is it HTTP, is it there?

Owns what is sent and for how long an answer is waited for. Must not judge the answer. Used on
request only (``--explain``), after an association request found no answer: it costs the peer a
connection, and a line in its log.

A TLS ClientHello comes first: TLS servers answer it with a handshake or an alert, web servers
often with "bad request". To whoever is silent an empty HTTP request follows, which ends the line
that a text protocol waits for. A DICOM acceptor answers either with A-ABORT (PS3.8 9.2, AA-1).
"""

from __future__ import annotations

import contextlib
import os
import time

from isocenter.errors import ConnectError
from isocenter.net.client import open_socket
from isocenter.net.failures import SHOWN, ProbeResult
from isocenter.net.readiness import READ, new_poller
from isocenter.net.transport import SocketOptions
from isocenter.record import replace

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import socket

    from isocenter.net.client import ConnectOptions

__all__ = ["BUDGET", "probe"]

BUDGET = 2.0
"""Seconds for the whole probe: name, connection and both questions."""

_FIRST_SHARE = 0.5
"""Of what is left after connecting, the part that the ClientHello may wait for its answer."""

_EMPTY_REQUEST = b"\r\n\r\n"


def probe(options: ConnectOptions, *, budget: float = BUDGET) -> ProbeResult:
    """Connect once more, offer TLS, then HTTP, and return what came back; never raises for it.

    Args:
        options: the peer's address.
        budget: seconds for all of it.
    """
    started = time.monotonic()
    sockets = options.sockets or SocketOptions.from_environment(os.environ)
    try:
        sock = open_socket(replace(options, connect_timeout=budget), sockets)
    except ConnectError:
        return ProbeResult(connected=False)
    end = started + budget
    begun = time.monotonic()
    with sock:
        received, closed = b"", False
        middle = begun + (end - begun) * _FIRST_SHARE
        hello = _client_hello()
        questions = [(hello, middle)] if hello else []
        for question, until in (*questions, (_EMPTY_REQUEST, end)):
            received, closed = _ask(sock, question, until)
            if received or closed:
                break
    return ProbeResult(True, received, closed, time.monotonic() - begun, offered_tls=bool(hello))


def _client_hello() -> bytes:
    """Return a TLS ClientHello as this system's library makes it, b"" where it can make none.

    No certificate is looked at.
    """
    try:
        import ssl
    except ImportError:  # Python may be built without
        return b""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        outgoing = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
        return outgoing.read()
    except (ssl.SSLError, ValueError):  # the system's policy leaves it no version or cipher
        return b""


def _ask(sock: socket.socket, question: bytes, until: float) -> tuple[bytes, bool]:
    """Send, wait until then, and return the first bytes and whether the peer ended it."""
    try:
        sock.send(question)
        poll = new_poller()
        poll.register(sock.fileno(), READ)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return b"", False
        received = sock.recv(SHOWN)
    except (BlockingIOError, InterruptedError):
        return b"", False
    except OSError:
        return b"", True
    return received, not received
