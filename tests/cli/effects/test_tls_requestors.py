"""Requestors: what each option for TLS changes, over real handshakes.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import os
import pty
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import dcmsend, echoscu, findscu, getscu, movescu, storescu
from isocenter.testing import ScriptedAcceptor, ct_image, raw
from tests.cli.effects.sending import HERE, Peer
from tests.cli.effects.tls_peers import TlsServer, hospital, own, server, stranger, theirs
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import RawConnection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def _dcmsend(argv: list[str], env: dict[str, str]) -> int:
    """Run dcmsend, which has codes of its own where the others end with 1."""
    code = dcmsend.main(argv, env)
    return 1 if code in {60, 61} else code


def _findscu(argv: list[str], env: dict[str, str]) -> int:
    """Run findscu, which has a code of its own where there is no association."""
    code = findscu.main(argv, env)
    return 1 if code == 2 else code


def _movescu(argv: list[str], env: dict[str, str]) -> int:
    """Run movescu, which has codes of its own and is never without a certificate."""
    mine = ["--enable-tls", own().private_key, own().certificate]
    words = [w for word in argv for w in (mine if word == "--anonymous-tls" else [word])]
    code = movescu.main(words, env)
    return 1 if code in {61, 70} else code


MAINS = {
    "dcmsend": _dcmsend,
    "echoscu": echoscu.main,
    "findscu": _findscu,
    "getscu": getscu.main,
    "movescu": _movescu,
    "storescu": storescu.main,
}
LAST: dict[str, list[str]] = {
    "echoscu": [],
    "getscu": ["-k", "QueryRetrieveLevel=STUDY"],
    "movescu": ["-k", "QueryRetrieveLevel=STUDY"],
}
"""What stands behind peer and port; else a file."""

TLS10, TLS12 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2
UNTRUSTED = "TLS error: certificate verify failed"
"""Behind the condition 000b:0886, which getscu leaves out."""

each_tool = pytest.mark.parametrize("tool", MAINS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm; nobody is at the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isocenter.cli.tls._has_terminal", lambda: False)
    ct_image(rows=4, columns=4, sop_instance_uid="2.25.1").write(tmp_path / "a.dcm")
    return tmp_path


def identity() -> list[str]:
    return ["--enable-tls", own().private_key, own().certificate]


def trust() -> list[str]:
    return ["--add-cert-file", hospital().path]


def call(tool: str, peer: TlsServer, *words: str) -> int:
    """Run a tool against a peer; return its exit code."""
    files = LAST.get(tool, ["a.dcm"])
    return peer.run(MAINS[tool], *words, HERE, *files)


# --- stack and identity ---------------------------------------------------------------------


@each_tool
def test_enable_tls_shows_the_certificate(tool: str) -> None:
    peer = TlsServer(server(theirs(), demand=True))
    assert call(tool, peer, *identity(), *trust()) == 0
    assert peer.certificate == Path(own().certificate_der).read_bytes()
    assert len(peer.received) == 1


@each_tool
def test_disable_tls_takes_tls_back(tool: str) -> None:
    peer = Peer()

    def speak_plainly(connection: RawConnection) -> None:
        if connection.sock.recv(1, socket.MSG_PEEK) == bytes([raw.ASSOCIATE_RQ]):
            peer(connection)

    with ScriptedAcceptor(speak_plainly) as acceptor:
        files = LAST.get(tool, ["a.dcm"])
        where = ["127.0.0.1", str(acceptor.port)]
        assert MAINS[tool]([*identity(), "--disable-tls", *where, *files], {}) == 0
    assert len(peer.received) == 1


@pytest.mark.parametrize("tool", [tool for tool in MAINS if tool != "movescu"])
def test_anonymous_tls_needs_no_certificate(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    assert call(tool, peer, "--anonymous-tls", *trust()) == 0
    assert peer.version == "TLSv1.3"
    assert peer.certificate is None
    assert len(peer.received) == 1


def encrypted(password: str = "Geheim_7") -> list[str]:
    return ["--enable-tls", own().encrypted_key(password), own().certificate]


@each_tool
def test_use_passwd_opens_the_key(tool: str) -> None:
    peer = TlsServer(server(theirs(), demand=True))
    assert call(tool, peer, *encrypted(), *trust(), "--use-passwd", "Geheim_7") == 0


@each_tool
def test_null_passwd_takes_a_password_back(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    peer = TlsServer(server(theirs(), demand=True))
    words = [*encrypted(), *trust(), "--use-passwd", "Geheim_7", "--null-passwd"]
    assert call(tool, peer, *words) == 1
    assert "F: 000b:0004 Unable to load private TLS key from '" in capsys.readouterr().err


ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "isocenter", *sys.argv[1:]])
"""


