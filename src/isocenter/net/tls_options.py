"""What TLS is asked for, as data: the options of the tools and of the Python interface.

Owns the values and their meaning. Must not know `ssl`: a tool that speaks no TLS does not load it,
and one that does reads files and sees to what they say in `tls_context`.

PS3.15 annex B (secure transport connection profiles); RFC 8996, RFC 9325 (BCP 195).
"""

from __future__ import annotations

from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULT_PROFILE", "TlsOptions"]

DEFAULT_PROFILE = "bcp195-rfc8996"
"""The name of the profile used where none is asked for (`tls_profiles.PROFILES`)."""


class TlsOptions(Record, hidden=("password",)):
    """Keys, trust and rules of one side of TLS.

    Fields:
        certificate, private_key: paths of the own certificate (chain) and its key, both or none.
        password: of the key; None to call `ask_password` where the key is encrypted.
        ask_password: asked with the key's path; None where nobody can be asked.
        file_format: ``pem`` or ``der``; of key, certificate, CA and CRL files.
        profile: a name of `tls_profiles.PROFILES`.
        ciphers: cipher suites in addition to the profile's, by their RFC names.
        dh_parameters: path of Diffie-Hellman parameters (PEM), None for RFC 7919 groups.
        ca_files: paths of trusted certificates. With one that cannot be read, the tools warn and
            go on without it; in Python it is a `TlsConfigurationError`.
        ca_directories: paths of folders of trusted certificates under OpenSSL's hash names.
        system_ca: trust what this system trusts, too.
        crl_files: paths of certificate revocation lists.
        crl_check: ``none``, ``leaf`` (the peer's own certificate) or ``chain``.
        peer_certificate: ``require`` one and verify it, ``verify`` it where one is sent (acceptor
            only), ``ignore`` it.
        server_name: as requestor, the name to ask for (SNI, RFC 6066 3), None for none.
        expected_server_name: as acceptor, the only name to answer to, None for any or none.
        verify_host: as requestor, the peer's certificate has to be of the host that was called
            (RFC 6125), by name or address.
    """

    certificate: str | None = None
    private_key: str | None = None
    password: str | None = None
    ask_password: Callable[[str], str] | None = None
    file_format: str = "pem"
    profile: str = DEFAULT_PROFILE
    ciphers: tuple[str, ...] = ()
    dh_parameters: str | None = None
    ca_files: tuple[str, ...] = ()
    ca_directories: tuple[str, ...] = ()
    system_ca: bool = False
    crl_files: tuple[str, ...] = ()
    crl_check: str = "none"
    peer_certificate: str = "require"
    server_name: str | None = None
    expected_server_name: str | None = None
    verify_host: bool = True
