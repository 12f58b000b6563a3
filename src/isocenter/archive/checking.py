"""An area is compared with its index: every row with its file, every file with its row.

Owns what counts as a fault. Changes nothing, and may look while others write: what seems wrong is
looked at once more at the end, and what was on its way then is not wrong.
"""

from __future__ import annotations

import os

from isocenter.archive.area import PRIVATE, QUARANTINE
from isocenter.archive.describing import digest_of
from isocenter.archive.facts import facts_of
from isocenter.archive.index import Index
from isocenter.archive.store.filesystem import folders_of
from isocenter.errors import DataSetError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, TypeAlias

    from sqlalchemy import Connection

    from isocenter.archive.area import Area
    from isocenter.archive.index import IndexedFile

    ProblemKind: TypeAlias = Literal["database", "missing", "changed", "unreadable", "no row"]
    Progress: TypeAlias = Callable[["Step"], None]

__all__ = ["CheckReport", "Problem", "Step", "check"]


class Step(NamedTuple):
    """How far something is: `files` and `bytes` that were dealt with; `total` files, 0 unknown."""

    files: int
    bytes: int
    total: int = 0


class Problem(NamedTuple):
    """Something that is not as it should be.

    Fields: `kind`: ``database`` the index itself is damaged; ``missing`` a row has no file;
    ``changed`` a file is not what was stored; ``unreadable``; ``no row`` a file is not indexed.
    `path` relative to the area, "" for the index; `text` says more.
    """

    kind: ProblemKind
    path: str
    text: str


class CheckReport(NamedTuple):
    """What was found: `files` rows that were compared, their `bytes`, the files in `quarantine`."""

    files: int
    bytes: int
    quarantine: int
    problems: list[Problem]


def check(
    area: Area, *, contents: bool = True, progress: Callable[[Step], None] | None = None
) -> CheckReport:
    """Compare an area with its index.

    Args:
        area: whose folder and index are there.
        contents: compare the digests of data sets; False compares lengths alone.
        progress: told now and then.

    Raises:
        ArchiveError: there is no index that could be read.
        StorageError: a folder cannot be read.
    """
    index = Index(area.index_url, durable=area.durable, create=False)
    try:
        return _check(area, index, contents=contents, progress=progress)
    finally:
        index.close()


def _check(
    area: Area, index: Index, *, contents: bool, progress: Callable[[Step], None] | None
) -> CheckReport:
    problems = [Problem("database", "", text) for text in index.database.problems()]
    if problems:
        return CheckReport(0, 0, 0, problems)
    files = length = 0
    suspects: list[IndexedFile] = []
    with index.reading() as connection:
        for file in index.files(connection):
            if _compare(area, file, contents=contents) is not None:
                suspects.append(file)
            files += 1
            length += file.size
            if progress is not None:
                progress(Step(files, length))
        # Whoever replaced or removed it meanwhile took its row as well.
        for file in suspects:
            now = index.existing(connection, [file.key]).get(file.key)
            if now is not None and now.path == file.path:
                problem = _compare(area, file, contents=contents)
                problems += [problem] if problem is not None else []
        problems += _without_row(area, index, connection)
    return CheckReport(files, length, _quarantined(area), problems)


def _compare(area: Area, file: IndexedFile, *, contents: bool) -> Problem | None:
    """Compare a row with its file."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(os.path.join(area.directory, file.path), flags)
    except FileNotFoundError:
        return Problem("missing", file.path, "the file is gone")
    except OSError as error:
        return Problem("unreadable", file.path, error.strerror or str(error))
    try:
        size = os.fstat(fd).st_size
        if size != file.size:
            return Problem("changed", file.path, f"{size} bytes where {file.size} were stored")
        if contents and file.digest and digest_of(fd, file.data_set_offset, size) != file.digest:
            return Problem("changed", file.path, "the data set is not the one that was stored")
    except OSError as error:
        return Problem("unreadable", file.path, error.strerror or str(error))
    finally:
        os.close(fd)
    return None


def _without_row(area: Area, index: Index, connection: Connection) -> Iterator[Problem]:
    """Yield what is no object of the index, whoever put it there.

    Raises:
        StorageError: a folder cannot be read.
    """
    for folder, names in folders_of(area.directory):
        study = folder.rpartition("/")[2]
        known = {file.path for file in index.files(connection, study)} if study else set()
        suspects = [
            path
            for path in (f"{folder}/{name}" if folder else name for name in names)
            if path not in known
            and path != "index.dat"  # dcmqrscp's, where its area was taken over
            and not _has_row(area, index, connection, path)
        ]
        if not suspects:
            continue
        # On its way in or out: a row comes after its file, and goes before it.
        marks, going = index.marks(connection), index.removals(connection)
        if folder in marks:
            continue
        for path in suspects:
            if path in going or _has_row(area, index, connection, path):
                continue
            if os.path.lexists(os.path.join(area.directory, path)):
                yield Problem("no row", path, "the file is not indexed")


def _has_row(area: Area, index: Index, connection: Connection, path: str) -> bool:
    """Tell whether a file has a row, by what its data set says."""
    try:
        facts = facts_of(os.path.join(area.directory, path))
    except DataSetError:
        return False
    key = (facts.study_instance_uid, facts.series_instance_uid, facts.sop_instance_uid)
    found = index.existing(connection, [key]).get(key)
    return found is not None and found.path == path


def _quarantined(area: Area) -> int:
    try:
        return len(os.listdir(os.path.join(area.directory, PRIVATE, QUARANTINE)))
    except OSError:
        return 0
