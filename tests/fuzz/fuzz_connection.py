"""Fuzz target: the engine in any state, fed with anything in any pieces.

The first byte of the input picks the state, the second how the rest is cut. Whatever a peer
sends becomes events; nothing may be raised, a deadline is kept once it is told that it has passed,
and the end of the stream must end the engine. A second goes by with each piece.
"""

from __future__ import annotations

import random

from isocenter.ul.fsm import State
from tests.ul.engines import ACCEPT, IN_STATE, PDUS, data_pdu, reach

SEED = b"".join(PDUS.values()) + data_pdu(bytes(100))


def seeds() -> list[bytes]:
    """Return every PDU, one after the other and alone, for each state."""
    streams = [SEED, *PDUS.values()]
    return [bytes((state, 0)) + each for state in range(len(IN_STATE)) for each in streams]


def test_one_input(data: bytes) -> None:
    """Play one input to an engine whose user answers whatever it is asked."""
    if len(data) < 2:
        return
    requestor, state = IN_STATE[data[0] % len(IN_STATE)]
    generator = random.Random(data[1])
    side = reach(state, requestor=requestor)
    engine = side.engine
    position, now = 2, 0.0
    while position < len(data):
        size = generator.choice([1, 5, 12, 100, 10_000])
        now += 1.0
        side.give(data[position : position + size], now)
        position += size
        if engine.state is State.STA3:
            engine.accept(ACCEPT, now)
        if engine.release_answer_due:
            engine.confirm_release(now)
        side.take_output()
        engine.on_deadline(now)
        side.take_output()
        moment = engine.deadline()
        if moment is not None and moment <= now:
            raise AssertionError(f"deadline {moment} is still there at {now}")
    engine.received_eof(now)
    side.collect()
    if engine.state is not State.STA1 or engine.deadline() is not None:
        raise AssertionError(f"not over: {engine.state.name}")
