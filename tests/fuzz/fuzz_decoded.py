"""Fuzz target: data sets with compressed images, written without compression.

The first two bytes of the input choose transfer syntax and options; the rest is the data set. It
may raise `DataSetError` and nothing else, before the first byte is written or in a frame. What is
written is the same from memory and from a file, as long as was said before, and can be read. Where
libraries would decode, nothing does (`standin`).
"""

from __future__ import annotations

from isocenter import uids
from isocenter.dataset.pixels.image import ImageLimits
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.dataset.transcode import open_decoder
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion
from tests.fuzz import fuzz_pictures
from tests.fuzz.files import opened
from tests.fuzz.oracle import Limits
from tests.fuzz.standin import PlainDecoders

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=4096)
"""Frames in RLE grow 64 times; what is written is kept here, and read."""

_SYNTAXES = (
    uids.RLE_LOSSLESS,
    uids.DEFLATED_IMAGE_FRAME_COMPRESSION,
    uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids.JPEG_BASELINE_8BIT,
)
_TARGETS = {
    uids.EXPLICIT_VR_LITTLE_ENDIAN: ENCODINGS[True, True],
    uids.IMPLICIT_VR_LITTLE_ENDIAN: ENCODINGS[False, True],
    uids.EXPLICIT_VR_BIG_ENDIAN: ENCODINGS[True, False],
}
_OPTIONS = [
    RewriteOptions(transfer_syntax_uid=target, lengths=lengths)
    for target in _TARGETS
    for lengths in ("keep", "undefined")
]
_IMAGES = ImageLimits(maximum_frame_length=16 * 1024, maximum_frames=100)


def seeds() -> list[bytes]:
    """Return images in each transfer syntax, with an icon in one of them."""
    images = [each[1:] for each in fuzz_pictures.seeds()[-4:]]
    found = [bytes((choice, choice)) + body for choice, body in enumerate(images)]
    item = b"\xfe\xff\x00\xe0" + len(images[0]).to_bytes(4, "little") + images[0]
    icon = b"\x88\x00\x00\x02SQ\0\0" + len(item).to_bytes(4, "little") + item
    return [*found, b"\0\3" + icon, b"\0\4" + icon + images[0]]


def test_one_input(data: bytes) -> None:
    """Write one data set and check it."""
    if len(data) < 2:
        return
    syntax = _SYNTAXES[data[0] % len(_SYNTAXES)]
    options = _OPTIONS[data[1] % len(_OPTIONS)]
    body = data[2:]
    told = _told(body, syntax, options)
    with opened(body) as fd:
        from_file = _told(FileRegion(fd, 0, len(body)), syntax, options)
    if told != from_file:
        raise AssertionError("from a file something else is written")
    encoding = _TARGETS[options.transfer_syntax_uid]
    if isinstance(told, bytes) and encoding.explicit:
        # Without its VR an element may turn out to be a sequence that is none.
        scan(told, encoding)


def _told(
    source: bytes | FileRegion, syntax: str, options: RewriteOptions
) -> bytes | tuple[object, ...]:
    """Return what is written, or what is wrong."""
    with PlainDecoders() as pool:
        try:
            decoded = open_decoder(source, syntax, options, pool=pool, limits=_IMAGES)
            written = b"".join(bytes(each) for each in decoded.segments())
        except DataSetError as problem:
            return problem.reason, problem.offset
    if len(written) != decoded.length:
        raise AssertionError(f"{len(written)} bytes, {decoded.length} were said")
    return written
