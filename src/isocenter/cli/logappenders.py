"""Appenders of `--log-config`: where the text of events goes.

Owns thresholds, filters, lock files, the console, the system log, and which class makes an
appender. Must not know files that roll (`logfiles`), which loggers use an appender
(`logrouting`) nor `logging`.

No appender ever raises because of where it writes to: what cannot be written is counted, said
once on stderr, and the tool goes on with its work.

Source: `oflog/libsrc/appender.cc`, `consap.cc`, `syslogap.cc` and `lockfile.cc` of DCMTK.
"""

from __future__ import annotations

import os
import sys

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, WARN
from isocenter.cli.logpattern import format_time, host_name
from isocenter.cli.logsetup import put_text
from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.cli.logconfig import AppenderSettings, FilterSettings
    from isocenter.cli.logpattern import Event
    from isocenter.net.datagrams import DatagramSender

__all__ = ["Appender", "ConsoleAppender", "LockFile", "SysLogAppender", "complain", "open_appender"]

_FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    "ntp": 12,
    "security": 13,
    "console": 14,
    **{f"local{number}": 16 + number for number in range(8)},
}
"""RFC 5424 6.2.1, by the names that log4cplus knows."""

_SYSLOG_PORT = 514
_LARGEST_PORT = 65535


def open_appender(settings: AppenderSettings, tool: str) -> Appender:
    """Return the appender that the settings describe, ready to write.

    Raises:
        ConfigurationError: a value cannot be understood, or a file cannot be opened.
    """
    if settings.kind == "ConsoleAppender":
        return ConsoleAppender(settings)
    if settings.kind == "SysLogAppender":
        return SysLogAppender(settings, tool)
    if settings.kind == "NullAppender":
        return Appender(settings)
    from isocenter.cli import logfiles

    return logfiles.open_file_appender(settings)


def complain(message: str, *, prefix: str = "E: ") -> None:
    """Say on stderr what is wrong with the log itself; nothing happens where there is none."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        put_text(stream, f"{prefix}{message}\n")
        stream.flush()
    except (OSError, ValueError):
        return


class LockFile:
    """A file that processes lock in turn, as DCMTK's do.

    Raises:
        ConfigurationError: it cannot be opened, or the system has no such locks.
    """

    def __init__(self, path: str) -> None:
        """Open it."""
        try:
            import fcntl
        except ImportError as problem:
            raise ConfigurationError("UseLockFile is not possible on this system") from problem
        self._lockf = fcntl.lockf
        self._exclusive, self._unlock = fcntl.LOCK_EX, fcntl.LOCK_UN
        flags = os.O_RDWR | os.O_CREAT
        try:
            self._descriptor = os.open(path, flags, 0o666)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise ConfigurationError(f"cannot open lock file {path}: {reason}") from problem

    def __enter__(self) -> None:
        """Wait for the lock; where the file system has none, do without."""
        try:
            self._lockf(self._descriptor, self._exclusive)
        except OSError:
            return

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        try:
            self._lockf(self._descriptor, self._unlock)
        except OSError:
            return

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class Appender:
    """Takes events and writes nothing: a NullAppender, and what all others have in common.

    Args:
        settings: what the file says about it.

    Raises:
        ConfigurationError: a value cannot be understood, or the lock file cannot be opened.
    """

    def __init__(self, settings: AppenderSettings) -> None:
        """Keep what every appender has."""
        self._layout = settings.layout
        self._threshold = settings.threshold or 0
        self._filters = settings.filters
        self._lock: LockFile | None = None
        if settings.boolean("UseLockFile", default=False):
            path = settings.properties.get("LockFile") or self.default_lock_file(settings)
            if path:
                self._lock = LockFile(path)

    @staticmethod
    def default_lock_file(settings: AppenderSettings) -> str:
        """Return the lock file's path where the settings do not name one, "" for none."""
        del settings
        return ""

    def append(self, event: Event) -> None:
        """Write an event, if threshold and filters let it pass."""
        if event.level < self._threshold or not _passes(self._filters, event):
            return
        if self._lock is None:
            self.write(event)
        else:
            with self._lock:
                self.write(event)

    def write(self, event: Event) -> None:
        """Write an event."""

    def flush(self) -> None:
        """Write what was kept back."""

    def close(self) -> None:
        """Flush, and give back what is open."""
        self.flush()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _passes(filters: tuple[FilterSettings, ...], event: Event) -> bool:
    """Ask the filters in their order until one knows; what none denies passes."""
    for each in filters:
        if each.kind == "DenyAllFilter":
            return False
        if each.kind == "LogLevelRangeFilter":
            if each.lowest is not None and event.level < each.lowest:
                return False
            if each.highest is not None and event.level > each.highest:
                return False
            if each.accept:
                return True
        elif each.kind == "LogLevelMatchFilter":
            if each.lowest == event.level:
                return each.accept
        elif each.text and each.text in event.message:
            return each.accept
    return True


