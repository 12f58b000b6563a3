"""What an archive node agrees to, by the title that is called and by whose turn it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.node.config import Entity, NodeConfig
from isocenter.node.negotiation import SHUTDOWN, NodeNegotiation, StorageTurns
from isocenter.record import replace
from isocenter.ul.negotiation import (
    AcceptorPolicy,
    Role,
    accepted_contexts,
    negotiate,
    rejection,
)
from isocenter.ul.pdu import AAssociateAC, ContextResult, RejectReason
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.ul.pdu import AAssociateRQ

HOLD = """
import sys
from isocenter.node.negotiation import StorageTurns
turns = StorageTurns(lambda title: sys.argv[1] + "/" + title)
print(turns.take("RW", 1), flush=True)
sys.stdin.read()
"""

CT = "1.2.840.10008.5.1.4.1.1.2"
SYNTAXES = (uids.IMPLICIT_VR_LITTLE_ENDIAN,)
CONFIG = NodeConfig(
    entities=(
        Entity(ae_title="RW", storage_area="/a"),
        Entity(ae_title="R", storage_area="/a", writable=False),
        Entity(ae_title="W", storage_area="/a", readable=False),
    )
)
POLICY = AcceptorPolicy(
    abstract_syntaxes=dict.fromkeys(
        (
            uids.VERIFICATION,
            CT,
            uids.STUDY_ROOT_FIND,
            uids.STUDY_ROOT_MOVE,
            uids.STUDY_ROOT_GET,
            uids.PATIENT_ROOT_FIND,
        ),
        SYNTAXES,
    ),
    implementation_class_uid="1.2.3",
    accept_roles=lambda uid: Role.SCU | Role.SCP if uid == CT else None,
)
ACCEPTED = ContextResult.ACCEPTANCE
REFUSED = ContextResult.USER_REJECTION


def request(called: str, *classes: str, roles: dict[str, Role] | None = None) -> AAssociateRQ:
    """Return a request for some SOP classes."""
    roles = roles or {}
    return build_request(
        [
            ProposedContext(
                abstract_syntax=uid,
                transfer_syntaxes=SYNTAXES,
                role=roles.get(uid, Role.SCU),
            )
            for uid in classes
        ],
        called_ae_title=called,
        calling_ae_title="TEST",
        implementation_class_uid="1.2.3",
    )


def results(
    asked: AAssociateRQ,
    *,
    turns: StorageTurns | None = None,
    number: int = 1,
    require_find: bool = False,
) -> list[int]:
    """Return the results of all contexts."""
    negotiation = NodeNegotiation(
        CONFIG, lambda uid: uid == CT, turns=turns, require_find=require_find
    )
    answer = negotiation.revise(asked, negotiate(asked, POLICY), number)
    assert isinstance(answer, AAssociateAC)
    return [context.result for context in answer.presentation_contexts]


@pytest.mark.parametrize(
    ("title", "storage", "query"),
    [("RW", ACCEPTED, ACCEPTED), ("R", REFUSED, ACCEPTED), ("W", ACCEPTED, REFUSED)],
)
def test_access_of_the_area_decides(
    title: str, storage: ContextResult, query: ContextResult
) -> None:
    asked = request(title, uids.VERIFICATION, CT, uids.STUDY_ROOT_FIND)
    assert results(asked) == [ACCEPTED, storage, query]


def test_whoever_takes_objects_by_get_may_be_their_receiver_at_a_read_only_area() -> None:
    asked = request("R", CT, uids.STUDY_ROOT_GET, roles={CT: Role.SCP})
    assert results(asked) == [ACCEPTED, ACCEPTED]


def test_whoever_wants_both_roles_is_no_sender_to_a_read_only_area() -> None:
    asked = request("R", CT, roles={CT: Role.SCU | Role.SCP})
    negotiation = NodeNegotiation(CONFIG, lambda uid: uid == CT)
    answer = negotiation.revise(asked, negotiate(asked, POLICY), 1)
    assert isinstance(answer, AAssociateAC)
    (context,) = accepted_contexts(asked, answer, requestor=False).values()
    assert context.as_scu
    assert not context.as_scp


@pytest.mark.parametrize("uid", [uids.STUDY_ROOT_MOVE, uids.STUDY_ROOT_GET])
def test_retrieval_without_find_is_refused_where_find_is_required(uid: str) -> None:
    assert results(request("RW", uid)) == [ACCEPTED]
    assert results(request("RW", uid), require_find=True) == [REFUSED]
    assert results(request("RW", uid, uids.PATIENT_ROOT_FIND), require_find=True) == [
        REFUSED,
        ACCEPTED,
    ]
    assert results(request("RW", uid, uids.STUDY_ROOT_FIND), require_find=True) == [
        ACCEPTED,
        ACCEPTED,
    ]


def test_move_without_find_is_told(caplog: pytest.LogCaptureFixture) -> None:
    results(request("RW", uids.STUDY_ROOT_MOVE))
    assert caplog.messages == ["Move Presentation Context but no Find (accepting for now)"]


def turns_in(folder: Path) -> StorageTurns:
    """Return the turns of a server whose files are in a folder."""
    return StorageTurns(lambda title: str(folder / title))


def test_turns_hold_among_processes_and_end_with_them(tmp_path: Path) -> None:
    turns = turns_in(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert not turns.take("RW", 1)
        assert turns.take("W", 1)
        holder.kill()
    assert turns.take("RW", 1)
    turns.leave(1)


def test_one_association_at_a_time_stores_where_only_one_may(tmp_path: Path) -> None:
    turns = turns_in(tmp_path)
    asked = request("RW", CT, uids.VERIFICATION)
    assert results(asked, turns=turns, number=1) == [ACCEPTED, ACCEPTED]
    assert results(asked, turns=turns, number=2) == [REFUSED, ACCEPTED]
    assert results(request("W", CT), turns=turns, number=3) == [ACCEPTED]
    turns.leave(2)
    assert results(asked, turns=turns, number=2) == [REFUSED, ACCEPTED]
    turns.leave(1)
    assert results(asked, turns=turns, number=2) == [ACCEPTED, ACCEPTED]


def test_who_proposes_no_storage_takes_no_turn(tmp_path: Path) -> None:
    turns = turns_in(tmp_path)
    assert results(request("RW", uids.VERIFICATION), turns=turns, number=1) == [ACCEPTED]
    assert results(request("RW", CT), turns=turns, number=2) == [ACCEPTED]


def test_refused_class_keeps_no_role(tmp_path: Path) -> None:
    asked = request("W", CT, uids.STUDY_ROOT_FIND, roles={CT: Role.SCU | Role.SCP})
    negotiation = NodeNegotiation(CONFIG, lambda uid: uid == CT, turns=turns_in(tmp_path))
    answer = negotiation.revise(asked, negotiate(asked, POLICY), 1)
    assert isinstance(answer, AAssociateAC)
    assert [item.sop_class_uid for item in answer.user_information.role_selections] == [CT]
    refused = negotiation.revise(asked, negotiate(asked, POLICY), 2)
    assert isinstance(refused, AAssociateAC)
    assert refused.user_information.role_selections == ()


def test_whoever_proposes_the_class_for_it_ends_the_server_where_that_is_allowed() -> None:
    ended: list[bool] = []
    policy = replace(POLICY, abstract_syntaxes={**POLICY.abstract_syntaxes, SHUTDOWN: SYNTAXES})
    asked = request("RW", SHUTDOWN)
    allowing = NodeNegotiation(CONFIG, lambda _: False, shut_down=lambda: ended.append(True))
    assert allowing.revise(asked, negotiate(asked, policy), 1) == rejection(
        RejectReason.USER_NO_REASON
    )
    assert ended == [True]
    other = request("RW", uids.VERIFICATION)
    assert isinstance(allowing.revise(other, negotiate(other, policy), 2), AAssociateAC)
    assert ended == [True]


def test_rejection_stays_as_it_is() -> None:
    reject = rejection(RejectReason.USER_NO_REASON)
    negotiation = NodeNegotiation(CONFIG, lambda uid: False)
    assert negotiation.revise(request("R", CT), reject, 1) is reject
