"""Layouts of `--log-config`: how an event becomes text.

Owns `Event`, the three layouts of log4cplus that DCMTK has and the letters of its patterns.
Must not know where the text goes (`logappenders`), nor how a file says which layout (`logconfig`).

Source: `oflog/libsrc/patlay.cc`, `layout.cc` and `timehelp.cc` of DCMTK, and runs of its tools.
"""

from __future__ import annotations

import os
import time

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, OFF, WARN
from isocenter.errors import ConfigurationError
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Layout(Protocol):
        """Makes text of events."""

        def format(self, event: Event) -> str:
            """Return the text of one event, with the newline that ends it."""

    Converter = Callable[["Event", str], str]


__all__ = [
    "Event",
    "PatternLayout",
    "SimpleLayout",
    "TTCCLayout",
    "format_time",
    "host_name",
    "level_word",
]

_DEFAULT_DATE = "%Y-%m-%d %H:%M:%S"
_UNLIMITED = 0x7FFFFFFF
_WIDEST = 65536
"""Characters that the conversions of a pattern may fill up to, together. log4cplus has no such
bound, and one number too many makes each line of the log 2 GiB."""
_DIGITS = "0123456789"


class Event(Record, kw_only=False):
    """One message on its way to the appenders.

    Attributes:
        level: number of `levels`.
        logger: name in DCMTK's hierarchy, ``root`` for the root.
        message: the text, harmless: it has no control characters but newlines and tabs.
        time: when, in seconds since the epoch.
        relative: milliseconds since the program's start.
        thread: identifier of the thread.
        file: path of the source file, "" where unknown.
        line: line in it, -1 where unknown.
        function: what was running, "" where unknown.
    """

    level: int
    logger: str
    message: str
    time: float
    relative: int
    thread: int = 0
    file: str = ""
    line: int = -1
    function: str = ""


def level_word(level: int) -> str:
    """Return the word for a level; those in between have that of the one below."""
    if level >= WARN:
        if level >= OFF:
            return "OFF"
        return "FATAL" if level >= FATAL else "ERROR" if level >= ERROR else "WARN"
    return "INFO" if level >= INFO else "DEBUG" if level >= DEBUG else "TRACE"


def host_name(*, qualified: bool) -> str:
    """Return the name of this machine, with its domain where that is asked for and known."""
    if hasattr(os, "uname"):
        name = os.uname().nodename
    else:
        import platform

        name = platform.node()
    if not qualified:
        return name
    from isocenter.net.resolver import canonical_name

    try:
        return canonical_name(name) or name
    except (OSError, UnicodeError):
        return name


def format_time(pattern: str, moment: float, *, utc: bool) -> str:
    """Return a time as `strftime` does, with log4cplus' `%q` (ms), `%Q` (ms.us) and `%s`.

    Args:
        pattern: a lone ``%`` at its end is left out, as log4cplus has it.
        moment: seconds since the epoch.
        utc: True for UTC, False for local time.

    Raises:
        ValueError: the system does not know a letter of the pattern.
    """
    seconds = int(moment)
    micros = int((moment - seconds) * 1_000_000)
    if "%q" in pattern or "%Q" in pattern or "%s" in pattern or pattern.endswith("%"):
        own = {
            "q": f"{micros // 1000:03d}",
            "Q": f"{micros // 1000:03d}.{micros % 1000:03d}",
            "s": str(seconds),
        }
        text = ""
        letters = iter(pattern)
        for letter in letters:
            if letter == "%":
                letter = next(letters, "")  # noqa: PLW2901 - the letter behind the sign
                text += own.get(letter, "%" + letter) if letter else ""
            else:
                text += letter
        pattern = text
    return time.strftime(pattern, time.gmtime(seconds) if utc else time.localtime(seconds))


class SimpleLayout:
    """``LEVEL - message``; also what an appender without a layout has."""

    def format(self, event: Event) -> str:
        """Return the text."""
        return f"{level_word(event.level)} - {event.message}\n"


class TTCCLayout:
    """Time, thread, level, logger, (empty) context and message.

    Args:
        date_format: of `format_time`; "" for the milliseconds since the program's start.
        utc: show times in UTC.
    """

    def __init__(self, date_format: str, *, utc: bool) -> None:
        """Keep the arguments."""
        self._date_format = date_format
        self._utc = utc

    def format(self, event: Event) -> str:
        """Return the text."""
        when = (
            format_time(self._date_format, event.time, utc=self._utc)
            if self._date_format
            else str(event.relative)
        )
        return (
            f"{when} [{event.thread}] {level_word(event.level)} {event.logger} <> - "
            f"{event.message}\n"
        )


class PatternLayout:
    """Text by a conversion pattern, for each line of a message.

    Args:
        pattern: literal text and conversions, for instance ``%D{%H:%M:%S} %5p: %m%n``.
        each_line: apply it to every line of a message, not once to all of them.

    Raises:
        ConfigurationError: something in the pattern is no conversion.
    """

    def __init__(self, pattern: str, *, each_line: bool = True) -> None:
        """Find the conversions."""
        self._parts = _Parser(pattern).parse()
        self._each_line = each_line

    def format(self, event: Event) -> str:
        """Return the text."""
        if self._each_line and "\n" in event.message:
            return "".join([self._line(event, line) for line in event.message.split("\n")])
        return self._line(event, event.message)

    def _line(self, event: Event, message: str) -> str:
        return "".join([part(event, message) for part in self._parts])


