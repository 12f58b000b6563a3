"""The way to the writer's process for all who add objects or remove them.

Owns the connections and who waits how long. Must not know what the writer does with an order.

Theory of operation. The parent of all these processes keeps a pair of datagram sockets, the door:
one end every process inherits, the other the writer. To connect is to send one end of a stream pair
through the door. If the writer dies, its connections end, but the door does not: what is sent
through it waits for the next writer, so whoever loses his connection connects anew and asks once
more, and an answer that was lost does no harm (`committer`). No name in any file system leads to
the writer.

Marks (`orders.Mark`) belong to a connection of their own, one for each process: as long as it
lasts the writer leaves the marked folders alone. A process that was forked begins anew.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import OrderedDict

from isocenter.archive.frames import receive, send
from isocenter.archive.orders import Add, AddOutcome, Failure, Mark, Release, Remove
from isocenter.archive.words import PATIENCE, Request
from isocenter.errors import StorageError, StorageFull

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from isocenter.archive.facts import NewInstance
    from isocenter.archive.orders import Answer, InstanceKey, Order
else:
    Protocol = object

__all__ = ["AddRefused", "AddRefusedFull", "AreaWriter", "RemoteArea", "WriterClient"]

_MARKERS = 4  # connections with marks: one that waits for its commit does not keep all waiting
_MOST_MARKS = 16  # folders marked over each, unless more are in use
_MOST_IDLE = 16  # connections kept


class AreaWriter(Protocol):
    """Whoever writes the index of one area; may be used by several threads."""

    def marked(self, folder: str, study: str) -> AbstractContextManager[None]:
        """Return a context in which files may appear in a folder before they are added.

        If it ends with an error other than `AddRefused`, the folder is looked at later: a file may
        have been left there.

        Raises:
            StorageError: the writer does not answer.
        """

    def add(self, new: NewInstance, *, again: bool = False) -> AddOutcome:
        """Index an instance; the row is committed when this returns.

        Args:
            new: its file is published in a folder that is marked.
            again: see `orders.Add`.

        Raises:
            AddRefused: it was not indexed, and will not be.
            StorageError: nobody can tell whether it was.
        """

    def remove(self, studies: Sequence[str] = (), instances: Sequence[InstanceKey] = ()) -> int:
        """Remove studies and instances; return how many instances were there.

        Raises:
            StorageError: nothing may have been removed.
        """


class AddRefused(StorageError):
    """The writer did not index an instance: its file is to go."""


class AddRefusedFull(AddRefused, StorageFull):
    """There was no room for the row."""


def refusal(area: str, failure: Failure) -> AddRefused:
    """Return the error that says why the writer did nothing."""
    kind = AddRefusedFull if failure.is_full else AddRefused
    problem = kind(
        area, failure.reason, message=f"cannot index an object of {area}: {failure.reason}"
    )
    problem.doing = "cannot index DICOM object"
    return problem


class _Marks:
    """Some of the folders that this process has marked, and the connection that holds them."""

    __slots__ = ("held", "lock", "sock", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sock: socket.socket | None = None
        # Those that the connection holds, by area and folder; those used last are last.
        self.held: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.users: dict[tuple[str, str], int] = {}  # at the moment

    def close(self) -> None:
        """End the connection; what it held the writer looks at, but not at once."""
        self.held.clear()
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def is_alive(self) -> bool:
        """Tell whether the writer still has the connection, and so the marks."""
        if self.sock is None:
            return False
        self.sock.settimeout(0)
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def surplus(self) -> list[tuple[str, str]]:
        """Return what is to be taken back before one more is marked."""
        if len(self.held) < _MOST_MARKS:
            return []
        unused = [known for known in self.held if known not in self.users]
        return unused[: len(self.held) - _MOST_MARKS + 1]


class WriterClient:
    """Asks the writer; may be used by several threads, and by processes forked later.

    Args:
        door: this side's end of the door; it stays open as long as the client is used.
        patience: seconds until somebody who gets no answer gives up.
    """

    __slots__ = ("_door", "_idle", "_lock", "_marks", "_patience", "_pid", "_renewal")

    def __init__(self, door: socket.socket, *, patience: float = PATIENCE) -> None:
        """Begin without connections."""
        self._door = door
        self._patience = patience
        self._renewal = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._marks = tuple(_Marks() for _ in range(_MARKERS))
        self._pid = os.getpid()  # last: from here on others use the rest

    def area(self, directory: str) -> RemoteArea:
        """Return the way to the index of one area."""
        return RemoteArea(self, directory)

    def close(self) -> None:
        """Take the marks back and close the connections; they are made anew when needed."""
        self._check_process()
        for marks in self._marks:
            with marks.lock:
                deadline = time.monotonic() + 1.0
                try:
                    for area, folder in marks.held:
                        self._mark_over(marks, area, Release((folder,)), deadline)
                except OSError:
                    pass  # the writer is gone, and looks at them when it is back
                marks.close()
        while self._idle:
            self._idle.pop().close()

    def _check_process(self) -> None:
        """Forget what belongs to the process that this one was forked from."""
        if self._pid == os.getpid():
            return
        with self._renewal:  # the process was one thread when it was made
            if self._pid != os.getpid():
                for sock in self._idle:
                    sock.close()
                for marks in self._marks:
                    marks.close()
                self._begin()

    def _connect(self, deadline: float) -> socket.socket:
        """Return a new connection, which the writer may not have noticed yet.

        Raises:
            OSError: there is none.
        """
        ours, theirs = socket.socketpair()
        try:
            # The timeout is the socket object's own: a second one of the same end.
            with self._door.dup() as door:
                door.settimeout(max(0.001, deadline - time.monotonic()))
                socket.send_fds(door, [b"c"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def ask(self, area: str, order: Order) -> Answer:
        """Give an order and return the answer.

        Raises:
            StorageError: there is no answer; the order may have been carried out.
        """
        self._check_process()
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self._lock:
                    sock = self._idle.pop() if self._idle else None
                if sock is None:
                    sock = self._connect(deadline)
                try:
                    answer = self._ask_over(sock, area, order, deadline)
                except BaseException:
                    sock.close()
                    raise
            except OSError as problem:
                self._give_up_at(deadline, area, problem)
                continue
            with self._lock:
                if len(self._idle) < _MOST_IDLE:
                    self._idle.append(sock)
                    sock = None
            if sock is not None:
                sock.close()
            return answer

    @staticmethod
    def _ask_over(sock: socket.socket, area: str, order: Order, deadline: float) -> Answer:
        send(sock, Request(area, order), deadline)
        answer = receive(sock, deadline)
        assert isinstance(answer, AddOutcome | int | Failure)  # noqa: S101 - our own process says nothing else
        return answer

    @staticmethod
    def _give_up_at(deadline: float, area: str, problem: OSError) -> None:
        """Raise StorageError when the time is over; a closed connection alone is no reason."""
        if isinstance(problem, TimeoutError) or time.monotonic() >= deadline:
            raise StorageError(
                area,
                "the writer of the index does not answer",
                message=f"the writer of the index of {area} does not answer",
            ) from problem

    def _marks_for(self, folder: str) -> _Marks:
        return self._marks[hash(folder) % _MARKERS]

    def mark(self, area: str, folder: str, study: str) -> None:
        """Mark a folder, and hold the mark until `unmark` at least.

        Raises:
            StorageError: the writer does not answer, or cannot write.
        """
        self._check_process()
        marks = self._marks_for(folder)
        deadline = time.monotonic() + self._patience
        with marks.lock:
            if not marks.is_alive():
                marks.close()  # another writer knows nothing of them
            if (area, folder) in marks.held:
                marks.held.move_to_end((area, folder))
            else:
                self._mark(marks, area, Mark(folder, study), deadline)
                marks.held[area, folder] = None
            marks.users[area, folder] = marks.users.get((area, folder), 0) + 1

    def _mark(self, marks: _Marks, area: str, order: Mark, deadline: float) -> None:
        while True:
            try:
                for known in marks.surplus():
                    del marks.held[known]
                    self._mark_over(marks, known[0], Release((known[1],)), deadline)
                answer = self._mark_over(marks, area, order, deadline)
            except OSError as problem:
                marks.close()
                self._give_up_at(deadline, area, problem)
                continue
            if isinstance(answer, Failure):
                raise refusal(area, answer)
            return

    def _mark_over(
        self, marks: _Marks, area: str, order: Mark | Release, deadline: float
    ) -> Answer:
        if marks.sock is None:
            marks.sock = self._connect(deadline)
        return self._ask_over(marks.sock, area, order, deadline)

    def unmark(self, area: str, folder: str) -> None:
        """Say that one less is on its way in a folder; the mark stays for the next."""
        marks = self._marks_for(folder)
        with marks.lock:
            users = marks.users.pop((area, folder), 1) - 1
            if users:
                marks.users[area, folder] = users

    def abandon(self, area: str, folder: str) -> None:
        """As `unmark`, where a file may be in the folder of which nobody knows whether it is added.

        The connection ends without a word, so the writer looks at what was marked over it.
        """
        self.unmark(area, folder)
        marks = self._marks_for(folder)
        with marks.lock:
            marks.close()


class RemoteArea:
    """The way to the index of one area; implements `AreaWriter`.

    Args:
        client: the way to its writer.
        directory: the area's, as the writer knows it.
    """

    __slots__ = ("_client", "directory")

    def __init__(self, client: WriterClient, directory: str) -> None:
        """Keep the arguments."""
        self._client = client
        self.directory = directory
        """As given."""

    def marked(self, folder: str, study: str) -> AbstractContextManager[None]:
        """As `AreaWriter`."""
        from contextlib import contextmanager

        @contextmanager
        def hold() -> Iterator[None]:
            self._client.mark(self.directory, folder, study)
            try:
                yield
            except AddRefused:
                self._client.unmark(self.directory, folder)
                raise
            except BaseException:
                self._client.abandon(self.directory, folder)
                raise
            self._client.unmark(self.directory, folder)

        return hold()

    def add(self, new: NewInstance, *, again: bool = False) -> AddOutcome:
        """As `AreaWriter`."""
        answer = self._client.ask(self.directory, Add(new, again))
        return outcome_of(self.directory, answer)

    def remove(self, studies: Sequence[str] = (), instances: Sequence[InstanceKey] = ()) -> int:
        """As `AreaWriter`."""
        answer = self._client.ask(self.directory, Remove(tuple(studies), tuple(instances)))
        return count_of(self.directory, answer)


def outcome_of(area: str, answer: Answer) -> AddOutcome:
    """Return what became of an instance.

    Raises:
        AddRefused: nothing.
    """
    if isinstance(answer, Failure):
        raise refusal(area, answer)
    assert isinstance(answer, AddOutcome)  # noqa: S101 - nothing else answers an addition
    return answer


def count_of(area: str, answer: Answer) -> int:
    """Return how many instances were removed.

    Raises:
        StorageError: none.
    """
    if isinstance(answer, Failure):
        raise StorageError(area, answer.reason, message=f"cannot remove of {area}: {answer.reason}")
    assert isinstance(answer, int)  # noqa: S101 - nothing else answers a removal
    return answer
