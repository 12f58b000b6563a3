"""Fuzz target: heads of files, and files as a whole.

Reading may raise `DataSetError` and nothing else, whether the file is held in memory or
looked up piece by piece, and both ways must come to the same end.

Run with Atheris, which is needed by this target only::

    python -m tests.fuzz.fuzz_part10 -max_total_time=600 CORPUS
"""

from __future__ import annotations

import os
import sys

from isocenter.dataset.identity import IdentityLimits, read_identity, verify_complete
from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta
from isocenter.errors import DataSetError

_IN_MEMORY = IdentityLimits()
_IN_FILE = IdentityLimits(maximum_head_length=1)


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


def main() -> None:
    """Hand the target to Atheris."""
    # By name: the type checker runs where Atheris, which needs libFuzzer, is not installed.
    from importlib import import_module

    atheris = import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
