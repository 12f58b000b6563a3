"""`worker_server` over TLS: SIGHUP takes the other certificate, SIGUSR1 prints the workers' loads.

python -m tests.net.tls_worker_server workers 2 CERTIFICATE KEY OTHER_CERTIFICATE OTHER_KEY
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from isocenter.net.listener import GivenListener, Listener, ListenOptions
from isocenter.net.tls import ServerTls
from isocenter.net.tls_context import server_context
from isocenter.net.tls_options import TlsOptions
from isocenter.net.workers import ForkDispatcher, WorkerDispatcher
from isocenter.services.acceptor import Acceptor
from tests.net.support import POLICY, SOCKETS, registry, serve_options
from tests.net.worker_server import SpeakingKeeper, say

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from isocenter.net.dispatch import Dispatcher


def _context(certificate: str, private_key: str) -> ssl.SSLContext:
    return server_context(
        TlsOptions(certificate=certificate, private_key=private_key, peer_certificate="ignore"),
        warn=say,
    )


def main(kind: str, number: int, *files: str) -> None:
    """Serve until told to stop."""
    logging.basicConfig(format="%(message)s")
    maximum = int(os.environ.get("MAXIMUM_ASSOCIATIONS", "100"))
    options = serve_options(maximum_associations=maximum)
    serve = Acceptor(POLICY, registry(SpeakingKeeper())).serve
    tls = ServerTls(_context(*files[:2]))

    def take_other() -> None:
        tls.replace(_context(*files[2:]))
        say(f"reloaded in {os.getpid()}")

    def make(threads: Dispatcher, on_end: Callable[[], None]) -> GivenListener:
        return GivenListener(
            ListenOptions(port=0), options.engine, SOCKETS, threads, on_end=on_end, tls=tls
        )

    dispatcher: WorkerDispatcher | ForkDispatcher
    if kind == "workers":
        dispatcher = WorkerDispatcher(
            serve, options, workers=number, at_reload=take_other, make_listener=make
        )
    else:
        dispatcher = ForkDispatcher(serve, options, maximum_children=number)
    listener = Listener(
        ListenOptions(port=0, host="127.0.0.1"),
        options.engine,
        SOCKETS,
        dispatcher,
        tls=tls,
        on_reload=take_other,
    )
    port = listener.open()
    signal.signal(signal.SIGTERM, lambda *_: listener.stop())
    signal.signal(signal.SIGHUP, lambda *_: listener.request_reload())
    signal.signal(
        signal.SIGUSR1,
        lambda *_: say(f"loads {[child.load for child in dispatcher._children.values()]}."),
    )
    listener.run(ready=lambda: say(f"port {port} ready"))
    say("ended")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
