"""The parent's side of the writer's process: it is started, asked whether it lives, replaced.

Owns the process and the door (`client`). Must not know orders.

Theory of operation. The parent may be one thread that serves a selector (`fileno`, `ready`,
`deadline`, `on_deadline`), or have somebody for it (`watch`). A writer that ended is replaced at
once, and one that says nothing for `HEARTBEAT_LIMIT` seconds is killed first; if it cannot begin,
another is tried with growing pauses. Those who ask notice nothing but the time it takes.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import threading
import time

from isocenter.archive.client import WriterClient
from isocenter.archive.frames import Frames, pack
from isocenter.archive.words import GRACE, PATIENCE, Failed, Line, Ready, WriterOptions
from isocenter.errors import ArchiveError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen
    from typing import Self

    from isocenter.archive.area import Area

__all__ = ["HEARTBEAT_INTERVAL", "HEARTBEAT_LIMIT", "WriterKeeper"]

_LOGGER = get_logger(__name__)

HEARTBEAT_INTERVAL = 10.0
"""Seconds between two questions whether the writer lives."""

HEARTBEAT_LIMIT = 60.0
"""Seconds without an answer after which it is killed. A sync on a busy disk takes some of them."""

_START = 600.0  # seconds until it is open: a large index may have to be brought up to date
_STOP = 10.0  # seconds for the end
_PAUSES = (0.0, 0.2, 1.0, 5.0)  # seconds before the first, second, ... replacement in a row

_BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[3:]; from isocenter.archive.writer import run; run()"
)


class WriterKeeper:
    """Keeps a writer for some areas.

    Args:
        areas: whose folders exist.
        patience: seconds that clients wait for an answer.

    One thread uses it at a time, `client` and `stop` apart.
    """

    def __init__(self, areas: Sequence[Area], *, patience: float = PATIENCE) -> None:
        """Make the door; `start` does the rest."""
        self._areas = tuple(areas)
        self._patience = patience
        # Ours stays open for the next writer, theirs for all who ask.
        self._inner, self._outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._process: Popen[bytes] | None = None
        self._life: socket.socket | None = None
        self._frames = Frames()
        self._is_ready = False
        self._heard = self._asked = 0.0  # monotonic seconds
        self._again: float | None = None  # when the next one is tried
        self._failures = 0  # in a row
        self._failed: Failed | None = None
        self._watcher: threading.Thread | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """Process id of the writer, 0 for none."""
        return 0 if self._process is None else self._process.pid

    def client(self) -> WriterClient:
        """Return a way to the writer, for this process and those forked from it."""
        return WriterClient(self._outer, patience=self._patience)

    def start(self) -> None:
        """Start the writer and wait until every area is open.

        Raises:
            ArchiveError: an area cannot be opened.
        """
        self._spawn(0.0)
        life = self._life
        assert life is not None  # noqa: S101 - just made
        deadline = time.monotonic() + _START
        with selectors.DefaultSelector() as selector:
            selector.register(life, selectors.EVENT_READ)
            while not self._is_ready and self._failed is None:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._failed = Failed(self._areas[0].directory, "the index does not open")
                elif not self._read(life) and self._failed is None:
                    self._failed = Failed(self._areas[0].directory, "the writer did not start")
        if self._failed is not None:
            failed = self._failed
            self._bury()
            raise ArchiveError(failed.path, failed.reason)

    def _spawn(self, grace: float) -> None:
        from subprocess import DEVNULL, Popen

        ours, theirs = socket.socketpair()
        try:
            paths = [path for path in sys.path if path]
            numbers = [str(theirs.fileno()), str(self._inner.fileno())]
            self._process = Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-c", _BOOTSTRAP, *numbers, *paths],
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=(theirs.fileno(), self._inner.fileno()),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._life = ours
        self._frames = Frames()
        self._is_ready, self._failed, self._again = False, None, None
        self._heard = self._asked = time.monotonic()
        with contextlib.suppress(OSError):  # it ended: its end of the stream says so
            ours.sendall(pack(WriterOptions(self._areas, grace)))
        ours.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable where `ready` has something to do; -1 for none.

        It is another one after `ready` or `on_deadline`.
        """
        return -1 if self._life is None else self._life.fileno()

    def ready(self) -> None:
        """Take note of what the writer says; replace it where it ended."""
        if self._life is not None and not self._stopping and not self._read(self._life):
            self._replace()

    def _read(self, life: socket.socket) -> bool:
        """Read what the writer says; False where that is all."""
        messages = self._frames.read(life)
        if messages is None:
            return False
        self._heard = time.monotonic()
        for message in messages:
            if isinstance(message, Line):
                get_logger(message.name).log(message.level, "%s", message.text)
            elif isinstance(message, Failed):
                self._failed = message
            elif isinstance(message, Ready):
                self._is_ready = True
                self._failures = 0
        return True

    def deadline(self) -> float | None:
        """Return when `on_deadline` wants to be called, in monotonic seconds; None for never."""
        if self._stopping:
            return None
        if self._life is None:
            return self._again
        return self._asked + HEARTBEAT_INTERVAL

    def on_deadline(self, now: float) -> None:
        """Start a writer that is due, or ask the one there is whether it lives."""
        if self._stopping:
            return
        if self._life is None:
            if self._again is not None and now >= self._again:
                self._spawn_again()
            return
        limit = HEARTBEAT_LIMIT if self._is_ready else _START
        if now - self._heard >= limit:
            _LOGGER.error("the writer of the index says nothing for %d s", limit)
            self._replace()
        elif now - self._asked >= HEARTBEAT_INTERVAL:
            self._asked = now
            with contextlib.suppress(OSError):
                self._life.send(b"p")

    def _bury(self) -> int:
        """End the process; return its exit code."""
        life, self._life = self._life, None
        process, self._process = self._process, None
        if life is not None:
            life.close()
        if process is None:
            return 0
        if process.poll() is None:
            process.kill()
        return process.wait()

    def _replace(self) -> None:
        failed = self._failed
        code = self._bury()
        if self._stopping:
            return
        why = f"{failed.path}: {failed.reason}" if failed is not None else _ending(code)
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1
        _LOGGER.error("the writer of the index ended (%s), starting another", why)
        self._again = time.monotonic() + pause
        if not pause:
            self._spawn_again()

    def _spawn_again(self) -> None:
        try:
            self._spawn(GRACE)
        except OSError as problem:
            self._again = time.monotonic() + _PAUSES[-1]
            _LOGGER.error("no writer can be started: %s", problem)  # noqa: TRY400 - no traceback wanted

    def watch(self) -> None:
        """Have a thread look after the writer until `stop`."""
        self._wake = socket.socketpair()
        self._watcher = threading.Thread(
            target=self._watch, args=(self._wake[0],), name="writer keeper", daemon=True
        )
        self._watcher.start()

    def _watch(self, wake: socket.socket) -> None:
        while not self._stopping:
            with selectors.DefaultSelector() as selector:
                selector.register(wake, selectors.EVENT_READ)
                if self._life is not None:
                    selector.register(self._life, selectors.EVENT_READ)
                due = self.deadline()
                patience = None if due is None else max(0.0, due - time.monotonic())
                keys = selector.select(patience)
            if any(key.fileobj is self._life for key, _ in keys):
                self.ready()
            self.on_deadline(time.monotonic())

    def stop(self) -> None:
        """End the writer, once it has carried out what it was asked; may be called again."""
        self._stopping = True
        if self._watcher is not None and self._wake is not None:
            self._wake[1].send(b"w")
            self._watcher.join()
            for end in self._wake:
                end.close()
            self._watcher = self._wake = None
        if self._life is not None and self._process is not None:
            from subprocess import TimeoutExpired

            with contextlib.suppress(OSError):
                self._life.setblocking(True)
                self._life.sendall(b"s")
            with contextlib.suppress(TimeoutExpired):
                self._process.wait(_STOP)
            self._read(self._life)
        self._bury()

    def close(self) -> None:
        """Stop, and give the door back."""
        self.stop()
        self._inner.close()
        self._outer.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _ending(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    import signal

    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
