"""Just enough of the wire for the limits: an association held open, and one C-ECHO.

Bytes by hand, so that a thousand associations cost the benchmark a thousand sockets and
nothing else. PS3.8 9.3, PS3.7 9.3.5.
"""

from __future__ import annotations

import socket
import struct

from bench.processes import BenchError

__all__ = ["associate", "connect", "echo", "echo_over", "release", "release_over"]

_VERIFICATION = b"1.2.840.10008.1.1"
_IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = b"2.25.140391126433471583094131247206573145"


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _associate_rq() -> bytes:
    context = (
        b"\1\0\0\0" + _item(0x30, _VERIFICATION) + _item(0x40, _IMPLICIT_LITTLE_ENDIAN)
    )  # context 1
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, _IMPLEMENTATION)
    fixed = struct.pack(">Hxx16s16s32x", 1, b"BENCH".ljust(16), b"BENCH".ljust(16))
    items = _item(0x10, _APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return _pdu(0x01, fixed + items)


def _echo_rq() -> bytes:
    def element(tag: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, tag, len(value)) + value

    command = (
        element(0x0002, _VERIFICATION + b"\0")
        + element(0x0100, struct.pack("<H", 0x0030))
        + element(0x0110, struct.pack("<H", 1))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    command = element(0x0000, struct.pack("<I", len(command))) + command
    return _pdu(0x04, struct.pack(">IBB", len(command) + 2, 1, 0x03) + command)


ASSOCIATE_RQ = _associate_rq()
ECHO_RQ = _echo_rq()
RELEASE_RQ = _pdu(0x05, bytes(4))


def _read_pdu(connection: socket.socket, wanted: int) -> bytes:
    """Return the body of the next PDU.

    Raises:
        BenchError: it is another one, or the connection ended.
    """
    head = _read(connection, 6)
    kind, length = struct.unpack(">BxI", head)
    body = _read(connection, length)
    if kind != wanted:
        raise BenchError(f"expected PDU type {wanted:02x}, got {kind:02x}")
    return body


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise BenchError("the receiver closed the connection")
        data += part
    return data


def connect(port: int, *, timeout: float) -> socket.socket:
    """Return a connection; each wait is at most `timeout` seconds.

    Raises:
        OSError: there is none.
    """
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def associate(port: int, *, timeout: float) -> socket.socket:
    """Return a connection with an established association; each wait is at most `timeout` seconds.

    Raises:
        BenchError: it was not accepted.
        OSError: no connection, or no answer in time.
    """
    connection = connect(port, timeout=timeout)
    try:
        connection.sendall(ASSOCIATE_RQ)
        _read_pdu(connection, 0x02)
    except BaseException:
        connection.close()
        raise
    return connection


def echo(connection: socket.socket) -> None:
    """Ask for one C-ECHO and wait for its answer.

    Raises:
        BenchError: another PDU came.
        OSError: no answer in time.
    """
    connection.sendall(ECHO_RQ)
    _read_pdu(connection, 0x04)


def release(connection: socket.socket) -> None:
    """Release the association and close.

    Raises:
        BenchError: another PDU came.
        OSError: no answer in time.
    """
    release_over(connection)
    connection.close()


def echo_over(connection: socket.socket) -> None:
    """Associate on a connection and ask for one C-ECHO.

    Raises:
        BenchError: another PDU came.
        OSError: no answer in time.
    """
    connection.sendall(ASSOCIATE_RQ)
    _read_pdu(connection, 0x02)
    echo(connection)


def release_over(connection: socket.socket) -> None:
    """Release an association; the connection stays.

    Raises:
        BenchError: another PDU came.
        OSError: no answer in time.
    """
    connection.sendall(RELEASE_RQ)
    _read_pdu(connection, 0x06)
