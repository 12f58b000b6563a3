"""Print the microseconds that scanning a CT header of 73 elements takes.

    python bench/inside/scan_header.py

One line each: the scan alone; the plan of the receiver's normal mode for the same header, and
that plan for a sender whose objects are known to look alike.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

from isocenter.dataset.convert import PlanBuilder
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.testing.datasets import EXPLICIT_LITTLE, ct_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing.datasets import Element

_ELEMENTS = 73 + 3  # those of the sequence: an item and two in it
_REPEATS = 9
_NUMBER = 2_000


def _microseconds(function: Callable[[], object]) -> float:
    """Return the best of several runs, which is the one least disturbed."""
    return min(timeit.repeat(function, number=_NUMBER, repeat=_REPEATS)) / _NUMBER * 1e6


def main() -> None:
    """Measure and print."""
    extra: list[Element] = [(0x00290000 + number, "DS", "1.25") for number in range(0x10, 0x45)]
    data = memoryview(ct_image(transfer_syntax=EXPLICIT_LITTLE, extra=extra).data_set)
    found = len(scan(data, ENCODINGS[True, True]))
    if found != _ELEMENTS:
        raise SystemExit(f"{found} elements instead of {_ELEMENTS}")
    profile = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions())

    def plan() -> None:
        builder = PlanBuilder(profile)
        builder.feed(data)
        builder.finish()

    print(f"{_microseconds(lambda: scan(data, ENCODINGS[True, True])):.2f}")
    print(f"{_microseconds(plan):.2f}")


if __name__ == "__main__":
    main()
