"""The log handler of the tools.

Owns what needs `logging`, and so is imported when the first message is to be shown. Must
not know how a line looks (`logsetup`).
"""

from __future__ import annotations

import logging

from isocenter.cli.levels import DEBUG, TRACE
from isocenter.cli.logsetup import write_lines

__all__ = ["LineHandler", "install"]

logging.addLevelName(TRACE, "TRACE")


class LineHandler(logging.Handler):
    """Writes records as prefixed lines; a traceback only where the level is debug."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            message = record.getMessage()
            if record.exc_info and self.level <= DEBUG:
                import traceback

                message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        except Exception:  # noqa: BLE001 - logging's own rule: a bad record must not end the tool
            self.handleError(record)
            return
        write_lines(record.levelno, message)


def install(level: int) -> None:
    """Send the package's messages of `level` and above to stderr, and warnings of others."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LineHandler)]:
        root.removeHandler(handler)
    root.addHandler(LineHandler(level))
    logging.getLogger("isocenter").setLevel(level)
