"""Judges of requests: their order, their answers, and what becomes of one that fails."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import AssociationRejected
from isocenter.net.tls import TlsFacts
from isocenter.services.acceptor import Acceptor, SilentObserver
from isocenter.services.admission import Admissions, facts_of
from isocenter.ul.admission import RequestFacts, UserIdentityAC
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import AAssociateAC, AAssociateRJ, UserIdentityRQ
from isocenter.ul.request import ProposedContext, build_request
from tests.net.support import IMPLICIT, POLICY, VERIFICATION, Thread, driver, registry

if TYPE_CHECKING:
    from isocenter.net.association import Association
    from isocenter.services.admission import Admission
    from isocenter.ul.admission import Verdict
    from isocenter.ul.pdu import AAssociateRQ

REQUEST = build_request(
    [ProposedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT,))],
    called_ae_title="ACCEPTOR",
    calling_ae_title="REQUESTOR",
    implementation_class_uid="1.2.3",
    user_identity=UserIdentityRQ(
        user_identity_type=1, positive_response_requested=True, primary_field=b"joe"
    ),
)
NO = rejection(3)


class _Judge:
    """Says one thing, and keeps what it was asked about."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.asked: list[tuple[RequestFacts, AAssociateRQ]] = []

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> Verdict:
        self.asked.append((facts, request))
        return self._verdict


class _Broken:
    """Cannot judge."""

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> Verdict:
        raise RuntimeError("no")


class _Rejections(SilentObserver):
    def __init__(self) -> None:
        self.seen: list[AAssociateRJ] = []

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        self.seen.append(reject)


def _answer(
    admission: Admission | None, observer: SilentObserver | None = None
) -> AAssociateAC | AAssociateRJ:
    left, right = socket.socketpair()
    acceptor = Acceptor(POLICY, registry(), observer, admission)
    serving = Thread(lambda: acceptor.serve(driver(right, requestor=False)))
    association = driver(left, requestor=True, request=REQUEST)
    answer = association.await_answer(REQUEST)
    if isinstance(answer, AAssociateAC):
        association.release()
    serving.finish()
    return answer


class TestAcceptor:
    def test_rejects_with_what_a_judge_returns_and_tells_its_observer(self) -> None:
        judge, observer = _Judge(NO), _Rejections()
        assert _answer(judge, observer) == NO
        assert observer.seen == [NO]
        assert len(judge.asked) == 1

    def test_sends_the_answer_to_a_user_identity(self) -> None:
        answer = _answer(_Judge(UserIdentityAC(server_response=b"ticket")))
        assert isinstance(answer, AAssociateAC)
        assert answer.user_information.user_identity_response == b"ticket"

    @pytest.mark.parametrize("judge", [None, _Judge(None)])
    def test_accepts_where_nobody_has_anything_to_say(self, judge: Admission | None) -> None:
        answer = _answer(judge)
        assert isinstance(answer, AAssociateAC)
        assert answer.user_information.user_identity_response is None

    def test_refuses_for_now_where_a_judge_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR):
            answer = _answer(_Broken())
        assert isinstance(answer, AAssociateRJ)
        assert (answer.result, answer.source, answer.reason) == (2, 1, 1)
        assert "nobody can tell whether" in caplog.text

    def test_tells_the_judge_where_the_peer_is_and_what_it_asks(self) -> None:
        judge = _Judge(None)
        _answer(judge)
        facts, request = judge.asked[0]
        assert not facts.is_encrypted
        assert facts.peer_certificate is None
        assert request.calling_ae_title == "REQUESTOR"


class TestAdmissions:
    def test_first_rejection_wins_and_ends_the_questions(self) -> None:
        before, after = _Judge(None), _Judge(rejection(7))
        chain = Admissions([before, _Judge(NO), after])
        assert chain.judge(RequestFacts(), REQUEST) is NO
        assert len(before.asked) == 1
        assert after.asked == []

    def test_rejection_wins_over_an_earlier_answer(self) -> None:
        chain = Admissions([_Judge(UserIdentityAC()), _Judge(NO)])
        assert chain.judge(RequestFacts(), REQUEST) is NO

    def test_first_answer_to_an_identity_is_given(self) -> None:
        first, second = UserIdentityAC(server_response=b"1"), UserIdentityAC(server_response=b"2")
        chain = Admissions([_Judge(None), _Judge(first), _Judge(second)])
        assert chain.judge(RequestFacts(), REQUEST) is first

    def test_nobody_has_anything_to_say(self) -> None:
        assert Admissions([]).judge(RequestFacts(), REQUEST) is None


def test_rejection_is_one_of_the_service_user() -> None:
    assert str(AssociationRejected(NO.result, NO.source, NO.reason)).endswith(
        "Service User, Calling AE Title Not Recognized"
    )


def test_answer_to_an_identity_is_not_shown() -> None:
    assert "ticket" not in repr(UserIdentityAC(server_response=b"ticket"))


@pytest.mark.parametrize("certificate", [None, b"DER"])
def test_facts_tell_of_tls_and_the_certificate_that_was_shown(certificate: bytes | None) -> None:
    left, right = socket.socketpair()
    with left, right:
        association = driver(right, requestor=False)
        assert facts_of(association) == RequestFacts(peer_address=association.peer_address)
        association.tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", certificate, None)
        facts = facts_of(association)
        assert facts.is_encrypted
        assert facts.peer_certificate == certificate
        association.close()
