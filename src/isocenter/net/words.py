"""What a server and the processes that serve for it say to each other, over a channel.

A channel is a socket pair. One way go arrivals, a descriptor and what was read of it, and the words
stop, abort, reload and "do you live"; the other way "one has ended" and "I live". Its end of file
means that the other process is gone. Owns the words and how a child follows them; who starts
children, and what they serve with, are `workers`'s.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from isocenter.logs import get_logger
from isocenter.net.dispatch import Arrival
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ABORT",
    "ALIVE",
    "ARRIVAL",
    "ENDED",
    "HEADER",
    "PING",
    "RELOAD",
    "STOP",
    "Teller",
    "Words",
    "follow",
    "obey",
    "tell",
]

_LOGGER = get_logger("isocenter.net.workers")  # one name for all that is said of processes

HEADER = struct.Struct(">cdHI")
"""Word, moment of the arrival, lengths of its address and of what was read."""

ARRIVAL, STOP, ABORT, PING, RELOAD = b"C", b"S", b"A", b"P", b"R"
ENDED, ALIVE = b"e", b"p"


def tell(channel: socket.socket, word: bytes | bytearray) -> None:
    """Say a word to the parent, who may be gone."""
    with contextlib.suppress(OSError):
        channel.sendall(word)


class Teller:
    """Says words to the parent in a thread of its own, so that whoever says them never waits.

    A parent that hands many connections over does not listen meanwhile. If the loop of a worker
    waited for it, each would wait for the other.
    """

    def __init__(self, channel: socket.socket) -> None:
        """Start the thread, which lasts as long as the process."""
        self._channel = channel
        self._words = bytearray()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="teller", daemon=True).start()

    def __call__(self, word: bytes) -> None:
        """Have a word said, behind those before it."""
        with self._changed:
            self._words += word
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._words:
                    self._changed.wait()
                words, self._words = self._words, bytearray()
            tell(self._channel, words)


class Words(NamedTuple):
    """What a child does at the parent's words; None where a word does not concern it.

    Fields beside the words: `say` answers the parent, None to do it at once; `lost` where no
    descriptor was left for an arrival, so that there is one for the next.
    """

    stop: Callable[[], None]
    abort: Callable[[], None]
    serve: Callable[[Arrival], None] | None = None
    reload: Callable[[], None] | None = None
    say: Callable[[bytes], None] | None = None
    lost: Callable[[], None] | None = None


def obey(channel: socket.socket, words: Words) -> None:
    """Follow the parent's words until it is gone; after stop, in a thread of its own."""
    channel.setblocking(True)
    while True:
        word = follow(channel, words)
        if word is None:
            return
        if word == STOP and words.serve is not None:
            words = Words(words.stop, words.abort)
            threading.Thread(target=obey, args=(channel, words), daemon=True).start()
            return


def follow(channel: socket.socket, words: Words) -> bytes | None:
    """Do what the parent's next word says and return it; None where it is gone: that is a stop."""
    header, descriptors = _read_header(channel)
    if header is None:
        words.stop()
        return None
    word, at, address_length, length = HEADER.unpack(header)
    if word == STOP:
        words.stop()
    elif word == ABORT:
        words.abort()
    elif word == PING:
        _say(channel, words, ALIVE)
    elif word == RELOAD:
        if words.reload is not None:
            words.reload()
    elif word == ARRIVAL:
        try:
            address = _read_exactly(channel, address_length).decode()
            received = _read_exactly(channel, length)
        except OSError:
            words.stop()
            return None
        if descriptors:
            _serve(Arrival(socket.socket(fileno=descriptors[0]), received, address, at), words)
        else:
            _LOGGER.error("cannot serve %s: no descriptor left", address)
            _say(channel, words, ENDED)
            if words.lost is not None:
                words.lost()
    return bytes(word)


def _serve(arrival: Arrival, words: Words) -> None:
    arrival.sock.set_inheritable(False)  # a descriptor that was passed on is, unlike others
    arrival.sock.setblocking(False)
    if words.serve is None:
        arrival.sock.close()
    else:
        words.serve(arrival)


def _say(channel: socket.socket, words: Words, word: bytes) -> None:
    if words.say is None:
        tell(channel, word)
    else:
        words.say(word)


def _read_header(channel: socket.socket) -> tuple[bytes | None, list[int]]:
    """Read one header and the descriptors that came with it; None where the parent is gone."""
    try:
        header, descriptors, _, _ = socket.recv_fds(channel, HEADER.size, 1)
        if not header:
            return None, []
        if len(header) < HEADER.size:
            header += _read_exactly(channel, HEADER.size - len(header))
    except OSError:
        return None, []
    return header, descriptors


def _read_exactly(channel: socket.socket, size: int) -> bytes:
    """Read `size` bytes.

    Raises:
        OSError: the parent is gone.
    """
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)
