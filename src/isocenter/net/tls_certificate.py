"""What a certificate's key and signature are, and which of one's own a profile refuses.

Owns the few elements of a certificate that the rules are about, read by hand: a library for all of
it takes longer to load than a short association. Must not know where certificates come from, nor
whether one is genuine: OpenSSL finds that out.

RFC 5280 4.1, RFC 3279, RFC 4055, RFC 5480 (algorithms), RFC 9325 4.2 to 4.5 (rules). The words are
DCMTK's.
"""

from __future__ import annotations

from isocenter.errors import TlsConfigurationError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.tls_profiles import TlsProfile

    Warn = Callable[[str], None]

__all__ = [
    "CertificateFacts",
    "certificate_facts",
    "check_own_certificate",
    "elements",
    "next_update",
    "validity",
]

_LONGEST_OID = 64
"""Bytes of an object identifier at most: the time to read one grows with their square."""

_SEQUENCE = 0x30
_OID = 0x06
_INTEGER = 0x02
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0
_HASH_OF_PSS = 0xA0

_RSA = "1.2.840.113549.1.1."
_PSS = _RSA + "10"
_WITH_TWO_NUMBERS = frozenset({b"\x04", b"\x06", b"\x07"})
"""First bytes of points that have both numbers: uncompressed, and the two hybrid forms."""

_ECDSA = "1.2.840.10045.4."
_NIST = "2.16.840.1.101.3.4.3."

_KEYS = {_RSA + "1": "RSA", _PSS: "RSA", "1.2.840.10045.2.1": "EC", "1.2.840.10040.4.1": "DSA"}

_SIGNATURES = {
    _RSA + "2": "RSA-MD2",
    _RSA + "3": "RSA-MD4",
    _RSA + "4": "RSA-MD5",
    _RSA + "5": "RSA-SHA1",
    "1.3.14.3.2.29": "RSA-SHA1",
    _RSA + "14": "RSA-SHA224",
    _RSA + "11": "RSA-SHA256",
    _RSA + "12": "RSA-SHA384",
    _RSA + "13": "RSA-SHA512",
    _RSA + "16": "RSA-SHA512/256",
    _ECDSA + "1": "ecdsa-with-SHA1",
    _ECDSA + "3.1": "ecdsa-with-SHA224",
    _ECDSA + "3.2": "ecdsa-with-SHA256",
    _ECDSA + "3.3": "ecdsa-with-SHA384",
    _ECDSA + "3.4": "ecdsa-with-SHA512",
    "1.2.840.10040.4.3": "DSA-SHA1",
    _NIST + "1": "DSA-SHA224",
    _NIST + "2": "DSA-SHA256",
    _NIST + "3": "DSA-SHA384",
    _NIST + "4": "DSA-SHA512",
    _NIST + "6": "DSA-SHA3-256",
    _NIST + "7": "DSA-SHA3-384",
    _NIST + "8": "DSA-SHA3-512",
    _NIST + "10": "ecdsa-with-SHA3-256",
    _NIST + "11": "ecdsa-with-SHA3-384",
    _NIST + "12": "ecdsa-with-SHA3-512",
    _NIST + "14": "RSA-SHA3-256",
    _NIST + "15": "RSA-SHA3-384",
    _NIST + "16": "RSA-SHA3-512",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
}
"""Object identifiers of signatures, and OpenSSL's short names for them."""

_HASHES = {
    "2.16.840.1.101.3.4.2.1": "SHA256",
    "2.16.840.1.101.3.4.2.2": "SHA384",
    "2.16.840.1.101.3.4.2.3": "SHA512",
}
"""Hashes that a signature with RSA-PSS says; without one it is SHA-1 (RFC 4055 3.1)."""

_STRONG = (
    *("SHA256", "SHA384", "SHA512", "SHA512/256"),
    *("SHA3-256", "SHA3-384", "SHA3-512", "ED25519", "ED448"),
)
_BROKEN = ("MD2", "MD4", "MD5")


