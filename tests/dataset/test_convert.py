"""Data sets in memory and in files, deflated and not, and how much memory they may take."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from isocenter.dataset.convert import (
    Inflater,
    InflationLimits,
    PlanBuilder,
    deflated,
    pieces_of,
    plan_rewrite,
    rewritten,
)
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.profile import RewriteOptions
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion
from tests.dataset.streams import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    nested,
    profile,
    rewrite,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from isocenter.wire import Segment

MIB = 1024 * 1024
SMALL = stream("0800 6000 'CS' 0400 'CT  '  1000 2000 'LO' 0200 'ID'")


def raw_deflate(data: bytes, level: int = 6) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def joined(segments: Iterable[Segment]) -> bytes:
    parts = []
    for segment in segments:
        if isinstance(segment, FileRegion):
            parts.append(os.pread(segment.fd, segment.length, segment.offset))
        else:
            parts.append(bytes(segment))
    return b"".join(parts)


@contextmanager
def in_file(path: Path, data: bytes) -> Iterator[FileRegion]:
    path.write_bytes(b"head" + data + b"tail")
    fd = os.open(path, os.O_RDONLY)
    try:
        yield FileRegion(fd, 4, len(data))
    finally:
        os.close(fd)


# Deflated.


def test_deflated_result_has_even_length_and_the_level_asked_for() -> None:
    data = SMALL + stream("4000 60a1 'UT' 0000 e8030000") + os.urandom(250).hex().encode() * 2
    normal = rewrite(data, profile(EXPLICIT))
    for level in (None, *range(10)):
        options = RewriteOptions(compression_level=level)
        result = rewrite(data, profile(EXPLICIT, DEFLATED, options))
        expected = raw_deflate(normal, 6 if level is None else level)
        assert result == expected + b"\0" * (len(expected) % 2)


def test_deflated_data_set_in_normal_form_stays_as_it_came() -> None:
    source = raw_deflate(rewrite(SMALL, profile(EXPLICIT)), 1)
    how = profile(DEFLATED)
    plan = plan_rewrite(source, how)
    assert plan.is_identity
    assert plan.source_length == plan.length == len(SMALL) - 2
    assert list(rewritten(plan, source)) == [source]


def test_deflated_data_set_gets_another_level_where_asked_for() -> None:
    source = raw_deflate(rewrite(SMALL, profile(EXPLICIT)), 1)
    options = RewriteOptions(compression_level=9)
    assert not plan_rewrite(source, profile(DEFLATED, options=options)).is_identity


def test_bytes_behind_the_deflate_stream_are_passed_over() -> None:
    for junk in (b"", b"\0", b"junk", raw_deflate(b"another")):
        source = raw_deflate(SMALL) + junk
        assert rewrite(source, profile(DEFLATED, EXPLICIT)) == rewrite(SMALL, profile(EXPLICIT))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "cut short"),
        (raw_deflate(SMALL)[:-4], "cut short"),
        (zlib.compress(SMALL), "no deflate stream"),
        (SMALL, "no deflate stream|cut short"),
    ],
)
def test_what_is_no_deflate_stream_is_an_error(source: bytes, reason: str) -> None:
    with pytest.raises(DataSetError, match=reason):
        plan_rewrite(source, profile(DEFLATED))


def big_value(size: int) -> bytes:
    return stream("e07f 1000 'OB' 0000") + struct.pack("<I", size) + bytes(size)


def test_limit_of_inflated_bytes_that_are_never_too_many_is_inclusive() -> None:
    source = raw_deflate(big_value(10_000 - 12))
    just = InflationLimits(maximum_ratio=1, free_length=10_000)
    assert plan_rewrite(source, profile(DEFLATED), limits=just).source_length == 10_000
    less = InflationLimits(maximum_ratio=1, free_length=9_999)
    with pytest.raises(DataSetError, match="grows more than 1 times"):
        plan_rewrite(source, profile(DEFLATED), limits=less)


def test_limit_of_ratio_is_inclusive() -> None:
    source = raw_deflate(big_value(100_000 - 12))
    ratio = -(-100_000 // len(source))
    just = InflationLimits(maximum_ratio=ratio, free_length=0)
    assert plan_rewrite(source, profile(DEFLATED), limits=just).source_length == 100_000
    with pytest.raises(DataSetError, match="grows more than"):
        plan_rewrite(
            source,
            profile(DEFLATED),
            limits=InflationLimits(maximum_ratio=ratio - 1, free_length=0),
        )


def test_bomb_is_refused_and_takes_little_memory() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflater.compress(big_value(0)[:8] + struct.pack("<I", 0xFFFFFFF0))
    zeros = bytes(4 * MIB)
    for _ in range(64):
        bomb += deflater.compress(zeros)
    bomb += deflater.flush()
    tracemalloc.start()
    try:
        with pytest.raises(DataSetError, match="grows more than 256 times"):
            plan_rewrite(bomb, profile(DEFLATED))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_inflater_gives_pieces_and_counts() -> None:
    inflater = Inflater()
    source = raw_deflate(bytes(200_000)) + b"junk"
    pieces = [piece for at in range(len(source)) for piece in inflater.feed(source[at : at + 1])]
    inflater.finish()
    assert b"".join(pieces) == bytes(200_000)
    assert max(map(len, pieces)) <= 64 * 1024
    assert (inflater.inflated, inflater.unused, inflater.is_complete) == (200_000, 4, True)


def test_inflater_notices_a_stream_that_is_cut() -> None:
    inflater = Inflater()
    assert not b"".join(inflater.feed(b"")).strip()
    with pytest.raises(CutShort):
        inflater.finish()


def test_deflating_pieces_is_deflating_the_whole() -> None:
    data = os.urandom(1000) * 3
    expected = raw_deflate(data)
    for size in (1, 7, 999, 3000):
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        assert b"".join(deflated(pieces, 6)) == expected + b"\0" * (len(expected) % 2)


# Files.


@pytest.mark.parametrize("target", ["", IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("source", [EXPLICIT, DEFLATED])
def test_file_becomes_what_bytes_become(tmp_path: Path, source: str, target: str) -> None:
    data = SMALL + nested(20, undefined=True) + big_value(300_001)
    if source == DEFLATED:
        data = raw_deflate(data)
    how = profile(source, target)
    expected = rewrite(data, how)
    with in_file(tmp_path / "data", data) as region:
        plan = plan_rewrite(region, how)
        assert joined(rewritten(plan, region)) == expected


def test_identity_names_the_whole_file(tmp_path: Path) -> None:
    data = rewrite(SMALL, profile(EXPLICIT)) + big_value(300_000)
    with in_file(tmp_path / "data", data) as region:
        plan = plan_rewrite(region, profile(EXPLICIT))
        assert plan.is_identity
        assert list(rewritten(plan, region)) == [region]


def test_values_of_a_file_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(stream("e07f 1000 'OW' 0000") + struct.pack("<I", 0xFFFFFFF0))
        file.truncate(12 + 0xFFFFFFF0)
    fd = os.open(path, os.O_RDONLY)
    try:
        plan = plan_rewrite(FileRegion(fd, 0, 12 + 0xFFFFFFF0), profile(EXPLICIT, IMPLICIT))
        segments = list(rewritten(plan, FileRegion(fd, 0, 12 + 0xFFFFFFF0)))
    finally:
        os.close(fd)
    assert [segment for segment in segments if isinstance(segment, FileRegion)] == [
        FileRegion(fd, 12, 0xFFFFFFF0)
    ]


def test_file_that_is_shorter_than_said_is_an_error(tmp_path: Path) -> None:
    with in_file(tmp_path / "data", SMALL) as region:
        longer = FileRegion(region.fd, region.offset, region.length + 100)
        with pytest.raises(DataSetError):
            plan_rewrite(longer, profile(EXPLICIT))
        with pytest.raises(DataSetError, match="shorter"):
            list(pieces_of(longer))


# Memory.


def test_limit_of_the_list_of_changes_is_inclusive() -> None:
    data = stream("0900 0110 'OB' 0000 01000000 07") * 1000  # each is padded
    needed = len(plan_rewrite(data, profile(EXPLICIT)).edits)
    just = RewriteOptions(maximum_plan_length=needed)
    assert plan_rewrite(data, profile(EXPLICIT, options=just)).length == 14_000
    less = RewriteOptions(maximum_plan_length=needed - 1)
    with pytest.raises(DataSetError, match="more changes than are kept"):
        plan_rewrite(data, profile(EXPLICIT, options=less))


def test_limit_of_the_list_of_changes_holds_for_conversions() -> None:
    data = stream("1000 2000 'LO' 0200 'ID'") * 1000
    with pytest.raises(DataSetError, match="more changes than are kept"):
        plan_rewrite(data, profile(EXPLICIT, IMPLICIT, RewriteOptions(maximum_plan_length=5_000)))


_ENHANCED = """
import os, resource, struct, sys
from isocenter.dataset.convert import in_order, plan_rewrite, rewritten
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.wire import FileRegion
source, target, undefined = sys.argv[1:4]
order = ">" if source.endswith("2.2") else "<"
def head(tag, vr, length):
    if source.endswith("1.2"):
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)
    if vr == b"SQ":
        return struct.pack(order + "HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length)
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr, length)
def group(tag, vr, body):
    if undefined == "yes":
        item = mark(0xE000, 0xFFFFFFFF) + body + mark(0xE00D, 0)
        return head(tag, b"SQ", 0xFFFFFFFF) + item + mark(0xE0DD, 0)
    return head(tag, b"SQ", 8 + len(body)) + mark(0xE000, len(body)) + body
