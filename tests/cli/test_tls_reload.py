"""What a receiver trusts is not lost where its file cannot be read at the moment it is reread."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.cli.options_storescp import TOOL
from isocenter.cli.parser import parse
from isocenter.cli.tls import ServerSide
from isocenter.errors import ConfigurationError, TlsConfigurationError
from isocenter.testing.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root() -> Authority:
    return Authority("Root", key="ec-p256")


def test_receiver_keeps_what_it_trusts_where_an_authority_cannot_be_read_any_more(
    root: Authority, tmp_path: Path
) -> None:
    own, trusted = root.issue("a", key="ec-p256"), tmp_path / "ca.pem"
    shutil.copy(root.path, trusted)
    words = ["+tls", own.private_key, own.certificate, "+cf", str(trusted), "2762"]
    side = ServerSide(parse(TOOL, words))
    before = side.tls.context
    trusted.unlink()
    reason = f"000b:0001 Unable to create TLS transport layer ({trusted}: it cannot be read any"
    with pytest.raises(ConfigurationError) as caught:
        side.reload()
    assert str(caught.value).startswith(reason)
    assert side.tls.context is before
    shutil.copy(root.path, trusted)
    side.reload()
    assert side.tls.context is not before


def test_server_keeps_what_it_trusts_where_an_authority_cannot_be_read_any_more(
    root: Authority, tmp_path: Path
) -> None:
    own, trusted = root.issue("a", names=["localhost"], key="ec-p256"), tmp_path / "ca.pem"
    shutil.copy(root.path, trusted)
    options = isocenter.TlsOptions(
        certificate=own.certificate,
        private_key=own.private_key,
        ca_files=(str(trusted),),
        verify_host=False,
    )
    calling = isocenter.TlsOptions(
        certificate=own.certificate,
        private_key=own.private_key,
        ca_files=(root.path,),
        verify_host=False,
    )
    with isocenter.serve(tls=options) as server:
        trusted.write_text("half of a cert")
        with pytest.raises(TlsConfigurationError, match="cannot be read any more"):
            server.reload_tls()
        with isocenter.connect("127.0.0.1", server.port, tls=calling) as peer:
            peer.echo()
