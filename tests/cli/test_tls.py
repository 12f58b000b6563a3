"""From options to what TLS is asked for, and what is said where that cannot be had."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import options_echoscu, options_storescp, options_storescu, tls
from isocenter.cli.parser import parse
from isocenter.errors import ConfigurationError, TlsConfigurationError
from isocenter.net.tls_options import TlsOptions
from isocenter.testing.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.cli.parser import ParsedCommandLine

TOOLS = {
    "echoscu": (options_echoscu.TOOL, ["localhost", "104"]),
    "storescu": (options_storescu.TOOL, ["localhost", "104", "a.dcm"]),
    "storescp": (options_storescp.TOOL, ["104"]),
}


def read(tool: str, *words: str) -> ParsedCommandLine:
    spec, where = TOOLS[tool]
    return parse(spec, [*words, *where])


def options(tool: str, *words: str) -> TlsOptions:
    return tls.tls_options(read(tool, *words))


@pytest.mark.parametrize("tool", TOOLS)
def test_without_further_options_the_defaults_of_dcmtk_hold(tool: str) -> None:
    found = options(tool, "+tls", "k", "c")
    asker = found.ask_password
    assert isinstance(asker, tls.Asker)
    assert found == TlsOptions(
        private_key="k", certificate="c", ask_password=asker, verify_host=False
    )


def test_everything_of_a_requestor_is_handed_on() -> None:
    words = "+tls k c +pw p -der +cf 1 +cd 2 +cf 3 +cd 4 +crl 5 +cra +px +cs 6 +cs 7 -ic"
    found = options("storescu", *words.split(), "--request-sni", "n", "--system-ca")
    assert found == TlsOptions(
        private_key="k",
        certificate="c",
        password="p",
        ask_password=found.ask_password,
        file_format="der",
        profile="bcp195",
        ciphers=("6", "7"),
        ca_files=("1", "3"),
        ca_directories=("2", "4"),
        crl_files=("5",),
        crl_check="chain",
        peer_certificate="ignore",
        server_name="n",
        system_ca=True,
        verify_host=False,
    )


def test_what_only_an_acceptor_has_is_handed_on() -> None:
    found = options("storescp", *["+tls", "k", "c", "-pw", "+dp", "d", "-vc", "--expect-sni", "n"])
    assert (found.password, found.dh_parameters) == ("", "d")
    assert (found.peer_certificate, found.expected_server_name) == ("verify", "n")


@pytest.mark.parametrize(
    ("words", "fact", "value"),
    [
        ("+tla", "private_key", None),
        ("+tls k c +tla", "certificate", None),
        ("+tla +tls k c", "certificate", "c"),
        ("+tls k c +tls l d", "private_key", "l"),
        ("+tls k c +pw p -pw", "password", ""),
        ("+tls k c -pw +pw p", "password", "p"),
        ("+tls k c +pw p +ps", "password", None),
        ("+tla +crv +cra", "crl_check", "chain"),
        ("+tla +cra +crv", "crl_check", "leaf"),
        ("+tla +crl x", "crl_check", "leaf"),
        ("+tla +pz +pg", "profile", "bcp195-rfc8996"),
        ("+tla +pm", "profile", "bcp195-rfc8996-modified"),
        ("+tla +py", "profile", "bcp195-nd"),
        ("+tla +pz", "profile", "bcp195-extended"),
        ("+tla +pb", "profile", "basic"),
        ("+tla +pa", "profile", "aes"),
        ("+tla +pn", "profile", "null"),
        ("+tla -ic -rc", "peer_certificate", "require"),
        ("+tla --verify-host", "verify_host", True),
    ],
)
def test_of_alternatives_the_rightmost_counts(words: str, fact: str, value: object) -> None:
    assert getattr(options("echoscu", *words.split()), fact) == value


@pytest.mark.parametrize("name", ["", ".x", "a..b", "a" * 300, "a\udcff"])
def test_a_name_that_no_server_can_have_is_refused(name: str) -> None:
    for tool, option in (("echoscu", "--request-sni"), ("storescp", "--expect-sni")):
        line = read(tool, "+tls", "k", "c", option, name)
        with pytest.raises(ConfigurationError) as caught:
            tls.tls_options(line)
        expected = f"({option}: '{name}' cannot be a server's name)"
        assert str(caught.value) == f"000b:0001 Unable to create TLS transport layer {expected}"


@pytest.mark.parametrize(("name", "sent"), [("Ab.c", "Ab.c"), ("bücher.de", "xn--bcher-kva.de")])
def test_names_are_taken_as_they_are_on_the_wire(name: str, sent: str) -> None:
    assert options("echoscu", "+tla", "--request-sni", name).server_name == sent
    words = ["+tls", "k", "c", "--expect-sni", name]
    assert options("storescp", *words).expected_server_name == sent


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("key", "000b:0004 Unable to load private TLS key from 'k' (why)"),
        ("password", "000b:0004 Unable to load private TLS key from 'k' (why)"),
        ("match", "000b:0006 Private key 'k' and certificate 'c' do not match (why)"),
        (
            "certificate",
            (
                "000b:0006 Private key 'k' and certificate 'c' do not match "
                "(the certificate cannot be read: why)"
            ),
        ),
        ("profile", "000b:0018 DICOM TLS Secure Transport Connection Profile not supported (why)"),
        ("cipher", "000b:000a Ciphersuite not allowed in current DICOM security profile (why)"),
        ("crl", "000b:0001 Unable to create TLS transport layer (file: why)"),
        ("platform", "000b:0001 Unable to create TLS transport layer (file: why)"),
    ],
)
def test_what_cannot_be_used_is_said_in_dcmtks_words(subject: str, expected: str) -> None:
    """The code of a certificate that is not there is DCMTK's, the reason says what it is."""
    asked = TlsOptions(private_key="k", certificate="c", ciphers=("TLS_AES_128_CCM_SHA256",))
    problem = TlsConfigurationError(subject, "why", path="file")
    assert tls.condition_of_setup(problem, asked) == expected


