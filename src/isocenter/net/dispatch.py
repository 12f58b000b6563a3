"""Who serves a connection once its A-ASSOCIATE-RQ is complete: threads of this process.

The listener knows the `Dispatcher` protocol only; `workers` holds the dispatchers that
use processes. A dispatcher owns every association it was given until it ends.
"""

from __future__ import annotations

import sys
import threading
import time

from isocenter.errors import IsocenterError
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger
from isocenter.neighbours import place_of
from isocenter.net.association import Association
from isocenter.net.transport import PlainTransport
from isocenter.record import NamedTuple, Record
from isocenter.ul.connection import Connection
from isocenter.ul.windows import WindowPool

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    from isocenter.net.options import AssociationOptions
    from isocenter.net.tls import TlsSession
    from isocenter.net.transport import SocketOptions, Transport
    from isocenter.ul.options import EngineOptions
else:
    Protocol = object

__all__ = ["Arrival", "Dispatcher", "Loop", "Peers", "ServeOptions", "ThreadDispatcher"]

_LOGGER = get_logger(__name__)

_STACK_SIZE = 512 * 1024
"""Bytes of stack for a thread: a thousand associations are to cost megabytes, not gigabytes."""

_SWITCH_INTERVAL = 0.0005
"""Seconds after which a computing thread gives way. At the interpreter's 5 ms a C-ECHO beside one
busy thread answers 168 times a second, at this 1657 times."""


class Arrival(NamedTuple):
    """A connection whose A-ASSOCIATE-RQ is complete, or, where TLS is another's, has begun.

    Fields: `sock` connected and owned by whoever holds the arrival; `received` all bytes read so
    far, decrypted; `peer_address` as ``host:port``; `accepted_at` in monotonic seconds; `tls`, the
    session that encrypts, None on a plain connection.
    """

    sock: socket.socket
    received: bytes
    peer_address: str
    accepted_at: float
    tls: TlsSession | None = None


