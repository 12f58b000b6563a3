"""Fuzz target: the protocol names in a TLS ClientHello.

Nothing is raised, whatever the bytes are. Where they suffice for an answer, more bytes behind them
do not change it, nor does how the message is cut into records.
"""

from __future__ import annotations

import contextlib
import ssl
import struct

from isocenter.net.tls import ServerTls
from isocenter.net.tls_hello import offered_protocols

_NAMES = ((), ("dicom",), ("h2", "http/1.1", "dicom"), ("http/1.1",))


def hello_of(names: tuple[str, ...]) -> bytes:
    """Return what a requestor with Python's TLS sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(list(names) or ["x"])
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="pacs.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def seeds() -> list[bytes]:
    """Return hellos as OpenSSL writes them, whole and in small records, and older ones."""
    hellos = [hello_of(names) for names in _NAMES]
    old = b"\x03\x03" + bytes(32) + b"\0\0\2\x13\x01\1\0"
    message = b"\1" + len(old).to_bytes(3, "big") + old
    return [*hellos, *(_cut(hello[5:], 60) for hello in hellos), _cut(message, 100), b"\x16\x03"]


def _cut(message: bytes, size: int) -> bytes:
    """Return a message in records of so many bytes at most."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


def test_one_input(data: bytes) -> None:
    """Read one hello and check what follows from it."""
    offered = offered_protocols(data)
    if offered is not None:
        for more in (b"\0", b"\x16\x03\x01\0\5hello", data):
            if offered_protocols(data + more) != offered:
                raise AssertionError(f"{offered} with more bytes becomes something else")
    if ServerTls.may_answer(data) != (not offered or "dicom" in offered):
        raise AssertionError(f"{offered} is answered otherwise")
    middle = len(data) // 2
    early = offered_protocols(data[:middle])
    if early not in (None, offered):
        raise AssertionError(f"half of it says {early}, all of it {offered}")
    message = data[:2000]
    whole = offered_protocols(_cut(message, 1 << 14))
    if message and offered_protocols(_cut(message, 1 + len(data) % 40)) != whole:
        raise AssertionError(f"{whole} in other records becomes something else")
