"""Messages over stream sockets between processes of one server.

Owns how a message is framed: its length, then the message pickled. Pickles are safe here because
nobody else can have these sockets: they have no name, and are inherited or handed over between our
own processes. Must not know what is said.
"""

from __future__ import annotations

import errno
import pickle
import struct
import time

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import socket

__all__ = ["MOST", "Frames", "pack", "receive", "send"]

MOST = 64 * 1024 * 1024
"""Bytes of a message, inclusive: what is indexed of an object is bounded long before."""

_LENGTH = struct.Struct("!I")
_AT_ONCE = 256 * 1024  # bytes read by one call


def pack(message: object) -> bytes:
    """Return a message as it travels."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    if len(data) > MOST:
        raise ValueError(f"a message of {len(data)} bytes")
    return _LENGTH.pack(len(data)) + data


def send(sock: socket.socket, message: object, deadline: float) -> None:
    """Send a message; `deadline` in monotonic seconds.

    Raises:
        TimeoutError: it did not go in time.
        OSError: it cannot be sent.
    """
    sock.settimeout(max(0.001, deadline - time.monotonic()))
    sock.sendall(pack(message))


def receive(sock: socket.socket, deadline: float) -> object:
    """Wait for one message and return it; `deadline` in monotonic seconds.

    Raises:
        TimeoutError: it did not come in time.
        OSError: it will not come.
    """
    (length,) = _LENGTH.unpack(_read(sock, _LENGTH.size, deadline))
    if length > MOST:
        raise OSError(errno.EMSGSIZE, f"a message of {length} bytes")
    return pickle.loads(_read(sock, length, deadline))  # noqa: S301 - see above


def _read(sock: socket.socket, size: int, deadline: float) -> bytes:
    """Read `size` bytes and not one more."""
    parts = b""
    while len(parts) < size:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        part = sock.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("it ended without a word")
        parts += part
    return parts


class Frames:
    """What arrived of messages, piece by piece."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self._data = bytearray()

    def read(self, sock: socket.socket) -> list[object] | None:
        """Read what is there without waiting, and return what is whole; None at the end.

        Raises:
            ValueError: it is no message.
        """
        try:
            data = sock.recv(_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        return self.feed(data) if data else None

    def feed(self, data: bytes) -> list[object]:
        """Take bytes, and return the messages that are whole.

        Raises:
            ValueError: it is no message.
        """
        if self._data:
            self._data += data
            data = bytes(self._data)
        messages: list[object] = []
        start = 0
        while len(data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, start)
            if length > MOST:
                raise ValueError(f"a message of {length} bytes")
            end = start + _LENGTH.size + length
            if len(data) < end:
                break
            view = memoryview(data)[start + _LENGTH.size : end]
            messages.append(pickle.loads(view))  # noqa: S301 - see above
            start = end
        self._data[:] = data[start:]
        return messages
