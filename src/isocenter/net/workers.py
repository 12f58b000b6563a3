"""Dispatchers that serve associations in processes of their own.

The parent is one thread: the listener's loop. It holds every connection that has not
associated; what a process gets is a connection whose request is complete, or, where
TLS is spoken, one that has begun. They talk over a channel to each process (`words`). A
forked child closes everything of the parent before it serves. What workers share beside
that is asked over a second one (`channel`).

POSIX only; elsewhere `available` is False, and whoever asks for processes is told so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time

from isocenter.logs import get_logger, shut_down
from isocenter.net.channel import open_channel
from isocenter.net.dispatch import Peers, ThreadDispatcher
from isocenter.net.refusing import refusal
from isocenter.net.words import (
    ABORT,
    ARRIVAL,
    ENDED,
    HEADER,
    PING,
    RELOAD,
    STOP,
    Teller,
    Words,
    follow,
    obey,
    tell,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.association import Association
    from isocenter.net.channel import Answerer, Asker, Shared
    from isocenter.net.dispatch import Arrival, Dispatcher, Loop, ServeOptions
    from isocenter.net.listener import GivenListener
    from isocenter.ul.options import EngineOptions

__all__ = ["ForkDispatcher", "WorkerDispatcher", "available"]

_LOGGER = get_logger(__name__)

_SEND_TIMEOUT = 5.0
"""Seconds that a worker may take to read an arrival before it counts as stuck."""
_PING_INTERVAL = 10.0
"""Seconds after an arrival in which a worker may say nothing before it is asked."""
_PING_LIMIT = 60.0
"""Seconds without an answer after which a worker is killed and replaced."""


def available() -> bool:
    """Tell whether this system can serve in processes."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds")


def _pass_over(*_: object) -> None:
    """Do nothing about a signal."""


