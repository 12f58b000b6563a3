"""A picture of 8 bits a sample as a PNG file's bytes (ISO/IEC 15948).

Owns the chunks. Must not know what the picture shows.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = ["png_bytes"]

_GRAY, _RGB = 0, 2


def png_bytes(samples: Buffer, rows: int, columns: int, channels: int) -> bytes:
    """Return a PNG file.

    Args:
        samples: a byte each, color by pixel.
        rows: of the picture.
        columns: of the picture.
        channels: 1 for gray, 3 for RGB.

    Raises:
        ValueError: there are more samples, or fewer.
    """
    import zlib

    width = columns * channels
    if len(samples) != rows * width:
        raise ValueError(f"{len(samples)} samples, not {rows} x {columns} x {channels}")
    header = struct.pack(">IIBBBBB", columns, rows, 8, _GRAY if channels == 1 else _RGB, 0, 0, 0)
    deflater = zlib.compressobj(6)
    view = memoryview(samples)
    pieces = []
    for row in range(rows):
        # Each row begins with its filter: none. Others make files smaller, and take seconds.
        pieces.append(deflater.compress(b"\0"))
        pieces.append(deflater.compress(view[row * width : (row + 1) * width]))
    pieces.append(deflater.flush())
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", b"".join(pieces)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
