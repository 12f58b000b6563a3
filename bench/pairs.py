"""Senders and receivers: their command lines, and one timed transfer between two of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import BenchError, Program, free_port, peak_memory, receiver, run, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.data import DataSet
    from bench.processes import Finished

__all__ = [
    "DCMTK",
    "OURS",
    "PDU_SIZES",
    "PYNETDICOM",
    "STOCK",
    "Outcome",
    "Pair",
    "Tools",
    "find_dcmtk",
    "interpreter",
    "plain_copy",
    "receiver_program",
    "sender_program",
    "transfer",
]

ROOT = Path(__file__).resolve().parents[1]

PDU_SIZES = (16384, 32768, 65536, 131072)
"""Maximum PDU lengths in bytes that a receiver announces; DCMTK's default is the first."""

# Names of the implementations; the third is the second without TCP_NODELAY in its environment.
OURS = "isocenter"
DCMTK = "DCMTK"
STOCK = "DCMTK as shipped"
PYNETDICOM = "pynetdicom"

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs are.

    Fields: `ours` command prefix; `dcmtk` folder of its tools, None where missing; `pynetdicom`
    interpreter that has it, None where missing.
    """

    ours: Sequence[str] | None
    dcmtk: Path | None
    pynetdicom: Path | None

    def has(self, name: str) -> bool:
        """Tell whether the programs of one implementation are there."""
        if name == OURS:
            return self.ours is not None
        return (self.pynetdicom if name == PYNETDICOM else self.dcmtk) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What sends to what.

    Fields: `sender`, `receiver` names of implementations; `pdu` maximum length in bytes that the
    receiver announces, None for its default; `senders` started at once; `options` of the receiver;
    `sender_options` of each sender; `normal` has the receiver write in its normal mode, which is
    its default, else bit for bit; `secure`, options of both sides for TLS, () for plain DICOM;
    `profile`, the receiver's option for what it accepts: dcmsend and dcmrecv with it, storescu and
    storescp without.
    """

    sender: str
    receiver: str
    pdu: int | None = None
    senders: int = 1
    options: tuple[str, ...] = ()
    sender_options: tuple[str, ...] = ()
    normal: bool = False
    secure: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The pair in words, without the PDU length."""
        count = f"{self.senders} x " if self.senders > 1 else ""
        options = f" ({' '.join(self.options)})" if self.options else ""
        own = f" {' '.join(self.sender_options)}" if self.sender_options else ""
        secure = " over TLS" if self.secure else ""
        return f"{count}{self.sender}{own} to {self.receiver}{options}{secure}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One transfer that went well.

    Fields: `seconds` until the last sender's exit; `sender_peak` in bytes, 0 where memory was not
    watched; `receiver_peak` in bytes.
    """

    seconds: float
    sender_peak: int
    receiver_peak: int


