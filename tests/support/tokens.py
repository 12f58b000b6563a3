"""JSON Web Tokens and the keys that sign them."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    PrivateKey = (
        rsa.RSAPrivateKey
        | ec.EllipticCurvePrivateKey
        | ed25519.Ed25519PrivateKey
        | ed448.Ed448PrivateKey
    )

__all__ = ["SECRET", "jwk", "private_key", "public_pem", "token", "write_jwks", "write_pem"]

SECRET = bytes(range(64))
"""Of an HMAC, long enough for each."""


@cache
def private_key(name: str) -> PrivateKey:
    """Return a key: ``rsa``, ``rsa-1024``, ``p256``, ``p384``, ``p521``, ``k256``, ``ed25519``.

    The same each time; another one where a number follows a blank.
    """
    match name.split(maxsplit=1)[0]:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa-1024":
            return rsa.generate_private_key(65537, 1024)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ed448":
            return ed448.Ed448PrivateKey.generate()
        case curve:
            curves: dict[str, ec.EllipticCurve] = {
                "p224": ec.SECP224R1(),
                "p256": ec.SECP256R1(),
                "p384": ec.SECP384R1(),
                "p521": ec.SECP521R1(),
                "k256": ec.SECP256K1(),
            }
            return ec.generate_private_key(curves[curve])


def public_pem(name: str) -> bytes:
    """Return the public half of a key."""
    public = private_key(name).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_pem(path: Path, name: str) -> Path:
    """Write it to a file; return the path."""
    path.write_bytes(public_pem(name))
    return path


def jwk(name: str, algorithm: str, **more: object) -> dict[str, object]:
    """Return the public half of a key, or `SECRET` where the name is ``oct``, as a JWK."""
    key = SECRET if name == "oct" else private_key(name).public_key()
    described: object = jwt.get_algorithm_by_name(algorithm).to_jwk(key, as_dict=True)
    assert isinstance(described, dict)
    return {**{str(field): value for field, value in described.items()}, **more}


def write_jwks(path: Path, *keys: Mapping[str, object]) -> Path:
    """Write a set of keys; return the path."""
    path.write_text(json.dumps({"keys": list(keys)}))
    return path


def token(
    name: str = "rsa",
    algorithm: str = "RS256",
    claims: Mapping[str, object] | None = None,
    *,
    headers: Mapping[str, object] | None = None,
) -> str:
    """Return a token for joe that is good for an hour, signed; a claim of None is left out."""
    everything = {"sub": "joe", "exp": int(time.time()) + 3600, **(claims or {})}
    payload = {claim: value for claim, value in everything.items() if value is not None}
    key = SECRET if name == "oct" else private_key(name)
    return jwt.encode(payload, key, algorithm=algorithm, headers=dict(headers or {}))
