"""Kept passwords: strings by which a password is known again, and nothing else about it.

Owns their syntax, the algorithms, and the bounds of what testing one may cost. Must not know
users or files. Libraries are loaded where a hash is computed.

The syntax is that of the password hashing competition ("PHC string format"), argon2 is RFC 9106,
scrypt is RFC 7914:

    $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH
    $scrypt$ln=17,r=8,p=1$SALT$HASH
"""

from __future__ import annotations

import binascii
import hmac
import os

from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ALGORITHMS",
    "MAXIMUM_MEMORY",
    "MAXIMUM_PASSES",
    "MAXIMUM_WORK",
    "PasswordHash",
    "decoy",
    "hash_password",
    "is_password",
    "parse_hash",
    "prepare",
]

MAXIMUM_MEMORY = 256 * 1024 * 1024
"""Bytes that testing one password may take, inclusive: four times what RFC 9106 4 recommends for
machines without much, and twice our own scrypt."""

MAXIMUM_WORK = 1024 * 1024 * 1024
"""Bytes written for one test, inclusive: memory times passes. A few seconds at most."""

MAXIMUM_PASSES = 1000
"""Passes of argon2 and parallel parts of scrypt, inclusive: they cost time even without memory."""

_MAXIMUM_LANES = 16
_LONGEST_STRING = 512
_SALT = range(8, 65)
_DIGEST = range(16, 65)
_OWN_SALT = 16
_OWN_DIGEST = 32
_ARGON2 = "argon2id"
_SCRYPT = "scrypt"
_ARGON2_VERSION = 19

_OTHERS = ("1", "2a", "2b", "2y", "5", "6", "7", "y", "argon2d", "argon2i", "pbkdf2-sha256")
"""Names of others that a file may have come with, to be told by name."""

_NAMES = {_ARGON2: ("m", "t", "p"), _SCRYPT: ("ln", "r", "p")}

ALGORITHMS = {
    _ARGON2: (65536, 3, 4),  # RFC 9106 4, the second recommendation: 64 MiB
    _SCRYPT: (17, 8, 1),  # 128 MiB
}
"""Each algorithm and the cost of a new hash: m (KiB), t, p of argon2id; ln, r, p of scrypt."""


class PasswordHash(Record, hidden=("salt", "digest")):
    """What is kept of a password.

    Fields:
        algorithm: one of `ALGORITHMS`.
        cost: the three numbers of the algorithm, as there.
        salt: 8 to 64 bytes.
        digest: 16 to 64 bytes.
    """

    algorithm: str
    cost: tuple[int, int, int]
    salt: bytes
    digest: bytes

    @property
    def memory(self) -> int:
        """Bytes that testing a password takes."""
        return _memory(self.algorithm, self.cost)

    def encode(self) -> str:
        """Return the string that `parse_hash` reads."""
        names = _NAMES[self.algorithm]
        numbers = ",".join(
            f"{name}={number}" for name, number in zip(names, self.cost, strict=True)
        )
        version = f"v={_ARGON2_VERSION}$" if self.algorithm == _ARGON2 else ""
        ends = "$".join(
            binascii.b2a_base64(part, newline=False).rstrip(b"=").decode("ascii")
            for part in (self.salt, self.digest)
        )
        return f"${self.algorithm}${version}{numbers}${ends}"


def parse_hash(text: str) -> PasswordHash:
    """Return the hash that a string stands for.

    Raises:
        ValueError: it is none, of another algorithm, or testing a password would cost more than
            is allowed. The message says what is wrong and has no part of the hash.
    """
    if len(text) > _LONGEST_STRING:
        raise ValueError(f"the hash is longer than {_LONGEST_STRING} characters")
    first, *fields = text.split("$")
    if first or not fields:
        raise ValueError("no password hash: it has to begin with $argon2id$ or $scrypt$")
    algorithm = fields.pop(0)
    if algorithm not in ALGORITHMS:
        # Not what stands there: it may be a password that begins with a dollar sign.
        shown = algorithm if algorithm in _OTHERS else "of another kind"
        raise ValueError(f"algorithm {shown}: only argon2id and scrypt are known")
    if algorithm == _ARGON2 and (not fields or fields.pop(0) != f"v={_ARGON2_VERSION}"):
        raise ValueError(f"argon2id needs v={_ARGON2_VERSION}")
    if len(fields) != 3:
        raise ValueError("the hash has to have parameters, salt and digest between dollar signs")
    cost = _cost(algorithm, fields[0])
    salt, digest = (_bytes(field) for field in fields[1:])
    for name, value, lengths in (("salt", salt, _SALT), ("digest", digest, _DIGEST)):
        if len(value) not in lengths:
            raise ValueError(f"the {name} has to have {lengths[0]} to {lengths[-1]} bytes")
    return PasswordHash(algorithm=algorithm, cost=cost, salt=salt, digest=digest)