class ConsoleAppender(Appender):
    """Writes to stdout, or to stderr where ``logToStdErr`` says so."""

    def __init__(self, settings: AppenderSettings) -> None:
        """Read which one; the stream itself is looked up for each event."""
        super().__init__(settings)
        self._to_stderr = settings.boolean("logToStdErr", default=False)
        self._immediate = settings.boolean("ImmediateFlush", default=False)

    def write(self, event: Event) -> None:
        """Write an event in one piece; nothing happens where the stream is closed."""
        stream = sys.stderr if self._to_stderr else sys.stdout
        if stream is None:
            return
        try:
            put_text(stream, self._layout.format(event))
            if self._immediate or self._to_stderr:
                stream.flush()
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        """Flush the stream."""
        stream = sys.stderr if self._to_stderr else sys.stdout
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            return


class SysLogAppender(Appender):
    """Sends to the system log of this machine, or by UDP to that of a host (RFC 5424).

    Args:
        settings: ``ident``, ``facility``, ``host`` and ``port`` among them.
        tool: what stands for ``ident`` where it is not set.

    Raises:
        ConfigurationError: a value cannot be understood, or this system has no such log.
    """

    def __init__(self, settings: AppenderSettings, tool: str) -> None:
        """Read the settings; nothing is connected yet."""
        super().__init__(settings)
        self._ident = settings.properties.get("ident") or tool
        word = settings.properties.get("facility", "").lower() or "user"
        if word not in _FACILITIES:
            raise settings.refusal("facility", "no such facility")
        self._facility = _FACILITIES[word] << 3
        self._host = settings.properties.get("host", "")
        self._port = settings.integer("port", default=_SYSLOG_PORT)
        if not 0 < self._port <= _LARGEST_PORT:
            raise settings.refusal("port", "no such port")
        self._sender: DatagramSender | None = None
        if self._host:
            self._name = host_name(qualified=True)
        else:
            try:
                import syslog
            except ImportError as problem:
                raise ConfigurationError("this system has no system log") from problem
            self._syslog = syslog

    def write(self, event: Event) -> None:
        """Send an event."""
        text = self._layout.format(event)
        priority = self._facility | _severity(event.level)
        if not self._host:
            # There is one identity for the process, and another appender may have set it.
            self._syslog.openlog(self._ident, 0, 0)
            self._syslog.syslog(priority, text.encode("utf-8", "backslashreplace").decode("utf-8"))
            return
        when = format_time("%Y-%m-%dT%H:%M:%S.%qZ", event.time, utc=True)
        head = f"<{priority}>1 {when} {self._name} {self._ident} {os.getpid()} {event.logger} - "
        self._send((head + text).encode("utf-8", "backslashreplace"))

    def _send(self, message: bytes) -> None:
        if self._sender is None:
            from isocenter.net.datagrams import DatagramSender

            self._sender = DatagramSender(self._host, self._port, complain)
        self._sender.send(message)

    def close(self) -> None:
        """Close the connection."""
        super().close()
        if self._sender is not None:
            self._sender.close()
            self._sender = None


def _severity(level: int) -> int:
    """Return the severity of a level (RFC 5424 6.2.1)."""
    for lowest, severity in ((FATAL + 1, 1), (FATAL, 2), (ERROR, 3), (WARN, 4), (INFO, 6)):
        if level >= lowest:
            return severity
    return 7 if level <= DEBUG else 6
