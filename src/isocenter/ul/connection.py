"""The Upper Layer engine: one connection, either role, without I/O (PS3.8 9).

Bytes, local requests and `now` go in; events, segments and a deadline come out:

1. Incoming: the driver reads into `receive_window()`, says `received(n, now)` or
   `received_eof(now)`, then calls `next_event()` until it returns None.
2. Outgoing: after any call the driver sends `segments_to_send()` while `has_output`, and
   closes the transport once `close_wanted` and nothing is left; then `transport_closed(now)`.
3. Time: the driver calls `on_deadline(now)` when `deadline()` has come.

Rules for whoever edits this: every transition goes through `fsm.transition`; P-DATA in
STA6 is the one exception, checked once per window; actions only append to queues.
"""

from __future__ import annotations

from collections import deque

from isocenter.errors import LocalProtocolError, PeerProtocolError
from isocenter.ul import codec
from isocenter.ul.budgets import ARTIM, TIMED, Budgets
from isocenter.ul.events import (
    AbortIndication,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejection,
    ConnectionClosed,
    ReleaseConfirmation,
    ReleaseIndication,
)
from isocenter.ul.fsm import Action, Evt, State, transition
from isocenter.ul.pdata import MessageLayout, PDataReader, StreamLayout, small_message
from isocenter.ul.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AbortReason,
    AbortSource,
    AReleaseRP,
    AReleaseRQ,
    PduType,
)
from isocenter.ul.windows import ReceiveWindow, WindowPool
from isocenter.wire import segment_length

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from isocenter.errors import TimeoutExpired
    from isocenter.ul.events import Event
    from isocenter.ul.options import EngineOptions
    from isocenter.ul.pdu import Pdu
    from isocenter.wire import Buffer, Segment, WireSegment

__all__ = ["Connection"]

_EVENT_OF_PDU: dict[int, Evt] = {
    PduType.A_ASSOCIATE_RQ: Evt.EVT6,
    PduType.A_ASSOCIATE_AC: Evt.EVT3,
    PduType.A_ASSOCIATE_RJ: Evt.EVT4,
    PduType.P_DATA_TF: Evt.EVT10,
    PduType.A_RELEASE_RQ: Evt.EVT12,
    PduType.A_RELEASE_RP: Evt.EVT13,
    PduType.A_ABORT: Evt.EVT16,
}
_RECEIVING = frozenset({State.STA6, State.STA7})
"""Where P-DATA is welcome: after the peer's own release request it is not (PS3.8 9.2, STA8)."""
_ENDED = frozenset({State.STA1, State.STA13})