def _cost(algorithm: str, text: str) -> tuple[int, int, int]:
    """Read and check the parameters."""
    names = _NAMES[algorithm]
    wanted = ",".join(f"{name}=NUMBER" for name in names)
    numbers: list[int] = []
    for name, field in zip(names, text.split(","), strict=False):
        key, equals, number = field.partition("=")
        if key != name or not equals or not (number.isdigit() and number.isascii()):
            raise ValueError(f"parameters of {algorithm} have to be {wanted}")
        numbers.append(int(number) if len(number) < 10 else 10**9)
    if len(numbers) != 3 or text.count(",") != 2:
        raise ValueError(f"parameters of {algorithm} have to be {wanted}")
    cost = numbers[0], numbers[1], numbers[2]
    if 0 in cost:
        raise ValueError(f"no parameter of {algorithm} can be 0")
    _check_cost(algorithm, cost)
    return cost


def _check_cost(algorithm: str, cost: tuple[int, int, int]) -> None:
    """Refuse what no library computes, or what would cost too much."""
    first, second, lanes = cost
    if algorithm == _ARGON2:
        passes = second
        if lanes > _MAXIMUM_LANES:
            raise ValueError(f"p={lanes} of argon2id is more than {_MAXIMUM_LANES}")
        if first < 8 * lanes:
            raise ValueError(f"m={first} of argon2id is less than 8 times p")
    else:
        passes = lanes
        if first > 30:
            raise ValueError(f"ln={first} of scrypt is more than 30")
        if first >= 16 * second:
            raise ValueError(f"ln={first} of scrypt is too much for r={second}")  # RFC 7914 2
    memory = _memory(algorithm, cost)
    if memory > MAXIMUM_MEMORY:
        raise ValueError(
            f"testing a password would take {-(-memory // 2**20)} MiB, "
            f"at most {MAXIMUM_MEMORY // 2**20} are allowed"
        )
    if passes > MAXIMUM_PASSES or memory * passes > MAXIMUM_WORK:
        raise ValueError(f"testing a password would take too long: {passes} passes over its memory")


def _memory(algorithm: str, cost: tuple[int, int, int]) -> int:
    """Return the bytes that are needed (RFC 9106 3.1, RFC 7914 5)."""
    return cost[0] * 1024 if algorithm == _ARGON2 else 128 * cost[1] << cost[0]


def _bytes(text: str) -> bytes:
    """Read base64 without the padding."""
    try:
        if "=" not in text:
            return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        pass
    raise ValueError("salt or digest is no base64 without padding")


def hash_password(password: bytes, algorithm: str = _ARGON2) -> PasswordHash:
    """Return the hash to keep of a new password, with a salt of its own.

    Args:
        password: as it will come: UTF-8, where it is text.
        algorithm: one of `ALGORITHMS`.

    Raises:
        ValueError: no such algorithm.
        MemoryError: there is not enough.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm {algorithm!r}: one of {', '.join(ALGORITHMS)}")
    kept = PasswordHash(
        algorithm=algorithm,
        cost=ALGORITHMS[algorithm],
        salt=os.urandom(_OWN_SALT),
        digest=bytes(_OWN_DIGEST),
    )
    return PasswordHash(
        algorithm=algorithm, cost=kept.cost, salt=kept.salt, digest=_compute(kept, password)
    )


def decoy(kept: PasswordHash) -> PasswordHash:
    """Return a hash that costs the same to test and is that of no password."""
    return PasswordHash(
        algorithm=kept.algorithm,
        cost=kept.cost,
        salt=os.urandom(len(kept.salt)),
        digest=os.urandom(len(kept.digest)),
    )


def is_password(kept: PasswordHash, password: bytes) -> bool:
    """Tell whether a password is the one; takes the same time either way.

    Raises:
        MemoryError: there is not enough to tell.
    """
    return hmac.compare_digest(_compute(kept, password), kept.digest)


def prepare(algorithm: str) -> None:
    """Load what computes an algorithm: once, before processes are forked.

    Raises:
        ValueError: this Python cannot compute it.
    """
    _function(algorithm)


def _compute(kept: PasswordHash, password: bytes) -> bytes:
    return _function(kept.algorithm)(kept, password)


def _function(algorithm: str) -> Callable[[PasswordHash, bytes], bytes]:
    """Return what computes an algorithm.

    Raises:
        ValueError: this Python cannot.
    """
    if algorithm == _ARGON2:
        try:
            import argon2.low_level  # noqa: F401 - to have it
        except ImportError as problem:
            raise ValueError("argon2id needs the package argon2-cffi") from problem
        return _argon2id
    import hashlib

    if not hasattr(hashlib, "scrypt"):
        raise ValueError("the OpenSSL of this Python has no scrypt")
    return _scrypt


def _argon2id(kept: PasswordHash, password: bytes) -> bytes:
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    memory, passes, lanes = kept.cost
    try:
        return hash_secret_raw(
            password,
            kept.salt,
            time_cost=passes,
            memory_cost=memory,
            parallelism=lanes,
            hash_len=len(kept.digest),
            type=Type.ID,
            version=_ARGON2_VERSION,
        )
    except HashingError as problem:  # of checked parameters, memory is what is left to fail
        raise MemoryError(f"argon2id: {problem}") from problem


def _scrypt(kept: PasswordHash, password: bytes) -> bytes:
    import hashlib

    logarithm, blocks, lanes = kept.cost
    return hashlib.scrypt(
        password,
        salt=kept.salt,
        n=1 << logarithm,
        r=blocks,
        p=lanes,
        maxmem=kept.memory + 128 * blocks * (lanes + 2) + 65536,
        dklen=len(kept.digest),
    )
