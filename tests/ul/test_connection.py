"""The engine: life cycles in both roles, and any PDU at any time (PS3.8 9.2)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import LocalProtocolError, PduDecodeError, PeerProtocolError
from isocenter.testing.pair import EnginePair, Side
from isocenter.ul import codec
from isocenter.ul.connection import Connection
from isocenter.ul.events import (
    AbortIndication,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejection,
    ConnectionClosed,
    ReleaseConfirmation,
    ReleaseIndication,
)
from isocenter.ul.fsm import Action, Evt, State, transition
from isocenter.ul.options import EngineOptions
from isocenter.ul.windows import WINDOW_SIZES, WindowPool
from tests.ul.engines import ACCEPT, IN_STATE, PDUS, REJECT, REQUEST, data_pdu, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.ul.events import Event


def bytewise(data: bytes) -> Iterator[bytes]:
    for i in range(len(data)):
        yield data[i : i + 1]


def at_random(data: bytes) -> Iterator[bytes]:
    generator = random.Random(len(data))
    position = 0
    while position < len(data):
        size = generator.choice([1, 2, 5, 6, 7, 11, 12, 13, 100, 5000])
        yield data[position : position + size]
        position += size


@pytest.fixture(params=[None, bytewise, at_random], ids=["whole", "bytewise", "random"])
def pair(request: pytest.FixtureRequest) -> EnginePair:
    return EnginePair(pieces=request.param)


def associate(pair: EnginePair) -> None:
    pair.requestor.engine.associate(REQUEST, 0)
    pair.requestor.engine.transport_connected(0)
    pair.acceptor.engine.transport_connected(0)
    pair.move()
    assert pair.acceptor.events == [AssociateIndication(REQUEST)]
    pair.acceptor.engine.accept(ACCEPT, 0)
    pair.move()
    assert pair.requestor.events == [AssociateConfirmation(ACCEPT)]
    pair.requestor.events.clear()
    pair.acceptor.events.clear()


def states(pair: EnginePair) -> tuple[State, State]:
    return pair.requestor.engine.state, pair.acceptor.engine.state


# --- life cycles ----------------------------------------------------------------------------


def test_association_data_both_ways_and_release_by_the_requestor(pair: EnginePair) -> None:
    associate(pair)
    data = bytes(range(256)) * 100
    pair.requestor.engine.send_message(1, b"command!", [data[:1000], data[1000:]], 500)
    pair.acceptor.engine.send_message(1, b"response", None, 500)
    pair.move()
    assert pair.acceptor.messages == [(1, True, b"command!"), (1, False, data)]
    assert pair.requestor.messages == [(1, True, b"response")]
    pair.requestor.engine.release(0)
    pair.move()
    assert pair.acceptor.events == [ReleaseIndication()]
    pair.acceptor.engine.confirm_release(0)
    pair.move()
    assert pair.requestor.events == [ReleaseConfirmation()]
    assert pair.requestor.engine.close_wanted
    assert states(pair) == (State.STA1, State.STA13)
    pair.acceptor.engine.received_eof(0)
    pair.acceptor.collect()
    assert pair.acceptor.events[1:] == [ConnectionClosed(expected=True)]
    assert pair.acceptor.engine.state is State.STA1


def test_release_by_the_acceptor(pair: EnginePair) -> None:
    associate(pair)
    pair.acceptor.engine.release(0)
    pair.move()
    assert pair.requestor.events == [ReleaseIndication()]
    pair.requestor.engine.confirm_release(0)
    pair.move()
    assert pair.acceptor.events == [ReleaseConfirmation()]
    assert states(pair) == (State.STA13, State.STA1)


def test_release_collision_is_answered_by_the_requestor_first(pair: EnginePair) -> None:
    associate(pair)
    pair.requestor.engine.release(0)
    pair.acceptor.engine.release(0)
    pair.move()
    assert states(pair) == (State.STA9, State.STA10)
    assert pair.requestor.events == pair.acceptor.events == [ReleaseIndication(collision=True)]
    assert pair.requestor.engine.release_answer_due
    assert not pair.acceptor.engine.release_answer_due
    with pytest.raises(LocalProtocolError, match="confirm a release in STA10"):
        pair.acceptor.engine.confirm_release(0)
    pair.requestor.engine.confirm_release(0)
    pair.move()
    assert states(pair) == (State.STA11, State.STA12)
    assert pair.acceptor.events[1:] == [ReleaseConfirmation()]
    assert not pair.acceptor.engine.close_wanted
    pair.acceptor.engine.confirm_release(0)
    pair.move()
    assert pair.requestor.events[1:] == [ReleaseConfirmation()]
    assert states(pair) == (State.STA1, State.STA13)


def test_data_still_arrives_after_this_side_asked_for_release(pair: EnginePair) -> None:
    associate(pair)
    pair.requestor.engine.release(0)
    pair.acceptor.engine.send_message(1, b"late", None, 500)
    pair.move()
    assert pair.requestor.messages == [(1, True, b"late")]
    pair.acceptor.engine.send_message(1, b"later", None, 500)  # AR-7: allowed in STA8
    pair.acceptor.engine.confirm_release(0)
    pair.move()
    assert pair.requestor.messages[1:] == [(1, True, b"later")]
    assert pair.requestor.events == [ReleaseConfirmation()]


def test_rejection_closes_the_requestors_side(pair: EnginePair) -> None:
    pair.requestor.engine.associate(REQUEST, 0)
    pair.requestor.engine.transport_connected(0)
    pair.acceptor.engine.transport_connected(0)
    pair.move()
    pair.acceptor.engine.reject(REJECT, 0)
    pair.move()
    assert pair.requestor.events == [AssociateRejection(REJECT)]
    assert pair.requestor.engine.close_wanted
    assert states(pair) == (State.STA1, State.STA13)


@pytest.mark.parametrize("by_requestor", [True, False])
def test_user_abort_reaches_the_other_user(pair: EnginePair, *, by_requestor: bool) -> None:
    associate(pair)
    mine, other = pair.requestor, pair.acceptor
    if not by_requestor:
        mine, other = other, mine
    mine.engine.send_message(1, b"never", [bytes(10_000)], 500)
    mine.engine.abort(0)
    pair.move()
    assert other.events == [AbortIndication(0, 0, by_peer=True)]
    assert other.messages == []
    assert other.engine.close_wanted
    assert (mine.engine.state, other.engine.state) == (State.STA13, State.STA1)
    assert mine.events == []


def test_provider_abort_names_its_cause_here_and_its_reason_there(pair: EnginePair) -> None:
    associate(pair)
    problem = PeerProtocolError("context 9 was not accepted", abort_reason=6)
    pair.acceptor.engine.abort_for(problem, 0)
    pair.move()
    assert pair.acceptor.events == [AbortIndication(2, 6, by_peer=False, cause=problem)]
    assert pair.requestor.events == [AbortIndication(2, 6, by_peer=True)]


# --- every PDU in every state ---------------------------------------------------------------


def first_abort(side: Side) -> tuple[int, int] | None:
    """Return source and reason of the A-ABORT sent, None where nothing was."""
    sent = side.take_output()
    if not sent:
        return None
    assert (len(sent), sent[:6]) == (10, b"\7\0\0\0\0\4")
    return sent[8], sent[9]


@pytest.mark.parametrize("evt", PDUS, ids=lambda evt: evt.name)
@pytest.mark.parametrize(("requestor", "state"), IN_STATE)
def test_any_pdu_in_any_state_does_what_table_9_10_says(
    requestor: bool, state: State, evt: Evt
) -> None:
    for feed in (PDUS[evt], bytewise(PDUS[evt]), at_random(PDUS[evt])):
        side = reach(state, requestor=requestor)
        for piece in [feed] if isinstance(feed, bytes) else feed:
            side.give(piece, 1.0)
        check_reaction(side, state, evt)


def check_reaction(side: Side, state: State, evt: Evt) -> None:
    cell = transition(state, evt)
    assert cell is not None
    action, next_states = cell
    assert side.engine.state in next_states
    reason = 1 if evt is Evt.EVT19 else 2
    aborts = {
        Action.AA_1: (0, 0),
        Action.AA_7: (2, reason),
        Action.AA_8: (2, reason),
    }
    assert first_abort(side) == aborts.get(action)
    if action in {Action.AA_1, Action.AA_8}:
        (event,) = side.events
        assert isinstance(event, AbortIndication)
        assert (event.source, event.reason, event.by_peer) == (*aborts[action], False)
        assert isinstance(event.cause, PeerProtocolError)
        assert event.cause.abort_reason == reason
    else:
        assert side.events == EVENTS_OF_ACTION.get(action, [])
    assert side.engine.close_wanted is (side.engine.state is State.STA1)
    if action in {Action.DT_2, Action.AR_6}:
        assert side.messages == [(1, False, b"data")]
    else:
        assert side.messages == []


EVENTS_OF_ACTION: dict[Action, list[Event]] = {
    Action.AE_3: [AssociateConfirmation(ACCEPT)],
    Action.AE_4: [AssociateRejection(REJECT)],
    Action.AE_6: [AssociateIndication(REQUEST)],
    Action.AR_2: [ReleaseIndication()],
    Action.AR_3: [ReleaseConfirmation()],
    Action.AR_8: [ReleaseIndication(collision=True)],
    Action.AR_10: [ReleaseConfirmation()],
    Action.AA_3: [AbortIndication(2, 6, by_peer=True)],
}


REFUSED = [
    (requestor, state, evt)
    for requestor, state in IN_STATE
    for evt in PDUS
    if (transition(state, evt) or (None,))[0] in {Action.AA_1, Action.AA_7, Action.AA_8}
]


@pytest.mark.parametrize(("requestor", "state", "evt"), REFUSED)
def test_pdu_that_can_only_be_refused_is_refused_at_its_header(
    requestor: bool, state: State, evt: Evt
) -> None:
    side = reach(state, requestor=requestor)
    side.give(PDUS[evt][:6], 1.0)
    check_reaction(side, state, evt)


@pytest.mark.parametrize(("requestor", "state"), IN_STATE)
def test_end_of_stream_in_any_state(requestor: bool, state: State) -> None:
    side = reach(state, requestor=requestor)
    side.engine.received_eof(1.0)
    side.collect()
    assert side.events == [ConnectionClosed(expected=state is State.STA13)]
    assert side.engine.state is State.STA1
    assert not side.engine.has_output
    assert side.engine.deadline() is None


@pytest.mark.parametrize(("requestor", "state"), IN_STATE)
def test_user_abort_in_any_state(requestor: bool, state: State) -> None:
    side = reach(state, requestor=requestor)
    side.engine.abort(1.0)
    side.collect()
    assert side.events == []
    if state in {State.STA2, State.STA13}:
        assert first_abort(side) is None
        assert side.engine.close_wanted
        assert side.engine.state is State.STA1
    else:
        assert first_abort(side) == (0, 0)
        assert side.engine.state is State.STA13


@pytest.mark.parametrize(("requestor", "state"), IN_STATE)
def test_requests_that_the_state_forbids_change_nothing(requestor: bool, state: State) -> None:
    side = reach(state, requestor=requestor)
    engine = side.engine
    requests: list[tuple[Evt, Callable[[], None]]] = [
        (Evt.EVT1, lambda: engine.associate(REQUEST, 1.0)),
        (Evt.EVT7, lambda: engine.accept(ACCEPT, 1.0)),
        (Evt.EVT8, lambda: engine.reject(REJECT, 1.0)),
        (Evt.EVT9, lambda: engine.send_message(1, b"xx", None, 100)),
        (Evt.EVT11, lambda: engine.release(1.0)),
        (Evt.EVT14, lambda: engine.confirm_release(1.0)),
    ]
    for evt, request in requests:
        if transition(state, evt) is None:
            with pytest.raises(LocalProtocolError, match=state.name):
                request()
            assert engine.state is state
            assert not engine.has_output


def test_before_a_connection_nothing_is_read() -> None:
    for state, requestor in ((State.STA1, True), (State.STA1, False)):
        side = reach(state, requestor=requestor)
        side.engine.feed(PDUS[Evt.EVT6], 1.0)
        side.collect()
        assert (side.events, side.engine.state) == ([], state)


def test_requestor_gives_up_before_it_is_connected() -> None:
    side = reach(State.STA4, requestor=True)
    side.engine.abort(1.0)
    assert side.engine.close_wanted
    assert side.engine.state is State.STA1


# --- bad PDUs -------------------------------------------------------------------------------


def violation(side: Side, data: bytes) -> PduDecodeError:
    """Give bytes and return the cause of the abort that follows."""
    side.give(data, 1.0)
    (event,) = side.events
    assert isinstance(event, AbortIndication)
    assert not event.by_peer
    assert isinstance(event.cause, PduDecodeError)
    assert side.engine.state is State.STA13
    return event.cause


def test_request_over_the_limit_is_refused_at_its_header_without_memory() -> None:
    windows = WindowPool()
    side = Side(requestor=False)
    side.engine = Connection(
        requestor=False, options=EngineOptions(limits=codec.Limits()), windows=windows
    )
    side.engine.transport_connected(0)
    cause = violation(side, b"\1\0" + (1 << 20 | 1).to_bytes(4, "big"))
    assert (cause.pdu, cause.offset) == ("A-ASSOCIATE-RQ", 2)
    assert first_abort(side) == (0, 0)
    assert len(side.engine.receive_window()) <= WINDOW_SIZES[0]


def test_request_of_the_largest_size_is_read_whole() -> None:
    limits = codec.Limits(maximum_association_pdu_length=200_000)
    side = Side(requestor=False, options=EngineOptions(limits=limits))
    side.engine.transport_connected(0)
    whole = PDUS[Evt.EVT6]
    padding = b"\x99\0" + (60_000).to_bytes(2, "big") + bytes(60_000)  # unknown items are ignored
    body = whole[6:] + padding * 3
    side.give(b"\1\0" + len(body).to_bytes(4, "big") + body, 1.0)
    assert side.events == [AssociateIndication(REQUEST)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x05\0\0\0\0\5" + bytes(5), 6, id="A-RELEASE-RQ of 5 bytes"),
        pytest.param(b"\x07\0\0\0\0\0", 6, id="A-ABORT of 0 bytes"),
        pytest.param(b"\x07\0\xff\xff\xff\xff", 6, id="A-ABORT of 4 GiB"),
        pytest.param(b"\x00\0\0\0\0\4" + bytes(4), 1, id="type 0"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", 1, id="HTTP"),
        pytest.param(b"\4\0\0\0\0\5" + bytes(5), 6, id="P-DATA too short"),
        pytest.param(data_pdu(bytes(16384 + 12 - 5)), 6, id="P-DATA too long"),
        pytest.param(data_pdu(b"x")[:-1] + data_pdu(b"x"), None, id="bytes lost"),
    ],
)
def test_violation_on_an_association_is_answered_by_the_provider(
    data: bytes, reason: int | None
) -> None:
    side = reach(State.STA6, requestor=False)
    side.give(data + b"garbage after the end", 1.0)
    event = side.events[-1]
    assert isinstance(event, AbortIndication)
    assert isinstance(event.cause, PduDecodeError)
    assert first_abort(side) == (2, event.cause.abort_reason)
    assert reason in {None, event.cause.abort_reason}


def test_acceptance_that_cannot_be_read_is_aborted_with_reason_6() -> None:
    side = reach(State.STA5, requestor=True)
    raw = bytearray(PDUS[Evt.EVT3])
    raw[6 + 68 + 3] = 0xFF  # length of the application context item
    violation(side, bytes(raw))
    assert first_abort(side) == (2, 6)


def test_garbage_after_an_abort_is_ignored_until_the_peer_closes() -> None:
    side = reach(State.STA6, requestor=False)
    side.engine.send_message(1, b"xx", None, 100)
    violation(side, b"\xff" * 100)
    side.take_output()
    for _ in range(100):
        side.give(random.Random(1).randbytes(1000), 1.0)
    assert len(side.events) == 1
    assert not side.engine.has_output
    side.engine.received_eof(1.0)
    side.collect()
    assert side.events[1:] == [ConnectionClosed(expected=True)]


def test_abort_in_the_middle_of_an_incoming_pdu_does_not_misread_its_rest() -> None:
    side = reach(State.STA6, requestor=False)
    inner = PDUS[Evt.EVT6] * 50
    whole = data_pdu(inner)
    side.give(whole[:100], 1.0)
    side.engine.abort(1.0)
    assert first_abort(side) == (0, 0)
    side.give(whole[100:], 1.0)
    assert (side.events, first_abort(side)) == ([], None)


def test_partial_pdu_then_end_of_stream() -> None:
    for data in (PDUS[Evt.EVT12][:5], data_pdu(b"abcdef")[:-2], b"\4"):
        side = reach(State.STA6, requestor=True)
        side.give(data, 1.0)
        side.engine.received_eof(2.0)
        side.collect()
        assert side.events == [ConnectionClosed(expected=False)]
        assert side.engine.deadline() is None
        side.engine.on_deadline(1e9)
        side.collect()
        assert len(side.events) == 1


def test_end_of_stream_after_the_end_is_said_once() -> None:
    side = reach(State.STA7, requestor=True)
    side.give(PDUS[Evt.EVT13], 1.0)
    side.engine.received_eof(1.0)
    side.engine.transport_closed(1.0)
    side.collect()
    assert side.events == [ReleaseConfirmation()]


# --- time -----------------------------------------------------------------------------------

TIMES = EngineOptions(
    limits=codec.Limits(),
    artim_timeout=10,
    acse_timeout=20,
    idle_timeout=40,
    slow_pdu_seconds=30,
    slow_pdu_rate=10,
)


def expire(side: Side, moment: float) -> None:
    """Check that the deadline is `moment`, that nothing happens before, and let it come."""
    state = side.engine.state
    assert side.engine.deadline() == moment
    side.engine.on_deadline(moment - 0.001)
    side.collect()
    assert (side.events, side.engine.state) == ([], state)
    side.engine.on_deadline(moment)
    side.collect()


@pytest.mark.parametrize("state", [State.STA2, State.STA13])
def test_artim_closes_without_a_word(state: State) -> None:
    side = reach(state, requestor=False, now=5, options=TIMES)
    expire(side, 15)
    assert side.events == [ConnectionClosed(expected=state is State.STA13)]
    assert side.engine.close_wanted
    assert first_abort(side) is None
    assert side.engine.deadline() is None


@pytest.mark.parametrize(
    ("requestor", "state", "which", "seconds"),
    [
        (True, State.STA5, "acse", 20),
        (True, State.STA7, "acse", 20),
        (False, State.STA7, "acse", 20),
        (True, State.STA9, "acse", 20),
        (False, State.STA10, "acse", 20),
        (True, State.STA11, "acse", 20),
        (False, State.STA12, "acse", 20),
        (True, State.STA6, "socket", 40),
        (False, State.STA6, "socket", 40),
        (False, State.STA8, "socket", 40),
    ],
)
def test_budget_that_runs_out_ends_in_an_abort(
    requestor: bool, state: State, which: str, seconds: float
) -> None:
    side = reach(state, requestor=requestor, now=100, options=TIMES)
    expire(side, 100 + seconds)
    (event,) = side.events
    assert isinstance(event, AbortIndication)
    assert (event.source, event.reason, event.by_peer) == (2, 0, False)
    assert str(event.cause) == f"{which} timeout after {seconds} s"
    assert first_abort(side) == (2, 0)
    assert side.engine.state is State.STA13
    assert side.engine.deadline() == 100 + seconds + 10


def test_established_association_without_idle_bound_never_expires() -> None:
    options = EngineOptions(limits=codec.Limits(), idle_timeout=None)
    side = reach(State.STA6, requestor=False, options=options)
    assert side.engine.deadline() is None


def test_bytes_in_either_direction_keep_an_association_alive() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(data_pdu(b"x"), 30)
    assert side.engine.deadline() == 70
    side.engine.sent(50)
    assert side.engine.deadline() == 90


def test_pdu_that_dribbles_is_cut_off_although_bytes_keep_coming() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(data_pdu(bytes(5000))[:100], 1)
    for now in range(2, 31):
        side.give(b"x", now)
    expire(side, 31)
    (event,) = side.events
    assert isinstance(event, AbortIndication)
    assert str(event.cause) == "slow-pdu timeout after 30 s"


def test_pdu_fast_enough_may_take_its_time() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(data_pdu(bytes(15_000))[:12], 0)
    for now in range(1, 1000):
        if (deadline := side.engine.deadline()) is not None and deadline <= now:
            side.engine.on_deadline(now)
        side.give(bytes(11), now)
        assert side.events == []
    assert side.engine.state is State.STA6


def test_header_without_its_pdu_is_bounded_too() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(b"\5\0\0", 3)
    assert side.engine.deadline() == 33


def test_complete_pdus_start_no_clock() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(data_pdu(b"x") * 3, 3)
    assert side.engine.deadline() == 43


def test_time_in_which_the_driver_did_not_look_is_not_the_peers() -> None:
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.give(data_pdu(bytes(5000))[:100], 1)
    side.engine.resumed(100)
    assert side.engine.deadline() == 130
    side = reach(State.STA6, requestor=False, options=TIMES)
    side.engine.resumed(100)
    assert side.engine.deadline() == 140
