"""Fuzz one target until its time is over: with Atheris where it is installed, else without.

    python -m tests.fuzz.run NAME --seconds 60 --findings DIR [--corpus DIR]

New inputs that reach more go into the corpus folder, an input that fails into the one for
findings; the exit code is 0 only where none did. What the run came to is in NAME.json there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import logging
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.mutations import LONGEST, mutated
from tests.fuzz.oracle import NAMES, Oracle, corpus_of, load

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Campaign", "main"]

_ADDRESS_SPACE = 4 * 1024**3
"""Bytes for the process: what asks for more ends with an error, not the machine."""

_HANG = 60
"""Seconds by the clock after which an input counts as a hang, however busy the machine is. What
takes more than its seconds of the processor and ends is found by `Oracle`."""


class Campaign:
    """Runs inputs, and notes now and then what they came to."""

    def __init__(self, oracle: Oracle, findings: Path) -> None:
        self.oracle = oracle
        self._findings = findings
        self._noted = 0.0
        self._started = time.monotonic()

    def begin(self) -> None:
        """Run the seeds, so that what they import is no input's time."""
        for seed in self.oracle.target.seeds():
            self.run(seed)

    def run(self, data: bytes) -> None:
        """Run one input; one that fails is kept, and its error goes on."""
        try:
            self.oracle(data)
        except BaseException:
            self.keep(data, traceback.format_exc())
            raise
        if time.monotonic() - self._noted > 1:
            self.note()

    def keep(self, data: bytes, reason: str) -> None:
        """Keep an input that failed, and why."""
        digest = hashlib.sha256(data).hexdigest()[:16]
        path = self._findings / f"{self.oracle.target.name}-{digest}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(reason, encoding="utf-8", errors="backslashreplace")
        self.note()

    def note(self) -> None:
        """Write down what there is so far."""
        oracle = self.oracle
        self._noted = time.monotonic()
        report = {
            "name": oracle.target.name,
            "runs": oracle.runs,
            "seconds": round(self._noted - self._started, 1),
            "largest": oracle.largest[0],
            "largest_input": oracle.largest[1][:LONGEST].hex(),
            "slowest": oracle.slowest[0],
            "slowest_input": oracle.slowest[1][:LONGEST].hex(),
        }
        path = self._findings / f"{oracle.target.name}.json"
        # In one step: the fuzzer ends the process wherever it is when its time is over.
        unfinished = path.with_suffix(".json.new")
        unfinished.write_text(json.dumps(report), encoding="ascii")
        unfinished.replace(path)


def _with_atheris(name: str, seconds: int, corpus: Path | None, findings: Path) -> None:
    """Fuzz by coverage; does not return."""
    # By name: the type checker runs where Atheris, which needs libFuzzer, is not installed.
    atheris = importlib.import_module("atheris")
    # Entered for good, as the package imports much when it is first needed.
    atheris.instrument_imports(include=["isocenter"]).__enter__()
    target = load(name)
    campaign = Campaign(Oracle(target), findings)
    # Before the clock runs: on a busy machine the first input imports for half a minute.
    campaign.begin()
    folder = findings / f"{name}.seeds"
    folder.mkdir(exist_ok=True)
    for seed in (*target.seeds(), *corpus_of(name)):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    arguments = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={_HANG}",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={findings}/{name}-",
        "-print_final_stats=1",
        *([str(corpus)] if corpus else []),
        str(folder),
    ]
    atheris.Setup([sys.argv[0], *arguments], campaign.run)
    atheris.Fuzz()


def _without_atheris(name: str, seconds: int, corpus: Path | None, findings: Path) -> None:
    """Fuzz by mutations alone."""
    target = load(name)
    campaign = Campaign(Oracle(target), findings)
    known = [*target.seeds(), *corpus_of(name)] or [b""]
    if corpus:
        known += [path.read_bytes() for path in sorted(corpus.iterdir())]
    generator = random.Random()
    current = b""

    def hangs(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"an input of {len(current)} bytes took more than {_HANG} s")

    signal.signal(signal.SIGALRM, hangs)
    end = time.monotonic() + seconds
    for seed in known:
        signal.alarm(_HANG)
        campaign.run(seed)
    while time.monotonic() < end:
        signal.alarm(_HANG)
        current = mutated(generator, generator.choice(known), known)
        campaign.run(current)
    signal.alarm(0)
    campaign.note()


def main(arguments: list[str]) -> int:
    """Fuzz as the command line says; return the exit code where the fuzzer leaves that to us."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--no-atheris", action="store_true")
    chosen = parser.parse_args(arguments)
    chosen.findings.mkdir(parents=True, exist_ok=True)
    if chosen.corpus:
        chosen.corpus.mkdir(parents=True, exist_ok=True)
    logging.getLogger().addHandler(logging.NullHandler())  # warnings are no news here
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    has_atheris = importlib.util.find_spec("atheris") is not None and not chosen.no_atheris
    fuzz = _with_atheris if has_atheris else _without_atheris
    fuzz(chosen.name, chosen.seconds, chosen.corpus, chosen.findings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
