"""A running storescp, and what it had before anybody came: descriptors, threads, children.

Owns the comparison of the end with the beginning. Must not know what happens in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.day import sample
from tests.support.processes import child_pids, wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Watched"]

MIB = 1024 * 1024
WAIT = 60.0
"""Seconds that anything may take on a busy machine."""


class Watched:
    """A receiver that is to be at its end as it was at its beginning.

    Args:
        folder: for its objects.
        options: of storescp.
        warm: called with the port some times, so that what is made when first needed is there.

    Attributes:
        receiver: the running tool.
    """

    IDLE = "-ts"
    """The option that bounds how long an association may be idle."""

    def __init__(self, folder: Path, *options: str | Path, warm: Callable[[int], None]) -> None:
        self.receiver = Receiver(OURS, folder, "-ta", "5", self.IDLE, "10", "-q", *options)
        self._has_workers = "--workers" in options
        if self._has_workers:
            wait_until(lambda: len(self._children) == 2, timeout=WAIT, what="the workers")
        for _ in range(20):
            warm(self.receiver.port)
        self._rest()
        self._before = self._look()

    @property
    def _children(self) -> list[int]:
        return child_pids(self.receiver.process.pid)

    def _look(self) -> list[tuple[int, int]]:
        """Return descriptors and threads of the process, and of its workers."""
        pids = [self.receiver.process.pid, *(self._children if self._has_workers else ())]
        looks = [sample(pid, 0) for pid in pids]
        return [(each.descriptors, each.threads) for each in looks]

    def _rest(self) -> None:
        """Wait until no child serves an association any more."""
        if not self._has_workers:
            wait_until(lambda: not self._children, timeout=WAIT, what="the children to end")

    def _is_as_before(self) -> bool:
        # A thread that served may wait for the next one; files kept open for speed are few.
        now = self._look()
        return len(now) == len(self._before) and all(
            one[0] <= then[0] + 2 and one[1] <= then[1] + 1
            for one, then in zip(now, self._before, strict=True)
        )

    def check(self) -> None:
        """Check that nothing of the peers is left, and end the receiver."""
        process = self.receiver.process
        assert process.running, self.receiver.log
        self._rest()
        what = f"{self._look()} to be as {self._before}"
        wait_until(self._is_as_before, timeout=WAIT, what=what)
        assert sample(process.pid, 0).resident < 150 * MIB
        assert self.receiver.leftovers == []
        ended = process.terminate(timeout=30)
        assert ended.code == 0
        assert "Traceback" not in ended.stderr
