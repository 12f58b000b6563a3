"""A scan says where each element is, whatever the pieces, and knows when to stop."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset.headers import UNDEFINED_LENGTH, CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS, Encoding, ScanLimits, Scanner, scan
from tests.dataset.streams import BIG, EXPLICIT, IMPLICIT, cut, data_sets, nested, stream

if TYPE_CHECKING:
    from isocenter.dataset.scan import FoundElement

ENCODING_OF = {
    EXPLICIT: ENCODINGS[True, True],
    IMPLICIT: ENCODINGS[False, True],
    BIG: ENCODINGS[True, False],
}

SEQUENCE = stream(
    """0800 4011 'SQ' 0000 ffffffff
         feff00e0 0a000000  0800 6000 'CS' 0200 'CT'
         feff00e0 ffffffff  1000 2000 'LO' 0000  feff0de0 00000000
       feffdde0 00000000
       e07f 1000 'OB' 0000 04000000 01020304"""
)


def scanned(data: bytes, syntax: str = EXPLICIT) -> list[FoundElement]:
    return scan(data, ENCODING_OF[syntax])


def test_elements_have_tag_vr_place_length_and_depth() -> None:
    assert scanned(SEQUENCE) == [
        (0x00081140, b"SQ", 0, 12, UNDEFINED_LENGTH, 0),
        (0xFFFEE000, b"", 12, 20, 10, 1),
        (0x00080060, b"CS", 20, 28, 2, 2),
        (0xFFFEE000, b"", 30, 38, UNDEFINED_LENGTH, 1),
        (0x00100020, b"LO", 38, 46, 0, 2),
        (0x7FE00010, b"OB", 62, 74, 4, 0),
    ]


def test_fragments_are_items() -> None:
    data = stream(
        """e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102
           feffdde0 00000000"""
    )
    assert scanned(data) == [
        (0x7FE00010, b"OB", 0, 12, UNDEFINED_LENGTH, 0),
        (0xFFFEE000, b"", 12, 20, 0, 1),
        (0xFFFEE000, b"", 20, 28, 2, 1),
    ]


def test_un_of_undefined_length_is_in_implicit_vr() -> None:
    data = stream(
        """0900 0110 'UN' 0000 ffffffff
             feff00e0 0a000000  1000 2000 02000000 'ID'
           feffdde0 00000000"""
    )
    assert scanned(data)[-1] == (0x00100020, b"", 20, 28, 2, 2)


def test_sequence_of_stated_length_is_one_element_in_implicit_vr() -> None:
    data = stream("0800 4011 12000000 feff00e0 0a000000 0800 6000 02000000 'CT'")
    assert scanned(data, IMPLICIT) == [(0x00081140, b"", 0, 8, 18, 0)]


def test_empty_data_set_has_no_elements() -> None:
    assert scanned(b"") == []


@given(st.sampled_from([EXPLICIT, IMPLICIT, BIG]).flatmap(data_sets))
def test_elements_lie_side_by_side(data: bytes) -> None:
    for syntax in ENCODING_OF:
        try:
            found = scanned(data, syntax)
        except (CutShort, Unreadable):
            continue
        assert [each[2] for each in found] == sorted({each[2] for each in found})
        assert all(start < value for _tag, _vr, start, value, _length, _depth in found)


# Nesting, limits.


@pytest.mark.parametrize("undefined", [False, True])
def test_limit_of_depth_is_inclusive(undefined: bool) -> None:
    assert len(scanned(nested(64, undefined=undefined))) == 128
    with pytest.raises(Unreadable, match="more than 64 nested sequences"):
        scanned(nested(65, undefined=undefined))


@pytest.mark.parametrize("undefined", [False, True])
def test_100_000_levels_are_refused_quickly(undefined: bool) -> None:
    data = nested(100_000, undefined=undefined)
    begin = time.perf_counter()
    with pytest.raises(Unreadable, match="more than 64 nested sequences"):
        scanned(data)
    assert time.perf_counter() - begin < 0.5


def test_100_000_levels_can_be_allowed() -> None:
    data = nested(100_000)
    found = scan(data, ENCODING_OF[EXPLICIT], ScanLimits(maximum_depth=100_000))
    assert len(found) == 200_000


class Listener:
    """Wants to see every value."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.values: list[bytes | None] = []

    def pass_plain(self, level: object, data: object, index: int, end: int) -> int:
        """Pass nothing."""
        return index

    def vr(self, level: object, tag: int, vr: bytes, length: int) -> bytes:
        """Take it as it is."""
        return vr or b"LO"

    def wants_value(self, level: object, tag: int, vr: bytes) -> bool:
        """Want all."""
        return True

    def element(self, *arguments: object) -> None:
        """Keep the value."""
        raw = arguments[-1]
        assert raw is None or isinstance(raw, bytes)
        self.values.append(raw)

    def opened(self, *arguments: object) -> None:
        """Hear nothing."""

    fragment = stray = trailing = closed = opened


