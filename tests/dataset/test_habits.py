"""What a sender's objects have in common makes a plan faster and never another one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset.habits import Habits
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.dataset.rewrite import Rewriter
from isocenter.testing.datasets import EXPLICIT_LITTLE, Element, encode_data_set

if TYPE_CHECKING:
    from isocenter.dataset.plan import RewritePlan
    from isocenter.testing.datasets import Element

PROFILE = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions())


def plan(data: bytes, habits: Habits | None) -> RewritePlan:
    rewriter = Rewriter(PROFILE, habits=habits)
    rewriter.feed(data)
    return rewriter.finish()


def slice_of_a_series(number: int, *, extra: tuple[Element, ...] = ()) -> bytes:
    """Return a data set of which a dozen elements differ from slice to slice."""
    elements: list[Element] = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        (0x00080018, "UI", f"1.2.3.{number}"),
        (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Somebody"),
        (0x00080080, "LO", "Some Hospital"),
        (0x00081140, "SQ", [[(0x00081150, "UI", "1.2.3"), (0x00081155, "UI", "1.2.4")]]),
        (0x00100010, "PN", "Doe^Jane"),
        (0x00100020, "LO", "0815"),
        (0x0020000D, "UI", "1.2.3.4"),
        (0x00200013, "IS", str(number)),
        (0x00201041, "DS", f"{number * 1.25}"),
        (0x00280010, "US", 4),
        (0x00280011, "US", 4),
        (0x7FE00010, "OW", bytes([number % 256]) * 32),
    ]
    return encode_data_set(sorted([*elements, *extra], key=lambda row: row[0]), EXPLICIT_LITTLE)


def test_from_the_third_object_on_what_is_common_is_not_looked_at() -> None:
    habits = Habits()
    for number in range(2):
        plan(slice_of_a_series(number), habits)
    assert habits.steps
    rewriter = Rewriter(PROFILE, habits=habits)
    rewriter.feed(slice_of_a_series(2))
    assert habits.missed <= 1  # the element of pixels is looked at
    assert rewriter.finish().is_identity


def test_wanted_values_are_found_in_every_object() -> None:
    habits = Habits()
    for number in range(20):
        values = plan(slice_of_a_series(number), habits).values
        assert values[0x00080018].rstrip(b"\0") == f"1.2.3.{number}".encode()
        assert values[0x0020000D] == b"1.2.3.4\0"


@given(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=12))
def test_plan_is_the_same_with_and_without_habits(seeds: list[int]) -> None:
    habits = Habits()
    for seed in seeds:
        source = random.Random(seed)
        data = bytearray(slice_of_a_series(seed % 1000))
        for _ in range(source.choice((0, 0, 0, 1, 3))):  # broken or padded somewhere
            data[source.randrange(len(data))] = source.choice(b"\0 A\x7f\xff")
        outcomes: list[tuple[object, ...]] = []
        for used in (habits, None):
            try:
                made = plan(bytes(data), used)
            except Exception as problem:  # noqa: BLE001 - both must fail alike
                outcomes.append((type(problem).__name__, str(problem)))
            else:
                outcomes.append((made.is_identity, made.values, bytes(made.edits.script)))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("size", [10, 5000])
def test_memory_is_bounded_and_useless_learning_stops(size: int) -> None:
    habits = Habits()
    source = random.Random(1)
    for number in range(200):
        extra: tuple[Element, ...] = ((0x00091010, "UN", source.randbytes(size)),)
        plan(slice_of_a_series(number, extra=extra), habits)
    assert sum(len(step[0]) for step in habits.steps) < 64 * 1024
