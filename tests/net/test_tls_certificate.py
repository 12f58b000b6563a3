"""The facts of a certificate that rules are about, read by hand, are what others read."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from isocenter.net.tls_certificate import CertificateFacts, certificate_facts, elements, next_update
from isocenter.testing.certificates import Authority
from isocenter.testing.signatures import tlv


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root of facts")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rsa-1024", ("RSA", 1024)),
        ("rsa-2048", ("RSA", 2048)),
        ("rsa-3072", ("RSA", 3072)),
        ("ec-p224", ("EC", 224)),
        ("ec-p256", ("EC", 256)),
        ("ec-p384", ("EC", 384)),
        ("ec-p521", ("EC", 528)),  # of 521 bits, in whole bytes
        ("dsa-2048", ("DSA", 0)),
    ],
)
def test_key_is_of_its_kind_and_length(
    root: Authority, kind: str, expected: tuple[str, int]
) -> None:
    data = Path(root.issue("of a kind", key=kind).certificate_der).read_bytes()
    facts = certificate_facts(data)
    assert facts == CertificateFacts(*expected, "RSA-SHA256")
    assert certificate_facts(data + b"what follows") == facts


@pytest.mark.parametrize(
    ("form", "numbers"), [(b"\x02", 1), (b"\x03", 1), (b"\x04", 2), (b"\x06", 2), (b"\x07", 2)]
)
def test_every_form_of_a_point_tells_the_length_of_the_key(
    root: Authority, form: bytes, numbers: int
) -> None:
    data = Path(root.issue("of a kind", key="ec-p384").certificate_der).read_bytes()
    point = data.index(b"\x03\x62\x00\x04") + 3  # a bit string of 98 bytes
    if numbers == 2:
        changed = data[:point] + form + data[point + 1 :]
    else:
        key = tlv(0x03, b"\x00" + form + data[point + 1 : point + 49])
        changed = _with_key_of(data, key)
    assert certificate_facts(changed).bits == 384


def _with_key_of(data: bytes, key: bytes) -> bytes:
    """Return a certificate with another bit string for its key, the lengths around it as needed."""
    ((_, certificate),) = elements(data)
    (_, body), *rest = elements(certificate)
    fields = elements(body)
    (_, algorithm), _ = elements(fields[5][1])
    fields[5] = (fields[5][0], tlv(0x30, algorithm) + key)
    whole = tlv(0x30, b"".join(tlv(tag, value) for tag, value in fields))
    return tlv(0x30, whole + b"".join(tlv(tag, value) for tag, value in rest))


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_signature_with_rsa_has_the_name_of_openssl(root: Authority, digest: str) -> None:
    data = Path(root.issue("signed", digest=digest).certificate_der).read_bytes()
    assert certificate_facts(data).signature == f"RSA-{digest.upper()}"


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(("key", "name"), [("ec-p256", "ecdsa-with-"), ("dsa-2048", "DSA-")])
def test_other_signatures_have_the_names_of_openssl(key: str, name: str, digest: str) -> None:
    root = Authority("Root", key=key, digest=digest)
    data = Path(root.path_der).read_bytes()
    assert certificate_facts(data).signature == name + digest.upper()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-newkey", "ed25519"], ("", 0, "ED25519")),
        (["-newkey", "ed448"], ("", 0, "ED448")),
        (["-newkey", "rsa:2048", "-sha224"], ("RSA", 2048, "RSA-SHA224")),
        (["-newkey", "rsa:2048", "-sha3-256"], ("RSA", 2048, "RSA-SHA3-256")),
        (
            ["-newkey", "rsa:2048", "-sha512", "-sigopt", "rsa_padding_mode:pss"],
            ("RSA", 2048, "RSASSA-PSS-SHA512"),
        ),
        (
            ["-newkey", "rsa:2048", "-sha1", "-sigopt", "rsa_padding_mode:pss"],
            ("RSA", 2048, "RSASSA-PSS-SHA1"),
        ),
        (["-newkey", "rsa-pss"], ("RSA", 2048, "RSASSA-PSS-SHA256")),
        (
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP320r1", "-sha1"],
            ("EC", 320, "ecdsa-with-SHA1"),
        ),
        (
            [
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha3-512"),
                *("-pkeyopt", "ec_param_enc:explicit"),
            ],
            ("EC", 256, "ecdsa-with-SHA3-512"),
        ),
    ],
    ids=lambda value: "-".join(value[1:]) if isinstance(value, list) else "",
)
def test_certificates_of_openssl_are_read(
    tmp_path: Path, options: list[str], expected: tuple[str, int, str]
) -> None:
    path = tmp_path / "certificate.der"
    files = ["-nodes", "-keyout", str(tmp_path / "key.pem"), "-out", str(path), "-outform", "DER"]
    subprocess.run(
        ["openssl", "req", "-x509", "-subj", "/CN=x", *options, *files],
        capture_output=True,
        timeout=50,
        check=True,
    )
    assert certificate_facts(path.read_bytes()) == CertificateFacts(*expected)


def test_certificate_of_the_first_version_is_read(root: Authority) -> None:
    """Without a version there is one field less (RFC 5280 4.1.2.1)."""
    data = Path(root.path_der).read_bytes()
    (_, whole), *_ = elements(data)
    (_, body), algorithm, signature = elements(whole)
    fields = b"".join(tlv(tag, content) for tag, content in elements(body)[1:7])
    older = tlv(0x30, tlv(0x30, fields) + tlv(*algorithm) + tlv(*signature))
    assert certificate_facts(older) == certificate_facts(data)


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x00", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        certificate_facts(data)


def test_key_and_list_are_no_certificates(root: Authority) -> None:
    identity = root.issue("x")
    for path in (identity.private_key_der, identity.certificate, root.crl(der=True)):
        with pytest.raises(ValueError):
            certificate_facts(Path(path).read_bytes())


@pytest.mark.parametrize(("size", "fits"), [(64, True), (65, False), (100_000, False)])
def test_object_identifier_has_a_longest_length(root: Authority, size: int, fits: bool) -> None:
    (_, whole), *_ = elements(Path(root.path_der).read_bytes())
    body, _, signature = elements(whole)
    algorithm = tlv(0x30, tlv(0x06, b"\x81" * (size - 1) + b"\x01"))
    made = tlv(0x30, tlv(*body) + algorithm + tlv(*signature))
    if fits:
        assert certificate_facts(made).signature.startswith("2.")
    else:
        with pytest.raises(ValueError):
            certificate_facts(made)


def test_broken_certificates_are_read_or_refused_and_nothing_else(root: Authority) -> None:
    chance = random.Random(11)
    data = Path(root.path_der).read_bytes()
    for _ in range(5000):
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            facts = certificate_facts(bytes(broken[: chance.randrange(1, len(broken) + 1)]))
        except ValueError:
            continue
        assert facts.bits >= 0


def test_facts_are_those_of_a_library(root: Authority) -> None:
    for kind in ("rsa-2048", "ec-p384"):
        data = Path(root.issue("x", key=kind).certificate_der).read_bytes()
        read = x509.load_der_x509_certificate(data)
        algorithm = read.signature_hash_algorithm
        assert algorithm is not None
        facts = certificate_facts(data)
        assert facts.signature == f"RSA-{algorithm.name.upper()}"
        assert facts.bits == getattr(read.public_key(), "key_size", None)


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True])
def test_keys_in_pem_need_no_library(root: Authority, encrypted: bool) -> None:
    identity = root.issue("quick")
    key = identity.encrypted_key("sesame") if encrypted else identity.private_key
    program = (
        "import sys; from isocenter.net.tls_context import client_context; "
        "from isocenter.net.tls_options import TlsOptions; certificate, key, ca = sys.argv[1:]; "
        "client_context(TlsOptions(certificate=certificate, private_key=key, ca_files=(ca,), "
        "password='sesame'), warn=print); print('cryptography' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, identity.chain, key, root.path],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert result.stdout == "False\n"


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (0x17, b"261231235959Z", "20261231235959Z"),
        (0x17, b"491231235959Z", "20491231235959Z"),
        (0x17, b"500101000000Z", "19500101000000Z"),
        (0x18, b"20501231235959Z", "20501231235959Z"),
        (0x17, b"2612312359Z", None),
        (0x17, b"2612\x02\x0031235Z", None),
        (0x17, b"261231235959+0100", None),
        (0x18, b"20501231235959.5Z", None),
        (0x18, b"2050123123595\x1bZ", None),
        (0x18, b"20501231\xb2\xb335959Z", None),
    ],
)
def test_next_list_is_due_at_a_time_or_the_list_is_none(
    tag: int, text: bytes, expected: str | None
) -> None:
    signed = tlv(0x30, b"") + tlv(0x30, b"") + tlv(0x17, b"260101000000Z") + tlv(tag, text)
    crl = tlv(0x30, tlv(0x30, signed))
    if expected is not None:
        assert next_update(crl) == expected
        return
    with pytest.raises(ValueError, match=r"time|ascii"):
        next_update(crl)
