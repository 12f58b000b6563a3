"""TLS on the command line: from options to what the driver speaks TLS with.

Owns which option means what, how a password is asked for, and DCMTK's lines about keys,
certificates and cipher suites that cannot be used. Loaded only where TLS is asked for. Must not
know how a context is made (`net.tls_context`) nor how a handshake goes (`net.tls`).

DCMTK's `dcmtls/libsrc/tlsopt.cc` and `tlscond.cc`; dcmtk-facts 2.2 and 10.1.
"""

from __future__ import annotations

import os

from isocenter.errors import ConfigurationError, TlsConfigurationError
from isocenter.logs import get_logger
from isocenter.net.tls import ClientTls, ServerTls
from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_options import TlsOptions

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine

__all__ = ["Asker", "ServerSide", "client_tls", "condition_of_setup", "tls_options"]

_LOGGER = get_logger("isocenter.net.tls")

_PROFILES = {
    "--profile-8996": "bcp195-rfc8996",
    "--profile-8996-mod": "bcp195-rfc8996-modified",
    "--profile-bcp195-nd": "bcp195-nd",
    "--profile-bcp195": "bcp195",
    "--profile-bcp195-ex": "bcp195-extended",
    "--profile-basic": "basic",
    "--profile-aes": "aes",
    "--profile-null": "null",
}
"""Option to name in `tls_profiles.PROFILES`."""

_PEER_CERTIFICATE = {
    "--require-peer-cert": "require",
    "--verify-peer-cert": "verify",
    "--ignore-peer-cert": "ignore",
}

_NO_LAYER = "000b:0001 Unable to create TLS transport layer"

_CRL_CHECKS = {"--enable-crl-vfy": "leaf", "--enable-crl-all": "chain"}


def tls_options(line: ParsedCommandLine) -> TlsOptions:
    """Return what a command line asks for, of a tool with these options.

    TLS is on: ``--enable-tls`` or ``--anonymous-tls`` is in force.

    Raises:
        ConfigurationError: a server's name is none.
    """
    authenticated = line.in_force("--enable-tls")
    key = line.value("--enable-tls", 0) if authenticated else None
    certificate = line.value("--enable-tls", 1) if authenticated else None
    given = line.block("--std-passwd", "--use-passwd", "--null-passwd")
    password = {"--use-passwd": _value(line, "--use-passwd"), "--null-passwd": ""}.get(given or "")
    crl_files = _values(line, "--add-crl-file")
    crl_check = _CRL_CHECKS.get(line.block(*_CRL_CHECKS) or "", "none")
    if crl_check == "none" and crl_files:
        crl_check = "leaf"
    return TlsOptions(
        certificate=certificate,
        private_key=key,
        password=password,
        ask_password=Asker(),
        file_format="der" if line.block("--pem-keys", "--der-keys") == "--der-keys" else "pem",
        profile=_PROFILES[line.block(*_PROFILES) or "--profile-8996"],
        ciphers=_values(line, "--cipher"),
        dh_parameters=_value(line, "--dhparam"),
        ca_files=_values(line, "--add-cert-file"),
        ca_directories=_values(line, "--add-cert-dir"),
        system_ca=line.given("--system-ca"),
        crl_files=crl_files,
        crl_check=crl_check,
        peer_certificate=_PEER_CERTIFICATE[_in_block(line, _PEER_CERTIFICATE)],
        server_name=_server_name(line, "--request-sni"),
        expected_server_name=_server_name(line, "--expect-sni"),
        verify_host=line.has("--verify-host") and line.given("--verify-host"),
    )


def client_tls(line: ParsedCommandLine) -> ClientTls:
    """Return what a requestor speaks TLS with; warnings are logged.

    Raises:
        ConfigurationError: it cannot be used, in DCMTK's words.
    """
    options = _options_in_use(line)
    try:
        context = client_context(options, warn=_warn)
    except TlsConfigurationError as problem:
        raise ConfigurationError(condition_of_setup(problem, options)) from problem
    return ClientTls(context, options.server_name, options.verify_host)


class ServerSide:
    """What an acceptor speaks TLS with, and how it comes by new keys, certificates and lists.

    Args:
        line: of a tool with these options.

    Raises:
        ConfigurationError: it cannot be used, in DCMTK's words.

    Attributes:
        tls: for the driver.
    """

    __slots__ = ("_options", "tls")

    def __init__(self, line: ParsedCommandLine) -> None:
        """Read the files; may ask for a password."""
        self._options = _options_in_use(line)
        self.tls = _server_tls(self._options)

    def reload(self) -> str:
        """Read all files again, and use what they say for connections that come from now on.

        No password is asked for a second time.

        Returns:
            What was read, for the log.

        Raises:
            ConfigurationError: they cannot be used; what was used is used on.
        """
        self.tls.replace(_server_tls(self._options, self.tls).context)
        return f"{self._options.certificate}, {self._options.private_key}"


