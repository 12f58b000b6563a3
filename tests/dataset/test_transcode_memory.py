"""Memory while an image with many frames is decoded, counted over all processes."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from tests.support.pixels import CODECS, data_set, encoded, pattern
from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

# Decodes a data set in a file, and prints its length and the highest resident set of each process.
PROGRAM = """
import os, sys
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import DecoderPool, open_decoder
from isocenter.wire import FileRegion
path, syntax, target = sys.argv[1:]
def peak(process):
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
with DecoderPool() as pool:
    descriptor = os.open(path, os.O_RDONLY)
    region = FileRegion(descriptor, 0, os.path.getsize(path))
    options = RewriteOptions(transfer_syntax_uid=target)
    opened = open_decoder(region, syntax, options, pool=pool)
    length = sum(len(piece) for piece in opened.segments())
    assert length == opened.length
    print(length, *[peak(process) for process in ("self", *pool.processes)])
"""

LIMIT = 200 * 1024  # KiB, of all processes together; pages that they share count for each


def write_image(path: Path, frames: int) -> int:
    """Write an image of 512 KiB a frame, compressed; return the bytes of all."""
    array = pattern(800, 512, bits=16)
    frame = CODECS[uids.JPEG_LOSSLESS_SV1].encode(array, 16)
    # What follows the end of a codestream is padding.
    frame = frame.ljust(512 * 1024, b"\0")
    head = encoded(data_set([b"\0\0", b"\0\0"], array, 16, NumberOfFrames=frames))
    head = head[: head.rindex(b"\xe0\x7f\x10\0OB") + 12]
    with path.open("wb") as file:
        file.write(head + struct.pack("<HHI", 0xFFFE, 0xE000, 0))
        for _ in range(frames):
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame)
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return frames * array.size * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "frames", [60, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
@pytest.mark.parametrize("target", [uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_BIG_ENDIAN])
def test_memory_does_not_grow_with_the_number_of_frames(
    tmp_path: Path, frames: int, target: str
) -> None:
    path = tmp_path / "image"
    length = write_image(path, frames)
    argv = [sys.executable, "-c", PROGRAM, str(path), uids.JPEG_LOSSLESS_SV1, target]
    result = run(argv, timeout=500)
    assert result.code == 0, result.stderr
    decoded, *peaks = map(int, result.stdout.split())
    assert decoded > length
    assert len(peaks) == 3
    assert sum(peaks) < LIMIT, peaks
