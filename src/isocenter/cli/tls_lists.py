"""What ``--list-profiles`` and ``--list-ciphers`` print.

Owns the layout, which is DCMTK's. What there is to be listed, and what this system's TLS library
can do of it, `net.tls_profiles` says. Loaded only where a list is asked for.

DCMTK's `dcmtls/libsrc/tlsopt.cc` and `tlsciphr.cc`.
"""

from __future__ import annotations

from isocenter.cli.render import build_lines
from isocenter.net.tls_library import library_version
from isocenter.net.tls_profiles import CIPHER_SUITES, PROFILES, available_suites

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

__all__ = ["list_text"]

_NEEDS = {"basic": "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "null": "TLS_RSA_WITH_NULL_SHA"}
"""Profiles that are listed only where the library has their one cipher suite."""


def list_text(tool: Tool, option: str) -> str:
    """Return what one of the two options prints."""
    if option == "--list-ciphers":
        rows = ["Supported TLS ciphersuites are:", *(f"  {name}" for name in _suites())]
    else:
        rows = [
            f"Cryptographic algorithms implemented by: {library_version()}",
            "",
            "Supported TLS Secure Transport Connection Profiles are:",
            *(f"- {title}" for title in _profiles()),
        ]
    return "\n".join([*build_lines(tool), *rows]) + "\n"


def _suites() -> list[str]:
    available = available_suites()
    return [name for name in CIPHER_SUITES if name in available]


def _profiles() -> list[str]:
    available = available_suites()
    return [
        profile.title
        for name, profile in PROFILES.items()
        if name not in _NEEDS or _NEEDS[name] in available
    ]
