"""Scripted peers: a requestor and an acceptor that do exactly what a test says.

Owns blocking sockets with a deadline on every wait, and nothing else: no state
machine stands between a script and the wire, so a script can break any rule.
Must not use the package's own engine (see `isocenter.testing`).

PS3.8 9.1 (transport), 9.3 (PDUs).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self

from isocenter.testing import raw
from isocenter.testing.reading import (
    RawMessage,
    RawPdu,
    parse_associate,
    parse_command,
    parse_pdvs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from isocenter.testing.reading import AssociationFacts

__all__ = [
    "PeerClosed",
    "RawConnection",
    "Script",
    "ScriptedAcceptor",
    "ScriptedRequestor",
    "accept",
    "first_syntax",
    "serve_storage",
]

DEFAULT_TIMEOUT = 10.0
"""Seconds any single wait of a scripted peer may take: generous, a test never hangs."""


GRACE = 1.0
"""Seconds that scripts may take to end by themselves when an acceptor is left."""


class PeerClosed(ConnectionError):
    """The other side ended the connection where the script expected a PDU."""


class RawConnection:
    """A connected socket that speaks PDUs and keeps no other state.

    Args:
        sock: a connected stream socket; owned from now on.
        timeout: seconds that one receive or send may take.
    """

    def __init__(self, sock: socket.socket, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Take over the socket and switch Nagle's algorithm off."""
        self.sock = sock
        self.timeout = timeout
        self._next_message_id = 1
        sock.settimeout(timeout)
        with contextlib.suppress(OSError):  # a peer may be gone already, and that is its point
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the socket."""
        self.close()

    def close(self) -> None:
        """Close the socket in the ordinary way (FIN)."""
        self.sock.close()

    def vanish(self) -> None:
        """Close the socket so that the other side sees a reset (RST)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes; `OSError` where the other side is gone."""
        self.sock.sendall(data)

    def send_split(self, data: bytes, size: int = 1) -> None:
        """Send bytes in pieces of `size` bytes, a system call each."""
        for start in range(0, len(data), size):
            self.sock.sendall(data[start : start + size])

    def receive_exactly(self, size: int, *, deadline: float | None = None) -> bytes:
        """Return exactly `size` bytes.

        Args:
            size: bytes wanted.
            deadline: monotonic time to give up at, None for the connection's timeout.

        Raises:
            PeerClosed: the other side ended the connection before.
            TimeoutError: the deadline passed before.
        """
        deadline = time.monotonic() + self.timeout if deadline is None else deadline
        data = bytearray()
        while len(data) < size:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                message = f"{len(data)} of {size} bytes came in time"
                raise TimeoutError(message)
            self.sock.settimeout(remaining)
            try:
                part = self.sock.recv(size - len(data))
            except ConnectionError as error:
                message = f"connection reset after {len(data)} of {size} bytes"
                raise PeerClosed(message) from error
            finally:
                self.sock.settimeout(self.timeout)
            if not part:
                message = f"connection closed after {len(data)} of {size} bytes"
                raise PeerClosed(message)
            data += part
        return bytes(data)

    def receive(self, *, timeout: float | None = None) -> RawPdu:
        """Return the next PDU.

        Raises:
            PeerClosed: the other side ended the connection before.
            TimeoutError: no whole PDU came within `timeout` seconds.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        header = self.receive_exactly(6, deadline=deadline)
        pdu_type, length = struct.unpack(">BxI", header)
        return RawPdu(pdu_type, self.receive_exactly(length, deadline=deadline))

    def receive_until_closed(self, *, timeout: float | None = None) -> list[RawPdu]:
        """Return every PDU that comes until the other side closes or aborts.

        An A-ABORT is the last one: who sent it waits for this side to close (PS3.8 9.2.2,
        STA13), which a script does by returning.

        Raises:
            TimeoutError: neither happened within `timeout` seconds.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        pdus = []
        while True:
            try:
                pdus.append(self.receive(timeout=deadline - time.monotonic()))
            except PeerClosed:
                return pdus
            if pdus[-1].pdu_type == raw.ABORT:
                return pdus

    def receive_message(self, *, timeout: float | None = None) -> RawMessage | RawPdu:
        """Return the next DIMSE message, or the PDU that came in its place.

        Raises:
            PeerClosed: the other side ended the connection before.
            TimeoutError: a PDU did not come within `timeout` seconds.
        """
        parts: dict[bool, list[bytes]] = {True: [], False: []}
        command: dict[int, bytes] | None = None
        longest = 0
        while True:
            pdu = self.receive(timeout=timeout)
            if pdu.pdu_type != raw.P_DATA:
                return pdu
            longest = max(longest, len(pdu.body))
            for pdv in parse_pdvs(pdu.body):
                parts[pdv.is_command].append(pdv.fragment)
                if not pdv.is_last:
                    continue
                if pdv.is_command:
                    command = parse_command(b"".join(parts[True]))
                if command is not None and (
                    not pdv.is_command or command[0x0800] == raw.us(raw.NO_DATA_SET)
                ):
                    data = b"".join(parts[False])
                    return RawMessage(pdv.context_id, command, data, len(parts[False]), longest)

    def associate(
        self,
        contexts: Iterable[raw.Context],
        *,
        called: str | bytes = "ANY-SCP",
        calling: str | bytes = "SCRIPTED",
        user: bytes | None = None,
    ) -> AssociationFacts:
        """Request an association and return the acceptor's answer.

        Raises:
            AssertionError: the answer is not an A-ASSOCIATE-AC.
        """
        self.send(raw.associate_rq(contexts, called=called, calling=calling, user=user))
        pdu = self.receive()
        if pdu.pdu_type != raw.ASSOCIATE_AC:
            message = f"no A-ASSOCIATE-AC but type {pdu.pdu_type:02x}: {pdu.body.hex()}"
            raise AssertionError(message)
        return parse_associate(pdu.body)

    def next_message_id(self) -> int:
        """Return 1, 2, 3 ..."""
        message_id = self._next_message_id
        self._next_message_id += 1
        return message_id

    def echo(self, context_id: int) -> int:
        """Send a C-ECHO-RQ and return the status of its answer."""
        self.send(raw.message(context_id, raw.c_echo_rq(self.next_message_id())))
        return self.expect_response(0x8030).number(0x0900)

    def store(
        self,
        context_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data_set: bytes,
        *,
        maximum_length: int = 16384,
    ) -> int:
        """Send a C-STORE-RQ and return the status of its answer."""
        command = raw.c_store_rq(self.next_message_id(), sop_class_uid, sop_instance_uid)
        self.send(raw.message(context_id, command, data_set, maximum_length=maximum_length))
        return self.expect_response(0x8001).number(0x0900)

    def expect_response(self, command_field: int) -> RawMessage:
        """Return the next message, which has to be the one asked for.

        Raises:
            AssertionError: another PDU or message came.
        """
        received = self.receive_message()
        if not isinstance(received, RawMessage) or received.number(0x0100) != command_field:
            message = f"expected command {command_field:04x}, received {received}"
            raise AssertionError(message)
        return received

    def release(self) -> None:
        """Release the association and wait for the answer.

        Raises:
            AssertionError: another PDU came.
        """
        self.send(raw.release_rq())
        pdu = self.receive()
        if pdu.pdu_type != raw.RELEASE_RP:
            message = f"no A-RELEASE-RP but type {pdu.pdu_type:02x}"
            raise AssertionError(message)


class ScriptedRequestor(RawConnection):
    """The side that connects.

    Args:
        port: TCP port of the acceptor.
        host: its address.
        timeout: seconds that one receive or send may take.
    """

    def __init__(
        self, port: int, *, host: str = "127.0.0.1", timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Connect; `OSError` where nobody listens."""
        super().__init__(socket.create_connection((host, port), timeout), timeout=timeout)