class Loop(Protocol):
    """What a dispatcher may ask of the listener's loop."""

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` in the listener's thread whenever `fd` is readable."""

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor given to `watch`."""

    def wake(self) -> None:
        """Make the loop look around once; from any thread."""

    def refuse(self, arrival: Arrival) -> None:
        """Answer an arrival that cannot be served with A-ASSOCIATE-RJ; takes its socket over."""

    def close_all(self) -> None:
        """Close every descriptor of the listener: what a forked child does first."""


class ServeOptions(Record):
    """How associations of a server are driven.

    Fields:
        engine: the engine's limits and budgets.
        association: the driver's.
        sockets: Nagle and buffers.
        maximum_associations: most associations at once; more are rejected as "local limit
            exceeded" (PS3.8 9.3.4).
        maximum_associations_per_peer: most at once from one address, of IPv6 from one net of
            64 bits, None for no bound of their own; more are rejected likewise.
    """

    engine: EngineOptions
    association: AssociationOptions
    sockets: SocketOptions
    maximum_associations: int = DEFAULTS.maximum_associations
    maximum_associations_per_peer: int | None = DEFAULTS.maximum_associations_per_peer


class Peers:
    """How many associations each peer has.

    Args:
        maximum: most of one peer, None for no bound.

    Not for several threads at a time.
    """

    __slots__ = ("_counts", "_maximum")

    def __init__(self, maximum: int | None) -> None:
        """Begin with none."""
        self._maximum = maximum
        self._counts: dict[str, int] = {}  # by what of the address counts as one peer

    def have_room_for(self, peer_address: str) -> bool:
        """Tell whether a peer, ``host:port``, may have one more."""
        return self._maximum is None or self._counts.get(_place(peer_address), 0) < self._maximum

    def add(self, peer_address: str) -> None:
        """Count one more."""
        if self._maximum is not None:
            place = _place(peer_address)
            self._counts[place] = self._counts.get(place, 0) + 1

    def remove(self, peer_address: str) -> None:
        """Count one less."""
        if self._maximum is not None:
            place = _place(peer_address)
            left = self._counts.pop(place) - 1
            if left:
                self._counts[place] = left


def _place(peer_address: str) -> str:
    return place_of(peer_address.rpartition(":")[0])


class Dispatcher(Protocol):
    """Serves arrivals. All methods are called by the listener's thread."""

    @property
    def forks(self) -> bool:
        """True where this process has to stay one thread, because it forks while it serves."""

    @property
    def shakes_hands(self) -> bool:
        """True where connections that speak TLS are wanted at their first byte, unread.

        What was agreed on with a peer cannot be handed to another process.
        """

    def start(self, loop: Loop) -> None:
        """Get ready; the loop begins to accept right after."""

    @property
    def has_room(self) -> bool:
        """False where another association would be one too many."""

    @property
    def wants_pause(self) -> bool:
        """True while no connection is to be accepted (``--max-associations`` of a fork server)."""

    def dispatch(self, arrival: Arrival) -> None:
        """Serve an arrival; takes its socket over."""

    def deadline(self) -> float | None:
        """Return when to call `on_deadline`, in monotonic seconds, None for never."""

    def on_deadline(self, now: float) -> None:
        """See to what is due."""

    def reload(self) -> None:
        """Have other processes read anew what this one has read anew."""

    def stop(self) -> None:
        """Let each association finish the message it is in, then end."""

    def abort(self) -> None:
        """End each association at once with A-ABORT."""

    def join(self, seconds: float) -> bool:
        """Wait for all associations to end; True if they did."""

    def abandon(self) -> None:
        """Give up those that did not end although told to abort: their providers do not return."""


class ThreadDispatcher:
    """One thread for each association.

    Args:
        serve: drives one association from its request to its end; called in the thread.
        options: limits and budgets.
        at_stop: called when associations are told to finish, None for nothing.
    """

    wants_pause = False
    forks = False
    shakes_hands = False

    def __init__(
        self,
        serve: Callable[[Association], None],
        options: ServeOptions,
        *,
        at_stop: Callable[[], None] | None = None,
    ) -> None:
        """Keep the arguments; nothing starts yet."""
        self._serve = serve
        self._options = options
        self._at_stop = at_stop
        self._loop: Loop | None = None
        self._windows = WindowPool()
        self._active: set[Association] = set()
        self._peers = Peers(options.maximum_associations_per_peer)
        self._changed = threading.Condition()
        self._aborting = False
        self._stopping = False

    def start(self, loop: Loop) -> None:
        """Shorten the interpreter's switch interval."""
        self._loop = loop
        sys.setswitchinterval(_SWITCH_INTERVAL)

    @property
    def has_room(self) -> bool:
        """False where the maximum number of associations is reached."""
        return len(self._active) < self._options.maximum_associations

    def dispatch(self, arrival: Arrival) -> None:
        """Start a thread for the arrival, or have it refused: its peer may have enough of them."""
        if not self._peers.have_room_for(arrival.peer_address) and self._loop is not None:
            self._loop.refuse(arrival)
            return
        try:
            association = self.make_association(arrival)
        except OSError as problem:
            # No descriptor is left to wake its thread with; the peer may try again.
            _LOGGER.error("cannot serve %s: %s", arrival.peer_address, problem.strerror)  # noqa: TRY400 - no traceback wanted
            arrival.sock.close()
            self._tell()
            return
        with self._changed:
            self._active.add(association)
            self._peers.add(association.peer_address)
            if self._stopping:
                association.request_stop()
        thread = threading.Thread(
            target=self._run, args=(association,), name=f"association {arrival.peer_address}"
        )
        thread.daemon = True
        stack_size = threading.stack_size(_STACK_SIZE)
        try:
            thread.start()
        except RuntimeError:
            _LOGGER.error("no thread for %s: too many", arrival.peer_address)  # noqa: TRY400 - no traceback wanted
            self._forget(association)
            association.close()
            self._tell()
        finally:
            threading.stack_size(stack_size)

    def reload(self) -> None:
        """Do nothing: there is no other process."""

    def deadline(self) -> float | None:
        """Return None: each association sees to its own."""
        return None

    def on_deadline(self, now: float) -> None:
        """Do nothing."""

    def make_association(self, arrival: Arrival) -> Association:
        """Build the driver for an arrival, its received bytes already in the engine."""
        options = self._options
        engine = Connection(requestor=False, options=options.engine, windows=self._windows)
        engine.transport_connected(arrival.accepted_at)
        engine.feed(arrival.received, time.monotonic())
        plain = PlainTransport(arrival.sock, options.sockets)
        transport: Transport = plain
        if arrival.tls is not None:
            from isocenter.net.tls import TlsTransport

            transport = TlsTransport(plain, arrival.tls)
        association = Association(
            transport, engine, options.association, peer_address=arrival.peer_address
        )
        if arrival.tls is not None:
            association.tls = arrival.tls.facts
        association.look_out_while(self._is_alone)
        return association

    def _is_alone(self) -> bool:
        """Tell whether one association at most is served here at the moment."""
        return len(self._active) <= 1

    def run(self, association: Association) -> None:
        """Serve one association in the calling thread, whatever happens to it."""
        try:
            self._serve(association)
        except IsocenterError as problem:
            _LOGGER.info("association with %s ended: %s", association.peer_address, problem)
        except (Exception, SystemExit):
            _LOGGER.exception("association with %s failed", association.peer_address)
            association.abort()
        finally:
            association.close()

    def _run(self, association: Association) -> None:
        try:
            self.run(association)
        finally:
            self._forget(association)
            self._tell()

    def _tell(self) -> None:
        """Tell the loop that an arrival is over; a worker's parent counts these."""
        if self._loop is not None:
            self._loop.wake()

    def _forget(self, association: Association) -> None:
        with self._changed:
            self._active.discard(association)
            self._peers.remove(association.peer_address)
            self._changed.notify_all()

    def stop(self) -> None:
        """Let each association finish the message it is in, then end."""
        with self._changed:
            self._stopping = True
            for association in self._active:
                association.request_stop()
        if self._at_stop is not None:
            self._at_stop()

    def abort(self) -> None:
        """End each association at once with A-ABORT."""
        with self._changed:
            for association in self._active:
                association.request_abort()

    def join(self, seconds: float) -> bool:
        """Wait for all associations to end; True if they did."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._active, timeout=seconds)

    def abandon(self) -> None:
        """Leave the threads to the end of the process: they are daemons."""
        for association in list(self._active):
            _LOGGER.error("association with %s does not end: left behind", association.peer_address)
