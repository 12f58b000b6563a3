"""``isocenter index check|rebuild|import``: the index of an archive, compared, made anew, filled.

Owns the command line and what is shown meanwhile. Must not know an archive: `node.index_tools`
does.
"""

from __future__ import annotations

import os
import sys
import time

from isocenter.cli.exitcodes import ExitCode
from isocenter.errors import ArchiveError, StorageError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isocenter.node.index_tools import Report

__all__ = ["main"]

_USAGE = """\
usage: isocenter index check [OPTIONS] AREA
       isocenter index rebuild [OPTIONS] AREA
       isocenter index import [OPTIONS] AREA FOLDER...

AREA is the folder of an archive: a storage area of dcmqrscp, or the folder of
isocenter archive.

  check     compare every object with the index, and the index with the folder;
            changes nothing, and a server may be running
  rebuild   make the index anew from the files alone; the server is stopped
  import    take the DICOM files in FOLDER, and in those below it, into AREA,
            which is made where it is not there; the server is stopped. Files
            that are in AREA already are not taken twice, so it may be stopped
            and run again. A storage area of DCMTK's dcmqrscp is such a FOLDER

options:
  --quick           check: compare the lengths of files, not what is in them
  --in-place        import: FOLDER is AREA or a folder in it (default: AREA), and
                    its files stay where they are; otherwise they are copied
  --index URL       check, import: the index is this database, not a file in AREA
  --no-durable      rebuild, import: do not wait for the disk; a power failure
                    may cost what was done
  -q, --quiet       say only what is wrong
  -h, --help        show this text and exit

The exit code is 0 where all is well: check found no problem, and all DICOM files
are in the index. It is 1 otherwise. Files that are not DICOM do not count.
"""

_VERBS: dict[str, frozenset[str]] = {
    "check": frozenset({"--quick", "--index", "--quiet"}),
    "rebuild": frozenset({"--no-durable", "--quiet"}),
    "import": frozenset({"--in-place", "--index", "--no-durable", "--quiet"}),
}
_INTERVAL = 0.25  # seconds between two looks of the line that shows how far it is


class _UsageError(Exception):
    """The command line cannot be understood."""


class _Wish:
    """What the command line says."""

    __slots__ = ("area", "flags", "folders", "url", "verb")

    def __init__(self, argv: Sequence[str]) -> None:
        """Read it.

        Raises:
            _UsageError: it cannot be understood.
        """
        if not argv or argv[0] not in _VERBS:
            raise _UsageError("expected check, rebuild or import")
        self.verb = argv[0]
        self.url = ""
        self.flags: set[str] = set()
        names: list[str] = []
        words = iter(argv[1:])
        for word in words:
            if word == "--":
                names += words
            elif not word.startswith("-"):
                names.append(word)
            else:
                self._take(
                    "--quiet" if word == "-q" else word,
                    next(words, None) if word == "--index" else "",
                )
        if not names:
            raise _UsageError("expected AREA")
        self.area, self.folders = names[0], names[1:]
        if self.verb != "import" and self.folders:
            raise _UsageError(f"{self.folders[0]}: one AREA at a time")
        if self.verb == "import" and not self.folders:
            if "--in-place" not in self.flags:
                raise _UsageError("expected FOLDER, or --in-place for AREA itself")
            self.folders = [self.area]

    def _take(self, option: str, value: str | None) -> None:
        if option not in _VERBS[self.verb]:
            known = any(option in options for options in _VERBS.values())
            raise _UsageError(
                f"{option} is no option of {self.verb}" if known else f"unknown option {option}"
            )
        if option == "--index":
            if not value:
                raise _UsageError("--index needs a URL")
            self.url = value
        self.flags.add(option)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `isocenter index` with the arguments behind that; return the exit code."""
    del env
    if any(word in {"--help", "-h"} for word in argv):
        _say(_USAGE, sys.stdout)
        return ExitCode.SUCCESS
    try:
        wish = _Wish(argv)
    except _UsageError as problem:
        _say(f"isocenter index: {problem}, see isocenter index --help\n", sys.stderr)
        return ExitCode.FAILURE
    is_quiet = "--quiet" in wish.flags
    line = _ProgressLine(sys.stderr if not is_quiet else None)
    try:
        report = _run(wish, line.show)
    except (ArchiveError, StorageError, OSError) as problem:
        line.clear()
        _say(f"isocenter index: {problem}\n", sys.stderr)
        return ExitCode.FAILURE
    except KeyboardInterrupt:
        line.clear()
        rest = "; run it again for the rest" if wish.verb == "import" else ""
        _say(f"isocenter index: interrupted{rest}\n", sys.stderr)
        return ExitCode.FAILURE
    line.clear()
    for text in report.lines:
        _say(f"{_printable(text)}\n", sys.stdout)
    if not is_quiet:
        _say(f"{_printable(report.summary)}\n", sys.stdout)
    return ExitCode.SUCCESS if report.is_good else ExitCode.FAILURE


def _run(wish: _Wish, progress: Callable[[int, int], None]) -> Report:
    """Do what is wished.

    Raises:
        ArchiveError, StorageError, OSError: it cannot be done.
    """
    from isocenter.node.index_tools import check_area, import_folders, rebuild_area

    durable = "--no-durable" not in wish.flags
    if wish.verb == "check":
        contents = "--quick" not in wish.flags
        return check_area(wish.area, url=wish.url, contents=contents, progress=progress)
    if wish.verb == "rebuild":
        return rebuild_area(wish.area, durable=durable, progress=progress)
    os.makedirs(wish.area, exist_ok=True)
    return import_folders(
        wish.area,
        wish.folders,
        url=wish.url,
        in_place="--in-place" in wish.flags,
        durable=durable,
        progress=progress,
    )


def _printable(text: str) -> str:
    """Return text with nothing in it that a terminal would obey; names of files are anybody's."""
    return "".join(
        character if character.isprintable() or character == "\n" else "?"
        for character in text.encode("utf-8", "replace").decode("utf-8")
    )


class _ProgressLine:
    """One line of a terminal that says how far something is; nothing elsewhere."""

    def __init__(self, stream: object) -> None:
        self._stream = stream if getattr(stream, "isatty", bool)() else None
        self._shown = 0.0
        self._length = 0

    def show(self, files: int, length: int) -> None:
        """Show how many files and bytes there were."""
        now = time.monotonic()
        if self._stream is None or now - self._shown < _INTERVAL:
            return
        self._shown = now
        text = f"{files} files, {length / (1 << 20):.1f} MiB"
        self._length = max(self._length, len(text))
        _say(f"\r{text:<{self._length}}", self._stream)

    def clear(self) -> None:
        """Take the line away."""
        if self._length:
            _say("\r" + " " * self._length + "\r", self._stream)
            self._length = 0


def _say(text: str, stream: object) -> None:
    if stream is not None:
        print(text, end="", file=stream, flush=True)  # type: ignore[call-overload] # a stream
