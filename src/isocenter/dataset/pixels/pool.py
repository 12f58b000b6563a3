"""Worker processes that decode frames, with a deadline for each.

Owns the processes: started when there is something to decode, replaced when one crashed or had
to be killed, ended with the pool. A request takes a frame to a worker; meanwhile its parent
goes on, and comes back for the result. What a worker answers is believed as far as its length:
that was known before.

Nothing here is a thread. One thread uses a pool at a time.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque

from isocenter.dataset.pixels.codecs import frame_length
from isocenter.dataset.pixels.worker import BOOTSTRAP, DECODED, REPLY, REQUEST
from isocenter.errors import DataSetError
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Self

    from isocenter.dataset.pixels.codecs import Job
    from isocenter.wire import Buffer

__all__ = ["DEFAULT_DECODE_LIMITS", "DecodeLimits", "DecoderPool", "Ticket"]

_PIPE_SIZE = 1024 * 1024  # bytes that wait in a pipe: a frame of 512 x 512 and its reply
_LONGEST_REASON = 4096  # bytes
_LATER = 10  # seconds after which a worker ends itself, where its parent did not


class DecodeLimits(Record):
    """What decoding one frame may take."""

    seconds: float = 30.0
    """For a frame, by the clock, and one more for each of its decoded MiB. The slowest decoder
    makes some 20 MiB a second."""

    memory: int = 256 * 1024 * 1024
    """Bytes of address space on top of what a worker has when it is idle."""

    memory_per_byte: int = 24
    """Added to `memory` for each decoded byte of a frame. JPEG 2000 takes up to 16."""

    processes: int = 2
    """Workers at a time, inclusive. Each takes some 50 MiB when it is idle."""


DEFAULT_DECODE_LIMITS = DecodeLimits()


class Ticket:
    """A frame on its way through a pool.

    Attributes:
        job, data: what is to be done, until it is.
        length: bytes of the result.
        is_done: it was decoded, or will not be.
        result: the samples, until they are fetched; problem: why there are none, else "".
    """

    __slots__ = ("data", "is_done", "job", "length", "problem", "result")

    def __init__(self, job: Job, data: Buffer) -> None:
        """Take what is to be done."""
        self.job: Job | None = job
        self.data: Buffer = data
        self.length = frame_length(job)
        self.result: Buffer = b""
        self.problem = ""
        self.is_done = False

    def end(self, result: Buffer, problem: str) -> None:
        """Note how it ended."""
        self.result, self.problem = result, problem
        self.data, self.job = b"", None
        self.is_done = True


class _Worker:
    """One process, and the ticket that it works at."""

    __slots__ = ("deadline", "process", "received", "replies", "requests", "seconds", "ticket")

    def __init__(self, bootstrap: str) -> None:
        """Start it.

        Raises:
            OSError: it cannot be started.
        """
        self.process = process = _start(bootstrap)
        assert process.stdin is not None  # noqa: S101 - both were asked for
        assert process.stdout is not None  # noqa: S101 - as above
        self.requests = process.stdin.fileno()
        self.replies = process.stdout.fileno()
        for descriptor in (self.requests, self.replies):
            os.set_blocking(descriptor, False)
            _enlarge(descriptor)
        self.ticket: Ticket | None = None
        self.received = bytearray()
        self.deadline = self.seconds = 0.0

    def await_end(self) -> None:
        """Give a process that closed its pipe the time to end, for its exit code."""
        from subprocess import TimeoutExpired

        try:
            self.process.wait(timeout=1)
        except TimeoutExpired:
            return

    def end(self) -> int:
        """Kill the process; return its exit code, negative for a signal that ended it before."""
        code = self.process.poll()
        if code is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        ended = self.process.wait()
        return ended if code is None else code


def _start(bootstrap: str) -> Popen[bytes]:
    import sys
    from subprocess import DEVNULL, PIPE, Popen

    # The current directory is no place to import from; nor does one thread more help here.
    paths = [path for path in sys.path if path]
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    return Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-P", "-c", bootstrap, *paths],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        bufsize=0,
        env=environment,
    )


def _enlarge(descriptor: int) -> None:
    """Let a pipe hold more than 64 KiB, where the system can; it goes on without."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(descriptor, F_SETPIPE_SZ, _PIPE_SIZE)
    except (ImportError, OSError):
        pass


