"""Two engines back to back, without sockets or clocks: how the Upper Layer is tested.

`EnginePair` moves bytes between a requestor's and an acceptor's engine, whole, byte by byte
or in pieces of your choosing, with a time that only moves when told to. Views handed out by
an engine are released before its next read, so code that keeps them fails at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from isocenter.ul.codec import Limits
from isocenter.ul.connection import Connection
from isocenter.ul.events import PDataIndication
from isocenter.ul.options import EngineOptions
from isocenter.wire import FileRegion, FramedRegion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.ul.events import Event

__all__ = ["EnginePair", "Side"]


class Side:
    """One engine with what it reported.

    Attributes:
        engine: the engine.
        events: its events so far, P-DATA excluded.
        messages: (context id, is command, bytes) of each complete message part so far.
        sent: every byte it sent.
    """

    def __init__(self, *, requestor: bool, options: EngineOptions | None = None) -> None:
        """Make an idle engine."""
        self.engine = Connection(
            requestor=requestor, options=options or EngineOptions(limits=Limits())
        )
        self.events: list[Event] = []
        self.messages: list[tuple[int, bool, bytes]] = []
        self.sent = bytearray()
        self._part = bytearray()

    def take_output(self) -> bytes:
        """Return everything the engine wants sent, file regions read."""
        out = bytearray()
        while self.engine.has_output:
            for segment in self.engine.segments_to_send(1 << 20):
                if isinstance(segment, FileRegion):
                    out += os.pread(segment.fd, segment.length, segment.offset)
                elif isinstance(segment, FramedRegion):
                    for place in range(segment.pieces):
                        offset = segment.offset + place * segment.size
                        out += segment.header + os.pread(segment.fd, segment.size, offset)
                else:
                    out += segment
        self.sent += out
        return bytes(out)

    def give(self, data: bytes, now: float) -> None:
        """Let the engine receive `data`, as many reads as its windows need, and collect events."""
        position = 0
        while position < len(data):
            window = self.engine.receive_window()
            size = min(len(window), len(data) - position)
            window[:size] = data[position : position + size]
            window.release()
            self.engine.received(size, now)
            position += size
            self.collect()

    def collect(self) -> None:
        """Take all pending events; views are copied and released."""
        while (event := self.engine.next_event()) is not None:
            if isinstance(event, PDataIndication):
                for fragment in event.fragments:
                    self._part += fragment
                    fragment.release()
                if event.is_last:
                    self.messages.append((event.context_id, event.is_command, bytes(self._part)))
                    self._part.clear()
            else:
                self.events.append(event)


class EnginePair:
    """A requestor and an acceptor joined by memory.

    Args:
        requestor_options, acceptor_options: options of each engine.
        pieces: cuts a transmission into what arrives at once; default: whole.
    """

    def __init__(
        self,
        *,
        requestor_options: EngineOptions | None = None,
        acceptor_options: EngineOptions | None = None,
        pieces: Callable[[bytes], Iterator[bytes]] | None = None,
    ) -> None:
        """Make two idle engines at time 0."""
        self.requestor = Side(requestor=True, options=requestor_options)
        self.acceptor = Side(requestor=False, options=acceptor_options)
        self.now = 0.0
        self._pieces = pieces

    def move(self) -> None:
        """Carry bytes to and fro until neither side has more to say."""
        moved = True
        while moved:
            moved = False
            for source, target in (
                (self.requestor, self.acceptor),
                (self.acceptor, self.requestor),
            ):
                data = source.take_output()
                if data:
                    moved = True
                    for piece in self._pieces(data) if self._pieces else (data,):
                        target.give(piece, self.now)
            self.requestor.collect()
            self.acceptor.collect()
