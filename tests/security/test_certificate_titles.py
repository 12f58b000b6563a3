"""Certificates and the titles they may use: names, lines, mistakes, files read anew."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from isocenter.errors import ConfigurationError
from isocenter.security.certificate_titles import (
    CertificateTitles,
    names_of,
    parse_certificate_titles,
)
from isocenter.testing.certificates import Authority
from isocenter.ul.admission import RequestFacts
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEY = ec.generate_private_key(ec.SECP256R1())
OID = x509.NameOID


def certificate(
    *subject: tuple[x509.ObjectIdentifier, str], alternatives: Sequence[x509.GeneralName] = ()
) -> bytes:
    """Return a certificate in DER; its subject from the country down."""
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2050, 1, 1, tzinfo=dt.UTC))
    )
    if alternatives:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(alternatives), critical=not subject
        )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


CT1 = certificate(
    (OID.COUNTRY_NAME, "DE"),
    (OID.ORGANIZATION_NAME, "Hospital"),
    (OID.COMMON_NAME, "ct1"),
    alternatives=[
        x509.DNSName("CT1.hospital.example"),
        x509.DNSName("*.ct.example"),
        x509.UniformResourceIdentifier("urn:device:ct1"),
        x509.RFC822Name("Service@Hospital.example"),
    ],
)
HASH = hashlib.sha256(CT1).hexdigest()


def verdict(
    titles: CertificateTitles, der: bytes | None, calling: str = "CT1"
) -> tuple[int, int, int] | None:
    request = build_request(
        [ProposedContext(abstract_syntax="1.2.840.10008.1.1", transfer_syntaxes=("1.2",))],
        called_ae_title="ARCHIVE",
        calling_ae_title=calling,
        implementation_class_uid="1.2.3",
    )
    facts = RequestFacts(peer_address="192.0.2.7:4711", is_encrypted=True, peer_certificate=der)
    answer = titles.judge(facts, request)
    return None if answer is None else (answer.result, answer.source, answer.reason)


@pytest.fixture
def titles_of(tmp_path: Path) -> type[CertificateTitles]:
    """Make a judge of lines, in a file of their own."""

    class FromText(CertificateTitles):
        def __init__(self, text: str) -> None:
            (tmp_path / "titles").write_bytes(text.encode())
            super().__init__(str(tmp_path / "titles"))

    return FromText


class TestNames:
    @pytest.mark.parametrize(
        "names",
        [
            "cn=ct1",
            'subject="CN=ct1,O=Hospital,C=DE"',
            "subject=CN=ct1,O=Hospital,C=DE",
            "dns=ct1.hospital.example",
            "dns=CT1.HOSPITAL.EXAMPLE.",
            "dns=*.ct.example",
            "uri=urn:device:ct1",
            "email=Service@hospital.EXAMPLE",
            pytest.param(f"sha256={HASH}", id="sha256"),
            pytest.param(f"sha256={HASH.upper()}", id="sha256 in capitals"),
            pytest.param(
                "sha256=" + ":".join(HASH[at : at + 2] for at in range(0, 64, 2)),
                id="sha256 with colons",
            ),
            "cn=mr1 cn=ct1",
            "cn=ct1 dns=ct1.hospital.example uri=urn:device:ct1",
        ],
    )
    def test_certificate_is_known_by_its_names(
        self, titles_of: type[CertificateTitles], names: str
    ) -> None:
        assert verdict(titles_of(f"{names} calling=CT1"), CT1) is None

    @pytest.mark.parametrize(
        "names",
        [
            "cn=ct",
            "cn=CT1",
            "cn=*",
            'subject="C=DE,O=Hospital,CN=ct1"',
            "subject=CN=ct1",
            "dns=x.ct.example",
            "dns=*.hospital.example",
            "uri=urn:device:CT1",
            "email=service@hospital.example",
            f"sha256={'0' * 64}",
            "cn=ct1 dns=mr1.hospital.example",
        ],
    )
    def test_other_names_are_not_its_own(
        self, titles_of: type[CertificateTitles], names: str
    ) -> None:
        assert verdict(titles_of(f"{names} calling=CT1"), CT1) == (1, 1, 3)

    def test_text_beyond_ascii_is_utf8(self, titles_of: type[CertificateTitles]) -> None:
        der = certificate((OID.COMMON_NAME, "Gerät"))
        assert verdict(titles_of("cn=Gerät calling=CT1"), der) is None
        assert verdict(titles_of("subject=CN=Gerät calling=CT1"), der) is None

    def test_subject_is_the_one_that_openssl_prints(
        self, titles_of: type[CertificateTitles], tmp_path: Path
    ) -> None:
        der = certificate(
            (OID.COUNTRY_NAME, "DE"),
            (OID.ORGANIZATION_NAME, "Hospital, North"),
            (OID.SERIAL_NUMBER, "4711"),
            (OID.COMMON_NAME, "ct1"),
            (OID.EMAIL_ADDRESS, "a@b.example"),
        )
        (tmp_path / "certificate").write_bytes(der)
        command = ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-inform", "DER"]
        try:
            done = subprocess.run(
                [*command, "-in", str(tmp_path / "certificate")],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
        except FileNotFoundError:
            pytest.skip("no openssl here")
        subject = done.stdout.strip().removeprefix("subject=")
        assert verdict(titles_of(f'subject="{subject}" calling=CT1'), der) is None

    def test_certificate_of_an_authority_is_known_by_name_and_file(
        self, titles_of: type[CertificateTitles]
    ) -> None:
        identity = Authority("Root", key="ec-p256").issue(
            "ct1", names=["ct1.example"], key="ec-p256"
        )
        with open(identity.certificate_der, "rb") as file:
            der = file.read()
        assert verdict(titles_of("cn=ct1 dns=ct1.example calling=CT1"), der) is None

    @pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x00", CT1[:-1], b"x" * 5000])
    def test_what_is_no_certificate_has_its_hash_for_a_name_and_nothing_else(
        self, titles_of: type[CertificateTitles], der: bytes
    ) -> None:
        assert set(names_of(der)[0]) == {"sha256"}
        assert verdict(titles_of("cn=ct1 calling=CT1"), der) == (1, 1, 3)

    def test_certificate_without_a_name_is_known_by_its_hash(
        self, titles_of: type[CertificateTitles]
    ) -> None:
        der = certificate(alternatives=[x509.DNSName("a.example")])
        names, _ = names_of(der)
        assert names["cn"] == frozenset()
        assert verdict(titles_of("dns=a.example calling=CT1"), der) is None


class TestTitles:
    def test_owner_of_a_certificate_may_use_its_titles_and_no_others(
        self, titles_of: type[CertificateTitles]
    ) -> None:
        titles = titles_of(
            'cn=mr1 calling=MR1\ncn=ct1 calling=CT1 calling="CT 2"\ndns=ct1.hospital.example '
            "calling=QA*"
        )
        for title, expected in [
            ("CT1", None),
            (" CT1 ", None),
            ("CT 2", None),
            ("QA7", None),
            ("MR1", (1, 1, 3)),
            ("ct1", (1, 1, 3)),
        ]:
            assert verdict(titles, CT1, title) == expected, title

    def test_peer_without_certificate_may_use_none(
        self, titles_of: type[CertificateTitles]
    ) -> None:
        assert verdict(titles_of("cn=ct1 calling=*"), None) == (1, 1, 3)

    @pytest.mark.parametrize(
        ("rules", "der", "words"),
        [
            ("cn=ct1 calling=X", None, "it has shown no certificate"),
            (
                "cn=mr1 calling=X",
                CT1,
                f"is about its certificate (CN=ct1,O=Hospital,C=DE, sha256={HASH})",
            ),
            ("cn=mr1 calling=X\n\ncn=ct1 calling=Y", CT1, "line 3: other titles for its"),
        ],
    )
    def test_refusal_is_one_line_that_says_why(
        self,
        titles_of: type[CertificateTitles],
        caplog: pytest.LogCaptureFixture,
        rules: str,
        der: bytes | None,
        words: str,
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            verdict(titles_of(rules), der)
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        line = record.getMessage()
        assert line.startswith("refused association of 'CT1' at 192.0.2.7 with 'ARCHIVE': ")
        assert words in line

    def test_subject_cannot_forge_a_line(
        self, titles_of: type[CertificateTitles], caplog: pytest.LogCaptureFixture
    ) -> None:
        der = certificate((OID.COMMON_NAME, "a\nE: forged"))
        verdict(titles_of("cn=ct1 calling=CT1"), der)
        assert "\n" not in caplog.records[0].getMessage()


class TestFile:
    @pytest.mark.parametrize(
        ("line", "column", "reason"),
        [
            ("cn=ct1", 1, "no AE title"),
            ("  calling=CT1", 3, "no name of a certificate"),
            ("ct1 calling=CT1", 1, "is none of cn="),
            ("ip=192.0.2.1 calling=CT1", 1, "is none of cn="),
            ("sha256=abc calling=CT1", 1, "64 hexadecimal digits"),
            (f"sha256={'g' * 64} calling=CT1", 1, "64 hexadecimal digits"),
            ('cn="" calling=CT1', 1, "a name is missing"),
            ("cn=ct1 calling=ABCDEFGHIJKLMNOPQ", 8, "longer than 16"),
            ("cn=ct1 subject=ct1 calling=A", 8, "nameopt RFC2253"),
            ("cn=\xff calling=A", 1, "not UTF-8"),
        ],
    )
    def test_line_that_is_no_rule_is_told_with_its_place(
        self, line: str, column: int, reason: str
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse_certificate_titles(f"# titles\n{line}", "F")
        assert str(caught.value).startswith(f"F, line 2, column {column}: ")
        assert reason in str(caught.value)

    def test_file_without_a_rule_is_a_mistake(self) -> None:
        with pytest.raises(ConfigurationError, match="no rule"):
            parse_certificate_titles("# nothing\n", "F")

    def test_new_lines_hold_once_they_were_read_anew_and_broken_ones_never(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "titles"
        path.write_text("cn=ct1 calling=CT1\n")
        titles = CertificateTitles(str(path))
        path.write_text("cn=ct1 calling=CT2\n")
        assert verdict(titles, CT1) is None
        assert titles.reload() == f"{path}, 1 line"
        assert verdict(titles, CT1) == (1, 1, 3)
        path.write_text("cn=ct1 calling=CT1\ncn=mr1\n")
        with pytest.raises(ConfigurationError, match="line 2, column 1"):
            titles.reload()
        assert verdict(titles, CT1) == (1, 1, 3)
        assert verdict(titles, CT1, "CT2") is None
