"""What the first bytes of a connection look like: the one home of that guess.

Owns the signatures of the protocols that end up on a DICOM port by mistake, and how bytes
are shown. Must not know who received them, nor why they are asked about. A guess is made
from bytes alone and says so by its words ("looks like").

PS3.8 9.3.1 (PDU types); RFC 8446 5.1 and 6 (TLS records, alerts), RFC 9112 (HTTP/1.1), RFC 4253 4.2
(SSH), RFC 5321 and RFC 959 (SMTP, FTP), HL7 MLLP release 1, RFC 1006 (TPKT, which RDP uses).
"""

from __future__ import annotations

from isocenter.net.failures import SHOWN
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Look", "escaped", "look_at"]

_SHOWN_UNKNOWN = 8
_TLS_HANDSHAKE, _TLS_ALERT = 0x16, 0x15
_ALERTS = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    47: "illegal parameter",
    48: "unknown certificate authority",
    50: "decode error",
    70: "protocol version",
    80: "internal error",
    112: "unknown server name",
    116: "certificate required",
}
_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PRI * ")
_PDU_NAMES = {
    1: "A-ASSOCIATE-RQ",
    2: "A-ASSOCIATE-AC",
    3: "A-ASSOCIATE-RJ",
    4: "P-DATA-TF",
    5: "A-RELEASE-RQ",
    6: "A-RELEASE-RP",
    7: "A-ABORT",
}


class Look(NamedTuple):
    """What bytes look like.

    Fields: `kind`, a short name to decide by: ``tls``, ``http``, ``ssh``, ``hl7``, ``mail``,
    ``rdp``, ``dicom``, ``text`` or ``unknown``; `words`, for a sentence; `shown`, how many of the
    bytes may be shown, fewer where a protocol's first words may name somebody.
    """

    kind: str
    words: str
    shown: int


def escaped(received: bytes, limit: int = SHOWN) -> str:
    r"""Return bytes in printable ASCII, the others as ``\xNN``, cut to `limit` bytes."""
    words = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}"
        for byte in received[:limit]
    )
    more = "..." if len(received) > limit else ""
    return f'"{words}{more}"'


def look_at(received: bytes) -> Look:
    """Return what the first bytes of a connection look like; some suffice, 8 are plenty."""
    for examine in _EXAMINERS:
        look = examine(received)
        if look is not None:
            return look
    return Look("unknown", "no protocol that is known here", _SHOWN_UNKNOWN)


def _tls(received: bytes) -> Look | None:
    if received[1:2] == b"\x03" and received[2:3] <= b"\x04":
        if received[0] == _TLS_ALERT:
            code = received[6] if len(received) > 6 else None
            name = "" if code is None else f" ({_ALERTS.get(code, f'number {code}')})"
            return Look("tls", f"a TLS alert{name}", 7)
        if received[0] == _TLS_HANDSHAKE:
            kinds = {1: "TLS ClientHello", 2: "TLS ServerHello"}
            kind = kinds.get(received[5] if len(received) > 5 else 0, "TLS handshake")
            return Look("tls", f"a {kind}", 6)
    if len(received) > 4 and received[0] & 0x80 and received[2:4] == b"\x01\x03":
        return Look("tls", "an SSL 2.0 or TLS ClientHello", 5)
    return None


def _http(received: bytes) -> Look | None:
    if received.startswith(b"HTTP/"):
        return Look("http", "an HTTP response", 15)
    for method in _METHODS:
        if received.startswith(method):
            return Look(
                "http", "an HTTP request", len(method) - 1
            )  # what follows may name a patient
    if received[:14].lower().startswith((b"<!doctype html", b"<html")):
        return Look("http", "a web page", 14)
    return None


def _hl7(received: bytes) -> Look | None:
    if received.startswith(b"\x0b"):
        return Look("hl7", "an HL7 message (MLLP)", 5)
    if received.startswith(b"MSH|"):
        return Look("hl7", "an HL7 message without its MLLP frame", 4)
    return None


def _banner(received: bytes) -> Look | None:
    if received.startswith(b"SSH-"):
        return Look("ssh", "an SSH banner", SHOWN)
    if received.startswith((b"220 ", b"220-")):
        return Look("mail", "the banner of a mail or file transfer server (SMTP, FTP)", SHOWN)
    if received.startswith((b"+OK", b"* OK")):
        return Look("mail", "the banner of a mailbox server (POP3, IMAP)", SHOWN)
    return None


def _binary(received: bytes) -> Look | None:
    # A TPKT has its length where A-ASSOCIATE-RJ has a zero.
    if received.startswith(b"\x03\x00") and len(received) > 3 and received[2:4] != b"\0\0":
        return Look("rdp", "a remote desktop connection (RDP)", 7)
    if len(received) > 5 and received[0] in _PDU_NAMES:
        return Look("dicom", f"a DICOM PDU ({_PDU_NAMES[received[0]]})", 10)
    return None


def _text(received: bytes) -> Look | None:
    if received and all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in received):
        return Look("text", "text of no protocol that is known here", _SHOWN_UNKNOWN)
    return None


_EXAMINERS: tuple[Callable[[bytes], Look | None], ...] = (
    _tls,
    _http,
    _hl7,
    _banner,
    _binary,
    _text,
)
