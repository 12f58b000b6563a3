"""Appenders of `--log-config` that write files, also files that roll.

Owns how lines of several processes share a file, when a file rolls, and what happens where it
cannot be written. Must not know which loggers use an appender.

- Every event is one `write` to a descriptor in append mode, so lines of several processes never
  mix (POSIX `write`, O_APPEND).
- Whoever writes to a file that rolls holds a lock on the very file that has the name: a lock on
  one that was renamed meanwhile is given up for the new one. So one process rolls, the others
  follow, and no line goes into a file that is about to be deleted.
- A file is never truncated but once, at the start and where ``Append`` is false.

Source: `oflog/libsrc/fileap.cc` of DCMTK; what differs is in `docs/deviations.md`.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from isocenter.cli.levels import WARN
from isocenter.cli.logappenders import Appender, complain
from isocenter.cli.logpattern import Event
from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.cli.logconfig import AppenderSettings

__all__ = [
    "DailyRollingFileAppender",
    "FileAppender",
    "RollingFileAppender",
    "open_file_appender",
    "parse_size",
]

SMALLEST_SIZE = 200 * 1024
"""Bytes; log4cplus rolls no smaller file."""

DEFAULT_SIZE = 10 * 1024 * 1024
"""Bytes that a file may have where ``MaxFileSize`` is not set."""

_BUFFER = 8191  # bytes, where neither BufferSize nor ImmediateFlush says otherwise
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HIGHEST_STANDARD = 2
_LOOKS = 20
"""How often a writer follows a file that others roll before it writes where it is."""

# Names of what is rolled away, by the beginning of its period.
_SCHEDULES = {
    "MONTHLY": "%Y-%m",
    "WEEKLY": "%Y-%W",
    "DAILY": "%Y-%m-%d",
    "TWICE_DAILY": "%Y-%m-%d-%p",
    "HOURLY": "%Y-%m-%d-%H",
    "MINUTELY": "%Y-%m-%d-%H-%M",
}


def open_file_appender(settings: AppenderSettings) -> FileAppender:
    """Return the appender with its file open.

    Raises:
        ConfigurationError: a value cannot be understood, or the file cannot be opened.
    """
    if settings.kind == "RollingFileAppender":
        return RollingFileAppender(settings)
    if settings.kind == "DailyRollingFileAppender":
        return DailyRollingFileAppender(settings)
    return FileAppender(settings)


class FileAppender(Appender):
    """Writes to one file.

    Args:
        settings: ``File``, ``Append``, ``ImmediateFlush``, ``BufferSize``, ``ReopenDelay``,
            ``UseLockFile`` and ``LockFile`` among them. ``Locale`` has no effect: text is UTF-8.

    Raises:
        ConfigurationError: as `open_file_appender`.
    """

    appends = False
    """What ``Append`` is where it is not set."""

    def __init__(self, settings: AppenderSettings) -> None:
        """Open the file."""
        super().__init__(settings)
        # Absolute, because it is opened again after the file has rolled.
        self.path = os.path.abspath(settings.properties["File"])
        self._immediate = settings.boolean("ImmediateFlush", default=True) or bool(self._lock)
        self._delay = settings.integer("ReopenDelay", default=1)
        self._size = settings.integer("BufferSize", default=0) or _BUFFER
        self._buffer = bytearray()
        self._buffered = 0
        self._missing = 0
        self._torn = False
        self._complained = False
        self._reopen_at: float | None = None
        append = settings.boolean("Append", default=self.appends)
        try:
            self._descriptor = _open(self.path, 0 if append else os.O_TRUNC)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise settings.refusal("File", f"cannot be opened: {reason}") from problem

    @staticmethod
    def default_lock_file(settings: AppenderSettings) -> str:
        """Return the lock file's path where the settings do not name one."""
        return settings.properties["File"] + ".lock"

    def write(self, event: Event) -> None:
        """Write an event, or keep it back until there is enough to write."""
        text = self._layout.format(event)
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            data = text.encode("utf-8", "backslashreplace")
        self._buffer += data
        self._buffered += 1
        if self._immediate or len(self._buffer) >= self._size:
            self._write_out(event.time)

    def flush(self) -> None:
        """Write what was kept back."""
        if self._buffer:
            self._write_out(time.time())

    def _write_out(self, now: float) -> None:
        data, count = bytes(self._buffer), self._buffered
        self._buffer.clear()
        self._buffered = 0
        if self._reopen_at is not None and not self._reopened():
            self._missing += count
            return
        try:
            self.put(self._notice(now) + data, now)
        except OSError as problem:
            self._missing += count
            self._failed(problem)
        else:
            self._missing = 0
            self._complained = False

    def _notice(self, now: float) -> bytes:
        """Return what stands in front of the next text: the end of a torn line, what is missing."""
        notice = b"\n" if self._torn else b""
        if self._missing:
            text = f"{self._missing} messages are missing here, this file could not be written"
            event = Event(WARN, "root", text, now, 0)
            notice += self._layout.format(event).encode("utf-8", "backslashreplace")
        return notice

    def put(self, data: bytes, now: float) -> None:
        """Write to the file.

        Raises:
            OSError: it cannot be written; a part of `data` may have been.
        """
        del now
        written = os.write(self._descriptor, data)
        self._torn = False
        while written < len(data):
            self._torn = True
            written += os.write(self._descriptor, data[written:])
        self._torn = False

    def _failed(self, problem: OSError) -> None:
        """Say so once; unless the disk is full, the file is opened again after a while."""
        if problem.errno not in _FULL and self._reopen_at is None:
            self._reopen_at = time.monotonic() + max(self._delay, 0)
        if not self._complained:
            reason = problem.strerror or str(problem)
            complain(f"cannot write log file {self.path}: {reason}")
        self._complained = True

    def _reopened(self) -> bool:
        if self._reopen_at is not None and time.monotonic() < self._reopen_at:
            return False
        if not self.reopen():
            self._reopen_at = time.monotonic() + max(self._delay, 0)
            return False
        self._reopen_at = None
        return True

    def reopen(self) -> bool:
        """Open the file of that name; False where that fails, and the one before is kept."""
        try:
            fresh = _open(self.path, 0)
        except OSError:
            return False
        os.close(self._descriptor)
        self._descriptor = fresh
        return True

    def close(self) -> None:
        """Flush and close the file."""
        super().close()
        os.close(self._descriptor)


