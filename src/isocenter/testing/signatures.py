"""Signatures for certificates of tests, those included that no library makes any more.

Owns the few lines of DER that a certificate with SHA-1 or MD5 needs. Must not know who asks.
A certificate is first signed with SHA-256; then the algorithm's name in it is exchanged, and it
is signed anew by hand (RSA only).

RFC 5280 4.1 (Certificate), RFC 8017 8.2 (RSASSA-PKCS1-v1_5), X.690 (DER).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey

__all__ = ["object_identifier", "sign_certificate", "tlv"]

_SHA256_WITH_RSA = "1.2.840.113549.1.1.11"

_WEAK = {
    "sha1": ("1.2.840.113549.1.1.5", bytes.fromhex("3021300906052b0e03021a05000414")),
    "md5": ("1.2.840.113549.1.1.4", bytes.fromhex("3020300c06082a864886f70d020505000410")),
}
"""Name to the signature algorithm and what stands before the hash in a signature (RFC 8017 9.2)."""


def sign_certificate(builder: x509.CertificateBuilder, key: Key, digest: str) -> x509.Certificate:
    """Return a certificate signed with a key.

    Args:
        builder: the certificate.
        key: the issuer's.
        digest: ``sha256``, ``sha384``, ``sha512``; with a key of RSA ``sha1`` and ``md5``.

    Raises:
        ValueError: there is no such digest for the key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    strong: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]
    strong = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
    if digest in strong:
        return builder.sign(key, strong[digest])
    from cryptography.hazmat.primitives.asymmetric import rsa

    if digest not in _WEAK or not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"no signature with {digest} and this key")
    body = builder.sign(key, hashes.SHA256()).tbs_certificate_bytes
    algorithm, prefix = _WEAK[digest]
    old, new = object_identifier(_SHA256_WITH_RSA), object_identifier(algorithm)
    body = body.replace(old, new, 1)  # of the same length; the first is the signature's
    hashed = hashlib.new(digest, body, usedforsecurity=False).digest()
    signature = _sign(key, prefix + hashed)
    outer = body + tlv(0x30, new + b"\x05\x00") + tlv(0x03, b"\x00" + signature)
    return x509.load_der_x509_certificate(tlv(0x30, outer))


def _sign(key: rsa.RSAPrivateKey, info: bytes) -> bytes:
    """Sign a DigestInfo (RFC 8017 9.2)."""
    size = key.key_size // 8
    block = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    numbers = key.private_numbers()
    value = pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(size)


def tlv(tag: int, content: bytes) -> bytes:
    """Return one element of DER: tag, length, content."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + content


def object_identifier(dotted: str) -> bytes:
    """Return an object identifier in DER."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = b""
    for number in (40 * first + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | (number & 0x7F))
        content += bytes(reversed(groups))
    return tlv(0x06, content)