def test_a_certificate_that_is_there_and_no_good_is_not_called_another_keys() -> None:
    path = Authority("Root", key="ec-p256").path
    asked = TlsOptions(private_key="k", certificate=path)
    problem = TlsConfigurationError("certificate", "why", path=path)
    expected = f"000b:0005 Unable to load certificate from '{path}' (why)"
    assert tls.condition_of_setup(problem, asked) == expected


def test_a_short_key_is_refused_in_dcmtks_words(caplog: pytest.LogCaptureFixture) -> None:
    short = Authority("Root", key="ec-p256").issue("a", key="rsa-1024")
    line = read("storescp", "+tls", short.private_key, short.certificate)
    with pytest.raises(ConfigurationError) as caught:
        tls.ServerSide(line)
    said = str(caught.value)
    assert said.startswith(f"000b:0005 Unable to load certificate from '{short.certificate}' (")
    assert "1024" in said
    assert caplog.messages == []


class TestPassword:
    """Of an encrypted key, where none is given."""

    def test_it_is_asked_for_once_for_each_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            return f"password {len(asked)}"

        monkeypatch.setattr(tls, "_has_terminal", lambda: True)
        monkeypatch.setattr(getpass, "getpass", answer)
        asker = tls.Asker()
        assert [asker("a"), asker("b"), asker("a")] == ["password 1", "password 2", "password 1"]
        assert asked == ["Enter PEM pass phrase for a: ", "Enter PEM pass phrase for b: "]

    def test_nobody_is_asked_for_it_again_at_a_reload(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identity = Authority("Root", key="ec-p256").issue("a", key="ec-p256")
        answers = ["Geheim_7"]
        monkeypatch.setattr(tls, "_has_terminal", lambda: True)
        monkeypatch.setattr(getpass, "getpass", lambda _: answers.pop())
        key = identity.encrypted_key("Geheim_7")
        side = tls.ServerSide(read("storescp", "+tls", key, identity.certificate, "-ic"))
        before = side.tls.context
        assert side.reload() == f"{identity.certificate}, {key}"
        assert side.tls.context is not before

    @pytest.mark.parametrize("error", [EOFError(), OSError(5, "I/O error")])
    def test_an_end_of_input_is_no_password(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def leave(_: str) -> str:
            raise error

        monkeypatch.setattr(tls, "_has_terminal", lambda: True)
        monkeypatch.setattr(getpass, "getpass", leave)
        with pytest.raises(TlsConfigurationError, match="no password was entered"):
            tls.Asker()("a")

    def test_standard_input_is_never_taken_for_a_terminal(self) -> None:
        """As `getpass` would, with a warning, where there is none."""
        identity = Authority("Root", key="ec-p256").issue("a", key="ec-p256")
        words = ["+tls", identity.encrypted_key("Geheim_7"), identity.certificate]
        done = subprocess.run(
            [sys.executable, "-m", "isocenter", "echoscu", *words, "127.0.0.1", "104"],
            input="Geheim_7\n",
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert "there is no terminal to ask for the password on" in done.stderr
        assert "phrase" not in done.stdout + done.stderr

    def test_where_there_is_no_device_nobody_is_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(6, "No such device or address")

        monkeypatch.setattr(os, "open", refuse)
        assert not tls._has_terminal()


def test_a_reload_that_fails_keeps_what_was_there(tmp_path: Path) -> None:
    identity = Authority("Root", key="ec-p256").issue("a", key="ec-p256")
    certificate = tmp_path / "certificate.pem"
    shutil.copy(identity.certificate, certificate)
    line = read("storescp", "+tls", identity.private_key, str(certificate), "-ic")
    side = tls.ServerSide(line)
    before = side.tls.context
    certificate.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"^000b:0005 Unable to load certificate from '"):
        side.reload()
    assert side.tls.context is before


LOADED = """
import sys
from isocenter.cli.main import main
main(sys.argv[1:])
print(*(name for name in sys.modules if "tls" in name or name in {"ssl", "cryptography"}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["echoscu", "localhost", "1"], ["storescp", "-od", "absent", "2000"]]
)
def test_a_run_without_tls_loads_nothing_for_it(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADED, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == ["isocenter.cli.options_tls"]


def test_who_gave_one_file_of_two_is_told_so() -> None:
    asked = TlsOptions(private_key="k", certificate="+cf")
    problem = TlsConfigurationError("certificate", "No such file or directory", path="+cf")
    assert tls.condition_of_setup(problem, asked).endswith(
        "(the certificate cannot be read: No such file or directory; --enable-tls (+tls) takes two "
        "files, the private key and the certificate)"
    )
