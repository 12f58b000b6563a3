"""storescp: what each option for TLS changes, over real handshakes.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from isocenter.cli.storescp import main
from isocenter.testing import ScriptedRequestor
from isocenter.testing.datasets import IMPLICIT_LITTLE, VERIFICATION
from isocenter.testing.raw import Context
from tests.cli.effects.receiving import serve
from tests.cli.effects.test_tls_requestors import on_a_terminal
from tests.cli.effects.tls_peers import TlsCall, client, hospital, own, stranger, theirs
from tests.support.ports import free_port, is_listening
from tests.support.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

TOOL = "storescp"
"""The tool; tests/cli/effects/test_dcmrecv_shared.py has these tests for another."""

CANNOT_BEGIN = 1
"""What it ends with where TLS cannot be spoken."""

TLS10, TLS12 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Receive into a folder of the test; nobody is at the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isocenter.cli.tls._has_terminal", lambda: False)
    return tmp_path


def identity(key: str = "ec-p256") -> list[str]:
    mine = own() if key == "ec-p256" else theirs(key)
    return ["--enable-tls", mine.private_key, mine.certificate]


def trust() -> list[str]:
    return ["--add-cert-file", hospital().path]


def called(
    *words: str, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> TlsCall:
    """Run the receiver and call it once."""
    calls = []

    def script(port: int) -> None:
        calls.append(TlsCall(port, context or client(theirs()), server_name))

    for _ in range(3):
        serve(script, *words)
        if calls:
            return calls[0]
        # Somebody else may have taken the port meanwhile: try another.
    raise AssertionError("it did not start")


def refused_to_start(*words: str, code: int | None = None) -> bool:
    """Tell whether the receiver ends for this reason before it listens."""
    started: list[int] = []
    ended = serve(started.append, *words)
    return (ended, started) == (CANNOT_BEGIN if code is None else code, [])


# --- stack and identity ---------------------------------------------------------------------


def test_enable_tls_serves_tls_with_the_certificate() -> None:
    call = called(*identity(), *trust())
    assert (call.status, call.version) == (0, "TLSv1.3"), call.problem
    assert call.certificate == Path(own().certificate_der).read_bytes()


def test_disable_tls_takes_tls_back() -> None:
    statuses: list[int | str] = []

    def script(port: int) -> None:
        try:
            with ScriptedRequestor(port) as requestor:
                requestor.associate([Context(1, VERIFICATION, (IMPLICIT_LITTLE,))])
                statuses.append(requestor.echo(1))
                requestor.release()
        except OSError as error:
            statuses.append(str(error))

    serve(script, *identity(), "--disable-tls")
    assert statuses == [0]


def encrypted() -> list[str]:
    return ["--enable-tls", own().encrypted_key("Geheim_7"), own().certificate]


def test_use_passwd_opens_the_key() -> None:
    assert called(*encrypted(), *trust(), "--use-passwd", "Geheim_7").status == 0


def test_null_passwd_takes_a_password_back(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*encrypted(), *trust(), "--use-passwd", "Geheim_7", "--null-passwd"]
    assert refused_to_start(*words)
    assert "F: 000b:0004 Unable to load private TLS key from '" in capsys.readouterr().err


def test_std_passwd_asks_on_the_terminal_before_it_listens() -> None:
    """Behind a wrong one on the command line; the program is then stopped from that terminal."""
    port = free_port()
    calls: list[TlsCall] = []

    def then() -> bytes:
        wait_until(lambda: is_listening(port), timeout=20, what="the tool to listen")
        calls.append(TlsCall(port, client(theirs())))
        return b"\x03"

    words = [*encrypted(), *trust(), "--use-passwd", "wrong", "--std-passwd"]
    _, shown = on_a_terminal(b"Geheim_7\n", TOOL, *words, str(port), then=then)
    text = shown.decode()
    assert "Enter PEM pass phrase" in text
    assert "Geheim" not in text
    assert [call.status for call in calls] == [0], text


def test_pem_keys_takes_der_back() -> None:
    assert called(*identity(), *trust(), "--der-keys", "--pem-keys").status == 0


def test_der_keys_reads_der() -> None:
    words = ["--enable-tls", own().private_key_der, own().certificate_der]
    words += ["--add-cert-file", hospital().path_der, "--der-keys"]
    assert called(*words).status == 0


# --- trust ----------------------------------------------------------------------------------


def test_add_cert_file_trusts_its_authority() -> None:
    words = [*identity(), "--add-cert-file", stranger().path, "--add-cert-file", hospital().path]
    assert called(*words).status == 0


def test_add_cert_dir_trusts_what_is_in_it() -> None:
    words = [*identity(), "--add-cert-dir", hospital().hashed_directory(stranger())]
    assert called(*words).status == 0


def test_add_crl_file_refuses_whom_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    revoked = hospital().issue("revoked", key="ec-p256")
    hospital().revoke(revoked)
    words = [*identity(), *trust(), "--add-crl-file", hospital().crl()]
    assert called(*words, context=client(revoked)).status is None
    said = "TLS error: certificate verify failed"
    assert f"{said} (certificate revoked)" in capsys.readouterr().err
    assert called(*words).status == 0


def test_enable_crl_vfy_demands_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(*identity(), *trust(), "--enable-crl-vfy").status is None
    assert "(unable to get certificate CRL)" in capsys.readouterr().err


def test_enable_crl_all_demands_a_list_of_each_authority() -> None:
    ward = hospital().intermediate("Ward", key="ec-p256")
    peer = client(ward.issue("peer", key="ec-p256"))
    words = [*identity(), *trust(), "--add-crl-file", ward.crl(), "--enable-crl-all"]
    assert called(*words, context=peer).status is None
    assert called(*words, "--add-crl-file", hospital().crl(), context=peer).status == 0


def test_require_peer_cert_takes_ignore_peer_cert_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*identity(), *trust(), "--ignore-peer-cert", "--require-peer-cert"]
    assert called(*words, context=client()).status is None
    said = "TLS error: peer did not return a certificate"
    assert said in capsys.readouterr().err


def test_verify_peer_cert_takes_those_without_and_verifies_those_with() -> None:
    words = [*identity(), *trust(), "--verify-peer-cert"]
    assert called(*words, context=client()).status == 0
    assert called(*words, context=client(theirs())).status == 0
    unknown = client(stranger().issue("x", key="ec-p256"))
    assert called(*words, context=unknown).status is None


def test_ignore_peer_cert_takes_anybody() -> None:
    unknown = client(stranger().issue("x", key="ec-p256"))
    assert called(*identity(), "--ignore-peer-cert", context=unknown).status == 0


def test_system_ca_trusts_what_the_system_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", hospital().path)
    assert called(*identity(), "--system-ca").status == 0


# --- names ----------------------------------------------------------------------------------


def test_expect_sni_refuses_other_names_and_none(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*identity(), *trust(), "--expect-sni", "pacs.example"]
    assert called(*words, server_name="other.example").status is None
    shown = capsys.readouterr().err
    assert "E: SNI failure: client requested server 'other.example'" in shown
    assert called(*words).status is None
    assert called(*words, server_name="pacs.example").status == 0


def test_expect_sni_knows_names_that_are_not_ascii() -> None:
    words = [*identity(), *trust(), "--expect-sni", "bücher.example"]
    assert called(*words, server_name="bücher.example").status == 0


def test_no_sni_contradicts_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused_to_start(
        *identity(), *trust(), "--expect-sni", "pacs.example", "--no-sni", code=1
    )
    assert "error: --no-sni not allowed with --expect-sni\n" in capsys.readouterr().err


# --- profiles and suites --------------------------------------------------------------------


def test_profile_8996_takes_another_back() -> None:
    """Of the two it alone has suites for ECDSA in TLS 1.2."""
    words = [*identity(), *trust(), "--profile-bcp195-nd", "--profile-8996"]
    call = called(*words, context=client(theirs(), maximum=TLS12))
    assert call.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_profile_8996_mod_has_more_suites() -> None:
    suite = "ECDHE-ECDSA-CHACHA20-POLY1305"
    peer = client(theirs(), ciphers=suite, maximum=TLS12)
    call = called(*identity(), *trust(), "--profile-8996-mod", context=peer)
    assert (call.status, call.cipher) == (0, suite)


def test_profile_bcp195_nd_takes_short_keys() -> None:
    words = [*identity("rsa-1024"), *trust(), "--profile-bcp195-nd"]
    started: list[TlsCall] = []
    serve(lambda port: started.append(TlsCall(port, client(theirs()))), *words)
    assert [call.status for call in started] == [0]


def test_profile_bcp195_takes_old_versions() -> None:
    peer = client(theirs("rsa-2048"), minimum=TLS10, maximum=TLS10)
    call = called(*identity("rsa-2048"), *trust(), "--profile-bcp195", context=peer)
    assert (call.status, call.version) == (0, "TLSv1")


def test_profile_bcp195_ex_ends_with_tls_12() -> None:
    call = called(*identity(), *trust(), "--profile-bcp195-ex")
    assert (call.status, call.version) == (0, "TLSv1.2")


def test_profile_basic_has_3des_or_is_refused_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []
    peer = client(theirs("rsa-2048"), ciphers="ALL", maximum=TLS12)
    words = [*identity("rsa-2048"), *trust(), "--profile-basic"]
    serve(lambda port: calls.append(TlsCall(port, peer)), *words)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("F: ")]
    if calls:
        assert (calls[0].status, calls[0].cipher) == (0, "DES-CBC3-SHA")
    else:
        assert len(said) == 1
        assert "3DES" in said[0]


def test_profile_aes_has_its_suite() -> None:
    peer = client(theirs("rsa-2048"), ciphers="ALL", maximum=TLS12)
    call = called(*identity("rsa-2048"), *trust(), "--profile-aes", context=peer)
    assert (call.status, call.cipher) == (0, "AES128-SHA")


def test_profile_null_encrypts_nothing() -> None:
    peer = client(theirs("rsa-2048"), ciphers="ALL:eNULL", maximum=TLS12)
    call = called(*identity("rsa-2048"), *trust(), "--profile-null", context=peer)
    assert (call.status, call.cipher) == (0, "NULL-SHA")


def test_cipher_is_used_beside_those_of_the_profile() -> None:
    peer = client(theirs("rsa-2048"), ciphers="AES128-GCM-SHA256", maximum=TLS12)
    words = [*identity("rsa-2048"), *trust(), "--cipher", "TLS_RSA_WITH_AES_128_GCM_SHA256"]
    call = called(*words, context=peer)
    assert (call.status, call.cipher) == (0, "AES128-GCM-SHA256")


# RFC 2409 6.2: the second Oakley group, 1024 bits.
WEAK_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)


def weak_parameters(folder: Path) -> str:
    """Write Diffie-Hellman parameters that a careful peer refuses, and return the path."""
    prime = WEAK_PRIME.to_bytes(129, "big")
    body = b"\x02\x81\x81" + prime + b"\x02\x01\x02"
    text = base64.encodebytes(b"\x30\x81" + bytes([len(body)]) + body).decode()
    path = folder / "dh.pem"
    path.write_text(f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n")
    return str(path)


def test_dhparam_takes_the_place_of_the_built_in_group(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    careful = client(theirs("rsa-2048"), ciphers="DHE", maximum=TLS12, level=2)
    words = [*identity("rsa-2048"), *trust(), "--profile-bcp195-nd"]
    assert called(*words, context=careful).status == 0
    call = called(*words, "--dhparam", weak_parameters(folder), context=careful)
    assert call.status is None
    assert "dh key too small" in call.problem.lower().replace("_", " ")
    assert "W: Key length of Diffie-Hellman parameter file too short" in capsys.readouterr().err


def test_list_ciphers_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-ciphers"], {}) == 0
    assert "Supported TLS ciphersuites are:" in capsys.readouterr().out.splitlines()


def test_list_profiles_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-profiles"], {}) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "Supported TLS Secure Transport Connection Profiles are:" in shown


# --- seeds ----------------------------------------------------------------------------------

_NO_SEED = "W: --seed is without effect: the system seeds the random generator"


def seeds(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what is said to options for seeds; no file is written."""
    assert called(*identity(), *trust(), "--seed", "seed", *words).status == 0
    assert list(folder.iterdir()) == []
    return capsys.readouterr().err.splitlines()


def test_seed_is_said_to_be_without_effect(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seeds(folder, capsys) == [_NO_SEED]


def test_write_seed_writes_none_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seeds(folder, capsys, "--write-seed") == [f"{_NO_SEED}, and no seed is written"]


def test_write_seed_file_writes_none_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = seeds(folder, capsys, "--write-seed-file", "other")
    assert said == [f"{_NO_SEED}, and no seed is written"]
