"""The tools over TLS as processes: lines, exit codes, explanations, new files at SIGHUP."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.cli.effects.tls_peers import TlsCall, client, hospital, own, stranger, theirs
from tests.support.processes import wait_until
from tests.support.superserver import SuperServer
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity
    from tests.support.processes import Completed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

UNTRUSTED = "000b:0886 TLS error: certificate verify failed"


def identity(mine: Identity | None = None) -> list[str]:
    mine = mine or own()
    return ["+tls", mine.private_key, mine.chain]


def trust() -> list[str]:
    return ["+cf", hospital().path]


def echo(receiver: Receiver, *words: str) -> Completed:
    return OURS.run("echoscu", *words, "127.0.0.1", str(receiver.port))


def explained(result: Completed) -> str:
    """Return the explanation of a tool's failure on one line."""
    assert result.code == 1, result.stderr
    _, found, text = result.stderr.partition("W: Explanation: ")
    assert found, result.stderr
    return text.replace("\nW:  ", "")


@pytest.mark.parametrize("way", [(), ("--fork",), ("--workers", "2")])
def test_files_arrive_over_tls_whatever_the_processes(tmp_path: Path, way: tuple[str, ...]) -> None:
    files = []
    for number in range(1, 6):
        files.append(tmp_path / f"{number}.dcm")
        ct_image(rows=300, columns=300, sop_instance_uid=f"2.25.{number}").write(files[-1])
    with Receiver(OURS, tmp_path / "in", *way, *identity(theirs()), *trust()) as receiver:
        words = [*identity(), *trust(), "127.0.0.1", str(receiver.port), *map(str, files)]
        sent = OURS.run("storescu", *words)
        assert (sent.code, sent.stderr) == (0, "")
        assert len(receiver.names) == 5
        assert receiver.log == ""


def test_debug_shows_what_was_agreed_on_and_with_whom(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "in", "-d", *identity(theirs()), *trust()) as receiver:
        shown = echo(receiver, "-d", *identity(), *trust()).stderr
        wait_until(lambda: "END TLS" in receiver.log, timeout=20, what="the details")
        for text, name in ((shown, "peer"), (receiver.log, "tool")):
            assert "D: Transport connection: TLS over TCP/IP\n" in text
            assert "D:   Protocol    : TLSv1.3\n" in text
            assert "D:   Ciphersuite : TLS_AES_256_GCM_SHA384, encryption: 256 bits\n" in text
            assert f"D:   Subject     : /O=isocenter tests/CN={name}\n" in text
            assert "D:   Public key  : EC, 256 bits\n" in text


def test_neither_password_nor_key_is_in_any_line(tmp_path: Path) -> None:
    key = own().encrypted_key("Geheim_7")
    (tmp_path / "words").write_text("+pw Geheim_7")
    with Receiver(OURS, tmp_path / "in", *identity(theirs()), *trust()) as receiver:
        for password in (["+pw", "Geheim_7"], [f"@{tmp_path / 'words'}"]):
            words = ["-ll", "trace", "--arguments", "+tls", key, own().certificate, *trust()]
            result = echo(receiver, *words, *password)
            assert result.code == 0
            assert "'--use-passwd' '***'" in result.stderr
            assert "Geheim" not in result.stderr + result.stdout


