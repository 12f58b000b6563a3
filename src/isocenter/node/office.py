"""One desk for all worker processes: the tracker lives in their parent.

Owns what is asked and answered between them, as JSON over `net.channel`. Must not know
sockets, nor what is done with a study that ended.

Theory of operation. The parent has no thread but its loop, so it only answers; nothing is ever
pushed to a worker. With each answer a worker learns which endings are its to deal with, and how
long until the next study may end by its timeout; at that moment it asks again (`expire`), so
any worker that had to do with studies lately is a clock for all.

An ending is offered to a worker, which takes it, deals with it and says `done`. The names of
a study's files come in pages, for an answer is bounded. If a worker dies, its associations end
and what it had taken is offered again, so a command may then run twice, but no study is
forgotten. What was offered and not taken, because the answer was lost, is offered again after
`OFFER_AGAIN` seconds.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque

from isocenter.errors import ConnectionLost, StorageError, TimeoutExpired
from isocenter.logs import get_logger
from isocenter.node.desk import Ending, Place
from isocenter.storage.study import StudyEnded

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from isocenter.storage.folders import FolderName
    from isocenter.storage.placing import Origin
    from isocenter.storage.study import StudyTracker

    Json: TypeAlias = "bool | int | float | str | list[Json] | None"

__all__ = ["OFFER_AGAIN", "RemoteDesk", "StudyOffice"]

_LOGGER = get_logger(__name__)

OFFER_AGAIN = 30.0
"""Seconds after which an ending that nobody took is offered to somebody else."""

_PAGE = 8 * 1024  # bytes of names; at most 48 KiB as JSON, where each becomes \uXXXX
_OFFERED = 8  # endings in one answer; the others come with the next
_OWED = 10_000  # notices kept for a parent that does not answer, inclusive


class _Duty:
    """An ending that is not dealt with yet."""

    __slots__ = ("names", "offered", "study", "worker")

    def __init__(self, study: StudyEnded) -> None:
        self.study = study
        names = "/".join(study.files).encode("utf-8", "surrogateescape")
        self.names = names  # as one piece, from which pages are cut
        self.offered = float("-inf")  # monotonic seconds
        self.worker: int | None = None  # who took it


class StudyOffice:
    """The parent's side: answers workers from the tracker; one thread's.

    Args:
        tracker: the server's.
        joined: what a worker does with the means to ask, before its first association.

    Implements `net.channel.Shared`.
    """

    def __init__(
        self,
        tracker: StudyTracker,
        joined: Callable[[Callable[[bytes], bytes]], None],
    ) -> None:
        """Begin without workers."""
        self._tracker = tracker
        self._joined = joined
        self._associations: dict[int, set[int]] = {}  # by worker
        self._duties: dict[int, _Duty] = {}
        self._keys = 0

    def join(self, ask: Callable[[bytes], bytes]) -> None:
        """Begin in a worker."""
        self._joined(ask)

    def answer(self, worker: int, question: bytes) -> bytes:
        """Answer a worker's question.

        Raises:
            ValueError, TypeError: it is none.
        """
        word, *arguments = json.loads(question)
        ended: tuple[StudyEnded, ...] = ()
        result: Json = None
        now = time.monotonic()
        match word, arguments:
            case "join", []:
                self._associations[worker] = set()
            case "arrived", [int(association), str(uid), str(base), bool(stamped), *facts]:
                calling, called, host = map(str, facts)
                self._associations.setdefault(worker, set()).add(association)
                arrival = self._tracker.arrived(
                    association,
                    uid,
                    base=base,
                    stamped=stamped,
                    now=now,
                    moment=time.time(),
                    calling_ae_title=calling,
                    called_ae_title=called,
                    peer_host=host,
                )
                ended = arrival.ended
                result = [arrival.ticket, arrival.folder, arrival.fresh]
            case "stored", [int(ticket), str(name)]:
                ended = self._tracker.stored(ticket, name, now=now)
            case "touch", [int(association)]:
                self._tracker.touch(association, now=now)
            case "ended", [int(association)]:
                self._associations.get(worker, set()).discard(association)
                ended = self._tracker.association_ended(association, now=now)
            case "expire", []:
                ended = self._tracker.expire(now)
            case "take", [int(key), int(offset)]:
                result = self._page(worker, key, offset)
            case "back", [int(key)]:
                if (duty := self._duties.get(key)) is not None and duty.worker == worker:
                    duty.worker, duty.offered = None, float("-inf")
            case "done", [int(key)]:
                self._duties.pop(key, None)
            case "leave", []:
                ended = self._left(worker)
            case _:
                raise ValueError(f"no question: {word!r}")
        self._note(ended)
        deadline = self._tracker.deadline()
        left = None if deadline is None else max(0.0, deadline - now)
        offers: list[Json] = [] if word in {"take", "back"} else self._offers(now)
        return json.dumps([result, offers, left]).encode()

    def gone(self, worker: int) -> None:
        """Take note that a worker died or ended: so did its associations."""
        now = time.monotonic()
        for association in self._associations.pop(worker, ()):
            self._note(self._tracker.association_ended(association, now=now))
        for duty in self._duties.values():
            if duty.worker == worker:
                duty.worker, duty.offered = None, float("-inf")

    def _left(self, worker: int) -> tuple[StudyEnded, ...]:
        """Take note that a worker is about to end; the last one closes every study."""
        now = time.monotonic()
        ended: list[StudyEnded] = []
        for association in self._associations.pop(worker, ()):
            ended += self._tracker.association_ended(association, now=now)
        if not self._associations:
            ended += self._tracker.end_all()
        return tuple(ended)

    def _note(self, ended: tuple[StudyEnded, ...]) -> None:
        for study in ended:
            self._keys += 1
            self._duties[self._keys] = _Duty(study)

    def _offers(self, now: float) -> list[Json]:
        offers: list[Json] = []
        for key, duty in self._duties.items():
            if duty.worker is None and duty.offered + OFFER_AGAIN <= now:
                duty.offered = now
                study = duty.study
                offers.append(
                    [
                        key,
                        study.study_uid,
                        study.folder,
                        study.untracked,
                        study.cause,
                        study.calling_ae_title,
                        study.called_ae_title,
                        study.peer_host,
                    ]
                )
                if len(offers) == _OFFERED:
                    break
        return offers

    def _page(self, worker: int, key: int, offset: int) -> Json:
        """Return names from an offset and the length of all; None where it is not his to take."""
        duty = self._duties.get(key)
        if duty is None or duty.worker not in {None, worker} or (duty.worker and not offset):
            return None
        duty.worker = worker
        page = duty.names[offset : offset + _PAGE]
        # Latin-1, so that a page may end within a character.
        return [page.decode("latin-1"), len(duty.names)]


class RemoteDesk:
    """A worker's side: the parent's desk from afar; may be used by several threads.

    Args:
        has_timeout: the tracker has a timeout other than 0.
    """

    __slots__ = ("_ask", "_moment", "_owed", "_paying", "has_timeout")

    def __init__(self, *, has_timeout: bool) -> None:
        """Begin without a parent."""
        self.has_timeout = has_timeout
        self._ask: Callable[[bytes], bytes] | None = None
        self._moment: float | None = None  # monotonic seconds
        # What the parent has to know and could not be told yet.
        self._owed: deque[list[Json]] = deque(maxlen=_OWED)
        self._paying = threading.RLock()

    def connect(self, ask: Callable[[bytes], bytes]) -> tuple[Ending, ...]:
        """Begin in a worker; return what is left to deal with by one that died."""
        self._ask = ask
        return self._tell("join")

    def _question(self, *words: Json) -> tuple[Json, tuple[Ending, ...]]:
        """Ask; return the result, and the endings that are now ours.

        Raises:
            ConnectionLost, TimeoutExpired: there is no answer.
        """
        if self._ask is None:
            raise ConnectionLost("the worker has not begun")
        result, offers, left = json.loads(self._ask(json.dumps(words).encode()))
        self._moment = None if left is None else time.monotonic() + left
        endings = []
        for key, *facts in offers:
            try:
                if (ending := self._take(key, *facts)) is not None:
                    endings.append(ending)
            except (ConnectionLost, TimeoutExpired) as problem:
                _LOGGER.error("studies: %s", problem)  # noqa: TRY400 - no traceback wanted
                self._owed.append(["back", key])
        return result, tuple(endings)

    def _take(self, key: int, uid: str, folder: str, untracked: int, *facts: str) -> Ending | None:
        """Fetch the names of a study's files; None where somebody else deals with it.

        Raises:
            As `_question`.
        """
        names = bytearray()
        while True:
            answer, _ = self._question("take", key, len(names))
            if not isinstance(answer, list):
                return None
            page, length = answer
            if not isinstance(page, str) or not isinstance(length, int):
                return None
            names += page.encode("latin-1")
            if len(names) >= length:
                break
        files = names.decode("utf-8", "surrogateescape").split("/") if names else []
        cause, calling, called, host = facts
        study = StudyEnded(uid, folder, tuple(files), untracked, cause, calling, called, host)
        return Ending(study, key)

    def _tell(self, *words: Json) -> tuple[Ending, ...]:
        """Tell the parent what it must know, now or with what is told next."""
        endings: list[Ending] = []
        try:
            if self._owed:
                self._pay(endings)
            endings += self._question(*words)[1]
        except (ConnectionLost, TimeoutExpired) as problem:
            self._owed.append(list(words))
            _LOGGER.error("studies: %s", problem)  # noqa: TRY400 - no traceback wanted
        return tuple(endings)

    def _pay(self, endings: list[Ending]) -> None:
        """Tell what is owed, in its order.

        Raises:
            As `_question`; the rest is still owed.
        """
        with self._paying:
            for _ in range(len(self._owed)):
                endings += self._question(*self._owed[0])[1]
                self._owed.popleft()

    def arrived(self, origin: Origin, study_uid: str, name: FolderName) -> Place:
        """As `Desk`.

        Raises:
            StorageError: the parent does not answer.
        """
        earlier: list[Ending] = []
        try:
            if self._owed:
                self._pay(earlier)
            result, endings = self._question(
                "arrived",
                origin.association,
                study_uid,
                name.base,
                name.stamped,
                origin.calling_ae_title,
                origin.called_ae_title,
                origin.peer_host,
            )
            match result:
                case [int(ticket), str(folder), bool(fresh)]:
                    return Place(ticket, folder, fresh, (*earlier, *endings))
        except (ConnectionLost, TimeoutExpired) as problem:
            self._owed.extend(["back", ending.key] for ending in earlier)
            raise StorageError(name.base, str(problem)) from problem
        raise StorageError(name.base, "the parent process gave no place")

    def stored(self, ticket: int, file_name: str) -> tuple[Ending, ...]:
        """As `Desk`."""
        return self._tell("stored", ticket, file_name)

    def touch(self, association: int) -> tuple[Ending, ...]:
        """As `Desk`."""
        return self._tell("touch", association)

    def association_ended(self, association: int) -> tuple[Ending, ...]:
        """As `Desk`."""
        return self._tell("ended", association)

    def left(self) -> float | None:
        """As `Desk`: as of the last answer."""
        moment = self._moment
        return None if moment is None else max(0.0, moment - time.monotonic())

    def expire(self) -> tuple[Ending, ...]:
        """As `Desk`."""
        self._moment = None
        return self._tell("expire")

    def finished(self, ending: Ending) -> tuple[Ending, ...]:
        """As `Desk`."""
        return self._tell("done", ending.key)

    def close(self) -> tuple[Ending, ...]:
        """As `Desk`: the last worker gets every study there is."""
        return self._tell("leave")
