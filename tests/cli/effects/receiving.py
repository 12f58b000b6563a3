"""A receiver, storescp, in this process, for the effects of its options.

The tool runs in the main thread, where its signal handlers belong; the peer is a script in a
thread beside it, and once that has ended the tool is stopped by SIGTERM as ever.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from isocenter.cli.storescp import main
from isocenter.testing import ScriptedRequestor, ct_image
from isocenter.testing.raw import Context
from tests.support.ports import free_port, is_listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import DicomObject

__all__ = ["reachable", "serve", "small_image", "store"]

ALWAYS: tuple[str, ...] = ()
"""Options that the tool gets besides; tests that two tools share set it, and `main`."""

_PATIENCE = 20.0
"""Seconds that the tool may take to listen."""

_TRIES = 3
"""Ports that are tried."""


def serve(script: Callable[[int], None], *options: str) -> int:
    """Run it until `script`, called with its port, has ended; return the exit code.

    Whatever the script raises is raised here.
    """
    for left in reversed(range(_TRIES)):
        port = free_port()
        peer = _Peer(script, port)
        code = _run(peer, *options, str(port))
        # Between our look and its bind somebody may have taken the port: try another.
        if left and code and _is_taken(port):
            continue
        if peer.error is not None:
            raise peer.error
        return code
    raise AssertionError("the last try returns")


def _is_taken(port: int) -> bool:
    """Tell whether another process has the port, now that the tool has ended."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def _run(peer: _Peer, *arguments: str) -> int:
    """Run it beside its peer; return the exit code."""
    # Until the tool has handlers of its own a stop must not end this process.
    own = signal.signal(signal.SIGTERM, _nothing)
    interrupt = signal.getsignal(signal.SIGINT)
    interval, limits = sys.getswitchinterval(), resource.getrlimit(resource.RLIMIT_NOFILE)
    peer.start()
    try:
        return main([*ALWAYS, *arguments], {})
    finally:
        peer.served.set()
        peer.join()
        signal.signal(signal.SIGTERM, own)
        signal.signal(signal.SIGINT, interrupt)
        sys.setswitchinterval(interval)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _nothing(*_: object) -> None:
    """Handle a signal by doing nothing."""


class _Peer(threading.Thread):
    """Runs the script and stops the tool.

    Attributes:
        served: set when the tool has ended.
        error: what the script raised.
    """

    def __init__(self, script: Callable[[int], None], port: int) -> None:
        super().__init__(daemon=True)
        self._script = script
        self._port = port
        self.served = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Wait for the tool, play the peer, end the tool."""
        if not self._wait(lambda: is_listening(self._port)):
            return
        try:
            self._script(self._port)
        except BaseException as error:  # noqa: BLE001 - raised again by `serve`
            self.error = error
        # It listens before it has its handlers.
        if self._wait(lambda: signal.getsignal(signal.SIGTERM) is not _nothing):
            os.kill(os.getpid(), signal.SIGTERM)

    def _wait(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; False where the tool ended before, or nothing came of it."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if self.served.wait(0.002) or time.monotonic() > deadline:
                return False
        return True


def small_image(number: int = 1, **facts: str) -> DicomObject:
    """Return a CT image of 4 by 4 pixels with the instance UID 2.25.`number`."""
    syntax = facts.get("transfer_syntax", "1.2.840.10008.1.2.1")
    return ct_image(sop_instance_uid=f"2.25.{number}", transfer_syntax=syntax, rows=4, columns=4)


def store(port: int, *objects: DicomObject) -> list[int]:
    """Send objects over one association and return the statuses."""
    first = objects[0]
    with ScriptedRequestor(port) as requestor:
        requestor.associate([Context(1, first.sop_class_uid, (first.transfer_syntax,))])
        statuses = [
            requestor.store(1, each.sop_class_uid, each.sop_instance_uid, each.data_set)
            for each in objects
        ]
        requestor.release()
    return statuses


def reachable(port: int, host: str) -> bool:
    """Tell whether somebody listens on that address."""
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
