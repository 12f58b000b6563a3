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
from isocenter.record import NamedTuple, Record
from isocenter.sender.conditions import reason_of
from isocenter.sender.prepare import ANY_FORM, identify
from isocenter.uids import SOP_CLASSES, is_known_uid
from isocenter.ul.items import is_uid

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "CheckedInputs",
    "InputOptions",
    "Kind",
    "PathList",
    "check_inputs",
    "scan_directory",
]

_LOGGER = get_logger(__name__)

_CHUNK = 1024
"""Paths joined into one string: few enough to take apart quickly, enough to cost nothing each."""

_OPEN_DIRECTORIES = 64
"""Directories read step by step at a time; those above them are read to their end and closed,
because a tree may be deeper than the number of descriptors a process may have (1024)."""


class Kind(NamedTuple):
    """What decides which presentation context a file can be sent on."""

    sop_class_uid: str
    transfer_syntax_uid: str


class InputOptions(Record):
    """How the paths given become files.

    Fields:
        scan_directories: take the files of directories; otherwise a directory is left out.
        scan_pattern: shell wildcards for the names of scanned files, None or "" for all.
        recurse: go into directories below a scanned one.
        halt: an unusable path ends the run; otherwise it is left out and counted.
        required: read each file's SOP class, because only those are to be proposed; one that
            is not known as a storage class is no good.
        kinds: read each file's SOP class and transfer syntax, because contexts are planned by
            them. Private classes and those that are not known will do; one that is known as
            something else than a storage class will not.
        form: what a file may be, see `prepare`.
    """

    scan_directories: bool = False
    scan_pattern: str | None = None
    recurse: bool = False
    halt: bool = True
    required: bool = False
    kinds: bool = False
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
        ignored: paths left out because they are unusable; the run cannot end with success.
        kinds: in order of first appearance; empty unless `InputOptions.required` or `kinds`.
        kind_of_file: for each of `files` the place of its kind in `kinds`; as long as `files`,
            or empty like `kinds`. Of each number there is one object, so that a file costs a
            pointer, 8 bytes.
    """

    __slots__ = ("files", "ignored", "kind_of_file", "kinds")

    def __init__(
        self,
        files: PathList,
        *,
        kinds: Iterable[Kind] = (),
        kind_of_file: Sequence[int] = (),
        ignored: int = 0,
    ) -> None:
        """Keep the facts."""
        self.files = files
        self.kinds = tuple(kinds)
        self.kind_of_file = kind_of_file
        self.ignored = ignored

    @property
    def sop_classes(self) -> tuple[str, ...]:
        """UIDs in order of first appearance; empty like `kinds`."""
        # Insertion order of a dict is the order of first appearance.
        return tuple(dict.fromkeys(kind.sop_class_uid for kind in self.kinds))


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
    """The second pass: existence and, where asked for, the kind."""

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._ignored = 0

    def run(self, collection: _Collection) -> CheckedInputs:
        """Return what remains of the collection."""
        _LOGGER.info("checking input files ...")
        self._ignored = collection.ignored
        reads = self._options.required or self._options.kinds
        if not collection.missing and not reads:
            return CheckedInputs(collection.files, ignored=self._ignored)
        files = PathList()
        kinds: dict[Kind, int] = {}
        kind_of_file: list[int] = []
        for path in collection.files:
            if path in collection.missing:
                self._leave_out(f"cannot access file: {path}")
            elif not reads:
                files.append(path)
            elif kind := self._kind(path):
                kind_of_file.append(kinds.setdefault(kind, len(kinds)))
                files.append(path)
        if reads and not files:
            raise ConfigurationError("no input files to be sent")
        return CheckedInputs(files, kinds=kinds, kind_of_file=kind_of_file, ignored=self._ignored)

    def _kind(self, path: str) -> Kind | None:
        """Return the file's kind if it has an identity and its SOP class is a storage class."""
        try:
            identity = identify(path, form=self._options.form)
            kind = Kind(identity.sop_class_uid, identity.transfer_syntax_uid)
            self._demand_uids(kind)
        except (OSError, DataSetError) as problem:
            line = f"missing SOP class (or instance) in file: {path}: {reason_of(problem)}"
            self._leave_out(line)
            return None
        uid = kind.sop_class_uid
        if uid not in SOP_CLASSES and (self._options.required or is_known_uid(uid)):
            self._leave_out(f"unknown storage SOP class in file: {path}: {uid}")
            return None
        return kind

    def _demand_uids(self, kind: Kind) -> None:
        """Refuse what cannot be proposed (PS3.8 9.3.2.2); `required` knows its classes."""
        if self._options.kinds:
            for name, uid in zip(("SOP class", "transfer syntax"), kind, strict=True):
                if not is_uid(uid):
                    raise DataSetError(f"{name} is no UID: {uid[:64]!r}")

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
