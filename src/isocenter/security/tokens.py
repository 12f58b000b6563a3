"""JSON Web Tokens: who issued one for whom, and whether it holds now.

Owns which keys and algorithms are believed and which claims are asked for. Must not know where a
token came from. PyJWT and cryptography are loaded where there are keys.

An algorithm is believed only with a key of its own kind: a public key is never the secret of an
HMAC, and ``none`` is no algorithm. What a token itself says about keys (``jku``, ``jwk``, ``x5u``,
``x5c``) is not looked at.

RFC 7515, RFC 7517, RFC 7518, RFC 7519, RFC 8037, RFC 8725; PS3.7 D.3.3.7, PS3.15 B.
"""

from __future__ import annotations

import os

from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import Record, replace
from isocenter.security.identity import IdentifiedUser, IdentityRefused
from isocenter.security.trusted_files import read_trusted, warn_of_rights
from isocenter.ul.pdu import UserIdentityType

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from isocenter.security.identity import IdentityClaim

__all__ = ["LEEWAY", "MAXIMUM_TOKEN", "TokenVerifier"]

_LOGGER = get_logger(__name__)

LEEWAY = 60
"""Seconds that clocks may differ."""

MAXIMUM_TOKEN = 16384
"""Bytes of a token, inclusive. Those of web servers have to fit into 8192."""

