"""``--verify-cert`` and ``--is-root-cert``: a look at a certificate that calls nobody.

Owns what is printed, and the exit code. Loaded only with these options. Must not know how a
chain is verified (`net.tls_offline`), nor what a root is (`security.root_certificate`).

DCMTK's `dcmnet/apps/echoscu.cc`; companion-facts 2.3.
"""

from __future__ import annotations

from isocenter.cli.exitcodes import ExitCode
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.errors import TlsError
    from isocenter.net.tls import ClientTls

__all__ = ["check_offline"]

_LOGGER = get_logger("isocenter.net.tls")

_UNSUITABLE_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE
_STRICT = {"bcp195-rfc8996", "bcp195-rfc8996-modified"}
_LENIENT = "bcp195-extended"
"""A profile of the past that has suites for any key: what it takes of a peer, they all take."""

_MOST_BYTES = 1 << 20
"""Read of a certificate file: more than any chain has."""


def check_offline(line: ParsedCommandLine) -> ExitCode:
    """Do what one of the two options asks for; the first of them where both are given.

    Raises:
        ConfigurationError: what TLS was to use cannot be used.
    """
    from isocenter.cli.network import wants_tls

    called = None
    if wants_tls(line):
        from isocenter.cli.tls import client_tls

        called = client_tls(line)
    path = line.value_or_none("--verify-cert")
    if path is not None:
        if called is None:
            _LOGGER.error(
                "certificate verification failed: nothing is trusted without --enable-tls or "
                "--anonymous-tls, and --add-cert-file"
            )
            return _say(f"Verification of certificate '{path}' failed.", good=False)
        chain = _read(line, path)
        problem = _distrust(line, called, chain) if chain else None
        if problem is not None:
            from isocenter.security.certificate_text import certificate_words

            words = certificate_words(chain[0])
            shown = f" ({words})" if words else ""
            _LOGGER.error("certificate verification failed: %s%s", problem.reason, shown)
        good = bool(chain) and problem is None
        return _say(
            f"Verification of certificate '{path}' {'passed' if good else 'failed'}.", good=good
        )
    from isocenter.security.root_certificate import fault_of_root

    path = line.value("--is-root-cert")
    chain = _read(line, path)
    fault = fault_of_root(chain[0]) if chain else ""
    if fault:
        _LOGGER.info("'%s': %s", path, fault)
    not_one = "" if fault is None else "not "
    return _say(
        f"Certificate '{path}' is {not_one}a valid, self-signed root CA.", good=fault is None
    )


def _distrust(line: ParsedCommandLine, called: ClientTls, chain: list[bytes]) -> TlsError | None:
    """Return what is wrong with a certificate as that of a server, or else of a client."""
    from isocenter.net.tls_offline import distrust_of_client, distrust_of_server

    problem = distrust_of_server(called.context, chain)
    if problem is None or problem.verify_code != _UNSUITABLE_PURPOSE:
        return problem
    import tempfile

    from isocenter.cli.tls import tls_options
    from isocenter.net.tls_context import server_context
    from isocenter.record import replace
    from isocenter.security.throwaway import write_throwaway

    options = tls_options(line)
    profile = options.profile if options.profile in _STRICT else _LENIENT
    with tempfile.TemporaryDirectory(prefix="isocenter-") as folder:
        key, certificate = write_throwaway(folder, der=options.file_format == "der")
        acceptor = replace(
            options,
            private_key=key,
            certificate=certificate,
            password=None,
            ciphers=(),
            profile=profile,
        )
        return distrust_of_client(server_context(acceptor, warn=_say_nothing), chain)


def _say_nothing(_: str) -> None:
    """Leave out a warning that was given once."""


def _read(line: ParsedCommandLine, path: str) -> list[bytes]:
    """Return the certificates in a file, in DER; none, and why is logged, where it has none."""
    from isocenter.net.tls_offline import certificates_of_pem

    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        _LOGGER.error("Cannot open certificate file '%s': %s", path, reason)  # noqa: TRY400 - one line says it all
        return []
    if line.block("--pem-keys", "--der-keys") == "--der-keys":
        kind, found = "DER", [data] if data else []
    else:
        kind = "PEM"
        try:
            found = certificates_of_pem(data.decode("latin-1"))
        except ValueError:
            found = []
    if not found:
        _LOGGER.error("Not a %s certificate file: '%s'", kind, path)
    return found


def _say(text: str, *, good: bool) -> ExitCode:
    """Print the verdict; where nobody can read it, the exit code says the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        pass
    except OSError:
        return ExitCode.FAILURE
    return ExitCode.SUCCESS if good else ExitCode.INVALID_INPUT_FILE