class _Parser:
    """Cuts a pattern into functions that make text."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._width = 0

    def parse(self) -> list[Converter]:
        pattern = self._pattern
        parts: list[Converter] = []
        literal = ""
        while self._at < len(pattern):
            character = pattern[self._at]
            self._at += 1
            if character != "%" or self._at == len(pattern):
                literal += character
            elif pattern[self._at] == "%":
                literal += "%"
                self._at += 1
            else:
                if literal:
                    parts.append(_literal(literal))
                literal = ""
                parts.append(self._conversion())
        if literal or not parts:
            # An empty pattern shows messages without anything between them.
            parts.append(_literal(literal) if literal else _message)
        return parts

    def _conversion(self) -> Converter:
        """Read what follows the sign: ``-``, minimum width, maximum width, letter, option."""
        start = self._at - 1
        left = False
        while self._peek() == "-":
            left = True
            self._at += 1
        minimum = self._number()
        self._width += minimum
        if self._width > _WIDEST:
            self._at -= 1
            raise self._problem(start, f"makes lines wider than {_WIDEST} characters")
        maximum = _UNLIMITED
        if self._peek() == ".":
            self._at += 1
            if self._peek() not in _DIGITS:
                raise self._problem(start, "has no number behind the point")
            maximum = self._number()
        letter = self._peek()
        self._at += 1
        convert = self._converter(letter, start)
        if minimum <= 0 and maximum == _UNLIMITED:
            return convert
        return _fitted(convert, minimum, maximum, left=left)

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1] or "\0"

    def _number(self) -> int:
        start = self._at
        while self._peek() in _DIGITS:
            self._at += 1
        return min(int(self._pattern[start : self._at][:10] or "0"), _UNLIMITED)

    def _problem(self, start: int, what: str) -> ConfigurationError:
        return ConfigurationError(f"'{self._pattern[start : self._at + 1]}' in the pattern {what}")

    def _option(self, start: int) -> str:
        if self._peek() != "{":
            return ""
        end = self._pattern.find("}", self._at)
        if end < 0:
            raise self._problem(start, "has no closing brace")
        option = self._pattern[self._at + 1 : end]
        self._at = end + 1
        return option

    def _converter(self, letter: str, start: int) -> Converter:
        simple = _SIMPLE.get(letter)
        if simple is not None:
            return simple
        if letter == "c":
            return _logger(_leading_number(self._option(start)))
        if letter in "dD":
            return self._date(start, utc=letter == "d")
        if letter in "hH":
            return _literal(host_name(qualified=letter == "H"))
        if letter == "X":
            self._option(start)  # nothing is ever put into the mapped context
            return _empty
        self._at -= 1
        raise self._problem(start, "is no conversion")

    def _date(self, start: int, *, utc: bool) -> Converter:
        pattern = self._option(start) or _DEFAULT_DATE
        try:
            format_time(pattern, 0.0, utc=utc)
        except ValueError as problem:
            raise self._problem(start, f"is no date: {problem}") from problem

        def convert(event: Event, message: str) -> str:
            del message
            return format_time(pattern, event.time, utc=utc)

        return convert


def _leading_number(text: str) -> int:
    """Read what `atoi` reads."""
    text = text.strip()
    length = len(text) - len(text.lstrip(_DIGITS))
    return int(text[:length][:9] or "0")


def _fitted(convert: Converter, minimum: int, maximum: int, *, left: bool) -> Converter:
    """Fill up with blanks, or keep the last `maximum` characters."""

    def fit(event: Event, message: str) -> str:
        text = convert(event, message)
        if len(text) > maximum:
            return text[len(text) - maximum :]
        return text.ljust(minimum) if left else text.rjust(minimum)

    return fit


def _literal(text: str) -> Converter:
    return lambda event, message: text  # noqa: ARG005 - a converter takes both


def _logger(precision: int) -> Converter:
    """Return the last `precision` parts of the logger's name, all of it for 0."""

    def convert(event: Event, message: str) -> str:
        del message
        if precision <= 0:
            return event.logger
        return ".".join(event.logger.split(".")[-precision:])

    return convert


def _message(event: Event, message: str) -> str:
    del event
    return message


def _empty(event: Event, message: str) -> str:
    del event, message
    return ""


def _native_thread(event: Event, message: str) -> str:
    # Formatting happens in the thread that logs.
    import _thread

    del message
    own = getattr(_thread, "get_native_id", None)
    return str(event.thread if own is None else own())


_SIMPLE: dict[str, Converter] = {
    "b": lambda event, _: os.path.basename(event.file),
    "F": lambda event, _: event.file,
    "i": lambda *_: str(os.getpid()),
    "l": lambda event, _: f"{event.file}:{event.line}" if event.file else ":",
    "L": lambda event, _: "" if event.line < 0 else str(event.line),
    "m": _message,
    "M": lambda event, _: event.function,
    "n": lambda *_: "\n",
    "p": lambda event, _: level_word(event.level),
    "P": lambda event, _: level_word(event.level)[0],
    "r": lambda event, _: str(event.relative),
    "t": lambda event, _: str(event.thread),
    "T": _native_thread,
    "x": _empty,
}
