"""Fuzz target: JSON Web Tokens, and sets of keys.

An input that begins with ``{`` is a set of keys: reading it may raise `ConfigurationError` and
nothing else. Any other is a token, shown to those who believe an HMAC's secret and an elliptic
key. It may be refused and nothing else; whoever is believed is somebody whom these keys have named.
"""

from __future__ import annotations

import functools
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from isocenter.errors import ConfigurationError
from isocenter.security.identity import IdentityClaim, IdentityRefused
from isocenter.security.tokens import TokenVerifier
from isocenter.ul.admission import RequestFacts
from isocenter.ul.pdu import UserIdentityType
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits, raises_only

LIMITS = Limits(memory=8 * 1024 * 1024)

_SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0"
_FAR = 4_000_000_000
_SUBJECT = "joe"


@functools.cache
def _keys() -> tuple[TokenVerifier, list[bytes], bytes]:
    """Return who believes, tokens to be believed, and the set of keys."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    elliptic = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(public))
    shared = {"kty": "oct", "k": _SECRET, "kid": "shared"}
    keys = json.dumps({"keys": [shared, elliptic]}).encode()
    claims = {"sub": _SUBJECT, "exp": _FAR}
    raw = jwt.utils.base64url_decode(_SECRET)
    tokens = [
        jwt.encode(claims, raw, "HS256", headers={"kid": "shared"}).encode(),
        jwt.encode(claims, private, "ES256").encode(),
    ]
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with named(keys) as keys_file, named(pem) as key_file:
        return TokenVerifier(key_file=key_file, keys_file=keys_file), tokens, keys


def seeds() -> list[bytes]:
    """Return tokens that are right, expired, not signed or signed by others, and sets of keys."""
    _, tokens, keys = _keys()
    other = jwt.encode({"sub": "eve", "exp": _FAR}, "x" * 32, "HS256").encode()
    old = jwt.encode({"sub": "joe", "exp": 1}, jwt.utils.base64url_decode(_SECRET)).encode()
    head, body, _ = tokens[0].split(b".")
    none = jwt.encode({"sub": "eve"}, "", "none").encode()
    return [*tokens, other, old, none, head + b"." + body + b".", keys, b'{"keys": [{}]}']


def test_one_input(data: bytes) -> None:
    """Read one token or set of keys and check what follows from it."""
    if data[:1] == b"{":
        with named(data) as path, raises_only(ConfigurationError):
            TokenVerifier(keys_file=path)
        return
    verifier, _, _ = _keys()
    claim = IdentityClaim(
        kind=UserIdentityType.JWT,
        primary_field=data,
        secondary_field=b"",
        calling_ae_title="A",
        called_ae_title="B",
        facts=RequestFacts(),
    )
    with raises_only(IdentityRefused):
        user = verifier.identify(claim)
        if user is None or user.name != _SUBJECT:
            raise AssertionError(f"{user} is believed")
