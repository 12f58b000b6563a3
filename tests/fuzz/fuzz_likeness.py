"""Fuzz target: what an association's data sets have in common, against planning each of them.

The first two bytes choose syntax and options, the next 16 are eight changes of one byte each; what
follows is the first data set of a series, and each change makes the next one. What is known by
likeness, or passed over by habit, is what planning says without either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.dataset.convert import PlanBuilder, rewritten
from isocenter.dataset.habits import Habits
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.record import replace
from isocenter.testing import ct_image
from isocenter.testing.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE, encode_data_set
from tests.fuzz.oracle import Limits

if TYPE_CHECKING:
    from isocenter.dataset.plan import RewritePlan

LIMITS = Limits(memory=8 * 1024 * 1024, per_byte=2048)
"""Patterns are compiled: some 300 bytes for each byte that has to be the same, eight times."""

_SYNTAXES = (EXPLICIT_LITTLE, EXPLICIT_BIG)
_OPTIONS = (
    RewriteOptions(),
    RewriteOptions(lengths="keep"),
    RewriteOptions(normalise_values=False),
    RewriteOptions(lengths="keep", normalise_values=False, convert_un=True),
)
_PROFILES = [
    RewriteProfile(syntax, replace(options, transfer_syntax_uid=syntax))
    for options in _OPTIONS
    for syntax in _SYNTAXES
]
_CHANGES = 8


def seeds() -> list[bytes]:
    """Return small images, and data sets with sequences, with changes in values and lengths."""
    found = []
    for choice, syntax in enumerate(_SYNTAXES):
        image = ct_image(transfer_syntax=syntax, sop_instance_uid="1.2.3", rows=2, columns=2)
        nested = encode_data_set(
            [
                (0x00080018, "UI", "1.2.3.44"),
                (0x00081140, "SQ", [[(0x00081155, "UI", "1.2.4")], [(0x00081155, "UI", "1.2")]]),
                (0x00100010, "PN", "Doe^Jane"),
                (0x00204000, "LT", "as it was"),
                (0x00280010, "US", 512),
                (0x7FE00010, "OW", bytes(64)),
            ],
            syntax,
        )
        for body in (image.data_set, nested):
            for step in (1, 7, 30):
                changes = bytes(part for place in range(8) for part in (place * step % 256, place))
                found.append(bytes((choice, step)) + changes + body)
    return found


def test_one_input(data: bytes) -> None:
    """Take a series of data sets and check what is said of each."""
    head = 2 + 2 * _CHANGES
    if len(data) < head:
        return
    profile = _PROFILES[data[0] % len(_PROFILES)]
    stretch = 1 + data[1] % 8
    habits = Habits()
    current = bytearray(data[head:])
    for change in range(_CHANGES + 1):
        _check(bytes(current), profile, habits)
        if change == _CHANGES or not current:
            return
        place, value = data[2 + 2 * change : 4 + 2 * change]
        # The same again teaches, too.
        if value:
            current[place * stretch % len(current)] = value


def _check(data: bytes, profile: RewriteProfile, habits: Habits) -> None:
    plain = _plan(data, profile, None)
    known = habits.likeness.values_of(data, profile)
    if known is not None and known[1] == len(data):
        if not (plain and plain.is_identity):
            raise AssertionError("known to stay as it is, and planning changes it")
        if known[0] != plain.values:
            raise AssertionError(f"known with {known[0]}, planned with {plain.values}")
    familiar = _plan(data, profile, habits)
    if _told(data, plain) != _told(data, familiar):
        raise AssertionError("by habit it becomes something else")
    if plain and plain.is_identity:
        habits.likeness.observe(data, len(data), profile)


def _plan(data: bytes, profile: RewriteProfile, habits: Habits | None) -> RewritePlan | None:
    builder = PlanBuilder(profile, habits=habits)
    try:
        builder.feed(data)
        return builder.finish()
    except (CutShort, Unreadable):
        return None


def _told(data: bytes, plan: RewritePlan | None) -> tuple[object, ...] | None:
    if plan is None:
        return None
    segments = [segment for segment in rewritten(plan, data) if isinstance(segment, bytes)]
    return plan.is_identity, plan.is_disordered, plan.length, plan.values, b"".join(segments)
