"""Explanations of TLS that could not be agreed on, from their facts."""

from __future__ import annotations

import pytest

from isocenter.cli import options_storescu, options_tls
from isocenter.cli.explain import as_text, authorities
from isocenter.cli.explain_connection import Attempt, arrival_failed, request_failed
from isocenter.cli.parser import parse
from isocenter.cli.spec import Group, Tool
from isocenter.errors import ConnectionLost, TlsError
from isocenter.testing import raw
from isocenter.testing.datasets import EXPLICIT_LITTLE, VERIFICATION

REQUESTOR = Tool(
    "requestor",
    "a requestor",
    parameters=(),
    groups=(
        options_tls.REQUESTOR_GROUP,
        Group("isocenter options", options_tls.OWN_REQUESTOR),
    ),
    evaluation=options_tls.REQUESTOR_EVALUATION,
)
ACCEPTOR = Tool(
    "acceptor",
    "an acceptor",
    parameters=(),
    groups=(options_tls.ACCEPTOR_GROUP, Group("isocenter options", options_tls.OWN_ACCEPTOR)),
    evaluation=options_tls.ACCEPTOR_EVALUATION,
)
REQUEST = raw.associate_rq([raw.Context(1, VERIFICATION, (EXPLICIT_LITTLE,))])
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"
SERVER_HELLO = b"\x16\x03\x03\x00z\x02"


def attempt(*, authenticated: bool = True, trusted: tuple[str, ...] = ()) -> Attempt:
    return Attempt(
        tool=REQUESTOR,
        host="pacs",
        port=2762,
        called="ARCHIVE",
        calling="MODALITY",
        tls=True,
        authenticated=authenticated,
        trusted=trusted,
    )


def distrusted(code: int, rule: str = "the rule") -> TlsError:
    return TlsError(
        f"certificate verify failed: {rule}", code=134, verify_code=code, received=SERVER_HELLO
    )


def alert(reason: str) -> TlsError:
    return TlsError(reason, code=1040, received=b"\x15\x03\x03\x00\x02\x02\x28")


CERTIFICATES = [
    (20, ["not trusted here", "(the rule)", "--add-cert-file (+cf)", "--system-ca"]),
    (18, ["not trusted here", "self-signed certificate is its own authority"]),
    (10, ["has expired", "clock"]),
    (9, ["not valid yet", "clock"]),
    (23, ["was revoked"]),
    (3, ["cannot be told", "--add-crl-file (+crl)", "--enable-crl-all (+cra)"]),
    (12, ["cannot be told", "current revocation list"]),
    (26, ["not for this purpose", "serverAuth"]),
    (66, ["too weak", "2048 bits"]),
    (7, ["is not trusted (the rule)"]),
]


@pytest.mark.parametrize(("code", "words"), CERTIFICATES)
def test_both_sides_say_what_is_wrong_with_a_certificate(code: int, words: list[str]) -> None:
    called = as_text(request_failed(distrusted(code), attempt()))
    assert "the certificate of the peer at pacs:2762" in called
    came = as_text(
        arrival_failed("tls", "10.0.0.7:4711", b"", tool=ACCEPTOR, cause=distrusted(code), tls=True)
    )
    assert "the certificate of 10.0.0.7:4711" in came
    for word in words:
        assert word in called
        assert word in came


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("+cf", "ca.pem", "+cd", "folder"), "'ca.pem', 'folder'"),
        (("--system-ca",), "the authorities of this system"),
        (("--system-ca", "+cf", "ca.pem"), "'ca.pem', the authorities of this system"),
    ],
)
def test_authorities_that_were_given_are_named_and_not_advised(
    words: tuple[str, ...], shown: str
) -> None:
    line = parse(options_storescu.TOOL, ["+tla", *words, "pacs", "2762", "image.dcm"])
    text = as_text(request_failed(distrusted(20), attempt(trusted=authorities(line))))
    assert f"Its certificate is not in what was given, {shown}, or" in text
    assert "Nothing is trusted that is not named" not in text
    assert "--system-ca" not in text


