"""Connecting as requestor: name, address, TCP, association, each within its budget."""

from __future__ import annotations

import errno
import os
import socket
import time

from isocenter.errors import AssociationRejected, ConnectError, ConnectionLost, TlsError
from isocenter.limits import DEFAULTS
from isocenter.net.association import Association
from isocenter.net.deadline import Deadline
from isocenter.net.options import AssociationOptions
from isocenter.net.readiness import WRITE, new_poller
from isocenter.net.transport import PlainTransport, SocketOptions
from isocenter.record import Record
from isocenter.ul.connection import Connection
from isocenter.ul.options import EngineOptions
from isocenter.ul.pdu import AAssociateRJ

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from isocenter.limits import Limits
    from isocenter.net.tls import ClientTls, TlsFacts
    from isocenter.net.transport import Transport
    from isocenter.ul.pdu import AAssociateRQ

    _AddressInfo: TypeAlias = tuple[
        socket.AddressFamily,
        socket.SocketKind,
        int,
        str,
        tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
    ]

__all__ = ["ADDRESS_FAMILIES", "ConnectOptions", "connect", "open_socket"]

ADDRESS_FAMILIES = {
    "ipv4": socket.AF_INET,
    "ipv6": socket.AF_INET6,
    "auto": socket.AF_UNSPEC,
}
"""What the three IP protocol options mean to the resolver."""


class ConnectOptions(Record):
    """Where to connect and how long each step may take.

    Fields:
        host, port: the peer's name or address and TCP port.
        family: ``ipv4``, ``ipv6`` or ``auto`` (whatever the name resolves to, in that order).
        connect_timeout: seconds for name look-up and TCP connection together, None for the
            system's own bounds.
        acse_timeout: seconds to wait for the answer to an association or release request, and for
            all of a TLS handshake.
        dimse_timeout: seconds to wait for a response, None for the socket timeout alone.
        socket_timeout: seconds without a byte in either direction, None for no bound.
        max_send_pdu: own bound in bytes on PDUs sent, None for the peer's alone.
        patience: see `AssociationOptions.patience`.
        limits: bounds on what the peer may send before and at association.
        sockets: Nagle and buffers; from the environment where left out.
        tls: how to speak TLS, None to speak plain DICOM.
    """

    host: str
    port: int
    family: str = "ipv4"
    connect_timeout: float | None = None
    acse_timeout: float = 30.0
    dimse_timeout: float | None = None
    socket_timeout: float | None = 60.0
    max_send_pdu: int | None = None
    patience: float = 0.0
    limits: Limits = DEFAULTS
    sockets: SocketOptions | None = None
    tls: ClientTls | None = None


def connect(options: ConnectOptions, request: AAssociateRQ) -> Association:
    """Open an association and return it established.

    Args:
        options: address and budgets.
        request: the A-ASSOCIATE-RQ to send; its maximum length is what this side will bear.

    Raises:
        ConnectError: no TCP connection (unknown host, refused, timed out).
        AssociationRejected: the peer answered with A-ASSOCIATE-RJ.
        AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no usable answer.
        TlsError: TLS could not be agreed on; also where the peer says so after its own part of the
            handshake, in place of an answer.
        ValueError: the request has a value that does not fit its field; nothing was sent.

    PS3.8 7.1, 9.1.4.
    """
    sockets = options.sockets or SocketOptions.from_environment(os.environ)
    engine, budgets = _engine(options, request)
    sock = open_socket(options, sockets)
    try:
        transport, facts = _transport(sock, options, sockets)
        now = time.monotonic()
        engine.associate(request, now)
        engine.transport_connected(now)
        address = f"{options.host}:{options.port}"
        association = Association(transport, engine, budgets, peer_address=address)
        association.tls = facts
    except BaseException as problem:
        sock.close()
        if not isinstance(problem, OSError):
            raise
        # No descriptor is left to wake the owner with.
        reason = problem.strerror or str(problem)
        raise ConnectError(options.host, options.port, reason) from problem
    try:
        answer = association.await_answer(request)
    except ConnectionLost as problem:
        association.close()
        if isinstance(problem.__cause__, TlsError):
            # In TLS 1.3 a requestor is done before the acceptor has looked at its certificate.
            raise problem.__cause__ from None
        raise
    except BaseException:
        association.close()
        raise
    if isinstance(answer, AAssociateRJ):
        raise AssociationRejected(answer.result, answer.source, answer.reason)
    return association


