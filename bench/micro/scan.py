"""Print the microseconds that a scan takes: of a CT header, of an object of many items.

    python bench/micro/scan.py

Budget on CPython 3.11: 25 for the 73 elements of a CT header. The last column is one
element's part.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.testing.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing.datasets import Element

_REPEATS = 7
_ENCODING_OF = {
    EXPLICIT_LITTLE: ENCODINGS[True, True],
    IMPLICIT_LITTLE: ENCODINGS[False, True],
    EXPLICIT_BIG: ENCODINGS[True, False],
}


def best(function: Callable[[], object], number: int) -> float:
    """Return the microseconds of the best of several runs, the one least disturbed."""
    return min(timeit.repeat(function, number=number, repeat=_REPEATS)) / number * 1e6


def main() -> None:
    """Measure and print."""
    extra: list[Element] = [(0x00290000 + number, "DS", "1.25") for number in range(0x10, 0x42)]
    items: list[list[Element]] = [[(0x00200032, "DS", "1\\2\\3")] for _ in range(10_000)]
    for syntax, encoding in _ENCODING_OF.items():
        header = ct_image(transfer_syntax=syntax, extra=extra).data_set
        many = ct_image(transfer_syntax=syntax, extra=[(0x00400275, "SQ", items)]).data_set
        for name, data, number in (("CT header", header, 2_000), ("10 000 items", many, 5)):
            count = len(scan(data, encoding))
            took = best(lambda data=data, encoding=encoding: scan(data, encoding), number)  # type: ignore[misc] # bound now
            print(f"{syntax:<20} {name:<13} {count:6} elements {took:9.1f} {took / count:6.2f}")


if __name__ == "__main__":
    main()
