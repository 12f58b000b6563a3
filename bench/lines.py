"""Single figures of the benchmark and what is asked of them, without knowing what they are."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.pairs import Tools

__all__ = ["Line", "Measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure.

    Fields: `what`; `values` and `unit` as measured, one value per round; `limit` in the same unit
    that the median may not exceed, `least` that it must reach, None where nothing is asked; `error`
    where it went wrong.
    """

    what: str
    values: Sequence[float] = ()
    unit: str = ""
    limit: float | None = None
    least: float | None = None
    error: str | None = None

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether what is asked was reached; None where nothing is asked."""
        if self.limit is None and self.least is None:
            return None
        if self.error is not None or not self.values:
            return False
        if self.limit is not None and self.value > self.limit:
            return False
        return self.least is None or self.value >= self.least


class Measure(Protocol):
    """Measures one group of figures in an empty folder, with so many rounds."""

    def __call__(self, tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
        """Yield the figures; what went wrong is one of them."""
