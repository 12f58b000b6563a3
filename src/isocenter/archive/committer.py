"""Orders of many senders carried out in one transaction: what is decided while it is open.

Owns the decision about each instance (new, the same, in place of another, over quota), the marks
of folders, and the journal of files that are to go. Must not know where orders come from, nor when
a batch ends. One thread uses a committer at a time, and one process has one for an area: it holds
the area's lock.

Theory of operation. A transaction that fails is rolled back and its orders are tried one by one,
so that only the one at fault fails. What is counted (`quota`) is then counted anew.

Nothing is known twice. A file appears before its row, so first its folder is marked, in a
transaction of its own that whoever is about to publish waits for; once for each study that he has
to do with. A file goes after its row: the transaction that takes the row writes the path into the
journal, and the file is unlinked after the commit. So after a crash the marked folders and the
journal are all there is to look at (`recovery`), however many objects there are.

A path in the journal is never one that the index has: a new file may get the name of one that is
gone, and then leaves the journal in the transaction that adds it.
"""

from __future__ import annotations

from itertools import islice

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)

from isocenter.archive.orders import Add, AddOutcome, Failure, Mark, Release, Remove
from isocenter.archive.quota import Quotas
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from isocenter.archive.area import Area
    from isocenter.archive.facts import NewInstance
    from isocenter.archive.index import Index, StoredFile
    from isocenter.archive.orders import Answer, InstanceKey, Order
    from isocenter.archive.store.base import ObjectStore

__all__ = ["Committer", "key_of"]

_LOGGER = get_logger(__name__)

_AT_ONCE = 32  # files removed before orders are looked at again
_FLUSH = 512  # removed files, inclusive, after which the journal is told


def key_of(new: NewInstance) -> InstanceKey:
    """Return the UIDs of study, series and instance, by which the index knows it."""
    facts = new.facts
    return facts.study_instance_uid, facts.series_instance_uid, facts.sop_instance_uid


class _Changes:
    """What a transaction does beside its rows, to be noted once it is committed."""

    __slots__ = ("marked", "removed", "revived", "rows")

    def __init__(self) -> None:
        self.rows: dict[InstanceKey, NewInstance] = {}  # not written yet
        self.marked: dict[str, str] = {}  # study by folder
        self.removed: dict[str, str] = {}  # study by path
        self.revived: list[str] = []  # paths that leave the journal