SETUPS = [
    (
        ["+tls", "absent.key", "{certificate}"],
        "F: 000b:0004 Unable to load private TLS key from 'absent.key' (No such file or directory)",
    ),
    (
        ["+tls", "{key}", "absent.pem"],
        (
            "F: 000b:0006 Private key '{key}' and certificate 'absent.pem' do not match "
            "(the certificate cannot be read: No such file or directory)"
        ),
    ),
    (
        ["+tls", "{key}", "{other}"],
        "F: 000b:0006 Private key '{key}' and certificate '{other}' do not match",
    ),
    (
        ["+tls", "{encrypted}", "{certificate}", "+pw", "wrong"],
        (
            "F: 000b:0004 Unable to load private TLS key from '{encrypted}' "
            "(it is encrypted, and the password is wrong)"
        ),
    ),
    (
        ["+tls", "{encrypted}", "{certificate}"],
        (
            "F: 000b:0004 Unable to load private TLS key from '{encrypted}' (it is encrypted, and "
            "there is no terminal to ask for the password on: give it with --use-passwd (+pw))"
        ),
    ),
    (
        ["+tls", "{key}", "{certificate}", "+cs", "TLS_UNKNOWN"],
        (
            "F: 0001:0007 Illegal call, perhaps wrong parameters "
            "(Unknown or invalid ciphersuite: TLS_UNKNOWN)"
        ),
    ),
    (
        ["+tls", "{key}", "{certificate}", "+cs", "TLS_RSA_WITH_NULL_SHA"],
        (
            "F: 000b:000a Ciphersuite not allowed in current DICOM security profile "
            "(Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted with security profile "
            "'BCP 195 RFC 8996 TLS Profile')"
        ),
    ),
    (
        [
            "+tls",
            "{key}",
            "{certificate}",
            "+pm",
            "+cs",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ],
        (
            "F: 000b:000a Ciphersuite not allowed in current DICOM security profile "
            "(Additional ciphersuites not permitted with security profile "
            "'Modified BCP 195 RFC 8996 TLS Profile')"
        ),
    ),
]


@pytest.mark.parametrize("tool", ["echoscu", "storescp"])
@pytest.mark.parametrize("case", range(len(SETUPS)))
def test_what_cannot_be_used_ends_the_tool_with_one_line(
    tmp_path: Path, tool: str, case: int
) -> None:
    words, expected = SETUPS[case]
    mine = own()
    names = {
        "key": mine.private_key,
        "certificate": mine.certificate,
        "other": theirs().certificate,
        "encrypted": mine.encrypted_key("right"),
    }
    where = ["127.0.0.1", "104"] if tool == "echoscu" else ["-od", str(tmp_path), "10104"]
    result = OURS.run(tool, *(word.format(**names) for word in words), *where, cwd=tmp_path)
    said = [line for line in result.stderr.splitlines() if not line.startswith("W: ")]
    assert (result.code, said) == (1, [expected.format(**names)])


def test_what_is_left_out_is_warned_of_in_the_words_of_the_original(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "in", *identity(theirs()), "-ic") as receiver:
        words, reason = ["+cf", "absent.pem", "+cd", "absent"], " (No such file or directory)"
        result = echo(receiver, *identity(), *trust(), *words)
        assert result.code == 0
        assert result.stderr.splitlines() == [
            f"W: unable to load certificate file 'absent.pem', ignoring{reason}",
            f"W: unable to load certificates from directory 'absent', ignoring{reason}",
        ]


