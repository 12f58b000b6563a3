"""What a service asks of whoever provides it: one Protocol and one request type a service.

A provider returns a DIMSE status. To fail it raises `DimseFailure` (status, comment,
offending elements); any other exception becomes the service's generic failure. To end the
association without an answer it raises `AbortAssociation`.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.dimse.messages import DataReceived
from isocenter.errors import AssociationReleased, DataSetError, TimeoutExpired
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from pydicom.dataset import Dataset

    from isocenter.dimse.commands import CEchoRQ, CFindRQ, CGetRQ, CMoveRQ, CStoreRQ
    from isocenter.net.association import Association
    from isocenter.net.tls import TlsFacts
    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.ul.pdu import AAssociateRQ
    from isocenter.wire import Segment
else:
    Protocol = object

__all__ = [
    "AbortAssociation",
    "EchoRequest",
    "FindMatch",
    "FindProvider",
    "FindRequest",
    "IdentifierRequest",
    "StopServing",
    "StorageProvider",
    "StoreRequest",
    "VerificationProvider",
]

_MAXIMUM_READ = 1 << 31


class AbortAssociation(Exception):
    """Raised by a provider to abort the association instead of answering (PS3.8 7.3)."""


class StopServing(Exception):
    """Raised within an operation of many responses where the server was asked to stop."""


class EchoRequest:
    """A C-ECHO to answer (PS3.7 9.1.5).

    Attributes:
        association: the association's request, as negotiated facts.
        context: the presentation context it came on.
        command: the C-ECHO-RQ.
        peer_address: ``host:port`` of the peer.
        tls: what was agreed on, and the peer's certificate, where TLS is spoken; else None.
    """

    __slots__ = ("association", "command", "context", "peer_address", "tls")

    def __init__(
        self, association: Association, context: AcceptedContext, command: CEchoRQ
    ) -> None:
        """Gather the facts."""
        self.association: AAssociateRQ | None = association.request
        self.context = context
        self.command = command
        self.peer_address = association.peer_address
        self.tls: TlsFacts | None = association.tls


class StoreRequest:
    """A C-STORE to perform, with its data set still on the way (PS3.7 9.1.1).

    The data set is pulled with exactly one of `fragments`, `read` or `dataset`; what a provider
    leaves unread is read and dropped before the response.

    Attributes:
        association: the association's request, with both AE titles.
        context: the presentation context: SOP class and transfer syntax of the data set.
        command: the C-STORE-RQ.
        peer_address: ``host:port`` of the peer.
    """

    __slots__ = (
        "_complete",
        "_driver",
        "association",
        "command",
        "context",
        "deferred",
        "peer_address",
    )

    def __init__(
        self, association: Association, context: AcceptedContext, command: CStoreRQ
    ) -> None:
        """Gather the facts; nothing is read yet."""
        self._driver = association
        self._complete = not command.has_data_set
        self.deferred: list[Callable[[], None]] = []
        self.association: AAssociateRQ | None = association.request
        self.context = context
        self.command = command
        self.peer_address = association.peer_address

    @property
    def tls(self) -> TlsFacts | None:
        """What was agreed on, and the peer's certificate, where TLS is spoken; else None."""
        return self._driver.tls

    @property
    def sop_class_uid(self) -> str:
        """Affected SOP Class UID of the request."""
        return self.command.affected_sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """Affected SOP Instance UID of the request, as sent: a peer may put anything into it."""
        return self.command.affected_sop_instance_uid

    @property
    def transfer_syntax_uid(self) -> str:
        """Transfer syntax of the data set."""
        return self.context.transfer_syntax

    @property
    def calling_ae_title(self) -> str:
        """AE title of the sender, without padding."""
        return normalise(self.association.calling_ae_title) if self.association is not None else ""

    @property
    def called_ae_title(self) -> str:
        """AE title that the sender called, without padding."""
        return normalise(self.association.called_ae_title) if self.association is not None else ""

    @property
    def peer_host(self) -> str:
        """Address of the sender without its port."""
        return self.peer_address.rpartition(":")[0].strip("[]") or self.peer_address

    @property
    def association_number(self) -> int:
        """A number that no other association has, in whichever process of the server."""
        return self._driver.number

    @property
    def complete(self) -> bool:
        """True once the last fragment was read."""
        return self._complete

    @property
    def inside_fragment(self) -> bool:
        """True while the last view of what `fragments` yielded is not the end of its fragment."""
        return self._driver.inside_fragment

    def fragments(self) -> Iterator[list[memoryview]]:
        """Yield the data set's bytes in order as lists of views, ready for `writev`.

        The views of one step live until the next one is asked for. The bytes are the encoded data
        set in the context's transfer syntax, without preamble or File Meta Information.

        Raises:
            AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
                PeerProtocolError: the rest will not come; what was received is not an object.
        """
        driver = self._driver
        while not self._complete:
            try:
                incoming = driver.receive(driver.dimse_timeout)
            except TimeoutExpired:
                driver.abort()
                raise
            if type(incoming) is DataReceived:
                if incoming.is_last:
                    self._complete = True
                yield incoming.fragments
            else:
                driver.abort()
                msg = "the peer asked for release in the middle of a data set"
                raise AssociationReleased(msg)

    def read(self, maximum_length: int = _MAXIMUM_READ) -> bytes:
        """Return the whole data set as bytes.

        Args:
            maximum_length: bytes that may be held in memory; default 2 GiB.

        Raises:
            DataSetError: the data set is longer.
            As `fragments`.
        """
        parts: list[bytes] = []
        length = 0
        for views in self.fragments():
            for view in views:
                length += len(view)
                if length > maximum_length:
                    msg = f"data set longer than {maximum_length} bytes"
                    raise DataSetError(msg)
                parts.append(bytes(view))
        return b"".join(parts)

    def dataset(self, maximum_length: int = _MAXIMUM_READ) -> Dataset:
        """Return the data set as a pydicom `Dataset`, decoded with the context's transfer syntax.

        Raises:
            DataSetError: pydicom cannot read it.
            As `read`.
        """
        from isocenter.dataset.bridge import decode_dataset

        return decode_dataset(self.read(maximum_length), self.transfer_syntax_uid)

    def defer(self, action: Callable[[], None]) -> None:
        """Have `action` called once the response is sent, while the peer is busy.

        For what the answer need not wait for. Actions are called in their order, also where
        there was no response because the association ended; what one raises is logged.
        """
        self.deferred.append(action)

    def drain(self) -> None:
        """Read and drop what is left of the data set.

        Raises:
            As `fragments`.
        """
        for _ in self.fragments():
            pass


