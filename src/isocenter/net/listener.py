"""The listener: one selector loop for every connection that has not associated yet.

A connection costs a socket and a small record until its A-ASSOCIATE-RQ is complete; then
it goes to a `Dispatcher`. Each has a deadline (ARTIM, PS3.8 9.1.5) and a byte budget; what
is not an A-ASSOCIATE-RQ is answered with A-ABORT here and never gets a thread. When
descriptors or the table run out the oldest silent connection makes room, so silent peers
cannot keep others out.

Instead of listening it may `adopt` one connection that somebody else accepted (`inherited`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import OrderedDict

from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger, load_logging
from isocenter.net.dispatch import Arrival
from isocenter.net.failures import SHOWN, FailedConnection
from isocenter.net.wakeup import WakeUp
from isocenter.record import Record
from isocenter.ul.connection import Connection
from isocenter.ul.events import AbortIndication, AssociateIndication
from isocenter.ul.pdu import AAssociateRJ, PduType, RejectReason, RejectResult, RejectSource

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.dispatch import Dispatcher
    from isocenter.net.gate import Gate
    from isocenter.net.transport import SocketOptions
    from isocenter.ul.options import EngineOptions

__all__ = ["ListenOptions", "Listener", "raise_descriptor_limit"]

_LOGGER = get_logger(__name__)

_HEADER = 6
_SCRATCH = 64 * 1024
_ACCEPT_BURST = 64
"""Connections accepted before the others are looked at again, so that a flood delays nobody."""
_ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the system had no descriptor left."""
_ABORT_GRACE = 4.0
"""Seconds that associations get to end after they were told to abort; a provider that sleeps or
hangs does not keep the server from ending."""
_LINGER = 5.0
"""Seconds that a refused connection may take to close."""


class ListenOptions(Record):
    """Where to listen and what unassociated connections may cost.

    Fields:
        port: TCP port, 0 for one that the system picks.
        host: address to bind, "" for all of the family.
        family: ``ipv4``, ``ipv6`` or ``auto`` (dual stack).
        backlog: connections the kernel holds before they are accepted.
        maximum_pending: connections without an association; beyond it the oldest is closed.
        maximum_pending_bytes: bytes held for all of them together; beyond it the connection that
            would exceed it is closed. 64 MiB is 64 requests of the largest size at once.
    """

    port: int
    host: str = ""
    family: str = "ipv4"
    backlog: int = 512
    maximum_pending: int = 50_000
    maximum_pending_bytes: int = 64 * 1024 * 1024


class _Pending:
    """A connection whose request is not complete."""

    __slots__ = ("accepted_at", "address", "is_held", "received", "sock")

    def __init__(self, sock: socket.socket, address: str, accepted_at: float) -> None:
        self.sock = sock
        self.address = address
        self.accepted_at = accepted_at
        self.received = bytearray()
        self.is_held = False  # not read before the gate has decided


class _Refused:
    """A connection that got its A-ABORT or A-ASSOCIATE-RJ and has yet to close."""

    __slots__ = ("sock", "until")

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until


