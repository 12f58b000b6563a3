"""Log output of the tools: prefixed lines on stderr, progress dots on stdout.

Owns the prefixes, when the log is set up and the rule when dots appear. Must not know the
command line; it is given a level. Importing this does not import `logging`. The library
itself only logs to loggers below ``isocenter``; nothing but `loghandler` configures them.

Lines look as DCMTK's do: ``F: ``, ``E: ``, ``W: ``, ``I: ``, ``D: `` or ``T: `` in
front of every line of a message. A message below the level is never formatted.
"""

from __future__ import annotations

import sys

from isocenter import logs
from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, WARN

__all__ = ["ProgressDots", "configure", "prefix_of", "write_lines"]

# What a peer sent may stand in a message: it must not move the cursor or forge a line.
_CONTROL = {
    code: f"\\x{code:02x}"
    for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))
    if code not in (9, 10)
}


def prefix_of(level: int) -> str:
    """Return what stands in front of each line of a message of that level."""
    if level >= WARN:
        return "F: " if level >= FATAL else "E: " if level >= ERROR else "W: "
    return "I: " if level >= INFO else "D: " if level >= DEBUG else "T: "


def write_lines(level: int, message: str) -> None:
    """Write a message to stderr whatever the configured level is, in one write.

    Nothing happens where stderr is closed or its reader has gone: a tool goes on with
    its work without a log.
    """
    stream = sys.stderr
    if stream is None:
        return
    if not message.isprintable():
        message = message.translate(_CONTROL)
    prefix = prefix_of(level)
    try:
        stream.write(prefix + message.replace("\n", "\n" + prefix) + "\n")
        stream.flush()
    except (OSError, ValueError):
        return


def configure(level: int) -> None:
    """Send the package's messages of `level` and above to stderr.

    Warnings and errors of other libraries go the same way. A second call replaces the
    first, as in tests that run several tools in one process. Where nothing below a warning
    is asked for, this happens when the first message is due, which may be never.
    """

    def install() -> None:
        from isocenter.cli.loghandler import install

        install(level)

    if level < WARN or "logging" in sys.modules:
        logs.postpone(WARN, None)
        install()
    else:
        logs.postpone(level, install)


class ProgressDots:
    """One dot per PDV on stdout, only where the level is exactly info.

    Attributes:
        enabled: False where every call does nothing; a hot loop asks once.
    """

    __slots__ = ("_label", "enabled")

    def __init__(self, label: str, level: int) -> None:
        """Remember the label, ``XMIT`` or ``RECV``, and whether there are dots at all."""
        self._label = label
        self.enabled = level == INFO

    def begin(self) -> None:
        """Start the line of one object."""
        self._write(f"{self._label}: ")

    def add(self, count: int = 1) -> None:
        """Add dots, one per PDV."""
        self._write("." * count)

    def end(self) -> None:
        """End the line."""
        self._write("\n")

    def _write(self, text: str) -> None:
        stream = sys.stdout
        if not self.enabled or stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            self.enabled = False
