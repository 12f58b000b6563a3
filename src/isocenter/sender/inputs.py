"""Which files are to be sent: the command line's paths, looked at before anything is connected.

Owns the order of files, the scan of directories and the checks that need no association.
Must not know how a file is sent (`prepare`, `transfer`) nor what is proposed for it (`proposal`).

Follows DCMTK's storescu: files in command line order, directory entries in the order in which
the operating system lists them, depth first; a path that does not exist ends the run before
the connection is made. PS3.4 annex B says nothing of it.
"""

from __future__ import annotations

import os
import stat

from isocenter.errors import ConfigurationError, DataSetError
from isocenter.logs import get_logger
from isocenter.record import Record
from isocenter.sender.conditions import reason_of
from isocenter.sender.prepare import ANY_FORM, identify
from isocenter.uids import SOP_CLASSES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["CheckedInputs", "InputOptions", "PathList", "check_inputs", "scan_directory"]

_LOGGER = get_logger(__name__)

_CHUNK = 1024
"""Paths joined into one string: few enough to take apart quickly, enough to cost nothing each."""

_OPEN_DIRECTORIES = 64
"""Directories read step by step at a time; those above them are read to their end and closed,
because a tree may be deeper than the number of descriptors a process may have (1024)."""


class InputOptions(Record):
    """How the paths given become files.

    Fields:
        scan_directories: take the files of directories; otherwise a directory is left out.
        scan_pattern: shell wildcards for the names of scanned files, None or "" for all.
        recurse: go into directories below a scanned one.
        halt: an unusable path ends the run; otherwise it is left out and counted.
        required: read each file's SOP class, because only those are to be proposed.
        form: what a file may be, see `prepare`.
    """

    scan_directories: bool = False
    scan_pattern: str | None = None
    recurse: bool = False
    halt: bool = True
    required: bool = False
    form: str = ANY_FORM


class PathList:
    """Paths in order, at about their own length in memory: 100 000 of them take some MB.

    It is appended to, then iterated any number of times.
    """

    __slots__ = ("_chunks", "_length", "_open")

    def __init__(self) -> None:
        """Start empty."""
        self._chunks: list[str] = []
        self._open: list[str] = []
        self._length = 0

    def append(self, path: str) -> None:
        """Add a path, which as such contains no NUL."""
        self._length += 1
        self._open.append(path)
        if len(self._open) == _CHUNK:
            self._chunks.append("\0".join(self._open))
            self._open.clear()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        for chunk in self._chunks:
            yield from chunk.split("\0")
        yield from self._open


class CheckedInputs:
    """What is left after the check.

    Attributes:
        files: to be sent, in order.
        sop_classes: UIDs in order of first appearance; empty unless `InputOptions.required`.
        ignored: paths left out because they are unusable; the run cannot end with success.
    """

    __slots__ = ("files", "ignored", "sop_classes")

    def __init__(
        self, files: PathList, *, sop_classes: tuple[str, ...] = (), ignored: int = 0
    ) -> None:
        """Keep the facts."""
        self.files = files
        self.sop_classes = sop_classes
        self.ignored = ignored


def check_inputs(paths: Sequence[str], options: InputOptions) -> CheckedInputs:
    """Collect the files behind `paths` and check them as far as the options ask for.

    Args:
        paths: as given by the user, files and directories.
        options: what to do with them.

    Raises:
        ConfigurationError: there is nothing to send, or a path is unusable and `options.halt`;
            the message is the line that DCMTK prints.
    """
    collection = _Collection(options)
    collection.add(paths)
    if not collection.files:
        raise ConfigurationError("no input files to be sent")
    return _Check(options).run(collection)


class _Collection:
    """The first pass: names only."""

    def __init__(self, options: InputOptions) -> None:
        self.files = PathList()
        self.missing: set[str] = set()
        self.ignored = 0
        self._options = options

    def add(self, paths: Sequence[str]) -> None:
        """Take each path, or what the directory contains."""
        options = self._options
        if options.scan_directories:
            _LOGGER.info("determining input files ...")
        append = self.files.append
        for path in paths:
            try:
                is_directory = stat.S_ISDIR(os.stat(path).st_mode)
            except (OSError, ValueError):  # ValueError: a NUL within
                self.missing.add(path)
                is_directory = False
            if not is_directory:
                append(path)
            elif not options.scan_directories:
                _LOGGER.warning(
                    "ignoring directory because option --scan-directories is not set: %s", path
                )
            else:
                for name in scan_directory(
                    path,
                    options.scan_pattern,
                    recurse=options.recurse,
                    on_missing=self.missing.add,
                    on_error=self._unreadable,
                ):
                    append(name)

    def _unreadable(self, path: str, problem: OSError) -> None:
        """Deal with a directory that cannot be listed: DCMTK is silent, and its files are lost."""
        line = f"cannot access directory: {path}: {problem.strerror}"
        if self._options.halt:
            raise ConfigurationError(line) from problem
        _LOGGER.warning("%s, ignoring directory", line)
        self.ignored += 1


