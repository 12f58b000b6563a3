"""Whether a certificate would be trusted, without anybody who shows it.

Owns a peer of a few bytes: its hello and Certificate of TLS 1.2 are given to a session in memory,
which verifies the chain by all rules of its context (authorities, dates, revocation lists, purpose)
before it asks for a proof that the peer has the key. It then waits for that proof, or says what is
wrong. Must not know files, nor what is printed.

RFC 5246 7.4.1.2, 7.4.1.3, 7.4.2, 7.4.6; RFC 5746 3.4; RFC 5280 6.
"""

from __future__ import annotations

import contextlib
import ssl

from isocenter.errors import TlsError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["certificates_of_pem", "distrust_of_client", "distrust_of_server"]

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_HELLO = 2
_CERTIFICATE = 11
_TLS12 = b"\x03\x03"
_MOST_OF_A_RECORD = 1 << 14
_RENEGOTIATION_INFO = bytes.fromhex("ff01 0001 00")
_P256 = bytes.fromhex("0017")
_SIGNATURES = bytes.fromhex("0403 0503 0603 0804 0805 0806 0401 0501 0601")
_SUITES = bytes.fromhex("c02b c02c")
"""ECDHE-ECDSA with AES and GCM, as every profile has them that is not of the past."""

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


def distrust_of_server(context: ssl.SSLContext, chain: Sequence[bytes]) -> TlsError | None:
    """Return what is wrong with a certificate, None where it would be trusted as a server's.

    Args:
        context: of a requestor; changed to verify its peer, and not to compare host names.
        chain: the certificate and, behind it, those of authorities that come with it; DER.
    """
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = min(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    incoming = ssl.MemoryBIO()
    session = context.wrap_bio(incoming, ssl.MemoryBIO())
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    incoming.write(_record(_server_hello(_suite(context)) + _certificate(chain)))
    return _go_on(session)


def distrust_of_client(context: ssl.SSLContext, chain: Sequence[bytes]) -> TlsError | None:
    """Return what is wrong with a certificate, None where it would be trusted as a client's.

    Args:
        context: of an acceptor that has a key for ECDSA and a suite for that in TLS 1.2; changed
            to demand and verify a certificate.
        chain: as `distrust_of_server`.
    """
    context.verify_mode = ssl.CERT_REQUIRED
    incoming = ssl.MemoryBIO()
    session = context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    incoming.write(_record(_client_hello()))
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    incoming.write(_record(_certificate(chain)))
    return _go_on(session)


def _go_on(session: ssl.SSLObject) -> TlsError | None:
    """Have a session look at the certificate that it was given."""
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


def _client_hello() -> bytes:
    extensions = b"".join(
        kind.to_bytes(2, "big") + _sized(data, 2)
        for kind, data in (
            (10, _sized(_P256, 2)),  # supported groups
            (11, _sized(b"\0", 1)),  # uncompressed points
            (13, _sized(_SIGNATURES, 2)),
        )
    )
    body = _TLS12 + bytes(32) + b"\0" + _sized(_SUITES, 2) + _sized(b"\0", 1)
    body += _sized(extensions + _RENEGOTIATION_INFO, 2)
    return bytes([_CLIENT_HELLO]) + _sized(body, 3)


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
