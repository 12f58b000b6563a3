"""Pictures of `isocenter show`, compared with those of DCMTK's dcmj2pnm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest

from isocenter.cli.main import main
from tests.support.processes import run
from tests.support.samples import sample_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Each with the option of dcmj2pnm that shows what we show: the first window of the file, or the
# range of its values.
_NAMES = {
    "CT_small.dcm": "+Wm",
    "MR_small.dcm": "+Wi 1",
    "MR_small_bigendian.dcm": "+Wi 1",
    "MR_small_RLE.dcm": "+Wi 1",
    "JPGExtended.dcm": "+Wm",
    "JPEG-LL.dcm": "+Wm",
    "SC_rgb_dcmtk_+eb+cr.dcm": "",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "",
    "SC_rgb_jpeg_dcmtk.dcm": "",
    "SC_rgb_rle.dcm": "",
    "SC_rgb_16bit.dcm": "",
    "SC_ybr_full_422_uncompressed.dcm": "",
    "SC_ybr_full_uncompressed.dcm": "",
    "examples_palette.dcm": "",
    "examples_ybr_color.dcm": "",
    "liver_1frame.dcm": "+Wm",
    "OBXXXX1A.dcm": "",
    "OT-PAL-8-face.dcm": "",
}


def samples() -> list[object]:
    return [
        pytest.param(sample.path, _NAMES[sample.name], id=sample.name)
        for sample in sample_files()
        if sample.name in _NAMES
    ]


def read_pnm(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    head = re.match(rb"(P[56])\s(?:#[^\n]*\n)*(\d+)\s+(\d+)\s+255\s", content)
    assert head is not None, content[:50]
    channels = 3 if head[1] == b"P6" else 1
    values = np.frombuffer(content[head.end() :], np.uint8).astype(np.int64)
    return values.reshape(int(head[3]), int(head[2]), channels)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize(("path", "options"), samples())
def test_pictures_are_those_of_dcmtk(
    peer_tool: Callable[[str, str], str], tmp_path: Path, path: Path, options: str
) -> None:
    theirs = tmp_path / "theirs"
    tool = peer_tool("dcmtk", "dcmj2pnm")
    made = run([tool, *options.split(), "+F", "1", str(path), str(theirs)], timeout=30)
    assert made.code == 0, made.stderr
    wanted = read_pnm(theirs.read_bytes())
    assert main(["show", "--png", str(tmp_path / "out"), "--frames", "1", str(path)]) == 0
    (picture,) = (tmp_path / "out").iterdir()
    ours = np.asarray(imagecodecs.png_decode(picture.read_bytes())).astype(np.int64)
    if ours.ndim == 2 and wanted.shape[2] == 3:
        ours = np.stack([ours] * 3, axis=-1)
    assert np.abs(ours.reshape(wanted.shape) - wanted).max() <= 2
