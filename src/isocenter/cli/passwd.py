"""``isocenter passwd FILE USER``: add, change or delete a user in a file of users.

Owns how a password is asked for, and how the file is replaced: all lines of others stay as they
are, and nobody ever sees half of it. Must not know what is in a line (`security.users`).
"""

from __future__ import annotations

import os
import sys

from isocenter.cli.exitcodes import ExitCode
from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isocenter.security.users import User

__all__ = ["LONGEST_PASSWORD", "main"]

LONGEST_PASSWORD = 1024
"""Bytes, inclusive."""

_USAGE = """\
usage: isocenter passwd [OPTIONS] FILE USER

Adds a user to the file for storescp --users, changes the password of one, or
deletes one. The password is asked for twice; where standard input is no
terminal it is the first line there. A running server reads the file again
when it gets SIGHUP.

options:
  --algorithm NAME  how the password is kept: argon2id (default) or scrypt
  --titles LIST     the user may only call from these AE titles, with commas
                    between them; "" for any (default: as before, any at first)
  --delete          delete the user
  -h, --help        show this text and exit
"""


class _UsageError(Exception):
    """The command line cannot be understood."""


class _Wish:
    """What the command line says."""

    __slots__ = ("algorithm", "deleting", "path", "titles", "user")

    def __init__(self, argv: Sequence[str]) -> None:
        """Read it.

        Raises:
            _UsageError: it cannot be understood.
        """
        self.algorithm = "argon2id"
        self.titles: str | None = None
        self.deleting = False
        names: list[str] = []
        words = iter(argv)
        for word in words:
            if word == "--":
                names += words
            elif word == "--delete":
                self.deleting = True
            elif word == "--algorithm":
                self.algorithm = _value(word, words)
            elif word == "--titles":
                self.titles = _value(word, words)
            elif word.startswith("-"):
                raise _UsageError(f"unknown option {word}")
            else:
                names.append(word)
        if len(names) != 2:
            raise _UsageError("expected FILE and USER")
        self.path, self.user = names
        if self.algorithm not in ("argon2id", "scrypt"):
            raise _UsageError(f"algorithm {self.algorithm}: expected argon2id or scrypt")
        if self.deleting and self.titles is not None:
            raise _UsageError("--delete and --titles exclude each other")