class Connection:
    """One Upper Layer connection in either role.

    Args:
        requestor: True for the side that asks for the association.
        options: limits and time budgets.
        windows: where receive windows come from; shared by the connections of a process.

    Attributes:
        state: of Table 9-10.
        close_wanted: True once the driver is to close the transport.
        receive_window: call it for writable space for the next read, at least one byte, only
            after `next_event` returned None; ends the life of views handed out before.
        release_window: call it to give the window back to the pool while nothing is buffered.
        sent: call it with `now` when bytes have left: a peer that reads is not idle.
        resumed: call it with `now` where the driver did not look for a while: silence till
            then was its own.

    Not thread-safe: one thread owns it. PS3.8 9.2.
    """

    def __init__(
        self, *, requestor: bool, options: EngineOptions, windows: WindowPool | None = None
    ) -> None:
        """Start at STA1, idle."""
        self._requestor = requestor
        self._options = options
        self.limits = options.limits
        self.state = State.STA1
        self.close_wanted = False
        self._events: deque[Event] = deque()
        self._out: deque[bytes | list[WireSegment] | MessageLayout | StreamLayout] = deque()
        self._window = ReceiveWindow(windows or WindowPool())
        self._reader = PDataReader(options.maximum_length)
        self._discarding = False
        self._request: AAssociateRQ | None = None
        self._budgets = Budgets(options)
        self._cause: Exception | None = None
        # As attributes, for a method that only calls another one would cost each read and write.
        self.receive_window: Callable[[], memoryview] = self._window.space
        self.release_window: Callable[[], None] = self._window.release
        self.sent: Callable[[float], None] = self._budgets.moved
        self.resumed: Callable[[float], None] = self._budgets.resumed

    # ------------------------------------------------------------------ incoming

    def received(self, count: int, now: float) -> None:
        """Take note that `count` bytes were read into the window at `now` (monotonic seconds)."""
        self._window.filled(count)
        budgets = self._budgets
        budgets.last_moved = now
        budgets.pdu_bytes += count

    def feed(self, data: Buffer, now: float) -> None:
        """Copy `data` in: bytes that were read elsewhere, before there was a thread."""
        view = memoryview(data)
        while view:
            window = self.receive_window()
            size = min(len(window), len(view))
            window[:size] = view[:size]
            self.received(size, now)
            view = view[size:]
            self._window.expect(len(view))

    def received_eof(self, now: float) -> None:
        """Take note that the peer closed its side: nothing more can arrive (PS3.8 9.2, EVT17)."""
        self.transport_closed(now)

    @property
    def holds_window(self) -> bool:
        """True while a window is held that `release_window` would give back."""
        return self._window.is_held_in_vain

    @property
    def inside_fragment(self) -> bool:
        """True while the last fragment of the run returned last has not ended."""
        return self._reader.inside_fragment

    @property
    def inside_pdu(self) -> bool:
        """True where a PDU had begun and not ended when `next_event` last returned None."""
        return self._budgets.pdu_mark is not None

    def next_event(self) -> Event | None:
        """Return the next event, or None where more bytes are needed.

        Never raises for what a peer sent: a violation becomes an `AbortIndication` with its
        cause, and the A-ABORT to send is queued.
        """
        if self._events:
            return self._events.popleft()
        window = self._window
        event: Event | None
        while window.start < window.end and self.state is not State.STA1:
            if self._discarding:
                window.start = window.end
                break
            before = window.start
            try:
                if self.state is State.STA6 and (
                    self._reader.inside_pdu or window.view[before] == PduType.P_DATA_TF
                ):
                    event, window.start = self._reader.peel(window.view, before, window.end)
                else:
                    event = self._parse()
            except PeerProtocolError as problem:
                last = min(before + PeerProtocolError.MOST_RECEIVED, window.end)
                problem.received = bytes(window.view[before:last])
                self._discarding, self._cause = True, problem
                self._step(Evt.EVT19)
                event = None
            else:
                if event is None and not self._events and window.start == before:
                    break
            if event is not None:
                return event
            if self._events:
                return self._events.popleft()
        self._mark_partial_pdu()
        return self._events.popleft() if self._events else None

    @property
    def has_events(self) -> bool:
        """True while `next_event` has something to say without reading on in the window."""
        return bool(self._events)

    def _parse(self) -> Event | None:
        """Consume one run of P-DATA or one whole PDU; None without progress means need-data."""
        window = self._window
        view, start, end = window.view, window.start, window.end
        if self._reader.inside_pdu or view[start] == PduType.P_DATA_TF:
            if self.state in _RECEIVING:
                event, window.start = self._reader.peel(view, start, end)
                return event
            if not self._reader.inside_pdu:
                # In a state without association its content does not matter.
                self._discarding = True
                self._dispatch(Evt.EVT10, None)
                return None
        if end - start < 6:
            return None
        pdu_type = view[start]
        length = int.from_bytes(view[start + 2 : start + 6], "big")
        codec.check_header(pdu_type, length, self._options.limits)
        evt = _EVENT_OF_PDU[pdu_type]
        if end - start < 6 + length:
            if transition(self.state, evt) is None or self._is_unwelcome(evt):
                # Not worth waiting for: the answer does not depend on the rest.
                self._discarding = True
                self._dispatch(evt, None)
                return None
            window.need = 6 + length
            return None
        window.need = 0
        body = view[start + 6 : start + 6 + length]
        pdu = codec.decode(pdu_type, body, self._options.limits)
        window.start = start + 6 + length
        self._dispatch(evt, pdu)
        return None

    def _is_unwelcome(self, evt: Evt) -> bool:
        """Tell whether the PDU would only be answered with an abort in the present state."""
        cell = transition(self.state, evt)
        return cell is not None and cell[0] in {Action.AA_1, Action.AA_7, Action.AA_8}

    # ------------------------------------------------------------------ outgoing

    @property
    def has_output(self) -> bool:
        """True while `segments_to_send` has something to give."""
        return bool(self._out)

    def segments_to_send(self, max_bytes: int) -> list[WireSegment]:
        """Return the next segments in order, about `max_bytes` at most; they count as sent.

        The driver must send them all before anything else, and keep nothing back.
        """
        out: list[WireSegment] = []
        room = max_bytes
        while self._out and room > 0:
            first = self._out[0]
            if isinstance(first, list):
                out += first
                self._out.popleft()
                break
            if isinstance(first, (MessageLayout, StreamLayout)):
                batch = first.next_batch(room)
                out += batch
                if first.done:
                    self._out.popleft()
                else:
                    break
                room -= sum(map(segment_length, batch))
            else:
                out.append(first)
                room -= len(first)
                self._out.popleft()
        return out

    # ------------------------------------------------------------------ local requests

    def associate(self, request: AAssociateRQ, now: float) -> None:
        """Ask for an association; the driver connects, then calls `transport_connected` (EVT1).

        Raises:
            LocalProtocolError: the engine is not idle.
        """
        self._require(Evt.EVT1, "request an association")
        self._request = request
        self._budgets.last_moved = now
        self._step(Evt.EVT1)

    def transport_connected(self, now: float) -> None:
        """Tell that the transport connection stands (EVT2 as requestor, EVT5 as acceptor)."""
        self._budgets.last_moved = now
        if self._requestor:
            self._step(Evt.EVT2)
            self._budgets.timer = now + self._options.acse_timeout
        else:
            self._step(Evt.EVT5)
            self._budgets.timer = now + self._options.artim_timeout

    def accept(self, accept: AAssociateAC, now: float) -> None:
        """Answer an `AssociateIndication` with acceptance (EVT7).

        Raises:
            LocalProtocolError: no request is waiting for an answer.
        """
        self._require(Evt.EVT7, "accept an association")
        self._budgets.last_moved = now
        self._step(Evt.EVT7, accept)

    def reject(self, reject: AAssociateRJ, now: float) -> None:
        """Answer an `AssociateIndication` with rejection (EVT8); the peer is to close.

        Raises:
            LocalProtocolError: no request is waiting for an answer.
        """
        self._require(Evt.EVT8, "reject an association")
        self._step(Evt.EVT8, reject)
        self._budgets.timer = now + self._options.artim_timeout

    def send_whole(self, message: list[WireSegment]) -> None:
        """Queue a message as `small_message` laid it out (EVT9).

        Raises:
            LocalProtocolError: no association is established.
        """
        if self.state is not State.STA6:
            self._require(Evt.EVT9, "send a message")
        self._out.append(message)

    def send_message(
        self, context_id: int, command: bytes, data: Iterable[Segment] | None, fragment: int
    ) -> None:
        """Queue one message (EVT9); see `MessageLayout` for tuples and lists, else `StreamLayout`.

        Raises:
            LocalProtocolError: no association is established.
        """
        if self.state is not State.STA6:
            self._require(Evt.EVT9, "send a message")
        if data is not None and not isinstance(data, (tuple, list)):
            self._out.append(StreamLayout(context_id, command, data, fragment))
            return
        self._out.append(
            small_message(context_id, command, data, fragment)
            or MessageLayout(context_id, command, data, fragment)
        )

    def release(self, now: float) -> None:
        """Ask for release (EVT11); a `ReleaseConfirmation` follows.

        Raises:
            LocalProtocolError: no association is established.
        """
        self._require(Evt.EVT11, "release")
        self._step(Evt.EVT11)
        self._budgets.timer = now + self._options.acse_timeout

    def confirm_release(self, now: float) -> None:
        """Answer a `ReleaseIndication` (EVT14).

        Raises:
            LocalProtocolError: the peer has not asked for release.
        """
        self._require(Evt.EVT14, "confirm a release")
        self._step(Evt.EVT14)
        self._budgets.timer = now + (
            self._options.artim_timeout if self.state is State.STA13 else self._options.acse_timeout
        )

    @property
    def release_answer_due(self) -> bool:
        """True while `confirm_release` is what the peer waits for.

        After a release collision the requestor answers first; the acceptor's turn comes with its
        `ReleaseConfirmation` (PS3.8 7.2.2, AR-9 and AR-10).
        """
        return transition(self.state, Evt.EVT14) is not None

    def abort(self, now: float) -> None:
        """Abort as service user (EVT15); anything not yet handed out is dropped.

        Does nothing where there is nothing to abort.
        """
        if transition(self.state, Evt.EVT15) is not None:
            self._cause = None
            self._budgets.last_moved = now
            self._step(Evt.EVT15)

    def abort_for(self, problem: PeerProtocolError, now: float) -> None:
        """Abort as service provider because a layer above found a violation (EVT19).

        An `AbortIndication` with `problem` as its cause follows.
        """
        if transition(self.state, Evt.EVT19) is not None:
            self._budgets.last_moved = now
            self._cause = problem
            self._discarding = True
            self._step(Evt.EVT19)

    def transport_closed(self, now: float) -> None:
        """Tell that the transport is closed or broken (EVT17)."""
        self._budgets.last_moved = now
        if self.state is State.STA1:
            return
        expected = self.state is State.STA13 or self.close_wanted
        self._out.clear()
        self._window.start = self._window.end
        self._budgets.pdu_mark = None
        self._step(Evt.EVT17)
        # PS3.8 AA-4 reports a loss as A-P-ABORT; the event here says it in one word.
        self._events.append(ConnectionClosed(expected))

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        """Return when `on_deadline` is wanted (monotonic seconds), None for never."""
        budgets = self._budgets
        if budgets.timer is None and budgets.pdu_mark is None and self.state is State.STA6:
            # Asked for before every wait of a transfer.
            idle = self._options.idle_timeout
            return None if idle is None else budgets.last_moved + idle
        return budgets.deadline(self.state)

    @property
    def idle_timeout(self) -> float | None:
        """Seconds that an association may stay without a byte, None for no bound."""
        return self._options.idle_timeout

    def on_deadline(self, now: float) -> None:
        """Act on whatever budget has run out by `now`; nothing happens before the deadline."""
        problem = self._budgets.exceeded(now, self.state)
        if problem is None:
            return
        if problem.which == ARTIM:
            expected = self.state is State.STA13
            self._step(Evt.EVT18)
            self._events.append(ConnectionClosed(expected))
        else:
            self._abort_for(problem, now)

    def _abort_for(self, cause: TimeoutExpired, now: float) -> None:
        """Abort as service provider because a budget ran out (EVT18 in the cells of our own)."""
        self._budgets.last_moved = now
        self._cause = cause
        self._step(Evt.EVT18)

    def _mark_partial_pdu(self) -> None:
        """Start or stop the clock for a PDU that has begun but not ended."""
        partial = self._window.start < self._window.end or self._reader.inside_pdu
        budgets = self._budgets
        if not partial or self.state in _ENDED:
            budgets.pdu_mark = None
        elif budgets.pdu_mark is None:
            budgets.pdu_mark, budgets.pdu_bytes = budgets.last_moved, 0

    # ------------------------------------------------------------------ transitions

    def _require(self, evt: Evt, what: str) -> None:
        if transition(self.state, evt) is None:
            msg = f"cannot {what} in {self.state.name}"
            raise LocalProtocolError(msg)

    def _dispatch(self, evt: Evt, pdu: Pdu | None) -> None:
        """Step for an incoming PDU; a cell that the standard leaves empty is a violation."""
        if transition(self.state, evt) is None:
            msg = f"{evt.name} in {self.state.name}"
            raise PeerProtocolError(msg, abort_reason=AbortReason.UNEXPECTED_PDU)
        if self._is_unwelcome(evt):
            self._cause = PeerProtocolError(
                f"unexpected {evt.name} in {self.state.name}",
                abort_reason=AbortReason.UNEXPECTED_PDU,
            )
        self._step(evt, pdu)

    def _step(self, evt: Evt, pdu: Pdu | None = None) -> None:
        """Look up Table 9-10, take the next state, perform the action."""
        cell = transition(self.state, evt)
        if cell is None:
            return
        action, next_states = cell
        before = self.state
        self.state = self._choose(action, next_states)
        if self.state not in TIMED:
            self._budgets.timer = None
        perform = _PERFORM.get(action)
        if perform is not None:
            perform(self, before, pdu)

    def _choose(self, action: Action, next_states: tuple[State, ...]) -> State:
        """Pick the next state where the table offers two."""
        if action is Action.AR_8:
            return State.STA9 if self._requestor else State.STA10
        if action is Action.AE_6:
            return State.STA3
        return next_states[0]

    def _queue(self, pdu: Pdu) -> None:
        self._out.append(codec.encode(pdu))

    def _artim(self) -> None:
        self._budgets.timer = self._budgets.last_moved + self._options.artim_timeout

    def _send_request(self, _before: State, _pdu: Pdu | None) -> None:
        if self._request is not None:
            self._queue(self._request)

    def _confirm_association(self, _before: State, pdu: Pdu | None) -> None:
        if isinstance(pdu, AAssociateAC):
            self._events.append(AssociateConfirmation(pdu))

    def _confirm_rejection(self, _before: State, pdu: Pdu | None) -> None:
        if isinstance(pdu, AAssociateRJ):
            self._events.append(AssociateRejection(pdu))
        self.close_wanted = True

    def _indicate_association(self, _before: State, pdu: Pdu | None) -> None:
        if isinstance(pdu, AAssociateRQ):
            self._events.append(AssociateIndication(pdu))

    def _send_answer(self, _before: State, pdu: Pdu | None) -> None:
        if pdu is not None:
            self._queue(pdu)
        if self.state is State.STA13:
            self._artim()

    def _send_release_request(self, _before: State, _pdu: Pdu | None) -> None:
        self._queue(AReleaseRQ())

    def _indicate_release(self, before: State, _pdu: Pdu | None) -> None:
        self._events.append(ReleaseIndication(collision=before is State.STA7))

    def _confirm_release(self, _before: State, _pdu: Pdu | None) -> None:
        self._events.append(ReleaseConfirmation())
        self.close_wanted = True

    def _confirm_collision(self, _before: State, _pdu: Pdu | None) -> None:
        """AR-10: the acceptor's own request is confirmed, the peer's still waits for its answer."""
        self._events.append(ReleaseConfirmation())

    def _send_release_response(self, _before: State, _pdu: Pdu | None) -> None:
        self._queue(AReleaseRP())
        if self.state is State.STA13:
            self._artim()

    def _abort_as_user(self, _before: State, _pdu: Pdu | None) -> None:
        """AA-1: A-ABORT with source service-user, also where an invalid PDU is the cause (STA2)."""
        self._out.clear()
        self._queue(AAbort(source=AbortSource.SERVICE_USER, reason=0))
        self._after_abort()
        if isinstance(self._cause, PeerProtocolError):
            self._events.append(
                AbortIndication(AbortSource.SERVICE_USER, 0, by_peer=False, cause=self._cause)
            )

    def _abort_as_provider(self, _before: State, _pdu: Pdu | None) -> None:
        """AA-8: A-ABORT with source service-provider, A-P-ABORT to the user."""
        self._out.clear()
        cause = self._cause
        reason = cause.abort_reason if isinstance(cause, PeerProtocolError) else 0
        self._queue(AAbort(source=AbortSource.SERVICE_PROVIDER, reason=reason))
        self._after_abort()
        self._events.append(
            AbortIndication(AbortSource.SERVICE_PROVIDER, reason, by_peer=False, cause=cause)
        )

    def _after_abort(self) -> None:
        """Wait for the peer to close; in the middle of a PDU the stream cannot be read on."""
        self._artim()
        self._budgets.pdu_mark = None
        if self._reader.inside_pdu:
            self._discarding = True

    def _peer_aborted(self, _before: State, pdu: Pdu | None) -> None:
        """AA-3: tell who aborted, close."""
        self._out.clear()
        if isinstance(pdu, AAbort):
            self._events.append(AbortIndication(pdu.source, pdu.reason, by_peer=True))
        self.close_wanted = True

    def _close(self, _before: State, _pdu: Pdu | None) -> None:
        self._out.clear()
        self.close_wanted = True

    def _abort_again(self, _before: State, _pdu: Pdu | None) -> None:
        """AA-7: a violation while waiting for the peer to close gets another A-ABORT."""
        cause = self._cause
        reason = cause.abort_reason if isinstance(cause, PeerProtocolError) else 0
        self._queue(AAbort(source=AbortSource.SERVICE_PROVIDER, reason=reason))


