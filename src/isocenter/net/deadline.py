"""One time budget over several steps."""

from __future__ import annotations

import time

from isocenter.errors import TimeoutExpired

__all__ = ["Deadline"]


class Deadline:
    """A moment by which something must be done.

    Args:
        seconds: the budget in seconds from now, None for no bound.
        which: the name of the budget, for `TimeoutExpired`.
    """

    __slots__ = ("_at", "_seconds", "_which")

    def __init__(self, seconds: float | None, which: str) -> None:
        """Start the budget."""
        self._seconds = seconds
        self._which = which
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def at(self) -> float | None:
        """The moment in monotonic seconds, None for never."""
        return self._at

    def error(self) -> TimeoutExpired:
        """Return the error that says this budget ran out."""
        return TimeoutExpired(self._which, self._seconds or 0.0)

    def remaining(self) -> float | None:
        """Return the seconds left, 0 or more, None for no bound."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())
