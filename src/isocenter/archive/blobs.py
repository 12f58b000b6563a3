"""Attributes without a column, compressed: of a series once, of its instances the difference.

Owns the form. The rest of the first instance of a series is kept with the series; an instance
keeps what it has otherwise, and the tags that it has not. Must not know what the attributes mean.

A blob is b"" for nothing; else a byte, 0 for JSON as it is, 1 for deflated, 2 for deflated with
the series' JSON as the dictionary; then the JSON object (UTF-8) by tag; null for one that is not
there.
"""

from __future__ import annotations

import json
import zlib

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.archive.model import Json

__all__ = ["Base", "SeriesRest", "pack_series", "unpack"]

_PLAIN, _DEFLATED, _WITH_SERIES = range(3)
_SHORT = 64  # bytes that deflating does not make shorter
_MOST = 16 * 1024 * 1024  # bytes of a blob that was not written here


class Base:
    """The rest of a series, against which its instances are kept.

    Args:
        rest: attribute objects by tag, as text.
        text: the same as one JSON object.
    """

    __slots__ = ("_dictionary", "_rest")

    def __init__(self, rest: Mapping[str, str], text: bytes) -> None:
        """Keep both."""
        self._rest = rest
        self._dictionary = text[-32768:]

    @classmethod
    def of(cls, blob: bytes) -> Base:
        """Return that of a series which was written before."""
        text = _text(blob, b"")
        found: dict[str, Json] = json.loads(text) if text else {}
        dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        return cls({tag: dump(attribute) for tag, attribute in found.items()}, text)

    def pack(self, rest: Mapping[str, str]) -> bytes:
        """Return the blob of an instance."""
        base = self._rest
        # Set operations on views: of some 50 attributes few differ (bench/index.py).
        changes = [f'"{tag}":{fragment}' for tag, fragment in sorted(rest.items() - base.items())]
        changes += [f'"{tag}":null' for tag in sorted(base.keys() - rest.keys())]
        if not changes:
            return b""
        text = ("{" + ",".join(changes) + "}").encode()
        if len(text) <= _SHORT:
            return bytes((_PLAIN,)) + text
        if not self._dictionary:
            return bytes((_DEFLATED,)) + zlib.compress(text, 6, -15)
        deflater = zlib.compressobj(6, zlib.DEFLATED, -15, 8, 0, self._dictionary)
        return bytes((_WITH_SERIES,)) + deflater.compress(text) + deflater.flush()


def pack_series(rest: Mapping[str, str]) -> tuple[bytes, Base]:
    """Return the blob of a series, of its first instance's rest, and what others are kept by."""
    if not rest:
        return b"", Base({}, b"")
    text = ("{" + ",".join(f'"{tag}":{fragment}' for tag, fragment in rest.items()) + "}").encode()
    return bytes((_DEFLATED,)) + zlib.compress(text, 6, -15), Base(rest, text)


class SeriesRest:
    """The rest of a series, for reading that of its instances.

    Args:
        blob: of the series.
    """

    __slots__ = ("_base", "_dictionary", "blob")

    def __init__(self, blob: bytes) -> None:
        """Unpack it."""
        text = _text(blob, b"")
        self.blob = blob
        self._dictionary = text[-32768:]
        self._base: dict[str, Json] = json.loads(text) if text else {}

    def of(self, instance: bytes) -> dict[str, Json]:
        """Return attribute objects by tag: of an instance by its blob; b"" is the first one's."""
        if not instance:
            return self._base
        found = self._base | json.loads(_text(instance, self._dictionary))
        return {tag: attribute for tag, attribute in found.items() if attribute is not None}


def unpack(series: bytes, instance: bytes = b"") -> dict[str, Json]:
    """Return attribute objects by tag: of an instance, or of the first one of a series."""
    return SeriesRest(series).of(instance)


def _text(blob: bytes, dictionary: bytes) -> bytes:
    if not blob:
        return b""
    kind, body = blob[0], blob[1:]
    if kind == _PLAIN:
        return body
    if kind == _WITH_SERIES:
        return zlib.decompressobj(-15, dictionary).decompress(body, _MOST)
    return zlib.decompressobj(-15).decompress(body, _MOST)
