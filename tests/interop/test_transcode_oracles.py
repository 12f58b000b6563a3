"""Decoded images, compared with what DCMTK and OpenJPEG make of the same files.

Every compressed image of the collections, and images that DCMTK's encoders make with each of
their processes, is decoded sample for sample as dcmdjpeg, dcmdjpls and dcmdrle decode it; what
DCMTK cannot decode, as pydicom does with OpenJPEG, or as its uncompressed twin has it. And
dciodvfy finds no error in what was decoded that it does not find in the source.
"""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import DecoderPool, decoder_of, open_decoder
from isocenter.errors import DataSetError
from tests.support import part10
from tests.support.pixels import CODECS, data_set, pattern, samples_of
from tests.support.processes import run
from tests.support.samples import sample_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydicom import Dataset

    from tests.support.pixels import Samples

    Tool = Callable[[str, str], str]

_DCMTK = {"jpeg": "dcmdjpeg", "jpeg-ls": "dcmdjpls", "rle": "dcmdrle"}
_FLOATING = frozenset({uids.JPEG_2000, uids.HTJ2K})
_LITTLE = uids.EXPLICIT_VR_LITTLE_ENDIAN

# Files that nobody decodes, with what we say of them.
_BROKEN = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "its header says 1024 x 3722445056",
    "SC_rgb_jpeg.dcm": "no value representation",  # implicit VR, which no compressed syntax has
}
# Files that DCMTK 3.6.7 does not decode though they are as they should be: JPEG-LS of 7 bits in
# a stream that says so, frames of single bits.
_NOT_DCMTK = {
    "JLSL_08_07_0_1F.dcm": None,
    "liver_rle.dcm": "liver.dcm",
    "liver_nonbyte_aligned_rle.dcm": "liver_nonbyte_aligned.dcm",
}
# Whose uncompressed twin is in the collection.
_TWINS = {
    "liver_j2k.dcm": "liver.dcm",
    "liver_deflate.dcm": "liver.dcm",
    "liver_nonbyte_aligned_j2k.dcm": "liver_nonbyte_aligned.dcm",
    "liver_nonbyte_aligned_deflate.dcm": "liver_nonbyte_aligned.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "emri_small.dcm",
    **{name: twin for name, twin in _NOT_DCMTK.items() if twin},
}
_COMPARED = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "Rows",
    "Columns",
    "LossyImageCompression",
)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as made:
        yield made


@cache
def compressed() -> list[Path]:
    """Return the collections' files whose frames can be decoded."""
    found = []
    for sample in sample_files():
        decoder = decoder_of(sample.transfer_syntax)
        if decoder is not None and decoder.codec:
            found.append(sample.path)
    return found


def by_name(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=path.name) for path in paths]


def decode(pool: DecoderPool, path: Path, target: str = _LITTLE) -> bytes:
    parts = part10.read(path)
    options = RewriteOptions(transfer_syntax_uid=target)
    opened = open_decoder(parts.data_set, parts.transfer_syntax, options, pool=pool)
    return b"".join(opened.segments())


def read(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, force=True)


def compare(ours: Dataset, theirs: Dataset, *, but: tuple[str, ...] = (), within: int = 0) -> None:
    assert np.abs(samples_of(ours) - samples_of(theirs)).max() <= within
    for keyword in _COMPARED:
        if keyword not in but:
            assert ours.get(keyword) == theirs.get(keyword), keyword


