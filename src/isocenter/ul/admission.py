"""Who asks for an association, and what can be said to that beside the contexts' negotiation.

Owns the facts that a judge gets and the kinds of verdict; `services.admission` is whoever asks
judges, `security` has them. Must not know connections: facts are plain values.

PS3.8 9.3.4, PS3.7 D.3.3.7.
"""

from __future__ import annotations

from isocenter.record import Record
from isocenter.ul.pdu import AAssociateRJ

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["RequestFacts", "UserIdentityAC", "Verdict"]


class RequestFacts(Record):
    """What is known of a requestor besides its request.

    Fields:
        peer_address: where it comes from, ``host:port``; without colon where it has no address.
        is_encrypted: the connection is one of TLS.
        peer_certificate: the certificate it proved to own, in DER; None where it showed none, or
            the connection is not one of TLS. Its chain was verified as the server was told to.
    """

    peer_address: str = "unknown"
    is_encrypted: bool = False
    peer_certificate: bytes | None = None

    @property
    def host(self) -> str:
        """The peer's address without port, "" where it has none."""
        return self.peer_address.rpartition(":")[0]


class UserIdentityAC(Record, hidden=("server_response",)):
    """The server response to a user identity that was looked at and found good.

    It is sent where the requestor asked for a positive response, else it is not.

    Fields:
        server_response: what the response item carries; empty for user names, a ticket, an
            assertion or a token for the other kinds.

    PS3.7 D.3.3.7.2.
    """

    server_response: bytes = b""


Verdict: TypeAlias = AAssociateRJ | UserIdentityAC | None
"""A rejection, the answer to a user identity, or nothing to say."""
