"""Files of trust that are damaged, or become so while a server runs: what was trusted stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_context import client_context, server_context
from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import Refused, Warnings, agree, client_of, no_warning, options_of


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of damaged files")


# --- revocation lists -------------------------------------------------------------------------


def test_revocation_list_that_is_cut_off_behind_a_whole_one_is_an_error(
    root: Authority, tmp_path: Path
) -> None:
    whole, cut = Path(root.crl()).read_text(), Path(root.crl()).read_text()[:-40]
    lists = tmp_path / "lists.pem"
    for content in (whole + cut, cut + whole, cut):
        lists.write_text(content)
        with pytest.raises(TlsConfigurationError) as caught:
            client_context(options_of(root, None, crl_files=(str(lists),)), warn=no_warning)
        assert caught.value.subject == "crl"
        assert caught.value.path == str(lists)


def test_text_around_revocation_lists_does_not_matter(root: Authority, tmp_path: Path) -> None:
    lists = tmp_path / "lists.pem"
    lists.write_text(f"first\n{Path(root.crl()).read_text()}second\n{Path(root.crl()).read_text()}")
    client_context(options_of(root, None, crl_files=(str(lists),)), warn=no_warning)


# --- authorities that a server read before ----------------------------------------------------


def test_certificate_file_that_could_be_read_before_has_to_be_read_again(
    root: Authority, tmp_path: Path
) -> None:
    scp, trusted, missing = root.issue("scp"), tmp_path / "ca.pem", str(tmp_path / "missing.pem")
    trusted.write_bytes(Path(root.path).read_bytes())
    options = options_of(root, scp, ca_files=(str(trusted), missing))
    warned = Warnings()
    before = server_context(options, warn=warned)
    reason = "No such file or directory"
    assert warned == [f"unable to load certificate file '{missing}', ignoring ({reason})"]

    for damage in (b"", b"trash", Path(root.path).read_bytes()[:-40]):
        trusted.write_bytes(damage)
        with pytest.raises(TlsConfigurationError) as caught:
            server_context(options, warn=Warnings(), before=before)
        assert caught.value.subject == "ca"
        assert caught.value.path == str(trusted)
    trusted.unlink()
    with pytest.raises(TlsConfigurationError):
        server_context(options, warn=Warnings(), before=before)

    trusted.write_bytes(Path(root.path).read_bytes())
    after = server_context(options, warn=Warnings(), before=before)
    agree(client_of(root, root.issue("scu", key="ec-p256")), after)


def test_folder_that_was_there_before_has_to_be_there_again(
    root: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    options = options_of(root, root.issue("scp"), ca_files=(), ca_directories=(str(folder),))
    before = server_context(options, warn=Warnings())
    folder.rmdir()
    with pytest.raises(TlsConfigurationError, match="trusted"):
        server_context(options, warn=Warnings(), before=before)


def test_authority_that_is_taken_out_of_its_file_is_not_trusted_any_more(
    root: Authority, tmp_path: Path
) -> None:
    other, trusted = Authority("Another root"), tmp_path / "ca.pem"
    trusted.write_bytes(Path(root.path).read_bytes())
    options = options_of(root, root.issue("scp"), ca_files=(str(trusted),))
    before = server_context(options, warn=no_warning)
    trusted.write_bytes(Path(other.path).read_bytes())
    after = server_context(options, warn=no_warning, before=before)
    with pytest.raises(Refused):
        agree(client_of(root, root.issue("scu", key="ec-p256")), after)
