"""A context's own key and certificate, out of their files.

Owns their forms, passwords, and what is said where something is wrong with them. Must not know
what else is in a context. What a profile demands of them is `tls_certificate`'s.

Python's `ssl` reads PEM only, and only by the names of files. Keys in DER go there encrypted, with
a password made up for it: a private key is never written without. For them, and to find out what
is wrong where OpenSSL just refuses, a library is needed that takes 50 ms to load; for the rest not.

RFC 5280, RFC 5958, RFC 7468 (PEM).
"""

from __future__ import annotations

import base64
import contextlib
import os
import re

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_certificate import certificate_facts, check_own_certificate
from isocenter.net.tls_snapshot import file_in_memory, pem, reason_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from isocenter.net.tls_options import TlsOptions
    from isocenter.net.tls_profiles import TlsProfile
    from isocenter.net.tls_snapshot import Snapshot

    Warn = Callable[[str], None]

__all__ = ["load_identity"]

_BLOCK = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)


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
    if options.certificate is None or options.private_key is None:
        return False
    pair = _Pair(options.certificate, options.private_key, options, files)
    try:
        certificate = pair.certificate()
        facts = certificate_facts(certificate)
        check_own_certificate(
            facts, pair.certificate_path, profile, server_side=server_side, warn=warn
        )
        pair.load(context, certificate)
    except (TlsConfigurationError, OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        pair.explain(problem)
    return facts.key == "DSA"


class _Pair:
    """A key and a certificate in their files.

    Args:
        certificate_path, key_path: of the files.
        options: of which the form and the password.
        files: read through it, and asked for the password through it.
    """

    def __init__(
        self, certificate_path: str, key_path: str, options: TlsOptions, files: Snapshot
    ) -> None:
        """Read nothing yet."""
        self.certificate_path = certificate_path
        self._key_path = key_path
        self._options = options
        self._files = files
        self._der = options.file_format == "der"

    def certificate(self) -> bytes:
        """Return the first certificate of the file, in DER.

        Raises:
            OSError: the file cannot be read.
            ValueError: there is none in it.
        """
        data = self._files.read(self.certificate_path)
        if self._der:
            return data
        found = _BLOCK.search(data)
        if found is None:
            raise ValueError("no certificate in PEM")
        return base64.b64decode(found[1])

    def load(self, context: ssl.SSLContext, certificate: bytes) -> None:
        """Give both to a context.

        Raises:
            TlsConfigurationError: no password is known, or the key cannot be read.
            OSError, ValueError: they cannot be used.
        """
        if not self._der:
            with (
                self._files.named(self.certificate_path) as first,
                self._files.named(self._key_path) as second,
            ):
                context.load_cert_chain(first, second, password=self._password)
            return
        import secrets

        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            PrivateFormat,
        )

        key = self._key()
        if key is None:
            raise ValueError("of a kind that can be read in PEM only")
        password = secrets.token_hex(32)
        locked = key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
        )
        public = pem("CERTIFICATE", certificate)
        with file_in_memory(public) as first, file_in_memory(locked) as second:
            context.load_cert_chain(first, second, password=password)

    def explain(self, problem: Exception) -> NoReturn:
        """Raise what is wrong: with the key first, then with the certificate, then with both.

        Raises:
            TlsConfigurationError: always.
        """
        key = self._key()
        if isinstance(problem, TlsConfigurationError):
            raise problem
        try:
            certificate_facts(self.certificate())
        except OSError as unreadable:
            reason = reason_of(unreadable)
            raise self._about_certificate(reason) from unreadable
        except ValueError as wrong:
            raise self._about_certificate(self._no("certificate")) from wrong
        mismatch = getattr(problem, "reason", None) == "KEY_VALUES_MISMATCH"
        if mismatch or (key is not None and not self._match(key)):
            reason = (
                f"Private key '{self._key_path}' and certificate '{self.certificate_path}' do not "
                "match"
            )
            raise TlsConfigurationError("match", reason) from problem
        if key is not None:
            raise self._about_certificate(reason_of(problem)) from problem
        if b"ENCRYPTED" in self._files.read(self._key_path):
            raise _wrong_password(self._key_path) from problem
        raise TlsConfigurationError("key", reason_of(problem), path=self._key_path) from problem

    def _about_certificate(self, reason: str) -> TlsConfigurationError:
        return TlsConfigurationError("certificate", reason, path=self.certificate_path)

    def _no(self, what: str) -> str:
        return f"it is no {what} in {self._options.file_format.upper()}"

    def _password(self) -> bytes:
        """Return the password of the key, in the bytes that were typed.

        Raises:
            TlsConfigurationError: none was given, and nobody can be asked.
        """
        if self._options.password is not None:
            return os.fsencode(self._options.password)
        if self._options.ask_password is None:
            reason = "it is encrypted, and there is nobody to ask for the password"
            raise TlsConfigurationError("password", reason, path=self._key_path)
        return os.fsencode(self._files.password(self._key_path, self._options.ask_password))

    def _key(self) -> PrivateKeyTypes | None:
        """Return the key.

        Returns:
            None where only OpenSSL can read it: of a rare kind, or in PEM with an empty password.

        Raises:
            TlsConfigurationError: it cannot be read (``key``), or not with this password.
        """
        from cryptography.exceptions import UnsupportedAlgorithm

        path = self._key_path
        try:
            data = self._files.read(path)
        except OSError as problem:
            raise TlsConfigurationError("key", reason_of(problem), path=path) from problem
        try:
            return _decode_key(data, None, der=self._der)
        except TypeError:
            password = self._password()
        except UnsupportedAlgorithm:
            return None
        except ValueError as problem:
            raise TlsConfigurationError("key", self._no("private key"), path=path) from problem
        if not password and not self._der:
            return None
        try:
            return _decode_key(data, password, der=self._der)
        except UnsupportedAlgorithm:
            return None
        except (ValueError, TypeError) as problem:
            raise _wrong_password(path) from problem

    def _match(self, key: PrivateKeyTypes) -> bool:
        """Tell whether the certificate is of this key."""
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        form = PublicFormat.SubjectPublicKeyInfo
        try:
            with _quiet():
                other = x509.load_der_x509_certificate(self.certificate()).public_key()
                of_certificate = other.public_bytes(Encoding.DER, form)
            return key.public_key().public_bytes(Encoding.DER, form) == of_certificate
        except (UnsupportedAlgorithm, ValueError, x509.InvalidVersion):
            return True  # a rare kind: nothing is known against it


def _wrong_password(path: str) -> TlsConfigurationError:
    reason = "it is encrypted, and the password is wrong"
    return TlsConfigurationError("password", reason, path=path)


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

    load = load_der_private_key if der else load_pem_private_key
    with _quiet():
        # Its own key is not what a tool has to be protected from, and checking it takes 40 ms.
        return load(data, password, unsafe_skip_rsa_key_validation=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of a library about others' certificates from the user's terminal."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
