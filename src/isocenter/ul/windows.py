"""Receive windows: where incoming bytes lie until they are parsed or written away.

A window is a bytearray with views on it; a bytearray with live views cannot be resized,
so a window is replaced, never resized. Windows start small, grow while bulk data flows
and are given back when a connection falls silent, so that 1000 idle associations cost
little. The pool is shared by the connections of a process; list append and pop are
atomic, so no lock is needed.
"""

from __future__ import annotations

__all__ = ["WINDOW_SIZES", "WindowPool"]

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
