"""A key and a certificate that stand for nobody and are forgotten at once.

Owns the making of them, for a session in memory that nobody else sees. Must not be used for a
connection: nobody could trust it.
"""

from __future__ import annotations

import os

__all__ = ["write_throwaway"]


def write_throwaway(folder: str, *, der: bool) -> tuple[str, str]:
    """Write a key and its certificate and return the paths, the key's first.

    Args:
        folder: of one's own, and removed soon.
        der: True for files in DER, False for PEM.

    Raises:
        OSError: they cannot be written.
    """
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = Encoding.DER if der else Encoding.PEM
    written = key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    paths = os.path.join(folder, "key"), os.path.join(folder, "certificate")
    for path, data in zip(paths, (written, certificate.public_bytes(encoding)), strict=True):
        with open(path, "xb") as file:
            file.write(data)
    return paths