class _Check:
    """The second pass: existence and, where asked for, the SOP class."""

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._ignored = 0

    def run(self, collection: _Collection) -> CheckedInputs:
        """Return what remains of the collection."""
        _LOGGER.info("checking input files ...")
        self._ignored = collection.ignored
        if not collection.missing and not self._options.required:
            return CheckedInputs(collection.files, ignored=self._ignored)
        files = PathList()
        # Insertion order of a dict is the order of first appearance.
        sop_classes: dict[str, None] = {}
        for path in collection.files:
            if path in collection.missing:
                self._leave_out(f"cannot access file: {path}")
            elif not self._options.required:
                files.append(path)
            elif sop_class := self._storage_class(path):
                sop_classes[sop_class] = None
                files.append(path)
        if self._options.required and not files:
            raise ConfigurationError("no input files to be sent")
        return CheckedInputs(files, sop_classes=tuple(sop_classes), ignored=self._ignored)

    def _storage_class(self, path: str) -> str | None:
        """Return the file's SOP class if it is a storage class and the file can be sent."""
        try:
            sop_class = identify(path, form=self._options.form).sop_class_uid
        except (OSError, DataSetError) as problem:
            line = f"missing SOP class (or instance) in file: {path}: {reason_of(problem)}"
            self._leave_out(line)
            return None
        if sop_class not in SOP_CLASSES:
            self._leave_out(f"unknown storage SOP class in file: {path}: {sop_class}")
            return None
        return sop_class

    def _leave_out(self, line: str) -> None:
        if self._options.halt:
            raise ConfigurationError(line)
        _LOGGER.warning("%s, ignoring file", line)
        self._ignored += 1


def _nothing(_path: str) -> None:
    """Ignore a broken link; whoever opens it will say so."""


def scan_directory(
    directory: str,
    pattern: str | None = None,
    *,
    recurse: bool = False,
    on_missing: Callable[[str], None] = _nothing,
    on_error: Callable[[str, OSError], None] | None = None,
) -> Iterator[str]:
    """Yield the paths of the files in a directory, as the operating system lists them.

    Symbolic links are followed, but never into a directory that the scan is within.

    Args:
        directory: where to look; ``.`` gives paths without a prefix, as DCMTK's.
        pattern: shell wildcards for the file name, hidden files included; None or "" for all.
        recurse: go into directories where they are met.
        on_missing: told of each path yielded that is a link to nothing.
        on_error: told of a directory that cannot be listed, and why; None raises instead.

    Raises:
        OSError: a directory cannot be listed and `on_error` is None.
    """
    matches = _matcher(pattern)
    stack: list[_Level] = []

    def enter(path: str) -> None:
        try:
            level = _Level(path)
        except OSError as problem:
            if on_error is None:
                raise
            on_error(path, problem)
            return
        if any(level.key == above.key for above in stack):
            level.close()
            return
        if len(stack) >= _OPEN_DIRECTORIES:
            stack[-_OPEN_DIRECTORIES].detach()
        stack.append(level)

    try:
        enter(directory.rstrip("/") or "/")
        while stack:
            level = stack[-1]
            item = level.next_item()
            if item is None:
                stack.pop().close()
                continue
            name, is_directory, is_link = item
            path = level.prefix + name
            if is_directory:
                if recurse:
                    enter(path)
            elif matches is None or matches(name):
                if is_link and not os.path.exists(path):
                    on_missing(path)
                yield path
    finally:
        for level in stack:
            level.close()


class _Level:
    """One directory of a scan that is under way."""

    __slots__ = ("_entries", "_rest", "key", "prefix")

    def __init__(self, path: str) -> None:
        """Open the directory.

        Raises:
            OSError: it cannot be listed.
        """
        facts = os.stat(path)
        self.key = (facts.st_dev, facts.st_ino)
        self.prefix = "" if path == "." else path if path.endswith("/") else path + "/"
        self._entries = os.scandir(path)
        self._rest: Iterator[tuple[str, bool, bool]] | None = None

    def next_item(self) -> tuple[str, bool, bool] | None:
        """Return the next entry's name, whether it is a directory and whether a link, or None."""
        if self._rest is not None:
            return next(self._rest, None)
        entry = next(self._entries, None)
        return None if entry is None else _facts(entry)

    def detach(self) -> None:
        """Read what is left into memory and give the descriptor back."""
        if self._rest is None:
            self._rest = iter([_facts(entry) for entry in self._entries])
            self._entries.close()

    def close(self) -> None:
        """Give the descriptor back."""
        self._entries.close()


def _facts(entry: os.DirEntry[str]) -> tuple[str, bool, bool]:
    try:
        is_directory = entry.is_dir()
    except OSError:  # a loop of links, for one: opening it will say so
        is_directory = False
    return entry.name, is_directory, entry.is_symlink()


def _matcher(pattern: str | None) -> Callable[[str], re.Match[str] | None] | None:
    """Return a test for file names with the meaning of the C library's `fnmatch`.

    Python's differs from it in two points: a backslash takes a wildcard's meaning away, and
    ``[^a]`` is the same as ``[!a]``.
    """
    if not pattern:
        return None
    import fnmatch
    import re

    text = re.sub(r"\\(.)", lambda found: f"[{found[1]}]", pattern.replace("[^", "[!"))
    return re.compile(fnmatch.translate(text)).match
