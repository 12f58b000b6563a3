"""TLS in memory: what a session says, decrypts and refuses; the handshake of a requestor."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import TimeoutExpired, TlsError
from isocenter.net.deadline import Deadline
from isocenter.net.tls import ClientTls, ServerTls, TlsSession, shake_hands
from isocenter.ul import codec, pdu
from tests.net.support import WAIT, Thread, tcp_pair
from tests.net.tls_records import ForgingRequestor
from tests.net.tls_support import (
    VERSIONS,
    agree,
    agreed,
    calling,
    identity,
    pass_on,
    serving,
    sessions,
    until_closed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.tls import TlsFacts

UNTRUSTED = 20
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY."""

ALERT = 21
"""The type of a record with an alert (RFC 8446 5.1)."""

versions = pytest.mark.parametrize("version", VERSIONS)


def read(session: TlsSession, size: int = 1 << 20) -> bytes:
    """Return what a session decrypts at once."""
    window = memoryview(bytearray(size))
    return bytes(window[: session.read_into(window)])


def facts_of(session: TlsSession) -> TlsFacts:
    assert session.facts is not None
    return session.facts


def certificate_of(name: str) -> bytes:
    return Path(identity(name).certificate_der).read_bytes()


# --- agreeing -------------------------------------------------------------------------------


@versions
def test_both_sides_agree_and_know_on_what(version: str) -> None:
    client, server = sessions(
        client=calling(version=version, own=identity("scanner")),
        server=serving(version=version, trust="Hospital Root"),
    )
    agree(client, server)
    ours, theirs = facts_of(client), facts_of(server)
    assert ours.version == theirs.version == version
    assert ours.cipher == theirs.cipher != ""
    assert ours.peer_certificate == certificate_of("archive")
    assert theirs.peer_certificate == certificate_of("scanner")


def test_peer_that_shows_no_certificate_has_none() -> None:
    _, server = agreed()
    assert server.facts is not None
    assert server.facts.peer_certificate is None


def test_server_name_is_the_one_asked_for_or_the_host_where_it_is_compared() -> None:
    asked = ClientTls(calling(), server_name="archive.example").session("10.0.0.1")
    compared = ClientTls(calling(verify_host=True), verify_host=True).session("127.0.0.1")
    neither = ClientTls(calling()).session("127.0.0.1")
    names = []
    for client in (asked, compared, neither):
        server = ServerTls(serving()).session()
        agree(client, server)
        assert client.facts is not None
        assert server.facts is not None
        assert server.facts.server_name is None
        names.append(client.facts.server_name)
    assert names == ["archive.example", "127.0.0.1", None]


@versions
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_pieces_of_any_size_make_a_handshake_and_data_both_ways(version: str, step: int) -> None:
    client, server = sessions(client=calling(version=version), server=serving(version=version))
    while not (client.facts and server.facts):
        client.handshake() if client.facts is None else None
        pass_on(client, server, step=step)
        server.handshake() if server.facts is None else None
        pass_on(server, client, step=step)
    for sender, receiver in ((client, server), (server, client)):
        sender.write(b"between" * 10_000)
        pass_on(sender, receiver, step=step)
        assert read(receiver) == b"between" * 10_000
        assert not receiver.holds_input


def test_replaced_context_is_for_those_who_come_later() -> None:
    tls = ServerTls(serving("archive"))
    before = tls.session()
    tls.replace(serving("new archive"))
    seen = []
    for server in (before, tls.session()):
        client = TlsSession(calling(), server_side=False)
        agree(client, server)
        assert client.facts is not None
        seen.append(client.facts.peer_certificate)
    assert seen == [certificate_of("archive"), certificate_of("new archive")]


# --- not agreeing ---------------------------------------------------------------------------


def failure(work: Callable[[], object]) -> TlsError:
    with pytest.raises(TlsError) as caught:
        work()
    return caught.value


@versions
def test_certificate_that_is_not_trusted_is_named_and_the_peer_is_told(version: str) -> None:
    client, server = sessions(
        client=calling("Another Root", version=version), server=serving(version=version)
    )
    problem = failure(lambda: agree(client, server))
    assert problem.verify_code == UNTRUSTED
    assert problem.code > 0
    assert problem.reason == ("certificate verify failed: unable to get local issuer certificate")
    assert str(problem) == f"TLS error: {problem.reason}"
    assert pass_on(client, server)
    assert "unknown ca" in failure(server.handshake).reason


