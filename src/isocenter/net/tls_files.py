"""Keys, certificates, revocation lists and parameters: out of files and into a TLS context.

Owns the forms of these files, passwords, and which keys of one's own a profile refuses. Must not
know versions and suites of a context (`tls_context`).

Python's `ssl` reads files in PEM only, and only by their names: what is in DER goes there through
a file in memory. A private key is never written without encryption.

A certificate file that cannot be read is warned about and left out: less is trusted then. A
revocation list is not: without it more would be.

RFC 5280, RFC 5958, RFC 7468 (PEM), RFC 7919 (groups). DCMTK's words where it has some.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import ssl

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_snapshot import file_in_memory

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from isocenter.net.tls_options import TlsOptions
    from isocenter.net.tls_profiles import TlsProfile
    from isocenter.net.tls_snapshot import Snapshot

    Warn = Callable[[str], None]

__all__ = ["load_dh_parameters", "load_identity", "load_trust"]

_FFDHE2048 = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The group ffdhe2048 (RFC 7919 A.1): Python has no call to let OpenSSL choose one by itself."""

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.(r?)[0-9]+")
_CRL_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_DH_BLOCK = re.compile(rb"-----BEGIN DH PARAMETERS-----(.*?)-----END DH PARAMETERS-----", re.DOTALL)

_STRONG_HASHES = frozenset(
    ("sha256", "sha384", "sha512", "sha512-256", "sha3-256", "sha3-384", "sha3-512")
)
_BROKEN_HASHES = frozenset(("md2", "md4", "md5"))

_SIGNERS = {"1.2.840.113549.1.1.": "RSA-", "1.2.840.10045.4.": "ecdsa-with-"}
"""What the object identifiers of signatures begin with, and OpenSSL's short names for them."""


def load_trust(
    context: ssl.SSLContext, options: TlsOptions, files: Snapshot, *, warn: Warn
) -> None:
    """Make a context trust what the options say, and check what they say is revoked.

    Args:
        context: the context.
        options: of which `ca_files`, `ca_directories`, `system_ca`, `crl_files` and `crl_check`.
        files: read through it. Of folders in PEM and of the system, OpenSSL reads what it needs
            when it needs it.
        warn: told of each certificate file and folder that cannot be read.

    Raises:
        TlsConfigurationError: a revocation list cannot be read (``crl``).

    RFC 5280 6.
    """
    der = options.file_format == "der"
    for path in options.ca_files:
        _load_ca(context, path, files, der=der, warn=warn)
    for path in options.ca_directories:
        if not os.path.isdir(path):
            warn(f"unable to load certificates from directory '{path}', ignoring")
        elif der:
            _load_der_directory(context, path, files, warn)
        else:
            context.load_verify_locations(capath=path)
    if options.system_ca:
        _load_system_ca(context, warn)
    for path in options.crl_files:
        _load_crl(context, path, files, der=der)
    check = options.crl_check
    if check == "none" and options.crl_files:
        check = "leaf"
    if check == "leaf":
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    elif check == "chain":
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def load_identity(
    context: ssl.SSLContext,
    options: TlsOptions,
    profile: TlsProfile,
    files: Snapshot,
    *,
    server_side: bool,
    warn: Warn,
) -> bool:
    """Give a context its own key and certificate, unless the options have none.

    Args:
        context: the context, at the profile's security level.
        options: of which `certificate`, `private_key`, `password`, `ask_password`, `file_format`.
        profile: whose rules for keys hold.
        files: read through it, and asked for the password through it.
        server_side: True as acceptor.
        warn: told of weak keys that the profile allows.

    Returns:
        True where the key is of DSA, for which TLS 1.3 has no use.

    Raises:
        TlsConfigurationError: ``key``, ``password``, ``certificate`` or ``match``.

    RFC 9325 4.2, 4.5.
    """
    path, key_path = options.certificate, options.private_key
    if path is None or key_path is None:
        return False
    key, password = _read_key(key_path, options, files)
    certificate = _read_certificate(path, options.file_format, files)
    is_dsa = _check_certificate(certificate, path, profile, server_side=server_side, warn=warn)
    if key is not None and not _belong_together(key, certificate):
        reason = f"Private key '{key_path}' and certificate '{path}' do not match"
        raise TlsConfigurationError("match", reason)
    try:
        if options.file_format == "der":
            _load_der_pair(context, certificate, key)
        else:
            with files.named(path) as first, files.named(key_path) as second:
                context.load_cert_chain(first, second, password=lambda: password or "")
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        if key is None and password is not None:
            raise _wrong_password(key_path) from problem
        raise _refused_pair(options, key, problem) from problem
    return is_dsa


