"""Data sets and Part 10 files built without pydicom.

Owns a small writer of elements in every uncompressed transfer syntax, deflated and
encapsulated pixel data included. Must not use the package's own data set code:
what is built here is what that code is tested with.

PS3.5 7.1 (elements), 7.5 (sequences), A.4 (encapsulation), PS3.10 7.1 (File Meta).
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "CT_IMAGE_STORAGE",
    "DEFLATED_EXPLICIT_LITTLE",
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "SECONDARY_CAPTURE_IMAGE_STORAGE",
    "VERIFICATION",
    "DicomObject",
    "Element",
    "Value",
    "ct_image",
    "encapsulated",
    "encode_data_set",
    "encode_file_meta",
    "generated_uid",
]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"

Value: TypeAlias = "bytes | str | int | Sequence[int] | Sequence[Sequence[Element]]"
"""Raw bytes, text (padded), one or more US/UL numbers, or the items of a sequence."""
Element: TypeAlias = tuple[int, str, Value]
"""Tag as 0xGGGGEEEE, VR, value."""

_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"})
"""VRs with a 32-bit length after two reserved bytes (PS3.5 7.1.2)."""
_UNDEFINED = 0xFFFFFFFF


def generated_uid(generator: random.Random | None = None) -> str:
    """Return a UID under 2.25 from 120 random bits, at most 42 characters (PS3.5 B.2)."""
    source = generator or random.SystemRandom()
    return f"2.25.{source.getrandbits(120) | 1}"


def encode_data_set(elements: Sequence[Element], transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """Return the bytes of a data set; elements are written in the order given.

    Args:
        elements: tag, VR and value each.
        transfer_syntax: any other than the four above is written as explicit VR little
            endian, which is what encapsulated syntaxes ask for.

    PS3.5 7.1, annex A.
    """
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    explicit = transfer_syntax != IMPLICIT_LITTLE
    data = b"".join(_element(element, order, explicit=explicit) for element in elements)
    if transfer_syntax == DEFLATED_EXPLICIT_LITTLE:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
        data += b"\0" * (len(data) % 2)
    return data


def encapsulated(*fragments: bytes) -> bytes:
    """Return the value of encapsulated pixel data, with an empty offset table (PS3.5 A.4)."""
    out = [struct.pack("<HHI", 0xFFFE, 0xE000, 0)]
    for fragment in fragments:
        padded = fragment + b"\0" * (len(fragment) % 2)
        out.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(padded)) + padded)
    out.append(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return b"".join(out)


def _element(element: Element, order: str, *, explicit: bool) -> bytes:
    """Return one element."""
    tag, vr, value = element
    body = _value(vr, value, order, explicit=explicit)
    # Encapsulated pixel data is the one value whose length has to be undefined.
    is_encapsulated = tag == 0x7FE00010 and body[:4] == b"\xfe\xff\x00\xe0"
    length = _UNDEFINED if is_encapsulated else len(body)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack(order + "I", length) + body
    if vr in _LONG_VRS:
        return head + vr.encode() + struct.pack(order + "HI", 0, length) + body
    return head + vr.encode() + struct.pack(order + "H", length) + body


def _value(vr: str, value: Value, order: str, *, explicit: bool) -> bytes:
    """Return the bytes of a value, padded to an even length (PS3.5 6.2)."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        text = value.encode("latin-1")
        return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)
    if isinstance(value, int):
        return struct.pack(order + ("I" if vr in ("UL", "AT") else "H"), value)
    out = []
    for entry in value:
        if isinstance(entry, int):
            out.append(struct.pack(order + ("I" if vr in ("UL", "AT") else "H"), entry))
            continue
        item = b"".join(_element(element, order, explicit=explicit) for element in entry)
        out.append(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(item)) + item)
    return b"".join(out)


def encode_file_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax: str,
    *,
    extra: Sequence[Element] = (),
) -> bytes:
    """Return preamble, prefix and group 0002 (PS3.10 7.1)."""
    body = encode_data_set(
        (
            (0x00020001, "OB", b"\x00\x01"),
            (0x00020002, "UI", sop_class_uid),
            (0x00020003, "UI", sop_instance_uid),
            (0x00020010, "UI", transfer_syntax),
            (0x00020012, "UI", "2.25.170142601"),
            *extra,
        )
    )
    length = encode_data_set(((0x00020000, "UL", len(body)),))
    return bytes(128) + b"DICM" + length + body


@dataclass(slots=True, frozen=True, kw_only=True)
class DicomObject:
    """One composite instance.

    Attributes:
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        transfer_syntax: UID of the syntax `data_set` is in.
        data_set: the encoded data set without File Meta.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    data_set: bytes

    def part10(self) -> bytes:
        """Return the whole file (PS3.10 7)."""
        meta = encode_file_meta(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax)
        return meta + self.data_set

    def write(self, path: Path) -> Path:
        """Write the whole file and return its path."""
        path.write_bytes(self.part10())
        return path


def ct_image(
    *,
    sop_instance_uid: str | None = None,
    transfer_syntax: str = EXPLICIT_LITTLE,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    rows: int = 64,
    columns: int = 64,
    seed: int = 0,
    extra: Sequence[Element] = (),
) -> DicomObject:
    """Return a small CT-like image with pixel data that does not compress to nothing.

    Args:
        sop_instance_uid: generated where None.
        transfer_syntax: see `encode_data_set`; encapsulated ones get one fragment.
        sop_class_uid: the class in data set and File Meta.
        rows: height in pixels.
        columns: width in pixels, 2 bytes each.
        seed: of the pixels.
        extra: further elements, with tags between (0028,0103) and (7FE0,0010).
    """
    uid = sop_instance_uid or generated_uid()
    generator = random.Random(seed)
    pixels = generator.randbytes(rows * columns * 2)
    if transfer_syntax not in (
        IMPLICIT_LITTLE,
        EXPLICIT_LITTLE,
        EXPLICIT_BIG,
        DEFLATED_EXPLICIT_LITTLE,
    ):
        pixels = encapsulated(pixels)
    elements: list[Element] = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080016, "UI", sop_class_uid),
        (0x00080018, "UI", uid),
        (0x00080020, "DA", "20260102"),
        (0x00080060, "CS", "CT"),
        (0x00081140, "SQ", [[(0x00081150, "UI", sop_class_uid), (0x00081155, "UI", "2.25.7")]]),
        (0x00100010, "PN", "Doe^Jane"),
        (0x00100020, "LO", "ID-1"),
        (0x0020000D, "UI", "2.25.1001"),
        (0x0020000E, "UI", "2.25.1002"),
        (0x00200013, "IS", "1"),
        (0x00280002, "US", 1),
        (0x00280004, "CS", "MONOCHROME2"),
        (0x00280010, "US", rows),
        (0x00280011, "US", columns),
        (0x00280100, "US", 16),
        (0x00280101, "US", 16),
        (0x00280102, "US", 15),
        (0x00280103, "US", 0),
        *extra,
        (0x7FE00010, "OB" if pixels[:4] == b"\xfe\xff\x00\xe0" else "OW", pixels),
    ]
    return DicomObject(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=uid,
        transfer_syntax=transfer_syntax,
        data_set=encode_data_set(elements, transfer_syntax),
    )
