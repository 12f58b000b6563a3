"""A file system that forgets unsynced data: what a power cut may leave of a program's files.

Owns a model of what fsync(2) promises. Must not know what the files are, nor who writes them.

    with ForgetfulFileSystem(folder) as disk:
        ...  # the code under test works in `folder` as it always does, through `os`
        disk.note("the object was confirmed")
    for cut in disk.cuts():
        for loss in LOSSES:
            left = disk.survivors(cut, loss)  # path to content
            # or, for code that wants files: disk.crash(cut, loss, an_empty_folder)

Theory of operation. Inside the context the functions of `os` that change files and directories
are replaced by ones that do what they always did and write down what it was: an operation on an
inode. So the code under test is not changed and meets a real file system; threads may work at
the same time. What a power cut after the first n operations may leave is then computed:

- of a file, the bytes that were there when the last fsync(2) of it *began* that also ended;
- of a directory, the entries that were there when the last fsync of that directory began;
- of everything since: whatever the loss says, from nothing to all of it.

Less is promised here than by any one file system: a synced file does not bring its name with it
(ext4 does that for new ones), a rename does not wait for the data (as ext4 does where a file is
replaced), and of unsynced operations on one directory any may be lost and any later one kept.
One rename is one operation: it is kept or lost as a whole.

Not seen, so not to be used by code under test: the built-in `open`, `mmap`, `truncate` by path,
calls made by `ctypes`, and other processes.

POSIX fsync(); fsync(2), open(2) of Linux.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from isocenter.wire import Buffer

__all__ = ["LOSSES", "ForgetfulFileSystem", "Loss", "Operation"]

Loss = Literal["all", "contents", "zeros", "half", "nothing"] | int
"""What becomes of what was not synced. ``all``: it never happened. ``contents``: the names are
there, the bytes are not. ``zeros``: names and lengths are there, the bytes are zero. ``half``:
names, and the first half of the bytes. ``nothing``: everything is there. A number is the seed of
a random choice, operation by operation."""

LOSSES: tuple[Loss, ...] = ("all", "contents", "zeros", "half", "nothing")

Kind = Literal["make", "write", "cut", "entry", "synced", "note"]


class _Real(Protocol):
    """A function of `os`."""

    def __call__(self, *arguments: object, **named: object) -> object: ...


class Operation(NamedTuple):
    """One thing that was done.

    Fields:
        kind: ``make`` an inode came to be; ``write`` bytes of one; ``cut`` its length was
            set; ``entry`` names of directories changed; ``synced`` a sync of it ended;
            ``note`` the test says something.
        inode: number of the inode, ours and never used again; -1 where there is none.
        offset: in bytes, for ``write``; the new length for ``cut``; for ``synced`` how many
            operations there were when the sync began.
        data: the bytes written.
        entries: for ``entry``, (directory, name, inode), the inode -1 where the name went.
        text: what the operation was, for people; the text of a note.
    """

    kind: Kind
    inode: int = -1
    offset: int = 0
    data: bytes = b""
    entries: tuple[tuple[int, str, int], ...] = ()
    text: str = ""


class _Tree:
    """Contents by inode and entries by directory."""

    def __init__(self) -> None:
        self.contents: dict[int, bytearray] = {}
        self.entries: dict[int, dict[str, int]] = {}

    def apply(self, operation: Operation) -> None:
        """Do an operation again."""
        if operation.kind == "make":
            if operation.text.startswith("mkdir"):
                self.entries.setdefault(operation.inode, {})
            else:
                self.contents.setdefault(operation.inode, bytearray())
        elif operation.kind == "write":
            content = self.contents[operation.inode]
            end = operation.offset + len(operation.data)
            content.extend(bytes(max(0, end - len(content))))
            content[operation.offset : end] = operation.data
        elif operation.kind == "cut":
            content = self.contents[operation.inode]
            del content[operation.offset :]
            content.extend(bytes(operation.offset - len(content)))
        elif operation.kind == "entry":
            for directory, name, inode in operation.entries:
                if inode < 0:
                    self.entries[directory].pop(name, None)
                else:
                    self.entries[directory][name] = inode

    def files(self, directory: int, prefix: str = "") -> dict[str, bytes]:
        """Return path and content of every file below a directory."""
        found: dict[str, bytes] = {}
        for name, inode in self.entries[directory].items():
            if inode in self.entries:
                found |= self.files(inode, f"{prefix}{name}/")
            else:
                found[prefix + name] = bytes(self.contents[inode])
        return found

    def folders(self, directory: int, prefix: str = "") -> list[str]:
        """Return the path of every directory below one, outer ones first."""
        found = []
        for name, inode in self.entries[directory].items():
            if inode in self.entries:
                found += [prefix + name, *self.folders(inode, f"{prefix}{name}/")]
        return found


class ForgetfulFileSystem:
    """Writes down what is done to the files of a folder, and tells what a power cut leaves.

    What is in the folder at the start counts as synced. Only one may be entered at a time.

    Args:
        folder: an existing one.
        before: called with the name of the system call and a path or descriptor before each
            that changes or syncs something below the folder; may raise OSError, so that the
            call fails, or wait. May be changed later.

    Attributes:
        operations: what was done so far, in order.
    """

    def __init__(
        self, folder: str | Path, *, before: Callable[[str, object], None] | None = None
    ) -> None:
        """Take stock of the folder."""
        self.folder = Path(folder)
        self.before = before
        self.operations: list[Operation] = []
        self._lock = threading.RLock()
        self._numbers: dict[tuple[int, int], int] = {}
        self._next = 0
        self._start = _Tree()
        self._root = self._take_stock(self.folder)
        self._real: dict[str, _Real] = {}

    def _take_stock(self, folder: Path) -> int:
        directory = self._number(os.stat(folder))
        entries = self._start.entries[directory] = {}
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                entries[path.name] = self._take_stock(path)
            elif path.is_file() and not path.is_symlink():
                inode = self._number(path.stat())
                entries[path.name] = inode
                self._start.contents[inode] = bytearray(path.read_bytes())
        return directory

    def _number(self, status: os.stat_result) -> int:
        """Give an inode a number; the system uses its own ones again."""
        number, self._next = self._next, self._next + 1
        self._numbers[status.st_dev, status.st_ino] = number
        return number

    # What a power cut leaves.

    def note(self, text: str) -> None:
        """Write down that something happened, in order with the operations."""
        with self._lock:
            self.operations.append(Operation("note", text=text))

    def notes(self, cut: int) -> list[str]:
        """Return the notes that were made before a cut."""
        return [made.text for made in self.operations[:cut] if made.kind == "note"]

    def cuts(self) -> range:
        """Return every moment there is: after no operation, after one, ... after all."""
        return range(len(self.operations) + 1)

    def survivors(self, cut: int, loss: Loss) -> Mapping[str, bytes]:
        """Return path (relative to the folder) and content of what a power cut leaves.

        Args:
            cut: how many operations were done.
            loss: what becomes of what was not synced.
        """
        return self._after(cut, loss).files(self._root)

    def crash(self, cut: int, loss: Loss, folder: str | Path) -> Path:
        """Write what a power cut leaves into an existing, empty folder; return it.

        The arguments are those of `survivors`.
        """
        target = Path(folder)
        tree = self._after(cut, loss)
        for name in tree.folders(self._root):
            (target / name).mkdir()
        for name, content in tree.files(self._root).items():
            (target / name).write_bytes(content)
        return target

    def _after(self, cut: int, loss: Loss) -> _Tree:
        done = self.operations[:cut]
        synced = {made.inode: made.offset for made in done if made.kind == "synced"}
        chance = random.Random(loss) if isinstance(loss, int) else None
        tree = _Tree()
        for directory, entries in self._start.entries.items():
            tree.entries[directory] = dict(entries)
        for inode, content in self._start.contents.items():
            tree.contents[inode] = bytearray(content)
        for index, made in enumerate(done):
            if made.kind in ("write", "cut"):
                if index < synced.get(made.inode, 0):
                    tree.apply(made)
                elif made.kind == "write":
                    self._lose(tree, made, loss, chance)
                elif loss == "nothing" or (chance and chance.random() < 0.5):
                    tree.apply(made)
            elif made.kind == "entry":
                # A rename between directories is kept once either is synced.
                kept = any(index < synced.get(entry[0], 0) for entry in made.entries)
                if kept or (chance.random() < 0.5 if chance else loss != "all"):
                    tree.apply(made)
            else:
                tree.apply(made)
        return tree

    @staticmethod
    def _lose(tree: _Tree, made: Operation, loss: Loss, chance: random.Random | None) -> None:
        """Apply what is left of a write that was not synced."""
        if chance is not None:
            loss = chance.choice(LOSSES)
        if loss == "nothing":
            tree.apply(made)
        elif loss == "zeros":
            tree.apply(made._replace(data=bytes(len(made.data))))
        elif loss == "half" and len(made.data) > 1:
            tree.apply(made._replace(data=made.data[: len(made.data) // 2]))

    # What is intercepted.

    def __enter__(self) -> Self:
        """Replace the functions of `os`."""
        for name in _INTERCEPTED:
            real = getattr(os, name, None)
            if real is not None:
                self._real[name] = real
                setattr(os, name, getattr(self, f"_{_SAME.get(name, name)}"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the functions of `os` back."""
        while self._real:
            name, real = self._real.popitem()
            setattr(os, name, real)

    def _call(self, name: str, *arguments: object, **named: object) -> object:
        return self._real[name](*arguments, **named)

    def _known(self, status: os.stat_result) -> int:
        """Return the number of an inode, -1 for one outside the folder."""
        return self._numbers.get((status.st_dev, status.st_ino), -1)

    def _of_descriptor(self, fd: int) -> int:
        try:
            return self._known(os.fstat(fd))
        except OSError:
            return -1

    def _of_path(self, path: object, dir_fd: int | None, *, follow: bool) -> int:
        try:
            return self._known(os.stat(path, dir_fd=dir_fd, follow_symlinks=follow))  # type: ignore[arg-type] # any path
        except OSError:
            return -1

    def _place(self, path: object, dir_fd: int | None) -> tuple[int, str]:
        """Return the number of a path's directory, -1 for one outside, and its last name."""
        head, name = os.path.split(os.fspath(path))  # type: ignore[call-overload] # any path
        return self._of_path(head or ".", dir_fd, follow=True), str(os.fsdecode(name))

    def _announce(self, name: str, what: object, *inodes: int) -> None:
        if self.before is not None and any(inode >= 0 for inode in inodes):
            self.before(name, what)

    def _open(
        self, path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> object:
        nameless = getattr(os, "O_TMPFILE", 0)
        if nameless and flags & nameless == nameless:
            directory = self._of_path(path, dir_fd, follow=True)
            self._announce("open", path, directory)
            with self._lock:
                fd = self._call("open", path, flags, mode, dir_fd=dir_fd)
                if directory >= 0:
                    made = self._number(os.fstat(fd))  # type: ignore[arg-type] # os.open's
                    self.operations.append(Operation("make", made, text="file without a name"))
                return fd
        if not flags & (os.O_CREAT | os.O_TRUNC):
            return self._call("open", path, flags, mode, dir_fd=dir_fd)
        directory, name = self._place(path, dir_fd)
        self._announce("open", path, directory)
        with self._lock:
            there = self._of_path(path, dir_fd, follow=True)
            fd = self._call("open", path, flags, mode, dir_fd=dir_fd)
            if there >= 0 and flags & os.O_TRUNC:
                self.operations.append(Operation("cut", there, text=f"truncate {name}"))
            elif there < 0 and directory >= 0:
                made = self._number(os.fstat(fd))  # type: ignore[arg-type] # os.open's
                self.operations += [
                    Operation("make", made, text=f"create {name}"),
                    Operation("entry", entries=((directory, name, made),), text=f"create {name}"),
                ]
            return fd

    def _written(self, fd: int, inode: int, offset: int, length: int) -> None:
        """Write down what a call that succeeded wrote; the bytes are read back."""
        if length:
            with open(f"/proc/self/fd/{fd}", "rb") as file:
                file.seek(offset)
                data = file.read(length)
            self.operations.append(Operation("write", inode, offset, data, text="write"))

    def _append(self, name: str, fd: int, *arguments: object) -> object:
        """Call what writes at the descriptor's position."""
        inode = self._of_descriptor(fd)
        if inode < 0:  # also a socket, which may block
            return self._call(name, *arguments)
        self._announce(name, fd, inode)
        with self._lock:
            count = int(str(self._call(name, *arguments)))
            self._written(fd, inode, os.lseek(fd, 0, os.SEEK_CUR) - count, count)
            return count

    def _write(self, fd: int, data: Buffer) -> object:
        return self._append("write", fd, fd, data)

    def _writev(self, fd: int, buffers: Sequence[Buffer]) -> object:
        return self._append("writev", fd, fd, buffers)

    def _sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int) -> object:
        return self._append("sendfile", out_fd, out_fd, in_fd, offset, count)

    def _copy_file_range(
        self,
        src: int,
        dst: int,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
    ) -> object:
        if offset_dst is None:
            return self._append("copy_file_range", dst, src, dst, count, offset_src)
        arguments = (src, dst, count, offset_src, offset_dst)
        return self._write_at("copy_file_range", dst, offset_dst, *arguments)

    def _write_at(self, name: str, fd: int, offset: int, *arguments: object) -> object:
        inode = self._of_descriptor(fd)
        if inode < 0:
            return self._call(name, *arguments)
        self._announce(name, fd, inode)
        with self._lock:
            count = int(str(self._call(name, *arguments)))
            self._written(fd, inode, offset, count)
            return count

    def _pwrite(self, fd: int, data: Buffer, offset: int) -> object:
        return self._write_at("pwrite", fd, offset, fd, data, offset)

    def _pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int = 0) -> object:
        return self._write_at("pwritev", fd, offset, fd, buffers, offset, flags)

    def _ftruncate(self, fd: int, length: int) -> None:
        inode = self._of_descriptor(fd)
        self._announce("ftruncate", fd, inode)
        with self._lock:
            self._call("ftruncate", fd, length)
            if inode >= 0:
                self.operations.append(Operation("cut", inode, length, text="truncate"))

    def _changed(self, text: str, *entries: tuple[int, str, int]) -> None:
        inside = tuple(entry for entry in entries if entry[0] >= 0)
        if inside:
            self.operations.append(Operation("entry", entries=inside, text=text))

    def _link(
        self,
        src: object,
        dst: object,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        directory, name = self._place(dst, dst_dir_fd)
        self._announce("link", dst, directory)
        with self._lock:
            inode = self._of_path(src, src_dir_fd, follow=follow_symlinks)
            self._call(
                "link",
                src,
                dst,
                src_dir_fd=src_dir_fd,
                dst_dir_fd=dst_dir_fd,
                follow_symlinks=follow_symlinks,
            )
            self._changed(f"link {name}", (directory, name, inode))

    def _rename(
        self,
        src: object,
        dst: object,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        source, old = self._place(src, src_dir_fd)
        target, new = self._place(dst, dst_dir_fd)
        self._announce("rename", dst, source, target)
        with self._lock:
            inode = self._of_path(src, src_dir_fd, follow=False)
            replaced = self._of_path(dst, dst_dir_fd, follow=False)
            self._call("rename", src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            if inode != replaced or inode < 0:  # two names of one file: nothing is done
                self._changed(f"rename {old} {new}", (source, old, -1), (target, new, inode))

    def _unlink(self, path: object, *, dir_fd: int | None = None) -> None:
        directory, name = self._place(path, dir_fd)
        self._announce("unlink", path, directory)
        with self._lock:
            self._call("unlink", path, dir_fd=dir_fd)
            self._changed(f"unlink {name}", (directory, name, -1))

    def _rmdir(self, path: object, *, dir_fd: int | None = None) -> None:
        directory, name = self._place(path, dir_fd)
        self._announce("rmdir", path, directory)
        with self._lock:
            self._call("rmdir", path, dir_fd=dir_fd)
            self._changed(f"rmdir {name}", (directory, name, -1))

    def _mkdir(self, path: object, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        directory, name = self._place(path, dir_fd)
        self._announce("mkdir", path, directory)
        with self._lock:
            self._call("mkdir", path, mode, dir_fd=dir_fd)
            if directory >= 0:
                made = self._number(os.stat(path, dir_fd=dir_fd))  # type: ignore[arg-type] # any path
                self.operations.append(Operation("make", made, text=f"mkdir {name}"))
                self._changed(f"mkdir {name}", (directory, name, made))

    def _fsync(self, fd: int) -> None:
        self._sync("fsync", fd)

    def _fdatasync(self, fd: int) -> None:
        self._sync("fdatasync", fd)

    def _sync(self, name: str, fd: int) -> None:
        inode = self._of_descriptor(fd)
        with self._lock:
            begun = len(self.operations)
        # Others go on meanwhile, also while `before` makes a slow disk of it.
        self._announce(name, fd, inode)
        self._call(name, fd)
        if inode >= 0:
            with self._lock:
                # A sync that began earlier and ends later takes nothing back.
                latest = max(
                    [begun]
                    + [
                        made.offset
                        for made in self.operations
                        if made.kind == "synced" and made.inode == inode
                    ]
                )
                self.operations.append(Operation("synced", inode, latest, text=name))


_SAME = {"remove": "unlink", "replace": "rename"}
_INTERCEPTED = (
    *("open", "write", "writev", "pwrite", "pwritev", "sendfile", "copy_file_range", "ftruncate"),
    *("link", "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "fsync", "fdatasync"),
)
