"""Log output of the tools: prefixed lines on stderr, progress dots on stdout.

Owns the prefixes, when the log is set up and the rule when dots appear. Must not know the
command line; it is given a level, or what a log configuration says (`logconfig`), which is
loaded only then. Importing this does not import `logging`. The library itself only logs to
loggers below ``isocenter``; nothing but `loghandler` and `logrouting` configures them.

Without a configuration lines look as DCMTK's do: ``F: ``, ``E: ``, ``W: ``, ``I: ``, ``D: ``
or ``T: `` in front of every line of a message. A message below the level is never formatted.
"""

from __future__ import annotations

import sys

from isocenter import logs
from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, WARN

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from isocenter.cli.logconfig import LogConfig
    from isocenter.cli.logrouting import Router

__all__ = [
    "ProgressDots",
    "configure",
    "configure_from",
    "edit_messages",
    "edited",
    "harmless",
    "prefix_of",
    "put_text",
    "write_lines",
]

_router: Router | None = None
_editor: Callable[[str], str] | None = None

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


def harmless(message: str) -> str:
    """Return a message without control characters but newlines and tabs.

    A byte of a file name that is no text (``os.fsdecode``) stays, for `put_text` to write.
    """
    if message.isprintable():
        return message
    message = message.translate(_CONTROL)
    try:
        message.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return message.encode("utf-8", "backslashreplace").decode("utf-8")
    return message


def put_text(stream: TextIO, text: str) -> None:
    """Write text, and the bytes of file names that are no text as they are.

    What the stream's encoding lacks is written as its code.

    Raises:
        OSError, ValueError: the stream is closed, or does not take it.
    """
    if text.isascii():
        stream.write(text)
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        pass
    else:
        stream.write(text)
        return
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        try:
            data = text.encode(encoding, "surrogateescape")
        except UnicodeEncodeError:
            pass
        else:
            stream.flush()
            buffer.write(data)
            return
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def edit_messages(editor: Callable[[str], str] | None) -> None:
    """Have every message of a logger changed before it is shown; None changes nothing."""
    global _editor  # noqa: PLW0603 - as `logging`, one for the process
    _editor = editor


def edited(message: str) -> str:
    """Return a message as it is to be shown."""
    return message if _editor is None else _editor(message)


def write_lines(level: int, message: str, *, root: bool = False) -> None:
    """Write a message whatever the configured level is, in one write.

    It goes to stderr, or under a log configuration to the tool's appenders. Nothing happens
    where stderr is closed or its reader has gone: a tool goes on with its work without a log.

    Args:
        level: its level.
        message: may have several lines.
        root: under a log configuration it is the root's message and not the tool's.
    """
    if _router is not None:
        _router.force(level, message, root=root)
        return
    stream = sys.stderr
    if stream is None:
        return
    message = harmless(message)
    prefix = prefix_of(level)
    try:
        put_text(stream, prefix + message.replace("\n", "\n" + prefix) + "\n")
        stream.flush()
    except (OSError, ValueError):
        return


def configure(level: int) -> None:
    """Send the package's messages of `level` and above to stderr.

    Warnings and errors of other libraries go the same way. A second call replaces the
    first, as in tests that run several tools in one process. Where nothing below a warning
    is asked for, this happens when the first message is due, which may be never.
    """
    global _router  # noqa: PLW0603 - as `logging`, one for the process
    _router = None
    edit_messages(None)

    def install() -> None:
        from isocenter.cli.loghandler import install

        install(level)

    if level < WARN or "logging" in sys.modules:
        logs.postpone(WARN, None)
        install()
    else:
        logs.postpone(level, install)


def configure_from(config: LogConfig) -> None:
    """Send messages where a log configuration says, in the place of a call before.

    Raises:
        ConfigurationError: a file or lock file of it cannot be opened.
    """
    global _router  # noqa: PLW0603 - as `logging`, one for the process
    from isocenter.cli import logrouting

    edit_messages(None)
    logs.postpone(WARN, None)
    _router = logrouting.install(config)


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