_LONGEST_FILE = 1024 * 1024
_MOST_KEYS = 100
_LONGEST_SUBJECT = 256
_SHORTEST_RSA = 2048
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
_HMAC = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithm to the bytes that its secret has at least (RFC 7518 3.2)."""
_READERS = {
    "oct": "HS256",
    "RSA": "RS256",
    "P-256": "ES256",
    "P-384": "ES384",
    "P-521": "ES512",
    "secp256k1": "ES256K",
    "Ed25519": "EdDSA",
    "Ed448": "EdDSA",
}
"""Kind of key, or its curve, to an algorithm whose keys PyJWT can read."""


class _Key(Record, hidden=("key",)):
    """A key that is believed.

    Fields:
        key: what PyJWT takes: a public key, or the secret of an HMAC.
        algorithms: for which it is believed.
        name: its kid, "" for none.
    """

    key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey | bytes
    algorithms: tuple[str, ...]
    name: str = ""


class TokenVerifier:
    """Believes tokens that certain keys have signed (an `IdentityProvider`); for any thread.

    Args:
        key_file: a public key or certificate in PEM; None for none.
        keys_file: a set of keys (JWKS, RFC 7517); the only place for a shared secret (kty oct).
        issuer: the ``iss`` that a token has to have; "" for any or none.
        audience: what has to be among its ``aud``; where "", a token for a named audience is
            refused, for it is meant for somebody else (RFC 7519 4.1.3).
        leeway: seconds that clocks may differ.

    Raises:
        ConfigurationError: a file cannot be used.
        ValueError: neither file was given.
    """

    __slots__ = ("_audience", "_issuer", "_key_file", "_keys", "_keys_file", "_leeway")

    def __init__(
        self,
        *,
        key_file: str | os.PathLike[str] | None = None,
        keys_file: str | os.PathLike[str] | None = None,
        issuer: str = "",
        audience: str = "",
        leeway: float = LEEWAY,
    ) -> None:
        """Read the keys."""
        if key_file is None and keys_file is None:
            raise ValueError("a key_file or a keys_file is needed to verify tokens")
        self._key_file = None if key_file is None else os.fspath(key_file)
        self._keys_file = None if keys_file is None else os.fspath(keys_file)
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._keys: tuple[_Key, ...] = ()
        self.reload()

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def reload(self) -> None:
        """Read the keys again; who is identified already is not asked again.

        Raises:
            ConfigurationError: a file cannot be used; the keys stay as they were.
        """
        import jwt  # noqa: F401 - before processes are forked

        keys: list[_Key] = []
        if self._key_file is not None:
            keys.append(_pem_key(self._key_file))
        if self._keys_file is not None:
            keys += _jwks_keys(self._keys_file)
        self._keys = tuple(keys)

    def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
        """As `IdentityProvider`; the subject (``sub``) is the user's name.

        Raises:
            IdentityRefused: the token is not to be believed.
        """
        if claim.kind != UserIdentityType.JWT:
            return None
        token = claim.primary_field
        if len(token) > MAXIMUM_TOKEN:
            raise IdentityRefused(f"the token has more than {MAXIMUM_TOKEN} bytes")
        # Some send what they have read of a text file, or a string of even length.
        claims = self._claims(token.strip(b"\r\n \0"))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST_SUBJECT:
            raise IdentityRefused("the token has no subject (sub) that could be a user's name")
        return IdentifiedUser(name=subject)

    def _claims(self, token: bytes) -> Mapping[str, object]:
        """Return the claims of a token that is signed and holds now.

        Raises:
            IdentityRefused: it is not.
        """
        algorithm, name = _header(token)
        keys = [
            key
            for key in self._keys
            if algorithm in key.algorithms and (not name or not key.name or key.name == name)
        ]
        if not keys:
            raise IdentityRefused(
                "no key here is of that name and for the algorithm of the token"
                if name
                else "no key here is for the algorithm of the token"
            )
        for key in keys:
            claims = self._decode(token, key, algorithm)
            if claims is not None:
                return claims
        raise IdentityRefused("the token is not signed by a key that is known here")

    def _decode(self, token: bytes, key: _Key, algorithm: str) -> Mapping[str, object] | None:
        """Return the claims; None where this key has not signed them.

        Raises:
            IdentityRefused: it has, and they do not hold.
        """
        import jwt

        try:
            claims: dict[str, object] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                options={"require": ["exp"]},
                audience=self._audience or None,
                issuer=self._issuer or None,
                leeway=self._leeway,
            )
        except jwt.InvalidSignatureError:
            return None
        except jwt.ExpiredSignatureError:
            reason = "the token has expired"
        except jwt.ImmatureSignatureError:
            reason = "the token does not hold yet (nbf or iat)"
        except jwt.InvalidAudienceError:
            reason = "the token is for another audience (aud)"
        except jwt.InvalidIssuerError:
            reason = "the token is of another issuer (iss)"
        except jwt.MissingRequiredClaimError as problem:
            wanted = problem.claim if problem.claim in {"exp", "aud", "iss"} else "a claim"
            reason = f"the token lacks {wanted}"
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            reason = "the token is not well-formed"  # what they say may be a part of it
        else:
            return claims
        raise IdentityRefused(reason)


def _header(token: bytes) -> tuple[str, str]:
    """Return the algorithm and the name of the key that a token claims; "" for no name.

    Raises:
        IdentityRefused: it is no signed token, or demands what is not known here.
    """
    import jwt

    if token.count(b".") != 2:
        raise IdentityRefused("the token is no signed JSON Web Token")
    try:
        header: dict[str, object] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise IdentityRefused("the token is not well-formed") from None
    algorithm, name = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(name, str):
        raise IdentityRefused("the token is not well-formed")
    if "crit" in header or "b64" in header:
        raise IdentityRefused("the token demands extensions (crit) that are not known here")
    if algorithm.lower() == "none":
        raise IdentityRefused("the token is not signed (alg none)")
    return algorithm, name


def _pem_key(path: str) -> _Key:
    """Return the public key of a PEM file.

    Raises:
        ConfigurationError: it has none, or one that is not believed.
    """
    file = read_trusted(path, _LONGEST_FILE)
    warn_of_rights(path, file.mode, secret=False)
    content = file.content
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY-----" in content:
        raise ConfigurationError(f"{path}: has a private key, only the public one belongs here")
    try:
        key = (
            x509.load_pem_x509_certificate(content).public_key()
            if b"-----BEGIN CERTIFICATE-----" in content
            else load_pem_public_key(content)
        )
        return _public_key(key)
    except Exception as problem:  # its own errors have no common base
        reason = problem if type(problem) is _NotBelieved else "no public key or certificate in PEM"
        raise ConfigurationError(f"{path}: {reason}") from problem


class _NotBelieved(Exception):
    """A key that no token can be believed by; says why."""


def _public_key(key: object, name: str = "") -> _Key:
    """Return a public key with the algorithms that it is believed for.

    Raises:
        _NotBelieved: there are none, or it is too short.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SHORTEST_RSA:
            raise _NotBelieved(f"an RSA key of {key.key_size} bits is too short")
        return _Key(key=key, algorithms=_RSA, name=name)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _Key(key=key, algorithms=(_CURVES[key.curve.name],), name=name)
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return _Key(key=key, algorithms=("EdDSA",), name=name)
    raise _NotBelieved("a key of this kind signs no tokens")


