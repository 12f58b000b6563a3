"""P-DATA-TF: laying out messages, peeling PDVs (PS3.8 9.3.5, annex E)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import PduDecodeError, PeerProtocolError
from isocenter.ul.pdata import (
    MAXIMUM_LENGTH_TOLERANCE,
    UNLIMITED_FRAGMENT_LENGTH,
    MessageLayout,
    PDataReader,
    StreamLayout,
    fragment_length,
)
from isocenter.wire import FileRegion, FramedRegion, segment_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isocenter.wire import Segment, WireSegment

COMMAND, LAST = 1, 2


Layout = MessageLayout | StreamLayout


def streamed(
    context_id: int, command: bytes, data: Iterable[Segment], fragment: int
) -> StreamLayout:
    """Lay out segments that come one by one and do not outlive the next."""
    return StreamLayout(context_id, command, one_by_one(data), fragment)


def one_by_one(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield each buffer in a space that is overwritten before the next."""
    for segment in segments:
        if isinstance(segment, FileRegion):
            yield segment
        else:
            space = bytearray(segment)
            yield memoryview(space)
            space[:] = b"\xee" * len(space)


class Make(Protocol):
    """Makes a layout, whichever kind."""

    def __call__(
        self, context_id: int, command: bytes, data: Sequence[Segment], fragment: int, /
    ) -> Layout: ...


BOTH = pytest.mark.parametrize("make", [MessageLayout, streamed], ids=["sequence", "iterable"])


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def pdu(*pdvs: bytes, length: int | None = None) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body) if length is None else length) + body


Run = tuple[int, bool, bool, bytes]


def peel_all(reader: PDataReader, pieces: Iterable[bytes]) -> list[Run]:
    """Feed pieces one after the other, as a connection does; adjacent parts are joined."""
    runs: list[Run] = []
    left = b""
    for piece in pieces:
        left += piece
        view = memoryview(left)
        position = 0
        while position < len(left):
            event, end = reader.peel(view, position, len(left))
            if event is None and end == position:
                break
            position = end
            if event is not None:
                data = b"".join(event.fragments)
                assert len(data) == event.length
                runs.append((event.context_id, event.is_command, event.is_last, data))
        left = left[position:]
    return joined(runs)


def joined(runs: Iterable[Run]) -> list[Run]:
    out: list[Run] = []
    for run in runs:
        if out and not out[-1][2] and out[-1][:2] == run[:2]:
            out[-1] = (run[0], run[1], run[2], out[-1][3] + run[3])
        else:
            out.append(run)
    return out


def lay_out(layout: Layout, batch: int = 1 << 20) -> list[WireSegment]:
    out: list[WireSegment] = []
    while not layout.done:
        segments = layout.next_batch(batch)
        assert segments
        out += segments
    return out


def as_bytes(segments: Iterable[WireSegment], files: dict[int, bytes] | None = None) -> bytes:
    out = bytearray()
    for segment in segments:
        if isinstance(segment, FileRegion):
            assert files is not None
            out += files[segment.fd][segment.offset : segment.offset + segment.length]
        elif isinstance(segment, FramedRegion):
            assert files is not None
            for piece in range(segment.pieces):
                start = segment.offset + piece * segment.size
                out += segment.header + files[segment.fd][start : start + segment.size]
        else:
            out += segment
    return bytes(out)


def split_pdus(stream: bytes) -> list[bytes]:
    out = []
    while stream:
        assert stream[0] == 4
        length = int.from_bytes(stream[2:6], "big")
        out.append(stream[6 : 6 + length])
        assert len(out[-1]) == length
        stream = stream[6 + length :]
    return out


# --- fragment length ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maximum", "own", "expected"),
    [
        (0, None, UNLIMITED_FRAGMENT_LENGTH),
        (16384, None, 16372),
        (16382, None, 16370),
        (16383, None, 16370),
        (4096, None, 4084),
        (131072, None, 131060),
        (0xFFFFFFFF, None, UNLIMITED_FRAGMENT_LENGTH),
        (0, 4096, 4084),
        (16384, 4096, 4084),
        (4096, 16384, 4084),
        (0, 1 << 30, UNLIMITED_FRAGMENT_LENGTH),
        (8, None, 2),
        (9, None, 2),
        (13, None, 6),
        (14, None, 2),
        (16, None, 4),
    ],
)
def test_fragment_length_leaves_room_for_both_headers(
    maximum: int, own: int | None, expected: int
) -> None:
    assert fragment_length(maximum, own) == expected


