"""Files that a retrieve sends: read when it is their turn, converted only where they must be.

Joins what the archive knows of an object with the sender's preparing, encoding and decoding. Must
not know where files are, nor associations.

An object goes out as it is kept. Where the destination takes no transfer syntax that it is kept
in, uncompressed and deflated ones are rewritten, and compressed images decoded if that is
possible here.

PS3.4 C.4.2.2.1, C.4.3.2; PS3.5 A.
"""

from __future__ import annotations

from isocenter.errors import DataSetError
from isocenter.sender.encoding import AS_IT_IS, encode
from isocenter.sender.prepare import prepare
from isocenter.sender.proposal import CONVERTIBLE
from isocenter.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from isocenter.sender.decoding import Decoders, Decoding
    from isocenter.sender.prepare import PreparedFile
    from isocenter.wire import Segment

__all__ = ["StoredObject"]

_UNCOMPRESSED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
_DECODED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


class StoredObject:
    """An object in a file, as `services.plans.RetrieveInstance`.

    Args:
        path: of the file.
        sop_class_uid, sop_instance_uid, transfer_syntax_uid: what it is expected to be.
        decoders: gives what decodes, to those of one plan; None where nothing is decoded.

    Attributes:
        sop_class_uid, sop_instance_uid, transfer_syntax_uid: as given.
    """

    __slots__ = ("_decoders", "_path", "sop_class_uid", "sop_instance_uid", "transfer_syntax_uid")

    def __init__(
        self,
        path: str,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        decoders: Callable[[], Decoders] | None = None,
    ) -> None:
        """Keep the arguments; nothing is opened."""
        self._path = path
        self._decoders = decoders
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.transfer_syntax_uid = transfer_syntax_uid

    def alternatives(self) -> Sequence[str]:
        """Return the transfer syntaxes that it can be converted to, the best first."""
        own = self.transfer_syntax_uid
        if own in CONVERTIBLE:
            return tuple(uid for uid in _UNCOMPRESSED if uid != own)
        if self._decoders is None:
            return ()
        from isocenter.dataset.transcode import can_decode

        return _DECODED if can_decode(own) else ()

    def open(self) -> _OpenObject:
        """Open the file and look whether it is what is expected.

        Raises:
            DataSetError: it is something else, or no object at all.
            OSError: it cannot be read.
        """
        prepared = prepare(self._path)
        found = (prepared.sop_class_uid, prepared.sop_instance_uid, prepared.transfer_syntax_uid)
        if found != (self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid):
            prepared.close()
            raise DataSetError("the file holds another object than the index says")
        return _OpenObject(prepared, self._decoders)


class _OpenObject:
    """An object that is ready to be sent, as `services.plans.ObjectSource`."""

    __slots__ = ("_decoders", "_decoding", "_prepared")

    def __init__(self, prepared: PreparedFile, decoders: Callable[[], Decoders] | None) -> None:
        """Take the open file over."""
        self._prepared = prepared
        self._decoders = decoders
        self._decoding: Decoding | None = None

    def data(self, transfer_syntax_uid: str) -> Iterable[Segment]:
        """Return the encoded data set in its own transfer syntax or one of the alternatives.

        Raises:
            DataSetError: it cannot be written so.
            OSError: it cannot be read.
        """
        prepared = self._prepared
        prepared.check_unchanged()
        own = prepared.transfer_syntax_uid
        if transfer_syntax_uid == own or own in CONVERTIBLE or self._decoders is None:
            return encode(prepared, transfer_syntax_uid).data
        self._decoding = self._decoders().begin(prepared, transfer_syntax_uid, AS_IT_IS)
        return self._decoding.finish().data

    def close(self) -> None:
        """Give back the file and what decodes it."""
        if self._decoding is not None:
            self._decoding.close()
        self._prepared.close()
