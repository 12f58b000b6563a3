"""What a context trusts: certificate files and folders, the system, revocation lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_context import client_context
from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import Refused, Warnings, agree, client_of, options_of, server_of

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity


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


# --- trust ------------------------------------------------------------------------------------


def test_certificate_file_that_cannot_be_read_is_warned_about_and_ignored(
    root: Authority, scu: Identity, scp: Identity, tmp_path: Path
) -> None:
    missing, trash = str(tmp_path / "missing.pem"), tmp_path / "trash.pem"
    trash.write_text("trash")
    files = (missing, str(trash), root.path, root.path_der)
    warned = Warnings()
    client = client_context(options_of(root, scu, ca_files=files), warn=warned)
    nothing = "no certificate or crl found"
    assert warned == [
        f"unable to load certificate file '{path}', ignoring ({reason})"
        for path, reason in (
            (missing, "No such file or directory"),
            (str(trash), nothing),
            (root.path_der, nothing),
        )
    ]
    agree(client, server_of(root, scp))


def test_certificate_file_in_der_is_trusted_where_der_was_asked_for(
    root: Authority, scp: Identity, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing.der")
    options = options_of(
        root, None, file_format="der", ca_files=(root.path_der, root.path, missing)
    )
    warned = Warnings()
    client = client_context(options, warn=warned)
    assert [line.partition(" (")[0] for line in warned] == [
        f"unable to load certificate file '{path}', ignoring" for path in (root.path, missing)
    ]
    assert warned[1].endswith(" (No such file or directory)")
    agree(client, server_of(root, scp, peer_certificate="ignore"))


@pytest.mark.parametrize("der", [False, True], ids=["PEM", "DER"])
def test_hashed_folder_is_trusted(root: Authority, scp: Identity, der: bool) -> None:
    other = Authority("Another root", key="ec-p256")
    folder = other.hashed_directory(root, der=der)
    (Path(folder) / "README").write_text("no certificate, and no such name")
    server = server_of(root, scp, peer_certificate="ignore")
    form = "der" if der else "pem"
    agree(client_of(root, None, file_format=form, ca_files=(), ca_directories=(folder,)), server)
    without = other.hashed_directory(der=der)
    stranger = client_of(root, None, file_format=form, ca_files=(), ca_directories=(without,))
    with pytest.raises(Refused, match="certificate verify failed"):
        agree(stranger, server)


def test_folder_that_is_not_there_is_warned_about(root: Authority, tmp_path: Path) -> None:
    warned = Warnings()
    missing = str(tmp_path / "missing")
    client_context(options_of(root, None, ca_directories=(missing, root.path)), warn=warned)
    assert warned == [
        f"unable to load certificates from directory '{path}', ignoring ({reason})"
        for path, reason in (
            (missing, "No such file or directory"),
            (root.path, "Not a directory"),
        )
    ]


def test_broken_certificate_in_a_hashed_folder_in_der_is_warned_about(
    root: Authority, scp: Identity
) -> None:
    folder = Path(root.hashed_directory(der=True))
    broken = folder / "0123abcd.0"
    broken.write_bytes(b"trash")
    warned = Warnings()
    options = options_of(root, None, file_format="der", ca_files=(), ca_directories=(str(folder),))
    client = client_context(options, warn=warned)
    (line,) = warned
    assert line.startswith(f"unable to load certificate file '{broken}', ignoring (")
    agree(client, server_of(root, scp, peer_certificate="ignore"))


def test_system_is_trusted_only_where_that_is_asked_for(
    root: Authority, scp: Identity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", root.path)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    server = server_of(root, scp, peer_certificate="ignore")
    agree(client_of(root, None, ca_files=(), system_ca=True), server)
    with pytest.raises(Refused, match="certificate verify failed"):
        agree(client_of(root, None, ca_files=()), server)


def test_system_without_certificates_is_warned_of(
    root: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    warned = Warnings()
    client_context(options_of(root, None, system_ca=True), warn=warned)
    assert warned == ["this system has no certificates to trust"]


# --- revocation -------------------------------------------------------------------------------


def revoking_root() -> tuple[Authority, Identity, Identity]:
    root = Authority("Root that revokes", key="ec-p256")
    good, bad = root.issue("good", key="ec-p256"), root.issue("bad", key="ec-p256")
    root.revoke(bad)
    return root, good, bad


@pytest.mark.parametrize("der", [False, True], ids=["PEM", "DER"])
def test_revoked_peer_is_refused_by_both_sides_and_others_are_not(der: bool) -> None:
    root, good, bad = revoking_root()
    rules: dict[str, object] = {"crl_files": (root.crl(der=der),)}
    if der:
        rules |= {"file_format": "der", "ca_files": (root.path_der,)}

    def own(identity: Identity) -> dict[str, object]:
        if not der:
            return rules
        files = {"certificate": identity.certificate_der, "private_key": identity.private_key_der}
        return rules | files

    careful_client, careful_server = (
        client_of(root, good, **own(good)),
        server_of(root, good, **own(good)),
    )
    agree(careful_client, server_of(root, good))
    agree(client_of(root, good), careful_server)
    for client, server in (
        (careful_client, server_of(root, bad)),
        (client_of(root, bad), careful_server),
    ):
        with pytest.raises(Refused) as caught:
            agree(client, server)
        assert caught.value.verify_code == 23
    agree(client_of(root, bad), server_of(root, good))


def test_check_without_a_list_lets_nobody_in() -> None:
    root, good, _ = revoking_root()
    for check in ("leaf", "chain"):
        with pytest.raises(Refused) as caught:
            agree(client_of(root, good, crl_check=check), server_of(root, good))
        assert caught.value.verify_code == 3


def test_list_that_is_out_of_date_lets_nobody_in() -> None:
    root, good, _ = revoking_root()
    with pytest.raises(Refused) as caught:
        agree(client_of(root, good, crl_files=(root.crl(expired=True),)), server_of(root, good))
    assert caught.value.verify_code == 12


def test_list_of_another_authority_says_nothing() -> None:
    root, good, _ = revoking_root()
    other = Authority("Another root", key="ec-p256")
    with pytest.raises(Refused) as caught:
        agree(client_of(root, good, crl_files=(other.crl(),)), server_of(root, good))
    assert caught.value.verify_code == 3


def test_revoked_authority_is_found_where_the_chain_is_checked() -> None:
    root = Authority("Root of a chain", key="ec-p256")
    between = root.intermediate("Between", key="ec-p256")
    leaf = between.issue("leaf", key="ec-p256")
    root.revoke(between)
    lists = (root.crl(), between.crl())
    server = server_of(root, leaf)
    client = root.issue("scu", key="ec-p256")
    agree(client_of(root, client, crl_files=lists), server)
    agree(client_of(root, client, crl_files=lists, crl_check="leaf"), server)
    with pytest.raises(Refused) as caught:
        agree(client_of(root, client, crl_files=lists, crl_check="chain"), server)
    assert caught.value.verify_code == 23


@pytest.mark.parametrize("der", [False, True], ids=["PEM", "DER"])
def test_lists_in_a_hashed_folder_are_used(der: bool) -> None:
    root, good, bad = revoking_root()
    folder = root.hashed_directory(der=der, crls=[root.crl(der=der)])
    client = client_of(
        root,
        None,
        file_format="der" if der else "pem",
        ca_files=(),
        ca_directories=(folder,),
        crl_check="leaf",
    )
    agree(client, server_of(root, good, peer_certificate="ignore"))
    with pytest.raises(Refused) as caught:
        agree(client, server_of(root, bad, peer_certificate="ignore"))
    assert caught.value.verify_code == 23


def test_several_lists_may_stand_in_one_file(tmp_path: Path) -> None:
    root, good, bad = revoking_root()
    other = Authority("Another root", key="ec-p256")
    both = tmp_path / "both.pem"
    both.write_bytes(Path(other.crl()).read_bytes() + Path(root.crl()).read_bytes())
    client = client_of(root, good, crl_files=(str(both),))
    agree(client, server_of(root, good))
    with pytest.raises(Refused):
        agree(client, server_of(root, bad))


def test_list_that_cannot_be_read_is_refused(root: Authority, tmp_path: Path) -> None:
    trash = tmp_path / "trash"
    trash.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    missing = str(tmp_path / "missing")
    for path, form, reason in (
        (missing, "pem", "No such file or directory"),
        (root.path, "pem", "it has no revocation list in PEM"),
        (root.crl(der=True), "pem", "it has no revocation list in PEM"),
        (str(trash), "pem", None),
        (root.crl(), "der", None),
    ):
        problem = error_of(root, None, file_format=form, ca_files=(), crl_files=(path,))
        assert (problem.subject, problem.path) == ("crl", path)
        assert problem.reason == reason or (reason is None and problem.reason)


def test_certificate_in_the_file_of_a_list_is_not_trusted(
    root: Authority, scp: Identity, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(Path(root.path).read_bytes() + Path(root.crl()).read_bytes())
    server = server_of(root, scp, peer_certificate="ignore")
    with pytest.raises(Refused, match="certificate verify failed"):
        agree(client_of(root, None, ca_files=(), crl_files=(str(both),)), server)
    agree(client_of(root, None, crl_files=(str(both),)), server)