def find_dcmtk() -> Path | None:
    """Return the folder of DCMTK's tools: compiled programs, unlike those named alike."""
    for folder in [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin"]:
        path = Path(folder)
        try:
            with (path / "storescu").open("rb") as file:
                compiled = file.read(4) == b"\x7fELF"
        except OSError:
            continue
        if compiled and os.access(path / "storescp", os.X_OK):
            return path
    return None


def interpreter(command: Sequence[str]) -> list[str]:
    """Return the Python that a command of ours runs in: the first line of a console script.

    Programs of the benchmark that use the package run in it, so that all is measured in one.
    """
    with contextlib.suppress(OSError), open(command[0], "rb") as file:
        first = file.readline(512).decode(errors="replace").strip()
        if first.startswith("#!") and "python" in first:
            return first[2:].split()
    return [command[0]] if list(command[1:2]) == ["-m"] else [sys.executable]


def _command(tools: Tools, name: str, tool: str) -> list[str]:
    if name == OURS and tools.ours is not None:
        return [*tools.ours, tool]
    if name == PYNETDICOM and tools.pynetdicom is not None:
        return [str(tools.pynetdicom), "-m", "pynetdicom", tool]
    if tools.dcmtk is not None:
        return [str(tools.dcmtk / tool)]
    raise BenchError(f"{name} is not installed")


def _environment(name: str) -> dict[str, str]:
    # DCMTK leaves Nagle on unless told so; the other two switch it off themselves or never.
    return {"TCP_NODELAY": "1"} if name == DCMTK else {}


def receiver_program(tools: Tools, pair: Pair, folder: Path, port: int) -> Program:
    """Return the receiver of a pair, writing into a folder."""
    command = _command(tools, pair.receiver, "dcmrecv" if pair.profile else "storescp")
    if pair.receiver == PYNETDICOM:
        command += ["-q", "-od", str(folder)]
        command += ["--max-pdu", str(pair.pdu)] if pair.pdu else []
    else:
        command += ["-od", str(folder)] if pair.normal else ["+B", "-od", str(folder)]
        command += ["-pdu", str(pair.pdu)] if pair.pdu else []
    command += [*pair.options, *pair.profile, *pair.secure, str(port)]
    return Program(command=command, environment=_environment(pair.receiver))


def sender_program(tools: Tools, pair: Pair, folder: Path, port: int) -> Program:
    """Return the sender of a pair, sending every file of a folder."""
    command = _command(tools, pair.sender, "dcmsend" if pair.profile else "storescu")
    command += [*pair.sender_options, *pair.secure]
    if pair.sender == PYNETDICOM:
        command += ["-q", _HOST, str(port), str(folder)]
    else:
        command += ["-aec", "BENCH", "+sd", _HOST, str(port), str(folder)]
    return Program(command=command, environment=_environment(pair.sender))


def transfer(
    tools: Tools,
    pair: Pair,
    data: Sequence[DataSet],
    target: Path,
    *,
    timeout: float,
    watch: bool = False,
    keep: bool = False,
    check: Callable[[Path], None] | None = None,
) -> Outcome:
    """Send data sets, one per sender, and check that everything arrived.

    Args:
        tools: the programs.
        pair: who sends to whom.
        data: one folder of objects per sender.
        target: folder to receive into; made, and removed at the end.
        timeout: seconds for the senders.
        watch: watch the memory of the senders, which costs time.
        keep: empty the files instead of removing them, see `_clear`.
        check: looks at the folder received into instead of counting files and bytes.

    Raises:
        BenchError: a program failed, or files are missing or short.
    """
    target.mkdir(parents=True)
    try:
        port = free_port()
        with receiver(receiver_program(tools, pair, target, port), port) as process:
            programs = [sender_program(tools, pair, one.folder, port) for one in data]
            finished = run_all(programs, timeout=timeout, watch=watch)
            receiver_peak = peak_memory(process.pid)
        if check is None:
            _check(target, sum(one.count for one in data), sum(one.size for one in data))
        else:
            check(target)
    finally:
        _clear(target, keep=keep)
    return Outcome(
        seconds=max(one.seconds for one in finished),
        sender_peak=max(one.peak_bytes for one in finished),
        receiver_peak=receiver_peak,
    )


def _check(target: Path, count: int, size: int) -> None:
    """Compare what arrived; File Meta is the receiver's own, so sizes may differ a little."""
    sizes = [entry.stat().st_size for entry in os.scandir(target) if entry.is_file()]
    if len(sizes) != count:
        raise BenchError(f"{len(sizes)} of {count} files arrived")
    if abs(sum(sizes) - size) > count * 512:
        raise BenchError(f"{sum(sizes)} of {size} bytes arrived")


def _clear(target: Path, *, keep: bool) -> None:
    """Give back the space of a target.

    ext4 will not use an inode again for minutes after its file was removed, and looks at each such
    inode whenever a file is made: 2000 files then take ten times as long as they should. So on a
    disk the files stay, empty, until the benchmark is done.
    """
    if not keep:
        shutil.rmtree(target, ignore_errors=True)
        return
    for folder, _, names in os.walk(target):
        for name in names:
            os.truncate(os.path.join(folder, name), 0)


def plain_copy(data: DataSet, target: Path, *, timeout: float, keep: bool = False) -> Finished:
    """Copy the files as cp does, to compare a disk's row with.

    Raises:
        BenchError: cp failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["cp", "--reflink=never", "-r", str(data.folder), str(target)]
    try:
        return run(Program(command=command, environment={}), timeout=timeout)
    finally:
        _clear(target, keep=keep)