class CertificateFacts(NamedTuple):
    """What the rules are about.

    Fields:
        key: ``RSA``, ``EC``, ``DSA``, or "" for a kind without rules.
        bits: length of the key, 0 where it does not matter.
        signature: what the certificate is signed with, by OpenSSL's short name or by number.
    """

    key: str
    bits: int
    signature: str


def certificate_facts(der: bytes) -> CertificateFacts:
    """Read a certificate; what follows it is not looked at.

    Raises:
        ValueError: it is none.

    RFC 5280 4.1.
    """
    (_, certificate), *_ = elements(der, most=1)
    (_, body), (_, algorithm), *_ = elements(certificate)
    fields = elements(body)
    if fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 6 or [tag for tag, _ in fields[1:6]] != [_SEQUENCE] * 5:
        raise ValueError("no certificate")
    key, bits = _key(fields[5][1])
    return CertificateFacts(key, bits, _signature(algorithm))


def validity(der: bytes) -> tuple[str, str]:
    """Return from when until when a certificate is valid, as ``YYYYMMDDhhmmssZ``.

    Raises:
        ValueError: it is none.

    RFC 5280 4.1.2.5.
    """
    (_, certificate), *_ = elements(der, most=1)
    (_, body), *_ = elements(certificate, most=1)
    fields = elements(body)
    if fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 4:
        raise ValueError("no certificate")
    first, last, *_ = (*elements(fields[3][1]), (0, b""))
    return _time(first), _time(last)


def next_update(der: bytes) -> str | None:
    """Return when the list after this revocation list is due, as `validity` has times.

    Returns:
        None where it does not say.

    Raises:
        ValueError: it is none.

    RFC 5280 5.1.2.5.
    """
    (_, crl), *_ = elements(der, most=1)
    (_, body), *_ = elements(crl, most=1)
    fields = elements(body)
    if fields[0][0] == _INTEGER:
        del fields[0]
    times = [field for field in fields if field[0] in {_UTC_TIME, _GENERALIZED_TIME}]
    return _time(times[1]) if len(times) > 1 else None


def _time(element: tuple[int, bytes]) -> str:
    """Return a time with four digits of the year (RFC 5280 4.1.2.5.1: 50 is 1950).

    Raises:
        ValueError: it is none, or none of the two forms that are allowed.
    """
    tag, content = element
    if tag not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError("no time where one should be")
    text = content.decode("ascii")
    digits = 12 if tag == _UTC_TIME else 14
    if len(text) != digits + 1 or not text[:digits].isdigit() or text[digits] != "Z":
        raise ValueError("a time that is none")
    if tag == _UTC_TIME:
        return ("19" if text >= "50" else "20") + text
    return text


def check_own_certificate(
    facts: CertificateFacts,
    path: str,
    profile: TlsProfile,
    *,
    server_side: bool,
    warn: Warn,
) -> None:
    """Hold one's own certificate to the rules of a profile.

    Args:
        facts: of the certificate.
        path: of its file, to be named.
        profile: whose rules hold.
        server_side: True as acceptor.
        warn: told of what is weak and allowed.

    Raises:
        TlsConfigurationError: the profile refuses it (``certificate``).

    RFC 9325 4.2, 4.5.
    """
    where = f"but the key in certificate file '{path}' is only {facts.bits} bits."
    if facts.key == "RSA" and facts.bits < 2048:
        start = "Key length of RSA public key too short: "
        if profile.minimum_rsa:
            who = (
                "RFC 9325 requires at least 2048 bits for server RSA keys, "
                if server_side
                else "TLS profile requires at least 2048 bits for RSA keys, "
            )
            raise TlsConfigurationError("certificate", start + who + where)
        warn(f"{start}RFC 9325 recommends at least 2048 bits for RSA keys, {where}")
    if facts.key == "EC" and facts.bits < 256:
        start = "Key length of ECDSA public key too short: "
        if profile.strict_keys:
            rule = "TLS profile requires at least 256 bits for ECDSA keys, "
            raise TlsConfigurationError("certificate", start + rule + where)
        if facts.bits < 224:
            warn(f"{start}RFC 9325 recommends at least 224 bits for ECDSA keys, {where}")
    if facts.key == "DSA":
        if profile.refuses_dsa:
            reason = (
                f"DSA certificate '{path}' not permitted in the selected TLS profile because it "
                "prevents the use of TLS 1.3."
            )
            raise TlsConfigurationError("certificate", reason)
        warn(
            "Use of DSA certificate not recommended because it prevents the use of TLS 1.3, "
            "which does not support this certificate type."
        )
    _check_signature(facts.signature, path, profile, warn)


