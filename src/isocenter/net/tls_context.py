"""TLS contexts of both sides, out of what the options ask for.

Owns everything that can be said to a context: versions, suites, keys, trust, names. Must not know
connections: what only shows with the first bytes of a peer is `tls_hello`'s and the driver's.

Sessions are not resumed by tickets, nothing is compressed or renegotiated (RFC 9325 3.3 to 3.5). An
acceptor chooses among suites by strength, not by the wishes of the requestor. Of TLS up to 1.2
OpenSSL keeps sessions, 16 KiB each and up to 20480, and Python has no call against it: an
acceptor's context goes on with a new one after `MOST_SESSIONS`.

OpenSSL's security level does what DCMTK does in a callback of its own, which Python has not: from
level 2 on, keys of RSA below 2048 bits and signatures with SHA-1 are refused in the certificates
of a peer. Profiles of the past have level 0, as in DCMTK.

PS3.15 annex B, RFC 9325 (BCP 195), RFC 7301 (ALPN), RFC 6066 3 (SNI).
"""

from __future__ import annotations

import os
import ssl

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_files import load_dh_parameters, load_trust
from isocenter.net.tls_identity import load_identity
from isocenter.net.tls_profiles import (
    CIPHER_SUITES,
    TLS13_DEFAULT_SUITES,
    added_suites,
    available_suites,
    profile_named,
)
from isocenter.net.tls_snapshot import Snapshot

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.tls_options import TlsOptions
    from isocenter.net.tls_profiles import TlsProfile

    Warn = Callable[[str], None]

__all__ = ["MOST_SESSIONS", "client_context", "server_context"]

_PROTOCOL = "dicom"
"""The protocol's name in the registry of RFC 7301 (PS3.15 B.9)."""

MOST_SESSIONS = 64
"""Sessions that an acceptor's context keeps at most; nobody needs to resume one."""

_PEER_CERTIFICATE = {
    "require": ssl.CERT_REQUIRED,
    "verify": ssl.CERT_OPTIONAL,
    "ignore": ssl.CERT_NONE,
}
"""What an acceptor demands of requestors."""

