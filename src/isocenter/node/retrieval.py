"""Files as objects of a retrieve: what `services.retrieve_scp` sends, through `sender`'s eyes.

Joins the retrieve service, which knows contexts and no files, with the modules that read and
encode files to be sent. Owns which transfer syntaxes a file can be converted to for that. Must
not know how files are found.

PS3.4 C.4.2.2, C.4.3.2; PS3.5 A.4.
"""

from __future__ import annotations

from isocenter.errors import DataSetError
from isocenter.record import Record
from isocenter.sender.decoding import Decoders
from isocenter.sender.encoding import EncodingOptions, encode
from isocenter.sender.prepare import prepare
from isocenter.sender.proposal import CONVERTIBLE
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isocenter.sender.decoding import Decoding
    from isocenter.sender.prepare import PreparedFile
    from isocenter.wire import Segment

__all__ = ["FileInstance", "FileSender"]

_UNCOMPRESSED = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
"""What any of them, and every compressed image that can be decoded, is converted to; the last two
where a peer that was asked for objects by C-GET would have nothing else."""


class FileSender:
    """Makes instances of files for one retrieve; `close` is the end of its plan.

    Args:
        options: how data sets are written where they must be written anew.
        targets: transfer syntaxes that objects may be converted to, the best first.

    Processes that decode are started with the first object that needs one, and serve one thread.
    """

    def __init__(
        self,
        options: EncodingOptions | None = None,
        *,
        targets: Sequence[str] = _UNCOMPRESSED,
    ) -> None:
        """Start nothing."""
        self._targets = tuple(targets)
        self.options = EncodingOptions() if options is None else options
        self.decoders = Decoders()
        self._alternatives: dict[str, tuple[str, ...]] = {}

    def instance(
        self, path: str, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> FileInstance:
        """Return a file as part of a plan; it is opened when its turn comes."""
        return FileInstance(
            sender=self,
            path=path,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )

    def alternatives(self, transfer_syntax_uid: str) -> Sequence[str]:
        """Return what objects of a transfer syntax can be converted to, the best first."""
        known = self._alternatives.get(transfer_syntax_uid)
        if known is None:
            if transfer_syntax_uid in CONVERTIBLE:
                known = tuple(uid for uid in self._targets if uid != transfer_syntax_uid)
            else:
                from isocenter.dataset.transcode import can_decode

                known = self._targets if can_decode(transfer_syntax_uid) else ()
            self._alternatives[transfer_syntax_uid] = known
        return known

    def close(self) -> None:
        """End the processes that decode."""
        self.decoders.close()


class FileInstance(Record):
    """An object in a file, as an index knows it."""

    sender: FileSender
    path: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    def alternatives(self) -> Sequence[str]:
        """Return the transfer syntaxes that it can be converted to, the best first."""
        return self.sender.alternatives(self.transfer_syntax_uid)

    def open(self) -> _OpenFile:
        """Open the file and see that it is what was said of it, and whole.

        Raises:
            DataSetError: it is not.
            OSError: it cannot be read.
        """
        prepared = prepare(self.path)
        found = prepared.sop_class_uid, prepared.sop_instance_uid, prepared.transfer_syntax_uid
        if found != (self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid):
            prepared.close()
            raise DataSetError("another object is in its file")
        return _OpenFile(self.sender, prepared)


class _OpenFile:
    """An object whose file is open, or in memory."""

    __slots__ = ("_decoding", "_prepared", "_sender")

    def __init__(self, sender: FileSender, prepared: PreparedFile) -> None:
        """Take the file over."""
        self._sender = sender
        self._prepared = prepared
        self._decoding: Decoding | None = None

    def data(self, transfer_syntax_uid: str) -> Iterable[Segment]:
        """Return the data set in a transfer syntax: as it is, rewritten, or decoded.

        Raises:
            DataSetError, OSError: it cannot be.
        """
        prepared, options = self._prepared, self._sender.options
        prepared.check_unchanged()
        own = prepared.transfer_syntax_uid
        if own == transfer_syntax_uid or own in CONVERTIBLE:
            return encode(prepared, transfer_syntax_uid, options=options).data
        self._decoding = self._sender.decoders.begin(prepared, transfer_syntax_uid, options)
        return self._decoding.finish().data

    def close(self) -> None:
        """Give back file and frames."""
        if self._decoding is not None:
            self._decoding.close()
        self._prepared.close()
