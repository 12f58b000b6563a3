"""Loggers that cost nothing until somebody listens.

Owns `get_logger` and what a tool may postpone. Must not import `logging` itself until it
is needed: that takes 7 ms, a tenth of the time in which a tool at its default level sends
a file and says nothing.

As long as nobody in the process has imported `logging`, nobody can have set a level or
added a handler, so a message below warning would be dropped, and is. From the moment
`logging` is there, every call goes to the real logger of the same name.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "Logger",
    "Tolerance",
    "association_label",
    "get_logger",
    "load_logging",
    "one_line",
    "postpone",
    "shut_down",
]

DEBUG = 10
INFO = 20
WARNING = 30
ERROR = 40
CRITICAL = 50
"""The numbers of `logging`."""

_MOST_TOLERATED = 16
"""Different deviations logged for an association at most."""

_threshold = WARNING
_postponed: Callable[[], None] | None = None


class Logger:
    """The part of `logging.Logger` that this package uses, with the same meaning.

    Args:
        name: the logger's name in `logging`.
    """

    __slots__ = ("_name", "_real")

    def __init__(self, name: str) -> None:
        """Remember the name."""
        self._name = name
        self._real: logging.Logger | None = None

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name in `logging`
        """Tell whether a message of that level would be looked at by anybody."""
        if self._real is None and "logging" not in sys.modules:
            return level >= _threshold
        return self._logger().isEnabledFor(level)

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Log at a level given as a number."""
        if self.isEnabledFor(level):
            self._logger().log(level, message, *arguments, stacklevel=2)

    def debug(self, message: str, *arguments: object) -> None:
        """Log what helps to find a fault."""
        if self.isEnabledFor(DEBUG):
            self._logger().debug(message, *arguments, stacklevel=2)

    def info(self, message: str, *arguments: object) -> None:
        """Log what went as it should."""
        if self.isEnabledFor(INFO):
            self._logger().info(message, *arguments, stacklevel=2)

    def warning(self, message: str, *arguments: object) -> None:
        """Log what was tolerated."""
        if self.isEnabledFor(WARNING):
            self._logger().warning(message, *arguments, stacklevel=2)

    def error(
        self, message: str, *arguments: object, exc_info: BaseException | None = None
    ) -> None:
        """Log what failed, with the exception that says why, if given."""
        if self.isEnabledFor(ERROR):
            self._logger().error(message, *arguments, exc_info=exc_info, stacklevel=2)

    def exception(self, message: str, *arguments: object) -> None:
        """Log what failed, with the exception being handled."""
        if self.isEnabledFor(ERROR):
            self._logger().exception(message, *arguments, stacklevel=2)

    def critical(self, message: str, *arguments: object) -> None:
        """Log what ends the program."""
        if self.isEnabledFor(CRITICAL):
            self._logger().critical(message, *arguments, stacklevel=2)

    def _logger(self) -> logging.Logger:
        """Return the real one."""
        if _postponed is not None:
            _run_postponed()
        if self._real is None:
            import logging

            self._real = logging.getLogger(self._name)
        return self._real


def get_logger(name: str) -> Logger:
    """Return a logger that is `logging`'s of that name, once there is one to ask."""
    return Logger(name)


def postpone(level: int, configure: Callable[[], None] | None) -> None:
    """Have log output set up only when there is something to log.

    Args:
        level: messages below it are dropped until then.
        configure: sets `logging` up; called once, before the first message or as soon as
            something else has imported `logging` and this package asks it for a level.
            None forgets what was postponed.
    """
    global _postponed, _threshold  # noqa: PLW0603 - as `logging`, one for the process
    _postponed = configure
    _threshold = level


def _run_postponed() -> None:
    configure = _postponed
    postpone(WARNING, None)
    if configure is not None:
        configure()


def load_logging() -> None:
    """Import and set up `logging` now, where it may not be possible when there is a message."""
    import logging  # noqa: F401 - to have it

    _run_postponed()


def shut_down() -> None:
    """Flush and close what `logging` has open, at the end of a process that skips `atexit`."""
    if "logging" in sys.modules:
        import logging

        logging.shutdown()


def one_line(text: str) -> str:
    """Return text that stays on its line of a log: a newline would begin one that nobody wrote."""
    return text.replace("\n", "\\x0a")


class Tolerance:
    """What was borne with on one association: each deviation is logged once.

    Args:
        logger: who logs it.
    """

    __slots__ = ("_logger", "_seen")

    def __init__(self, logger: Logger) -> None:
        """Start with nothing."""
        self._logger = logger
        self._seen: set[str] = set()

    def log(self, deviations: Iterable[str], label: str) -> None:
        """Log those that were not; `label` says on which association."""
        for deviation in deviations:
            # How many different ones there may be is the peer's choice: lengths are numbers.
            if deviation not in self._seen and len(self._seen) < _MOST_TOLERATED:
                self._seen.add(deviation)
                self._logger.info("tolerated: %s (%s)", deviation, label)


def association_label(number: int, titles: tuple[str, str] | None, peer_address: str) -> str:
    """Return how log lines tell an association from others.

    Args:
        number: process id of its owner, shifted by 32, and a count within that process.
        titles: the calling and the called one, once they are known.
        peer_address: as the association names its peer.
    """
    names = "" if titles is None else f"{titles[0].strip()!a} to {titles[1].strip()!a}, "
    return f"association {number >> 32}.{number & 0xFFFFFFFF}, {names}{peer_address}"
