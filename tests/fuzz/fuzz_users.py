"""Fuzz target: files of users with kept passwords.

Reading may raise `ConfigurationError` and nothing else, with nothing of a hash in what it says. A
hash that is read is written as itself, and testing it would stay within the bounds.
"""

from __future__ import annotations

import re

from isocenter.errors import ConfigurationError
from isocenter.security.passwords import MAXIMUM_MEMORY, parse_hash
from isocenter.security.users import parse_users

_SALT, _DIGEST = "c2FsdHNhbHRzYWx0c2FsdA", "ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGk"
_HASHES = (
    f"$argon2id$v=19$m=65536,t=3,p=4${_SALT}${_DIGEST}",
    f"$scrypt$ln=16,r=8,p=1${_SALT}${_DIGEST}",
    f"$argon2id$v=19$m=999999999,t=3,p=4${_SALT}${_DIGEST}",
    f"$scrypt$ln=30,r=8,p=1${_SALT}${_DIGEST}",
    f"$2b$12${_SALT}",
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{20,}")


def seeds() -> list[bytes]:
    """Return files of one user and of several."""
    lines = [f"joe:{_HASHES[0]}", f"ann:{_HASHES[1]}:CT1,MR 2", "# nobody", "", "\xe9va:x"]
    files = ["\n".join(lines[:4]), *lines, *(f"u:{each}" for each in _HASHES)]
    return [text.encode() for text in files]


def test_one_input(data: bytes) -> None:
    """Read one file and check what follows from it."""
    try:
        users = parse_users(data, "users")
    except ConfigurationError as problem:
        words = str(problem)
        if not words.isprintable() and "surrogate" not in words:
            raise AssertionError(f"{words!r} is no line for a log") from problem
        for part in _BASE64.findall(data.partition(b"$")[2].decode("latin-1")):
            if part in words:
                raise AssertionError(f"{words!r} has a part of a hash") from problem
        return
    for name, user in users.items():
        kept = user.password
        if name != user.name or ":" in name:
            raise AssertionError(f"{user.name!r} is called {name!r}")
        if parse_hash(kept.encode()) != kept:
            raise AssertionError(f"{kept.encode()} is read as something else")
        if kept.memory > MAXIMUM_MEMORY:
            raise AssertionError(f"{kept.memory} bytes to test a password")
