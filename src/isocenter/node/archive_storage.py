"""The storage provider that takes objects into archives: what joins C-STORE with areas.

Joins the Storage service with the ingest of the area behind the title that was called. Must not
know options of a tool, nor how an object is indexed.

    0124  nothing may be stored under the title
    A700, A900, C000  as `archive.ingest` says

PS3.4 B.2.3.
"""

from __future__ import annotations

from isocenter.archive.ingest import Ingest
from isocenter.archive.store.filesystem import FileStore
from isocenter.dimse.status import NOT_AUTHORIZED
from isocenter.errors import DimseFailure
from isocenter.logs import get_logger
from isocenter.storage.placing import Origin

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isocenter.archive.area import Area
    from isocenter.archive.client import AreaWriter
    from isocenter.archive.ingest import Ingested
    from isocenter.node.files import Reception
    from isocenter.services.providers import StoreRequest
    from isocenter.storage.options import StorageOptions

__all__ = ["ArchiveStorage", "WritableArea"]

_LOGGER = get_logger(__name__)


class WritableArea:
    """A storage area that objects may be sent to; one for each, whatever its titles.

    Args:
        area: its options.
        writer: who writes its index.
        options: how objects are received; names and duplicates are the archive's.

    Used by any number of threads, and by processes forked after it was made.

    Raises:
        StorageError: the folder cannot be opened.
    """

    __slots__ = ("_store", "ingest")

    def __init__(self, area: Area, writer: AreaWriter, options: StorageOptions) -> None:
        """Open the folder."""
        self._store = FileStore(area)
        self.ingest = Ingest(area, self._store, writer, options)
        """Takes objects in."""

    def close(self) -> None:
        """Give the folder back."""
        self._store.close()


class ArchiveStorage:
    """Answers C-STORE by taking objects into the area behind the called title; for any thread.

    Args:
        areas: called AE title to the area that may be written under it.
        ignore: take the bytes and keep nothing (DCMTK's option --ignore).
        reception: makes what is told about each object; None for nothing.
        stored: told of each object that was stored.

    Implements `services.providers.StorageProvider`.
    """

    __slots__ = ("_areas", "_ignore", "_reception", "_stored")

    def __init__(
        self,
        areas: Mapping[str, WritableArea],
        *,
        ignore: bool = False,
        reception: Callable[[], Reception] | None = None,
        stored: Callable[[StoreRequest, Ingested], None] | None = None,
    ) -> None:
        """Keep the arguments."""
        self._areas = areas
        self._ignore = ignore
        self._reception = reception
        self._stored = stored

    def store(self, request: StoreRequest) -> int:
        """Take the object in and return success (0000): it is on disk and in the index.

        Raises:
            DimseFailure: nothing may be stored under the title.
            StorageError: as `Ingest.finish`; nothing that was stored before has changed.
            As `StoreRequest.fragments` and `Reception`; nothing is left of it either.
        """
        reception = None if self._reception is None else self._reception()
        if self._ignore:
            for fragments in request.fragments():
                if reception is not None:
                    reception.piece(len(fragments) - request.inside_fragment)
            if reception is not None:
                reception.complete()
            return 0
        title = request.called_ae_title
        area = self._areas.get(title)
        if area is None:
            raise DimseFailure(NOT_AUTHORIZED, f"nothing may be stored under the title {title}")
        ingested = self._take(request, area.ingest, reception)
        request.defer(area.ingest.receiver.prepare)
        for level, text in ingested.notes:
            if _LOGGER.isEnabledFor(level):
                _LOGGER.log(level, "%s", text)
        if self._stored is not None:
            self._stored(request, ingested)
        return 0

    @staticmethod
    def _take(request: StoreRequest, ingest: Ingest, reception: Reception | None) -> Ingested:
        calling = request.calling_ae_title
        received = ingest.begin(
            origin=Origin(
                request.association_number, calling, request.called_ae_title, request.peer_host
            ),
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
        )
        try:
            for fragments in request.fragments():
                received.write(fragments)
                if reception is not None:
                    reception.piece(len(fragments) - request.inside_fragment)
            if reception is not None:
                reception.complete()
            return ingest.finish(
                received,
                source=calling,
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
            )
        except BaseException:
            received.discard()
            raise
