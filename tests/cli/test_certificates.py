"""echoscu --verify-cert and --is-root-cert: what is printed, and the exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.echoscu import main
from isocenter.testing.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", key="ec-p256")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, list[str]]:
    """Return exit code, standard output, and the lines of standard error."""
    code = main(list(words), {})
    shown = capsys.readouterr()
    return code, shown.out, shown.err.splitlines()


def passed(path: str) -> tuple[int, str, list[str]]:
    return 0, f"Verification of certificate '{path}' passed.\n", []


def failed(path: str, *said: str) -> tuple[int, str, list[str]]:
    return 22, f"Verification of certificate '{path}' failed.\n", list(said)


@pytest.mark.parametrize("purpose", ["both", "server", "client"])
@pytest.mark.parametrize("profile", ["+pg", "+pm", "+py", "+px", "+pz", "+pa", "+pn"])
def test_a_certificate_of_a_trusted_authority_passes(
    root: Authority, capsys: pytest.CaptureFixture[str], purpose: str, profile: str
) -> None:
    path = root.issue("a", key="ec-p256", purpose=purpose).certificate
    code, out, said = run(capsys, "+tla", profile, "+cf", root.path, "+vc", path)
    assert (code, out) == passed(path)[:2]
    assert [line for line in said if "TLS 1.3 ciphersuites" not in line] == []


def test_it_passes_in_der(root: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    for purpose in ("server", "client"):
        path = root.issue("a", key="ec-p256", purpose=purpose).certificate_der
        words = ["+tla", "-der", "+cf", root.path_der, "+vc", path]
        assert run(capsys, *words) == passed(path)


def test_what_is_wrong_is_said(root: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    trust = ["+tla", "+cf", root.path]
    revoked = root.issue("a", key="ec-p256")
    root.revoke(revoked)
    late = root.issue("a", key="ec-p256", expired=True, purpose="client").certificate
    authority = "/CN=Root"
    for path, more, reason, names in (
        (Authority("Other", key="ec-p256").path, (), "self-signed certificate", ("/CN=Other",) * 2),
        (late, (), "certificate has expired", ("/CN=a", authority)),
        (revoked.certificate, ("+crl", root.crl()), "certificate revoked", ("/CN=a", authority)),
        (root.path, (), "unsuitable certificate purpose", (authority, authority)),
    ):
        code, out, said = run(capsys, *trust, *more, "+vc", path)
        assert (code, out) == failed(path)[:2]
        (line,) = said
        whose = "/O=isocenter tests{}, issued by /O=isocenter tests{}".format(*names)
        start = f"E: certificate verification failed: {reason} ({whose}, valid from "
        assert line.startswith(start)
        assert re.fullmatch(r"(.{20} GMT)( until )?(.{20} GMT)\)", line.removeprefix(start))


def test_files_that_hold_none_fail(
    root: Authority, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trust = ["+tla", "+cf", root.path]
    absent, empty, text = (str(tmp_path / name) for name in ("absent", "empty", "text"))
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("-----BEGIN CERTIFICATE-----\nno base64\n")
    missing = f"E: Cannot open certificate file '{absent}': No such file or directory"
    assert run(capsys, *trust, "+vc", absent) == failed(absent, missing)
    for path in (empty, text):
        said = f"E: Not a PEM certificate file: '{path}'"
        assert run(capsys, *trust, "+vc", path) == failed(path, said)
    said = f"E: Not a DER certificate file: '{empty}'"
    der = ["+tla", "-der", "+cf", root.path_der]
    assert run(capsys, *der, "+vc", empty) == failed(empty, said)
    unreadable = "E: certificate verification failed: "
    code, out, lines = run(capsys, *der, "+vc", text)
    assert (code, out) == failed(text)[:2]
    assert len(lines) == 1
    assert lines[0].startswith(unreadable)


def test_without_tls_nobody_is_trusted(root: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    path = root.issue("a", key="ec-p256").certificate
    said = (
        "E: certificate verification failed: nothing is trusted without --enable-tls or "
        "--anonymous-tls, and --add-cert-file"
    )
    assert run(capsys, "+vc", path) == failed(path, said)


def test_the_other_options_are_looked_at_first(
    root: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = run(capsys, "+cf", root.path, "+vc", root.path)
    assert (code, out) == (1, "")
    expected = "error: --add-cert-file only allowed with --enable-tls or --anonymous-tls"
    assert said[-1] == expected
    code, out, said = run(capsys, "+tla", "+cs", "TLS_UNKNOWN", "+vc", root.path)
    assert (code, out) == (1, "")
    assert said[0].startswith("F: 0001:0007 Illegal call, perhaps wrong parameters (")


def test_a_root_is_told_from_others(root: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    expected = f"Certificate '{root.path}' is a valid, self-signed root CA.\n"
    assert run(capsys, "+rc", root.path) == (0, expected, [])
    leaf = root.issue("a", key="ec-p256").certificate
    expected = f"Certificate '{leaf}' is not a valid, self-signed root CA.\n"
    why = f"I: '{leaf}': it was issued by 'CN=Root,O=isocenter tests', and not by itself"
    assert run(capsys, "-v", "+rc", leaf) == (22, expected, [why])
    missing = "E: Cannot open certificate file 'absent': No such file or directory"
    expected = "Certificate 'absent' is not a valid, self-signed root CA.\n"
    assert run(capsys, "+rc", "absent") == (22, expected, [missing])


def test_the_first_of_both_counts(root: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    path = root.issue("a", key="ec-p256").certificate
    words = ["+tla", "+cf", root.path, "+rc", root.path, "+vc", path]
    assert run(capsys, *words) == passed(path)
