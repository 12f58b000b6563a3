"""Fuzz target: the key and the signature of a certificate, read by hand.

Reading may raise `ValueError` and nothing else. Where the library for certificates can read it,
too, kind and length of the key are the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from isocenter.net.tls_certificate import certificate_facts
from isocenter.testing.certificates import Authority
from tests.fuzz.oracle import Limits, raises_only

if TYPE_CHECKING:
    from isocenter.net.tls_certificate import CertificateFacts

LIMITS = Limits(memory=8 * 1024 * 1024)

_CLASSES = (
    (rsa.RSAPublicKey, "RSA"),
    (ec.EllipticCurvePublicKey, "EC"),
    (dsa.DSAPublicKey, "DSA"),
)
_KINDS = ("ec-p256", "ec-p384", "ec-p224", "rsa-1024", "rsa-2048", "dsa-2048")


@functools.cache
def _certificates() -> tuple[bytes, ...]:
    found = []
    for kind in _KINDS:
        with open(Authority(f"Root {kind}", key=kind).path_der, "rb") as file:
            found.append(file.read())
    return tuple(found)


def seeds() -> list[bytes]:
    """Return certificates with keys of each kind."""
    return [*_certificates(), b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"]


def test_one_input(data: bytes) -> None:
    """Read one certificate and check what is said of it."""
    facts = None
    with raises_only(ValueError):
        facts = certificate_facts(data)
    if facts is None:
        return
    if not 0 <= facts.bits <= 8 * len(data) or not facts.signature.isascii():
        raise AssertionError(f"{facts} of {len(data)} bytes")
    try:
        key = x509.load_der_x509_certificate(data).public_key()
    except Exception:  # noqa: BLE001 - its own errors have no common base
        return
    _compare(facts, key)


def _compare(facts: CertificateFacts, key: object) -> None:
    for kind, name in _CLASSES:
        if isinstance(key, kind) and facts.key != name:
            raise AssertionError(f"{facts} of a key of {name}")
    if isinstance(key, rsa.RSAPublicKey) and facts.bits != key.key_size:
        raise AssertionError(f"{facts} of a key of {key.key_size} bits")
    if isinstance(key, ec.EllipticCurvePublicKey) and facts.bits not in range(
        key.key_size, key.key_size + 8
    ):
        raise AssertionError(f"{facts} of a key of {key.key_size} bits")
