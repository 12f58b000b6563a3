"""Threads for associations: whoever gave an arrival hears of its end, whatever became of it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from isocenter.net import dispatch
from isocenter.net.dispatch import Arrival, ThreadDispatcher
from tests.net.support import WAIT, serve_options

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from isocenter.net.association import Association


class Loop:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.wakes = threading.Semaphore(0)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        raise AssertionError

    def unwatch(self, fd: int) -> None:
        raise AssertionError

    def wake(self) -> None:
        self.wakes.release()

    def refuse(self, arrival: Arrival) -> None:
        raise AssertionError

    def close_all(self) -> None:
        raise AssertionError


def serve_nothing(association: Association) -> None:
    """Be done at once."""


def dispatched() -> tuple[ThreadDispatcher, Loop, socket.socket]:
    dispatcher = ThreadDispatcher(serve_nothing, serve_options())
    loop = Loop()
    dispatcher.start(loop)
    ours, peer = socket.socketpair()
    peer.settimeout(WAIT)
    ours.setblocking(False)
    dispatcher.dispatch(Arrival(ours, b"", "peer:1", time.monotonic()))
    return dispatcher, loop, peer


def assert_over(dispatcher: ThreadDispatcher, loop: Loop, peer: socket.socket) -> None:
    assert loop.wakes.acquire(timeout=WAIT)
    assert not loop.wakes.acquire(blocking=False)
    assert peer.recv(1) == b""
    assert dispatcher.join(0)
    peer.close()


def test_association_that_ended_is_told() -> None:
    assert_over(*dispatched())


def test_arrival_without_a_descriptor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(dispatch, "Association", refuse)
    assert_over(*dispatched())


def test_arrival_without_a_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert_over(*dispatched())
