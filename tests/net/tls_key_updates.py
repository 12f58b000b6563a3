"""A requestor of TLS 1.3 that changes its key again and again, which no library does.

RFC 8446 4.6.3, 5.2, 7.1 to 7.3.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isocenter.net.tls import TlsSession
from tests.net.tls_support import calling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["KeyChanger"]

_HANDSHAKE, _DATA = 22, 23
_KEY_UPDATE = bytes.fromhex("18 000001 00")  # no answer is asked for


class KeyChanger:
    """Shakes hands in TLS 1.3 and then writes records of its own.

    Args:
        folder: for a file with the session's secrets.
    """

    def __init__(self, folder: Path) -> None:
        """Make the session."""
        context = calling(version="TLSv1.3")
        self._secrets = folder / "secrets"
        context.keylog_filename = str(self._secrets)
        self.session = TlsSession(context, server_side=False)

    def shake(self, exchange: Callable[[bytes], bytes]) -> None:
        """Shake hands; `exchange` sends bytes and returns some of the peer's answer."""
        session = self.session
        while not session.handshake():
            session.feed(exchange(session.outgoing()))
        exchange(session.outgoing())
        words = self._secrets.read_text(encoding="ascii").split()
        self._secret = bytes.fromhex(words[words.index("CLIENT_TRAFFIC_SECRET_0") + 2])
        self._take_keys()

    def _take_keys(self) -> None:
        self._cipher = AESGCM(_expand(self._secret, "key", 32))
        self._salt = int.from_bytes(_expand(self._secret, "iv", 12))
        self._sequence = 0

    def _record(self, kind: int, content: bytes) -> bytes:
        plain = content + bytes([kind])
        head = bytes([_DATA]) + b"\3\3" + (len(plain) + 16).to_bytes(2, "big")
        nonce = (self._salt ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return head + self._cipher.encrypt(nonce, plain, head)

    def data(self, content: bytes) -> bytes:
        """Return a record of data."""
        return self._record(_DATA, content)

    def key_updates(self, size: int) -> bytes:
        """Return records that change the key, at least `size` bytes of them."""
        records = bytearray()
        while len(records) < size:
            records += self._record(_HANDSHAKE, _KEY_UPDATE)
            self._secret = _expand(self._secret, "traffic upd", len(self._secret))
            self._take_keys()
        return bytes(records)


def _expand(secret: bytes, label: str, size: int) -> bytes:
    """Return bytes of HKDF-Expand-Label without context (RFC 8446 7.1), SHA-384."""
    name = f"tls13 {label}".encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.new(secret, info + b"\1", hashlib.sha384).digest()[:size]