class Script(Protocol):
    """What a scripted acceptor does with one connection; returning closes it."""

    def __call__(self, connection: RawConnection, /) -> None:
        """Speak with the requestor."""


class ScriptedAcceptor:
    """A listening socket on loopback; each connection runs the script in its own thread.

    Use as a context manager. Leaving it closes every connection, waits for the
    threads and raises the first error of a script, if the body raised none.

    Args:
        script: called with each connection.
        timeout: seconds that one receive or send of a script may take.
        host: address to listen on; with ``::1`` over IPv6.

    Attributes:
        port: the TCP port the system chose.
        connections: how many connections were accepted so far.
    """

    def __init__(
        self, script: Script, *, timeout: float = DEFAULT_TIMEOUT, host: str = "127.0.0.1"
    ) -> None:
        """Bind and listen; connections wait until the context is entered."""
        self._script = script
        self._timeout = timeout
        self._acceptor: threading.Thread | None = None
        self._threads: list[threading.Thread] = []
        self._open: list[RawConnection] = []
        self._errors: list[BaseException] = []
        self._closing = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        """Start to accept."""
        self._acceptor = threading.Thread(
            target=self._accept, name="scripted-acceptor", daemon=True
        )
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything and raise what a script raised."""
        # A script whose peer is gone comes to its end, or to its failure, by itself.
        self._join(GRACE)
        self._closing = True
        # shutdown() wakes a thread blocked in accept() or recv(); close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._acceptor is not None:
            self._acceptor.join(self._timeout)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._join(self._timeout)
        if self._errors and error is None:
            raise self._errors[0]

    def _join(self, timeout: float) -> None:
        """Wait for the threads of the connections, `timeout` seconds for all of them."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = RawConnection(sock, timeout=self._timeout)
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            # Started first: whoever waits for the list's threads may join only started ones.
            thread.start()
            self._threads.append(thread)

    def _run(self, connection: RawConnection) -> None:
        """Run the script over one connection and keep its error."""
        with connection:
            try:
                self._script(connection)
            except BaseException as error:  # noqa: BLE001 - handed to the test when it leaves
                if not self._closing:
                    self._errors.append(error)


