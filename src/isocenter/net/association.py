"""The driver of one association: a transport, an engine, one owner thread.

It moves bytes between transport and engine, waits with the engine's deadline, turns
P-DATA into DIMSE messages and errors into exceptions. It reads whenever there is
something to read, also while it sends: a sender that never reads deadlocks against a
peer that answers. It knows no service.

Only `request_stop`, `request_abort` and `wake` may be called from other threads.
"""

from __future__ import annotations

import os
import time
from collections import deque
from itertools import count

from isocenter.dimse.codec import CommandLimits, encode_command
from isocenter.dimse.messages import CommandReceived, DataReceived, MessageAssembler
from isocenter.dimse.session import Session
from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DimseDecodeError,
    LocalProtocolError,
    PeerProtocolError,
)
from isocenter.logs import INFO, Tolerance, association_label, get_logger
from isocenter.net.deadline import Deadline
from isocenter.net.intake import Intake
from isocenter.ul.events import (
    AbortIndication,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejection,
    ConnectionClosed,
    PDataIndication,
    ReleaseIndication,
)
from isocenter.ul.fsm import State
from isocenter.ul.negotiation import accept_deviations, accepted_contexts, operations_window
from isocenter.ul.pdata import MessageLayout, fragment_length, small_message
from isocenter.ul.pdu import AbortReason, AbortSource

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from isocenter.dimse.commands import Message
    from isocenter.net.options import AssociationOptions
    from isocenter.net.tls import TlsFacts
    from isocenter.net.transport import Transport
    from isocenter.ul.connection import Connection
    from isocenter.ul.events import Event
    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ
    from isocenter.wire import Segment, WireSegment

__all__ = ["Association", "Incoming", "StopRequested"]

_LOGGER = get_logger(__name__)

_numbers = count()

_BATCH = 512 * 1024
"""Bytes laid out and handed to the transport at a time: more leaves the processor's cache, less
costs system calls (bench/, rows "ct" and "big")."""

_STOP_LINGER = 0.5
"""Seconds that an association lingers at most once its server stops."""

_MOST_PACKED = 1024 * 1024
"""Bytes of a message laid out ahead at most: a file that is not longer is in memory by then."""


class StopRequested:
    """Returned by `receive` between two messages once `request_stop` was called."""

    __slots__ = ()


Incoming: TypeAlias = CommandReceived | DataReceived | ReleaseIndication | StopRequested
"""What `Association.receive` returns."""


