"""How tests of passwords are let through: delays after failures, two at once, among processes."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.security import pace
from isocenter.security.pace import AT_ONCE, FORGOTTEN, FREE, Pace, TooManyAttempts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "192.0.2.1"
OTHER = "192.0.2.2"
DEADLINE = 25.0


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Guesser:
    """A `Pace` with such a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pace = Pace(clock=self.clock, sleep=self.clock.sleep)

    def test(self, *, right: bool, host: str = HOST, user: bytes = b"joe") -> float:
        """Return for how many seconds a test was put off."""
        start = self.clock.now
        with self.pace.attempt(host, user) as attempt:
            waited = self.clock.now - start
            attempt.right = right
        return waited


@pytest.fixture
def guesser() -> Guesser:
    return Guesser()


def test_right_passwords_never_wait(guesser: Guesser) -> None:
    assert [guesser.test(right=True) for _ in range(100)] == [0.0] * 100


def test_each_failure_of_a_user_doubles_the_wait_up_to_a_limit(guesser: Guesser) -> None:
    waits = [guesser.test(right=False) for _ in range(7)]
    assert waits == [0, 1, 2, 4, 8, 8, 8]


def test_other_user_and_other_address_do_not_wait(guesser: Guesser) -> None:
    for _ in range(4):
        guesser.test(right=False)
    assert guesser.test(right=True, user=b"ann") == 0
    assert guesser.test(right=True, host=OTHER) == 0
    assert guesser.test(right=True) == 8


def test_right_password_takes_back_what_its_user_had_failed(guesser: Guesser) -> None:
    for _ in range(3):
        guesser.test(right=False)
    assert guesser.test(right=True) == 4
    assert guesser.test(right=True) == 0
    assert [guesser.test(right=False) for _ in range(3)] == [0, 1, 2]


def test_address_that_tries_many_users_is_slowed_for_all(guesser: Guesser) -> None:
    waits = [guesser.test(right=False, user=b"user%d" % number) for number in range(FREE + 5)]
    assert waits == [0.0] * FREE + [1.0] * 5
    assert guesser.test(right=True, user=b"joe") == 1
    assert guesser.test(right=True, user=b"joe", host=OTHER) == 0


def test_right_password_does_not_take_back_the_failures_of_others(guesser: Guesser) -> None:
    for number in range(FREE):
        guesser.test(right=False, user=b"user%d" % number)
        assert guesser.test(right=True, user=b"mallory") == (number + 1 == FREE)
    assert guesser.test(right=True, user=b"mallory") == 1


def test_failures_are_forgotten_in_time(guesser: Guesser) -> None:
    for _ in range(5):
        guesser.test(right=False)
    guesser.clock.now += FORGOTTEN + 1
    assert [guesser.test(right=False) for _ in range(2)] == [0, 1]


def test_wait_that_is_too_long_is_refused_at_once(guesser: Guesser) -> None:
    for _ in range(6):
        guesser.test(right=False)
    with guesser.pace.attempt(OTHER, b"joe"):
        pass
    with guesser.pace.attempt(HOST, b"joe") as first:
        # A second one from there would have to wait for the turn and then 8 s after this one.
        guesser.clock.now -= 3
        with pytest.raises(TooManyAttempts), guesser.pace.attempt(HOST, b"joe"):
            pytest.fail("it was let through")
        first.right = False


def test_attempt_without_outcome_counts_for_nothing(guesser: Guesser) -> None:
    with pytest.raises(ZeroDivisionError), guesser.pace.attempt(HOST, b"joe"):
        raise ZeroDivisionError
    assert guesser.test(right=False) == 0


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("[2001:db8::1]", "2001:db8::2%eth0", True),
        ("::ffff:192.0.2.1", HOST, True),
        ("", "unknown", False),
    ],
)
def test_addresses_of_one_site_count_as_one(
    guesser: Guesser, first: str, second: str, *, same: bool
) -> None:
    guesser.test(right=False, host=first)
    assert guesser.test(right=False, host=second) == (1 if same else 0)


