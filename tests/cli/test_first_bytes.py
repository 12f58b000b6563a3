"""What the first bytes of a connection look like, and how they are shown."""

from __future__ import annotations

import pytest

from isocenter.cli.first_bytes import escaped, look_at
from isocenter.testing import raw
from isocenter.testing.datasets import EXPLICIT_LITTLE, VERIFICATION

REQUEST = raw.associate_rq([raw.Context(1, VERIFICATION, (EXPLICIT_LITTLE,))])


@pytest.mark.parametrize(
    ("received", "kind", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "tls", "a TLS ClientHello"),
        (b"\x16\x03\x03\x00\x7a\x02\x00\x00", "tls", "a TLS ServerHello"),
        (b"\x16\x03", "tls", "a TLS handshake"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls", "a TLS alert (protocol version)"),
        (b"\x15\x03\x01\x00\x02\x02\xfa", "tls", "a TLS alert (number 250)"),
        (b"\x15\x03\x01", "tls", "a TLS alert"),
        (b"\x80\x2e\x01\x03\x01\x00", "tls", "an SSL 2.0 or TLS ClientHello"),
        (b"HTTP/1.1 400 Bad Request\r\n", "http", "an HTTP response"),
        (b"GET /studies HTTP/1.1\r\n", "http", "an HTTP request"),
        (b"PRI * HTTP/2.0\r\n", "http", "an HTTP request"),
        (b"<!DOCTYPE HTML PUBLIC", "http", "a web page"),
        (b"<html><head>", "http", "a web page"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "ssh", "an SSH banner"),
        (b"\x0bMSH|^~\\&|ACK", "hl7", "an HL7 message (MLLP)"),
        (b"MSH|^~\\&|", "hl7", "an HL7 message without its MLLP frame"),
        (b"220 mail.example ESMTP", "mail", "mail or file transfer server"),
        (b"* OK IMAP4rev1", "mail", "mailbox server"),
        (b"\x03\x00\x00\x13\x0e\xe0\x00\x00", "rdp", "a remote desktop connection (RDP)"),
        (raw.associate_rj(1, 1, 7), "dicom", "a DICOM PDU (A-ASSOCIATE-RJ)"),
        (REQUEST, "dicom", "a DICOM PDU (A-ASSOCIATE-RQ)"),
        (raw.abort(), "dicom", "a DICOM PDU (A-ABORT)"),
        (b"-ERR unknown command\r\n", "text", "text of no protocol"),
        (b"\xde\xad\xbe\xef\xff\xff\xff\xff", "unknown", "no protocol that is known here"),
        (b"\x01", "unknown", "no protocol that is known here"),
        (b"", "unknown", "no protocol that is known here"),
    ],
)
def test_bytes_are_called_what_they_look_like(received: bytes, kind: str, words: str) -> None:
    look = look_at(received)
    assert look.kind == kind
    assert words in look.words


@pytest.mark.parametrize(
    "received",
    [
        b"GET /patients?name=Mueller^Anna HTTP/1.1\r\n",
        b"\x0bMSH|^~\\&|MUELLER|KH||ANNA",
        b"MUELLER^ANNA 1970-01-01 text of some kind",
    ],
)
def test_no_more_is_shown_than_tells_the_protocol(received: bytes) -> None:
    shown = escaped(received, look_at(received).shown)
    assert "anna" not in shown.lower()
    assert len(shown) < 16


@pytest.mark.parametrize(
    ("received", "limit", "text"),
    [
        (b"abc", 32, '"abc"'),
        (b"a\r\n\x00\xff\\", 32, r'"a\x0d\x0a\x00\xff\x5c"'),
        (b"abcdef", 3, '"abc..."'),
        (b'"\x1b[2J', 32, r'""\x1b[2J"'),
        (b"", 32, '""'),
    ],
)
def test_bytes_are_shown_so_that_they_do_nothing_to_a_terminal(
    received: bytes, limit: int, text: str
) -> None:
    assert escaped(received, limit) == text