def condition_of_setup(problem: TlsConfigurationError, options: TlsOptions) -> str:
    """Return the condition that DCMTK's tools print, with the reason in parentheses."""
    key, certificate = options.private_key, options.certificate
    match problem.subject:
        case "key" | "password":
            words = f"000b:0004 Unable to load private TLS key from '{key}'"
        case "match":
            words = f"000b:0006 Private key '{key}' and certificate '{certificate}' do not match"
        case "certificate":
            if certificate is not None and os.access(certificate, os.R_OK):
                words = f"000b:0005 Unable to load certificate from '{certificate}'"
            else:
                words = (
                    f"000b:0006 Private key '{key}' and certificate '{certificate}' do not match "
                    f"(the certificate cannot be read: {problem.reason}{_two_files(certificate)})"
                )
        case "cipher":
            words = _about_suites(options)
        case "profile":
            words = "000b:0018 DICOM TLS Secure Transport Connection Profile not supported"
        case _:
            return f"{_NO_LAYER} ({problem})"
    return words if problem.reason in words else f"{words} ({problem.reason})"


def _two_files(certificate: str | None) -> str:
    """Return a hint where an option stands in the place of the certificate."""
    if certificate is None or not certificate.startswith(("+", "-")):
        return ""
    return "; --enable-tls (+tls) takes two files, the private key and the certificate"


def _about_suites(options: TlsOptions) -> str:
    """Return the condition for a cipher suite: unknown, or not allowed."""
    from isocenter.net.tls_profiles import CIPHER_SUITES, TLS13_SUITES

    if all(name in CIPHER_SUITES or name in TLS13_SUITES for name in options.ciphers):
        return "000b:000a Ciphersuite not allowed in current DICOM security profile"
    return "0001:0007 Illegal call, perhaps wrong parameters"


class Asker:
    """Asks for the password of a private key on the terminal, once for each key.

    What was entered is kept in memory, so that keys can be read again without anybody there.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Return the password of the key in `path`.

        Raises:
            TlsConfigurationError: there is no terminal, or nothing was entered.
        """
        if path not in self._known:
            self._known[path] = _ask(path)
        return self._known[path]


def _ask(path: str) -> str:
    import getpass

    if not _has_terminal():
        reason = (
            "it is encrypted, and there is no terminal to ask for the password on: give it with "
            "--use-passwd (+pw)"
        )
        raise TlsConfigurationError("password", reason, path=path)
    try:
        return getpass.getpass(f"Enter PEM pass phrase for {path}: ")
    except (EOFError, OSError) as problem:
        raise TlsConfigurationError("password", "no password was entered", path=path) from problem


def _has_terminal() -> bool:
    """Tell whether somebody can be asked, without `getpass`'s way out over standard input."""
    if os.name == "nt":
        import sys

        return sys.stdin is sys.__stdin__ and sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _server_tls(options: TlsOptions, before: ServerTls | None = None) -> ServerTls:
    """Make what an acceptor speaks TLS with, in the place of what was `before`.

    Raises:
        ConfigurationError: it cannot be made, in DCMTK's words.
    """
    context = None if before is None else before.context
    try:
        return ServerTls(server_context(options, warn=_warn, before=context))
    except TlsConfigurationError as problem:
        raise ConfigurationError(condition_of_setup(problem, options)) from problem


def _warn(text: str) -> None:
    _LOGGER.warning("%s", text)


_in_use: tuple[ParsedCommandLine, TlsOptions] | None = None


def _options_in_use(line: ParsedCommandLine) -> TlsOptions:
    """Return what a command line asks for: the same both ways, for a tool that calls and is called.

    So a password is asked for once, and what is to be said of the options is said once.

    Raises:
        ConfigurationError: a server's name is none.
    """
    global _in_use  # noqa: PLW0603 - one line for the process, read once
    if _in_use is None or _in_use[0] is not line:
        _mention_seeds(line)
        _in_use = (line, tls_options(line))
    return _in_use[1]


def _mention_seeds(line: ParsedCommandLine) -> None:
    """Say once that there is no seed to be read or written."""
    given = line.block("--seed", "--write-seed", "--write-seed-file")
    if given is None:
        return
    words = "--seed is without effect: the system seeds the random generator"
    if line.block("--write-seed", "--write-seed-file") is not None:
        words += ", and no seed is written"
    _LOGGER.warning("%s", words)


def _value(line: ParsedCommandLine, name: str) -> str | None:
    """Return an option's value, None where it is not given, or not an option of the tool."""
    return line.value_or_none(name) if line.has(name) else None


def _server_name(line: ParsedCommandLine, name: str) -> str | None:
    """Return a server's name as it is on the wire (RFC 6066 3), None where none is given.

    Raises:
        ConfigurationError: it cannot be there.
    """
    text = _value(line, name)
    if text is None:
        return None
    try:
        encoded = text.encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    if not encoded:
        raise ConfigurationError(f"{_NO_LAYER} ({name}: '{text}' cannot be a server's name)")
    return encoded


def _values(line: ParsedCommandLine, name: str) -> tuple[str, ...]:
    """Return the value of each occurrence of an option, () where the tool has no such option."""
    return tuple(line.values(name)) if line.has(name) else ()


def _in_block(line: ParsedCommandLine, names: dict[str, str]) -> str:
    """Return the alternative that holds, of those that the tool has."""
    return line.block(*(name for name in names if line.has(name))) or next(iter(names))