@versions
def test_requestor_without_a_certificate_is_told_that_it_needs_one(version: str) -> None:
    client, server = sessions(
        client=calling(version=version), server=serving(version=version, trust="Hospital Root")
    )
    problem = failure(lambda: agree(client, server))
    assert "peer did not return a certificate" in problem.reason
    assert pass_on(server, client)

    def go_on() -> None:  # in TLS 1.3 it was done before
        client.handshake()
        read(client)

    assert "alert" in failure(go_on).reason


def test_certificate_for_another_host_is_not_taken_where_hosts_are_compared() -> None:
    client = ClientTls(calling(verify_host=True), verify_host=True).session("127.0.0.2")
    problem = failure(lambda: agree(client, ServerTls(serving()).session()))
    assert problem.verify_code in {62, 64}  # of a host name, of an address
    assert "mismatch" in problem.reason


def test_sides_without_a_version_in_common_fail_and_say_so() -> None:
    client, server = sessions(client=calling(version="TLSv1.3"), server=serving(version="TLSv1.2"))
    assert failure(lambda: agree(client, server)).reason == "unsupported protocol"
    assert server.outgoing()[0] == ALERT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(codec.encode(pdu.AAbort(source=0, reason=0)), "", id="A-ABORT"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100), "", id="HTTP"),
        pytest.param(b"\0" * 100, "", id="zeros"),
        pytest.param(b"\x15\x03\x03\0\2\2\x28", "handshake failure", id="alert"),
    ],
)
def test_what_is_no_tls_fails_and_its_first_bytes_are_kept(data: bytes, reason: str) -> None:
    client, _ = sessions()
    assert not client.handshake()
    client.feed(data[:5])
    with contextlib.suppress(TlsError):
        client.handshake()
    client.feed(data[5:])
    problem = failure(client.handshake)
    assert reason in problem.reason
    assert problem.received == data[:32]
    assert problem.verify_code == 0


# --- data -----------------------------------------------------------------------------------


@versions
def test_window_smaller_than_a_record_gets_it_in_parts(version: str) -> None:
    client, server = agreed(version)
    data = bytes(range(256)) * 100
    client.write(data)
    pass_on(client, server)
    got = bytearray()
    while server.holds_input:
        part = read(server, 7)
        assert part
        got += part
    assert got == data


@versions
def test_part_of_a_record_is_nothing_until_its_rest_comes(version: str) -> None:
    client, server = agreed(version)
    client.write(b"whole")
    record = client.outgoing()
    for byte in record[:-1]:
        server.feed(bytes([byte]))
        assert read(server) == b""
    server.feed(record[-1:])
    assert read(server) == b"whole"
    assert not server.holds_input
    assert not server.is_over


@versions
def test_goodbye_comes_after_all_data_and_ends_the_stream(version: str) -> None:
    client, server = agreed(version)
    client.write(b"last words")
    client.say_goodbye()
    pass_on(client, server)
    assert read(server) == b"last words"
    assert server.ended
    assert server.is_over
    assert read(server) == b""


@versions
@pytest.mark.parametrize("at", [0, 5, -1], ids=["type", "content", "last byte"])
def test_record_that_was_tampered_with_is_refused_and_what_came_before_is_not_lost(
    version: str, at: int
) -> None:
    client, server = agreed(version)
    client.write(b"genuine")
    genuine = client.outgoing()
    client.write(b"later forged")
    forged = bytearray(client.outgoing())
    forged[at] ^= 0x40
    server.feed(genuine + forged)
    assert read(server) == b"genuine"
    assert server.is_over
    assert not server.ended
    first = failure(lambda: read(server))
    assert failure(lambda: read(server)) is first
    assert server.outgoing()[0] in {ALERT, 23}  # in TLS 1.3 an alert looks like data


@versions
def test_alert_in_place_of_data_is_an_error(version: str) -> None:
    client, server = agreed(version)
    client.feed(b"\x17\x03\x03\0\x20" + bytes(32))
    assert failure(lambda: read(client)).code > 0
    assert pass_on(client, server)
    assert "bad record mac" in failure(lambda: read(server)).reason


