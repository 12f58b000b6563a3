"""TLS under an association: a session that knows no socket, and a transport on top of plain TCP.

A `TlsSession` turns bytes from the peer into plaintext and plaintext into bytes for it, in
memory: whoever owns it moves the bytes, so a listener can shake hands with many peers in one
loop, the work of a handshake can be done in another thread, and a system call carries many
records. `TlsTransport` is `Transport` over one.

Never `ssl.SSLSocket`: it has neither `sendmsg` nor flags, makes two system calls for each record
of 16 KiB, and after a `shutdown` from another thread it goes on in plaintext.

What a context may be asked (`tls_context`) is not known here. PS3.15 annex B; RFC 8446, RFC 5246.
"""

from __future__ import annotations

import contextlib
import ssl

from isocenter.errors import ConnectionLost, PeerProtocolError, TimeoutExpired, TlsError
from isocenter.net.readiness import READ, WRITE, new_poller
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from isocenter.net.deadline import Deadline
    from isocenter.net.transport import PlainTransport
    from isocenter.wire import WireSegment

__all__ = ["ClientTls", "ServerTls", "TlsFacts", "TlsSession", "TlsTransport", "shake_hands"]

_RECORD = 16 * 1024
"""Bytes of plaintext in a record at most (RFC 8446 5.1)."""

_CHUNK = 7 * _RECORD
"""Bytes encrypted, and handed to the kernel, at a time: the peer decrypts them meanwhile. A MiB
takes 360 microseconds so, 380 record by record (bench/micro/tls.py)."""

_RAW = 128 * 1024
"""Bytes taken from the kernel at a time: they stay in the processor's cache until decrypted."""

_HANDSHAKE_READ = 16 * 1024

_IN_VAIN = 8
"""Reads in a row without plaintext, at most: a peer that sends no data has no turn of its own."""

_MOST_UNSAID = 64 * 1024
"""Bytes of the session's own answers that wait at most. An honest peer causes a few; one that asks
again and again to renegotiate gets an alert each time, and need not take them."""

_MOST_WITHOUT_DATA = 2 * (5 + _RECORD + 256)
"""Bytes of records in a row that hold no data, at most: two of the longest. An honest peer changes
its key now and then (RFC 8446 4.6.3); 64 KiB of that take 30 ms of whoever decrypts them."""

_NUMBERS: dict[str, tuple[int, int]] = getattr(ssl._ssl, "err_names_to_codes", {})  # type: ignore[attr-defined]  # noqa: SLF001 - what the library calls its errors is nowhere else
"""Name of a reason to library and number; private to Python, and without it numbers are 0."""

_UNNAMED = {"tlsv1 alert no application protocol": 1120}
"""Number of a reason that Python 3.11 has no name for (1000 and the alert's number)."""


class TlsFacts(NamedTuple):
    """What was agreed on, and who the peer says it is.

    Fields: `version` ("TLSv1.3"); `cipher`, the suite's name as OpenSSL has it;
    `peer_certificate`, the peer's own certificate in DER, None where it sent none; `server_name`,
    the name that was asked for as requestor, None for none or as acceptor.
    """

    version: str
    cipher: str
    peer_certificate: bytes | None
    server_name: str | None


class ClientTls(NamedTuple):
    """TLS as requestor.

    Fields: `context` of `tls_context.client_context`; `server_name` to ask for, None for none;
    `verify_host` where the certificate has to be of `server_name`, or else of the host called:
    the context checks it.
    """

    context: ssl.SSLContext
    server_name: str | None = None
    verify_host: bool = False

    def session(self, host: str) -> TlsSession:
        """Return a session for a connection to `host`."""
        # A name that is written to its end is the same name; certificates never have the dot.
        name = self.server_name or (host.removesuffix(".") if self.verify_host else None)
        return TlsSession(self.context, server_side=False, server_name=name)


