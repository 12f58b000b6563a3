"""What a policy made of an association profile answers (PS3.7 D.3.3.4, D.3.3.5).

The table of roles is DCMTK's (dul.h), except that no context is accepted without a role.
"""

from __future__ import annotations

import pytest

from isocenter.ul import pdu
from isocenter.ul.negotiation import AcceptorPolicy, Role, accepted_contexts, negotiate
from tests.ul.test_negotiation import CT, IMPLICIT, MR

BOTH = Role.SCU | Role.SCP


def request(
    role: Role | None = None, *extended: tuple[str, bytes], classes: tuple[str, ...] = (CT,)
) -> pdu.AAssociateRQ:
    roles: tuple[pdu.RoleSelection, ...] = ()
    if role is not None:
        roles = (
            pdu.RoleSelection(
                sop_class_uid=CT, scu_role=Role.SCU in role, scp_role=Role.SCP in role
            ),
        )
    return pdu.AAssociateRQ(
        called_ae_title="STORE",
        calling_ae_title="ME",
        presentation_contexts=tuple(
            pdu.PresentationContext(
                context_id=2 * index + 1, abstract_syntax=uid, transfer_syntaxes=(IMPLICIT,)
            )
            for index, uid in enumerate(classes)
        ),
        user_information=pdu.UserInformation(
            role_selections=roles,
            extended_negotiations=tuple(
                pdu.SopClassExtendedNegotiation(
                    sop_class_uid=uid, service_class_application_information=data
                )
                for uid, data in extended
            ),
        ),
    )


def policy(own: Role | None = None, answers: dict[str, bytes] | None = None) -> AcceptorPolicy:
    return AcceptorPolicy(
        abstract_syntaxes={CT: (IMPLICIT,), MR: (IMPLICIT,)},
        implementation_class_uid="1.2.9",
        accept_roles={CT: own}.get,
        extended_answers=answers,
    )


def accept(asked: pdu.AAssociateRQ, own: AcceptorPolicy) -> pdu.AAssociateAC:
    answer = negotiate(asked, own)
    assert isinstance(answer, pdu.AAssociateAC)
    return answer


@pytest.mark.parametrize(
    ("proposed", "own", "answered", "as_scu", "as_scp"),
    [
        (Role.SCU, Role.SCU, Role.SCU, True, False),
        (Role.SCU, BOTH, Role.SCU, True, False),
        (Role.SCU, None, None, True, False),
        (Role.SCP, Role.SCP, Role.SCP, False, True),
        (Role.SCP, BOTH, Role.SCP, False, True),
        (Role.SCP, None, None, True, False),
        (BOTH, Role.SCP, Role.SCP, False, True),
        (BOTH, Role.SCU, Role.SCU, True, False),
        (BOTH, BOTH, BOTH, True, True),
        (BOTH, None, None, True, False),
        (None, Role.SCU, None, True, False),
        (None, BOTH, None, True, False),
        (None, None, None, True, False),
    ],
)
def test_roles_are_agreed_on(
    proposed: Role | None, own: Role | None, answered: Role | None, as_scu: bool, as_scp: bool
) -> None:
    asked = request(proposed)
    answer = accept(asked, policy(own))
    expected: tuple[pdu.RoleSelection, ...] = ()
    if answered is not None:
        expected = (
            pdu.RoleSelection(
                sop_class_uid=CT, scu_role=Role.SCU in answered, scp_role=Role.SCP in answered
            ),
        )
    assert answer.user_information.role_selections == expected
    (context,) = accepted_contexts(asked, answer, requestor=True).values()
    assert (context.as_scu, context.as_scp) == (as_scu, as_scp)


@pytest.mark.parametrize(
    ("proposed", "own"), [(None, Role.SCP), (Role.SCU, Role.SCP), (Role.SCP, Role.SCU)]
)
def test_context_without_a_common_role_is_refused(proposed: Role | None, own: Role) -> None:
    answer = accept(request(proposed), policy(own))
    (context,) = answer.presentation_contexts
    assert context.result == pdu.ContextResult.USER_REJECTION
    assert answer.user_information.role_selections == ()


def test_extended_negotiation_is_stated_for_accepted_classes_whatever_was_proposed() -> None:
    own = policy(answers={MR: b"\1\2", "1.2.3": b"\3", CT: b"\4"})
    answer = accept(request(None, (MR, b"\7"), ("1.2.3", b"\7"), classes=(CT, MR, "1.2.3")), own)
    stated = [
        (item.sop_class_uid, item.service_class_application_information)
        for item in answer.user_information.extended_negotiations
    ]
    assert stated == [(MR, b"\1\2"), (CT, b"\4")]


def test_nothing_is_stated_of_a_refused_class_nor_without_a_profile() -> None:
    answer = accept(request(classes=(CT,)), policy(answers={MR: b"\1"}))
    assert answer.user_information.extended_negotiations == ()
    answer = accept(request(None, (CT, b"\1")), policy())
    assert answer.user_information.extended_negotiations == ()


def test_answer_of_the_hook_comes_before_what_is_stated() -> None:
    own = AcceptorPolicy(
        abstract_syntaxes={CT: (IMPLICIT,), MR: (IMPLICIT,)},
        implementation_class_uid="1.2.9",
        extended_negotiation=lambda item: item.service_class_application_information * 2,
        extended_answers={CT: b"\1", MR: b"\2"},
    )
    answer = accept(request(None, (CT, b"\7"), classes=(CT, MR)), own)
    stated = {
        item.sop_class_uid: item.service_class_application_information
        for item in answer.user_information.extended_negotiations
    }
    assert stated == {CT: b"\7\7", MR: b"\2"}
