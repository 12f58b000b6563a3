"""The benchmark's tables in Markdown, ready for docs/performance.md."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.archive_servers import orthanc
from bench.pairs import DCMTK, OURS, STOCK, interpreter
from bench.rows import COPY, best_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.lines import Line
    from bench.pairs import Tools
    from bench.rows import Result, Row

__all__ = ["goals", "limits_table", "machine", "row_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Goal:
    """A ratio to reach: `pair` at least `factor` times as fast as `base` in row `row`."""

    row: str
    what: str
    pair: str
    base: str
    factor: float
    per_object: bool = False


_OURS = f"{OURS} to {OURS}"
_DCMTK = f"{DCMTK} to {DCMTK}"
_STOCK = f"{STOCK} to {STOCK}"
_GOALS = (
    _Goal(row="ct", what="CT, our pair against DCMTK's best", pair=_OURS, base=_DCMTK, factor=1.3),
    _Goal(
        row="small",
        what="small objects, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=2.0,
    ),
    _Goal(
        row="big",
        what="one large object, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=1.0,
    ),
    _Goal(
        row="normal-ct",
        what="CT in normal mode, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=2.0,
    ),
    _Goal(
        row="normal-small",
        what="small objects in normal mode, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=3.0,
    ),
    _Goal(
        row="normal-big",
        what="one large object in normal mode, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=3.0,
    ),
    _Goal(
        row="tls-ct",
        what="CT over TLS, our pair against DCMTK's best",
        pair=f"{_OURS} over TLS",
        base=f"{_DCMTK} over TLS",
        factor=1.0,
    ),
    _Goal(
        row="tls-small",
        what="small objects over TLS, our pair against DCMTK's best",
        pair=f"{_OURS} over TLS",
        base=f"{_DCMTK} over TLS",
        factor=1.5,
    ),
    _Goal(
        row="send-ct",
        what="CT, dcmsend to dcmrecv in normal mode, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=2.0,
    ),
    _Goal(
        row="send-small",
        what="small objects, dcmsend to dcmrecv in normal mode, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=3.0,
    ),
    _Goal(
        row="send-ct-exact",
        what="CT, dcmsend to dcmrecv with `+B`, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=1.3,
    ),
    _Goal(
        row="send-small-exact",
        what="small objects, dcmsend to dcmrecv with `+B`, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=2.0,
    ),
    _Goal(
        row="send-jpeg-ls",
        what="CT decompressed by dcmsend, our pair against DCMTK's best",
        pair=_OURS,
        base=_DCMTK,
        factor=1.0,
    ),
    _Goal(
        row="stock",
        what="small objects, stock sender to our receiver against stock to stock",
        pair=f"{STOCK} to {OURS}",
        base=_STOCK,
        factor=20.0,
    ),
    _Goal(
        row="stock",
        what="small objects, our sender to stock receiver against stock to stock",
        pair=f"{OURS} to {STOCK}",
        base=_STOCK,
        factor=10.0,
    ),
    _Goal(
        row="parallel",
        what="small objects per second, 4 senders to 2 workers against one to one",
        pair=f"4 x {_OURS} (--workers 2)",
        base=_OURS,
        factor=1.3,
        per_object=True,
    ),
    _Goal(
        row="disk",
        what="CT to disk, our pair against a plain copy (at most 1.5 times its time)",
        pair=_OURS,
        base=COPY.name,
        factor=1 / 1.5,
    ),
)


def _spread(values: Sequence[float], form: str = ".2f") -> str:
    middle = format(statistics.median(values), form)
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}}-{max(values):{form}})"


def _cell(text: str | None) -> str:
    """Return a text that a table's cell can hold."""
    return " ".join((text or "unknown").replace("|", "/").split())[:200]


def _by_size(row: Row, name: str) -> str:
    """Return the median seconds at each PDU length of a pair."""
    parts = []
    for one in row.results:
        if one.pair.name == name and one.pair.pdu is not None:
            value = "failed" if one.median is None else f"{one.median:.2f}"
            parts.append(f"{one.pair.pdu // 1024}K {value}")
    return ", ".join(parts)


