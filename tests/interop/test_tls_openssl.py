"""TLS with OpenSSL's own program both ways: versions, suites, names, protocols, sessions."""

from __future__ import annotations

import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.interop.log_lines import bare
from tests.interop.openssl import connect, describe_session, serve
from tests.interop.tls_material import material, trusting
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = pytest.mark.slow

EVERYTHING = ("-cipher", "ALL:eNULL:@SECLEVEL=0")
"""What makes OpenSSL's program take all it has."""

VERSIONS = {"-tls1": "TLSv1", "-tls1_1": "TLSv1.1", "-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}
NONE = ("", "")
GCM = "ECDHE-RSA-AES256-GCM-SHA384"
TLS13 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
OLD = {"-tls1": ("TLSv1", "AES128-SHA"), "-tls1_1": ("TLSv1.1", "AES128-SHA")}
PROFILES: dict[str, dict[str, tuple[str, str]]] = {
    "+pg": {"-tls1_2": ("TLSv1.2", GCM), "-tls1_3": TLS13},
    "+pm": {"-tls1_2": ("TLSv1.2", GCM), "-tls1_3": TLS13},
    "+py": {"-tls1_2": ("TLSv1.2", GCM), "-tls1_3": TLS13},
    "+px": {**OLD, "-tls1_2": ("TLSv1.2", GCM), "-tls1_3": TLS13},
    "+pz": {"-tls1_2": ("TLSv1.2", GCM)},
    "+pa": {**OLD, "-tls1_2": ("TLSv1.2", "AES128-SHA")},
    "+pn": {
        "-tls1": ("TLSv1", "NULL-SHA"),
        "-tls1_1": ("TLSv1.1", "NULL-SHA"),
        "-tls1_2": ("TLSv1.2", "NULL-SHA"),
    },
}
"""What a profile agrees on with a peer that has one version and every suite."""

NEW = {"+pg", "+pm"}


def _profile(profile: str) -> None:
    if not UNDER_TEST.is_ours and profile in NEW:
        pytest.skip("3.6.7 does not know it")


def _alike(suite: str) -> str:
    """Return the suite that was agreed on, where 3.6.7 may prefer the one without curves."""
    return re.sub("^ECDHE-RSA-", "DHE-RSA-", suite)


@pytest.mark.parametrize("profile", PROFILES)
def test_an_acceptor_takes_the_versions_of_its_profile_and_the_best_suite(
    profile: str, tmp_path: Path
) -> None:
    _profile(profile)
    suites = [UNDER_TEST] if profile in NEW else [UNDER_TEST, DCMTK]
    for suite in suites:
        options = ("-v", profile, *trusting(material().acceptor))
        with Receiver(suite, tmp_path / suite.name, *options) as receiver:
            for version in VERSIONS:
                agreed = connect(receiver.port, version, *EVERYTHING)
                expected = PROFILES[profile].get(version, NONE)
                found = (agreed.version, agreed.suite)
                if not suite.is_ours:
                    found, expected = ((spoken, _alike(name)) for spoken, name in (found, expected))
                assert found == expected, (suite, version, agreed.words)
            refused = len(VERSIONS) - len(PROFILES[profile])
            failed = "E: Receiving Association failed: "
            receiver.process.wait_for_line(failed, count=refused)
            assert receiver.log.count(failed) == refused
            assert receiver.log.count("TLS error: unsupported protocol") == refused


def _call(suite: Suite, profile: str, options: tuple[str, ...]) -> tuple[str, Completed]:
    with serve(*options) as server, ThreadPoolExecutor(1) as pool:
        words = ("-v", profile, *trusting(material().requestor))
        done = pool.submit(suite.run, "echoscu", *words, "127.0.0.1", str(server.port))
        agreed = server.agreed()
        return agreed, done.result()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_requestor_speaks_the_versions_of_its_profile(profile: str) -> None:
    _profile(profile)
    for version in VERSIONS:
        agreed, done = _call(UNDER_TEST, profile, (version, *EVERYTHING))
        _, expected = PROFILES[profile].get(version, NONE)
        # The acceptor leaves the choice to the requestor; 3.6.7 puts a weaker suite first.
        found = agreed if UNDER_TEST.is_ours or not agreed else expected
        assert found == expected, (version, done.stderr)
        assert done.code == 1
        if not agreed:
            assert done.lines[-1].startswith("F: Association Request Failed: 000b:0")
        else:
            assert done.lines[-1] == "F: Reason: Called AE Title Not Recognized"


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="3.6.7 has no ALPN")
def test_a_requestor_offers_dicom_and_an_acceptor_insists_on_it(tmp_path: Path) -> None:
    agreed, done = _call(UNDER_TEST, "+pg", ("-alpn", "dicom"))
    assert agreed == TLS13[1]
    assert done.lines[-1] == "F: Reason: Called AE Title Not Recognized"
    agreed, done = _call(UNDER_TEST, "+pg", ("-alpn", "http/1.1,acr-nema"))
    assert agreed == ""
    alert = "000b:0c60 TLS error: tlsv1 alert no application protocol"
    assert done.lines[-1] == f"F: Association Request Failed: {alert}"
    with Receiver(UNDER_TEST, tmp_path / "ours", *trusting(material().acceptor)) as receiver:
        for offer in ((), ("-alpn", "dicom"), ("-alpn", "http/1.1,dicom")):
            assert connect(receiver.port, *offer).version == "TLSv1.3"
        for version in ("-tls1_2", "-tls1_3"):
            refused = connect(receiver.port, "-alpn", "http/1.1,dicom2", version)
            assert refused.version == ""
            assert "SSL alert number 120" in refused.words
        receiver.process.wait_for_line("E: ", count=2)
        line = "E: Receiving Association failed: 000b:08eb TLS error: no application protocol"
        assert bare(receiver.log.splitlines()) == [line] * 2


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="3.6.7 has no options for names")
def test_an_acceptor_answers_to_the_name_that_it_expects_alone(tmp_path: Path) -> None:
    options = ("--expect-sni", "pacs.example", *trusting(material().acceptor))
    with Receiver(UNDER_TEST, tmp_path / "ours", *options) as receiver:
        assert connect(receiver.port, "-servername", "PACS.example").version == "TLSv1.3"
        for asked in (("-servername", "other.example"), ("-noservername",)):
            refused = connect(receiver.port, *asked)
            assert refused.version == ""
            assert "SSL alert number 112" in refused.words
        words = (*trusting(material().requestor), "--request-sni")
        address = ("127.0.0.1", str(receiver.port))
        assert UNDER_TEST.run("echoscu", *words, "pacs.example", *address).code == 0
        done = UNDER_TEST.run("echoscu", *words, "other.example", *address)
        assert done.code == 1
        assert done.lines[-1].endswith(" TLS error: tlsv1 unrecognized name")
        assert UNDER_TEST.run("echoscu", *words[:-1], *address).code == 1
        receiver.process.wait_for_line("E: Receiving Association failed: 000b:", count=4)
        asked_for = ["server 'other.example'", "no server name"] * 2
        lines = [line for line in receiver.log.splitlines() if line.startswith("E: SNI failure")]
        assert lines == [
            f"E: SNI failure: client requested {what}, my name is 'pacs.example'."
            for what in asked_for
        ]


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="3.6.7 has no options for names")
def test_a_requestor_asks_for_the_name_that_it_is_told() -> None:
    own = material().acceptor
    second = ("-cert2", own.certificate, "-key2", own.private_key)
    for name, agreed in (("pacs.example", TLS13[1]), ("other.example", "")):
        with (
            serve("-servername", "pacs.example", "-servername_fatal", *second) as server,
            ThreadPoolExecutor(1) as pool,
        ):
            words = ("--request-sni", name, *trusting(material().requestor))
            done = pool.submit(UNDER_TEST.run, "echoscu", *words, "127.0.0.1", str(server.port))
            assert server.agreed() == agreed
            server.wait_for(f'Hostname in TLS extension: "{name}"')
            assert done.result().code == 1


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK gives tickets with TLS 1.2")
def test_no_ticket_is_given(version: str, tmp_path: Path) -> None:
    """Whoever has the key of tickets can read what was sent (RFC 9325 3.4)."""
    kept = tmp_path / "session"
    with Receiver(UNDER_TEST, tmp_path / "ours", *trusting(material().acceptor)) as receiver:
        assert connect(receiver.port, version, "-sess_out", str(kept)).version != ""
    # Without tickets TLS 1.3 has nothing to be kept.
    assert kept.exists() == (version == "-tls1_2")
    assert "ticket" not in (describe_session(kept) if kept.exists() else "")


def test_a_monitor_that_only_shakes_hands_is_no_error(tmp_path: Path) -> None:
    """Nor with DCMTK's; half of a handshake is one for both."""
    for suite in (DCMTK, UNDER_TEST):
        options = ("-v", *trusting(material().acceptor))
        with Receiver(suite, tmp_path / suite.name, *options) as receiver:
            assert connect(receiver.port).version == "TLSv1.3"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            hello = ssl.MemoryBIO()
            session = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                session.do_handshake()
            _send_and_close(receiver.port, hello.read()[:100])
            receiver.process.wait_for_line("E: ")
            lines = [line for line in bare(receiver.log.splitlines()) if line.startswith("E: ")]
            reason = "000b:0926 TLS error: unexpected eof while reading"
            assert lines == [f"E: Receiving Association failed: {reason}"]


def _send_and_close(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(data)
