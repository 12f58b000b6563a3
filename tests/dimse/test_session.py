"""Message ids, the window and the match of responses (PS3.7 9.1, D.3.3.3)."""

from __future__ import annotations

import pytest

from isocenter.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CStoreRQ,
    CStoreRSP,
)
from isocenter.dimse.commands_n import NEventReportRQ, NEventReportRSP
from isocenter.dimse.session import MAXIMUM_OPERATIONS, Session, is_request, is_response
from isocenter.errors import DimseDecodeError, LocalProtocolError, PeerProtocolError


def store(number: int) -> CStoreRQ:
    return CStoreRQ(
        message_id=number, affected_sop_class_uid="1.2", affected_sop_instance_uid="1.3"
    )


def stored(number: int, status: int = 0) -> CStoreRSP:
    return CStoreRSP(message_id_being_responded_to=number, status=status)


def find(number: int) -> CFindRQ:
    return CFindRQ(message_id=number, affected_sop_class_uid="1.2")


def found(number: int, status: int) -> CFindRSP:
    return CFindRSP(message_id_being_responded_to=number, status=status)


def session(*, invoked: int = 1, performed: int = 1) -> Session:
    return Session(maximum_operations_invoked=invoked, maximum_operations_performed=performed)


# --- message ids ---


def test_message_ids_count_from_1_and_wrap_after_65535() -> None:
    numbers = session()
    assert [numbers.next_message_id() for _ in range(65535)] == list(range(1, 65536))
    assert numbers.next_message_id() == 1


def test_outstanding_message_ids_are_skipped_after_the_wrap() -> None:
    operations = session(invoked=0)
    for number in (1, 2, 65535):
        operations.invoked(store(number))
    taken = [operations.next_message_id() for _ in range(65533)]
    assert taken[0] == 3
    assert taken[-2:] == [65534, 3]


# --- the window of this side ---


@pytest.mark.parametrize(("granted", "room"), [(1, 1), (5, 5), (64, 64), (65, 64), (0, 64)])
def test_window_bounds_what_is_outstanding(granted: int, room: int) -> None:
    operations = session(invoked=granted)
    for number in range(1, room + 1):
        assert operations.can_invoke
        operations.invoked(store(number))
    assert not operations.can_invoke
    with pytest.raises(LocalProtocolError, match="window"):
        operations.invoked(store(room + 1))
    assert list(operations.outstanding) == list(range(1, room + 1))
    operations.responded(stored(1))
    assert operations.can_invoke


def test_unlimited_means_a_limit_of_our_own() -> None:
    assert MAXIMUM_OPERATIONS == 64


def test_message_id_in_use_is_refused() -> None:
    operations = session(invoked=2)
    operations.invoked(store(1))
    with pytest.raises(LocalProtocolError, match="message id 1"):
        operations.invoked(store(1))


@pytest.mark.parametrize("message", [stored(1), CCancelRQ(message_id_being_responded_to=1)])
def test_only_requests_are_operations(message: CStoreRSP | CCancelRQ) -> None:
    operations = session()
    for record in (operations.invoked, operations.performing):
        with pytest.raises(LocalProtocolError, match="is not a request"):
            record(message)


# --- responses ---


def test_response_returns_its_request_in_any_order() -> None:
    operations = session(invoked=3)
    requests = [store(1), store(2), store(3)]
    for request in requests:
        operations.invoked(request)
    assert operations.responded(stored(2)) is requests[1]
    assert operations.responded(stored(3, 0xA700)) is requests[2]
    assert operations.responded(stored(1, 0xB000)) is requests[0]
    assert not operations.outstanding


@pytest.mark.parametrize("status", [0xFF00, 0xFF01])
def test_pending_response_leaves_the_operation_outstanding(status: int) -> None:
    operations = session()
    request = find(1)
    operations.invoked(request)
    assert operations.responded(found(1, status)) is request
    assert operations.responded(found(1, status)) is request
    assert not operations.can_invoke
    assert operations.responded(found(1, 0)) is request
    assert operations.can_invoke