class Association:
    """An association from its first PDU to its last, owned by one thread.

    Args:
        transport: the connected stream.
        connection: the engine, with the transport's connection already told to it.
        options: time budgets and bounds.
        peer_address: how logs name the peer, ``host`` or ``host:port``.

    PS3.8 7, PS3.7 8.
    """

    def __init__(
        self,
        transport: Transport,
        connection: Connection,
        options: AssociationOptions,
        *,
        peer_address: str = "",
    ) -> None:
        """Take the transport over; nothing is sent or read yet."""
        self._transport = transport
        self._connection = connection
        self._options = options
        self._assembler = MessageAssembler(CommandLimits.of(connection.limits))
        self._inbox: deque[CommandReceived] = deque()
        self._postponed: deque[CommandReceived] = deque()
        self._intake = Intake(transport, connection, options)
        self._stop = False
        self._abort_requested = False
        self._closed = False
        self._tolerated = Tolerance(_LOGGER)
        self._fragment = 0
        # The message packed last and its encoding: responses of a query are the same but for data.
        self._packed: tuple[Message | None, bytes] = (None, b"")
        self.peer_address = peer_address
        self.number = os.getpid() << 32 | next(_numbers)
        """No other association of this machine's running processes has it."""
        self.request: AAssociateRQ | None = None
        self.accept: AAssociateAC | None = None
        self.contexts: Mapping[int, AcceptedContext] = {}
        self.session = Session(maximum_operations_invoked=1, maximum_operations_performed=1)
        self.tls: TlsFacts | None = None
        """What was agreed on, and who the peer is, where TLS is spoken; else None."""

    # ------------------------------------------------------------------ establishment

    def await_answer(self, request: AAssociateRQ) -> AAssociateAC | AAssociateRJ:
        """Wait, as requestor, for the answer to `request`, which the engine already holds.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired: there was no answer.
            PeerProtocolError: the acceptance is unusable; it was answered with an abort.
        """
        while True:
            event = self._next_event(None, stoppable=False)
            if isinstance(event, AssociateConfirmation):
                self._established(request, event.accept, requestor=True)
                return event.accept
            if isinstance(event, AssociateRejection):
                self.close()
                return event.reject

    def await_request(self) -> AAssociateRQ:
        """Wait, as acceptor, for the request.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: it never came.
        """
        while True:
            event = self._next_event(None, stoppable=False)
            if isinstance(event, AssociateIndication):
                return event.request

    def accept_request(self, request: AAssociateRQ, accept: AAssociateAC) -> None:
        """Send the acceptance and be established.

        Raises:
            ConnectionLost, PeerProtocolError: as `flush`, or the request's numbers are unusable.
        """
        self._established(request, accept, requestor=False)
        self._connection.accept(accept, time.monotonic())
        self.flush()

    def reject_request(self, reject: AAssociateRJ) -> None:
        """Send the rejection, wait a moment for the peer to close, close."""
        self._connection.reject(reject, time.monotonic())
        self._finish()

    def _established(self, request: AAssociateRQ, accept: AAssociateAC, *, requestor: bool) -> None:
        try:
            self._agree(request, accept, requestor=requestor)
        except PeerProtocolError as problem:
            self.abort_for(problem)
            raise

    def _agree(self, request: AAssociateRQ, accept: AAssociateAC, *, requestor: bool) -> None:
        self.request, self.accept = request, accept
        if requestor and _LOGGER.isEnabledFor(INFO):
            self.tolerate(accept_deviations(request, accept))
        self.contexts = accepted_contexts(request, accept, requestor=requestor)
        theirs = (accept if requestor else request).user_information
        self._fragment = fragment_length(theirs.maximum_length or 0, self._options.max_send_pdu)
        window = operations_window(request, accept, requestor=requestor)
        self.session = Session(
            maximum_operations_invoked=window.maximum_number_operations_invoked,
            maximum_operations_performed=window.maximum_number_operations_performed,
        )

    @property
    def label(self) -> str:
        """How log lines tell this association from others: number, titles, the peer's address."""
        request = self.request
        titles = None if request is None else (request.calling_ae_title, request.called_ae_title)
        return association_label(self.number, titles, self.peer_address)

    def tolerate(self, deviations: Iterable[str]) -> None:
        """Log what the peer does against the standard and is borne with, each once."""
        self._tolerated.log(deviations, self.label)

    @property
    def closed(self) -> bool:
        """True once the association has ended, in whatever way."""
        return self._closed

    @property
    def stop_requested(self) -> bool:
        """True once somebody called `request_stop`."""
        return self._stop

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds to wait for a response, None for no bound of its own."""
        return self._options.dimse_timeout

    @property
    def inside_fragment(self) -> bool:
        """True while the last fragment of what `receive` returned goes on."""
        return self._connection.inside_fragment

    @property
    def max_send_pdv(self) -> int:
        """Bytes of message in each PDU sent."""
        return self._fragment

    # ------------------------------------------------------------------ messages

    def send(
        self, context_id: int, message: Message, data: Iterable[Segment] | None = None
    ) -> None:
        """Send one message whole.

        Segments in a tuple or list must stay valid until this returns. Of any other iterable
        they are asked for one by one while it is sent, so that its length need not be known; what
        it raises aborts the association and comes out here.

        Responses that arrive meanwhile are kept for `receive`.

        Raises:
            LocalProtocolError: no association, or the context was not accepted.
            ValueError, TypeError: a field of the message cannot be sent; see `encode_command`.
                Nothing was sent.
            ConnectionLost, AssociationAborted, TimeoutExpired: the association ended.
            DataSetError, OSError: a file became shorter or could not be read while it was sent;
                the association is aborted, because the message cannot be completed.
        """
        if context_id not in self.contexts:
            msg = f"presentation context {context_id} was not accepted"
            raise LocalProtocolError(msg)
        self._connection.send_message(context_id, encode_command(message), data, self._fragment)
        self.flush()

    def pack(
        self, context_id: int, message: Message, data: Iterable[Segment] | None = None
    ) -> list[WireSegment] | None:
        """Lay out a message ahead, for `send_packed`; None for one of more than 1 MiB.

        Raises:
            ValueError, TypeError: as `send`.
        """
        if context_id not in self.contexts or not (data is None or isinstance(data, tuple)):
            return None
        if message is not self._packed[0]:
            self._packed = message, encode_command(message)
        command = self._packed[1]
        small = small_message(context_id, command, data, self._fragment)
        if small is not None:
            return small
        layout = MessageLayout(context_id, command, data, self._fragment)
        batch = layout.next_batch(_MOST_PACKED)
        return batch if layout.done else None

    def send_packed(self, packed: list[WireSegment]) -> None:
        """Send a message that `pack` laid out; its segments must stay valid until this returns.

        Raises:
            LocalProtocolError, ConnectionLost, AssociationAborted, TimeoutExpired: as `send`.
        """
        self._connection.send_whole(packed)
        self.flush()

    def flush(self) -> None:
        """Send everything queued, reading whenever something arrives meanwhile.

        Raises:
            As `send`.
        """
        transport, connection = self._transport, self._connection
        while True:
            if transport.unsent:
                try:
                    done = transport.send()
                except ConnectionLost:
                    self._hear_why()
                    raise
                if not done:
                    self._wait_to_send()
                    continue
                connection.sent(time.monotonic())
            if not connection.has_output:
                return
            try:
                transport.queue(connection.segments_to_send(_BATCH))
            except BaseException:
                self.abort()
                raise

    def _wait_to_send(self) -> None:
        """Wait until more can be sent; take in what arrives, unless it must wait for its reader."""
        transport, connection = self._transport, self._connection
        reading = not self._inbox_waits
        self._intake.wait(transport.write_mask | (transport.read_mask if reading else 0), None)
        if self._abort_requested:
            self.abort()
            raise AssociationAborted(AbortSource.SERVICE_USER, 0, by_peer=False)
        if reading:
            try:
                self._intake.read()
            except ConnectionLost:
                self.close()
                raise
        # What lies behind a command with a data set stays in the window for its reader.
        while connection.has_events or not self._inbox_waits:
            event = connection.next_event()
            if event is None:
                break
            incoming = self._translate(self._unless_ended(event))
            if isinstance(incoming, CommandReceived):
                self._inbox.append(incoming)
            elif incoming is not None:
                self.abort()
                if isinstance(incoming, DataReceived):
                    raise DimseDecodeError(
                        "data set", "fragment", offset=None, expected="no data set", found="one"
                    )
                msg = "the peer asked for release while a message was being sent"
                raise AssociationReleased(msg)

    @property
    def _inbox_waits(self) -> bool:
        """True while no more may be kept: it is full, or a data set follows that nobody reads."""
        most = self._options.maximum_unread
        return any(
            kept and (kept[-1].message.has_data_set or len(kept) >= most)
            for kept in (self._inbox, self._postponed)
        )

    def _hear_why(self) -> None:
        """After a send failed, look whether the peer had said why, and close.

        A peer that aborts and closes resets the connection while bytes are on their way to it;
        its A-ABORT may lie here unread.

        Raises:
            AssociationAborted: it had.
        """
        try:
            while not self._closed:
                while (event := self._connection.next_event()) is not None:
                    if isinstance(event, AbortIndication | ConnectionClosed):
                        self._unless_ended(event)
                if not self._intake.read():
                    break
        except (ConnectionLost, PeerProtocolError):
            pass  # nothing more to hear
        self.close()

    def receive(self, timeout: float | None = None) -> Incoming:
        """Return the next piece of a message, a release request, or a stop request.

        Args:
            timeout: seconds to wait, None for the engine's own bounds only.

        Views in `DataReceived` live until the next call.

        Raises:
            AssociationAborted: by the peer, or by `request_abort`.
            PeerProtocolError: the peer broke a rule; it was answered with an abort.
            ConnectionLost: the connection ended without either.
            TimeoutExpired: `timeout` ("dimse", the association stands) or one of the engine's
                budgets ("socket", "slow-pdu"; aborted).
        """
        if self._inbox:
            return self._inbox.popleft()
        if self._stop and self._assembler.between_messages:
            # Before what a peer with an open window has sent already: that would never end.
            return StopRequested()
        deadline = None if timeout is None else Deadline(timeout, "dimse")
        next_event = self._connection.next_event
        while True:
            event = next_event()
            if type(event) is not PDataIndication:
                event = self._next_event(deadline, event)
                if event is None:
                    return StopRequested()
            incoming = self._translate(event)
            if incoming is not None:
                return incoming

    def arrived(self, wait: float = 0.0, *, stoppable: bool = True) -> Incoming | None:
        """Return what has arrived meanwhile, for who performs an operation; None for nothing.

        Args:
            wait: seconds to wait for something, which `wake` ends as well; 0 asks and returns.
            stoppable: False where a stop request has to wait; see `stop_requested`.

        Nothing is read behind a postponed command with a data set.

        Raises:
            AssociationAborted, PeerProtocolError, ConnectionLost, TimeoutExpired: as `receive`; the
                end of `wait` is none.
        """
        if self._inbox or (self._stop and stoppable and self._assembler.between_messages):
            return self.receive()
        connection, blocked = self._connection, self._inbox_waits
        looked = False
        while True:
            event = connection.next_event() if connection.has_events or not blocked else None
            if event is not None:
                incoming = self._translate(self._unless_ended(event))
                if incoming is not None:
                    return incoming
            elif looked:
                return None
            else:
                looked = True
                self._unless_over()
                try:
                    self._intake.glance(wait, reading=not blocked)
                except ConnectionLost:
                    self.close()
                    raise

    def excuse(self, wait: float) -> float:
        """Begin to count the peer's silence anew: it waits for what this side performs.

        Returns:
            How much of `wait` may be waited before that is said again.
        """
        self._connection.sent(time.monotonic())
        idle = self._connection.idle_timeout
        return wait if idle is None else min(wait, idle / 2)

    @property
    def idle_timeout(self) -> float | None:
        """Seconds the association may stay silent, None for no bound."""
        return self._connection.idle_timeout

    def waive_data_set(self) -> None:
        """Expect no data set behind the command returned last, although it announced one.

        For responses of peers that are known to say so by mistake, right after `receive`.
        """
        self._assembler.waive_data_set()

    def postpone(self, command: CommandReceived) -> None:
        """Put back what `arrived` returned, out of its sight until `resume_postponed`."""
        self._postponed.append(command)

    def resume_postponed(self) -> None:
        """Let `receive` return what was postponed, before anything newer."""
        self._inbox.extendleft(reversed(self._postponed))
        self._postponed.clear()

    def _translate(self, event: Event) -> CommandReceived | DataReceived | ReleaseIndication | None:
        """Turn an engine event into what callers see; a violation is answered with an abort."""
        if type(event) is PDataIndication:
            if event.context_id not in self.contexts:
                msg = f"presentation context {event.context_id} was not accepted"
                reason = AbortReason.INVALID_PDU_PARAMETER_VALUE
                problem = PeerProtocolError(msg, abort_reason=reason)
                self.abort_for(problem)
                raise problem
            try:
                return self._assembler.pdata(event)
            except DimseDecodeError:
                # The Upper Layer did its work; it is its user who cannot go on (PS3.8 7.3).
                self.abort()
                raise
        if isinstance(event, ReleaseIndication):
            return event
        return None

    # ------------------------------------------------------------------ ends

    def release(self) -> None:
        """Release in order and close (PS3.8 7.2); a release collision is settled.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: it ended
                otherwise.
        """
        if self._closed:
            return
        try:
            self._connection.release(time.monotonic())
            self.flush()
            while not self._connection.close_wanted:
                self._next_event(None, stoppable=False)
                if self._connection.release_answer_due:
                    self._connection.confirm_release(time.monotonic())
                    self.flush()
                    if self._connection.state is State.STA13:
                        # The peer has said its last word and closes.
                        self._finish()
                        break
        finally:
            self.close()

    def confirm_release(self) -> None:
        """Answer the peer's release request, wait a moment for it to close, close."""
        self._connection.confirm_release(time.monotonic())
        self._finish()

    def abort(self) -> None:
        """Abort as service user, wait a moment for the peer to close, close (PS3.8 7.3)."""
        if not self._closed:
            self._connection.abort(time.monotonic())
            self._finish()

    def abort_for(self, problem: PeerProtocolError) -> None:
        """Abort as service provider because of what the peer sent, then close (PS3.8 7.4)."""
        if not self._closed:
            self._connection.abort_for(problem, time.monotonic())
            self._finish()

    def close(self) -> None:
        """Close the transport without a word; harmless when closed already."""
        if not self._closed:
            self._closed = True
            self._transport.close()
            self._intake.close()
            self._connection.release_window()

    def look_out_while(self, alone: Callable[[], bool]) -> None:
        """Look out for a prompt peer only while this says that the processor has time for it."""
        self._intake.alone = alone

    def wake(self) -> None:
        """End a wait of `arrived` at once, or the next one; from any thread."""
        self._intake.wake()

    def request_stop(self) -> None:
        """Ask the owner to stop at the next boundary between messages; from any thread."""
        self._stop = True
        self._intake.wake()

    def request_abort(self) -> None:
        """Ask the owner to abort at once, also within a message; from any thread."""
        self._abort_requested = True
        self._intake.wake()

    def _finish(self) -> None:
        """Send what is queued and wait, `linger` seconds at most, for the peer to close.

        A server that stops waits for half a second at most: its peers may have nothing to say.
        """
        try:
            if not self._closed:
                linger = self._options.linger
                until = Deadline(min(linger, _STOP_LINGER) if self._stop else linger, "linger")
                self._intake.take_leave(until, _BATCH)
        finally:
            self.close()

    # ------------------------------------------------------------------ events

    def _next_event(
        self, deadline: Deadline | None, event: Event | None = None, *, stoppable: bool = True
    ) -> Event | None:
        """Return the engine's next event, or None for a stop request between messages.

        Ends of the association raise instead. `event` is one that the caller took already.
        """
        connection = self._connection
        filled = False
        while True:
            if event is None:
                event = connection.next_event()
            if event is not None:
                if type(event) is PDataIndication:
                    return event
                return self._unless_ended(event)
            self._unless_over()
            if self._stop and stoppable and self._assembler.between_messages:
                return None
            if deadline is not None and filled and deadline.remaining() == 0.0:
                # Bytes kept coming, but nothing that was waited for.
                raise deadline.error()
            filled = True
            if self._transport.unsent or connection.has_output:
                self.flush()
                if self._inbox:
                    continue
            is_inside = connection.inside_pdu or not self._assembler.between_messages
            try:
                self._intake.fill(deadline, is_inside=is_inside)
            except ConnectionLost:
                self.close()
                raise

    def _unless_over(self) -> None:
        """Raise where there is nothing to wait for any more, or an abort was asked for."""
        if self._closed:
            raise LocalProtocolError("the association is closed")
        if self._connection.close_wanted:
            self.close()
            raise ConnectionLost("closed")
        if self._abort_requested:
            self.abort()
            raise AssociationAborted(AbortSource.SERVICE_USER, 0, by_peer=False)

    def _unless_ended(self, event: Event) -> Event:
        """Return `event`, or close and raise where it says that the association is gone."""
        if isinstance(event, AbortIndication):
            if event.by_peer:
                self.close()
                raise AssociationAborted(event.source, event.reason, by_peer=True)
            self._finish()
            raise event.cause or AssociationAborted(event.source, event.reason, by_peer=False)
        if isinstance(event, ConnectionClosed):
            self.close()
            raise ConnectionLost("closed by peer")
        return event
