"""A data set written anew while it comes is what it becomes as a whole, and can be had back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset import flow as flow_module
from isocenter.dataset.flow import Flow
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.rewrite import Rewriter
from isocenter.wire import FileRegion
from tests.dataset.streams import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    OPTION_SETS,
    cut,
    data_sets,
    outcome,
    profile,
)
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.dataset.profile import RewriteProfile

CORPUS = [
    each
    for each in [*variants(), *broken_variants()]
    if each.transfer_syntax not in {BIG, DEFLATED}
]
SYNTAXES = (EXPLICIT, IMPLICIT)


def had_back(flow: Flow, written: bytes) -> bytes:
    fd = os.memfd_create("written")
    try:
        os.write(fd, written)
        parts = []
        for part in flow.restored(FileRegion(fd, 0, len(written))):
            if isinstance(part, FileRegion):
                parts.append(os.pread(part.fd, part.length, part.offset))
            else:
                parts.append(bytes(part))
        return b"".join(parts)
    finally:
        os.close(fd)


def flown(pieces: Sequence[bytes], how: RewriteProfile, prefix: int = 0) -> tuple[object, ...]:
    """Return what `outcome` does; and see that at each step the old data set can be had back."""
    rewriter = Rewriter(how, prefix_length=prefix)
    flow = Flow(rewriter)
    written = bytearray()
    came = b""
    try:
        for piece in pieces:
            rewriter.feed(piece)
            written += b"".join(flow.take([memoryview(piece)]))
            for at, value in flow.amendments():
                written[at : at + len(value)] = value
            came += piece
            assert had_back(flow, bytes(written)) + b"".join(flow.unwritten) == came
            if not flow.is_possible:
                return ("not possible",)
        plan = rewriter.finish()
    except (Unreadable, CutShort):
        assert had_back(flow, bytes(written)) + b"".join(flow.unwritten) == came
        return ("unreadable",)
    written += b"".join(flow.finish())
    for at, value in flow.amendments():
        written[at : at + len(value)] = value
    return plan.is_identity, bytes(written)


def assert_same(data: bytes, pieces: Sequence[bytes], how: RewriteProfile) -> None:
    told, whole = flown(pieces, how), outcome(data, how)
    if told == ("not possible",):
        return
    if told == ("unreadable",):
        assert len(whole) <= 2
        return
    assert (told[0], told[1]) == (whole[0], whole[-1])


@pytest.mark.apart  # 40 seconds without coverage
@pytest.mark.parametrize("name", sorted(OPTION_SETS))
def test_corpus_in_pieces_flows_into_what_it_becomes_whole(name: str) -> None:
    for variant in CORPUS:
        if len(variant.data_set) > 3_000:
            continue
        how = profile(variant.transfer_syntax, options=OPTION_SETS[name])
        data = variant.data_set
        is_long = len(data) > 400
        for size in (7, 100) if is_long and name != "as DCMTK" else (1, 7, 100):
            pieces = [data[place : place + size] for place in range(0, len(data), size)]
            assert_same(data, pieces, how)


@given(st.data())
def test_corpus_in_random_pieces_flows_into_what_it_becomes_whole(data: st.DataObject) -> None:
    variant = data.draw(st.sampled_from(CORPUS), "variant")
    targets = ("",) if variant.name.startswith("r ") else ("", *SYNTAXES)
    options = OPTION_SETS[data.draw(st.sampled_from(sorted(OPTION_SETS)))]
    how = profile(variant.transfer_syntax, data.draw(st.sampled_from(targets)), options)
    places = data.draw(st.lists(st.integers(0, len(variant.data_set)), max_size=8))
    assert_same(variant.data_set, cut(variant.data_set, places), how)


@given(st.data())
def test_random_data_set_in_random_pieces_flows_into_what_it_becomes_whole(
    data: st.DataObject,
) -> None:
    source, target = (data.draw(st.sampled_from(SYNTAXES)) for _ in range(2))
    raw = data.draw(data_sets(source))
    how = profile(source, target, OPTION_SETS[data.draw(st.sampled_from(sorted(OPTION_SETS)))])
    pieces = cut(raw, data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    assert_same(raw, pieces, how)


@given(st.data())
def test_damaged_data_set_can_be_had_back(data: st.DataObject) -> None:
    variant = data.draw(st.sampled_from([each for each in CORPUS if each.data_set]), "variant")
    raw = bytearray(variant.data_set)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    options = OPTION_SETS[data.draw(st.sampled_from(sorted(OPTION_SETS)))]
    how = profile(variant.transfer_syntax, options=options)
    pieces = cut(bytes(raw), data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    assert_same(bytes(raw), pieces, how)


def test_long_runs_are_written_from_where_they_lie() -> None:
    how = profile(EXPLICIT, IMPLICIT)
    rewriter = Rewriter(how)
    flow = Flow(rewriter)
    head = bytes.fromhex("e07f1000") + b"OW\0\0" + (1 << 20).to_bytes(4, "little")
    pieces = [memoryview(head + bytes(70_000)), memoryview(bytes(70_000))]
    rewriter.feed(pieces[0])
    first = flow.take(pieces[:1])
    rewriter.feed(pieces[1])
    second = flow.take(pieces[1:])
    assert [len(part) for part in first] == [8, 70_000]
    assert isinstance(first[1], memoryview)
    assert first[1].obj is pieces[0].obj
    assert second is pieces[1:] or second == pieces[1:]


def test_too_much_that_was_removed_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_module, "MOST_REMOVED", 15)
    rewriter = Rewriter(profile(EXPLICIT, IMPLICIT))
    flow = Flow(rewriter)
    for _ in range(2):
        assert flow.is_possible
        piece = bytes.fromhex("10001000") + b"PN\x04\0A^B "
        rewriter.feed(piece)
        flow.take([piece])
    assert not flow.is_possible


def test_what_swaps_bytes_or_deflates_does_not_flow() -> None:
    assert profile(EXPLICIT, IMPLICIT).flows
    for source, target in ((EXPLICIT, BIG), (BIG, EXPLICIT), (EXPLICIT, DEFLATED)):
        assert not profile(source, target).flows
        assert not profile(target, source).flows