def _jwks_keys(path: str) -> list[_Key]:
    """Return the keys of a set; those of kinds that are not known are left out, with a warning.

    Raises:
        ConfigurationError: it is no set, has a private key, or no key that can be used.
    """
    import json

    file = read_trusted(path, _LONGEST_FILE)
    try:
        document: object = json.loads(file.content)
    except (ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{path}: no JSON") from problem
    listed: object = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ConfigurationError(f"{path}: no set of keys (JWKS): it needs a list called keys")
    if len(listed) > _MOST_KEYS:
        raise ConfigurationError(f"{path}: more than {_MOST_KEYS} keys")
    keys: list[_Key] = []
    for number, entry in enumerate(listed, 1):
        if not isinstance(entry, dict):
            raise ConfigurationError(f"{path}: key {number} is no object")
        values = {str(name): value for name, value in entry.items()}
        if values.get("kty") != "oct" and "d" in values:
            raise ConfigurationError(
                f"{path}: key {number} is a private one, only the public one belongs here"
            )
        try:
            keys.append(_jwk(values))
        except _NotBelieved as problem:
            _LOGGER.warning("%s: key %d is left out: %s", path, number, problem)
    if not keys:
        raise ConfigurationError(f"{path}: no key that tokens can be verified with")
    # Of public keys everybody may know; who knows a shared secret can make tokens.
    warn_of_rights(path, file.mode, secret=any(isinstance(key.key, bytes) for key in keys))
    return keys


def _jwk(values: Mapping[str, object]) -> _Key:
    """Return a key of a set.

    Raises:
        _NotBelieved: it is of no use here.
    """
    import jwt

    operations = values.get("key_ops", ["verify"])
    if values.get("use", "sig") != "sig" or not (
        isinstance(operations, list) and "verify" in operations
    ):
        raise _NotBelieved("it is not for signatures")
    name = values.get("kid", "")
    if not isinstance(name, str):
        raise _NotBelieved("its name (kid) is no text")
    wanted = values.get("alg")
    kind = str(values.get("kty"))
    reader = _READERS.get(str(values.get("crv")) if kind in {"EC", "OKP"} else kind)
    if reader is None:
        raise _NotBelieved("it is of a kind (kty, crv) that is not known here")
    try:
        read: object = jwt.get_algorithm_by_name(reader).from_jwk(dict(values))
    except Exception as problem:  # PyJWT lets errors of base64 and numbers through
        raise _NotBelieved("it is not well-formed") from problem
    if isinstance(read, bytes):
        algorithms = tuple(each for each, least in _HMAC.items() if len(read) >= least)
        if not algorithms:
            raise _NotBelieved(f"a secret of {len(read)} bytes is too short")
        key = _Key(key=read, algorithms=algorithms, name=name)
    else:
        key = _public_key(read, name)
    if wanted is None:
        return key
    if wanted not in key.algorithms:
        raise _NotBelieved("its algorithm (alg) is none for a key of its kind and length")
    return replace(key, algorithms=(str(wanted),))
