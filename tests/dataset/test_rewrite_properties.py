"""Rewriting holds for every data set: in any pieces, twice, there and back, beside pydicom."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset.profile import RewriteOptions
from tests.dataset.streams import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    OPTION_SETS,
    PLAIN_SYNTAXES,
    cut,
    data_sets,
    outcome,
    outcome_of_pieces,
    profile,
    rewrite,
)
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from tests.support.variants import Variant

CORPUS = [*variants(), *broken_variants()]
SMALL = [each for each in CORPUS if len(each.data_set) < 3_000]
TARGETS = ("", *PLAIN_SYNTAXES)


def targets_of(variant: Variant) -> tuple[str, ...]:
    return ("",) if variant.name.startswith("r ") else (*TARGETS, DEFLATED)


# In pieces.


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=OPTION_SETS)
def test_corpus_byte_by_byte_becomes_what_it_becomes_whole(options: RewriteOptions) -> None:
    for variant in SMALL[:: 2 if options == RewriteOptions() else 9]:
        for target in targets_of(variant):
            how = profile(variant.transfer_syntax, target, options)
            data = variant.data_set
            bytewise = [data[place : place + 1] for place in range(len(data))]
            whole = outcome(data, how)
            assert outcome_of_pieces(data, bytewise, how) == whole, (variant.name, target)


@given(st.data())
def test_corpus_in_random_pieces_becomes_what_it_becomes_whole(data: st.DataObject) -> None:
    variant = data.draw(st.sampled_from(CORPUS), "variant")
    target = data.draw(st.sampled_from(targets_of(variant)), "target")
    how = profile(
        variant.transfer_syntax,
        target,
        OPTION_SETS[data.draw(st.sampled_from(sorted(OPTION_SETS)))],
    )
    places = data.draw(st.lists(st.integers(0, len(variant.data_set)), max_size=8))
    pieces = cut(variant.data_set, places)
    assert outcome_of_pieces(variant.data_set, pieces, how) == outcome(variant.data_set, how)


@given(st.data())
def test_damaged_data_sets_in_random_pieces_become_what_they_become_whole(
    data: st.DataObject,
) -> None:
    variant = data.draw(st.sampled_from([each for each in SMALL if each.data_set]), "variant")
    raw = bytearray(variant.data_set)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    target = data.draw(st.sampled_from(targets_of(variant)), "target")
    how = profile(
        variant.transfer_syntax,
        target,
        OPTION_SETS[data.draw(st.sampled_from(sorted(OPTION_SETS)))],
    )
    pieces = cut(bytes(raw), data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    assert outcome_of_pieces(bytes(raw), pieces, how) == outcome(bytes(raw), how)


# Twice.


def is_told_identical(options: RewriteOptions) -> bool:
    """Tell whether a second plan is the identity; what is made anew each time is no identity."""
    return options.group_lengths != "create" and not options.file_padding


# What is no VR at all becomes UN, and UN is converted: that takes two times.
@pytest.mark.parametrize("name", sorted(OPTION_SETS.keys() - {"+uc"}))
def test_rewriting_what_was_rewritten_changes_nothing(name: str) -> None:
    options = OPTION_SETS[name]
    for variant in variants():
        for target in targets_of(variant):
            syntax = target or variant.transfer_syntax
            if syntax == DEFLATED or (syntax == IMPLICIT != variant.transfer_syntax):
                continue  # without its VR an element may be another one the next time
            first = outcome(variant.data_set, profile(variant.transfer_syntax, target, options))
            if len(first) > 2:
                result = first[-1]
                assert isinstance(result, bytes)
                second = outcome(result, profile(syntax, options=options))
                assert second[-1] == result, (variant.name, target)
                assert second[0] is is_told_identical(options) or second[0], (variant.name, target)


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=OPTION_SETS)
@given(data=st.data())
def test_rewriting_a_random_data_set_twice_is_rewriting_it_once(
    options: RewriteOptions, data: st.DataObject
) -> None:
    source = data.draw(st.sampled_from(PLAIN_SYNTAXES))
    target = data.draw(st.sampled_from(PLAIN_SYNTAXES))
    once = rewrite(data.draw(data_sets(source)), profile(source, target, options))
    assert rewrite(once, profile(target, options=options)) == once


@given(st.data())
def test_data_set_in_normal_form_stays(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(PLAIN_SYNTAXES))
    raw = data.draw(data_sets(syntax, normal=True))
    told = outcome(raw, profile(syntax))
    assert told[0] is True
    assert told[-1] == raw


# There and back.


@pytest.mark.parametrize(
    ("syntax", "other"), [(EXPLICIT, IMPLICIT), (EXPLICIT, BIG), (BIG, IMPLICIT), (IMPLICIT, BIG)]
)
@given(data=st.data())
def test_conversion_there_and_back_gives_the_normal_form(
    syntax: str, other: str, data: st.DataObject
) -> None:
    raw = data.draw(data_sets(syntax))
    normal = rewrite(raw, profile(syntax))
    there = rewrite(raw, profile(syntax, other))
    assert rewrite(there, profile(other, syntax)) == normal


@given(st.data())
def test_deflating_and_inflating_gives_the_normal_form(data: st.DataObject) -> None:
    raw = data.draw(data_sets(EXPLICIT))
    there = rewrite(raw, profile(EXPLICIT, DEFLATED))
    assert len(there) % 2 == 0
    assert rewrite(there, profile(DEFLATED, EXPLICIT)) == rewrite(raw, profile(EXPLICIT))


# Beside pydicom.


def read(data: bytes, syntax: str) -> pydicom.Dataset:
    """Return a data set as pydicom reads it."""
    return pydicom.dcmread(io.BytesIO(_part10(data, syntax)))


def _part10(data: bytes, syntax: str) -> bytes:
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\0\x10\0UI" + len(uid).to_bytes(2, "little") + uid
    length = b"\x02\0\0\0UL\x04\0" + len(element).to_bytes(4, "little")
    return bytes(128) + b"DICM" + length + element + data


WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""VRs whose values pydicom leaves in the byte order they come in."""


def facts(dataset: pydicom.Dataset, syntax: str) -> list[tuple[object, ...]]:
    """Return tag, VR and value of every element, sequences with what is in them."""
    found: list[tuple[object, ...]] = []
    for element in dataset:
        value = element.value
        if element.VR == "SQ":
            found.append((element.tag, "SQ", [facts(item, syntax) for item in value]))
            continue
        if value and element.VR in WORDS and syntax == BIG:
            unit = WORDS[element.VR]
            value = b"".join(value[at : at + unit][::-1] for at in range(0, len(value), unit))
        found.append((element.tag, element.VR, repr(value)))
    return found


@pytest.mark.parametrize("name", ["as DCMTK", "-e", "keep"])
@given(data=st.data())
def test_pydicom_reads_the_result_as_it_reads_the_source(name: str, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(PLAIN_SYNTAXES))
    target = data.draw(st.sampled_from((*PLAIN_SYNTAXES, DEFLATED)))
    raw = data.draw(data_sets(source))
    result = rewrite(raw, profile(source, target, OPTION_SETS[name]))
    assert facts(read(result, target), target) == facts(read(raw, source), source)
