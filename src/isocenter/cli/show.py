"""``isocenter show FILE...``: what is in a DICOM file, as text and as pictures.

Owns the command line, the names of picture files, and that none of them takes another file's
place. Must not know how elements are shown (`dataset.listing`), nor how frames are decoded and
become pictures (`dataset.pixels`), which is loaded where pictures are asked for.
"""

from __future__ import annotations

import os
import sys

from isocenter.cli.exitcodes import ExitCode
from isocenter.errors import DataSetError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from isocenter.dataset.part10 import FileMeta
    from isocenter.dataset.pixels.picture import Display
    from isocenter.dataset.pixels.pictures import Frames
    from isocenter.dataset.pixels.pool import DecoderPool
    from isocenter.wire import FileRegion

__all__ = ["main"]

_USAGE = """\
usage: isocenter show [OPTIONS] FILE...

Prints what is in DICOM files: a line for each element, with tag, VR, keyword
and value. With --png it writes pictures of their frames instead, with the
window that the file names or, without one, the range of the frame's values.
They are to tell whether it is the right image; they are not for diagnosis.

options:
  --full            show values whole (default: 80 characters)
  --png FOLDER      write FOLDER/FILE.png, or FOLDER/FILE.NUMBER.png of several
                    frames; no file is overwritten
  --frames LIST     frames to write, such as 1 or 1,3,10-20 (default: all)
  --window C,W      center and width instead of those that the file names
  --overwrite       write over pictures that are there
  -h, --help        show this text and exit

Compressed images other than RLE need decoders: pip install "isocenter[tools]".
The exit code is 0 where everything could be shown, 1 otherwise.
"""

_FLAGS = frozenset({"--full", "--overwrite"})


class _UsageError(Exception):
    """The command line cannot be understood."""


class _Wish:
    """What the command line says.

    Attributes:
        paths: of the files. folder: for pictures, None for text. is_full, overwrites: flags.
        frames: first and last of each range, numbered from 1; None for all.
        window: center and width; None for the file's.
    """

    __slots__ = ("folder", "frames", "is_full", "overwrites", "paths", "window")

    def __init__(self, argv: Sequence[str]) -> None:
        """Read it.

        Raises:
            _UsageError: it cannot be understood.
        """
        flags: set[str] = set()
        values: dict[str, str] = {}
        self.paths: list[str] = []
        words = iter(argv)
        for word in words:
            name, is_joined, value = word.partition("=")
            if word == "--":
                self.paths += words
            elif word in _FLAGS:
                flags.add(word)
            elif name in {"--png", "--frames", "--window"}:
                values[name] = value if is_joined else _value(name, words)
            elif word.startswith("-") and word != "-":
                raise _UsageError(f"unknown option {word}")
            else:
                self.paths.append(word)
        if not self.paths:
            raise _UsageError("expected a FILE")
        self.folder = values.get("--png")
        self.is_full = "--full" in flags
        self.overwrites = "--overwrite" in flags
        given = [
            name for name in ("--frames", "--window", "--overwrite") if name in {*values, *flags}
        ]
        if self.folder is None and given:
            raise _UsageError(f"{given[0]} needs --png")
        if self.folder is not None and self.is_full:
            raise _UsageError("--full and --png exclude each other")
        self.frames = _ranges(values["--frames"]) if "--frames" in values else None
        self.window = _window(values["--window"]) if "--window" in values else None


