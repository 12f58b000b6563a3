"""Connections that have not associated yet: gathered, bounded, refused, handed over.

A connection costs a socket and a small record until its A-ASSOCIATE-RQ is complete; then it goes to
a `Dispatcher`. Each has a deadline (ARTIM, PS3.8 9.1.5) and a byte budget; what is not an
A-ASSOCIATE-RQ is answered with A-ABORT here and never gets a thread. Where TLS is spoken a silent
connection costs no more: its session begins with its first byte, and the handshake is a matter of
bytes gathered and, between them, jobs for `Handshakes`.

Owns these connections and their registrations with the selector; who accepts them, and the loop
itself, are the listener's.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import Counter, OrderedDict, deque

from isocenter.errors import TlsError
from isocenter.logs import get_logger
from isocenter.net.failures import SHOWN, FailedConnection
from isocenter.net.handshakes import Handshakes
from isocenter.net.pending import Pending, Refused, arrival_of
from isocenter.net.refusing import refusal
from isocenter.ul.events import AbortIndication, AssociateIndication
from isocenter.ul.pdu import PduType

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.net.dispatch import Arrival, Dispatcher
    from isocenter.net.gate import Gate
    from isocenter.net.options import ListenOptions
    from isocenter.net.tls import ServerTls, TlsSession
    from isocenter.ul.options import EngineOptions

__all__ = ["Reception", "peer_name"]

_LOGGER = get_logger("isocenter.net.listener")  # one name for all that is said of arrivals

_HEADER = 6
_SCRATCH = 64 * 1024
_TLS_READ = 17 * 1024
"""Bytes of a session taken at a time, a record and its frame: records without data cost the
loop half a microsecond for each byte, and others wait for it."""
_LINGER = 5.0
"""Seconds that a refused connection may take to close."""

_HANDSHAKE_THREADS = 2
_MAXIMUM_FIRST = 16 * 1024
"""Bytes kept of a ClientHello, which is some 2 KiB long. Of a longer one it is not looked up what
protocols it asks for: in records of a byte each that takes 3 ms of the loop's time for these."""

_NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0301 0002 02 78")
"""The alert for a requestor that speaks no protocol of ours (RFC 7301 3.2)."""

_NO_PROTOCOL = 235
_UNEXPECTED_EOF = 294
"""OpenSSL's numbers, for these and for connections that end within the handshake."""


def peer_name(address: object) -> str:
    """Return how a peer is called: ``host:port`` of an IP address, else "unknown"."""
    match address:
        case (str(host), int(port), *_):
            # On a socket for both families IPv4 comes in disguise (RFC 4291 2.5.5.2).
            mapped = host.startswith("::ffff:") and "." in host
            return f"{host[7:] if mapped else host}:{port}"
        case _:
            return "unknown"


