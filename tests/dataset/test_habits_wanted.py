"""A wanted value counts where it is text or a UID, whether its element is familiar or not."""

from __future__ import annotations

from isocenter.dataset.convert import PlanBuilder
from isocenter.dataset.habits import Habits
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_data_set

PROFILE = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions())


def slice_with_odd_vr(number: int) -> bytes:
    """Return a data set whose SOP Class UID calls itself US."""
    data = encode_data_set(
        [
            (0x00080016, "UI", f"1.2.{number}"),
            (0x00080018, "UI", f"1.2.3.{number}"),
            (0x00100010, "PN", "Doe^Jane"),
        ],
        EXPLICIT_LITTLE,
    )
    return data.replace(b"\x08\x00\x16\x00UI", b"\x08\x00\x16\x00US")


def test_value_of_another_kind_is_not_told_once_its_element_is_familiar() -> None:
    habits = Habits()
    told = []
    for number in (111, 112, 113):
        builder = PlanBuilder(PROFILE, habits=habits)
        builder.feed(slice_with_odd_vr(number))
        told.append(sorted(builder.finish().values))
    assert habits.steps
    assert told == [[0x00080018]] * 3