class ServerTls:
    """TLS as acceptor: the context for connections that come, which may be replaced at any time.

    Args:
        context: of `tls_context.server_context`.
    """

    __slots__ = ("context",)

    def __init__(self, context: ssl.SSLContext) -> None:
        """Keep the context."""
        self.context = context

    def replace(self, context: ssl.SSLContext) -> None:
        """Use another context from now on; connections that are there keep theirs."""
        self.context = context

    def session(self) -> TlsSession:
        """Return a session for a connection that came."""
        return TlsSession(self.context, server_side=True)

    @staticmethod
    def may_answer(hello: bytes) -> bool:
        """Tell whether a ClientHello may be answered; False where it asks for other protocols only.

        Python's TLS does not tell that from one that asks for none. RFC 7301 3.2; PS3.15 B.9.
        """
        from isocenter.net.tls_hello import offered_protocols

        offered = offered_protocols(hello)
        return not offered or "dicom" in offered


class TlsSession:
    """One side of one TLS connection: bytes in, bytes out.

    Args:
        context: keys, trust and rules.
        server_side: True as acceptor.
        server_name: as requestor, the name to ask for (RFC 6066 3), and to compare with where the
            context does.

    One thread at a time.

    Attributes:
        facts: what was agreed on, None before it was.
        ended: True once the peer said that nothing more will come (close_notify).
        received: the first bytes of the peer.
    """

    __slots__ = (
        "_incoming",
        "_object",
        "_outgoing",
        "_problem",
        "_without_data",
        "ended",
        "facts",
        "received",
    )

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_name: str | None = None
    ) -> None:
        """Begin a session; nothing is exchanged yet."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self._problem: TlsError | None = None
        self._without_data = 0  # bytes that came since the last data
        self.facts: TlsFacts | None = None
        self.ended = False
        self.received = b""

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes in that came from the peer."""
        if len(self.received) < PeerProtocolError.MOST_RECEIVED:
            self.received += bytes(data[: PeerProtocolError.MOST_RECEIVED - len(self.received)])
        if self.facts is not None:
            self._without_data += len(data)
        self._incoming.write(data)

    def handshake(self) -> bool:
        """Go on with the handshake; True once it is done, False where bytes of the peer lack.

        Raises:
            TlsError: it failed; what `outgoing` returns then tells the peer.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, ssl.CertificateError) as problem:
            raise _tls_error(problem, self.received) from problem
        cipher = self._object.cipher()
        self.facts = TlsFacts(
            version=self._object.version() or "",
            cipher="" if cipher is None else cipher[0],
            peer_certificate=self._object.getpeercert(binary_form=True),
            server_name=None if self._object.server_side else self._object.server_hostname,
        )
        return True

    def read_into(self, window: memoryview) -> int:
        """Decrypt what is there into `window`; bytes of plaintext, 0 where no record is complete.

        Raises:
            TlsError: what came cannot be decrypted, or is an alert; once all before it was
                returned. Or the peer has the session answer and takes no answers, or sends nothing
                but what is no data.
        """
        if self._problem is not None:
            raise self._problem
        incoming, decrypted = self._incoming, self._object
        read = decrypted.read
        done, size = 0, len(window)
        try:
            # Asked first: an exception for each message would cost more than a small message does.
            while done < size and (incoming.pending or decrypted.pending()):
                count = read(size - done, window[done:])
                if not count:
                    self.ended = True
                    break
                done += count  # type: ignore[operator]  # a number where there is a buffer
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:
            self._problem = _tls_error(problem, b"")
            self._problem.__cause__ = problem
        self._without_data = 0 if done else self._without_data
        unsaid = self._outgoing.pending
        if unsaid > _MOST_UNSAID or self._without_data > _MOST_WITHOUT_DATA:
            what = "takes no answers" if unsaid else "sends records without data"
            self._problem = self._problem or TlsError(f"the peer {what}")
        if self._problem is not None and not done:
            raise self._problem
        return done

    @property
    def holds_input(self) -> bool:
        """True where bytes of the peer wait, which may be less than a record."""
        return bool(self._incoming.pending or self._object.pending())

    @property
    def is_over(self) -> bool:
        """True where the peer, or an error, has ended what can be read."""
        return self.ended or self._problem is not None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt; the bytes for the peer are in `outgoing`.

        Raises:
            TlsError: the session is over.
        """
        try:
            self._object.write(data)
        except ssl.SSLError as problem:
            raise _tls_error(problem, b"") from problem

    @property
    def has_outgoing(self) -> bool:
        """True where bytes wait for the peer."""
        return bool(self._outgoing.pending)

    def outgoing(self) -> bytes:
        """Return, and forget, the bytes for the peer."""
        return self._outgoing.read()

    def say_goodbye(self) -> None:
        """Tell the peer that nothing more will come (close_notify); harmless at any time."""
        with contextlib.suppress(ssl.SSLError, ValueError, OSError):  # its answer is not waited for
            self._object.unwrap()