@pytest.mark.parametrize(("length", "is_seen"), [(100, True), (102, False)])
def test_limit_of_values_is_inclusive(length: int, is_seen: bool) -> None:
    data = stream("4000 60a1 'UT' 0000") + struct.pack("<I", length) + b"A" * length
    listener = Listener()
    scanner = Scanner(ENCODING_OF[EXPLICIT], listener, ScanLimits(maximum_value_length=100))
    for piece in cut(data, [5, 30, 60]):
        scanner.feed(piece)
    scanner.finish()
    assert listener.values == [b"A" * length if is_seen else None]


def test_value_that_comes_byte_by_byte_takes_linear_time() -> None:
    value = b"A" * 120_000
    data = stream("4000 60a1 'UT' 0000") + struct.pack("<I", len(value)) + value
    listener = Listener()
    scanner = Scanner(ENCODING_OF[EXPLICIT], listener)
    begin = time.perf_counter()
    for place in range(0, len(data), 2):
        scanner.feed(data[place : place + 2])
    scanner.finish()
    assert listener.values == [value]
    assert time.perf_counter() - begin < 1


# Skipping.


def test_inside_of_a_value_can_be_skipped() -> None:
    listener = Listener()
    scanner = Scanner(ENCODING_OF[EXPLICIT], listener, ScanLimits(maximum_value_length=0))
    scanner.feed(stream("e07f 1000 'OB' 0000 00100000"))
    assert scanner.position == 12 + 4096
    scanner.skip(4000)
    scanner.feed(bytes(96))
    scanner.finish()
    assert listener.values == [None]


def test_headers_cannot_be_skipped() -> None:
    scanner = Scanner(ENCODING_OF[EXPLICIT], Listener())
    with pytest.raises(ValueError, match="inside of a value"):
        scanner.skip(1)
    scanner.feed(stream("e07f 1000"))
    with pytest.raises(ValueError, match="inside of a value"):
        scanner.skip(1)


# What is wrong.


@pytest.mark.parametrize(
    ("data", "offset", "missing"),
    [
        ("0800 6000 'CS' 0a00 'CT'", 10, 8),
        ("0800 6000 'CS' 0200 'CT' e07f 1000 'OB' 0000 04000000 01", 23, 3),
        ("0800 4011 'SQ' 0000 12000000 feff00e0 0a000000", 20, 10),
    ],
)
def test_cut_data_set_says_where_and_how_much_is_missing(
    data: str, offset: int, missing: int
) -> None:
    for size in (1, 5, 1000):
        raw = stream(data)
        scanner = Scanner(ENCODING_OF[EXPLICIT], Listener())
        with pytest.raises(CutShort) as raised:  # noqa: PT012 - whenever it comes
            for place in range(0, len(raw), size):
                scanner.feed(raw[place : place + size])
            scanner.finish()
        assert raised.value.offset == offset
        assert raised.value.missing == missing


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        ("0800 6000 0102 0200 'CT'", 0, "no value representation"),
        ("1000 2000 'PN' 0000 0800 6000 ff01 0000", 8, "no value representation"),
        ("0800 4011 'SQ' 0000 08000000 0800 6000 'CS' 0000", 12, "between items"),
        ("0800 4011 'SQ' 0000 0c000000 feff00e0 04000000 0800 6000", 20, "less than a header"),
        ("4000 60a1 'UT' 0000 ffffffff 'A '", 0, "no length"),
        ("feff00e0 00000000", 0, "out of place"),
    ],
)
def test_what_is_no_element_says_where_and_why(data: str, offset: int, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as raised:
        scanned(stream(data))
    assert raised.value.offset == offset


def test_there_is_an_encoding_of_each_kind() -> None:
    assert all(isinstance(each, Encoding) for each in ENCODINGS.values())
    assert {(each.explicit, each.little) for each in ENCODINGS.values()} == set(ENCODINGS)
