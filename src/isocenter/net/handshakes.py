"""The work of handshakes, done beside the loop that gathers their bytes, in a fair order.

A signature with a key of RSA-4096 takes 4.5 ms: a loop that did them all would keep everybody
waiting behind a peer that begins many. Owns the order (a turn for each peer, whatever it has
begun), the threads, and what is told to the loop. Must not know sockets or what a job does.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Handshakes"]

_SLICE = 0.01
"""Seconds that a loop without threads works on handshakes before it looks around again."""


class Handshakes:
    """Runs jobs, each peer's in the order they came, the peers by turns.

    Args:
        threads: how many work; 0 to have the loop do the work in `work`: a process that forks
            has no threads.
        wake: called, from any thread, when a job is done.

    Threads are started with the first jobs, as far as the system gives them, and end with `close`.
    """

    def __init__(self, threads: int, wake: Callable[[], None]) -> None:
        """Keep the arguments; nothing starts yet."""
        self._threads = threads
        self._wake = wake
        self._started: list[threading.Thread] = []
        self._queues: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, peer: str, job: Callable[[], None]) -> None:
        """Have a job done; it must not raise."""
        with self._changed:
            self._queues.setdefault(peer, deque()).append(job)
            self._changed.notify()
        if len(self._started) < self._threads:
            thread = threading.Thread(target=self._run, name="handshakes", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more: those there are do it, or the loop
                self._threads = len(self._started)
                return
            self._started.append(thread)

    @property
    def waits_for_loop(self) -> bool:
        """True where `work` has something to do."""
        return not self._threads and bool(self._queues)

    def work(self) -> None:
        """Do jobs in the calling thread for a moment, where no threads do them."""
        if self._threads:
            return
        until = time.monotonic() + _SLICE
        while self._queues:
            self._take()()
            if time.monotonic() >= until:
                break

    def _take(self) -> Callable[[], None]:
        """Take the next job: the first of the peer whose turn it is, who then goes to the end."""
        peer, queue = self._queues.popitem(last=False)
        job = queue.popleft()
        if queue:
            self._queues[peer] = queue
        return job

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queues and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                job = self._take()
            job()
            self._wake()

    def close(self) -> None:
        """Forget what waits and let the threads end."""
        with self._changed:
            self._queues.clear()
            self._closed = True
            self._changed.notify_all()
