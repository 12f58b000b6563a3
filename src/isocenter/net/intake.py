"""What an association waits with: it reads, and sleeps where there is nothing to read.

Owns when to look again and when to sleep, the poll object and whatever wakes it, and the engine's
deadlines. Must not know messages, nor what ends an association: an exception or an event of the
engine says it, and the driver (`association`) acts on it.

It stands on the path of every message: two Python calls for each wait, and no more.

PS3.8 9.1.5 (ARTIM); budgets of `ul.options`.
"""

from __future__ import annotations

import time

from isocenter.errors import ConnectionLost, DataSetError, TimeoutExpired
from isocenter.net.deadline import Deadline
from isocenter.net.readiness import READ, new_poller
from isocenter.net.wakeup import WakeUp

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.options import AssociationOptions
    from isocenter.net.transport import Transport
    from isocenter.ul.connection import Connection

__all__ = ["Intake"]

_AWAY = 1.0
"""Seconds between two looks at the transport from which on the owner was busy elsewhere."""

_LONGEST_PAUSE = 31
"""Waits for which looking out is left alone at most, after it was in vain."""

_SOON = 0.0005
"""Seconds within which an answer counts as prompt, so that the next is worth looking out for."""


def _always() -> bool:
    return True


class Intake:
    """Moves bytes from a transport into an engine, and waits for them.

    Args:
        transport: the connected stream.
        connection: the engine.
        options: `patience` and `idle_window` of them.

    Only `wake` may be called from other threads than the owner's.

    Attributes:
        alone: tells whether nobody else here has work for the processor, so that looking out
            for a prompt peer takes it from nobody.
    """

    __slots__ = (
        "_connection",
        "_idle_window",
        "_in_vain",
        "_looked",
        "_mask",
        "_moment",
        "_patience",
        "_pause",
        "_poll",
        "_prompt",
        "_read_first",
        "_transport",
        "_wakeup",
        "alone",
    )

    def __init__(
        self, transport: Transport, connection: Connection, options: AssociationOptions
    ) -> None:
        """Take a poll object and a wake-up; nothing is read yet."""
        self._transport = transport
        self._connection = connection
        self._patience = options.patience
        self._idle_window = options.idle_window
        self._wakeup = WakeUp()
        self._poll = new_poller()
        self._mask = transport.read_mask
        self._poll.register(transport.fileno(), self._mask)
        self._poll.register(self._wakeup.fileno(), READ)
        self._prompt = False
        self._pause = self._in_vain = 0
        self.alone: Callable[[], bool] = _always
        self._read_first = False
        self._looked = time.monotonic()
        self._moment: float | None = None

    def wake(self) -> None:
        """Make the owner look up from a wait; from any thread."""
        self._wakeup.set()

    def close(self) -> None:
        """Give the wake-up back; the transport stays as it is."""
        self._wakeup.close()

    def fill(self, deadline: Deadline | None, *, is_inside: bool) -> None:
        """Read once, waiting for as long as the deadlines allow.

        Args:
            deadline: as `wait`.
            is_inside: a message has begun and not ended. Its rest is likely there already; if not,
                a peer with Nagle's algorithm on holds it back until what it sent is acknowledged.

        Raises:
            TimeoutExpired: `deadline` came.
            ConnectionLost: the transport broke; the engine was told.
        """
        if (is_inside or self._read_first) and self.read():
            return
        if is_inside:
            self._transport.hurry()
        if self._prompt and self._look_out():
            return
        self._read_first = False
        self.wait(self._transport.read_mask, deadline)
        self.read()

    def _look_out(self) -> bool:
        """Look for a prompt peer's bytes for `patience` before sleeping; True if they came.

        In vain, it is left alone for twice as many waits as the last time: on a loaded machine
        looking takes the processor from the very peer that is waited for.
        """
        if self._pause:
            self._pause -= 1
            return False
        patience = self._patience
        if not patience or not self.alone():
            return False
        if self.read(patience):
            self._in_vain = 0
            return True
        self._in_vain = min(2 * self._in_vain + 1, _LONGEST_PAUSE)
        self._pause = self._in_vain
        return False

    def read(self, patience: float = 0.0) -> bool:
        """Read what is there; True if the engine got bytes or the end of the stream.

        With `patience` (seconds) it looks again and again for that long instead of once.

        After a read that filled its window more is likely there already, so the next one does not
        wait first; after a short one it would only learn that there is nothing (one system call
        saved for each message).

        Raises:
            ConnectionLost: the transport broke; the engine was told.
        """
        connection = self._connection
        window = connection.receive_window()
        try:
            count = self._transport.receive_into(window, patience)
        except ConnectionLost:
            connection.transport_closed(time.monotonic())
            raise
        if count is None:
            return False
        now = time.monotonic()
        if count == 0:
            connection.received_eof(now)
            return True
        self._read_first = count == len(window)
        looked, self._looked = self._looked, now
        connection.received(count, now)
        if self._moment is not None and now >= self._moment:
            # A peer that never stops sending gives `wait` no occasion.
            if now - looked > _AWAY:
                connection.resumed(now)
            connection.on_deadline(now)
            self._moment = connection.deadline()
        return True

    def wait(self, mask: int, deadline: Deadline | None) -> None:
        """Wait for the transport, a wake-up or a deadline, and act on the latter two.

        Args:
            mask: what of the transport to wait for, of `readiness`.
            deadline: an end of its own beside the engine's, None for none.

        Raises:
            TimeoutExpired: `deadline` came.
        """
        if mask & self._transport.read_mask and self._transport.pending():
            return
        self._set_mask(mask)
        connection = self._connection
        now = time.monotonic()
        if now - self._looked > _AWAY:
            connection.resumed(now)
        while True:
            now = time.monotonic()
            moment = self._moment = connection.deadline()
            until = moment
            if deadline is not None and deadline.at is not None:
                until = deadline.at if until is None else min(until, deadline.at)
            if connection.holds_window:
                idle = now + self._idle_window
                until = idle if until is None else min(until, idle)
            ready = self._poll.poll(None if until is None else max(0.0, until - now) * 1000 + 1)
            waited, now = now, time.monotonic()
            self._looked = now
            self._prompt = now - waited < _SOON
            if ready:
                if ready[0][0] == self._wakeup.fileno():
                    self._wakeup.clear()
                return
            if moment is not None and now >= moment:
                connection.on_deadline(now)
                return
            if deadline is not None and deadline.at is not None and now >= deadline.at:
                raise deadline.error()
            connection.release_window()

    def glance(self, wait: float, *, reading: bool) -> None:
        """Read what is there, having waited for so many seconds at most for it or a wake-up.

        Args:
            wait: seconds, 0 not to wait.
            reading: False where only a wake-up or a deadline of the engine is waited for.

        Raises:
            ConnectionLost: as `read`.
        """
        if wait:
            try:  # noqa: SIM105 - `contextlib` is no part of a plain send
                self.wait(self._transport.read_mask if reading else 0, Deadline(wait, "wait"))
            except TimeoutExpired:
                pass
        if reading:
            self.read()

    def wait_for_end(self, mask: int, seconds: float) -> None:
        """Wait for the transport for so long at most, whatever wakes or is due meanwhile.

        Args:
            mask: as `wait`.
            seconds: how long.
        """
        self._set_mask(mask)
        if not self._transport.pending():
            self._wakeup.clear()
            self._poll.poll(seconds * 1000)

    def take_leave(self, until: Deadline, batch: int) -> None:
        """Send what is queued and wait, until the deadline at most, for the peer to close.

        Closing with unread bytes makes the kernel reset the connection, and a reset overtakes an
        A-ABORT that is still on its way: so read and discard first.

        Args:
            until: when to give up.
            batch: bytes to hand to the transport at a time.
        """
        transport, connection = self._transport, self._connection
        try:
            while left := until.remaining():
                while connection.next_event() is not None:
                    pass
                mask = 0
                if transport.unsent or connection.has_output:
                    # A batch ends with a PDU, so what is behind an unsent one can still be read.
                    if not transport.unsent:
                        transport.queue(connection.segments_to_send(batch))
                    mask = 0 if transport.send() else transport.write_mask
                    if not mask and connection.has_output:
                        continue
                if connection.close_wanted and not mask:
                    break
                self.wait_for_end(transport.read_mask | mask, left)
                count = transport.receive_into(connection.receive_window())
                if count == 0:
                    break
                if count:
                    connection.received(count, time.monotonic())
        except (ConnectionLost, DataSetError, OSError):
            pass

    def _set_mask(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self._poll.modify(self._transport.fileno(), mask)