def load_dh_parameters(
    context: ssl.SSLContext,
    path: str | None,
    profile: TlsProfile,
    files: Snapshot,
    *,
    warn: Warn,
) -> None:
    """Give an acceptor's context a group for ephemeral Diffie-Hellman.

    Args:
        context: the context, with its suites.
        path: a file in PEM, None for the group ffdhe2048, which is also used where the file is of
            no use.
        profile: whose rules for keys hold.
        files: read through it.
        warn: told of a file that cannot be used, and of a short one.

    RFC 7919, RFC 9325 4.2.
    """
    if path is not None:
        if _load_dh_file(context, path, profile, files, warn):
            return
        warn(f"unable to load temporary DH parameter file '{path}', ignoring")
    with file_in_memory(_FFDHE2048.encode()) as builtin:
        context.load_dh_params(builtin)


def _load_dh_file(
    context: ssl.SSLContext, path: str, profile: TlsProfile, files: Snapshot, warn: Warn
) -> bool:
    """Return False where the file is of no use."""
    try:
        bits = _dh_bits(files.read(path))
        if bits < 2048:
            warn(
                "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at "
                f"least 2048 bits, but the key in file '{path}' is only {bits} bits."
            )
            if profile.additions == "none":
                return False
        with files.named(path) as name:
            context.load_dh_params(name)
    except (OSError, ValueError):
        return False
    return True


def _dh_bits(data: bytes) -> int:
    """Return the length of the prime of parameters in PEM.

    Raises:
        ValueError: these are none.

    PKCS #3 9: a sequence whose first number is the prime.
    """
    found = _DH_BLOCK.search(data)
    if found is None:
        raise ValueError("no DH parameters in PEM")
    der = base64.b64decode(found[1])
    _, content = _element(der)
    tag, prime = _element(content)
    if tag != 0x02:
        raise ValueError("no prime in the DH parameters")
    return int.from_bytes(prime).bit_length()


