"""Our contexts over real connections with `openssl s_client` and `openssl s_server`."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import client_of, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.testing.certificates import Identity

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here"),
]

PATIENCE = 40.0
"""Seconds that a program may take on a machine with other things to do."""


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of programs")


@pytest.fixture(scope="module")
def scu(root: Authority) -> Identity:
    return root.issue("scu")


@pytest.fixture(scope="module")
def scp(root: Authority) -> Identity:
    return root.issue("scp", names=["pacs.example"])


@contextlib.contextmanager
def acceptor(context: ssl.SSLContext) -> Iterator[int]:
    """Answer every line of every connection with itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(PATIENCE)
                        with context.wrap_socket(connection, server_side=True) as secure:
                            while line := secure.recv(1000):
                                secure.sendall(b"got " + line)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()


def s_client(port: int, authority: Authority, *options: str, said: str = "hello\n") -> str:
    """Say something by `openssl s_client` and return all that it prints."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", authority.path]
    process = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = []
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(said)
            process.stdin.flush()
        for line in process.stdout:
            lines.append(line)
            if line.startswith("got "):
                break
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        lines.extend(process.stdout)
    finally:
        timer.cancel()
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()
    return "".join(lines)


def own(identity: Identity) -> list[str]:
    return ["-cert", identity.certificate, "-key", identity.private_key]


@pytest.mark.parametrize(
    ("profile", "options", "agreed"),
    [
        ("bcp195-rfc8996", ["-tls1_3"], "TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"),
        ("bcp195-rfc8996", ["-tls1_2"], "TLSv1.2, Cipher is ECDHE-RSA-AES256-GCM-SHA384"),
        ("bcp195-rfc8996", ["-tls1_1"], None),
        ("bcp195-rfc8996", ["-tls1_2", "-cipher", "AES128-SHA"], None),
        ("bcp195-nd", ["-tls1_2", "-cipher", "DHE"], "Cipher is DHE-RSA-AES256-GCM-SHA384"),
        ("bcp195-extended", ["-tls1_3"], None),
        ("bcp195", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "Cipher is AES128-SHA"),
        ("aes", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "Cipher is AES128-SHA"),
        ("aes", ["-tls1_3"], None),
        ("null", ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"], "Cipher is NULL-SHA"),
        ("null", ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0"], None),
    ],
)
def test_acceptor_agrees_with_s_client_on_what_the_profile_has(
    root: Authority,
    scu: Identity,
    scp: Identity,
    profile: str,
    options: list[str],
    agreed: str | None,
) -> None:
    with acceptor(server_of(root, scp, profile=profile)) as port:
        printed = s_client(port, root, *own(scu), *options)
    if agreed is None:
        assert "got hello" not in printed
        assert "Cipher is (NONE)" in printed, printed
    else:
        assert agreed in printed, printed
        assert "got hello" in printed, printed


def test_s_client_without_a_certificate_is_let_in_only_where_none_is_required(
    root: Authority, scp: Identity
) -> None:
    with acceptor(server_of(root, scp)) as port:
        assert "got hello" not in s_client(port, root)
    with acceptor(server_of(root, scp, peer_certificate="verify")) as port:
        assert "got hello" in s_client(port, root)


def test_acceptor_lets_nobody_renegotiate(root: Authority, scu: Identity, scp: Identity) -> None:
    with acceptor(server_of(root, scp)) as port:
        printed = s_client(port, root, *own(scu), "-tls1_2", said="R\nhello\n")
    assert "RENEGOTIATING" in printed
    assert "no renegotiation" in printed, printed


def test_acceptor_gives_no_tickets(root: Authority, scu: Identity, scp: Identity) -> None:
    with acceptor(server_of(root, scp)) as port:
        for version in ("-tls1_2", "-tls1_3"):
            printed = s_client(port, root, *own(scu), version)
            assert "got hello" in printed, printed
            assert "TLS session ticket" not in printed


def test_acceptor_confirms_the_protocol(root: Authority, scu: Identity, scp: Identity) -> None:
    with acceptor(server_of(root, scp)) as port:
        printed = s_client(port, root, *own(scu), "-alpn", "h2,dicom")
        assert "ALPN protocol: dicom" in printed
        assert "No ALPN negotiated" in s_client(port, root, *own(scu))


def test_acceptor_with_a_name_answers_to_that_only(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    with acceptor(server_of(root, scp, expected_server_name="pacs.example")) as port:
        assert "got hello" in s_client(port, root, *own(scu), "-servername", "pacs.example")
        for options in (["-servername", "other.example"], ["-noservername"]):
            printed = s_client(port, root, *own(scu), *options)
            assert "got hello" not in printed
            assert "unrecognized name" in printed, printed


@contextlib.contextmanager
def s_server(
    authority: Authority, identity: Identity, *options: str
) -> Iterator[tuple[int, list[str]]]:
    """Run `openssl s_server` for one connection; its lines are there at the end."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1"]
    trust = ["-CAfile", authority.path, "-Verify", "5", "-verify_return_error"]
    process = subprocess.Popen(
        [*command, *own(identity), *trust, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = []
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ACCEPT "):
                break
        yield int(lines[-1].rpartition(":")[2]), lines
        process.stdin.close()
        lines.extend(process.stdout)
    finally:
        timer.cancel()
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()
        process.stdin.close()


def connect(context: ssl.SSLContext, port: int, name: str | None = None) -> tuple[str, str]:
    """Connect, and return version and suite."""
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        cipher = secure.cipher()
        assert cipher is not None
        return str(secure.version()), cipher[0]


@pytest.mark.parametrize(
    ("profile", "options", "agreed"),
    [
        ("bcp195-rfc8996", [], ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
        ("bcp195-rfc8996", ["-tls1_2"], ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")),
        ("bcp195-rfc8996", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None),
        ("bcp195-nd", ["-tls1_2", "-cipher", "AES128-SHA"], None),
        ("bcp195", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ("TLSv1", "AES128-SHA")),
        ("bcp195-extended", ["-tls1_3"], None),
        ("null", ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"], ("TLSv1.2", "NULL-SHA")),
    ],
)
def test_requestor_agrees_with_s_server_on_what_the_profile_has(
    root: Authority,
    scu: Identity,
    scp: Identity,
    profile: str,
    options: list[str],
    agreed: tuple[str, str] | None,
) -> None:
    context = client_of(root, scu, profile=profile)
    with s_server(root, scp, *options) as (port, _):
        if agreed is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                connect(context, port)
        else:
            assert connect(context, port) == agreed


def test_requestor_offers_the_profile_and_the_protocol_and_no_sha1(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    context = client_of(root, scu)
    with s_server(root, scp, "-tls1_2", "-alpn", "dicom") as (port, lines):
        connect(context, port, "pacs.example")
    printed = "".join(lines)
    offered = next(line for line in lines if line.startswith("Shared ciphers:"))
    assert offered.split()[-1].split(":")[-4:] == [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ]
    signatures = next(line for line in lines if line.startswith("Signature Algorithms:"))
    assert "+SHA256" in signatures
    assert "+SHA1" not in signatures
    assert "ALPN protocols selected: dicom" in printed
