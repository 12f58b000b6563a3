"""Fuzz target: data sets that become pydicom's objects, for callers who want those.

The first byte of the input chooses the transfer syntax. Reading may raise `DataSetError` and
nothing else, and so may encoding what was read.
"""

from __future__ import annotations

import warnings

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset, encode_dataset, identify
from isocenter.errors import DataSetError
from isocenter.testing.datasets import ct_image
from tests.fuzz.oracle import Limits, raises_only
from tests.support.variants import broken_variants, variants

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=4096)
"""pydicom makes an object of each element."""

_SYNTAXES = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


def seeds() -> list[bytes]:
    """Return images, and small data sets of every kind."""
    found = [
        bytes((place,))
        + ct_image(transfer_syntax=syntax, sop_instance_uid="1.2.3", rows=4, columns=4).data_set
        for place, syntax in enumerate(_SYNTAXES)
    ]
    for place, each in enumerate((*variants(), *broken_variants())):
        if place % 5 == 0 and len(each.data_set) < 1000 and each.transfer_syntax in _SYNTAXES:
            found.append(bytes((_SYNTAXES.index(each.transfer_syntax),)) + each.data_set)
    return found


def test_one_input(data: bytes) -> None:
    """Read one data set and check what follows from it."""
    if not data:
        return
    syntax = _SYNTAXES[data[0] % len(_SYNTAXES)]
    with warnings.catch_warnings(), raises_only(DataSetError):
        warnings.simplefilter("ignore")
        dataset = decode_dataset(data[1:], syntax)
        encode_dataset(dataset, syntax)
        identify(dataset)