_VERSIONS = {
    "1.0": ssl.TLSVersion.MINIMUM_SUPPORTED,  # SSL 3 is off in every context of Python
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def client_context(options: TlsOptions, *, warn: Warn, strict: bool = False) -> ssl.SSLContext:
    """Return the context of a requestor.

    Args:
        options: what is asked for. Without a certificate the requestor is anonymous. What only
            acceptors have is not looked at.
        warn: told in one line of each thing that is weak or left out, in DCMTK's words.
        strict: an authority that cannot be read is an error; else it is left out.

    Where `options.verify_host` is set, a session's `server_hostname` is what the certificate has
    to be for, and a session must have one. A certificate that is ignored is not compared either.

    Raises:
        TlsConfigurationError: something cannot be used; `subject` says what.
        ValueError: options contradict each other.

    PS3.15 annex B.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    ignored = options.peer_certificate == "ignore"
    context.verify_mode = ssl.CERT_NONE if ignored else ssl.CERT_REQUIRED
    context.check_hostname = options.verify_host and not ignored
    files = Snapshot()
    said: list[str] = []
    _prepare(context, options, files, server_side=False, warn=said.append)
    _check_trust(files, strict=strict)
    for text in said:
        warn(text)
    return context


def server_context(
    options: TlsOptions,
    *,
    warn: Warn,
    before: ssl.SSLContext | None = None,
    strict: bool = False,
) -> ssl.SSLContext:
    """Return the context of an acceptor.

    Args:
        options: what is asked for; what only requestors have is not looked at.
        warn: told in one line of each thing that is weak or left out, in DCMTK's words.
        before: an acceptor's context of the same options that this one is to take the place of:
            what that one trusts is not left out here because it cannot be read now.
        strict: an authority that cannot be read is an error; else it is left out.

    Raises:
        TlsConfigurationError: something cannot be used; `subject` says what.
        ValueError: options contradict each other, or have no key and certificate.

    PS3.15 annex B.
    """
    if options.certificate is None:
        raise ValueError("an acceptor needs a private key and a certificate")
    context = _AcceptorContext(ssl.PROTOCOL_TLS_SERVER)
    files = Snapshot()
    said: list[str] = []
    _prepare_acceptor(context, options, files, warn=said.append)
    if isinstance(before, _AcceptorContext):
        for path, reason in files.left_out.items():
            if path not in before.left_out:
                words = f"it cannot be read any more: {reason}"
                raise TlsConfigurationError("ca", words, path=path)
    _check_trust(files, strict=strict)
    context.left_out = tuple(files.left_out)
    from isocenter.net.tls_outlook import outlook

    for text in (*said, *outlook(context, options, files)):
        warn(text)
    context.make = lambda: _again(options, files, said)
    return context


class _AcceptorContext(ssl.SSLContext):
    """A context that goes on with another one of the same kind before it keeps many sessions.

    Attributes:
        make: makes the other one, None where that cannot be done now.
        left_out: paths of what was to be trusted and could not be read.
    """

    make: Callable[[], ssl.SSLContext | None]
    left_out: tuple[str, ...] = ()
    _current: ssl.SSLContext | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature is the base's
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a session, of this context or of the one that goes on for it."""
        current = self._current or self
        if current.session_stats()["number"] >= MOST_SESSIONS:
            current = self._current = self.make() or current
        wrap = super().wrap_bio if current is self else current.wrap_bio
        return wrap(incoming, outgoing, server_side, server_hostname, session)


def _again(options: TlsOptions, files: Snapshot, said: list[str]) -> ssl.SSLContext | None:
    """Make an acceptor's context a second time, from the same files.

    Args:
        options: as before.
        files: as they were before.
        said: what was warned of before.

    Returns:
        None where it is not the same: without a descriptor left, say, certificates cannot be read
        and libraries not loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    again: list[str] = []
    try:
        _prepare_acceptor(context, options, files, warn=again.append)
    except (TlsConfigurationError, OSError, ImportError):
        return None
    return context if again == said else None


def _prepare_acceptor(
    context: ssl.SSLContext, options: TlsOptions, files: Snapshot, *, warn: Warn
) -> None:
    """Say to a context what acceptors have.

    Raises:
        TlsConfigurationError: something cannot be used.
        ValueError: options contradict each other.
    """
    suites = _prepare(context, options, files, server_side=True, warn=warn)
    context.verify_mode = _PEER_CERTIFICATE[options.peer_certificate]
    context.num_tickets = 0
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if options.expected_server_name is not None:
        from isocenter.net.tls_names import name_check

        context.sni_callback = name_check(options.expected_server_name)
    if any(name.startswith("TLS_DHE_") for name in suites) or options.dh_parameters is not None:
        profile = profile_named(options.profile)
        load_dh_parameters(context, options.dh_parameters, profile, files, warn=warn)


def _prepare(
    context: ssl.SSLContext,
    options: TlsOptions,
    files: Snapshot,
    *,
    server_side: bool,
    warn: Warn,
) -> tuple[str, ...]:
    """Say to a context what both sides have; return its suites up to TLS 1.2.

    Raises:
        TlsConfigurationError: something cannot be used.
        ValueError: options contradict each other.
    """
    _check_words(options)
    profile = profile_named(options.profile)
    # The level comes first: own keys and certificates are measured by it, too.
    context.set_ciphers(f"ALL:@SECLEVEL={profile.security_level}")
    context.minimum_version = _VERSIONS[profile.minimum]
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([_PROTOCOL])
    load_trust(context, options, files, warn=warn)
    is_dsa = load_identity(context, options, profile, files, server_side=server_side, warn=warn)
    context.maximum_version = _VERSIONS["1.2" if is_dsa else profile.maximum]
    return _choose_suites(context, options, profile, warn)


def _check_trust(files: Snapshot, *, strict: bool) -> None:
    """Refuse what was left out, where nothing may be.

    Raises:
        TlsConfigurationError: an authority cannot be read (``ca``).
    """
    if strict:
        for path, reason in files.left_out.items():
            raise TlsConfigurationError("ca", reason, path=path)


def _check_words(options: TlsOptions) -> None:
    """Refuse options that mean nothing.

    Raises:
        ValueError: they contradict each other, or one has a value that there is not.
        TypeError: one path or name stands where several may.
    """
    for name in ("ca_files", "ca_directories", "crl_files", "ciphers"):
        value = getattr(options, name)
        if isinstance(value, (str, bytes, os.PathLike)):
            raise TypeError(f"{name} takes several, as in {name}=({str(value)!r},)")
    if (options.certificate is None) != (options.private_key is None):
        raise ValueError("a certificate needs its private key, and a key its certificate")
    for name, value, words in (
        ("file_format", options.file_format, ("pem", "der")),
        ("crl_check", options.crl_check, ("none", "leaf", "chain")),
        ("peer_certificate", options.peer_certificate, tuple(_PEER_CERTIFICATE)),
    ):
        if value not in words:
            raise ValueError(f"{name} is one of {', '.join(words)}, not {value!r}")


def _choose_suites(
    context: ssl.SSLContext, options: TlsOptions, profile: TlsProfile, warn: Warn
) -> tuple[str, ...]:
    """Choose a profile's suites and those added to it; return those up to TLS 1.2.

    Raises:
        TlsConfigurationError: a suite is not allowed, or this system has none of them.
    """
    wanted, tls13 = added_suites(profile, options.ciphers, warn=warn)
    available = available_suites()
    suites = tuple(name for name in wanted if name in available)
    if not suites:
        raise _without_suites(profile)
    names = ":".join(CIPHER_SUITES[name] for name in suites)
    context.set_ciphers(f"{names}:@SECLEVEL={profile.security_level}")
    if profile.tls13_suites and tls13 != TLS13_DEFAULT_SUITES:
        _choose_tls13(context, tls13, options.ciphers, warn)
    return suites


def _without_suites(profile: TlsProfile) -> TlsConfigurationError:
    """Return what to say where this OpenSSL has no suite of a profile."""
    what = "3DES" if profile.suites == ("TLS_RSA_WITH_3DES_EDE_CBC_SHA",) else "its ciphersuites"
    reason = (
        f"security profile '{profile.name}' cannot be used: {ssl.OPENSSL_VERSION} of this system "
        f"was built without {what}"
    )
    return TlsConfigurationError("platform", reason)


def _choose_tls13(
    context: ssl.SSLContext, suites: tuple[str, ...], asked: tuple[str, ...], warn: Warn
) -> None:
    """Choose suites of TLS 1.3, where Python has a call for it (from 3.15 on).

    Raises:
        TlsConfigurationError: it has none, and one was asked for by name.
    """
    choose: Callable[[str], None] | None = getattr(context, "set_ciphersuites", None)
    if choose is not None:
        try:
            choose(":".join(suites))
        except ssl.SSLError as problem:
            reason = f"{ssl.OPENSSL_VERSION} of this system lacks one of {', '.join(suites)}"
            raise TlsConfigurationError("platform", reason) from problem
        return
    others = [name for name in suites if name not in TLS13_DEFAULT_SUITES]
    named = [name for name in others if name in asked]
    if named:
        reason = (
            f"Ciphersuite '{named[0]}' is of TLS 1.3, and this Python has no call to choose such "
            "(3.15 is the first that has); "
            f"{', '.join(TLS13_DEFAULT_SUITES)} are always used"
        )
        raise TlsConfigurationError("platform", reason)
    warn(
        f"TLS 1.3 ciphersuites {' and '.join(others)} of the security profile are not used: this "
        "Python has no call to choose such (3.15 is the first that has)"
    )
