"""Fuzz target: data sets that are planned and written anew.

The first two bytes choose transfer syntax, target and options. Planning may raise
`DataSetError` and nothing else; what is planned is written to its end and is as long as the
plan says; pieces, a file and bytes in memory come to the same; what was written can be read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from isocenter.dataset.convert import PlanBuilder, in_order, plan_rewrite, rewritten
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.errors import DataSetError
from isocenter.record import replace
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from isocenter.wire import FileRegion
from tests.fuzz.oracle import Limits
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from isocenter.dataset.plan import RewritePlan

SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)

_OPTIONS = (
    RewriteOptions(),
    RewriteOptions(lengths="undefined"),
    RewriteOptions(group_lengths="create"),
    RewriteOptions(file_padding=64, item_padding=30),
    RewriteOptions(convert_un=True),
    RewriteOptions(new_vrs=False),
    RewriteOptions(normalise_values=False, lengths="keep"),
    RewriteOptions(group_lengths="remove", convert_un=True),
)

_PROFILES = [
    RewriteProfile(source, replace(options, transfer_syntax_uid=target))
    for options in _OPTIONS
    for source in SYNTAXES
    for target in SYNTAXES
]


SEEDS = [
    each
    for each in (*variants(), *broken_variants())
    if len(each.data_set) < 2_000 and each.transfer_syntax in SYNTAXES
]

LIMITS = Limits(per_byte=1024)
"""A run of zeros is deflated to a thousandth, and the target compares three results."""


def seed_bytes(index: int, choice: int, piece: int) -> bytes:
    """Return a data set in front of which its own syntax is chosen, and any target and options."""
    seed = SEEDS[index]
    source = SYNTAXES.index(seed.transfer_syntax)
    options, target = divmod(choice, 4)
    return bytes([options * 16 + source * 4 + target, piece]) + seed.data_set


def seeds() -> list[bytes]:
    """Return each of the data sets once, with one target and one of the options after the other."""
    return [seed_bytes(index, index % 32, 1 + index % 50) for index in range(len(SEEDS))]


def test_one_input(data: bytes) -> None:
    """Rewrite one input and check what follows from it."""
    if len(data) < 2:
        return
    profile = _PROFILES[data[0] % len(_PROFILES)]
    piece = data[1] or 1
    data = data[2:]
    whole = _in_memory(data, profile)
    pieces = _in_pieces(data, profile, piece)
    # Of a damaged deflate stream the pieces decide how much is inflated before that shows.
    are_alike = isinstance(whole, tuple) and isinstance(pieces, tuple)
    if whole != pieces and not (are_alike and profile.source_uid == SYNTAXES[3]):
        raise AssertionError("in pieces it becomes something else")
    if whole != _in_file(data, profile):
        raise AssertionError("in a file it becomes something else")
    keeps_vrs = profile.target.explicit or not profile.source.explicit
    if isinstance(whole, bytes) and keeps_vrs and not profile.options.convert_un:
        # Whatever came, what goes out is a data set. Without its VR, or with one more chance
        # to get another one, an element may turn out to be a sequence that is none.
        again = RewriteProfile(profile.target_uid, profile.options)
        plan_rewrite(whole, again)


def _joined(plan: RewritePlan, source: bytes | FileRegion) -> bytes:
    parts = []
    for segment in rewritten(plan, source):
        if isinstance(segment, FileRegion):
            parts.append(os.pread(segment.fd, segment.length, segment.offset))
        else:
            parts.append(bytes(segment))
    result = b"".join(parts)
    is_deflated = plan.profile.target_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    if not is_deflated and len(result) != plan.length:
        raise AssertionError(f"{len(result)} bytes, planned otherwise")
    return result


def _in_memory(data: bytes, profile: RewriteProfile) -> bytes | tuple[str, int | None]:
    try:
        plan = plan_rewrite(data, profile)
    except DataSetError as error:
        return (error.reason, error.offset)
    return _joined(plan, data)


def _in_pieces(data: bytes, profile: RewriteProfile, size: int) -> bytes | tuple[str, int | None]:
    builder = PlanBuilder(profile)
    try:
        for start in range(0, len(data), size):
            builder.feed(memoryview(data)[start : start + size])
        plan = in_order(builder.finish(), data)
    except CutShort as cut:
        return (f"cut short: {cut.missing} bytes of an element are missing", cut.offset)
    except Unreadable as bad:
        return (f"cannot be read: {bad.reason}", bad.offset)
    return _joined(plan, data)


def _in_file(data: bytes, profile: RewriteProfile) -> bytes | tuple[str, int | None]:
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, data)
        region = FileRegion(fd, 0, len(data))
        try:
            plan = plan_rewrite(region, profile)
        except DataSetError as error:
            return (error.reason, error.offset)
        return _joined(plan, region)
    finally:
        os.close(fd)