@pytest.mark.parametrize("status", [0xFF00, 0xFF01])
def test_pending_response_ends_an_operation_that_has_one_response(status: int) -> None:
    """PS3.7 9.1.1.1.9: a C-STORE has one response, whatever its status."""
    operations = session()
    operations.invoked(store(1))
    operations.responded(stored(1, status))
    assert operations.can_invoke
    with pytest.raises(DimseDecodeError, match="outstanding request"):
        operations.responded(stored(1))
    operations.performing(store(7))
    operations.performed(stored(7, status))
    assert not operations.in_progress


def test_response_to_an_unknown_id_is_refused() -> None:
    operations = session()
    operations.invoked(store(1))
    with pytest.raises(DimseDecodeError, match=r"MessageIDBeingRespondedTo.*found 2"):
        operations.responded(stored(2))
    assert list(operations.outstanding) == [1]


def test_second_final_response_is_refused() -> None:
    operations = session()
    operations.invoked(store(1))
    operations.responded(stored(1))
    with pytest.raises(DimseDecodeError):
        operations.responded(stored(1))


def test_response_of_another_kind_is_refused() -> None:
    operations = session()
    operations.invoked(store(1))
    with pytest.raises(DimseDecodeError, match="a response to C-STORE-RQ"):
        operations.responded(CEchoRSP(message_id_being_responded_to=1, status=0))
    assert list(operations.outstanding) == [1]


def test_request_where_a_response_is_due_is_refused() -> None:
    with pytest.raises(DimseDecodeError, match="a response"):
        session().responded(store(1))


def test_n_responses_match_as_well() -> None:
    operations = session()
    request = NEventReportRQ(
        message_id=9,
        affected_sop_class_uid="1.2",
        affected_sop_instance_uid="1.3",
        event_type_id=1,
    )
    operations.invoked(request)
    response = NEventReportRSP(message_id_being_responded_to=9, status=0)
    assert operations.responded(response) is request


# --- the performer ---


@pytest.mark.parametrize(("granted", "room"), [(1, 1), (3, 3), (0, 64)])
def test_peer_over_its_window_is_refused(granted: int, room: int) -> None:
    operations = session(performed=granted)
    for number in range(room):
        operations.performing(store(number))
    with pytest.raises(PeerProtocolError, match="window"):
        operations.performing(store(room))
    operations.performed(stored(0))
    operations.performing(store(room))
    assert list(operations.in_progress) == list(range(1, room + 1))


def test_peers_message_id_in_progress_is_refused() -> None:
    operations = session(performed=2)
    operations.performing(store(1))
    with pytest.raises(PeerProtocolError, match="message id 1 is in progress"):
        operations.performing(store(1))
    operations.performed(stored(1))
    operations.performing(store(1))


def test_pending_response_leaves_the_peers_operation_in_progress() -> None:
    operations = session()
    request = find(0)
    operations.performing(request)
    assert operations.performed(found(0, 0xFF00)) is request
    assert operations.in_progress == {0: request}
    assert operations.performed(found(0, 0xFE00)) is request
    assert not operations.in_progress


def test_answering_what_was_not_asked_is_the_callers_error() -> None:
    operations = session()
    operations.performing(store(1))
    for response in (
        stored(2),
        CEchoRSP(message_id_being_responded_to=1, status=0),
        CCancelRQ(message_id_being_responded_to=1),
    ):
        with pytest.raises(LocalProtocolError, match="answers no request"):
            operations.performed(response)


def test_both_directions_number_and_count_apart() -> None:
    operations = session()
    operations.invoked(store(1))
    operations.performing(store(1))
    assert operations.responded(stored(1)).message_id == 1
    assert list(operations.in_progress) == [1]


def test_cancel_names_an_operation_in_progress_or_comes_too_late() -> None:
    operations = session()
    request = find(4)
    operations.performing(request)
    cancel = CCancelRQ(message_id_being_responded_to=4)
    assert operations.cancelled(cancel) is request
    operations.performed(found(4, 0))
    assert operations.cancelled(cancel) is None


def test_requests_and_responses_are_told_apart() -> None:
    echo = CEchoRQ(message_id=1, affected_sop_class_uid="1.2")
    cancel = CCancelRQ(message_id_being_responded_to=1)
    assert [is_request(echo), is_request(cancel), is_request(stored(1))] == [True, False, False]
    assert [is_response(echo), is_response(cancel), is_response(stored(1))] == [False, False, True]
