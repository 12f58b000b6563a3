"""Kept passwords: syntax, other implementations' strings, and the bounds of what they may cost."""

from __future__ import annotations

import hashlib
import sys

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.security import passwords
from isocenter.security.passwords import (
    ALGORITHMS,
    MAXIMUM_MEMORY,
    PasswordHash,
    decoy,
    hash_password,
    is_password,
    parse_hash,
)

SALT = "c2FsdHNhbHQ"
DIGEST = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

# RFC 7914 12, the third vector: password "pleaseletmein", salt "SodiumChloride".
RFC_7914 = (
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
)


def argon2_with(parameters: str) -> str:
    return f"$argon2id$v=19${parameters}${SALT}${DIGEST}"


def scrypt_with(parameters: str) -> str:
    return f"$scrypt${parameters}${SALT}${DIGEST}"


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_new_hash_knows_its_password_and_no_other(algorithm: str) -> None:
    kept = hash_password("pässword".encode(), algorithm)
    assert kept.cost == ALGORITHMS[algorithm]
    assert parse_hash(kept.encode()) == kept
    assert is_password(kept, "pässword".encode())
    assert not is_password(kept, b"password")
    assert not is_password(decoy(kept), "pässword".encode())


@pytest.mark.slow
def test_two_hashes_of_one_password_differ() -> None:
    first, second = hash_password(b"secret"), hash_password(b"secret")
    assert first.salt != second.salt
    assert first.digest != second.digest


def test_hashes_of_argon2_cffi_are_read_and_ours_by_it() -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2)
    kept = parse_hash(hasher.hash("secret"))
    assert is_password(kept, b"secret")
    assert not is_password(kept, b"Secret")
    assert hasher.verify(kept.encode(), "secret")


def test_hash_of_rfc_7914_is_read() -> None:
    kept = parse_hash(RFC_7914)
    assert kept.salt == b"SodiumChloride"
    assert is_password(kept, b"pleaseletmein")
    assert not is_password(kept, b"pleaseletmeout")


def test_no_part_of_a_hash_is_shown() -> None:
    shown = repr(parse_hash(RFC_7914))
    assert "Sodium" not in shown
    assert "algorithm='scrypt'" in shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has to begin with"),
        ("secret", "has to begin with"),
        ("$", "algorithm of another kind"),
        ("$2b$12$abcdefghijklmnopqrstuv", "algorithm 2b: only argon2id and scrypt"),
        ("$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "algorithm argon2i"),
        ("$argon\n2$x", "of another kind"),
        ("$word", "of another kind"),
        ("$argon2id", "needs v=19"),
        (f"$argon2id$m=64,t=1,p=1${SALT}${DIGEST}", "needs v=19"),
        (f"$argon2id$v=16$m=64,t=1,p=1${SALT}${DIGEST}", "needs v=19"),
        (f"$argon2id$v=19$m=64,t=1,p=1${SALT}", "between dollar signs"),
        (f"{argon2_with('m=64,t=1,p=1')}$", "between dollar signs"),
        (argon2_with("t=1,m=64,p=1"), "have to be m=NUMBER,t=NUMBER,p=NUMBER"),
        (argon2_with("m=64,t=1"), "have to be"),
        (argon2_with("m=64,t=1,p=1,k=1"), "have to be"),
        (argon2_with("m=64,t=1,p="), "have to be"),
        (argon2_with("m=64,t=1,p=-1"), "have to be"),
        (argon2_with("m=64,t=1,p=\u0661"), "have to be"),
        (argon2_with("m=64,t=0,p=1"), "can be 0"),
        (argon2_with("m=7,t=1,p=1"), "less than 8 times p"),
        (argon2_with("m=4096,t=1,p=17"), "p=17 of argon2id is more than 16"),
        (argon2_with("m=262145,t=1,p=1"), "would take 257 MiB, at most 256"),
        (argon2_with(f"m={10**40},t=1,p=1"), "MiB, at most 256"),
        (argon2_with("m=262144,t=5,p=1"), "too long: 5 passes"),
        (argon2_with("m=8,t=1001,p=1"), "too long: 1001 passes"),
        (scrypt_with("ln=18,r=9,p=1"), "would take 288 MiB, at most 256"),
        (scrypt_with("ln=999999999,r=8,p=1"), "ln=999999999 of scrypt is more than 30"),
        (scrypt_with("ln=16,r=1,p=1"), "too much for r=1"),
        (scrypt_with("ln=18,r=8,p=5"), "too long: 5 passes"),
        (scrypt_with("ln=1,r=1,p=1001"), "too long"),
        (f"$scrypt$ln=4,r=8,p=1$c2FsdA${DIGEST}", "salt has to have 8 to 64 bytes"),
        (f"$scrypt$ln=4,r=8,p=1${SALT}$c2FsdA", "digest has to have 16 to 64 bytes"),
        (f"$scrypt$ln=4,r=8,p=1${SALT}=${DIGEST}", "no base64"),
        (f"$scrypt$ln=4,r=8,p=1${SALT}${DIGEST[:-2]}", "no base64"),
        (f"$scrypt$ln=4,r=8,p=1$****${DIGEST}", "no base64"),
        (f"$scrypt$ln=4,r=8,p=1${SALT}${'A' * 600}", "longer than 512"),
    ],
)
def test_what_is_no_usable_hash_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_hash(text)
    assert SALT not in str(caught.value)
    assert DIGEST not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        argon2_with("m=262144,t=4,p=16"),
        argon2_with("m=8,t=1000,p=1"),
        scrypt_with("ln=18,r=8,p=4"),
        scrypt_with("ln=17,r=8,p=1"),
        scrypt_with("ln=15,r=1,p=1"),
    ],
)
def test_what_is_just_within_the_bounds_is_taken(text: str) -> None:
    kept = parse_hash(text)
    assert kept.memory <= MAXIMUM_MEMORY
    assert kept.encode() == text


@pytest.mark.slow
@pytest.mark.parametrize("parameters", ["ln=15,r=1,p=1", "ln=1,r=4096,p=3", "ln=10,r=8,p=16"])
def test_scrypt_of_unusual_cost_is_given_the_memory_that_it_needs(parameters: str) -> None:
    assert not is_password(parse_hash(scrypt_with(parameters)), b"secret")


@given(st.text(alphabet="$argon2idscrypt,=vlmp0123456789+/AZ \n:", max_size=120))
def test_any_text_is_a_hash_within_the_bounds_or_refused(text: str) -> None:
    for candidate in (text, f"$argon2id$v=19${text}", f"$scrypt${text}${SALT}${DIGEST}"):
        try:
            kept = parse_hash(candidate)
        except ValueError:
            continue
        assert kept.memory <= MAXIMUM_MEMORY
        assert parse_hash(kept.encode()) == kept


def test_lack_of_memory_is_told_as_such() -> None:
    too_much = PasswordHash(
        algorithm="argon2id", cost=(2**31, 1, 1), salt=bytes(16), digest=bytes(32)
    )
    with pytest.raises(MemoryError):
        is_password(too_much, b"secret")


def test_algorithm_that_this_python_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(hashlib, "scrypt")
    with pytest.raises(ValueError, match="has no scrypt"):
        passwords.prepare("scrypt")


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "argon2.low_level", None)
    with pytest.raises(ValueError, match="needs the package argon2-cffi"):
        passwords.prepare("argon2id")


def test_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="one of argon2id, scrypt"):
        hash_password(b"secret", "md5")
