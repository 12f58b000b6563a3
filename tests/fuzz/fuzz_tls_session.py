"""Fuzz target: a session of TLS, on either side, and what is said where it fails.

The first byte of the input chooses the side and whether a hello of our own goes first, the second
how the rest is cut. A session may raise `TlsError` and nothing else, and never gives plaintext that
nobody encrypted; why it failed is explained in lines that can stand in a log.
"""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING

from isocenter.cli.explain_tls import arrival_refused, handshake_failed
from isocenter.cli.options_echoscu import TOOL as ECHOSCU
from isocenter.cli.options_storescp import TOOL as STORESCP
from isocenter.errors import TlsError
from isocenter.net.tls import ClientTls, ServerTls
from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_options import TlsOptions
from isocenter.testing.certificates import Authority
from tests.fuzz.fuzz_client_hello import hello_of
from tests.fuzz.oracle import Limits

if TYPE_CHECKING:
    from isocenter.net.tls import TlsSession

LIMITS = Limits(memory=8 * 1024 * 1024)

_WINDOW = 65536


@functools.cache
def _sides() -> tuple[ServerTls, ClientTls]:
    authority = Authority("Hospital Root", key="ec-p256")
    identity = authority.issue("localhost", names=["localhost"], key="ec-p256")
    options = TlsOptions(
        certificate=identity.certificate,
        private_key=identity.private_key,
        ca_files=(authority.path,),
        verify_host=False,
    )
    server = ServerTls(server_context(options, warn=_ignore))
    return server, ClientTls(client_context(options, warn=_ignore))


def _ignore(warning: str) -> None:
    pass


def seeds() -> list[bytes]:
    """Return what each side may hear first, and records that come too early."""
    hello = hello_of(("dicom",))
    server, client = _sides()
    acceptor, requestor = server.session(), client.session("localhost")
    requestor.handshake()
    acceptor.feed(requestor.outgoing())
    acceptor.handshake()
    answer = acceptor.outgoing()
    alert = b"\x15\x03\x03\x00\x02\x02\x28"
    early = b"\x17\x03\x03\x00\x05early"
    bodies = (
        hello,
        answer,
        alert,
        early,
        hello + early,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\1\0\0\0\0\4",
    )
    return [bytes((choice, 9)) + body for body in bodies for choice in range(4)]


def test_one_input(data: bytes) -> None:
    """Feed one session and check what follows from it."""
    if len(data) < 2:
        return
    server, client = _sides()
    is_server = data[0] & 1 == 0
    session = server.session() if is_server else client.session("localhost")
    generator = random.Random(data[1])
    body = data[2:]
    if is_server and data[0] & 2:
        body = hello_of(("dicom",)) + body
    problem = _feed(session, body, generator)
    if session.facts is not None:
        raise AssertionError("a handshake without keys")
    session.outgoing()
    session.say_goodbye()
    if problem is None:
        return
    lines = arrival_refused(problem, peer="192.0.2.1:4711", tool=STORESCP)
    lines += handshake_failed(
        problem, place="192.0.2.1:104", tool=ECHOSCU, host="peer", authenticated=False
    )
    for line in (str(problem), *lines):
        if not line.isascii() or not line.isprintable():
            raise AssertionError(f"{line!r} is no line for a log")


def _feed(session: TlsSession, data: bytes, generator: random.Random) -> TlsError | None:
    """Shake hands with what comes; return why that failed."""
    place = 0
    window = memoryview(bytearray(_WINDOW))
    try:
        while place < len(data):
            size = generator.choice((1, 5, 50, 10_000))
            session.feed(data[place : place + size])
            place += size
            if session.handshake():
                session.read_into(window)
    except TlsError as problem:
        return problem
    return None
