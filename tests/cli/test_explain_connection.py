"""Why no association came about: facts to words."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import options_echoscu, options_storescp
from isocenter.cli.explain import as_text
from isocenter.cli.explain_connection import (
    Attempt,
    arrival_failed,
    rejected_by_us,
    request_failed,
    wants_probe,
)
from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    PduDecodeError,
    PeerProtocolError,
    TimeoutExpired,
)
from isocenter.net.failures import ProbeResult
from isocenter.testing import raw
from isocenter.testing.datasets import EXPLICIT_LITTLE, VERIFICATION
from isocenter.ul.pdu import AAssociateRQ, PresentationContext, UserInformation

if TYPE_CHECKING:
    from isocenter.errors import (
        IsocenterError,
    )

ATTEMPT = Attempt(
    tool=options_echoscu.TOOL,
    host="pacs",
    port=104,
    called="ARCHIVE",
    calling="MODALITY",
    connect_timeout=5.0,
)
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"
REQUEST = raw.associate_rq([raw.Context(1, VERIFICATION, (EXPLICIT_LITTLE,))])


def not_connected(code: int) -> ConnectError:
    return ConnectError("pacs", 104, os.strerror(code))


def strange(received: bytes) -> PduDecodeError:
    problem = PduDecodeError("PDU", "PDU type", offset=0, expected="1 to 7", found="0x48")
    problem.received = received
    return problem


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (not_connected(errno.ECONNREFUSED), ["nothing listens at pacs:104", "server started"]),
        (not_connected(errno.EHOSTUNREACH), ["no way to pacs:104", "VPN"]),
        (not_connected(errno.ENETUNREACH), ["no way to pacs:104"]),
        (not_connected(errno.ETIMEDOUT), ["did not answer at all", "firewall"]),
        (not_connected(errno.EACCES), ["this machine's own firewall"]),
        (not_connected(errno.EMFILE), [os.strerror(errno.EMFILE)]),
        (
            ConnectError("pacs", 104, "timed out", timed_out=True),
            ["within 5 s", "firewall", "--timeout (-to) waits longer"],
        ),
        (
            ConnectError("pacs", 104, "name look-up timed out", timed_out=True),
            ["name server did not answer for 'pacs'"],
        ),
        (
            ConnectError("pacs", 104, "unknown host (no)", unknown_host=True),
            ["'pacs' has no address", "unknown host (no)", "--ipv6 (-i6)"],
        ),
        (AssociationRejected(1, 1, 7), ["AE title 'ARCHIVE'", "with --call (-aec)"]),
        (AssociationRejected(1, 1, 3), ["does not know the AE title 'MODALITY'", "--aetitle"]),
        (AssociationRejected(1, 1, 2), ["application context name"]),
        (AssociationRejected(1, 1, 1), ["gave no reason", "'ARCHIVE'", "'MODALITY'"]),
        (AssociationRejected(1, 2, 2), ["version 1 of the protocol"]),
        (AssociationRejected(1, 2, 1), ["says no more"]),
        (AssociationRejected(2, 3, 1), ["overloaded", "try again later"]),
        (AssociationRejected(2, 3, 2), ["limit of its own", "try again later"]),
        (AssociationRejected(2, 1, 3), ["MODALITY", "may succeed later"]),
        (AssociationRejected(9, 8, 7), ["Unknown Source 8", "Unknown Reason 7"]),
        (
            AssociationAborted(0, 0, by_peer=True),
            ["answered the association request with an abort"],
        ),
        (AssociationAborted(2, 6, by_peer=True), ["invalid value in a PDU"]),
        (ConnectionLost("closed by peer"), ["ended it without an answer", "closed by peer"]),
        (TimeoutExpired("acse", 30.0), ["did not answer", "30 s", "--acse-timeout (-ta)"]),
        (strange(b"HTTP/1.1 400 Bad"), ["no DICOM server", "an HTTP response", "web server"]),
        (strange(b"\x15\x03\x01\x00\x02\x02\x46"), ["a TLS alert", "without TLS"]),
        (strange(b"SSH-2.0-OpenSSH"), ["SSH", '"SSH-2.0-OpenSSH"', "another service"]),
        (strange(b"\x0bMSH|^~\\&|"), ["HL7 message", "HL7 interface"]),
        (strange(b"220 mail ESMTP"), ["mail or file transfer", "another service"]),
        (strange(REQUEST[:32]), ["speaks DICOM", "cannot be read"]),
        (PeerProtocolError("twice"), ["against the rules of DICOM: twice"]),
    ],
)
def test_requestor_says_why_there_is_no_association(
    problem: IsocenterError, words: list[str]
) -> None:
    lines = request_failed(problem, ATTEMPT)
    text = as_text(lines)
    for word in words:
        assert word in text
    assert 1 <= len(lines) <= 6
    assert text.startswith("Explanation: ")
    assert text.count("\n  ") == len(lines) - 1


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (ProbeResult(connected=False), "A second connection was not possible"),
        (ProbeResult(True, b"", True, 0.1), "was closed without a byte as well"),
        (ProbeResult(True, b"", False, 2.0), "got no answer within 2 s: this is no TLS and no web"),
        (ProbeResult(True, b"", False, 2.0, offered_tls=False), "it may be a TLS server"),
        (ProbeResult(True, b"\x16\x03\x03\x00z\x02", False, 0.1), "The port speaks TLS."),
        (ProbeResult(True, b"HTTP/1.1 400", False, 0.1), "is that of a web server"),
        (ProbeResult(True, raw.abort(), False, 0.1), "So a DICOM server without TLS is there"),
        (ProbeResult(True, b"SSH-2.0-x", False, 0.1), "belongs to another service"),
    ],
)
def test_what_a_probe_found_is_said(finding: ProbeResult, words: str) -> None:
    for problem in (ConnectionLost("closed by peer"), TimeoutExpired("acse", 30.0)):
        lines = request_failed(problem, ATTEMPT, finding)
        assert words in as_text(lines)
        assert len(lines) <= 6


def test_option_that_waits_longer_is_not_named_where_the_port_is_another_service() -> None:
    web = request_failed(TimeoutExpired("acse", 9.0), ATTEMPT, ProbeResult(True, b"HTTP/1.1 4"))
    assert "--acse-timeout" not in as_text(web)


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (ConnectionLost("closed by peer"), True),
        (TimeoutExpired("acse", 1.0), True),
        (TimeoutExpired("slow-pdu", 60.0), False),
        (not_connected(errno.ECONNREFUSED), False),
        (AssociationRejected(1, 1, 1), False),
        (AssociationAborted(0, 0, by_peer=True), False),
        (strange(b"HTTP/1.1 400"), False),
    ],
)
def test_only_silence_is_asked_about_again(problem: IsocenterError, wanted: bool) -> None:
    assert wants_probe(problem) is wanted


@pytest.mark.parametrize(
    ("kind", "received", "words"),
    [
        ("closed", b"", ["without a byte", "port scan"]),
        ("expired", b"", ["sent nothing for 30 s", "--acse-timeout (-ta)"]),
        ("crowded", b"", ["to make room"]),
        ("full", REQUEST[:32], ["as many associations"]),
        ("invalid", TLS_HELLO, ["a TLS ClientHello", "serves plain DICOM"]),
        ("invalid", b"GET /x HTTP/1.1\r\n", ["an HTTP request", '"GET..."']),
        ("invalid", b"\x0bMSH|^~\\&|A", ["an HL7 message (MLLP)", '"\\x0bMSH|..."']),
        ("invalid", b"SSH-2.0-x\r\n", ["SSH", "no association request"]),
        ("invalid", b"\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe", ["no protocol that is known"]),
        ("closed", REQUEST[:32], ["began an association request", "before its end"]),
        ("expired", REQUEST[:32], ["fell silent for 30 s"]),
        ("invalid", raw.release_rq(), ["A-RELEASE-RQ", "only an A-ASSOCIATE-RQ"]),
        ("invalid", b"\x01\0\x7f\xff\xff\xff", ["2147483647 bytes, and 1048576"]),
        ("invalid", REQUEST[:32], ["cannot be read: the cause"]),
    ],
)
def test_acceptor_says_why_a_connection_was_none_for_it(
    kind: str, received: bytes, words: list[str]
) -> None:
    lines = arrival_failed(
        kind,
        "10.0.0.7:4711",
        received,
        tool=options_storescp.TOOL,
        cause=ValueError("the cause"),
        limit=1 << 20,
        seconds=30.0,
    )
    text = as_text(lines)
    assert "10.0.0.7:4711" in text
    for word in words:
        assert word in text
    assert len(lines) <= 6


def request(
    *,
    application: str = "1.2.840.10008.3.1.1.1",
    contexts: bool = True,
    implementation: str = "1.2",
) -> AAssociateRQ:
    context = PresentationContext(
        context_id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=(EXPLICIT_LITTLE,)
    )
    return AAssociateRQ(
        called_ae_title="ARCHIVE",
        calling_ae_title="MODALITY",
        application_context_name=application,
        presentation_contexts=(context,) if contexts else (),
        user_information=UserInformation(
            maximum_length=16384, implementation_class_uid=implementation
        ),
    )


@pytest.mark.parametrize(
    ("rejected", "answer", "refusing", "words"),
    [
        (request(), (1, 1, 1), True, "--refuse rejects every"),
        (request(application="1.2.3"), (1, 1, 2), False, "'1.2.3' and not DICOM's"),
        (request(contexts=False), (1, 1, 1), False, "proposes no presentation context"),
        (request(), (1, 1, 7), False, "'ARCHIVE' is not an AE title that 'MODALITY' may call here"),
        (request(), (1, 1, 3), False, "'MODALITY' may not call here, or not from"),
        (request(implementation=""), (1, 1, 1), False, "no implementation class UID and --reject"),
        (request(), (1, 2, 2), False, "not of version 1"),
        (request(), (1, 1, 1), False, "user identity or a limit here (No Reason)"),
        (request(), (1, 1, 1), False, "line before this says more, where it was the identity"),
    ],
)
def test_acceptor_says_why_it_rejected(
    rejected: AAssociateRQ, answer: tuple[int, int, int], refusing: bool, words: str
) -> None:
    text = as_text(rejected_by_us(rejected, answer, peer="10.0.0.7:4711", refusing=refusing))
    assert words in text
    assert "'MODALITY' at 10.0.0.7:4711" in text
