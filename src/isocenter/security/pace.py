"""How many passwords are tested at once, and how soon after wrong ones: in all processes together.

Owns the counting of failures and the waiting. Must not know what is tested, nor by whom.

Testing a password takes memory on purpose, so only `AT_ONCE` are tested at a time, and of these
only one from an address that has failed: whoever floods a server does not keep the others out.

Who guesses is slowed: after a wrong password for a user, the next one for that user from that
address is tested 1 s later, after the second 2 s, then 4 s, then 8 s; and after `FREE` wrong ones
from an address, whoever they were for, one a second from there. A right password takes back what
its user had failed. What would have to wait for more than `PATIENCE` is not tested at all. After
`FORGOTTEN` seconds without failure all is forgotten.

Failures are kept in a table of fixed size, in memory that processes share which were forked after
it was made: with a process for each association, a failure must outlive its process. Where the
table is full, whoever failed least is forgotten first. Locks are those of a file, because the
system takes them back from a process that was killed.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from contextlib import contextmanager

from isocenter.neighbours import place_of
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["AT_ONCE", "FORGOTTEN", "FREE", "PATIENCE", "Attempt", "Pace", "TooManyAttempts"]

AT_ONCE = 2
"""Passwords tested at the same time, by all threads and processes."""

FREE = 20
"""Wrong passwords from one address before all that come from there are slowed."""

PATIENCE = 10.0
"""Seconds for which a test may be put off; requestors wait 30 s for an answer, as a rule."""

FORGOTTEN = 900.0
"""Seconds after which a failure does not count any more, if no other came."""

_LONGEST_DELAY = 8.0
_HOST_DELAY = 1.0
_POLL = 0.02
"""Seconds between two looks whether another process has finished a test."""

_ENTRY = struct.Struct("=QIdd")  # key, failures, time of the last one, when the next may be tested
_BUCKETS = 256
_WAYS = 8
"""Entries that a key may have: what is written over is the one of them that failed least."""
_TABLE = _ENTRY.size * _WAYS * _BUCKETS
_PLACES = range(AT_ONCE)
_TABLE_LOCK = AT_ONCE
"""Bytes of the lock file: one for each test at a time, then one for the table."""


class TooManyAttempts(Exception):
    """A password cannot be tested soon enough."""


class _Entry(NamedTuple):
    """Failures of one key; all 0 for none."""

    key: int = 0
    failures: int = 0
    last: float = 0.0
    due: float = 0.0


class Attempt:
    """A test that may be made now.

    Attributes:
        right: to be set to what came of it; None where nothing did.
    """

    __slots__ = ("right",)

    def __init__(self) -> None:
        """Begin without an outcome."""
        self.right: bool | None = None


class Pace:
    """Lets tests of passwords through; for any thread, and any process forked after it was made.

    Args:
        clock: seconds that all of these processes agree on.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make the table and the lock file."""
        self._clock = clock
        self._sleep = sleep
        self._hosts = mmap.mmap(-1, _TABLE)
        self._users = mmap.mmap(-1, _TABLE)
        self._locks = _Locks()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._suspect = threading.Lock()  # for the one from an address that has failed

    @contextmanager
    def attempt(self, host: str, user: bytes) -> Iterator[Attempt]:
        """Wait until a password may be tested; what came of it counts at the end of the block.

        Args:
            host: the address that it came from, "" where there is none.
            user: the name it is to be the password of, whether there is such a user or not.

        Raises:
            TooManyAttempts: it would have to wait too long.
        """
        keys = _key(_place(host)), _key(_place(host) + b"\0" + user)
        until = self._clock() + PATIENCE
        while True:
            suspect = self._has_failed(keys[0])
            self._wait(self._delay(keys, reserve=False), until)
            with self._turn(until, suspect=suspect):
                # Whoever had the turn before may have failed from the same place.
                if (self._has_failed(keys[0]) and not suspect) or self._delay(keys, reserve=True):
                    continue
                outcome = Attempt()
                try:
                    yield outcome
                finally:
                    if outcome.right is not None:
                        self._count(keys, right=outcome.right)
                return

    def _wait(self, delay: float, until: float) -> None:
        if not delay:
            return
        if self._clock() + delay > until:
            raise TooManyAttempts
        self._sleep(delay)

    @contextmanager
    def _turn(self, until: float, *, suspect: bool) -> Iterator[None]:
        """Be one of those that may test at the same time."""
        if suspect:
            if not self._suspect.acquire(timeout=max(0.0, until - self._clock())):
                raise TooManyAttempts
            try:
                with self._place(until, _PLACES[-1:]):
                    yield
            finally:
                self._suspect.release()
        else:
            with self._place(until, _PLACES):
                yield

    @contextmanager
    def _place(self, until: float, places: Sequence[int]) -> Iterator[None]:
        """Have one of these places to oneself."""
        if not self._turns.acquire(timeout=max(0.0, until - self._clock())):
            raise TooManyAttempts
        try:
            while (place := self._locks.take_one(places)) is None:
                if self._clock() > until:
                    raise TooManyAttempts
                self._sleep(_POLL)
            try:
                yield
            finally:
                self._locks.release(place)
        finally:
            self._turns.release()

    def _has_failed(self, host: int) -> bool:
        """Tell whether an address has failures that count."""
        with self._locks.held(_TABLE_LOCK):
            return _read(self._hosts, host, self._clock()).failures > 0

    def _delay(self, keys: tuple[int, int], *, reserve: bool) -> float:
        """Return the seconds to wait; where it is 0 and `reserve`, the next one has to wait."""
        with self._locks.held(_TABLE_LOCK):
            now = self._clock()
            host, user = _read(self._hosts, keys[0], now), _read(self._users, keys[1], now)
            delay = max(0.0, host.due - now, user.due - now)
            if reserve and not delay:
                # Before it is known whether the password is right: another must not slip past.
                _write(self._hosts, host, now, delay=_host_delay(host.failures))
                _write(self._users, user, now, delay=_user_delay(user.failures))
            return delay

    def _count(self, keys: tuple[int, int], *, right: bool) -> None:
        with self._locks.held(_TABLE_LOCK):
            now = self._clock()
            host, user = _read(self._hosts, keys[0], now), _read(self._users, keys[1], now)
            if right:
                host = host._replace(failures=max(0, host.failures - user.failures))
                user = user._replace(failures=0)
            else:
                host = host._replace(failures=host.failures + 1, last=now)
                user = user._replace(failures=user.failures + 1, last=now)
            _write(self._hosts, host, now, delay=_host_delay(host.failures))
            _write(self._users, user, now, delay=_user_delay(user.failures))


class _Locks:
    """Locks among processes, one for each byte of a file; none where a system has no such locks."""

    def __init__(self) -> None:
        self._within = threading.Lock()
        self._mine: set[int] = set()
        self._table = threading.Lock()
        self._descriptor = -1
        try:
            import fcntl
        except ImportError:
            return
        self._fcntl = fcntl
        self._descriptor = _nameless_file()
        self._close = os.close  # at the end of an interpreter there may be no `os` any more

    def __del__(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            self._close(self._descriptor)

    def take_one(self, places: Sequence[int]) -> int | None:
        """Take the first that is free and return it; None where none is."""
        with self._within:
            for place in places:
                # The system knows no threads: to it, a process has what one of them has.
                if place not in self._mine and self._lock(place):
                    self._mine.add(place)
                    return place
        return None

    def release(self, place: int) -> None:
        """Give one back."""
        with self._within:
            self._mine.discard(place)
            if self._descriptor >= 0:
                self._fcntl.lockf(self._descriptor, self._fcntl.LOCK_UN, 1, place)

    @contextmanager
    def held(self, place: int) -> Iterator[None]:
        """Wait for a lock that nobody holds for long, and hold it."""
        with self._table:
            if self._descriptor < 0:
                yield
                return
            self._fcntl.lockf(self._descriptor, self._fcntl.LOCK_EX, 1, place)
            try:
                yield
            finally:
                self._fcntl.lockf(self._descriptor, self._fcntl.LOCK_UN, 1, place)

    def _lock(self, place: int) -> bool:
        if self._descriptor < 0:
            return True
        try:
            self._fcntl.lockf(self._descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        return True


def _nameless_file() -> int:
    """Return a descriptor of an empty file that nobody else can open."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("isocenter")
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="isocenter-")
    os.unlink(path)
    return descriptor