class Reception:
    """Holds connections until they have associated, failed or waited long enough.

    Args:
        options: bounds.
        engine: limits and the ARTIM budget for requests.
        dispatcher: who serves.
        selector: where connections are registered; the loop hands what is ready to `ready`.
        wake: makes the loop look around, from any thread.
        on_failure: told of connections that never become an association, in the loop: it must
            not wait. None for nobody.
        gate: decides about each connection before it is read; whom it refuses is not answered.
            None for nobody.
        tls: how to speak TLS, None to speak plain DICOM.
        on_gone: called for each connection that ends here, None for nothing.
    """

    def __init__(
        self,
        options: ListenOptions,
        engine: EngineOptions,
        dispatcher: Dispatcher,
        selector: selectors.BaseSelector,
        wake: Callable[[], None],
        *,
        on_failure: Callable[[FailedConnection], None] | None = None,
        gate: Gate | None = None,
        tls: ServerTls | None = None,
        on_gone: Callable[[], None] | None = None,
    ) -> None:
        """Keep the arguments."""
        self._options = options
        self._engine = engine
        self._dispatcher = dispatcher
        self._selector = selector
        self._on_failure = on_failure
        self._gate = gate
        self._tls = tls
        self._on_gone = on_gone
        self._pending: OrderedDict[int, Pending] = OrderedDict()
        self._refused: OrderedDict[int, Refused] = OrderedDict()
        self._held: dict[str, list[Pending]] = {}  # by peer
        self._pending_bytes = 0
        self._scratch = memoryview(bytearray(_SCRATCH))
        threads = 0 if dispatcher.forks else _HANDSHAKE_THREADS
        self._handshakes = Handshakes(threads, wake)
        self._shaken: deque[Pending] = deque()  # those with a step of the handshake done
        self._in_tls: OrderedDict[Pending, None] = OrderedDict()
        self._in_tls_of: Counter[str] = Counter()  # how many of each peer
        if gate is not None:
            gate.start(wake)

    def __len__(self) -> int:
        """Return how many connections are held."""
        return len(self._pending) + len(self._refused)

    # ------------------------------------------------------------------ coming in

    def take(self, connection: socket.socket, address: str, accepted_at: float) -> None:
        """Begin to wait for a connection's request."""
        connection.setblocking(False)
        pending = Pending(connection, address, accepted_at)
        admitted = self._admits(pending)
        if admitted is False:
            connection.close()
            self._gone()
            return
        newest = next(reversed(self._pending.values()), None)
        self._pending[connection.fileno()] = pending
        if newest is not None and newest.accepted_at > accepted_at:
            # A worker gets it with its first byte, however long it was silent; see `expire`.
            by_age = sorted(self._pending.items(), key=lambda item: item[1].accepted_at)
            self._pending = OrderedDict(by_age)
        if admitted:
            self._watch(pending)
        else:
            self._hold(pending)

    def _watch(self, pending: Pending, events: int = selectors.EVENT_READ) -> None:
        if pending.is_watched:
            self._selector.modify(pending.sock, events, pending)
        else:
            self._selector.register(pending.sock, events, pending)
            pending.is_watched = True

    def _unwatch(self, pending: Pending) -> None:
        if pending.is_watched:
            self._selector.unregister(pending.sock)
            pending.is_watched = False

    def _admits(self, pending: Pending) -> bool | None:
        """Ask the gate about a connection; None where it does not know yet."""
        if self._gate is None:
            return True
        try:
            local = peer_name(pending.sock.getsockname())
        except OSError:  # it broke in this moment
            local = ""
        return self._gate.admits(pending.address, local)

    def _hold(self, pending: Pending) -> None:
        """Keep a connection unread until the gate knows more about its peer."""
        self._held.setdefault(pending.host, []).append(pending)

    def _ask_again(self) -> None:
        """Ask the gate about the connections that waited for what it knows now."""
        for host in () if self._gate is None else self._gate.settled():
            for pending in self._held.pop(host, ()):
                if not self._is_here(pending):
                    continue  # it was closed meanwhile
                admitted = self._admits(pending)
                if admitted:
                    self._watch(pending)
                elif admitted is None:
                    self._hold(pending)
                else:
                    self._drop(pending)

    def _is_here(self, pending: Pending) -> bool:
        return self._pending.get(pending.sock.fileno()) is pending

    def make_room(self) -> bool:
        """Close the oldest unassociated connection; False where there is none."""
        if self._refused:
            self._drop_refused(next(iter(self._refused.values())))
            return True
        if not self._pending:
            return False
        self._crowd_out(next(iter(self._pending.values())))
        return True

    def _crowd_out(self, pending: Pending) -> None:
        _LOGGER.warning("closing silent connection from %s to make room", pending.address)
        self._tell("crowded", pending)
        self._drop(pending)

    # ------------------------------------------------------------------ reading

    def ready(self, fd: int, data: object) -> bool:
        """Act on a selector's event; False where it is not about a connection held here."""
        # A connection that made room for another a moment ago may still be in the list.
        if type(data) is Pending:
            if self._pending.get(fd) is data:
                session = data.session
                with self._alone(data):
                    if data.unsent and session is not None:
                        self._push(data, session)
                    else:
                        self._read(data)
            return True
        if type(data) is Refused:
            if self._refused.get(fd) is data:
                self._discard(data)
            return True
        return False

    @contextlib.contextmanager
    def _alone(self, pending: Pending) -> Iterator[None]:
        """Do something about a connection; an error that nobody knows of costs no other one."""
        try:
            yield
        except Exception:
            _LOGGER.exception("connection from %s failed", pending.address)
            if self._is_here(pending):
                self._drop(pending)

    def _read(self, pending: Pending) -> None:
        """Take in what an unassociated connection sent and decide whether it is enough."""
        is_unread = self._tls is not None and self._dispatcher.shakes_hands
        room = min(_SCRATCH, self._options.maximum_pending_bytes - self._pending_bytes)
        if room <= 0:
            # Who holds most goes, and not whoever comes last: that one may be a good peer.
            heaviest = max(self._pending.values(), key=lambda other: len(other.received))
            _LOGGER.warning(
                "closing connection from %s: too much unassociated data", heaviest.address
            )
            room = min(_SCRATCH, len(heaviest.received))
            self._drop(heaviest)
            if heaviest is pending:
                return
        try:
            if is_unread:
                count = len(pending.sock.recv(1, socket.MSG_PEEK))
            else:
                most = _TLS_READ if pending.session is not None else _SCRATCH
                count = pending.sock.recv_into(self._scratch[: min(room, most, self._longest)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if count == 0:
            self._closed_by_peer(pending)
        elif is_unread:
            self._hand_over(pending)
        elif self._tls is None:
            self._gather(pending, count)
        else:
            self._receive_record(pending, self._tls, count)

    @property
    def _longest(self) -> int:
        """Bytes of the longest request that is read."""
        return self._engine.limits.maximum_association_pdu_length + _HEADER

    def _closed_by_peer(self, pending: Pending) -> None:
        if pending.received or pending.session is not None:
            _LOGGER.info("connection from %s closed before association", pending.address)
        session, cause = pending.session, None
        if session is not None and session.facts is None:
            reason = "unexpected eof while reading"
            cause = TlsError(reason, code=_UNEXPECTED_EOF, received=session.received)
        self._tell("closed", pending, cause)
        self._drop(pending)

    def _gather(self, pending: Pending, count: int) -> bool:
        """Add what is in the scratch buffer to the request; True where it needs more."""
        pending.received += self._scratch[:count]
        self._pending_bytes += count
        received = pending.received
        if len(received) < _HEADER:
            return True
        length = int.from_bytes(received[2:_HEADER], "big")
        if received[0] != PduType.A_ASSOCIATE_RQ or length + _HEADER > self._longest:
            self._refuse(pending)
        elif len(received) >= length + _HEADER:
            self._hand_over(pending)
        else:
            return True
        return False

    # ------------------------------------------------------------------ TLS

    def _receive_record(self, pending: Pending, tls: ServerTls, count: int) -> None:
        """Take in encrypted bytes from the scratch buffer."""
        if pending.session is None:
            self._begin_tls(pending, tls)
        session, data = pending.session, self._scratch[:count]
        if session is None:  # it made room at once
            return
        session.feed(data)
        if session.facts is not None:
            self._decrypt(pending, session)
            return
        if pending.first is not None:
            pending.first += data[: max(0, _MAXIMUM_FIRST - len(pending.first))]
        self._unwatch(pending)
        self._handshakes.submit(pending.place, lambda: self._shake(pending))

    def _begin_tls(self, pending: Pending, tls: ServerTls) -> None:
        """Begin a session for a connection, and see to it that they are not too many."""
        pending.session = tls.session()
        pending.first = bytearray()
        self._in_tls[pending] = None
        self._in_tls_of[pending.place] += 1
        if len(self._in_tls) > self._options.maximum_handshakes:
            place, _ = max(self._in_tls_of.items(), key=lambda item: item[1])
            self._crowd_out(next(other for other in self._in_tls if other.place == place))

    def _speaks_dicom(self, pending: Pending) -> bool:
        """Tell whether the handshake may go on; asked once, when there is an answer to the hello.

        Reading it anew with each of many small pieces would keep the loop busy.
        """
        hello, pending.first = bytes(pending.first or b""), None
        return self._tls is None or self._tls.may_answer(hello)

    def _shake(self, pending: Pending) -> None:
        """Do a step of the handshake; anywhere, and nothing else touches the session meanwhile."""
        session = pending.session
        if session is None:
            return  # it was closed while this waited
        try:
            session.handshake()
        except TlsError as problem:
            pending.failure = problem
        except Exception as problem:  # noqa: BLE001 - a callback of the context; the loop goes on
            pending.failure = TlsError(f"handshake failed: {problem}", received=session.received)
        self._shaken.append(pending)

    def _take_shaken(self) -> None:
        """Go on with the connections that a step of the handshake was done for."""
        self._handshakes.work()
        while self._shaken:
            pending = self._shaken.popleft()
            session = pending.session
            if session is None or not self._is_here(pending):
                continue  # it was closed meanwhile
            with self._alone(pending):
                self._follow_handshake(pending, session)

    def _follow_handshake(self, pending: Pending, session: TlsSession) -> None:
        """Send what a step of the handshake has to say, or end the connection."""
        pending.unsent = session.outgoing()
        if pending.failure is not None:
            self._refuse_tls(pending, pending.failure)
        elif pending.unsent and pending.first is not None and not self._speaks_dicom(pending):
            pending.unsent = _NO_APPLICATION_PROTOCOL
            problem = TlsError(
                "no application protocol", code=_NO_PROTOCOL, received=session.received
            )
            self._refuse_tls(pending, problem)
        else:
            self._push(pending, session)

    def _push(self, pending: Pending, session: TlsSession) -> None:
        """Send what the handshake has to say and go on with what came behind the peer's part."""
        try:
            if pending.unsent:
                pending.unsent = pending.unsent[pending.sock.send(pending.unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._closed_by_peer(pending)
            return
        self._watch(pending, selectors.EVENT_WRITE if pending.unsent else selectors.EVENT_READ)
        if session.facts is not None and not pending.unsent:
            self._decrypt(pending, session)

    def _decrypt(self, pending: Pending, session: TlsSession) -> None:
        """Take in what the session has of the request."""
        try:
            while count := session.read_into(self._scratch):
                if not self._gather(pending, count):
                    return
        except TlsError as problem:
            pending.unsent = session.outgoing()
            self._refuse_tls(pending, problem)
            return
        if session.ended:
            self._closed_by_peer(pending)

    def _refuse_tls(self, pending: Pending, problem: TlsError) -> None:
        """Send the alert, tell, and close."""
        if self._on_failure is None:
            _LOGGER.error("Receiving Association failed: %s (from %s)", problem, pending.address)
        self._tell("tls", pending, problem)
        self._forget(pending)
        self._say_last(pending.sock, pending.unsent)

    # ------------------------------------------------------------------ going on

    def _hand_over(self, pending: Pending) -> None:
        if not self._dispatcher.has_room:
            self._refuse(pending)
            return
        # Bytes and time are the dispatcher's to bound from here on.
        self._forget(pending)
        self._dispatcher.dispatch(arrival_of(pending))

    def _refuse(self, pending: Pending) -> None:
        self._forget(pending)
        self.refuse(arrival_of(pending))

    def refuse(self, arrival: Arrival) -> None:
        """Answer without a thread: A-ABORT for a violation, A-ASSOCIATE-RJ for lack of room."""
        event, answer = refusal(arrival.received, self._engine)
        if isinstance(event, AssociateIndication):
            _LOGGER.warning(
                "association from %s rejected: too many associations", arrival.peer_address
            )
            self._report("full", arrival.peer_address, arrival.received)
        elif event is None:  # of TLS that nobody is there for
            _LOGGER.warning(
                "connection from %s closed: too many associations", arrival.peer_address
            )
            self._report("full", arrival.peer_address, b"")
        elif isinstance(event, AbortIndication):
            if self._on_failure is None:
                _LOGGER.error(
                    "Receiving Association failed: %s (from %s)", event.cause, arrival.peer_address
                )
            self._report("invalid", arrival.peer_address, arrival.received, event.cause)
        if arrival.tls is not None and answer:
            with contextlib.suppress(TlsError):
                arrival.tls.write(answer)
            arrival.tls.say_goodbye()
            answer = arrival.tls.outgoing()
        self._say_last(arrival.sock, answer)

    def _say_last(self, sock: socket.socket, answer: bytes) -> None:
        """Send what there is to say and wait, for a while, for the peer to close."""
        with contextlib.suppress(OSError):
            if answer:
                sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
            refused = Refused(sock, time.monotonic() + _LINGER)
            self._refused[sock.fileno()] = refused
            self._selector.register(sock, selectors.EVENT_READ, refused)
            return
        sock.close()
        self._gone()

    def _discard(self, refused: Refused) -> None:
        """Read and forget until a refused peer closes, lest a reset overtakes the answer."""
        try:
            count = refused.sock.recv_into(self._scratch)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if count == 0:
            self._drop_refused(refused)

    def _tell(self, kind: str, pending: Pending, cause: Exception | None = None) -> None:
        """Tell whoever explains failures of a connection that is held here."""
        session = pending.session
        # Behind a handshake that ended well it is what was decrypted that tells something.
        received: bytes | bytearray
        if session is None or (session.facts is not None and kind != "tls"):
            received = pending.received
        else:
            received = session.received
        self._report(kind, pending.address, received, cause)

    def _report(
        self, kind: str, address: str, received: bytes | bytearray, cause: Exception | None = None
    ) -> None:
        if self._on_failure is not None:
            first = bytes(received[:SHOWN])
            try:
                self._on_failure(FailedConnection(kind, address, first, cause))
            except Exception:
                _LOGGER.exception("what became of a connection from %s cannot be told", address)

    # ------------------------------------------------------------------ time

    def settle(self) -> None:
        """Go on with what waited for the gate or for a handshake; once in each turn of the loop."""
        if self._held:
            self._ask_again()
        if self._shaken or self._handshakes.waits_for_loop:
            self._take_shaken()

    def next_deadline(self) -> float | None:
        """Return when something is due, in monotonic seconds, None where nothing is."""
        moments = []
        if self._handshakes.waits_for_loop or self._shaken:
            moments.append(0.0)
        if self._held and self._gate is not None and (due := self._gate.deadline()) is not None:
            moments.append(due)
        if self._pending:
            oldest = next(iter(self._pending.values()))
            moments.append(oldest.accepted_at + self._engine.artim_timeout)
        if self._refused:
            moments.append(next(iter(self._refused.values())).until)
        return min(moments, default=None)

    def expire(self, now: float) -> None:
        """Close connections whose time is up; both tables are in the order of their deadlines."""
        while self._pending:
            pending = next(iter(self._pending.values()))
            if pending.accepted_at + self._engine.artim_timeout > now:
                break
            _LOGGER.info(
                "closing connection from %s: no association request within %g s",
                pending.address,
                self._engine.artim_timeout,
            )
            self._tell("expired", pending)
            self._drop(pending)
        while self._refused:
            refused = next(iter(self._refused.values()))
            if refused.until > now:
                break
            self._drop_refused(refused)

    # ------------------------------------------------------------------ ends

    def drop_pending(self) -> None:
        """Close every connection that has not associated; refused ones get their time."""
        for pending in list(self._pending.values()):
            self._drop(pending)

    def _forget(self, pending: Pending) -> None:
        self._unwatch(pending)
        del self._pending[pending.sock.fileno()]
        self._pending_bytes -= len(pending.received)
        if pending.session is not None:
            del self._in_tls[pending]
            place = pending.place
            self._in_tls_of[place] -= 1
            if not self._in_tls_of[place]:
                del self._in_tls_of[place]

    def _drop(self, pending: Pending) -> None:
        self._forget(pending)
        pending.session = None  # a step of its handshake may wait; what it holds does not
        pending.sock.close()
        self._gone()

    def _drop_refused(self, refused: Refused) -> None:
        self._selector.unregister(refused.sock)
        del self._refused[refused.sock.fileno()]
        refused.sock.close()
        self._gone()

    def _gone(self) -> None:
        if self._on_gone is not None:
            self._on_gone()

    def close(self) -> None:
        """Close every descriptor, without a word; also what a forked child does first."""
        for pending in self._pending.values():
            pending.sock.close()
        for refused in self._refused.values():
            refused.sock.close()
        self._pending.clear()
        self._refused.clear()
        self._handshakes.close()
