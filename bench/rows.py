"""Rows of the benchmark: pairs that do the same work, in turn, round after round."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.pairs import DCMTK, OURS, PDU_SIZES, PYNETDICOM, STOCK, Pair, plain_copy, transfer
from bench.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.data import DataSet
    from bench.pairs import Tools

__all__ = [
    "COPY",
    "Result",
    "Row",
    "best_pairs",
    "engine_pairs",
    "normal_pairs",
    "say",
    "stock_pairs",
]

COPY = Pair(sender="cp", receiver="folder")
"""Stands for a plain copy of the same files."""


def say(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)


@dataclass(slots=True, kw_only=True)
class Result:
    """What one pair did in a row.

    Fields: `pair`; `seconds` per round, None where it went wrong; `error` the first thing that
    did.
    """

    pair: Pair
    seconds: list[float | None] = field(default_factory=list)
    error: str | None = None

    @property
    def times(self) -> list[float]:
        """Seconds of the rounds that went well."""
        return [one for one in self.seconds if one is not None]

    @property
    def median(self) -> float | None:
        """Median seconds, None where a round went wrong: a wrong row is not timed."""
        return statistics.median(self.times) if self.times and self.error is None else None

    def ratios(self, base: Result) -> list[float]:
        """Return how many times as fast as another pair this was, round by round."""
        return [
            theirs / own
            for own, theirs in zip(self.seconds, base.seconds, strict=False)
            if own is not None and theirs is not None
        ]


@dataclass(slots=True, kw_only=True)
class Row:
    """One piece of work for several pairs.

    Fields: `key`; `title`; `data` one data set per sender at most; `target` folder received into;
    `pairs`; `rounds`; `timeout` in seconds per transfer; `disk` is True where the
    target is on a disk, which then finishes what was written before each transfer; `check` looks at
    what arrived instead of counting it; `results` per pair, filled by `measure`.
    """

    key: str
    title: str
    data: Sequence[DataSet]
    target: Path
    pairs: Sequence[Pair]
    rounds: int
    timeout: float
    disk: bool = False
    check: Callable[[Path], None] | None = None
    results: list[Result] = field(default_factory=list)
    _transfers: int = 0

    def measure(self, tools: Tools) -> None:
        """Run every pair once per round, starting with another one each time."""
        self.results = [Result(pair=pair) for pair in self.pairs if _runnable(tools, pair)]
        order = deque(self.results)
        for number in range(1, self.rounds + 1):
            say(f"{self.key}: round {number} of {self.rounds}, {len(order)} transfers")
            for result in order:
                self._one(tools, result)
            order.rotate(-1)
        if not self.disk:  # see bench.pairs on removing files; the benchmark does at its end
            shutil.rmtree(self.target, ignore_errors=True)

    def _one(self, tools: Tools, result: Result) -> None:
        pair = result.pair
        if result.error or (pair.sender == PYNETDICOM and result.seconds):
            # What failed once is not timed, and of pynetdicom, far behind, one round says it.
            result.seconds.append(None)
            return
        self._transfers += 1
        target = self.target / str(self._transfers)
        if self.disk:
            # The blocks given back by the last transfer are discarded after the sync, and writing
            # waits for that.
            os.sync()
            time.sleep(1)
        try:
            if pair is COPY:
                seconds = plain_copy(
                    self.data[0], target, timeout=self.timeout, keep=self.disk
                ).seconds
            else:
                seconds = transfer(
                    tools,
                    pair,
                    self.data[: pair.senders],
                    target,
                    timeout=self.timeout,
                    keep=self.disk,
                    check=self.check,
                ).seconds
        except BenchError as error:
            say(f"  failed: {pair.name}, PDU {pair.pdu}: {error}")
            result.error = str(error)
            result.seconds.append(None)
        else:
            result.seconds.append(seconds)

    def find(self, name: str) -> Result | None:
        """Return a pair's best result by its name, None where it did not run."""
        return next((one for one in best_pairs(self.results) if one.pair.name == name), None)


def _runnable(tools: Tools, pair: Pair) -> bool:
    return pair is COPY or (tools.has(pair.sender) and tools.has(pair.receiver))


def best_pairs(results: Sequence[Result]) -> list[Result]:
    """Return one result per name of pair: that of the PDU length with the best median."""
    best: dict[str, Result] = {}
    for result in results:
        name = result.pair.name
        if name not in best or _rank(result) < _rank(best[name]):
            best[name] = result
    return list(best.values())


def _rank(result: Result) -> float:
    return float("inf") if result.median is None else result.median


def engine_pairs() -> list[Pair]:
    """Return the four pairs at each PDU length, and pynetdicom's."""
    pairs = [
        Pair(sender=sender, receiver=receiver, pdu=pdu)
        for sender in (OURS, DCMTK)
        for receiver in (OURS, DCMTK)
        for pdu in PDU_SIZES
    ]
    return [*pairs, Pair(sender=PYNETDICOM, receiver=PYNETDICOM)]


def normal_pairs() -> list[Pair]:
    """Return the four pairs at each PDU length, receivers in their normal mode."""
    return [
        Pair(sender=sender, receiver=receiver, pdu=pdu, normal=True)
        for sender in (OURS, DCMTK)
        for receiver in (OURS, DCMTK)
        for pdu in PDU_SIZES
    ]


def stock_pairs() -> list[Pair]:
    """Return DCMTK as shipped to itself, to ours, and ours to it."""
    return [
        Pair(sender=STOCK, receiver=STOCK),
        Pair(sender=STOCK, receiver=OURS),
        Pair(sender=OURS, receiver=STOCK),
        Pair(sender=OURS, receiver=OURS),
    ]