def _value(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise _UsageError(f"{option} needs a value")
    return value


def _ranges(text: str) -> list[tuple[int, int]]:
    """Return first and last of each range.

    Raises:
        _UsageError: it is no list of numbers.
    """
    ranges = []
    for part in text.split(","):
        first, has_end, last = part.partition("-")
        numbers = (first, last if has_end else first)
        if not all(
            number.isascii() and number.isdigit() and len(number) < 10 for number in numbers
        ):
            raise _UsageError(f"frames {text}: expected numbers such as 1,3,10-20")
        begin, end = map(int, numbers)
        if not 1 <= begin <= end:
            raise _UsageError(f"frames {text}: {part} is no range of numbers from 1 on")
        ranges.append((begin, end))
    return ranges


def _window(text: str) -> tuple[float, float]:
    """Return center and width.

    Raises:
        _UsageError: they are none.
    """
    try:
        center, width = map(float, text.split(","))
    except ValueError:
        raise _UsageError(f"window {text}: expected CENTER,WIDTH") from None
    if not (abs(center) < 1e30 and 0 < width < 1e30):
        raise _UsageError(f"window {text}: the width has to be more than 0")
    return center, width


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `isocenter show` with the arguments behind that; return the exit code."""
    del env
    if list(argv) in (["--help"], ["-h"]):
        _say(_USAGE)
        return ExitCode.SUCCESS
    try:
        wish = _Wish(argv)
    except _UsageError as problem:
        _complain(f"{problem}, see isocenter show --help")
        return ExitCode.FAILURE
    if wish.folder is None:
        return _show_texts(wish)
    try:
        os.makedirs(wish.folder, exist_ok=True)
    except (OSError, ValueError) as problem:
        _complain(f"{wish.folder}: {_words(problem)}")
        return ExitCode.FAILURE
    from isocenter.dataset.pixels.pool import DecoderPool

    with DecoderPool() as pool:
        results = [_write_pictures(path, wish, pool) for path in wish.paths]
    return ExitCode.SUCCESS if all(results) else ExitCode.FAILURE


def _say(text: str) -> None:
    if sys.stdout is not None:
        # A name in bytes that are no text is shown, not an error.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _complain(text: str) -> None:
    if sys.stderr is not None:
        if sys.stdout is not None:
            sys.stdout.flush()
        words = text.encode("utf-8", "backslashreplace").decode("utf-8")
        shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words)
        sys.stderr.write(f"isocenter show: {shown}\n")


def _words(problem: Exception) -> str:
    """Return what is wrong, without the path, which stands before it already."""
    if isinstance(problem, DataSetError):
        place = "" if problem.offset is None else f" at offset {problem.offset}"
        return f"{problem.reason}{place}"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem)


class _Opened:
    """A file that is looked at: what it is, and its data set."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            DataSetError: it is no DICOM file.
            OSError: it cannot be read.
        """
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            self._look()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _look(self) -> None:
        from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta
        from isocenter.uids import TRANSFER_SYNTAXES
        from isocenter.wire import FileRegion

        status = os.fstat(self._descriptor)
        from stat import S_ISREG

        if not S_ISREG(status.st_mode):
            raise DataSetError("not a regular file")
        self.meta: FileMeta = read_file_meta(self._descriptor)
        offset = self.meta.data_set_offset
        length = max(status.st_size - offset, 0)
        self.source: FileRegion = FileRegion(self._descriptor, offset, length)
        self.transfer_syntax = self.meta.transfer_syntax_uid
        if self.transfer_syntax not in TRANSFER_SYNTAXES:
            start = os.pread(self._descriptor, 256, offset)
            guess = guess_transfer_syntax(start, remaining=length)
            if not guess:
                raise DataSetError(
                    f"transfer syntax {self.transfer_syntax or 'is not named and'} cannot be told"
                    if self.meta.present
                    else "not a DICOM file"
                )
            self.transfer_syntax = guess

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _show_texts(wish: _Wish) -> int:
    """Print what is in the files; return the exit code."""
    code = ExitCode.SUCCESS
    for number, path in enumerate(wish.paths):
        if len(wish.paths) > 1:
            _say(("\n" if number else "") + f"# {path}\n")
        try:
            with _Opened(path) as opened:
                _show_text(opened, is_full=wish.is_full)
        except BrokenPipeError:
            raise
        except (DataSetError, OSError, ValueError) as problem:
            _complain(f"{path}: {_words(problem)}")
            code = ExitCode.FAILURE
    return code


def _show_text(opened: _Opened, *, is_full: bool) -> None:
    from isocenter.dataset.listing import list_elements
    from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN, name_of

    def write(line: str) -> None:
        _say(line + "\n")

    meta, start = opened.meta, opened.source
    if meta.present:
        from isocenter.wire import FileRegion

        # Preamble and prefix, where they are, take 132 bytes (PS3.10 7.1).
        begin = 132 if meta.has_preamble else 0
        if not begin and os.pread(start.fd, 4, 0) == b"DICM":
            begin = 4
        head = FileRegion(start.fd, begin, start.offset - begin)
        list_elements(head, EXPLICIT_VR_LITTLE_ENDIAN, write, is_full=is_full)
    else:
        write(f"# no File Meta Information, read as {name_of(opened.transfer_syntax)}")
    list_elements(start, opened.transfer_syntax, write, is_full=is_full)


def _write_pictures(path: str, wish: _Wish, pool: DecoderPool) -> bool:
    """Write the pictures of a file; return whether all of them are there."""
    from isocenter.dataset.pixels.pictures import open_frames

    done = True
    try:
        with _Opened(path) as opened:
            frames = open_frames(opened.source, opened.transfer_syntax)
            display = frames.display
            if wish.window is not None:
                display = display._replace(window=wish.window, function="LINEAR")
            for number in _chosen(wish.frames, frames.count):
                try:
                    _write_picture(path, wish, frames, display, number, pool)
                except DataSetError as problem:
                    _complain(f"{path}: {_words(problem)}")
                    done = False
    except BrokenPipeError:
        raise
    except (DataSetError, OSError, ValueError) as problem:
        _complain(f"{path}: {_words(problem)}")
        return False
    return done


def _chosen(ranges: list[tuple[int, int]] | None, count: int) -> Iterator[int]:
    """Yield numbers of frames, from 1 on.

    Raises:
        DataSetError: there is no such frame.
    """
    for first, last in ranges or [(1, count)]:
        if last > count:
            raise DataSetError(f"there is no frame {last}: it has {count}")
        yield from range(first, last + 1)


def _write_picture(
    path: str, wish: _Wish, frames: Frames, display: Display, number: int, pool: DecoderPool
) -> None:
    """Write one picture, and say where.

    Raises:
        DataSetError: the frame cannot be shown.
        OSError: the picture cannot be written.
    """
    from isocenter.dataset.pixels.picture import render
    from isocenter.dataset.pixels.png import png_bytes

    name = os.path.basename(path)
    width = len(str(frames.count))
    part = f".{number:0{width}d}" if frames.count > 1 else ""
    target = os.path.join(wish.folder or "", f"{name}{part}.png")
    image = frames.image
    samples, channels = render(image, display, frames.frame(number - 1, pool))
    picture = png_bytes(samples, image.rows, image.columns, channels)
    _place(target, picture, overwrites=wish.overwrites)
    _say(f"{target}\n")


def _place(target: str, content: bytes, *, overwrites: bool) -> None:
    """Write a file that is whole or not there.

    Raises:
        DataSetError: there is one of that name, which stays.
        OSError: it cannot be written.
    """
    import tempfile

    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target) or ".", prefix=".show-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)
        if overwrites:
            os.replace(temporary, target)
            return
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise DataSetError(f"{target} is there already (--overwrite)") from None
        os.unlink(temporary)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