class _Child:
    """A process and the parent's end of its channel."""

    __slots__ = ("answerer", "channel", "handed", "load", "peer_address", "pid", "pinged")

    handed: float | None
    """When it got an arrival since it last said something, None where it did not."""
    pinged: float | None
    """When it was asked whether it lives, None where no answer is due."""

    def __init__(self, pid: int, channel: socket.socket, answerer: Answerer | None = None) -> None:
        self.pid = pid
        self.channel = channel
        self.answerer = answerer
        self.load = 0
        self.peer_address = ""  # of the one association that it serves
        self.handed = None
        self.pinged = None

    def tell(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self.channel.sendall(HEADER.pack(word, 0.0, 0, 0))

    def close(self) -> None:
        self.channel.close()
        if self.answerer is not None:
            self.answerer.close()


class _ProcessDispatcher:
    """What both process dispatchers share: children, their channels, their ends."""

    def __init__(
        self,
        serve: Callable[[Association], None],
        options: ServeOptions,
        *,
        shared: Shared | None = None,
        at_stop: Callable[[], None] | None = None,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self._serve = serve
        self._options = options
        self._shared = shared
        self._at_stop = at_stop
        self._at_end = at_end
        self._loop: Loop | None = None
        self._children: dict[int, _Child] = {}
        self._stopping = False
        self._asker: Asker | None = None  # in a child

    def start(self, loop: Loop) -> None:
        """Keep the loop; children are started by the subclasses."""
        self._loop = loop

    def _fork(self, run: Callable[[socket.socket], None]) -> _Child:
        """Fork; the child runs `run` with its end of the channel and never returns."""
        ours, theirs = socket.socketpair()
        answerer: Answerer | None = None
        asker: Asker | None = None
        try:
            if self._shared is not None:
                answerer, asker = open_channel()
            pid = os.fork()
        except OSError:
            for end in (ours, theirs, answerer, asker):
                if end is not None:
                    end.close()
            raise
        if pid == 0:
            code = 1
            try:
                # A stop comes over the channel; a terminal's interrupt reaches the whole group and
                # must not count twice. Not SIG_IGN: commands that a child starts would inherit it.
                signal.signal(signal.SIGINT, _pass_over)
                signal.signal(signal.SIGTERM, _pass_over)
                signal.signal(signal.SIGHUP, _pass_over)
                ours.close()
                if answerer is not None:
                    answerer.close()
                for child in self._children.values():
                    child.close()
                if self._loop is not None:
                    self._loop.close_all()
                self._asker = asker
                run(theirs)
                if self._at_end is not None:
                    self._at_end()
                code = 0
            except BaseException:
                _LOGGER.exception("process %d failed", os.getpid())
            finally:
                shut_down()
                os._exit(code)
        theirs.close()
        if asker is not None:
            asker.close()
        ours.settimeout(_SEND_TIMEOUT)
        child = _Child(pid, ours, answerer)
        self._children[pid] = child
        if self._loop is not None:
            self._loop.watch(ours.fileno(), lambda: self._heard(child))
            if answerer is not None:
                self._loop.watch(answerer.fileno(), lambda: self._asked(child))
        return child

    def _asked(self, child: _Child) -> None:
        """Answer what a child asks, unless it was buried in this round of the loop."""
        shared, answerer = self._shared, child.answerer
        if shared is not None and answerer is not None and answerer.fileno() >= 0:
            answerer.serve(lambda question: shared.answer(child.pid, question))

    def _heard(self, child: _Child) -> None:
        """Read what a child says; end of file means that it is gone."""
        try:
            words = child.channel.recv(4096, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            words = b""
        if not words:
            self._bury(child)
            return
        child.handed = child.pinged = None
        child.load -= words.count(ENDED)

    def _bury(self, child: _Child) -> None:
        if self._loop is not None:
            self._loop.unwatch(child.channel.fileno())
            if child.answerer is not None:
                self._loop.unwatch(child.answerer.fileno())
        child.close()
        del self._children[child.pid]
        if self._shared is not None:
            self._shared.gone(child.pid)
        with contextlib.suppress(ChildProcessError):
            _, status = os.waitpid(child.pid, 0)
            if status and not self._stopping:
                _LOGGER.error(
                    "process %d ended unexpectedly (%s)",
                    child.pid,
                    f"signal {os.WTERMSIG(status)}"
                    if os.WIFSIGNALED(status)
                    else f"exit code {os.WEXITSTATUS(status)}",
                )

    def deadline(self) -> float | None:
        """Return None: nothing is due."""
        return None

    def on_deadline(self, now: float) -> None:
        """Do nothing."""

    def reload(self) -> None:
        """Tell the children to read anew what was read anew here."""
        for child in self._children.values():
            child.tell(RELOAD)

    def stop(self) -> None:
        """Let each association finish the message it is in, then end."""
        self._stopping = True
        for child in self._children.values():
            child.tell(STOP)

    def abort(self) -> None:
        """End each association at once with A-ABORT."""
        for child in self._children.values():
            child.tell(ABORT)

    def abandon(self) -> None:
        """Kill the children that did not end."""
        for child in list(self._children.values()):
            _LOGGER.error("process %d does not end: killing it", child.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            self._bury(child)

    def join(self, seconds: float) -> bool:
        """Tell whether all children are gone; the loop watches for their ends."""
        del seconds
        return not self._children


class ForkDispatcher(_ProcessDispatcher):
    """One child process for each association (``--fork``).

    Args:
        serve: drives one association; called in the child.
        options: limits and budgets.
        maximum_children: children at once, None for no bound; at the bound the listener stops
            accepting until one ends.
        maximum_waiting: arrivals that wait for a child to end, inclusive; the connections of which
            the listener had read a request when the bound on children was reached. More are
            rejected, and so is one that waited for the engine's ARTIM budget, as a transient
            condition. Each may hold as many bytes as the longest request, 1 MiB.
        at_maximum: called once each time the bound is reached.
        at_stop: called in each child whose association is told to finish.
        at_end: called in each child when its association is over.
    """

    forks = True
    shakes_hands = False

    def __init__(
        self,
        serve: Callable[[Association], None],
        options: ServeOptions,
        *,
        maximum_children: int | None = None,
        maximum_waiting: int = 64,
        at_maximum: Callable[[], None] | None = None,
        at_stop: Callable[[], None] | None = None,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        """Keep the arguments."""
        super().__init__(serve, options, at_stop=at_stop, at_end=at_end)
        self._maximum = maximum_children
        self._at_maximum = at_maximum
        self._maximum_waiting = maximum_waiting
        self._waiting: list[tuple[float, Arrival]] = []  # with the moment of its expiry
        self._peers = Peers(options.maximum_associations_per_peer)

    @property
    def has_room(self) -> bool:
        """False where the maximum number of associations is reached."""
        if self.wants_pause and len(self._waiting) >= self._maximum_waiting:
            return False
        return len(self._children) < self._options.maximum_associations

    @property
    def wants_pause(self) -> bool:
        """True while the bound on children is reached."""
        return self._maximum is not None and len(self._children) >= self._maximum

    def dispatch(self, arrival: Arrival) -> None:
        """Fork a child for the arrival, or keep it until one ends where the bound is reached."""
        if self.wants_pause:
            until = time.monotonic() + self._options.engine.artim_timeout
            self._waiting.append((until, arrival))
            return
        if not self._peers.have_room_for(arrival.peer_address) and self._loop is not None:
            self._loop.refuse(arrival)
            return
        try:
            child = self._fork(lambda channel: self._serve_one(channel, arrival))
            child.peer_address = arrival.peer_address
            self._peers.add(arrival.peer_address)
        except OSError as problem:
            _LOGGER.error("cannot serve %s: %s", arrival.peer_address, problem.strerror)  # noqa: TRY400 - one line says it all
        arrival.sock.close()
        if self._at_maximum is not None and len(self._children) == self._maximum:
            self._at_maximum()

    def _bury(self, child: _Child) -> None:
        super()._bury(child)
        self._peers.remove(child.peer_address)
        while self._waiting and not self.wants_pause and not self._stopping:
            self.dispatch(self._waiting.pop(0)[1])

    def deadline(self) -> float | None:
        """Return when the first of those that wait has waited long enough."""
        return self._waiting[0][0] if self._waiting else None

    def on_deadline(self, now: float) -> None:
        """Reject those that waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            _, arrival = self._waiting.pop(0)
            if self._loop is not None:
                self._loop.refuse(arrival)

    def stop(self) -> None:
        """Close what waits, then as the base."""
        super().stop()
        for _, arrival in self._waiting:
            arrival.sock.close()
        self._waiting.clear()

    def _serve_one(self, channel: socket.socket, arrival: Arrival) -> None:
        for _, waiting in self._waiting:
            waiting.sock.close()
        threads = ThreadDispatcher(self._serve, self._options)
        association = threads.make_association(arrival)

        def stop() -> None:
            association.request_stop()
            if self._at_stop is not None:
                self._at_stop()

        words = Words(stop, association.request_abort)
        threading.Thread(target=obey, args=(channel, words), daemon=True).start()
        threads.run(association)


class WorkerDispatcher(_ProcessDispatcher):
    """A fixed number of worker processes, each serving many associations with threads.

    An arrival goes to the worker with the fewest associations. A worker that ends or does not
    answer is replaced.

    Args:
        serve: drives one association; called in a thread of a worker.
        options: limits and budgets, for each worker.
        workers: how many processes, 1 or more.
        shared: what they share by way of the parent, None for nothing.
        at_stop: called in each worker that is told to stop.
        at_end: called in each worker that stops, when its associations are over.
        at_reload: called in each worker when what can be read anew was, None for nothing.
        make_listener: makes, in a worker, the listener that shakes hands with peers that speak TLS
            (of the dispatcher there, and what to call for each connection that has ended); None
            where plain DICOM is spoken.
    """

    wants_pause = False
    forks = False

    def __init__(
        self,
        serve: Callable[[Association], None],
        options: ServeOptions,
        *,
        workers: int,
        shared: Shared | None = None,
        at_stop: Callable[[], None] | None = None,
        at_end: Callable[[], None] | None = None,
        at_reload: Callable[[], None] | None = None,
        make_listener: Callable[[Dispatcher, Callable[[], None]], GivenListener] | None = None,
    ) -> None:
        """Keep the arguments; `start` forks."""
        super().__init__(serve, options, shared=shared, at_stop=at_stop, at_end=at_end)
        self._workers = workers
        self._at_reload = at_reload
        self._make_listener = make_listener

    @property
    def shakes_hands(self) -> bool:
        """True where TLS is spoken: the workers see to it."""
        return self._make_listener is not None

    def start(self, loop: Loop) -> None:
        """Fork the workers."""
        super().start(loop)
        for _ in range(self._workers):
            self._fork(self._work)

    @property
    def has_room(self) -> bool:
        """False where no worker may take another association."""
        # Here and not in `dispatch`: a new worker must not inherit the connection on its way.
        self._replace_missing()
        if self.shakes_hands:
            # Handshakes count as load, and are not what is bounded: the worker rejects, in TLS.
            return bool(self._children)
        return any(
            child.load < self._options.maximum_associations for child in self._children.values()
        )

    def dispatch(self, arrival: Arrival) -> None:
        """Hand the arrival to the least loaded worker."""
        for child in sorted(self._children.values(), key=lambda child: child.load):
            address = arrival.peer_address.encode()
            header = HEADER.pack(ARRIVAL, arrival.accepted_at, len(address), len(arrival.received))
            try:
                socket.send_fds(child.channel, [header], [arrival.sock.fileno()])
                child.channel.sendall(address + arrival.received)
            except OSError as problem:
                _LOGGER.error("worker %d takes no connection: %s", child.pid, problem)  # noqa: TRY400 - one line says it all
                os.kill(child.pid, signal.SIGKILL)
                continue
            child.load += 1
            if child.handed is None:
                child.handed = time.monotonic()
            break
        arrival.sock.close()

    def deadline(self) -> float | None:
        """Return when a worker is to be asked whether it lives, or has not answered for too long.

        Only one that got an arrival is asked: an idle server sleeps.
        """
        return min(
            (
                child.handed + _PING_INTERVAL
                if child.pinged is None
                else child.pinged + _PING_LIMIT
                for child in self._children.values()
                if child.handed is not None
            ),
            default=None,
        )

    def on_deadline(self, now: float) -> None:
        """Ping workers that said nothing for a while; kill those that never answer."""
        for child in self._children.values():
            if child.handed is None:
                continue
            if child.pinged is None:
                if now - child.handed >= _PING_INTERVAL:
                    child.pinged = now
                    child.tell(PING)
            elif now - child.pinged >= _PING_LIMIT:
                _LOGGER.error("worker %d does not answer: replacing it", child.pid)
                child.handed = child.pinged = None  # its channel says when it is gone
                os.kill(child.pid, signal.SIGKILL)

    def _bury(self, child: _Child) -> None:
        super()._bury(child)
        self._replace_missing()

    def _replace_missing(self) -> None:
        """Start workers for those that ended; the next arrival retries what the system refuses."""
        try:
            while not self._stopping and len(self._children) < self._workers:
                self._fork(self._work)
        except OSError as problem:
            _LOGGER.error("cannot start a worker: %s", problem.strerror)  # noqa: TRY400 - one line says it all

    def _work(self, channel: socket.socket) -> None:
        """Run as a worker: take arrivals until told to stop and all are done."""
        if self._shared is not None and self._asker is not None:
            self._shared.join(self._asker)
        threads = ThreadDispatcher(self._serve, self._options, at_stop=self._at_stop)
        if self._make_listener is not None:
            say = Teller(channel)
            listener = self._make_listener(threads, lambda: say(ENDED))
            words = Words(
                listener.stop,
                listener.abort,
                listener.give,
                self._at_reload,
                say,
                listener.make_room,
            )
            listener.run_for(channel, lambda: follow(channel, words))
            return
        threads.start(_Reporter(channel, self._options.engine))
        obey(channel, Words(threads.stop, threads.abort, threads.dispatch, self._at_reload))
        while not threads.join(3600):
            pass


class _Reporter:
    """The loop that a worker's threads know: waking it tells the parent that one ended."""

    def __init__(self, channel: socket.socket, engine: EngineOptions) -> None:
        self._channel = channel
        self._engine = engine

    def wake(self) -> None:
        tell(self._channel, ENDED)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Watch nothing: threads have no descriptors."""

    def unwatch(self, fd: int) -> None:
        """Watch nothing."""

    def refuse(self, arrival: Arrival) -> None:
        """Reject it as a transient condition; no TLS is spoken here."""
        _LOGGER.warning("association from %s rejected: too many associations", arrival.peer_address)
        with contextlib.suppress(OSError):
            arrival.sock.send(refusal(arrival.received, self._engine).answer)
        arrival.sock.close()
        self.wake()

    def close_all(self) -> None:
        """Close nothing: a worker does not fork."""
