"""The order of handshakes: peers by turns, whoever begins many waits for himself."""

from __future__ import annotations

import threading

import pytest

from isocenter.net.handshakes import Handshakes
from tests.net.support import WAIT
from tests.support.processes import wait_until


def waits(handshakes: Handshakes) -> bool:
    return handshakes.waits_for_loop


class Jobs:
    """Jobs that say when they were done, in their order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.woken = threading.Semaphore(0)

    def wake(self) -> None:
        self.woken.release()

    def submit(self, handshakes: Handshakes, peer: str, name: str) -> None:
        handshakes.submit(peer, lambda: self.done.append(name))

    def wait(self, count: int) -> list[str]:
        for _ in range(count):
            assert self.woken.acquire(timeout=WAIT)
        return self.done


class Blocker:
    """A job that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.let_go.wait(WAIT)


MANY = [("many", f"many {i}") for i in range(5)]
OTHERS = [("one", "one 0"), ("two", "two 0"), ("two", "two 1")]
BY_TURNS = ["many 0", "one 0", "two 0", "many 1", "two 1", "many 2", "many 3", "many 4"]


def test_loop_does_the_work_where_there_are_no_threads_peers_by_turns() -> None:
    jobs = Jobs()
    before = threading.active_count()
    handshakes = Handshakes(0, jobs.wake)
    assert not waits(handshakes)
    handshakes.work()
    for peer, name in MANY + OTHERS:
        jobs.submit(handshakes, peer, name)
    assert waits(handshakes)
    assert jobs.done == []
    assert threading.active_count() == before
    while waits(handshakes):
        handshakes.work()
    assert jobs.done == BY_TURNS


def test_loop_looks_around_again_after_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("isocenter.net.handshakes.time.monotonic", lambda: now[0])
    done = []

    def slow() -> None:
        now[0] += 0.006
        done.append(now[0])

    handshakes = Handshakes(0, lambda: None)
    for _ in range(5):
        handshakes.submit("peer", slow)
    handshakes.work()
    assert len(done) == 2
    assert waits(handshakes)
    handshakes.work()
    handshakes.work()
    assert len(done) == 5
    assert not waits(handshakes)


def test_one_thread_serves_peers_by_turns_and_wakes_the_loop_for_each() -> None:
    jobs = Jobs()
    handshakes = Handshakes(1, jobs.wake)
    blocker = Blocker()
    handshakes.submit("many", blocker)
    assert blocker.begun.wait(WAIT)
    for peer, name in MANY + OTHERS:
        jobs.submit(handshakes, peer, name)
    assert not waits(handshakes)
    handshakes.work()  # the loop's part of it: nothing
    assert jobs.done == []
    blocker.let_go.set()
    assert jobs.wait(1 + len(BY_TURNS)) == BY_TURNS
    handshakes.close()


def test_two_threads_go_on_while_one_is_busy() -> None:
    jobs = Jobs()
    handshakes = Handshakes(2, jobs.wake)
    blocker = Blocker()
    handshakes.submit("slow", blocker)
    assert blocker.begun.wait(WAIT)
    for number in range(20):
        jobs.submit(handshakes, "quick", str(number))
    assert jobs.wait(20) == [str(number) for number in range(20)]
    blocker.let_go.set()
    jobs.wait(1)
    handshakes.close()


def threads_of_handshakes() -> int:
    return sum(thread.name == "handshakes" for thread in threading.enumerate())


def test_threads_begin_with_the_first_jobs_and_end_with_close() -> None:
    wait_until(lambda: not threads_of_handshakes(), timeout=WAIT, what="the end of others")
    jobs = Jobs()
    handshakes = Handshakes(2, jobs.wake)
    assert threads_of_handshakes() == 0
    jobs.submit(handshakes, "peer", "first")
    assert threads_of_handshakes() == 1
    for _ in range(5):
        jobs.submit(handshakes, "peer", "more")
    assert threads_of_handshakes() == 2
    jobs.wait(6)
    handshakes.close()
    wait_until(lambda: not threads_of_handshakes(), timeout=WAIT, what="an end")


def test_close_forgets_what_waits_and_a_job_in_work_may_end_after_it() -> None:
    jobs = Jobs()
    handshakes = Handshakes(1, jobs.wake)
    blocker = Blocker()
    handshakes.submit("peer", blocker)
    assert blocker.begun.wait(WAIT)
    jobs.submit(handshakes, "peer", "never")
    handshakes.close()
    handshakes.close()
    blocker.let_go.set()
    jobs.wait(1)
    jobs.submit(handshakes, "peer", "too late")
    wait_until(lambda: not threads_of_handshakes(), timeout=WAIT, what="an end")
    assert jobs.done == []


def test_close_without_threads_forgets_what_waits() -> None:
    jobs = Jobs()
    handshakes = Handshakes(0, jobs.wake)
    jobs.submit(handshakes, "peer", "never")
    handshakes.close()
    assert not waits(handshakes)
    handshakes.work()
    assert jobs.done == []


@pytest.mark.parametrize("given", [0, 1])
def test_system_that_gives_fewer_threads_keeps_nobody_waiting(
    given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def refuse(thread: threading.Thread) -> None:
        if len(started) >= given:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    jobs = Jobs()
    handshakes = Handshakes(2, jobs.wake)
    for number in range(3):
        jobs.submit(handshakes, "peer", str(number))
    if given:
        jobs.wait(3)
    else:
        assert waits(handshakes)
        handshakes.work()
    assert jobs.done == ["0", "1", "2"]
    handshakes.close()