def _engine(
    options: ConnectOptions, request: AAssociateRQ
) -> tuple[Connection, AssociationOptions]:
    """Return the protocol machine of an association and the driver's budgets."""
    engine = Connection(
        requestor=True,
        options=EngineOptions(
            limits=options.limits,
            maximum_length=request.user_information.maximum_length or 0,
            acse_timeout=options.acse_timeout,
            idle_timeout=options.socket_timeout,
        ),
    )
    budgets = AssociationOptions(
        dimse_timeout=options.dimse_timeout,
        max_send_pdu=options.max_send_pdu,
        patience=options.patience,
        # Little comes from an acceptor that could make the kernel reset the connection over it.
        linger=0.25,
    )
    return engine, budgets


def _transport(
    sock: socket.socket, options: ConnectOptions, sockets: SocketOptions
) -> tuple[Transport, TlsFacts | None]:
    """Return what carries the association, after a handshake of TLS where that is asked for.

    Raises:
        TlsError, ConnectionLost, TimeoutExpired: the handshake failed.
    """
    plain = PlainTransport(sock, sockets)
    if options.tls is None:
        return plain, None
    from isocenter.net.tls import TlsTransport, shake_hands

    session = options.tls.session(options.host)
    shake_hands(sock, session, Deadline(options.acse_timeout, "acse"))
    return TlsTransport(plain, session), session.facts


def open_socket(options: ConnectOptions, sockets: SocketOptions) -> socket.socket:
    """Return a connected, non-blocking socket; tries each address in turn within one budget.

    Args:
        options: address and ``connect_timeout``; the rest does not matter here.
        sockets: buffers to ask for.

    Raises:
        ConnectError: no TCP connection (unknown host, refused, timed out).
    """
    deadline = Deadline(options.connect_timeout, "connect")
    reason = "no address"
    timed_out = False
    for family, kind, protocol, _name, address in _resolve(options, deadline):
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, kind, protocol)
            sockets.apply_buffers(sock)
            _connect_socket(sock, address, deadline)
        except TimeoutError:
            reason, timed_out = "timed out", True
        except (OSError, OverflowError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
        else:
            return sock
        if sock is not None:
            sock.close()
    raise ConnectError(options.host, options.port, reason, timed_out=timed_out)


def _resolve(options: ConnectOptions, deadline: Deadline) -> Sequence[_AddressInfo]:
    """Return the addresses of the host within the deadline.

    The system's resolver cannot be interrupted and may take minutes over a dead name server, so
    with a deadline it runs in a thread that is left behind where it is late.

    Raises:
        ConnectError: the name is unknown, or the deadline came.
    """
    family = ADDRESS_FAMILIES[options.family]
    # As bytes: text goes through the codec for international names, which loads `re` and
    # `unicodedata` and has nothing to do for ASCII.
    host = options.host.encode() if options.host.isascii() else options.host

    def look_up(flags: int = 0) -> Sequence[_AddressInfo]:
        return socket.getaddrinfo(host, options.port, family, socket.SOCK_STREAM, flags=flags)

    try:
        if deadline.at is None:
            return look_up()
        try:
            return look_up(socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass  # a name
        import threading

        found: list[Sequence[_AddressInfo] | OSError | UnicodeError] = []

        def run() -> None:
            try:
                found.append(look_up())
            except (OSError, UnicodeError) as problem:
                found.append(problem)

        thread = threading.Thread(target=run, name=f"look up {options.host}", daemon=True)
        thread.start()
        thread.join(deadline.remaining())
        if not found:
            raise ConnectError(options.host, options.port, "name look-up timed out", timed_out=True)
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]
    except (OSError, UnicodeError) as problem:
        raise ConnectError(
            options.host, options.port, f"unknown host ({problem})", unknown_host=True
        ) from problem


def _connect_socket(sock: socket.socket, address: object, deadline: Deadline) -> None:
    """Connect without blocking past the deadline.

    Raises:
        TimeoutError: the deadline came.
        OSError: the system's own answer.
    """
    sock.setblocking(False)
    result = sock.connect_ex(address)  # type: ignore[arg-type]  # getaddrinfo's own shape
    if result in {0, errno.EISCONN}:
        return
    if result not in {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR}:
        raise OSError(result, os.strerror(result))
    poll = new_poller()
    poll.register(sock.fileno(), WRITE)
    remaining = deadline.remaining()
    if not poll.poll(None if remaining is None else remaining * 1000 + 1):
        raise TimeoutError
    result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if result:
        raise OSError(result, os.strerror(result))
