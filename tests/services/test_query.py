"""C-FIND on both sides: matches, statuses, C-CANCEL, and what a provider may do."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.dimse.commands import CCancelRQ, CEchoRSP, CFindRQ, CFindRSP
from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    DimseFailure,
    PeerProtocolError,
)
from isocenter.limits import Limits
from isocenter.services.acceptor import Acceptor, SilentObserver
from isocenter.services.exchange import exchange, invoke, next_response
from isocenter.services.identifiers import read_identifier
from isocenter.services.providers import AbortAssociation, FindMatch
from isocenter.services.query import find
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified
from isocenter.ul.negotiation import AcceptorPolicy, Role
from isocenter.ul.request import ProposedContext, build_request
from tests.net.support import IMPLICIT, VERIFICATION, WAIT, Thread, driver, echo_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from isocenter.dimse.commands import Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.services.acceptor import Operation, OperationResponse
    from isocenter.services.providers import FindRequest
    from isocenter.wire import Segment

    Found: TypeAlias = FindMatch | list[FindMatch] | None
    Answers: TypeAlias = Callable[[FindRequest], Iterator[Found]]

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
KEYS = b"\x08\0\x52\0\x06\0\0\0STUDY "


class Provider:
    """Yields what a test says, and notes when it is closed."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.closed = threading.Event()

    def find(self, request: FindRequest) -> Iterator[Found]:
        try:
            yield from self._answers(request)
        finally:
            self.closed.set()


class Watcher(SilentObserver):
    def __init__(self) -> None:
        self.events: list[str] = []
        self.problems: list[IsocenterError] = []

    def operation(self, association: Association, context_id: int, command: Operation) -> None:
        self.events.append(command.message_name)

    def identified(
        self, association: Association, context_id: int, command: Operation, identifier: bytes
    ) -> None:
        self.events.append(f"identifier of {len(identifier)}")

    def answered(
        self,
        association: Association,
        context_id: int,
        response: OperationResponse,
        identifier: Sequence[Segment] | None,
    ) -> None:
        self.events.append(f"{response.status:04X}")

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        self.events.append("cancel" if request is not None else "cancel of nothing")

    def aborting(self, association: Association) -> None:
        self.events.append("aborting")

    def stopped(self, association: Association) -> None:
        self.events.append("stopped")

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        self.events.append(f"unexpected {command.message_name}")

    def failed(self, association: Association, problem: IsocenterError) -> None:
        self.problems.append(problem)


class Both:
    """A requestor, and an acceptor that serves in a thread."""

    def __init__(
        self,
        answers: Answers | None,
        *,
        limits: Limits | None = None,
        window: int = 1,
        role: Role | None = None,
    ) -> None:
        made = Registry(verification=AlwaysVerified(), limits=limits or Limits())
        self.provider = None if answers is None else Provider(answers)
        if self.provider is not None:
            made.add_query(self.provider, [STUDY_ROOT])
        policy = AcceptorPolicy(
            abstract_syntaxes={STUDY_ROOT: (IMPLICIT,), VERIFICATION: (IMPLICIT,)},
            implementation_class_uid="1.2.3",
            maximum_length=16384,
            accept_roles=lambda _: role,
        )
        self.watcher = Watcher()
        left, self.socket = socket.socketpair()
        self.acceptor = driver(self.socket, requestor=False)
        acceptor = Acceptor(policy, made, self.watcher)
        self.serving = Thread(lambda: acceptor.serve(self.acceptor))
        request = build_request(
            [
                ProposedContext(
                    abstract_syntax=uid, transfer_syntaxes=(IMPLICIT,), role=role or Role.SCU
                )
                for uid in (STUDY_ROOT, VERIFICATION)
            ],
            called_ae_title="ACCEPTOR",
            calling_ae_title="REQUESTOR",
            implementation_class_uid="1.2.3",
            maximum_operations=(window, window),
        )
        self.association = driver(left, requestor=True, request=request)
        self.association.await_answer(request)

    def end(self) -> None:
        self.association.release()
        self.serving.finish()


