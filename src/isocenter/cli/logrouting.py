"""Messages to the appenders of `--log-config`.

Owns which appenders get a message of which logger, and the set up of `logging` for that. Must
not know what the file looks like (`logconfig`) nor where text goes (`logappenders`).
"""

from __future__ import annotations

import logging
import os

from isocenter.cli import logsetup
from isocenter.cli.levels import DEBUG, ERROR, WARN
from isocenter.cli.logappenders import complain, open_appender
from isocenter.cli.loghandler import message_of, replace_handler
from isocenter.cli.lognames import ROOT, app_name, dcmtk_name, packages
from isocenter.cli.logpattern import Event

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.cli.logappenders import Appender
    from isocenter.cli.logconfig import LogConfig

__all__ = ["Router", "install"]


class Router(logging.Handler):
    """Gives records to the appenders that the configuration has for their loggers.

    Args:
        config: what the file says.

    Raises:
        ConfigurationError: an appender cannot be opened.
    """

    def __init__(self, config: LogConfig) -> None:
        """Open the appenders that a logger names."""
        super().__init__()
        self._config = config
        self._routes: dict[str, tuple[int, str, tuple[Appender, ...]]] = {}
        self._appenders: dict[str, Appender] = {}
        self._complained = False
        self._closed = False
        used = {name for logger in config.loggers.values() for name in logger.appenders}
        try:
            for name, settings in config.appenders.items():
                if name in used:
                    self._appenders[name] = open_appender(settings, config.tool)
        except BaseException:
            self.close()
            raise

    def _route(self, name: str) -> tuple[int, str, tuple[Appender, ...]]:
        """Return level, DCMTK's name and appenders of a logger."""
        route = self._routes.get(name)
        if route is None:
            config = self._config
            appenders = tuple([self._appenders[each] for each in config.appenders_of(name)])
            route = config.level_of(name), dcmtk_name(name, config.tool), appenders
            self._routes[name] = route
        return route

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; nothing once the handler is closed, at the end of a process."""
        if self._closed:
            return
        level, name, appenders = self._route(record.name)
        if record.levelno < level:
            return
        try:
            event = Event(
                record.levelno,
                name,
                logsetup.harmless(message_of(record, traceback=level <= DEBUG)),
                record.created,
                int(record.relativeCreated),
                record.thread or 0,
                record.pathname,
                record.lineno,
                record.funcName or "",
            )
            self._append(event, appenders)
        except Exception:  # noqa: BLE001 - logging's own rule: a bad record must not end the tool
            self.handleError(record)

    def force(self, level: int, message: str, *, root: bool) -> None:
        """Write a message, whatever the level of the logger is; nothing once closed."""
        if self._closed:
            return
        _, name, appenders = self._route(ROOT if root else app_name(self._config.tool))
        now = logging.makeLogRecord({})
        event = Event(
            level,
            name,
            logsetup.harmless(message),
            now.created,
            int(now.relativeCreated),
            now.thread or 0,
        )
        self.acquire()
        try:
            self._append(event, appenders)
        finally:
            self.release()

    def _append(self, event: Event, appenders: tuple[Appender, ...]) -> None:
        for appender in appenders:
            appender.append(event)
        if not appenders and not self._complained:
            self._complained = True
            if self._config.root_level <= ERROR:
                complain(f"No appenders could be found for logger ({event.logger}).")

    def flush(self) -> None:
        """Write what appenders kept back."""
        self.acquire()
        try:
            for appender in self._appenders.values():
                appender.flush()
        finally:
            self.release()

    def close(self) -> None:
        """Flush and close the appenders."""
        self.acquire()
        try:
            for appender in self._appenders.values():
                appender.close()
            self._appenders.clear()
            self._closed = True
        finally:
            self.release()
        super().close()


def install(config: LogConfig) -> Router:
    """Send messages where the configuration says, in the place of what was installed before.

    Raises:
        ConfigurationError: an appender cannot be opened.
    """
    router = Router(config)
    own = {"isocenter", *packages(config.tool), *[name for name in config.loggers if name != ROOT]}
    levels = {name: config.level_of(name) for name in sorted(own) if not name.startswith("dcmtk")}
    # Other libraries are heard as without a configuration: from warnings on.
    levels[""] = max(config.root_level, WARN)
    replace_handler(router, levels)
    _forks.watch(router)
    return router


class _Forks:
    """Sees that a child process does not write once more what its parent kept back."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._router: Router | None = None

    def watch(self, router: Router) -> None:
        """Watch a router, in the place of the one before."""
        if self._router is None and hasattr(os, "register_at_fork"):
            # Held over the fork, so that the child finds no appender in the midst of a message;
            # `logging` gives the child's handlers new locks.
            os.register_at_fork(before=self._before, after_in_parent=self._after)
        self._router = router

    def _before(self) -> None:
        if self._router is not None:
            self._router.acquire()
            self._router.flush()

    def _after(self) -> None:
        if self._router is not None:
            self._router.release()


_forks = _Forks()
"""One for the process: what is registered for forks stays registered."""
