"""Fuzz target: an object on its way into its file, in normal mode.

The first two bytes choose transfer syntax and how the rest is cut; the rest is the data set.
Keeping it may raise what the receiver answers to the peer and nothing else. What could not be read
is kept as it came; nothing else is left in the directory, and no name leads out of it.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

from isocenter import uids
from isocenter.dataset.convert import plan_rewrite, rewritten
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.errors import DataSetError, ObjectMismatch, StorageRefused
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import Receiver
from isocenter.storage.spool import Spool
from isocenter.testing.datasets import ct_image
from isocenter.wire import FileRegion
from tests.fuzz.oracle import Limits
from tests.support.variants import broken_variants, variants

LIMITS = Limits(memory=8 * 1024 * 1024, per_byte=1024)

_CLASS = "1.2.840.10008.5.1.4.1.1.2"
_SYNTAXES = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids.JPEG_BASELINE_8BIT,
    "1.2.3.4",
)
_OPTIONS = StorageOptions(rewrite=RewriteOptions(), clean_leftovers=False)
_CHECKING = StorageOptions(rewrite=RewriteOptions(), check_uids=True, clean_leftovers=False)
_ORIGIN = Origin(1, "STORESCU")


def seeds() -> list[bytes]:
    """Return images, and small data sets of every kind."""
    found = [
        bytes((place, 9))
        + ct_image(transfer_syntax=syntax, sop_instance_uid="1.2.3", rows=4, columns=4).data_set
        for place, syntax in enumerate(_SYNTAXES[:5])
    ]
    for place, each in enumerate((*variants(), *broken_variants())):
        if place % 5 == 0 and len(each.data_set) < 1000 and each.transfer_syntax in _SYNTAXES:
            choice = _SYNTAXES.index(each.transfer_syntax)
            found.append(bytes((choice + 6 * (place % 2), place % 256)) + each.data_set)
    return found


def test_one_input(data: bytes) -> None:
    """Receive one object and check what is there."""
    if len(data) < 2:
        return
    syntax = _SYNTAXES[data[0] % 6]
    options = _CHECKING if data[0] // 6 % 2 else _OPTIONS
    body = data[2:]
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="fuzz-") as folder:
        with Spool(folder) as spool:
            received = Receiver(spool, options).begin(
                origin=_ORIGIN,
                sop_class_uid=_CLASS,
                sop_instance_uid="1.2.3",
                transfer_syntax_uid=syntax,
            )
            generator = random.Random(data[1])
            place = 0
            try:
                while place < len(body):
                    size = generator.choice((2, 40, 1000, 100_000))
                    received.write([memoryview(body)[place : place + size]])
                    place += size
                received.finish()
            except (ObjectMismatch, StorageRefused):
                if os.listdir(folder):
                    raise AssertionError(f"refused, and {os.listdir(folder)} is there") from None
                return
        names = os.listdir(folder)
        if names != ["CT.1.2.3"]:
            raise AssertionError(f"{names} is there")
        kept = Path(folder, names[0]).read_bytes()
    if not kept.endswith(_expected(body, syntax)):
        raise AssertionError("what is kept is neither as it came nor as it is planned")


def _expected(data: bytes, syntax: str) -> bytes:
    """Return the data set as it should be in the file."""
    try:
        profile = RewriteProfile(syntax, RewriteOptions())
    except ValueError:
        return data
    try:
        plan = plan_rewrite(data, profile)
        segments = list(rewritten(plan, data))
    except DataSetError:
        return data
    return b"".join(bytes(each) for each in segments if not isinstance(each, FileRegion))
