"""Who may associate, beyond titles that a policy lists: what an acceptor asks of judges.

Owns the interface, the order of several judges, and that a judge that fails lets nobody in. Must
not know by what they judge: addresses, certificates, users (`security`).

PS3.8 9.3.4, PS3.7 D.3.3.7.
"""

from __future__ import annotations

from isocenter.logs import get_logger
from isocenter.ul.admission import RequestFacts
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import AAssociateRJ, RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from isocenter.net.association import Association
    from isocenter.ul.admission import UserIdentityAC, Verdict
    from isocenter.ul.pdu import AAssociateRQ
else:
    Protocol = object

__all__ = ["Admission", "Admissions", "facts_of", "judged"]

_LOGGER = get_logger(__name__)


class Admission(Protocol):
    """Judges requests; called in the threads of associations, in several at a time.

    It may take as long as it needs: nothing but this association waits for it.
    """

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> Verdict:
        """Return what is to become of a request.

        Asked once for each request that nothing else speaks against: the policy's own rules come
        first. What is refused is logged here, with the reason; the peer is not told more than
        the rejection says.

        Returns:
            A rejection; the answer to the request's user identity; or None for nothing to say,
            by which a user identity stays unanswered, as PS3.7 D.3.3.7 allows.
        """


class Admissions:
    """Several judges, asked in order until one rejects.

    Args:
        admissions: the judges. Of several answers to a user identity the first is given.
    """

    __slots__ = ("_admissions",)

    def __init__(self, admissions: Iterable[Admission]) -> None:
        """Keep the judges."""
        self._admissions = tuple(admissions)

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> Verdict:
        """As `Admission`."""
        answer: UserIdentityAC | None = None
        for admission in self._admissions:
            verdict = admission.judge(facts, request)
            if isinstance(verdict, AAssociateRJ):
                return verdict
            answer = answer or verdict
        return answer


def facts_of(association: Association) -> RequestFacts:
    """Return what is known of the requestor of an association."""
    tls = association.tls
    if tls is None:
        return RequestFacts(peer_address=association.peer_address)
    return RequestFacts(
        peer_address=association.peer_address,
        is_encrypted=True,
        peer_certificate=tls.peer_certificate,
    )


def judged(admission: Admission, association: Association, request: AAssociateRQ) -> Verdict:
    """Return an admission's verdict; a transient rejection where it fails to give one."""
    try:
        return admission.judge(facts_of(association), request)
    except Exception:
        _LOGGER.exception(
            "nobody can tell whether %s may associate: refused", association.peer_address
        )
        return rejection(RejectReason.USER_NO_REASON, transient=True)