class TlsTransport:
    """`Transport` over a session whose handshake is done.

    Args:
        plain: the connected stream below; owned from here on.
        session: what encrypts and decrypts.
    """

    read_mask = READ
    write_mask = WRITE

    def __init__(self, plain: PlainTransport, session: TlsSession) -> None:
        """Take both over."""
        self._plain = plain
        self._session = session
        self._buffers: list[bytes | bytearray | memoryview] = []
        self._lost: ConnectionLost | None = None
        self._more = session.holds_input or session.is_over

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._plain.fileno()

    def receive_into(self, window: memoryview, patience: float = 0.0) -> int | None:
        """Read and decrypt what is there; see `Transport`.

        The window holds the encrypted bytes before it holds what is in them: they are copied to
        the session in between, and are never fewer.
        """
        session, plain = self._session, self._plain
        done, size = 0, len(window)
        if self._more:
            self._more = False
            if self._lost is not None:
                raise self._lost
            if session.ended:
                return 0
            done = self._decrypt(window)
        in_vain = 0
        try:
            while done < size and not session.is_over:
                raw = window[done : done + _RAW]
                count = plain.receive_into(raw, 0.0 if done else patience)
                if count is None:
                    break
                if count == 0:
                    # The end stays readable: it is told by the next call.
                    return done
                session.feed(raw[:count])
                more = self._decrypt(window[done:])
                done += more
                in_vain = 0 if more else in_vain + 1
                if in_vain == _IN_VAIN or (done and count < len(raw)):
                    break
        except ConnectionLost as problem:
            if not done:
                raise
            self._lost = problem  # told by the next call
        if session.ended and not done:
            return 0
        is_over = session.is_over or self._lost is not None
        self._more = is_over or (done == size and session.holds_input)
        if session.has_outgoing and not self.unsent:
            self._answer()
        return done or None

    def _decrypt(self, window: memoryview) -> int:
        try:
            return self._session.read_into(window)
        except TlsError as problem:
            self._answer()
            raise ConnectionLost(str(problem)) from problem

    def _answer(self) -> None:
        """Send what the session itself has to say; what does not leave goes with the next data."""
        if not self._plain.unsent and self._session.has_outgoing:
            self._plain.queue([self._session.outgoing()])
        with contextlib.suppress(ConnectionLost):  # the next read or write tells
            self._plain.send()

    def hurry(self) -> None:
        """Have the kernel acknowledge what arrived; see `Transport`."""
        self._plain.hurry()

    def queue(self, segments: Sequence[WireSegment]) -> None:
        """Take segments over; see `Transport`."""
        self._buffers = self._plain.in_memory(segments)

    def send(self) -> bool:
        """Encrypt and send what is queued; see `Transport`."""
        plain, session = self._plain, self._session
        try:
            while True:
                if plain.unsent and not plain.send():
                    return False
                if self._buffers:
                    self._encrypt_some()
                if not session.has_outgoing:
                    return True
                plain.queue([session.outgoing()])
        except TlsError as problem:
            self._buffers = []
            raise ConnectionLost(str(problem)) from problem
        except ConnectionLost:
            self._buffers = []
            raise

    def _encrypt_some(self) -> None:
        """Encrypt some `_CHUNK` bytes of what is queued, in whole records where there are more.

        What is long is encrypted where it lies; headers are put together with what follows them, as
        far as that has room in the same record.

        Raises:
            TlsError: the session is over.
        """
        buffers, write = self._buffers, self._session.write
        room = _CHUNK
        at = 0
        while room > 0 and at < len(buffers):
            first = buffers[at]
            size = len(first)
            if size < _RECORD:
                first = self._next_record(at)
                at, size = 0, len(first)
                buffers = self._buffers
            elif size > room:
                view = memoryview(first)
                first, buffers[at] = view[:room], view[room:]
                size = room
            else:
                at += 1
            if size:
                write(first)
            room -= size
        self._buffers = buffers[at:]

    def _next_record(self, at: int) -> bytes | bytearray | memoryview:
        """Take a record's plaintext, or what there is, off the queue from `at` on."""
        buffers = self._buffers
        size, end = 0, at
        while end < len(buffers) and size + len(buffers[end]) <= _RECORD:
            size += len(buffers[end])
            end += 1
        parts = buffers[at:end]
        rest = buffers[end:]
        if rest and size < _RECORD:
            view = memoryview(rest[0])
            parts.append(view[: _RECORD - size])
            rest[0] = view[_RECORD - size :]
        self._buffers = rest
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def unsent(self) -> bool:
        """True while queued bytes wait."""
        return bool(self._buffers) or self._plain.unsent

    def pending(self) -> int:
        """Return 1 where bytes wait that the descriptor does not tell of, else 0."""
        return int(self._more)

    def close(self) -> None:
        """Say goodbye where that can be done at once, and close the socket."""
        self._buffers = []
        if not self._plain.unsent:
            self._session.say_goodbye()
            self._answer()
        self._plain.close()


