"""Whether a certificate would be trusted, without anybody who shows it.

Owns a server of a few bytes: its ServerHello and Certificate of TLS 1.2 are given to a requestor's
session in memory, which verifies the chain by all rules of its context (authorities, dates,
revocation lists) before it asks for a proof that the server has the key. It then waits for that
proof, or says what is wrong. Must not know files, nor what is printed.

RFC 5246 7.4.1.3, 7.4.2; RFC 5746 3.4; RFC 5280 6.
"""

from __future__ import annotations

import contextlib
import ssl

from isocenter.errors import TlsError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["certificates_of_pem", "distrust_of"]

_HANDSHAKE = 22
_SERVER_HELLO = 2
_CERTIFICATE = 11
_TLS12 = b"\x03\x03"
_MOST_OF_A_RECORD = 1 << 14
_RENEGOTIATION_INFO = bytes.fromhex("ff01 0001 00")
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def certificates_of_pem(text: str) -> list[bytes]:
    """Return the certificates in a PEM file, in DER, in their order.

    Raises:
        ValueError: one of them is damaged.
    """
    found = []
    for part in text.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        if not end:
            msg = "a certificate has no end"
            raise ValueError(msg)
        found.append(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{body}{_END}"))
    return found


def distrust_of(context: ssl.SSLContext, chain: Sequence[bytes]) -> TlsError | None:
    """Return what is wrong with a certificate, None where it would be trusted as a server's.

    Args:
        context: of a requestor that verifies its peer; host names are not compared.
        chain: the certificate and, behind it, those of authorities that come with it; DER.
    """
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = min(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    incoming.write(_record(_server_hello(_suite(context)) + _certificate(chain)))
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return None  # it waits for what only the owner of the key can say
    except ssl.SSLCertVerificationError as problem:
        return TlsError(problem.verify_message, verify_code=problem.verify_code)
    except ssl.SSLError as problem:
        if _is_after_verification(problem):
            return None
        return TlsError((problem.reason or "unreadable").lower().replace("_", " "))
    return None


def _is_after_verification(problem: ssl.SSLError) -> bool:
    """Tell whether the chain was verified: its key does not suit the suite that was chosen."""
    return problem.reason in {"WRONG_CERTIFICATE_TYPE", "UNKNOWN_CERTIFICATE_TYPE"}


def _suite(context: ssl.SSLContext) -> bytes:
    """Return the number of a suite up to TLS 1.2 that is offered."""
    for suite in context.get_ciphers():
        if suite["protocol"] != "TLSv1.3":
            return int(suite["id"] & 0xFFFF).to_bytes(2, "big")
    msg = "no cipher suite of TLS 1.2 is offered"
    raise TlsError(msg)


def _server_hello(suite: bytes) -> bytes:
    extensions = _sized(_RENEGOTIATION_INFO, 2)
    no_session, no_compression = b"\0", b"\0"
    body = _TLS12 + bytes(32) + no_session + suite + no_compression + extensions
    return bytes([_SERVER_HELLO]) + _sized(body, 3)


def _certificate(chain: Sequence[bytes]) -> bytes:
    certificates = b"".join(_sized(certificate, 3) for certificate in chain)
    return bytes([_CERTIFICATE]) + _sized(_sized(certificates, 3), 3)


def _record(messages: bytes) -> bytes:
    """Return handshake messages in as many records as they take."""
    return b"".join(
        bytes([_HANDSHAKE]) + _TLS12 + _sized(messages[start : start + _MOST_OF_A_RECORD], 2)
        for start in range(0, len(messages), _MOST_OF_A_RECORD)
    )


def _sized(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data
