"""A data set that is like the ones before it is told by one comparison, and never wrongly."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.dataset.convert import plan_rewrite, rewritten
from isocenter.dataset.flow import changed
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.likeness import Likeness
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.dataset.rewrite import Rewriter
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from isocenter.testing.datasets import Element

    Values: TypeAlias = dict[int, bytes] | None

PROFILE = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions())


def series(number: int, *, syntax: str = EXPLICIT_LITTLE, comment: str = "the same") -> bytes:
    """Return one slice: values that differ, some in their length, one of them in a sequence."""
    elements: list[Element] = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        (0x00080018, "UI", f"1.2.3.{number}"),
        (0x00080060, "CS", "CT"),
        (
            0x00081140,
            "SQ",
            [[(0x00081150, "UI", "1.2.3"), (0x00081155, "UI", f"1.2.4.{number * 7}")]],
        ),
        (0x00081198, "SQ", []),
        (0x00100010, "PN", "Doe^Jane"),
        (0x0020000D, "UI", "1.2.3.4"),
        (0x00200013, "IS", str(number)),
        (0x00201041, "DS", f"{number * 1.25}"),
        (0x00204000, "LT", comment),
        (0x00280010, "US", number % 9),
        (0x7FE00010, "OW", bytes([number % 256]) * 64),
    ]
    return encode_data_set(elements, syntax)


def known(likeness: Likeness, data: bytes, profile: RewriteProfile = PROFILE) -> Values:
    """Return the wanted values where the whole data set is known to stay as it is, else None."""
    found = likeness.values_of(data, profile)
    return found[0] if found is not None and found[1] == len(data) else None


def learn(likeness: Likeness, data: bytes, profile: RewriteProfile) -> None:
    likeness.observe(data, len(data), profile)


def plain_values(data: bytes, profile: RewriteProfile = PROFILE) -> dict[int, bytes] | None:
    """Return the wanted values where planning finds nothing to change, else None."""
    rewriter = Rewriter(profile)
    try:
        rewriter.feed(data)
        plan = rewriter.finish()
    except (CutShort, Unreadable):
        return None
    return plan.values if plan.is_identity else None


def taught(*numbers: int, profile: RewriteProfile = PROFILE) -> Likeness:
    likeness = Likeness()
    for number in numbers:
        learn(likeness, series(number, syntax=profile.source_uid), profile)
    return likeness


def test_third_slice_is_known_by_the_two_before() -> None:
    values = known(taught(11, 12), series(13))
    assert values == plain_values(series(13))
    assert values is not None
    assert values[0x00080018] == b"1.2.3.13"
    assert values[0x0020000D] == b"1.2.3.4\0"


def test_first_and_second_slice_are_not() -> None:
    assert known(taught(), series(1)) is None
    assert known(taught(11), series(12)) is None


def test_lengths_seen_before_are_known_and_others_are_not() -> None:
    likeness = taught(11, 12)
    assert known(likeness, series(1300)) is None
    for number in (1300, 1350):  # the sequence is longer, too, and what is in it differs
        learn(likeness, series(number), PROFILE)
    for number in (1400, 17):
        assert known(likeness, series(number)) == plain_values(series(number))


def test_a_data_set_of_another_kind_does_not_take_the_place_of_a_known_one() -> None:
    other = encode_data_set([(0x00080016, "UI", "1.2.3")], EXPLICIT_LITTLE)
    likeness = taught(11, 12)
    assert known(likeness, series(13)) is not None
    learn(likeness, other, PROFILE)
    assert known(likeness, series(14)) is not None


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a name padded with two blanks", (b"Doe^Jane", b"Doe^Ja  ")),
        ("a blank within a UID", (b"1.2.3.13", b"1.2. .13")),
        ("a UID that ends with two NULs", (b"1.2.3.13", b"1.2.3.\0\0")),
        ("text of another kind", (b"the same", b"the sam ")),
        ("another VR", (b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00UN")),
        ("another tag", (b"\x20\x00\x13\x00IS", b"\x20\x00\x12\x00IS")),
        ("an item that says it is longer", (b"\xfe\xff\x00\xe0", b"\xfe\xff\x00\xe1")),
    ],
)
def test_what_may_need_a_change_is_not_known(what: str, change: tuple[bytes, bytes]) -> None:
    data = series(13)
    assert data.count(change[0]) >= 1, what
    assert known(taught(11, 12), data.replace(*change)) is None


@pytest.mark.parametrize("extra", [b"\0", b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0"])
def test_bytes_behind_the_last_element_are_not_known(extra: bytes) -> None:
    assert known(taught(11, 12), series(13) + extra) is None
    assert known(taught(11, 12), series(13)[:-2]) is None


def test_big_endian_is_learnt_like_little_and_not_mixed_with_it() -> None:
    profile = RewriteProfile(EXPLICIT_BIG, RewriteOptions())
    likeness = taught(11, 12, profile=profile)
    data = series(13, syntax=EXPLICIT_BIG)
    assert known(likeness, data, profile) == plain_values(data, profile)
    assert known(likeness, data) is None


@pytest.mark.parametrize(
    "options",
    [
        RewriteOptions(file_padding=512),
        RewriteOptions(item_padding=16),
        RewriteOptions(convert_un=True),
        RewriteOptions(group_lengths="create"),
        RewriteOptions(transfer_syntax_uid=IMPLICIT_LITTLE),
        RewriteOptions(replacements={0x00100010: b"Somebody"}),
    ],
)
def test_nothing_is_learnt_where_an_element_depends_on_more_than_itself(
    options: RewriteOptions,
) -> None:
    profile = RewriteProfile(EXPLICIT_LITTLE, options)
    likeness = taught(11, 12, profile=profile)
    assert known(likeness, series(13), profile) is None


def test_a_data_set_with_a_group_length_is_not_learnt_from() -> None:
    likeness = Likeness()
    data = encode_data_set([(0x00080000, "UL", 4), (0x00080016, "UI", "1.2")], EXPLICIT_LITTLE)
    for _ in range(3):
        learn(likeness, data, PROFILE)
    assert known(likeness, data) is None


def test_learning_from_what_never_is_alike_becomes_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    from isocenter.dataset import likeness as module

    looked: list[int] = []

    def take_apart(data: bytes, *rest: object) -> None:
        looked.append(len(data))

    monkeypatch.setattr(module, "_take_apart", take_apart)
    likeness = Likeness()
    for number in range(2000):
        learn(likeness, series(number), PROFILE)
    assert len(looked) <= 16


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64))
def test_what_is_known_is_what_planning_would_have_said(seed: int) -> None:
    source = random.Random(seed)
    numbers = [source.choice((3, 17, 250, 1234)) + n for n in range(source.randrange(2, 6))]
    likeness = taught(*numbers)
    data = bytearray(series(source.choice(numbers) + source.randrange(5)))
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        place = source.randrange(len(data))
        data[place] = source.choice(b"\0 .A\x01\x02\x04\xff" + bytes([data[place] ^ 1]))
    values = known(likeness, bytes(data))
    if values is not None:
        assert values == plain_values(bytes(data))


UNDEFINED = RewriteProfile(
    EXPLICIT_LITTLE,
    RewriteOptions(
        lengths="undefined",
        keep_trailing_padding=True,
        normalise_values=False,
        blanks_behind_text=True,
    ),
)


def planned(data: bytes, profile: RewriteProfile) -> tuple[dict[int, bytes], bytes] | None:
    """Return the wanted values and what planning makes of a data set; None where it cannot."""
    try:
        plan = plan_rewrite(data, profile)
    except DataSetError:
        return None
    return plan.values, b"".join(bytes(part) for part in rewritten(plan, data))


def nested(number: int) -> bytes:
    """Return a data set with sequences in sequences, empty ones, and two items of one."""
    code: list[Element] = [(0x00080100, "SH", "T-D1"), (0x00080104, "LO", "x" * (number % 3 * 2))]
    return encode_data_set(
        [
            (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
            (0x00080018, "UI", f"1.2.3.{number}"),
            (0x00081111, "SQ", []),
            (0x00081140, "SQ", [[(0x0040A170, "SQ", [code, []])], [], code]),
            (0x00081198, "SQ", [[]]),
            (0x00200013, "IS", str(number)),
            (0x7FE00010, "OW", bytes([number % 256]) * 64),
        ],
        EXPLICIT_LITTLE,
    )


def learn_changes(likeness: Likeness, data: bytes) -> None:
    plan = plan_rewrite(data, UNDEFINED)
    likeness.observe(data, len(data), UNDEFINED, None if plan.is_identity else plan.edits)


@pytest.mark.parametrize(("made", "number"), [(series, 4), (nested, 9)])
def test_lengths_of_sequences_that_become_undefined_are_a_known_change(
    made: Callable[[int], bytes], number: int
) -> None:
    likeness = Likeness()
    learn_changes(likeness, made(3))
    learn_changes(likeness, made(6))
    data = made(number)
    found = likeness.values_of(data, UNDEFINED)
    assert found is not None
    assert found[1] == len(data)
    assert found[2]
    assert (found[0], changed(data, found[2])) == planned(data, UNDEFINED)


def test_a_data_set_in_which_something_else_changes_is_not_learnt_from() -> None:
    likeness = Likeness()
    padding = short((0xFFFCFFFC, "OB", b"1234"))
    odd = short((0x00280010, "US", 1))[:6] + b"\x03\0" + b"123"
    for number in (3, 6):
        learn_changes(likeness, nested(number) + padding)
        learn_changes(likeness, odd)
    assert likeness.values_of(odd, UNDEFINED) is None


@given(st.integers(0, 2**64))
def test_known_changes_are_those_that_planning_would_have_made(seed: int) -> None:
    source = random.Random(seed)
    made = source.choice((series, nested))
    numbers = [source.choice((3, 17, 250, 1234)) + n for n in range(source.randrange(2, 6))]
    likeness = Likeness()
    for number in numbers:
        learn_changes(likeness, made(number))
    data = bytearray(made(source.choice(numbers) + source.randrange(5)))
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        place = source.randrange(len(data))
        data[place] = source.choice(b"\0 .A\x01\x02\x04\xff" + bytes([data[place] ^ 1]))
    found = likeness.values_of(bytes(data), UNDEFINED)
    if found is not None and found[1] == len(data):
        assert (found[0], changed(bytes(data), found[2])) == planned(bytes(data), UNDEFINED)


def short(*elements: Element) -> bytes:
    return encode_data_set(elements, EXPLICIT_LITTLE)


def test_more_that_has_to_be_the_same_than_a_pattern_may_hold_is_planned_one_by_one() -> None:
    """The pattern of before stays what it was, with the values that belong to it."""
    likeness = Likeness()
    report = (0x0040A160, "LO", "word\\" * 12 + "end")
    extra: list[Element] = [(0x00410000 + n, "LO", "text" * 16) for n in range(1, 51)]

    def report_of(uid: str, *, length: int) -> bytes:
        inner: list[Element] = [*extra, (0x00420001, "UI", "1." * length + "2")]
        return short(
            (0x00080016, "UI", "1.2.840"),
            (0x00080018, "UI", uid),
            (0x0020000D, "UI", "1.2.3.4"),
            report,
            (0x0040A730, "SQ", [inner]),
        )

    data_sets = [report_of(f"1.2.3.{n}", length=3 + n // 20) for n in range(7, 140)]
    for data in data_sets:
        values = known(likeness, data)
        assert values is None or values == plain_values(data)
        if values is None:
            learn(likeness, data, PROFILE)


@pytest.mark.parametrize("vr", ["UT", "UC", "UR"])
def test_nothing_is_learnt_where_a_wanted_value_would_not_be_found(vr: str) -> None:
    profile = RewriteProfile(EXPLICIT_LITTLE, RewriteOptions(normalise_values=False))
    for kind in (PROFILE, profile):
        likeness = Likeness()
        data_sets = [
            short((0x00080016, vr, "1.2.840"), (0x00080018, "UI", f"1.2.3.{n}"))
            for n in range(11, 16)
        ]
        for data in data_sets:
            assert known(likeness, data, kind) is None
            learn(likeness, data, kind)


def test_lengths_beyond_the_most_are_not_kept() -> None:
    likeness = Likeness()

    def comment(length: int, number: int) -> bytes:
        inner: list[Element] = [(0x00081155, "UI", "1." * length + "2")]
        return short((0x00080018, "UI", f"1.2.{number}"), (0x00081140, "SQ", [inner]))

    for length in range(2, 30):
        for number in range(80):
            data = comment(length, number % 10)
            values = known(likeness, data)
            assert values is None or values == plain_values(data)
            if values is None:
                learn(likeness, data, PROFILE)
    assert likeness._parts is None or len(likeness._parts[1].forms) <= 16


def test_a_pattern_is_not_kept_by_the_module_that_made_it() -> None:
    import re

    taught(11, 12)
    assert not re._cache  # type: ignore[attr-defined]  # what `re.purge` empties


def test_a_long_last_value_need_not_be_seen() -> None:
    """Of an image as much is looked at as stands before its pixels."""

    def image(number: int, size: int) -> bytes:
        return (
            series(number)[:-76]
            + b"\xe0\x7f\x10\0OW\0\0"
            + size.to_bytes(4, "little")
            + bytes(size)
        )

    likeness = Likeness()
    for number in (11, 12):
        whole = image(number, 500_000)
        likeness.observe(whole[:2000], len(whole), PROFILE)
    for size in (500_000, 64):
        whole = image(13, size)
        found = likeness.values_of(whole[:2000], PROFILE)
        if size == 64:  # another length of the header's value, which was not seen before
            assert found is None
            likeness.observe(whole, len(whole), PROFILE)
            found = likeness.values_of(whole, PROFILE)
        assert found == (plain_values(whole), len(whole), [])
    assert likeness.values_of(image(13, 500_000)[:200], PROFILE) is None


def test_lengths_within_an_item_are_not_put_together_anew() -> None:
    """What two items had each by itself does not add up to the length of one."""

    def item(one: int, other: int) -> bytes:
        inner: list[Element] = [
            (0x00400007, "LO", "a" * one),
            (0x00400008, "LO", "b" * other),
        ]
        return short((0x00080018, "UI", "1.2.3.45"), (0x00400260, "SQ", [inner]))

    likeness = Likeness()
    for data in (item(4, 20), item(20, 4), item(4, 20), item(20, 4)):
        likeness.observe(data, len(data), PROFILE)
    header = item(4, 20)[: item(4, 20).index(b"\x40\x00\x07\x00")]
    for one in (4, 20):
        inner = encode_data_set(
            [(0x00400007, "LO", "a" * one), (0x00400008, "LO", "b" * one)], EXPLICIT_LITTLE
        )
        assert known(likeness, header + inner) is None


def test_a_deflated_data_set_is_not_compared_as_it_came() -> None:
    profile = RewriteProfile("1.2.840.10008.1.2.1.99", RewriteOptions())
    assert not profile.has_likeness