def _element(der: bytes) -> tuple[int, bytes]:
    """Return tag and content of the first element (X.690 8.1)."""
    if len(der) < 2:
        raise ValueError("end of DER where an element should be")
    length, start = der[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    return der[0], der[start : start + length]


def _load_ca(context: ssl.SSLContext, path: str, files: Snapshot, *, der: bool, warn: Warn) -> None:
    """Trust the certificates of a file, or warn."""
    try:
        if der:
            context.load_verify_locations(cadata=files.read(path))
        else:
            with files.named(path) as name:
                context.load_verify_locations(cafile=name)
    except (OSError, ValueError):
        warn(f"unable to load certificate file '{path}', ignoring")


def _load_der_directory(context: ssl.SSLContext, folder: str, files: Snapshot, warn: Warn) -> None:
    """Trust what a hashed folder has in DER; OpenSSL looks into such ones only in PEM."""
    for name in sorted(os.listdir(folder)):
        found = _HASHED_NAME.fullmatch(name)
        if found is None:
            continue
        path = os.path.join(folder, name)
        if found[1]:
            _load_crl(context, path, files, der=True)
        else:
            _load_ca(context, path, files, der=True, warn=warn)


def _load_system_ca(context: ssl.SSLContext, warn: Warn) -> None:
    """Trust what this system trusts, or warn where that is nothing."""
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    folder: str | None = paths.capath
    if os.name == "posix" and not paths.cafile and not (folder and os.listdir(folder)):
        warn("this system has no certificates to trust")


def _load_crl(context: ssl.SSLContext, path: str, files: Snapshot, *, der: bool) -> None:
    """Let a context check a revocation list; nothing else in the file is trusted.

    Raises:
        TlsConfigurationError: there is none in the file.
    """
    try:
        data = files.read(path)
        blocks = [_pem("X509 CRL", data)] if der else _CRL_BLOCK.findall(data)
        if not blocks:
            raise TlsConfigurationError("crl", "it has no revocation list in PEM", path=path)
        with file_in_memory(b"\n".join(blocks) + b"\n") as file:
            context.load_verify_locations(cafile=file)
    except OSError as problem:
        raise TlsConfigurationError("crl", _reason(problem), path=path) from problem


def _read_key(
    path: str, options: TlsOptions, files: Snapshot
) -> tuple[PrivateKeyTypes | None, str | None]:
    """Return a private key and its password, None where it is not encrypted.

    Returns:
        The key is None where only OpenSSL can read it: of a rare kind, or with an empty password.

    Raises:
        TlsConfigurationError: it cannot be read (``key``), or not with this password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        data = files.read(path)
    except OSError as problem:
        raise TlsConfigurationError("key", _reason(problem), path=path) from problem
    der = options.file_format == "der"
    try:
        return _decode_key(data, None, der=der), None
    except TypeError:
        password = _password_of(path, options, files)
    except UnsupportedAlgorithm:
        return None, None
    except ValueError as problem:
        reason = f"it is no private key in {options.file_format.upper()}"
        raise TlsConfigurationError("key", reason, path=path) from problem
    if not password and not der:
        return None, password
    try:
        return _decode_key(data, password.encode(), der=der), password
    except UnsupportedAlgorithm:
        return None, password
    except (ValueError, TypeError) as problem:
        raise _wrong_password(path) from problem


def _wrong_password(path: str) -> TlsConfigurationError:
    return TlsConfigurationError(
        "password", "it is encrypted, and the password is wrong", path=path
    )


def _decode_key(data: bytes, password: bytes | None, *, der: bool) -> PrivateKeyTypes:
    """Decode a key.

    Raises:
        TypeError: a password is needed.
        ValueError: it is no key, or the password is wrong.
        cryptography.exceptions.UnsupportedAlgorithm: a kind of key that is not known there.
    """
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_pem_private_key,
    )

    with _quiet():
        load = load_der_private_key if der else load_pem_private_key
        # Its own key is not what a tool has to be protected from, and checking it takes 40 ms.
        return load(data, password, unsafe_skip_rsa_key_validation=True)


def _password_of(path: str, options: TlsOptions, files: Snapshot) -> str:
    """Return the password of an encrypted key.

    Raises:
        TlsConfigurationError: none was given, and nobody can be asked.
    """
    if options.password is not None:
        return options.password
    if options.ask_password is None:
        reason = "it is encrypted, and there is nobody to ask for the password"
        raise TlsConfigurationError("password", reason, path=path)
    return files.password(path, options.ask_password)


def _read_certificate(path: str, form: str, files: Snapshot) -> x509.Certificate:
    """Return the first certificate of a file.

    Raises:
        TlsConfigurationError: there is none (``certificate``).
    """
    from cryptography import x509

    try:
        data = files.read(path)
        with _quiet():
            if form == "der":
                return x509.load_der_x509_certificate(data)
            return x509.load_pem_x509_certificate(data)
    except OSError as problem:
        raise TlsConfigurationError("certificate", _reason(problem), path=path) from problem
    except ValueError as problem:
        reason = f"it is no certificate in {form.upper()}"
        raise TlsConfigurationError("certificate", reason, path=path) from problem


def _check_certificate(
    certificate: x509.Certificate,
    path: str,
    profile: TlsProfile,
    *,
    server_side: bool,
    warn: Warn,
) -> bool:
    """Check one's own certificate as DCMTK does; True where its key is of DSA.

    Raises:
        TlsConfigurationError: the profile refuses it.
    """
    kind, bits = _key_of(certificate)
    where = f"but the key in certificate file '{path}' is only {bits} bits."
    if kind == "RSA" and bits < 2048:
        start = "Key length of RSA public key too short: "
        if profile.minimum_rsa and server_side:
            rule = "RFC 9325 requires at least 2048 bits for server RSA keys, "
            raise TlsConfigurationError("certificate", start + rule + where)
        if profile.minimum_rsa:
            rule = "TLS profile requires at least 2048 bits for RSA keys, "
            raise TlsConfigurationError("certificate", start + rule + where)
        warn(f"{start}RFC 9325 recommends at least 2048 bits for RSA keys, {where}")
    if kind == "EC" and bits < 256:
        start = "Key length of ECDSA public key too short: "
        if profile.strict_keys:
            rule = "TLS profile requires at least 256 bits for ECDSA keys, "
            raise TlsConfigurationError("certificate", start + rule + where)
        if bits < 224:
            warn(f"{start}RFC 9325 recommends at least 224 bits for ECDSA keys, {where}")
    if kind == "DSA":
        if profile.refuses_dsa:
            reason = (
                f"DSA certificate '{path}' not permitted in the selected TLS profile because it "
                "prevents the use of TLS 1.3."
            )
            raise TlsConfigurationError("certificate", reason)
        warn(
            "Use of DSA certificate not recommended because it prevents the use of TLS 1.3, "
            "which does not support this certificate type."
        )
    _check_signature(certificate, path, profile, warn)
    return kind == "DSA"


def _check_signature(
    certificate: x509.Certificate, path: str, profile: TlsProfile, warn: Warn
) -> None:
    """Check what one's own certificate is signed with.

    Raises:
        TlsConfigurationError: the profile refuses it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        name = "md2"  # everything newer is known
    else:
        name = "sha512" if algorithm is None else algorithm.name  # EdDSA brings its own
    if name in _STRONG_HASHES:
        return
    start = "Weak certificate hash key: "
    if name in _BROKEN_HASHES:
        reason = f"{start}certificate file '{path}' uses '{name.upper()}'."
        raise TlsConfigurationError("certificate", reason)
    oid = certificate.signature_algorithm_oid.dotted_string
    signer = next((text for prefix, text in _SIGNERS.items() if oid.startswith(prefix)), "DSA-")
    used = f"but certificate file '{path}' uses '{signer}{name.upper()}'."
    if profile.strict_keys or (profile.security_level > 0 and name == "sha1"):
        rule = "TLS profile requires SHA-256 (or better) for certificates, "
        raise TlsConfigurationError("certificate", start + rule + used)
    warn(
        "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or better) "
        f"for certificates, {used}"
    )


def _key_of(certificate: x509.Certificate) -> tuple[str, int]:
    """Return kind and length of a certificate's key; the length is 0 where it does not matter."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        with _quiet():
            key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return "", 0  # a rare curve, as no context here can agree on
    if isinstance(key, RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, EllipticCurvePublicKey):
        return "EC", key.key_size
    return ("DSA", key.key_size) if isinstance(key, DSAPublicKey) else ("", 0)


def _belong_together(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = PublicFormat.SubjectPublicKeyInfo
    of_key = key.public_key().public_bytes(Encoding.DER, form)
    try:
        of_certificate = certificate.public_key().public_bytes(Encoding.DER, form)
    except (UnsupportedAlgorithm, ValueError):
        return False  # another kind than the key's, which is known
    return of_key == of_certificate


def _load_der_pair(
    context: ssl.SSLContext, certificate: x509.Certificate, key: PrivateKeyTypes | None
) -> None:
    """Give a context a key and a certificate that were read from DER.

    Raises:
        ValueError: the key is of a kind that is not known.
        OSError: the context does not take them.
    """
    import secrets

    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    if key is None:
        raise ValueError("of a kind that can be read in PEM only")
    password = secrets.token_hex(32)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
    )
    public = certificate.public_bytes(Encoding.PEM)
    with file_in_memory(public) as first, file_in_memory(locked) as second:
        context.load_cert_chain(first, second, password=password)


def _refused_pair(
    options: TlsOptions, key: PrivateKeyTypes | None, problem: Exception
) -> TlsConfigurationError:
    """Return what it means that a context did not take key and certificate."""
    key_path, path = options.private_key or "", options.certificate or ""
    reason = _reason(problem)
    if isinstance(problem, ssl.SSLError) and problem.reason == "KEY_VALUES_MISMATCH":
        text = f"Private key '{key_path}' and certificate '{path}' do not match"
        return TlsConfigurationError("match", text)
    if key is not None:
        return TlsConfigurationError("certificate", reason, path=path)
    return TlsConfigurationError("key", reason, path=key_path)


def _reason(problem: Exception) -> str:
    """Return what is wrong, in lower case as OpenSSL has it, or in the words of the system."""
    if isinstance(problem, ssl.SSLError):
        return (problem.reason or "it cannot be used").replace("_", " ").lower()
    if isinstance(problem, OSError):
        return problem.strerror or str(problem)
    return str(problem)


def _pem(label: str, der: bytes) -> bytes:
    """Return DER in PEM (RFC 7468)."""
    body = base64.encodebytes(der)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), body, label.encode())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of a library about others' certificates from the user's terminal."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
