"""Print the microseconds that identifying a small file and checking its length take.

    python bench/micro/identity.py

Budgets on CPython 3.11: identity 30 without the system calls, walk over the 73 elements of
a CT header 25. The last row walks with one call an element, which is what the loop in
`Headers.pass_explicit` replaces.
"""

from __future__ import annotations

import os
import tempfile
import timeit
from typing import TYPE_CHECKING

from isocenter.dataset.headers import HEADERS, Window
from isocenter.dataset.identity import read_identity, verify_complete
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing.datasets import Element

_REPEATS = 7
_NUMBER = 3_000


def _microseconds(function: Callable[[], object]) -> float:
    """Return the best of several runs, which is the one least disturbed."""
    return min(timeit.repeat(function, number=_NUMBER, repeat=_REPEATS)) / _NUMBER * 1e6


def _system_calls(path: str, size: int) -> None:
    """Make the calls that identifying a file makes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    os.fstat(fd)
    os.pread(fd, size, 0)
    os.close(fd)


def main() -> None:
    """Measure and print."""
    extra: list[Element] = [(0x00290000 + number, "DS", "1.25") for number in range(0x10, 0x45)]
    with tempfile.TemporaryDirectory() as folder:
        for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            _measure(os.path.join(folder, "a.dcm"), syntax, extra)


def _measure(path: str, syntax: str, extra: list[Element]) -> None:
    data = ct_image(transfer_syntax=syntax, extra=extra).part10()
    with open(path, "wb") as file:
        file.write(data)
    identity = read_identity(path)
    calls = _microseconds(lambda: _system_calls(path, len(data)))
    whole = _microseconds(lambda: read_identity(path))
    walk = _microseconds(lambda: verify_complete(-1, identity))
    headers = HEADERS[identity.encoding.is_explicit, identity.encoding.is_little]

    def one_by_one() -> int:
        window = Window(data, len(data), -1)
        position = identity.data_set_offset
        count = 0
        while position < len(data):
            _tag, _vr, value, length = headers.read(window, position)
            position = value + length
            count += 1
        return count

    print(f"{syntax}, {len(data)} bytes, {one_by_one()} elements")
    print(f"  identity            {whole:6.1f} ({calls:.1f} of it in system calls)")
    print(f"  walk                {walk:6.1f}")
    print(f"  walk, element calls {_microseconds(one_by_one):6.1f}")


if __name__ == "__main__":
    main()
