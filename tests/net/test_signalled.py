"""A server that a signal tells to stop does, in whatever moment the signal comes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.net.dispatch import ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.signalled import SignalWatch
from isocenter.services.acceptor import Acceptor
from isocenter.ul import codec
from isocenter.ul.options import EngineOptions
from tests.net.support import POLICY, SOCKETS, WAIT, registry, serve_options

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="no signals to single threads"
)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Return a listener that SIGUSR1 stops, and that ends in any case."""
    engine = EngineOptions(limits=codec.Limits())
    serving = Listener(
        ListenOptions(port=0, host="127.0.0.1"),
        engine,
        SOCKETS,
        ThreadDispatcher(Acceptor(POLICY, registry()).serve, serve_options(engine=engine)),
    )
    serving.open()
    before = signal.signal(signal.SIGUSR1, lambda *_: serving.stop())
    last_resort = threading.Timer(WAIT, serving.stop)
    last_resort.start()
    yield serving
    last_resort.cancel()
    signal.signal(signal.SIGUSR1, before)


def test_signal_that_interrupts_no_wait_ends_it_nevertheless(listener: Listener) -> None:
    """One that another thread gets; one just before the wait does the same, and cannot be timed."""

    def strike() -> None:
        time.sleep(0.2)  # the main thread waits in its selector
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    start = time.monotonic()
    thread = threading.Thread(target=strike)
    thread.start()
    listener.run()
    thread.join()
    assert time.monotonic() - start < WAIT


def test_what_another_loop_had_asked_for_is_given_back(listener: Listener) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    listener.stop()
    try:
        listener.run()
    finally:
        assert signal.set_wakeup_fd(-1) == write
        os.close(read)
        os.close(write)


def test_listener_in_another_thread_than_the_main_one_leaves_signals_alone(
    listener: Listener,
) -> None:
    thread = threading.Thread(target=listener.run)
    thread.start()
    listener.stop()
    thread.join(WAIT)
    assert not thread.is_alive()
    assert signal.set_wakeup_fd(-1) == -1


def test_watch_without_descriptors_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", none_left)
    watch = SignalWatch()
    assert watch.fileno() == -1
    watch.clear()
    watch.close()


def test_watch_takes_many_signals_and_is_clear_again() -> None:
    watch = SignalWatch()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        for _ in range(3):
            signal.raise_signal(signal.SIGUSR1)
        assert os.read(watch.fileno(), 10) == bytes([signal.SIGUSR1] * 3)
        watch.clear()
        with pytest.raises(BlockingIOError):
            os.read(watch.fileno(), 1)
    finally:
        watch.close()
        watch.close()
        signal.signal(signal.SIGUSR1, before)
    assert watch.fileno() == -1
