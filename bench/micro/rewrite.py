"""Print the microseconds that planning takes, and writing by the plan, for each conversion.

    python bench/micro/rewrite.py

The CT header is the benchmark's (84 elements), the enhanced object has 100 000 items, each of
a sequence in an item of the functional groups. Budgets on CPython 3.11: 30 for the plan that
changes nothing, 100 for a conversion of the header; 2 seconds for all that is done to the
100 000 items.
"""

from __future__ import annotations

import os
import random
import sys
import timeit
from typing import TYPE_CHECKING

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))

from bench.data import object_bytes
from isocenter.dataset.convert import PlanBuilder, plan_rewrite, rewritten
from isocenter.dataset.likeness import Likeness
from isocenter.dataset.part10 import read_file_meta
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.testing.datasets import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing.datasets import Element

_REPEATS = 5
_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)


def best(function: Callable[[], object], number: int) -> float:
    """Return the microseconds of the best of several runs, the one least disturbed."""
    return min(timeit.repeat(function, number=number, repeat=_REPEATS)) / number * 1e6


def convert(data: bytes, source: str, target: str) -> bytes:
    """Return a data set in another syntax."""
    profile = RewriteProfile(source, RewriteOptions(transfer_syntax_uid=target))
    return b"".join(map(_bytes, rewritten(plan_rewrite(data, profile), data)))


def _bytes(segment: object) -> bytes:
    return bytes(segment)  # type: ignore[call-overload,no-any-return] # a buffer: no file is read


def measure(name: str, data: bytes, number: int) -> None:
    """Print a row for each pair of syntaxes, and one for what becomes of undefined lengths."""
    rows = [(source, target, "explicit") for source in _SYNTAXES for target in _SYNTAXES]
    for source, target, lengths in [*rows, (EXPLICIT_LITTLE, EXPLICIT_LITTLE, "undefined")]:
        stored = convert(data, EXPLICIT_LITTLE, source)
        options = RewriteOptions(transfer_syntax_uid=target, lengths=lengths)  # type: ignore[arg-type] # of two
        show(name, stored, RewriteProfile(source, options), number)


def measure_delimited(name: str, data: bytes, number: int) -> None:
    """Print what becomes of items that end with delimiters."""
    undefined = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions(lengths="undefined"))
    stored = b"".join(map(_bytes, rewritten(plan_rewrite(data, undefined), data)))
    show(name, stored, undefined, number)
    for target in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
        options = RewriteOptions(transfer_syntax_uid=target)
        show(name, stored, RewriteProfile(EXPLICIT_LITTLE, options), number)


def show(name: str, stored: bytes, profile: RewriteProfile, number: int) -> None:
    """Print what planning and writing take."""

    def plan() -> object:
        builder = PlanBuilder(profile)
        builder.feed(stored)
        return builder.finish()

    made = plan_rewrite(stored, profile)

    def write() -> object:
        return sum(len(_bytes(segment)) for segment in rewritten(made, stored))

    print(
        f"{name:<10} {profile.source_uid:<20} -> {profile.target_uid:<20}"
        f" {profile.options.lengths:<9}"
        f" plan {best(plan, number):10.1f}  write {best(write, number):10.1f}"
        f"  {len(made.edits):8} bytes of changes"
    )


def measure_familiar(number: int) -> None:
    """Print what it takes to tell a slice that is like the ones before it, and what else would."""
    profile = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions())
    likeness, source = Likeness(), random.Random(2)
    data = b""
    for slice_number in range(11, 60):
        file = object_bytes(source, number=slice_number, side=64) + bytes(64 * 64 * 2)
        data = file[read_file_meta(file).data_set_offset :]
        if likeness.values_of(data, profile) is None:
            likeness.observe(data, len(data), profile)

    def plan() -> object:
        builder = PlanBuilder(profile)
        builder.feed(data)
        return builder.finish()

    if likeness.values_of(data, profile) is None:
        raise SystemExit("the slices are not alike")
    known = best(lambda: likeness.values_of(data, profile), number)
    print(f"a slice like those before: known {known:.1f}  planned {best(plan, number):.1f}")


def enhanced() -> bytes:
    """Return an object of 100 000 items."""
    position: list[Element] = [(0x00200032, "DS", "-190.0\\-372.5\\1")]
    groups: list[Element] = [(0x00209113, "SQ", [position]), (0x00289110, "SQ", [position])]
    return encode_data_set([(0x52009230, "SQ", [groups] * 33_333)], EXPLICIT_LITTLE)


def main() -> None:
    """Measure and print."""
    file = object_bytes(random.Random(1), number=1, side=64) + bytes(64 * 64 * 2)
    measure("CT header", file[read_file_meta(file).data_set_offset :], 1_000)
    measure_familiar(1_000)
    measure("enhanced", enhanced(), 1)
    measure_delimited("delimited", enhanced(), 1)


if __name__ == "__main__":
    main()