def first_syntax(context_id: int, transfer_syntaxes: tuple[str, ...]) -> tuple[int, str]:
    """Accept any context with its first transfer syntax: (result, transfer syntax)."""
    del context_id
    return 0, transfer_syntaxes[0]


def accept(
    connection: RawConnection,
    *,
    choose: Callable[[int, tuple[str, ...]], tuple[int, str]] = first_syntax,
    user: bytes | None = None,
) -> AssociationFacts:
    """Read an A-ASSOCIATE-RQ, answer it with A-ASSOCIATE-AC and return the request.

    Args:
        connection: where the request comes in.
        choose: (context id, proposed syntaxes) to (result, transfer syntax).
        user: a whole user information item for the answer.

    Raises:
        AssertionError: something else than an A-ASSOCIATE-RQ came.
    """
    pdu = connection.receive()
    if pdu.pdu_type != raw.ASSOCIATE_RQ:
        message = f"no A-ASSOCIATE-RQ but type {pdu.pdu_type:02x}"
        raise AssertionError(message)
    facts = parse_associate(pdu.body)
    results = [
        (context.context_id, *choose(context.context_id, context.transfer_syntaxes))
        for context in facts.contexts
    ]
    connection.send(
        raw.associate_ac(results, called=facts.called, calling=facts.calling, user=user)
    )
    return facts


def _success(request: RawMessage) -> int:
    """Answer every request with status Success."""
    del request
    return 0


def serve_storage(
    connection: RawConnection,
    *,
    status: Callable[[RawMessage], int] = _success,
    received: list[RawMessage] | None = None,
) -> Iterator[RawMessage]:
    """Answer C-ECHO, C-STORE and other requests until the peer releases, aborts or is gone.

    A generator so that a script may act between messages: exhaust it.

    Args:
        connection: an established association.
        status: request to the status to answer.
        received: every request is appended to it.

    Yields:
        Each request, after it was answered.
    """
    while True:
        try:
            request = connection.receive_message()
        except PeerClosed:
            return
        if isinstance(request, RawPdu):
            if request.pdu_type == raw.RELEASE_RQ:
                connection.send(raw.release_rp())
            return
        if received is not None:
            received.append(request)
        message_id = request.number(0x0110)
        field = request.number(0x0100)
        if field == 0x0030:
            command = raw.c_echo_rsp(message_id, status(request))
        elif field != 0x0001:
            command = raw.final_rsp(field, message_id, status(request))
        else:
            command = raw.c_store_rsp(
                message_id, status(request), request.text(0x0002), request.text(0x1000)
            )
        connection.send(raw.message(request.context_id, command))
        yield request
