"""What both refuse over TLS, and what is said about it by DCMTK's tools and by ours.

The requestor that is refused with TLS 1.3 has finished its handshake by then: it sees an alert, or
a connection that was reset, as it happens. DCMTK's tools say either; ours try to say the alert.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.interop.log_lines import bare
from tests.interop.tls_material import keys, material, trusting
from tests.interop.tls_situations import REFUSALS, SETUPS, options
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.tls_situations import Refusal, Setup
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

FAILED = {
    "acceptor": "E: Receiving Association failed: ",
    "requestor": "F: Association Request Failed: ",
}
REFUSED = re.compile(
    r"0006:0317 Peer aborted Association \(or never connected\)( \(.*\))?"
    r"|0006:031d TCP I/O Error \(Connection reset by peer\) occurred in routine: .*"
    r"|000b:0017 OpenSSL I/O error \(SSL_ERROR_SYSCALL\)"
    r"|000b:0017 TLS error: connection reset by peer"
    r"|000b:0c[0-9a-f]{2} TLS error: \w+ alert .*"
    r"|000b:090b TLS error: wrong version number"
)
"""What is said by whoever is refused."""


def _meet(refusal: Refusal, acceptor: Suite, requestor: Suite, folder: Path) -> dict[str, str]:
    """Have two tools meet and return the line of each about its failure."""
    with Receiver(acceptor, folder, "-v", *options(refusal.acceptor)) as receiver:
        words = ("-v", *options(refusal.requestor))
        done = requestor.run("echoscu", *words, "127.0.0.1", str(receiver.port))
        receiver.process.wait_for_line(FAILED["acceptor"], timeout=20)
        assert receiver.process.running
        assert "I: Association Acknowledged" not in receiver.log
        logs = {"acceptor": receiver.log, "requestor": done.stderr}
        assert done.code == 1, logs
    said = {}
    for side, log in logs.items():
        lines = [line for line in bare(log.splitlines()) if line.startswith(("E: ", "F: ", "W: "))]
        assert len(lines) == 1, (side, log)
        assert lines[0].startswith(FAILED[side]), log
        said[side] = lines[0].removeprefix(FAILED[side])
    return said


PAIRS = {
    "DCMTK's": (DCMTK, DCMTK),
    "to them": (DCMTK, UNDER_TEST),
    "from them": (UNDER_TEST, DCMTK),
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_a_handshake_is_refused_by_the_same_side_in_the_same_words(
    refusal: Refusal, tmp_path: Path
) -> None:
    options(refusal.acceptor)  # made once, before there are threads
    with ThreadPoolExecutor(len(PAIRS)) as pool:
        runs = {
            name: pool.submit(_meet, refusal, *pair, tmp_path / name)
            for name, pair in PAIRS.items()
        }
    said = {name: run.result() for name, run in runs.items()}
    refused = "requestor" if refusal.by == "acceptor" else "acceptor"
    for (name, lines), pair in zip(said.items(), PAIRS.values(), strict=True):
        assert REFUSED.fullmatch(lines[refused]), (name, lines)
        suite = pair[refusal.by == "requestor"]
        if suite.is_ours and refusal.why:
            expected = re.escape(refusal.said) + rf" \([^()]*{re.escape(refusal.why)}[^()]*\)"
        else:
            expected = re.escape(refusal.said)
        assert re.fullmatch(expected, lines[refusal.by]), (name, lines)


@pytest.mark.parametrize("refusal", REFUSALS[:7:2], ids=lambda refusal: refusal.name)
@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tools are in every other test")
def test_our_tools_refuse_each_other_for_the_same_reason(refusal: Refusal, tmp_path: Path) -> None:
    said = _meet(refusal, UNDER_TEST, UNDER_TEST, tmp_path / "ours")
    assert said[refusal.by] == f"{refusal.said} ({refusal.why})"


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_what_cannot_be_used_ends_the_tool_with_the_line_of_the_oracle(
    setup: Setup, tmp_path: Path
) -> None:
    file = ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    words = options(setup.words)
    paths = {"path": words[1], "key": words[1], "certificate": words[2]}
    expected = "F: " + setup.said.format(**paths)
    for tool, tail in {
        "echoscu": ("127.0.0.1", "1"),
        "storescu": ("127.0.0.1", "1", str(file)),
        "storescp": ("-od", str(tmp_path), "11112"),
    }.items():
        for suite in (DCMTK, UNDER_TEST):
            done = suite.run(tool, *words, *tail)
            assert done.code == 1
            last = done.lines[-1]
            if not suite.is_ours:
                assert last == expected
                continue
            assert len(done.lines) == 1, done.stderr
            assert last.startswith(expected)
            assert setup.why in last.removeprefix(expected)


@pytest.mark.parametrize("direction", ["to them", "from them"])
def test_a_password_that_is_right_opens_the_key(direction: str, tmp_path: Path) -> None:
    acceptor, requestor = PAIRS[direction]
    there = material()
    traditional = there.acceptor.encrypted_key("secret", form="traditional")
    accepting = ("+tls", traditional, there.acceptor.certificate, "+cf", there.root.path)
    with Receiver(acceptor, tmp_path / "received", *accepting, "+pw", "secret") as receiver:
        words = (*options("{locked} {ca}"), "+pw", "secret", "127.0.0.1", str(receiver.port))
        done = requestor.run("echoscu", *words)
        assert done.code == 0, done.stderr


@pytest.mark.parametrize("direction", ["to them", "from them"])
def test_keys_and_certificates_in_der_do_as_well(direction: str, tmp_path: Path) -> None:
    acceptor, requestor = PAIRS[direction]
    there = material()
    sides = [
        ("-der", "+tls", identity.private_key_der, identity.certificate_der)
        for identity in (there.acceptor, there.requestor)
    ]
    authority = ("+cf", there.root.path_der)
    with Receiver(acceptor, tmp_path / "received", *sides[0], *authority) as receiver:
        words = (*sides[1], *authority, "127.0.0.1", str(receiver.port))
        done = requestor.run("echoscu", *words)
        assert done.code == 0, done.stderr


@pytest.mark.parametrize("suite", [DCMTK, UNDER_TEST], ids=["oracle", "ours"])
def test_a_revocation_list_in_der_keeps_the_revoked_out(suite: Suite, tmp_path: Path) -> None:
    """DCMTK's tools cannot read it (3.6.7 and 3.7.0) and keep everybody out."""
    there = material()
    revoked = options("{revoked}")  # before the list is made
    own = ("-der", "+tls", there.acceptor.private_key_der, there.acceptor.certificate_der)
    listed = ("+cf", there.root.path_der, "+crl", there.root.crl(der=True))
    with Receiver(suite, tmp_path / "received", *own, *listed) as receiver:
        address = ("127.0.0.1", str(receiver.port))
        codes = [
            DCMTK.run("echoscu", *words, "+cf", there.root.path, *address).code
            for words in (keys(there.requestor), revoked)
        ]
        assert codes == ([0, 1] if suite.is_ours else [1, 1])