def on_a_terminal(
    typed: bytes, *arguments: str, then: Callable[[], bytes] | None = None
) -> tuple[int, bytes]:
    """Run a tool on a terminal of its own; return exit code and what the terminal shows.

    Args:
        typed: once it asks for a pass phrase.
        *arguments: of isocenter.
        then: called after that, and what it returns is typed as well.
    """
    master, slave = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL, *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while b"phrase" not in shown and (part := os.read(master, 4096)):
                shown += part
            os.write(master, typed)
            if then is not None:
                os.write(master, then())
            while part := os.read(master, 4096):
                shown += part
        except OSError:
            pass  # the tool has ended, and with it the terminal
        finally:
            os.close(master)
        return process.wait(20), shown


@each_tool
def test_std_passwd_asks_on_the_terminal_without_showing_it(tool: str) -> None:
    """Behind a wrong one on the command line."""
    codes = []

    def run(argv: list[str], _: dict[str, str]) -> int:
        codes.append(on_a_terminal(b"Geheim_7\n", tool, *argv))
        return codes[0][0]

    peer = TlsServer(server(theirs(), demand=True))
    files = LAST.get(tool, ["a.dcm"])
    words = [*encrypted(), *trust(), "--use-passwd", "wrong", "--std-passwd"]
    code = peer.run(run, *words, HERE, *files)
    shown = codes[0][1].decode()
    assert code == 0, shown
    assert "Enter PEM pass phrase" in shown
    assert "Geheim" not in shown


@each_tool
def test_pem_keys_takes_der_back(tool: str) -> None:
    peer = TlsServer(server(theirs(), demand=True))
    assert call(tool, peer, *identity(), *trust(), "--der-keys", "--pem-keys") == 0


@each_tool
def test_der_keys_reads_der(tool: str) -> None:
    peer = TlsServer(server(theirs(), demand=True))
    words = ["--enable-tls", own().private_key_der, own().certificate_der]
    words += ["--add-cert-file", hospital().path_der, "--der-keys"]
    assert call(tool, peer, *words) == 0


# --- trust ----------------------------------------------------------------------------------


