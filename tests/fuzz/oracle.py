"""What is demanded of a decoder for every input, whatever it decodes.

A target is a module ``tests.fuzz.fuzz_NAME`` with two functions, and a third thing where the
usual limits are not its own:

* ``test_one_input(data)`` gives the input to the decoder and raises where the decoder raises what
  it does not document, or where a property does not hold;
* ``seeds()`` returns inputs that reach into it, as real peers and files have them;
* ``LIMITS`` says how long an input may take, and how much memory.

`Oracle` adds the limits. Every input is timed, in seconds of the processor, for the machine is
shared. Memory is measured to the byte for one input of `SAMPLED`, which costs too much for all,
and for each after which the process has become `SUDDEN` bytes larger.
"""

from __future__ import annotations

import importlib
import resource
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CORPUS",
    "NAMES",
    "Cost",
    "Finding",
    "Limits",
    "Oracle",
    "Target",
    "corpus_of",
    "load",
    "raises_only",
]

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
NAMES = tuple(sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py")))
"""Of all targets."""

MIB = 1024 * 1024
SAMPLED = 64
SUDDEN = 8 * MIB


class Limits(NamedTuple):
    """What one input may cost.

    Fields:
        seconds: of the processor.
        memory: bytes at the same time, for the decoder and what the target compares.
        per_byte: so many more for each byte of the input.
    """

    seconds: float = 1.0
    memory: int = 4 * MIB
    per_byte: int = 256


class Target(NamedTuple):
    """One decoder with what is asked of it; see the module."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    limits: Limits


class Cost(NamedTuple):
    """What an input took: seconds of the processor, and bytes where they were measured, else 0."""

    seconds: float
    memory: int = 0


class Finding(AssertionError):
    """An input took more than its limits allow."""


def load(name: str) -> Target:
    """Return a target by its name."""
    module = importlib.import_module(f"tests.fuzz.fuzz_{name}")
    return Target(name, module.test_one_input, module.seeds, getattr(module, "LIMITS", Limits()))


def corpus_of(name: str) -> list[bytes]:
    """Return the kept inputs of a target, the shortest first."""
    folder = CORPUS / name
    kept = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return sorted(kept, key=len)


class Oracle:
    """Runs inputs of one target within its limits.

    Attributes:
        runs: how many so far.
        slowest, largest: seconds and the input that took the most; bytes and the same.
    """

    def __init__(self, target: Target, *, sampled: int = SAMPLED) -> None:
        self.target = target
        self.runs = 0
        self.slowest: tuple[float, bytes] = (0.0, b"")
        self.largest: tuple[int, bytes] = (0, b"")
        self._sampled = sampled
        self._process = _peak()

    def __call__(self, data: bytes) -> Cost:
        """Run one input.

        Raises:
            Finding: it took too long, or too much memory.
            Exception: whatever the target raises.
        """
        self.runs += 1
        # What is imported or compiled on first use is no input's fault: not the first run.
        is_measured = self.runs > 1 and self.runs % self._sampled == 0
        cost = self._measured(data) if is_measured else self._timed(data)
        peak = _peak()
        if peak - self._process > SUDDEN and not is_measured and self.runs > 1:
            cost = self._measured(data)
        self._process = max(self._process, peak)
        if cost.seconds > self.slowest[0]:
            self.slowest = cost.seconds, data
        if cost.memory > self.largest[0]:
            self.largest = cost.memory, data
        return cost

    def _timed(self, data: bytes) -> Cost:
        limit = self.target.limits.seconds
        seconds = self._seconds(data)
        if seconds > limit:
            # Not the collector's turn, nor a table that is made when first needed.
            seconds = min(seconds, self._seconds(data))
        if seconds > limit:
            raise Finding(f"{seconds:.2f} s for {len(data)} bytes, at most {limit} s")
        return Cost(seconds)

    def _seconds(self, data: bytes) -> float:
        start = time.process_time()
        self.target.run(data)
        return time.process_time() - start

    def _measured(self, data: bytes) -> Cost:
        cost = self._timed(data)
        limits = self.target.limits
        allowed = limits.memory + limits.per_byte * len(data)
        memory = self._bytes(data)
        if memory > allowed:
            memory = min(memory, self._bytes(data))
        if memory > allowed:
            raise Finding(f"{memory} bytes of memory for {len(data)}, at most {allowed}")
        return Cost(cost.seconds, memory)

    def _bytes(self, data: bytes) -> int:
        tracemalloc.start()
        try:
            self.target.run(data)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def _peak() -> int:
    """Return the most memory that this process ever had of the system, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class raises_only:  # noqa: N801 - read as a phrase
    """Let a block end with an error of these kinds, which has to say something."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if not isinstance(error, self._kinds):
            return False
        if not str(error):
            raise AssertionError(f"{type(error).__name__} says nothing") from error
        return True
