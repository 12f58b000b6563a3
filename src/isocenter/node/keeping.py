"""A server's dispatcher beside which the writer of its archives lives.

Joins the loop of a listener with the keeper of the writer's process: one thread looks after both,
so a server that forks stays one. Must not know what associations do, nor what is written.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.archive.keeper import WriterKeeper
    from isocenter.net.dispatch import Arrival, Dispatcher, Loop

__all__ = ["KeptDispatcher"]


class KeptDispatcher:
    """A dispatcher that starts, replaces and ends a writer; see `net.dispatch.Dispatcher`.

    Args:
        inner: serves the associations.
        keeper: of the writer, which is started when the port is open; None for none.
        at_start: called when the port is open and nothing runs yet.
    """

    __slots__ = ("_at_start", "_inner", "_keeper", "_loop", "_watched")

    def __init__(
        self, inner: Dispatcher, keeper: WriterKeeper | None, at_start: Callable[[], None]
    ) -> None:
        """Keep the arguments; nothing starts."""
        self._inner = inner
        self._keeper = keeper
        self._at_start = at_start
        self._loop: Loop | None = None
        self._watched = -1

    # --- the writer ---

    def start(self, loop: Loop) -> None:
        """Start the writer, then what serves.

        Raises:
            ArchiveError: an area cannot be opened.
            ConfigurationError, OSError: serving cannot begin.
        """
        self._at_start()
        if self._keeper is not None:
            self._keeper.start()
        self._inner.start(loop)
        self._loop = loop
        self._watch()

    def _watch(self) -> None:
        """Have the loop look for what the writer says: it may be another one than before."""
        keeper, loop = self._keeper, self._loop
        if keeper is None or loop is None:
            return
        fd = keeper.fileno()
        if fd == self._watched:
            return
        if self._watched >= 0:
            loop.unwatch(self._watched)
        self._watched = fd
        if fd >= 0:
            loop.watch(fd, self._hear)

    def _hear(self) -> None:
        """Take note of what the writer says; one that ended is replaced."""
        loop = self._loop
        if loop is not None and self._watched >= 0:
            # Before it is closed: a closed descriptor cannot be forgotten, and its number may be
            # another one's soon.
            loop.unwatch(self._watched)
            self._watched = -1
        if self._keeper is not None:
            self._keeper.ready()
        self._watch()

    def deadline(self) -> float | None:
        """Return when something is due, in monotonic seconds, None for never."""
        writer = None if self._keeper is None else self._keeper.deadline()
        moments = (self._inner.deadline(), writer)
        return min((moment for moment in moments if moment is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """See to what is due."""
        due = self._inner.deadline()
        if due is not None and due <= now:
            self._inner.on_deadline(now)
        keeper = self._keeper
        due = None if keeper is None else keeper.deadline()
        if keeper is not None and due is not None and due <= now:
            loop = self._loop
            if loop is not None and self._watched >= 0:
                loop.unwatch(self._watched)
                self._watched = -1
            keeper.on_deadline(now)
            self._watch()

    # --- the associations ---

    @property
    def forks(self) -> bool:
        """As of the inner one."""
        return self._inner.forks

    @property
    def shakes_hands(self) -> bool:
        """As of the inner one."""
        return self._inner.shakes_hands

    @property
    def has_room(self) -> bool:
        """As of the inner one."""
        return self._inner.has_room

    @property
    def wants_pause(self) -> bool:
        """As of the inner one."""
        return self._inner.wants_pause

    def dispatch(self, arrival: Arrival) -> None:
        """Serve an arrival; takes its socket over."""
        self._inner.dispatch(arrival)

    def reload(self) -> None:
        """Have other processes read anew what this one has read anew."""
        self._inner.reload()

    def stop(self) -> None:
        """Let each association finish the message it is in, then end; the writer goes on."""
        self._inner.stop()

    def abort(self) -> None:
        """End each association at once with A-ABORT."""
        self._inner.abort()

    def join(self, seconds: float) -> bool:
        """Wait for all associations to end; True if they did."""
        return self._inner.join(seconds)

    def abandon(self) -> None:
        """Give up those that did not end although told to abort."""
        self._inner.abandon()
