"""Time budgets of one connection: for an answer, for silence, for a PDU that was begun.

Owns when each of them runs out. Must not know what happens then (`isocenter.ul.connection`),
nor any clock: moments are monotonic seconds that the driver gives. PS3.8 9.1.5 (ARTIM).
"""

from __future__ import annotations

from isocenter.errors import TimeoutExpired
from isocenter.ul.fsm import State

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.ul.options import EngineOptions

__all__ = ["ARTIM", "TIMED", "Budgets"]

ARTIM = "artim"
"""The `which` of a peer that was late with its request, or with closing (PS3.8 9.1.5)."""

_ARTIM_STATES = frozenset({State.STA2, State.STA13})
_ACSE_STATES = frozenset(
    {State.STA5, State.STA7, State.STA9, State.STA10, State.STA11, State.STA12}
)
TIMED = _ARTIM_STATES | _ACSE_STATES
"""Where a timer may run; in any other state it is stopped."""

_ESTABLISHED = frozenset({State.STA6, State.STA7, State.STA8})


class Budgets:
    """What has to happen by when.

    Args:
        options: how long each may take.

    Attributes:
        timer: when the peer has to have answered, or closed; None where nothing is due.
        last_moved: when bytes last went in either direction.
        pdu_mark: since when a PDU is incomplete, or was last found to come fast enough; None
            where none is.
        pdu_bytes: bytes that came since.

    The attributes are set by the engine itself, which saves a call for each read.
    """

    __slots__ = ("_options", "last_moved", "pdu_bytes", "pdu_mark", "timer")

    def __init__(self, options: EngineOptions) -> None:
        """Begin with nothing due."""
        self._options = options
        self.timer: float | None = None
        self.last_moved = 0.0
        self.pdu_mark: float | None = None
        self.pdu_bytes = 0

    def moved(self, now: float) -> None:
        """Take note that bytes left at `now`: a peer that reads is not idle."""
        self.last_moved = now

    def resumed(self, now: float) -> None:
        """Take note that the driver did not look for a while: silence till `now` was its own."""
        self.last_moved = now
        if self.pdu_mark is not None:
            self.pdu_mark, self.pdu_bytes = now, 0

    def deadline(self, state: State) -> float | None:
        """Return when the next of them runs out, None for never."""
        options = self._options
        moments = []
        if self.timer is not None:
            moments.append(self.timer)
        if state in _ESTABLISHED and options.idle_timeout is not None:
            moments.append(self.last_moved + options.idle_timeout)
        if self.pdu_mark is not None:
            moments.append(self.pdu_mark + options.slow_pdu_seconds)
        return min(moments, default=None)

    def exceeded(self, now: float, state: State) -> TimeoutExpired | None:
        """Return which of them has run out by `now`, None for none; a timer counts once."""
        options = self._options
        if self.timer is not None and now >= self.timer:
            self.timer = None
            if state in _ARTIM_STATES:
                return TimeoutExpired(ARTIM, options.artim_timeout)
            return TimeoutExpired("acse", options.acse_timeout)
        if self.pdu_mark is not None and now >= self.pdu_mark + options.slow_pdu_seconds:
            if self.pdu_bytes < options.slow_pdu_rate * options.slow_pdu_seconds:
                return TimeoutExpired("slow-pdu", options.slow_pdu_seconds)
            self.pdu_mark, self.pdu_bytes = now, 0
        idle = options.idle_timeout
        if state in _ESTABLISHED and idle is not None and now >= self.last_moved + idle:
            return TimeoutExpired("socket", idle)
        return None
