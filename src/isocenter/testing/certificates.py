"""Certificates for tests of TLS: authorities that issue what a test wants, right or wrong.

Owns the making of keys, certificates, revocation lists and the files they stand in. Must not
know what a context does with them. Everything here is for tests only: keys of RSA and DSA are
slow to make, so they are kept in a folder of the system's temporary one and used again.

    authority = Authority("Hospital Root")
    scanner = authority.issue("scanner", names=["scanner.example"], addresses=["127.0.0.1"])
    scanner.certificate, scanner.private_key  # paths of PEM files
    authority.revoke(scanner)
    authority.crl()  # path of a PEM file

Files live until the process ends, or where `folder` says.

RFC 5280 (certificates and revocation lists), RFC 5958 (keys).
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import hashlib
import itertools
import os
import secrets
import shutil
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing import signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey

__all__ = ["KEY_KINDS", "Authority", "Identity", "name_hash"]

KEY_KINDS = (
    "rsa-1024",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "dsa-2048",
    "ec-p224",
    "ec-p256",
    "ec-p384",
    "ec-p521",
)
"""Kinds of keys that can be asked for."""

_DAY = dt.timedelta(days=1)

_count: Callable[[], int] = itertools.count(1).__next__
_made: dict[str, int] = {}
_root: list[tuple[int, str]] = []


class Identity(NamedTuple):
    """A certificate and its key, as files.

    Fields:
        certificate, certificate_der: paths of the certificate alone.
        chain: path of a PEM file of the certificate and the authorities between it and the root.
        private_key, private_key_der: paths of the key, not encrypted: PKCS#8 in PEM, and in DER.
        private_key_traditional: path of the key in the PEM form that OpenSSL had before PKCS#8.
        serial_number: of the certificate.
        folder: where these files are.
    """

    certificate: str
    certificate_der: str
    chain: str
    private_key: str
    private_key_der: str
    private_key_traditional: str
    serial_number: int
    folder: str

    def encrypted_key(self, password: str, *, form: str = "pkcs8") -> str:
        """Write the key encrypted with a password and return the file's path.

        Args:
            password: at least one character.
            form: ``pkcs8`` (PEM), ``traditional`` (PEM, as ``openssl rsa -aes256``) or ``der``
                (PKCS#8).
        """
        from cryptography.hazmat.primitives import serialization as to

        with open(self.private_key, "rb") as file:
            key = to.load_pem_private_key(file.read(), None)
        path = os.path.join(
            self.folder, f"key-{form}-{_count()}.{'der' if form == 'der' else 'pem'}"
        )
        shape = (
            to.PrivateFormat.TraditionalOpenSSL if form == "traditional" else to.PrivateFormat.PKCS8
        )
        encoding = to.Encoding.DER if form == "der" else to.Encoding.PEM
        cipher = to.BestAvailableEncryption(password.encode())
        return _write(path, key.private_bytes(encoding, shape, cipher))


class Authority:
    """A certification authority: a root, or one below another.

    Args:
        common_name: of its own certificate.
        key: one of `KEY_KINDS`.
        digest: what it signs its own certificate with: ``sha256``, ``sha384``, ``sha512``, and
            with a key of RSA ``sha1`` and ``md5``.
        parent: the authority that issues its certificate, None for a root.
        folder: where to put files; None for one that goes when the process ends.
        expired: True where its own certificate is no longer valid.

    Attributes:
        path, path_der: of its own certificate.
        serial_number: of its own certificate.
    """

    def __init__(
        self,
        common_name: str,
        *,
        key: str = "rsa-2048",
        digest: str = "sha256",
        parent: Authority | None = None,
        folder: str | os.PathLike[str] | None = None,
        expired: bool = False,
    ) -> None:
        """Make the key and the certificate."""
        from cryptography import x509

        self._folder = os.path.join(
            _temporary_root() if folder is None else os.fspath(folder), f"authority-{_count()}"
        )
        os.makedirs(self._folder)
        self._parent = parent
        self._key = _new_key(key)
        self._name = _name(common_name)
        self._revoked: list[tuple[int, dt.datetime]] = []
        self._crl_number = 0
        issuer = parent or self
        builder = issuer._builder(self._name, self._key, _validity(expired=expired))  # noqa: SLF001 - of this class
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        ).add_extension(_usage(authority=True), critical=True)
        certificate = signatures.sign_certificate(builder, issuer._key, digest)  # noqa: SLF001 - as above
        self.serial_number = certificate.serial_number
        self.path, self.path_der = _write_both(self._folder, "authority", certificate)

    def intermediate(
        self,
        common_name: str,
        *,
        key: str = "rsa-2048",
        digest: str = "sha256",
        expired: bool = False,
    ) -> Authority:
        """Return an authority whose certificate this one issues."""
        return Authority(
            common_name,
            key=key,
            digest=digest,
            parent=self,
            folder=self._folder,
            expired=expired,
        )

    def issue(
        self,
        common_name: str,
        *,
        names: Iterable[str] = (),
        addresses: Iterable[str] = (),
        key: str = "rsa-2048",
        digest: str = "sha256",
        expired: bool = False,
        not_yet_valid: bool = False,
        purpose: str = "both",
    ) -> Identity:
        """Issue a certificate for a new key.

        Args:
            common_name: of the subject.
            names: DNS names it is for (subject alternative names).
            addresses: IP addresses it is for.
            key: one of `KEY_KINDS`.
            digest: what it is signed with, as for `Authority`.
            expired: True where it is no longer valid.
            not_yet_valid: True where it is valid from tomorrow on.
            purpose: ``server``, ``client`` or ``both``.
        """
        from cryptography import x509

        private = _new_key(key)
        validity = _validity(expired=expired, not_yet_valid=not_yet_valid)
        builder = (
            self._builder(_name(common_name), private, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False, rsa=key.startswith("rsa")), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_purposes(purpose)), critical=False)
        )
        alternatives = _alternatives(names, addresses)
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        certificate = signatures.sign_certificate(builder, self._key, digest)
        folder = os.path.join(self._folder, f"identity-{_count()}")
        os.mkdir(folder)
        pem, der = _write_both(folder, "certificate", certificate)
        chain = b"".join(_read(path) for path in [pem, *self._between()])
        keys = _write_keys(folder, private)
        chain_path = _write(os.path.join(folder, "chain.pem"), chain)
        return Identity(pem, der, chain_path, *keys, certificate.serial_number, folder)

    def revoke(self, certificate: Identity | Authority) -> None:
        """Put a certificate issued by this authority on the lists made from now on."""
        self._revoked.append((certificate.serial_number, _now()))

    def crl(self, *, der: bool = False, expired: bool = False) -> str:
        """Make a list of what was revoked so far and return its path.

        Args:
            der: True for DER, False for PEM.
            expired: True where the next list was due yesterday.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding

        self._crl_number += 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(_now() - 2 * _DAY)
            .next_update(_now() - _DAY if expired else _now() + 30 * _DAY)
            .add_extension(x509.CRLNumber(self._crl_number), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        for serial, when in self._revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
            builder = builder.add_revoked_certificate(entry.build())
        data = builder.sign(self._key, hashes.SHA256()).public_bytes(
            Encoding.DER if der else Encoding.PEM
        )
        name = f"crl-{self._crl_number}.{'der' if der else 'pem'}"
        return _write(os.path.join(self._folder, name), data)

    def hashed_directory(
        self, *others: Authority, der: bool = False, crls: Iterable[str] = ()
    ) -> str:
        """Return a folder of certificates under the names that `openssl rehash` gives them.

        Args:
            *others: authorities that are in it besides this one.
            der: True where the files are in DER.
            crls: paths of revocation lists of these authorities, in the same form.
        """
        folder = os.path.join(self._folder, f"hashed-{_count()}")
        os.mkdir(folder)
        for authority in (self, *others):
            data = _read(authority.path_der if der else authority.path)
            _write_hashed(folder, name_hash(authority._name), "", data)  # noqa: SLF001 - of this class
        for path in crls:
            data = _read(path)
            _write_hashed(folder, name_hash(_issuer_of_crl(data, der=der)), "r", data)
        return folder

    def _builder(
        self,
        subject: x509.Name,
        key: Key,
        validity: tuple[dt.datetime, dt.datetime],
    ) -> x509.CertificateBuilder:
        """Return what every certificate of this authority begins with."""
        from cryptography import x509

        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(validity[0])
            .not_valid_after(validity[1])
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(self._key_identifier(), critical=False)
        )

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        from cryptography import x509

        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def _between(self) -> list[str]:
        """Return the paths of the authorities from this one up to the root, without the root."""
        return [] if self._parent is None else [self.path, *self._parent._between()]  # noqa: SLF001


def name_hash(name: x509.Name) -> str:
    """Return OpenSSL's hash of a name, the eight digits that file names in a hashed folder have.

    Of each part as UTF-8, with the letters of ASCII in lower case and single blanks
    (X509_NAME_hash of OpenSSL).
    """
    canonical = b""
    for relative in name.rdns:
        parts = []
        for part in relative:
            text = b" ".join(str(part.value).encode().lower().split())
            oid = signatures.object_identifier(part.oid.dotted_string)
            parts.append(signatures.tlv(0x30, oid + signatures.tlv(0x0C, text)))
        canonical += signatures.tlv(0x31, b"".join(sorted(parts)))
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return digest[3::-1].hex()


def _write_hashed(folder: str, stem: str, mark: str, data: bytes) -> None:
    for number in itertools.count():
        path = os.path.join(folder, f"{stem}.{mark}{number}")
        if not os.path.exists(path):
            _write(path, data)
            return


def _issuer_of_crl(data: bytes, *, der: bool) -> x509.Name:
    from cryptography import x509

    return (x509.load_der_x509_crl(data) if der else x509.load_pem_x509_crl(data)).issuer


def _name(common_name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "isocenter tests"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternatives(names: Iterable[str], addresses: Iterable[str]) -> list[x509.GeneralName]:
    import ipaddress

    from cryptography import x509

    return [
        *(x509.DNSName(name) for name in names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]


def _purposes(purpose: str) -> list[x509.ObjectIdentifier]:
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

    server, client = Usage.SERVER_AUTH, Usage.CLIENT_AUTH
    return {"server": [server], "client": [client], "both": [server, client]}[purpose]


def _usage(*, authority: bool, rsa: bool = False) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=rsa,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _validity(
    *, expired: bool = False, not_yet_valid: bool = False
) -> tuple[dt.datetime, dt.datetime]:
    """Return the first and the last moment."""
    start = _now() + _DAY if not_yet_valid else _now() - 10 * _DAY
    return start, (_now() - _DAY if expired else _now() + 365 * _DAY)


def _new_key(kind: str) -> Key:
    """Return a key that this process did not have before, from the kept ones where it is slow."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    if kind not in KEY_KINDS:
        raise ValueError(f"no kind of key: {kind}")
    family, _, size = kind.partition("-")
    if family == "ec":
        curves: dict[str, type[ec.EllipticCurve]] = {
            "p224": ec.SECP224R1,
            "p256": ec.SECP256R1,
            "p384": ec.SECP384R1,
            "p521": ec.SECP521R1,
        }
        return ec.generate_private_key(curves[size]())
    if family == "dsa":
        return _kept_key(kind, lambda: dsa.generate_private_key(int(size)))
    return _kept_key(kind, lambda: rsa.generate_private_key(65537, int(size)))


def _kept_key(
    kind: str, make: Callable[[], rsa.RSAPrivateKey | dsa.DSAPrivateKey]
) -> rsa.RSAPrivateKey | dsa.DSAPrivateKey:
    """Return the next kept key of a kind, made and kept where there is none yet.

    Every process takes them in the same order, so that there are as many as the longest run needs.
    """
    from cryptography.hazmat.primitives import serialization as to
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa

    number = _made[kind] = _made.get(kind, 0) + 1
    folder = _kept_folder()
    path = os.path.join(folder, f"{kind}-{number}.pem") if folder else ""
    if path and os.path.exists(path):
        key = to.load_pem_private_key(_read(path), None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, (rsa.RSAPrivateKey, dsa.DSAPrivateKey)):
            return key
    made = make()
    if path:
        data = made.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
        partial = _write(f"{path}.{secrets.token_hex(8)}", data)
        with contextlib.suppress(
            FileExistsError
        ):  # another process was quicker; both keys are good
            os.link(partial, path)
        os.unlink(partial)
    return made


def _kept_folder() -> str | None:
    """Return the folder of kept keys, None where somebody else could put keys into it."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    path = os.path.join(tempfile.gettempdir(), f"isocenter-test-keys-{owner}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    facts = os.stat(path, follow_symlinks=False)
    own = not hasattr(os, "getuid") or (facts.st_uid == owner and not facts.st_mode & 0o022)
    return path if own else None


def _temporary_root() -> str:
    """Return this process's folder for files, which goes when the process ends."""
    if not _root or _root[0][0] != os.getpid():
        path = tempfile.mkdtemp(prefix="isocenter-certificates-")
        _root[:] = [(os.getpid(), path)]
        atexit.register(_remove, os.getpid(), path)
    return _root[0][1]


def _remove(owner: int, path: str) -> None:
    if os.getpid() == owner:  # not in a child that inherited this
        shutil.rmtree(path, ignore_errors=True)


def _write_both(folder: str, stem: str, certificate: x509.Certificate) -> tuple[str, str]:
    """Write a certificate in PEM and in DER and return both paths."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return (
        _write(os.path.join(folder, f"{stem}.pem"), certificate.public_bytes(Encoding.PEM)),
        _write(os.path.join(folder, f"{stem}.der"), certificate.public_bytes(Encoding.DER)),
    )


def _write_keys(folder: str, key: Key) -> tuple[str, str, str]:
    """Write a key as PKCS#8 in PEM and in DER, and in the traditional form; return the paths."""
    from cryptography.hazmat.primitives import serialization as to

    forms = (
        ("key.pem", to.Encoding.PEM, to.PrivateFormat.PKCS8),
        ("key.der", to.Encoding.DER, to.PrivateFormat.PKCS8),
        ("key-traditional.pem", to.Encoding.PEM, to.PrivateFormat.TraditionalOpenSSL),
    )
    first, second, third = (
        _write(os.path.join(folder, name), key.private_bytes(encoding, form, to.NoEncryption()))
        for name, encoding, form in forms
    )
    return first, second, third


def _write(path: str, data: bytes) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    return path


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