def test_requestor_says_that_a_certificate_is_of_another_host() -> None:
    text = as_text(request_failed(distrusted(62, "Hostname mismatch"), attempt()))
    assert "is of another host than 'pacs' (Hostname mismatch)" in text
    assert "subjectAltName" in text
    assert "Without --verify-host the name is not compared" in text


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (TlsError("wrong version number", code=267, received=raw.abort()), ["speaks plain DICOM"]),
        (
            TlsError("wrong version number", code=267, received=b"HTTP/1.1 400 Bad"),
            ["speaks no TLS", "an HTTP response", '"HTTP/1.1 400 Ba'],
        ),
        (
            TlsError("the peer closed the connection during the handshake"),
            ["ended it without an answer to TLS", "plain DICOM", "without --enable-tls (+tls)"],
        ),
        (TlsError("connection reset by peer"), ["ended it without an answer to TLS"]),
        (alert("tlsv1 alert unknown ca"), ["does not trust the authority", "intermediate"]),
        (alert("tlsv13 alert certificate required"), ["demands a certificate"]),
        (
            alert("sslv3 alert certificate expired"),
            ["takes this side's certificate for expired", "its revocation list is out of date"],
        ),
        (alert("sslv3 alert certificate revoked"), ["certificate was revoked"]),
        (
            alert("sslv3 alert bad certificate"),
            ["does not take this side's certificate", "called stands in it (subjectAltName)"],
        ),
        (alert("sslv3 alert unsupported certificate"), ["of this side's kind"]),
        (alert("sslv3 alert certificate unknown"), ["does not trust this side's"]),
        (alert("tlsv1 unrecognized name"), ["server name", "--request-sni", "--expect-sni"]),
        (alert("tlsv1 alert no application protocol"), ["ALPN"]),
        (alert("tlsv1 alert access denied"), ["refuses the access"]),
        (alert("tlsv1 alert protocol version"), ["no version of TLS", "--profile-bcp195 (+px)"]),
        (
            alert("sslv3 alert handshake failure"),
            ["no cipher suite", "--cipher (+cs)", "--profile-bcp195 (+px)", "--profile-aes (+pa)"],
        ),
        (alert("tlsv1 alert internal error"), ["failed (tlsv1 alert internal error)"]),
    ],
)
def test_requestor_says_why_there_is_no_agreement(problem: TlsError, words: list[str]) -> None:
    lines = request_failed(problem, attempt())
    text = as_text(lines)
    assert "pacs:2762" in text
    for word in words:
        assert word in text
    assert len(lines) <= 6


@pytest.mark.parametrize(
    "reason", ["sslv3 alert handshake failure", "tlsv13 alert certificate required"]
)
def test_requestor_without_a_certificate_is_told_that_the_peer_wants_one(reason: str) -> None:
    for problem in (alert(reason), ConnectionLost(f"TLS error: {reason}")):
        text = as_text(request_failed(problem, attempt(authenticated=False)))
        assert "demands a certificate of this side" in text
        assert "--enable-tls (+tls) KEY CERTIFICATE" in text


def test_requestor_whose_certificate_is_refused_after_the_handshake_says_so() -> None:
    problem = ConnectionLost("TLS error: tlsv1 alert unknown ca")
    text = as_text(request_failed(problem, attempt()))
    assert "does not trust the authority that signed this side's certificate" in text


def test_requestor_that_is_left_after_the_handshake_says_what_that_may_mean() -> None:
    text = as_text(request_failed(ConnectionLost("closed by peer"), attempt()))
    assert "agreed on TLS and ended the connection" in text
    assert "TLS 1.3" in text


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            TlsError("wrong version number", code=267, received=REQUEST[:32]),
            ["A-ASSOCIATE-RQ", "speaks plain DICOM, and this receiver serves TLS"],
        ),
        (
            TlsError("http request", code=156, received=b"GET /patients/4711 HTTP/1.1"),
            ["an HTTP request", "serves DICOM over TLS", '"GET..."'],
        ),
        (
            TlsError("peer did not return a certificate", code=199, received=HELLO),
            ["has no certificate", "--verify-peer-cert (-vc)"],
        ),
        (TlsError("no shared cipher", code=193, received=HELLO), ["no cipher suite"]),
        (TlsError("unsupported protocol", code=258, received=HELLO), ["no version of TLS"]),
        (
            TlsError("callback failed", code=234, received=HELLO),
            ["another server name than --expect-sni has", "--request-sni"],
        ),
        (
            TlsError("tlsv1 alert unknown ca", code=1048, received=HELLO),
            ["does not trust the authority"],
        ),
    ],
)
def test_acceptor_says_why_there_is_no_agreement(problem: TlsError, words: list[str]) -> None:
    received = problem.received
    lines = arrival_failed(
        "tls", "10.0.0.7:4711", received, tool=ACCEPTOR, cause=problem, seconds=30.0, tls=True
    )
    text = as_text(lines)
    assert "10.0.0.7:4711" in text
    assert "4711 HTTP" not in text
    for word in words:
        assert word in text
    assert len(lines) <= 6


@pytest.mark.parametrize(
    ("kind", "words"), [("closed", "closed."), ("expired", "did not end it within 30 s")]
)
def test_acceptor_says_that_a_handshake_was_begun_and_not_ended(kind: str, words: str) -> None:
    text = as_text(
        arrival_failed(kind, "10.0.0.7:4711", HELLO, tool=ACCEPTOR, seconds=30.0, tls=True)
    )
    assert f"began a TLS handshake and {words}" in text


def test_plain_acceptor_says_how_to_serve_tls() -> None:
    text = as_text(arrival_failed("invalid", "10.0.0.7:4711", HELLO, tool=ACCEPTOR))
    assert "serves plain DICOM" in text
    assert "--enable-tls (+tls)" in text
