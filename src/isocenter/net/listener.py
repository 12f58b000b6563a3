"""The listener: one selector loop that accepts connections and sees to all that is due.

What becomes of a connection until its A-ASSOCIATE-RQ is complete is `reception`'s; then it is a
`Dispatcher`'s. When descriptors or the table run out the oldest silent connection makes room, so
silent peers cannot keep others out.

Instead of listening it may `adopt` one connection that somebody else accepted (`inherited`), or
take those that another process hands over (`workers`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time

from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger, load_logging
from isocenter.net.options import ListenOptions
from isocenter.net.reception import Reception, peer_name
from isocenter.net.signalled import SignalWatch
from isocenter.net.wakeup import WakeUp

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.dispatch import Arrival, Dispatcher
    from isocenter.net.failures import FailedConnection
    from isocenter.net.gate import Gate
    from isocenter.net.tls import ServerTls
    from isocenter.net.transport import SocketOptions
    from isocenter.ul.options import EngineOptions

__all__ = ["GivenListener", "ListenOptions", "Listener", "raise_descriptor_limit"]

_LOGGER = get_logger(__name__)

_ACCEPT_BURST = 64
"""Connections accepted before the others are looked at again, so that a flood delays nobody."""
_ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the system had no descriptor left."""
_ABORT_GRACE = 4.0
"""Seconds that associations get to end after they were told to abort; a provider that sleeps or
hangs does not keep the server from ending."""


