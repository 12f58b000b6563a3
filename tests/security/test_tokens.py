"""JSON Web Tokens: by which keys and for how long they are believed, and every way to forge one."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.security.identity import IdentityClaim, IdentityRefused
from isocenter.security.tokens import LEEWAY, MAXIMUM_TOKEN, TokenVerifier
from isocenter.ul.admission import RequestFacts
from tests.support.tokens import (
    SECRET,
    jwk,
    private_key,
    public_pem,
    token,
    write_jwks,
    write_pem,
)

if TYPE_CHECKING:
    from pathlib import Path

FORMS = {
    "RS256": "rsa",
    "RS384": "rsa",
    "RS512": "rsa",
    "PS256": "rsa",
    "PS384": "rsa",
    "PS512": "rsa",
    "ES256": "p256",
    "ES384": "p384",
    "ES512": "p521",
    "ES256K": "k256",
    "EdDSA": "ed25519",
}


def claim(content: str | bytes, kind: int = 5) -> IdentityClaim:
    return IdentityClaim(
        kind=kind,
        primary_field=content.encode() if isinstance(content, str) else content,
        secondary_field=b"",
        calling_ae_title="SCU",
        called_ae_title="SCP",
        facts=RequestFacts(),
    )


def name_by(verifier: TokenVerifier, content: str | bytes) -> str:
    user = verifier.identify(claim(content))
    assert user is not None
    assert user.server_response == b""
    return user.name


def reason_of(verifier: TokenVerifier, content: str | bytes) -> str:
    with pytest.raises(IdentityRefused) as caught:
        verifier.identify(claim(content))
    refused = caught.value
    assert not refused.transient
    assert not refused.user  # whom a token names that is not believed is nobody's business
    text = content if isinstance(content, str) else content.decode("latin-1")
    for part in text.split("."):
        assert len(part) < 8 or part not in refused.reason
    return refused.reason


def part(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(header: object, payload: object, secret: bytes | None) -> str:
    """Return a token written by hand: signed with an HMAC, or not at all."""
    head = f"{part(header)}.{part(payload)}"
    if secret is None:
        return f"{head}."
    return f"{head}.{part(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def soon() -> int:
    return int(time.time()) + 600


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> TokenVerifier:
    """Believes the RSA key alone."""
    return TokenVerifier(key_file=write_pem(tmp_path_factory.mktemp("keys") / "rsa.pem", "rsa"))


@pytest.mark.parametrize(("algorithm", "key"), FORMS.items())
def test_token_of_each_algorithm_is_believed_by_its_public_key(
    tmp_path: Path, algorithm: str, key: str
) -> None:
    pem = write_pem(tmp_path / "key.pem", key)
    assert name_by(TokenVerifier(key_file=pem), token(key, algorithm, {"sub": "jörg"})) == "jörg"
    keys = write_jwks(tmp_path / "keys.json", jwk(key, algorithm))
    assert name_by(TokenVerifier(keys_file=keys), token(key, algorithm)) == "joe"
    other = token(f"{key} other", algorithm)
    assert "not signed by a key" in reason_of(TokenVerifier(key_file=pem), other)


def test_ed448(tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "key.pem", "ed448")
    assert name_by(TokenVerifier(key_file=pem), token("ed448", "EdDSA")) == "joe"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_shared_secret_counts_only_where_a_set_of_keys_has_it(
    tmp_path: Path, verifier: TokenVerifier, algorithm: str
) -> None:
    keys = write_jwks(tmp_path / "keys.json", jwk("oct", algorithm))
    assert name_by(TokenVerifier(keys_file=keys), token("oct", algorithm)) == "joe"
    assert "no key here is for the algorithm" in reason_of(verifier, token("oct", algorithm))


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 99])
def test_other_kinds_are_for_other_providers(verifier: TokenVerifier, kind: int) -> None:
    assert verifier.identify(claim(token(), kind)) is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0", " ", "\n\0"])
def test_padding_behind_a_token_is_left_out(verifier: TokenVerifier, end: str) -> None:
    assert name_by(verifier, token() + end) == "joe"


class TestForgery:
    """RFC 8725: what has been tried elsewhere."""

    def test_public_key_as_the_secret_of_an_hmac(self, verifier: TokenVerifier) -> None:
        payload = {"sub": "joe", "exp": soon()}
        for secret in (public_pem("rsa"), public_pem("rsa").strip(), b"", b"secret"):
            content = forged({"alg": "HS256", "typ": "JWT"}, payload, secret)
            assert "no key here is for the algorithm" in reason_of(verifier, content)

    def test_public_key_as_secret_beside_a_shared_secret(self, tmp_path: Path) -> None:
        keys = write_jwks(
            tmp_path / "keys.json", jwk("rsa", "RS256", kid="a"), jwk("oct", "HS256", kid="b")
        )
        verifier = TokenVerifier(keys_file=keys)
        for name in ("a", "b", ""):
            header = {"alg": "HS256", **({"kid": name} if name else {})}
            content = forged(header, {"sub": "joe", "exp": soon()}, public_pem("rsa"))
            assert reason_of(verifier, content)
        content = forged({"alg": "HS256", "kid": "b"}, {"sub": "joe", "exp": soon()}, SECRET)
        assert name_by(verifier, content) == "joe"

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
    @pytest.mark.parametrize("secret", [None, b""])
    def test_no_signature(
        self, verifier: TokenVerifier, algorithm: str, secret: bytes | None
    ) -> None:
        content = forged({"alg": algorithm}, {"sub": "joe", "exp": soon()}, secret)
        assert "not signed (alg none)" in reason_of(verifier, content)

    @pytest.mark.parametrize("algorithm", ["", "RS257", "rs256", "dir", "A128KW", "RS256 "])
    def test_algorithm_that_nobody_knows(self, verifier: TokenVerifier, algorithm: str) -> None:
        content = forged({"alg": algorithm}, {"sub": "joe", "exp": soon()}, b"x")
        assert "no key here is for the algorithm" in reason_of(verifier, content)

    @pytest.mark.parametrize("algorithm", [None, 1, ["RS256"], {"alg": "RS256"}, True])
    def test_algorithm_that_is_no_text(self, verifier: TokenVerifier, algorithm: object) -> None:
        content = forged({"alg": algorithm}, {"sub": "joe", "exp": soon()}, b"x")
        assert "not well-formed" in reason_of(verifier, content)

    def test_key_inside_the_token(self, verifier: TokenVerifier) -> None:
        headers: dict[str, object] = {
            "jwk": jwk("rsa other", "RS256"),
            "jku": "http://127.0.0.1:9/keys",
            "x5u": "http://127.0.0.1:9/key",
        }
        content = token("rsa other", "RS256", headers=headers)
        assert "not signed by a key" in reason_of(verifier, content)

    @pytest.mark.parametrize("name", ["../../dev/null", "' OR 1=1", "\0", "rsa"])
    def test_name_of_a_key(self, tmp_path: Path, name: str) -> None:
        keys = write_jwks(tmp_path / "keys.json", jwk("rsa", "RS256", kid="mine"))
        content = token(headers={"kid": name})
        assert "no key here is of that name" in reason_of(TokenVerifier(keys_file=keys), content)

    def test_extension_that_has_to_be_understood(self, verifier: TokenVerifier) -> None:
        content = token(headers={"crit": ["b64"], "b64": False, "exp": 1})
        assert "demands extensions" in reason_of(verifier, content)
        # Some versions of PyJWT refuse this one themselves.
        assert reason_of(verifier, token(headers={"crit": ["x"], "x": 1}))

    def test_changed_claims(self, verifier: TokenVerifier) -> None:
        head, _, signature = token().split(".")
        changed = f"{head}.{part({'sub': 'root', 'exp': soon()})}.{signature}"
        assert "not signed by a key" in reason_of(verifier, changed)

    def test_signature_of_zeros(self, tmp_path: Path) -> None:
        """CVE-2022-21449."""
        pem = write_pem(tmp_path / "key.pem", "p256")
        head, payload, _ = token("p256", "ES256").split(".")
        content = f"{head}.{payload}.{part(bytes(64))}"
        assert "not signed by a key" in reason_of(TokenVerifier(key_file=pem), content)

    def test_encrypted_token(self, verifier: TokenVerifier) -> None:
        assert "no signed JSON Web Token" in reason_of(verifier, "a.b.c.d.e")

    @pytest.mark.parametrize("position", range(0, 400, 37))
    def test_any_changed_letter(self, verifier: TokenVerifier, position: int) -> None:
        good = token()
        wrong = "A" if good[position] != "A" else "B"
        assert reason_of(verifier, good[:position] + wrong + good[position + 1 :])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": None}, "lacks exp"),
        ({"exp": 1}, "has expired"),
        ({"exp": "soon"}, "not well-formed"),
        ({"exp": [1]}, "not well-formed"),
        ({"exp": True}, "has expired"),
        ({"nbf": "x"}, "not well-formed"),
        ({"aud": "somebody"}, "another audience"),
        ({"aud": ["somebody", "else"]}, "another audience"),
        ({"sub": None}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"sub": "j" * 257}, "no subject"),
    ],
)
def test_claim_that_does_not_hold(
    verifier: TokenVerifier, claims: dict[str, object], reason: str
) -> None:
    assert reason in reason_of(verifier, token(claims=claims))


@pytest.mark.parametrize(
    ("name", "seconds", "reason"),
    [
        ("exp", -LEEWAY - 5, "has expired"),
        ("nbf", LEEWAY + 600, "does not hold yet"),
        ("iat", LEEWAY + 600, "does not hold yet"),
    ],
)
def test_time_beyond_the_leeway(
    verifier: TokenVerifier, name: str, seconds: int, reason: str
) -> None:
    content = token(claims={name: int(time.time()) + seconds})
    assert reason in reason_of(verifier, content)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("exp", -LEEWAY + 40), ("exp", 100.5), ("nbf", LEEWAY - 5), ("iat", LEEWAY - 5)],
)
def test_time_within_the_leeway(verifier: TokenVerifier, name: str, seconds: float) -> None:
    assert name_by(verifier, token(claims={name: time.time() + seconds})) == "joe"


@pytest.mark.parametrize("subject", [1, ["joe"], {"name": "joe"}, True])
def test_subject_that_is_no_name(verifier: TokenVerifier, subject: object) -> None:
    head = {"alg": "RS256", "typ": "JWT"}
    payload = json.dumps({"sub": subject, "exp": soon()}).encode()
    content = jwt.PyJWS().encode(payload, private_key("rsa"), algorithm="RS256", headers=head)
    assert reason_of(verifier, content) in {
        "the token is not well-formed",
        "the token has no subject (sub) that could be a user's name",
    }


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"joe",
        b"null",
        b"\xff",
        b'{"sub":"joe","exp":1e400}',
        b'{"sub":"joe","exp":-1e400}',
        b'{"sub":"joe","exp":NaN}',
        b'{"sub":"joe","exp":1' + b"0" * 5000 + b"}",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_signed_nonsense_lets_nobody_in(verifier: TokenVerifier, payload: bytes) -> None:
    content = jwt.PyJWS().encode(payload, private_key("rsa"), algorithm="RS256")
    if b"1000" in payload:
        return_or_refusal(verifier, content)
    else:
        assert reason_of(verifier, content)


def return_or_refusal(verifier: TokenVerifier, content: str) -> None:
    """A time beyond all times is a time to some versions of Python, and a mistake to others."""
    try:
        verifier.identify(claim(content))
    except IdentityRefused:
        return


def test_claims_that_mean_nothing_here_are_left_alone(verifier: TokenVerifier) -> None:
    claims: dict[str, object] = {"jti": "1", "roles": ["a"], "nested": {"a": 1}}
    assert name_by(verifier, token(claims=claims)) == "joe"


def test_issuer_and_audience_that_are_asked_for(tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "key.pem", "rsa")
    verifier = TokenVerifier(key_file=pem, issuer="https://id.example", audience="pacs")
    both: dict[str, object] = {"iss": "https://id.example", "aud": ["ris", "pacs"]}
    assert name_by(verifier, token(claims=both)) == "joe"
    assert "another issuer" in reason_of(
        verifier, token(claims={**both, "iss": "https://x.example"})
    )
    assert "another audience" in reason_of(verifier, token(claims={**both, "aud": "ris"}))
    assert "lacks iss" in reason_of(verifier, token(claims={"aud": "pacs"}))
    assert "lacks aud" in reason_of(verifier, token(claims={"iss": "https://id.example"}))


def test_token_of_the_longest_size_is_read_and_a_longer_one_is_not(
    verifier: TokenVerifier,
) -> None:
    length = len(token(claims={"x": ""}))
    good = token(claims={"x": "x" * ((MAXIMUM_TOKEN - length) * 3 // 4 - 8)})
    assert MAXIMUM_TOKEN - 20 < len(good) <= MAXIMUM_TOKEN
    assert name_by(verifier, good) == "joe"
    assert "more than 16384 bytes" in reason_of(verifier, good + " " * 20)


@given(st.binary(max_size=200) | st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_any_bytes_are_refused(verifier: TokenVerifier, content: bytes | list[bytes]) -> None:
    if isinstance(content, list):
        content = ".".join(part(each) for each in content).encode()
    assert reason_of(verifier, content)


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "cty"]),
        st.sampled_from(["RS256", "HS256", "none", "", None, 1, [], {}, False]),
    ),
    payload=st.dictionaries(
        st.sampled_from(["sub", "exp", "nbf", "aud"]), st.sampled_from(["joe", 1, 9e99, None, []])
    ),
    secret=st.sampled_from([None, b"", b"x", public_pem("rsa")]),
)
def test_any_forged_token_is_refused(
    verifier: TokenVerifier,
    header: dict[str, object],
    payload: dict[str, object],
    secret: bytes | None,
) -> None:
    assert reason_of(verifier, forged(header, payload, secret))


class TestKeys:
    def test_certificate_stands_for_its_key(self, tmp_path: Path) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
        key = private_key("p256")
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 1)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "certificate.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        assert name_by(TokenVerifier(key_file=path), token("p256", "ES256")) == "joe"

    def test_key_in_the_older_form(self, tmp_path: Path) -> None:
        path = tmp_path / "key.pem"
        public = private_key("rsa").public_key()
        path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
        assert name_by(TokenVerifier(key_file=path), token()) == "joe"

    @pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_private_key_is_refused(self, tmp_path: Path, form: PrivateFormat) -> None:
        path = tmp_path / "key.pem"
        path.write_bytes(private_key("rsa").private_bytes(Encoding.PEM, form, NoEncryption()))
        with pytest.raises(ConfigurationError, match=f"^{path}: has a private key"):
            TokenVerifier(key_file=path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "no public key"),
            (b"secret", "no public key"),
            (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no public key"),
            ("rsa-1024", "RSA key of 1024 bits is too short"),
            ("p224", "signs no tokens"),
        ],
    )
    def test_unusable_key(self, tmp_path: Path, content: bytes | str, reason: str) -> None:
        path = tmp_path / "key.pem"
        path.write_bytes(public_pem(content) if isinstance(content, str) else content)
        with pytest.raises(ConfigurationError, match=f"^{path}: .*{reason}"):
            TokenVerifier(key_file=path)

    @pytest.mark.slow
    def test_key_of_a_kind_that_signs_no_tokens(self, tmp_path: Path) -> None:
        path = tmp_path / "key.pem"
        public = dsa.generate_private_key(1024).public_key()
        path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        with pytest.raises(ConfigurationError, match="a key of this kind signs no tokens"):
            TokenVerifier(key_file=path)

    def test_missing_and_endless_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing = tmp_path / "missing"
        with pytest.raises(ConfigurationError, match=f"^{missing}: No such file"):
            TokenVerifier(key_file=missing)
        with pytest.raises(ConfigurationError, match=f"^{missing}: No such file"):
            TokenVerifier(keys_file=missing)
        monkeypatch.setattr("isocenter.security.tokens._LONGEST_FILE", 10)
        with pytest.raises(ConfigurationError, match="longer than 10 bytes"):
            TokenVerifier(key_file=write_pem(tmp_path / "key.pem", "rsa"))

    def test_either_file_is_needed(self) -> None:
        with pytest.raises(ValueError, match="key_file or a keys_file"):
            TokenVerifier()


class TestKeySets:
    def test_key_is_chosen_by_its_name(self, tmp_path: Path) -> None:
        keys = write_jwks(
            tmp_path / "keys.json",
            jwk("rsa", "RS256", kid="old"),
            jwk("rsa other", "RS256", kid="new"),
            jwk("p256", "ES256"),
        )
        verifier = TokenVerifier(keys_file=keys)
        assert name_by(verifier, token(headers={"kid": "old"})) == "joe"
        assert name_by(verifier, token("rsa other", headers={"kid": "new"})) == "joe"
        assert name_by(verifier, token("rsa other")) == "joe"  # all are tried
        assert name_by(verifier, token("p256", "ES256", headers={"kid": "any"})) == "joe"
        swapped = token(headers={"kid": "new"})
        assert "not signed by a key" in reason_of(verifier, swapped)

    def test_key_for_one_algorithm_is_believed_for_no_other(self, tmp_path: Path) -> None:
        keys = write_jwks(tmp_path / "keys.json", jwk("rsa", "RS256", alg="PS256"))
        verifier = TokenVerifier(keys_file=keys)
        assert name_by(verifier, token("rsa", "PS256")) == "joe"
        assert "no key here is for the algorithm" in reason_of(verifier, token("rsa", "RS256"))

    def test_both_files_together(self, tmp_path: Path) -> None:
        verifier = TokenVerifier(
            key_file=write_pem(tmp_path / "key.pem", "rsa"),
            keys_file=write_jwks(tmp_path / "keys.json", jwk("oct", "HS256")),
        )
        assert verifier.count == 2
        assert name_by(verifier, token()) == name_by(verifier, token("oct", "HS256")) == "joe"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"use": "enc"}, "not for signatures"),
            ({"key_ops": ["encrypt"]}, "not for signatures"),
            ({"key_ops": "verify"}, "not for signatures"),
            ({"kty": "XYZ"}, "kind (kty, crv) that is not known"),
            ({"kty": None}, "kind (kty, crv) that is not known"),
            ({"kty": "EC", "crv": "P-192"}, "kind (kty, crv) that is not known"),
            ({"kid": 5}, "its name (kid) is no text"),
            ({"alg": "HS256"}, "its algorithm (alg) is none for a key of its kind"),
            ({"alg": "none"}, "its algorithm (alg) is none for a key of its kind"),
            ({"n": "?"}, "not well-formed"),
            ({"n": 5}, "not well-formed"),
            ({"kty": "oct", "k": "c2hvcnQ"}, "a secret of 5 bytes is too short"),
        ],
    )
    def test_key_of_no_use_is_left_out_with_a_warning(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        change: dict[str, object],
        reason: str,
    ) -> None:
        useless = {**jwk("rsa", "RS256"), **change}
        keys = write_jwks(tmp_path / "keys.json", useless, jwk("p256", "ES256"))
        verifier = TokenVerifier(keys_file=keys)
        assert verifier.count == 1
        assert f"{keys}: key 1 is left out: " in caplog.text
        assert reason in caplog.text
        write_jwks(keys, useless)
        with pytest.raises(ConfigurationError, match=f"^{keys}: no key that tokens can be"):
            verifier.reload()
        assert name_by(verifier, token("p256", "ES256")) == "joe"

    def test_private_key_is_refused(self, tmp_path: Path) -> None:
        private = jwt.get_algorithm_by_name("RS256").to_jwk(private_key("rsa"), as_dict=True)
        keys = write_jwks(tmp_path / "keys.json", private)
        with pytest.raises(ConfigurationError, match="key 1 is a private one") as caught:
            TokenVerifier(keys_file=keys)
        assert str(private["d"])[:20] not in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "needs a list called keys"),
            ("{}", "needs a list called keys"),
            ('{"keys": {}}', "needs a list called keys"),
            ('{"keys": [1]}', "key 1 is no object"),
            ('{"keys": []}', "no key that tokens can be verified with"),
            (json.dumps({"keys": [{}] * 101}), "more than 100 keys"),
        ],
    )
    def test_what_is_no_set_of_keys(self, tmp_path: Path, content: str, reason: str) -> None:
        path = tmp_path / "keys.json"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match=f"^{path}: .*{reason}"):
            TokenVerifier(keys_file=path)

    def test_reloaded_keys_hold_from_then_on(self, tmp_path: Path) -> None:
        keys = write_jwks(tmp_path / "keys.json", jwk("rsa", "RS256"))
        verifier = TokenVerifier(keys_file=keys)
        write_jwks(keys, jwk("rsa other", "RS256"))
        assert name_by(verifier, token()) == "joe"
        verifier.reload()
        assert name_by(verifier, token("rsa other")) == "joe"
        assert "not signed by a key" in reason_of(verifier, token())
