"""Questions of workers: answered one by one, to those who still wait, or not at all."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConnectionLost, TimeoutExpired
from isocenter.net.channel import (
    MAXIMUM_ANSWER,
    MAXIMUM_QUESTION,
    open_channel,
)
from isocenter.net.workers import available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.net.channel import Asker

pytestmark = pytest.mark.skipif(not available(), reason="no processes to ask from")


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes], *, patience: float = 5.0) -> Iterator[Asker]:
    """Serve a channel in a thread, as a parent's loop does."""
    answerer, asker = open_channel(patience=patience)
    stop, stopped = socket.socketpair()

    def loop() -> None:
        while True:
            ready, _, _ = select.select([answerer.fileno(), stop.fileno()], [], [])
            if stop.fileno() in ready:
                return
            answerer.serve(answer)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield asker
    finally:
        stopped.send(b"x")
        thread.join()
        for end in (answerer, asker, stop, stopped):
            end.close()


def test_asker_gets_the_answer_to_its_question() -> None:
    with answering(lambda question: question[::-1]) as ask:
        assert ask(b"abc") == b"cba"
        assert ask(b"") == b""


def test_threads_that_ask_at_a_time_get_their_own_answers() -> None:
    wrong: list[bytes] = []

    with answering(lambda question: question * 2) as ask:

        def work(number: int) -> None:
            for count in range(100):
                question = f"{number}.{count} ".encode()
                if ask(question) != question * 2:
                    wrong.append(question)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_longest_question_and_longest_answer_pass() -> None:
    with answering(lambda question: bytes(MAXIMUM_ANSWER)) as ask:
        assert ask(bytes(MAXIMUM_QUESTION)) == bytes(MAXIMUM_ANSWER)
        with pytest.raises(ValueError, match="question of"):
            ask(bytes(MAXIMUM_QUESTION + 1))


def test_answer_that_is_too_long_is_none(caplog: pytest.LogCaptureFixture) -> None:
    with answering(lambda _: bytes(MAXIMUM_ANSWER + 1)) as ask, pytest.raises(ConnectionLost):
        ask(b"?")
    assert "could not be answered" in caplog.text


def test_question_that_fails_spares_the_next(caplog: pytest.LogCaptureFixture) -> None:
    def answer(question: bytes) -> bytes:
        if question == b"bad":
            raise RuntimeError("no")
        return question

    with answering(answer) as ask:
        with pytest.raises(ConnectionLost):
            ask(b"bad")
        assert ask(b"good") == b"good"
    assert "could not be answered" in caplog.text


def test_asker_gives_up_after_its_patience() -> None:
    answerer, asker = open_channel(patience=0.05)
    with pytest.raises(TimeoutExpired) as caught:
        asker(b"?")
    assert caught.value.seconds == 0.05
    # Whoever gave up is not answered any more, which is no mistake.
    answerer.serve(lambda question: question)
    answerer.close()
    asker.close()


def test_asker_of_a_dead_parent_is_told_at_once() -> None:
    answerer, asker = open_channel()
    answerer.close()
    with pytest.raises(ConnectionLost, match="no answer of the parent"):
        asker(b"?")
    asker.close()


def test_parent_that_dies_before_it_answers_is_noticed() -> None:
    answerer, asker = open_channel()

    def die() -> None:
        select.select([answerer], [], [])
        answerer.close()

    died = threading.Thread(target=die)
    died.start()
    with pytest.raises(ConnectionLost):
        asker(b"?")
    died.join()
    asker.close()


def test_nothing_asked_is_nothing_answered() -> None:
    answerer, asker = open_channel()
    answerer.serve(lambda _: pytest.fail("there was no question"))
    answerer.close()
    assert answerer.fileno() == -1
    asker.close()


def test_no_descriptor_is_left_open() -> None:
    gc.collect()  # what other tests left
    before = len(os.listdir("/proc/self/fd"))
    with answering(lambda question: question) as ask:
        inside = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            ask(b"?")
        assert len(os.listdir("/proc/self/fd")) <= inside + 1
    assert len(os.listdir("/proc/self/fd")) <= before