def decoded_by_dcmtk(peer_tool: Tool, tool: str, path: Path, folder: Path) -> Dataset:
    result = run([peer_tool("dcmtk", tool), str(path), str(folder / "theirs")], timeout=30)
    assert result.code == 0, result.stderr
    return read(folder / "theirs")


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("path", by_name(compressed()))
def test_images_of_the_collections_are_decoded_as_others_decode_them(
    pool: DecoderPool, peer_tool: Tool, path: Path, tmp_path: Path
) -> None:
    if path.name in _BROKEN:
        with pytest.raises(DataSetError, match=_BROKEN[path.name]):
            decode(pool, path)
        return
    ours = decode_dataset(decode(pool, path), _LITTLE)
    decoder = decoder_of(part10.read(path).transfer_syntax)
    assert decoder is not None
    if "PixelData" not in ours:
        assert "PixelData" not in read(path)
        return
    if path.name in _TWINS:
        twins = [sample.path for sample in sample_files() if sample.name == _TWINS[path.name]]
        if not twins:
            pytest.skip(f"{_TWINS[path.name]} is not in the collections here")
        compare(ours, read(twins[0]), but=("LossyImageCompression",))
    elif path.name in _NOT_DCMTK:
        theirs = read(path)
        compare_with_pydicom(ours, theirs)
    elif decoder.codec in _DCMTK:
        compare(ours, decoded_by_dcmtk(peer_tool, _DCMTK[decoder.codec], path, tmp_path))
    else:
        compare_with_pydicom(ours, read(path))


def compare_with_pydicom(ours: Dataset, theirs: Dataset) -> None:
    syntax = str(theirs.file_meta.TransferSyntaxUID)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.decompress(generate_instance_uid=False)
    except RuntimeError as problem:
        pytest.skip(f"pydicom has no plug-in here: {problem}")
    # pydicom does not say that a lossy process lost something; that of JPEG 2000 has floating
    # point, which two builds of OpenJPEG round differently in one of 10 000 samples.
    compare(ours, theirs, but=("LossyImageCompression",), within=1 if syntax in _FLOATING else 0)


_ENCODERS = [
    ("dcmcjpeg", "+e1", 8, 1),
    ("dcmcjpeg", "+e1", 16, 1),
    ("dcmcjpeg", "+e1", 8, 3),
    *[("dcmcjpeg", f"+el +sv {value}", 12, 1) for value in range(1, 8)],
    ("dcmcjpeg", "+el +sv 1 +pt 2", 12, 1),
    ("dcmcjpeg", "+eb", 8, 1),
    ("dcmcjpeg", "+eb", 8, 3),
    ("dcmcjpeg", "+eb +s4", 8, 3),
    ("dcmcjpeg", "+eb +n2", 8, 3),
    ("dcmcjpeg", "+eb +n1", 8, 3),
    ("dcmcjpeg", "+eb +np", 8, 3),
    ("dcmcjpeg", "+eb +cr", 8, 3),
    *[
        ("dcmcjpeg", process + extra, bits, samples)
        for process in ("+ee", "+es", "+ep")
        for extra, bits, samples in (
            (" +be", 8, 1),
            (" +be", 8, 3),
            (" +bt", 12, 1),
            (" +be +cr", 8, 3),
        )
    ],
    ("dcmcjpls", "+el", 8, 1),
    ("dcmcjpls", "+el", 16, 1),
    ("dcmcjpls", "+el +il", 8, 3),
    ("dcmcjpls", "+el +is", 8, 3),
    ("dcmcjpls", "+el +in", 8, 3),
    ("dcmcjpls", "+en +md 3", 8, 1),
    ("dcmcjpls", "+en +md 3 +il", 8, 3),
    ("dcmcjpls", "+en +md 9", 16, 1),
    ("dcmcrle", "", 8, 1),
    ("dcmcrle", "", 16, 1),
    ("dcmcrle", "", 8, 3),
]


