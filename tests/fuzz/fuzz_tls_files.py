"""Fuzz target: files of keys, certificates, revocation lists and parameters for TLS.

The first byte of the input chooses which file it is and in which form, PEM or DER. Making a context
may raise `TlsConfigurationError` and nothing else.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_context import server_context
from isocenter.net.tls_files import _FFDHE2048
from isocenter.net.tls_offline import certificates_of_pem
from isocenter.net.tls_options import TlsOptions
from isocenter.record import replace
from isocenter.testing.certificates import Authority
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits, raises_only

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity

LIMITS = Limits(memory=8 * 1024 * 1024)

_PARTS = ("certificate", "private_key", "ca_files", "crl_files", "dh_parameters")


@functools.cache
def _authority() -> tuple[Authority, Identity]:
    authority = Authority("Hospital Root", key="ec-p256")
    return authority, authority.issue("storescp", key="ec-p256")


def seeds() -> list[bytes]:
    """Return each kind of file in each form."""
    authority, identity = _authority()
    paths = (
        (0, identity.certificate),
        (1, identity.private_key),
        (2, authority.path),
        (3, authority.crl()),
        (5, identity.certificate_der),
        (6, identity.private_key_der),
        (7, authority.path_der),
        (8, authority.crl(der=True)),
        (1, identity.private_key_traditional),
        (1, identity.encrypted_key("x")),
        (6, identity.encrypted_key("x", form="der")),
    )
    found = [b"\4" + _FFDHE2048.encode()]
    for choice, path in paths:
        with open(path, "rb") as file:
            found.append(bytes([choice]) + file.read())
    return found


def test_one_input(data: bytes) -> None:
    """Make one context and check what follows from it."""
    if not data:
        return
    _, identity = _authority()
    form, part = divmod(data[0] % 10, 5)
    is_der = form == 1
    options = TlsOptions(
        certificate=identity.certificate_der if is_der else identity.certificate,
        private_key=identity.private_key_der if is_der else identity.private_key,
        password="x",
        file_format="der" if is_der else "pem",
    )
    warnings: list[str] = []
    with named(data[1:]) as path:
        value = (path,) if part in {2, 3} else path
        with raises_only(TlsConfigurationError):
            server_context(replace(options, **{_PARTS[part]: value}), warn=warnings.append)
    if not all(warning.isprintable() for warning in warnings):
        raise AssertionError(f"{warnings!r} are no lines for a log")
    with raises_only(ValueError):
        certificates_of_pem(data[1:].decode("latin-1"))