def _open(path: str, flags: int) -> int:
    """Open for appending, on a descriptor that nobody takes for a standard stream.

    Raises:
        OSError: that is not possible.
    """
    flags |= os.O_WRONLY | os.O_CREAT | os.O_APPEND
    low: list[int] = []
    try:
        while True:
            descriptor = os.open(path, flags, 0o666)
            if descriptor > _HIGHEST_STANDARD:
                return descriptor
            low.append(descriptor)
            flags &= ~os.O_TRUNC
    finally:
        for descriptor in low:
            os.close(descriptor)


class _SharedFileAppender(FileAppender):
    """A file that may be renamed by whoever writes to it, one at a time."""

    appends = True

    def put(self, data: bytes, now: float) -> None:
        """Write under the lock of the file that has the name.

        Raises:
            OSError: as `FileAppender.put`.
        """
        self._follow()
        self.before(now)
        try:
            super().put(data, now)
            self.after()
        finally:
            _lock(self._descriptor, on=False)

    def _follow(self) -> None:
        """Lock the file that has the name, which may not be the one that is open."""
        for _ in range(_LOOKS):
            _lock(self._descriptor, on=True)
            if self._is_current() or not self.reopen():
                return

    def _is_current(self) -> bool:
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        ours = os.fstat(self._descriptor)
        return (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)

    def before(self, now: float) -> None:
        """Roll if that is due before something is written."""

    def after(self) -> None:
        """Roll if that is due after something was written."""

    def roll(self, names: list[str]) -> bool:
        """Rename the file to the first of these names, and what has it to the next, and so on.

        Args:
            names: where it goes; what has the last one is deleted where all are taken.

        Returns:
            False where that failed: the file is written to as before.
        """
        try:
            taken = 0
            while taken < len(names) - 1 and os.path.lexists(names[taken]):
                taken += 1
            for at in range(taken, 0, -1):
                os.replace(names[at - 1], names[at])
            os.replace(self.path, names[0])
        except OSError as problem:
            if not self._complained:
                reason = problem.strerror or str(problem)
                complain(f"cannot rename log file {self.path}: {reason}")
            self._complained = True
            return False
        # Where no descriptor is to be had, writing goes on in the file that was renamed, and
        # the next event tries again.
        self.reopen()
        return True


def _lock(descriptor: int, *, on: bool) -> None:
    """Lock or unlock against other processes, where system and file system can."""
    try:
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX if on else fcntl.LOCK_UN)
    except (ImportError, OSError):
        return


def parse_size(text: str) -> int:
    """Return a size in bytes: a number that may end in ``KB`` or ``MB``.

    Raises:
        ConfigurationError: no such size.
    """
    word = text.upper()
    unit = {"KB": 1024, "MB": 1024 * 1024}.get(word[-2:])
    digits = word[:-2].rstrip() if unit else word
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > len("1000000000000"):
        raise ConfigurationError("is no size, as 500KB, 5MB or a number of bytes")
    return int(digits) * (unit or 1)


