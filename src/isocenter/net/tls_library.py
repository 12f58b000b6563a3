"""The TLS library that Python uses, by name.

Owns the one way to ask for it, also where Python was built without. Must not know what is done
with it.
"""

from __future__ import annotations

__all__ = ["library_version"]


def library_version() -> str:
    """Return name, version and date of the library, "" where there is none."""
    try:
        # Where `ssl` has it from; that itself takes ten times as long to load.
        from _ssl import OPENSSL_VERSION
    except ImportError:
        return ""
    return OPENSSL_VERSION
