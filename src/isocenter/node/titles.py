"""Who may associate with which title of a node: a judge of requests by its table of entities.

Owns how a peer's host is compared and what a refused peer is told. Must not know how the table
was read, nor the other doors of a server (`isocenter.security`).

The name that a table has for a host is looked up, and the peer has to come from one of its
addresses. DCMTK's dcmqrscp looks up the name of the address instead, which whoever runs the
reverse zone of that address may choose.

    1/1/7  no entity has the called title
    1/1/3  the calling title is none of its peers, or comes from another host

PS3.8 9.3.4.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.logs import get_logger
from isocenter.net.resolver import Resolver, addresses_of
from isocenter.security.hosts_patterns import parse_address
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.node.config import NodeConfig
    from isocenter.ul.admission import RequestFacts
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["TitleAdmission", "host_addresses"]

_LOGGER = get_logger(__name__)


def host_addresses(look_up: Callable[[str], tuple[str, ...]] = addresses_of) -> Resolver:
    """Return what knows the addresses of names, separated by blanks; the name where it has none.

    Outcomes are remembered, and who asks waits for 2 s at most.
    """
    return Resolver(lambda name: " ".join(look_up(name)), edit=str)


class TitleAdmission:
    """Lets in whom a node's table of entities lets in; for any thread.

    Args:
        config: the table.
        addresses: as `host_addresses` returns it; None to look up no names, so that only
            addresses in the table match.
    """

    __slots__ = ("_addresses", "_config")

    def __init__(self, config: NodeConfig, addresses: Resolver | None) -> None:
        """Keep the arguments; nothing is looked up."""
        self._config = config
        self._addresses = addresses

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> AAssociateRJ | None:
        """As `services.admission.Admission`; logs whom it refuses."""
        called = normalise(request.called_ae_title)
        calling = normalise(request.calling_ae_title)
        if self._config.entity(called) is None:
            why, reason = "no such title here", RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED
        elif not self._config.admits(called, calling, lambda host: self.comes_from(facts, host)):
            why = "title and host are not among its peers"
            reason = RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED
        else:
            return None
        _LOGGER.info(
            "refused association of %a at %s with %a: %s",
            calling,
            facts.host or "unknown address",
            called,
            why,
        )
        return rejection(reason)

    def comes_from(self, facts: RequestFacts, host: str) -> bool:
        """Tell whether a requestor comes from a host, given by name or address."""
        own = parse_address(facts.host)
        if own is None:
            return False
        address = parse_address(host)
        if address is not None:
            return address == own
        if self._addresses is None:
            return False
        found = self._addresses.name(host.lower()).split()
        return any(parse_address(text) == own for text in found)
