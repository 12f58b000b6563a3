"""After any bytes from any number of peers a well-behaved C-ECHO is answered.

Peers that do whatever comes to their mind (`tests.support.hostile`) meet a receiver in each of its
ways of serving. While their connections are open, those that they did not close, another peer
associates, echoes and releases. At the end the receiver has as many descriptors, threads and
children as at its beginning, no unfinished file, and nothing to complain of itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from isocenter.testing import ScriptedAcceptor, ScriptedRequestor
from tests.support.day import sample
from tests.support.hostile import CONTEXTS, Step, crowds, play
from tests.support.processes import child_pids, wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TIMES = 50 if os.environ.get("ISOCENTER_HYPOTHESIS") == "soak" else 1
"""How many times as many examples scripts/soak plays."""
DEADLINE = 20.0
"""Seconds that anything of the well-behaved peer may take; the machine may be busy."""
MIB = 1024 * 1024


def examples(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class Watched:
    """A receiver, and what it had before anybody came."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.receiver = Receiver(OURS, folder, "-ta", "5", "-ts", "10", "-q", *options)
        self.has_children = "--workers" in options
        if self.has_children:
            wait_until(lambda: len(self.children) == 2, timeout=DEADLINE, what="the workers")
        for _ in range(20):  # what is made when first needed is there then, in each worker
            echo(self.receiver.port)
        self.rest()
        self.before = self.look()

    @property
    def children(self) -> list[int]:
        return child_pids(self.receiver.process.pid)

    def look(self) -> list[tuple[int, int]]:
        """Return descriptors and threads of the process, and of its workers."""
        pids = [self.receiver.process.pid, *(self.children if self.has_children else ())]
        looks = [sample(pid, 0) for pid in pids]
        return [(each.descriptors, each.threads) for each in looks]

    def rest(self) -> None:
        """Wait until no child serves an association any more."""
        if not self.has_children:
            wait_until(lambda: not self.children, timeout=60, what="the children to end")

    def is_as_before(self) -> bool:
        # A thread that served may wait for the next one; files kept open for speed are few.
        return len(self.look()) == len(self.before) and all(
            now[0] <= then[0] + 2 and now[1] <= then[1] + 1
            for now, then in zip(self.look(), self.before, strict=True)
        )

    def check(self) -> None:
        """Check that nothing of the peers is left, and end the receiver."""
        process = self.receiver.process
        assert process.running, self.receiver.log
        self.rest()
        wait_until(self.is_as_before, timeout=60, what=f"{self.look()} to be {self.before}")
        assert sample(process.pid, 0).resident < 150 * MIB
        assert self.receiver.leftovers == []
        ended = process.terminate(timeout=30)
        assert ended.code == 0
        assert "Traceback" not in ended.stderr


def echo(port: int) -> None:
    """Associate, echo and release, as a peer does that knows its manners."""
    with ScriptedRequestor(port, timeout=DEADLINE) as peer:
        peer.associate(CONTEXTS)
        assert peer.echo(1) == 0
        peer.release()


def check_crowd(port: int, crowd: list[list[Step]]) -> None:
    left = play(port, crowd)
    try:
        echo(port)
    finally:
        for sock in left:
            sock.close()


def check_receiver(watched: Watched, count: int, most: int = 5) -> None:
    """Play so many examples against a receiver, then look at what is left of them."""

    @given(crowd=crowds(most=most))
    @examples(count)
    def every_crowd(crowd: list[list[Step]]) -> None:
        check_crowd(watched.receiver.port, crowd)

    with watched.receiver:
        every_crowd()
        watched.check()


def test_receiver_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path), 100)


def test_receiver_with_workers_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path, "--workers", "2"), 40)


def test_receiver_with_fork_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path, "--fork"), 20, most=3)


def test_receiver_that_answers_nobody_any_more_is_noticed() -> None:
    crowd = [[Step("send", b"\0"), Step("listen")], [Step("associate"), Step("reset")]]
    with ScriptedAcceptor(lambda connection: None) as acceptor, pytest.raises(OSError):
        check_crowd(acceptor.port, crowd)