class TestExplanations:
    """``--explain`` of either side, after real handshakes that fail."""

    def test_unknown_authority(self, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "in", "--explain", *identity(theirs()), "-ic") as receiver:
            result = echo(receiver, "--explain", *identity(), "+cf", stranger().path)
            text = explained(result)
            assert UNTRUSTED in result.stderr
            assert "signed by an authority that is not trusted here" in text
            assert f"Its certificate is not in what was given, '{stranger().path}', or" in text
            result = echo(receiver, "--explain", *identity(), "+cf", str(tmp_path / "absent"))
            assert "absent', or that could not be read" in explained(result)
            assert "give the authority's certificate" not in result.stderr
            text = explained(echo(receiver, "--explain", *identity()))
            assert "give the authority's certificate with --add-cert-file (+cf)" in text
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the other side")
            assert "does not trust the authority that signed this side's" in receiver.log

    def test_peer_of_an_unknown_authority(self, tmp_path: Path) -> None:
        unknown = stranger().issue("x", key="ec-p256")
        options = ["--explain", *identity(theirs()), *trust()]
        with Receiver(OURS, tmp_path / "in", *options) as receiver:
            assert echo(receiver, *identity(unknown), *trust()).code == 1
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the explanation")
            assert f"E: Receiving Association failed: {UNTRUSTED}" in receiver.log
            assert "signed by an authority that is not trusted here" in receiver.log

    @pytest.mark.parametrize(
        ("expired", "words"), [(True, "has expired"), (False, "is not valid yet")]
    )
    def test_dates(self, tmp_path: Path, *, expired: bool, words: str) -> None:
        wrong = hospital().issue("wrong", key="ec-p256", expired=expired, not_yet_valid=not expired)
        with Receiver(OURS, tmp_path / "in", *identity(wrong), "-ic") as receiver:
            assert words in explained(echo(receiver, "--explain", *identity(), *trust()))

    def test_another_host(self, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "in", *identity(theirs()), "-ic") as receiver:
            words = ["--explain", *identity(), *trust(), "--verify-host"]
            assert "is of another host than '127.0.0.1'" in explained(echo(receiver, *words))

    def test_no_certificate(self, tmp_path: Path) -> None:
        options = ["--explain", *identity(theirs()), *trust()]
        with Receiver(OURS, tmp_path / "in", *options) as receiver:
            text = explained(echo(receiver, "--explain", "+tla", *trust()))
            assert "demands a certificate of this side" in text
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the other side")
            assert "has no certificate of its own" in receiver.log

    def test_no_suite_in_common(self, tmp_path: Path) -> None:
        options = ["--explain", *identity(theirs()), *trust(), "+pz"]
        with Receiver(OURS, tmp_path / "in", *options) as receiver:
            words = ["--explain", *identity(), *trust(), "+pa"]
            text = explained(echo(receiver, *words))
            assert "in common" in text
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the other side")
            assert "in common" in receiver.log

    def test_tls_to_a_plain_port(self, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "in", "--explain") as receiver:
            text = explained(echo(receiver, "--explain", *identity(), *trust()))
            assert "plain DICOM" in text
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the other side")
            assert "E: Receiving Association failed: 0006:0321 Unrecognized PDU type: 16" in (
                receiver.log
            )
            assert "Serve TLS on a port of its own with --enable-tls (+tls)" in receiver.log

    def test_a_plain_request_to_a_port_for_tls(self, tmp_path: Path) -> None:
        options = ["--explain", *identity(theirs()), *trust()]
        with Receiver(OURS, tmp_path / "in", *options) as receiver:
            text = explained(echo(receiver, "--explain"))
            assert "use --enable-tls (+tls)" in text
            wait_until(lambda: "Explanation" in receiver.log, timeout=20, what="the other side")
            assert "000b:090b TLS error: wrong version number" in receiver.log
            assert "speaks plain DICOM, and this receiver serves TLS" in receiver.log