def _peer_name(address: object) -> str:
    """Return how a peer is called: ``host:port`` of an IP address, else "unknown"."""
    match address:
        case (str(host), int(port), *_):
            # On a socket for both families IPv4 comes in disguise (RFC 4291 2.5.5.2).
            mapped = host.startswith("::ffff:") and "." in host
            return f"{host[7:] if mapped else host}:{port}"
        case _:
            return "unknown"


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
    ) -> None:
        """Keep the arguments; `open` binds."""
        self._on_failure = on_failure
        self._gate = gate
        self._options = options
        self._engine = engine
        self._sockets = sockets
        self._dispatcher = dispatcher
        self._selector = selectors.DefaultSelector()
        self._wakeup = WakeUp()
        self._sock: socket.socket | None = None
        self._listening = False
        self._adopted = False
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._refused: OrderedDict[int, _Refused] = OrderedDict()
        self._held: dict[str, list[_Pending]] = {}  # by peer
        self._pending_bytes = 0
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._accept_again: float | None = None
        self._short_of_descriptors = False
        self._stops = 0
        self._handled_stops = 0
        self._abandon_at: float | None = None
        if gate is not None:
            gate.start(self.wake)

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
        self._take(connection, _peer_name(address))

    def stop(self) -> None:
        """First call: stop accepting, finish what is being received. Second: abort.

        Safe in a signal handler and from other threads.
        """
        self._stops += 1
        self._wakeup.set()

    def run(self, *, ready: Callable[[], None] | None = None) -> None:
        """Serve until stopped, or an adopted connection's end, and every association has ended.

        Args:
            ready: called once connections are being accepted.

        Raises:
            ConfigurationError: as `open`; or what serves associations cannot start.
        """
        if self._sock is None and not self._adopted:
            self.open()
        try:
            load_logging()  # a server that has run out of descriptors cannot
            self._selector.register(self._wakeup, selectors.EVENT_READ, self._wakeup.clear)
            self._start_dispatcher()
            self._listen(on=True)
            if ready is not None:
                ready()
            while not self._stopped():
                self._turn()
        finally:
            self.close_all()

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
                _LOGGER.info("stopping: finishing what is being received; a second signal aborts")
                self._listen(on=False)
                self._close_listening_socket()
                for pending in list(self._pending.values()):
                    self._drop(pending)
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
        over = self._adopted and not self._pending and not self._refused
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
            data = key.data
            # A connection that made room for another a moment ago may still be in the list.
            if type(data) is _Pending:
                if self._pending.get(key.fd) is data:
                    self._read(data)
            elif type(data) is _Refused:
                if self._refused.get(key.fd) is data:
                    self._discard(data)
            else:
                data()
        if self._held:
            self._ask_again()
        self._expire()

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
                    if self._make_room():
                        continue
                    # Associations hold every descriptor: look again when one may have ended.
                    if not self._short_of_descriptors:
                        _LOGGER.error("cannot accept connections: %s", problem.strerror)  # noqa: TRY400 - no traceback wanted
                    self._short_of_descriptors = True
                    self._accept_again = time.monotonic() + _ACCEPT_PAUSE
                return
            self._short_of_descriptors = False
            while len(self._pending) + len(self._refused) >= self._options.maximum_pending:
                if not self._make_room():
                    break
            self._take(connection, _peer_name(address))

    def _take(self, connection: socket.socket, address: str) -> None:
        """Begin to wait for a connection's request."""
        connection.setblocking(False)
        pending = _Pending(connection, address, time.monotonic())
        admitted = self._admits(pending)
        if admitted is False:
            connection.close()
            return
        self._pending[connection.fileno()] = pending
        if admitted:
            self._selector.register(connection, selectors.EVENT_READ, pending)
        else:
            self._hold(pending)

    def _admits(self, pending: _Pending) -> bool | None:
        """Ask the gate about a connection; None where it does not know yet."""
        if self._gate is None:
            return True
        try:
            local = _peer_name(pending.sock.getsockname())
        except OSError:  # it broke in this moment
            local = ""
        return self._gate.admits(pending.address, local)

    def _hold(self, pending: _Pending) -> None:
        """Keep a connection unread until the gate knows more about its peer."""
        pending.is_held = True
        self._held.setdefault(pending.address.rpartition(":")[0], []).append(pending)

    def _ask_again(self) -> None:
        """Ask the gate about the connections that waited for what it knows now."""
        for host in () if self._gate is None else self._gate.settled():
            for pending in self._held.pop(host, ()):
                if self._pending.get(pending.sock.fileno()) is not pending:
                    continue  # it was closed meanwhile
                admitted = self._admits(pending)
                if admitted:
                    pending.is_held = False
                    self._selector.register(pending.sock, selectors.EVENT_READ, pending)
                elif admitted is None:
                    self._hold(pending)
                else:
                    self._drop(pending)

    def _make_room(self) -> bool:
        """Close the oldest unassociated connection; False where there is none."""
        if self._refused:
            self._drop_refused(next(iter(self._refused.values())))
            return True
        if not self._pending:
            return False
        oldest = next(iter(self._pending.values()))
        _LOGGER.warning("closing silent connection from %s to make room", oldest.address)
        self._tell("crowded", oldest.address, oldest.received)
        self._drop(oldest)
        return True

    def _read(self, pending: _Pending) -> None:
        """Take in what an unassociated connection sent and decide whether it is enough."""
        limit = self._engine.limits.maximum_association_pdu_length + _HEADER
        have = len(pending.received)
        room = min(_SCRATCH, self._options.maximum_pending_bytes - self._pending_bytes)
        if room <= 0:
            _LOGGER.warning(
                "closing connection from %s: too much unassociated data", pending.address
            )
            self._drop(pending)
            return
        try:
            count = pending.sock.recv_into(self._scratch[: min(room, limit)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if count == 0:
            if have:
                _LOGGER.info("connection from %s closed before association", pending.address)
            self._tell("closed", pending.address, pending.received)
            self._drop(pending)
            return
        pending.received += self._scratch[:count]
        self._pending_bytes += count
        received = pending.received
        if len(received) < _HEADER:
            return
        length = int.from_bytes(received[2:_HEADER], "big")
        if received[0] != PduType.A_ASSOCIATE_RQ or length + _HEADER > limit:
            self._refuse(pending)
        elif len(received) >= length + _HEADER:
            self._hand_over(pending)

    def _hand_over(self, pending: _Pending) -> None:
        if not self._dispatcher.has_room:
            self._refuse(pending)
            return
        # Bytes and time are the dispatcher's to bound from here on.
        self._forget(pending)
        self._dispatcher.dispatch(
            Arrival(pending.sock, bytes(pending.received), pending.address, pending.accepted_at)
        )

    def _refuse(self, pending: _Pending) -> None:
        self._forget(pending)
        self.refuse(
            Arrival(pending.sock, bytes(pending.received), pending.address, pending.accepted_at)
        )

    def refuse(self, arrival: Arrival) -> None:
        """Answer without a thread: A-ABORT for a violation, A-ASSOCIATE-RJ for lack of room."""
        now = time.monotonic()
        engine = Connection(requestor=False, options=self._engine)
        engine.transport_connected(now)
        engine.feed(arrival.received, now)
        event = engine.next_event()
        if isinstance(event, AssociateIndication):
            _LOGGER.warning(
                "association from %s rejected: too many associations", arrival.peer_address
            )
            self._tell("full", arrival.peer_address, arrival.received)
            engine.reject(
                AAssociateRJ(
                    result=RejectResult.REJECTED_TRANSIENT,
                    source=RejectSource.SERVICE_PROVIDER_PRESENTATION,
                    reason=RejectReason.PRESENTATION_LOCAL_LIMIT_EXCEEDED,
                ),
                now,
            )
        elif isinstance(event, AbortIndication):
            if self._on_failure is None:
                _LOGGER.error(
                    "Receiving Association failed: %s (from %s)", event.cause, arrival.peer_address
                )
            self._tell("invalid", arrival.peer_address, arrival.received, event.cause)
        answer = b"".join(
            bytes(part) for part in engine.segments_to_send(4096) if not isinstance(part, tuple)
        )
        with contextlib.suppress(OSError):
            arrival.sock.send(answer)
            arrival.sock.shutdown(socket.SHUT_WR)
            refused = _Refused(arrival.sock, now + _LINGER)
            self._refused[arrival.sock.fileno()] = refused
            self._selector.register(arrival.sock, selectors.EVENT_READ, refused)
            return
        arrival.sock.close()

    def _discard(self, refused: _Refused) -> None:
        """Read and forget until a refused peer closes, lest a reset overtakes the answer."""
        try:
            count = refused.sock.recv_into(self._scratch)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if count == 0:
            self._drop_refused(refused)

    def _tell(
        self, kind: str, address: str, received: bytes | bytearray, cause: Exception | None = None
    ) -> None:
        """Tell whoever explains failures."""
        if self._on_failure is not None:
            first = bytes(received[:SHOWN])
            self._on_failure(FailedConnection(kind, address, first, cause))

    def _next_deadline(self) -> float | None:
        """Return the seconds until something is due, None where nothing is."""
        moments = [m for m in (self._accept_again, self._dispatcher.deadline()) if m is not None]
        if self._held and self._gate is not None and (due := self._gate.deadline()) is not None:
            moments.append(due)
        if self._pending:
            oldest = next(iter(self._pending.values()))
            moments.append(oldest.accepted_at + self._engine.artim_timeout)
        if self._refused:
            moments.append(next(iter(self._refused.values())).until)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _expire(self) -> None:
        """Close connections whose time is up; both tables are in the order of their deadlines."""
        now = time.monotonic()
        due = self._dispatcher.deadline()
        if due is not None and due <= now:
            self._dispatcher.on_deadline(now)
        while self._pending:
            pending = next(iter(self._pending.values()))
            if pending.accepted_at + self._engine.artim_timeout > now:
                break
            _LOGGER.info(
                "closing connection from %s: no association request within %g s",
                pending.address,
                self._engine.artim_timeout,
            )
            self._tell("expired", pending.address, pending.received)
            self._drop(pending)
        while self._refused:
            refused = next(iter(self._refused.values()))
            if refused.until > now:
                break
            self._drop_refused(refused)

    def _forget(self, pending: _Pending) -> None:
        if not pending.is_held:
            self._selector.unregister(pending.sock)
        del self._pending[pending.sock.fileno()]
        self._pending_bytes -= len(pending.received)

    def _drop(self, pending: _Pending) -> None:
        self._forget(pending)
        pending.sock.close()

    def _drop_refused(self, refused: _Refused) -> None:
        self._selector.unregister(refused.sock)
        del self._refused[refused.sock.fileno()]
        refused.sock.close()

    def _close_listening_socket(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._listening = False

    def close_all(self) -> None:
        """Close every descriptor of the listener; also what a forked child does first."""
        self._close_listening_socket()
        for pending in self._pending.values():
            pending.sock.close()
        for refused in self._refused.values():
            refused.sock.close()
        self._pending.clear()
        self._refused.clear()
        self._selector.close()
        self._wakeup.close()


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
