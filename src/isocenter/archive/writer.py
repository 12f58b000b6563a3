"""The one process that writes the indexes of a node.

Owns its loop: connections, batches, when files that lost their rows go, when marked folders are
looked at, and the word with the parent. Must not know what an order means (`committer`), nor who
restarts it (`keeper`).

Theory of operation. One thread. Each turn reads what all connections have to say, carries out the
orders of each area in one transaction, and answers after the commit. Nobody waits for others on
purpose: while one transaction is committed the next orders gather, so the slower the disk, the
larger the groups. What can wait is done, a little at a time, in turns without orders.

A mark lasts as long as the connection over which it was asked for. If that ends without a word,
its process may have died between publishing a file and adding it, or only have lost the writer
before this one; so the folder is looked at when nobody can be waiting for an answer any more.

The process is a fresh interpreter, not a fork: its parent may have threads. It ends when the
parent says so, or is gone with all who were forked from it. Signals of a terminal are not for it.
"""

from __future__ import annotations

import selectors
import signal
import socket
import sys
import time

from isocenter.archive.frames import Frames, pack, receive
from isocenter.archive.orders import Failure, Mark, Release
from isocenter.archive.recovery import OpenArea, settle
from isocenter.archive.words import GRACE, Alive, Failed, Line, Ready, Request, WriterOptions
from isocenter.errors import ArchiveError, StorageError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from isocenter.archive.orders import Answer, Order

__all__ = ["Loop", "Parent", "main", "run"]

_LOGGER = get_logger(__name__)

_BATCH = 2048  # orders in one transaction at most
_MOST_WAITING = 1 << 20  # bytes for a parent that does not listen
_LATER = 60.0  # seconds until a folder that cannot be read is looked at again


