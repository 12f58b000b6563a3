"""The storage provider that makes a file of each object.

Joins the Storage service (`services`) with the spool (`storage`). What a tool does beside
it, dots or pauses, comes in through `Reception`.
"""

from __future__ import annotations

from isocenter.logs import get_logger
from isocenter.storage.placing import Origin

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from isocenter.services.providers import StoreRequest
    from isocenter.storage.receive import Receiver
else:
    Protocol = object

__all__ = ["FileStorage", "Reception"]

_LOGGER = get_logger(__name__)


class Reception(Protocol):
    """Told about one object as it arrives; may raise `AbortAssociation`."""

    def piece(self, count: int) -> None:
        """`count` fragments were written."""

    def complete(self) -> None:
        """The data set is complete; its file is not published yet."""


class FileStorage:
    """Writes each object to a file, published under its final name whole or not at all.

    Args:
        receiver: names and writes the files; shared by all threads.
        reception: makes what is told about each object; None for nothing.
    """

    __slots__ = ("_receiver", "_reception")

    def __init__(
        self, receiver: Receiver, reception: Callable[[], Reception] | None = None
    ) -> None:
        """Keep the arguments."""
        self._receiver = receiver
        self._reception = reception

    def close(self) -> None:
        """Give the directory back; nothing can be stored afterwards."""
        self._receiver.close()

    def store(self, request: StoreRequest) -> int:
        """Write the object and return success (0000).

        Raises:
            StorageError: it could not be written; nothing is left of it.
            As `StoreRequest.fragments` and `Reception`; nothing is left of it either.
        """
        reception = None if self._reception is None else self._reception()
        written = self._receiver.begin(
            origin=Origin(
                request.association_number,
                request.calling_ae_title,
                request.called_ae_title,
                request.peer_host,
            ),
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
        )
        try:
            for fragments in request.fragments():
                written.write(fragments)
                if reception is not None:
                    reception.piece(len(fragments))
            if reception is not None:
                reception.complete()
            stored = written.finish()
        except BaseException:
            written.discard()
            raise
        request.defer(self._receiver.prepare)
        for level, text in stored.notes:
            if _LOGGER.isEnabledFor(level):
                _LOGGER.log(level, "%s", text)
        return 0
