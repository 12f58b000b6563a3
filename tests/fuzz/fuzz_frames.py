"""Fuzz target: compressed frames, as far as they are read here, and the data sets that have them.

The first byte of the input chooses what it is: a frame of one of the codecs, whose header may raise
`BadCodestream` and nothing else; a frame in RLE, `ValueError` and as many bytes as it should have;
or a data set, which is taken apart, from memory and from a file, with `DataSetError` and nothing
else, into parts that lie within it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from isocenter import uids
from isocenter.dataset.pixels.codestream import BadCodestream, begins_frame, has_end, read_facts
from isocenter.dataset.pixels.decoders import decoder_of
from isocenter.dataset.pixels.rle import decode_rle
from isocenter.dataset.pixels.skeleton import EncodedImage, take_apart
from isocenter.errors import DataSetError
from isocenter.testing.datasets import ct_image
from isocenter.wire import FileRegion
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.dataset.pixels.skeleton import Part

_CODECS = ("jpeg", "jpeg-ls", "jpeg2000", "htj2k", "jpeg-xl")
_RLE = len(_CODECS)
_DATA_SET = _RLE + 1
_SYNTAXES = (uids.JPEG_BASELINE_8BIT, uids.JPEG_2000_LOSSLESS, uids.RLE_LOSSLESS)


def seeds() -> list[bytes]:
    """Return frames of each codec, and small data sets with them."""
    from tests.support.pixels import CODECS, pattern, rle

    syntaxes = (
        uids.JPEG_BASELINE_8BIT,
        uids.JPEG_LS_LOSSLESS,
        uids.JPEG_2000_LOSSLESS,
        uids.HTJ2K_LOSSLESS,
        uids.JPEG_XL_LOSSLESS,
    )
    found = [
        bytes([choice]) + CODECS[syntax].encode(pattern(8, 8), 8)
        for choice, syntax in enumerate(syntaxes)
    ]
    found.append(bytes([_RLE, 0, 0, 0]) + rle(pattern(8, 8), 8))
    for choice, syntax in enumerate(_SYNTAXES):
        image = ct_image(transfer_syntax=syntax, sop_instance_uid="1.2.3", rows=4, columns=4)
        found.append(bytes([_DATA_SET, choice]) + image.data_set)
    return found


def test_one_input(data: bytes) -> None:
    """Read one frame or data set and check what follows from it."""
    if len(data) < 4:
        return
    choice = data[0] % (_DATA_SET + 1)
    if choice == _DATA_SET:
        _check_data_set(data[2:], _SYNTAXES[data[1] % len(_SYNTAXES)])
    elif choice == _RLE:
        pixels, samples, width = 64 * (1 + data[1] % 64), 1 + data[2] % 4, 1 + data[3] % 4
        with raises_only(ValueError):
            decoded = decode_rle(data[4:], pixels, samples, width)
            if len(decoded) != pixels * samples * width:
                raise AssertionError(f"{len(decoded)} bytes for {pixels} pixels")
    else:
        begins_frame(data[1:])
        with raises_only(BadCodestream):
            facts = read_facts(_CODECS[choice], data[1:])
            if facts is not None and min(facts.rows, facts.columns, facts.precision) < 0:
                raise AssertionError(f"{facts}")
            has_end(_CODECS[choice], data[1:])


def _check_data_set(data: bytes, syntax: str) -> None:
    decoder = decoder_of(syntax)
    assert decoder is not None
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, data)
        told = []
        for source in (data, FileRegion(fd, 0, len(data))):
            try:
                told.append(_told(take_apart(source, decoder), len(data)))
            except DataSetError as error:
                told.append([error.reason])
    finally:
        os.close(fd)
    if told[0] != told[1]:
        raise AssertionError(f"in memory {told[0]}, in the file {told[1]}")


def _told(parts: list[Part], size: int) -> list[object]:
    """Return what the parts are, which have to lie within the data set."""
    found: list[object] = []
    for part in parts:
        if isinstance(part, EncodedImage):
            starts, lengths = part.fragments.starts, part.fragments.lengths
            for start, length in zip(starts, lengths, strict=True):
                if not 0 <= start <= start + length <= size:
                    raise AssertionError(f"a fragment at {start} of {length} in {size} bytes")
            found.append((list(starts), list(lengths), list(part.firsts)))
        elif isinstance(part, tuple):
            if not 0 <= part[0] <= part[1] <= size:
                raise AssertionError(f"{part} of {size} bytes")
            found.append(part)
        else:
            found.append(bytes(part))
    return found