def _value(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise _UsageError(f"{option} needs a value")
    return value


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `isocenter passwd` with the arguments behind that; return the exit code."""
    del env
    if list(argv) in (["--help"], ["-h"]):
        _say(_USAGE, sys.stdout)
        return ExitCode.SUCCESS
    try:
        wish = _Wish(argv)
    except _UsageError as problem:
        _say(f"isocenter passwd: {problem}, see isocenter passwd --help\n", sys.stderr)
        return ExitCode.FAILURE
    try:
        done = _change(wish)
    except (ConfigurationError, OSError, MemoryError) as problem:
        reason = str(problem) or "not enough memory"
        if isinstance(problem, OSError) and problem.strerror:
            reason = f"{wish.path}: {problem.strerror}"  # it was something temporary beside it
        _say(f"isocenter passwd: {reason}\n", sys.stderr)
        return ExitCode.FAILURE
    _say(f"{done}\n", sys.stdout)
    return ExitCode.SUCCESS


def _say(text: str, stream: object) -> None:
    if stream is not None:
        print(text, end="", file=stream, flush=True)  # type: ignore[call-overload]  # a stream


def _change(wish: _Wish) -> str:
    """Do what is wished; return what was done.

    Raises:
        ConfigurationError: the file or the wish cannot be used; nothing was changed.
        OSError: the file cannot be read or written; nothing was changed.
    """
    from isocenter.security.users import check_name, parse_users

    user = os.fsencode(wish.user).decode("utf-8", "backslashreplace")
    try:
        check_name(user)
    except ValueError as problem:
        raise ConfigurationError(str(problem)) from problem
    path = os.path.realpath(wish.path)
    folder = os.path.dirname(path)
    parse_users(_content(path), wish.path)  # before anybody types a password
    if not os.path.exists(folder):
        raise ConfigurationError(f"{folder}: No such file or directory (make it: mkdir -p)")
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"{folder}: no permission to write there")
    _check_titles(wish.titles)
    kept = "" if wish.deleting else _kept(wish.algorithm)
    with _Locked(os.path.dirname(path)):
        content = _content(path)
        known = parse_users(content, wish.path).get(user)
        if wish.deleting and known is None:
            raise ConfigurationError(f"{wish.path} has no user {user}")
        line = "" if wish.deleting else f"{user}:{kept}{_third_field(wish, known)}"
        changed = _with_line(content, known, line.encode())
        parse_users(changed, wish.path)
        _replace(path, changed)
    verb = "deleted" if wish.deleting else "added" if known is None else "changed"
    return f"{verb} user {user} in {wish.path}"


def _check_titles(listed: str | None) -> None:
    """Refuse titles that nobody can have.

    Raises:
        ConfigurationError: there is one, or an empty one among others.
    """
    from isocenter.aetitle import check

    for title in listed.split(",") if listed else ():
        try:
            check("--titles:", title.strip())
        except ValueError as problem:
            raise ConfigurationError(str(problem)) from problem
        if not title.strip():
            raise ConfigurationError("--titles: an AE title is empty")


def _third_field(wish: _Wish, known: User | None) -> str:
    """Return the titles of a line with the colon before them, "" for any title."""
    if wish.titles is not None:
        return f":{os.fsencode(wish.titles).decode('utf-8', 'replace')}" if wish.titles else ""
    return f":{','.join(known.titles)}" if known is not None and known.titles else ""


def _with_line(content: bytes, known: User | None, line: bytes) -> bytes:
    """Return a file's content with a line replaced, removed ("" for it) or added."""
    lines = content.split(b"\n")
    if known is not None:
        lines[known.line - 1 : known.line] = [line] if line else []
    else:
        if not lines[-1]:
            del lines[-1]
        lines += [line, b""]
    return b"\n".join(lines)


def _kept(algorithm: str) -> str:
    """Ask for a new password and return what is kept of it.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    from isocenter.security.passwords import hash_password

    password = _typed() if sys.stdin is not None and sys.stdin.isatty() else _piped()
    if not password:
        raise ConfigurationError("no password: an empty one would let in everybody")
    if len(password) > LONGEST_PASSWORD:
        raise ConfigurationError(f"the password is longer than {LONGEST_PASSWORD} bytes")
    try:
        password.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError("the password is no UTF-8, as peers have to send it") from None
    try:
        return hash_password(password, algorithm).encode()
    except ValueError as problem:
        raise ConfigurationError(str(problem)) from problem


def _typed() -> bytes:
    """Return what is typed twice without being shown.

    Raises:
        ConfigurationError: it was not the same.
    """
    from getpass import getpass

    try:
        first = getpass("New password: ")
        second = getpass("Once more: ")
    except EOFError:
        return b""
    if first != second:
        raise ConfigurationError("these are two passwords, nothing was changed")
    return os.fsencode(first)


def _piped() -> bytes:
    """Return the first line of standard input."""
    line = b"" if sys.stdin is None else sys.stdin.buffer.readline(LONGEST_PASSWORD + 3)
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _content(path: str) -> bytes:
    """Return what is in the file, nothing where there is none.

    Raises:
        ConfigurationError: it is too long.
        OSError: it cannot be read.
    """
    from isocenter.security.users import LONGEST_FILE

    try:
        with open(path, "rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except FileNotFoundError:
        return b""
    if len(content) > LONGEST_FILE:
        raise ConfigurationError(f"{path}: longer than {LONGEST_FILE} bytes")
    return content


class _Locked:
    """A folder in which no other `isocenter passwd` changes a file; no lock where there is none."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        self._descriptor = os.open(self._folder, os.O_RDONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _replace(path: str, content: bytes) -> None:
    """Put a file in the place of another, whole or not at all.

    It is for its owner alone; one that was there before keeps its owner and group, and its group
    may read it if it could.

    Raises:
        OSError: that failed, and the file is as it was.
    """
    import tempfile

    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path)
    )
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            _take_rights(path, file.fileno())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


def _take_rights(path: str, descriptor: int) -> None:
    """Give a new file, which is its owner's alone, the owner and group of one that is there."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    if hasattr(os, "fchown"):
        new = os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, 0o600 | old.st_mode & 0o040)


def _sync_folder(folder: str) -> None:
    """Have the system write down that a name stands for another file."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
