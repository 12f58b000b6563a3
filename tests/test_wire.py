"""Buffers and cursors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import PduDecodeError
from isocenter.wire import Cursor, FileRegion, segment_length


def test_cursor_reads_big_endian_fields_in_order() -> None:
    cursor = Cursor(b"\1\2\3\4\5\6\7abrest", pdu="PDU")
    assert cursor.uint8("a") == 1
    assert cursor.uint16("b") == 0x0203
    assert cursor.uint32("c") == 0x04050607
    cursor.skip(1, "d")
    assert cursor.offset == 8
    assert cursor.take(1, "e") == b"b"
    assert cursor.remaining == 4
    assert cursor.rest("f") == b"rest"
    assert cursor.remaining == 0
    assert cursor.rest("g") == b""


def test_cursor_starts_at_an_offset() -> None:
    assert Cursor(b"abc", pdu="PDU", offset=2).rest("x") == b"c"


@pytest.mark.parametrize(("method", "size"), [("uint8", 1), ("uint16", 2), ("uint32", 4)])
def test_short_numbers_name_field_and_offset_and_read_nothing(method: str, size: int) -> None:
    cursor = Cursor(bytes(2 + size - 1), pdu="A-ABORT", offset=2)
    with pytest.raises(PduDecodeError) as caught:
        getattr(cursor, method)("Reason")
    error = caught.value
    assert (error.pdu, error.field, error.offset) == ("A-ABORT", "Reason", 2)
    assert (error.expected, error.found) == (f"{size} bytes", f"{size - 1} left")
    assert cursor.offset == 2


def test_short_takes_and_skips_fail() -> None:
    for call in (Cursor(b"ab", pdu="P").take, Cursor(b"ab", pdu="P").skip):
        with pytest.raises(PduDecodeError, match="expected 3 bytes, found 2 left"):
            call(3, "x")


def test_taken_bytes_are_copies() -> None:
    source = bytearray(b"abc")
    taken = Cursor(source, pdu="P").take(3, "x")
    source[:] = b"xyz"
    assert taken == b"abc"


def test_restriction_narrows_and_is_lifted_after_it_was_consumed() -> None:
    cursor = Cursor(b"abcdef", pdu="P")
    with cursor.restrict_to(4, "outer"):
        with cursor.restrict_to(2, "inner"):
            assert cursor.rest("x") == b"ab"
        assert cursor.remaining == 2
        cursor.skip(2, "y")
    assert cursor.rest("z") == b"ef"


def test_reading_past_a_restriction_fails_although_bytes_follow() -> None:
    cursor = Cursor(b"abcdef", pdu="P")
    with (
        pytest.raises(PduDecodeError, match="expected 3 bytes, found 2 left"),
        cursor.restrict_to(2, "item"),
    ):
        cursor.take(3, "x")


def test_bytes_left_in_a_restriction_are_an_error() -> None:
    cursor = Cursor(b"abcdef", pdu="P")
    with (
        pytest.raises(PduDecodeError, match="item at offset 1: expected end of item, found 2"),
        cursor.restrict_to(3, "item"),
    ):
        cursor.skip(1, "x")


def test_restriction_may_not_exceed_the_one_around_it() -> None:
    cursor = Cursor(b"abcdef", pdu="P")
    with cursor.restrict_to(2, "outer"):
        with (
            pytest.raises(PduDecodeError, match="inner at offset 0: expected at most 2 bytes"),
            cursor.restrict_to(3, "inner"),
        ):
            pass
        cursor.skip(2, "x")


@given(st.binary(max_size=20), st.lists(st.integers(0, 30), max_size=5))
def test_cursor_never_leaves_its_buffer(data: bytes, sizes: list[int]) -> None:
    cursor = Cursor(memoryview(data), pdu="P")
    taken = b""
    for size in sizes:
        if size <= cursor.remaining:
            taken += cursor.take(size, "x")
        else:
            with pytest.raises(PduDecodeError):
                cursor.take(size, "x")
    assert data.startswith(taken)
    assert cursor.offset == len(taken)


@pytest.mark.parametrize(
    ("segment", "length"),
    [
        (b"abc", 3),
        (bytearray(4), 4),
        (memoryview(b"abcdef")[1:3], 2),
        (FileRegion(fd=7, offset=10, length=1 << 33), 1 << 33),
    ],
)
def test_segment_length_counts_bytes(
    segment: bytes | bytearray | memoryview | FileRegion, length: int
) -> None:
    assert segment_length(segment) == length
