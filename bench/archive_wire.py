"""C-FIND by hand: what a client costs is then the same for every archive, and little.

PS3.8 9.3, PS3.7 9.3.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bench.archive_servers import TITLE
from bench.processes import BenchError
from bench.wire import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Querier"]

_FIND = b"1.2.840.10008.5.1.4.1.2.2.1"  # Study Root
_IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = b"2.25.140391126433471583094131247206573145"
_PENDING = {0xFF00, 0xFF01}


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _associate_rq() -> bytes:
    context = b"\1\0\0\0" + _item(0x30, _FIND) + _item(0x40, _IMPLICIT_LITTLE_ENDIAN)
    user = _item(0x51, struct.pack(">I", 131_072)) + _item(0x52, _IMPLEMENTATION)
    fixed = struct.pack(">Hxx16s16s32x", 1, TITLE.encode().ljust(16), b"BENCH".ljust(16))
    items = _item(0x10, _APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return _pdu(0x01, fixed + items)


def _find_rq(keys: Iterable[tuple[int, str]]) -> bytes:
    command = (
        _element(0x0002, _FIND + b"\0")
        + _element(0x0100, struct.pack("<H", 0x0020))
        + _element(0x0110, struct.pack("<H", 1))
        + _element(0x0700, struct.pack("<H", 0))
        + _element(0x0800, struct.pack("<H", 0x0001))
    )
    command = _element(0x0000, struct.pack("<I", len(command))) + command
    identifier = b""
    for tag, value in sorted(keys):
        data = value.encode("ascii")
        if len(data) % 2:
            data += b" " if tag >> 16 != 0x0020 else b"\0"
        identifier += _element(tag, data)
    parts = [(0x03, command), (0x02, identifier)]
    return b"".join(
        _pdu(0x04, struct.pack(">IBB", len(data) + 2, 1, kind) + data) for kind, data in parts
    )


def _status(command: bytes) -> int:
    """Return the status of a response.

    Raises:
        BenchError: it has none.
    """
    at = 0
    while at + 8 <= len(command):
        tag, length = struct.unpack_from("<2xHI", command, at)
        if tag == 0x0900:
            (status,) = struct.unpack_from("<H", command, at + 8)
            return int(status)
        at += 8 + length
    raise BenchError("a response without a status")


class Querier:
    """An association for Study Root FIND, held open.

    Args:
        port: of the archive.
        timeout: seconds that each answer may take.

    Raises:
        BenchError: the archive did not accept it.
        OSError: no connection, or no answer in time.
    """

    def __init__(self, port: int, *, timeout: float = 60) -> None:
        self._connection = connect(port, timeout=timeout)
        self._stream = self._connection.makefile("rb", buffering=1 << 18)
        try:
            self._associate()
        except BaseException:
            self.close()
            raise

    def _associate(self) -> None:
        self._connection.sendall(_associate_rq())
        kind, body = self._read()
        # Result 0 of context 1, PS3.8 9.3.3.2.
        if kind != 0x02 or b"\1\0\0\0\x40" not in body:
            raise BenchError(f"C-FIND was not accepted (PDU {kind:02x})")

    def _read(self) -> tuple[int, bytes]:
        head = self._stream.read(6)
        if len(head) < 6:
            raise BenchError("the archive closed the connection")
        kind, length = struct.unpack(">BxI", head)
        body = self._stream.read(length)
        if len(body) < length:
            raise BenchError("the archive closed the connection")
        return kind, body

    def find(self, keys: Iterable[tuple[int, str]]) -> int:
        """Return how many matches there are.

        Raises:
            BenchError: it failed.
            OSError: no answer in time.
        """
        self._connection.sendall(_find_rq(keys))
        matches, command = 0, b""
        while True:
            kind, body = self._read()
            if kind != 0x04:
                raise BenchError(f"expected P-DATA, got PDU {kind:02x}")
            at = 0
            while at < len(body):
                length, _, control = struct.unpack_from(">IBB", body, at)
                if control & 1:
                    command += body[at + 6 : at + 4 + length]
                at += 4 + length
                if control != 0x03:
                    continue
                status, command = _status(command), b""
                if status in _PENDING:
                    matches += 1
                elif status == 0:
                    return matches
                else:
                    raise BenchError(f"C-FIND ended with {status:04x}")

    def close(self) -> None:
        """Release as well as it goes and close."""
        try:
            self._connection.sendall(_pdu(0x05, bytes(4)))
        except OSError:
            pass
        finally:
            self._stream.close()
            self._connection.close()
