"""The objects that the benchmark sends, written without any DICOM library.

Part 10 files in explicit VR little endian, CT Image Storage, about 70 header elements
as a scanner writes them. The seed is fixed: every run sends the same bytes.
PS3.5 7.1.2, PS3.10 7.1.
"""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LONG_VRS",
    "DataSet",
    "file_meta",
    "make_objects",
    "make_sparse_object",
    "make_studies",
    "object_bytes",
]

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
LONG_VRS = frozenset({"OB", "OW", "SQ", "UN", "UT"})
"""Of those used here, the VRs whose length has 32 bits (PS3.5 7.1.2)."""

_BINARY = frozenset({"US", "OB", "OW", "SQ", "UN", "UL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Objects in one folder.

    Fields: `folder`; `count` of files; `size` of all in bytes.
    """

    folder: Path
    count: int
    size: int


def _element(tag: int, vr: str, value: str | bytes) -> bytes:
    """Return one element; text is padded to even length (PS3.5 7.1.2)."""
    data = value.encode("latin-1") if isinstance(value, str) else value
    if len(data) % 2:
        data += b"\0" if vr in {"UI", *_BINARY} else b" "
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in LONG_VRS:
        return head + struct.pack("<xxI", len(data)) + data
    return head + struct.pack("<H", len(data)) + data


def _uid(source: random.Random) -> str:
    return f"2.25.{source.getrandbits(127)}"


def _u16(value: int) -> bytes:
    return struct.pack("<H", value)


def _header(
    *, sop_uid: str, series_uid: str, study_uid: str, number: int, side: int, frames: int
) -> bytes:
    """Return the elements of a CT slice of `side` x `side` pixels before its pixels."""
    reference = _element(0x00081150, "UI", "1.2.840.10008.3.1.2.3.1") + _element(
        0x00081155, "UI", study_uid
    )
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(reference)) + reference
    rows: list[tuple[int, str, str | bytes]] = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
        (0x00080012, "DA", "20240115"),
        (0x00080013, "TM", "101533.125000"),
        (0x00080016, "UI", CT_IMAGE_STORAGE),
        (0x00080018, "UI", sop_uid),
        (0x00080020, "DA", "20240115"),
        (0x00080021, "DA", "20240115"),
        (0x00080022, "DA", "20240115"),
        (0x00080023, "DA", "20240115"),
        (0x00080030, "TM", "101200.000000"),
        (0x00080031, "TM", "101430.578000"),
        (0x00080032, "TM", "101502.130000"),
        (0x00080033, "TM", "101502.130000"),
        (0x00080050, "SH", "A2024011500017"),
        (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Benchmark Instruments"),
        (0x00080080, "LO", "General Hospital"),
        (0x00080081, "ST", "1 Main Street, Anytown"),
        (0x00080090, "PN", "Referring^Physician"),
        (0x00081010, "SH", "CT01"),
        (0x00081030, "LO", "Thorax^Routine"),
        (0x0008103E, "LO", "Thorax 1.0 B31f"),
        (0x00081040, "LO", "Radiology"),
        (0x00081090, "LO", "Scanner 64"),
        (0x00081110, "SQ", item),
        (0x00090010, "LO", "BENCHMARK HEADER"),
        (0x00091010, "UN", bytes(64)),
        (0x00100010, "PN", "Benchmark^Patient"),
        (0x00100020, "LO", "BENCH-0001"),
        (0x00100030, "DA", "19700101"),
        (0x00100040, "CS", "O"),
        (0x00101010, "AS", "054Y"),
        (0x00101030, "DS", "74"),
        (0x00180015, "CS", "CHEST"),
        (0x00180050, "DS", "1"),
        (0x00180060, "DS", "120"),
        (0x00180090, "DS", "500"),
        (0x00181000, "LO", "12345"),
        (0x00181020, "LO", "syngo CT 2012B"),
        (0x00181030, "LO", "ThoraxRoutine"),
        (0x00181100, "DS", "380"),
        (0x00181110, "DS", "1040"),
        (0x00181111, "DS", "570"),
        (0x00181120, "DS", "0"),
        (0x00181130, "DS", "150"),
        (0x00181140, "CS", "CW"),
        (0x00181150, "IS", "500"),
        (0x00181151, "IS", "182"),
        (0x00181152, "IS", "110"),
        (0x00181160, "SH", "0"),
        (0x00181170, "IS", "22"),
        (0x00181190, "DS", "1.2"),
        (0x00181210, "SH", "B31f"),
        (0x00185100, "CS", "FFS"),
        (0x0020000D, "UI", study_uid),
        (0x0020000E, "UI", series_uid),
        (0x00200010, "SH", "1"),
        (0x00200011, "IS", "2"),
        (0x00200012, "IS", "1"),
        (0x00200013, "IS", str(number)),
        (0x00200032, "DS", f"-190.0\\-372.5\\{-number * 1.0:.1f}"),
        (0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x00200052, "UI", f"{study_uid[:55]}.1"),
        (0x00201040, "LO", ""),
        (0x00201041, "DS", f"{-number * 1.0:.1f}"),
        (0x00280002, "US", _u16(1)),
        (0x00280004, "CS", "MONOCHROME2"),
        (0x00280008, "IS", str(frames)),
        (0x00280010, "US", _u16(side)),
        (0x00280011, "US", _u16(side)),
        (0x00280030, "DS", "0.7421875\\0.7421875"),
        (0x00280100, "US", _u16(16)),
        (0x00280101, "US", _u16(12)),
        (0x00280102, "US", _u16(11)),
        (0x00280103, "US", _u16(0)),
        (0x00281050, "DS", "40"),
        (0x00281051, "DS", "400"),
        (0x00281052, "DS", "-1024"),
        (0x00281053, "DS", "1"),
    ]
    return b"".join(_element(*row) for row in rows)


def file_meta(
    sop_uid: str,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    syntax_uid: str = EXPLICIT_LITTLE_ENDIAN,
) -> bytes:
    """Return preamble, prefix and File Meta Information (PS3.10 7.1)."""
    elements = (
        _element(0x00020001, "OB", b"\0\1")
        + _element(0x00020002, "UI", sop_class_uid)
        + _element(0x00020003, "UI", sop_uid)
        + _element(0x00020010, "UI", syntax_uid)
        + _element(0x00020012, "UI", "2.25.140391126433471583094131247206573145")
        + _element(0x00020013, "SH", "BENCH_1")
    )
    length = _element(0x00020000, "UL", struct.pack("<I", len(elements)))
    return bytes(128) + b"DICM" + length + elements


def object_bytes(
    source: random.Random,
    *,
    number: int,
    side: int,
    frames: int = 1,
    syntax_uid: str = EXPLICIT_LITTLE_ENDIAN,
) -> bytes:
    """Return a Part 10 file up to and including the header of Pixel Data.

    Args:
        source: where its UIDs come from.
        number: Instance Number.
        side: rows and columns in pixels of 2 bytes.
        frames: number of frames; the value that follows has side * side * 2 * frames bytes.
        syntax_uid: what File Meta Information says.
    """
    sop_uid, series_uid, study_uid = _uid(source), _uid(source), _uid(source)
    header = _header(
        sop_uid=sop_uid,
        series_uid=series_uid,
        study_uid=study_uid,
        number=number,
        side=side,
        frames=frames,
    )
    length = side * side * 2 * frames
    pixels = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", length)
    return file_meta(sop_uid, syntax_uid=syntax_uid) + header + pixels


def make_objects(folder: Path, *, count: int, side: int, frames: int = 1, seed: int) -> DataSet:
    """Write `count` objects of side x side x 16 bit x frames into a new folder."""
    folder.mkdir(parents=True)
    source = random.Random(seed)
    frame = source.randbytes(side * side * 2)
    size = 0
    for number in range(1, count + 1):
        head = object_bytes(source, number=number, side=side, frames=frames)
        with (folder / f"{number:06}.dcm").open("wb") as file:
            size += file.write(head)
            for _ in range(frames):
                size += file.write(frame)
    return DataSet(folder=folder, count=count, size=size)


def make_studies(
    folder: Path, *, studies: int, objects: int, side: int, seed: int
) -> tuple[DataSet, list[tuple[str, str]]]:
    """Write studies of one series, each of another patient, into a new folder.

    Args:
        folder: made.
        studies: how many.
        objects: of each study.
        side: rows and columns in pixels.
        seed: of what is random; it is in the patients' identifiers, too.

    Returns:
        The objects, and Study and Series Instance UID of each study.
    """
    folder.mkdir(parents=True)
    source = random.Random(seed)
    pixels = source.randbytes(side * side * 2)
    end = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", len(pixels)) + pixels
    size, uids = 0, []
    for study in range(1, studies + 1):
        study_uid, series_uid = _uid(source), _uid(source)
        uids.append((study_uid, series_uid))
        patient = f"B{seed:03}-{study:05}".encode()
        for number in range(1, objects + 1):
            sop_uid = _uid(source)
            header = _header(
                sop_uid=sop_uid,
                series_uid=series_uid,
                study_uid=study_uid,
                number=number,
                side=side,
                frames=1,
            ).replace(b"BENCH-0001", patient)
            with (folder / f"{study:05}-{number:06}.dcm").open("wb") as file:
                size += file.write(file_meta(sop_uid) + header + end)
    return DataSet(folder=folder, count=studies * objects, size=size), uids


def make_sparse_object(folder: Path, *, frames: int, seed: int) -> DataSet:
    """Write one object of 512 x 512 x 16 bit x frames whose pixels are a hole in the file."""
    folder.mkdir(parents=True)
    head = object_bytes(random.Random(seed), number=1, side=512, frames=frames)
    path = folder / "000001.dcm"
    size = len(head) + 512 * 512 * 2 * frames
    path.write_bytes(head)
    os.truncate(path, size)
    return DataSet(folder=folder, count=1, size=size)
