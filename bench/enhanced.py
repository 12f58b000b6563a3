"""A multi-frame object with as many sequence items as is asked for, in four encodings.

Enhanced CT with ten items for each frame, nested four deep, as converters of series write
them: every sequence and item of undefined length. The same content in other encodings is
what a receiver is to make of it, to be compared byte for byte. Written without any DICOM
library. PS3.5 7.1, 7.5; PS3.3 A.38.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, TypeAlias

from bench.data import LONG_VRS, DataSet, file_meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["ITEMS_PER_FRAME", "encoded", "enhanced_elements", "make_enhanced_object"]

ENHANCED_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2.1"
ITEMS_PER_FRAME = 10
_SIDE = 8  # pixels; the headers are the work, and a frame's are 700 bytes
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD

Element: TypeAlias = "tuple[int, str, bytes | Sequence[Sequence[Element]]]"
"""Tag, VR, and a value that is padded already, or the items of a sequence."""


def _text(tag: int, vr: str, value: str) -> Element:
    data = value.encode("ascii")
    if len(data) % 2:
        data += b"\0" if vr == "UI" else b" "
    return tag, vr, data


def _doubles(tag: int, *values: float) -> Element:
    return tag, "FD", struct.pack(f"<{len(values)}d", *values)


def _code(value: str, meaning: str) -> list[Element]:
    return [
        _text(0x00080100, "SH", value),
        _text(0x00080102, "SH", "DCM"),
        _text(0x00080104, "LO", meaning),
    ]


def _frame(number: int, source_uid: str) -> list[Element]:
    """Return the item of one frame in Per-frame Functional Groups Sequence, nine more in it."""
    source = [
        _text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        _text(0x00081155, "UI", f"{source_uid}.{number}"),
        (0x0040A170, "SQ", [_code("121322", "Source image for image processing operation")]),
    ]
    content: list[Element] = [
        _doubles(0x00189073, 0.5),
        _text(0x00189074, "DT", "20240115101200.000000"),
        (0x00209056, "SH", b"1 "),
        (0x00209057, "UL", struct.pack("<I", number)),
        (0x00209157, "UL", struct.pack("<II", 1, number)),
    ]
    return [
        (0x00089124, "SQ", [[(0x00082112, "SQ", [source])]]),
        (0x00189329, "SQ", [[_text(0x00089007, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\NONE")]]),
        (0x00209111, "SQ", [content]),
        (0x00209113, "SQ", [[_text(0x00200032, "DS", f"-190.0\\-372.5\\{-number}.0")]]),
        (0x00209116, "SQ", [[_text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")]]),
        (
            0x00289110,
            "SQ",
            [[_text(0x00180050, "DS", "1"), _text(0x00280030, "DS", "0.7421875\\0.7421875")]],
        ),
        (
            0x00289132,
            "SQ",
            [[_text(0x00281050, "DS", "40"), _text(0x00281051, "DS", "400")]],
        ),
    ]


def enhanced_elements(*, frames: int, seed: int) -> tuple[str, list[Element]]:
    """Return SOP Instance UID and data set of an object with ten items for each frame."""
    source = random.Random(seed)
    sop_uid, study_uid, series_uid, source_uid = (
        f"2.25.{source.getrandbits(100)}" for _ in range(4)
    )
    pixels = source.randbytes(_SIDE * _SIDE * 2) * frames

    def u16(tag: int, value: int) -> Element:
        return tag, "US", struct.pack("<H", value)

    elements: list[Element] = [
        _text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        _text(0x00080016, "UI", ENHANCED_CT_IMAGE_STORAGE),
        _text(0x00080018, "UI", sop_uid),
        _text(0x00080020, "DA", "20240115"),
        _text(0x00080030, "TM", "101200.000000"),
        _text(0x00080060, "CS", "CT"),
        _text(0x00100010, "PN", "Benchmark^Patient"),
        _text(0x00100020, "LO", "BENCH-0001"),
        _text(0x0020000D, "UI", study_uid),
        _text(0x0020000E, "UI", series_uid),
        _text(0x00200013, "IS", "1"),
        u16(0x00280002, 1),
        _text(0x00280004, "CS", "MONOCHROME2"),
        _text(0x00280008, "IS", str(frames)),
        u16(0x00280010, _SIDE),
        u16(0x00280011, _SIDE),
        u16(0x00280100, 16),
        u16(0x00280101, 12),
        u16(0x00280102, 11),
        u16(0x00280103, 0),
        (0x52009230, "SQ", [_frame(number, source_uid) for number in range(1, frames + 1)]),
        (0x7FE00010, "OW", pixels),
    ]
    return sop_uid, elements


def encoded(elements: Iterable[Element], *, explicit_vr: bool, undefined: bool) -> bytes:
    """Return elements in little endian.

    Args:
        elements: in the order of their tags.
        explicit_vr: each has its VR in the stream.
        undefined: sequences and items have undefined lengths, else explicit ones.
    """
    parts: list[bytes] = []
    for tag, vr, value in elements:
        if isinstance(value, bytes):
            data, length = value, len(value)
        else:
            data = b"".join(
                _item(
                    encoded(item, explicit_vr=explicit_vr, undefined=undefined),
                    undefined=undefined,
                )
                for item in value
            )
            length = len(data)
            if undefined:
                data += struct.pack("<HHI", 0xFFFE, _SEQUENCE_END, 0)
                length = _UNDEFINED
        group, number = tag >> 16, tag & 0xFFFF
        if not explicit_vr:
            parts.append(struct.pack("<HHI", group, number, length))
        elif vr in LONG_VRS:
            parts.append(struct.pack("<HH2sxxI", group, number, vr.encode(), length))
        else:
            parts.append(struct.pack("<HH2sH", group, number, vr.encode(), length))
        parts.append(data)
    return b"".join(parts)


def _item(content: bytes, *, undefined: bool) -> bytes:
    if undefined:
        end = struct.pack("<HHI", 0xFFFE, _ITEM_END, 0)
        return struct.pack("<HHI", 0xFFFE, _ITEM, _UNDEFINED) + content + end
    return struct.pack("<HHI", 0xFFFE, _ITEM, len(content)) + content


def make_enhanced_object(folder: Path, *, frames: int, seed: int) -> DataSet:
    """Write the object into a new folder: explicit VR, undefined lengths."""
    folder.mkdir(parents=True)
    sop_uid, elements = enhanced_elements(frames=frames, seed=seed)
    data = file_meta(sop_uid, ENHANCED_CT_IMAGE_STORAGE)
    data += encoded(elements, explicit_vr=True, undefined=True)
    (folder / "000001.dcm").write_bytes(data)
    return DataSet(folder=folder, count=1, size=len(data))
