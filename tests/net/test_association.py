"""The driver of one association: duplex, requests from other threads, ends of every kind."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.dimse.commands import CStoreRSP
from isocenter.dimse.messages import CommandReceived, DataReceived
from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    LocalProtocolError,
    PeerProtocolError,
    TimeoutExpired,
)
from isocenter.net.association import Association, StopRequested
from isocenter.net.options import AssociationOptions
from isocenter.net.transport import PlainTransport
from isocenter.services import storage
from isocenter.services.acceptor import Acceptor
from isocenter.ul import codec, pdu
from isocenter.ul.events import ReleaseIndication
from isocenter.ul.options import EngineOptions
from isocenter.wire import FileRegion
from tests.net.support import (
    CT,
    OPTIONS,
    POLICY,
    WAIT,
    Thread,
    acceptance,
    as_acceptor,
    as_requestor,
    driver,
    echo_request,
    message,
    proposal,
    read_pdu,
    registry,
    store_request,
    tcp_pair,
)
from tests.ul.engines import data_pdu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.services.providers import StoreRequest

RELEASE_RQ = codec.encode(pdu.AReleaseRQ())
RELEASE_RP = codec.encode(pdu.AReleaseRP())
USER_ABORT = codec.encode(pdu.AAbort(source=0, reason=0))


def response(message_id: int) -> CStoreRSP:
    return CStoreRSP(
        message_id_being_responded_to=message_id,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid="1.2.3",
        status=0,
        has_data_set=False,
    )


def pdvs_of(pdu_bytes: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Take a P-DATA-TF apart: context id, control header and fragment of each PDV."""
    assert pdu_bytes[0] == 4
    position = 6
    while position < len(pdu_bytes):
        length = int.from_bytes(pdu_bytes[position : position + 4], "big")
        end = position + 4 + length
        yield pdu_bytes[position + 4], pdu_bytes[position + 5], pdu_bytes[position + 6 : end]
        position = end


def read_until_closed(peer: socket.socket) -> list[bytes]:
    pdus = []
    while data := read_pdu(peer):
        pdus.append(data)
    return pdus


