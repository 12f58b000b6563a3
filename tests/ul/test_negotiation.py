"""The acceptor's decision, and what both sides conclude (PS3.8 9.3; PS3.7 D.3)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.ul import codec, pdu
from isocenter.ul.admission import RequestFacts, UserIdentityAC
from isocenter.ul.negotiation import (
    MAXIMUM_CONTEXTS,
    AcceptedContext,
    AcceptorPolicy,
    Role,
    accept_deviations,
    accepted_contexts,
    negotiate,
    operations_window,
    rejection,
)
from isocenter.ul.request import ProposedContext, build_request
from tests.ul import strategies

if TYPE_CHECKING:
    from isocenter.ul.admission import Verdict

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.70"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"

POLICY = AcceptorPolicy(
    abstract_syntaxes={VERIFICATION: (EXPLICIT, IMPLICIT), CT: (JPEG, EXPLICIT, BIG, IMPLICIT)},
    implementation_class_uid="1.2.9",
    implementation_version_name="OURS",
)


def proposal(*contexts: ProposedContext, operations: tuple[int, int] = (1, 1)) -> pdu.AAssociateRQ:
    return build_request(
        contexts or (ProposedContext(abstract_syntax=CT, transfer_syntaxes=(IMPLICIT,)),),
        called_ae_title="STORE",
        calling_ae_title="ME",
        implementation_class_uid="1.2.8",
        maximum_operations=operations,
    )


def with_information(request: pdu.AAssociateRQ, info: pdu.UserInformation) -> pdu.AAssociateRQ:
    return dataclasses.replace(request, user_information=info)


def accepted(request: pdu.AAssociateRQ, policy: AcceptorPolicy = POLICY) -> pdu.AAssociateAC:
    answer = negotiate(request, policy)
    assert isinstance(answer, pdu.AAssociateAC)
    return answer


def rejected(
    request: pdu.AAssociateRQ, policy: AcceptorPolicy = POLICY
) -> tuple[int, int, int] | None:
    answer = negotiate(request, policy)
    if isinstance(answer, pdu.AAssociateAC):
        return None
    return answer.result, answer.source, answer.reason


def results(answer: pdu.AAssociateAC) -> list[tuple[int, int, str]]:
    return [
        (context.context_id, context.result, context.transfer_syntax)
        for context in answer.presentation_contexts
    ]


def ct(*syntaxes: str, role: Role = Role.SCU) -> ProposedContext:
    return ProposedContext(abstract_syntax=CT, transfer_syntaxes=syntaxes or (IMPLICIT,), role=role)


# --- requests -------------------------------------------------------------------------------


def test_request_numbers_its_contexts_with_odd_ids_in_order() -> None:
    request = proposal(ct(EXPLICIT), ct(IMPLICIT, BIG))
    assert [
        (context.context_id, context.transfer_syntaxes) for context in request.presentation_contexts
    ] == [(1, (EXPLICIT,)), (3, (IMPLICIT, BIG))]


def test_request_takes_128_contexts_and_no_more() -> None:
    request = proposal(*[ct()] * MAXIMUM_CONTEXTS)
    assert request.presentation_contexts[-1].context_id == 255
    with pytest.raises(ValueError, match="129 presentation contexts"):
        proposal(*[ct()] * (MAXIMUM_CONTEXTS + 1))


def test_request_without_contexts_syntaxes_roles_or_titles_is_not_built() -> None:
    with pytest.raises(ValueError, match="0 presentation contexts"):
        build_request([], called_ae_title="A", calling_ae_title="B", implementation_class_uid="1")
    with pytest.raises(ValueError, match="no transfer syntax"):
        proposal(ProposedContext(abstract_syntax=CT, transfer_syntaxes=()))
    with pytest.raises(ValueError, match="no role"):
        proposal(ct(role=Role.NONE))
    for called, calling in (("  ", "B"), ("A", "")):
        with pytest.raises(ValueError, match="blank"):
            build_request(
                [ct()],
                called_ae_title=called,
                calling_ae_title=calling,
                implementation_class_uid="1",
            )


@pytest.mark.parametrize("uid", ["", "1.2.a", "1.2.é", "1" * 65])
def test_request_with_a_uid_that_is_none_is_not_built(uid: str) -> None:
    with pytest.raises(ValueError, match="is not a UID"):
        proposal(ProposedContext(abstract_syntax=uid, transfer_syntaxes=("1.2",)))
    with pytest.raises(ValueError, match="is not a UID"):
        proposal(ProposedContext(abstract_syntax=CT, transfer_syntaxes=("1.2", uid)))


def test_request_with_a_version_name_that_does_not_fit_is_not_built() -> None:
    def build(name: str) -> None:
        build_request(
            [ct()],
            called_ae_title="A",
            calling_ae_title="B",
            implementation_class_uid="1",
            implementation_version_name=name,
        )

    build("N" * 16)
    with pytest.raises(ValueError, match="longer than 16"):
        build("N" * 17)


def test_request_sends_role_selection_and_window_only_where_needed() -> None:
    info = proposal(ct()).user_information
    assert info.role_selections == ()
    assert info.asynchronous_operations_window is None
    info = proposal(ct(role=Role.SCP), operations=(0, 1)).user_information
    assert info.role_selections == (
        pdu.RoleSelection(sop_class_uid=CT, scu_role=False, scp_role=True),
    )
    assert info.asynchronous_operations_window == pdu.AsynchronousOperationsWindow(
        maximum_number_operations_invoked=0, maximum_number_operations_performed=1
    )


def test_request_unites_the_roles_of_contexts_of_one_sop_class() -> None:
    info = proposal(ct(EXPLICIT), ct(role=Role.SCP)).user_information
    assert info.role_selections == (
        pdu.RoleSelection(sop_class_uid=CT, scu_role=True, scp_role=True),
    )


# --- rejections -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"protocol_version": 0}, (1, 2, 2)),
        ({"protocol_version": 2}, (1, 2, 2)),
        ({"protocol_version": 3}, None),
        ({"protocol_version": 0xFFFF}, None),
        ({"application_context_name": ""}, (1, 1, 2)),
        ({"application_context_name": "1.2.840.10008.3.1.1.2"}, (1, 1, 2)),
        ({"presentation_contexts": ()}, (1, 1, 1)),
        ({"called_ae_title": ""}, None),
        ({"called_ae_title": "   "}, None),
        ({"calling_ae_title": ""}, None),
        ({"called_ae_title": "", "calling_ae_title": "\0" * 16}, None),
        ({"called_ae_title": "anything", "calling_ae_title": "anybody"}, None),
    ],
)
def test_request_is_rejected_for(
    changes: dict[str, object], expected: tuple[int, int, int] | None
) -> None:
    request = dataclasses.replace(proposal(), **changes)  # type: ignore[arg-type]  # any field
    assert rejected(request) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (dataclasses.replace(POLICY, refuse=True), (1, 1, 1)),
        (dataclasses.replace(POLICY, required_called_titles=("OTHER",)), (1, 1, 7)),
        (dataclasses.replace(POLICY, required_called_titles=("store",)), (1, 1, 7)),
        (dataclasses.replace(POLICY, required_called_titles=("OTHER", " STORE ")), None),
        (dataclasses.replace(POLICY, required_called_titles=()), (1, 1, 7)),
        (dataclasses.replace(POLICY, known_calling_titles={"YOU"}), (1, 1, 3)),
        (dataclasses.replace(POLICY, known_calling_titles={"ME"}), None),
    ],
)
def test_policy_rejects(policy: AcceptorPolicy, expected: tuple[int, int, int] | None) -> None:
    assert rejected(proposal(), policy) == expected


def test_blank_titles_meet_the_lists_like_any_other() -> None:
    request = dataclasses.replace(proposal(), called_ae_title="", calling_ae_title="  ")
    named = dataclasses.replace(POLICY, required_called_titles=("STORE",))
    assert rejected(request, named) == (1, 1, 7)
    assert rejected(request, dataclasses.replace(POLICY, known_calling_titles={"ME"})) == (1, 1, 3)
    blank = dataclasses.replace(POLICY, required_called_titles=("",), known_calling_titles=("",))
    assert rejected(request, blank) is None


def test_missing_implementation_class_uid_is_rejected_only_where_asked() -> None:
    request = with_information(proposal(), pdu.UserInformation())
    strict = dataclasses.replace(POLICY, reject_without_implementation_uid=True)
    assert rejected(request) is None
    assert rejected(request, strict) == (1, 1, 1)
    assert rejected(proposal(), strict) is None


def test_protocol_version_is_tested_before_refuse_and_context_name_before_titles() -> None:
    refusing = dataclasses.replace(POLICY, refuse=True, required_called_titles=())
    request = dataclasses.replace(proposal(), protocol_version=2, application_context_name="1")
    assert rejected(request, refusing) == (1, 2, 2)
    request = dataclasses.replace(request, protocol_version=1)
    assert rejected(request, refusing) == (1, 1, 1)
    assert rejected(request, dataclasses.replace(refusing, refuse=False)) == (1, 1, 2)


# --- presentation contexts ------------------------------------------------------------------


def test_acceptance_echoes_the_titles_and_announces_ourselves() -> None:
    answer = accepted(proposal())
    assert (answer.called_ae_title, answer.calling_ae_title) == ("STORE", "ME")
    assert answer.user_information == pdu.UserInformation(
        maximum_length=16384,
        implementation_class_uid="1.2.9",
        implementation_version_name="OURS",
    )


def test_first_of_the_acceptors_own_syntaxes_that_was_proposed_wins() -> None:
    answer = accepted(proposal(ct(IMPLICIT, BIG), ct(IMPLICIT, EXPLICIT, JPEG), ct(IMPLICIT)))
    assert results(answer) == [(1, 0, BIG), (3, 0, JPEG), (5, 0, IMPLICIT)]


def test_refused_contexts_say_why_and_carry_implicit_little_endian() -> None:
    mr = ProposedContext(abstract_syntax=MR, transfer_syntaxes=(EXPLICIT,))
    answer = accepted(proposal(mr, ct("1.2.3")))
    assert results(answer) == [(1, 3, IMPLICIT), (3, 4, IMPLICIT)]


def test_context_without_abstract_or_transfer_syntax_is_refused() -> None:
    contexts = (
        pdu.PresentationContext(context_id=1, abstract_syntax="", transfer_syntaxes=(IMPLICIT,)),
        pdu.PresentationContext(context_id=3, abstract_syntax=CT, transfer_syntaxes=()),
    )
    policy = dataclasses.replace(POLICY, fallback=lambda uid: (IMPLICIT,))
    answer = accepted(dataclasses.replace(proposal(), presentation_contexts=contexts), policy)
    assert [result for _, result, _ in results(answer)] == [3, 4]


def test_even_zero_and_repeated_ids_are_refused_by_the_provider_and_the_rest_served() -> None:
    contexts = tuple(
        pdu.PresentationContext(
            context_id=number, abstract_syntax=CT, transfer_syntaxes=(IMPLICIT,)
        )
        for number in (1, 2, 3, 0, 3, 255)
    )
    request = dataclasses.replace(proposal(), presentation_contexts=contexts)
    answer = accepted(request)
    assert [(number, result) for number, result, _ in results(answer)] == [
        (1, 0),
        (2, 2),
        (3, 2),
        (0, 2),
        (3, 2),
        (255, 0),
    ]
    assert set(accepted_contexts(request, answer, requestor=False)) == {1, 255}


def test_fallback_decides_about_unlisted_abstract_syntaxes_only() -> None:
    asked: list[str] = []

    def fallback(uid: str) -> tuple[str, ...] | None:
        asked.append(uid)
        return (EXPLICIT,) if uid == "1.2.3" else None

    private = ProposedContext(abstract_syntax="1.2.3", transfer_syntaxes=(IMPLICIT, EXPLICIT))
    other = ProposedContext(abstract_syntax="1.2.4", transfer_syntaxes=(IMPLICIT,))
    answer = accepted(
        proposal(ct(), private, other), dataclasses.replace(POLICY, fallback=fallback)
    )
    assert results(answer) == [(1, 0, IMPLICIT), (3, 0, EXPLICIT), (5, 3, IMPLICIT)]
    assert asked == ["1.2.3", "1.2.4"]


@pytest.mark.parametrize("uid", ["1.2.x", "../1", "1.2\n", "1" * 65, "1.2 3", "\xe4"])
def test_abstract_syntax_that_is_no_uid_is_refused_even_by_a_promiscuous_policy(uid: str) -> None:
    policy = dataclasses.replace(_BOTH, fallback=lambda uid: (IMPLICIT,))
    request = proposal()  # which builds no such request
    (context,) = request.presentation_contexts
    role = pdu.RoleSelection(sop_class_uid=uid, scu_role=False, scp_role=True)
    request = dataclasses.replace(
        request,
        presentation_contexts=(dataclasses.replace(context, abstract_syntax=uid),),
        user_information=dataclasses.replace(request.user_information, role_selections=(role,)),
    )
    answer = accepted(request, policy)
    assert results(answer) == [(1, 3, IMPLICIT)]
    codec.encode(answer)


def test_related_general_sop_class_is_accepted_only_where_the_policy_says() -> None:
    private = ProposedContext(abstract_syntax="1.2.3", transfer_syntaxes=(IMPLICIT,))
    common = pdu.SopClassCommonExtendedNegotiation(
        sop_class_uid="1.2.3",
        service_class_uid="1.2.840.10008.4.2",
        related_general_sop_class_uids=(MR, CT),
    )
    request = proposal(private)
    request = with_information(
        request,
        dataclasses.replace(request.user_information, common_extended_negotiations=(common,)),
    )
    assert results(accepted(request))[0][1] == 3
    policy = dataclasses.replace(POLICY, accept_related_general=True)
    assert results(accepted(request, policy)) == [(1, 0, IMPLICIT)]


def test_association_without_a_usable_context_is_accepted() -> None:
    request = proposal(ct("1.2.3"))
    assert accepted_contexts(request, accepted(request), requestor=True) == {}


# --- roles ----------------------------------------------------------------------------------

_BOTH = dataclasses.replace(POLICY, accept_roles=lambda uid: Role.SCU | Role.SCP)
_ONLY_SCP = dataclasses.replace(POLICY, accept_roles=lambda uid: Role.SCP)


@pytest.mark.parametrize(
    ("proposed", "policy", "result", "answered", "requestor_roles"),
    [
        (Role.SCU, POLICY, 0, None, (True, False)),
        (Role.SCU | Role.SCP, POLICY, 0, (True, False), (True, False)),
        (Role.SCP, POLICY, 1, None, None),
        (Role.SCU, _BOTH, 0, None, (True, False)),
        (Role.SCP, _BOTH, 0, (False, True), (False, True)),
        (Role.SCU | Role.SCP, _BOTH, 0, (True, True), (True, True)),
        (Role.SCU, _ONLY_SCP, 1, None, None),
        (Role.SCU | Role.SCP, _ONLY_SCP, 0, (False, True), (False, True)),
    ],
)
def test_roles_are_granted_as_proposed_and_allowed(
    proposed: Role,
    policy: AcceptorPolicy,
    result: int,
    answered: tuple[bool, bool] | None,
    requestor_roles: tuple[bool, bool] | None,
) -> None:
    request = proposal(ct(role=proposed))
    answer = accepted(request, policy)
    assert answer.presentation_contexts[0].result == result
    roles = [(role.scu_role, role.scp_role) for role in answer.user_information.role_selections]
    assert roles == ([] if answered is None else [answered])
    ours = accepted_contexts(request, answer, requestor=True)
    theirs = accepted_contexts(request, answer, requestor=False)
    if requestor_roles is None:
        assert ours == theirs == {}
    else:
        assert (ours[1].as_scu, ours[1].as_scp) == requestor_roles
        assert (theirs[1].as_scp, theirs[1].as_scu) == requestor_roles


def test_roles_of_unaccepted_sop_classes_are_not_answered() -> None:
    mr = ProposedContext(abstract_syntax=MR, transfer_syntaxes=(IMPLICIT,), role=Role.SCP)
    assert accepted(proposal(mr), _BOTH).user_information.role_selections == ()


def _answer_with_role(request: pdu.AAssociateRQ, *, scu: bool, scp: bool) -> pdu.AAssociateAC:
    role = pdu.RoleSelection(sop_class_uid=CT, scu_role=scu, scp_role=scp)
    answer = accepted(proposal())
    info = dataclasses.replace(answer.user_information, role_selections=(role,))
    return dataclasses.replace(answer, user_information=info)


def test_acceptor_cannot_grant_a_role_that_was_not_proposed() -> None:
    request = proposal()
    contexts = accepted_contexts(
        request, _answer_with_role(request, scu=False, scp=True), requestor=True
    )
    assert contexts[1].as_scu
    assert not contexts[1].as_scp
    request = proposal(ct(role=Role.SCP))
    answer = _answer_with_role(request, scu=True, scp=False)
    assert accepted_contexts(request, answer, requestor=True) == {}
    assert accept_deviations(request, answer) == ("context 1 accepted without any role",)


def test_unanswered_role_selection_means_the_default_role() -> None:
    request = proposal(ct(role=Role.SCU | Role.SCP))
    contexts = accepted_contexts(request, accepted(proposal()), requestor=True)
    assert (contexts[1].as_scu, contexts[1].as_scp) == (True, False)


# --- the peer's acceptance -------------------------------------------------------------------


def answer_with(*contexts: tuple[int, int, str]) -> pdu.AAssociateAC:
    return dataclasses.replace(
        accepted(proposal()),
        presentation_contexts=tuple(
            pdu.PresentationContextResult(context_id=number, result=result, transfer_syntax=syntax)
            for number, result, syntax in contexts
        ),
    )


def test_accepted_context_joins_proposal_and_answer() -> None:
    request = proposal(ct(IMPLICIT, EXPLICIT), ct(BIG))
    answer = answer_with((1, 0, EXPLICIT), (3, 4, BIG))
    assert accepted_contexts(request, answer, requestor=True) == {
        1: AcceptedContext(
            context_id=1,
            abstract_syntax=CT,
            transfer_syntax=EXPLICIT,
            as_scu=True,
            as_scp=False,
        )
    }
    assert accept_deviations(request, answer) == ()


@pytest.mark.parametrize(
    ("answers", "deviation"),
    [
        ([(5, 0, IMPLICIT)], "context 5 accepted but not proposed"),
        (
            [(3, 0, JPEG)],
            f"context 3 accepted with transfer syntax '{JPEG}', which was not proposed",
        ),
        ([(3, 0, "")], "context 3 accepted with transfer syntax '', which was not proposed"),
        ([(3, 0, IMPLICIT), (3, 1, IMPLICIT)], "context 3 occurs more than once"),
    ],
)
def test_one_senseless_answer_costs_one_context(
    answers: list[tuple[int, int, str]], deviation: str
) -> None:
    request = proposal(ct(IMPLICIT), ct(IMPLICIT))
    answer = answer_with((1, 0, IMPLICIT), *answers)
    assert set(accepted_contexts(request, answer, requestor=True)) == {1}
    assert accept_deviations(request, answer) == (deviation,)


def test_refused_unknown_and_missing_contexts_are_just_not_there() -> None:
    request = proposal(ct(), ct(), ct())
    answer = answer_with((1, 200, ""), (9, 3, ""))
    assert accepted_contexts(request, answer, requestor=True) == {}
    assert accept_deviations(request, answer) == ()


# --- operations window -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proposed", "maximum", "granted"),
    [
        ((8, 2), 16, (8, 2)),
        ((17, 16), 16, (16, 16)),
        ((0, 0), 16, (16, 16)),
        ((5, 0), 0, (5, 0)),
        ((1, 4), 2, (1, 2)),
    ],
)
def test_acceptor_grants_the_smaller_window(
    proposed: tuple[int, int], maximum: int, granted: tuple[int, int]
) -> None:
    request = proposal(operations=proposed)
    answer = accepted(request, dataclasses.replace(POLICY, maximum_operations=maximum))
    window = answer.user_information.asynchronous_operations_window
    assert window is not None
    assert (
        window.maximum_number_operations_invoked,
        window.maximum_number_operations_performed,
    ) == granted
    ours = operations_window(request, answer, requestor=True)
    theirs = operations_window(request, answer, requestor=False)
    assert ours == window
    assert (
        theirs.maximum_number_operations_performed,
        theirs.maximum_number_operations_invoked,
    ) == granted


@pytest.mark.parametrize("requestor", [True, False])
def test_without_a_window_in_both_pdus_one_operation_is_outstanding(requestor: bool) -> None:
    one = pdu.AsynchronousOperationsWindow(
        maximum_number_operations_invoked=1, maximum_number_operations_performed=1
    )
    plain, wide = proposal(), proposal(operations=(8, 8))
    assert accepted(plain).user_information.asynchronous_operations_window is None
    for request, answered in ((plain, plain), (plain, wide), (wide, plain)):
        assert operations_window(request, accepted(answered), requestor=requestor) == one


def test_acceptor_that_grants_more_than_proposed_is_held_to_the_proposal() -> None:
    window = operations_window(
        proposal(operations=(2, 1)), accepted(proposal(operations=(0, 9))), requestor=True
    )
    assert window.maximum_number_operations_invoked == 2
    assert window.maximum_number_operations_performed == 1


# --- extended negotiation and identity --------------------------------------------------------


def _extended(uid: str, information: bytes) -> pdu.SopClassExtendedNegotiation:
    return pdu.SopClassExtendedNegotiation(
        sop_class_uid=uid, service_class_application_information=information
    )


def test_extended_negotiation_is_answered_by_the_hook_for_accepted_sop_classes() -> None:
    request = proposal(
        ct(), ProposedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=(BIG,))
    )
    request = with_information(
        request,
        dataclasses.replace(
            request.user_information,
            extended_negotiations=(_extended(CT, b"\1\1"), _extended(VERIFICATION, b"\1")),
        ),
    )
    assert accepted(request).user_information.extended_negotiations == ()
    policy = dataclasses.replace(POLICY, extended_negotiation=lambda proposed: b"\1\0")
    assert accepted(request, policy).user_information.extended_negotiations == (
        _extended(CT, b"\1\0"),
    )
    silent = dataclasses.replace(POLICY, extended_negotiation=lambda proposed: None)
    assert accepted(request, silent).user_information.extended_negotiations == ()


def _with_identity(*, response: bool) -> pdu.AAssociateRQ:
    identity = pdu.UserIdentityRQ(
        user_identity_type=1, positive_response_requested=response, primary_field=b"joe"
    )
    request = proposal()
    return with_information(
        request, dataclasses.replace(request.user_information, user_identity=identity)
    )


@pytest.mark.parametrize(("asked", "expected"), [(True, b"token"), (False, None)])
def test_identity_response_is_sent_only_where_asked_for(
    asked: bool, expected: bytes | None
) -> None:
    answer = negotiate(
        _with_identity(response=asked),
        POLICY,
        lambda request: UserIdentityAC(server_response=b"token"),
    )
    assert isinstance(answer, pdu.AAssociateAC)
    assert answer.user_information.user_identity_response == expected


def test_identity_is_ignored_where_nobody_judges_it() -> None:
    request = _with_identity(response=True)
    for admit in (None, lambda request: None):
        answer = negotiate(request, POLICY, admit)
        assert isinstance(answer, pdu.AAssociateAC)
        assert answer.user_information.user_identity_response is None


def test_request_without_identity_gets_no_answer_to_one() -> None:
    answer = negotiate(proposal(), POLICY, lambda request: UserIdentityAC(server_response=b"x"))
    assert isinstance(answer, pdu.AAssociateAC)
    assert answer.user_information.user_identity_response is None


def test_judge_rejects_as_it_likes_and_is_asked_last() -> None:
    asked: list[str] = []

    def only_joe(request: pdu.AAssociateRQ) -> Verdict:
        asked.append(request.calling_ae_title)
        identity = request.user_information.user_identity
        if identity is not None and identity.primary_field == b"joe":
            return None
        return rejection(pdu.RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED, transient=True)

    assert isinstance(negotiate(_with_identity(response=False), POLICY, only_joe), pdu.AAssociateAC)
    answer = negotiate(proposal(), POLICY, only_joe)
    assert isinstance(answer, pdu.AAssociateRJ)
    assert (answer.result, answer.source, answer.reason) == (2, 1, 3)
    assert asked == ["ME", "ME"]
    policy = dataclasses.replace(POLICY, required_called_titles=("OTHER",))
    answer = negotiate(proposal(), policy, only_joe)
    assert isinstance(answer, pdu.AAssociateRJ)
    assert (answer.result, answer.source, answer.reason) == (1, 1, 7)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("address", "host"),
    [("192.0.2.1:104", "192.0.2.1"), ("2001:db8::1:104", "2001:db8::1"), ("unknown", "")],
)
def test_facts_name_the_host_without_port(address: str, host: str) -> None:
    assert RequestFacts(peer_address=address).host == host


# --- properties -----------------------------------------------------------------------------


@given(strategies.REQUESTS, st.booleans())
def test_any_request_gets_an_answer_that_can_be_sent_and_makes_sense(
    request: pdu.AAssociateRQ, promiscuous: bool
) -> None:
    request = dataclasses.replace(
        request,
        protocol_version=1,
        application_context_name=pdu.APPLICATION_CONTEXT_NAME,
    )
    syntaxes = {uid for item in request.presentation_contexts for uid in item.transfer_syntaxes}
    own = tuple(sorted(syntaxes))
    policy = dataclasses.replace(_BOTH, fallback=(lambda uid: own) if promiscuous else None)
    answer = negotiate(request, policy)
    decoded = codec.decode(codec.encode(answer)[0], codec.encode(answer)[6:], codec.Limits())
    assert decoded == answer
    if isinstance(answer, pdu.AAssociateAC):
        assert accept_deviations(request, answer) == ()
        assert len(answer.presentation_contexts) == len(request.presentation_contexts)
        usable = accepted_contexts(request, answer, requestor=True)
        assert all(number % 2 for number in usable)
        assert usable.keys() == accepted_contexts(request, answer, requestor=False).keys()
