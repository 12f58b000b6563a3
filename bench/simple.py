"""dcmsend to dcmrecv in the benchmark: the receiver's profile, the pairs, compressed objects."""

from __future__ import annotations

import random
import struct
import subprocess
from typing import TYPE_CHECKING

from bench.data import DataSet, object_bytes
from bench.pairs import DCMTK, OURS, PDU_SIZES, Pair
from bench.processes import BenchError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_jpeg_ls_objects", "pixels_check", "simple_pairs", "write_profiles"]

ANY, IMPLICIT = "Any", "Implicit"
"""Names of the profiles: three uncompressed transfer syntaxes, or implicit VR alone."""

_PROFILES = f"""\
[[TransferSyntaxes]]
[{ANY}]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = BigEndianExplicit
TransferSyntax3 = LittleEndianImplicit
[{IMPLICIT}]
TransferSyntax1 = LittleEndianImplicit

[[PresentationContexts]]
[{ANY}]
PresentationContext1 = VerificationSOPClass\\{ANY}
PresentationContext2 = CTImageStorage\\{ANY}
[{IMPLICIT}]
PresentationContext1 = VerificationSOPClass\\{IMPLICIT}
PresentationContext2 = CTImageStorage\\{IMPLICIT}

[[Profiles]]
[{ANY}]
PresentationContexts = {ANY}
[{IMPLICIT}]
PresentationContexts = {IMPLICIT}
"""

_JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
_SIDE = 512  # pixels of a slice
_PIXEL_HEADER = 12  # bytes
_ENCAPSULATED = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF)


def write_profiles(folder: Path) -> Path:
    """Write the association profiles of the receivers; DCMTK's dcmrecv takes nothing without."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "profiles.cfg"
    path.write_text(_PROFILES)
    return path


def simple_pairs(profiles: Path, *, normal: bool, implicit: bool = False) -> list[Pair]:
    """Return the four pairs of dcmsend and dcmrecv at each PDU length."""
    return [
        Pair(
            sender=sender,
            receiver=receiver,
            pdu=pdu,
            normal=normal,
            profile=("-xf", str(profiles), IMPLICIT if implicit else ANY),
        )
        for sender in (OURS, DCMTK)
        for receiver in (OURS, DCMTK)
        for pdu in PDU_SIZES
    ]


def _slice(source: random.Random) -> bytes:
    """Return a slice of 12 bits as a scanner makes it: a body in air, and noise."""
    noise = [source.randrange(-12, 13) for _ in range(4096)]
    middle = _SIDE // 2
    pixels = []
    for row in range(_SIDE):
        for column in range(_SIDE):
            far = ((row - middle) / 170) ** 2 + ((column - middle) / 220) ** 2
            inner = ((row - middle) / 60) ** 2 + ((column - middle - 80) / 70) ** 2
            level = 24 if far > 1 else 180 if inner < 1 else 1040 + (row + column) // 16
            pixels.append(level + noise[source.getrandbits(12)])
    return struct.pack(f"<{len(pixels)}H", *pixels)


def make_jpeg_ls_objects(folder: Path, dcmtk: Path | None, *, count: int, seed: int) -> DataSet:
    """Write CT of one slice in JPEG-LS, lossless, each with UIDs of its own.

    The slice is compressed once, by DCMTK's dcmcjpls. The size is that of the objects without
    compression, which is what arrives.

    Raises:
        BenchError: dcmcjpls is missing or fails.
    """
    source = random.Random(seed)
    native = _slice(source)
    folder.mkdir(parents=True)
    plain, packed = folder.parent / "slice.dcm", folder.parent / "slice-jls.dcm"
    plain.write_bytes(object_bytes(source, number=1, side=_SIDE) + native)
    program = "dcmcjpls" if dcmtk is None else str(dcmtk / "dcmcjpls")
    try:
        subprocess.run([program, str(plain), str(packed)], check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"dcmcjpls: {error}") from error
    _, header, fragments = packed.read_bytes().partition(_ENCAPSULATED)
    if not fragments:
        raise BenchError("dcmcjpls wrote no encapsulated pixel data")
    size = 0
    for number in range(1, count + 1):
        head = object_bytes(source, number=number, side=_SIDE, syntax_uid=_JPEG_LS_LOSSLESS)
        size += len(head) + len(native)
        path = folder / f"{number:06}.dcm"
        path.write_bytes(head[:-_PIXEL_HEADER] + header + fragments)
    return DataSet(folder=folder, count=count, size=size)


def pixels_check(data: DataSet, target: Path) -> None:
    """See that each object arrived, and with the pixels that were compressed.

    Raises:
        BenchError: it did not.
    """
    native = (data.folder.parent / "slice.dcm").read_bytes()[-_SIDE * _SIDE * 2 :]
    found = list(target.iterdir())
    if len(found) != data.count:
        raise BenchError(f"{len(found)} of {data.count} files arrived")
    for path in found:
        if not path.read_bytes().endswith(native):
            raise BenchError(f"{path.name} has other pixels")
