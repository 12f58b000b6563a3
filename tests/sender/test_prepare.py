"""One file made ready to be sent."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import DataSetError
from isocenter.sender.prepare import DATA_SET_ONLY, FILE_ONLY, identify, prepare
from isocenter.testing.datasets import DEFLATED_EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image
from isocenter.wire import FileRegion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.wire import Segment

SMALL, BIG = 64, 800
"""Rows and columns: 8 KiB, read at once, and 512 KiB, of which only the head is."""


def bytes_of(segments: tuple[Segment, ...]) -> bytes:
    return b"".join(
        os.pread(segment.fd, segment.length, segment.offset)
        if isinstance(segment, FileRegion)
        else bytes(segment)
        for segment in segments
    )


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_data_set_is_sent_as_it_is(tmp_path: Path, size: int) -> None:
    image = ct_image(transfer_syntax=IMPLICIT_LITTLE, rows=size, columns=size)
    prepared = prepare(str(image.write(tmp_path / "ct")))
    assert prepared.sop_class_uid == image.sop_class_uid
    assert prepared.sop_instance_uid == image.sop_instance_uid
    assert prepared.transfer_syntax_uid == IMPLICIT_LITTLE
    assert prepared.length == len(image.data_set)
    assert bytes_of(prepared.data) == image.data_set
    prepared.check_unchanged()
    prepared.close()
    prepared.close()


def test_small_file_is_closed_at_once_and_big_one_when_asked(tmp_path: Path) -> None:
    small = str(ct_image().write(tmp_path / "small"))
    big = str(ct_image(rows=BIG, columns=BIG).write(tmp_path / "big"))
    before = len(os.listdir("/proc/self/fd"))
    prepare(small)
    assert len(os.listdir("/proc/self/fd")) == before
    prepared = prepare(big)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert isinstance(prepared.data[0], FileRegion)
    prepared.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("missing", [1, 1000])
def test_file_cut_short_is_refused_and_closed(tmp_path: Path, size: int, missing: int) -> None:
    path = tmp_path / "cut"
    path.write_bytes(ct_image(rows=size, columns=size).part10()[:-missing])
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(DataSetError, match=f"cut short: {missing} bytes"):
        prepare(str(path))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("change", ["truncated", "grown", "rewritten"])
def test_big_file_that_changes_while_it_waits_is_noticed(tmp_path: Path, change: str) -> None:
    path = ct_image(rows=BIG, columns=BIG).write(tmp_path / "ct")
    prepared = prepare(str(path))
    size = path.stat().st_size
    if change == "rewritten":
        os.utime(path, ns=(1, 1))
    else:
        os.truncate(path, size // 2 if change == "truncated" else size * 2)
    with pytest.raises(DataSetError, match="changed"):
        prepared.check_unchanged()
    prepared.close()


def test_big_file_removed_while_it_waits_is_still_whole(tmp_path: Path) -> None:
    image = ct_image(rows=BIG, columns=BIG)
    path = image.write(tmp_path / "ct")
    prepared = prepare(str(path))
    path.unlink()
    prepared.check_unchanged()
    assert bytes_of(prepared.data) == image.data_set
    prepared.close()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(str(tmp_path / "missing"))


@pytest.mark.parametrize("content", [b"", b"no DICOM at all, but long enough to look into"])
def test_other_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(DataSetError, match="not a DICOM file"):
        prepare(str(tmp_path / "other"))


@pytest.mark.parametrize("function", [prepare, identify])
@pytest.mark.parametrize("uid", [b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.826.0.1.3680043.8.498."])
def test_uid_that_a_command_set_cannot_carry_is_refused(
    tmp_path: Path, function: Callable[[str], object], uid: bytes
) -> None:
    whole = ct_image(sop_instance_uid="1.2.826.0.1.3680043.8.498.1").part10()
    assert uid in whole
    (tmp_path / "ct").write_bytes(whole.replace(uid, b"\xe9" + uid[1:]))
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(DataSetError, match="UID has characters beyond ASCII: 'é"):
        function(str(tmp_path / "ct"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_named_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataSetError, match="not a regular file"):
        prepare(str(tmp_path / "pipe"))


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="not a regular file"):
        prepare(str(tmp_path))


def test_raw_data_set(tmp_path: Path) -> None:
    image = ct_image()
    (tmp_path / "raw").write_bytes(image.data_set)
    prepared = prepare(str(tmp_path / "raw"))
    assert bytes_of(prepared.data) == image.data_set
    for function in (prepare, identify):
        with pytest.raises(DataSetError, match="File meta information header missing"):
            function(str(tmp_path / "raw"), form=FILE_ONLY)


def test_identify_reads_the_uids_alone(tmp_path: Path) -> None:
    image = ct_image(rows=BIG, columns=BIG)
    path = tmp_path / "cut"
    path.write_bytes(image.part10()[:100_000])
    identity = identify(str(path))
    assert identity.sop_class_uid == image.sop_class_uid
    assert identity.head is None


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_deflated_data_set_of_odd_length_is_padded(tmp_path: Path, size: int) -> None:
    image = ct_image(rows=size, columns=size)
    packer = zlib.compressobj(0, wbits=-zlib.MAX_WBITS)
    deflated = packer.compress(image.data_set) + packer.flush()
    # A byte behind the end of the stream makes it odd where it is not.
    deflated += b"\0" * (1 - len(deflated) % 2)
    file = replace(image, transfer_syntax=DEFLATED_EXPLICIT_LITTLE, data_set=deflated).write(
        tmp_path / "ct"
    )
    prepared = prepare(str(file))
    assert prepared.length == len(deflated) + 1
    assert bytes_of(prepared.data) == deflated + b"\0"
    prepared.close()


def test_other_data_set_of_odd_length_is_marked(tmp_path: Path) -> None:
    image = ct_image()
    file = image.write(tmp_path / "ct")
    assert not prepare(str(file)).is_odd
    with file.open("ab") as out:
        out.write(struct.pack("<HH2sH", 0x7FE1, 0x0010, b"LO", 1) + b"A")
    assert prepare(str(file)).is_odd


def test_data_set_alone(tmp_path: Path) -> None:
    image = ct_image()
    (tmp_path / "raw").write_bytes(image.data_set)
    image.write(tmp_path / "file")
    for function in (prepare, identify):
        function(str(tmp_path / "raw"), form=DATA_SET_ONLY)
        with pytest.raises(DataSetError, match="File meta information header found"):
            function(str(tmp_path / "file"), form=DATA_SET_ONLY)
