"""The lines at debug level that say what two sides agreed on, and who the peer is.

Owns the layout, which is DCMTK's. Loaded only where they are shown. What a certificate says,
`security.certificate_text` knows.

DCMTK's `dcmtls/libsrc/tlstrans.cc`.
"""

from __future__ import annotations

from isocenter.logs import get_logger
from isocenter.security.certificate_text import certificate_text

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.net.tls import TlsFacts

__all__ = ["log_tls"]

_LOGGER = get_logger("isocenter.net.tls")


def log_tls(facts: TlsFacts) -> None:
    """Log what was agreed on."""
    lines = (
        "================== BEGIN TLS CONNECTION DETAILS =================",
        "Transport connection: TLS over TCP/IP",
        f"  Protocol    : {facts.version}",
        f"  Ciphersuite : {facts.cipher}, encryption: {_bits(facts.cipher)} bits",
        certificate_text(facts.peer_certificate),
        "=================== END TLS CONNECTION DETAILS ==================",
    )
    _LOGGER.debug("%s", "\n".join(lines))


def _bits(cipher: str) -> int:
    """Return the length of a suite's key, as its name says it."""
    if "NULL" in cipher:
        return 0
    for words, bits in (("CBC3", 168), ("CHACHA20", 256), ("256", 256), ("128", 128)):
        if words in cipher.replace("_", "").replace("-", "").removesuffix("SHA256"):
            return bits
    return 0
