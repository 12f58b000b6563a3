"""TLS through the Python interface: who is trusted, what is told, what is read anew."""

from __future__ import annotations

import shutil
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.errors import TlsConfigurationError, TlsError
from isocenter.testing.certificates import Authority
from isocenter.testing.datasets import ct_image
from isocenter.testing.peer import ScriptedAcceptor

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity
    from isocenter.testing.peer import RawConnection

SECONDS = 20.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("Hospital CA", key="ec-p256", folder=tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def archive(authority: Authority) -> Identity:
    return authority.issue("archive", key="ec-p256", addresses=("127.0.0.1",))


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Identity:
    return authority.issue("scanner", key="ec-p256", names=("scanner.example",))


def options(authority: Authority, identity: Identity | None) -> isocenter.TlsOptions:
    if identity is None:
        return isocenter.TlsOptions(ca_files=(authority.path,))
    return isocenter.TlsOptions(
        certificate=identity.certificate,
        private_key=identity.private_key,
        ca_files=(authority.path,),
    )


def test_both_sides_know_each_other(
    authority: Authority, archive: Identity, scanner: Identity, tmp_path: Path
) -> None:
    seen: list[isocenter.TlsFacts | None] = []

    class Verifier:
        def echo(self, request: isocenter.EchoRequest) -> int:
            seen.append(request.tls)
            return 0

    with (
        isocenter.serve(
            tls=options(authority, archive), verification_provider=Verifier()
        ) as server,
        isocenter.connect("127.0.0.1", server.port, tls=options(authority, scanner)) as peer,
    ):
        peer.echo()
        facts = peer.tls
    assert facts is not None
    assert facts.version == "TLSv1.3"
    assert facts.peer_certificate == ssl.PEM_cert_to_DER_cert(Path(archive.certificate).read_text())
    assert seen[0] is not None
    assert seen[0].peer_certificate == ssl.PEM_cert_to_DER_cert(
        Path(scanner.certificate).read_text()
    )


def test_large_object_arrives_as_it_was_sent(
    authority: Authority, archive: Identity, scanner: Identity, tmp_path: Path
) -> None:
    image = ct_image(rows=1024, columns=1024).write(tmp_path / "image.dcm")
    received = tmp_path / "received"
    received.mkdir()
    with (
        isocenter.serve(tls=options(authority, archive), directory=received) as server,
        isocenter.connect(
            "127.0.0.1",
            server.port,
            contexts=isocenter.contexts_for(image),
            tls=options(authority, scanner),
        ) as peer,
    ):
        assert peer.store(image).status == 0
    (kept,) = received.iterdir()
    assert kept.read_bytes()[-1024 * 1024 :] == image.read_bytes()[-1024 * 1024 :]


def test_peer_without_a_certificate_is_not_served(authority: Authority, archive: Identity) -> None:
    with (
        isocenter.serve(tls=options(authority, archive)) as server,
        pytest.raises(TlsError, match="certificate"),
    ):
        isocenter.connect("127.0.0.1", server.port, tls=options(authority, None))


def test_host_has_to_be_the_certificates_own(
    authority: Authority, scanner: Identity, archive: Identity
) -> None:
    with isocenter.serve(tls=options(authority, scanner)) as server:
        with pytest.raises(TlsError, match="certificate verify failed") as caught:
            isocenter.connect("127.0.0.1", server.port, tls=options(authority, archive))
        assert caught.value.verify_code
        trusting = isocenter.TlsOptions(
            certificate=archive.certificate,
            private_key=archive.private_key,
            ca_files=(authority.path,),
            verify_host=False,
        )
        with isocenter.connect("127.0.0.1", server.port, tls=trusting) as peer:
            peer.echo()


def test_server_of_another_authority_is_not_trusted(
    archive: Identity, authority: Authority, tmp_path: Path
) -> None:
    other = Authority("Other CA", key="ec-p256", folder=tmp_path)
    with (
        isocenter.serve(tls=options(authority, archive)) as server,
        pytest.raises(TlsError, match="certificate verify failed: "),
    ):
        isocenter.connect("127.0.0.1", server.port, tls=options(other, None))


def test_plain_server_is_told_from_one_with_tls(authority: Authority, archive: Identity) -> None:
    with isocenter.serve() as server, pytest.raises(TlsError, match="wrong version number"):
        isocenter.connect("127.0.0.1", server.port, tls=options(authority, None))
    with (
        isocenter.serve(tls=options(authority, archive)) as server,
        pytest.raises((isocenter.ConnectionLost, isocenter.PeerProtocolError)),
    ):
        isocenter.connect("127.0.0.1", server.port)


def test_renewed_certificate_is_used_and_open_associations_go_on(
    authority: Authority, scanner: Identity, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    first = authority.issue("first", key="ec-p256", addresses=("127.0.0.1",))
    second = authority.issue("second", key="ec-p256", addresses=("127.0.0.1",))
    shutil.copy(first.private_key, key)
    shutil.copy(first.certificate, certificate)
    tls = isocenter.TlsOptions(
        certificate=str(certificate), private_key=str(key), ca_files=(authority.path,)
    )
    mine = options(authority, scanner)
    with (
        isocenter.serve(tls=tls) as server,
        isocenter.connect("127.0.0.1", server.port, tls=mine) as open_one,
    ):
        key.write_text("no key")
        with pytest.raises(TlsConfigurationError):
            server.reload_tls()
        with isocenter.connect("127.0.0.1", server.port, tls=mine) as peer:
            assert peer.tls == open_one.tls
        shutil.copy(second.private_key, key)
        shutil.copy(second.certificate, certificate)
        server.reload_tls()
        with isocenter.connect("127.0.0.1", server.port, tls=mine) as peer:
            assert peer.tls is not None
            expected = ssl.PEM_cert_to_DER_cert(Path(second.certificate).read_text())
            assert peer.tls.peer_certificate == expected
            peer.echo()
        open_one.echo()


def test_server_needs_a_certificate(authority: Authority) -> None:
    with pytest.raises(ValueError, match="private key and a certificate"):
        isocenter.serve(tls=options(authority, None))


def test_acceptor_that_is_silent_is_not_waited_for_without_end(authority: Authority) -> None:
    stop = threading.Event()

    def silent(connection: RawConnection) -> None:
        del connection
        stop.wait(SECONDS)

    with ScriptedAcceptor(silent) as acceptor:
        with pytest.raises(isocenter.TimeoutExpired):
            isocenter.connect(
                "127.0.0.1", acceptor.port, tls=options(authority, None), acse_timeout=0.2
            )
        stop.set()
