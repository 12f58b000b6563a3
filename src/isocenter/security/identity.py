"""Who asks: the user identity of a request, looked at by providers and judged.

Owns what a provider of identities is told and may answer, in which order several are asked, what
the log says about it, and that an identity that nobody vouches for is refused. Must not know how
passwords (`users`) or tokens (`tokens`) are tested. No line of the log has a passcode, a ticket, an
assertion or a token in it.

PS3.7 D.3.3.7, PS3.15 B.4 to B.7.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.logs import get_logger
from isocenter.record import Record
from isocenter.ul.admission import UserIdentityAC
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import RejectReason, UserIdentityType

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from isocenter.ul.admission import RequestFacts, Verdict
    from isocenter.ul.pdu import AAssociateRQ, UserIdentityRQ
else:
    Protocol = object

__all__ = [
    "IdentifiedUser",
    "IdentityAdmission",
    "IdentityClaim",
    "IdentityProvider",
    "IdentityRefused",
    "shown_name",
]

_LOGGER = get_logger(__name__)

_LONGEST_NAME = 64
"""Characters of a user's name that the log shows."""

_LONGEST_REASON = 500
_LONGEST_RESPONSE = 65000
"""Bytes that surely have room beside the other items of an acceptance (PS3.8 9.3.3.3)."""

_KINDS: dict[int, str] = {
    UserIdentityType.USERNAME: "a user name without passcode",
    UserIdentityType.USERNAME_AND_PASSCODE: "a user name with passcode",
    UserIdentityType.KERBEROS: "a Kerberos ticket",
    UserIdentityType.SAML: "a SAML assertion",
    UserIdentityType.JWT: "a JSON Web Token",
}


class IdentityClaim(Record, hidden=("primary_field", "secondary_field")):
    """What a request says about its user, and where it comes from; nothing of it is proven.

    Fields:
        kind: a `UserIdentityType`, or a number that the standard does not name.
        primary_field: user name (UTF-8), ticket, assertion or token.
        secondary_field: the passcode, where the kind has one.
        calling_ae_title: whom the request says it comes from.
        called_ae_title: whom it is for.
        facts: what is known of the connection: address, and certificate where it is one of TLS.

    PS3.7 D.3.3.7.1.
    """

    kind: int
    primary_field: bytes
    secondary_field: bytes
    calling_ae_title: str
    called_ae_title: str
    facts: RequestFacts


class IdentifiedUser(Record):
    """A user whom a provider vouches for.

    Fields:
        name: of the user, for the log.
        server_response: what is sent back where a positive response was requested: the server's
            ticket for Kerberos, the response of SAML, empty for the other kinds.

    PS3.7 D.3.3.7.2.
    """

    name: str
    server_response: bytes = b""


class IdentityRefused(Exception):
    """Raised by an `IdentityProvider`: this identity is not to be believed.

    Args:
        reason: for the log of this side, a sentence without its capital; the peer is told nothing.
        user: whose identity it was said to be, where that is known.
        transient: it could not be looked at now, and may be believed later.
    """

    def __init__(self, reason: str, *, user: str = "", transient: bool = False) -> None:
        """Keep the facts."""
        super().__init__(reason)
        self.reason = reason
        self.user = user
        self.transient = transient


class IdentityProvider(Protocol):
    """Vouches for users: `UserFile`, `TokenVerifier`, or something of your own.

    Called in the threads of associations, several at a time, and with a process for each
    association in that.
    """

    def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
        """Return who it is; None where this kind of identity is for another provider.

        Raises:
            IdentityRefused: it is for this provider, and not to be believed.
        """


class IdentityAdmission:
    """Judges requests by their user identity (`services.admission.Admission`).

    Args:
        providers: asked in order until one vouches or refuses.
        required: a request without identity is refused as well.
    """

    __slots__ = ("_providers", "_required")

    def __init__(self, providers: Iterable[IdentityProvider], *, required: bool) -> None:
        """Keep the arguments."""
        self._providers = tuple(providers)
        self._required = required

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> Verdict:
        """As `Admission`: the answer to an identity, a rejection, or None where there is none."""
        identity = request.user_information.user_identity
        if identity is None and not self._required:
            return None
        titles = normalise(request.calling_ae_title), normalise(request.called_ae_title)
        host = facts.host or "unknown address"
        try:
            user = self._identify(identity, facts, request)
        except IdentityRefused as refused:
            _LOGGER.warning(
                "refused association of %a at %s with %a: %s: %s",
                titles[0],
                host,
                titles[1],
                f"user '{shown_name(refused.user)}'" if refused.user else "user identity",
                shown_name(refused.reason, _LONGEST_REASON),
            )
            return rejection(RejectReason.USER_NO_REASON, transient=refused.transient)
        if len(user.server_response) > _LONGEST_RESPONSE:
            raise ValueError(f"a server response of more than {_LONGEST_RESPONSE} bytes")
        _LOGGER.info(
            "association of %a at %s with %a is of user '%s'",
            titles[0],
            host,
            titles[1],
            shown_name(user.name),
        )
        return UserIdentityAC(server_response=user.server_response)

    def _identify(
        self, identity: UserIdentityRQ | None, facts: RequestFacts, request: AAssociateRQ
    ) -> IdentifiedUser:
        """Ask the providers.

        Raises:
            IdentityRefused: there is no identity, one refuses it, or none knows this kind.
        """
        if identity is None:
            raise IdentityRefused("none is given, and one is required")
        kind = int(identity.user_identity_type)
        claim = IdentityClaim(
            kind=kind,
            primary_field=identity.primary_field,
            secondary_field=identity.secondary_field,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            facts=facts,
        )
        for provider in self._providers:
            user = provider.identify(claim)
            if user is not None:
                return user
        shown = _KINDS.get(kind, f"an identity of type {kind}")
        raise IdentityRefused(f"nothing here can verify {shown}")


def shown_name(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return what a peer calls somebody so that it is one short word of a log line."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1]
    )
    return shown if len(shown) <= longest else f"{shown[:longest]}..."