def _user_delay(failures: int) -> float:
    """Return the seconds between two tests for one user from one address."""
    return min(2.0 ** min(failures - 1, 10), _LONGEST_DELAY) if failures else 0.0


def _host_delay(failures: int) -> float:
    """Return the seconds between two tests from one address."""
    return _HOST_DELAY if failures >= FREE else 0.0


def _place(host: str) -> bytes:
    """Return what an address is counted as."""
    return place_of(host).encode("utf-8", "backslashreplace")


def _key(what: bytes) -> int:
    """Return a number that no peer can choose, not 0."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(what, digest_size=8, key=_SECRET).digest(), "big") or 1


def _secret() -> bytes:
    return os.urandom(16)


_SECRET = _secret()


def _read(table: mmap.mmap, key: int, now: float) -> _Entry:
    """Return what is known of a key, an empty entry for nothing or what is long past."""
    for place in _places(key):
        entry = _Entry(*_ENTRY.unpack_from(table, place))
        if entry.key == key and entry.failures and now - entry.last <= FORGOTTEN:
            return entry
    return _Entry(key=key)


def _write(table: mmap.mmap, entry: _Entry, now: float, *, delay: float) -> None:
    """Keep an entry, with `delay` seconds to its next test; without failures it needs no place."""
    ranks: list[tuple[int, float, int]] = []
    for place in _places(entry.key):
        known = _Entry(*_ENTRY.unpack_from(table, place))
        if known.key == entry.key:
            break
        failures = known.failures if now - known.last <= FORGOTTEN else 0
        ranks.append((failures, known.last, place))
    else:
        if not entry.failures:
            return
        place = min(ranks)[2]
    _ENTRY.pack_into(table, place, *entry._replace(due=now + delay))


def _places(key: int) -> range:
    """Return where in a table the entries are that a key may have."""
    start = key % _BUCKETS * _WAYS * _ENTRY.size
    return range(start, start + _WAYS * _ENTRY.size, _ENTRY.size)