def three(request: FindRequest) -> Iterator[FindMatch | None]:
    for number in range(3):
        yield FindMatch(request.identifier + bytes([number, 0]), is_partial=number == 1)


def endless(request: FindRequest) -> Iterator[FindMatch | None]:
    while True:
        yield FindMatch(request.identifier)


def statuses(both: Both, **options: int) -> list[int]:
    return [response.status for response in find(both.association, 1, KEYS, **options)]


def test_matches_come_one_by_one_and_then_the_final_response() -> None:
    both = Both(three)
    responses = list(find(both.association, 1, KEYS, priority=2))
    both.end()
    assert [response.status for response in responses] == [0xFF00, 0xFF01, 0xFF00, 0]
    assert [response.identifier for response in responses] == [
        *(KEYS + bytes([number, 0]) for number in range(3)),
        None,
    ]
    assert [response.is_pending for response in responses] == [True, True, True, False]
    assert both.watcher.events == [
        "C-FIND-RQ",
        "identifier of 14",
        "FF00",
        "FF01",
        "FF00",
        "0000",
    ]
    assert both.provider is not None
    assert both.provider.closed.is_set()


def test_matches_of_a_list_go_out_together_in_their_order() -> None:
    sizes = [10, 3_000_000, 20, 0, 40_000, 40_000, 30]

    def answers(request: FindRequest) -> Iterator[list[FindMatch] | None]:
        yield [FindMatch(bytes(size), is_partial=size == 20) for size in sizes]
        yield None
        yield []
        yield [FindMatch((b"ab", b"cd")), FindMatch(b"ef")]

    both = Both(answers)
    responses = list(find(both.association, 1, KEYS))
    both.end()
    found = [response.identifier for response in responses]
    assert found == [*(bytes(size) for size in sizes), b"abcd", b"ef", None]
    expected = [0xFF00, 0xFF00, 0xFF01, *[0xFF00] * 6, 0]
    assert [response.status for response in responses] == expected
    assert both.watcher.events[2:] == [f"{status:04X}" for status in expected]