class IdentifierRequest:
    """A request that comes with an identifier: C-FIND, C-GET or C-MOVE (PS3.4 C.4).

    Attributes:
        association: the association's request, with both AE titles.
        context: the presentation context: SOP class and transfer syntax of the identifiers.
        command: the request.
        identifier: the encoded data set of the request, in the context's transfer syntax.
        peer_address: ``host:port`` of the peer.
        tls: what was agreed on, and the peer's certificate, where TLS is spoken; else None.
    """

    __slots__ = ("association", "command", "context", "identifier", "peer_address", "tls")

    def __init__(
        self,
        association: Association,
        context: AcceptedContext,
        command: CFindRQ | CGetRQ | CMoveRQ,
        identifier: bytes,
    ) -> None:
        """Gather the facts."""
        self.association: AAssociateRQ | None = association.request
        self.context = context
        self.command = command
        self.identifier = identifier
        self.peer_address = association.peer_address
        self.tls: TlsFacts | None = association.tls

    @property
    def sop_class_uid(self) -> str:
        """The information model, as the context says it: a request may name another one."""
        return self.context.abstract_syntax

    @property
    def transfer_syntax_uid(self) -> str:
        """Transfer syntax of the identifier, and of identifiers in responses."""
        return self.context.transfer_syntax

    @property
    def calling_ae_title(self) -> str:
        """AE title of who asks, without padding."""
        return normalise(self.association.calling_ae_title) if self.association is not None else ""

    @property
    def called_ae_title(self) -> str:
        """AE title that was called, without padding."""
        return normalise(self.association.called_ae_title) if self.association is not None else ""

    @property
    def peer_host(self) -> str:
        """Address of who asks without its port."""
        return self.peer_address.rpartition(":")[0].strip("[]") or self.peer_address

    def match(self, dataset: Dataset, *, is_partial: bool = False) -> FindMatch:
        """Return a pydicom `Dataset` as a match, encoded as agreed on the context.

        Raises:
            DataSetError: pydicom cannot write it.
        """
        from isocenter.dataset.bridge import encode_dataset

        return FindMatch(encode_dataset(dataset, self.transfer_syntax_uid), is_partial)

    def dataset(self) -> Dataset:
        """Return the identifier as a pydicom `Dataset`.

        Raises:
            DataSetError: pydicom cannot read it.
        """
        from isocenter.dataset.bridge import decode_dataset

        return decode_dataset(self.identifier, self.transfer_syntax_uid)


class FindRequest(IdentifierRequest):
    """A C-FIND to answer (PS3.7 9.1.2); see `IdentifierRequest`."""

    __slots__ = ()

    command: CFindRQ


class FindMatch(NamedTuple):
    """One match of a query.

    Fields:
        identifier: the encoded data set, in the context's transfer syntax.
        is_partial: True where keys of the request are not supported, for existence or for matching;
            the response is then FF01 instead of FF00 (PS3.4 C.4.1.1.4).
    """

    identifier: bytes | tuple[Segment, ...]
    is_partial: bool = False


class VerificationProvider(Protocol):
    """Answers C-ECHO (PS3.4 annex A)."""

    def echo(self, request: EchoRequest) -> int:
        """Return the status, 0 for success."""


class StorageProvider(Protocol):
    """Performs C-STORE (PS3.4 annex B)."""

    def store(self, request: StoreRequest) -> int:
        """Take the object over and return the status; 0 means it is kept (PS3.4 B.2.3).

        Raises:
            DimseFailure: to answer with that status and comment.
            AbortAssociation: to abort instead of answering.
        """


class FindProvider(Protocol):
    """Answers C-FIND (PS3.4 C.4.1)."""

    def find(self, request: FindRequest) -> Iterator[FindMatch | list[FindMatch] | None]:
        """Yield the matches; closed where the peer cancels or the association ends.

        Each is sent before the next is asked for. A list holds matches that go out together,
        which is faster where there are many at once.

        None says that there is nothing yet: whoever searches for long yields it now and then, so
        that a C-CANCEL is heard.

        Raises:
            DimseFailure: to end with that status and comment, before or between matches.
            AbortAssociation: to abort instead of answering.
        """