@each_tool
def test_add_cert_file_trusts_its_authority(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    words = ["--anonymous-tls", "--add-cert-file", hospital().path]
    assert call(tool, peer, *words) == 0


@each_tool
def test_add_cert_file_may_be_given_several_times(tool: str) -> None:
    for first, second in ((hospital(), stranger()), (stranger(), hospital())):
        words = ["--anonymous-tls", "+cf", first.path, "+cf", second.path]
        assert call(tool, TlsServer(server(theirs())), *words) == 0


@each_tool
def test_add_cert_dir_trusts_what_is_in_it(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    words = ["--anonymous-tls", "--add-cert-dir", hospital().hashed_directory(stranger())]
    assert call(tool, peer, *words) == 0


@each_tool
def test_add_crl_file_refuses_whom_it_names(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    revoked = hospital().issue("revoked", key="ec-p256")
    hospital().revoke(revoked)
    peer = TlsServer(server(revoked))
    words = ["--anonymous-tls", *trust(), "--add-crl-file", hospital().crl()]
    assert call(tool, peer, *words) == 1
    assert peer.received == []
    assert f"{UNTRUSTED} (certificate revoked)" in capsys.readouterr().err


@each_tool
def test_enable_crl_vfy_demands_a_list(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--anonymous-tls", *trust(), "--enable-crl-vfy"]
    assert call(tool, TlsServer(server(theirs())), *words) == 1
    assert f"{UNTRUSTED} (unable to get certificate CRL)" in capsys.readouterr().err


@each_tool
def test_enable_crl_all_demands_a_list_of_each_authority(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ward = hospital().intermediate("Ward", key="ec-p256")
    peer = TlsServer(server(ward.issue("peer", key="ec-p256")))
    words = ["--anonymous-tls", *trust(), "--add-crl-file", ward.crl(), "--enable-crl-all"]
    assert call(tool, peer, *words) == 1
    assert f"{UNTRUSTED} (unable to get certificate CRL)" in capsys.readouterr().err


@each_tool
def test_require_peer_cert_takes_ignore_peer_cert_back(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--anonymous-tls", "--ignore-peer-cert", "--require-peer-cert"]
    assert call(tool, TlsServer(server(theirs())), *words) == 1
    assert UNTRUSTED in capsys.readouterr().err


@each_tool
def test_ignore_peer_cert_trusts_anybody(tool: str) -> None:
    assert call(tool, TlsServer(server(theirs())), "--anonymous-tls", "--ignore-peer-cert") == 0


@each_tool
def test_system_ca_trusts_what_the_system_trusts(
    tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", hospital().path)
    assert call(tool, TlsServer(server(theirs())), "--anonymous-tls", "--system-ca") == 0


@each_tool
def test_verify_host_refuses_a_certificate_of_another_host(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--anonymous-tls", *trust(), "--verify-host"]
    assert call(tool, TlsServer(server(own())), *words) == 0
    assert call(tool, TlsServer(server(theirs())), *words) == 1
    assert UNTRUSTED in capsys.readouterr().err


@each_tool
def test_verify_host_compares_the_name_that_is_asked_for(tool: str) -> None:
    words = ["--anonymous-tls", *trust(), "--verify-host", "--request-sni"]
    assert call(tool, TlsServer(server(theirs())), *words, "pacs.example") == 0
    assert call(tool, TlsServer(server(theirs())), *words, "other.example") == 1


# --- names ----------------------------------------------------------------------------------


@each_tool
def test_request_sni_asks_for_the_name(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--request-sni", "any.example") == 0
    assert peer.server_name == "any.example"


@each_tool
def test_no_sni_contradicts_a_name(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--anonymous-tls", *trust(), "--request-sni", "any.example", "--no-sni"]
    assert call(tool, TlsServer(server(theirs())), *words) == 1
    assert "error: --no-sni not allowed with --request-sni\n" in capsys.readouterr().err


@each_tool
def test_no_name_is_asked_for_unless_it_is_given(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--no-sni") == 0
    assert peer.server_name is None


# --- profiles and suites --------------------------------------------------------------------


@each_tool
def test_profile_8996_takes_another_back(tool: str) -> None:
    """Of the two it alone has suites for ECDSA in TLS 1.2."""
    peer = TlsServer(server(theirs(), maximum=TLS12))
    words = ["--anonymous-tls", *trust(), "--profile-bcp195-nd", "--profile-8996"]
    assert call(tool, peer, *words) == 0
    assert peer.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"


@each_tool
def test_profile_8996_mod_has_more_suites(tool: str) -> None:
    peer = TlsServer(server(theirs(), ciphers="ECDHE-ECDSA-CHACHA20-POLY1305", maximum=TLS12))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-8996-mod") == 0
    assert peer.cipher == "ECDHE-ECDSA-CHACHA20-POLY1305"


@each_tool
def test_profile_bcp195_nd_takes_short_keys(tool: str) -> None:
    peer = TlsServer(server(theirs("rsa-1024")))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-bcp195-nd") == 0
    assert peer.version == "TLSv1.3"


@each_tool
def test_profile_bcp195_takes_old_versions(tool: str) -> None:
    peer = TlsServer(server(theirs("rsa-2048"), minimum=TLS10, maximum=TLS10))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-bcp195") == 0
    assert peer.version == "TLSv1"


@each_tool
def test_profile_bcp195_ex_ends_with_tls_12(tool: str) -> None:
    peer = TlsServer(server(theirs()))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-bcp195-ex") == 0
    assert peer.version == "TLSv1.2"


@each_tool
def test_profile_basic_has_3des_or_is_refused_for_it(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = TlsServer(server(theirs("rsa-2048"), maximum=TLS12))
    code = call(tool, peer, "--anonymous-tls", *trust(), "--profile-basic")
    shown = capsys.readouterr().err
    assert (code, peer.cipher) == (0, "DES-CBC3-SHA") or (code == 1 and "3DES" in shown)
    assert len([line for line in shown.splitlines() if line.startswith("F: ")]) == code


@each_tool
def test_profile_aes_has_its_suite(tool: str) -> None:
    peer = TlsServer(server(theirs("rsa-2048"), ciphers="ALL", maximum=TLS12))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-aes") == 0
    assert peer.cipher == "AES128-SHA"


@each_tool
def test_profile_null_encrypts_nothing(tool: str) -> None:
    peer = TlsServer(server(theirs("rsa-2048"), ciphers="ALL:eNULL", maximum=TLS12))
    assert call(tool, peer, "--anonymous-tls", *trust(), "--profile-null") == 0
    assert peer.cipher == "NULL-SHA"


@each_tool
def test_cipher_is_used_beside_those_of_the_profile(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = TlsServer(server(theirs("rsa-2048"), ciphers="AES128-GCM-SHA256", maximum=TLS12))
    words = ["--anonymous-tls", *trust(), "--cipher", "TLS_RSA_WITH_AES_128_GCM_SHA256"]
    assert call(tool, peer, *words) == 0
    assert peer.cipher == "AES128-GCM-SHA256"
    assert "W: Ciphersuite 'TLS_RSA_WITH_AES_128_GCM_SHA256' uses RSA" in capsys.readouterr().err


@each_tool
def test_list_ciphers_lists_them(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert MAINS[tool](["--list-ciphers"], {}) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "Supported TLS ciphersuites are:" in shown
    assert "  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" in shown


@each_tool
def test_list_profiles_lists_them(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert MAINS[tool](["--list-profiles"], {}) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "Supported TLS Secure Transport Connection Profiles are:" in shown
    assert "- BCP 195 RFC 8996 TLS Profile (default)" in shown


# --- seeds ----------------------------------------------------------------------------------

_NO_SEED = "W: --seed is without effect: the system seeds the random generator"


def seeds(tool: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what is said to options for seeds; files stay as they are."""
    for name in ("seed", "other"):
        with open(name, "w", encoding="utf-8") as file:
            file.write("seed")
    assert call(tool, TlsServer(server(theirs())), "--anonymous-tls", *trust(), *words) == 0
    for name in ("seed", "other"):
        with open(name, encoding="utf-8") as file:
            assert file.read() == "seed"
    return capsys.readouterr().err.splitlines()


@each_tool
def test_seed_is_said_to_be_without_effect(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert seeds(tool, capsys, "--seed", "seed") == [_NO_SEED]


@each_tool
def test_write_seed_writes_none_and_says_so(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [f"{_NO_SEED}, and no seed is written"]
    assert seeds(tool, capsys, "--seed", "seed", "--write-seed") == expected


@each_tool
def test_write_seed_file_writes_none_and_says_so(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = [f"{_NO_SEED}, and no seed is written"]
    assert seeds(tool, capsys, "--seed", "seed", "--write-seed-file", "other") == expected


# --- certificates that nobody shows ---------------------------------------------------------


def verdict(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run echoscu, which needs no peer for this and does not call one that is named."""
    code = echoscu.main([*words, "127.0.0.1", str(free_port())], {})
    return code, capsys.readouterr().out


def test_verify_cert_says_whether_a_certificate_is_trusted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, bad = own().certificate, stranger().issue("x", key="ec-p256").certificate
    words = ["--anonymous-tls", *trust(), "--verify-cert"]
    expected = f"Verification of certificate '{good}' passed.\n"
    assert verdict(capsys, *words, good) == (0, expected)
    assert verdict(capsys, *words, bad) == (22, f"Verification of certificate '{bad}' failed.\n")


def test_is_root_cert_says_whether_a_certificate_is_a_roots(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, leaf = hospital().path, own().certificate
    expected = f"Certificate '{root}' is a valid, self-signed root CA.\n"
    assert verdict(capsys, "--is-root-cert", root) == (0, expected)
    expected = f"Certificate '{leaf}' is not a valid, self-signed root CA.\n"
    assert verdict(capsys, "--is-root-cert", leaf) == (22, expected)


def test_every_association_of_a_plan_is_over_tls_and_the_password_asked_for_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """129 private classes need two associations under ``--auto-contexts``."""
    asked: list[str] = []

    def answer(path: str) -> str:
        asked.append(path)
        return "Geheim_7"

    monkeypatch.setattr("isocenter.cli.tls._ask", answer)
    names = []
    for number in range(1, 130):
        names.append(f"{number:03}.dcm")
        ct_image(
            sop_class_uid=f"1.2.3.{number}", sop_instance_uid=f"2.25.{number}", rows=1, columns=1
        ).write(folder / names[-1])
    peer = TlsServer(server(theirs(), demand=True))
    words = [*encrypted(), *trust(), "--auto-contexts", HERE, *names]
    assert peer.run(storescu.main, *words) == 0
    assert len(peer.received) == 129
    assert len(asked) == 1