class RollingFileAppender(_SharedFileAppender):
    """A file that is renamed once it is longer than ``MaxFileSize``.

    The one before has the name with ``.1``, up to ``MaxBackupIndex``; the oldest is deleted.
    A ``MaxFileSize`` below 200 KB is 200 KB, with a warning, as log4cplus has it.
    """

    def __init__(self, settings: AppenderSettings) -> None:
        """Read the settings."""
        text = settings.properties.get("MaxFileSize")
        try:
            size = parse_size(text) if text else DEFAULT_SIZE
        except ConfigurationError as problem:
            raise settings.refusal("MaxFileSize", str(problem)) from problem
        self._most = max(size, SMALLEST_SIZE)
        if size < SMALLEST_SIZE:
            words = f"MaxFileSize = {text} of log file {settings.properties.get('File', '')}"
            complain(f"{words} is too small: it is 200KB, as in log4cplus", prefix="W: ")
        self._backups = max(settings.integer("MaxBackupIndex", default=1), 1)
        self._limit = self._most
        super().__init__(settings)

    def after(self) -> None:
        """Roll where the file has grown too long."""
        found = os.fstat(self._descriptor)
        if found.st_size <= self._limit or not stat.S_ISREG(found.st_mode):
            return
        # Where it cannot be renamed, that is not tried for every line.
        numbers = range(1, self._backups + 1)
        rolled = self.roll([f"{self.path}.{number}" for number in numbers])
        self._limit = self._most if rolled else found.st_size + self._most


class DailyRollingFileAppender(_SharedFileAppender):
    """A file that is renamed when a period of ``Schedule`` is over, with the period in its name.

    Also one of an earlier run is, by its last change: a tool that runs for seconds would never
    see a day end. What has the name already gets a number, up to ``MaxBackupIndex``.
    """

    def __init__(self, settings: AppenderSettings) -> None:
        """Read the settings and find the period of what the file contains."""
        self._schedule = settings.properties.get("Schedule", "DAILY").upper()
        if self._schedule not in _SCHEDULES:
            raise settings.refusal("Schedule", f"is none of {', '.join(_SCHEDULES)}")
        self._backups = max(settings.integer("MaxBackupIndex", default=10), 1)
        self._begin = self._end = 0.0
        super().__init__(settings)
        self._look(time.time())

    def _look(self, now: float) -> None:
        """Find out to which period the file belongs."""
        found = os.fstat(self._descriptor)
        moment = found.st_mtime if found.st_size else now
        self._begin = _period_start(moment, self._schedule)
        self._end = _period_end(self._begin, self._schedule)

    def reopen(self) -> bool:
        """Open the file of that name, and find its period."""
        if not super().reopen():
            return False
        self._look(time.time())
        return True

    def before(self, now: float) -> None:
        """Roll where the period is over."""
        if now < self._end:
            return
        found = os.fstat(self._descriptor)
        if found.st_size and stat.S_ISREG(found.st_mode):
            name = time.strftime(_SCHEDULES[self._schedule], time.localtime(self._begin))
            first = f"{self.path}.{name}"
            numbers = range(1, self._backups + 1)
            if not self.roll([first, *[f"{first}.{number}" for number in numbers]]):
                # Go on in the same file and try again when another period is over.
                self._end = _period_end(_period_start(now, self._schedule), self._schedule)
                return
            _lock(self._descriptor, on=True)
        self._look(now)


def _period_start(moment: float, schedule: str) -> float:
    """Return when the period began that a moment belongs to, in local time."""
    when = time.localtime(moment)
    year, month, day, hour, minute = when[:5]
    if schedule == "MONTHLY":
        day = 1
    elif schedule == "WEEKLY":
        day -= (when.tm_wday + 1) % 7  # weeks begin on Sunday
    if schedule in ("MONTHLY", "WEEKLY", "DAILY"):
        hour = minute = 0
    elif schedule == "TWICE_DAILY":
        hour, minute = 12 * (hour >= 12), 0
    elif schedule == "HOURLY":
        return moment - when.tm_sec - 60 * minute - moment % 1
    elif schedule == "MINUTELY":
        return moment - when.tm_sec - moment % 1
    return time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))


def _period_end(start: float, schedule: str) -> float:
    """Return when the period ends that began at `start`, and the next one begins."""
    if schedule == "HOURLY":
        return start + 3600
    if schedule == "MINUTELY":
        return start + 60
    year, month, day, hour = time.localtime(start)[:4]
    month += schedule == "MONTHLY"
    day += {"WEEKLY": 7, "DAILY": 1}.get(schedule, 0)
    hour += 12 * (schedule == "TWICE_DAILY")
    return time.mktime((year, month, day, hour, 0, 0, 0, 0, -1))