class Parent:
    """The way back to the parent: signs of life and lines for the log, never waited for.

    Args:
        sock: the stream; set not to wait.
    """

    __slots__ = ("_waiting", "sock")

    def __init__(self, sock: socket.socket) -> None:
        """Begin with nothing to say."""
        sock.setblocking(False)
        self.sock = sock
        self._waiting = bytearray()

    def tell(self, message: object) -> None:
        """Say something, as soon as there is room; lines that are too many are lost."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting += pack(message)
        try:
            while self._waiting:
                del self._waiting[: self.sock.send(self._waiting)]
        except OSError:
            pass  # with the next one, or the parent is gone

    def listen(self) -> str:
        """Return what the parent wants: "stop", "answer" or "" for nothing."""
        try:
            words = self.sock.recv(4096)
        except BlockingIOError:
            return ""
        except OSError:
            words = b""
        return "stop" if not words or b"s" in words else "answer"


class _Peer:
    """A connection, and the folders that are marked as long as it lasts."""

    __slots__ = ("frames", "marks", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.frames = Frames()
        self.marks: set[tuple[str, str]] = set()  # area, folder


class _Service:
    """An open area, and who holds which of its folders."""

    __slots__ = ("due", "holders", "opened")

    def __init__(self, opened: OpenArea, due: float) -> None:
        self.opened = opened
        self.holders: dict[str, set[_Peer]] = {}
        # Folders that nobody holds, and when they are looked at; monotonic seconds.
        self.due = dict.fromkeys(opened.committer.marks, due)


class Loop:
    """Serves the areas of a writer.

    Args:
        areas: open; closed by whoever opened them.
        door: this side's end of it.
        parent: None for nobody.
        grace: see `words.WriterOptions`.

    Attributes:
        batches: how many orders each of the last transactions carried out.
    """

    def __init__(
        self,
        areas: Sequence[OpenArea],
        door: socket.socket,
        parent: Parent | None,
        *,
        grace: float = 0.0,
    ) -> None:
        """Begin without connections."""
        now = time.monotonic()
        self._services = {opened.area.directory: _Service(opened, now + grace) for opened in areas}
        self._door = door
        self._parent = parent
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self.batches: list[int] = []
        self._orders = 0
        door.setblocking(False)
        self._selector.register(door, selectors.EVENT_READ, None)
        if parent is not None:
            self._selector.register(parent.sock, selectors.EVENT_READ, parent)

    def run(self) -> None:
        """Serve until the parent says stop, or is gone."""
        while not self._stopping:
            self.turn()

    def turn(self) -> None:
        """Wait for orders and carry them out; or do some of what can wait."""
        events = self._selector.select(self._patience())
        orders: dict[str, list[tuple[_Peer, Order]]] = {}
        for key, _ in events:
            if key.fileobj is self._door:
                self._let_in()
            elif isinstance(key.data, Parent):
                self._listen_to(key.data)
            else:
                self._hear(key.data, orders)
        for area, entries in orders.items():
            for start in range(0, len(entries), _BATCH):
                self._serve(area, entries[start : start + _BATCH])
        if not events:
            self._tidy()

    def _patience(self) -> float | None:
        """Return how many seconds to wait for orders before something else is to be done."""
        due: float | None = None
        for service in self._services.values():
            if service.opened.committer.has_work:
                return 0.0
            for moment in service.due.values():
                due = moment if due is None else min(due, moment)
        return None if due is None else max(0.0, due - time.monotonic())

    def _let_in(self) -> None:
        """Take the connections that came through the door."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._door, 16, 1)
            except OSError:
                return
            for descriptor in descriptors:
                sock = socket.socket(fileno=descriptor)
                sock.setblocking(False)
                self._selector.register(sock, selectors.EVENT_READ, _Peer(sock))

    def _listen_to(self, parent: Parent) -> None:
        wanted = parent.listen()
        if wanted == "stop":
            self._stopping = True
            self._selector.unregister(parent.sock)
        elif wanted:
            parent.tell(Alive())

    def _hear(self, peer: _Peer, orders: dict[str, list[tuple[_Peer, Order]]]) -> None:
        try:
            requests = peer.frames.read(peer.sock)
        except Exception:  # whatever it is, it is one connection's
            _LOGGER.exception("a connection of the writer is closed")
            requests = None
        if requests is None:
            self._drop(peer)
            return
        for request in requests:
            assert isinstance(request, Request)  # noqa: S101 - our own processes say nothing else
            orders.setdefault(request.area, []).append((peer, request.order))

    def _drop(self, peer: _Peer) -> None:
        """Forget a connection; what it held is looked at later."""
        if peer.sock.fileno() < 0:
            return
        self._selector.unregister(peer.sock)
        peer.sock.close()
        moment = time.monotonic() + GRACE
        for area, folder in peer.marks:
            service = self._services[area]
            holders = service.holders.get(folder, set())
            holders.discard(peer)
            if not holders:
                service.holders.pop(folder, None)
                service.due[folder] = moment

    def _serve(self, area: str, entries: Sequence[tuple[_Peer, Order]]) -> None:
        service = self._services.get(area)
        if service is None:
            for peer, _ in entries:
                self._answer(peer, Failure(f"{area} is no area of this node"))
            return
        # First who takes a mark, then who gives one back: it may be the same folder.
        for peer, order in entries:
            if isinstance(order, Mark):
                service.holders.setdefault(order.folder, set()).add(peer)
                service.due.pop(order.folder, None)
                peer.marks.add((area, order.folder))
        passed = [order for peer, order in entries if not self._is_held(service, peer, order)]
        answers = iter(service.opened.committer.commit(passed) if passed else ())
        if passed:
            self._orders += len(passed)
            self.batches.append(len(passed))
            del self.batches[:-1000]
        for peer, order in entries:
            if isinstance(order, Release):
                self._answer(peer, 0)
                continue
            answer = next(answers)
            if isinstance(order, Mark) and isinstance(answer, Failure):
                self._let_go(service, peer, order.folder)
            self._answer(peer, answer)

    def _is_held(self, service: _Service, peer: _Peer, order: Order) -> bool:
        """Take note of marks that are given back, and tell whether an order is all done then."""
        if not isinstance(order, Release):
            return False
        free = [folder for folder in order.folders if self._let_go(service, peer, folder)]
        if free:
            service.opened.committer.release(free)
        return True

    def _let_go(self, service: _Service, peer: _Peer, folder: str) -> bool:
        """Take a folder from a connection and tell whether nobody has it now."""
        peer.marks.discard((service.opened.area.directory, folder))
        holders = service.holders.get(folder)
        if holders is None or peer not in holders:
            return False
        holders.discard(peer)
        if holders:
            return False
        del service.holders[folder]
        return folder not in service.due

    def _answer(self, peer: _Peer, answer: Answer) -> None:
        """Answer; whoever does not read his answers is no client of ours."""
        if peer.sock.fileno() < 0:
            return
        data = pack(answer)
        try:
            went = peer.sock.send(data) == len(data)
        except OSError:
            went = False
        if not went:
            self._drop(peer)

    def _tidy(self) -> None:
        """Do a little of what can wait."""
        now = time.monotonic()
        for service in self._services.values():
            if service.opened.committer.has_work:
                service.opened.committer.work()
                return
        for service in self._services.values():
            for folder, moment in service.due.items():
                if moment <= now:
                    self._settle(service, folder)
                    return

    @staticmethod
    def _settle(service: _Service, folder: str) -> None:
        study = service.opened.committer.marks.get(folder)
        del service.due[folder]
        if study is None:
            return
        try:
            done = settle(service.opened, folder, study)
        except Exception:  # it must not keep others from their answers
            done = False
            _LOGGER.exception("folder %s cannot be looked at", folder)
        if not done:
            service.due[folder] = time.monotonic() + _LATER

    def close(self) -> None:
        """End all connections."""
        commits = sum(service.opened.committer.commits for service in self._services.values())
        _LOGGER.info("the writer ends: %d orders in %d transactions", self._orders, commits)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Peer):
                key.data.sock.close()
        self._selector.close()


def main(arguments: Sequence[str]) -> int:
    """Run the process; return its exit code.

    Args:
        arguments: the descriptors of life and door.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    life, door = (socket.socket(fileno=int(word)) for word in arguments)
    options = receive(life, time.monotonic() + 60.0)
    assert isinstance(options, WriterOptions)  # noqa: S101 - our parent says nothing else
    parent = Parent(life)
    _log_to(parent)
    opened: list[OpenArea] = []
    try:
        try:
            for area in options.areas:
                opened.append(OpenArea(area))  # noqa: PERF401 - those that are open get closed
        except (ArchiveError, StorageError) as problem:
            parent.tell(Failed(problem.path, problem.reason))
            return 1
        parent.tell(Ready())
        loop = Loop(opened, door, parent, grace=options.grace)
        try:
            loop.run()
        finally:
            loop.close()
    finally:
        for one in opened:
            one.close()
    return 0


def _log_to(parent: Parent) -> None:
    """Send every record of this package to the parent, which knows where logs go."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            parent.tell(Line(record.levelno, record.name, self.format(record)))

    package = logging.getLogger("isocenter")
    package.addHandler(Handler())
    package.setLevel(logging.INFO)
    package.propagate = False


def run() -> None:
    """Run the process; what `keeper` starts."""
    sys.exit(main(sys.argv[1:3]))
