"""Fuzz target: what a certificate says: its key and signature read by hand, and text for a log.

Reading by hand may raise `ValueError` and nothing else; where the library for certificates can read
it, too, kind and length of the key are the same. The text is there for any certificate, and none of
its lines is of the certificate's own making.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from isocenter.net.tls_certificate import certificate_facts
from isocenter.security.certificate_text import certificate_text
from isocenter.security.root_certificate import fault_of_root
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
    for line in certificate_text(data).split("\n"):
        if not line.isprintable() or not line.startswith(("Peer ", "  ")):
            raise AssertionError(f"{line!r} is no line for a log")
    fault = fault_of_root(data)
    if fault is not None and not fault.isprintable():
        raise AssertionError(f"{fault!r} is no line for a log")
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
