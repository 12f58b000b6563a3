"""What a TLS context trusts, and its parameters, out of files: authorities, lists, groups.

Owns the forms of these files, and what becomes of those that cannot be read. Must not know versions
and suites of a context (`tls_context`) nor its own key (`tls_identity`).

Python's `ssl` reads revocation lists in PEM only, and only by their names: those in DER go there
through a file in memory.

A certificate file that cannot be read is warned about and left out: less is trusted then. A
revocation list is not, nor is a part of one: without it more would be.

RFC 5280, RFC 7919 (groups). DCMTK's words where it has some.
"""

from __future__ import annotations

import base64
import os
import re
import ssl

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_certificate import elements
from isocenter.net.tls_snapshot import file_in_memory, pem, reason_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.tls_options import TlsOptions
    from isocenter.net.tls_profiles import TlsProfile
    from isocenter.net.tls_snapshot import Snapshot

    Warn = Callable[[str], None]

__all__ = ["load_dh_parameters", "load_trust"]

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
_CRL_BEGIN = b"-----BEGIN X509 CRL-----"
_CRL_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_DH_BLOCK = re.compile(rb"-----BEGIN DH PARAMETERS-----(.*?)-----END DH PARAMETERS-----", re.DOTALL)


def load_trust(
    context: ssl.SSLContext, options: TlsOptions, files: Snapshot, *, warn: Warn
) -> None:
    """Make a context trust what the options say, and check what they say is revoked.

    Args:
        context: the context.
        options: of which `ca_files`, `ca_directories`, `system_ca`, `crl_files` and `crl_check`.
        files: read through it, and told what is left out. Of folders in PEM and of the system,
            OpenSSL reads what it needs when it needs it.
        warn: told of each certificate file and folder that cannot be read.

    Raises:
        TlsConfigurationError: a revocation list cannot be read (``crl``).

    RFC 5280 6.
    """
    der = options.file_format == "der"
    for path in options.ca_files:
        _load_ca(context, path, files, der=der, warn=warn)
    for path in options.ca_directories:
        _load_directory(context, path, files, der=der, warn=warn)
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
    (_, content), *_ = elements(der)
    (tag, prime), *_ = elements(content)
    if tag != 0x02:
        raise ValueError("no prime in the DH parameters")
    return int.from_bytes(prime).bit_length()


def _load_ca(context: ssl.SSLContext, path: str, files: Snapshot, *, der: bool, warn: Warn) -> None:
    """Trust the certificates of a file, or warn."""
    try:
        if der:
            context.load_verify_locations(cadata=files.read(path))
        else:
            with files.named(path) as name:
                context.load_verify_locations(cafile=name)
    except (OSError, ValueError) as problem:
        files.left_out[path] = reason = reason_of(problem)
        warn(f"unable to load certificate file '{path}', ignoring ({reason})")


def _load_directory(
    context: ssl.SSLContext, folder: str, files: Snapshot, *, der: bool, warn: Warn
) -> None:
    """Trust the certificates of a folder, or warn."""
    try:
        names = os.listdir(folder)
    except OSError as problem:
        files.left_out[folder] = reason = reason_of(problem)
        warn(f"unable to load certificates from directory '{folder}', ignoring ({reason})")
        return
    if not any(map(_HASHED_NAME.fullmatch, names)):
        warn(
            f"directory '{folder}' has no certificate that can be found: names have to be hashes, "
            "as openssl rehash makes them"
        )
    if der:
        _load_der_directory(context, folder, files, warn)
    else:
        context.load_verify_locations(capath=folder)


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
        TlsConfigurationError: there is none in the file, or one of several is not whole.
    """
    try:
        data = files.read(path)
        blocks = [pem("X509 CRL", data)] if der else _CRL_BLOCK.findall(data)
        if not blocks:
            raise TlsConfigurationError("crl", "it has no revocation list in PEM", path=path)
        if not der and len(blocks) != data.count(_CRL_BEGIN):
            raise TlsConfigurationError("crl", "a revocation list in it has no end", path=path)
        with file_in_memory(b"\n".join(blocks) + b"\n") as file:
            context.load_verify_locations(cafile=file)
    except OSError as problem:
        raise TlsConfigurationError("crl", reason_of(problem), path=path) from problem
