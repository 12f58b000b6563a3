"""What a certificate says, in the lines that DCMTK's tools print.

Owns the layout and the names of kinds of keys. Must not know where it came from, nor whether it
is trusted. Names that a peer chose are shown on one line, and cut.

RFC 5280 4.1; DCMTK's `dcmtls/libsrc/tlslayer.cc`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import datetime as dt

    from cryptography.x509 import Certificate, Name

__all__ = ["certificate_text", "certificate_words"]

_LONGEST_NAME = 1024


def certificate_text(certificate: bytes | None) -> str:
    """Return a peer's certificate as text; None is for a peer without.

    Args:
        certificate: in DER.
    """
    if certificate is None:
        return "Peer did not provide a certificate or certificate verification is disabled."
    from cryptography import x509

    try:
        found = x509.load_der_x509_certificate(certificate)
        kind, bits = _key(found)
        lines = (
            f"Peer X.509v{found.version.value + 1} Certificate",
            f"  Subject     : {_one_line(found.subject)}",
            f"  Issued by   : {_one_line(found.issuer)}",
            f"  Serial no.  : {found.serial_number}",
            (
                f"  Validity    : not before {_time(found.not_valid_before_utc)}, "
                f"not after {_time(found.not_valid_after_utc)}"
            ),
            f"  Public key  : {kind}, {bits} bits",
        )
    except Exception as problem:  # noqa: BLE001 - what a peer made up may be wrong in any way
        return f"Peer certificate cannot be read: {type(problem).__name__}"
    return "\n".join(lines)


def certificate_words(certificate: bytes) -> str:
    """Return on one line whose a certificate is, who issued it and when it is valid.

    Args:
        certificate: in DER.

    Returns:
        "" where it cannot be read.
    """
    from cryptography import x509

    try:
        found = x509.load_der_x509_certificate(certificate)
        return (
            f"{_one_line(found.subject)}, issued by {_one_line(found.issuer)}, valid from "
            f"{_time(found.not_valid_before_utc)} until {_time(found.not_valid_after_utc)}"
        )
    except Exception:  # noqa: BLE001 - what somebody made up may be wrong in any way
        return ""


def _key(certificate: Certificate) -> tuple[str, int]:
    """Return kind and size of the public key; 0 where that has no size."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        return "unknown", 0
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    return type(key).__name__.removesuffix("PublicKey"), 0


def _one_line(name: Name) -> str:
    """Return a name as ``/O=Hospital/CN=scanner``."""
    parts = []
    for attribute in name:
        value = attribute.value
        text = value if isinstance(value, str) else value.hex()
        shown = "".join(letter if letter.isprintable() else "?" for letter in text)
        parts.append(f"/{attribute.rfc4514_attribute_name}={shown}")
    return "".join(parts)[:_LONGEST_NAME]


def _time(moment: dt.datetime) -> str:
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"