class Keeper:
    """A provider that counts bytes."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def store(self, request: StoreRequest) -> int:
        self.lengths.append(sum(len(v) for views in request.fragments() for v in views))
        return 0


# --- duplex ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_sender_with_a_wide_window_and_a_receiver_that_answers_each_do_not_deadlock() -> None:
    left, right = socket.socketpair()
    for sock in (left, right):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    keeper = Keeper()
    acceptor = driver(right, requestor=False)
    serving = Thread(lambda: Acceptor(POLICY, registry(keeper)).serve(acceptor))
    request = proposal(window=16)
    requestor = driver(left, requestor=True, request=request)
    requestor.await_answer(request)
    answered = 0
    data = bytes(20_000)
    for number in range(200):
        while not requestor.session.can_invoke:
            assert storage.await_store(requestor).status == 0
            answered += 1
        storage.submit(requestor, 1, sop_class_uid=CT, sop_instance_uid=f"1.{number}", data=[data])
    while requestor.session.outstanding:
        storage.await_store(requestor)
        answered += 1
    requestor.release()
    serving.finish()
    assert answered == 200
    assert keeper.lengths == [20_000] * 200


@pytest.mark.slow
def test_receiver_whose_answers_are_not_read_keeps_the_next_object_for_later() -> None:
    mine, other = socket.socketpair()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    acceptor, peer = as_acceptor(window=16, pair=(mine, other))
    keeper = Keeper()
    serve = Acceptor(POLICY, registry(keeper))._serve_messages
    serving = Thread(lambda: serve(acceptor))
    peer.sendall(b"".join(message(store_request(i), bytes(100)) for i in range(1, 201)))
    for _ in range(200):
        assert read_pdu(peer)[0] == 4
    peer.sendall(RELEASE_RQ)
    assert read_pdu(peer) == RELEASE_RP
    peer.close()
    serving.finish()
    assert keeper.lengths == [100] * 200


def test_responses_that_arrive_while_sending_are_kept() -> None:
    association, peer = as_requestor(window=2)
    association.session.invoked(store_request(1))
    peer.sendall(message(response(1)))

    def drain() -> None:
        for _ in range(40):
            read_pdu(peer)

    sink = Thread(drain)
    association.send(1, store_request(2), [bytes(400_000)])
    incoming = association.receive(WAIT)
    assert isinstance(incoming, CommandReceived)
    assert incoming.message == response(1)
    association.close()
    peer.close()
    with contextlib.suppress(OSError):
        sink.finish()


def send_against_a_flood(maximum: int, commands: int) -> int:
    """Send to a peer that sends `commands` and reads nothing; return how many were kept."""
    mine, other = socket.socketpair()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    association, peer = as_acceptor(
        pair=(mine, other),
        options=AssociationOptions(linger=0.01, maximum_unread=maximum),
        engine=EngineOptions(limits=codec.Limits(), idle_timeout=0.2),
    )
    peer.sendall(b"".join(message(echo_request(i), context_id=3) for i in range(1, commands + 1)))
    with pytest.raises(TimeoutExpired, match="socket timeout"):
        association.send(1, store_request(), [bytes(1_000_000)])
    peer.close()
    return len(association._inbox)


def test_commands_that_arrive_while_sending_are_kept_up_to_a_limit() -> None:
    assert send_against_a_flood(8, 7) == 7
    assert send_against_a_flood(8, 8) == 8
    assert send_against_a_flood(8, 9) == 8


def test_commands_beyond_the_limit_are_read_once_the_message_is_sent() -> None:
    mine, other = socket.socketpair()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    association, peer = as_acceptor(
        pair=(mine, other), options=AssociationOptions(linger=0.5, maximum_unread=2)
    )
    peer.sendall(b"".join(message(echo_request(i), context_id=3) for i in range(1, 21)))
    sending = Thread(lambda: association.send(1, store_request(), [bytes(100_000)]))
    while not len(association._inbox):
        time.sleep(0.001)

    def drain() -> None:
        read_until_closed(peer)

    sink = Thread(drain)
    sending.finish()
    for number in range(1, 21):
        incoming = association.receive(WAIT)
        assert isinstance(incoming, CommandReceived)
        assert incoming.message == echo_request(number)
    association.close()
    sink.finish()
    peer.close()


# --- requests from other threads ------------------------------------------------------------


def test_stop_in_the_middle_of_an_object_lets_it_finish() -> None:
    association, peer = as_acceptor()
    whole = message(store_request(), bytes(1000)) + message(store_request(2), bytes(10))
    peer.sendall(whole[:500])
    assert isinstance(association.receive(WAIT), CommandReceived)
    association.request_stop()
    peer.sendall(whole[500:])
    received = 0
    while True:
        incoming = association.receive(WAIT)
        assert isinstance(incoming, DataReceived)
        received += incoming.length
        if incoming.is_last:
            break
    assert received == 1000
    assert isinstance(association.receive(WAIT), StopRequested)
    assert isinstance(association.receive(WAIT), StopRequested)
    association.close()
    peer.close()


def test_stop_wakes_an_idle_association() -> None:
    association, peer = as_acceptor()
    stopping = Thread(association.request_stop)
    assert isinstance(association.receive(WAIT), StopRequested)
    stopping.finish()
    association.close()
    association.request_stop()
    peer.close()


@pytest.mark.parametrize("requestor", [True, False])
def test_stop_before_the_association_stands_waits_for_its_timeout(requestor: bool) -> None:
    mine, peer = socket.socketpair()
    engine = EngineOptions(limits=codec.Limits(), acse_timeout=0.1, artim_timeout=0.1)
    request = proposal() if requestor else None
    association = driver(
        mine,
        requestor=requestor,
        request=request,
        engine=engine,
        options=AssociationOptions(linger=0.01),
    )
    association.request_stop()
    began = time.process_time()

    def wait() -> None:
        if request is None:
            association.await_request()
        else:
            association.await_answer(request)

    with pytest.raises((TimeoutExpired, ConnectionLost)):
        wait()
    assert time.process_time() - began < 0.08
    peer.close()


def test_abort_in_the_middle_of_an_object_reaches_the_peer() -> None:
    association, peer = as_acceptor()
    peer.sendall(message(store_request(), bytes(1000))[:500])
    assert isinstance(association.receive(WAIT), CommandReceived)
    assert isinstance(association.receive(WAIT), DataReceived)
    aborting = Thread(association.request_abort)
    ending = Thread(lambda: _expect_end(peer))
    with pytest.raises(AssociationAborted) as caught:
        association.receive(WAIT)
    assert not caught.value.by_peer
    aborting.finish()
    ending.finish()


def _expect_end(peer: socket.socket) -> None:
    _check_abort(read_pdu(peer), peer)


def _check_abort(data: bytes, peer: socket.socket) -> None:
    peer.close()
    assert data == USER_ABORT


def _receive_all(association: Association) -> None:
    while True:
        association.receive(WAIT)


def _send_much(association: Association) -> None:
    for number in range(1, 100):
        association.send(1, store_request(number), [bytes(500_000)])


def test_abort_ends_a_send_that_the_peer_does_not_take() -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=0.05))
    timer = threading.Timer(0.02, association.request_abort)
    timer.start()
    with pytest.raises(AssociationAborted):
        association.send(1, store_request(), [bytes(5_000_000)])
    timer.join(WAIT)
    assert association.closed
    peer.close()


@pytest.mark.slow
def test_waiting_for_the_peer_to_close_does_not_spin() -> None:
    association, peer = as_acceptor(options=AssociationOptions(linger=0.3))
    association.request_stop()
    association.request_abort()
    before = time.thread_time()
    association.abort()
    assert time.thread_time() - before < 0.1
    peer.close()


# --- time -----------------------------------------------------------------------------------


def test_response_that_does_not_come_is_a_timeout_and_the_association_stands() -> None:
    association, peer = as_requestor()
    with pytest.raises(TimeoutExpired) as caught:
        association.receive(0.01)
    assert (caught.value.which, caught.value.seconds) == ("dimse", 0.01)
    peer.sendall(message(response(1)))
    assert isinstance(association.receive(WAIT), CommandReceived)
    association.close()
    peer.close()


@pytest.mark.slow
def test_peer_that_says_nothing_without_end_does_not_prolong_the_wait() -> None:
    association, peer = as_requestor()
    stop = threading.Event()

    def flood() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                peer.sendall(data_pdu(b"", control=0) * 100)

    flooding = Thread(flood)
    with pytest.raises(TimeoutExpired, match="dimse"):
        association.receive(0.1)
    stop.set()
    association.close()
    flooding.finish()
    peer.close()


@pytest.mark.slow
def test_peer_that_sends_without_end_does_not_prolong_a_release() -> None:
    engine = EngineOptions(limits=codec.Limits(), acse_timeout=0.1)
    association, peer = as_requestor(engine=engine)

    def flood() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer.sendall(message(echo_request(), context_id=3) * 100)

    flooding = Thread(flood)
    with pytest.raises(TimeoutExpired, match="acse"):
        association.release()
    flooding.finish()
    peer.close()


def test_silent_association_is_aborted_after_its_idle_time() -> None:
    engine = EngineOptions(limits=codec.Limits(), idle_timeout=0.02)
    association, peer = as_acceptor(engine=engine, options=AssociationOptions(linger=0.01))
    with pytest.raises(TimeoutExpired, match="socket timeout"):
        association.receive()
    assert read_pdu(peer) == codec.encode(pdu.AAbort(source=2, reason=0))
    peer.close()


def test_peer_that_takes_nothing_is_given_up_after_the_idle_time() -> None:
    engine = EngineOptions(limits=codec.Limits(), idle_timeout=0.05)
    association, peer = as_requestor(engine=engine, options=AssociationOptions(linger=0.01))
    with pytest.raises(TimeoutExpired, match="socket timeout"):
        association.send(1, store_request(), [bytes(5_000_000)])
    assert association.closed
    peer.close()


# --- the peer goes --------------------------------------------------------------------------

WHOLE = message(store_request(), bytes(100))


@pytest.mark.parametrize("cut", [0, 1, 5, 6, 11, 12, 100, len(WHOLE) - 113, len(WHOLE) - 1])
def test_peer_that_closes_at_any_point_is_a_lost_connection(cut: int) -> None:
    association, peer = as_acceptor()
    peer.sendall(WHOLE[:cut])
    peer.close()
    with pytest.raises(ConnectionLost):
        _receive_all(association)
    assert association.closed
    with pytest.raises(LocalProtocolError, match="closed"):
        association.receive(WAIT)


def test_peer_that_aborts_while_an_object_is_sent_is_heard() -> None:
    association, peer = as_requestor(pair=tcp_pair())
    peer.sendall(codec.encode(pdu.AAbort(source=2, reason=1)))
    peer.close()
    with pytest.raises(AssociationAborted) as caught:
        _send_much(association)
    assert (caught.value.source, caught.value.reason, caught.value.by_peer) == (2, 1, True)
    assert association.closed


def test_peer_that_vanishes_while_an_object_is_sent_is_a_lost_connection() -> None:
    association, peer = as_requestor()
    peer.close()
    with pytest.raises(ConnectionLost):
        association.send(1, store_request(), [bytes(500_000)])
    assert association.closed


def test_peer_that_asks_for_release_while_an_object_is_sent_is_aborted() -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=0.05))
    peer.sendall(RELEASE_RQ)
    with pytest.raises(AssociationReleased):
        association.send(1, store_request(), [bytes(5_000_000)])
    peer.close()


def test_data_on_a_context_that_was_not_accepted_is_aborted() -> None:
    association, peer = as_acceptor(options=AssociationOptions(linger=0.01))
    peer.sendall(data_pdu(b"x", context_id=77))
    with pytest.raises(PeerProtocolError, match="context 77 was not accepted"):
        association.receive(WAIT)
    assert read_pdu(peer) == codec.encode(pdu.AAbort(source=2, reason=6))
    peer.close()


def test_broken_command_is_aborted_by_the_user() -> None:
    association, peer = as_acceptor(options=AssociationOptions(linger=0.01))
    peer.sendall(data_pdu(b"no command", control=3))
    with pytest.raises(DimseDecodeError):
        association.receive(WAIT)
    assert read_pdu(peer) == USER_ABORT
    peer.close()


# --- ends of our own ------------------------------------------------------------------------


@pytest.mark.slow
def test_abort_arrives_although_much_is_unread() -> None:
    association, peer = as_acceptor(pair=tcp_pair())
    peer.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            peer.send(message(store_request(), bytes(16_000)))
    assert isinstance(association.receive(WAIT), CommandReceived)
    peer.settimeout(WAIT)

    def read() -> None:
        assert read_pdu(peer) == USER_ABORT
        peer.close()

    reading = Thread(read)
    association.abort()
    reading.finish()


def test_release_collision_is_settled_on_both_sides() -> None:
    left, right = socket.socketpair()
    acceptor = driver(right, requestor=False)
    both = threading.Barrier(2)

    def serve() -> None:
        request = acceptor.await_request()
        acceptor.accept_request(request, acceptance(request))
        both.wait(WAIT)
        acceptor.release()

    serving = Thread(serve)
    request = proposal()
    requestor = driver(left, requestor=True, request=request)
    requestor.await_answer(request)
    both.wait(WAIT)
    requestor.release()
    serving.finish()
    assert requestor.closed
    assert acceptor.closed


def test_acceptor_in_a_release_collision_answers_second() -> None:
    association, peer = as_acceptor()
    peer.sendall(RELEASE_RQ)
    seen: list[bytes] = []

    def requestor() -> None:
        assert read_pdu(peer) == RELEASE_RQ
        peer.sendall(RELEASE_RP)
        seen.append(read_pdu(peer))
        peer.close()

    other = Thread(requestor)
    association.release()
    other.finish()
    assert seen == [RELEASE_RP]


def test_release_is_confirmed_and_the_peer_closes() -> None:
    association, peer = as_acceptor()
    peer.sendall(RELEASE_RQ)
    assert isinstance(association.receive(WAIT), ReleaseIndication)
    closing = Thread(lambda: _expect(peer, RELEASE_RP))
    association.confirm_release()
    closing.finish()
    assert association.closed
    association.release()
    association.abort()


def _expect(peer: socket.socket, data: bytes) -> None:
    assert read_pdu(peer) == data
    peer.close()


def test_file_that_becomes_shorter_ends_in_an_abort(tmp_path: Path) -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=0.05))
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(DataSetError, match="became shorter"):
        association.send(1, store_request(), [FileRegion(fd, 0, 2000)])
    os.close(fd)
    assert read_until_closed(peer) == [USER_ABORT]
    peer.close()


def test_segments_that_come_one_by_one_arrive_as_one_data_set() -> None:
    association, peer = as_requestor()
    pieces = [bytes([number % 251]) * (number * 37 % 5000) for number in range(300)]

    def read() -> bytes:
        found = b""
        while True:
            pdu_bytes = read_pdu(peer)
            for context_id, control, fragment in pdvs_of(pdu_bytes):
                assert context_id == 1
                if not control & 1:
                    found += fragment
                    if control & 2:
                        return found

    received: list[bytes] = []
    reader = Thread(lambda: received.append(read()))
    association.send(1, store_request(), iter(pieces))
    reader.finish()
    assert received == [b"".join(pieces)]
    association.close()
    peer.close()


@pytest.mark.parametrize("problem", [DataSetError("became shorter"), OSError(5, "on fire")])
def test_source_that_fails_while_it_is_sent_ends_in_an_abort(problem: Exception) -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=0.05))

    def source() -> Iterator[bytes]:
        yield bytes(20_000)
        raise problem

    with pytest.raises(type(problem)):
        association.send(1, store_request(), source())
    assert read_until_closed(peer)[-1] == USER_ABORT
    assert association.closed
    peer.close()


def test_abort_behind_a_batch_the_peer_had_not_taken_is_still_a_pdu_of_its_own() -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=WAIT))

    def read() -> None:
        peer.sendall(RELEASE_RQ)
        while (data := read_pdu(peer))[0] == 4:
            pass
        _check_abort(data, peer)

    reading = Thread(read)
    with pytest.raises(AssociationReleased):
        association.send(1, store_request(), [bytes(50_000_000)])
    reading.finish()


def test_context_that_was_not_accepted_is_not_sent_on() -> None:
    association, peer = as_requestor()
    with pytest.raises(LocalProtocolError, match="context 9"):
        association.send(9, echo_request())
    association.close()
    peer.close()


@pytest.mark.parametrize("maximum", [1, 7])
def test_maximum_length_without_room_is_aborted(maximum: int) -> None:
    mine, peer = socket.socketpair()
    peer.settimeout(WAIT)
    association = driver(mine, requestor=False, options=AssociationOptions(linger=0.01))
    peer.sendall(codec.encode(proposal(maximum_length=maximum)))
    request = association.await_request()
    with pytest.raises(PeerProtocolError, match="leaves no room"):
        association.accept_request(request, acceptance(request))
    assert read_pdu(peer) == codec.encode(pdu.AAbort(source=2, reason=6))
    peer.close()


def test_close_twice_and_without_a_word() -> None:
    association, peer = as_requestor()
    association.close()
    association.close()
    assert isinstance(association, Association)
    assert read_pdu(peer) == b""
    peer.close()
    assert OPTIONS.linger


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_a_peer_that_holds_the_rest_of_a_message_back_is_told_at_once_what_arrived(
    pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    acceptor, peer = as_acceptor()
    whole = message(store_request(), bytes(100))
    # Within the header of the first PDU, and between command and data set.
    cuts = {1: [whole], 2: [whole[:4], whole[4:]], 3: [whole[:4], whole[4:-112], whole[-112:]]}
    parts = iter(cuts[pieces])
    hurried: list[int] = []

    def hurry(_transport: PlainTransport) -> None:
        hurried.append(1)
        peer.sendall(next(parts))  # only now, as with Nagle's algorithm

    monkeypatch.setattr(PlainTransport, "hurry", hurry)
    peer.sendall(next(parts))
    keeper = Keeper()
    serve = Acceptor(POLICY, registry(keeper))._serve_messages
    serving = Thread(lambda: serve(acceptor))
    assert read_pdu(peer)[0] == 4
    peer.sendall(RELEASE_RQ)
    assert read_pdu(peer) == RELEASE_RP
    peer.close()
    serving.finish()
    assert keeper.lengths == [100]
    assert len(hurried) == pieces - 1
