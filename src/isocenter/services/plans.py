"""What the service of C-GET and C-MOVE asks of whoever provides it.

A provider says what is to be sent and where to, a plan; the service (`services.retrieve_scp`)
sends it and counts. It fails as every provider does (`services.providers`).

How an object is read and converted is the provider's, too: the service asks for its data set in
a transfer syntax that was agreed on and sends what it gets, segment by segment.

PS3.4 C.4.2, C.4.3.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.record import Record
from isocenter.services.providers import IdentifierRequest

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from isocenter.dimse.commands import CGetRQ, CMoveRQ
    from isocenter.net.tls import ClientTls
    from isocenter.ul.request import ProposedContext
    from isocenter.wire import Segment
else:
    Protocol = object

__all__ = [
    "MoveDestination",
    "ObjectSource",
    "RetrieveInstance",
    "RetrievePlan",
    "RetrieveProvider",
    "RetrieveRequest",
]


class RetrieveRequest(IdentifierRequest):
    """A C-GET or C-MOVE to plan (PS3.4 C.4.2.1, C.4.3.1); see `IdentifierRequest`."""

    __slots__ = ()

    command: CGetRQ | CMoveRQ

    @property
    def destination(self) -> str | None:
        """AE title that a C-MOVE is to send to, without padding; None for C-GET."""
        title: str | None = getattr(self.command, "move_destination", None)
        return None if title is None else normalise(title)


class ObjectSource(Protocol):
    """An object that is ready to be sent; used by one thread."""

    def data(self, transfer_syntax_uid: str) -> Iterable[Segment]:
        """Return the encoded data set: its own transfer syntax, or one of the alternatives.

        What is no tuple is asked for once, while it is sent.

        Raises:
            DataSetError: it cannot be sent so.
            OSError: it cannot be read.
        """

    def close(self) -> None:
        """Give back what it holds; its segments are not needed any more."""


class RetrieveInstance(Protocol):
    """An object of a plan; nothing of it is open yet."""

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID."""

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax in which it is kept, and is sent where that is accepted."""

    def alternatives(self) -> Sequence[str]:
        """Return the transfer syntaxes that it can be converted to, the best first."""

    def open(self) -> ObjectSource:
        """Make it ready to be sent.

        Raises:
            DataSetError: it is not what the plan says, or no object at all.
            OSError: it cannot be read.
        """


class MoveDestination(Record):
    """Where a C-MOVE sends to.

    Fields:
        host, port: name or address, and TCP port.
        ae_title: by which it is called.
        calling_ae_title: own title on the sub-association.
        tls: how to speak TLS, None to speak plain DICOM.
        family: ``auto``, ``ipv4`` or ``ipv6``.
        connect_timeout: seconds for the TCP connection, None for the system's own bound.
        acse_timeout: seconds to wait for the answer to association and release request.
        dimse_timeout: seconds to wait for the response to each object.
        maximum_length: bytes of P-DATA that this side bears in a PDU, 0 for unlimited.
    """

    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    tls: ClientTls | None = None
    family: str = "auto"
    connect_timeout: float | None = 10.0
    acse_timeout: float = 30.0
    dimse_timeout: float | None = 60.0
    maximum_length: int = 131072


class RetrievePlan(Record):
    """What a retrieve sends.

    Fields:
        instances: in the order to send them.
        destination: of a C-MOVE; None for C-GET, which sends on the association it came on.
        contexts: what a C-MOVE proposes to its destination; None for exactly what the instances
            are kept in and can be converted to.
        at_end: called once none of the instances is needed any more; None for nothing.
    """

    instances: Sequence[RetrieveInstance]
    destination: MoveDestination | None = None
    contexts: Sequence[ProposedContext] | None = None
    at_end: Callable[[], None] | None = None


class RetrieveProvider(Protocol):
    """Plans C-GET and C-MOVE (PS3.4 C.4.2, C.4.3)."""

    def plan(self, request: RetrieveRequest) -> RetrievePlan:
        """Return what is to be sent, and for a C-MOVE where to.

        Raises:
            DimseFailure: to answer with that status and comment, for instance A801 for a
                destination that is not known.
            AbortAssociation: to abort instead of answering.
        """
