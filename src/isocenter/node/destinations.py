"""Where a node moves objects to: which destinations it knows, and who may ask for which.

Owns DCMTK's restrictions of move targets and the reason in a refusal. Must not know how a
sub-association is made.

PS3.4 C.4.2.1.5 (A801); DCMTK's --move-aetitle, --move-host, --move-vendor.
"""

from __future__ import annotations

from isocenter.dimse.status import MOVE_DESTINATION_UNKNOWN
from isocenter.errors import DimseFailure
from isocenter.ul.admission import RequestFacts

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.node.config import NodeConfig, Peer
    from isocenter.services.plans import MoveDestination, RetrieveRequest

__all__ = ["ANYWHERE", "SAME_HOST", "SAME_TITLE", "SAME_VENDOR", "Destinations"]

ANYWHERE = "everybody"
SAME_TITLE = "the title that asks"
SAME_HOST = "the host that asks"
SAME_VENDOR = "peers of the vendor that asks"
"""Restrictions, in the words for who may be moved to."""


class Destinations:
    """The destinations of a node; for any thread.

    Args:
        config: the node's peers.
        restriction: `ANYWHERE`, `SAME_TITLE`, `SAME_HOST` or `SAME_VENDOR`.
        make: peer and own title to a destination.
        comes_from: tells whether a requestor comes from a host; see `titles.TitleAdmission`.
    """

    __slots__ = ("_comes_from", "_config", "_make", "_restriction")

    def __init__(
        self,
        config: NodeConfig,
        restriction: str,
        make: Callable[[Peer, str], MoveDestination],
        comes_from: Callable[[RequestFacts, str], bool],
    ) -> None:
        """Keep the arguments."""
        self._config = config
        self._restriction = restriction
        self._make = make
        self._comes_from = comes_from

    def of(self, request: RetrieveRequest) -> MoveDestination | None:
        """Return where a request sends to, None for C-GET.

        Raises:
            DimseFailure: the destination is not known, or not for who asks (A801).
        """
        title = request.destination
        if title is None:
            return None
        peer = self._config.destination(title)
        if peer is None:
            raise DimseFailure(MOVE_DESTINATION_UNKNOWN, f"unknown destination {title}")
        if not peer.port:
            raise DimseFailure(MOVE_DESTINATION_UNKNOWN, f"no port is known of {title}")
        if not self._is_allowed(peer, request):
            raise DimseFailure(
                MOVE_DESTINATION_UNKNOWN, f"{title}: moves go to {self._restriction} only"
            )
        return self._make(peer, request.called_ae_title)

    def _is_allowed(self, peer: Peer, request: RetrieveRequest) -> bool:
        if self._restriction == SAME_TITLE:
            return peer.ae_title == request.calling_ae_title
        if self._restriction == SAME_HOST:
            return self._comes_from(RequestFacts(peer_address=request.peer_address), peer.host)
        if self._restriction == SAME_VENDOR:
            vendors = set(self._config.vendors_of(peer.ae_title))
            return not vendors.isdisjoint(self._config.vendors_of(request.calling_ae_title))
        return True
