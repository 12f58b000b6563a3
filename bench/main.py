"""The benchmark's command line and its order of work; `bench/run.py` starts it."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.archive_rows import ARCHIVE_ROWS
from bench.conversion import CONVERSION_ROWS
from bench.data import make_objects
from bench.durable import DURABLE_ROWS
from bench.limits import LIMIT_ROWS
from bench.pairs import DCMTK, OURS, PDU_SIZES, ROOT, STOCK, Pair, Tools, find_dcmtk
from bench.report import goals, limits_table, machine, row_table
from bench.rows import COPY, Row, engine_pairs, normal_pairs, say, stock_pairs
from bench.secure import SECURE_ROWS, make_credentials, secure_pairs
from bench.simple import make_jpeg_ls_objects, pixels_check, simple_pairs, write_profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.data import DataSet
    from bench.lines import Line, Measure
    from bench.secure import Credentials

__all__ = ["main"]

DCMTK_PAIR = f"{DCMTK} to {DCMTK}"


_WORKERS = ("--workers", "2")
_WINDOW = ("--max-ops", "16")


class _Work:
    """Makes the data when a row asks for it, and the rows.

    Args:
        memory: folder in a memory file system.
        disk: folder on a disk.
        arguments: the command line.
    """

    def __init__(self, memory: Path, disk: Path, arguments: argparse.Namespace) -> None:
        self.memory = memory
        self.disk = disk
        self.quick: bool = arguments.quick
        self.rounds: int = arguments.repeat or (2 if self.quick else 5)
        self.stock_rounds: int = arguments.stock_repeat
        self._made: dict[Path, DataSet] = {}

    def _data(self, place: Path, name: str, *, seed: int) -> DataSet:
        folder = place / name
        if folder not in self._made:
            say(f"making {folder}")
            kind = name.split("-", maxsplit=1)[0]
            sizes = {  # count, count when quick, side of a slice, frames, frames when quick
                "ct": (500, 50, 512, 1, 1),
                "small": (2000, 200, 72, 1, 1),
                "big": (1, 1, 512, 1024, 128),
            }
            count, few, side, frames, short = sizes[kind]
            self._made[folder] = make_objects(
                folder,
                count=few if self.quick else count,
                side=side,
                frames=short if self.quick else frames,
                seed=seed,
            )
        return self._made[folder]

    def ct(self) -> Row:
        data = self._data(self.memory, "ct", seed=1)
        return self._engine("ct", "500 CT of 512 KiB, memory file system", data)

    def small(self) -> Row:
        data = self._data(self.memory, "small", seed=2)
        return self._engine("small", "2000 objects of 12 KiB, memory file system", data)

    def big(self) -> Row:
        data = self._data(self.memory, "big", seed=3)
        return self._engine("big", "One object of 512 MiB, memory file system", data)

    def normal_ct(self) -> Row:
        data = self._data(self.memory, "ct", seed=1)
        title = "500 CT of 512 KiB, normal mode, memory file system"
        return self._engine("normal-ct", title, data, normal_pairs())

    def normal_small(self) -> Row:
        data = self._data(self.memory, "small", seed=2)
        title = "2000 objects of 12 KiB, normal mode, memory file system"
        return self._engine("normal-small", title, data, normal_pairs())

    def normal_big(self) -> Row:
        data = self._data(self.memory, "big", seed=3)
        title = "One object of 512 MiB, normal mode, memory file system"
        return self._engine("normal-big", title, data, normal_pairs())

    def tls_ct(self) -> Row:
        data = self._data(self.memory, "ct", seed=1)
        title = "500 CT of 512 KiB over TLS, normal mode, memory file system"
        return self._engine("tls-ct", title, data, secure_pairs(self._credentials()))

    def tls_small(self) -> Row:
        data = self._data(self.memory, "small", seed=2)
        title = "2000 objects of 12 KiB over TLS, normal mode, memory file system"
        return self._engine("tls-small", title, data, secure_pairs(self._credentials()))

    def _credentials(self) -> Credentials:
        return make_credentials(self.memory / "keys")

    def _engine(self, key: str, title: str, data: DataSet, pairs: list[Pair] | None = None) -> Row:
        return Row(
            key=key,
            title=title,
            data=[data],
            target=self.memory / "in",
            pairs=engine_pairs() if pairs is None else pairs,
            rounds=self.rounds,
            timeout=60 if self.quick else 300,
        )

    def send_ct(self) -> Row:
        data = self._data(self.memory, "ct", seed=1)
        title = "500 CT of 512 KiB, dcmsend to dcmrecv, normal mode, memory file system"
        return self._engine("send-ct", title, data, self._simple_pairs(normal=True))

    def send_small(self) -> Row:
        data = self._data(self.memory, "small", seed=2)
        title = "2000 objects of 12 KiB, dcmsend to dcmrecv, normal mode, memory file system"
        return self._engine("send-small", title, data, self._simple_pairs(normal=True))

    def send_ct_exact(self) -> Row:
        data = self._data(self.memory, "ct", seed=1)
        title = "500 CT of 512 KiB, dcmsend to dcmrecv with `+B`, memory file system"
        return self._engine("send-ct-exact", title, data, self._simple_pairs(normal=False))

    def send_small_exact(self) -> Row:
        data = self._data(self.memory, "small", seed=2)
        title = "2000 objects of 12 KiB, dcmsend to dcmrecv with `+B`, memory file system"
        return self._engine("send-small-exact", title, data, self._simple_pairs(normal=False))

    def send_jpeg_ls(self) -> Row:
        folder = self.memory / "jpeg-ls"
        if folder not in self._made:
            say(f"making {folder}")
            count = 50 if self.quick else 500
            self._made[folder] = make_jpeg_ls_objects(folder, find_dcmtk(), count=count, seed=7)
        title = "500 CT in JPEG-LS, dcmsend to dcmrecv that takes implicit VR, memory file system"
        pairs = self._simple_pairs(normal=True, implicit=True)
        row = self._engine("send-jpeg-ls", title, self._made[folder], pairs)
        row.check = partial(pixels_check, self._made[folder])
        return row

    def _simple_pairs(self, *, normal: bool, implicit: bool = False) -> list[Pair]:
        profiles = write_profiles(self.memory / "profiles")
        return simple_pairs(profiles, normal=normal, implicit=implicit)

    def stock(self) -> Row:
        return Row(
            key="stock",
            title="2000 objects of 12 KiB, no TCP_NODELAY for DCMTK, memory file system",
            data=[self._data(self.memory, "small", seed=2)],
            target=self.memory / "in",
            pairs=stock_pairs(),
            rounds=self.stock_rounds,
            timeout=900,
        )

    def stock_ct(self) -> Row:
        return Row(
            key="stock-ct",
            title="500 CT of 512 KiB, no TCP_NODELAY for DCMTK, memory file system",
            data=[self._data(self.memory, "ct", seed=1)],
            target=self.memory / "in",
            pairs=stock_pairs(),
            rounds=self.stock_rounds,
            timeout=900,
        )

    def parallel(self) -> Row:
        pairs = [
            Pair(sender=OURS, receiver=OURS),
            Pair(sender=OURS, receiver=OURS, senders=4),
            Pair(sender=OURS, receiver=OURS, sender_options=_WINDOW),
            Pair(sender=OURS, receiver=OURS, senders=4, options=_WORKERS),
            Pair(sender=OURS, receiver=OURS, senders=4, options=_WORKERS, sender_options=_WINDOW),
            Pair(sender=DCMTK, receiver=DCMTK, pdu=PDU_SIZES[-1]),
            Pair(sender=DCMTK, receiver=DCMTK, pdu=PDU_SIZES[-1], senders=4, options=("--fork",)),
        ]
        data = [self._data(self.memory, "small", seed=2)]
        data += [self._data(self.memory, f"small-{n}", seed=20 + n) for n in range(1, 4)]
        return Row(
            key="parallel",
            title="2000 objects of 12 KiB from each of several senders, memory file system",
            data=data,
            target=self.memory / "in",
            pairs=pairs,
            rounds=self.rounds,
            timeout=60 if self.quick else 300,
        )

    def disk_ct(self) -> Row:
        data = self._data(self.disk, "ct", seed=1)
        return self._disk("disk", "500 CT of 512 KiB, disk to disk", data)

    def disk_small(self) -> Row:
        data = self._data(self.disk, "small", seed=2)
        return self._disk("disk-small", "2000 objects of 12 KiB, disk to disk", data)

    def _disk(self, key: str, title: str, data: DataSet) -> Row:
        pairs = [
            Pair(sender=name, receiver=name, pdu=pdu) for name in (OURS, DCMTK) for pdu in PDU_SIZES
        ]
        return Row(
            key=key,
            title=title,
            data=[data],
            target=self.disk / f"{key}-in",
            pairs=[COPY, *pairs],
            rounds=self.rounds,
            timeout=60 if self.quick else 300,
            disk=True,
        )

    def rows(self) -> dict[str, tuple[Callable[[], Row], str]]:
        """Key to the function that makes the row, and the pair its ratios refer to."""
        stock = f"{STOCK} to {STOCK}"
        return {
            "ct": (self.ct, DCMTK_PAIR),
            "small": (self.small, DCMTK_PAIR),
            "big": (self.big, DCMTK_PAIR),
            "normal-ct": (self.normal_ct, DCMTK_PAIR),
            "normal-small": (self.normal_small, DCMTK_PAIR),
            "normal-big": (self.normal_big, DCMTK_PAIR),
            "tls-ct": (self.tls_ct, f"{DCMTK_PAIR} over TLS"),
            "tls-small": (self.tls_small, f"{DCMTK_PAIR} over TLS"),
            "send-ct": (self.send_ct, DCMTK_PAIR),
            "send-small": (self.send_small, DCMTK_PAIR),
            "send-ct-exact": (self.send_ct_exact, DCMTK_PAIR),
            "send-small-exact": (self.send_small_exact, DCMTK_PAIR),
            "send-jpeg-ls": (self.send_jpeg_ls, DCMTK_PAIR),
            "parallel": (self.parallel, f"{OURS} to {OURS}"),
            "disk": (self.disk_ct, COPY.name),
            "disk-small": (self.disk_small, COPY.name),
            "stock": (self.stock, stock),
            "stock-ct": (self.stock_ct, stock),
        }


_ROW_KEYS = (
    "ct",
    "small",
    "big",
    "normal-ct",
    "normal-small",
    "normal-big",
    "tls-ct",
    "tls-small",
    "send-ct",
    "send-small",
    "send-ct-exact",
    "send-small-exact",
    "send-jpeg-ls",
    "parallel",
    "disk",
    "disk-small",
    "stock",
    "stock-ct",
)
_LINE_ROWS: dict[str, tuple[Measure, bool]] = {
    **CONVERSION_ROWS,
    **DURABLE_ROWS,
    **LIMIT_ROWS,
    **SECURE_ROWS,
    **ARCHIVE_ROWS,
}
_ON_DISK = frozenset({"memory", "durable"})


def _arguments(argv: list[str]) -> argparse.Namespace:
    keys = [*_ROW_KEYS, *_LINE_ROWS]
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description="Compare isocenter with its peers on this machine."
    )
    parser.add_argument("--rows", help=f"comma separated, of: {','.join(keys)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, two rounds")
    parser.add_argument("--repeat", type=int, help="rounds per row (default 5)")
    parser.add_argument(
        "--stock-repeat", type=int, default=1, help="rounds of the stock rows, minutes each"
    )
    parser.add_argument("--out", type=Path, help="write the tables here as well")
    parser.add_argument(
        "--ours",
        default=str(ROOT / ".venv" / "bin" / "isocenter"),
        help="command that runs our tools",
    )
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="memory file system")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="disk")
    arguments = parser.parse_args(argv)
    chosen = arguments.rows.split(",") if arguments.rows else keys
    unknown = sorted(set(chosen) - set(keys))
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    arguments.rows = chosen
    return arguments


def _tools(ours: str) -> Tools:
    words = ours.split()
    python = ROOT / ".peers" / "venv" / "bin" / "python"
    found = Tools(
        ours=words if shutil.which(words[0]) else None,
        dcmtk=find_dcmtk(),
        pynetdicom=python if os.access(python, os.X_OK) else None,
    )
    for name, value in (("isocenter", found.ours), ("DCMTK", found.dcmtk)):
        if value is None:
            say(f"{name} is missing; its rows are left out")
    return found


def _measure(tools: Tools, work: _Work, chosen: list[str]) -> Iterator[str]:
    """Measure the chosen rows and yield the tables; the goals come first."""
    begin = time.monotonic()
    measured: dict[str, Row] = {}
    tables: list[str] = []
    makers = work.rows()
    for key in chosen:
        if key in makers:
            make, base = makers[key]
            row = make()
            row.measure(tools)
            measured[key] = row
            tables += row_table(row, base)
    lines: list[Line] = []
    for key in chosen:
        if key in _LINE_ROWS:
            measure, needs_ours = _LINE_ROWS[key]
            if tools.ours is not None or not needs_ours:
                place = work.disk if key in _ON_DISK else work.memory
                lines += measure(tools, place / key, quick=work.quick, rounds=work.rounds)
                if key not in _ON_DISK:  # see bench.pairs on removing files
                    shutil.rmtree(place / key, ignore_errors=True)
    yield from machine(tools)
    yield from goals(measured)
    yield from limits_table(lines)
    yield from tables
    say(f"took {time.monotonic() - begin:.0f} s")


def main(argv: list[str]) -> int:
    """Run the benchmark; the exit code is 0 if it ran, whatever the numbers are."""
    # A terminated benchmark ends its receivers and removes its data as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _arguments(argv)
    tools = _tools(arguments.ours)
    with (
        tempfile.TemporaryDirectory(prefix="isocenter-bench-", dir=arguments.memory) as memory,
        tempfile.TemporaryDirectory(prefix="isocenter-bench-", dir=arguments.disk) as disk,
    ):
        work = _Work(Path(memory), Path(disk), arguments)
        text = "\n".join(_measure(tools, work, arguments.rows))
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    return 0