def test_memory_stays_the_same_whoever_guesses(
    guesser: Guesser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_BUCKETS", 2)
    for _ in range(5):
        guesser.test(right=False, user=b"victim")
    for number in range(500):
        guesser.test(right=False, host=f"10.0.{number >> 8}.{number & 255}", user=b"x%d" % number)
    assert guesser.test(right=False, user=b"victim") == 8  # who failed most is kept


def together(count: int, attempt: Callable[[], None]) -> None:
    threads = [threading.Thread(target=attempt) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.mark.slow
def test_threads_test_two_at_a_time() -> None:
    guard = Pace()
    lock, running, most = threading.Lock(), 0, 0

    def attempt() -> None:
        nonlocal running, most
        with guard.attempt(HOST, b"joe") as outcome:
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.02)
            with lock:
                running -= 1
            outcome.right = True

    together(12, attempt)
    assert most == AT_ONCE


@pytest.mark.slow
def test_of_many_guesses_at_the_same_time_few_are_tested_before_the_first_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody slips past while another one's password is still being tested."""
    monkeypatch.setattr(pace, "PATIENCE", 3.0)
    guard = Pace()
    tested: list[float] = []
    start = time.monotonic()

    def guess() -> None:
        try:
            with guard.attempt(HOST, b"joe") as outcome:
                tested.append(time.monotonic() - start)
                time.sleep(0.05)
                outcome.right = False
        except TooManyAttempts:
            pass

    together(30, guess)
    # Two at first, another one 2 s later; the next would have to wait 4 s, and none does.
    assert AT_ONCE <= len(tested) <= AT_ONCE + 1
    assert all(moment >= 1 for moment in sorted(tested)[AT_ONCE:])


def test_turn_that_does_not_come_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Pace()
    with guard.attempt(HOST, b"joe"), guard.attempt(OTHER, b"ann"):
        monkeypatch.setattr(pace, "PATIENCE", 0.05)
        with pytest.raises(TooManyAttempts), guard.attempt(HOST, b"eve"):
            pytest.fail("it was let through")
    with guard.attempt(HOST, b"eve"):
        pass


def test_system_without_locks_among_processes_counts_within_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    guesser = Guesser()
    assert [guesser.test(right=False) for _ in range(3)] == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="locks are those of POSIX")
def test_system_without_files_in_memory_has_a_nameless_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    guesser = Guesser()
    assert [guesser.test(right=False) for _ in range(3)] == [0, 1, 2]
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_address_that_floods_the_server_leaves_a_turn_to_others() -> None:
    guard = Pace()
    with guard.attempt(OTHER, b"joe") as outcome:
        outcome.right = False
    release, inside = threading.Event(), threading.Semaphore(0)

    def flood(number: int) -> None:
        with guard.attempt(OTHER, b"user%d" % number):
            inside.release()
            release.wait(DEADLINE)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=DEADLINE)
    assert not inside.acquire(timeout=0.2)  # one of them alone
    with guard.attempt(HOST, b"ann"):
        pass
    release.set()
    for thread in threads:
        thread.join(DEADLINE)


def in_child(work: Callable[[], None]) -> int:
    """Run something in a forked process and return that."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ended_well(child: int) -> bool:
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
class TestProcesses:
    """`--fork`: a process for each association, and a failure outlives its process."""

    def test_failures_in_children_count(self, guesser: Guesser) -> None:
        for _ in range(3):
            assert ended_well(in_child(lambda: self.fail(guesser)))
        assert guesser.test(right=False) >= 1

    @staticmethod
    def fail(guesser: Guesser) -> None:
        guesser.test(right=False)

    @pytest.mark.slow
    def test_two_at_a_time_among_processes(self) -> None:
        guard = Pace()
        ready, write = os.pipe()
        held, release = os.pipe()

        def hold() -> None:
            with guard.attempt(OTHER, b"joe"):
                os.write(write, b"x")
                os.read(held, 1)

        children = [in_child(hold) for _ in range(AT_ONCE)]
        for _ in children:
            assert os.read(ready, 1) == b"x"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pace, "PATIENCE", 0.05)
            with pytest.raises(TooManyAttempts), guard.attempt(HOST, b"ann"):
                pytest.fail("it was let through")
        let_in = threading.Event()

        def attempt() -> None:
            with guard.attempt(HOST, b"ann"):
                let_in.set()

        thread = threading.Thread(target=attempt)
        thread.start()
        assert not let_in.wait(0.3)
        os.write(release, b"xx")
        thread.join(DEADLINE)
        assert let_in.is_set()
        assert all(ended_well(child) for child in children)
        for descriptor in (ready, write, held, release):
            os.close(descriptor)

    @pytest.mark.slow
    def test_turn_of_a_process_that_was_killed_is_free_again(self) -> None:
        guard = Pace()
        ready, write = os.pipe()

        def hang() -> None:
            with guard.attempt(OTHER, b"joe"):
                os.write(write, b"x")
                time.sleep(60)

        children = [in_child(hang) for _ in range(AT_ONCE)]
        for _ in children:
            assert os.read(ready, 1) == b"x"
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
        with guard.attempt(HOST, b"ann"):
            pass
        os.close(ready)
        os.close(write)
