"""The comparison of files, which other tests trust: each kind of difference is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from isocenter.testing.datasets import encode_file_meta
from tests.support import part10

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = ct_image(rows=4, columns=4)
UIDS = IMAGE.sop_class_uid, IMAGE.sop_instance_uid, IMAGE.transfer_syntax


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return IMAGE.write(tmp_path / "original")


def test_a_file_equals_itself(original: Path) -> None:
    assert part10.compare(original, original) == []


def test_another_implementation_is_no_difference(original: Path, tmp_path: Path) -> None:
    data = original.read_bytes().replace(b"2.25.170142601\0"[:14], b"2.25.170142602")
    (tmp_path / "other").write_bytes(data)
    assert part10.compare(original, tmp_path / "other") == []
    assert part10.compare(original, tmp_path / "other", ignore=()) != []


@pytest.mark.parametrize("offset", [0, 127, 180, 200, -1, -100])
def test_a_changed_byte_is_found(original: Path, tmp_path: Path, offset: int) -> None:
    data = bytearray(original.read_bytes())
    data[offset] ^= 1
    (tmp_path / "other").write_bytes(data)
    assert part10.compare(original, tmp_path / "other") != []


def test_a_missing_byte_is_found(original: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(original.read_bytes()[:-1])
    assert "bytes" in part10.compare(original, tmp_path / "other")[0]


def test_an_element_more_in_the_meta_is_found(original: Path, tmp_path: Path) -> None:
    meta = encode_file_meta(*UIDS, extra=[(0x00020016, "AE", "TITLE")])
    (tmp_path / "other").write_bytes(meta + IMAGE.data_set)
    assert "00020016" in part10.compare(original, tmp_path / "other")[0]


def test_a_wrong_group_length_is_found(original: Path, tmp_path: Path) -> None:
    data = bytearray(original.read_bytes())
    data[140] += 2
    (tmp_path / "other").write_bytes(data)
    assert "group length" in part10.compare(original, tmp_path / "other")[0]
