"""Kept passwords that take no time to test, and files of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import argon2

from isocenter.security.passwords import PasswordHash

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["quick_hash", "write_users"]


def quick_hash(password: str, *, algorithm: str = "scrypt", logarithm: int = 1) -> str:
    """Return the string kept of a password, the same each time; of the least cost by default.

    With a higher logarithm scrypt takes twice as long for each.
    """
    if algorithm == "argon2id":
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        return hasher.hash(password, salt=b"saltsalt")
    from hashlib import scrypt

    blocks = 1 if logarithm < 16 else 8
    digest = scrypt(password.encode(), salt=b"saltsalt", n=1 << logarithm, r=blocks, p=1, dklen=32)
    kept = PasswordHash(
        algorithm="scrypt", cost=(logarithm, blocks, 1), salt=b"saltsalt", digest=digest
    )
    return kept.encode()


def write_users(path: Path, *, logarithm: int = 1, **passwords: str) -> Path:
    """Write a file of users, name to password, that only its owner can read; return its path."""
    path.touch(mode=0o600)
    lines = [
        f"{name}:{quick_hash(kept, logarithm=logarithm)}\n" for name, kept in passwords.items()
    ]
    path.write_text("".join(lines))
    return path
