"""Waiting where decrypted bytes lie ready: a reader has its turn at once, a sender sleeps."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TimeoutExpired
from isocenter.net.deadline import Deadline
from isocenter.net.intake import Intake
from isocenter.net.options import AssociationOptions
from isocenter.net.tls import TlsTransport
from isocenter.net.transport import PlainTransport
from isocenter.ul import codec
from isocenter.ul.connection import Connection
from isocenter.ul.options import EngineOptions
from tests.net.support import SOCKETS, WAIT
from tests.net.tls_support import agreed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def waiting() -> Iterator[tuple[Intake, TlsTransport]]:
    """A transport that has bytes its descriptor does not tell of, and cannot send."""
    client, server = agreed()
    ours, theirs = socket.socketpair()
    client.write(bytes(1000))
    theirs.sendall(client.outgoing())
    transport = TlsTransport(PlainTransport(ours, SOCKETS), server)
    while transport.receive_into(memoryview(bytearray(100))) is None:
        pass  # a part of the record
    assert transport.pending()
    transport.queue([bytes(8 << 20)])
    assert not transport.send()
    connection = Connection(requestor=False, options=EngineOptions(limits=codec.Limits()))
    connection.transport_connected(time.monotonic())
    intake = Intake(transport, connection, AssociationOptions())
    yield intake, transport
    intake.close()
    transport.close()
    theirs.close()


def test_reader_does_not_wait_for_what_is_decrypted_already(
    waiting: tuple[Intake, TlsTransport],
) -> None:
    intake, transport = waiting
    intake.wait(transport.read_mask, Deadline(WAIT, "never"))
    intake.wait(transport.read_mask | transport.write_mask, Deadline(WAIT, "never"))
    assert transport.pending()


def test_sender_that_may_not_read_sleeps_until_it_can_send_or_its_time_is_up(
    waiting: tuple[Intake, TlsTransport],
) -> None:
    """Else a peer that sends much and takes nothing keeps a processor busy for ever."""
    intake, transport = waiting
    with pytest.raises(TimeoutExpired):
        intake.wait(transport.write_mask, Deadline(0.05, "a test"))
