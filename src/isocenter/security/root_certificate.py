"""Whether a certificate is that of a root authority.

Owns the rule: issued by and to itself, signed with its own key, valid now, and not said to be
anything but an authority's. Must not know where it came from.

RFC 5280 3.2, 4.2.1.9.
"""

from __future__ import annotations

__all__ = ["fault_of_root"]


def fault_of_root(certificate: bytes) -> str | None:
    """Return why a certificate is no root authority's, None where it is.

    Args:
        certificate: in DER.
    """
    import datetime as dt

    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        root = x509.load_der_x509_certificate(certificate)
        issued_to, issued_by = root.subject, root.issuer
        constraints = [
            extension.value
            for extension in root.extensions
            if isinstance(extension.value, x509.BasicConstraints)
        ]
    except Exception:  # noqa: BLE001 - the library has no error of its own for all that may be
        return "it cannot be read"
    if issued_to != issued_by:
        return f"it was issued by {issued_by.rfc4514_string()[:200]!a}, and not by itself"
    try:
        root.verify_directly_issued_by(root)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return "it is not signed with its own key"
    now = dt.datetime.now(dt.UTC)
    if now < root.not_valid_before_utc:
        return "certificate is not yet valid"
    if now > root.not_valid_after_utc:
        return "certificate has expired"
    if constraints and not constraints[0].ca:
        return "it says that it is no authority's (basic constraints)"
    return None
