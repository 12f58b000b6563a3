"""Certificates made for tests are what they are asked to be, by the judgement of OpenSSL."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isocenter.testing import certificates
from isocenter.testing.certificates import KEY_KINDS, Authority

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


def openssl(*arguments: str, fails: bool = False) -> str:
    result = subprocess.run(
        ["openssl", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
        check=False,
    )
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of tests")


def test_issued_certificate_verifies_under_its_authority_only(root: Authority) -> None:
    identity = root.issue("scanner")
    openssl("verify", "-CAfile", root.path, identity.certificate)
    stranger = Authority("Root of tests")
    text = openssl("verify", "-CAfile", stranger.path, identity.certificate, fails=True)
    assert "error 20" in text or "error 7" in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEY_KINDS)
def test_key_is_of_the_kind_asked_for_and_belongs_to_the_certificate(
    root: Authority, kind: str
) -> None:
    identity = root.issue("of a kind", key=kind)
    expected = {"rsa-1024": "1024 bit", "ec-p224": "224 bit", "dsa-2048": "dsaEncryption"}
    text = openssl("x509", "-in", identity.certificate, "-noout", "-text")
    assert expected.get(kind, "Public Key Algorithm") in text
    public = openssl("x509", "-in", identity.certificate, "-noout", "-pubkey")
    for form, path in (
        ("PEM", identity.private_key),
        ("DER", identity.private_key_der),
        ("PEM", identity.private_key_traditional),
    ):
        assert openssl("pkey", "-inform", form, "-in", path, "-pubout") == public


def test_no_two_keys_are_the_same(root: Authority) -> None:
    keys = {Path(root.issue("one of many").private_key).read_bytes() for _ in range(3)}
    assert len(keys) == 3


def test_names_addresses_and_purpose_are_in_the_certificate(root: Authority) -> None:
    identity = root.issue(
        "named", names=["pacs.example", "*.ct.example"], addresses=["127.0.0.1", "::1"]
    )
    text = openssl("x509", "-in", identity.certificate, "-noout", "-text")
    assert "DNS:pacs.example, DNS:*.ct.example, IP Address:127.0.0.1" in text
    assert "IP Address:0:0:0:0:0:0:0:1" in text
    client = root.issue("client", purpose="client")
    openssl("verify", "-CAfile", root.path, "-purpose", "sslclient", client.certificate)
    openssl("verify", "-CAfile", root.path, "-purpose", "sslserver", client.certificate, fails=True)


def test_der_files_hold_what_the_pem_files_do(root: Authority) -> None:
    identity = root.issue("both forms")
    as_pem = openssl("x509", "-inform", "DER", "-in", identity.certificate_der)
    assert as_pem == Path(identity.certificate).read_text()
    assert openssl("x509", "-inform", "DER", "-in", root.path_der) == Path(root.path).read_text()


def test_expired_and_not_yet_valid_certificates_are_that(root: Authority) -> None:
    expired = root.issue("late", expired=True)
    early = root.issue("early", not_yet_valid=True)
    assert "error 10" in openssl("verify", "-CAfile", root.path, expired.certificate, fails=True)
    assert "error 9" in openssl("verify", "-CAfile", root.path, early.certificate, fails=True)
    old = Authority("Old root", expired=True)
    text = openssl("verify", "-CAfile", old.path, old.issue("young").certificate, fails=True)
    assert "error 10" in text


@pytest.mark.parametrize(
    ("digest", "name"),
    [("sha1", "sha1WithRSAEncryption"), ("md5", "md5WithRSAEncryption")],
)
def test_certificate_with_a_weak_signature_has_a_true_one(
    root: Authority, digest: str, name: str
) -> None:
    identity = root.issue("weakly signed", digest=digest)
    text = openssl("x509", "-in", identity.certificate, "-noout", "-text")
    assert text.count(f"Signature Algorithm: {name}") == 2
    openssl("verify", "-auth_level", "0", "-CAfile", root.path, identity.certificate)
    text = openssl(
        "verify", "-auth_level", "1", "-CAfile", root.path, identity.certificate, fails=True
    )
    assert "too weak" in text


def test_weak_signature_needs_an_authority_with_rsa() -> None:
    with pytest.raises(ValueError, match="no signature"):
        Authority("Elliptic root", key="ec-p256").issue("weakly signed", digest="sha1")
    with pytest.raises(ValueError, match="no kind of key"):
        Authority("Odd root", key="rsa-2047")


def test_chain_file_leads_to_the_root_without_holding_it(root: Authority) -> None:
    upper = root.intermediate("Upper", key="ec-p256")
    identity = upper.intermediate("Lower", key="ec-p256").issue("leaf", key="ec-p256")
    assert Path(identity.chain).read_text().count("BEGIN CERTIFICATE") == 3
    openssl("verify", "-CAfile", root.path, "-untrusted", identity.chain, identity.certificate)
    openssl("verify", "-CAfile", root.path, identity.certificate, fails=True)


@pytest.mark.parametrize("der", [False, True])
def test_revoked_certificate_is_on_the_next_list_and_not_on_the_one_before(
    root: Authority, der: bool
) -> None:
    good, bad = root.issue("good"), root.issue("bad")
    before = root.crl(der=der)
    root.revoke(bad)
    after = root.crl(der=der)
    if der:
        for path in (before, after):
            openssl("crl", "-inform", "DER", "-in", path, "-out", f"{path}.pem")
        before, after = f"{before}.pem", f"{after}.pem"
    options = ["-crl_check", "-CAfile", root.path, "-CRLfile"]
    openssl("verify", *options, before, bad.certificate)
    openssl("verify", *options, after, good.certificate)
    assert "error 23" in openssl("verify", *options, after, bad.certificate, fails=True)


def test_revoked_authority_is_found_by_a_check_of_the_whole_chain() -> None:
    root = Authority("Root that revokes", key="ec-p256")
    below = root.intermediate("Below", key="ec-p256")
    leaf = below.issue("leaf", key="ec-p256")
    root.revoke(below)
    options = ["-CAfile", root.path, "-untrusted", leaf.chain]
    lists = ["-CRLfile", root.crl(), "-CRLfile", below.crl()]
    openssl("verify", "-crl_check", *options, *lists, leaf.certificate)
    text = openssl(
        "verify", "-crl_check", "-crl_check_all", *options, *lists, leaf.certificate, fails=True
    )
    assert "error 23" in text


def test_expired_list_is_refused(root: Authority) -> None:
    leaf = root.issue("leaf")
    options = ["-crl_check", "-CAfile", root.path, "-CRLfile", root.crl(expired=True)]
    assert "error 12" in openssl("verify", *options, leaf.certificate, fails=True)


@pytest.mark.parametrize("form", ["pkcs8", "traditional", "der"])
@pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256"])
def test_encrypted_key_opens_with_its_password_only(root: Authority, form: str, kind: str) -> None:
    identity = root.issue("locked", key=kind)
    path = identity.encrypted_key("sesame", form=form)
    options = ["pkey", "-inform", "DER" if form == "der" else "PEM", "-in", path, "-passin"]
    assert openssl(*options, "pass:sesame") == Path(identity.private_key).read_text()
    openssl(*options, "pass:barley", fails=True)


def test_hashed_directory_has_the_names_of_openssl(root: Authority) -> None:
    other = Authority("Ärztehaus  NORD", key="ec-p256")
    twin = Authority("Root of tests", key="ec-p256")
    folder = Path(root.hashed_directory(other, twin, crls=[root.crl()]))
    digests = [
        openssl("x509", "-in", path, "-noout", "-hash").strip() for path in (root.path, other.path)
    ]
    assert sorted(os.listdir(folder)) == sorted(
        [f"{digests[0]}.0", f"{digests[0]}.1", f"{digests[0]}.r0", f"{digests[1]}.0"]
    )
    leaf = other.issue("leaf", key="ec-p256")
    openssl("verify", "-CApath", str(folder), leaf.certificate)
    openssl("verify", "-crl_check", "-CApath", str(folder), root.issue("leaf").certificate)


def test_hashed_directory_in_der_has_the_same_names(root: Authority) -> None:
    pem = Path(root.hashed_directory(crls=[root.crl()]))
    der = Path(root.hashed_directory(crls=[root.crl(der=True)], der=True))
    assert sorted(os.listdir(pem)) == sorted(os.listdir(der))
    for path in der.glob("*.0"):
        openssl("x509", "-inform", "DER", "-in", str(path), "-noout")


def test_files_go_with_the_process_that_made_them_and_stay_in_a_folder_of_ones_own(
    tmp_path: Path,
) -> None:
    program = (
        "import sys; from isocenter.testing.certificates import Authority; "
        "print(Authority('gone', key='ec-p256').path); "
        "print(Authority('kept', key='ec-p256', folder=sys.argv[1]).path)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    gone, kept = result.stdout.split()
    assert not os.path.exists(gone)
    assert os.path.exists(kept)
    assert str(tmp_path) in kept


def test_keys_are_not_taken_from_a_folder_that_others_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = certificates._kept_folder()
    assert folder is not None
    Path(folder).chmod(0o777)
    assert certificates._kept_folder() is None
    with contextlib.suppress(FileNotFoundError):
        Path(folder).rmdir()
    Path(folder).symlink_to(tmp_path)
    Path(tmp_path).chmod(0o777)
    assert certificates._kept_folder() is None


@pytest.mark.slow
def test_slow_keys_are_made_once_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(certificates, "_made", {})
    first = certificates._new_key("rsa-1024")
    second = certificates._new_key("rsa-1024")
    monkeypatch.setattr(certificates, "_made", {})
    again = certificates._new_key("rsa-1024")
    assert again.public_key() == first.public_key()
    assert second.public_key() != first.public_key()
