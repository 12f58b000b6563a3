"""A server for tests of processes: prints its port, serves C-ECHO and C-STORE, ends on SIGTERM.

python -m tests.net.worker_server workers 2
python -m tests.net.worker_server fork 1
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from isocenter.net import workers
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.workers import ForkDispatcher, WorkerDispatcher
from isocenter.services.acceptor import Acceptor
from tests.net.support import POLICY, SOCKETS, registry, serve_options
from tests.net.test_association import Keeper

if TYPE_CHECKING:
    from isocenter.services.providers import StoreRequest


def say(text: str) -> None:
    """Write a line that tests wait for, at once: `print` writes its end apart, behind others'."""
    os.write(2, f"{text}\n".encode())


class SpeakingKeeper(Keeper):
    """Says when an object begins to arrive."""

    def store(self, request: StoreRequest) -> int:
        """Count the bytes."""
        say("receiving")
        return super().store(request)


def main(kind: str, number: int) -> None:
    """Serve until told to stop."""
    logging.basicConfig(format="%(message)s")
    if "PING" in os.environ:
        workers._PING_INTERVAL, workers._PING_LIMIT = map(float, os.environ["PING"].split())
    options = serve_options()
    serve = Acceptor(POLICY, registry(SpeakingKeeper())).serve
    dispatcher: WorkerDispatcher | ForkDispatcher
    if kind == "workers":
        dispatcher = WorkerDispatcher(serve, options, workers=number)
    else:
        dispatcher = ForkDispatcher(serve, options, maximum_children=number)
    listener = Listener(
        ListenOptions(port=0, host="127.0.0.1"), options.engine, SOCKETS, dispatcher
    )
    port = listener.open()
    signal.signal(signal.SIGTERM, lambda *_: listener.stop())
    listener.run(ready=lambda: say(f"port {port} ready"))
    say("ended")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
