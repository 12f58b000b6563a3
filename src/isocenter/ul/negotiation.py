"""The acceptor's decision and what both sides conclude from it, as pure functions.

Owns the rules by which a request becomes an acceptance or a rejection, and what request and
acceptance together mean: contexts, roles, operations window. Knows no bytes, states or
connections; SOP classes are only keys of the policy.

Rejections, in the order in which they are tested (result/source/reason):

    1/2/2  bit 0 of the protocol version is not set (9.3.2: only this bit is tested)
    1/1/1  `refuse`
    1/1/2  application context name is not DICOM's
    1/1/1  no presentation context is proposed; there is nothing to agree on
    1/1/7  called title not among `required_called_titles`
    1/1/3  calling title not among `known_calling_titles`
    1/1/1  `reject_without_implementation_uid` and there is none
    any    that of `admit`, which is asked last

Presentation contexts, each answered once per proposed item, in the order of the proposal:

    2  the ID is even or zero, or used by several items. The standard asks for odd and unique
       IDs and names no reaction; P-DATA on such an ID could not be told apart, so the provider
       refuses these contexts and serves the others.
    3  abstract syntax not in the policy, or not a UID at all, whatever the policy would say:
       what we answer must be encodable and safe to log
    4  no transfer syntax in common
    1  the policy leaves the requestor none of the roles it proposed for the SOP class
    0  otherwise, with the first of the acceptor's OWN list that the peer proposed

A blank title, which 9.3.2 forbids, is a title like any other: without a list it is welcome,
because modalities set up in haste send it and their images are no worse for it. DCMTK leaves a
request with a blank title or without contexts unanswered until the peer gives up; here the first
is served and the second rejected, which says at once what is wrong.

Refused contexts carry Implicit VR Little Endian: not significant, but some peers insist on a
valid UID. An association with no usable context is accepted; the peer releases it.

PS3.8 7.1, 9.3.2 to 9.3.4, annex B; PS3.7 D.3.
"""

from __future__ import annotations

from collections import Counter
from enum import IntFlag

