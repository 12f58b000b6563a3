"""Errors that nobody knows of, met with one connection: it is closed, and the others are served."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.net.tls import ServerTls, TlsSession
from isocenter.services.verification import echo
from tests.net.support import WAIT
from tests.net.tls_support import associate, calling, listening, serving, until_closed

if TYPE_CHECKING:
    from isocenter.net.failures import FailedConnection


class Failing(TlsSession):
    """A session that meets an error of that kind, at its beginning or behind its handshake."""

    where = "feed"

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        if self.where == "feed":
            raise RuntimeError("an error that nobody knows of")
        super().feed(data)

    def outgoing(self) -> bytes:
        if self.where == "outgoing":
            raise RuntimeError("an error that nobody knows of")
        return super().outgoing()


class FirstFails(ServerTls):
    """Has the first connection meet the error."""

    failed = 0

    def session(self) -> TlsSession:
        if self.failed:
            return super().session()
        self.failed += 1
        return Failing(self.context, server_side=True)


@pytest.mark.parametrize("where", ["feed", "outgoing"])
def test_connection_with_an_unknown_error_is_closed_and_the_next_one_served(
    where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Failing, "where", where)
    hello = TlsSession(calling(), server_side=False)
    hello.handshake()
    with listening(tls=FirstFails(serving())) as (_, port):
        with socket.create_connection(("127.0.0.1", port), WAIT) as peer:
            peer.sendall(hello.outgoing())
            assert until_closed(peer) == b""
        association = associate(port)
        assert echo(association) == 0
        association.release()
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.getMessage().startswith("connection from 127.0.0.1:")
    assert record.name == "isocenter.net.listener"


def test_failures_that_cannot_be_told_do_not_end_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(failure: FailedConnection) -> None:
        raise RuntimeError(failure.kind)

    with listening(on_failure=fail) as (_, port):
        with socket.create_connection(("127.0.0.1", port), WAIT) as peer:
            peer.sendall(b"no TLS at all")
            until_closed(peer)
        association = associate(port)
        assert echo(association) == 0
        association.release()
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "cannot be told" in record.getMessage()
