"""Associating as requestor over TLS: what fails is told by its own error, and nothing is left."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import (
    ConnectError,
    ConnectionLost,
    PeerProtocolError,
    TimeoutExpired,
    TlsError,
)
from isocenter.net.client import ConnectOptions, connect
from isocenter.net.tls import ClientTls, ServerTls
from isocenter.services.verification import echo
from isocenter.ul import codec, pdu
from tests.net.support import SOCKETS, WAIT, Thread, proposal
from tests.net.support import listening as listening_plain
from tests.net.tls_support import VERSIONS, associate, calling, identity, listening, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.association import Association

versions = pytest.mark.parametrize("version", VERSIONS)


def call(
    port: int, tls: ClientTls, *, host: str = "127.0.0.1", patience: float = WAIT
) -> Association:
    options = ConnectOptions(host=host, port=port, sockets=SOCKETS, acse_timeout=patience, tls=tls)
    return connect(options, proposal())


def meet(talk: Callable[[socket.socket], None], patience: float = WAIT) -> None:
    """Associate with an acceptor that says what `talk` does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT)

        def run() -> None:
            sock, _ = server.accept()
            with sock:
                sock.settimeout(WAIT)
                talk(sock)

        thread = Thread(run)
        try:
            call(server.getsockname()[1], ClientTls(calling()), patience=patience)
        finally:
            thread.finish()


def drain(sock: socket.socket) -> None:
    """Read until the peer closes."""
    while sock.recv(1 << 16):
        pass


def test_silent_acceptor_costs_the_acse_timeout() -> None:
    with pytest.raises(TimeoutExpired) as caught:
        meet(drain, patience=0.1)
    assert caught.value.which == "acse"


def test_acceptor_that_speaks_plain_dicom_is_recognised_by_what_it_sent() -> None:
    """What our own listener answers to a ClientHello."""
    with listening_plain() as (_, port), pytest.raises(TlsError) as caught:
        call(port, ClientTls(calling()))
    assert caught.value.received in {codec.encode(pdu.AAbort(source=0, reason=0)), b""}


def test_plain_requestor_of_an_acceptor_of_tls_gets_no_association() -> None:
    with listening() as (_, port), pytest.raises((PeerProtocolError, ConnectionLost)):
        connect(ConnectOptions(host="127.0.0.1", port=port, sockets=SOCKETS), proposal())


def test_nobody_there_is_no_matter_of_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectError):
        call(port, ClientTls(calling()))


def test_certificate_has_to_be_of_the_host_called_where_that_is_asked_for() -> None:
    tls = ClientTls(calling(verify_host=True), verify_host=True)
    with listening() as (_, port):
        association = call(port, tls)
        assert echo(association) == 0
        association.release()
        with pytest.raises(TlsError, match="mismatch") as caught:
            call(port, tls, host="localhost")
        assert caught.value.verify_code == 62
        # A server name stands in for the host, for better or worse.
        with pytest.raises(TlsError, match="mismatch"):
            call(port, ClientTls(calling(verify_host=True), "other.example", verify_host=True))


@versions
def test_acceptor_that_refuses_the_requestor_is_heard_in_both_versions(version: str) -> None:
    """In TLS 1.3 the requestor has finished, and sent its request, when it is refused."""
    tls = ServerTls(serving(version=version, trust="Hospital Root"))
    stranger = identity("stranger", "Another Root")
    with listening(tls=tls) as (_, port):
        for own in (None, stranger):
            with pytest.raises(TlsError) as caught:
                associate(port, calling(version=version, own=own))
            assert "alert" in caught.value.reason or "certificate" in caught.value.reason