def row_table(row: Row, base_name: str) -> Iterator[str]:
    """Yield the table of a row; ratios are speeds against the pair named `base_name`."""
    base = row.find(base_name)
    count, size = row.data[0].count, row.data[0].size
    yield f"### {row.title}"
    yield ""
    files = f"{count} file{'s' * (count > 1)}"
    yield f"{files}, {size / 1e6:.1f} MB for each sender; {row.rounds} rounds."
    yield ""
    yield f"| pair | PDU | s, median (range) | objects/s | MB/s | times {base_name} | s by PDU |"
    yield "|---|--:|--:|--:|--:|--:|---|"
    for result in best_pairs(row.results):
        pair = result.pair
        pdu = "default" if pair.pdu is None else str(pair.pdu)
        median = result.median
        if median is None:
            yield f"| {pair.name} | {pdu} | failed: {_cell(result.error)} | | | | |"
            continue
        ratios = [one * pair.senders for one in result.ratios(base)] if base else []
        yield (
            f"| {pair.name} | {'' if pair == COPY else pdu} | {_spread(result.times)}"
            f" | {count * pair.senders / median:.0f} | {size * pair.senders / median / 1e6:.0f}"
            f" | {_spread(ratios) if ratios else ''} | {_by_size(row, pair.name)} |"
        )
    yield ""


def goals(rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield the table of what is to be reached, for the rows that ran."""
    lines = []
    for goal in _GOALS:
        row = rows.get(goal.row)
        if row is None:
            continue
        pair, base = row.find(goal.pair), row.find(goal.base)
        if pair is None or base is None:
            continue
        lines.append(_goal_line(goal, pair, base))
    if not lines:
        return
    yield "### Goals"
    yield ""
    yield "| what | at least | reached, median (range) | |"
    yield "|---|--:|--:|---|"
    yield from lines
    yield ""


def _goal_line(goal: _Goal, pair: Result, base: Result) -> str:
    ratios = pair.ratios(base)
    if pair.median is None or base.median is None or not ratios:
        error = _cell(pair.error or base.error)
        return f"| {goal.what} | {goal.factor:.2f} | failed: {error} | missed |"
    if goal.per_object:
        ratios = [one * pair.pair.senders / base.pair.senders for one in ratios]
    met = "met" if statistics.median(ratios) >= goal.factor else "missed"
    return f"| {goal.what} | {goal.factor:.2f} | {_spread(ratios)} | {met} |"


def limits_table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the table of single figures, with what is asked of them."""
    if not lines:
        return
    yield "### Conversion, memory, latency, durability, start, archives"
    yield ""
    yield "| what | measured, median (range) | asked | |"
    yield "|---|--:|--:|---|"
    for line in lines:
        asked = "" if line.limit is None else f"at most {line.limit:g} {line.unit}"
        if line.least is not None:
            asked = f"at least {line.least:g} {line.unit}"
        if line.error is not None:
            start = f"| {line.what} | failed: {_cell(line.error)} | {asked}"
            yield f"{start} | {'missed' if asked else ''} |"
            continue
        form = ".2f" if line.unit in {"s", "times"} else ".1f"
        verdict = "" if line.met is None else "met" if line.met else "missed"
        yield f"| {line.what} | {_spread(line.values, form)} {line.unit} | {asked} | {verdict} |"
    yield ""


def machine(tools: Tools) -> Iterator[str]:
    """Yield what the numbers were taken on and with."""
    yield f"- {len(os.sched_getaffinity(0))} cores, {_processor()}, {_memory()}"
    yield f"- {platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}"
    if tools.ours is not None:
        yield f"- isocenter: {_first_line([*tools.ours, 'storescu', '--version'])}"
        yield f"- Python {_ours_python(tools.ours)}"
    if tools.dcmtk is not None:
        yield f"- DCMTK: {_first_line([str(tools.dcmtk / 'storescu'), '--version'])}"
    program = orthanc()
    if program is not None:
        yield f"- {_first_line([program, '--version'])}"
    if tools.pynetdicom is not None:
        probe = "import pynetdicom as n, pydicom as d; print(n.__version__, d.__version__)"
        said = _first_line([str(tools.pynetdicom), "-c", probe]).split()
        yield f"- pynetdicom {' with pydicom '.join(said)}"
    yield ""


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / (1 << 30):.0f} GiB of memory"


def _first_line(command: Sequence[str]) -> str:
    try:
        result = subprocess.run(
            list(command), capture_output=True, text=True, timeout=30, check=False
        )
    except OSError as error:
        return str(error)
    lines = [line for line in result.stdout.splitlines() if line.strip()]
    return lines[0].strip("$ ") if lines else "version unknown"


def _ours_python(command: Sequence[str]) -> str:
    """Return the version of the Python that our tools run in."""
    probe = "import platform; print(platform.python_version())"
    return _first_line([*interpreter(command), "-c", probe])