class Committer:
    """Writes one area's index.

    Args:
        area: its options.
        store: its objects.
        index: open for writing; closed by whoever opened it.

    Attributes:
        marks: study by marked folder, as committed.
        commits: transactions so far; for those who count.
    """

    __slots__ = (
        "_area",
        "_gone",
        "_index",
        "_journal",
        "_quotas",
        "_released",
        "_store",
        "_waiting",
        "commits",
        "marks",
    )

    def __init__(self, area: Area, store: ObjectStore, index: Index) -> None:
        """Read the marks and the journal."""
        self._area = area
        self._store = store
        self._index = index
        self._quotas = Quotas(area, index)
        with index.writing() as connection:
            self.marks = index.marks(connection)
            going = sorted(index.removals(connection))
        self._journal = set(going)
        # In their order, each once: a name may be used again as soon as it is free.
        self._waiting = dict.fromkeys(path for path in going if store.size(path) is not None)
        self._gone = [path for path in going if path not in self._waiting]
        self._released: set[str] = set()
        self.commits = 0

    @property
    def index(self) -> Index:
        """The index."""
        return self._index

    @property
    def store(self) -> ObjectStore:
        """The objects."""
        return self._store

    def commit(self, orders: Sequence[Order]) -> list[Answer]:
        """Carry orders out, together where that works; return an answer for each."""
        try:
            return self._commit(orders)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the next may do better
            self._quotas.forget()
            if len(orders) == 1 or _is_everybodys(problem):
                failure = self._failure(problem)
                return [failure] * len(orders)
        answers: list[Answer] = []
        for order in orders:
            answers += self.commit([order])
        return answers

    @staticmethod
    def _failure(problem: Exception) -> Failure:
        words = str(getattr(problem, "orig", None) or problem).splitlines()
        reason = words[0] if words else type(problem).__name__
        # What the database says of a statement repeats its values, which are a patient's.
        trace = None if hasattr(problem, "orig") else problem
        _LOGGER.error("the index was not changed: %s", reason, exc_info=trace)
        return Failure(reason, is_full="full" in reason)

    def _commit(self, orders: Sequence[Order]) -> list[Answer]:
        changes = _Changes()
        known: dict[InstanceKey, StoredFile] = {}
        for order in orders:
            if isinstance(order, Release):
                self._released.update(order.folders)
            elif isinstance(order, Mark):
                self._released.discard(order.folder)
        if self._is_nothing(orders):
            return [0] * len(orders)
        released = sorted(folder for folder in self._released if folder in self.marks)
        gone = list(self._gone)
        with self._index.writing() as connection:
            if keys := [key_of(order.new) for order in orders if isinstance(order, Add)]:
                known = self._index.existing(connection, keys)
            answers = [self._carry_out(connection, order, known, changes) for order in orders]
            self._write(connection, changes)
            self._index.unmark(connection, released)
            self._index.mark(connection, changes.marked)
            self._index.unjournal(connection, [*gone, *changes.revived])
            self._index.journal(connection, changes.removed)
        self.commits += 1
        for folder in released:
            del self.marks[folder]
        self._released.clear()
        self.marks |= changes.marked
        del self._gone[: len(gone)]
        self._journal.difference_update(gone, changes.revived)
        self._journal.update(changes.removed)
        for path in changes.revived:
            self._waiting.pop(path, None)
        self._waiting |= dict.fromkeys(changes.removed)
        return answers

    def _is_nothing(self, orders: Sequence[Order]) -> bool:
        """Tell whether orders ask for nothing that has to be written now."""
        for order in orders:
            if isinstance(order, Add | Remove):
                return False
            if isinstance(order, Mark) and order.folder not in self.marks:
                return False
        return bool(orders)

    def _carry_out(
        self,
        connection: Connection,
        order: Order,
        known: dict[InstanceKey, StoredFile],
        changes: _Changes,
    ) -> Answer:
        if isinstance(order, Add):
            return self._add(connection, order, known, changes)
        if isinstance(order, Remove):
            return self._remove(connection, order, known, changes)
        if isinstance(order, Mark) and order.folder not in self.marks:
            changes.marked[order.folder] = order.study
        return 0

    def _add(
        self,
        connection: Connection,
        order: Add,
        known: dict[InstanceKey, StoredFile],
        changes: _Changes,
    ) -> AddOutcome | Failure:
        new, key = order.new, key_of(order.new)
        if self._store.size(new.path) != new.size:
            return Failure(f"{new.path} is gone, or is not what it was")
        before = known.get(key)
        same = before is not None and _is_same(before, new)
        if before is not None and before.path == new.path and same:
            return AddOutcome("stored", new.path)  # asked once more, because an answer was lost
        if before is not None and same and not order.again:
            return AddOutcome("identical", before.path)
        growth = new.size - (0 if before is None else before.size)
        if not self._quotas.allows(connection, key[0], growth):
            return AddOutcome("over-quota", new.path)
        if before is not None and before.path != new.path:
            changes.removed[before.path] = key[0]
        if new.path in self._journal or new.path in changes.removed:
            changes.removed.pop(new.path, None)
            changes.revived.append(new.path)
        changes.rows[key] = new
        known[key] = self._index.stored_file(new)
        if self._quotas.surplus(connection):
            self._evict(connection, key[0], known, changes)
        return AddOutcome("stored" if before is None else "replaced", new.path)

    def _write(self, connection: Connection, changes: _Changes) -> None:
        if changes.rows:
            self._index.write(connection, list(changes.rows.values()))
            changes.rows.clear()

    def _evict(
        self,
        connection: Connection,
        spared: str,
        known: dict[InstanceKey, StoredFile],
        changes: _Changes,
    ) -> None:
        """Remove the studies longest untouched, never the one that something comes in for."""
        self._write(connection, changes)
        surplus = self._quotas.surplus(connection)
        oldest = self._index.least_touched(connection, surplus + 1)
        going = [study for study in oldest if study != spared][:surplus]
        _LOGGER.warning(
            "%s: more than %d studies: removing %s",
            self._area.directory,
            self._area.maximum_studies,
            ", ".join(going),
        )
        self._take(connection, going, known, changes)
        self._quotas.evicted(going)

    def _remove(
        self,
        connection: Connection,
        order: Remove,
        known: dict[InstanceKey, StoredFile],
        changes: _Changes,
    ) -> int:
        self._write(connection, changes)
        count = self._take(connection, list(order.studies), known, changes)
        if order.instances:
            for key, path in self._index.remove_instances(connection, order.instances):
                changes.removed[path] = key[0]
                known.pop(key, None)
                count += 1
        self._quotas.forget()
        return count

    def _take(
        self,
        connection: Connection,
        studies: Sequence[str],
        known: dict[InstanceKey, StoredFile],
        changes: _Changes,
    ) -> int:
        """Remove the rows of studies and note their files; return how many."""
        count = 0
        for study in studies:
            for path in self._index.remove_studies(connection, [study]):
                changes.removed[path] = study
                count += 1
        going = set(studies)
        for key in [key for key in known if key[0] in going]:
            del known[key]
        return count

    def release(self, folders: Iterable[str]) -> None:
        """Take marks back with the next transaction, or when there is time."""
        self._released.update(folders)

    def is_going(self, path: str) -> bool:
        """Tell whether a file has lost its row, and is to be removed."""
        return path in self._journal

    @property
    def has_work(self) -> bool:
        """Whether files wait to be removed, or the journal or the marks to be told."""
        return bool(self._waiting or self._gone or self._released)

    def work(self) -> None:
        """Do a little of what can wait: remove some files, or tell the journal of them."""
        if self._waiting and len(self._gone) < _FLUSH:
            paths = list(islice(self._waiting, _AT_ONCE))
            for path in paths:
                del self._waiting[path]
            # What cannot be removed stays in the journal until the next start.
            self._gone += self._store.remove(paths)
            return
        self.flush()

    def flush(self) -> None:
        """Tell the index of removed files and of marks taken back."""
        gone = list(self._gone)
        released = sorted(folder for folder in self._released if folder in self.marks)
        self._released.clear()
        if not gone and not released:
            return
        try:
            with self._index.writing() as connection:
                self._index.unjournal(connection, gone)
                self._index.unmark(connection, released)
        except Exception as problem:  # noqa: BLE001 - they are looked at once more at the next start
            self._failure(problem)
            del self._gone[:]
            return
        self.commits += 1
        for folder in released:
            del self.marks[folder]
        del self._gone[: len(gone)]
        self._journal.difference_update(gone)


def _is_everybodys(problem: Exception) -> bool:
    """Tell whether a failure is the database's and not one order's: locked, full, damaged."""
    return isinstance(problem, DBAPIError) and not isinstance(
        problem, DataError | IntegrityError | InterfaceError | ProgrammingError
    )


def _is_same(before: StoredFile, new: NewInstance) -> bool:
    """Tell whether a file holds the same data set, in the same transfer syntax."""
    return (
        before.digest == new.digest and before.transfer_syntax_uid == new.facts.transfer_syntax_uid
    )
