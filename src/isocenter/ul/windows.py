"""Receive windows: where incoming bytes lie until they are parsed or written away.

A window is a bytearray with views on it; a bytearray with live views cannot be resized,
so a window is replaced, never resized. Windows start small, grow while bulk data flows
and are given back when a connection falls silent, so that 1000 idle associations cost
little. The pool is shared by the connections of a process; list append and pop are
atomic, so no lock is needed.
"""

from __future__ import annotations

__all__ = ["WINDOW_SIZES", "ReceiveWindow", "WindowPool"]

WINDOW_SIZES = (4 * 1024, 64 * 1024, 1024 * 1024)
"""Sizes of a window in bytes: for commands, for small objects, for bulk data.

4 KiB holds any DIMSE command and most association PDUs; 64 KiB an image header with the first
fragments; 1 MiB is where larger reads stop paying (bench/, row "one 512 MiB object").
"""


class WindowPool:
    """Spare windows of a process, kept for the next connection that needs one.

    Args:
        spare: how many windows of each size are kept; the rest is left to the allocator.
    """

    __slots__ = ("_spare", "_windows")

    def __init__(self, spare: int = 4) -> None:
        """Start empty."""
        self._spare = spare
        self._windows: dict[int, list[bytearray]] = {size: [] for size in WINDOW_SIZES}

    def take(self, size: int) -> bytearray:
        """Return a window of at least `size` bytes; its content is arbitrary."""
        for tier in WINDOW_SIZES:
            if tier >= size:
                try:
                    return self._windows[tier].pop()
                except IndexError:
                    return bytearray(tier)
        return bytearray(size)

    def give_back(self, window: bytearray) -> None:
        """Keep `window` for later if there is room; the caller holds no views on it any more."""
        spare = self._windows.get(len(window))
        if spare is not None and len(spare) < self._spare:
            spare.append(window)


class ReceiveWindow:
    """The bytes of one connection that arrived and were not parsed yet.

    Args:
        pool: where windows come from.

    Attributes:
        view: on the whole window; empty while none is held.
        start, end: where the bytes lie in `view`; whoever parses moves `start` on.
        need: bytes from `start` that must fit into the window, for a PDU that is parsed as a
            whole; 0 for no such wish.
    """

    __slots__ = ("_buffer", "_pool", "_tier", "end", "need", "start", "view")

    def __init__(self, pool: WindowPool) -> None:
        """Hold nothing."""
        self._pool = pool
        self._buffer: bytearray | None = None
        self._tier = 0
        self.view = memoryview(b"")
        self.start = 0
        self.end = 0
        self.need = 0

    def space(self) -> memoryview:
        """Return writable space behind the bytes; what was parsed before may be overwritten."""
        left = self.end - self.start
        wanted = max(WINDOW_SIZES[self._tier], self.need)
        buffer = self._buffer
        if buffer is None or len(buffer) < wanted:
            fresh = self._pool.take(wanted)
            if buffer is not None:
                fresh[:left] = self.view[self.start : self.end]
                self._drop()
            self._buffer = fresh
            self.view = memoryview(fresh)
            self.start, self.end = 0, left
        elif self.start:
            if left:
                buffer[:left] = buffer[self.start : self.end]
            self.start, self.end = 0, left
        return self.view[self.end :]

    def filled(self, count: int) -> None:
        """Take note that `count` bytes were read; one that was filled is too small for the flow."""
        self.end += count
        if self.end == len(self.view) and self._tier < len(WINDOW_SIZES) - 1:
            self._tier += 1

    def expect(self, count: int) -> None:
        """Make the next `space` hold `count` bytes more than there are."""
        self.need = max(self.need, self.end - self.start + count)

    @property
    def is_held_in_vain(self) -> bool:
        """True while a window is held and no byte is in it."""
        return self._buffer is not None and self.start == self.end

    def release(self) -> None:
        """Give the window back to the pool while nothing is in it."""
        if self.is_held_in_vain:
            self._drop()
            self._tier = 0
            self.start = self.end = 0

    def _drop(self) -> None:
        buffer, self._buffer = self._buffer, None
        view, self.view = self.view, memoryview(b"")
        view.release()
        if buffer is not None:
            self._pool.give_back(buffer)
