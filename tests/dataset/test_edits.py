"""The same changes give the same result, wherever the bytes are."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dataset.edits import (
    Edits,
    edited_region,
    edited_stream,
    edited_views,
    swap_units,
)
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion
from tests.dataset.streams import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from isocenter.wire import Segment

LETTERS = bytes(range(256))


def joined(segments: Iterable[Segment]) -> bytes:
    """Return what segments hold, each taken before the next is asked for."""
    parts = []
    for segment in segments:
        if isinstance(segment, FileRegion):
            parts.append(os.pread(segment.fd, segment.length, segment.offset))
        else:
            parts.append(bytes(segment))
    return b"".join(parts)


def in_file(edits: Edits, data: bytes, *, lead: int = 3) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * lead + data + b"behind")
        file.flush()
        return joined(edited_region(edits, FileRegion(file.fileno(), lead, len(data))))


@st.composite
def changes(draw: st.DrawFn, size: int) -> tuple[Edits, list[tuple[str, int, int, object]]]:
    """Return changes to so many bytes, and the same as a list."""
    edits = Edits()
    made: list[tuple[str, int, int, object]] = []
    position = 0
    for _ in range(draw(st.integers(0, 6))):
        position = draw(st.integers(position, size))
        length = draw(st.integers(0, size - position))
        if draw(st.booleans()):
            inserted = draw(st.binary(max_size=9))
            edits.replace(position, length, inserted)
            made.append(("replace", position, length, inserted))
        else:
            unit = draw(st.sampled_from([2, 4, 8]))
            padded = bool(length % 2) and draw(st.booleans())
            edits.swap(position, length, unit, padded=padded)
            made.append(("swap", position, length, (unit, padded)))
        position += length
    return edits, made


def simply(data: bytes, made: list[tuple[str, int, int, object]]) -> bytes:
    """Return the result in the simplest way."""
    out, position = b"", 0
    for kind, offset, length, what in made:
        out += data[position:offset]
        value = data[offset : offset + length]
        if kind == "replace":
            assert isinstance(what, bytes)
            value = what
        else:
            assert isinstance(what, tuple)
            unit, padded = what
            value += b"\0" if padded else b""
            whole = len(value) - len(value) % unit
            value = (
                b"".join(value[at : at + unit][::-1] for at in range(0, whole, unit))
                + value[whole:]
            )
        out += value
        position = offset + length
    return out + data[position:]


@given(st.binary(max_size=120), st.data())
def test_changes_give_the_same_in_memory_in_a_file_and_in_pieces(
    data: bytes, drawn: st.DataObject
) -> None:
    edits, made = drawn.draw(changes(len(data)))
    expected = simply(data, made)
    places = drawn.draw(st.lists(st.integers(0, len(data)), max_size=5))
    assert joined(edited_views(edits, memoryview(data))) == expected
    assert in_file(edits, data) == expected
    assert joined(edited_stream(edits, cut(data, places))) == expected
    assert len(data) + edits.growth == len(expected)


def test_changes_that_touch_are_one_segment() -> None:
    edits = Edits()
    for place in range(0, 40, 4):
        edits.replace(place, 4, b"12")
    segments = list(edited_views(edits, memoryview(LETTERS)))
    assert [bytes(segment) for segment in segments] == [b"12" * 10, LETTERS[40:]]


def test_patch_reaches_bytes_inserted_before_others() -> None:
    edits = Edits()
    place = edits.replace(0, 2, b"....")
    edits.replace(2, 2, b"xy")
    edits.replace(9, 1, b"z")
    edits.patch(place + 1, b"PA", 1)
    assert edits.amendments() == []
    assert joined(edited_views(edits, memoryview(LETTERS[:10]))) == (
        b".PA.xy" + LETTERS[4:9] + b"z"
    )


@pytest.mark.parametrize(
    ("length", "unit", "padded", "expected"),
    [
        (3, 2, False, "02 01 03"),  # a rest shorter than a unit stays
        (3, 2, True, "02 01 00 03"),  # the NUL belongs to the last unit
        (7, 4, True, "04 03 02 01 00 07 06 05"),
        (5, 4, True, "04 03 02 01 05 00"),  # 6 bytes are no two units
        (1, 8, True, "01 00"),
        (1, 8, False, "01"),
        (0, 2, False, ""),
    ],
)
def test_swap_of_odd_values(length: int, unit: int, padded: bool, expected: str) -> None:
    data = bytes(range(1, length + 1))
    edits = Edits()
    edits.swap(0, length, unit, padded=padded)
    assert joined(edited_views(edits, memoryview(data))) == bytes.fromhex(expected)
    assert joined(edited_stream(edits, [data])) == bytes.fromhex(expected)
    assert in_file(edits, data) == bytes.fromhex(expected)


@pytest.mark.parametrize("unit", [2, 4, 8])
def test_swap_units(unit: int) -> None:
    data = bytes(range(16))
    expected = b"".join(data[at : at + unit][::-1] for at in range(0, 16, unit))
    assert swap_units(data, unit) == expected


def test_long_value_is_swapped_piece_by_piece(tmp_path: Path) -> None:
    data = os.urandom(3 * 1024 * 1024 + 6)
    edits = Edits()
    edits.swap(0, len(data), 4)
    sizes = [len(piece) for piece in _buffers(edited_views(edits, memoryview(data)))]
    assert max(sizes) <= 1024 * 1024
    path = tmp_path / "value"
    path.write_bytes(data)
    with path.open("rb") as file:
        region = FileRegion(file.fileno(), 0, len(data))
        pieces = list(_buffers(edited_region(edits, region)))
    assert max(map(len, pieces)) <= 1024 * 1024
    assert b"".join(pieces) == swap_units(data[:-2], 4) + data[-2:]


def _buffers(segments: Iterable[Segment]) -> Iterator[bytes]:
    for segment in segments:
        assert not isinstance(segment, FileRegion)
        yield bytes(segment)


def test_long_runs_of_a_file_stay_regions() -> None:
    edits = Edits()
    edits.replace(10, 2, b"new")
    with tempfile.TemporaryFile() as file:
        file.write(bytes(200_000))
        file.flush()
        segments = list(edited_region(edits, FileRegion(file.fileno(), 0, 200_000)))
    assert [type(segment) for segment in segments] == [memoryview, memoryview, FileRegion]
    assert isinstance(segments[-1], FileRegion)
    assert (segments[-1].offset, segments[-1].length) == (12, 199_988)


def test_file_that_became_shorter_is_an_error() -> None:
    edits = Edits()
    edits.swap(0, 100, 2)
    with tempfile.TemporaryFile() as file:
        file.write(bytes(99))
        file.flush()
        with pytest.raises(DataSetError, match="shorter"):
            joined(edited_region(edits, FileRegion(file.fileno(), 0, 100)))


def test_stream_that_ends_before_the_last_change_is_an_error() -> None:
    edits = Edits()
    edits.replace(100, 2, b"new")
    with pytest.raises(DataSetError, match="shorter"):
        joined(edited_stream(edits, [bytes(50), bytes(49)]))
