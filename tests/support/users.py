"""Kept passwords that take no time to test, and files of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import argon2

from isocenter.security.passwords import PasswordHash

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["quick_hash", "write_users"]


def quick_hash(password: str, *, algorithm: str = "scrypt") -> str:
    """Return the string kept of a password, of the least cost; the same each time."""
    if algorithm == "argon2id":
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        return hasher.hash(password, salt=b"saltsalt")
    from hashlib import scrypt

    digest = scrypt(password.encode(), salt=b"saltsalt", n=2, r=1, p=1, dklen=32)
    return PasswordHash(
        algorithm="scrypt", cost=(1, 1, 1), salt=b"saltsalt", digest=digest
    ).encode()


def write_users(path: Path, **passwords: str) -> Path:
    """Write a file of users, name to password, that only its owner can read; return its path."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}:{quick_hash(kept)}\n" for name, kept in passwords.items()))
    return path
