"""The log handler of the tools.

Owns what needs `logging`, and so is imported when the first message is to be shown: what a
record says, and where it goes without `--log-config`. Must not know how a line looks
(`logsetup`).
"""

from __future__ import annotations

import logging

from isocenter.cli.levels import DEBUG, TRACE, WARN
from isocenter.cli.logsetup import edited, write_lines
from isocenter.logs import one_line

__all__ = ["LineHandler", "install", "message_of", "replace_handler"]

logging.addLevelName(TRACE, "TRACE")


def message_of(record: logging.LogRecord, *, traceback: bool) -> str:
    """Return what a record says, with control characters yet.

    What was put into the midst of a line does not break it: a name or text of a peer with a
    newline in it, or a path, would look like a line of the log. Text that has a line to itself,
    as a dump does, may have several; an error may not.

    Args:
        record: of `logging`.
        traceback: put the traceback, if there is one, behind it.
    """
    message = record.getMessage()
    if record.args and message.count("\n") > str(record.msg).count("\n"):
        message = _kept_on_its_line(str(record.msg), record.args, message)
    if record.exc_info and traceback:
        from traceback import format_exception

        message += "\n" + "".join(format_exception(*record.exc_info)).rstrip()
    return edited(message)


def _kept_on_its_line(text: str, arguments: object, message: str) -> str:
    if not isinstance(arguments, tuple):
        return message
    import re

    kept = list(arguments)
    conversions = [
        found for found in re.finditer(r"%[^a-zA-Z%]*[a-zA-Z%]", text) if found.group() != "%%"
    ]
    if len(conversions) != len(kept):
        return message
    for at, found in enumerate(conversions):
        begins_line = found.start() == 0 or text[found.start() - 1] == "\n"
        ends_line = found.end() == len(text) or text[found.end()] == "\n"
        is_text = begins_line and ends_line and not isinstance(kept[at], BaseException)
        if found.group().endswith("s") and not is_text:
            kept[at] = one_line(str(kept[at]))
    return text % tuple(kept)


class LineHandler(logging.Handler):
    """Writes records as prefixed lines; a traceback only where the level is debug."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            message = message_of(record, traceback=self.level <= DEBUG)
        except Exception:  # noqa: BLE001 - logging's own rule: a bad record must not end the tool
            self.handleError(record)
            return
        write_lines(record.levelno, message)


def install(level: int) -> None:
    """Send the package's messages of `level` and above to stderr, and warnings of others."""
    replace_handler(LineHandler(level), {"isocenter": level})


def replace_handler(handler: logging.Handler, levels: dict[str, int]) -> None:
    """Put a handler in the place of the one that a call before put there.

    Args:
        handler: gets the records of all loggers.
        levels: the lowest level of each logger that has one, "" for the root.
    """
    _installed.replace(handler, levels)


class _Installed:
    """What was put in place, to be undone when something else takes that place."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._handler: logging.Handler | None = None
        self._names: tuple[str, ...] = ()

    def replace(self, handler: logging.Handler, levels: dict[str, int]) -> None:
        """Undo what was put in place before, and put a handler and levels there."""
        root = logging.getLogger()
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        for name in self._names:
            logging.getLogger(name).setLevel(logging.NOTSET if name else WARN)
        self._handler, self._names = handler, tuple(levels)
        root.addHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


_installed = _Installed()
"""One for the process, as the loggers of `logging` are."""
