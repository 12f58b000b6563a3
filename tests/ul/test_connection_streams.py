"""The engine and the bytes it is given: windows, random and mutated streams (PS3.8 9.2)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.testing.pair import Side
from isocenter.ul import codec, pdu
from isocenter.ul.connection import Connection
from isocenter.ul.events import (
    AbortIndication,
    AssociateIndication,
    ConnectionClosed,
    PDataIndication,
    ReleaseIndication,
)
from isocenter.ul.fsm import Evt, State
from isocenter.ul.options import EngineOptions
from isocenter.ul.windows import WINDOW_SIZES, WindowPool
from tests.ul import samples
from tests.ul.engines import ACCEPT, IN_STATE, PDUS, REQUEST, abort, data_pdu, reach

if TYPE_CHECKING:
    from isocenter.ul.events import Event

# --- windows --------------------------------------------------------------------------------


def test_window_grows_while_it_is_filled_and_is_given_back() -> None:
    pool = WindowPool()
    side = Side(requestor=False)
    engine = side.engine = Connection(
        requestor=False,
        options=EngineOptions(limits=codec.Limits(), maximum_length=0),
        windows=pool,
    )
    engine.transport_connected(0)
    side.give(PDUS[Evt.EVT6], 0)
    engine.accept(ACCEPT, 0)
    assert len(engine.receive_window()) == WINDOW_SIZES[0]
    side.give(data_pdu(bytes(3 << 20)), 0)
    assert side.messages == [(1, False, bytes(3 << 20))]
    assert len(engine.receive_window()) == WINDOW_SIZES[-1]
    assert engine.holds_window
    engine.release_window()
    assert len(pool.take(WINDOW_SIZES[-1])) == WINDOW_SIZES[-1]
    assert len(engine.receive_window()) == WINDOW_SIZES[0]


def test_window_with_unread_bytes_is_kept() -> None:
    side = reach(State.STA6, requestor=False)
    side.give(b"\5\0", 0)
    assert not side.engine.holds_window
    side.engine.release_window()
    side.give(b"\0\0\0\4\0\0\0\0", 0)
    assert side.events == [ReleaseIndication()]


def test_view_kept_beyond_its_life_is_found_out() -> None:
    """What tests rely on: the pair's sides release each view they were given."""
    side = reach(State.STA6, requestor=False)
    kept: list[memoryview] = []
    next_event = side.engine.next_event

    def spy() -> Event | None:
        event = next_event()
        if isinstance(event, PDataIndication):
            kept.extend(event.fragments)
        return event

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side.engine, "next_event", spy)
        side.give(data_pdu(b"data"), 0)
    assert side.messages == [(1, False, b"data")]
    with pytest.raises(ValueError, match="released"):
        bytes(kept[0])


def test_feed_takes_more_than_a_window() -> None:
    side = Side(requestor=False)
    side.engine.transport_connected(0)
    pad = b"\x99\0" + (60_000).to_bytes(2, "big") + bytes(60_000)
    body = PDUS[Evt.EVT6][6:] + pad * 10
    side.engine.feed(b"\1\0" + len(body).to_bytes(4, "big") + body, 0)
    side.collect()
    assert side.events == [AssociateIndication(REQUEST)]


# --- nothing a peer sends raises ------------------------------------------------------------

STREAM = data_pdu(b"command!", control=3) + data_pdu(bytes(300)) + PDUS[Evt.EVT12]


def play(data: bytes, *, requestor: bool, state: State, seed: int) -> Side:
    """Give bytes in random pieces to an engine whose user answers whatever is asked."""
    side = reach(state, requestor=requestor)
    generator = random.Random(seed)
    position = 0
    while position < len(data):
        size = generator.choice([1, 3, 6, 12, 100, 1000])
        side.give(data[position : position + size], float(position))
        position += size
        if side.engine.state is State.STA3:
            side.engine.accept(ACCEPT, 0)
        if side.engine.release_answer_due:
            side.engine.confirm_release(0)
        side.take_output()
    side.engine.received_eof(float(len(data)))
    side.collect()
    assert side.engine.state is State.STA1
    assert side.engine.deadline() is None
    return side


@given(st.binary(max_size=200), st.sampled_from(IN_STATE), st.integers(0, 9))
def test_random_bytes_never_raise(data: bytes, where: tuple[bool, State], seed: int) -> None:
    play(data, requestor=where[0], state=where[1], seed=seed)


@given(st.data(), st.sampled_from(IN_STATE), st.integers(0, 9))
def test_mutated_streams_never_raise(
    data: st.DataObject, where: tuple[bool, State], seed: int
) -> None:
    pieces = [*PDUS.values(), STREAM, data_pdu(b""), abort(9, 9), samples.EVERY_SUB_ITEM_REQUEST]
    raw = bytearray(b"".join(data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                raw[position] = data.draw(st.integers(0, 255))
            case 1:
                del raw[position : position + data.draw(st.integers(1, 10))]
            case _:
                raw[position:position] = data.draw(st.binary(max_size=10))
        raw += b"\5"
    play(bytes(raw), requestor=where[0], state=where[1], seed=seed)


def test_reading_a_valid_stream_in_pieces_never_loses_data() -> None:
    for seed in range(20):
        side = play(STREAM, requestor=False, state=State.STA6, seed=seed)
        assert side.messages == [(1, True, b"command!"), (1, False, bytes(300))]
        assert side.events == [ReleaseIndication(), ConnectionClosed(expected=True)]


def test_unknown_abort_source_is_passed_on() -> None:
    side = reach(State.STA6, requestor=True)
    side.give(codec.encode(pdu.AAbort(source=77, reason=88)), 0)
    assert side.events == [AbortIndication(77, 88, by_peer=True)]