_PERFORM: dict[Action, Callable[[Connection, State, Pdu | None], None]] = {
    Action.AE_2: Connection._send_request,  # noqa: SLF001 - the table of this class's own actions
    Action.AE_3: Connection._confirm_association,  # noqa: SLF001 - as above
    Action.AE_4: Connection._confirm_rejection,  # noqa: SLF001 - as above
    Action.AE_6: Connection._indicate_association,  # noqa: SLF001 - as above
    Action.AE_7: Connection._send_answer,  # noqa: SLF001 - as above
    Action.AE_8: Connection._send_answer,  # noqa: SLF001 - as above
    Action.AR_1: Connection._send_release_request,  # noqa: SLF001 - as above
    Action.AR_2: Connection._indicate_release,  # noqa: SLF001 - as above
    Action.AR_3: Connection._confirm_release,  # noqa: SLF001 - as above
    Action.AR_4: Connection._send_release_response,  # noqa: SLF001 - as above
    Action.AR_8: Connection._indicate_release,  # noqa: SLF001 - as above
    Action.AR_9: Connection._send_release_response,  # noqa: SLF001 - as above
    Action.AR_10: Connection._confirm_collision,  # noqa: SLF001 - as above
    Action.AA_1: Connection._abort_as_user,  # noqa: SLF001 - as above
    Action.AA_2: Connection._close,  # noqa: SLF001 - as above
    Action.AA_3: Connection._peer_aborted,  # noqa: SLF001 - as above
    Action.AA_7: Connection._abort_again,  # noqa: SLF001 - as above
    Action.AA_8: Connection._abort_as_provider,  # noqa: SLF001 - as above
}
