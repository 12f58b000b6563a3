"""Fuzz target: the engine in any state, fed with anything in any pieces.

The first byte of the input picks the state, the second how the rest is cut. Whatever a peer
sends becomes events; nothing may be raised, and the end of the stream must end the engine.

Run with Atheris, which is needed by this target only::

    python -m tests.fuzz.fuzz_connection -max_total_time=600 CORPUS
"""

from __future__ import annotations

import random
import sys

from isocenter.ul.fsm import State
from tests.ul.engines import ACCEPT, IN_STATE, reach


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
        moment = engine.deadline()
        if moment is not None and moment < now:
            raise AssertionError(f"deadline {moment} was missed at {now}")
    engine.received_eof(now)
    side.collect()
    if engine.state is not State.STA1 or engine.deadline() is not None:
        raise AssertionError(f"not over: {engine.state.name}")


def main() -> None:
    """Hand the target to Atheris."""
    # By name: the type checker runs where Atheris, which needs libFuzzer, is not installed.
    from importlib import import_module

    atheris = import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
