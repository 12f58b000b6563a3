"""Fuzz all targets for a time, and say what came of it.

    python -m tests.fuzz.campaign [--seconds 3600] [--jobs 2] [--table DOCUMENT] [NAME...]

The time is split equally, and as many targets as there are jobs run side by side. What is found
stays in a folder that is named at the end; inputs that reach something new are in its `corpus`,
from where `python -m tests.fuzz.keep` takes the few that are worth keeping. The exit code is 0 only
where nothing was found and every target ran for its time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.oracle import NAMES
from tests.peers import ROOT

__all__ = ["Result", "main", "table", "with_table"]

_GRACE = 600
"""Seconds beyond its own for a target to begin, run its seeds and end, on a busy machine."""

_COVERAGE = re.compile(r"\bcov: (\d+)")
_BEGIN, _END = "<!-- fuzzing: begin -->", "<!-- fuzzing: end -->"


class Result(NamedTuple):
    """What a target came to.

    Fields: `code` its exit code; `runs`, `seconds`; `coverage` branches that Atheris counted, 0
    without it; `memory` most bytes of an input that was measured; `slowest` seconds of the
    processor, and how many bytes that input has; `found` inputs that failed.
    """

    name: str
    code: int
    runs: int
    seconds: float
    coverage: int
    memory: int
    slowest: float
    slowest_length: int
    found: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether it ran to its end and found nothing."""
        return self.code == 0 and not self.found and self.runs > 0


def fuzz(name: str, seconds: int, folder: Path) -> Result:
    """Run one target in a process of its own."""
    log = folder / f"{name}.log"
    argv = [sys.executable, "-m", "tests.fuzz.run", name, "--seconds", str(seconds)]
    argv += ["--findings", str(folder), "--corpus", str(folder / "corpus" / name)]
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=seconds + _GRACE,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    return _result(name, code, folder)


def _result(name: str, code: int, folder: Path) -> Result:
    found = sorted(
        path.name
        for path in folder.glob(f"{name}-*")
        if path.suffix != ".txt" and "-slow-unit-" not in path.name
    )
    report = folder / f"{name}.json"
    told = json.loads(report.read_text(encoding="ascii")) if report.exists() else {}
    text = (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    return Result(
        name,
        code,
        int(told.get("runs", 0)),
        float(told.get("seconds", 0)),
        max(map(int, _COVERAGE.findall(text)), default=0),
        int(told.get("largest", 0)),
        float(told.get("slowest", 0)),
        len(told.get("slowest_input", "")) // 2,
        tuple(found),
    )


def table(results: list[Result]) -> str:
    """Return the results as a table in Markdown, with a line that says of what."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    way = "by coverage" if any(each.coverage for each in results) else "by changes alone"
    lines = [
        f"On {dt.datetime.now(dt.UTC).date()}, {python}, {platform.system()}, {way};",
        "what is imported when first needed counts for the input that needs it:",
        "",
        "| Target | Inputs | Seconds | Branches reached | Most memory | Slowest input |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        reached = str(each.coverage) if each.coverage else "not counted"
        name = each.name if each.is_well else f"**{each.name}: {len(each.found)} found**"
        lines.append(
            f"| {name} | {each.runs} | {each.seconds:.0f} | {reached} "
            f"| {each.memory / 1024:.0f} KiB "
            f"| {each.slowest * 1000:.0f} ms for {each.slowest_length} bytes |"
        )
    lines.append(
        f"| together | {sum(each.runs for each in results)} "
        f"| {sum(each.seconds for each in results):.0f} | | | |"
    )
    return "\n".join(lines)


def with_table(text: str, new: str) -> str:
    """Return a document with another table between its two marks.

    Raises:
        ValueError: it has no marks.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"no {_BEGIN} and {_END} in the document")
    return f"{before}{_BEGIN}\n\n{new}\n\n{_END}{after}"


def main(arguments: list[str]) -> int:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign")
    parser.add_argument("names", nargs="*", metavar="NAME", help="targets, all by default")
    parser.add_argument("--seconds", type=int, default=3600, help="for all of them together")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for what is found")
    parser.add_argument("--table", type=Path, help="document to put the table into")
    chosen = parser.parse_args(arguments)
    names = chosen.names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"no target {name}: they are {', '.join(NAMES)}")
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="isocenter-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    seconds = max(1, chosen.seconds * chosen.jobs // len(names))
    began = time.monotonic()
    with ThreadPoolExecutor(chosen.jobs) as pool:
        results = list(pool.map(lambda name: fuzz(name, seconds, folder), names))
    text = table(results)
    sys.stdout.write(f"{text}\n{time.monotonic() - began:.0f} s\n")
    if chosen.table:
        old = chosen.table.read_text(encoding="utf-8")
        chosen.table.write_text(with_table(old, text), encoding="utf-8")
    bad = [each for each in results if not each.is_well]
    for each in bad:
        what = ", ".join(each.found) or f"ended with {each.code}, see {each.name}.log"
        sys.stdout.write(f"{each.name}: {what}\n")
    sys.stdout.write(f"what was found, and new inputs: {folder}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
