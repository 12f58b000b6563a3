"""A stand-in for the processes that decode frames: what needs no library is decoded here.

Frames of other codecs are refused. Their libraries are fuzzed by those who make them, and a crash
of theirs would end the fuzzer: in the tools it ends a process that was started for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.dataset.pixels.codecs import decode_frame
from isocenter.dataset.pixels.pool import DecoderPool, Ticket
from isocenter.errors import DataSetError

if TYPE_CHECKING:
    from isocenter.dataset.pixels.codecs import Job
    from isocenter.wire import Buffer

__all__ = ["PlainDecoders"]

_PLAIN = frozenset({"rle", "native", "deflate"})


class PlainDecoders(DecoderPool):
    """Decodes in this process, frames of up to `longest` bytes."""

    def __init__(self, longest: int = 256 * 1024) -> None:
        super().__init__()
        self._longest = longest

    def submit(self, job: Job, data: Buffer) -> Ticket:
        ticket = Ticket(job, data)
        if job.codec not in _PLAIN:
            ticket.end(b"", f"{job.codec} is not decoded here")
        elif ticket.length > self._longest:
            ticket.end(b"", f"a frame of {ticket.length} bytes is not decoded here")
        else:
            try:
                ticket.end(decode_frame(job, bytes(data)), "")
            except Exception as problem:  # noqa: BLE001 - as the process does
                ticket.end(b"", str(problem) or type(problem).__name__)
        return ticket

    def result(self, ticket: Ticket) -> Buffer:
        if ticket.problem:
            raise DataSetError(ticket.problem)
        return ticket.result
