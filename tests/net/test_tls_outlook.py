"""What an acceptor says before the first peer calls, where it will let in nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

import isocenter
from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_context import client_context, server_context
from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import Warnings, no_warning, options_of


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of the outlook", key="ec-p256")


def warnings_of(options: isocenter.TlsOptions) -> list[str]:
    warned = Warnings()
    server_context(options, warn=warned)
    return list(warned)


def test_acceptor_that_trusts_somebody_and_is_in_its_time_says_nothing(root: Authority) -> None:
    own = root.issue("scp", key="ec-p256")
    server_context(options_of(root, own, crl_files=(root.crl(),)), warn=no_warning)


def test_acceptor_that_trusts_nobody_says_so(root: Authority) -> None:
    own = root.issue("scp", key="ec-p256")
    (line,) = warnings_of(options_of(root, own, ca_files=()))
    assert line.startswith("no certificate authority is trusted")
    assert line.endswith("every peer is refused")
    server_context(options_of(root, own, ca_files=(), peer_certificate="ignore"), warn=no_warning)


def test_revocation_that_is_checked_without_a_list_is_told(root: Authority) -> None:
    own = root.issue("scp", key="ec-p256")
    (line,) = warnings_of(options_of(root, own, crl_check="leaf"))
    assert "there is no revocation list" in line


@pytest.mark.parametrize("form", ["pem", "der"])
@pytest.mark.parametrize(
    ("expired", "words"), [(True, "has expired: it was"), (False, "is not valid yet: it will be")]
)
def test_own_certificate_out_of_its_time_is_told(
    root: Authority, expired: bool, words: str, form: str
) -> None:
    own = root.issue("scp", key="ec-p256", expired=expired, not_yet_valid=not expired)
    path, key, trusted = own.certificate, own.private_key, root.path
    if form == "der":
        path, key, trusted = own.certificate_der, own.private_key_der, root.path_der
    (line,) = warnings_of(
        options_of(
            root, own, certificate=path, private_key=key, ca_files=(trusted,), file_format=form
        )
    )
    assert line.startswith(f"the own certificate '{path}' {words}")
    assert line.endswith(" UTC")


@pytest.mark.parametrize("form", ["pem", "der"])
def test_revocation_list_out_of_date_is_told(root: Authority, form: str) -> None:
    own = root.issue("scp", key="ec-p256")
    path = root.crl(expired=True, der=form == "der")
    others: dict[str, object] = {}
    if form == "der":
        others = {
            "certificate": own.certificate_der,
            "private_key": own.private_key_der,
            "ca_files": (root.path_der,),
            "file_format": "der",
        }
    (line,) = warnings_of(options_of(root, own, crl_files=(path,), **others))
    assert line.startswith(f"the revocation list in '{path}' is out of date (the next one was due")


def test_key_that_all_users_can_read_is_told(root: Authority) -> None:
    own = root.issue("scp", key="ec-p256")
    Path(own.private_key).chmod(0o644)
    expected = f"the private key '{own.private_key}' can be read by all users of this machine"
    assert warnings_of(options_of(root, own)) == [expected]
    Path(own.private_key).chmod(0o640)
    assert warnings_of(options_of(root, own)) == []


@pytest.mark.parametrize("form", ["pem", "der"])
def test_key_with_a_password_may_be_read(root: Authority, form: str) -> None:
    own = root.issue("scp", key="ec-p256")
    key = own.encrypted_key("geheim", form="der" if form == "der" else "pkcs8")
    Path(key).chmod(0o644)
    der: dict[str, object] = {
        "certificate": own.certificate_der,
        "ca_files": (root.path_der,),
    }
    others = der if form == "der" else {}
    options = options_of(root, own, private_key=key, password="geheim", file_format=form, **others)
    assert warnings_of(options) == []


def test_folder_without_hashed_names_is_told(root: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Path(root.path).read_bytes())
    warned = Warnings()
    client_context(options_of(root, None, ca_directories=(str(tmp_path),)), warn=warned)
    (line,) = warned
    assert "openssl rehash" in line
    assert str(tmp_path) in line


# --- in Python --------------------------------------------------------------------------------


def test_authority_that_cannot_be_read_is_an_error_in_python(root: Authority) -> None:
    own = root.issue("a", names=["localhost"], key="ec-p256")
    options = isocenter.TlsOptions(
        certificate=own.certificate, private_key=own.private_key, ca_files=("missing.pem",)
    )
    with pytest.raises(TlsConfigurationError, match=r"missing\.pem: No such file"):
        isocenter.serve(tls=options)
    with pytest.raises(TlsConfigurationError, match=r"missing\.pem: No such file"):
        isocenter.connect("127.0.0.1", 1, tls=options)


@pytest.mark.parametrize("name", ["ca_files", "ca_directories", "crl_files", "ciphers"])
def test_one_path_in_the_place_of_several_is_told_as_such(root: Authority, name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}=\('ca\.pem',\)"):
        client_context(options_of(root, None, **{name: "ca.pem"}), warn=no_warning)
