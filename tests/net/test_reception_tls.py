"""A listener that speaks TLS: what begins and does not go on costs little and keeps nobody out."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import AssociationRejected, TlsError
from isocenter.net.dispatch import ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.tls import ServerTls, TlsSession
from isocenter.net.tls_hello import offered_protocols
from isocenter.net.transport import SocketOptions
from isocenter.services import storage
from isocenter.services.acceptor import Acceptor
from isocenter.services.verification import echo
from isocenter.ul import codec, pdu
from isocenter.ul.options import EngineOptions
from isocenter.wire import FileRegion
from tests.net.support import (
    CT,
    POLICY,
    SOCKETS,
    WAIT,
    Thread,
    echo_request,
    message,
    proposal,
    registry,
    serve_options,
)
from tests.net.test_gate import KNOWN, SLOW, Gate
from tests.net.tls_support import (
    VERSIONS,
    Caller,
    Failures,
    associate,
    authority,
    calling,
    identity,
    listening,
    serving,
    until_closed,
)
from tests.support.processes import wait_until

if TYPE_CHECKING:
    import ssl

    from isocenter.net.association import Association
    from isocenter.services.providers import StoreRequest

REQUEST = codec.encode(proposal())
ACCEPTED, REJECTED, RELEASED, ABORTED = 2, 3, 6, 7
NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0301 0002 02 78")

versions = pytest.mark.parametrize("version", VERSIONS)


class Counting(ServerTls):
    """Counts the sessions it begins, and keeps nothing of them."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context or serving())
        self.sessions = 0
        self.begun: list[weakref.ref[TlsSession]] = []

    def session(self) -> TlsSession:
        session = Watched(self.context, server_side=True)
        self.begun.append(weakref.ref(session))
        self.sessions += 1
        return session


class Watched(TlsSession):
    __slots__ = ("__weakref__",)


def dial(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT, source_address=(source, 0))


def begins(tls: Counting, count: int) -> None:
    """Wait until so many sessions have begun."""
    wait_until(lambda: tls.sessions >= count, timeout=WAIT, what=f"{count} sessions")


def assert_serving(port: int) -> None:
    association = associate(port)
    assert echo(association) == 0
    association.release()


def limits(artim: float) -> EngineOptions:
    return EngineOptions(limits=codec.Limits(), artim_timeout=artim)


# --- served ---------------------------------------------------------------------------------


@versions
def test_association_over_tls_knows_what_was_agreed_on(version: str) -> None:
    context = serving(version=version, trust="Hospital Root")
    with listening(tls=ServerTls(context)) as (_, port):
        association = associate(port, calling(version=version, own=identity("scanner")))
        assert association.tls is not None
        assert association.tls.version == version
        assert association.tls.peer_certificate is not None
        assert echo(association) == 0
        association.release()


@pytest.mark.slow
@versions
def test_large_object_of_memory_and_file_arrives_whole(version: str, tmp_path: Path) -> None:
    """Both ways of sending and the receiver's windows, small and large, meet records."""
    data = bytes((i * 2654435761 >> 13) & 0xFF for i in range(1 << 16)) * 128
    path = tmp_path / "object"
    path.write_bytes(data)
    kept = Whole()
    with listening(provider=kept) as (_, port), path.open("rb") as file:
        association = associate(port, version=version)
        for number in range(2):
            region = FileRegion(file.fileno(), 1000, len(data) - 1000)
            response = storage.store(
                association,
                1,
                sop_class_uid=CT,
                sop_instance_uid=f"1.2.{number}",
                data=(data[:1000], region),
            )
            assert response.status == 0
        association.release()
    assert kept.digests == [hashlib.sha256(data).digest()] * 2


