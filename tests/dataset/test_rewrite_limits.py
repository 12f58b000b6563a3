"""What a sender makes the rewriter keep has bounds; what changes meanwhile is an error."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest

from isocenter.dataset.convert import PlanBuilder, plan_rewrite, rewritten
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.dataset.scan import ScanLimits
from isocenter.errors import DataSetError
from tests.dataset.streams import DEFLATED, EXPLICIT, IMPLICIT, profile, rewrite, stream

MIB = 1024 * 1024


def creators(count: int, size: int) -> bytes:
    """Return private creators in implicit VR, each as long as said."""
    value = b"A" * size
    tags = [(group, element) for group in range(9, 99, 2) for element in range(0x10, 0x100)]
    return b"".join(struct.pack("<HHI", *tag, size) + value for tag in tags[:count])


def held(data: bytes, piece: int) -> int:
    """Return the bytes that a builder holds after a data set was fed to it."""
    builder = PlanBuilder(profile(IMPLICIT, EXPLICIT))
    view = memoryview(data)
    tracemalloc.start()
    try:
        for start in range(0, len(data), piece):
            builder.feed(view[start : start + piece])
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_long_private_creators_are_not_kept() -> None:
    assert held(creators(80, 100_000), 256 * 1024) < MIB


def test_limit_of_private_creators_is_inclusive() -> None:
    how = RewriteProfile(
        IMPLICIT, RewriteOptions(transfer_syntax_uid=EXPLICIT), ScanLimits(maximum_creators=300)
    )
    assert plan_rewrite(creators(300, 4), how).length == 300 * 12
    with pytest.raises(DataSetError, match="more private creators"):
        plan_rewrite(creators(301, 4), how)


def test_creator_of_the_longest_length_there_is_counts() -> None:
    known = b"GEMS_IDEN_01" + b" " * 52  # 64 characters (PS3.5 6.2, LO)
    before = stream("0900 1000 40000000") + known + stream("0900 0110 06000000 'ABCD  '")
    after = rewrite(before, profile(IMPLICIT, EXPLICIT))
    assert after == stream("0900 1000 'LO' 0c00 'GEMS_IDEN_01' 0900 0110 'LO' 0400 'ABCD'")


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(
    "data",
    [
        stream("0800 6000 'CS' 0400 'CT  '") * 400,
        stream("1000 2000 'LO' 0400 'ID  ' 0800 6000 'CS' 0400 'CT  '") * 200,  # disordered
    ],
)
def test_deflated_source_that_changed_meanwhile_is_an_error_of_the_data_set(data: bytes) -> None:
    source = raw_deflate(data)
    plan = plan_rewrite(source, profile(DEFLATED, EXPLICIT))
    for changed in (b"\xff" * len(source), source[: len(source) // 2]):
        with pytest.raises(DataSetError):
            list(rewritten(plan, changed))
