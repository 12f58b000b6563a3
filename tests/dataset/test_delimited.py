"""Items that end with delimiters get the lengths that they get one by one, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset import rewrite as rewriter_module
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from tests.dataset.streams import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    OPTION_SETS,
    RLE,
    cut,
    data_sets,
    outcome,
    outcome_of_pieces,
    profile,
    stream,
)
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from collections.abc import Sequence

CORPUS = [
    each for each in [*variants(), *broken_variants()] if each.transfer_syntax in {EXPLICIT, RLE}
]
OPTIONS = sorted(OPTION_SETS)


def one_by_one(how: RewriteProfile) -> RewriteProfile:
    """Return a kind of rewriting in which the rewriter looks at each element itself."""
    other = RewriteProfile(how.source_uid, how.options, how.limits, dictionary=how.dictionary)
    other.measures = other.reencodes_items = other.takes_items = False
    return other


def assert_same(data: bytes, pieces: Sequence[bytes], how: RewriteProfile) -> None:
    assert outcome_of_pieces(data, pieces, how) == outcome(data, one_by_one(how))


@pytest.mark.parametrize("name", OPTIONS)
def test_corpus_becomes_what_it_becomes_element_by_element(name: str) -> None:
    for variant in CORPUS:
        targets = ("",) if variant.transfer_syntax == RLE else ("", IMPLICIT)
        for target in targets:
            how = profile(variant.transfer_syntax, target, OPTION_SETS[name])
            assert_same(variant.data_set, [variant.data_set], how)


@given(st.data())
def test_random_data_set_becomes_what_it_becomes_element_by_element(data: st.DataObject) -> None:
    raw = data.draw(data_sets(EXPLICIT))
    target = data.draw(st.sampled_from(("", IMPLICIT)))
    how = profile(EXPLICIT, target, OPTION_SETS[data.draw(st.sampled_from(OPTIONS))])
    pieces = cut(raw, data.draw(st.lists(st.integers(0, len(raw)), max_size=4)))
    assert_same(raw, pieces, how)


@given(st.data())
def test_damaged_data_set_becomes_what_it_becomes_element_by_element(data: st.DataObject) -> None:
    raw = bytearray(data.draw(data_sets(EXPLICIT)))
    for _ in range(data.draw(st.integers(0, 4)) if raw else 0):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.sampled_from([0, 1, 2, 8, 0x0D, 0xDD, 0xE0, 0xFE, 0xFF]))
    how = profile(EXPLICIT, data.draw(st.sampled_from(("", IMPLICIT))))
    assert_same(bytes(raw), [bytes(raw)], how)


def sequence(tag: str, *items: str) -> str:
    """Return a sequence in which everything ends with delimiters."""
    held = "".join(f"feff00e0ffffffff{item}feff0de000000000" for item in items)
    return f"{tag}'SQ'0000ffffffff{held}feffdde000000000"


LEAF = "08000001'SH'0400'T-D1'"
NESTED = sequence("08004011", sequence("08009911", LEAF, LEAF) + sequence("40007502"), LEAF)


def nested(depth: int) -> str:
    text = LEAF
    for _ in range(depth):
        text = sequence("08004011", text)
    return text


@pytest.mark.parametrize(
    "text",
    [
        NESTED,
        NESTED + sequence("40007502", LEAF, NESTED),
        sequence("08004011", LEAF + LEAF),  # the same tag twice
        sequence("08004011", sequence("40007502", LEAF) + LEAF),  # out of order
        sequence("08004011", "40007502'SQ'00000c000000feff00e004000000 01020304" + LEAF),
        sequence("08004011", "08000001'SH'0600'T-D1  '"),  # a blank that goes
        sequence("08004011", "08000000'UL'04000c000000" + LEAF),  # a group length
        sequence("08004011", "fcfffcff'OB'00000200000000ff"),  # padding
        sequence("08004011", LEAF)[:-16],  # without its end
        sequence("08004011", LEAF)[:-8],
        "08004011'SQ'000014000000feff00e00c000000" + LEAF,
        "08004011'SQ'000014000000feff00e00e000000" + LEAF + "0000",  # longer than its sequence
        sequence("08004011", "40007502'SQ'000014000000feff00e00c000000" + LEAF),
        sequence("08004011", "08001911'UN'0000ffffffffff", LEAF),
        sequence("08004011", "08001811'UI'0400'1 2 '"),
        sequence("08004011", "09001010'OB'000000200000" + "ff" * 8192),  # long
        nested(7),
        nested(8),
        nested(9),
        nested(20),
    ],
)
@pytest.mark.parametrize("target", ["", IMPLICIT])
def test_data_set_becomes_what_it_becomes_element_by_element(text: str, target: str) -> None:
    raw = stream(text)
    how = profile(EXPLICIT, target)
    for size in (len(raw), 50, 1):
        pieces = [raw[place : place + size] for place in range(0, len(raw), size)]
        assert_same(raw, pieces, how)


def test_deep_nesting_is_refused_at_the_same_depth() -> None:
    for how in (profile(EXPLICIT), profile(EXPLICIT, IMPLICIT)):
        limit = how.limits.maximum_depth
        for depth in (limit - 1, limit, limit + 1):
            raw = stream(nested(depth))
            assert_same(raw, [raw], how)


@pytest.mark.parametrize(
    ("name", "target"),
    [("as DCMTK", ""), ("as DCMTK", IMPLICIT), ("-e", ""), ("keep", ""), ("dcmrecv", "")],
)
def test_whole_items_cost_the_rewriter_no_call_for_each(
    monkeypatch: pytest.MonkeyPatch, name: str, target: str
) -> None:
    opened: list[int] = []
    original = rewriter_module.Rewriter.opened

    def counted(self: rewriter_module.Rewriter, *arguments: object) -> None:
        opened.append(1)
        original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rewriter_module.Rewriter, "opened", counted)
    raw = stream(sequence("08004011", *[sequence("08009911", LEAF)] * 100))
    how = profile(EXPLICIT, target, OPTION_SETS[name])
    outcome(raw, how)
    assert len(opened) == 1
    opened.clear()
    outcome(raw, one_by_one(how))
    assert len(opened) == 301


def test_what_depends_on_others_is_looked_at_element_by_element() -> None:
    assert profile(EXPLICIT).measures
    for syntax, options in (
        (IMPLICIT, RewriteOptions()),
        (BIG, RewriteOptions()),
        (EXPLICIT, RewriteOptions(item_padding=8)),
        (EXPLICIT, RewriteOptions(convert_un=True)),
        (EXPLICIT, RewriteOptions(group_lengths="create")),
    ):
        assert not profile(syntax, options=options).measures
    assert profile(DEFLATED).measures
