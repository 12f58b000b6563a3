"""C-STORE on both sides: what a provider may do, what a peer may do to it (PS3.4 annex B)."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest

from isocenter.dimse.codec import encode_command
from isocenter.dimse.commands import CCancelRQ, CEchoRSP, CFindRQ, CStoreRSP
from isocenter.dimse.commands_n import NGetRQ
from isocenter.errors import (
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    DimseFailure,
    IsocenterError,
    LocalProtocolError,
    StorageError,
    StorageFull,
    StorageRefused,
    TimeoutExpired,
)
from isocenter.net.options import AssociationOptions
from isocenter.services import storage
from isocenter.services.acceptor import Acceptor, SilentObserver
from isocenter.services.providers import AbortAssociation
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified, echo
from isocenter.ul import codec, pdu
from tests.net.support import (
    CT,
    POLICY,
    VERIFICATION,
    WAIT,
    Thread,
    as_requestor,
    driver,
    echo_request,
    message,
    proposal,
    read_pdu,
    registry,
    store_request,
)
from tests.ul.engines import data_pdu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.dimse.commands import Message
    from isocenter.net.association import Association
    from isocenter.services.providers import EchoRequest, StoreRequest

    Serve: TypeAlias = Callable[[Callable[[StoreRequest], int]], "Both"]

ABORT = codec.encode(pdu.AAbort(source=0, reason=0))
RELEASE_RQ = codec.encode(pdu.AReleaseRQ())
DATA = bytes(range(256)) * 300


class Provider:
    """Does what a test says."""

    def __init__(self, perform: Callable[[StoreRequest], int]) -> None:
        self._perform = perform

    def store(self, request: StoreRequest) -> int:
        return self._perform(request)


class Watcher(SilentObserver):
    def __init__(self) -> None:
        self.problems: list[IsocenterError] = []
        self.commands: list[int] = []
        self.aborts = 0

    def failed(self, association: Association, problem: IsocenterError) -> None:
        self.problems.append(problem)

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        self.commands.append(command.command_field)

    def aborting(self, association: Association) -> None:
        self.aborts += 1


class Both:
    """A requestor and an acceptor that serves in a thread."""

    def __init__(self, made: Registry) -> None:
        self.watcher = Watcher()
        left, right = socket.socketpair()
        acceptor = driver(right, requestor=False)
        self._serving = Thread(lambda: Acceptor(POLICY, made, self.watcher).serve(acceptor))
        request = proposal()
        self.association = driver(left, requestor=True, request=request)
        self.association.await_answer(request)

    def store(self, data: bytes = DATA) -> CStoreRSP:
        return storage.store(
            self.association, 1, sop_class_uid=CT, sop_instance_uid="1.2.3", data=[data]
        )

    def end(self) -> None:
        self.association.release()
        self._serving.finish()


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[Both] = []

    def start(perform: Callable[[StoreRequest], int]) -> Both:
        made.append(Both(registry(Provider(perform))))
        return made[-1]

    yield start
    for both in made:
        both.end()


# --- the provider ---------------------------------------------------------------------------


def test_request_tells_who_sends_what(serve: Serve) -> None:
    seen: list[object] = []

    def perform(request: StoreRequest) -> int:
        seen.extend(
            (
                request.calling_ae_title,
                request.sop_class_uid,
                request.sop_instance_uid,
                request.transfer_syntax_uid,
                request.complete,
                request.read() == DATA,
                request.complete,
                request.read(),
            )
        )
        return 0

    assert serve(perform).store().status == 0
    assert seen == ["REQUESTOR", CT, "1.2.3", "1.2.840.10008.1.2", False, True, True, b""]


def test_fragments_are_the_data_set_in_order(serve: Serve) -> None:
    parts: list[bytes] = []

    def perform(request: StoreRequest) -> int:
        for views in request.fragments():
            parts.extend(bytes(view) for view in views)
        return 0xB000

    response = serve(perform).store()
    assert (response.status, b"".join(parts)) == (0xB000, DATA)
    assert storage.is_confirmed(response.status)
    assert storage.is_warning(response.status)


@pytest.mark.parametrize("read", [0, 1, 3], ids=["nothing", "one step", "three steps"])
def test_what_a_provider_leaves_is_dropped_and_the_next_object_is_whole(
    serve: Serve, read: int
) -> None:
    lengths: list[int] = []

    def perform(request: StoreRequest) -> int:
        if not lengths:
            steps = request.fragments()
            for _ in range(read):
                next(steps)
            lengths.append(0)
            return 0xA700
        lengths.append(len(request.read()))
        return 0

    both = serve(perform)
    assert both.store().status == 0xA700
    assert both.store().status == 0
    assert lengths == [0, len(DATA)]


def test_data_set_longer_than_allowed_is_refused(serve: Serve) -> None:
    both = serve(lambda request: len(request.read(maximum_length=1000)) * 0)
    response = both.store()
    assert (response.status, response.error_comment) == (
        0xC000,
        "data set longer than 1000 bytes",
    )
    assert both.store(bytes(1000)).status == 0


def test_data_set_becomes_a_pydicom_object(serve: Serve) -> None:
    names: list[str] = []

    def perform(request: StoreRequest) -> int:
        names.append(str(request.dataset().PatientName))
        return 0

    assert serve(perform).store(b"\x10\0\x10\0\4\0\0\0A^B ").status == 0
    assert names == ["A^B"]


@pytest.mark.parametrize(
    ("problem", "status", "comment"),
    [
        (DimseFailure(0xA900, "wrong class", (0x00080016,)), 0xA900, "wrong class"),
        (DimseFailure(0x0124, "x" * 100), 0x0124, "x" * 64),
        (StorageError("/a/b", "Read-only file system"), 0xA700, "Read-only file system"),
        (StorageFull("/a/b", "No space left on device"), 0xA700, "No space left on device"),
        (StorageRefused("no folder: /a/b", path="/a/b", comment="no folder"), 0xC000, "no folder"),
        (StorageRefused("no study"), 0xC000, "no study"),
        (OSError(5, "Input/output error"), 0xA700, "Input/output error"),
        (OSError("odd"), 0xA700, "cannot store"),
        (DataSetError("no UID"), 0xC000, "no UID"),
        (ValueError("bug"), 0x0110, None),
        (Exception("anything"), 0x0110, None),
        (ConnectionLost("to another archive"), 0x0110, None),
        (TimeoutExpired("dimse", 3), 0x0110, None),
    ],
    ids=repr,
)
def test_what_a_provider_raises_becomes_a_status_and_the_association_goes_on(
    serve: Serve,
    problem: Exception,
    status: int,
    comment: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    problems = [problem]

    def perform(request: StoreRequest) -> int:
        if problems:
            raise problems.pop()
        return 0

    caplog.set_level(logging.CRITICAL, "isocenter.services.storage")
    both = serve(perform)
    response = both.store()
    assert (response.status, response.error_comment) == (status, comment)
    if status == 0xA900:
        assert response.offending_element == (0x00080016,)
    assert both.store().status == 0
    assert echo(both.association) == 0


@pytest.mark.parametrize("status", [None, "0000", -1, 0x10000])
def test_what_is_no_status_is_a_failure(
    serve: Serve, status: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "isocenter.services.storage")
    assert serve(lambda request: cast("int", status)).store().status == 0x0110


def test_provider_may_abort() -> None:
    def perform(request: StoreRequest) -> int:
        raise AbortAssociation

    both = Both(registry(Provider(perform)))
    with pytest.raises(IsocenterError):
        both.store()
    both.end()
    assert (both.watcher.aborts, both.watcher.problems) == (1, [])


def test_class_that_nobody_stores_is_answered_0122() -> None:
    both = Both(registry(None))
    assert both.store().status == 0x0122
    both.end()


def test_provider_of_a_class_goes_before_the_one_for_all() -> None:
    made = registry(Provider(lambda request: 0xB000))
    made.add_storage(Provider(lambda request: 0xB006), [CT])
    both = Both(made)
    assert both.store().status == 0xB006
    both.end()


def test_echo_provider_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "isocenter.services.acceptor")

    class Failing:
        problems: list[Exception] = [ValueError("bug"), DimseFailure(0x0211, "not now")]  # noqa: RUF012 - one test, one use

        def echo(self, request: EchoRequest) -> int:
            raise self.problems.pop()

    both = Both(Registry(verification=Failing()))
    assert [echo(both.association), echo(both.association)] == [0x0211, 0x0110]
    both.end()


# --- the peer -------------------------------------------------------------------------------


def served(perform: Callable[[StoreRequest], int], *sent: bytes) -> tuple[list[bytes], Watcher]:
    """Send bytes on an association; return what came back until the end, and what was seen."""
    mine, peer = socket.socketpair()
    peer.settimeout(WAIT)
    watcher = Watcher()
    acceptor = driver(mine, requestor=False, options=AssociationOptions(linger=0.01))
    serve = Acceptor(POLICY, registry(Provider(perform)), watcher).serve
    serving = Thread(lambda: serve(acceptor))
    peer.sendall(codec.encode(proposal()))
    assert read_pdu(peer)[0] == 2
    for data in sent:
        peer.sendall(data)
    answers = []
    while answer := read_pdu(peer):
        answers.append(answer)
    peer.close()
    serving.finish()
    return answers, watcher


def swallow(request: StoreRequest) -> int:
    request.drain()
    return 0


def test_release_in_the_middle_of_a_data_set_is_an_abort() -> None:
    half = message(store_request()) + data_pdu(bytes(100), control=0)
    answers, watcher = served(swallow, half, RELEASE_RQ)
    assert answers == [ABORT]
    (problem,) = watcher.problems
    assert isinstance(problem, AssociationReleased)


@pytest.mark.parametrize("rest", [RELEASE_RQ, ABORT, b""], ids=["release", "abort", "closed"])
def test_deferred_actions_are_called_where_the_data_set_never_ends(rest: bytes) -> None:
    called: list[int] = []

    def perform(request: StoreRequest) -> int:
        request.defer(lambda: called.append(1))
        return 0

    half = message(store_request()) + data_pdu(bytes(100), control=0)
    mine, peer = socket.socketpair()
    acceptor = driver(mine, requestor=False, options=AssociationOptions(linger=0.01))
    serving = Thread(lambda: Acceptor(POLICY, registry(Provider(perform))).serve(acceptor))
    peer.sendall(codec.encode(proposal()) + half + rest)
    peer.shutdown(socket.SHUT_WR)
    serving.finish()
    assert called == [1]
    peer.close()


def test_deferred_action_that_fails_keeps_no_other_from_being_called(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []

    def fail() -> None:
        raise ZeroDivisionError

    def perform(request: StoreRequest) -> int:
        request.defer(fail)
        request.defer(lambda: called.append(1))
        return 0

    both = serve(perform)
    assert both.store().status == 0
    assert both.store().status == 0
    assert echo(both.association) == 0
    assert called == [1, 1]
    assert len(lines_of(caplog, "deferred action failed")) == 2


def test_failure_of_a_provider_does_not_hide_the_end_of_the_association() -> None:
    def perform(request: StoreRequest) -> int:
        try:
            request.drain()
        finally:
            raise ValueError("after the end")

    half = message(store_request()) + data_pdu(bytes(100), control=0)
    mine, peer = socket.socketpair()
    watcher = Watcher()
    acceptor = driver(mine, requestor=False)
    request = proposal()
    peer.sendall(codec.encode(request) + half)
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(ValueError, match="after the end"):
        Acceptor(POLICY, registry(Provider(perform)), watcher).serve(acceptor)
    acceptor.close()
    peer.close()


@pytest.mark.parametrize(
    "command",
    [
        CFindRQ(message_id=1, affected_sop_class_uid=CT, priority=0, has_data_set=True),
        NGetRQ(
            message_id=1,
            requested_sop_class_uid=CT,
            requested_sop_instance_uid="1.2",
            has_data_set=False,
        ),
        CEchoRSP(
            message_id_being_responded_to=1,
            affected_sop_class_uid=VERIFICATION,
            status=0,
            has_data_set=False,
        ),
        CCancelRQ(message_id_being_responded_to=1, has_data_set=False),
    ],
    ids=lambda command: command.message_name,
)
def test_command_of_another_service_is_an_abort(command: Message) -> None:
    answers, watcher = served(swallow, message(command))
    assert answers == [ABORT]
    assert watcher.commands == [command.command_field]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(message(store_request(data=False)), id="C-STORE without a data set"),
        pytest.param(
            message(store_request()) + message(store_request()), id="command for a data set"
        ),
        pytest.param(message(echo_request()) + data_pdu(b"x"), id="data set without command"),
    ],
)
def test_messages_out_of_order_are_an_abort(sent: bytes) -> None:
    answers, watcher = served(swallow, sent)
    assert answers[-1] == ABORT
    assert isinstance(watcher.problems[-1], DimseDecodeError)


def test_object_on_the_verification_context_is_refused() -> None:
    stored: list[bytes] = []

    def keep(request: StoreRequest) -> int:
        stored.append(request.read())
        return 0

    answers, _ = served(keep, message(store_request(), b"data", context_id=3), RELEASE_RQ)
    assert stored == []
    assert b"\x00\x00\x00\x09\x02\x00\x00\x00\x22\x01" in answers[0]
    assert answers[1][0] == 6


# --- the log --------------------------------------------------------------------------------


def without_group_length(command: Message) -> bytes:
    return data_pdu(encode_command(command)[12:], context_id=1, control=3)


def lines_of(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def test_what_is_tolerated_is_logged_once_per_association(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "isocenter")
    sent = [without_group_length(store_request(i)) + data_pdu(b"xx") for i in (1, 2, 3)]
    served(swallow, *sent, RELEASE_RQ)
    (line,) = lines_of(caplog, "tolerated: ")
    assert "no group length" in line
    assert "'REQUESTOR' to 'ACCEPTOR'" in line


def test_requestor_logs_what_it_tolerates_of_responses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "isocenter")
    association, peer = answered(*(without_group_length(store_response(i)) for i in (1, 2)))
    for _ in range(2):
        storage.store(association, 1, sop_class_uid=CT, sop_instance_uid="1.2.3", data=[b"xx"])
    assert len(lines_of(caplog, "tolerated: no group length")) == 1
    association.close()
    peer.close()


def test_peer_cannot_fill_the_log_with_deviations(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "isocenter")
    association, peer = as_requestor()
    association.tolerate(f"group length {i}" for i in range(1000))
    assert len(lines_of(caplog, "tolerated: ")) == 16
    association.close()
    peer.close()


@pytest.mark.parametrize("problem", [ValueError("bug"), StorageError("/a", "full"), OSError("odd")])
def test_failure_of_a_provider_is_logged_with_its_association(
    serve: Serve, problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def perform(request: StoreRequest) -> int:
        raise problem

    caplog.set_level(logging.ERROR, "isocenter.services")
    serve(perform).store()
    assert len(lines_of(caplog, "'REQUESTOR' to 'ACCEPTOR'")) == 1


def test_acceptor_without_observer_logs_how_associations_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "isocenter.services")
    mine, peer = socket.socketpair()
    association = driver(mine, requestor=False)
    serving = Thread(lambda: Acceptor(POLICY, registry()).serve(association))
    peer.sendall(codec.encode(proposal()))
    assert read_pdu(peer)[0] == 2
    peer.sendall(ABORT)
    serving.finish()
    assert len(lines_of(caplog, "accepted association ")) == 1
    assert len(lines_of(caplog, "ended: association aborted by peer")) == 1
    peer.close()


# --- the requestor --------------------------------------------------------------------------


def answered(*answers: bytes) -> tuple[Association, socket.socket]:
    association, peer = as_requestor(options=AssociationOptions(linger=0.01, dimse_timeout=WAIT))
    peer.sendall(b"".join(answers))
    return association, peer


def store_response(message_id: int, *, data: bool = False) -> CStoreRSP:
    return CStoreRSP(
        message_id_being_responded_to=message_id,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid="1.2.3",
        status=0,
        has_data_set=data,
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(message(store_response(9)), DimseDecodeError, id="another message id"),
        pytest.param(message(echo_request(), context_id=3), DimseDecodeError, id="a request"),
        pytest.param(RELEASE_RQ, AssociationReleased, id="release"),
        pytest.param(data_pdu(b"x"), DimseDecodeError, id="a data set"),
    ],
)
def test_answer_that_answers_nothing_is_an_abort(
    answer: bytes, expected: type[IsocenterError]
) -> None:
    association, peer = answered(answer)
    with pytest.raises(expected):
        storage.store(association, 1, sop_class_uid=CT, sop_instance_uid="1.2.3", data=[b"xx"])
    assert association.closed
    peer.close()


@pytest.mark.parametrize(
    ("context_id", "uid", "expected"),
    [(1, "1.2.é", ValueError), (1, "", ValueError), (99, "1.2", LocalProtocolError)],
)
def test_request_that_cannot_be_sent_leaves_the_association_as_it_was(
    context_id: int, uid: str, expected: type[Exception]
) -> None:
    both = Both(registry(Provider(swallow)))
    with pytest.raises(expected):
        storage.store(
            both.association,
            context_id,
            sop_class_uid=CT,
            sop_instance_uid=uid,
            data=[b"xx"],
        )
    assert not both.association.session.outstanding
    assert echo(both.association) == 0
    both.end()


def test_response_that_does_not_come_aborts() -> None:
    association, peer = as_requestor(options=AssociationOptions(linger=0.01, dimse_timeout=0.01))
    with pytest.raises(TimeoutExpired, match="dimse"):
        echo(association)
    assert association.closed
    peer.close()


def test_message_id_and_move_originator_are_those_given() -> None:
    requests: list[StoreRequest] = []

    def keep(request: StoreRequest) -> int:
        requests.append(request)
        return 0

    both = Both(registry(Provider(keep)))
    storage.store(
        both.association,
        1,
        sop_class_uid=CT,
        sop_instance_uid="1.2",
        data=[b"xx"],
        move_originator=("MOVER", 77),
    )
    given = storage.submit(
        both.association, 1, sop_class_uid=CT, sop_instance_uid="1.2", data=[b"xx"], message_id=500
    )
    assert storage.await_store(both.association).message_id_being_responded_to == given == 500
    both.end()
    first, second = (request.command for request in requests)
    assert first.message_id == 1
    assert first.move_originator_application_entity_title == "MOVER"
    assert first.move_originator_message_id == 77
    assert second.move_originator_message_id is None


def test_rejection_is_said_and_closed() -> None:
    from dataclasses import replace

    mine, peer = socket.socketpair()
    peer.settimeout(WAIT)
    acceptor = driver(mine, requestor=False, options=AssociationOptions(linger=0.01))
    refusing = Acceptor(replace(POLICY, refuse=True), Registry(verification=AlwaysVerified()))
    peer.sendall(codec.encode(proposal()))
    refusing.serve(acceptor)
    assert read_pdu(peer)[0] == 3
    assert acceptor.closed
    peer.close()