@versions
def test_goodbye_is_harmless_before_in_and_after_a_session(version: str) -> None:
    client, server = sessions(client=calling(version=version), server=serving(version=version))
    client.say_goodbye()
    client, server = sessions(client=calling(version=version), server=serving(version=version))
    client.handshake()
    pass_on(client, server)
    server.handshake()
    server.say_goodbye()
    client, server = agreed(version)
    server.say_goodbye()
    server.say_goodbye()
    problem = failure(lambda: server.write(b"too late"))
    assert problem.reason == "protocol is shutdown"


def test_peer_that_asks_to_renegotiate_and_takes_no_answer_is_given_up(tmp_path: Path) -> None:
    """Each request is answered by an alert, which would wait for it without end."""
    forger = ForgingRequestor(tmp_path)
    server = TlsSession(serving(version="TLSv1.2"), server_side=True)

    def exchange(data: bytes) -> bytes:
        server.feed(data)
        server.handshake()
        return server.outgoing()

    forger.shake(exchange)
    exchange(forger.session.outgoing())
    server.feed(forger.record(23, b"data"))
    assert read(server) == b"data"
    asked: list[bytes] = []

    def ask() -> None:
        while len(asked) < 10_000:
            server.feed(forger.record(22, b"\1\0\0\0"))
            asked.append(read(server))
            assert server.has_outgoing

    assert failure(ask).reason == "the peer takes no answers"
    assert len(asked) > 100  # some are borne with
    assert set(asked) == {b""}
    assert len(server.outgoing()) < 100_000


@settings(max_examples=200, deadline=None)
@given(
    version=st.sampled_from(sorted(VERSIONS)),
    agreed_before=st.booleans(),
    cut=st.floats(0, 1),
    noise=st.binary(max_size=40),
    skip=st.integers(0, 40),
)
def test_whatever_comes_is_data_or_nothing_or_a_tls_error(
    version: str, cut: float, noise: bytes, skip: int, *, agreed_before: bool
) -> None:
    """Bytes put in place of others, in a hello or in records: never another exception."""
    if agreed_before:
        client, server = agreed(version)
        for part in (b"one", bytes(20_000), b"three"):
            client.write(part)
    else:
        client, server = sessions(client=calling(version=version), server=serving(version=version))
        client.handshake()
    stream = client.outgoing()
    at = int(cut * len(stream))
    server.feed(stream[:at] + noise + stream[at + skip :])
    with contextlib.suppress(TlsError):
        if server.facts is not None or server.handshake():
            got = read(server) + read(server)
            assert (b"one" + bytes(20_000) + b"three").startswith(got)
    assert len(server.outgoing()) < 100_000


# --- shaking hands as requestor ----------------------------------------------------------------


def soon() -> Deadline:
    return Deadline(WAIT, "acse")


def meet(peer: Callable[[socket.socket], None], deadline: Deadline | None = None) -> TlsSession:
    """Shake hands with what `peer` does in a thread."""
    ours, theirs = tcp_pair()
    theirs.settimeout(WAIT)
    ours.setblocking(False)

    def run() -> None:
        with theirs, contextlib.suppress(ConnectionError):
            peer(theirs)

    session = TlsSession(calling(), server_side=False)
    thread = Thread(run)
    try:
        shake_hands(ours, session, deadline or soon())
    finally:
        ours.close()
        thread.finish()
    return session


def answer(sock: socket.socket, server: TlsSession, *, most: int | None = None) -> None:
    """Shake hands, and close after so many bytes."""
    said = 0
    while not server.handshake() or server.has_outgoing:
        data = server.outgoing()
        if most is not None and said + len(data) >= most:
            sock.sendall(data[: most - said])
            return
        said += len(data)
        sock.sendall(data)
        if server.facts is not None:
            return
        part = sock.recv(1 << 16)
        if not part:
            return
        server.feed(part)


@versions
def test_requestor_and_acceptor_shake_hands_over_sockets(version: str) -> None:
    server = TlsSession(serving(version=version), server_side=True)
    session = meet(lambda sock: answer(sock, server))
    assert session.facts is not None
    assert session.facts.version == version
    assert session.facts.peer_certificate == certificate_of("archive")


@versions
@pytest.mark.parametrize("most", [0, 1, 5, 60, 200, 500])
def test_peer_that_closes_during_the_handshake_is_told_of(version: str, most: int) -> None:
    server = TlsSession(serving(version=version), server_side=True)
    with pytest.raises(TlsError) as caught:
        meet(lambda sock: answer(sock, server, most=most))
    # With our words unread the system resets the connection.
    assert caught.value.reason in {
        "the peer closed the connection during the handshake",
        "connection reset by peer",
        "broken pipe",
    }
    assert len(caught.value.received) <= 32


