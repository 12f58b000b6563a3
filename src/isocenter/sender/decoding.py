"""Compressed data sets on their way out uncompressed.

Owns when frames begin to be decoded, and that a data set of moderate length is decoded to its end
before anything of it is sent: a frame that cannot be decoded then costs its file, not the
association. Must not know how frames are decoded (`dataset.transcode`), which is loaded with the
first file that needs it.

PS3.5 A.4.
"""

from __future__ import annotations

from isocenter.errors import DataSetError
from isocenter.sender.encoding import EncodedDataSet, conversion_options

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.transcode import DecodedDataSet, DecoderPool
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.prepare import PreparedFile

__all__ = ["Decoders", "Decoding"]

_IN_MEMORY = 16 * 1024 * 1024
"""Bytes, inclusive, of a result that is put together before it is sent."""


class Decoding:
    """A data set whose first frames are being decoded."""

    __slots__ = ("_decoded",)

    def __init__(self, decoded: DecodedDataSet) -> None:
        """Begin."""
        self._decoded = decoded
        decoded.begin()

    def finish(self) -> EncodedDataSet:
        """Return the data set: decoded, where it is not long; else it is while it is sent.

        Raises:
            DataSetError: a frame cannot be decoded, or the result cannot be sent.
            OSError: the file cannot be read.
        """
        decoded = self._decoded
        length = decoded.length
        if length is not None and length % 2:
            raise DataSetError(f"data set of odd length, {length} bytes (PS3.5 7.1.1)")
        if length is None or length > _IN_MEMORY:
            return EncodedDataSet(decoded.segments(), length)
        whole = b"".join(decoded.segments())
        return EncodedDataSet((whole,), len(whole))

    def close(self) -> None:
        """Give up what was begun; harmless after `finish`."""
        self._decoded.close()


class Decoders:
    """What decodes, started with the first data set that needs it."""

    __slots__ = ("_pool",)

    def __init__(self) -> None:
        """Start nothing."""
        self._pool: DecoderPool | None = None

    def begin(
        self, prepared: PreparedFile, transfer_syntax_uid: str, options: EncodingOptions
    ) -> Decoding:
        """Begin to decode a file's data set.

        Args:
            prepared: the file, open until the data set was sent.
            transfer_syntax_uid: of the result, one without compression.
            options: see there.

        Raises:
            DataSetError: it cannot be decoded.
            OSError: the file cannot be read, or no process can be started.
        """
        from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
        from isocenter.dataset.transcode import DecoderPool, open_decoder

        if self._pool is None:
            self._pool = DecoderPool()
        decoded = open_decoder(
            prepared.source,
            prepared.transfer_syntax_uid,
            conversion_options(prepared, transfer_syntax_uid, options),
            pool=self._pool,
            dictionary=options.dictionary or DEFAULT_DICTIONARY,
        )
        return Decoding(decoded)

    def close(self) -> None:
        """End what was started."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