@pytest.mark.parametrize("way", [(), ("--fork",), ("--workers", "2")])
def test_certificates_are_read_anew_at_sighup(tmp_path: Path, way: tuple[str, ...]) -> None:
    """Peers get the new one; a pair that does not fit changes nothing."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    first, second = own(), theirs()

    def put(mine: Identity) -> None:
        shutil.copy(mine.private_key, key)
        shutil.copy(mine.certificate, certificate)

    put(first)
    words = ["-v", *way, "+tls", str(key), str(certificate), *trust()]
    with Receiver(OURS, tmp_path / "in", *words) as receiver:

        def shown() -> bytes | None:
            return TlsCall(receiver.port, client(first)).certificate

        assert shown() == Path(first.certificate_der).read_bytes()
        put(second)
        os.kill(receiver.process.pid, signal.SIGHUP)
        expected = Path(second.certificate_der).read_bytes()
        wait_until(lambda: shown() == expected, timeout=20, what="the new certificate")
        shutil.copy(first.private_key, key)
        os.kill(receiver.process.pid, signal.SIGHUP)
        wait_until(lambda: "do not match" in receiver.log, timeout=20, what="a complaint")
        assert "\nE: " in receiver.log
        call = TlsCall(receiver.port, client(first))
        assert (call.status, call.certificate) == (0, expected)


def test_lists_name_what_there_is(capfd: pytest.CaptureFixture[str]) -> None:
    del capfd
    shown = OURS.run("storescu", "+cc").stdout.splitlines()
    start = shown.index("Supported TLS ciphersuites are:")
    assert shown[0].startswith("$isocenter: storescu ")
    assert any(line.startswith("Host type: ") for line in shown[:start])
    assert all(line.startswith("  TLS_") for line in shown[start + 1 :])
    profiles = OURS.run("storescp", "+ph").stdout.splitlines()
    first = profiles.index("Supported TLS Secure Transport Connection Profiles are:")
    assert profiles[first - 2] == f"Cryptographic algorithms implemented by: {ssl.OPENSSL_VERSION}"
    listed = profiles[first + 1 :]
    assert listed[:5] == [
        "- BCP 195 RFC 8996 TLS Profile (default)",
        "- Modified BCP 195 RFC 8996 TLS Profile",
        "- Non-downgrading BCP 195 TLS Profile (retired)",
        "- BCP 195 TLS Profile (retired)",
        "- Extended BCP 195 TLS Profile (retired)",
    ]
    assert listed[-1] == "- Authenticated unencrypted communication (retired)"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["+ph", "+cc"], "Supported TLS ciphersuites are:"),
        (["+cc", "--version"], "External libraries used:"),
    ],
)
def test_which_exclusive_option_counts_does_not_depend_on_its_place(
    words: list[str], first: str
) -> None:
    for order in (words, words[::-1]):
        assert first in OURS.run("echoscu", *order).stdout.splitlines()


def test_a_super_server_may_hand_over_connections_for_tls(tmp_path: Path) -> None:
    """What is wrong with one goes to nobody: its output may be the connection."""
    path = tmp_path / "a.dcm"
    ct_image(rows=300, columns=300).write(path)
    words = ["--inetd", *identity(theirs()), *trust(), "-od", str(tmp_path)]
    with SuperServer(OURS.argv("storescp", *words)) as server:
        where = ["127.0.0.1", str(server.port)]
        assert OURS.run("storescu", *identity(), *trust(), *where, path).code == 0
        refused = OURS.run("echoscu", *identity(), "+cf", stranger().path, *where)
        assert (refused.code, UNTRUSTED in refused.stderr) == (1, True)
        plain = OURS.run("echoscu", *where)
        assert plain.code == 1
    assert 0 in server.codes
    assert len([name for name in tmp_path.iterdir() if name.name.startswith("CT.")]) == 1


def test_lines_about_tls_are_logged_where_those_of_dcmtk_are(tmp_path: Path) -> None:
    (tmp_path / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL\n"
        "log4cplus.logger.dcmtk.dcmtls = DEBUG, tls\n"
        "log4cplus.appender.tls = log4cplus::FileAppender\n"
        f"log4cplus.appender.tls.File = {tmp_path / 'tls.log'}\n"
        "log4cplus.appender.tls.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.tls.layout.ConversionPattern = %c %p %m%n\n"
    )
    options = ["-lc", str(tmp_path / "log.cfg"), *identity(theirs()), "-ic", "+cf", "absent.pem"]
    with Receiver(OURS, tmp_path / "in", *options, "--expect-sni", "pacs.example") as receiver:
        assert echo(receiver, *identity(), *trust()).code == 1
        log = tmp_path / "tls.log"
        wait_until(lambda: "SNI failure" in log.read_text(), timeout=20, what="the line")
        first = "dcmtk.dcmtls WARN unable to load certificate file 'absent.pem', ignoring ("
        assert log.read_text().startswith(first)
        assert "dcmtk.dcmtls ERROR SNI failure: client requested no server name" in log.read_text()
