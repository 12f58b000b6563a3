"""TLS of our tools and of DCMTK's: the same options, the same partner, the same end.

The partner is DCMTK's. Compared are exit codes and lines: ours may say more in parentheses, and
DCMTK's has lines of OpenSSL beside its own. What 3.6.7 does not have is in tests/options.toml.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ct_image
from isocenter.testing.certificates import Authority
from tests.interop.log_lines import bare
from tests.support.processes import wait_until
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isocenter.testing.certificates import Identity
    from tests.support.tools import Suite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.interop,
    pytest.mark.peer("dcmtk"),
    pytest.mark.timeout(120),
]


@functools.cache
def hospital() -> Authority:
    return Authority("Hospital")


@functools.cache
def mine() -> Identity:
    return hospital().issue("tool")


@functools.cache
def theirs() -> Identity:
    return hospital().issue("peer")


@functools.cache
def revoked() -> tuple[Identity, str]:
    """Return one that was revoked, and the list that says so."""
    identity = hospital().issue("revoked")
    hospital().revoke(identity)
    return identity, hospital().crl()


def certified(identity: Identity) -> list[str]:
    return ["+tls", identity.private_key, identity.certificate]


class Case(NamedTuple):
    """Words of a tool under comparison, of its partner, and the exit code of the requestor."""

    words: list[str]
    code: int
    partner: Sequence[str] = ()


def cases() -> dict[str, Case]:
    """Return a case for each option that both sides of an association have."""
    own, trust = certified(mine()), ["+cf", hospital().path]
    usual = [*own, *trust]
    bad, crl = revoked()
    locked = ["+tls", mine().encrypted_key("right"), mine().certificate, *trust]
    return {
        "--enable-tls": Case(["--enable-tls", *own[1:], *trust], 0),
        "--disable-tls": Case([*own, "--disable-tls"], 1),
        "--std-passwd": Case([*usual, "--std-passwd"], 0),
        "--use-passwd": Case([*locked, "--use-passwd", "right"], 0),
        "--null-passwd": Case([*locked, "--null-passwd"], 1),
        "--pem-keys": Case([*usual, "--der-keys", "--pem-keys"], 0),
        "--der-keys": Case(
            [
                *["+tls", mine().private_key_der, mine().certificate_der],
                *["+cf", hospital().path_der, "--der-keys"],
            ],
            0,
        ),
        "--add-cert-file": Case([*usual, "--add-cert-file", "/nonexistent"], 0),
        "--add-cert-dir": Case([*own, "--add-cert-dir", hospital().hashed_directory()], 0),
        "--add-crl-file": Case([*usual, "--add-crl-file", crl], 1, certified(bad)),
        "--enable-crl-vfy": Case([*usual, "--enable-crl-vfy"], 1),
        "--enable-crl-all": Case([*usual, "--enable-crl-all"], 1),
        "--profile-bcp195-nd": Case([*usual, "--profile-bcp195-nd"], 0),
        "--profile-bcp195": Case([*usual, "--profile-bcp195"], 0, ["+pa"]),
        "--profile-bcp195-ex": Case([*usual, "--profile-bcp195-ex"], 0, ["+pz"]),
        "--profile-aes": Case([*usual, "--profile-aes"], 0, ["+pa"]),
        "--profile-null": Case([*usual, "--profile-null"], 0, ["+pn"]),
        "--cipher": Case([*usual, "+py", "--cipher", "TLS_RSA_WITH_AES_256_CBC_SHA"], 0),
        "--seed": Case([*usual, "--seed", "/dev/null"], 0),
        "--write-seed": Case([*usual, "--seed", "/dev/null", "--write-seed"], 0),
        "--write-seed-file": Case([*usual, "--seed", "x", "--write-seed-file", "/dev/null"], 0),
        "--require-peer-cert": Case([*own, "--require-peer-cert"], 1),
        "--ignore-peer-cert": Case([*own, "--ignore-peer-cert"], 0),
    }


OPTIONS = list(cases())

_OURS_ALONE = re.compile(r" \(.*\)$")
_THEIRS_ALONE = re.compile(r"E: OpenSSL error ")
_WITHOUT_EFFECT = "W: --seed is without effect"


def _lines(text: str) -> list[str]:
    """Return the errors and warnings that both have."""
    shown = [
        _OURS_ALONE.sub("", line)
        for line in bare(text.splitlines())
        if line[:2] in {"F:", "E:", "W:"} and not _THEIRS_ALONE.match(line)
    ]
    return [line for line in shown if not line.startswith(_WITHOUT_EFFECT)]


def _echo(suite: Suite, tool: str, folder: Path, port: int, *words: str) -> tuple[int, list[str]]:
    files = []
    if tool == "storescu":
        path = folder / "a.dcm"
        ct_image(rows=4, columns=4).write(path)
        files = [str(path)]
    done = suite.run(tool, *words, "127.0.0.1", str(port), *files, cwd=folder)
    return done.code, _lines(done.stderr)


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
@pytest.mark.parametrize("option", OPTIONS)
def test_requestors_with_an_option_fare_alike(tmp_path: Path, tool: str, option: str) -> None:
    case = cases()[option]
    partner = case.partner if "+tls" in case.partner else [*certified(theirs()), *case.partner]
    words = [*partner, "+cf", hospital().path]
    with Receiver(DCMTK, tmp_path / "in", *words) as receiver:
        ours = _echo(OURS, tool, tmp_path, receiver.port, *case.words)
        original = _echo(DCMTK, tool, tmp_path, receiver.port, *case.words)
    assert ours[0] == original[0] == case.code
    assert ours[1] == original[1]


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
def test_requestors_without_a_certificate_fare_alike(tmp_path: Path, tool: str) -> None:
    trust = ["+cf", hospital().path]
    for policy, code in (("-ic", 0), ("-vc", 0), ("-rc", 1)):
        with Receiver(DCMTK, tmp_path / policy, *certified(theirs()), *trust, policy) as receiver:
            for suite in (OURS, DCMTK):
                words = ["--anonymous-tls", *trust]
                assert _echo(suite, tool, tmp_path, receiver.port, *words)[0] == code


def _acceptor(suite: Suite, folder: Path, case: Case, caller: list[str]) -> tuple[int, list[str]]:
    """Run a storescp and call it; return the exit code of the call and the lines of storescp."""
    with Receiver(suite, folder, *case.words) as receiver:
        call = DCMTK.run("echoscu", *caller, "127.0.0.1", str(receiver.port))
        if call.code:
            wait_until(lambda: "E: " in receiver.log, timeout=20, what="a complaint")
        return call.code, _lines(receiver.log)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "--null-passwd"])
def test_acceptors_with_an_option_fare_alike(tmp_path: Path, option: str) -> None:
    case = cases()[option]
    partner = case.partner if "+tls" in case.partner else [*certified(theirs()), *case.partner]
    caller = [*partner, "+cf", hospital().path]
    ours = _acceptor(OURS, tmp_path / "ours", case, caller)
    original = _acceptor(DCMTK, tmp_path / "theirs", case, caller)
    assert ours == original


@pytest.mark.parametrize("policy", ["--require-peer-cert", "--verify-peer-cert", "-ic"])
def test_acceptors_take_the_same_callers_without_a_certificate(tmp_path: Path, policy: str) -> None:
    case = Case([*certified(mine()), "+cf", hospital().path, policy], 0)
    caller = ["+tla", "+cf", hospital().path]
    ours = _acceptor(OURS, tmp_path / "ours", case, caller)
    assert ours == _acceptor(DCMTK, tmp_path / "theirs", case, caller)
    assert ours[0] == (1 if policy == "--require-peer-cert" else 0)


@pytest.mark.parametrize("path", ["/nonexistent", "{certificate}"])
def test_acceptors_warn_alike_of_parameters_that_cannot_be_read(tmp_path: Path, path: str) -> None:
    path = path.format(certificate=mine().certificate)
    case = Case([*certified(mine()), "+cf", hospital().path, "--dhparam", path], 0)
    caller = [*certified(theirs()), "+cf", hospital().path]
    ours = _acceptor(OURS, tmp_path / "ours", case, caller)
    assert ours == _acceptor(DCMTK, tmp_path / "theirs", case, caller)
    assert ours[0] == 0


WRONG = {
    "another's key": ["+tls", "{key}", "{other}"],
    "no such key": ["+tls", "absent", "{certificate}"],
    "no such certificate": ["+tls", "{key}", "absent"],
    "a wrong password": ["+tls", "{locked}", "{certificate}", "+pw", "wrong"],
    "an empty password": ["+tls", "{locked}", "{certificate}", "--null-passwd"],
    "an unknown suite": ["+tls", "{key}", "{certificate}", "+cs", "TLS_UNKNOWN"],
}


@pytest.mark.parametrize("tool", ["echoscu", "storescu", "storescp"])
@pytest.mark.parametrize("wrong", WRONG)
def test_tools_that_cannot_begin_say_the_same(tmp_path: Path, tool: str, wrong: str) -> None:
    names = {
        "key": mine().private_key,
        "certificate": mine().certificate,
        "other": theirs().certificate,
        "locked": mine().encrypted_key("right"),
    }
    ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    where = {
        "echoscu": ["127.0.0.1", "104"],
        "storescu": ["127.0.0.1", "104", "a.dcm"],
        "storescp": ["-od", ".", "11199"],
    }[tool]
    words = [*(word.format(**names) for word in WRONG[wrong]), *where]
    ours, original = (suite.run(tool, *words, cwd=tmp_path) for suite in (OURS, DCMTK))
    assert ours.code == original.code == 1
    assert _lines(ours.stderr) == _lines(original.stderr)
    assert len(_lines(ours.stderr)) == 1


@pytest.mark.parametrize("tool", ["echoscu", "findscu", "storescu", "storescp"])
def test_suites_of_the_oracle_are_listed(tool: str) -> None:
    """In the order of 3.7.0, which is another one."""
    ours, original = (suite.run(tool, "--list-ciphers").stdout for suite in (OURS, DCMTK))
    names = re.findall(r"(?m)^  (TLS_\w+)$", original)
    assert len(names) > 30
    assert set(names) <= set(re.findall(r"(?m)^  (TLS_\w+)$", ours))
    for text in (ours, original):
        assert "\n\nSupported TLS ciphersuites are:\n  " in text
