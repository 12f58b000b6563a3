"""Keys, certificates and parameters out of files, right and wrong ones."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TlsConfigurationError
from isocenter.net import tls_files
from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_profiles import PROFILES
from isocenter.net.tls_snapshot import file_in_memory, pem
from isocenter.testing.certificates import Authority
from isocenter.testing.signatures import tlv
from tests.net.tls_pairs import Refused, Warnings, agree, client_of, options_of, server_of

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity

OLD = "bcp195-nd"
"""A profile without rules for keys."""

STRICT = "bcp195-rfc8996-modified"

# Group 2 of RFC 2409 6.2: 1024 bits.
SHORT_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of files")


@pytest.fixture(scope="module")
def scu(root: Authority) -> Identity:
    return root.issue("scu", key="ec-p256")


@pytest.fixture(scope="module")
def scp(root: Authority) -> Identity:
    return root.issue("scp")


def error_of(
    authority: Authority, identity: Identity | None, **others: object
) -> TlsConfigurationError:
    """What a requestor's context complains of."""
    with pytest.raises(TlsConfigurationError) as caught:
        client_context(options_of(authority, identity, **others), warn=Warnings())
    assert "\n" not in str(caught.value)
    return caught.value


# --- own key and certificate ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa-2048", "rsa-4096", "ec-p256", "ec-p384", "ec-p521"])
def test_key_and_certificate_are_read_from_pem_and_der(root: Authority, kind: str) -> None:
    identity = root.issue("of a kind", key=kind)
    client = client_of(root, None)
    expected = Path(identity.certificate_der).read_bytes()
    for form, key, certificate in (
        ("pem", identity.private_key, identity.certificate),
        ("pem", identity.private_key_traditional, identity.chain),
        ("der", identity.private_key_der, identity.certificate_der),
    ):
        server = server_of(
            root,
            None,
            file_format=form,
            private_key=key,
            certificate=certificate,
            ca_files=(root.path_der if form == "der" else root.path,),
            peer_certificate="ignore",
        )
        assert agree(client, server).peer_of_client == expected


def test_chain_in_the_certificate_file_is_sent_along(root: Authority) -> None:
    between = root.intermediate("Between", key="ec-p256")
    identity = between.issue("below", key="ec-p256")
    client = client_of(root, None)
    agree(client, server_of(root, identity, peer_certificate="ignore"))
    alone = server_of(root, identity, certificate=identity.certificate, peer_certificate="ignore")
    with pytest.raises(Refused):
        agree(client, alone)


