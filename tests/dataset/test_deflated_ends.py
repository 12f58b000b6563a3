"""Deflate streams whose last bytes go in before all that they mean has come out."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset.convert import Inflater, plan_rewrite
from isocenter.dataset.identity import read_identity, verify_complete
from isocenter.dataset.part10 import encode_file_meta
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_data_set

if TYPE_CHECKING:
    from isocenter.testing.datasets import Element

STEP = 64 * 1024
LENGTHS = range(STEP - 20, STEP + 300, 2)
"""Of data sets: the end of what is inflated lies at any place around a piece of 64 KiB."""


def deflated(length: int) -> bytes:
    """Return a deflate stream that is not padded: a byte behind its end would hide all of this."""
    for number in range(30):
        stream = deflated_with("abcdefghijklmnopqrstuvwxyz1234"[:number], length)
        if len(stream) % 2 == 0:
            return stream
    raise AssertionError("all of them are of odd length")


def deflated_with(comment: str, length: int) -> bytes:
    elements: list[Element] = [
        (0x00080016, "UI", "1.2.3"),
        (0x00080018, "UI", "1.2.3.4"),
        (0x00204000, "LT", comment),
    ]
    head = encode_data_set(elements, EXPLICIT_LITTLE)
    rest = length - len(head) - 12
    data_set = head + b"\xe0\x7f\x10\x00OW\0\0" + rest.to_bytes(4, "little") + bytes(rest)
    assert len(data_set) == length
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data_set) + deflater.flush()


@pytest.mark.parametrize("pieces", [1, 2])
def test_stream_is_inflated_to_its_end_wherever_that_is(pieces: int) -> None:
    for length in LENGTHS:
        stream = deflated(length)
        cut = len(stream) // pieces
        inflater = Inflater()
        parts = (stream[:cut], stream[cut:])
        found = sum(len(piece) for part in parts for piece in inflater.feed(part))
        inflater.finish()
        assert found == length


def test_data_set_is_planned_whatever_length_it_inflates_to() -> None:
    profile = RewriteProfile(
        uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        RewriteOptions(transfer_syntax_uid=EXPLICIT_LITTLE),
    )
    for length in LENGTHS:
        assert plan_rewrite(deflated(length), profile).source_length == length


def test_file_is_complete_whatever_length_it_inflates_to() -> None:
    head = encode_file_meta(
        transfer_syntax_uid=uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        sop_class_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
    )
    for length in LENGTHS:
        fd = os.memfd_create("deflated")
        try:
            os.write(fd, head + deflated(length))
            identity = read_identity(fd)
            verify_complete(fd, identity)
        finally:
            os.close(fd)
