"""A certificate is judged without anybody who shows it, as in a handshake."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_offline import (
    certificates_of_pem,
    distrust_of_client,
    distrust_of_server,
)
from isocenter.net.tls_options import TlsOptions
from isocenter.net.tls_profiles import PROFILES
from isocenter.testing.certificates import Authority

if TYPE_CHECKING:
    import ssl


@functools.cache
def root(key: str = "ec-p256") -> Authority:
    return Authority("Root", key=key)


def context(**facts: object) -> ssl.SSLContext:
    options = {"ca_files": (root().path,), "verify_host": False, **facts}
    return client_context(TlsOptions(**options), warn=lambda _: None)  # type: ignore[arg-type]


def verdict(path: str, **facts: object) -> str | None:
    problem = distrust_of_server(context(**facts), certificates_of_pem(Path(path).read_text()))
    return None if problem is None else problem.reason


@pytest.mark.parametrize("key", ["ec-p256", "ec-p521", "rsa-2048"])
def test_one_of_a_trusted_authority_is_trusted(key: str) -> None:
    assert verdict(root().issue("a", key=key).certificate) is None


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "basic"])
def test_it_is_judged_in_every_profile(profile: str) -> None:
    assert verdict(root().issue("a", key="ec-p256").certificate, profile=profile) is None
    unknown = Authority("Other", key="ec-p256").issue("a", key="ec-p256")
    said = verdict(unknown.certificate, profile=profile)
    assert said == "unable to get local issuer certificate"


def test_dates_count() -> None:
    assert verdict(root().issue("a", key="ec-p256", expired=True).certificate) == (
        "certificate has expired"
    )
    early = root().issue("a", key="ec-p256", not_yet_valid=True)
    assert verdict(early.certificate) == "certificate is not yet valid"


def test_authorities_in_between_are_taken_from_the_file() -> None:
    identity = root().intermediate("Ward", key="ec-p256").issue("a", key="ec-p256")
    assert verdict(identity.chain) is None
    assert verdict(identity.certificate) == "unable to get local issuer certificate"


def test_revocation_lists_count() -> None:
    authority = Authority("Root", key="ec-p256")
    good, bad = (authority.issue(name, key="ec-p256") for name in ("good", "bad"))
    authority.revoke(bad)
    lists = {
        "ca_files": (authority.path,),
        "crl_files": (authority.crl(),),
        "crl_check": "leaf",
    }
    assert verdict(good.certificate, **lists) is None
    assert verdict(bad.certificate, **lists) == "certificate revoked"
    assert verdict(good.certificate, ca_files=(authority.path,), crl_check="leaf") == (
        "unable to get certificate CRL"
    )


def _acceptor(**facts: object) -> ssl.SSLContext:
    own = root().issue("acceptor", key="ec-p256")
    asked = {
        "ca_files": (root().path,),
        "private_key": own.private_key,
        "certificate": own.certificate,
        **facts,
    }
    return server_context(TlsOptions(**asked), warn=lambda _: None)  # type: ignore[arg-type]


def verdict_of_acceptor(path: str, **facts: object) -> str | None:
    problem = distrust_of_client(_acceptor(**facts), certificates_of_pem(Path(path).read_text()))
    return None if problem is None else problem.reason


@pytest.mark.parametrize("key", ["ec-p256", "ec-p521", "rsa-2048"])
@pytest.mark.parametrize(
    "profile", ["bcp195-rfc8996", "bcp195-rfc8996-modified", "bcp195-extended"]
)
def test_an_acceptor_judges_certificates_of_clients(key: str, profile: str) -> None:
    client = root().issue("a", key=key, purpose="client").certificate
    assert verdict(client) == "unsuitable certificate purpose"
    assert verdict_of_acceptor(client, profile=profile) is None


def test_an_acceptor_judges_by_all_rules() -> None:
    authority = Authority("Other", key="ec-p256")
    unknown = authority.issue("a", key="ec-p256").certificate
    assert verdict_of_acceptor(unknown) == "unable to get local issuer certificate"
    server = root().issue("a", key="ec-p256", purpose="server").certificate
    assert verdict_of_acceptor(server) == "unsuitable certificate purpose"
    late = root().issue("a", key="ec-p256", purpose="client", expired=True).certificate
    assert verdict_of_acceptor(late) == "certificate has expired"
    assert distrust_of_client(_acceptor(), [b"garbage"]) is not None
    assert distrust_of_client(_acceptor(), []) is not None


def test_a_chain_longer_than_a_record_is_judged() -> None:
    data = certificates_of_pem(Path(root().issue("a", key="ec-p256").certificate).read_text())
    problem = distrust_of_server(context(), data + data * 60)
    assert problem is None


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x30\x82\xff\xff" * 9])
def test_what_is_no_certificate_is_not_trusted(data: bytes) -> None:
    assert distrust_of_server(context(), [data]) is not None


def test_no_certificate_is_not_trusted() -> None:
    assert distrust_of_server(context(), []) is not None


def test_a_file_may_have_text_and_several_certificates() -> None:
    pem = Path(root().path).read_text()
    assert len(certificates_of_pem(f"subject\n{pem}\nmore\n{pem}")) == 2
    assert certificates_of_pem("nothing") == []
    with pytest.raises(ValueError, match="no end"):
        certificates_of_pem(pem.split("-----END")[0])
