"""The Verification service class, both sides (PS3.4 annex A, PS3.7 9.1.5)."""

from __future__ import annotations

from isocenter.dimse.commands import CEchoRQ, CEchoRSP
from isocenter.errors import NegotiationError
from isocenter.services.exchange import exchange
from isocenter.uids import VERIFICATION

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.net.association import Association
    from isocenter.services.providers import EchoRequest

__all__ = ["AlwaysVerified", "echo", "verify"]


def echo(association: Association) -> int:
    """Send a C-ECHO on the first accepted Verification context and return the status.

    Raises:
        As `verify`.
    """
    return verify(association).status


def verify(association: Association) -> CEchoRSP:
    """Send a C-ECHO on the first accepted Verification context and return the response.

    Raises:
        NegotiationError: no such context was accepted.
        AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no answer came.

    PS3.7 9.1.5.
    """
    contexts = association.contexts.values()
    context = next((c for c in contexts if c.abstract_syntax == VERIFICATION), None)
    if context is None:
        msg = "the peer did not accept Verification"
        raise NegotiationError(msg, abstract_syntax=VERIFICATION)
    request = CEchoRQ(
        message_id=association.session.next_message_id(),
        affected_sop_class_uid=VERIFICATION,
        has_data_set=False,
    )
    return exchange(association, context.context_id, request, CEchoRSP)


class AlwaysVerified:
    """The provider that answers every C-ECHO with success."""

    def echo(self, request: EchoRequest) -> int:
        """Return success (0000)."""
        del request
        return 0
