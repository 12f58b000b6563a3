"""What is answered to a request that is not served: without a thread, without an association.

Owns the answer's bytes. Must not know sockets, nor why there is no room.

PS3.8 9.3.4, Table 9-21 (transient, service provider, local limit exceeded); 9.3.8.
"""

from __future__ import annotations

import time

from isocenter.record import NamedTuple
from isocenter.ul.connection import Connection
from isocenter.ul.events import AssociateIndication
from isocenter.ul.pdu import AAssociateRJ, RejectReason, RejectResult, RejectSource

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.ul.events import Event
    from isocenter.ul.options import EngineOptions

__all__ = ["Refusal", "refusal"]

_NO_ROOM = AAssociateRJ(
    result=RejectResult.REJECTED_TRANSIENT,
    source=RejectSource.SERVICE_PROVIDER_PRESENTATION,
    reason=RejectReason.PRESENTATION_LOCAL_LIMIT_EXCEEDED,
)


class Refusal(NamedTuple):
    """What a peer said, and the answer.

    Fields: `event` the engine's, None where the bytes are no whole PDU; `answer` A-ASSOCIATE-RJ to
    a request, A-ABORT to what breaks the protocol, nothing to what is not whole.
    """

    event: Event | None
    answer: bytes


def refusal(received: bytes, options: EngineOptions) -> Refusal:
    """Return what to answer to the bytes that a peer began with."""
    now = time.monotonic()
    engine = Connection(requestor=False, options=options)
    engine.transport_connected(now)
    engine.feed(received, now)
    event = engine.next_event()
    if isinstance(event, AssociateIndication):
        engine.reject(_NO_ROOM, now)
    parts = engine.segments_to_send(4096)
    return Refusal(event, b"".join(bytes(part) for part in parts if not isinstance(part, tuple)))