def write_native(path: Path, frames: list[Samples], bits: int) -> None:
    """Write an uncompressed image for DCMTK's encoders."""
    array = frames[0]
    made = data_set([b"\0\0"] * len(frames), array, bits)
    made.PixelData = b"".join(
        frame.astype("u1" if bits <= 8 else "<u2").tobytes() for frame in frames
    )
    made["PixelData"].VR = "OW" if bits > 8 else "OB"
    made["PixelData"].is_undefined_length = False
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.5", "1.2.3.6"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(_LITTLE)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize(
    ("tool", "options", "bits", "samples", "layout"),
    [
        *[pytest.param(*case, "", id=" ".join(map(str, case))) for case in _ENCODERS],
        *[
            pytest.param(*case, layout, id=" ".join(map(str, (*case, layout))))
            for case in _ENCODERS
            if case[1] in {"+e1", "+eb", "+ep +bt", "+el", "+en +md 3"}
            for layout in ("+fs 1 -ot", "+fs 1")
        ],
    ],
)
def test_what_dcmtk_encodes_is_decoded_as_dcmtk_decodes_it(
    pool: DecoderPool,
    peer_tool: Tool,
    tmp_path: Path,
    tool: str,
    options: str,
    bits: int,
    samples: int,
    layout: str,
) -> None:
    frames = [pattern(61, 57, samples, bits, seed=seed) for seed in (1, 2, 3)]
    source, coded = tmp_path / "native", tmp_path / "coded"
    write_native(source, frames, bits)
    made = run(
        [peer_tool("dcmtk", tool), *options.split(), *layout.split(), str(source), str(coded)],
        timeout=30,
    )
    assert made.code == 0, made.stderr
    decoder = decoder_of(part10.read(coded).transfer_syntax)
    assert decoder is not None
    theirs = decoded_by_dcmtk(peer_tool, _DCMTK[decoder.codec], coded, tmp_path)
    ours = decode_dataset(decode(pool, coded), _LITTLE)
    compare(ours, theirs, but=("BitsStored", "HighBit", "BitsAllocated"))
    assert (ours.BitsStored, ours.HighBit) == (read(coded).BitsStored, read(coded).HighBit)
    if decoder.is_lossless and "+pt" not in options:
        wanted = np.stack(frames).reshape(3, 61, 57, samples)
        assert (samples_of(ours) == wanted).all()


@pytest.mark.parametrize("syntax", [uids.JPEG_2000, uids.HTJ2K, uids.HTJ2K_LOSSLESS])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 3])
def test_jpeg_2000_is_decoded_as_openjpeg_decodes_it(
    pool: DecoderPool, syntax: str, bits: int, samples: int
) -> None:
    # Edges between the lowest and the highest value: lossy codecs go beyond both.
    array = pattern(64, 48, samples, bits)
    array[::7] = 0
    array[3::11] = (1 << bits) - 1
    made = data_set([CODECS[syntax].encode(array, bits)], array, bits)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    from tests.support.pixels import decoded

    ours = decoded(pool, made, syntax)
    compare_with_pydicom(ours, made)


def complaints(tool: str, path: Path) -> set[str]:
    """Return the errors that dciodvfy finds."""
    result = run([tool, str(path)], timeout=60)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    return {re.sub(r"0x[0-9a-f]+ dec|length \d+", "", line) for line in errors}


@pytest.mark.peer("dicom3tools")
@pytest.mark.parametrize("path", by_name([p for p in compressed() if p.name not in _BROKEN]))
def test_what_was_decoded_is_as_valid_as_its_source(
    pool: DecoderPool, peer_tool: Tool, path: Path, tmp_path: Path
) -> None:
    tool = peer_tool("dicom3tools", "dciodvfy")
    data_set = decode(pool, path)
    syntax = part10.read(path).transfer_syntax.encode()
    head = path.read_bytes()[: -len(part10.read(path).data_set)]
    # The same File Meta Information, with as many bytes: UIDs may end with NULs, if not so many.
    padded = _LITTLE.encode().ljust(len(syntax) + len(syntax) % 2, b"\0")
    decoded_path = tmp_path / "decoded"
    decoded_path.write_bytes(head.replace(syntax.ljust(len(padded), b"\0"), padded) + data_set)
    new = complaints(tool, decoded_path) - complaints(tool, path)
    assert not new