@pytest.mark.parametrize("heard", [False, True], ids=["at once", "after the hello"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(codec.encode(pdu.AAbort(source=2, reason=1)), id="plain DICOM"),
        pytest.param(b"HTTP/1.0 400 Bad Request\r\n\r\n", id="HTTP"),
    ],
)
def test_peer_without_tls_is_recognised_by_its_first_bytes(data: bytes, *, heard: bool) -> None:
    def talk(sock: socket.socket) -> None:
        if heard:
            assert sock.recv(1 << 16)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        until_closed(sock)

    with pytest.raises(TlsError) as caught:
        meet(talk)
    assert caught.value.received == data[:32]


def test_silent_peer_costs_the_deadline_and_no_more() -> None:
    with pytest.raises(TimeoutExpired) as caught:
        meet(listen, Deadline(0.05, "acse"))
    assert caught.value.which == "acse"


def listen(sock: socket.socket) -> None:
    """Say nothing."""
    until_closed(sock)


def test_deadline_holds_though_there_is_always_something_to_read() -> None:
    """A ServerHello byte by byte, each of them there before it is looked for."""
    server = TlsSession(serving(version="TLSv1.2"), server_side=True)

    class Dribbling:
        """A socket with one more byte whenever it is asked."""

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock
            self.said = b""
            self.reads = 0

        def fileno(self) -> int:
            return self._sock.fileno()

        def send(self, data: memoryview) -> int:
            server.feed(data)
            server.handshake()
            self.said = server.outgoing()
            return len(data)

        def recv_into(self, window: memoryview) -> int:
            window[:1] = self.said[self.reads : self.reads + 1]
            self.reads += 1
            time.sleep(0.001)
            return 1

    ours, theirs = socket.socketpair()
    theirs.send(b"ready")
    dribbling = Dribbling(ours)
    with pytest.raises(TimeoutExpired):
        shake_hands(
            dribbling,  # type: ignore[arg-type]  # what is used of a socket
            TlsSession(calling(version="TLSv1.2"), server_side=False),
            Deadline(0.02, "acse"),
        )
    assert dribbling.reads < len(dribbling.said)
    ours.close()
    theirs.close()


def test_distrust_is_told_though_the_peer_has_gone() -> None:
    """The alert cannot be sent any more; that is not what failed."""
    server = TlsSession(serving("impostor", version="TLSv1.2"), server_side=True)
    gone: list[bool] = []

    class Gone:
        """A socket that breaks with the second send."""

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock
            self.sends = 0

        def fileno(self) -> int:
            return self._sock.fileno()

        def recv_into(self, window: memoryview) -> int:
            return self._sock.recv_into(window)

        def send(self, data: memoryview) -> int:
            self.sends += 1
            if self.sends > 1:
                gone.append(True)
                raise BrokenPipeError(32, "Broken pipe")
            return self._sock.send(data)

    ours, theirs = tcp_pair()
    theirs.settimeout(WAIT)
    ours.setblocking(False)

    def run() -> None:
        with contextlib.suppress(TlsError, ConnectionError):
            answer(theirs, server)

    thread = Thread(run)
    with pytest.raises(TlsError, match="certificate verify failed") as caught:
        shake_hands(
            Gone(ours),  # type: ignore[arg-type]  # what is used of a socket
            TlsSession(calling("Another Root"), server_side=False),
            soon(),
        )
    ours.close()
    thread.finish()
    theirs.close()
    assert gone
    assert caught.value.verify_code == UNTRUSTED


def test_handshake_waits_for_room_where_the_peer_does_not_read() -> None:
    """A long hello into a small buffer: sent in parts, none twice."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.settimeout(WAIT)
    ours.setblocking(False)
    filler = bytes(1 << 16)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += ours.send(filler)
    server = TlsSession(serving(), server_side=True)

    def run() -> None:
        left = filled
        while left:
            left -= len(theirs.recv(left))
        answer(theirs, server)

    thread = Thread(run)
    session = TlsSession(calling(), server_side=False)
    shake_hands(ours, session, soon())
    thread.finish()
    assert session.facts is not None
    ours.close()
    theirs.close()