class DecoderPool:
    """Decodes frames in processes of its own.

    Args:
        limits: of each frame, and how many processes.
        bootstrap: what a process runs; another one only for tests.

    Use it as a context manager, or `close` it.
    """

    def __init__(
        self, limits: DecodeLimits = DEFAULT_DECODE_LIMITS, *, bootstrap: str = BOOTSTRAP
    ) -> None:
        """Begin without a process."""
        self.limits = limits
        self._bootstrap = bootstrap
        self._workers: list[_Worker] = []
        self._waiting: deque[Ticket] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; what is not decoded yet will not be. Harmless when closed."""
        for ticket in self._waiting:
            ticket.end(b"", "the decoder was closed")
        self._waiting.clear()
        while self._workers:
            worker = self._workers.pop()
            worker.end()
            if worker.ticket is not None:
                worker.ticket.end(b"", "the decoder was closed")

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers there are."""
        return tuple(worker.process.pid for worker in self._workers)

    def submit(self, job: Job, data: Buffer) -> Ticket:
        """Begin to decode a frame, or put it behind those that came before."""
        ticket = Ticket(job, data)
        self._waiting.append(ticket)
        self._assign()
        return ticket

    def result(self, ticket: Ticket) -> Buffer:
        """Wait for a frame; its samples are the caller's.

        Raises:
            DataSetError: it could not be decoded, with the reason.
        """
        while not ticket.is_done:
            self._wait()
        if ticket.problem:
            raise DataSetError(ticket.problem)
        result, ticket.result = ticket.result, b""
        return result

    def discard(self, ticket: Ticket) -> None:
        """Give a frame up; a worker that is at it finishes it, and nobody keeps the result."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
            ticket.end(b"", "given up")
        elif ticket.is_done:
            ticket.result = b""
        else:
            for worker in self._workers:
                if worker.ticket is ticket:
                    self._workers.remove(worker)
                    worker.end()
                    break
            ticket.end(b"", "given up")
            self._assign()

    def _assign(self) -> None:
        """Give what waits to workers that have nothing to do, or to new ones."""
        while self._waiting:
            idle = next((worker for worker in self._workers if worker.ticket is None), None)
            if idle is None and len(self._workers) >= max(self.limits.processes, 1):
                return
            ticket = self._waiting.popleft()
            if idle is None:
                try:
                    idle = _Worker(self._bootstrap)
                except OSError as problem:
                    reason = f"no process for decoding can be started: {problem.strerror}"
                    ticket.end(b"", reason)
                    continue
                self._workers.append(idle)
            self._begin(idle, ticket)

    def _begin(self, worker: _Worker, ticket: Ticket) -> None:
        """Send a frame to a worker."""
        import json

        job = json.dumps(ticket.job).encode()
        limits, length = self.limits, ticket.length
        data = ticket.data
        worker.ticket = ticket
        worker.received = bytearray()
        worker.seconds = limits.seconds + length / (1 << 20)
        worker.deadline = time.monotonic() + worker.seconds
        memory = limits.memory + limits.memory_per_byte * length
        request = REQUEST.pack(len(job), len(data), memory, int(worker.seconds) + _LATER)
        self._send(worker, request + job, data)

    def _send(self, worker: _Worker, *pieces: Buffer) -> None:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                try:
                    view = view[os.write(worker.requests, view) :]
                except BlockingIOError:
                    if not _ready(worker.requests, select.POLLOUT, worker.deadline):
                        self._overdue(worker)
                        return
                except OSError:
                    self._lost(worker)
                    return

    def _wait(self) -> None:
        """Wait until a worker answers, or is overdue."""
        busy = {worker.replies: worker for worker in self._workers if worker.ticket is not None}
        poller = select.poll()
        for descriptor in busy:
            poller.register(descriptor, select.POLLIN)
        now = time.monotonic()
        first = min(busy.values(), key=lambda worker: worker.deadline)
        answered = poller.poll(max(0.0, first.deadline - now) * 1000)
        for descriptor, _events in answered:
            self._receive(busy[descriptor])
        if not answered:
            self._overdue(first)
        self._assign()

    def _receive(self, worker: _Worker) -> None:
        """Read a reply whole."""
        ticket = worker.ticket
        if ticket is None:
            return
        # What was decoded in time is read, however late somebody asks for it.
        worker.deadline = max(worker.deadline, time.monotonic() + worker.seconds)
        header = self._take(worker, REPLY.size)
        if header is None:
            return
        status, length = REPLY.unpack(header)
        most = ticket.length if status == DECODED else _LONGEST_REASON
        if length > most or (status == DECODED and length != most):
            self._fail(worker, f"the decoder answered with {length} bytes, not {most}")
            return
        body = self._take(worker, length)
        if body is None:
            return
        worker.ticket = None
        if status == DECODED:
            ticket.end(body, "")
        else:
            text = bytes(body).decode("utf-8", "replace")
            reason = "".join(c if c.isprintable() else "?" for c in text)
            ticket.end(b"", reason or "the decoder failed without a reason")

    def _take(self, worker: _Worker, length: int) -> bytearray | None:
        """Read so many bytes of a worker; None where it ended, or is overdue."""
        data = bytearray(length)
        view, have = memoryview(data), 0
        while have < length:
            try:
                count = os.readv(worker.replies, [view[have:]])
            except BlockingIOError:
                if not _ready(worker.replies, select.POLLIN, worker.deadline):
                    self._overdue(worker)
                    return None
                continue
            except OSError:
                count = 0
            if not count:
                self._lost(worker)
                return None
            have += count
        return data

    def _overdue(self, worker: _Worker) -> None:
        self._fail(worker, f"the decoder took longer than {worker.seconds:.0f} s")

    def _lost(self, worker: _Worker) -> None:
        """Tell how a worker ended that should not have."""
        import signal

        worker.await_end()
        code = worker.end()
        how = f"exit code {code}"
        if code < 0:
            try:
                how = signal.Signals(-code).name
            except ValueError:
                how = f"signal {-code}"
        self._fail(worker, f"the decoder crashed ({how})")

    def _fail(self, worker: _Worker, problem: str) -> None:
        """Give a worker up, and what it had to do."""
        worker.end()
        if worker in self._workers:
            self._workers.remove(worker)
        ticket, worker.ticket = worker.ticket, None
        if ticket is not None:
            ticket.end(b"", problem)


def _ready(descriptor: int, events: int, deadline: float) -> bool:
    """Wait until a descriptor is ready; False where the deadline came first."""
    poller = select.poll()
    poller.register(descriptor, events)
    return bool(poller.poll(max(0.0, deadline - time.monotonic()) * 1000))
