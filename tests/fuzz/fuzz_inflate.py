"""Fuzz target: deflate streams, as data sets come in them.

The first byte of the input chooses the limits, the second how the rest is cut. Inflating may raise
`Unreadable` and `CutShort` and nothing else, gives no piece beyond 64 KiB, stops within its limits,
and says what zlib says. What is deflated comes out as it was.
"""

from __future__ import annotations

import random
import zlib

from isocenter.dataset.convert import Inflater, InflationLimits, deflated
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.testing import ct_image
from isocenter.testing.datasets import DEFLATED_EXPLICIT_LITTLE
from tests.fuzz.oracle import Limits

_LIMITS = (
    InflationLimits(),
    InflationLimits(maximum_ratio=4, free_length=1000),
    InflationLimits(maximum_ratio=256, free_length=100_000),
)
_PIECE = 64 * 1024
LIMITS = Limits(memory=16 * 1024 * 1024)
"""Three copies of what 4 KiB can become, 1032 times as much, are held to be compared."""


def _deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def seeds() -> list[bytes]:
    """Return streams of several kinds, and a bomb."""
    image = ct_image(
        transfer_syntax=DEFLATED_EXPLICIT_LITTLE, sop_instance_uid="1.2.3", rows=9, columns=9
    )
    streams = (
        image.data_set,
        _deflate(b""),
        _deflate(bytes(2_000_000)),
        _deflate(bytes(range(256))) + b"\0",
        zlib.compress(b"with a header of zlib's"),
        b"\x00\x04\x00\xfb\xffabcd\x03\x00",
    )
    return [bytes((place % 3, place)) + stream for place, stream in enumerate(streams)]


def test_one_input(data: bytes) -> None:
    """Inflate one input, and deflate it, and check what follows from it."""
    if len(data) < 2:
        return
    limits = _LIMITS[data[0] % len(_LIMITS)]
    body = data[2:]
    whole = _inflate(body, limits, None)
    parts = _inflate(body, limits, random.Random(data[1]))
    shorter, longer = sorted((whole[0], parts[0]), key=len)
    if not longer.startswith(shorter):
        raise AssertionError("in pieces something else comes out")
    # How much has gone in counts: more, where all of it is there at once.
    grows = (parts[1] or "").startswith("grows")
    if whole[1] is None and whole != parts and not grows:
        raise AssertionError(f"whole it is well, in pieces {parts[1]}")
    reference = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        expected = reference.decompress(body, len(longer))
    except zlib.error:
        expected = longer
        if whole[1] is None:
            raise AssertionError("zlib cannot inflate it") from None
    if longer != expected[: len(longer)]:
        raise AssertionError("zlib says something else")
    _check_deflating(body, data[1] % 10)


def _inflate(
    data: bytes, limits: InflationLimits, generator: random.Random | None
) -> tuple[bytes, str | None]:
    """Return what came out, and what is wrong."""
    inflater = Inflater(limits)
    out: list[bytes] = []
    place = 0
    try:
        while place < len(data):
            size = generator.choice((1, 2, 7, 50, 1000)) if generator else len(data)
            for piece in inflater.feed(memoryview(data)[place : place + size]):
                if not 0 < len(piece) <= _PIECE:
                    raise AssertionError(f"a piece of {len(piece)} bytes")
                out.append(piece)
            place += size
        inflater.finish()
    except Unreadable as bad:
        return b"".join(out), bad.reason
    except CutShort:
        return b"".join(out), "cut short"
    finally:
        most = max(limits.free_length, limits.maximum_ratio * len(data)) + _PIECE
        if inflater.inflated > most:
            raise AssertionError(f"{inflater.inflated} bytes came out of {len(data)}")
    return b"".join(out), None


def _check_deflating(data: bytes, level: int) -> None:
    stream = b"".join(deflated([data[:5], data[5:]], level))
    if len(stream) % 2:
        raise AssertionError("a deflated data set of odd length")
    out, problem = _inflate(stream, InflationLimits(), None)
    if out != data or problem:
        raise AssertionError(f"deflated it comes back otherwise: {problem}")