from isocenter import aetitle
from isocenter.record import Record
from isocenter.ul.items import is_uid
from isocenter.ul.pdu import (
    APPLICATION_CONTEXT_NAME,
    AAssociateAC,
    AAssociateRJ,
    AsynchronousOperationsWindow,
    ContextResult,
    PresentationContextResult,
    RejectReason,
    RejectResult,
    RejectSource,
    RoleSelection,
    SopClassExtendedNegotiation,
    UserInformation,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from isocenter.ul.admission import Verdict
    from isocenter.ul.pdu import AAssociateRQ

__all__ = [
    "DEFAULT_MAXIMUM_LENGTH",
    "DEFAULT_ROLE",
    "MAXIMUM_CONTEXTS",
    "AcceptedContext",
    "AcceptorPolicy",
    "Role",
    "accept_deviations",
    "accepted_contexts",
    "negotiate",
    "operations_window",
    "rejection",
    "role_selection",
]

DEFAULT_MAXIMUM_LENGTH = 16384
"""Maximum length received that is announced by default, in bytes; what DCMTK announces."""

MAXIMUM_CONTEXTS = 128
"""Presentation contexts in one request: the odd IDs 1 to 255 (PS3.8 9.3.2.2)."""

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


class Role(IntFlag):
    """Roles of the association *requestor* for a SOP class (PS3.7 D.3.3.4)."""

    NONE = 0
    SCU = 1
    SCP = 2


DEFAULT_ROLE = Role.SCU
"""The requestor's role where none is negotiated (PS3.7 D.3.3.4)."""

# As SCU and as SCP. Looked up for every context; `in` of a flag takes ten times as long.
_AS_SCU_SCP = {
    Role.NONE: (False, False),
    Role.SCU: (True, False),
    Role.SCP: (False, True),
    Role.SCU | Role.SCP: (True, True),
}


class AcceptorPolicy(Record):
    """What an acceptor agrees to.

    Attributes:
        abstract_syntaxes: abstract syntax UID to this side's transfer syntax UIDs in order of
            preference; the first that the peer proposed wins.
        implementation_class_uid: our own, announced in the acceptance.
        implementation_version_name: our own, at most 16 characters, "" for none.
        fallback: asked for an abstract syntax that is not listed; returns transfer syntaxes
            or None to refuse. None refuses all of them.
        accept_related_general: accept an unlisted abstract syntax as one of the listed general
            SOP classes that the request relates it to (PS3.7 D.3.3.6).
        maximum_length: maximum length received in bytes, 0 for unlimited (PS3.8 D.1).
        maximum_operations: most operations granted each way where the peer proposes a window,
            0 for unlimited. A peer that proposes "unlimited" is granted this many.
        accept_roles: the roles that the requestor may take for a SOP class; where it returns
            None, a role selection is not answered, so that the default role holds, as PS3.7
            D.3.3.4 has it. None instead of a function: SCU only.
        extended_answers: SOP class to service class application information that is stated for
            each accepted SOP class, whether or not the requestor proposed any, as DCMTK does
            under a profile. None: nothing is stated unasked.
        extended_negotiation: answer to the service class application information of an
            accepted SOP class, or None for no answer. None: never answered. Keep answers short:
            all of them, for up to 128 SOP classes, share one item of 65535 bytes.
        required_called_titles: titles under which this side may be called, None for any.
        known_calling_titles: titles that may call, None for any.
        refuse: reject every request.
        reject_without_implementation_uid: reject a request without implementation class UID.
    """

    abstract_syntaxes: Mapping[str, tuple[str, ...]]
    implementation_class_uid: str
    implementation_version_name: str = ""
    fallback: Callable[[str], tuple[str, ...] | None] | None = None
    accept_related_general: bool = False
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH
    maximum_operations: int = 16
    accept_roles: Callable[[str], Role | None] | None = None
    extended_answers: Mapping[str, bytes] | None = None
    extended_negotiation: Callable[[SopClassExtendedNegotiation], bytes | None] | None = None
    required_called_titles: Collection[str] | None = None
    known_calling_titles: Collection[str] | None = None
    refuse: bool = False
    reject_without_implementation_uid: bool = False


class AcceptedContext(Record):
    """A presentation context that both sides can use.

    Attributes:
        context_id: odd, 1 to 255.
        abstract_syntax: UID.
        transfer_syntax: UID of the one accepted.
        as_scu: this side may be the SCU.
        as_scp: this side may be the SCP.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool
    as_scp: bool


# --- the acceptor's side --------------------------------------------------------------------


def negotiate(
    request: AAssociateRQ,
    policy: AcceptorPolicy,
    admit: Callable[[AAssociateRQ], Verdict] | None = None,
) -> AAssociateAC | AAssociateRJ:
    """Answer a request as `policy` says; the rules are those at the top of this module.

    Calls nothing but `admit` and the policy's own hooks; their exceptions pass through.

    Args:
        request: what the peer asks for.
        policy: what this side agrees to.
        admit: asked once, after every other test that may reject. Its answer to a user identity
            is sent where the request asks for a positive response (PS3.7 D.3.3.7). None, or no
            answer: identities are ignored and not answered, as the standard allows.

    PS3.8 7.1.1, 9.3.3, 9.3.4; PS3.7 D.3.
    """
    reject = _rejection(request, policy)
    if reject is not None:
        return reject
    verdict = None if admit is None else admit(request)
    if isinstance(verdict, AAssociateRJ):
        return verdict
    response: bytes | None = None
    identity = request.user_information.user_identity
    if verdict is not None and identity is not None and identity.positive_response_requested:
        response = verdict.server_response
    allowed_roles = _allowed_roles(request, policy)
    contexts = _answer_contexts(request, policy, allowed_roles)
    proposals = {
        context.context_id: context.abstract_syntax for context in request.presentation_contexts
    }
    accepted = {
        proposals[context.context_id]
        for context in contexts
        if context.result == ContextResult.ACCEPTANCE
    }
    return AAssociateAC(
        called_ae_title=request.called_ae_title,
        calling_ae_title=request.calling_ae_title,
        presentation_contexts=contexts,
        user_information=UserInformation(
            maximum_length=policy.maximum_length,
            implementation_class_uid=policy.implementation_class_uid,
            implementation_version_name=policy.implementation_version_name,
            asynchronous_operations_window=_grant_window(request, policy.maximum_operations),
            role_selections=tuple(
                role_selection(uid, role) for uid, role in allowed_roles.items() if uid in accepted
            ),
            extended_negotiations=_answer_extended(request, policy, accepted),
            user_identity_response=response,
        ),
    )


def rejection(reason: int, *, transient: bool = False) -> AAssociateRJ:
    """Return the rejection of a service user for one of its `RejectReason`s (PS3.8 9.3.4)."""
    result = RejectResult.REJECTED_TRANSIENT if transient else RejectResult.REJECTED_PERMANENT
    return AAssociateRJ(result=result, source=RejectSource.SERVICE_USER, reason=reason)


def _rejection(request: AAssociateRQ, policy: AcceptorPolicy) -> AAssociateRJ | None:
    """Return the rejection that the request meets first, None where it meets none."""
    if not request.protocol_version & 1:
        return AAssociateRJ(
            result=RejectResult.REJECTED_PERMANENT,
            source=RejectSource.SERVICE_PROVIDER_ACSE,
            reason=RejectReason.ACSE_PROTOCOL_VERSION_NOT_SUPPORTED,
        )
    if policy.refuse:
        return rejection(RejectReason.USER_NO_REASON)
    if request.application_context_name != APPLICATION_CONTEXT_NAME:
        return rejection(RejectReason.USER_APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
    if not request.presentation_contexts:
        return rejection(RejectReason.USER_NO_REASON)
    if not _is_among(request.called_ae_title, policy.required_called_titles):
        return rejection(RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED)
    if not _is_among(request.calling_ae_title, policy.known_calling_titles):
        return rejection(RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED)
    if (
        policy.reject_without_implementation_uid
        and not request.user_information.implementation_class_uid
    ):
        return rejection(RejectReason.USER_NO_REASON)
    return None


def _is_among(title: str, titles: Collection[str] | None) -> bool:
    return titles is None or any(aetitle.same(title, other) for other in titles)


def _allowed_roles(request: AAssociateRQ, policy: AcceptorPolicy) -> dict[str, Role]:
    """Return, for each SOP class whose role selection is answered, what the policy allows."""
    allowed: dict[str, Role] = {}
    for uid, proposed in _proposed_roles(request.user_information).items():
        own = _policy_role(policy, uid)
        if own is not None:
            allowed[uid] = proposed & own
    return allowed


def _policy_role(policy: AcceptorPolicy, abstract_syntax: str) -> Role | None:
    return DEFAULT_ROLE if policy.accept_roles is None else policy.accept_roles(abstract_syntax)


def _answer_contexts(
    request: AAssociateRQ, policy: AcceptorPolicy, allowed_roles: Mapping[str, Role]
) -> tuple[PresentationContextResult, ...]:
    uses = Counter(context.context_id for context in request.presentation_contexts)
    related: dict[str, tuple[str, ...]] = {}
    if policy.accept_related_general:
        related = {
            item.sop_class_uid: item.related_general_sop_class_uids
            for item in request.user_information.common_extended_negotiations
        }
    answers: list[PresentationContextResult] = []
    for context in request.presentation_contexts:
        result, syntax = ContextResult.NO_REASON, _IMPLICIT_VR_LITTLE_ENDIAN
        if context.context_id % 2 and uses[context.context_id] == 1:
            uid = context.abstract_syntax
            own = _own_syntaxes(uid, policy, related.get(uid, ()))
            common = None
            if own is not None:
                common = next((uid for uid in own if uid in context.transfer_syntaxes), None)
            if own is None:
                result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
            elif common is None:
                result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
            elif not _role_for(uid, policy, allowed_roles):
                result = ContextResult.USER_REJECTION
            else:
                result, syntax = ContextResult.ACCEPTANCE, common
        answers.append(
            PresentationContextResult(
                context_id=context.context_id, result=result, transfer_syntax=syntax
            )
        )
    return tuple(answers)


def _role_for(uid: str, policy: AcceptorPolicy, allowed_roles: Mapping[str, Role]) -> Role:
    """Return the requestor's roles for a SOP class, proposed or by default."""
    allowed = allowed_roles.get(uid)
    if allowed is None:
        own = _policy_role(policy, uid)
        allowed = DEFAULT_ROLE
        if own is not None and own is not DEFAULT_ROLE:
            allowed = own & DEFAULT_ROLE
    return allowed


def _own_syntaxes(
    abstract_syntax: str, policy: AcceptorPolicy, related: Iterable[str]
) -> tuple[str, ...] | None:
    """Return this side's transfer syntaxes for an abstract syntax, None where it is refused."""
    if not is_uid(abstract_syntax):
        return None
    own = policy.abstract_syntaxes.get(abstract_syntax)
    if own is None:
        own = next(
            (policy.abstract_syntaxes[uid] for uid in related if uid in policy.abstract_syntaxes),
            None,
        )
    if own is None and policy.fallback is not None:
        own = policy.fallback(abstract_syntax)
    return own


def _grant_window(request: AAssociateRQ, maximum: int) -> AsynchronousOperationsWindow | None:
    """Return the granted window, None where the request has none (PS3.7 D.3.3.3)."""
    proposed = request.user_information.asynchronous_operations_window
    if proposed is None:
        return None
    return AsynchronousOperationsWindow(
        maximum_number_operations_invoked=_smaller(
            proposed.maximum_number_operations_invoked, maximum
        ),
        maximum_number_operations_performed=_smaller(
            proposed.maximum_number_operations_performed, maximum
        ),
    )


def _smaller(left: int, right: int) -> int:
    """Return the smaller of two numbers of operations, in which 0 is unlimited."""
    return min(left, right) if left and right else left or right


def _answer_extended(
    request: AAssociateRQ, policy: AcceptorPolicy, accepted: Collection[str]
) -> tuple[SopClassExtendedNegotiation, ...]:
    """Return the policy's answers for accepted SOP classes, one each (PS3.7 D.3.3.5)."""
    answers: dict[str, SopClassExtendedNegotiation] = {
        uid: SopClassExtendedNegotiation(
            sop_class_uid=uid, service_class_application_information=information
        )
        for uid, information in (policy.extended_answers or {}).items()
        if uid in accepted
    }
    if policy.extended_negotiation is None:
        return tuple(answers.values())
    for proposed in request.user_information.extended_negotiations:
        uid = proposed.sop_class_uid
        if uid in accepted:
            information = policy.extended_negotiation(proposed)
            if information is not None:
                answers[uid] = SopClassExtendedNegotiation(
                    sop_class_uid=uid, service_class_application_information=information
                )
    return tuple(answers.values())


# --- what both sides conclude ---------------------------------------------------------------


def accepted_contexts(
    request: AAssociateRQ, accept: AAssociateAC, *, requestor: bool
) -> dict[int, AcceptedContext]:
    """Return the usable contexts by ID, as seen by the requestor or by the acceptor.

    A context whose acceptance makes no sense is left out rather than ending the association,
    so that one bad answer costs one context: an ID that was not proposed or was answered more
    than once, a transfer syntax that was not proposed, no role left. P-DATA on such an ID is
    then the peer's error. `accept_deviations` names them for the log.

    Roles: without a role selection in both PDUs the requestor is SCU. The acceptor cannot
    grant what was not proposed (PS3.7 D.3.3.4).
    """
    usable, _ = _examine(request, accept, requestor=requestor)
    return usable


def accept_deviations(request: AAssociateRQ, accept: AAssociateAC) -> tuple[str, ...]:
    """Return one sentence for each answer in `accept` that the request does not allow.

    PS3.8 9.3.3.2; PS3.7 D.3.3.4.
    """
    _, deviations = _examine(request, accept, requestor=True)
    return tuple(deviations)


def _examine(
    request: AAssociateRQ, accept: AAssociateAC, *, requestor: bool
) -> tuple[dict[int, AcceptedContext], list[str]]:
    proposals = {context.context_id: context for context in request.presentation_contexts}
    proposed_uses = Counter(context.context_id for context in request.presentation_contexts)
    uses = Counter(context.context_id for context in accept.presentation_contexts)
    roles = _granted_roles(request, accept)
    usable: dict[int, AcceptedContext] = {}
    deviations: list[str] = []
    for answer in accept.presentation_contexts:
        if answer.result != ContextResult.ACCEPTANCE:
            continue
        context_id = answer.context_id
        proposal = proposals.get(context_id)
        if proposal is None:
            deviations.append(f"context {context_id} accepted but not proposed")
        elif uses[context_id] > 1 or proposed_uses[context_id] > 1:
            deviations.append(f"context {context_id} occurs more than once")
        elif answer.transfer_syntax not in proposal.transfer_syntaxes:
            deviations.append(
                f"context {context_id} accepted with transfer syntax "
                f"{answer.transfer_syntax!r}, which was not proposed"
            )
        else:
            role = roles.get(proposal.abstract_syntax, DEFAULT_ROLE)
            if not role:
                deviations.append(f"context {context_id} accepted without any role")
                continue
            scu, scp = _AS_SCU_SCP[role]
            usable[context_id] = AcceptedContext(
                context_id=context_id,
                abstract_syntax=proposal.abstract_syntax,
                transfer_syntax=answer.transfer_syntax,
                as_scu=scu if requestor else scp,
                as_scp=scp if requestor else scu,
            )
    return usable, deviations


def role_selection(uid: str, role: Role) -> RoleSelection:
    """Return the item that names `role` for a SOP class (PS3.7 D.3.3.4)."""
    return RoleSelection(sop_class_uid=uid, scu_role=Role.SCU in role, scp_role=Role.SCP in role)


def _proposed_roles(info: UserInformation) -> dict[str, Role]:
    """Return the role selections by SOP class; of several for one class the last counts."""
    return {
        item.sop_class_uid: (Role.SCU if item.scu_role else Role.NONE)
        | (Role.SCP if item.scp_role else Role.NONE)
        for item in info.role_selections
    }


def _granted_roles(request: AAssociateRQ, accept: AAssociateAC) -> dict[str, Role]:
    """Return the requestor's roles for each SOP class on which both sides spoke."""
    proposed = _proposed_roles(request.user_information)
    answered = _proposed_roles(accept.user_information)
    return {uid: proposed[uid] & answered[uid] for uid in proposed.keys() & answered.keys()}


def operations_window(
    request: AAssociateRQ, accept: AAssociateAC, *, requestor: bool
) -> AsynchronousOperationsWindow:
    """Return the operations that *this* side may have invoked and may be asked to perform.

    0 is unlimited. Without an item in both PDUs both numbers are 1. An acceptor that grants
    more than was proposed is held to the proposal.

    PS3.7 D.3.3.3.
    """
    proposed = request.user_information.asynchronous_operations_window
    granted = accept.user_information.asynchronous_operations_window
    invoked = performed = 1
    if proposed is not None and granted is not None:
        invoked = _smaller(
            proposed.maximum_number_operations_invoked, granted.maximum_number_operations_invoked
        )
        performed = _smaller(
            proposed.maximum_number_operations_performed,
            granted.maximum_number_operations_performed,
        )
    if not requestor:
        invoked, performed = performed, invoked
    return AsynchronousOperationsWindow(
        maximum_number_operations_invoked=invoked, maximum_number_operations_performed=performed
    )
