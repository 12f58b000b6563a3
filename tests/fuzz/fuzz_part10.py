"""Fuzz target: heads of files, and files as a whole.

Reading may raise `DataSetError` and nothing else, whether the file is held in memory or
looked up piece by piece, and both ways must come to the same end.
"""

from __future__ import annotations

import os

from isocenter import uids
from isocenter.dataset.identity import IdentityLimits, read_identity, verify_complete
from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta
from isocenter.errors import DataSetError
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_image,
)

_IN_MEMORY = IdentityLimits()
_IN_FILE = IdentityLimits(maximum_head_length=1)


def seeds() -> list[bytes]:
    """Return a small image in each kind of transfer syntax."""
    syntaxes = (
        IMPLICIT_LITTLE,
        EXPLICIT_LITTLE,
        EXPLICIT_BIG,
        DEFLATED_EXPLICIT_LITTLE,
        uids.JPEG_BASELINE_8BIT,
    )
    return [
        ct_image(transfer_syntax=each, sop_instance_uid="1.2.3", rows=2, columns=2).part10()
        for each in syntaxes
    ]


def test_one_input(data: bytes) -> None:
    """Read one input and check what follows from it."""
    try:
        meta = read_file_meta(memoryview(data))
    except DataSetError:
        pass
    else:
        if not 0 <= meta.data_set_offset <= len(data):
            raise AssertionError(f"data set at {meta.data_set_offset} of {len(data)}")
        guess_transfer_syntax(data, meta.data_set_offset)
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, data)
        in_memory, in_file = _read(fd, _IN_MEMORY), _read(fd, _IN_FILE)
    finally:
        os.close(fd)
    if in_memory != in_file:
        raise AssertionError(f"in memory {in_memory!r}, in the file {in_file!r}")


def _read(fd: int, limits: IdentityLimits) -> tuple[object, ...]:
    """Return everything that reading a file told, errors included."""
    try:
        identity = read_identity(fd, limits=limits)
    except DataSetError as error:
        return (error.reason, error.offset)
    facts = (
        identity.sop_class_uid,
        identity.sop_instance_uid,
        identity.transfer_syntax_uid,
        identity.data_set_offset,
        identity.data_set_length,
    )
    try:
        verify_complete(fd, identity, limits=limits)
    except DataSetError as error:
        return (*facts, error.reason, error.offset)
    return facts
