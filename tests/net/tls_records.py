"""Records of TLS 1.2 that no library would send, in a session that both sides take for theirs.

RFC 5246 5, 6.3, 8.1; RFC 5288 (AES-GCM).
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

_KINDS = {"SHA256": ("sha256", 16), "SHA384": ("sha384", 32)}
"""By the end of a suite's name: what keys are derived with, and how long one is."""

_RANDOM = slice(11, 43)
"""Where the random bytes of a hello are in its record."""


class ForgingRequestor:
    """Shakes hands in TLS 1.2 and then writes records of any type.

    Args:
        folder: for a file with the session's secret.
    """

    def __init__(self, folder: Path) -> None:
        """Make the session."""
        context = calling(version="TLSv1.2")
        context.set_ciphers("ECDHE+AESGCM")
        self._secrets = folder / "secrets"
        context.keylog_filename = str(self._secrets)
        self.session = TlsSession(context, server_side=False)
        self._sequence = 1  # its Finished was the first record under the keys

    def shake(self, exchange: Callable[[bytes], bytes]) -> None:
        """Shake hands; `exchange` sends bytes and returns some of the peer's answer."""
        session, hellos = self.session, [b"", b""]
        while not session.handshake():
            said = session.outgoing()
            heard = exchange(said)
            hellos = [mine + new for mine, new in zip(hellos, (said, heard), strict=True)]
            session.feed(heard)
        assert session.facts is not None
        digest, size = _KINDS[session.facts.cipher.rpartition("-")[2]]
        client_random, server_random = (hello[_RANDOM] for hello in hellos)
        words = self._secrets.read_text(encoding="ascii").split()
        master = bytes.fromhex(words[words.index(client_random.hex()) + 1])
        block = _expand(digest, master, b"key expansion" + server_random + client_random)
        self._cipher = AESGCM(block[:size])
        self._salt = block[2 * size : 2 * size + 4]

    def record(self, kind: int, content: bytes) -> bytes:
        """Return a record of a type."""
        number = self._sequence.to_bytes(8, "big")
        self._sequence += 1
        head = bytes([kind]) + b"\3\3"
        sealed = self._cipher.encrypt(
            self._salt + number, content, number + head + len(content).to_bytes(2, "big")
        )
        return head + (8 + len(sealed)).to_bytes(2, "big") + number + sealed


def _expand(digest: str, secret: bytes, seed: bytes, size: int = 256) -> bytes:
    """Return bytes of the pseudo-random function (RFC 5246 5)."""

    def keyed(data: bytes) -> bytes:
        return hmac.new(secret, data, getattr(hashlib, digest)).digest()

    out, step = b"", seed
    while len(out) < size:
        step = keyed(step)
        out += keyed(step + seed)
    return out
