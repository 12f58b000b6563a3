"""What a certificate says, in DCMTK's lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isocenter.security.certificate_text import certificate_text
from isocenter.testing.certificates import Authority

_DATE = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT"


@pytest.mark.parametrize(
    ("key", "words"),
    [("rsa-2048", "RSA, 2048 bits"), ("ec-p384", "EC, 384 bits"), ("dsa-2048", "DSA, 2048 bits")],
)
def test_it_names_subject_issuer_dates_and_key(key: str, words: str) -> None:
    identity = Authority("Root", key="ec-p256").issue("scanner", key=key)
    lines = certificate_text(Path(identity.certificate_der).read_bytes()).splitlines()
    assert lines[0] == "Peer X.509v3 Certificate"
    assert lines[1] == "  Subject     : /O=isocenter tests/CN=scanner"
    assert lines[2] == "  Issued by   : /O=isocenter tests/CN=Root"
    assert lines[3] == f"  Serial no.  : {identity.serial_number}"
    assert re.fullmatch(f"  Validity    : not before {_DATE}, not after {_DATE}", lines[4])
    assert lines[5] == f"  Public key  : {words}"


def test_a_peer_without_is_said_to_have_none() -> None:
    assert certificate_text(None).startswith("Peer did not provide a certificate")


def test_names_that_a_peer_made_up_forge_no_lines() -> None:
    identity = Authority("Root", key="ec-p256").issue("a\nD: forged\x1b[1m", key="ec-p256")
    text = certificate_text(Path(identity.certificate_der).read_bytes())
    assert "/CN=a?D: forged?[1m" in text
    assert len(text.splitlines()) == 6


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x01", b"garbage" * 99])
def test_what_is_no_certificate_is_said_to_be_unreadable(data: bytes) -> None:
    assert certificate_text(data) == "Peer certificate cannot be read: ValueError"


def test_any_byte_may_be_wrong() -> None:
    data = Path(Authority("Root", key="ec-p256").path_der).read_bytes()
    for place in range(len(data)):
        for value in (0, 0x7F, 0xFF):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            assert certificate_text(damaged).startswith("Peer ")