def test_matches_of_a_list_cost_one_system_call(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[socket.socket] = []
    send = socket.socket.sendmsg

    def counted(self: socket.socket, *args: object) -> int:
        sent.append(self)
        return send(self, *args)  # type: ignore[arg-type]

    both = Both(lambda request: iter([[FindMatch(request.identifier)] * 50]))
    monkeypatch.setattr(socket.socket, "sendmsg", counted)
    responses = list(find(both.association, 1, KEYS))
    both.end()
    assert len(responses) == 51
    assert 2 <= len(sent) < 10  # of both sides


def test_provider_is_told_who_asks_what() -> None:
    seen: list[object] = []

    def answers(request: FindRequest) -> Iterator[FindMatch | None]:
        seen.extend(
            (
                request.calling_ae_title,
                request.called_ae_title,
                request.sop_class_uid,
                request.transfer_syntax_uid,
                request.command.priority,
                request.dataset().QueryRetrieveLevel,
            )
        )
        yield from ()

    both = Both(answers)
    assert statuses(both, priority=1) == [0]
    both.end()
    assert seen == ["REQUESTOR", "ACCEPTOR", STUDY_ROOT, IMPLICIT, 1, "STUDY"]


def test_segments_of_a_match_are_sent_one_behind_the_other() -> None:
    both = Both(lambda _: iter([FindMatch((b"12", b"", b"3456"))]))
    assert [response.identifier for response in find(both.association, 1, KEYS)] == [
        b"123456",
        None,
    ]
    both.end()


@pytest.mark.parametrize(
    ("problem", "status", "comment", "offending"),
    [
        (DimseFailure(0xA900, "no level", (0x00080052,)), 0xA900, "no level", (0x00080052,)),
        (DimseFailure(0xC123), 0xC123, "", ()),
        (DimseFailure(0xFF00), 0xC000, "", ()),
        (ValueError("bug"), 0xC000, "", ()),
    ],
    ids=["refused", "no comment", "pending is none", "bug"],
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_a_provider_raises_becomes_the_final_status(
    problem: Exception, status: int, comment: str, offending: tuple[int, ...], before: int
) -> None:
    def answers(request: FindRequest) -> Iterator[FindMatch | None]:
        for _ in range(before):
            yield FindMatch(request.identifier)
        raise problem

    both = Both(answers)
    responses = list(find(both.association, 1, KEYS))
    again = exchange(both.association, 3, echo_request(99), CEchoRSP)
    both.end()
    assert [response.status for response in responses] == [0xFF00] * before + [status]
    assert responses[-1].comment == comment
    assert responses[-1].offending == offending
    assert again.status == 0


def test_provider_may_abort() -> None:
    def answers(_: FindRequest) -> Iterator[FindMatch | None]:
        yield None
        raise AbortAssociation

    both = Both(answers)
    with pytest.raises(AssociationAborted):
        statuses(both)
    both.serving.finish()
    assert both.watcher.events[-1] == "aborting"


def test_cancel_ends_a_query_that_would_not_end() -> None:
    both = Both(endless)
    finding = find(both.association, 1, KEYS, cancel_after=5)
    seen = [response.status for response in finding]
    assert seen[:5] == [0xFF00] * 5
    assert set(seen[5:-1]) <= {0xFF00}
    assert seen[-1] == 0xFE00
    assert both.provider is not None
    assert both.provider.closed.wait(WAIT)
    assert statuses_of_echo(both) == 0
    both.end()
    assert "cancel" in both.watcher.events


def statuses_of_echo(both: Both) -> int:
    number = both.association.session.next_message_id()
    return exchange(both.association, 3, echo_request(number), CEchoRSP).status


def test_cancel_is_heard_while_there_is_nothing_to_send() -> None:
    def answers(_: FindRequest) -> Iterator[FindMatch | None]:
        while True:
            yield None

    both = Both(answers)
    invoke(both.association, 1, CFindRQ(message_id=1, affected_sop_class_uid=STUDY_ROOT), [KEYS])
    cancel_of(both, 1)
    assert next_response(both.association, CFindRSP).status == 0xFE00
    both.end()


def cancel_of(both: Both, message_id: int) -> None:
    both.association.send(1, CCancelRQ(message_id_being_responded_to=message_id))


def test_iteration_that_is_closed_cancels_and_leaves_the_association_usable() -> None:
    both = Both(endless)
    finding = find(both.association, 1, KEYS)
    assert next(finding).status == 0xFF00
    finding.close()
    finding.close()
    assert list(finding) == []
    assert statuses_of_echo(both) == 0
    assert not both.association.session.outstanding
    both.end()


def test_iteration_that_is_closed_before_it_began_sends_nothing() -> None:
    both = Both(three)
    finding = find(both.association, 1, KEYS)
    finding.close()
    finding.cancel()
    assert list(finding) == []
    both.end()
    assert both.watcher.events == []


def test_late_cancel_is_ignored() -> None:
    both = Both(three)
    finding = find(both.association, 1, KEYS)
    assert len(list(finding)) == 4
    cancel_of(both, finding.message_id)
    cancel_of(both, 77)
    assert statuses(both) == [0xFF00, 0xFF01, 0xFF00, 0]
    both.end()
    assert both.watcher.events.count("cancel of nothing") == 2
    assert both.watcher.problems == []


def test_cancel_of_another_operation_does_not_end_this_one() -> None:
    both = Both(three)
    cancel_of(both, 2)  # ahead of the request that would have that id
    assert statuses(both) == [0xFF00, 0xFF01, 0xFF00, 0]
    both.end()


def test_requests_that_a_window_allows_meanwhile_follow_in_their_order() -> None:
    more = threading.Event()

    def answers(request: FindRequest) -> Iterator[FindMatch | None]:
        if request.command.message_id == 1:
            while not more.is_set():
                yield None
        yield FindMatch(request.identifier)

    both = Both(answers, window=4)
    association = both.association
    for number in (1, 2):
        request = CFindRQ(message_id=number, affected_sop_class_uid=STUDY_ROOT)
        invoke(association, 1, request, [KEYS])
    invoke(association, 3, echo_request(3))
    more.set()
    found: list[tuple[str, int]] = []
    for kind in (CFindRSP, CFindRSP, CFindRSP, CFindRSP, CEchoRSP):
        response = next_response(association, kind)
        assert isinstance(response, CFindRSP | CEchoRSP)
        read_identifier(association, response, 1000)
        found.append((response.message_name, response.message_id_being_responded_to))
    both.end()
    assert found == [("C-FIND-RSP", 1)] * 2 + [("C-FIND-RSP", 2)] * 2 + [("C-ECHO-RSP", 3)]


def test_identifier_beyond_the_limit_is_refused_and_the_association_goes_on() -> None:
    limits = Limits(maximum_identifier_length=len(KEYS))
    both = Both(three, limits=limits)
    assert statuses(both)[-1] == 0
    responses = list(find(both.association, 1, (KEYS, b"\0")))
    assert [response.status for response in responses] == [0xA700]
    assert responses[0].comment == "identifier longer than 14 bytes"
    assert statuses(both)[-1] == 0
    both.end()


def test_match_beyond_the_limit_is_an_error_and_the_next_one_comes() -> None:
    both = Both(lambda _: iter([FindMatch(b"12345"), FindMatch(b"1234")]))
    finding = find(both.association, 1, KEYS, maximum_length=4)
    with pytest.raises(DataSetError, match="a match longer than 4 bytes"):
        next(finding)
    assert [response.identifier for response in finding] == [b"1234", None]
    both.end()


def test_request_without_identifier_ends_the_association() -> None:
    both = Both(three)
    request = CFindRQ(message_id=1, affected_sop_class_uid=STUDY_ROOT, has_data_set=False)
    invoke(both.association, 1, request)
    with pytest.raises((AssociationAborted, ConnectionLost)):
        next_response(both.association, CFindRSP)
    both.serving.finish()
    assert [type(problem) for problem in both.watcher.problems] == [DimseDecodeError]


def test_who_may_not_be_scu_is_refused() -> None:
    both = Both(three, role=Role.SCP)
    responses = list(find(both.association, 1, KEYS))
    both.end()
    assert [response.status for response in responses] == [0x0122]
    assert responses[0].comment == "the role of SCU was not agreed on"


def test_where_nobody_answers_queries_a_query_is_unexpected() -> None:
    both = Both(None)
    with pytest.raises((AssociationAborted, ConnectionLost)):
        statuses(both)
    both.serving.finish()
    assert both.watcher.events == ["unexpected C-FIND-RQ"]


@pytest.mark.parametrize("ending", ["release", "abort", "close"])
def test_provider_is_closed_when_the_requestor_goes_in_the_middle(ending: str) -> None:
    both = Both(endless)
    finding = find(both.association, 1, KEYS)
    next(finding)
    if ending == "release":
        with pytest.raises((AssociationAborted, ConnectionLost, PeerProtocolError)):
            # Responses that come instead of the answer are a violation on both sides.
            both.association.release()
    elif ending == "abort":
        both.association.abort()
    else:
        both.association.close()
    both.serving.finish()
    assert both.provider is not None
    assert both.provider.closed.is_set()
    assert len(both.watcher.problems) == 1
    kinds = (AssociationReleased, AssociationAborted, ConnectionLost)
    assert isinstance(both.watcher.problems[0], kinds)


def test_server_that_stops_ends_a_query_in_the_middle() -> None:
    both = Both(endless)
    finding = find(both.association, 1, KEYS)
    next(finding)
    both.acceptor.request_stop()
    with pytest.raises((AssociationAborted, ConnectionLost)):
        list(finding)
    both.serving.finish()
    assert both.watcher.events[-1] == "stopped"
    assert both.provider is not None
    assert both.provider.closed.is_set()


def test_match_may_be_an_empty_data_set() -> None:
    both = Both(lambda _: iter([FindMatch(b"")]))
    assert [response.identifier for response in find(both.association, 1, KEYS)] == [b"", None]
    both.end()