def shake_hands(sock: socket.socket, session: TlsSession, deadline: Deadline) -> None:
    """Agree on TLS as requestor.

    Args:
        sock: connected and non-blocking.
        session: a new one.
        deadline: for all of it.

    Raises:
        TlsError: one side does not trust or understand the other, or the peer closed.
        TimeoutExpired: the deadline came.
    """
    poll = new_poller()
    poll.register(sock.fileno(), READ)
    scratch = memoryview(bytearray(_HANDSHAKE_READ))

    def wait(mask: int) -> None:
        poll.modify(sock.fileno(), mask)
        remaining = deadline.remaining()
        # Asked also where there is something: a peer may never stop sending a bit more.
        if remaining == 0.0 or not poll.poll(None if remaining is None else remaining * 1000 + 1):
            raise deadline.error()

    def push() -> None:
        data = memoryview(session.outgoing())
        while data:
            try:
                data = data[sock.send(data) :]
            except (BlockingIOError, InterruptedError):
                wait(WRITE)

    try:
        while True:
            try:
                done = session.handshake()
            except TlsError:
                with contextlib.suppress(OSError, TimeoutExpired):  # it says less than what failed
                    push()
                raise
            push()
            if done:
                return
            wait(READ)
            try:
                count = sock.recv_into(scratch)
            except (BlockingIOError, InterruptedError):
                continue
            if not count:
                msg = "the peer closed the connection during the handshake"
                raise TlsError(msg, received=session.received)
            session.feed(scratch[:count])
    except TimeoutExpired:
        raise
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise TlsError(reason.lower(), received=session.received) from problem


def _tls_error(problem: ssl.SSLError | ssl.CertificateError, received: bytes) -> TlsError:
    """Return the library's error as ours."""
    verify_code = getattr(problem, "verify_code", 0)
    name = getattr(problem, "reason", None) or ""
    reason = name.lower().replace("_", " ") or _words_of(problem)
    if verify_code:
        reason += f": {getattr(problem, 'verify_message', '')}"
    _, code = _NUMBERS.get(name, (0, _UNNAMED.get(reason, 0)))
    return TlsError(reason, code=code, verify_code=verify_code, received=received)


def _words_of(problem: ssl.SSLError | ssl.CertificateError) -> str:
    """Return the library's words for an error that Python has no name for, as of some alerts."""
    text = str(problem.args[-1]) if problem.args else ""
    return text.partition("] ")[2].partition(" (_ssl")[0] or "handshake failure"
