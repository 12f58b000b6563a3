"""What has arrived, without waiting: for who performs an operation of many responses."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.dimse.commands import CCancelRQ, CEchoRQ, CStoreRQ
from isocenter.dimse.messages import CommandReceived, DataReceived
from isocenter.errors import (
    AssociationAborted,
    ConnectionLost,
    DimseDecodeError,
    LocalProtocolError,
)
from isocenter.net.association import StopRequested
from isocenter.ul import codec, pdu
from isocenter.ul.events import ReleaseIndication
from tests.net.support import WAIT, as_acceptor, echo_request, message, store_request
from tests.ul.engines import data_pdu

if TYPE_CHECKING:
    from isocenter.net.association import Association

CANCEL = message(CCancelRQ(message_id_being_responded_to=1))


def arrival(association: Association) -> object:
    """Return what arrives within the time of a test."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if (incoming := association.arrived(0.01)) is not None:
            return incoming
    raise TimeoutError


def command(incoming: object) -> type:
    assert isinstance(incoming, CommandReceived)
    return type(incoming.message)


def test_nothing_has_arrived() -> None:
    association, peer = as_acceptor()
    assert association.arrived() is None
    assert association.arrived(0.001) is None
    association.close()
    peer.close()


def test_each_command_arrives_once() -> None:
    association, peer = as_acceptor()
    peer.sendall(CANCEL + message(echo_request(2), context_id=3))
    assert command(arrival(association)) is CCancelRQ
    assert command(arrival(association)) is CEchoRQ
    assert association.arrived() is None
    association.close()
    peer.close()


def test_command_that_came_while_something_was_sent_arrives() -> None:
    association, peer = as_acceptor()
    peer.sendall(CANCEL)
    incoming = association.receive(WAIT)
    assert isinstance(incoming, CommandReceived)
    association.postpone(incoming)
    association.resume_postponed()
    assert command(association.arrived()) is CCancelRQ
    association.close()
    peer.close()


def test_half_a_command_has_not_arrived() -> None:
    association, peer = as_acceptor()
    peer.sendall(CANCEL[:-1])
    assert association.arrived(0.05) is None
    assert association.arrived() is None
    peer.sendall(CANCEL[-1:])
    assert command(arrival(association)) is CCancelRQ
    association.close()
    peer.close()


def test_nothing_is_read_behind_a_postponed_command_with_a_data_set() -> None:
    association, peer = as_acceptor(window=4)
    peer.sendall(message(store_request(7), b"12345678") + CANCEL)
    incoming = arrival(association)
    assert isinstance(incoming, CommandReceived)
    assert type(incoming.message) is CStoreRQ
    association.postpone(incoming)
    assert association.arrived() is None
    assert association.arrived(0.01) is None
    association.resume_postponed()
    assert association.receive(WAIT) is incoming
    data = association.receive(WAIT)
    assert isinstance(data, DataReceived)
    assert b"".join(map(bytes, data.fragments)) == b"12345678"
    assert command(association.receive(WAIT)) is CCancelRQ
    association.close()
    peer.close()


def test_postponed_commands_come_before_newer_ones_in_their_order() -> None:
    association, peer = as_acceptor(window=4)
    peer.sendall(b"".join(message(echo_request(number), context_id=3) for number in (1, 2, 3)))
    for _ in range(2):
        incoming = arrival(association)
        assert isinstance(incoming, CommandReceived)
        association.postpone(incoming)
    association.resume_postponed()
    numbers = []
    for _ in range(3):
        received = association.receive(WAIT)
        assert isinstance(received, CommandReceived)
        assert isinstance(received.message, CEchoRQ)
        numbers.append(received.message.message_id)
    assert numbers == [1, 2, 3]
    association.close()
    peer.close()


def test_wake_ends_a_wait() -> None:
    association, peer = as_acceptor()
    threading.Timer(0.05, association.wake).start()
    began = time.monotonic()
    assert association.arrived(WAIT) is None
    assert time.monotonic() - began < WAIT
    association.close()
    peer.close()


def test_stop_request_arrives_unless_it_has_to_wait() -> None:
    association, peer = as_acceptor()
    before = association.stop_requested
    association.request_stop()
    assert (before, association.stop_requested) == (False, True)
    assert association.arrived(stoppable=False) is None
    assert isinstance(association.arrived(), StopRequested)
    association.close()
    peer.close()


def test_release_request_arrives() -> None:
    association, peer = as_acceptor()
    peer.sendall(codec.encode(pdu.AReleaseRQ()))
    assert isinstance(arrival(association), ReleaseIndication)
    association.close()
    peer.close()


def test_abort_of_the_peer_is_raised() -> None:
    association, peer = as_acceptor()
    peer.sendall(codec.encode(pdu.AAbort(source=0, reason=0)))
    with pytest.raises(AssociationAborted):
        arrival(association)
    assert association.closed
    peer.close()


def test_end_of_the_stream_is_raised() -> None:
    association, peer = as_acceptor()
    peer.close()
    with pytest.raises(ConnectionLost):
        arrival(association)
    assert association.closed
    with pytest.raises(LocalProtocolError):
        association.arrived()


def test_abort_that_was_asked_for_is_raised() -> None:
    association, peer = as_acceptor()
    association.request_abort()
    with pytest.raises(AssociationAborted):
        association.arrived()
    peer.close()


def test_data_without_a_command_is_refused() -> None:
    association, peer = as_acceptor()
    peer.sendall(data_pdu(b"12345678", context_id=1))
    with pytest.raises(DimseDecodeError):
        arrival(association)
    peer.close()