def mark(element, length):
    return struct.pack(order + "HHI", 0xFFFE, element, length)
position = head(0x00200032, b"DS", 14) + b"-190.0\\\\-372.5 "
body = group(0x00209113, b"SQ", position) + group(0x00289110, b"SQ", position)
item = mark(0xE000, len(body)) + body
with open(sys.argv[4], "wb") as file:
    total = 33_334 * len(item)
    file.write(head(0x52009230, b"SQ", total))
    for _ in range(33_334):
        file.write(item)
size = os.path.getsize(sys.argv[4])
fd = os.open(sys.argv[4], os.O_RDONLY)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
region = FileRegion(fd, 0, size)
profile = RewriteProfile(source, RewriteOptions(transfer_syntax_uid=target))
plan = in_order(plan_rewrite(region, profile), region)
written = 0
for segment in rewritten(plan, region):
    written += segment.length if isinstance(segment, FileRegion) else len(segment)
assert written == plan.length, (written, plan.length)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024, len(plan.edits), plan.is_identity, size)
"""


@pytest.mark.parametrize(
    ("source", "target", "undefined"),
    [
        (EXPLICIT, EXPLICIT, "no"),
        (EXPLICIT, EXPLICIT, "yes"),
        (EXPLICIT, IMPLICIT, "yes"),
        (IMPLICIT, EXPLICIT, "no"),
        (EXPLICIT, BIG, "no"),
    ],
)
def test_100_000_items_take_less_than_64_mib(
    tmp_path: Path, source: str, target: str, undefined: str
) -> None:
    arguments = [source, target, undefined, str(tmp_path / "enhanced")]
    ended = subprocess.run(
        [sys.executable, "-c", _ENHANCED, *arguments], check=True, capture_output=True, text=True
    )
    mebibytes, length, is_identity, _size = ended.stdout.split()
    assert int(mebibytes) < 64
    assert int(length) < 16 * MIB
    assert is_identity == str(source == target and undefined == "no")


def test_64_mib_value_is_swapped_in_little_memory(tmp_path: Path) -> None:
    size = 64 * MIB
    path = tmp_path / "pixels"
    with path.open("wb") as file:
        file.write(stream("e07f 1000 'OW' 0000") + struct.pack("<I", size))
        file.truncate(12 + size)
    fd = os.open(path, os.O_RDONLY)
    region = FileRegion(fd, 0, 12 + size)
    tracemalloc.start()
    try:
        plan = plan_rewrite(region, profile(EXPLICIT, BIG))
        written = sum(map(_size, rewritten(plan, region)))
        assert tracemalloc.get_traced_memory()[1] < 6 * MIB
    finally:
        tracemalloc.stop()
        os.close(fd)
    assert written == plan.length == 12 + size


def _size(segment: Segment) -> int:
    return segment.length if isinstance(segment, FileRegion) else len(segment)


# While it arrives.


def test_builder_tells_values_before_the_end() -> None:
    builder = PlanBuilder(profile(EXPLICIT))
    builder.feed(stream("0800 1800 'UI' 0400 '1.2' 00  1000"))
    assert builder.values == {0x00080018: b"1.2\0"}


def test_builder_of_a_deflated_data_set_refuses_at_once() -> None:
    builder = PlanBuilder(profile(DEFLATED))
    with pytest.raises(Unreadable, match="no deflate stream"):
        builder.feed(b"\xff" * 100)
