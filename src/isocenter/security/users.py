"""A file of users and their kept passwords, and who may call from where.

Owns the format of the file, and that nobody can tell a user that there is not from one with
another password. Must not know how a password is kept (`passwords`) nor when it may be tested
(`pace`).

One user a line; empty lines and lines that begin with ``#`` are left out:

    name:hash
    name:hash:AE title,AE title

The name is UTF-8 without colon. With a third field the user may only call from an application
entity with one of these titles. `isocenter passwd` writes such lines.

PS3.7 D.3.3.7, PS3.15 B.5.
"""

from __future__ import annotations

import os

from isocenter import aetitle
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import Record
from isocenter.security.identity import IdentifiedUser, IdentityRefused
from isocenter.security.pace import Pace, TooManyAttempts
from isocenter.security.passwords import decoy, is_password, parse_hash, prepare
from isocenter.security.trusted_files import read_trusted, warn_of_rights
from isocenter.ul.pdu import UserIdentityType

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.security.identity import IdentityClaim
    from isocenter.security.passwords import PasswordHash

__all__ = ["LONGEST_FILE", "LONGEST_NAME", "User", "UserFile", "check_name", "parse_users"]

_LOGGER = get_logger(__name__)

LONGEST_FILE = 8 * 1024 * 1024
"""Bytes of a file, inclusive: some 50000 users."""

LONGEST_NAME = 256
"""Bytes of a user's name, inclusive."""


class User(Record, hidden=("password",)):
    """A line of the file.

    Fields:
        name: of the user.
        password: what is kept of it.
        titles: AE titles that the user may call from, empty for any.
        line: number of the line, from 1.
    """

    name: str
    password: PasswordHash
    titles: tuple[str, ...]
    line: int


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a user in a file.

    Raises:
        ValueError: it cannot; the message says why.
    """
    if not name or name != name.strip() or name.startswith("#"):
        raise ValueError("a user's name is not empty, begins with no # and has no blanks around it")
    if ":" in name or not name.isprintable():
        raise ValueError("a user's name has no colon and nothing unprintable")
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"a user's name is longer than {LONGEST_NAME} bytes")


def parse_users(content: bytes, path: str) -> dict[str, User]:
    """Return the users of a file by name.

    Args:
        content: of the file.
        path: its name, for messages.

    Raises:
        ConfigurationError: a line cannot be used; the message has file, line and reason, and
            nothing of a hash.
    """
    users: dict[str, User] = {}
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8").strip()
            if not line or line.startswith("#"):
                continue
            user = _parse_line(line, number, users)
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path}, line {number}: no UTF-8") from None
        except ValueError as problem:
            raise ConfigurationError(f"{path}, line {number}: {problem}") from None
        users[user.name] = user
    return users


def _parse_line(line: str, number: int, others: Mapping[str, User]) -> User:
    """Return what a line says.

    Raises:
        ValueError: it is none, or its user is one of the others.
    """
    name, colon, rest = line.partition(":")
    if not colon:
        raise ValueError("no colon behind the user's name")
    check_name(name)
    if name in others:
        raise ValueError(f"the same user is in line {others[name].line}")
    kept, colon, listed = rest.partition(":")
    titles = tuple(title.strip() for title in listed.split(",")) if colon else ()
    if not all(titles):
        raise ValueError("an AE title behind the second colon is empty")
    for place, title in enumerate(titles, 1):
        try:
            aetitle.check("calling", title)
        except ValueError:  # it shows the title, and where a colon is too many that is a hash
            raise ValueError(
                f"AE title {place} behind the second colon: 1 to 16 printable ASCII characters, "
                "no backslash"
            ) from None
    return User(name=name, password=parse_hash(kept), titles=titles, line=number)


class UserFile:
    """Users whose passwords are kept in a file (an `IdentityProvider`); for any thread.

    Only user names with a passcode are its own: a name alone proves nothing.

    Passwords are tested two at a time, and later and later for those who guess: see
    `isocenter.security.pace`.

    Args:
        path: of the file.
        pace: when a password may be tested; of its own where None.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    __slots__ = ("_decoys", "_pace", "_path", "_users")

    def __init__(self, path: str | os.PathLike[str], *, pace: Pace | None = None) -> None:
        """Read the file."""
        self._path = os.fspath(path)
        self._pace = Pace() if pace is None else pace
        self._users: dict[bytes, User] = {}
        self._decoys: tuple[PasswordHash, ...] = ()
        self.reload()

    @property
    def count(self) -> int:
        """How many users there are."""
        return len(self._users)

    def reload(self) -> None:
        """Read the file again; who is identified already is not asked again.

        Raises:
            ConfigurationError: the file cannot be used; the users stay as they were.
        """
        file = read_trusted(self._path, LONGEST_FILE)
        warn_of_rights(self._path, file.mode, secret=True)
        users = parse_users(file.content, self._path)
        try:
            for algorithm in {user.password.algorithm for user in users.values()}:
                prepare(algorithm)
        except ValueError as problem:
            raise ConfigurationError(f"{self._path}: {problem}") from problem
        if not users:
            _LOGGER.warning("%s has no users: no password lets anybody in", self._path)
        # As many of each cost as there are users of it: who is nobody takes as long as anybody.
        self._decoys = tuple(decoy(user.password) for user in users.values())
        self._users = {user.name.encode(): user for user in users.values()}

    def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
        """As `IdentityProvider`.

        Raises:
            IdentityRefused: no such user, another password, or another AE title.
        """
        if claim.kind != UserIdentityType.USERNAME_AND_PASSCODE:
            return None
        given = claim.primary_field
        shown = given[: LONGEST_NAME + 1].decode("utf-8", "backslashreplace")
        user = self._users.get(given)
        kept = self._decoy(given) if user is None else user.password
        if kept is None:
            raise IdentityRefused("there are no users", user=shown)
        try:
            with self._pace.attempt(claim.facts.host, given) as attempt:
                right = is_password(kept, claim.secondary_field)
                lack = _lack(user, claim, right=right)
                # Also of a right password that does not help: what follows must not tell.
                attempt.right = not lack
        except TooManyAttempts:
            lack = "too many attempts, the password was not looked at"
            raise IdentityRefused(lack, user=shown, transient=True) from None
        except MemoryError:
            lack = "not enough memory to look at the password"
            raise IdentityRefused(lack, user=shown, transient=True) from None
        if user is None or lack:
            raise IdentityRefused(lack, user=shown)
        return IdentifiedUser(name=user.name)

    def _decoy(self, name: bytes) -> PasswordHash | None:
        """Return the hash that is tested for a user that there is not: for a name always one."""
        from hashlib import blake2b

        decoys = self._decoys
        if not decoys:
            return None
        number = int.from_bytes(blake2b(name, digest_size=8).digest(), "big")
        return decoys[number % len(decoys)]


def _lack(user: User | None, claim: IdentityClaim, *, right: bool) -> str:
    """Return what speaks against a user, "" where nothing does."""
    if user is None:
        return "no such user"
    if not right:
        return "wrong password"
    title = aetitle.normalise(claim.calling_ae_title)
    if user.titles and not any(aetitle.same(title, other) for other in user.titles):
        return f"may not call from AE title {title}"
    return ""
