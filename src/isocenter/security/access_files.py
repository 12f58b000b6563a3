"""The files of host access control: read at start, and again whenever they changed.

Owns where they are, how they are read and when they are read anew. Must not know what is in them
(`hosts_access`). hosts_access(5), "FILES".

The files are looked at for each connection, as libwrap does, but read only where their times,
size or place are others. A file that cannot be used any more lets nobody in.
"""

from __future__ import annotations

import os
import stat
import threading
import time

from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple
from isocenter.security.hosts_access import parse_file_list, parse_table

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.security.hosts_access import Rule
    from isocenter.security.hosts_patterns import Pattern

__all__ = ["ALLOW", "DENY", "AccessFiles"]

ALLOW = "/etc/hosts.allow"
DENY = "/etc/hosts.deny"

_LONGEST = 1024 * 1024
"""Bytes of a file. Rules of that size have tens of thousands of addresses."""
_DEEPEST = 8
"""Lists in files that name lists in files."""
_SETTLED = 2.0
"""Seconds after its latest change for which a file is read each time: the times of some file
systems are no finer, and a second change would not be seen."""


class _Version(NamedTuple):
    """What tells one version of a file from another; all 0 where there is none."""

    device: int = 0
    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0


class _Loaded(NamedTuple):
    """What was read: `rules`, or what is wrong with them, and the files it came from."""

    rules: tuple[Rule, ...]
    problem: ConfigurationError | None
    versions: dict[str, _Version | None]
    settled: bool


class AccessFiles:
    """The rules for a daemon as its two tables have them at the moment; for any thread.

    Args:
        daemon: the name by which rules call it.
        allow: path of the table whose rules let peers in, unless they say otherwise.
        deny: path of the table whose rules keep peers out, unless they say otherwise.
    """

    __slots__ = ("_allow", "_daemon", "_deny", "_loaded", "_lock")

    def __init__(self, daemon: str, *, allow: str, deny: str) -> None:
        """Keep the arguments; nothing is read."""
        self._daemon = daemon
        self._allow = allow
        self._deny = deny
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules of the first table, then of the second; a missing one has none.

        Raises:
            ConfigurationError: a file cannot be read, or used; the message names it, and the line.
        """
        with self._lock:
            loaded = self._loaded
            if loaded is None or not loaded.settled or not _are_same(loaded.versions):
                loaded = self._loaded = self._load()
        if loaded.problem is not None:
            # A new one each time: a kept one would grow by a traceback with each connection.
            raise ConfigurationError(str(loaded.problem))
        return loaded.rules

    def _load(self) -> _Loaded:
        read = _Reading()
        rules: tuple[Rule, ...] = ()
        problem = None
        try:
            for path, allows in ((self._allow, True), (self._deny, False)):
                text = read.table(path)
                rules += parse_table(
                    text, path, daemon=self._daemon, allows=allows, file=read.pattern
                )
        except ConfigurationError as found:
            problem = found.with_traceback(None)
        changed = max((v.changed for v in read.versions.values() if v is not None), default=0)
        settled = time.time() - changed / 1e9 > _SETTLED and None not in read.versions.values()
        return _Loaded(rules, problem, read.versions, settled)


class _Reading:
    """One pass over the tables and the lists they name.

    Attributes:
        versions: of each file by its path, None of one that could not be read.
    """

    def __init__(self) -> None:
        self.versions: dict[str, _Version | None] = {}
        self._lists: dict[str, Pattern] = {}
        self._open: list[str] = []

    def table(self, path: str) -> str:
        """Return the text of a table, "" where there is none.

        Raises:
            ConfigurationError: it cannot be read.
        """
        try:
            os.lstat(path)
        except FileNotFoundError:
            self.versions[path] = _Version()
            return ""
        except (OSError, ValueError):
            pass  # it may well be there, and reading it says why that is not possible
        return self._text(path)

    def pattern(self, path: str) -> Pattern:
        """Return the pattern for the list in a file.

        Raises:
            ConfigurationError: it cannot be read or used.
        """
        known = self._lists.get(path)
        if known is not None:
            return known
        if path in self._open or len(self._open) >= _DEEPEST:
            raise ConfigurationError(f"{path}: lists of hosts name each other too deeply")
        self._open.append(path)
        try:
            pattern = parse_file_list(self._text(path), path, self.pattern)
        finally:
            self._open.pop()
        self._lists[path] = pattern
        return pattern

    def _text(self, path: str) -> str:
        """Return what is in a file.

        Raises:
            ConfigurationError: it cannot be read, is too long, or no file: a pipe would be empty
                one time and not the next.
        """
        self.versions[path] = None
        try:
            # Not to wait for whoever writes into a pipe of that name.
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                found = os.fstat(fd)  # before it is read: what changes then is seen
                if not (stat.S_ISREG(found.st_mode) or stat.S_ISCHR(found.st_mode)):
                    raise ConfigurationError(f"{path}: neither a file nor the null device")
                with open(fd, "rb", closefd=False) as file:
                    content = file.read(_LONGEST + 1)
            finally:
                os.close(fd)
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else None
            raise ConfigurationError(f"{path}: {reason or problem}") from problem
        if len(content) > _LONGEST:
            raise ConfigurationError(f"{path}: longer than {_LONGEST} bytes")
        self.versions[path] = _version(found)
        return content.decode("ascii", "surrogateescape")


def _version(found: os.stat_result) -> _Version:
    return _Version(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _are_same(versions: dict[str, _Version | None]) -> bool:
    """Tell whether files are those that were read."""
    for path, version in versions.items():
        try:
            now = _version(os.stat(path))
        except FileNotFoundError:
            now = _Version()
            if os.path.lexists(path):
                return False
        except (OSError, ValueError):
            return False
        if now != version:
            return False
    return True
