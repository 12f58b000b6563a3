"""What a TLS ClientHello says that Python's `ssl` does not tell.

Owns the reading of it, as far as its protocol names (ALPN). Must not know who decides by them. A
hello that cannot be read is no matter here: the TLS library finds out and answers.

RFC 8446 4.1.2, 5.1; RFC 7301 3.1; RFC 5246 7.4.1.2.
"""

from __future__ import annotations

from isocenter.errors import PduDecodeError
from isocenter.wire import Cursor

__all__ = ["MAXIMUM_HELLO", "offered_protocols"]

MAXIMUM_HELLO = 131_396
"""Bytes that a hello has at most: OpenSSL takes no longer one."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_ALPN = 16
_MAXIMUM_RECORD = 1 << 14


def offered_protocols(client_hello: bytes) -> tuple[str, ...] | None:
    """Return the protocols that a requestor asks for.

    Args:
        client_hello: the first bytes of a connection, as many as there are.

    Returns:
        The names in its order, Latin-1 for bytes; () where it does not ask, or where this is no
        readable ClientHello; None where more bytes are needed to tell.

    RFC 7301 3.1.
    """
    hello = _hello(client_hello)
    if not hello:
        return None if hello is None else ()
    try:
        return _protocols(hello)
    except PduDecodeError:
        return ()


def _hello(data: bytes) -> bytes | None:
    """Return the message without its header, put together from its records.

    Returns:
        None where bytes are lacking, b"" where it is something else.
    """
    cursor = Cursor(data, pdu="TLS records")
    message = bytearray()
    while True:
        if data[cursor.offset : cursor.offset + 1] not in (b"", bytes([_HANDSHAKE])):
            return b""
        try:
            cursor.skip(3, "type and version")
            size = cursor.uint16("length")
            if not 0 < size <= _MAXIMUM_RECORD:
                return b""
            message += cursor.take(min(size, cursor.remaining), "fragment")
        except PduDecodeError:
            return None
        if message and message[0] != _CLIENT_HELLO:
            return b""
        if len(message) < 4:
            continue
        length = int.from_bytes(message[1:4])
        if length > MAXIMUM_HELLO:
            return b""
        if len(message) >= 4 + length:
            return bytes(message[4 : 4 + length])


def _protocols(hello: bytes) -> tuple[str, ...]:
    """Return the names in the extension for them.

    Raises:
        PduDecodeError: the hello is not as it should be.
    """
    cursor = Cursor(hello, pdu="ClientHello")
    cursor.skip(2 + 32, "version and random")
    cursor.skip(cursor.uint8("length of session id"), "session id")
    cursor.skip(cursor.uint16("length of cipher suites"), "cipher suites")
    cursor.skip(cursor.uint8("length of compression methods"), "compression methods")
    if not cursor.remaining:
        return ()  # no extensions at all
    size = cursor.uint16("length of extensions")
    extensions = Cursor(cursor.take(size, "extensions"), pdu="extensions")
    while extensions.remaining:
        kind = extensions.uint16("extension type")
        content = extensions.take(extensions.uint16("extension length"), "extension")
        if kind == _ALPN:
            return _names(content)
    return ()


def _names(extension: bytes) -> tuple[str, ...]:
    cursor = Cursor(extension, pdu="ALPN extension")
    names = []
    with cursor.restrict_to(cursor.uint16("length of names"), "names"):
        while cursor.remaining:
            names.append(cursor.text(cursor.uint8("length of name"), "name"))
    return tuple(names)
