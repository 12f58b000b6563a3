"""Waiting for descriptors: `select.poll` where the system has it, `select.select` elsewhere.

Owns what the drivers wait with and the two bits they wait for. Windows has no poll; its
select takes sockets only and at most 512 of them, which is enough for one association.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol
else:
    Protocol = object

__all__ = ["READ", "WRITE", "Poller", "SelectPoller", "new_poller"]

READ: int = getattr(select, "POLLIN", 1)
"""Bit for "readable, or at its end"."""

WRITE: int = getattr(select, "POLLOUT", 4)
"""Bit for "writable, or broken"."""


class Poller(Protocol):
    """The part of `select.poll` that the drivers use."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Wait for `eventmask` on `fd` from now on."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Wait for something else on `fd`."""

    def poll(self, timeout: float | None = None, /) -> Sequence[tuple[int, int]]:
        """Wait `timeout` milliseconds, None for ever; return (fd, what happened) pairs."""


class SelectPoller:
    """`Poller` over `select.select`."""

    def __init__(self) -> None:
        """Start with nothing to wait for."""
        self._masks: dict[int, int] = {}

    def register(self, fd: int, eventmask: int, /) -> None:
        """Wait for `eventmask` on `fd` from now on."""
        self._masks[fd] = eventmask

    modify = register

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """Wait; see `Poller`."""
        reading = [fd for fd, mask in self._masks.items() if mask & READ]
        writing = [fd for fd, mask in self._masks.items() if mask & WRITE]
        seconds = None if timeout is None else timeout / 1000
        # Windows tells of a failed connect in the third list only.
        readable, writable, failed = select.select(reading, writing, writing, seconds)
        happened: dict[int, int] = dict.fromkeys(readable, READ)
        for fd in {*writable, *failed}:
            happened[fd] = happened.get(fd, 0) | WRITE
        return [(fd, happened[fd]) for fd in self._masks if fd in happened]


def new_poller() -> Poller:
    """Return the best poller that the system has."""
    return select.poll() if hasattr(select, "poll") else SelectPoller()
