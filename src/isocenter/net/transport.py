"""A stream under an association: what the driver needs of it, and plain TCP.

The one place where the operating system's socket errors become isocenter's. TLS is a
second implementation of `Transport` with the same contract; that is why a transport,
not the driver, turns segments into system calls and says which readiness it waits for.
"""

from __future__ import annotations

import os
import socket
import time

from isocenter.errors import ConfigurationError, ConnectionLost, DataSetError
from isocenter.net.readiness import READ, WRITE
from isocenter.wire import FileRegion, FramedRegion, segment_length

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from isocenter.wire import WireSegment
else:
    Protocol = object

__all__ = ["PlainTransport", "SocketOptions", "Transport"]

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_REGIONS = frozenset({FileRegion, FramedRegion})
_IOV_MAX = 1024
"""Most buffers that one `sendmsg` takes (POSIX asks for 16; Linux, BSD and macOS have 1024)."""


class Transport(Protocol):
    """A duplex, non-blocking byte stream. One thread owns it."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    def receive_into(self, window: memoryview, patience: float = 0.0) -> int | None:
        """Read into `window`; bytes read, 0 at the end of the stream, None where it would block.

        With `patience` (seconds) it is tried again and again for that long instead of once.

        Raises:
            ConnectionLost: the connection broke.
        """

    def hurry(self) -> None:
        """Have the peer told at once what arrived: it may hold the rest back until then."""

    def queue(self, segments: Sequence[WireSegment]) -> None:
        """Take segments over for sending; nothing may be queued while `unsent`."""

    def send(self) -> bool:
        """Send what is queued; True once all of it left, False where it would block.

        Raises:
            ConnectionLost: the connection broke.
            DataSetError: a file region is shorter than promised.
        """

    @property
    def unsent(self) -> bool:
        """True while queued bytes wait."""

    def pending(self) -> int:
        """Return bytes that are readable although the descriptor may not say so (TLS records)."""

    @property
    def read_mask(self) -> int:
        """The `select.poll` mask that a read waits for."""

    @property
    def write_mask(self) -> int:
        """The `select.poll` mask that a write waits for."""

    def close(self) -> None:
        """Close the descriptor; what the kernel still holds is sent."""


class SocketOptions:
    """Socket settings from the environment, read once (dcmtk-compatible names).

    Attributes:
        no_delay: False only where ``TCP_NODELAY=0`` asks for Nagle's algorithm.
        buffer_length: ``TCP_BUFFER_LENGTH`` in bytes for both directions, None for the kernel's.
    """

    __slots__ = ("buffer_length", "no_delay")

    def __init__(self, *, no_delay: bool = True, buffer_length: int | None = None) -> None:
        """Keep the settings."""
        self.no_delay = no_delay
        self.buffer_length = buffer_length

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SocketOptions:
        """Read ``TCP_NODELAY`` and ``TCP_BUFFER_LENGTH``.

        Raises:
            ConfigurationError: a value is not a number.
        """
        values: dict[str, int | None] = {}
        for name in ("TCP_NODELAY", "TCP_BUFFER_LENGTH"):
            text = environment.get(name, "").strip()
            try:
                values[name] = int(text) if text else None
            except ValueError:
                msg = f"environment variable {name}={text}: expected a whole number"
                raise ConfigurationError(msg) from None
        length = values["TCP_BUFFER_LENGTH"]
        return cls(no_delay=values["TCP_NODELAY"] != 0, buffer_length=length or None)

    def apply_buffers(self, sock: socket.socket) -> None:
        """Set the buffer sizes; before connect or listen, or the window scale is fixed already."""
        if self.buffer_length:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer_length)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer_length)


class PlainTransport:
    """TCP without TLS.

    Args:
        sock: a connected socket; owned by the transport from here on.
        options: Nagle and buffers.
    """

    read_mask = READ
    write_mask = WRITE

    def __init__(self, sock: socket.socket, options: SocketOptions) -> None:
        """Make the socket non-blocking and apply its settings."""
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._queue: list[bytes | bytearray | memoryview] = []
        self._scratch: memoryview | None = None
        self._quick_ack = _QUICKACK if sock.family != getattr(socket, "AF_UNIX", None) else None
        if self._quick_ack is not None or sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.no_delay))

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._fd

    def receive_into(self, window: memoryview, patience: float = 0.0) -> int | None:
        """Read what is there; see `Transport`."""
        try:
            return self._sock.recv_into(window)
        except (BlockingIOError, InterruptedError):
            return self._receive_soon(window, patience) if patience else None
        except OSError as problem:
            raise _lost(problem) from problem

    def hurry(self) -> None:
        """Have the kernel acknowledge what arrived; see `Transport`.

        TCP_QUICKACK has to be armed again and again, because the kernel drops it: a peer that
        left Nagle's algorithm on (DCMTK as shipped) otherwise waits 40 ms for each
        acknowledgement (bench/, row "stock storescu to our storescp").
        """
        if self._quick_ack is not None:
            try:  # noqa: SIM105 - contextlib costs a start of storescu 1 ms
                self._sock.setsockopt(socket.IPPROTO_TCP, self._quick_ack, 1)
            except OSError:
                pass  # the next read will tell

    def _receive_soon(self, window: memoryview, patience: float) -> int | None:
        """Read what comes within `patience`."""
        receive, now = self._sock.recv_into, time.monotonic
        until = now() + patience
        while True:
            try:
                return receive(window)
            except (BlockingIOError, InterruptedError):
                if now() >= until:
                    return None
            except OSError as problem:
                raise _lost(problem) from problem

    @property
    def unsent(self) -> bool:
        """True while queued bytes wait."""
        return bool(self._queue)

    def queue(self, segments: Sequence[WireSegment]) -> None:
        """Take segments over; spans of files are read here, one system call for each run."""
        self._queue = self.in_memory(segments)

    def in_memory(self, segments: Sequence[WireSegment]) -> list[bytes | bytearray | memoryview]:
        """Return the segments with spans of files read, into a buffer that the next call reuses."""
        for segment in segments:
            if type(segment) in _REGIONS:
                return self._read_regions(segments)
        return list(segments)  # type: ignore[arg-type]  # no regions are in it

    def _read_regions(
        self, segments: Sequence[WireSegment]
    ) -> list[bytes | bytearray | memoryview]:
        total = sum(segment_length(s) for s in segments if type(s) in _REGIONS)
        scratch = self._scratch
        if scratch is None or len(scratch) < total:
            scratch = self._scratch = memoryview(bytearray(total))
        out: list[bytes | bytearray | memoryview] = []
        position = 0
        run: list[FileRegion] = []
        run_end = -1
        for segment in segments:
            if isinstance(segment, FramedRegion):
                if run:
                    _read_run(run, scratch, position - (run_end - run[0].offset))
                    run = []
                end = position + segment.pieces * segment.size
                target = scratch[position:end]
                _read_whole(segment.fd, segment.offset, target)
                header, size = segment.header, segment.size
                places = range(0, end - position, size)
                out += [part for at in places for part in (header, target[at : at + size])]
                position = end
                continue
            if not isinstance(segment, FileRegion):
                out.append(segment)
                continue
            if run and (segment.fd != run[0].fd or segment.offset != run_end):
                _read_run(run, scratch, position - (run_end - run[0].offset))
                run = []
            run.append(segment)
            run_end = segment.offset + segment.length
            out.append(scratch[position : position + segment.length])
            position += segment.length
        if run:
            _read_run(run, scratch, position - (run_end - run[0].offset))
        return out

    def send(self) -> bool:
        """Send what is queued; see `Transport`."""
        queue = self._queue
        try:
            while queue:
                batch = queue if len(queue) <= _IOV_MAX else queue[:_IOV_MAX]
                sent = self._send_some(batch)
                if batch is queue and sent == sum(map(len, queue)):
                    break
                done = 0
                for buffer in batch:
                    size = len(buffer)
                    if sent < size:
                        break
                    sent -= size
                    done += 1
                if done == len(queue):
                    break
                if sent:
                    queue[done] = memoryview(queue[done])[sent:]
                queue = self._queue = queue[done:]
            self._queue = []
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as problem:
            self._queue = []
            raise _lost(problem) from problem
        except BaseException:
            self._give_up()
            raise
        return True

    def _give_up(self) -> None:
        """Let nothing follow: what went out of the batch is unknown after an interrupt.

        Sent once more, a part of it could complete an object at the peer with bytes of another.
        """
        self._queue = []
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return

    if hasattr(socket.socket, "sendmsg"):

        def _send_some(self, batch: list[bytes | bytearray | memoryview]) -> int:
            return self._sock.sendmsg(batch)

    else:

        def _send_some(self, batch: list[bytes | bytearray | memoryview]) -> int:
            """Send a copy: Windows has no `sendmsg`."""
            return self._sock.send(b"".join(batch))

    def pending(self) -> int:
        """Return 0: a plain socket's descriptor tells all."""
        return 0

    def close(self) -> None:
        """Close the socket."""
        self._queue = []
        self._sock.close()


def _read_run(run: list[FileRegion], scratch: memoryview, position: int) -> None:
    """Read a run of adjacent regions into `scratch` at `position`, whole or not at all."""
    length = run[-1].offset + run[-1].length - run[0].offset
    _read_whole(run[0].fd, run[0].offset, scratch[position : position + length])


def _read_whole(fd: int, offset: int, target: memoryview) -> None:
    """Fill `target` from a file.

    Raises:
        DataSetError: the file ends before.
    """
    position, left = 0, len(target)
    while left:
        count = _read_at(fd, target[position:], offset)
        if count == 0:
            raise DataSetError("file became shorter while it was sent", offset=offset)
        position += count
        offset += count
        left -= count


if hasattr(os, "preadv"):

    def _read_at(fd: int, target: memoryview, offset: int) -> int:
        return os.preadv(fd, [target], offset)

else:

    def _read_at(fd: int, target: memoryview, offset: int) -> int:
        """Read with a seek: Windows has no `preadv`, and the descriptor has one owner."""
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, len(target))
        target[: len(data)] = data
        return len(data)


def _lost(problem: OSError) -> ConnectionLost:
    return ConnectionLost(problem.strerror or str(problem))
