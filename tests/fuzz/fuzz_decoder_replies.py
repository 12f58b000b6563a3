"""Fuzz target: what a process that decodes frames answers.

The input is all that it ever says: such a process reads what is hostile, and may be in the hands of
whoever made it. A frame has the length that it should, or there is `DataSetError` with a line that
says why; and the process is gone where it broke the rules.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from unittest.mock import patch

from isocenter.dataset.pixels import pool
from isocenter.dataset.pixels.codecs import Job
from isocenter.dataset.pixels.worker import DECODED, REPLY
from isocenter.errors import DataSetError

_JOB = Job("rle", 2, 4, 1, 8)
_LENGTH = 8
_FRAMES = 3


def seeds() -> list[bytes]:
    """Return answers: frames, reasons, and headers that lie."""
    frame = REPLY.pack(DECODED, _LENGTH) + bytes(_LENGTH)
    failed = DECODED + 1
    reason = REPLY.pack(failed, 6) + b"broken"
    return [
        frame * 3,
        reason + frame,
        reason * 3,
        frame + REPLY.pack(DECODED, 2**31) + bytes(20),
        REPLY.pack(failed, 2**31) + bytes(20),
        REPLY.pack(failed, 4) + b"\n\xff\x1b\0",
        frame[:-1],
        b"",
    ]


class _Process:
    """In the place of a process: what it says, and no more."""

    def __init__(self, answers: bytes) -> None:
        self.replies, pipe = os.pipe()
        os.write(pipe, answers)
        os.close(pipe)
        self.requests = os.open(os.devnull, os.O_WRONLY)
        self.process = SimpleNamespace(pid=0)
        self.ticket: pool.Ticket | None = None
        self.received = bytearray()
        self.deadline = self.seconds = 0.0
        self.has_ended = False

    def await_end(self) -> None:
        """Be gone."""

    def end(self) -> int:
        if not self.has_ended:
            os.close(self.replies)
            os.close(self.requests)
            self.has_ended = True
        return 0


def test_one_input(data: bytes) -> None:
    """Ask for frames and check what comes."""
    started: list[_Process] = []

    def start(_: str) -> _Process:
        started.append(_Process(data if not started else b""))
        return started[-1]

    limits = pool.DecodeLimits(processes=1)
    with patch.object(pool, "_Worker", start), pool.DecoderPool(limits) as decoders:
        for _ in range(_FRAMES):
            ticket = decoders.submit(_JOB, b"frame")
            try:
                frame = decoders.result(ticket)
            except DataSetError as problem:
                if not problem.reason or not problem.reason.isprintable():
                    raise AssertionError(f"{problem.reason!r} is no line") from problem
            else:
                if len(frame) != _LENGTH:
                    raise AssertionError(f"a frame of {len(frame)} bytes")
    if not all(each.has_ended for each in started):
        raise AssertionError("a process is left")