@pytest.mark.parametrize("maximum", range(1, 8))
def test_maximum_length_without_room_for_two_bytes_is_the_peers_error(maximum: int) -> None:
    with pytest.raises(PeerProtocolError, match=f"maximum length {maximum} ") as caught:
        fragment_length(maximum)
    assert caught.value.abort_reason == 6


@given(st.integers(8, 1 << 32), st.none() | st.integers(4096, 131072))
def test_fragments_are_even_and_their_pdu_fits_every_limit(maximum: int, own: int | None) -> None:
    fragment = fragment_length(maximum, own)
    assert fragment >= 2
    assert fragment % 2 == 0
    assert fragment + 6 <= min(maximum, own or maximum)


# --- laying out -----------------------------------------------------------------------------


@pytest.mark.parametrize("fragment", [2, 4, 6, 100, 4084])
@pytest.mark.parametrize("pieces", [1, 2, 3])
@BOTH
def test_message_is_laid_out_at_sizes_around_the_fragment_length(
    make: Make, fragment: int, pieces: int
) -> None:
    command = b"C" * (fragment + 2)
    for size in {0, 1, 2, fragment - 1, fragment, fragment + 1, 2 * fragment, 3 * fragment + 1}:
        data = bytes(i % 251 for i in range(size))
        step = max(1, size // pieces)
        segments = [data[i : i + step] for i in range(0, size, step)]
        stream = as_bytes(lay_out(make(3, command, segments, fragment)))
        bodies = split_pdus(stream)
        assert max(map(len, bodies)) <= fragment + 6
        assert peel_all(PDataReader(0), [stream]) == [
            (3, True, True, command),
            (3, False, True, data),
        ]
        # As few PDUs as there can be; an empty data set still has its last fragment.
        assert len(bodies) == 2 + max(1, -(-size // fragment))


def test_message_without_data_set_has_no_data_fragment() -> None:
    stream = as_bytes(lay_out(MessageLayout(1, b"command!", None, 100)))
    assert stream == pdu(pdv(1, COMMAND | LAST, b"command!"))


@BOTH
def test_empty_data_set_is_one_empty_last_fragment(make: Make) -> None:
    stream = as_bytes(lay_out(make(1, b"command!", [], 100)))
    assert stream == pdu(pdv(1, COMMAND | LAST, b"command!")) + pdu(pdv(1, LAST, b""))
    stream = as_bytes(lay_out(make(1, b"command!", [b"", memoryview(b"")], 100)))
    assert stream.endswith(pdu(pdv(1, LAST, b"")))


@BOTH
def test_command_and_first_data_come_in_one_batch(make: Make) -> None:
    layout = make(1, b"command!", [b"data"], 100)
    assert as_bytes(layout.next_batch(1 << 20)).endswith(pdu(pdv(1, LAST, b"data")))
    assert layout.done


def test_whole_buffers_are_handed_on_without_a_view() -> None:
    data = bytes(100)
    segments = lay_out(MessageLayout(1, b"command!", [data], 100))
    assert segments[-1] is data


@BOTH
@given(
    sizes=st.lists(st.integers(0, 40), max_size=6),
    fragment=st.integers(1, 10).map(lambda n: 2 * n),
    batch=st.integers(1, 100),
    data=st.data(),
)
def test_any_segments_of_memory_and_files_come_out_as_one_data_set(
    make: Make,
    sizes: Sequence[int],
    fragment: int,
    batch: int,
    data: st.DataObject,
) -> None:
    files = {7: bytes(range(200))}
    segments: list[Segment] = []
    for size in sizes:
        if data.draw(st.booleans()):
            segments.append(FileRegion(7, data.draw(st.integers(0, 200 - size)), size))
        else:
            segments.append(memoryview(data.draw(st.binary(min_size=size, max_size=size))))
    expected = as_bytes(segments, files)
    laid_out = lay_out(make(255, b"xy", segments, fragment), batch)
    assert all(segment_length(segment) for segment in laid_out)
    assert peel_all(PDataReader(0), [as_bytes(laid_out, files)]) == [
        (255, True, True, b"xy"),
        (255, False, True, expected),
    ]
    assert as_bytes(laid_out, files) == as_bytes(
        lay_out(MessageLayout(255, b"xy", [expected], fragment))
    )


@BOTH
def test_four_gibibytes_are_laid_out_a_batch_at_a_time(make: Make) -> None:
    size = 1 << 32
    layout = make(1, b"command!", [FileRegion(3, 0, size)], 16372)
    batch = layout.next_batch(256 * 1024)
    # Command, then 17 PDUs at most for 256 KiB, two segments each.
    assert len(batch) <= 2 + 2 * 17
    assert all(len(layout.next_batch(256 * 1024)) <= 2 * 17 for _ in range(100))
    assert not layout.done


@BOTH
def test_batch_ends_at_a_pdu_and_gives_one_at_least(make: Make) -> None:
    layout = make(1, b"command!", [bytes(1000)], 100)
    while not layout.done:
        assert len(split_pdus(as_bytes(layout.next_batch(1)))) == 1


@pytest.mark.parametrize("size", [1, 40, 200, 5000])
def test_iterable_is_asked_one_fragment_and_one_segment_ahead_at_most(size: int) -> None:
    asked = 0

    def source() -> Iterator[bytes]:
        nonlocal asked
        for _ in range(100_000 // size):
            asked += size
            yield bytes(size)

    fragment, batch, handed_out = 100, 1000, 0
    layout = StreamLayout(1, b"command!", source(), fragment)
    assert asked == 0
    while not layout.done:
        segments = layout.next_batch(batch)
        handed_out += sum(map(segment_length, segments))
        assert asked <= handed_out + fragment + size
    assert asked == 100_000 // size * size


def test_short_pieces_of_an_iterable_are_joined() -> None:
    layout = StreamLayout(1, b"command!", iter([b"x"] * 1000), 100)
    segments = lay_out(layout)
    assert len(segments) <= 3 * (2 + 10)


def test_whole_buffers_of_an_iterable_are_not_copied() -> None:
    first, second = bytes(5000), bytes(4000)
    segments = lay_out(StreamLayout(1, b"command!", iter([first, second]), 5000))
    assert any(segment is first for segment in segments)
    assert segments[-1] is second


def test_what_an_iterable_raises_comes_out() -> None:
    def source() -> Iterator[bytes]:
        yield bytes(1000)
        raise OSError("disk on fire")

    layout = StreamLayout(1, b"command!", source(), 100)
    layout.next_batch(500)
    with pytest.raises(OSError, match="disk on fire"):
        layout.next_batch(1000)


# --- peeling --------------------------------------------------------------------------------


SEVERAL = pdu(
    pdv(1, COMMAND, b"abc"),
    pdv(1, COMMAND | LAST, b"def"),
    pdv(3, 0, b""),
    pdv(3, 0, b"x"),
    pdv(5, 0, b"other"),
    pdv(3, LAST, b""),
) + pdu(pdv(5, LAST, b"odd"))
SEVERAL_RUNS = [
    (1, True, True, b"abcdef"),
    (3, False, False, b"x"),
    (5, False, False, b"other"),
    (3, False, True, b""),
    (5, False, True, b"odd"),
]


def test_runs_end_where_context_or_kind_change_and_at_a_last_fragment() -> None:
    assert peel_all(PDataReader(0), [SEVERAL]) == SEVERAL_RUNS


def test_byte_by_byte_gives_the_same_runs() -> None:
    pieces = [SEVERAL[i : i + 1] for i in range(len(SEVERAL))]
    assert peel_all(PDataReader(0), pieces) == SEVERAL_RUNS


PDVS = st.tuples(st.sampled_from([1, 3, 255]), st.integers(0, 3), st.binary(max_size=9)).map(
    lambda args: pdv(*args)
)


@given(st.lists(st.lists(PDVS, min_size=1, max_size=4), max_size=5), st.data())
def test_any_split_gives_the_same_runs(pdus: list[list[bytes]], data: st.DataObject) -> None:
    stream = b"".join(pdu(*pdvs) for pdvs in pdus)
    whole = peel_all(PDataReader(0), [stream])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader = PDataReader(0)
    assert peel_all(reader, pieces) == whole
    assert not reader.inside_pdu


def test_unknown_bits_of_the_control_header_are_ignored() -> None:
    assert peel_all(PDataReader(0), [pdu(pdv(1, 0xFC | COMMAND | LAST, b"a"))]) == [
        (1, True, True, b"a")
    ]


def test_fragment_is_delivered_before_it_is_complete() -> None:
    reader = PDataReader(0)
    stream = pdu(pdv(1, LAST, bytes(1000)))
    event, position = reader.peel(memoryview(stream), 0, 500)
    assert event is not None
    assert (event.length, event.is_last, position) == (500 - 12, False, 500)
    assert reader.inside_pdu
    event, position = reader.peel(memoryview(stream), 500, len(stream))
    assert event is not None
    assert (event.length, event.is_last, position) == (1000 - 488, True, len(stream))
    assert not reader.inside_pdu


def test_headers_stay_unread_until_they_are_whole() -> None:
    stream = pdu(pdv(1, LAST, b"x"))
    for size in range(1, 6):
        assert PDataReader(0).peel(memoryview(stream), 0, size) == (None, 0)
    for size in range(6, 12):
        assert PDataReader(0).peel(memoryview(stream), 0, size) == (None, 6)


def test_another_pdu_type_ends_the_run() -> None:
    stream = pdu(pdv(1, 0, b"x")) + b"\5\0\0\0\0\4\0\0\0\0"
    event, position = PDataReader(0).peel(memoryview(stream), 0, len(stream))
    assert event is not None
    assert position == 13


def test_empty_fragments_without_end_cost_nothing() -> None:
    stream = pdu(pdv(1, 0, b"")) * 1000
    assert peel_all(PDataReader(0), [stream]) == []


# --- violations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "field", "offset"),
    [
        pytest.param(pdu(length=0), "PDU-length", 2, id="empty PDU"),
        pytest.param(pdu(length=5), "PDU-length", 2, id="no room for a PDV"),
        pytest.param(pdu(length=0xFFFFFFFF), "PDU-length", 2, id="4 GiB PDU"),
        pytest.param(pdu(b"\0\0\0\0\1\0"), "PDV item-length", 6, id="PDV of 0"),
        pytest.param(pdu(b"\0\0\0\1\1\0"), "PDV item-length", 6, id="PDV of 1"),
        pytest.param(pdu(b"\0\0\0\3\1\0"), "PDV item-length", 6, id="PDV longer than its PDU"),
        pytest.param(pdu(b"\xff\xff\xff\xff\1\0"), "PDV item-length", 6, id="4 GiB PDV"),
        pytest.param(pdu(pdv(1, 0, b"abc"), b"\0\0\0\1\1\0"), "PDV item-length", 15, id="second"),
        pytest.param(pdu(pdv(1, 0, b"abc"), b"\0\0\0\2\1"), "PDV", 15, id="rest of 5"),
        pytest.param(pdu(pdv(1, 0, b"abc"), b"\0"), "PDV", 15, id="rest of 1"),
        pytest.param(pdu(pdv(1, 0, b"abc"), b"\0") + bytes(9), "PDV", 15, id="rest, then more"),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_wrong_length_is_an_error_with_its_offset(
    stream: bytes, field: str, offset: int, *, bytewise: bool
) -> None:
    pieces = [stream[i : i + 1] for i in range(len(stream))] if bytewise else [stream]
    with pytest.raises(PduDecodeError) as caught:
        peel_all(PDataReader(16384), pieces)
    error = caught.value
    assert (error.pdu, error.field, error.offset) == ("P-DATA-TF", field, offset)
    assert error.abort_reason == 6


def test_limit_has_room_for_peers_that_do_not_count_headers() -> None:
    limit = 4096 + MAXIMUM_LENGTH_TOLERANCE
    fits = pdu(pdv(1, LAST, bytes(limit - 6)))
    assert peel_all(PDataReader(4096), [fits]) == [(1, False, True, bytes(limit - 6))]
    with pytest.raises(PduDecodeError, match=f"6 to {limit} bytes, found {limit + 1} bytes"):
        peel_all(PDataReader(4096), [pdu(pdv(1, LAST, bytes(limit - 5)))])


def test_without_a_limit_any_length_is_read() -> None:
    header = struct.pack(">BxIIBB", 4, 0xFFFFFFFF, 0xFFFFFFFB, 1, 0)
    assert peel_all(PDataReader(0), [header, b"abc"]) == [(1, False, False, b"abc")]


@given(st.binary(max_size=60), st.sampled_from([0, 16, 16384]))
def test_any_bytes_are_runs_or_one_named_error(data: bytes, limit: int) -> None:
    error = None
    try:
        peel_all(PDataReader(limit), [b"\4" + data])
    except PduDecodeError as caught:
        error = caught
    assert error is None or 2 <= error.offset <= 7 + len(data)