class Listener:
    """Accepts connections and hands complete association requests to a dispatcher.

    Args:
        options: address and bounds.
        engine: limits and the ARTIM budget for requests.
        sockets: buffer sizes, which must be set before listening.
        dispatcher: who serves.
        on_failure: told of connections that never become an association, in the loop: it must
            not wait. None for nobody.
        gate: decides about each connection before it is read; whom it refuses is not answered.
            None for nobody.
        tls: how to speak TLS, None to speak plain DICOM.
        on_reload: called in the loop where `request_reload` was, before the dispatcher is told;
            None for nothing.
    """

    def __init__(
        self,
        options: ListenOptions,
        engine: EngineOptions,
        sockets: SocketOptions,
        dispatcher: Dispatcher,
        *,
        on_failure: Callable[[FailedConnection], None] | None = None,
        gate: Gate | None = None,
        tls: ServerTls | None = None,
        on_reload: Callable[[], None] | None = None,
    ) -> None:
        """Keep the arguments; `open` binds."""
        self._options = options
        self._sockets = sockets
        self._dispatcher = dispatcher
        self._selector = selectors.DefaultSelector()
        self._wakeup = WakeUp()
        self._sock: socket.socket | None = None
        self._listening = False
        self._adopted = False
        self._reception = Reception(
            options,
            engine,
            dispatcher,
            self._selector,
            self._wakeup.set,
            on_failure=on_failure,
            gate=gate,
            tls=tls,
            on_gone=self._gone,
        )
        self._on_reload = on_reload
        self._reload_requested = False
        self._accept_again: float | None = None
        self._short_of_descriptors = False
        self._stops = 0
        self._handled_stops = 0
        self._abandon_at: float | None = None
        self._signals: SignalWatch | None = None  # while it runs

    def open(self) -> int:
        """Bind and listen; return the port.

        Raises:
            ConfigurationError: the address cannot be bound; the message is the system's reason.
                The listener is closed.
        """
        try:
            return self._bind()
        except BaseException:
            self.close_all()
            raise

    def _bind(self) -> int:
        """Bind and listen; return the port."""
        options = self._options
        dual = options.family == "auto" and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual or options.family == "ipv6" else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as problem:
            raise ConfigurationError(problem.strerror or str(problem)) from problem
        try:
            if os.name == "posix":
                # On Windows it would let a second server take the same port.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(options.family == "ipv6")
                )
            self._sockets.apply_buffers(sock)
            sock.bind((options.host, options.port))
            sock.listen(options.backlog)
            sock.setblocking(False)
        except (OSError, OverflowError) as problem:
            sock.close()
            reason = getattr(problem, "strerror", None) or str(problem)
            raise ConfigurationError(reason) from problem
        self._sock = sock
        port: int = sock.getsockname()[1]
        return port

    def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that is there already, and nothing else: `run` will not listen.

        Takes it over. Its request has the same bounds in time and size as any other's. `run`
        returns when it has ended.
        """
        with contextlib.suppress(OSError):
            self._sockets.apply_buffers(connection)
        try:
            address: object = connection.getpeername()
        except OSError:  # it broke in this moment; reading will tell
            address = None
        self._adopted = True
        self._reception.take(connection, peer_name(address), time.monotonic())

    def stop(self) -> None:
        """First call: stop accepting, finish what is being received. Second: abort.

        Safe in a signal handler and from other threads.
        """
        self._stops += 1
        self._wakeup.set()

    def request_reload(self) -> None:
        """Have `on_reload` called in the loop, and then by those who serve.

        Safe in a signal handler and from other threads.
        """
        self._reload_requested = True
        self._wakeup.set()

    def _reload(self) -> None:
        if self._reload_requested:
            self._reload_requested = False
            if self._on_reload is not None:
                self._on_reload()
            self._dispatcher.reload()

    def _gone(self) -> None:
        """Do nothing about a connection that ended before it associated; workers tell of it."""

    def _announce_stop(self) -> None:
        _LOGGER.info("stopping: finishing what is being received; a second signal aborts")

    def run(self, *, ready: Callable[[], None] | None = None) -> None:
        """Serve until stopped, or an adopted connection's end, and every association has ended.

        Args:
            ready: called once connections are being accepted.

        Raises:
            ConfigurationError: as `open`; or what serves associations cannot start.
        """
        if self._sock is None and not self._adopted:
            self._prepare()
        try:
            load_logging()  # a server that has run out of descriptors cannot
            self._selector.register(self._wakeup, selectors.EVENT_READ, self._wakeup.clear)
            self._watch_signals()
            self._start_dispatcher()
            self._listen(on=True)
            if ready is not None:
                ready()
            while not self._stopped():
                self._turn()
        finally:
            self.close_all()

    def _prepare(self) -> None:
        """Get ready for connections where nothing is there yet."""
        self.open()

    def _watch_signals(self) -> None:
        """Have a signal end a wait, so that its handler's `stop` is seen at once."""
        signals = self._signals = SignalWatch()
        if signals.fileno() >= 0:
            self._selector.register(signals.fileno(), selectors.EVENT_READ, signals.clear)

    def _start_dispatcher(self) -> None:
        """Start what serves.

        Raises:
            ConfigurationError: the system refuses it; what was started is told to end.
        """
        try:
            self._dispatcher.start(self)
        except OSError as problem:
            self._dispatcher.stop()
            reason = problem.strerror or str(problem)
            raise ConfigurationError(f"cannot start serving: {reason}") from problem

    def _stopped(self) -> bool:
        """Act on stop requests; True once everything has ended."""
        if self._stops > self._handled_stops:
            if self._handled_stops == 0:
                self._announce_stop()
                self._listen(on=False)
                self._close_listening_socket()
                self._reception.drop_pending()
                self._dispatcher.stop()
            if self._stops > 1:
                self._dispatcher.abort()
                if self._abandon_at is None:
                    self._abandon_at = time.monotonic() + _ABORT_GRACE
            self._handled_stops = self._stops
        if self._abandon_at is not None and time.monotonic() >= self._abandon_at:
            if not self._dispatcher.join(0):
                self._dispatcher.abandon()
            return True
        over = self._adopted and not self._reception
        return (over or self._handled_stops > 0) and self._dispatcher.join(0)

    def _turn(self) -> None:
        """Wait once and handle whatever is ready."""
        if self._accept_again is not None and time.monotonic() >= self._accept_again:
            self._accept_again = None
        paused = self._handled_stops or self._accept_again or self._dispatcher.wants_pause
        self._listen(on=not paused)
        timeout = self._next_deadline()
        if self._abandon_at is not None:
            left = max(0.0, self._abandon_at - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        for key, _ in self._selector.select(timeout):
            if not self._reception.ready(key.fd, key.data):
                key.data()
        self._reload()
        self._reception.settle()
        self._expire()

    def _next_deadline(self) -> float | None:
        """Return the seconds until something is due, None where nothing is."""
        due = (self._accept_again, self._dispatcher.deadline(), self._reception.next_deadline())
        moments = [moment for moment in due if moment is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _expire(self) -> None:
        now = time.monotonic()
        due = self._dispatcher.deadline()
        if due is not None and due <= now:
            self._dispatcher.on_deadline(now)
        self._reception.expire(now)

    def _listen(self, *, on: bool) -> None:
        if on != self._listening and self._sock is not None:
            self._listening = on
            if on:
                self._selector.register(self._sock, selectors.EVENT_READ, self._accept)
            else:
                self._selector.unregister(self._sock)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` in the listener's thread whenever `fd` is readable."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor given to `watch`."""
        self._selector.unregister(fd)

    def wake(self) -> None:
        """Make the loop look around once; from any thread."""
        self._wakeup.set()

    def refuse(self, arrival: Arrival) -> None:
        """Answer an arrival that cannot be served; takes its socket over."""
        self._reception.refuse(arrival)

    def _accept(self) -> None:
        sock = self._sock
        if sock is None:
            return
        for _ in range(_ACCEPT_BURST):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                if problem.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    if self._reception.make_room():
                        continue
                    # Associations hold every descriptor: look again when one may have ended.
                    if not self._short_of_descriptors:
                        _LOGGER.error("cannot accept connections: %s", problem.strerror)  # noqa: TRY400 - no traceback wanted
                    self._short_of_descriptors = True
                    self._accept_again = time.monotonic() + _ACCEPT_PAUSE
                return
            self._short_of_descriptors = False
            while len(self._reception) >= self._options.maximum_pending:
                if not self._reception.make_room():
                    break
            self._reception.take(connection, peer_name(address), time.monotonic())

    def _close_listening_socket(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._listening = False

    def close_all(self) -> None:
        """Close every descriptor of the listener; also what a forked child does first."""
        self._close_listening_socket()
        self._reception.close()
        if self._signals is not None:
            self._signals.close()
        self._selector.close()
        self._wakeup.close()


class GivenListener(Listener):
    """The listener of a worker: it takes connections that its parent accepted.

    Args:
        options, engine, sockets, dispatcher, on_failure, tls: as of `Listener`.
        on_end: called for each connection that was given, once it has ended; from any thread.
    """

    def __init__(
        self,
        options: ListenOptions,
        engine: EngineOptions,
        sockets: SocketOptions,
        dispatcher: Dispatcher,
        *,
        on_end: Callable[[], None],
        on_failure: Callable[[FailedConnection], None] | None = None,
        tls: ServerTls | None = None,
    ) -> None:
        """Keep the arguments; nothing is listened to."""
        super().__init__(options, engine, sockets, dispatcher, on_failure=on_failure, tls=tls)
        self._on_end = on_end

    def give(self, arrival: Arrival) -> None:
        """Take over a connection of which nothing was read; called in the loop."""
        if self._handled_stops:
            arrival.sock.close()
            self._on_end()
            return
        self._reception.take(arrival.sock, arrival.peer_address, arrival.accepted_at)

    def make_room(self) -> None:
        """Close a connection that has not associated: descriptors have run out."""
        self._reception.make_room()

    def abort(self) -> None:
        """Stop as a second `stop` does."""
        self.stop()
        self.stop()

    def run_for(self, channel: socket.socket, follow: Callable[[], bytes | None]) -> None:
        """Serve until told to stop.

        Args:
            channel: where the parent's words come from.
            follow: takes the next of them, None where there will be no more; called in the loop.
        """

        def hear() -> None:
            if follow() is None:
                self.unwatch(channel.fileno())

        self.watch(channel.fileno(), hear)
        self.run()

    def wake(self) -> None:
        """Look around, because an association has ended; from any thread."""
        self._on_end()
        super().wake()

    def _gone(self) -> None:
        self._on_end()

    def _prepare(self) -> None:
        """Open nothing."""

    def _announce_stop(self) -> None:
        """Say nothing: the parent did."""


def raise_descriptor_limit() -> None:
    """Raise the soft limit on open descriptors to the hard one, where the system has such limits.

    Thousands of silent connections must not exhaust what the associations need.
    """
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