def _check_signature(signature: str, path: str, profile: TlsProfile, warn: Warn) -> None:
    """Hold what a certificate is signed with to the rules.

    Raises:
        TlsConfigurationError: the profile refuses it.
    """
    if signature.endswith(_STRONG):
        return
    start = "Weak certificate hash key: "
    if signature.endswith(_BROKEN):
        reason = f"{start}certificate file '{path}' uses '{signature.rpartition('-')[2]}'."
        raise TlsConfigurationError("certificate", reason)
    used = f"but certificate file '{path}' uses '{signature}'."
    if profile.strict_keys or (profile.security_level > 0 and signature.endswith("SHA1")):
        rule = "TLS profile requires SHA-256 (or better) for certificates, "
        raise TlsConfigurationError("certificate", start + rule + used)
    warn(
        "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or better) "
        f"for certificates, {used}"
    )


def elements(der: bytes, *, most: int | None = None) -> list[tuple[int, bytes]]:
    """Return tag and content of each element that stands in bytes (X.690 8.1).

    Args:
        der: the bytes.
        most: how many are wanted; None for all there are.

    Raises:
        ValueError: an element does not end where it should, or there is none.
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(der) and (most is None or len(found) < most):
        head = der[at : at + 2]
        start = at + 2
        length = head[-1]
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start])
        if len(head) < 2 or start + length > len(der):
            raise ValueError("an element of DER goes on beyond its end")
        found.append((head[0], der[start : start + length]))
        at = start + length
    if not found:
        raise ValueError("nothing where DER should be")
    return found


def _key(content: bytes) -> tuple[str, int]:
    """Return kind and length of the key in a SubjectPublicKeyInfo (RFC 5280 4.1.2.7)."""
    (_, algorithm), (_, bits), *_ = elements(content)
    kind = _KEYS.get(_oid(elements(algorithm, most=1)[0]), "")
    value = bits[1:]  # the first byte counts unused bits
    if kind == "RSA":
        (_, numbers), *_ = elements(value)
        (_, modulus), *_ = elements(numbers)
        return kind, int.from_bytes(modulus).bit_length()
    if kind == "EC":  # a point: one byte, and one number or two (RFC 5480 2.2, ANSI X9.62 4.3.6)
        size = len(value) - 1
        return kind, size * 4 if value[:1] in _WITH_TWO_NUMBERS else size * 8
    return kind, 0


def _signature(content: bytes) -> str:
    """Return the name of an AlgorithmIdentifier of a signature."""
    first, *parameters = elements(content)
    oid = _oid(first)
    if oid != _PSS:
        return _SIGNATURES.get(oid, oid)
    for tag, value in elements(parameters[0][1]) if parameters and parameters[0][1] else []:
        if tag == _HASH_OF_PSS:
            (_, algorithm), *_ = elements(value)
            hashed = _oid(elements(algorithm, most=1)[0])
            return f"RSASSA-PSS-{_HASHES.get(hashed, hashed)}"
    return "RSASSA-PSS-SHA1"


def _oid(element: tuple[int, bytes]) -> str:
    """Return an object identifier with its dots (X.690 8.19)."""
    tag, content = element
    if tag != _OID or not 0 < len(content) <= _LONGEST_OID:
        raise ValueError("no object identifier where one should be")
    numbers = [0]
    for byte in content:
        numbers[-1] = numbers[-1] << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(0)
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:-1])))
