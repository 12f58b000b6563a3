"""Questions of worker processes to their parent, and its answers.

Owns the sockets between them. Must not know what is asked: a question and an answer are
bytes. POSIX only, as the workers are.

Theory of operation. Each worker has a pair of datagram sockets, made before it was forked. A
thread that asks makes a stream pair of its own and sends one end along; the answer is what
comes out of the other. So many threads may ask at a time with no table of who waits for what,
an answer that nobody waits for any more ends in a closed socket, and what a dead worker had
asked goes with its pair. The parent never waits: an answer is smaller than the buffer of a
socket that is empty.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from isocenter.errors import ConnectionLost, TimeoutExpired
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol
else:
    Protocol = object

__all__ = [
    "MAXIMUM_ANSWER",
    "MAXIMUM_QUESTION",
    "PATIENCE",
    "Answerer",
    "Asker",
    "Shared",
    "open_channel",
]

_LOGGER = get_logger(__name__)

MAXIMUM_QUESTION = 16 * 1024
"""Bytes of a question, inclusive; it travels as one datagram."""

MAXIMUM_ANSWER = 64 * 1024
"""Bytes of an answer, inclusive; it has to fit the buffer of an empty socket (Linux: 208 KiB)."""

PATIENCE = 10.0
"""Seconds that a worker waits for an answer. The parent answers within a millisecond, unless it
hands a connection to a worker that is stuck, which takes it 5 seconds."""

_LENGTH = struct.Struct(">I")
_BURST = 64
"""Questions answered before the loop looks at the others again."""


class Shared(Protocol):
    """What the worker processes of a server share by way of their parent."""

    def answer(self, worker: int, question: bytes) -> bytes:
        """Answer a question; called in the parent's loop, so it must not wait for anything.

        Args:
            worker: process id of who asks.
            question: at most `MAXIMUM_QUESTION` bytes.

        Returns at most `MAXIMUM_ANSWER` bytes. What it raises is logged, and nobody answered.
        """

    def gone(self, worker: int) -> None:
        """Take note, in the parent, that a worker ended or was killed."""

    def join(self, ask: Callable[[bytes], bytes]) -> None:
        """Begin in a worker, before its first association; `ask` is an `Asker`."""


class Asker:
    """A worker's end of a channel; may be called by several threads.

    Args:
        sock: the worker's end of the datagram pair.
        patience: seconds to wait for an answer.
    """

    def __init__(self, sock: socket.socket, *, patience: float = PATIENCE) -> None:
        """Keep the arguments."""
        self._sock = sock
        self._patience = patience
        sock.settimeout(patience)

    def __call__(self, question: bytes) -> bytes:
        """Return the parent's answer.

        Raises:
            ConnectionLost: the parent is gone or could not answer.
            TimeoutExpired: it did not answer in time.
            ValueError: the question is too long.
        """
        if len(question) > MAXIMUM_QUESTION:
            raise ValueError(f"a question of {len(question)} bytes")
        deadline = time.monotonic() + self._patience
        try:
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    socket.send_fds(self._sock, [question], [theirs.fileno()])
                head = _read(ours, _LENGTH.size, deadline)
                return _read(ours, _LENGTH.unpack(head)[0], deadline)
        except TimeoutError as error:
            raise TimeoutExpired("answer of the parent process", self._patience) from error
        except OSError as error:
            raise ConnectionLost(
                f"no answer of the parent process: {error.strerror or error}"
            ) from error

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()


def _read(sock: socket.socket, size: int, deadline: float) -> bytes:
    """Read `size` bytes.

    Raises:
        TimeoutError: they did not come in time.
        OSError: they will not come.
    """
    parts = bytearray()
    while len(parts) < size:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        part = sock.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("it ended without a word")
        parts += part
    return bytes(parts)


class Answerer:
    """The parent's end of a channel.

    Args:
        sock: the parent's end of the datagram pair.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Keep the socket, which is not to wait."""
        self._sock = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable where there is a question."""
        return self._sock.fileno()

    def serve(self, answer: Callable[[bytes], bytes]) -> None:
        """Answer the questions that are there, some at a time; never waits."""
        for _ in range(_BURST):
            try:
                question, descriptors, _, _ = socket.recv_fds(self._sock, MAXIMUM_QUESTION, 1)
            except OSError:
                return
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as reply:
                    self._reply(reply, question, answer)

    def _reply(
        self, reply: socket.socket, question: bytes, answer: Callable[[bytes], bytes]
    ) -> None:
        try:
            text = answer(question)
            if len(text) > MAXIMUM_ANSWER:
                raise ValueError(f"an answer of {len(text)} bytes")  # noqa: TRY301 - logged as the others
        except Exception:
            _LOGGER.exception("a worker's question could not be answered")
            return
        reply.setblocking(False)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            reply.sendall(_LENGTH.pack(len(text)) + text)

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()


def open_channel(*, patience: float = PATIENCE) -> tuple[Answerer, Asker]:
    """Return the two ends of a new channel.

    Raises:
        OSError: no descriptor is left.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return Answerer(ours), Asker(theirs, patience=patience)
