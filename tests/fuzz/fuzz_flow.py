"""Fuzz target: data sets written anew while they come.

The first two bytes of the input choose syntaxes and options, the third how the rest is cut. What
comes out is what the data set becomes as a whole, and at each step what came can be had back.
"""

from __future__ import annotations

import random

from isocenter.dataset.convert import plan_rewrite, rewritten
from isocenter.dataset.flow import Flow
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.dataset.rewrite import Rewriter
from isocenter.errors import DataSetError
from isocenter.record import replace
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image
from isocenter.wire import FileRegion
from tests.fuzz.files import opened
from tests.fuzz.oracle import Limits
from tests.support.variants import broken_variants, variants

LIMITS = Limits(per_byte=2048)
"""What came and what is written are kept at each step."""

_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_OPTIONS = (
    RewriteOptions(),
    RewriteOptions(lengths="undefined"),
    RewriteOptions(lengths="keep"),
    RewriteOptions(group_lengths="remove"),
    RewriteOptions(normalise_values=False),
    RewriteOptions(lengths="undefined", normalise_values=False),
)
_PROFILES = [
    RewriteProfile(source, replace(options, transfer_syntax_uid=target))
    for source in _SYNTAXES
    for target in _SYNTAXES
    for options in _OPTIONS
]
_FLOWING = [profile for profile in _PROFILES if profile.flows]


def seeds() -> list[bytes]:
    """Return small images and data sets of every kind."""
    found = []
    for place, profile in enumerate(_FLOWING):
        image = ct_image(
            transfer_syntax=profile.source_uid, sop_instance_uid="1.2.3", rows=4, columns=4
        )
        found.append(bytes((place, 9)) + image.data_set)
    for place, each in enumerate((*variants(), *broken_variants())):
        if place % 3 == 0 and len(each.data_set) < 1000 and each.transfer_syntax in _SYNTAXES:
            fitting = [
                number
                for number, profile in enumerate(_FLOWING)
                if profile.source_uid == each.transfer_syntax
            ]
            found.append(bytes((fitting[place % len(fitting)], place % 256)) + each.data_set)
    return found


def test_one_input(data: bytes) -> None:
    """Let one data set flow and check what comes out."""
    if len(data) < 2:
        return
    profile = _FLOWING[data[0] % len(_FLOWING)]
    body = data[2:]
    flown = _flown(body, profile, random.Random(data[1]))
    if flown is None:
        return
    try:
        plan = plan_rewrite(body, profile)
    except DataSetError:
        whole = b""
    else:
        whole = b"".join(
            bytes(part) for part in rewritten(plan, body) if not isinstance(part, FileRegion)
        )
    if flown != whole:
        raise AssertionError("it flows into something else")


def _flown(data: bytes, profile: RewriteProfile, generator: random.Random) -> bytes | None:
    """Return what is written, b"" where it cannot be read; None where it has to be whole first."""
    rewriter = Rewriter(profile)
    flow = Flow(rewriter)
    written = bytearray()
    place, came = 0, b""
    try:
        while place < len(data):
            piece = data[place : place + generator.choice((1, 3, 12, 40, 300))]
            place += len(piece)
            # What was fed and not taken is nowhere: so it comes before a failure, too.
            came = data[: place - len(piece)]
            rewriter.feed(piece)
            written += b"".join(flow.take([memoryview(piece)]))
            _amend(written, flow)
            came = data[:place]
            if generator.random() < 0.3:
                _check_back(flow, written, came)
            if not flow.is_possible:
                return None
        rewriter.finish()
    except (CutShort, Unreadable):
        _check_back(flow, written, came)
        return b""
    written += b"".join(flow.finish())
    _amend(written, flow)
    return bytes(written)


def _amend(written: bytearray, flow: Flow) -> None:
    for at, value in flow.amendments():
        if not 0 <= at <= at + len(value) <= len(written):
            raise AssertionError(f"{len(value)} bytes are due at {at} of {len(written)}")
        written[at : at + len(value)] = value


def _check_back(flow: Flow, written: bytearray, came: bytes) -> None:
    """See that what came can be had back."""
    with opened(bytes(written)) as fd:
        parts = []
        for part in flow.restored(FileRegion(fd, 0, len(written))):
            if isinstance(part, FileRegion):
                parts.append(bytes(written[part.offset : part.offset + part.length]))
            else:
                parts.append(bytes(part))
    back = b"".join(parts) + b"".join(flow.unwritten)
    if back != came:
        raise AssertionError(f"{len(back)} bytes are had back, {len(came)} came")