class Whole:
    """A provider that keeps the digests of what it got."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []

    def store(self, request: StoreRequest) -> int:
        digest = hashlib.sha256()
        for views in request.fragments():
            for view in views:
                digest.update(view)
        self.digests.append(digest.digest())
        return 0


def test_silent_connections_cost_no_session() -> None:
    tls = Counting()
    with listening(tls=tls) as (_, port):
        silent = [dial(port) for _ in range(5)]
        assert_serving(port)
        assert tls.sessions == 1
        for sock in silent:
            sock.close()
        assert_serving(port)
        assert tls.sessions == 2


@versions
@pytest.mark.parametrize("size", [1, 100])
def test_request_in_many_records_in_many_pieces_is_a_request(version: str, size: int) -> None:
    with listening() as (_, port), Caller(port, calling(version=version)) as caller:
        caller.shake()
        stream = b"".join(
            caller.encrypted(REQUEST[at : at + size]) for at in range(0, len(REQUEST), size)
        )
        for at in range(0, len(stream), 1000):
            caller.sock.sendall(stream[at : at + 1000])
        assert caller.read_pdu()[0] == ACCEPTED


def test_request_that_comes_together_with_the_end_of_the_handshake_is_not_forgotten() -> None:
    with listening() as (_, port), Caller(port, calling(version="TLSv1.3")) as caller:
        caller.sock.sendall(caller.finish() + caller.encrypted(REQUEST))
        assert caller.read_pdu()[0] == ACCEPTED


@versions
def test_what_follows_the_request_at_once_is_not_forgotten(version: str) -> None:
    with listening() as (_, port), Caller(port, calling(version=version)) as caller:
        caller.shake()
        caller.send(REQUEST + message(echo_request()) * 3)
        assert caller.read_pdu()[0] == ACCEPTED
        for _ in range(3):
            assert caller.read_pdu()[0] == 4
        caller.send(codec.encode(pdu.AReleaseRQ()))
        assert caller.read_pdu()[0] == RELEASED


@versions
def test_hello_byte_by_byte_is_a_hello_and_is_read_once(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def look(hello: bytes) -> tuple[str, ...] | None:
        looked.append(len(hello))
        return offered_protocols(hello)

    monkeypatch.setattr("isocenter.net.tls_hello.offered_protocols", look)
    with listening() as (_, port), Caller(port, calling(version=version)) as caller:
        for byte in caller.hello():
            caller.sock.sendall(bytes([byte]))
        caller.shake()
        caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        assert looked == [len(caller.hello())]


def test_replaced_certificate_is_for_new_connections_and_old_ones_go_on() -> None:
    tls = ServerTls(serving("archive"))
    with listening(tls=tls) as (_, port):
        before = associate(port)
        tls.replace(serving("new archive"))
        after = associate(port)
        assert echo(before) == 0
        assert echo(after) == 0
        seen = [certificate(association) for association in (before, after)]
        assert seen == [certificate_of("archive"), certificate_of("new archive")]
        before.release()
        after.release()


def certificate(association: Association) -> bytes | None:
    assert association.tls is not None
    return association.tls.peer_certificate


def certificate_of(name: str) -> bytes:
    return Path(identity(name).certificate_der).read_bytes()


def not_listening(context: ssl.SSLContext, sockets: SocketOptions = SOCKETS) -> Listener:
    """Return a listener for a connection that it is given."""
    made = serve_options()
    return Listener(
        ListenOptions(port=0),
        made.engine,
        sockets,
        ThreadDispatcher(Acceptor(POLICY, registry()).serve, made),
        tls=ServerTls(context),
    )


@versions
def test_handshake_goes_on_where_the_peer_was_slow_to_read(version: str) -> None:
    """Our part of it, with a certificate for many names, leaves in pieces."""
    names = [f"host{i}.example" for i in range(600)]
    own = authority("Hospital Root").issue("many", names=names, key="ec-p256")
    context = serving(version=version)
    context.load_cert_chain(own.certificate, own.private_key)
    ours, theirs = socket.socketpair()
    theirs.settimeout(WAIT)
    listener = not_listening(context, SocketOptions(buffer_length=4608))
    listener.adopt(ours)
    thread = Thread(listener.run)
    with Caller(theirs, calling(version=version)) as caller:
        theirs.sendall(caller.hello())

        def waits() -> bool:
            return any(one.unsent for one in list(listener._reception._pending.values()))

        wait_until(waits, timeout=WAIT, what="a part that does not leave")
        end = caller.finish()
        theirs.sendall(end + (caller.encrypted(REQUEST) if version == "TLSv1.3" else b""))
        if version != "TLSv1.3":
            caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        caller.send(codec.encode(pdu.AReleaseRQ()))
        assert caller.read_pdu()[0] == RELEASED
    thread.finish()


def test_connection_that_somebody_else_accepted_speaks_tls_and_run_returns_at_its_end() -> None:
    listener = not_listening(serving())
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Caller(server.getsockname()[1]) as caller,
    ):
        listener.adopt(server.accept()[0])
        thread = Thread(listener.run)
        caller.shake()
        caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        caller.send(codec.encode(pdu.AReleaseRQ()))
        assert caller.read_pdu()[0] == RELEASED
        caller.sock.close()
        thread.finish()


# --- not served -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(REQUEST, id="A-ASSOCIATE-RQ"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x00\x05" + b"\xff" * 100, id="no ClientHello"),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_what_is_no_tls_is_told_with_its_first_bytes(data: bytes, *, bytewise: bool) -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with dial(port) as sock:
            with contextlib.suppress(OSError):
                for piece in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                    sock.sendall(piece)
            until_closed(sock)
            local = "{}:{}".format(*sock.getsockname())
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        assert failure.peer_address == local
        assert isinstance(failure.cause, TlsError)
        # Byte by byte it is refused as soon as it cannot be TLS.
        assert failure.received
        assert data.startswith(failure.received)
        if not bytewise:
            assert failure.received == data[:32]
        assert_serving(port)


def test_failure_that_nobody_is_told_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as (_, port):
        with caplog.at_level(logging.ERROR), dial(port) as sock:
            sock.sendall(REQUEST)
            until_closed(sock)
        assert_serving(port)
    lines = [record.getMessage() for record in caplog.records]
    assert any(
        line.startswith("Receiving Association failed: TLS error: ") and "127.0.0.1" in line
        for line in lines
    )


@versions
@pytest.mark.parametrize("pieces", [1, 7])
def test_requestor_of_another_protocol_gets_the_alert_for_it(version: str, pieces: int) -> None:
    failures = Failures()
    context = calling(version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with listening(on_failure=failures) as (_, port), Caller(port, context) as caller:
        hello = caller.hello()
        step = -(-len(hello) // pieces)
        for at in range(0, len(hello), step):
            caller.sock.sendall(hello[at : at + step])
        answer = until_closed(caller.sock)
        assert answer == NO_APPLICATION_PROTOCOL
        caller.session.feed(answer)
        with pytest.raises(TlsError, match="no application protocol"):
            caller.session.handshake()
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        assert isinstance(failure.cause, TlsError)
        assert failure.cause.reason == "no application protocol"
        assert failure.received == hello[:32]
        assert_serving(port)


@pytest.mark.parametrize("protocols", [["h2", "dicom"], ["dicom"], []])
def test_requestor_that_speaks_dicom_too_or_does_not_say_is_served(protocols: list[str]) -> None:
    context = calling()
    context.set_alpn_protocols(protocols)
    with listening() as (_, port):
        association = associate(port, context)
        assert echo(association) == 0
        association.release()


@versions
def test_requestor_without_the_certificate_that_is_required_is_told(version: str) -> None:
    failures = Failures()
    tls = ServerTls(serving(version=version, trust="Hospital Root"))
    with listening(tls=tls, on_failure=failures) as (_, port):
        with pytest.raises(TlsError):
            associate(port, calling(version=version))
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        assert "peer did not return a certificate" in str(failure.cause)
        association = associate(port, calling(version=version, own=identity("scanner")))
        assert echo(association) == 0
        association.release()


@versions
def test_requestor_that_does_not_trust_us_says_so(version: str) -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with pytest.raises(TlsError, match="certificate verify failed"):
            associate(port, calling("Another Root", version=version))
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        assert "unknown ca" in str(failure.cause)


def test_peer_that_goes_away_in_the_handshake_is_told_of() -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with Caller(port) as caller:
            hello = caller.hello()
            caller.sock.sendall(hello[:100])
        (failure,) = failures.wait()
        assert (failure.kind, failure.received) == ("closed", hello[:32])
        assert_serving(port)


@versions
def test_peer_that_says_goodbye_in_place_of_a_request_is_told_of(version: str) -> None:
    failures = Failures()
    with (
        listening(on_failure=failures) as (_, port),
        Caller(port, calling(version=version)) as caller,
    ):
        caller.shake()
        caller.session.say_goodbye()
        caller.sock.sendall(caller.session.outgoing())
        (failure,) = failures.wait()
        assert failure.kind == "closed"
        until_closed(caller.sock)


@versions
def test_what_is_no_request_is_aborted_in_tls(version: str) -> None:
    failures = Failures()
    with (
        listening(on_failure=failures) as (_, port),
        Caller(port, calling(version=version)) as caller,
    ):
        caller.shake()
        caller.send(b"GET / HTTP/1.1\r\n\r\n")
        assert caller.read_pdu() == codec.encode(pdu.AAbort(source=0, reason=0))
        assert caller.read(1) == b""
        assert caller.session.ended  # it said goodbye
        (failure,) = failures.wait()
        assert (failure.kind, failure.received) == ("invalid", b"GET / HTTP/1.1\r\n\r\n")


@versions
def test_forged_record_in_place_of_a_request_is_refused(version: str) -> None:
    failures = Failures()
    with (
        listening(on_failure=failures) as (_, port),
        Caller(port, calling(version=version)) as caller,
    ):
        caller.shake()
        record = bytearray(caller.encrypted(REQUEST))
        record[-1] ^= 1
        caller.sock.sendall(record)
        (failure,) = failures.wait()
        assert failure.kind == "tls"
        with pytest.raises(TlsError, match="bad record mac"):
            caller.read(1)
        assert_serving(port)


@versions
def test_one_association_too_many_is_rejected_in_tls(version: str) -> None:
    with listening(maximum_associations=1) as (_, port):
        first = associate(port, version=version)
        with pytest.raises(AssociationRejected) as caught:
            associate(port, version=version)
        assert (caught.value.result, caught.value.source, caught.value.reason) == (2, 3, 2)
        with Caller(port, calling(version=version)) as caller:
            caller.shake()
            caller.send(REQUEST)
            assert caller.read_pdu()[0] == REJECTED
            assert caller.read(1) == b""
            assert caller.session.ended
        assert echo(first) == 0
        first.release()


# --- the gate, the end ------------------------------------------------------------------------


def test_gate_holds_connections_before_tls_begins() -> None:
    gate, tls = Gate(), Counting()
    assert KNOWN == "127.0.0.1"
    with listening(tls=tls, gate=gate) as (_, port):
        held, refused = Caller(port, source=SLOW), Caller(port, source="127.0.0.3")
        with held, refused:
            held.sock.sendall(held.hello())
            refused.sock.sendall(refused.hello())
            wait_until(lambda: len(gate.asked) >= 2, timeout=WAIT, what="the gate to be asked")
            assert_serving(port)  # from another address
            assert tls.sessions == 1
            gate.answer("127.0.0.3", admitted=False)
            until_closed(refused.sock)
            assert tls.sessions == 1
            gate.answer(SLOW, admitted=True)
            held.shake()
            held.send(REQUEST)
            assert held.read_pdu()[0] == ACCEPTED
            assert tls.sessions == 2


def test_stop_closes_what_shakes_hands_and_aborts_an_idle_association_in_tls() -> None:
    tls = Counting()
    with listening(tls=tls) as (listener, port), Caller(port) as begun, Caller(port) as idle:
        begun.sock.sendall(begun.hello()[:80])
        idle.shake()
        idle.send(REQUEST)
        assert idle.read_pdu()[0] == ACCEPTED
        begins(tls, 2)
        listener.stop()
        until_closed(begun.sock)
        assert idle.read_pdu()[0] == ABORTED
        assert idle.read(1) == b""
        assert idle.session.ended


@pytest.mark.slow
def test_first_stop_waits_for_the_message_second_aborts() -> None:
    with listening() as (listener, port), Caller(port) as caller:
        caller.shake()
        caller.send(REQUEST)
        assert caller.read_pdu()[0] == ACCEPTED
        caller.send(b"\4\0\0\0\0\x50\0\0\0\x4c\1\3" + bytes(10))  # a command, begun
        listener.stop()
        wait_until(lambda: refuses(port), timeout=WAIT, what="the port to close")
        listener.stop()
        assert caller.read_pdu()[0] == ABORTED


def refuses(port: int) -> bool:
    try:
        dial(port).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False
