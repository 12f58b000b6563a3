"""Files of rules: lines of words and of ``key=value``, with their places.

Owns the grammar that files of rules share. Must not know what any key means.

One rule stands on each line: words, and keys with values (``calling=CT1``), separated by blanks.
A value with blanks stands in quotes, single or double; there is no escape, so a value
may have one of them, not both. What follows ``#`` at the beginning of a word is a comment.

Bytes beyond ASCII are read as Latin-1, one character for each, as AE titles are (`aetitle`).
"""

from __future__ import annotations

from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple
from isocenter.security.trusted_files import read_trusted, warn_of_rights

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

__all__ = ["RuleLine", "Word", "fail", "lines_of", "read_text", "shown", "words_of"]

_LONGEST = 1024 * 1024
"""Bytes of a file. Rules of that size have tens of thousands of lines."""
_SHOWN = 60
"""Letters of a word or rule that an error or a log line shows."""
_BLANKS = " \t\r"
_MARK = b"\xef\xbb\xbf"
"""What some editors put before text in UTF-8."""


class Word(NamedTuple):
    """A word of a line.

    Fields: `column` of its first letter, from 1; `key`, "" where there is no "="; `value`
    without quotes.
    """

    column: int
    key: str
    value: str


class RuleLine(NamedTuple):
    """A line that says something: its `number`, from 1, its `text` and its `words`."""

    number: int
    text: str
    words: tuple[Word, ...]


def read_text(path: str) -> str:
    """Return what is in a file; a warning tells where others can change it.

    Raises:
        ConfigurationError: it cannot be read, is longer than 1 MiB, or is no file; the message
            names it.
    """
    content, mode = read_trusted(path, _LONGEST)
    warn_of_rights(path, mode, secret=False)
    return content.removeprefix(_MARK).decode("latin-1")


def lines_of(text: str, path: str) -> Iterator[RuleLine]:
    """Yield the lines of a file that say something.

    Raises:
        ConfigurationError: a quote has no end, or letters follow it; the message names file,
            line and column.
    """
    for number, line in enumerate(text.split("\n"), 1):
        try:
            words = tuple(words_of(line))
        except _Misplaced as problem:
            fail(path, number, problem.column, problem.reason)
        if words:
            yield RuleLine(number, shown(line.strip(_BLANKS)), words)


def fail(path: str, line: int, column: int, reason: str) -> NoReturn:
    """Raise the error that names a place in a file.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(f"{path}, line {line}, column {column}: {reason}")


class _Misplaced(Exception):
    """Something is wrong in a column of a line."""

    def __init__(self, column: int, reason: str) -> None:
        self.column = column
        self.reason = reason


def words_of(line: str) -> Iterator[Word]:
    """Yield the words of a line, up to a comment."""
    at = 0
    while at < len(line):
        if line[at] in _BLANKS:
            at += 1
            continue
        if line[at] == "#":
            return
        start = at
        while at < len(line) and line[at] not in _BLANKS + "=\"'":
            at += 1
        key = line[start:at]
        if at == len(line) or line[at] in _BLANKS:
            yield Word(start + 1, "", key)
        elif line[at] != "=":
            raise _Misplaced(at + 1, "a quote has no place within a word")
        elif not key:
            raise _Misplaced(start + 1, 'nothing before "="')
        else:
            value, at = _value(line, at + 1)
            yield Word(start + 1, key, value)


def _value(line: str, at: int) -> tuple[str, int]:
    """Return the value that begins at an index, and the index behind it."""
    if line[at : at + 1] in {'"', "'"}:
        end = line.find(line[at], at + 1)
        if end < 0:
            raise _Misplaced(at + 1, "this quote has no end")
        if line[end + 1 : end + 2].strip(_BLANKS):
            raise _Misplaced(end + 2, "a blank is missing behind the quotes")
        return line[at + 1 : end], end + 1
    end = at
    while end < len(line) and line[end] not in _BLANKS:
        if line[end] in "\"'":
            raise _Misplaced(end + 1, "a quote has no place within a value")
        end += 1
    if end == at:
        raise _Misplaced(at, 'nothing behind "="')
    return line[at:end], end


def shown(text: str) -> str:
    """Return a part of a file as a line of a log may show it."""
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