def test_key_may_stand_in_the_file_of_the_certificate(
    root: Authority, scp: Identity, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(Path(scp.chain).read_bytes() + Path(scp.private_key).read_bytes())
    both.chmod(0o600)
    server = server_of(
        root, None, certificate=str(both), private_key=str(both), peer_certificate="ignore"
    )
    agree(client_of(root, None), server)


@pytest.mark.parametrize("form", ["pkcs8", "traditional", "der"])
@pytest.mark.parametrize("asked", [False, True])
def test_encrypted_key_is_opened_with_the_password_given_or_asked_for(
    root: Authority, scp: Identity, scu: Identity, form: str, asked: bool
) -> None:
    path = scp.encrypted_key("Öffne dich", form=form)
    asked_for: list[str] = []

    def ask(of: str) -> str:
        asked_for.append(of)
        return "Öffne dich"

    der = form == "der"
    server = server_of(
        root,
        None,
        private_key=path,
        certificate=scp.certificate_der if der else scp.certificate,
        file_format="der" if der else "pem",
        ca_files=(root.path_der if der else root.path,),
        password=None if asked else "Öffne dich",
        ask_password=ask,
    )
    agree(client_of(root, scu), server)
    assert asked_for == ([path] if asked else [])


@pytest.mark.parametrize("form", ["pkcs8", "traditional", "der"])
@pytest.mark.parametrize("password", ["barley", ""])
@pytest.mark.parametrize("asked", [False, True])
def test_wrong_password_is_named_as_such(
    root: Authority, scp: Identity, form: str, password: str, asked: bool
) -> None:
    path = scp.encrypted_key("sesame", form=form)
    der = form == "der"
    problem = error_of(
        root,
        scp,
        private_key=path,
        certificate=scp.certificate_der if der else scp.certificate,
        file_format="der" if der else "pem",
        ca_files=(),
        password=None if asked else password,
        ask_password=lambda _: password,
    )
    assert (problem.subject, problem.path) == ("password", path)
    assert problem.reason == "it is encrypted, and the password is wrong"
    assert "barley" not in str(problem)


def test_encrypted_key_without_a_password_or_anybody_to_ask_is_refused(
    root: Authority, scp: Identity
) -> None:
    problem = error_of(root, scp, private_key=scp.encrypted_key("sesame"))
    assert problem.subject == "password"
    assert problem.reason == "it is encrypted, and there is nobody to ask for the password"


def test_empty_password_opens_a_key_that_is_encrypted_with_it(
    root: Authority, scp: Identity, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", scp.private_key, "-out", path, "-passout", "pass:"],
        capture_output=True,
        timeout=50,
        check=True,
    )
    assert b"ENCRYPTED" in path.read_bytes()
    client_of(root, scp, private_key=str(path), password="")
    problem = error_of(root, scp, private_key=str(path), password="x")
    assert problem.subject == "password"


@pytest.mark.parametrize("form", ["traditional", "der"])
def test_password_is_taken_by_the_bytes_that_were_typed(
    root: Authority, scp: Identity, tmp_path: Path, form: str
) -> None:
    typed = b"Z\xfcrich"  # no UTF-8
    path = tmp_path / "key"
    encryption = ["-passout", f"file:{tmp_path / 'password'}", "-in", scp.private_key]
    (tmp_path / "password").write_bytes(typed + b"\n")
    kind = ["rsa", "-aes256", "-traditional"]
    if form == "der":
        kind = ["pkcs8", "-topk8", "-outform", "DER"]
    subprocess.run(
        ["openssl", *kind, *encryption, "-out", str(path)],
        capture_output=True,
        timeout=50,
        check=True,
    )
    der = form == "der"
    client_of(
        root,
        None,
        private_key=str(path),
        certificate=scp.certificate_der if der else scp.certificate,
        file_format="der" if der else "pem",
        ca_files=(),
        password=os.fsdecode(typed),
    )


def test_password_that_is_not_needed_does_no_harm_and_is_not_asked_for(
    root: Authority, scp: Identity
) -> None:
    client_of(root, scp, password="sesame")

    def ask(path: str) -> str:
        raise AssertionError(path)

    client_of(root, scp, ask_password=ask)


def test_key_of_another_certificate_is_refused(root: Authority, scp: Identity) -> None:
    for kind in ("rsa-2048", "ec-p256"):
        other = root.issue("other", key=kind)
        problem = error_of(root, scp, private_key=other.private_key)
        assert problem.subject == "match"
        assert problem.reason == (
            f"Private key '{other.private_key}' and certificate '{scp.chain}' do not match"
        )
    problem = error_of(
        root,
        None,
        file_format="der",
        ca_files=(),
        private_key=root.issue("other").private_key_der,
        certificate=scp.certificate_der,
    )
    assert problem.subject == "match"


@pytest.mark.parametrize("form", ["pem", "der"])
def test_files_that_cannot_be_read_are_named_with_the_reason(
    root: Authority, scp: Identity, form: str, tmp_path: Path
) -> None:
    key = scp.private_key if form == "pem" else scp.private_key_der
    certificate = scp.certificate if form == "pem" else scp.certificate_der
    other_key = scp.private_key_der if form == "pem" else scp.private_key
    other_certificate = scp.certificate_der if form == "pem" else scp.certificate
    empty = tmp_path / "empty"
    empty.touch()
    missing = str(tmp_path / "missing")
    for wrong_key, reason in (
        (missing, "No such file or directory"),
        (str(tmp_path), "Is a directory"),
        (str(empty), f"it is no private key in {form.upper()}"),
        (certificate, f"it is no private key in {form.upper()}"),
        (other_key, f"it is no private key in {form.upper()}"),
    ):
        problem = error_of(
            root, None, file_format=form, private_key=wrong_key, certificate=certificate
        )
        assert (problem.subject, problem.path, problem.reason) == ("key", wrong_key, reason)
        assert str(problem) == f"{wrong_key}: {reason}"
    for wrong, reason in (
        (missing, "No such file or directory"),
        (str(tmp_path), "Is a directory"),
        (str(empty), f"it is no certificate in {form.upper()}"),
        (key, f"it is no certificate in {form.upper()}"),
        (other_certificate, f"it is no certificate in {form.upper()}"),
    ):
        problem = error_of(root, None, file_format=form, private_key=key, certificate=wrong)
        assert (problem.subject, problem.path, problem.reason) == ("certificate", wrong, reason)


def test_key_is_never_written_without_encryption(
    root: Authority, scp: Identity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[bytes] = []
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load = ssl.SSLContext.load_cert_chain

    def spy(self: ssl.SSLContext, first: str, second: str, password: str) -> None:
        for path in (first, second):
            assert Path(path).parent == tmp_path
            assert Path(path).stat().st_mode & 0o077 == 0
            written.append(Path(path).read_bytes())
        load(self, first, second, password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    client_of(
        root,
        None,
        file_format="der",
        ca_files=(root.path_der,),
        private_key=scp.private_key_der,
        certificate=scp.certificate_der,
    )
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in written[1]
    assert list(tmp_path.iterdir()) == []


# --- rules for own keys -----------------------------------------------------------------------


def test_short_rsa_key_of_ones_own_is_refused_or_warned_of(root: Authority) -> None:
    weak = root.issue("weak", key="rsa-1024")
    where = f"but the key in certificate file '{weak.chain}' is only 1024 bits."
    start = "Key length of RSA public key too short: "
    for profile in ("bcp195-rfc8996", STRICT):
        problem = error_of(root, weak, profile=profile)
        assert problem.subject == "certificate"
        assert problem.reason == (
            f"{start}TLS profile requires at least 2048 bits for RSA keys, {where}"
        )
        with pytest.raises(TlsConfigurationError) as caught:
            server_of(root, weak, profile=profile)
        assert caught.value.reason == (
            f"{start}RFC 9325 requires at least 2048 bits for server RSA keys, {where}"
        )
    for profile in ("bcp195-nd", "bcp195", "bcp195-extended", "aes", "null"):
        for make in (client_context, server_context):
            warned = Warnings()
            make(options_of(root, weak, profile=profile), warn=warned)
            assert warned == [
                f"{start}RFC 9325 recommends at least 2048 bits for RSA keys, {where}"
            ]


def test_short_curve_of_ones_own_is_refused_in_the_strict_profile(root: Authority) -> None:
    short = root.issue("short", key="ec-p224")
    problem = error_of(root, short, profile=STRICT)
    assert problem.subject == "certificate"
    assert problem.reason == (
        "Key length of ECDSA public key too short: TLS profile requires at least 256 bits for "
        f"ECDSA keys, but the key in certificate file '{short.chain}' is only 224 bits."
    )
    client_of(root, short)


def test_dsa_key_is_refused_or_keeps_the_context_from_tls_1_3(
    root: Authority, scp: Identity
) -> None:
    dsa = root.issue("dsa", key="dsa-2048")
    for profile in ("bcp195-rfc8996", STRICT):
        problem = error_of(root, dsa, profile=profile)
        assert problem.subject == "certificate"
        assert problem.reason == (
            f"DSA certificate '{dsa.chain}' not permitted in the selected TLS profile because it "
            "prevents the use of TLS 1.3."
        )
    warned = Warnings()
    client = client_context(options_of(root, dsa, profile=OLD), warn=warned)
    assert warned == [
        (
            "Use of DSA certificate not recommended because it prevents the use of TLS 1.3, which "
            "does not support this certificate type."
        )
    ]
    agreed = agree(client, server_of(root, scp, profile=OLD))
    assert agreed.version == "TLSv1.2"
    assert agreed.peer_of_server == Path(dsa.certificate_der).read_bytes()
    suite = "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"
    options = options_of(root, dsa, profile=OLD, ciphers=(suite,))
    server = server_context(options, warn=warned)
    client = client_context(options, warn=warned)
    assert agree(client, server).suite == "DHE-DSS-AES256-GCM-SHA384"


def test_certificate_with_sha1_of_ones_own_is_refused_or_warned_of(root: Authority) -> None:
    weak = root.issue("weak", digest="sha1")
    used = f"but certificate file '{weak.chain}' uses 'RSA-SHA1'."
    for profile in ("bcp195-rfc8996", STRICT):
        problem = error_of(root, weak, profile=profile)
        assert problem.subject == "certificate"
        assert problem.reason == (
            "Weak certificate hash key: TLS profile requires SHA-256 (or better) for "
            f"certificates, {used}"
        )
    warned = Warnings()
    client_context(options_of(root, weak, profile=OLD), warn=warned)
    assert warned == [
        (
            "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or "
            f"better) for certificates, {used}"
        )
    ]


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "basic"])
def test_certificate_with_md5_of_ones_own_is_refused_in_every_profile(
    root: Authority, profile: str
) -> None:
    broken = root.issue("broken", digest="md5")
    problem = error_of(root, broken, profile=profile)
    assert problem.subject == "certificate"
    assert problem.reason == (
        f"Weak certificate hash key: certificate file '{broken.chain}' uses 'MD5'."
    )


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_better_digests_and_curves_pass_the_strict_profile(digest: str) -> None:
    root = Authority("Good root", key="ec-p384", digest=digest)
    identity = root.issue("good", key="ec-p384", digest=digest)
    warned = Warnings()
    options = options_of(root, identity, profile=STRICT)
    agree(client_context(options, warn=warned), server_context(options, warn=warned))
    assert all("TLS 1.3 ciphersuites" in text for text in warned)


# --- Diffie-Hellman ---------------------------------------------------------------------------


def dh_file(folder: Path, prime: int = SHORT_PRIME) -> str:
    """Parameters with a prime, and 2 as generator (PKCS #3 9)."""
    number = b"\x00" + prime.to_bytes(prime.bit_length() // 8)
    der = tlv(0x30, tlv(0x02, number) + tlv(0x02, b"\x02"))
    path = folder / "dh.pem"
    path.write_bytes(pem("DH PARAMETERS", der))
    return str(path)


def dhe_client(root: Authority, scu: Identity, *, level: int = 0) -> ssl.SSLContext:
    """A requestor with DHE only, at a security level at which it accepts short groups or not."""
    client = client_of(root, scu, profile="bcp195-extended")
    client.set_ciphers(f"DHE-RSA-AES128-GCM-SHA256:@SECLEVEL={level}")
    return client


def test_acceptor_has_a_group_of_2048_bits_without_a_file(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    server = server_of(root, scp, profile="bcp195-extended")
    agreed = agree(dhe_client(root, scu, level=2), server)
    assert agreed.suite == "DHE-RSA-AES128-GCM-SHA256"


def test_built_in_group_is_the_one_of_rfc_7919() -> None:
    # RFC 7919 A.1: 2^2048 - 2^1984 + (floor(2^1918 * e) + 560316) * 2^64 - 1
    from fractions import Fraction

    e, term = Fraction(0), Fraction(1)
    for number in range(1, 400):
        e, term = e + term, term / number
    prime = 2**2048 - 2**1984 + (int(2**1918 * e) + 560316) * 2**64 - 1
    encoded = tls_files._FFDHE2048.encode()
    der = tls_files._DH_BLOCK.search(encoded)
    assert der is not None
    import base64

    assert prime.to_bytes(256) in base64.b64decode(der[1])
    assert tls_files._dh_bits(encoded) == 2048


def test_short_group_in_a_file_is_warned_of_and_used(
    root: Authority, scu: Identity, scp: Identity, tmp_path: Path
) -> None:
    path = dh_file(tmp_path)
    warned = Warnings()
    server = server_context(options_of(root, scp, profile=OLD, dh_parameters=path), warn=warned)
    assert warned == [
        (
            "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at least "
            f"2048 bits, but the key in file '{path}' is only 1024 bits."
        )
    ]
    agree(dhe_client(root, scu), server)
    with pytest.raises(Refused, match="dh key too small"):
        agree(dhe_client(root, scu, level=2), server)


def test_short_group_in_a_file_is_not_used_where_the_profile_forbids_it(
    root: Authority, scu: Identity, scp: Identity, tmp_path: Path
) -> None:
    path = dh_file(tmp_path)
    suite = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"
    for rules in (
        {"profile": "bcp195-extended"},
        {"profile": "bcp195-rfc8996", "ciphers": (suite,)},
    ):
        warned = Warnings()
        options = options_of(root, scp, dh_parameters=path, **rules)
        server = server_context(options, warn=warned)
        assert [text for text in warned if "only 1024 bits" in text]
        assert warned[-1] == f"unable to load temporary DH parameter file '{path}', ignoring"
        agree(dhe_client(root, scu, level=2), server)


def test_parameters_of_full_length_are_used_without_a_word(
    root: Authority, scu: Identity, scp: Identity, tmp_path: Path
) -> None:
    path = tmp_path / "dh.pem"
    path.write_text("DH Parameters: (2048 bit)\n" + tls_files._FFDHE2048)
    server = server_of(root, scp, profile=OLD, dh_parameters=str(path))
    agree(dhe_client(root, scu, level=2), server)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"trash", b"-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n"],
    ids=["missing", "empty", "trash", "no prime"],
)
def test_parameters_that_cannot_be_read_are_warned_of_and_not_used(
    root: Authority, scu: Identity, scp: Identity, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "dh.pem"
    if content is not None:
        path.write_bytes(content)
    warned = Warnings()
    options = options_of(root, scp, profile=OLD, dh_parameters=str(path))
    server = server_context(options, warn=warned)
    assert warned == [f"unable to load temporary DH parameter file '{path}', ignoring"]
    agree(dhe_client(root, scu, level=2), server)


@pytest.mark.parametrize("memory", [True, False])
def test_file_in_memory_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: bool
) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("no files in memory here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with file_in_memory(b"content") as path:
        assert Path(path).read_bytes() == b"content"
        assert len(list(tmp_path.iterdir())) == (0 if memory else 1)
    assert not os.path.exists(path)
    assert list(tmp_path.iterdir()) == []
