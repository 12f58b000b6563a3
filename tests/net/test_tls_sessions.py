"""An acceptor keeps few sessions: its context goes on with one of the same kind."""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from isocenter.net import tls_context
from isocenter.net.tls_context import MOST_SESSIONS, server_context
from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import Refused, Warnings, agree, client_of, options_of, server_of

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from isocenter.testing.certificates import Identity

PZ = "bcp195-extended"
"""A profile without TLS 1.3: sessions of that are not kept."""


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root")


@pytest.fixture(scope="module")
def scu(root: Authority) -> Identity:
    return root.issue("scu")


@pytest.fixture(scope="module")
def scp(root: Authority) -> Identity:
    return root.issue("scp")


def renewing_server(folder: Path, **others: object) -> tuple[Authority, ssl.SSLContext]:
    """An acceptor of TLS 1.2 with an encrypted key, and its authority."""
    root = Authority("Root of sessions", key="ec-p256", folder=folder)
    scp = root.issue("scp", key="ec-p256")
    key = scp.encrypted_key("sesame")
    asked: list[str] = []

    def ask(path: str) -> str:
        assert not asked, "asked for the password a second time"
        asked.append(path)
        return "sesame"

    rules: dict[str, object] = {"profile": PZ, "peer_certificate": "verify"}
    options = options_of(root, scp, private_key=key, ask_password=ask, **(rules | others))
    return root, server_context(options, warn=Warnings())


@pytest.mark.slow
def test_acceptor_keeps_few_sessions_and_goes_on_as_it_was_without_its_files(
    tmp_path: Path,
) -> None:
    root, server = renewing_server(tmp_path / "files", ca_files=())
    client = client_of(root, None, profile=PZ)
    shutil.rmtree(tmp_path / "files")
    for _ in range(3 * MOST_SESSIONS):
        assert agree(client, server).version == "TLSv1.2"
    assert server.session_stats()["number"] <= MOST_SESSIONS
    assert server.session_stats()["accept"] <= MOST_SESSIONS


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory here")
def test_renewed_context_trusts_and_refuses_whom_the_first_did(tmp_path: Path) -> None:
    root = Authority("Root that revokes", key="ec-p256")
    good, bad = root.issue("good", key="ec-p256"), root.issue("bad", key="ec-p256")
    root.revoke(bad)
    lists = (root.crl(),)
    rules: dict[str, object] = {"profile": PZ}
    server = server_of(root, good, **rules, crl_files=lists)
    clients = [client_of(root, one, **rules) for one in (good, bad)]
    stranger = Authority("Stranger", key="ec-p256").issue("stranger", key="ec-p256")
    clients.append(client_of(root, stranger, **rules))
    for path in (*lists, root.path, good.private_key, good.chain):
        os.unlink(path)
    for _ in range(2):
        agree(clients[0], server)
        with pytest.raises(Refused) as caught:
            agree(clients[1], server)
        assert caught.value.verify_code == 23
        with pytest.raises(Refused) as caught:
            agree(clients[2], server)
        assert caught.value.side == "server"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tls_context, "MOST_SESSIONS", 1)
            agree(clients[0], server)  # by a context that was made anew


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory here")
@pytest.mark.parametrize("failing", range(4), ids=["CA", "certificate", "key", "DH"])
def test_context_that_cannot_be_renewed_goes_on_itself(
    root: Authority, scu: Identity, scp: Identity, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    server = server_of(root, scp, profile=PZ)
    client = client_of(root, scu, profile=PZ)
    monkeypatch.setattr(tls_context, "MOST_SESSIONS", 0)
    create, calls = os.memfd_create, [0]

    def no_descriptor(name: str) -> int:
        calls[0] += 1
        if calls[0] == failing + 1:
            raise OSError(24, "Too many open files")
        return create(name)

    monkeypatch.setattr(os, "memfd_create", no_descriptor)
    agree(client, server)
    assert calls[0] > failing
    assert server.session_stats()["accept"] == 1
    agree(client, server)
    assert server.session_stats()["accept"] == 1, "the next one can be made again"


def test_context_goes_on_itself_where_a_library_cannot_be_loaded(
    root: Authority, scu: Identity, scp: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that explains what is wrong with a key, where no descriptor is left."""
    server, client = server_of(root, scp, profile=PZ), client_of(root, scu, profile=PZ)
    monkeypatch.setattr(tls_context, "MOST_SESSIONS", 0)

    def fail(*_: object, **__: object) -> None:
        raise ImportError("cannot open shared object file: Too many open files")

    monkeypatch.setattr(tls_context, "load_identity", fail)
    agree(client, server)
    assert server.session_stats()["accept"] == 1


def test_renewed_context_answers_to_its_name_only(
    root: Authority, scu: Identity, scp: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    server = server_of(root, scp, profile=PZ, expected_server_name="pacs.example")
    client = client_of(root, scu, profile=PZ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tls_context, "MOST_SESSIONS", 0)
        for _ in range(2):
            assert agree(client, server, server_name="pacs.example").alpn == "dicom"
            with pytest.raises(Refused), caplog.at_level(logging.CRITICAL):
                agree(client, server, server_name="other.example")
    assert server.session_stats()["accept"] == 0, "it was renewed each time"


def test_sessions_of_tls_1_3_are_not_kept(root: Authority, scu: Identity, scp: Identity) -> None:
    server, client = server_of(root, scp), client_of(root, scu)
    for _ in range(3):
        assert agree(client, server).version == "TLSv1.3"
    assert server.session_stats()["number"] == 0
