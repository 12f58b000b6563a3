"""Fuzz target: P-DATA-TF, peeled out of a stream in one window and in many.

The first byte of the input chooses the maximum length, the second how the rest is cut. Peeling may
raise `PduDecodeError` and nothing else, and where the stream is cut changes nothing about what
comes out. With an odd first byte the rest is a message that is laid out, in both ways that there
are, and read back.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from isocenter.errors import PduDecodeError
from isocenter.ul.pdata import MessageLayout, PDataReader, StreamLayout, small_message
from isocenter.wire import FileRegion, FramedRegion
from tests.ul.engines import data_pdu

if TYPE_CHECKING:
    from typing import TypeAlias

    Part: TypeAlias = tuple[int, bool, bool, bytes]

_MAXIMUM_LENGTHS = (0, 16384, 100, 20, 4)


def seeds() -> list[bytes]:
    """Return streams of PDUs with one PDV or several, and messages to be laid out."""
    pdvs = b"".join(
        (len(part) + 2).to_bytes(4, "big") + bytes((3, control)) + part
        for control, part in ((1, b"command"), (3, b"its end"), (0, b"data"), (2, b""))
    )
    stream = b"\4\0" + len(pdvs).to_bytes(4, "big") + pdvs
    stream += data_pdu(bytes(40), control=0) + data_pdu(b"", control=2) + b"\5\0\0\0\0\4"
    heads = [bytes((2 * choice, 7)) for choice in range(len(_MAXIMUM_LENGTHS))]
    return [head + stream for head in heads] + [b"\1\5" + bytes(range(100)), b"\1\2ab"]


def test_one_input(data: bytes) -> None:
    """Peel or lay out one input and check what follows from it."""
    if len(data) < 2:
        return
    if data[0] & 1:
        _check_layouts(data[1] % 8 * 2 + 2, data[2:])
        return
    maximum = _MAXIMUM_LENGTHS[data[0] // 2 % len(_MAXIMUM_LENGTHS)]
    whole, error = _peel(data[2:], maximum, None)
    parts, other_error = _peel(data[2:], maximum, random.Random(data[1]))
    if error != other_error:
        raise AssertionError(f"whole {error}, in pieces {other_error}")
    # A run that ends with an error is lost with it; the same in smaller pieces came before.
    if error is None and whole != parts:
        raise AssertionError(f"whole {whole}, in pieces {parts}")


def _peel(
    data: bytes, maximum: int, generator: random.Random | None
) -> tuple[list[Part], str | None]:
    """Return parts of messages, each whole or as far as it came, and what is wrong."""
    reader = PDataReader(maximum)
    window = memoryview(data)
    parts: list[Part] = []
    start, end = 0, len(data) if generator is None else 0
    while True:
        try:
            run, position = reader.peel(window, start, end)
        except PduDecodeError as error:
            return parts, str(error)
        if not start <= position <= end:
            raise AssertionError(f"stopped at {position}, given {start} to {end}")
        start = position
        if run is not None:
            joined = b"".join(run.fragments)
            if len(joined) != run.length:
                raise AssertionError(f"{run.length} bytes announced, {len(joined)} are there")
            kind = (run.context_id, run.is_command)
            if parts and parts[-1][:2] == kind and not parts[-1][2]:
                joined = parts.pop()[3] + joined
            parts.append((*kind, run.is_last, joined))
        elif end == len(data):
            return parts, None
        else:
            assert generator is not None
            end = min(end + generator.choice((1, 2, 5, 6, 12, 100)), len(data))


def _check_layouts(fragment: int, data: bytes) -> None:
    command, rest = data[:20] or b"c", data[20:]
    one = _bytes(MessageLayout(1, command, [rest], fragment), 1 + len(data) % 64)
    other = _bytes(StreamLayout(1, command, [rest[:9], rest[9:]], fragment), 50)
    if one != other:
        raise AssertionError("two layouts of one message differ")
    short = small_message(1, command, [rest], fragment)
    if short is not None and b"".join(map(_as_bytes, short)) != one:
        raise AssertionError("the layout of a short message differs")
    parts, error = _peel(one, fragment + 12, random.Random(fragment))
    if error is not None or parts != [(1, True, True, command), (1, False, True, rest)]:
        raise AssertionError(f"read back as {parts}, {error}")


def _bytes(layout: MessageLayout | StreamLayout, room: int) -> bytes:
    found = []
    while not layout.done:
        found += layout.next_batch(room)
    return b"".join(map(_as_bytes, found))


def _as_bytes(segment: object) -> bytes:
    assert not isinstance(segment, (FileRegion, FramedRegion))
    return bytes(segment)  # type: ignore[call-overload, no-any-return] # a buffer