@pytest.mark.parametrize("direction", ["to them", "from them"])
def test_a_folder_of_authorities_and_lists_is_trusted(direction: str, tmp_path: Path) -> None:
    acceptor, requestor = PAIRS[direction]
    there = material()
    root = there.root
    revoked = options("{revoked}")  # before the list is made
    folder = root.hashed_directory(there.stranger, crls=[root.crl()])
    with Receiver(
        acceptor, tmp_path / "received", "-v", *keys(there.acceptor), "+cd", folder, "+crv"
    ) as receiver:
        codes = [
            requestor.run("echoscu", *own, "+cd", folder, "127.0.0.1", str(receiver.port)).code
            for own in (keys(there.requestor), revoked)
        ]
        assert codes == [0, 1]
        receiver.process.wait_for_line(FAILED["acceptor"])


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK never compares hosts")
def test_a_host_is_compared_with_the_certificate_where_it_is_asked_for(tmp_path: Path) -> None:
    other = material().root.issue("elsewhere", names=["elsewhere.example"])
    with Receiver(DCMTK, tmp_path / "received", "-v", *trusting(other)) as receiver:
        words = ("-v", *trusting(material().requestor))
        port = str(receiver.port)
        assert UNDER_TEST.run("echoscu", *words, "127.0.0.1", port).code == 0
        for host, kind in (("127.0.0.1", "IP address"), ("localhost", "Hostname")):
            done = UNDER_TEST.run("echoscu", *words, "--verify-host", host, port)
            assert done.code == 1
            assert done.lines[-1] == (
                "F: Association Request Failed: 000b:0886 TLS error: certificate verify failed "
                f"({kind} mismatch, certificate is not valid for '{host}'.)"
            )


@pytest.mark.parametrize("side", ["acceptor", "requestor"])
def test_a_short_key_is_warned_of_as_by_the_oracle_where_the_profile_is_old(
    side: str, tmp_path: Path
) -> None:
    weak = material().root.issue("weak", key="rsa-1024")
    said = []
    for suite in (DCMTK, UNDER_TEST):
        good = (trusting(material().acceptor), trusting(material().requestor))
        words = {"acceptor": good[0], "requestor": good[1], side: trusting(weak)}
        with Receiver(suite, tmp_path / suite.name, "+py", *words["acceptor"]) as receiver:
            tail = ("+py", *words["requestor"], "127.0.0.1", str(receiver.port))
            done = suite.run("echoscu", *tail)
            assert done.code == 0, done.stderr
            # 3.6.7 names the RFC that 9325 has replaced.
            said.append([text.replace("7525", "9325") for text in (receiver.log, done.stderr)])
    assert said[0] == said[1]
    assert said[0][side == "requestor"].startswith("W: Key length of RSA public key too short: ")


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="3.6.7 does not have the profile")
def test_a_short_key_is_refused_by_the_profile_of_today(tmp_path: Path) -> None:
    """On either side, whether it is one's own or the peer's; the peer is DCMTK's, which warns."""
    weak = material().root.issue("weak", key="rsa-1024")
    with Receiver(DCMTK, tmp_path / "theirs", *trusting(weak)) as receiver:
        tail = (*trusting(material().requestor), "127.0.0.1", str(receiver.port))
        done = UNDER_TEST.run("echoscu", *tail)
    assert done.code == 1
    assert done.stderr.endswith(" certificate verify failed (EE certificate key too weak)\n")
    with Receiver(UNDER_TEST, tmp_path / "ours", *trusting(material().acceptor)) as receiver:
        done = DCMTK.run("echoscu", *trusting(weak), "127.0.0.1", str(receiver.port))
        assert done.code == 1
        receiver.process.wait_for_line(" certificate verify failed (EE certificate key too weak)")
    for tool, tail in {
        "echoscu": ("127.0.0.1", "1"),
        "storescp": ("-od", str(tmp_path), "11112"),
    }.items():
        done = UNDER_TEST.run(tool, *trusting(weak), *tail)
        assert done.code == 1
        (line,) = done.lines
        assert line.startswith(f"F: 000b:0005 Unable to load certificate from '{weak.certificate}'")
        assert "is only 1024 bits" in line
